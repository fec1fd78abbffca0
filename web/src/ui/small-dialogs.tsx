/* small-dialogs.tsx - a question to be sure, a text to enter, and the list of shortcuts. */
import { useRef } from 'preact/hooks';
import { t, type Key } from '../i18n/i18n.ts';
import { close, Dialog, type DialogState } from './dialog.tsx';

type Of<K> = Extract<NonNullable<DialogState>, { kind: K }>;

export function Confirm({ d }: { d: Of<'confirm'> }) {
  const run = (): void => {
    close();
    d.run();
  };
  return (
    <Dialog title={d.action} class="narrow">
      <p dir="auto">{d.text}</p>
      <div class="row end">
        <button type="button" data-first onClick={close}>{t('cancel')}</button>
        <button type="button" class="main danger" onClick={run}>{d.action}</button>
      </div>
    </Dialog>
  );
}

export function EnterText({ d }: { d: Of<'text'> }) {
  const ref = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const run = (e: Event): void => {
    e.preventDefault();
    const v = ref.current?.value ?? '';
    close();
    d.run(v);
  };
  const keys = (e: KeyboardEvent): void => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) run(e);
  };
  return (
    <Dialog title={d.title} class={d.long ? '' : 'narrow'}>
      <form onSubmit={run}>
        {d.hint && <p class="hint">{d.hint}</p>}
        {d.long ? (
          <textarea ref={ref} data-first dir="auto" rows={14} aria-label={d.title} onKeyDown={keys}>{d.value}</textarea>
        ) : (
          <input ref={ref} data-first dir="auto" aria-label={d.title} value={d.value} />
        )}
        <div class="row end">
          <button type="button" onClick={close}>{t('cancel')}</button>
          <button type="submit" class="main">{d.action}</button>
        </div>
      </form>
    </Dialog>
  );
}

const mac = /Mac|iPhone|iPad/.test(navigator.platform);
const CTRL = mac ? '⌘' : 'Ctrl';
const SHIFT = mac ? '⇧' : 'Shift';
const KEYS: [string[], Key][] = [
  [[CTRL, SHIFT, 'O'], 'newChat'],
  [[CTRL, 'K'], 'search'],
  [[CTRL, 'B'], 'toggleSidebar'],
  [['/'], 'focusInput'],
  [['↑'], 'editLast'],
  [['Esc'], 'stop'],
  [[CTRL, SHIFT, 'E'], 'editLast'],
  [[CTRL, SHIFT, 'D'], 'remove'],
  [[CTRL, ','], 'settings'],
  [['?'], 'shortcuts'],
];

export function Shortcuts() {
  return (
    <Dialog title={t('shortcuts')} class="narrow">
      <table class="keys">
        <tbody>
          {KEYS.map(([keys, what]) => (
            <tr key={keys.join()}>
              <th scope="row">{t(what)}</th>
              <td dir="ltr">{keys.map((k) => <kbd key={k}>{k}</kbd>)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}

