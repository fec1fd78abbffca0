/* usage.tsx - what this key used in the last thirty days, day by day, as the server's ledger has it. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ownUsage, type UsageRow } from '../wire/server.ts';
import { ApiError } from '../wire/http.ts';
import { locale, number, t } from '../i18n/i18n.ts';

const DAYS = 30;

function Bars({ rows }: { rows: UsageRow[] }) {
  const most = Math.max(1, ...rows.map((r) => r.output + r.miss + r.hit));
  const day = new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'short', timeZone: 'UTC' });
  return (
    <div class="bars" role="img" aria-label={t('tokensPerDay')}>
      {rows.map((r) => {
        const title = `${r.day ? day.format(Date.parse(r.day)) : ''}: ${t('tokens', { n: r.hit + r.miss + r.output })}`;
        return (
          <span key={r.day} title={title}>
            <i class="partAnswer" ref={(el) => { if (el) el.style.height = `${(100 * r.output) / most}%`; }} />
            <i class="partPrompt" ref={(el) => { if (el) el.style.height = `${(100 * (r.hit + r.miss)) / most}%`; }} />
          </span>
        );
      })}
    </div>
  );
}

function sum(rows: UsageRow[], key: 'requests' | 'hit' | 'miss' | 'output' | 'reasoning'): number {
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
              {figure(t('promptTokens'), number(sum(list, 'hit') + sum(list, 'miss')))}
              {figure(t('cachedTokens'), number(sum(list, 'hit')))}
              {figure(t('outputTokens'), number(sum(list, 'output')))}
            </dl>
            <Bars rows={list} />
            <div class="wide" tabIndex={0}>
              <table>
                <thead>
                  <tr><th scope="col">{t('day')}</th><th scope="col">{t('requests')}</th><th scope="col">{t('promptTokens')}</th><th scope="col">{t('outputTokens')}</th><th scope="col">{t('cost')}</th></tr>
                </thead>
                <tbody>
                  {[...list].reverse().map((r) => (
                    <tr key={r.day}>
                      <th scope="row">{r.day ? day.format(Date.parse(r.day)) : ''}</th>
                      <td>{number(r.requests)}</td><td>{number(r.hit + r.miss)}</td><td>{number(r.output)}</td>
                      <td>{r.cost ? `${r.cost} ${r.currency ?? ''}` : '–'}</td>
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
