/* code-lib.ts - the lazily loaded file: highlight.js, and each language when it is first seen. */
import hljs from 'highlight.js/lib/core';
import type { LanguageFn } from 'highlight.js';

type Get = () => Promise<{ default: LanguageFn }>;
const LANGUAGES: Record<string, Get> = {
  bash: () => import('highlight.js/lib/languages/bash'),
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  css: () => import('highlight.js/lib/languages/css'),
  diff: () => import('highlight.js/lib/languages/diff'),
  go: () => import('highlight.js/lib/languages/go'),
  java: () => import('highlight.js/lib/languages/java'),
  javascript: () => import('highlight.js/lib/languages/javascript'),
  json: () => import('highlight.js/lib/languages/json'),
  latex: () => import('highlight.js/lib/languages/latex'),
  python: () => import('highlight.js/lib/languages/python'),
  rust: () => import('highlight.js/lib/languages/rust'),
  sql: () => import('highlight.js/lib/languages/sql'),
  typescript: () => import('highlight.js/lib/languages/typescript'),
  xml: () => import('highlight.js/lib/languages/xml'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
};
const OTHER_NAMES: Record<string, string> = {
  sh: 'bash', shell: 'bash', zsh: 'bash', console: 'bash', h: 'c', 'c++': 'cpp', cc: 'cpp', hpp: 'cpp', golang: 'go',
  js: 'javascript', jsx: 'javascript', mjs: 'javascript', ts: 'typescript', tsx: 'typescript', py: 'python',
  python3: 'python', rs: 'rust', html: 'xml', svg: 'xml', yml: 'yaml', tex: 'latex', patch: 'diff',
};

/** HTML with classes, or null when the language is not known. */
export async function colour(text: string, name: string): Promise<string | null> {
  const language = OTHER_NAMES[name.toLowerCase()] ?? name.toLowerCase();
  const get = LANGUAGES[language];
  if (!get) return null;
  if (!hljs.getLanguage(language)) hljs.registerLanguage(language, (await get()).default);
  return hljs.highlight(text, { language, ignoreIllegals: true }).value;
}
