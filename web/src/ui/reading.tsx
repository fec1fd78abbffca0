/* reading.tsx - before the first token: waiting in the queue, then how much of the prompt is read. */
import type { Live } from '../chat/live.ts';
import { duration, t } from '../i18n/i18n.ts';

export function Reading({ live }: { live: Live }) {
  const p = live.progress.value;
  if (!p || p.total <= 0) return <p class="reading"><span class="ripple" />{t('waiting')}</p>;
  const done = p.processed - p.cache;
  const left = done > 0 ? (p.time_ms / done) * (p.total - p.processed) : 0;
  return (
    <p class="reading">
      <progress max={p.total} value={p.processed} aria-label={t('readingPrompt')} />
      {t('readingOf', { done: p.processed, n: p.total })}
      {left > 2000 && ' · ' + t('timeLeft', { time: duration(Math.round(left / 1000) * 1000) })}
    </p>
  );
}
