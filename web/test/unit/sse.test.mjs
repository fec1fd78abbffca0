/* The event-stream parser: the same events wherever the bytes are cut. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load, random } from './load.mjs';

const { SseParser } = await load('wire/sse.ts');

const STREAM = [
  ': keep-alive\n\n',
  'data: {"a":"é 水 🏔"}\n\n',
  'event: metrics\r\ndata: {"step":1}\r\n\r\n',
  'data:one\ndata: two\rdata\n\n',
  'id: 7\nretry: 10\nunknown: x\ndata:  spaced\n\n',
  'event: alone\n\n',
  'data: [DONE]\r\r',
  'data: cut off by the end',
].join('');
const EVENTS = [
  { event: 'message', data: '{"a":"é 水 🏔"}' },
  { event: 'metrics', data: '{"step":1}' },
  { event: 'message', data: 'one\ntwo\n' },
  { event: 'message', data: ' spaced' },
  { event: 'message', data: '[DONE]' },
];
const bytes = new TextEncoder().encode(STREAM);

function parse(cuts) {
  const p = new SseParser();
  const out = [];
  let from = 0;
  for (const c of [...cuts, bytes.length]) {
    out.push(...p.push(bytes.subarray(from, c)));
    from = c;
  }
  return out;
}

test('the whole stream at once', () => assert.deepEqual(parse([]), EVENTS));

test('split at every byte', () => {
  for (let i = 0; i <= bytes.length; i++) assert.deepEqual(parse([i]), EVENTS, `cut at ${i}`);
});

test('split at every pair of bytes', () => {
  for (let i = 0; i < bytes.length; i++) {
    for (let j = i; j < bytes.length; j++) assert.deepEqual(parse([i, j]), EVENTS, `cuts at ${i}, ${j}`);
  }
});

test('byte by byte, and at random', () => {
  assert.deepEqual(parse([...bytes.keys()]), EVENTS);
  const r = random(1);
  for (let n = 0; n < 500; n++) {
    const cuts = Array.from({ length: 8 }, () => Math.floor(r() * bytes.length)).sort((a, b) => a - b);
    assert.deepEqual(parse(cuts), EVENTS, `cuts ${cuts}`);
  }
});

test('a byte order mark in front is not text', () => {
  const p = new SseParser();
  assert.deepEqual(p.push(new TextEncoder().encode('\ufeffdata: x\n\n')), [{ event: 'message', data: 'x' }]);
});
