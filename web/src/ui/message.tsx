/* message.tsx - one message: question or answer, its versions, and what can be done with it.
 *
 * Conversations are changed in place, so every component here that shows one reads `rev`. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import * as act from '../chat/actions.ts';
import { forkAt } from '../chat/history.ts';
import type { Live } from '../chat/live.ts';
import { lives, models, rev, touched } from '../chat/state.ts';
import { show, versions, type Conversation, type Message } from '../store/conv.ts';
import { bytes, number, t, type Key } from '../i18n/i18n.ts';
import { copyText } from './clipboard.ts';
import { dialog } from './dialog.tsx';
import { Figures, LiveFigures } from './figures.tsx';
import { Icon, type IconName } from './icons.tsx';
import { Menu, type MenuItem } from './menu.tsx';
import { Prose } from './prose.tsx';
import { Reading } from './reading.tsx';
import { go } from './route.ts';
import { Thinking } from './thinking.tsx';

interface Props {
  conv: Conversation;
  message: Message;
  last: boolean;
}

interface ToolProps {
  name: IconName;
  label: string;
  run: () => void;
  pressed?: boolean;
}

function Tool({ name, label, run, pressed }: ToolProps) {
  return (
    <button type="button" class="plain" aria-label={label} title={label} aria-pressed={pressed} onClick={run}>
      <Icon name={name} />
    </button>
  );
}

function CopyTool({ text }: { text: () => string }) {
  const done = useSignal(false);
  const run = async (): Promise<void> => {
    done.value = await copyText(text());
    setTimeout(() => (done.value = false), 1500);
  };
  return <Tool name={done.value ? 'check' : 'copy'} label={t(done.value ? 'copied' : 'copy')} run={() => void run()} />;
}

function Versions({ conv, message }: { conv: Conversation; message: Message }) {
  rev.value;
  const all = versions(conv, message);
  if (all.length < 2) return null;
  const at = all.findIndex((m) => m.id === message.id);
  const to = (i: number): void => {
    const m = all[i];
    if (!m) return;
    show(conv, m.id);
    touched();
  };
  return (
    <span class="versions" role="group" aria-label={t('versions')}>
      <button type="button" class="plain" aria-label={t('previous')} disabled={at === 0} onClick={() => to(at - 1)}>
        <Icon name="left" />
      </button>
      <span>{number(at + 1)}/{number(all.length)}</span>
      <button type="button" class="plain" aria-label={t('next')} disabled={at === all.length - 1} onClick={() => to(at + 1)}>
        <Icon name="right" />
      </button>
    </span>
  );
}

export function Editor({ value, action, label, done }: { value: string; action: string; label: string; done: (v: string | null) => void }) {
  const ref = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const el = ref.current;
    el?.focus();
    el?.setSelectionRange(el.value.length, el.value.length);
  }, []);
  const keys = (e: KeyboardEvent): void => {
    if (e.key === 'Escape') {
      e.stopPropagation();
      done(null);
    } else if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) done(ref.current?.value ?? '');
  };
  return (
    <div class="editor">
      <textarea ref={ref} aria-label={label} dir="auto" onKeyDown={keys}>{value}</textarea>
      <div class="row end">
        <button type="button" onClick={() => done(null)}>{t('cancel')}</button>
        <button type="button" class="main" onClick={() => done(ref.current?.value ?? '')}>{action}</button>
      </div>
    </div>
  );
}

function Question({ conv, message }: Props) {
  rev.value;
  const edit = useSignal(false);
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    const open = (): void => {
      edit.value = true;
    };
    const el = box.current;
    el?.addEventListener('tarn-edit', open);
    return () => el?.removeEventListener('tarn-edit', open);
  }, []);
  const done = (v: string | null): void => {
    edit.value = false;
    if (v !== null && (v.trim() || message.files)) act.editQuestion(conv, message, v);
    document.getElementById('ask')?.focus();
  };
  return (
    <article ref={box} class={`message question${edit.value ? ' editing' : ''}`} id={`m-${message.id}`} aria-labelledby={`h-${message.id}`}>
      <h2 class="unseen" id={`h-${message.id}`}>{t('you')}</h2>
      {message.files?.map((f) => (
        <details class="file" key={f.name}>
          <summary>{f.name} <small>{f.tokens === undefined ? bytes(f.text.length) : t('tokens', { n: f.tokens })}</small></summary>
          <pre dir="auto" tabIndex={0}>{f.text}</pre>
        </details>
      ))}
      {edit.value ? (
        <Editor value={message.content} action={t('send')} label={t('editQuestion')} done={done} />
      ) : (
        message.content && <div class="asked" dir="auto">{message.content}</div>
      )}
      {!edit.value && (
        <div class="tools">
          <Versions conv={conv} message={message} />
          <Tool name="edit" label={t('editQuestion')} run={() => (edit.value = true)} />
          <CopyTool text={() => message.content} />
        </div>
      )}
    </article>
  );
}

const REASON: Partial<Record<string, Key>> = {
  length: 'endLength', stopped: 'endStopped', interrupted: 'interrupted',
  content_filter: 'endFilter', insufficient_system_resource: 'endResources',
};

function Ending({ conv, message, last }: Props) {
  rev.value;
  const why = message.finish ?? '';
  if (why === 'error') {
    return (
      <div class="note bad">
        <p dir="auto">{message.error}</p>
        <button type="button" class="small" onClick={() => act.again(conv, message)}>{t('tryAgain')}</button>
      </div>
    );
  }
  const key = REASON[why];
  if (!key) return null;
  const unanswered = why === 'length' && !message.content.trim() && message.reasoning;
  return (
    <div class="note">
      <p>{t(unanswered ? 'endLengthThinking' : key)}</p>
      {last && <button type="button" class="small" onClick={() => act.goOn(conv, message)}>{t('goOn')}</button>}
    </div>
  );
}

function Judge({ conv, message }: { conv: Conversation; message: Message }) {
  rev.value;
  const f = message.feedback ?? {};
  const thumb = (v: 1 | -1): void => void act.judge(conv, message, { thumb: f.thumb === v ? undefined : v });
  return (
    <>
      <Tool name="up" label={t('good')} pressed={f.thumb === 1} run={() => thumb(1)} />
      <Tool name="down" label={t('bad')} pressed={f.thumb === -1} run={() => thumb(-1)} />
      {versions(conv, message).length > 1 && (
        <Tool name="star" label={t('prefer')} pressed={f.preferred === true} run={() => void act.judge(conv, message, { preferred: !f.preferred })} />
      )}
    </>
  );
}

function answerMenu(conv: Conversation, message: Message, edit: () => void): MenuItem[] {
  const correct = (): void => {
    dialog.value = {
      kind: 'text', title: t('correct'), hint: t('correctHint'), long: true, action: t('save'),
      value: message.feedback?.better ?? message.content,
      run: (v) => void act.judge(conv, message, { better: v }),
    };
  };
  const fork = (): void => go(`c/${forkAt(conv, message.id).id}`);
  return [
    { label: t('editAnswer'), icon: 'edit', run: edit },
    { label: t('goOn'), icon: 'play', run: () => act.goOn(conv, message) },
    { label: t('fork'), icon: 'fork', run: fork },
    { label: t('correct'), icon: 'check', run: correct },
  ];
}

function AnswerTools({ conv, message, edit }: { conv: Conversation; message: Message; edit: () => void }) {
  rev.value;
  return (
    <div class="tools">
      <Versions conv={conv} message={message} />
      <CopyTool text={() => message.content} />
      <Tool name="again" label={t('again')} run={() => act.again(conv, message)} />
      <Judge conv={conv} message={message} />
      <Menu label={t('more')} items={answerMenu(conv, message, edit)} />
      <Figures message={message} />
    </div>
  );
}

function Answer(p: Props) {
  rev.value;
  const { conv, message } = p;
  const live: Live | undefined = lives.value.get(message.id);
  const edit = useSignal(false);
  const name = models.value.find((m) => m.id === message.model)?.name ?? message.model ?? t('answer');
  const done = (v: string | null): void => {
    edit.value = false;
    if (v !== null && v !== message.content) act.editAnswer(conv, message, v);
  };
  const early = live && (live.phase.value === 'waiting' || live.phase.value === 'reading');
  return (
    <article class="message answer" id={`m-${message.id}`} aria-labelledby={`h-${message.id}`} aria-busy={live !== undefined}>
      <h2 class="unseen" id={`h-${message.id}`}>{name}</h2>
      {early && <Reading live={live} />}
      {(message.reasoning || live?.phase.value === 'thinking') && <Thinking message={message} live={live} />}
      {edit.value ? (
        <Editor value={message.content} action={t('save')} label={t('editAnswer')} done={done} />
      ) : (
        <Prose message={message} part="content" live={live} />
      )}
      {message.edited && <p class="edited">{t('edited')}</p>}
      {message.feedback?.better !== undefined && <p class="edited">{t('corrected')}</p>}
      {live && <LiveFigures live={live} />}
      {!live && <Ending {...p} />}
      {!live && !edit.value && <AnswerTools conv={conv} message={message} edit={() => (edit.value = true)} />}
    </article>
  );
}

export function MessageView(p: Props) {
  return p.message.role === 'assistant' ? <Answer {...p} /> : <Question {...p} />;
}
