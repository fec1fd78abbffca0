/* main.tsx - starts the page: language, history, server, keys, then the first drawing. */
import { render } from 'preact';
import { changedElsewhere, flush, refreshList } from './chat/history.ts';
import { lastingStore } from './chat/state.ts';
import { watchServer } from './chat/watch.ts';
import { pickLanguage, useLanguage } from './i18n/i18n.ts';
import { openStore } from './store/db.ts';
import { settings } from './store/settings.ts';
import { App } from './ui/app.tsx';
import { watchCodeButtons } from './ui/clipboard.ts';
import { watchKeys } from './ui/shortcuts.ts';

async function start(): Promise<void> {
  const chosen = settings.value.language;
  const [, lasting] = await Promise.all([
    useLanguage(pickLanguage(chosen ? [chosen] : navigator.languages)),
    openStore((id) => void changedElsewhere(id)),
  ]);
  lastingStore.value = lasting;
  const root = document.getElementById('app');
  if (!root) return;
  root.replaceChildren();
  render(<App />, root);
  watchKeys();
  watchCodeButtons();
  watchServer();
  await refreshList();
  addEventListener('pagehide', flush);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) flush();
  });
  if ('serviceWorker' in navigator && isSecureContext) {
    navigator.serviceWorker.register(workerAddress()).catch(() => undefined); // the page works without
  }
}

/* The only script address the page makes itself; the policy "tarn" can make no other. */
function workerAddress(): string {
  type Policy = { createScriptURL(s: string): string };
  type Factory = { createPolicy(name: string, rules: Policy): Policy };
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  const policy = factory?.createPolicy('tarn', { createScriptURL: () => 'sw.js' });
  return policy ? policy.createScriptURL('') : 'sw.js';
}

void start();
