/* math.ts - typesets <code class="tex"> as MathML with Temml, which is loaded on first need.
 *
 * A formula is typeset once and cloned from then on, so a tail that is parsed again does not
 * flicker. What Temml cannot read stays as it was typed. Until Temml is there, so does all.
 */
import type { Options } from 'temml';

type Temml = typeof import('temml');
let temml: Temml['default'] | null = null;
let loading: Promise<void> | null = null;
const CACHE_LIMIT = 2000;
const cache = new Map<string, Element | null>();

const OPTIONS: Options = { throwOnError: true, annotate: true, trust: false, maxSize: [40, 40], maxExpand: 500 };

function load(): Promise<void> {
  return (loading ??= import('./math-lib.ts').then((m) => {
    temml = m.temml;
    m.addStyle();
    for (const el of document.querySelectorAll('code.tex')) replace(el);
  }));
}

function typeset(tex: string, display: boolean): Element | null {
  const key = (display ? 'D' : 'I') + tex;
  const known = cache.get(key);
  if (known !== undefined) return known;
  let out: HTMLElement | null = document.createElement('span');
  out.className = display ? 'math display' : 'math';
  out.dir = 'ltr';
  try {
    temml?.render(tex, out, { ...OPTIONS, displayMode: display });
  } catch {
    out = null;
  }
  if (cache.size >= CACHE_LIMIT) cache.clear();
  cache.set(key, out);
  return out;
}

function replace(el: Element): void {
  const made = typeset(el.textContent ?? '', el.classList.contains('display'));
  if (made) el.replaceWith(made.cloneNode(true));
  else el.classList.add('bad');
}

export function typesetAll(root: ParentNode): void {
  const list = root.querySelectorAll('code.tex:not(.bad)');
  if (list.length === 0) return;
  if (temml) for (const el of list) replace(el);
  else void load();
}
