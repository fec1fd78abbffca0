/* history.ts - keeps conversations: saving with a short delay, the sidebar's list, the server's
 * mirror. Every change to a conversation ends in keep(). */
import * as db from '../store/db.ts';
import * as remote from '../store/remote.ts';
import { fork, joinIn, newConversation, type Conversation } from '../store/conv.ts';
import { keepDraft, settings } from '../store/settings.ts';
import { current, entries, hasRemoteStore, lives, liveIn, touched } from './state.ts';

const waiting = new Map<string, { c: Conversation; timer: number }>();
const gone = new Set<string>(); // deleted here; an answer that still ends must not bring it back
const SOON_MS = 800;

function order(a: db.Entry, b: db.Entry): number {
  return b.updated - a.updated;
}

/* What others wrote comes into the conversation as it is now: the reader may have gone on while
 * it was fetched. */
function bringIn(c: Conversation, news: Conversation): void {
  joinIn(c, news, liveIn(c.id) !== undefined || waiting.has(c.id));
  touched();
}

async function store(c: Conversation): Promise<void> {
  clearTimeout(waiting.get(c.id)?.timer);
  waiting.delete(c.id);
  if (await db.save(c)) touched();
}

async function mirror(c: Conversation): Promise<void> {
  if (gone.has(c.id) || !settings.value.serverHistory || !hasRemoteStore.value || liveIn(c.id)) return;
  const news = await remote.push(c).catch(() => null); // not now: sync() brings it later
  if (!news) return;
  bringIn(c, news);
  await db.save(c);
}

async function write(c: Conversation): Promise<void> {
  await store(c);
  await mirror(c);
}

function kept(c: Conversation): boolean {
  return !c.temporary && c.messages.length > 0 && !gone.has(c.id);
}

function enlist(c: Conversation): void {
  entries.value = [...entries.value.filter((e) => e.id !== c.id), db.entryOf(c)].sort(order);
}

/** Saves soon; `now` at once. A conversation without messages is not kept. */
export function keep(c: Conversation, now = false): void {
  touched();
  if (!kept(c)) return;
  enlist(c);
  clearTimeout(waiting.get(c.id)?.timer);
  if (now) void write(c);
  else waiting.set(c.id, { c, timer: window.setTimeout(() => void write(c), SOON_MS) });
}

/** An answer is complete: stored first, then `shown` as complete, then sent to the mirror. */
export async function keepAnswer(c: Conversation, shown: () => void): Promise<void> {
  if (kept(c)) {
    enlist(c);
    await store(c).catch(() => undefined); // a full disk must not leave an answer running for ever
  }
  shown();
  touched();
  if (kept(c)) await mirror(c);
}

/** The page is going away: what waits is written now. */
export function flush(): void {
  for (const { c, timer } of [...waiting.values()]) {
    clearTimeout(timer);
    void write(c);
  }
}

export async function refreshList(): Promise<void> {
  entries.value = (await db.listEntries()).sort(order);
}

export async function open(id: string): Promise<boolean> {
  if (current.value.id === id) return true;
  const running = liveIn(id)?.conv ?? waiting.get(id)?.c;
  const c = running ?? (await db.load(id));
  if (!c) return false;
  for (const m of c.messages) {
    // an answer that was growing when the page was closed
    if (m.role === 'assistant' && m.finish === undefined && !lives.value.has(m.id)) m.finish = 'interrupted';
  }
  current.value = c;
  touched();
  return true;
}

export function startNew(temporary = false): Conversation {
  const c = newConversation(settings.value.system, Date.now());
  if (temporary) c.temporary = true;
  current.value = c;
  touched();
  return c;
}

export function forkAt(c: Conversation, id: string): Conversation {
  const copy = fork(c, id, Date.now());
  keep(copy, true);
  current.value = copy;
  touched();
  return copy;
}

/** The open conversation was changed or deleted elsewhere; the database has its new state. */
async function renew(): Promise<void> {
  const c = current.value;
  const stored = await db.load(c.id);
  if (current.value !== c) return;
  if (stored) bringIn(c, stored);
  else if (!liveIn(c.id) && !waiting.has(c.id)) startNew();
}

/** Another tab changed a conversation. */
export async function changedElsewhere(id: string): Promise<void> {
  await refreshList();
  if (current.value.id === id) await renew();
}

async function loaded(id: string): Promise<Conversation | null> {
  return current.value.id === id ? current.value : (liveIn(id)?.conv ?? db.load(id));
}

export async function change(id: string, how: (c: Conversation) => void): Promise<void> {
  const c = await loaded(id);
  if (!c) return;
  how(c);
  c.updated++; // newer than before, but it keeps its place in the list
  keep(c, true);
}

export async function removeAll(ids: string[]): Promise<void> {
  for (const id of ids) {
    gone.add(id);
    liveIn(id)?.stop();
    clearTimeout(waiting.get(id)?.timer);
    waiting.delete(id);
    keepDraft(id, '');
    if (settings.value.serverHistory && hasRemoteStore.value) remote.drop(id).catch(() => undefined);
  }
  await db.erase(ids);
  await refreshList();
  if (ids.includes(current.value.id)) startNew();
}

export async function takeIn(list: Conversation[]): Promise<void> {
  for (const c of list) {
    gone.delete(c.id);
    await db.save(c);
  }
  await refreshList();
}

export async function syncWithServer(): Promise<void> {
  if (!settings.value.serverHistory || !hasRemoteStore.value) return;
  const changed = await remote.sync();
  if (changed.length > 0) await refreshList();
  if (changed.includes(current.value.id)) await renew();
}
