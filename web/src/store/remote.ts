/* remote.ts - conversations on the server, when the reader wants them there.
 *
 * The browser's copy is the one that is worked on; the server holds a mirror that other browsers
 * share. Nothing is written there without taking in first what others wrote: both trees are
 * merged, so neither side loses a message. A record of the last meeting (`met`) tells a
 * conversation deleted elsewhere from one not sent yet. Routes: docs/web.md.
 */
import { ApiError, call, getJson } from '../wire/http.ts';
import { checkConversation, isObj, num, str } from './check.ts';
import { behind, merge, type Conversation } from './conv.ts';
import * as db from './db.ts';

interface RemoteEntry {
  id: string;
  updated: string;
}

/* When both sides were last the same: the server's time of writing, and our `updated`. */
interface Met {
  there: string;
  here: number;
}

const PLACE = 'tarn.mirror';

function readMet(): Map<string, Met> {
  const met = new Map<string, Met>();
  try {
    const v: unknown = JSON.parse(localStorage.getItem(PLACE) ?? '{}');
    if (!isObj(v)) return met;
    for (const [id, m] of Object.entries(v)) if (isObj(m)) met.set(id, { there: str(m['there']), here: num(m['here'], 0) });
  } catch {
    /* a broken record: everything meets anew */
  }
  return met;
}

function keepMet(met: Map<string, Met>): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(met)));
  } catch {
    /* no room: the next meeting compares more than it must */
  }
}

const path = (id: string): string => `conversations/${encodeURIComponent(id)}`;

async function listThere(): Promise<RemoteEntry[]> {
  return (await getJson<{ conversations: RemoteEntry[] }>('conversations')).conversations;
}

async function fetchOne(id: string): Promise<Conversation | null> {
  try {
    return checkConversation(await getJson<unknown>(path(id)));
  } catch (e) {
    if (e instanceof ApiError && e.status === 404) return null;
    throw e;
  }
}

export async function hasStore(): Promise<boolean> {
  try {
    await listThere();
    return true;
  } catch (e) {
    if (e instanceof ApiError) return false;
    throw e;
  }
}

interface Meeting {
  both: Conversation;
  news: boolean; // the server had something that was not here
  wrote: boolean;
}

async function meetOne(c: Conversation): Promise<Meeting> {
  const theirs = await fetchOne(c.id);
  const both = theirs ? merge(c, theirs) : c;
  const news = behind(c, both);
  const wrote = !theirs || behind(theirs, both);
  if (wrote) await call(path(c.id), { method: 'PUT', json: both });
  return { both, news, wrote };
}

/** Writes the conversation, after taking in what the server has of it. Returns the merged tree
 * when that brought something new. */
export async function push(c: Conversation): Promise<Conversation | null> {
  const { both, news } = await meetOne(c);
  const met = readMet();
  met.set(c.id, { there: '', here: both.updated }); // the server's time is learnt at the next sync
  keepMet(met);
  return news ? both : null;
}

export async function drop(id: string): Promise<void> {
  const met = readMet();
  met.delete(id);
  keepMet(met);
  try {
    await call(path(id), { method: 'DELETE' });
  } catch (e) {
    if (!(e instanceof ApiError && e.status === 404)) throw e;
  }
}

/* `listed` was read before the conversation is: if another browser writes in between, the next
 * sync sees a time it does not know, and meets again. */
async function meet(id: string, mine: db.Entry | undefined, listed: string): Promise<{ met: Met; changed: boolean }> {
  const local = mine ? await db.load(id) : null;
  if (!local) {
    const theirs = await fetchOne(id);
    if (theirs) await db.save(theirs);
    return { met: { there: listed, here: theirs?.updated ?? 0 }, changed: theirs !== null };
  }
  const { both, news, wrote } = await meetOne(local);
  const changed = news || both.updated !== local.updated;
  if (changed) await db.save(both);
  return { met: { there: wrote ? '' : listed, here: both.updated }, changed };
}

/** Brings both sides to the same state. Returns the ids that changed here. */
export async function sync(): Promise<string[]> {
  const met = readMet();
  const there = new Map((await listThere()).map((e) => [e.id, e.updated]));
  const here = new Map((await db.listEntries()).map((e) => [e.id, e]));
  const changed: string[] = [];
  const result = new Map<string, Met>();
  for (const id of new Set([...there.keys(), ...here.keys()])) {
    const [mine, last, listed] = [here.get(id), met.get(id), there.get(id)];
    if (mine && last && last.here === mine.updated && last.there === listed) result.set(id, last);
    else if (listed === undefined && mine && last && last.here >= mine.updated) {
      await db.erase([id]); // deleted elsewhere, untouched here
      changed.push(id);
    } else {
      const m = await meet(id, mine, listed ?? '');
      if (m.changed) changed.push(id);
      result.set(id, m.met);
    }
  }
  keepMet(result);
  return changed;
}
