/* state.ts - what the page shows: the list, the open conversation, running answers, the server.
 *
 * A conversation is one object however many places hold it; after changing it, call touched().
 */
import { computed, signal } from '@preact/signals';
import { newConversation, type Conversation } from '../store/conv.ts';
import type { Entry } from '../store/db.ts';
import { settings } from '../store/settings.ts';
import { contextOf, type Model, type PriceRow } from '../wire/server.ts';
import type { Live } from './live.ts';

export const entries = signal<Entry[]>([]);
export const current = signal<Conversation>(newConversation(settings.value.system, Date.now()));
export const rev = signal(0);
export const lives = signal<ReadonlyMap<string, Live>>(new Map()); // by message id

export const models = signal<Model[]>([]);
export const prices = signal<PriceRow[]>([]);
export type Server = 'unknown' | 'ready' | 'loading' | 'gone' | 'locked';
export const server = signal<Server>('unknown');
export const loadProgress = signal<number | null>(null);
export const hasRemoteStore = signal(false);
export const lastingStore = signal(true);

export const model = computed(
  () => models.value.find((m) => m.id === settings.value.model) ?? models.value[0],
);
export const contextSize = computed(() => contextOf(model.value));

/** Spoken by screen readers: `said` politely, `alarm` at once. */
export const said = signal('');
export const alarm = signal('');

export function touched(): void {
  rev.value++;
}

export function liveIn(id: string): Live | undefined {
  for (const l of lives.value.values()) if (l.conv.id === id) return l;
  return undefined;
}
