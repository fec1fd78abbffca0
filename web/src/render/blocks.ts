/* blocks.ts - cuts growing Markdown at borders behind which nothing can change any more.
 *
 * A finished block is parsed once and never again; only the tail is. A border may lie after a
 * blank line, a heading or a closed fence, and before a heading or a fence, but never
 *   - inside a fence,
 *   - inside a list, as long as what follows a blank line is indented or another item,
 *   - inside indented code that goes on after a blank line.
 * Formulas end at a blank line (TeX allows none in them) and need no state of their own.
 * Parsing the blocks one by one gives what parsing the whole text gives; a property test holds
 * it to that. Feeding the text in pieces gives the same borders as feeding it at once.
 */
export interface Block {
  start: number;
  end: number;
}

type Kind = 'none' | 'text' | 'list' | 'code' | 'fence';

const FENCE = /^ {0,3}(`{3,}(?!.*`)|~{3,})/;
const HEADING = /^ {0,3}#{1,6}(?:[ \t]|$)/;
const ITEM = /^ {0,3}(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;

export class BlockSplitter {
  readonly done: Block[] = [];
  private text = '';
  private start = 0; // of the open block
  private pos = 0; // of the first line not looked at
  private kind: Kind = 'none';
  private blank = false; // the last line was blank, inside a list or indented code
  private mark = ''; // the fence that is open

  /** `text` is what was given before, plus more. Afterwards `done` may have grown. */
  push(text: string): void {
    this.text = text;
    for (;;) {
      const end = text.indexOf('\n', this.pos);
      if (end < 0) return;
      this.line(text.slice(this.pos, end), this.pos, end + 1);
      this.pos = end + 1;
    }
  }

  /** The block still open: from here to the end of the text. */
  get tail(): number {
    return this.start;
  }

  /** Inside an open fence: its tail is code that only grows. */
  get inFence(): boolean {
    return this.kind === 'fence';
  }

  private cut(at: number): void {
    if (this.text.slice(this.start, at).trim() !== '') this.done.push({ start: this.start, end: at });
    this.start = at;
    this.kind = 'none';
    this.blank = false;
  }

  private line(line: string, at: number, next: number): void {
    if (this.kind === 'fence') {
      if (this.closes(line)) this.cut(next);
      return;
    }
    if (line.trim() === '') {
      if (this.kind === 'list' || this.kind === 'code') this.blank = true;
      else this.cut(next);
      return;
    }
    if (this.blank) {
      const goesOn = this.kind === 'list' ? /^(?: {2}|\t| {1}\t)/.test(line) || (ITEM.test(line) && !RULE.test(line))
        : /^(?: {4}| {0,3}\t)/.test(line);
      if (!goesOn) this.cut(at);
      this.blank = false;
    }
    this.open(line, at, next);
  }

  private open(line: string, at: number, next: number): void {
    const fence = FENCE.exec(line);
    if (fence) {
      if (this.kind === 'list' && line.startsWith('  ')) return;
      this.cut(at);
      this.kind = 'fence';
      this.mark = fence[1] ?? '```';
    } else if (HEADING.test(line)) {
      if (this.kind === 'list' && line.startsWith('  ')) return;
      this.cut(at);
      this.cut(next);
    } else if (this.kind === 'none') {
      this.kind = ITEM.test(line) && !RULE.test(line) ? 'list' : /^(?: {4}| {0,3}\t)/.test(line) ? 'code' : 'text';
    } else if (this.kind === 'text' && ITEM.test(line)) {
      this.kind = 'list'; // an item may interrupt a paragraph; if it does not, the block is only larger
    } else if (this.kind === 'code' && !/^(?: {4}| {0,3}\t)/.test(line)) {
      this.kind = ITEM.test(line) ? 'list' : 'text';
    }
  }

  private closes(line: string): boolean {
    const m = /^ {0,3}(`{3,}|~{3,})[ \t]*$/.exec(line);
    return m?.[1] !== undefined && m[1][0] === this.mark[0] && m[1].length >= this.mark.length;
  }
}

/** Where an unclosed formula begins in a tail, or its length: what follows is shown as typed. */
export function openFormula(tail: string): number {
  let open = -1;
  let closer = '';
  for (let i = 0; i < tail.length; i++) {
    const two = tail.slice(i, i + 2);
    if (closer === '`') {
      if (tail[i] === '`') closer = '';
    } else if (closer !== '') {
      if (two === closer) {
        closer = '';
        i++;
      } else if (two[0] === '\\') i++;
    } else if (two === '$$' || two === '\\[' || two === '\\(') {
      open = i;
      closer = two === '$$' ? '$$' : two === '\\[' ? '\\]' : '\\)';
      i++;
    } else if (two[0] === '\\') i++;
    else if (two[0] === '`') closer = '`';
  }
  return closer !== '' && closer !== '`' ? open : tail.length;
}
