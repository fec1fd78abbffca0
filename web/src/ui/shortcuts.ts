/* shortcuts.ts - the keys that work everywhere. Single keys only outside text fields. */
import * as act from '../chat/actions.ts';
import { current } from '../chat/state.ts';
import { dialog } from './dialog.tsx';
import { askRemove, newChat, showSidebar, sidebarOpen } from './sidebar.tsx';

function writing(e: KeyboardEvent): boolean {
  return e.target instanceof Element && e.target.closest('input, textarea, select, [contenteditable]') !== null;
}

function editLast(): void {
  const m = act.rewritable(current.value);
  if (m) document.getElementById(`m-${m.id}`)?.dispatchEvent(new Event('tarn-edit'));
}

const WITH_CTRL: Record<string, () => void> = {
  k: () => (dialog.value = { kind: 'search' }),
  b: () => showSidebar(!sidebarOpen()),
  ',': () => (dialog.value = { kind: 'settings' }),
};
const WITH_CTRL_SHIFT: Record<string, () => void> = {
  o: () => newChat(),
  e: editLast,
  d: () => {
    if (current.value.messages.length > 0) askRemove(current.value.id, current.value.title);
  },
};
const ALONE: Record<string, () => void> = {
  '/': () => document.getElementById('ask')?.focus(),
  '?': () => (dialog.value = { kind: 'shortcuts' }),
};

export function watchKeys(): void {
  addEventListener('keydown', (e) => {
    if (document.querySelector('dialog[open]') || e.isComposing || e.altKey) return;
    const ctrl = e.ctrlKey || e.metaKey;
    const key = e.key.toLowerCase();
    let run: (() => void) | undefined;
    if (ctrl) run = (e.shiftKey ? WITH_CTRL_SHIFT : WITH_CTRL)[key];
    else if (e.key === 'Escape') {
      if (document.querySelector(':popover-open')) return;
      if (act.stop(current.value)) e.preventDefault();
      return;
    } else if (!writing(e)) run = ALONE[e.key];
    if (!run) return;
    e.preventDefault();
    run();
  });
}
