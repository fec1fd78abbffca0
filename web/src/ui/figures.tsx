/* figures.tsx - below an answer: speed, tokens, cost; opened, where the time went ("why was this
 * slow"): queue, prompt and its cache hits, thinking, answer, speculation. */
import type { Message, Timings } from '../store/conv.ts';
import { formatCost } from '../store/cost.ts';
import type { Live } from '../chat/live.ts';
import { rev } from '../chat/state.ts';
import { duration, locale, number, t, type Key } from '../i18n/i18n.ts';
import { useClock } from './clock.ts';

interface Part {
  key: Key;
  ms: number;
  note: string;
}

function parts(m: Message, x: Timings): Part[] {
  const answering = (x.predicted_ms ?? 0) - (x.reasoning_ms ?? 0);
  const hit = m.usage?.prompt_cache_hit_tokens ?? x.cache_n ?? 0;
  const prompt = m.usage?.prompt_tokens ?? (x.prompt_n ?? 0) + hit;
  const thought = m.usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  const out = (m.usage?.completion_tokens ?? x.predicted_n ?? 0) - thought;
  const list: Part[] = [
    { key: 'partQueue', ms: x.queue_ms ?? 0, note: '' },
    { key: 'partPrompt', ms: x.prompt_ms ?? 0, note: t('tokens', { n: prompt }) + (hit > 0 ? ' · ' + t('fromCache', { n: hit }) : '') },
    { key: 'partThinking', ms: x.reasoning_ms ?? 0, note: t('tokens', { n: thought }) },
    { key: 'partAnswer', ms: answering, note: t('tokens', { n: out }) },
  ];
  return list.filter((p) => p.ms > 0);
}

function short(m: Message): string[] {
  const out: string[] = [];
  const speed = m.timings?.predicted_per_second ?? 0;
  if (speed > 0) out.push(t('perSecond', { speed: number(speed, speed < 10 ? 1 : 0) }));
  if (m.usage) out.push(t('tokens', { n: m.usage.completion_tokens }));
  if (m.cost && m.cost.pico !== '0') out.push(formatCost(BigInt(m.cost.pico), m.cost.currency, locale.value));
  return out;
}

/** While the answer grows: the speed so far. */
export function LiveFigures({ live }: { live: Live }) {
  useClock(true);
  const speed = live.speed();
  if (live.phase.value !== 'answering' || speed === 0) return null;
  return <p class="live figures">{t('perSecond', { speed: number(speed, speed < 10 ? 1 : 0) })}</p>;
}

export function Figures({ message }: { message: Message }) {
  rev.value;
  const line = short(message);
  if (line.length === 0) return null;
  const x = message.timings;
  const list = x ? parts(message, x) : [];
  const total = list.reduce((s, p) => s + p.ms, 0);
  if (!x || total === 0) return <span class="figures">{line.join(' · ')}</span>;
  return (
    <details class="timing">
      <summary title={t('whereTime')}>{line.join(' · ')}</summary>
      <div class="bar" aria-hidden="true">
        {list.map((p) => <i key={p.key} class={p.key} ref={(el) => { if (el) el.style.flexGrow = String(p.ms / total); }} />)}
      </div>
      <table>
        <tbody>
          {list.map((p) => (
            <tr key={p.key}>
              <th scope="row"><i class={p.key} />{t(p.key)}</th>
              <td>{duration(p.ms)}</td>
              <td>{p.note}</td>
            </tr>
          ))}
          {x.draft_n ? (
            <tr>
              <th scope="row">{t('partDraft')}</th>
              <td />
              <td>{t('accepted', { done: x.draft_n_accepted ?? 0, n: x.draft_n })}</td>
            </tr>
          ) : null}
        </tbody>
      </table>
    </details>
  );
}
