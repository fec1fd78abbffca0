/* code.ts - a code block's frame (language, copy, download, wrap) and its colours.
 *
 * Colours come when the fence is closed, from a file that is loaded on first need. The buttons
 * are plain elements with one listener for the page (ui/code-actions.ts).
 */
import { sanitise } from './markdown.ts';
import { t } from '../i18n/i18n.ts';

const COLOUR_LIMIT = 60_000; // characters; longer code stays plain, colouring it would stall

export function languageOf(code: Element): string {
  return /language-(\S+)/.exec(code.className)?.[1] ?? '';
}

function button(action: string, label: string): HTMLButtonElement {
  const b = document.createElement('button');
  b.type = 'button';
  b.dataset['code'] = action;
  b.textContent = label;
  return b;
}

export function frame(pre: HTMLPreElement): HTMLElement {
  const code = pre.querySelector('code');
  const box = document.createElement('figure');
  box.className = 'code';
  const head = document.createElement('figcaption');
  const name = document.createElement('span');
  name.textContent = code ? languageOf(code) : '';
  head.append(name, button('wrap', t('wrap')), button('save', t('download')), button('copy', t('copy')));
  pre.tabIndex = 0;
  pre.replaceWith(box);
  box.append(head, pre);
  return box;
}

export function frameAll(root: ParentNode): void {
  for (const pre of root.querySelectorAll('pre')) frame(pre);
}

export function colourAll(root: ParentNode): void {
  const list = [...root.querySelectorAll('figure.code code[class^="language-"]:not([data-done])')].filter(
    (c) => languageOf(c) !== '' && (c.textContent ?? '').length < COLOUR_LIMIT,
  );
  if (list.length === 0) return;
  void import('./code-lib.ts').then(async ({ colour }) => {
    for (const c of list) {
      const html = await colour(c.textContent ?? '', languageOf(c));
      if (html !== null) c.replaceChildren(sanitise(html));
      c.setAttribute('data-done', '');
    }
  }, () => undefined); // not to be had: the code stays plain
}
