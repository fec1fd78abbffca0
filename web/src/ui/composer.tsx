/* composer.tsx - where the question is written. The focus stays here. Enter sends (or Ctrl+Enter,
 * as set), never while an input method is composing; a long paste becomes a file. */
import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import * as act from '../chat/actions.ts';
import { alarm, contextSize, current, lives, liveIn, model, rev, server } from '../chat/state.ts';
import type { Params, TextFile } from '../store/conv.ts';
import { changeParams, draft, keepDraft, settings } from '../store/settings.ts';
import { countTokens } from '../wire/server.ts';
import { bytes, t } from '../i18n/i18n.ts';
import { counted, NotText, readFile, TooLarge } from './files.ts';
import { Icon } from './icons.tsx';
import { go } from './route.ts';

const PASTE_TO_FILE = 6000; // characters
export const draftTokens = signal(0);

function fileError(e: unknown): string {
  if (e instanceof NotText) return t('notText', { name: e.message });
  if (e instanceof TooLarge) return t('fileTooLarge', { name: e.message });
  return String(e);
}

function Effort() {
  const p = settings.value.params;
  const now = p.thinking ? p.effort : 'off';
  const set = (v: string): void =>
    changeParams(v === 'off' ? { thinking: false } : { thinking: true, effort: v as Params['effort'] });
  return (
    <label class="effort">
      <span>{t('thinking')}</span>
      <select value={now} onChange={(e) => set(e.currentTarget.value)}>
        <option value="off">{t('effortOff')}</option>
        <option value="low">{t('effortLow')}</option>
        <option value="high">{t('effortHigh')}</option>
        <option value="max">{t('effortMax')}</option>
      </select>
    </label>
  );
}

interface ChipsProps {
  files: TextFile[];
  drop: (f: TextFile) => void;
}

function Chips({ files, drop }: ChipsProps) {
  if (files.length === 0) return null;
  return (
    <ul class="chips">
      {files.map((f) => (
        <li key={f.name}>
          <span dir="auto">{f.name}</span>
          <small>{f.tokens === undefined ? bytes(f.text.length) : t('tokens', { n: f.tokens })}</small>
          <button type="button" class="plain" aria-label={t('removeFile', { name: f.name })} onClick={() => drop(f)}>
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/* Counts the draft's tokens a little after the last key. */
function useDraftCount(text: string, files: TextFile[]): void {
  useEffect(() => {
    const inFiles = files.reduce((s, f) => s + (f.tokens ?? Math.ceil(f.text.length / 3)), 0);
    if (text.trim() === '') {
      draftTokens.value = inFiles;
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      countTokens(text, stop.signal).then((n) => (draftTokens.value = n + inFiles), () => undefined);
    }, 400);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text, files]);
}

export function Composer() {
  rev.value;
  lives.value;
  const conv = current.value;
  const running = liveIn(conv.id) !== undefined;
  const ref = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const text = useSignal(draft(conv.id));
  const files = useSignal<TextFile[]>([]);
  const over = useSignal(false);
  useDraftCount(text.value, files.value);

  useEffect(() => {
    text.value = draft(conv.messages.length ? conv.id : 'new');
    files.value = [];
    ref.current?.focus({ preventScroll: true });
  }, [conv.id]);

  const write = (v: string): void => {
    text.value = v;
    keepDraft(conv.messages.length ? conv.id : 'new', v);
  };
  const tooLong = contextSize.value > 0 && draftTokens.value > contextSize.value;
  const ready = !running && (text.value.trim() !== '' || files.value.length > 0) && !tooLong;
  const send = (): void => {
    if (!ready) return;
    const first = conv.messages.length === 0;
    const [q, f] = [text.value, files.value];
    write('');
    files.value = [];
    act.ask(conv, q, f);
    if (first && !conv.temporary) go(`c/${conv.id}`, true);
  };
  const addFiles = async (list: Iterable<File>): Promise<void> => {
    for (const f of list) {
      try {
        files.value = [...files.value.filter((x) => x.name !== f.name), await readFile(f)];
      } catch (e) {
        alarm.value = fileError(e);
      }
    }
    ref.current?.focus();
  };
  const paste = (e: ClipboardEvent): void => {
    const list = [...(e.clipboardData?.files ?? [])];
    const pasted = e.clipboardData?.getData('text/plain') ?? '';
    if (list.length > 0) {
      e.preventDefault();
      void addFiles(list);
    } else if (pasted.length > PASTE_TO_FILE) {
      e.preventDefault();
      const name = `${t('pastedName')}-${files.value.length + 1}.txt`;
      void counted({ name, text: pasted }).then((f) => (files.value = [...files.value, f]));
    }
  };
  const keys = (e: KeyboardEvent): void => {
    if (e.isComposing || e.keyCode === 229) return;
    const ctrl = e.ctrlKey || e.metaKey;
    if (e.key === 'Enter' && !e.shiftKey && (ctrl || settings.value.sendWith === 'enter')) {
      e.preventDefault();
      send();
    } else if (e.key === 'ArrowUp' && text.value === '') {
      const last = act.rewritable(conv);
      if (!last) return;
      e.preventDefault();
      document.getElementById(`m-${last.id}`)?.dispatchEvent(new Event('tarn-edit'));
    }
  };
  const drop = (e: DragEvent): void => {
    e.preventDefault();
    over.value = false;
    void addFiles(e.dataTransfer?.files ?? []);
  };
  return (
    <form
      class={`composer${over.value ? ' over' : ''}`}
      onSubmit={(e) => { e.preventDefault(); send(); }}
      onDragOver={(e) => { e.preventDefault(); over.value = true; }}
      onDragLeave={() => (over.value = false)}
      onDrop={drop}
    >
      <Chips files={files.value} drop={(f) => (files.value = files.value.filter((x) => x !== f))} />
      <textarea
        id="ask" ref={ref} rows={1} dir="auto" enterkeyhint="send" autocomplete="off"
        aria-label={t('askHere')} placeholder={t('askPlaceholder', { name: model.value?.name ?? 'tarn' })}
        value={text.value} onInput={(e) => write(e.currentTarget.value)} onKeyDown={keys} onPaste={paste}
      />
      <div class="row">
        <input ref={picker} type="file" multiple hidden onChange={(e) => { void addFiles([...(e.currentTarget.files ?? [])]); e.currentTarget.value = ''; }} />
        <button type="button" class="plain" aria-label={t('attach')} title={t('attach')} onClick={() => picker.current?.click()}>
          <Icon name="attach" />
        </button>
        <Effort />
        <span class="count" aria-live="off">
          {tooLong ? t('tooLong', { n: contextSize.value }) : draftTokens.value > 0 ? t('tokens', { n: draftTokens.value }) : ''}
        </span>
        {running ? (
          <button type="button" class="send stop" aria-label={t('stop')} title={t('stop')} onClick={() => act.stop(conv)}><Icon name="stop" /></button>
        ) : (
          <button type="submit" class="send" aria-label={t('send')} title={t('send')} disabled={!ready || server.value === 'gone'}><Icon name="send" /></button>
        )}
      </div>
    </form>
  );
}
