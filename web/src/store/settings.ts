/* settings.ts - the reader's choices, kept in localStorage and shared by all tabs.
 *
 * `look.ts` reads theme and language from the same record before the first paint. Drafts of
 * unsent messages are kept beside it, one per conversation.
 */
import { effect, signal } from '@preact/signals';
import { setKey } from '../wire/http.ts';
import type { Params } from './conv.ts';
import { isObj } from './check.ts';

export interface Preset {
  name: string;
  system: string;
  params: Params;
}

export interface Settings {
  theme: 'system' | 'light' | 'dark';
  language: string; // '' follows the browser
  face: 'sans' | 'serif';
  sendWith: 'enter' | 'ctrl-enter';
  openThinking: boolean; // keep the thinking open when the answer starts
  sidebar: boolean;
  key: string;
  model: string; // '' is the server's first
  system: string;
  params: Params;
  presets: Preset[];
  serverHistory: boolean;
}

const DEFAULTS: Settings = {
  theme: 'system',
  language: '',
  face: 'sans',
  sendWith: 'enter',
  openThinking: false,
  sidebar: true,
  key: '',
  model: '',
  system: '',
  params: { thinking: true, effort: 'high' },
  presets: [],
  serverHistory: false,
};

const PLACE = 'tarn.settings';

function read(): Settings {
  try {
    const v: unknown = JSON.parse(localStorage.getItem(PLACE) ?? '{}');
    if (!isObj(v)) return DEFAULTS;
    const s = { ...DEFAULTS, ...v } as Settings;
    s.params = { ...DEFAULTS.params, ...s.params };
    return s;
  } catch {
    return DEFAULTS;
  }
}

export const settings = signal<Settings>(read());

export function change(part: Partial<Settings>): void {
  settings.value = { ...settings.value, ...part };
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings.value));
  } catch {
    /* no room or not allowed: the choice holds until the page is closed */
  }
}

export function changeParams(part: Partial<Params>): void {
  const params = { ...settings.value.params, ...part };
  for (const k of Object.keys(params) as (keyof Params)[]) if (params[k] === undefined) delete params[k];
  change({ params });
}

effect(() => setKey(settings.value.key));
globalThis.addEventListener?.('storage', (e) => {
  if (e.key === PLACE) settings.value = read();
});

export function draft(id: string): string {
  return localStorage.getItem(`tarn.draft.${id}`) ?? '';
}
export function keepDraft(id: string, text: string): void {
  try {
    if (text) localStorage.setItem(`tarn.draft.${id}`, text);
    else localStorage.removeItem(`tarn.draft.${id}`);
  } catch {
    /* a draft that cannot be kept is still on the screen */
  }
}
