/* The block splitter: block by block gives what the whole gives; growth changes nothing. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load, random } from './load.mjs';
import * as texts from '../texts.mjs';

const { BlockSplitter, openFormula } = await load('render/blocks.ts');
const { toHtml } = await load('render/markdown.ts');

function blocks(text, steps = [text.length]) {
  const s = new BlockSplitter();
  for (const n of steps) s.push(text.slice(0, n));
  const list = s.done.map((b) => [b.start, b.end]);
  return { list, tail: s.tail, texts: [...list.map(([a, b]) => text.slice(a, b)), text.slice(s.tail)] };
}

const flat = (html) => html.replace(/\s+/g, ' ').replace(/> </g, '><').trim();
function same(text, why = '') {
  const whole = flat(toHtml(text));
  const parts = flat(blocks(text).texts.map(toHtml).join('\n'));
  assert.equal(parts, whole, `${why}\n--- text\n${text}\n---`);
}

/* Pieces as models write them, with and without blank lines between. */
const PIECES = [
  'A paragraph with *emphasis*, `code` and $x^2$.', 'Two lines\nof one paragraph.', '# Heading', '### Another *one*',
  '- a\n- b\n  - nested\n- c', '- loose\n\n- list', '1. one\n2. two', '1. one\n\n   more of one\n\n2. two', '* star\n\n  continued',
  '```js\nlet a = 1;\n\n# not a heading\n- not a list\n```', '~~~\ntilde\n```\n~~~', '````\n```\ninner\n```\n````',
  '1. item\n   ```c\n   int x;\n\n   int y;\n   ```\n2. next', '| a | b |\n|---|---|\n| 1 | $x$ |', '> quote\n> more', '> a\n\n> b', '---', '***',
  '$$\n\\frac{a}{b}\n$$', '$$ a = b $$', '\\[\n\\int x\n\\]', '\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}', 'text before\n$$\nx\n$$\ntext after',
  '    indented code\n\n    goes on', '**bold:**', 'An escaped \\$5 and \\* star.', '<b>html</b> & entity', '- [ ] open\n- [x] done', '+ plus', '10) ten',
  'Setext\n===', 'a  \nhard break', '![img](https://x.example/i.png)', '[link](https://x.example/a "t")', '\\(a+b\\) inline', 'مرحبا بالعالم', '1986. A year.',
];

test('each piece alone, and each pair', () => {
  for (const a of PIECES) {
    same(a);
    for (const b of PIECES) {
      same(`${a}\n\n${b}\n`, 'with a blank line');
    }
  }
});

test('2,000 random documents', () => {
  const r = random(7);
  for (let n = 0; n < 2000; n++) {
    const count = 1 + Math.floor(r() * 7);
    let doc = '';
    for (let i = 0; i < count; i++) {
      doc += PIECES[Math.floor(r() * PIECES.length)] + (r() < 0.12 ? '\n\n\n' : '\n\n');
    }
    same(doc, `document ${n}`);
  }
});

test('the borders do not depend on how the text grew', () => {
  const r = random(3);
  const doc = PIECES.join('\n\n') + '\n' + texts.readme + texts.code + texts.table;
  const whole = blocks(doc);
  for (let n = 0; n < 60; n++) {
    const steps = [];
    for (let at = 0; at < doc.length; ) steps.push((at = Math.min(doc.length, at + 1 + Math.floor(r() * 40))));
    const grown = blocks(doc, steps);
    assert.deepEqual(grown.list, whole.list);
    assert.equal(grown.tail, whole.tail);
  }
  const letters = blocks(doc, Array.from({ length: doc.length }, (_, i) => i + 1));
  assert.deepEqual(letters.list, whole.list);
});

test('a finished block never changes, and blocks lie end to end', () => {
  const doc = texts.mathematics(3000);
  const s = new BlockSplitter();
  let before = [];
  for (let i = 1; i <= doc.length; i += 17) {
    s.push(doc.slice(0, i));
    assert.deepEqual(s.done.slice(0, before.length), before);
    before = s.done.map((b) => ({ ...b }));
  }
  s.push(doc);
  for (let i = 1; i < s.done.length; i++) assert.ok(s.done[i].start >= s.done[i - 1].end);
});

test('long mathematics: the same as the whole, in small blocks', () => {
  const doc = texts.mathematics(8000);
  same(doc);
  const sizes = blocks(doc).texts.map((t) => t.length);
  assert.ok(Math.max(...sizes) < 500, `largest block has ${Math.max(...sizes)} letters`);
});

test('an open formula is found, a closed one is not', () => {
  const at = (s) => openFormula(s);
  assert.equal(at('a $$x$$ b'), 9);
  assert.equal(at('a $$x'), 2);
  assert.equal(at('a \\[ x \\'), 2);
  assert.equal(at('a \\( x \\) b \\[ y'), 12);
  assert.equal(at('`$$` and \\$$'), 12);
  assert.equal(at('\\[ \\$$ \\]'), 9);
});
