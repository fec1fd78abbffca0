/* files.ts - text files for a question: read as UTF-8, refused when they are not text. */
import { countTokens } from '../wire/server.ts';
import type { TextFile } from '../store/conv.ts';

const LIMIT = 4 << 20; // bytes; far above any context

export class NotText extends Error {}
export class TooLarge extends Error {}

export async function readFile(f: File): Promise<TextFile> {
  if (f.size > LIMIT) throw new TooLarge(f.name);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await f.arrayBuffer());
  } catch {
    throw new NotText(f.name);
  }
  if (text.includes('\0')) throw new NotText(f.name);
  return counted({ name: f.name, text: text.replace(/\r\n/g, '\n') });
}

export async function counted(f: TextFile): Promise<TextFile> {
  try {
    return { ...f, tokens: await countTokens(f.text) };
  } catch {
    return f; // the server cannot count now: the size in bytes is shown
  }
}
