/* cost.ts - what an answer cost, in whole pico-units (1e-12 of the currency), as the server bills.
 *
 * The rules are those of the server's price table: among rows with daily windows that hold the
 * moment the one that began last, else among rows without windows the one that began last; the
 * model name "*" fits models that no row names. BigInt, no rounding before display.
 */
import type { PriceRow } from '../wire/server.ts';
import type { Usage } from './conv.ts';

const MINUTES = 24 * 60;

/** "0.0028" per million tokens -> 2800 pico-units per token. */
export function picoPerToken(perMillion: string): bigint {
  const m = /^(\d{1,12})(?:\.(\d{1,6}))?$/.exec(perMillion);
  if (!m) return 0n;
  return BigInt(m[1] + (m[2] ?? '').padEnd(6, '0'));
}

function minutesOf(hhmm: string): number {
  const [h = 0, m = 0] = hhmm.split(':').map(Number);
  return h * 60 + m;
}

function inWindow(row: PriceRow, at: number): boolean {
  const d = new Date(at);
  const minute = d.getUTCHours() * 60 + d.getUTCMinutes();
  const today = ((d.getUTCDay() + 6) % 7) + 1; // 1 Monday … 7 Sunday
  const yesterday = ((today + 5) % 7) + 1;
  const days = row.days ?? '1234567';
  return (row.windows ?? []).some((w) => {
    const [from = 0, end = 0] = w.split('-').map(minutesOf);
    const to = end <= from ? end + MINUTES : end;
    return (minute >= from && minute < to && days.includes(String(today))) ||
      (minute + MINUTES < to && days.includes(String(yesterday)));
  });
}

export function priceFor(rows: PriceRow[], model: string, at: number): PriceRow | null {
  const named = rows.some((r) => r.model === model);
  let best: PriceRow | null = null, bestWindow = false, bestFrom = -Infinity;
  for (const r of rows) {
    if (r.model !== (named ? model : '*')) continue;
    const from = Date.parse(r.from);
    if (from > at || (r.to && Date.parse(r.to) <= at)) continue;
    const windowed = (r.windows ?? []).length > 0;
    if (windowed && !inWindow(r, at)) continue;
    if (windowed === bestWindow ? from >= bestFrom : windowed) {
      [best, bestWindow, bestFrom] = [r, windowed, from];
    }
  }
  return best;
}

export function costOf(row: PriceRow, u: Usage): bigint {
  const hit = u.prompt_cache_hit_tokens ?? 0;
  const miss = u.prompt_cache_miss_tokens ?? u.prompt_tokens - hit;
  return BigInt(hit) * picoPerToken(row.hit) + BigInt(miss) * picoPerToken(row.miss) +
    BigInt(u.completion_tokens) * picoPerToken(row.output);
}

/** For display: two digits that mean something, at least two decimals. */
export function formatCost(pico: bigint, currency: string, locale: string): string {
  const units = Number(pico) / 1e12;
  const digits = units > 0 && units < 0.1 ? Math.min(8, 1 - Math.floor(Math.log10(units))) : 2;
  try {
    return new Intl.NumberFormat(locale, {
      style: 'currency', currency, minimumFractionDigits: 2, maximumFractionDigits: digits,
    }).format(units);
  } catch {
    return `${units.toFixed(digits)} ${currency}`;
  }
}
