/* runs.tsx - training in the browser: the list of runs; for one, its curves and what the model
 * thought at each step, live. A run's numbers are drawn whatever they are called; the telling
 * ones come first, the others and those that never change are behind "more". */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { follow, listRuns, type Metrics, type RunInfo, type Sample } from '../wire/runs.ts';
import { ApiError } from '../wire/http.ts';
import { locale, number, t } from '../i18n/i18n.ts';
import { newId, type Message } from '../store/conv.ts';
import { Curve } from './curve.tsx';
import { Prose } from './prose.tsx';
import { route } from './route.ts';

const FIRST = ['reward', 'accuracy', 'loss', 'eval_loss', 'length', 'entropy', 'kl', 'grad_norm', 'lr', 'tokens_per_s', 'rollout_tokens_per_s', 'tokens_per_second'];
const NOT_DRAWN = new Set(['step', 'time', 'seed', 'time_ms']);
const KEPT_SAMPLES = 200;

function explain(e: unknown): string {
  if (e instanceof ApiError && e.status === 404) return t('runsNone');
  return e instanceof Error ? e.message : String(e);
}

function List() {
  const runs = useSignal<RunInfo[] | null>(null);
  const why = useSignal('');
  useEffect(() => {
    const get = (): void => void listRuns().then((r) => (runs.value = r), (e: unknown) => (why.value = explain(e)));
    get();
    const timer = setInterval(get, 5000);
    return () => clearInterval(timer);
  }, []);
  const when = new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'short' });
  return (
    <div class="column">
      <h1>{t('runs')}</h1>
      {why.value && <p class="hint">{why.value}</p>}
      {runs.value?.length === 0 && <p class="hint">{t('runsNone')}</p>}
      <ul class="runs">
        {runs.value?.map((r) => (
          <li key={r.id}>
            <a href={`#/runs/${encodeURIComponent(r.id)}`}>
              <b dir="auto">{r.id}</b>
              <span class={`state ${r.state ?? ''}`}>{r.kind} · {r.state}</span>
              <span>{r.steps ? t('stepOf', { done: r.step ?? 0, n: r.steps }) : r.step !== undefined ? t('step', { step: r.step }) : ''}</span>
              {r.started ? <time>{when.format(r.started)}</time> : null}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function changes(rows: Metrics[], key: string): boolean {
  const all = rows.map((r) => r[key]).filter((v) => v !== undefined);
  return all.length < 2 || all.some((v) => v !== all[0]);
}

/** The telling curves, and the others. */
function sorted(rows: Metrics[]): [string[], string[]] {
  const all = new Set(rows.flatMap((r) => Object.keys(r)).filter((k) => !NOT_DRAWN.has(k)));
  const first = FIRST.filter((k) => all.has(k) && changes(rows, k));
  return [first, [...all].filter((k) => !first.includes(k)).sort((a, b) => a.localeCompare(b))];
}

function SampleView({ s }: { s: Sample }) {
  const m: Message = { id: newId(), parent: null, role: 'assistant', content: s.answer, created: 0, reasoning: s.reasoning ?? '' };
  const open = useSignal(false);
  return (
    <article class="sample">
      <header>
        <span>{t('step', { step: s.step })}</span>
        {s.reward !== undefined && <b class={s.reward > 0 ? 'good' : 'low'} title={s.reason}>{t('reward')} {number(s.reward, 2)}</b>}
      </header>
      <p class="asked" dir="auto">{s.prompt}</p>
      {s.reasoning && (
        <div class="thinking">
          <details onToggle={(e) => (open.value = e.currentTarget.open)}>
            <summary><span class="label">{t('thought')}</span></summary>
            {open.value && <Prose message={m} part="reasoning" live={undefined} />}
          </details>
        </div>
      )}
      <Prose message={m} part="content" live={undefined} />
    </article>
  );
}

function One({ id }: { id: string }) {
  const run = useSignal<RunInfo>({ id });
  const why = useSignal('');
  const all = useSignal(false);
  const drawn = useSignal(0); // goes up when rows were added, at most four times a second
  const rows = useRef<Metrics[]>([]);
  const samples = useSignal<Sample[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    rows.current = [];
    samples.value = [];
    const soon = (): void => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        drawn.value++;
      }, 250);
    };
    const read = async (): Promise<void> => {
      let fresh: Sample[] = [];
      for await (const e of follow(id, stop.signal)) {
        if (e.kind === 'run') run.value = e.run;
        else if (e.kind === 'metrics') {
          // A run that goes on from a checkpoint writes its last steps again.
          while (rows.current.length && rows.current.at(-1)!.step >= e.metrics.step) rows.current.pop();
          rows.current.push(e.metrics);
          soon();
        } else {
          fresh = [e.sample, ...fresh].slice(0, KEPT_SAMPLES);
          samples.value = fresh;
        }
      }
    };
    read().catch((e: unknown) => {
      if (!stop.signal.aborted) why.value = explain(e);
    });
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id]);
  drawn.value;
  const [first, others] = sorted(rows.current);
  const curves = (keys: string[]) => (
    <div class="curves">
      {keys.map((k) => <Curve key={k} name={k} rows={rows.current} count={rows.current.length} />)}
    </div>
  );
  const r = run.value;
  return (
    <div class="column broad">
      <p><a href="#/runs">‹ {t('runs')}</a></p>
      <h1 dir="auto">{id}</h1>
      <p class="hint">{[r.kind, r.state, r.steps ? t('stepOf', { done: rows.current.at(-1)?.step ?? r.step ?? 0, n: r.steps }) : ''].filter(Boolean).join(' · ')}</p>
      {why.value && <p class="note bad">{why.value}</p>}
      {curves(first)}
      {others.length > 0 && (
        <details class="more" onToggle={(e) => (all.value = e.currentTarget.open)}>
          <summary>{t('more')} ({number(others.length)})</summary>
          {all.value && curves(others)}
        </details>
      )}
      {samples.value.length > 0 && <h2>{t('samples')}</h2>}
      {samples.value.map((s, i) => <SampleView key={`${s.step}-${samples.value.length - i}`} s={s} />)}
    </div>
  );
}

export function Runs() {
  const id = /^runs\/(.+)$/.exec(route.value)?.[1];
  return <div class="page">{id === undefined ? <List /> : <One id={id} key={id} />}</div>;
}
