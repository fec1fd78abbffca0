/* header.tsx - the line above a conversation: its name, the model, how full the context is. */
import { draftTokens } from './composer.tsx';
import { Icon } from './icons.tsx';
import { newChat, rename, showSidebar } from './sidebar.tsx';
import { contextSize, current, model, models, rev } from '../chat/state.ts';
import { shownPath } from '../store/conv.ts';
import { change } from '../store/settings.ts';
import { number, t } from '../i18n/i18n.ts';

/** Tokens the next request will bring: the last answer's prompt and text, without its thinking. */
function usedTokens(): number {
  const last = shownPath(current.value).findLast((m) => m.usage);
  const u = last?.usage;
  if (!u) return 0;
  return u.total_tokens - (u.completion_tokens_details?.reasoning_tokens ?? 0);
}

function Gauge() {
  rev.value;
  const size = contextSize.value;
  const used = usedTokens() + draftTokens.value;
  if (size <= 0 || used <= 0) return null;
  const share = Math.min(1, used / size);
  const text = t('contextUsed', { done: used, n: size });
  return (
    <span class={`gauge${share > 0.9 ? ' full' : ''}`} title={text}>
      <meter min={0} max={size} high={size * 0.9} value={used} aria-label={text} />
      <span aria-hidden="true">{number(share * 100, share < 0.1 ? 1 : 0)} %</span>
    </span>
  );
}

function ModelPicker() {
  const list = models.value;
  const now = model.value?.id ?? '';
  if (list.length < 2) return <span class="model" dir="auto">{model.value?.name ?? now}</span>;
  return (
    <select class="model" aria-label={t('model')} value={now} onChange={(e) => change({ model: e.currentTarget.value })}>
      {list.map((m) => <option key={m.id} value={m.id}>{m.name ?? m.id}</option>)}
    </select>
  );
}

export function Header() {
  rev.value;
  const c = current.value;
  return (
    <header class="top">
      <button type="button" class="plain opener" aria-label={t('showSidebar')} title={t('showSidebar')} aria-controls="sidebar" onClick={() => showSidebar(true)}>
        <Icon name="panel" />
      </button>
      <button type="button" class="plain opener" aria-label={t('newChat')} title={t('newChat')} onClick={() => newChat()}>
        <Icon name="plus" />
      </button>
      <h1 dir="auto">
        {c.temporary ? t('temporary') : c.messages.length > 0 && (
          <button type="button" class="title" title={t('rename')} onClick={() => rename(c.id, c.title)}>{c.title || t('untitled')}</button>
        )}
        {!c.temporary && c.messages.length === 0 && <span class="unseen">{t('newChat')}</span>}
      </h1>
      <Gauge />
      <ModelPicker />
      {c.messages.length === 0 && (
        <button type="button" class="plain" aria-pressed={c.temporary === true} aria-label={t('temporary')} title={t('temporaryHint')} onClick={() => newChat(!c.temporary)}>
          <Icon name="veil" />
        </button>
      )}
    </header>
  );
}
