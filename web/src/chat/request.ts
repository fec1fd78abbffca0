/* request.ts - the body of a chat request from a path of messages.
 *
 * Earlier reasoning is not sent (it would fill the context and the server ignores it). Files are
 * written in front of the question in the form R1 was trained on (DeepSeek-R1 model card). A
 * message to be continued goes last with `prefix`.
 */
import type { Conversation, Message, Params } from '../store/conv.ts';
import type { WireMessage } from '../wire/chat.ts';

export function questionText(m: Message): string {
  const files = (m.files ?? []).map(
    (f) => `[file name]: ${f.name}\n[file content begin]\n${f.text}\n[file content end]\n`,
  );
  return files.join('') + m.content;
}

export function wireMessages(c: Conversation, path: Message[]): WireMessage[] {
  const out: WireMessage[] = [];
  if (c.system.trim()) out.push({ role: 'system', content: c.system });
  for (const m of path) {
    if (m.role === 'assistant') out.push({ role: 'assistant', content: m.content });
    else out.push({ role: m.role, content: questionText(m) });
  }
  return out;
}

export function prefixMessage(m: Message): WireMessage {
  const w: WireMessage = { role: 'assistant', content: m.content, prefix: true };
  if (m.reasoning) w.reasoning_content = m.reasoning;
  return w;
}

export function requestBody(model: string, messages: WireMessage[], p: Params): Record<string, unknown> {
  const body: Record<string, unknown> = { model, messages };
  body['thinking'] = { type: p.thinking ? 'enabled' : 'disabled' };
  if (p.thinking) {
    body['reasoning_effort'] = p.effort;
    if (p.budget !== undefined) body['thinking_budget_tokens'] = p.budget;
  }
  for (const k of [
    'temperature', 'top_p', 'top_k', 'min_p', 'repetition_penalty', 'presence_penalty', 'frequency_penalty',
    'max_tokens', 'seed', 'stop',
  ] as const) {
    if (p[k] !== undefined) body[k] = p[k];
  }
  return { ...body, ...p.custom };
}
