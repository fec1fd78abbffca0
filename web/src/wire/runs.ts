/* runs.ts - training runs as the server shows them: a list, and one run's lines as they are
 * written. A line of metrics is an object of numbers with `step`; a sample is a question the
 * model was asked at that step, what it thought and answered, and its reward. Routes: docs/web.md.
 */
import { call, getJson } from './http.ts';
import { sseEvents } from './sse.ts';

export interface RunInfo {
  id: string;
  kind?: string; // train, sft, rl, distill
  state?: string; // running, done, stopped, failed
  started?: number; // wall milliseconds
  step?: number;
  steps?: number;
}

export type Metrics = { step: number } & Record<string, number>;

export interface Sample {
  step: number;
  prompt: string;
  reasoning?: string;
  answer: string;
  reward?: number;
  gold?: string;
  reason?: string; // why it got its reward
}

export type RunEvent =
  | { kind: 'run'; run: RunInfo }
  | { kind: 'metrics'; metrics: Metrics }
  | { kind: 'sample'; sample: Sample };

export async function listRuns(): Promise<RunInfo[]> {
  return (await getJson<{ data: RunInfo[] }>('runs')).data;
}

/** Everything the run has written so far, then each line as it comes. */
export async function* follow(id: string, signal: AbortSignal): AsyncGenerator<RunEvent> {
  const res = await call(`runs/${encodeURIComponent(id)}/events`, { signal });
  if (!res.body) return;
  for await (const { event, data } of sseEvents(res.body)) {
    const value: unknown = JSON.parse(data);
    if (event === 'metrics') yield { kind: 'metrics', metrics: numbers(value) };
    else if (event === 'sample') yield { kind: 'sample', sample: sampleOf(value as Sample) };
    else if (event === 'run') yield { kind: 'run', run: value as RunInfo };
  }
}

function numbers(v: unknown): Metrics {
  const out: Metrics = { step: 0 };
  for (const [k, x] of Object.entries(v as object)) if (typeof x === 'number') out[k] = x;
  return out;
}

/** `tarn rl` writes the response as one text, the thinking in front; cut off, it may be all there is. */
function sampleOf(v: Sample & { response?: string; truncated?: boolean }): Sample {
  if (v.response === undefined) return v;
  const opened = /^\s*<think>/.test(v.response), text = v.response.replace(/^\s*<think>/, '').trim();
  const end = text.indexOf('</think>');
  if (end >= 0) return { ...v, reasoning: text.slice(0, end).trim(), answer: text.slice(end + 8).trim() };
  return opened || v.truncated ? { ...v, reasoning: text, answer: '' } : { ...v, answer: text };
}
