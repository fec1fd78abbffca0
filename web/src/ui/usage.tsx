/* usage.tsx - what this key used in the last thirty days, day by day, as the server's ledger has it. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ownUsage, type UsageRow } from '../wire/server.ts';
import { ApiError } from '../wire/http.ts';
import { locale, number, t } from '../i18n/i18n.ts';

const DAYS = 30;

function promptOf(r: UsageRow): number {
  return r.prompt_cache_hit_tokens + r.prompt_cache_miss_tokens;
}

function Bars({ rows }: { rows: UsageRow[] }) {
  const most = Math.max(1, ...rows.map((r) => r.completion_tokens + promptOf(r)));
  const day = new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'short', timeZone: 'UTC' });
  return (
    <div class="bars" role="img" aria-label={t('tokensPerDay')}>
      {rows.map((r) => {
        const title = `${day.format(Date.parse(r.group))}: ${t('tokens', { n: promptOf(r) + r.completion_tokens })}`;
        return (
          <span key={r.group + r.currency} title={title}>
            <i class="partAnswer" ref={(el) => { if (el) el.style.height = `${(100 * r.completion_tokens) / most}%`; }} />
            <i class="partPrompt" ref={(el) => { if (el) el.style.height = `${(100 * promptOf(r)) / most}%`; }} />
          </span>
        );
      })}
    </div>
  );
}

function sum(rows: UsageRow[], key: 'requests' | 'prompt_cache_hit_tokens' | 'completion_tokens'): number {
  return rows.reduce((s, r) => s + r[key], 0);
}

export function Usage() {
  const rows = useSignal<UsageRow[] | null>(null);
  const why = useSignal('');
  useEffect(() => {
    ownUsage(DAYS).then(
      (r) => (rows.value = r),
      (e: unknown) => (why.value = e instanceof ApiError ? e.message : String(e)),
    );
  }, []);
  const list = rows.value ?? [];
  const day = new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeZone: 'UTC' });
  const figure = (label: string, v: string) => <div><dt>{label}</dt><dd>{v}</dd></div>;
  return (
    <div class="page">
      <div class="column">
        <h1>{t('usage')}</h1>
        <p class="hint">{t('usageHint', { n: DAYS })}</p>
        {why.value && <p class="note bad">{why.value}</p>}
        {rows.value && list.length === 0 && <p>{t('usageNone')}</p>}
        {list.length > 0 && (
          <>
            <dl class="figures">
              {figure(t('requests'), number(sum(list, 'requests')))}
              {figure(t('promptTokens'), number(list.reduce((n, r) => n + promptOf(r), 0)))}
              {figure(t('cachedTokens'), number(sum(list, 'prompt_cache_hit_tokens')))}
              {figure(t('outputTokens'), number(sum(list, 'completion_tokens')))}
            </dl>
            <Bars rows={list} />
            <div class="wide" tabIndex={0}>
              <table>
                <thead>
                  <tr><th scope="col">{t('day')}</th><th scope="col">{t('requests')}</th><th scope="col">{t('promptTokens')}</th><th scope="col">{t('outputTokens')}</th><th scope="col">{t('cost')}</th></tr>
                </thead>
                <tbody>
                  {[...list].reverse().map((r) => (
                    <tr key={r.group + r.currency}>
                      <th scope="row">{day.format(Date.parse(r.group))}</th>
                      <td>{number(r.requests)}</td><td>{number(promptOf(r))}</td><td>{number(r.completion_tokens)}</td>
                      <td>{Number(r.cost) > 0 ? `${r.cost} ${r.currency}` : '–'}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
      </div>
    </div>
  );
}
