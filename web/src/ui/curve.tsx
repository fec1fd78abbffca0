/* curve.tsx - one metric over steps, drawn by uPlot, which is loaded with this page only. Beside
 * the drawing stand the last value and a line for screen readers. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Metrics } from '../wire/runs.ts';
import { locale, number, t } from '../i18n/i18n.ts';

interface Props {
  name: string;
  rows: Metrics[];
  count: number; // rows so far; the array itself only grows
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function figure(v: number): string {
  if (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e6)) return v.toExponential(2);
  return number(v, Math.abs(v) < 10 ? 4 : 1);
}

function data(name: string, rows: Metrics[]): uPlot.AlignedData {
  const has = rows.filter((r) => r[name] !== undefined);
  return [has.map((r) => r.step), has.map((r) => r[name] ?? null)];
}

function make(el: HTMLElement, name: string, rows: Metrics[]): uPlot {
  const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
  return new uPlot(
    {
      width: el.clientWidth, height: 170, legend: { show: false }, cursor: { y: false, points: { size: 6 } },
      scales: { x: { time: false } },
      axes: [{ ...axis, size: 24 }, { ...axis, size: 52, values: (_u, v) => v.map((x) => figure(x)) }],
      series: [{}, { stroke: colour('--accent'), width: 1.5, points: { show: false } }],
    },
    data(name, rows), el,
  );
}

export function Curve({ name, rows, count }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const el = ref.current;
    if (!el) return;
    plot.current = make(el, name, rows);
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: el.clientWidth, height: 170 }));
    watch.observe(el);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
    };
  }, [name, locale.value]);
  useEffect(() => plot.current?.setData(data(name, rows)), [count]);
  const values = rows.map((r) => r[name]).filter((v): v is number => v !== undefined);
  const [first, last] = [values[0], values.at(-1)];
  return (
    <figure class="curve">
      <figcaption><span>{name}</span><b>{last === undefined ? '' : figure(last)}</b></figcaption>
      <div ref={ref} dir="ltr" aria-hidden="true" />
      {first !== undefined && last !== undefined && (
        <p class="unseen">{t('curveText', { name, first: figure(first), last: figure(last), n: values.length })}</p>
      )}
    </figure>
  );
}
