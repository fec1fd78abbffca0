/* dialog.tsx - which dialog is open, and the frame they share: the browser's own modal dialog
 * keeps the focus inside, closes on Escape and gives the focus back. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { t } from '../i18n/i18n.ts';
import { Icon } from './icons.tsx';

export type DialogState =
  | { kind: 'settings' }
  | { kind: 'search' }
  | { kind: 'shortcuts' }
  | { kind: 'confirm'; text: string; action: string; run: () => void }
  | { kind: 'text'; title: string; hint?: string; value: string; action: string; long: boolean; run: (v: string) => void }
  | null;

export const dialog = signal<DialogState>(null);

export function close(): void {
  dialog.value = null;
}

interface Props {
  title: string;
  children: ComponentChildren;
  class?: string;
}

export function Dialog({ title, children, class: cls = '' }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const mine = useRef(dialog.value);
  const closed = (): void => {
    if (dialog.value === mine.current) close(); // another may have been opened meanwhile
  };
  useEffect(() => {
    const el = ref.current;
    if (!el || el.open) return;
    el.showModal();
    el.querySelector<HTMLElement>('[data-first]')?.focus();
  }, []);
  const outside = (e: MouseEvent): void => {
    if (e.target === ref.current) close();
  };
  return (
    <dialog ref={ref} class={cls} aria-label={title} onClose={closed} onMouseDown={outside}>
      <div class="sheet">
        <header>
          <h2>{title}</h2>
          <button type="button" class="plain" aria-label={t('close')} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
