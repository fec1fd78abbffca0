/* db.ts - conversations in the browser's IndexedDB.
 *
 * Two stores: `list` has what the sidebar shows, `conversation` the whole trees. Other tabs hear
 * of changes over a channel. When the database cannot be opened (private windows of some
 * browsers) everything lives in memory and `lasting` is false.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { checkConversation } from './check.ts';
import { joinIn, type Conversation } from './conv.ts';

export interface Entry {
  id: string;
  title: string;
  created: number;
  updated: number;
  pinned: boolean;
}

interface Schema extends DBSchema {
  list: { key: string; value: Entry };
  conversation: { key: string; value: Conversation };
}

let db: IDBPDatabase<Schema> | null = null;
const memory = new Map<string, Conversation>();
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('tarn') : null;

export async function openStore(onOtherTab: (id: string) => void): Promise<boolean> {
  channel?.addEventListener('message', (e: MessageEvent<string>) => onOtherTab(e.data));
  try {
    db = await openDB<Schema>('tarn', 1, {
      upgrade(d) {
        d.createObjectStore('list', { keyPath: 'id' });
        d.createObjectStore('conversation', { keyPath: 'id' });
      },
      blocking(_from, _to, e) {
        (e.target as IDBDatabase).close();
      },
    });
  } catch {
    db = null;
  }
  return db !== null;
}

export function entryOf(c: Conversation): Entry {
  return { id: c.id, title: c.title, created: c.created, updated: c.updated, pinned: c.pinned };
}

export async function listEntries(): Promise<Entry[]> {
  return db ? db.getAll('list') : [...memory.values()].map(entryOf);
}

export async function load(id: string): Promise<Conversation | null> {
  const c = db ? await db.get('conversation', id) : memory.get(id);
  return c ? checkConversation(c) : null;
}

/** Messages are only ever added: what another tab stored meanwhile is taken in, not pushed out.
 * Returns whether there was something. */
export async function save(c: Conversation): Promise<boolean> {
  if (c.temporary) return false;
  if (!db) {
    memory.set(c.id, structuredClone(c));
    return false;
  }
  const t = db.transaction(['list', 'conversation'], 'readwrite');
  const store = t.objectStore('conversation');
  const stored = await store.get(c.id);
  const news = stored !== undefined && joinIn(c, stored, true);
  await Promise.all([t.objectStore('list').put(entryOf(c)), store.put(c), t.done]);
  channel?.postMessage(c.id);
  return news;
}

export async function erase(ids: string[]): Promise<void> {
  for (const id of ids) memory.delete(id);
  if (!db) return;
  const t = db.transaction(['list', 'conversation'], 'readwrite');
  for (const id of ids) {
    void t.objectStore('list').delete(id);
    void t.objectStore('conversation').delete(id);
  }
  await t.done;
  for (const id of ids) channel?.postMessage(id);
}

/** Every stored conversation, one at a time. */
export async function each(visit: (c: Conversation) => boolean | void): Promise<void> {
  if (!db) {
    for (const c of memory.values()) if (visit(c) === false) return;
    return;
  }
  let cursor = await db.transaction('conversation').store.openCursor();
  while (cursor) {
    if (visit(cursor.value) === false) return;
    cursor = await cursor.continue();
  }
}
