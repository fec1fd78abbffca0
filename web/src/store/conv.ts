/* conv.ts - a conversation: a tree of messages, and the path through it that is shown.
 *
 * The same object lives in the browser's database, on the server and in export files; `format`
 * and `version` say so. Messages are kept in order of creation and never change place; an edited
 * question or a second answer is a new node beside the first (same parent). `leaf` is the last
 * message of the shown path.
 *
 *   question ─┬─ answer 1
 *             └─ answer 2 ── question' (leaf)
 */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_cache_hit_tokens?: number;
  prompt_cache_miss_tokens?: number;
  completion_tokens_details?: { reasoning_tokens?: number };
}

export interface Timings {
  queue_ms?: number;
  prompt_n?: number;
  prompt_ms?: number;
  prompt_per_second?: number;
  cache_n?: number;
  predicted_n?: number;
  predicted_ms?: number;
  predicted_per_second?: number;
  reasoning_ms?: number;
  draft_n?: number;
  draft_n_accepted?: number;
}

export interface TextFile {
  name: string;
  text: string;
  tokens?: number;
}

/** What was asked of the server, beside the messages. */
export interface Params {
  thinking: boolean;
  effort: 'low' | 'high' | 'max';
  budget?: number;
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  max_tokens?: number;
  seed?: number;
  stop?: string[];
  custom?: Record<string, unknown>;
}

export interface Feedback {
  thumb?: 1 | -1;
  better?: string; // the answer as it should have been
  preferred?: boolean; // chosen among its sisters
}

export type Role = 'user' | 'assistant' | 'system';

export interface Message {
  id: string;
  parent: string | null;
  role: Role;
  content: string;
  created: number; // wall milliseconds
  reasoning?: string;
  thinking_ms?: number;
  model?: string;
  completion?: string; // the server's id of the answer
  params?: Params;
  usage?: Usage;
  timings?: Timings;
  cost?: { pico: string; currency: string };
  finish?: string; // stop, length, …; stopped, interrupted, error are the page's own
  error?: string;
  files?: TextFile[];
  edited?: boolean; // an answer changed by hand
  feedback?: Feedback;
}

export interface Conversation {
  format: 'tarn-conversation';
  version: 1;
  id: string;
  title: string;
  named?: boolean; // the title was given by hand
  created: number;
  updated: number;
  pinned: boolean;
  system: string;
  messages: Message[];
  leaf: string | null;
  temporary?: boolean; // never stored
}

export function newId(): string {
  return crypto.randomUUID();
}

export function newConversation(system: string, now: number): Conversation {
  return {
    format: 'tarn-conversation',
    version: 1,
    id: newId(),
    title: '',
    created: now,
    updated: now,
    pinned: false,
    system,
    messages: [],
    leaf: null,
  };
}

export function find(c: Conversation, id: string | null): Message | undefined {
  return id === null ? undefined : c.messages.find((m) => m.id === id);
}

/** From the first message to `leaf`. A parent that is missing or loops ends the path. */
export function pathTo(c: Conversation, leaf: string | null): Message[] {
  const byId = new Map(c.messages.map((m) => [m.id, m]));
  const path: Message[] = [];
  let m = leaf === null ? undefined : byId.get(leaf);
  while (m && path.length <= c.messages.length) {
    path.push(m);
    m = m.parent === null ? undefined : byId.get(m.parent);
  }
  return path.reverse();
}

export function shownPath(c: Conversation): Message[] {
  return pathTo(c, c.leaf);
}

/** The message and the others in its place, oldest first. */
export function versions(c: Conversation, m: Message): Message[] {
  return c.messages.filter((x) => x.parent === m.parent && x.role === m.role);
}

export function append(c: Conversation, m: Message): Message {
  c.messages.push(m);
  c.leaf = m.id;
  return m;
}

/** Shows the path through `id` down to the newest message below it. */
export function show(c: Conversation, id: string): void {
  let leaf = id;
  for (let steps = 0; steps <= c.messages.length; steps++) {
    const below = c.messages.findLast((m) => m.parent === leaf);
    if (!below) break;
    leaf = below.id;
  }
  c.leaf = leaf;
}

/** A new conversation with the path to `id`, under new ids. */
export function fork(c: Conversation, id: string, now: number): Conversation {
  const copy = newConversation(c.system, now);
  copy.title = c.title;
  let parent: string | null = null;
  for (const m of pathTo(c, id)) {
    const n: Message = { ...structuredClone(m), id: newId(), parent };
    append(copy, n);
    parent = n.id;
  }
  return copy;
}

export function titleFrom(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  const flat = line.replace(/^[#>*\-\s]+/, '').replace(/\s+/g, ' ').trim();
  const letters = [...flat];
  return letters.length <= 64 ? flat : letters.slice(0, 63).join('').trimEnd() + '…';
}

/* Is `a` the same message as `b`, only further along? Text is only ever added, and an end that
 * was seen counts more than one that was not. */
function further(a: Message, b: Message): boolean {
  const letters = (m: Message): number => m.content.length + (m.reasoning?.length ?? 0);
  const ended = (m: Message): boolean => m.finish !== undefined && m.finish !== 'interrupted';
  if (letters(a) !== letters(b)) return letters(a) > letters(b);
  return ended(a) && !ended(b);
}

/** Lacks `c` anything that `whole` has? */
export function behind(c: Conversation, whole: Conversation): boolean {
  const has = new Map(c.messages.map((m) => [m.id, m]));
  const lacks = (m: Message): boolean => {
    const here = has.get(m.id);
    return !here || further(m, here);
  };
  return c.updated !== whole.updated || whole.messages.some(lacks);
}

/** Both sides' messages, each as far as it came; title, pin and shown path of the newer side.
 * Used between browser and server, where either may have gone on alone. */
export function merge(a: Conversation, b: Conversation): Conversation {
  const [older, newer] = a.updated <= b.updated ? [a, b] : [b, a];
  const messages = new Map(older.messages.map((m) => [m.id, m]));
  for (const m of newer.messages) {
    const other = messages.get(m.id);
    if (!other || !further(other, m)) messages.set(m.id, m);
  }
  const list = [...messages.values()].sort((x, y) => x.created - y.created);
  return { ...newer, messages: list };
}

/** The same in place: `c` and its messages stay the objects that views and a growing answer
 * hold. With `stay` the path shown here stays too. Returns whether anything changed. */
export function joinIn(c: Conversation, other: Conversation, stay: boolean): boolean {
  const newer = other.updated > c.updated;
  const mine = new Map(c.messages.map((m) => [m.id, m]));
  const count = c.messages.length;
  let changed = newer;
  for (const m of other.messages) {
    const here = mine.get(m.id);
    if (!here) c.messages.push(m);
    else if (further(m, here) || (newer && !further(here, m))) {
      for (const k of Object.keys(here) as (keyof Message)[]) if (!(k in m)) delete here[k];
      Object.assign(here, m);
      changed = true;
    }
  }
  if (c.messages.length > count) c.messages.sort((x, y) => x.created - y.created);
  if (newer) {
    const { title, pinned, system, updated } = other;
    Object.assign(c, { title, pinned, system, updated });
    if (other.named) c.named = true;
    if (!stay) c.leaf = other.leaf;
  }
  return changed || c.messages.length > count;
}
