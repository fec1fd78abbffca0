/* chat.ts - one streamed chat completion as typed events.
 *
 * Order: start, progress*, reasoning*, content*, finish, usage. A stream that ends without its
 * [DONE] throws ConnectionLost; an error object in the stream throws ApiError. Both leave what
 * came before with the caller.
 */
import { ApiError, call, ConnectionLost, errorBody } from './http.ts';
import { sseEvents } from './sse.ts';
import type { Timings, Usage } from '../store/conv.ts';

export interface WireMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
  reasoning_content?: string;
  prefix?: boolean;
}

export interface Progress {
  total: number;
  cache: number;
  processed: number;
  time_ms: number;
}

export type ChatEvent =
  | { kind: 'start'; id: string; model: string }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'reasoning'; text: string }
  | { kind: 'content'; text: string }
  | { kind: 'finish'; reason: string }
  | { kind: 'timings'; timings: Timings }
  | { kind: 'usage'; usage: Usage };

interface Chunk {
  id?: string;
  model?: string;
  choices?: {
    delta?: { content?: string | null; reasoning_content?: string | null; reasoning?: string | null };
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  timings?: Timings;
  prompt_progress?: Progress;
}

export async function* streamChat(body: object, signal: AbortSignal): AsyncGenerator<ChatEvent> {
  const res = await call('v1/chat/completions', {
    json: { ...body, stream: true, stream_options: { include_usage: true }, return_progress: true },
    signal,
  });
  if (!res.body) throw new ConnectionLost('the answer has no body');
  let started = false;
  try {
    for await (const { data } of sseEvents(res.body)) {
      if (data === '[DONE]') return;
      const chunk = parse(data);
      if (!started && chunk.id) {
        started = true;
        yield { kind: 'start', id: chunk.id, model: chunk.model ?? '' };
      }
      yield* chunkEvents(chunk);
    }
  } catch (e) {
    if (signal.aborted || e instanceof ApiError) throw e;
    throw new ConnectionLost(String(e));
  }
  throw new ConnectionLost('the stream ended early');
}

function parse(data: string): Chunk {
  const value: unknown = JSON.parse(data);
  const e = errorBody(value);
  if (e) throw new ApiError(e.message, 500, e.code);
  return value as Chunk;
}

function* chunkEvents(c: Chunk): Generator<ChatEvent> {
  if (c.prompt_progress) yield { kind: 'progress', progress: c.prompt_progress };
  const choice = c.choices?.[0];
  const delta = choice?.delta;
  const reasoning = delta?.reasoning_content ?? delta?.reasoning;
  if (reasoning) yield { kind: 'reasoning', text: reasoning };
  if (delta?.content) yield { kind: 'content', text: delta.content };
  if (c.timings) yield { kind: 'timings', timings: c.timings };
  if (choice?.finish_reason) yield { kind: 'finish', reason: choice.finish_reason };
  if (c.usage) yield { kind: 'usage', usage: c.usage };
}

/** Ends the thinking of a running answer, so that the answer comes now. */
export async function endThinking(id: string): Promise<void> {
  await call('v1/chat/completions/control', { json: { id, action: 'reasoning_end' } });
}
