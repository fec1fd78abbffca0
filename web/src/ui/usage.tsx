/* usage.tsx - what this key used in the last thirty days, as the server's ledger has it: tokens, money
 * and energy day by day, and what the same tokens would have cost at published prices. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ownUsage, type UsageReport, type UsageRow } from '../wire/server.ts';
import { ApiError } from '../wire/http.ts';
import { locale, number, t } from '../i18n/i18n.ts';

const DAYS = 30;
const DAY_MS = 86_400_000;
const NEAREST = 'deepseek-reasoner'; // the published price that the days are compared with

/* One day: its rows added up (a day has a row for each currency; money is of the first one). */
interface Day {
  at: number;
  requests: number;
  prompt: number;
  cached: number;
  answer: number;
  cost: number;
  elsewhere: Record<string, number>;
  wh: number;
}

function addRow(d: Day, r: UsageRow, currency: string): void {
  d.requests += r.requests;
  d.prompt += r.prompt_cache_hit_tokens + r.prompt_cache_miss_tokens;
  d.cached += r.prompt_cache_hit_tokens;
  d.answer += r.completion_tokens;
  if (r.currency === currency) d.cost += Number(r.cost);
  d.wh += r.energy_wh ?? 0;
  for (const [m, v] of Object.entries(r.elsewhere ?? {})) d.elsewhere[m] = (d.elsewhere[m] ?? 0) + Number(v);
}

const empty = (at: number): Day => ({ at, requests: 0, prompt: 0, cached: 0, answer: 0, cost: 0, elsewhere: {}, wh: 0 });

/* Every day of the time shown, used or not, so that gaps look like gaps. */
function daysOf(rows: UsageRow[], currency: string): Day[] {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const days = Array.from({ length: DAYS }, (_, i) => empty(today - (DAYS - 1 - i) * DAY_MS));
  for (const r of rows) {
    const d = days.find((x) => x.at === Date.parse(r.group));
    if (d) addRow(d, r, currency);
  }
  return days;
}

/** Four digits that matter: small sums stay readable. */
function money(v: number, currency: string): string {
  const f = { style: 'currency', currency: currency || 'USD', currencyDisplay: 'narrowSymbol' } as const;
  const digits = v >= 1 || v === 0 ? 2 : Math.min(9, 3 - Math.floor(Math.log10(v)));
  return new Intl.NumberFormat(locale.value, { ...f, minimumFractionDigits: 2, maximumFractionDigits: digits }).format(v);
}

function energy(wh: number): string {
  return `${number(wh, wh >= 10 ? 0 : wh >= 0.1 ? 2 : 4)} Wh`;
}

function shortDay(at: number): string {
  return new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(at);
}

interface Part {
  class: string;
  name: string;
  of: (d: Day) => number;
}

interface BarsProps {
  title: string;
  days: Day[];
  parts: Part[]; // the lowest first
  beside?: boolean; // the parts stand side by side, not on each other
  show: (v: number) => string;
  hint?: string;
}

function Bars({ title, days, parts, beside = false, show, hint }: BarsProps) {
  const whole = (d: Day): number => (beside ? Math.max(...parts.map((p) => p.of(d))) : parts.reduce((s, p) => s + p.of(d), 0));
  const most = Math.max(...days.map(whole));
  if (!(most > 0)) return null;
  const label = (d: Day): string => `${shortDay(d.at)}: ${parts.map((p) => `${p.name} ${show(p.of(d))}`).join(', ')}`;
  return (
    <section>
      <h2>{title}</h2>
      <p class="legend">
        {parts.map((p) => <span key={p.name}><i class={p.class} />{p.name}</span>)}
        <span class="most">{show(most)}</span>
      </p>
      <div class={`bars${beside ? ' beside' : ''}`} role="img" aria-label={title}>
        {days.map((d) => (
          <span key={d.at} title={label(d)}>
            {(beside ? parts : [...parts].reverse()).map((p) => (
              <i key={p.class} class={p.class} ref={(el) => { if (el) el.style.height = `${(100 * p.of(d)) / most}%`; }} />
            ))}
          </span>
        ))}
      </div>
      <p class="ends"><span>{shortDay(days[0]?.at ?? 0)}</span><span>{shortDay(days.at(-1)?.at ?? 0)}</span></p>
      {hint && <p class="hint">{hint}</p>}
    </section>
  );
}

function Elsewhere({ prices, own, currency }: { prices: Record<string, number>; own: number; currency: string }) {
  const list = Object.entries(prices).sort((a, b) => a[1] - b[1]);
  if (list.length === 0) return null;
  return (
    <section>
      <h2>{t('elsewhere')}</h2>
      <table>
        <tbody>
          <tr><th scope="row">{t('here')}</th><td>{money(own, currency)}</td></tr>
          {list.map(([m, v]) => <tr key={m}><th scope="row">{m}</th><td>{money(v, 'USD')}</td></tr>)}
        </tbody>
      </table>
    </section>
  );
}

function Table({ days, currency }: { days: Day[]; currency: string }) {
  const day = new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeZone: 'UTC' });
  return (
    <section>
      <h2>{t('day')}</h2>
      <div class="wide" tabIndex={0}>
        <table>
          <thead>
            <tr>{(['day', 'requests', 'promptTokens', 'outputTokens', 'cost', 'energy'] as const).map((k) => <th key={k} scope="col">{t(k)}</th>)}</tr>
          </thead>
          <tbody>
            {days.filter((d) => d.requests > 0).reverse().map((d) => (
              <tr key={d.at}>
                <th scope="row">{day.format(d.at)}</th>
                <td>{number(d.requests)}</td><td>{number(d.prompt)}</td><td>{number(d.answer)}</td>
                <td>{d.cost > 0 ? money(d.cost, currency) : '–'}</td><td>{d.wh > 0 ? energy(d.wh) : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Report({ report }: { report: UsageReport }) {
  const currency = report.rows.find((r) => Number(r.cost) > 0)?.currency ?? report.rows[0]?.currency ?? 'USD';
  const days = daysOf(report.rows, currency);
  const all = empty(0);
  for (const r of report.rows) addRow(all, r, currency);
  const figure = (label: string, v: string) => <div><dt>{label}</dt><dd>{v}</dd></div>;
  const here: Part = { class: 'partAnswer', name: t('here'), of: (d) => d.cost };
  const there: Part = { class: 'partPrompt', name: NEAREST, of: (d) => d.elsewhere[NEAREST] ?? 0 };
  return (
    <>
      <dl class="figures">
        {figure(t('requests'), number(all.requests))}
        {figure(t('promptTokens'), number(all.prompt))}
        {figure(t('cachedTokens'), number(all.cached))}
        {figure(t('outputTokens'), number(all.answer))}
        {figure(t('cost'), money(all.cost, currency))}
        {all.wh > 0 && figure(t('energy'), energy(all.wh))}
      </dl>
      <Bars title={t('tokensPerDay')} days={days} show={(v) => number(v)} parts={[
        { class: 'partPrompt', name: t('promptTokens'), of: (d) => d.prompt },
        { class: 'partAnswer', name: t('outputTokens'), of: (d) => d.answer },
      ]} />
      <Bars title={t('moneyPerDay')} days={days} beside show={(v) => money(v, currency)} parts={currency === 'USD' ? [here, there] : [here]} />
      <Bars title={t('energyPerDay')} days={days} show={energy} hint={t(report.energy_source === 'estimate' ? 'energyEstimate' : 'energyMeasured')}
        parts={[{ class: 'partThinking', name: t('energy'), of: (d) => d.wh }]} />
      <Elsewhere prices={all.elsewhere} own={all.cost} currency={currency} />
      <Table days={days} currency={currency} />
    </>
  );
}

export function Usage() {
  const report = useSignal<UsageReport | null>(null);
  const why = useSignal('');
  useEffect(() => {
    ownUsage(DAYS).then(
      (r) => (report.value = r),
      (e: unknown) => (why.value = e instanceof ApiError ? e.message : String(e)),
    );
  }, []);
  return (
    <div class="page">
      <div class="column">
        <h1>{t('usage')}</h1>
        <p class="hint">{t('usageHint', { n: DAYS })}</p>
        {why.value && <p class="note bad">{why.value}</p>}
        {report.value && (report.value.rows.length === 0 ? <p>{t('usageNone')}</p> : <Report report={report.value} />)}
      </div>
    </div>
  );
}
