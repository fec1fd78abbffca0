/* export.ts - conversations as files: JSON without loss, Markdown for reading. */
import { shownPath, type Conversation } from './conv.ts';

export function toJson(list: Conversation[]): string {
  return JSON.stringify(list.length === 1 ? list[0] : list, null, 1) + '\n';
}

export interface Names {
  user: string;
  assistant: string;
  thinking: string;
}

/** The shown path as Markdown; thinking is folded away. */
export function toMarkdown(c: Conversation, names: Names): string {
  const out = [`# ${c.title || names.assistant}`];
  if (c.system) out.push(quote(c.system));
  for (const m of shownPath(c)) {
    out.push(`## ${m.role === 'assistant' ? names.assistant : names.user}`);
    for (const f of m.files ?? []) out.push(`**${f.name}**`, fence(f.text));
    if (m.reasoning) {
      out.push(`<details><summary>${names.thinking}</summary>`, m.reasoning.trim(), '</details>');
    }
    out.push(m.content.trim());
  }
  return out.join('\n\n') + '\n';
}

function quote(s: string): string {
  return s.split('\n').map((l) => `> ${l}`.trimEnd()).join('\n');
}

function fence(s: string): string {
  let mark = '```';
  while (s.includes(mark)) mark += '`';
  return `${mark}\n${s}\n${mark}`;
}

export function fileName(title: string, ext: string): string {
  const safe = title.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-+|-+$/g, '').slice(0, 60);
  return `${safe || 'tarn'}.${ext}`;
}

export function download(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
