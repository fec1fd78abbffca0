/* import.ts - conversations out of files: our own, ChatGPT's export, llama-server's export.
 *
 * ChatGPT: conversations.json, a list of {title, create_time (s), mapping: id -> {parent,
 *   message {author.role, content {content_type, parts}}}, current_node}.
 * llama-server's page: one or a list of {conv {id, name, lastModified (ms), currNode},
 *   messages [{id, parent, role, type, content, timestamp, reasoningContent | thinking}]},
 *   or the same as JSON lines. Message ids there may be numbers.
 * Nodes without text (system plumbing, empty roots) are left out; their children move up.
 */
import { BadFile, checkConversation, isObj, num, str } from './check.ts';
import { newConversation, newId, titleFrom, type Conversation, type Message, type Role } from './conv.ts';

type Obj = Record<string, unknown>;

export function importText(text: string): Conversation[] {
  const list = parse(text).flatMap((v) => (Array.isArray(v) ? v : [v]));
  if (list.length === 0) throw new BadFile('the file holds nothing');
  return list.map((v) => {
    if (isObj(v) && v['format'] === 'tarn-conversation') return checkConversation(v);
    if (isObj(v) && isObj(v['mapping'])) return fromChatGpt(v, v['mapping']);
    if (isObj(v) && isObj(v['conv']) && Array.isArray(v['messages'])) {
      return fromLlama(v['conv'], v['messages'].filter(isObj));
    }
    throw new BadFile('neither tarn, ChatGPT nor llama-server');
  });
}

function parse(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (whole) {
    const lines = text.split('\n').filter((l) => l.trim() !== '');
    try {
      if (lines.length > 1) return jsonLines(lines.map((l) => JSON.parse(l) as unknown));
    } catch {
      /* not JSON lines either: the first error says where */
    }
    throw new BadFile(String(whole instanceof Error ? whole.message : whole));
  }
}

/* llama-server's line form: a line for the conversation, then one for each message. */
function jsonLines(lines: unknown[]): unknown[] {
  const out: unknown[] = [];
  let open: { conv: Obj; messages: unknown[] } | null = null;
  for (const l of lines) {
    if (isObj(l) && !isObj(l['conv']) && 'currNode' in l) out.push((open = { conv: l, messages: [] }));
    else if (isObj(l) && open && 'role' in l && !('format' in l)) open.messages.push(l);
    else out.push(l);
  }
  return out;
}

interface Draft {
  id: string;
  parent: string | null;
  keep: boolean;
  role: Role;
  content: string;
  reasoning: string;
  created: number;
  model: string;
}

function build(c: Conversation, drafts: Draft[], leaf: string | null): Conversation {
  const byId = new Map(drafts.map((d) => [d.id, d]));
  const fresh = new Map(drafts.filter((d) => d.keep).map((d) => [d.id, newId()]));
  const kept = (id: string | null): string | null => {
    for (let n = 0; id !== null && n <= drafts.length; n++) {
      const there = fresh.get(id);
      if (there) return there;
      id = byId.get(id)?.parent ?? null;
    }
    return null;
  };
  const children = new Map<string | null, Message[]>();
  for (const d of drafts) {
    const id = fresh.get(d.id);
    if (!id) continue;
    const m: Message = { id, parent: kept(d.parent), role: d.role, content: d.content, created: d.created };
    if (d.reasoning) m.reasoning = d.reasoning;
    if (d.model) m.model = d.model;
    if (d.role === 'assistant') m.finish = 'stop';
    children.set(m.parent, [...(children.get(m.parent) ?? []), m]);
  }
  for (const queue: (string | null)[] = [null]; queue.length > 0; ) {
    for (const m of children.get(queue.shift() ?? null) ?? []) {
      c.messages.push(m);
      queue.push(m.id);
    }
  }
  c.leaf = kept(leaf) ?? c.messages.at(-1)?.id ?? null;
  c.title ||= titleFrom(c.messages.find((m) => m.role === 'user')?.content ?? '');
  return c;
}

function fromChatGpt(v: Obj, mapping: Obj): Conversation {
  const created = num(v['create_time'], Date.now() / 1000) * 1000;
  const c = newConversation('', created);
  c.title = str(v['title']);
  c.updated = num(v['update_time'], created / 1000) * 1000;
  const drafts: Draft[] = [];
  for (const [id, node] of Object.entries(mapping)) {
    if (!isObj(node)) continue;
    const m = isObj(node['message']) ? node['message'] : {};
    const author = isObj(m['author']) ? str(m['author']['role']) : '';
    const content = isObj(m['content']) ? m['content'] : {};
    const text = partsOf(content);
    const meta = isObj(m['metadata']) ? m['metadata'] : {};
    const hidden = meta['is_visually_hidden_from_conversation'] === true;
    if (author === 'system' && text && !hidden) c.system ||= text;
    drafts.push({
      id,
      parent: typeof node['parent'] === 'string' ? node['parent'] : null,
      keep: (author === 'user' || author === 'assistant') && text !== '' && !hidden,
      role: author === 'assistant' ? 'assistant' : 'user',
      content: text,
      reasoning: '',
      created: num(m['create_time'], created / 1000) * 1000,
      model: str(meta['model_slug']),
    });
  }
  return build(c, drafts, str(v['current_node']));
}

function partsOf(content: Obj): string {
  const type = str(content['content_type']);
  if (type === 'code') return '```\n' + str(content['text']) + '\n```';
  if (type !== 'text' && type !== 'multimodal_text') return '';
  const parts = Array.isArray(content['parts']) ? content['parts'] : [];
  return parts.filter((p): p is string => typeof p === 'string').join('\n\n').trim();
}

function fromLlama(conv: Obj, messages: Obj[]): Conversation {
  const updated = num(conv['lastModified'], Date.now());
  const c = newConversation('', updated);
  c.title = str(conv['name']);
  const id = (x: unknown): string | null =>
    typeof x === 'string' && x !== '' ? x : typeof x === 'number' ? String(x) : null;
  const drafts = messages.map((m): Draft => {
    const [reasoning, content] = splitThinking(m);
    const role = str(m['role']);
    if (role === 'system' && content) c.system ||= content;
    return {
      id: id(m['id']) ?? newId(),
      parent: id(m['parent']),
      keep: (role === 'user' || role === 'assistant') && str(m['type']) !== 'root' && (content + reasoning) !== '',
      role: role === 'assistant' ? 'assistant' : 'user',
      content,
      reasoning,
      created: num(m['timestamp'], updated),
      model: str(m['model']),
    };
  });
  c.created = Math.min(updated, ...drafts.map((d) => d.created));
  return build(c, drafts, id(conv['currNode']));
}

/* Older exports keep the thinking inside the text, between tags. */
function splitThinking(m: Obj): [string, string] {
  const text = str(m['content']);
  const own = str(m['reasoningContent']) || str(m['reasoning_content']) || str(m['thinking']);
  const tag = /^\s*<think>([\s\S]*?)<\/think>\s*/.exec(text);
  if (own || !tag) return [own.trim(), text];
  return [(tag[1] ?? '').trim(), text.slice(tag[0].length)];
}
