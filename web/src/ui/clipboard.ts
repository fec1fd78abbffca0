/* clipboard.ts - copying, told to screen readers; and the buttons of code blocks, with one
 * listener for the whole page. */
import { said } from '../chat/state.ts';
import { languageOf } from '../render/code.ts';
import { download } from '../store/export.ts';
import { t } from '../i18n/i18n.ts';

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copyOldWay(text)) return false; // pages without TLS on another host have no clipboard
  }
  said.value = t('copied');
  return true;
}

function copyOldWay(text: string): boolean {
  const box = document.createElement('textarea');
  box.value = text;
  box.className = 'unseen';
  document.body.append(box);
  box.select();
  const done = document.execCommand('copy');
  box.remove();
  return done;
}

const ENDING: Record<string, string> = {
  javascript: 'js', js: 'js', typescript: 'ts', ts: 'ts', python: 'py', py: 'py', bash: 'sh', sh: 'sh', shell: 'sh',
  c: 'c', cpp: 'cpp', 'c++': 'cpp', rust: 'rs', go: 'go', java: 'java', html: 'html', xml: 'xml', css: 'css',
  json: 'json', yaml: 'yaml', sql: 'sql', diff: 'diff', markdown: 'md', latex: 'tex', tex: 'tex',
};

export function watchCodeButtons(): void {
  document.addEventListener('click', (e) => {
    const b = e.target instanceof Element ? e.target.closest<HTMLButtonElement>('button[data-code]') : null;
    const box = b?.closest('figure.code');
    const code = box?.querySelector('code');
    if (!b || !box || !code) return;
    const text = code.textContent ?? '';
    if (b.dataset['code'] === 'wrap') {
      b.setAttribute('aria-pressed', String(box.classList.toggle('wrapped')));
    } else if (b.dataset['code'] === 'save') {
      download(`code.${ENDING[languageOf(code)] ?? 'txt'}`, text, 'text/plain');
    } else {
      void copyText(text.replace(/\n$/, '')).then((ok) => {
        if (!ok) return;
        b.textContent = t('copied');
        setTimeout(() => (b.textContent = t('copy')), 1500);
      });
    }
  });
}
