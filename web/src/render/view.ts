/* view.ts - shows a growing Markdown text in an element, and stays quick however long it gets.
 *
 * update() may be called for every token: drawing happens at most once per animation frame, less
 * often when drawing is slow (it may use a quarter of the time) and at most 20 times a second
 * above 20 kB. Finished blocks are drawn once; only the tail's elements change. An open fence
 * only has text added to it.
 */
import { BlockSplitter, openFormula } from './blocks.ts';
import { colourAll, frame, frameAll } from './code.ts';
import { toFragment } from './markdown.ts';
import { typesetAll } from './math.ts';
import { morph } from './morph.ts';

const LONG = 20_000;
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:[ \t]*\S+.*$/gm;

export class View {
  private splitter = new BlockSplitter();
  private drawn = 0; // finished blocks in the document
  private text = '';
  private done = false;
  private next = '';
  private nextDone = false;
  private tail: HTMLElement | null = null;
  private fence: Text | null = null; // the open fence's text
  private fenceFrom = 0;
  private fenceTo = 0;
  private frame = 0;
  private timer = 0;
  private nextAt = 0;
  private definitions = '';

  constructor(private readonly root: HTMLElement, private readonly afterDraw: () => void = () => undefined) {}

  update(text: string, done: boolean): void {
    this.next = text; // looked at when it is drawn: looking flattens a string that is still growing
    this.nextDone = done;
    if (done) this.drawNow();
    else this.schedule();
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  private reset(): void {
    this.root.replaceChildren();
    this.splitter = new BlockSplitter();
    this.drawn = 0;
    this.tail = this.fence = null;
    this.definitions = '';
  }

  private schedule(): void {
    if (this.frame || this.timer) return;
    const wait = this.nextAt - performance.now();
    const draw = (): void => {
      this.timer = 0;
      this.frame = requestAnimationFrame(() => this.drawNow());
    };
    if (wait > 4) this.timer = window.setTimeout(draw, wait);
    else draw();
  }

  private drawNow(): void {
    this.destroy();
    this.frame = this.timer = 0;
    if (this.next === this.text && this.nextDone === this.done) return;
    const from = performance.now();
    if (this.done || !this.next.startsWith(this.text)) this.reset();
    this.text = this.next;
    this.done = this.nextDone;
    this.splitter.push(this.text);
    while (this.drawn < this.splitter.done.length) this.drawDone();
    this.drawTail();
    if (this.done) this.finish();
    const cost = performance.now() - from;
    this.nextAt = from + Math.max(cost * 4, this.text.length > LONG ? 50 : 0);
    this.afterDraw();
  }

  private drawDone(): void {
    const block = this.splitter.done[this.drawn++];
    if (!block) return;
    const text = this.text.slice(block.start, block.end);
    for (const d of text.match(DEFINITION) ?? []) this.definitions += `\n\n${d}`;
    this.draw(this.takeTail(), text);
  }

  /* The element of the tail becomes the finished block's. */
  private takeTail(): HTMLElement {
    const el = this.tail ?? this.add();
    if (this.fence) el.replaceChildren();
    this.tail = this.fence = null;
    return el;
  }

  private add(): HTMLElement {
    const el = document.createElement('div');
    el.className = 'block';
    this.root.append(el);
    return el;
  }

  private draw(el: HTMLElement, text: string): void {
    const made = toFragment(text.includes(']') ? text + this.definitions : text);
    typesetAll(made);
    frameAll(made);
    morph(el, made);
    typesetAll(el); // those that wait for the library must be in the document
    colourAll(el);
  }

  private drawTail(): void {
    const text = this.text.slice(this.splitter.tail);
    if (text.trim() === '') {
      this.tail?.remove();
      this.tail = this.fence = null;
      return;
    }
    this.tail ??= this.add();
    if (this.splitter.inFence && !this.done) this.growFence(this.tail, text);
    else if (this.done) this.draw(this.takeTail(), text);
    else this.drawOpen(this.tail, text);
  }

  private drawOpen(el: HTMLElement, text: string): void {
    const cut = openFormula(text);
    const made = toFragment(text.slice(0, cut));
    typesetAll(made);
    frameAll(made);
    if (cut < text.length) {
      const open = document.createElement('span');
      open.className = 'open-formula';
      open.textContent = text.slice(cut);
      (made.lastElementChild?.tagName === 'P' ? made.lastElementChild : made).append(open);
    }
    morph(el, made);
    typesetAll(el);
  }

  private growFence(el: HTMLElement, text: string): void {
    const body = text.indexOf('\n') + 1;
    if (!this.fence || this.fenceFrom !== this.splitter.tail) {
      const pre = document.createElement('pre');
      pre.dir = 'ltr';
      const code = document.createElement('code');
      const language = /^\s*[`~]+\s*([^\s`]*)/.exec(text)?.[1] ?? '';
      if (language) code.className = `language-${language}`;
      this.fence = document.createTextNode('');
      this.fenceFrom = this.splitter.tail;
      this.fenceTo = body;
      code.append(this.fence);
      pre.append(code);
      el.replaceChildren(pre);
      frame(pre);
    }
    this.fence.appendData(text.slice(this.fenceTo));
    this.fenceTo = text.length;
  }

  /* Links by reference may be defined below their use: such texts are drawn once more, whole. */
  private finish(): void {
    if (!this.definitions) return;
    const blocks = [...this.splitter.done];
    blocks.forEach((b, i) => {
      const el = this.root.children[i];
      const text = this.text.slice(b.start, b.end);
      if (el instanceof HTMLElement && text.includes(']') && !text.includes('```')) this.draw(el, text);
    });
  }
}
