/* search.ts - which conversations hold all these words, in title or text.
 *
 * A plain scan: conversations are few (thousands) and the scan runs over IndexedDB's cursor,
 * newest results ranked first, titles before texts. Case and accents do not matter.
 */
import type { Conversation } from './conv.ts';

export function fold(s: string): string {
  return s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

export interface Hit {
  id: string;
  title: string;
  updated: number;
  inTitle: boolean;
  message: string | null; // where the excerpt is from
  before: string;
  match: string;
  after: string;
}

export function words(query: string): string[] {
  return fold(query).split(/\s+/).filter((w) => w !== '');
}

export function searchOne(c: Conversation, terms: string[]): Hit | null {
  if (terms.length === 0) return null;
  const title = fold(c.title);
  const hit: Hit = {
    id: c.id, title: c.title, updated: c.updated, message: null,
    inTitle: terms.every((t) => title.includes(t)), before: '', match: '', after: '',
  };
  const open = new Set(terms.filter((t) => !title.includes(t)));
  for (const m of c.messages) {
    const text = fold(m.content);
    for (const t of open) if (text.includes(t)) open.delete(t);
    if (hit.message === null && terms.some((t) => text.includes(t))) {
      hit.message = m.id;
      Object.assign(hit, excerpt(m.content, terms));
    }
  }
  return open.size === 0 ? hit : null;
}

export function rank(a: Hit, b: Hit): number {
  return Number(b.inTitle) - Number(a.inTitle) || b.updated - a.updated;
}

/* Folding may change lengths, so the place is found again letter by letter. */
function excerpt(text: string, terms: string[]): Pick<Hit, 'before' | 'match' | 'after'> {
  const letters = [...text];
  let folded = '';
  const at: number[] = []; // folded index -> letter index
  for (let i = 0; i < letters.length; i++) {
    const f = fold(letters[i] ?? '');
    for (let k = 0; k < f.length; k++) at.push(i);
    folded += f;
    if (folded.length > 200_000) break;
  }
  let best = -1, length = 0;
  for (const t of terms) {
    const p = folded.indexOf(t);
    if (p >= 0 && (best < 0 || p < best)) [best, length] = [p, t.length];
  }
  if (best < 0) return { before: '', match: '', after: '' };
  const from = at[best] ?? 0;
  const to = (at[best + length - 1] ?? from) + 1;
  const flat = (a: number, b: number): string => letters.slice(Math.max(0, a), b).join('').replace(/\s+/g, ' ');
  return { before: flat(from - 32, from), match: flat(from, to), after: flat(to, to + 80) };
}
