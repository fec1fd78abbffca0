/* server.ts - what the page asks the server about itself: models, health, tokens, prices, usage. */
import { call, getJson } from './http.ts';

export interface Model {
  id: string;
  name?: string;
  aliases?: string[];
  context_window?: number;
  max_model_len?: number;
  max_output_tokens?: number;
  meta?: { n_params?: number; size?: number; quantization?: string };
  status?: { value: 'loaded' | 'unloaded' | 'loading' | 'failed' };
}

export async function listModels(): Promise<Model[]> {
  return (await getJson<{ data: Model[] }>('v1/models')).data;
}

export function contextOf(m: Model | undefined): number {
  return m?.context_window ?? m?.max_model_len ?? 0;
}

export interface Health {
  ok: boolean;
  progress: number | null; // 0..1 while the model loads
}

export async function health(signal: AbortSignal): Promise<Health> {
  const res = await fetch(new URL('health', document.baseURI), { signal });
  if (res.ok) return { ok: true, progress: null };
  const body = (await res.json().catch(() => ({}))) as { error?: { progress?: number } };
  return { ok: false, progress: body.error?.progress ?? null };
}

export async function countTokens(text: string, signal?: AbortSignal): Promise<number> {
  const o = { json: { content: text }, ...(signal ? { signal } : {}) };
  const body = await getJson<{ count?: number; tokens: unknown[] }>('tokenize', o);
  return body.count ?? body.tokens.length;
}

export interface PriceRow {
  model: string;
  tariff?: string;
  currency: string;
  from: string;
  to?: string | null;
  windows?: string[];
  days?: string;
  hit: string;
  miss: string;
  output: string;
}

export async function listPrices(): Promise<PriceRow[]> {
  return (await getJson<{ prices: PriceRow[] }>('prices')).prices;
}

export interface UsageRow {
  group: string; // the day
  requests: number;
  prompt_cache_hit_tokens: number;
  prompt_cache_miss_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
  cost: string;
  currency: string;
  energy_wh?: number;
  elsewhere?: Record<string, string>; // the same tokens at published prices, in dollars
}

export interface UsageReport {
  energy_source?: string; // "estimate", or what measured it
  rows: UsageRow[];
}

/** The last `days` days, today among them. */
export async function ownUsage(days: number): Promise<UsageReport> {
  const from = new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10);
  return getJson<UsageReport>(`usage?group=day&from=${from}`);
}

/** Feedback for later training: the server keeps it beside the conversation (docs/web.md). */
export async function sendFeedback(body: object): Promise<void> {
  await call('feedback', { json: body });
}
