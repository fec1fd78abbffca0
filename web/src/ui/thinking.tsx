/* thinking.tsx - the reasoning: open while it grows, folded when the answer starts (unless the
 * reader opened it), with its duration and tokens. A native details element, so that a screen
 * reader can read it at any time; nothing in it is announced. */
import { useSignal } from '@preact/signals';
import type { Live } from '../chat/live.ts';
import type { Message } from '../store/conv.ts';
import { rev } from '../chat/state.ts';
import { settings } from '../store/settings.ts';
import { duration, t } from '../i18n/i18n.ts';
import { copyText } from './clipboard.ts';
import { useClock } from './clock.ts';
import { Prose } from './prose.tsx';

export function Thinking({ message, live }: { message: Message; live: Live | undefined }) {
  rev.value;
  const growing = live?.phase.value === 'thinking';
  const chosen = useSignal<boolean | null>(null);
  useClock(growing);
  const open = chosen.value ?? (growing || settings.value.openThinking);
  const ms = growing ? performance.now() - live.thinkingFrom : (message.thinking_ms ?? 0);
  const tokens = message.usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  const label = growing ? t('thinkingNow') : ms > 0 ? t('thoughtFor', { time: duration(ms) }) : t('thought');
  const toggle = (e: Event): void => {
    const now = (e.currentTarget as HTMLDetailsElement).open;
    if (now !== open) chosen.value = now;
  };
  return (
    <div class={`thinking${growing ? ' growing' : ''}`}>
      <details open={open} onToggle={toggle}>
        <summary>
          <span class="label">{label}</span>
          <span class="figures">
            {growing ? duration(Math.floor(ms / 1000) * 1000) : tokens > 0 ? t('tokens', { n: tokens }) : ''}
          </span>
        </summary>
        {open && <Prose message={message} part="reasoning" live={live} />}
        {open && !growing && (
          <button type="button" class="small" onClick={() => copyText(message.reasoning ?? '')}>
            {t('copyThinking')}
          </button>
        )}
      </details>
      {growing && (
        <button type="button" class="small now" disabled={live.ending.value} onClick={() => void live.answerNow()}>
          {t('answerNow')}
        </button>
      )}
    </div>
  );
}
