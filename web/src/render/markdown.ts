/* markdown.ts - one block of Markdown to a harmless piece of the document.
 *
 * marked parses, our renderer writes the HTML, DOMPurify lets only known elements through. Raw
 * HTML of the model is shown as text; images are named, never loaded (a remote image tells its
 * host who reads); links show where they lead. Formulas become <code class="tex"> and are
 * typeset later by math.ts.
 */
import { Marked, type Tokens } from 'marked';
import DOMPurify from 'dompurify';

const ENVIRONMENTS = 'align|aligned|alignat|equation|gather|gathered|multline|cases|[bpvBV]?matrix|split|array';
const BLOCK_MATH = new RegExp(
  '^ {0,3}(?:\\$\\$((?:(?!\\n[ \\t]*\\n)[^$]|\\\\\\$)+?)\\$\\$|\\\\\\[((?:(?!\\n[ \\t]*\\n)[\\s\\S])+?)\\\\\\]' +
    `|(\\\\begin\\{(${ENVIRONMENTS})(\\*?)\\}(?:(?!\\n[ \\t]*\\n)[\\s\\S])+?\\\\end\\{\\4\\5\\}))[ \\t]*(?:\\n+|$)`,
);
const BLOCK_START = new RegExp(`\\n {0,3}(?:\\$\\$|\\\\\\[|\\\\begin\\{(?:${ENVIRONMENTS})\\*?\\})`);
const INLINE_MATH =
  /^(?:\$\$((?:[^$\\]|\\[\s\S])+?)\$\$|\\\[((?:[^\\]|\\(?!\])[\s\S])+?)\\\]|\\\(((?:[^\\]|\\(?!\))[\s\S])+?)\\\)|\$(?![\s$])((?:[^$\\\n]|\\[^\n])*?(?:[^\s$\\]|\\[^\n]))\$(?![\d$]))/;

interface MathToken extends Tokens.Generic {
  tex: string;
  display: boolean;
}

function escape(s: string): string {
  return s.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function mathHtml(t: Tokens.Generic): string {
  const { tex, display } = t as MathToken;
  return `<code class="tex${display ? ' display' : ''}">${escape(tex)}</code>`;
}

function hostOf(href: string): string | null {
  try {
    const u = new URL(href);
    return /^https?:$/.test(u.protocol) ? u.host : u.protocol === 'mailto:' ? '' : null;
  } catch {
    return null;
  }
}

/* A star or two between digits, letters or brackets is a product or a power (6*47=282), not emphasis. */
const TIMES = /^\*{1,2}(?=[\da-zA-Z([])/;
const FACTOR = /[\da-zA-Z)\]]$/;

const marked = new Marked({
  gfm: true,
  breaks: true, // a line is a step: models that think do not wrap their lines
  async: false,
  extensions: [
    {
      name: 'mathBlock',
      level: 'block',
      start: (src) => BLOCK_START.exec(src)?.index,
      tokenizer(src) {
        const m = BLOCK_MATH.exec(src);
        if (!m) return undefined;
        return { type: 'mathBlock', raw: m[0], tex: (m[1] ?? m[2] ?? m[3] ?? '').trim(), display: true };
      },
      renderer: (t) => `<p>${mathHtml(t)}</p>`,
    },
    {
      name: 'mathInline',
      level: 'inline',
      start: (src) => src.search(/\$|\\[([]/),
      tokenizer(src) {
        const m = INLINE_MATH.exec(src);
        if (!m) return undefined;
        const display = m[1] !== undefined || m[2] !== undefined;
        return { type: 'mathInline', raw: m[0], tex: (m[1] ?? m[2] ?? m[3] ?? m[4] ?? '').trim(), display };
      },
      renderer: mathHtml,
    },
    {
      name: 'times',
      level: 'inline',
      start: (src) => src.indexOf('*'),
      tokenizer(src, before) {
        const m = FACTOR.test(before.at(-1)?.raw ?? '') ? TIMES.exec(src) : null;
        return m ? { type: 'times', raw: m[0] } : undefined;
      },
      renderer: (t) => t.raw,
    },
  ],
  tokenizer: { html: () => undefined, tag: () => undefined },
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<span class="image">${escape(text || 'image')} (${escape(hostOf(href) ?? '')})</span>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
    code: ({ text, lang }) =>
      `<pre dir="ltr"><code class="language-${escape((lang ?? '').split(/\s/)[0] ?? '')}">${escape(text)}\n</code></pre>`,
    link({ href, tokens }) {
      const inner = this.parser.parseInline(tokens);
      const host = hostOf(href);
      if (host === null) return inner;
      const shown = host !== '' && !inner.includes(host) ? ` <span class="host">${escape(host)}</span>` : '';
      return `<a href="${escape(href)}" target="_blank" rel="noopener noreferrer nofollow">${inner}${shown}</a>`;
    },
  },
});

const CLEAN = {
  ALLOWED_TAGS: [
    'p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'pre', 'code', 'em',
    'strong', 'del', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'span',
  ],
  ALLOWED_ATTR: ['href', 'target', 'rel', 'class', 'start', 'align', 'dir'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
} as const;

export function toHtml(text: string): string {
  return marked.parse(text) as string;
}

export function sanitise(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, { ...CLEAN, ALLOWED_TAGS: [...CLEAN.ALLOWED_TAGS], ALLOWED_ATTR: [...CLEAN.ALLOWED_ATTR] });
}

/** The block as elements; wide tables sit in a box that scrolls. */
export function toFragment(text: string): DocumentFragment {
  const out = sanitise(toHtml(text));
  for (const h of out.querySelectorAll('h1,h2,h3,h4,h5,h6')) demote(h);
  for (const t of out.querySelectorAll('table')) {
    const box = document.createElement('div');
    box.className = 'wide';
    box.tabIndex = 0;
    t.replaceWith(box);
    box.append(t);
  }
  return out;
}

/* The page's own headings are h1 and h2 (one per message); the answer's come below them, without
 * a gap: texts begin at any level. How large they look is told by the class. */
function demote(h: Element): void {
  const level = Math.max(3, Number(h.tagName[1]));
  const lower = document.createElement(`h${level}`);
  lower.className = `h${h.tagName[1] ?? ''}`;
  lower.append(...h.childNodes);
  h.replaceWith(lower);
}
