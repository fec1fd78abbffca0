/* check.ts - is this value a conversation? Files and servers are not trusted: every field is
 * looked at, unknown ones are dropped, and a parent that does not exist becomes the root. */
import { newId, titleFrom, type Conversation, type Feedback, type Message, type Params } from './conv.ts';

type Obj = Record<string, unknown>;
export function isObj(v: unknown): v is Obj {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}
export function str(v: unknown): string {
  return typeof v === 'string' ? v : '';
}
export function num(v: unknown, otherwise: number): number {
  return typeof v === 'number' && Number.isFinite(v) ? v : otherwise;
}

export class BadFile extends Error {}

export function checkConversation(v: unknown): Conversation {
  if (!isObj(v) || v['format'] !== 'tarn-conversation') throw new BadFile('not a tarn conversation');
  if (v['version'] !== 1) throw new BadFile(`version ${String(v['version'])} is not known`);
  const created = num(v['created'], Date.now());
  const messages = (Array.isArray(v['messages']) ? v['messages'] : []).filter(isObj).map((m) => checkMessage(m, created));
  const known = new Set<string>();
  const list: Message[] = [];
  for (const m of messages) {
    if (known.has(m.id)) continue;
    if (m.parent !== null && !known.has(m.parent)) m.parent = null;
    known.add(m.id);
    list.push(m);
  }
  const leaf = str(v['leaf']);
  const first = list.find((m) => m.role === 'user');
  const c: Conversation = {
    format: 'tarn-conversation',
    version: 1,
    id: /^[\w-]{1,64}$/.test(str(v['id'])) ? str(v['id']) : newId(),
    title: str(v['title']) || titleFrom(first?.content ?? ''),
    created,
    updated: num(v['updated'], created),
    pinned: v['pinned'] === true,
    system: str(v['system']),
    messages: list,
    leaf: known.has(leaf) ? leaf : (list.at(-1)?.id ?? null),
  };
  if (v['named'] === true) c.named = true;
  return c;
}

function checkMessage(v: Obj, created: number): Message {
  const role = v['role'] === 'assistant' || v['role'] === 'system' ? v['role'] : 'user';
  const m: Message = {
    id: str(v['id']) || newId(),
    parent: typeof v['parent'] === 'string' ? v['parent'] : null,
    role,
    content: str(v['content']),
    created: num(v['created'], created),
  };
  for (const k of ['reasoning', 'model', 'completion', 'finish', 'error'] as const) {
    const s = v[k];
    if (typeof s === 'string') m[k] = s;
  }
  if (typeof v['thinking_ms'] === 'number') m.thinking_ms = v['thinking_ms'];
  if (v['edited'] === true) m.edited = true;
  if (isObj(v['usage'])) {
    const u = v['usage'];
    m.usage = {
      ...numbersOf(u),
      prompt_tokens: num(u['prompt_tokens'], 0),
      completion_tokens: num(u['completion_tokens'], 0),
      total_tokens: num(u['total_tokens'], 0),
    };
    const d = u['completion_tokens_details'];
    if (isObj(d)) m.usage.completion_tokens_details = { reasoning_tokens: num(d['reasoning_tokens'], 0) };
  }
  if (isObj(v['timings'])) m.timings = numbersOf(v['timings']);
  if (isObj(v['params'])) m.params = v['params'] as unknown as Params;
  const cost = v['cost'];
  if (isObj(cost) && /^\d{1,30}$/.test(str(cost['pico']))) {
    m.cost = { pico: str(cost['pico']), currency: str(cost['currency']).slice(0, 3) };
  }
  if (Array.isArray(v['files'])) {
    m.files = v['files'].filter(isObj).map((f) => ({
      name: str(f['name']),
      text: str(f['text']),
      ...(typeof f['tokens'] === 'number' ? { tokens: f['tokens'] } : {}),
    }));
  }
  if (isObj(v['feedback'])) m.feedback = checkFeedback(v['feedback']);
  return m;
}

function checkFeedback(v: Obj): Feedback {
  const f: Feedback = {};
  if (v['thumb'] === 1 || v['thumb'] === -1) f.thumb = v['thumb'];
  if (typeof v['better'] === 'string') f.better = v['better'];
  if (v['preferred'] === true) f.preferred = true;
  return f;
}

function numbersOf(v: Obj): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [k, x] of Object.entries(v)) if (typeof x === 'number' && Number.isFinite(x)) out[k] = x;
  return out;
}
