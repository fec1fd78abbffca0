/* remote.ts - conversations on the server, when the reader wants them there.
 *
 * The browser's copy stays the one that is worked on; the server holds a mirror that other
 * browsers share. Both sides' trees are merged, so neither loses a message. Routes: docs/web.md.
 */
import { ApiError, call, getJson } from '../wire/http.ts';
import { checkConversation } from './check.ts';
import { merge, type Conversation } from './conv.ts';
import * as db from './db.ts';

interface RemoteEntry {
  id: string;
  updated: number;
  deleted?: boolean;
}

export async function hasStore(): Promise<boolean> {
  try {
    await getJson('conversations?limit=1');
    return true;
  } catch (e) {
    if (e instanceof ApiError) return false;
    throw e;
  }
}

const path = (id: string): string => `conversations/${encodeURIComponent(id)}`;

export async function push(c: Conversation): Promise<void> {
  if (!c.temporary) await call(path(c.id), { method: 'PUT', json: c });
}

export async function drop(id: string): Promise<void> {
  try {
    await call(path(id), { method: 'DELETE' });
  } catch (e) {
    if (!(e instanceof ApiError && e.status === 404)) throw e;
  }
}

/** Brings both sides to the same state. Returns the ids that changed here. */
export async function sync(): Promise<string[]> {
  const { data } = await getJson<{ data: RemoteEntry[] }>('conversations');
  const there = new Map(data.map((e) => [e.id, e]));
  const here = new Map((await db.listEntries()).map((e) => [e.id, e]));
  const changed: string[] = [];
  for (const e of data) {
    const mine = here.get(e.id);
    if (e.deleted) {
      if (!mine || mine.updated > e.updated) continue;
      await db.erase([e.id]);
      changed.push(e.id);
    } else if (!mine || mine.updated !== e.updated) {
      const theirs = checkConversation(await getJson<unknown>(path(e.id)));
      const local = mine ? await db.load(e.id) : null;
      const both = local ? merge(local, theirs) : theirs;
      await db.save(both);
      if (local && local.updated > theirs.updated) await push(both);
      changed.push(e.id);
    }
  }
  for (const id of here.keys()) {
    if (there.has(id)) continue;
    const c = await db.load(id);
    if (c) await push(c);
  }
  return changed;
}
