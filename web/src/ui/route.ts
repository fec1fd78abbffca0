/* route.ts - the part after # in the address: '' a new chat, c/ID, runs, runs/ID, usage. */
import { signal } from '@preact/signals';

export const route = signal(place());

function place(): string {
  return decodeURIComponent(location.hash.replace(/^#\/?/, ''));
}

export function go(to: string, replace = false): void {
  if (place() === to) return;
  const url = to ? `#/${to}` : location.pathname + location.search;
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  route.value = to;
}

addEventListener('popstate', () => (route.value = place()));
addEventListener('hashchange', () => (route.value = place()));
