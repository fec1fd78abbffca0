/* actions.ts - what the reader does in a conversation: ask, ask again, edit, go on, judge. */
import {
  append, find, newId, pathTo, shownPath, titleFrom, versions, type Conversation, type Feedback, type Message, type TextFile,
} from '../store/conv.ts';
import { costOf, priceFor } from '../store/cost.ts';
import { settings } from '../store/settings.ts';
import { ApiError } from '../wire/http.ts';
import { sendFeedback } from '../wire/server.ts';
import { t } from '../i18n/i18n.ts';
import { keep, keepAnswer } from './history.ts';
import { Live } from './live.ts';
import { prefixMessage, requestBody, wireMessages } from './request.ts';
import { alarm, lives, liveIn, model, prices, said } from './state.ts';

function message(parent: string | null, role: Message['role'], content: string): Message {
  return { id: newId(), parent, role, content, created: Date.now() };
}

export function ask(c: Conversation, text: string, files: TextFile[]): void {
  const q = message(c.leaf, 'user', text);
  if (files.length > 0) q.files = files;
  append(c, q);
  if (!c.named) c.title ||= titleFrom(text || files[0]?.name || '');
  answer(c, q);
}

/** A new version of a question beside the old one; the old branch stays. */
export function editQuestion(c: Conversation, old: Message, text: string): void {
  const q = message(old.parent, 'user', text);
  if (old.files) q.files = old.files;
  append(c, q);
  answer(c, q);
}

/** A second answer beside the first. */
export function again(c: Conversation, m: Message): void {
  const q = find(c, m.parent);
  if (q) answer(c, q);
}

function answer(c: Conversation, q: Message): void {
  const m = message(q.id, 'assistant', '');
  m.params = structuredClone(settings.value.params);
  append(c, m);
  start(c, m, wireMessages(c, pathTo(c, q.id)));
}

/** The answer with other words, as a version of its own. */
export function editAnswer(c: Conversation, old: Message, text: string): Message {
  const m: Message = { ...message(old.parent, 'assistant', text), edited: true, finish: 'stop' };
  for (const k of ['reasoning', 'thinking_ms', 'model', 'params'] as const) {
    if (old[k] !== undefined) Object.assign(m, { [k]: old[k] });
  }
  append(c, m);
  c.updated = Date.now();
  keep(c, true);
  return m;
}

/** Goes on where an answer ended: stopped, cut by a limit, or edited. */
export function goOn(c: Conversation, m: Message): void {
  m.params ??= structuredClone(settings.value.params);
  start(c, m, [...wireMessages(c, pathTo(c, m.parent)), prefixMessage(m)]);
}

function start(c: Conversation, m: Message, messages: ReturnType<typeof wireMessages>): void {
  liveIn(c.id)?.stop();
  const name = model.value?.id ?? settings.value.model;
  const live = new Live(c, m);
  lives.value = new Map(lives.value).set(m.id, live);
  c.updated = Date.now();
  keep(c, true);
  said.value = t('saidWaiting');
  const follow = watchPhase(live);
  const saver = setInterval(() => keep(c), 1500); // a closed page loses at most this much
  void live.run(requestBody(name, messages, m.params ?? settings.value.params)).then(() => {
    clearInterval(saver);
    follow();
    bill(m);
    c.updated = Date.now();
    return keepAnswer(c, () => {
      const rest = new Map(lives.value);
      rest.delete(m.id);
      lives.value = rest;
      report(m);
    });
  });
}

function watchPhase(live: Live): () => void {
  return live.phase.subscribe((p) => {
    if (p === 'thinking') said.value = t('saidThinking');
    if (p === 'answering') said.value = t('saidAnswering');
  });
}

function report(m: Message): void {
  if (m.finish === 'error') alarm.value = m.error ?? '';
  else if (m.finish === 'interrupted') alarm.value = t('interrupted');
  else said.value = t('saidDone', { n: countWords(m.content) });
}

export function countWords(text: string): number {
  if (typeof Intl.Segmenter !== 'function' || text.length > 20_000) return text.split(/\s+/).length; // exact would stall
  let n = 0;
  for (const s of new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)) if (s.isWordLike) n++;
  return n;
}

function bill(m: Message): void {
  if (!m.usage || !m.model) return;
  const row = priceFor(prices.value, m.model, m.created);
  if (row) m.cost = { pico: costOf(row, m.usage).toString(), currency: row.currency };
}

export function stop(c: Conversation): boolean {
  const live = liveIn(c.id);
  live?.stop();
  return live !== undefined;
}

export function rewritable(c: Conversation): Message | undefined {
  return shownPath(c).findLast((m) => m.role === 'user');
}

type Judgement = Omit<Feedback, 'thumb'> & { thumb?: Feedback['thumb'] | undefined };

/** Judgements are kept with the message and sent with all a trainer needs to use them. */
export async function judge(c: Conversation, m: Message, part: Judgement): Promise<void> {
  const before = { ...m.feedback };
  const { thumb, ...rest } = part;
  m.feedback = { ...before, ...rest };
  if (thumb) m.feedback.thumb = thumb;
  else if ('thumb' in part) delete m.feedback.thumb;
  const sisters = versions(c, m).filter((v) => v.id !== m.id);
  if (part.preferred) for (const s of sisters) if (s.feedback) delete s.feedback.preferred;
  c.updated++;
  keep(c, true);
  if (c.temporary) return;
  try {
    for (const record of feedbackRecords(c, m, part, sisters)) await sendFeedback(record);
  } catch (e) {
    if (!(e instanceof ApiError && e.status === 404)) alarm.value = t('feedbackFailed');
  }
}

/* In the form the server keeps for training (docs/web.md): a rating or a correction belongs to a
 * conversation with its answer, a preference to a question with two. A judgement taken back is
 * not sent. */
function feedbackRecords(c: Conversation, m: Message, part: Judgement, sisters: Message[]): object[] {
  const question = wireMessages(c, pathTo(c, m.parent));
  const answer = { role: 'assistant', content: m.content, ...(m.reasoning ? { reasoning_content: m.reasoning } : {}) };
  const base = { model: m.model ?? '', messages: [...question, answer] };
  if (part.thumb) return [{ ...base, type: 'rating', rating: part.thumb }];
  if (part.better !== undefined) return [{ ...base, type: 'correction', corrected: part.better }];
  if (!part.preferred) return [];
  return sisters.map((s) => ({
    ...base, messages: question, type: 'preference', chosen: m.content, rejected: s.content,
    ...(m.reasoning ? { chosen_reasoning: m.reasoning } : {}), ...(s.reasoning ? { rejected_reasoning: s.reasoning } : {}),
  }));
}
