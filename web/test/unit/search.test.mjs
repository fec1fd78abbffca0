/* Search: all words, anywhere, without regard to case and accents. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from './load.mjs';

const { searchOne, words, rank } = await load('store/search.ts');
const conv = (title, ...contents) => ({ id: 'c', title, updated: 1, messages: contents.map((content, i) => ({ id: `m${i}`, content })) });

test('words in title and text together', () => {
  const c = conv('Geometric series', 'Why is the sum TWO?', 'Because…');
  assert.ok(searchOne(c, words('series two')));
  assert.equal(searchOne(c, words('series three')), null);
  assert.equal(searchOne(c, words('  ')), null);
  assert.equal(searchOne(c, words('geo')).inTitle, true);
  assert.equal(searchOne(c, words('sum')).message, 'm0');
});

test('accents, and the excerpt in the original letters', () => {
  const hit = searchOne(conv('x', 'Das Café in der Straße'), words('cafe'));
  assert.equal(hit.match, 'Café');
  assert.equal(hit.before, 'Das ');
  assert.equal(searchOne(conv('x', 'ﬁne fi'), words('fi')).match, 'ﬁ');
});

test('titles first, then newest', () => {
  const list = [{ inTitle: false, updated: 9 }, { inTitle: true, updated: 1 }, { inTitle: true, updated: 5 }].sort(rank);
  assert.deepEqual(list.map((h) => h.updated), [5, 1, 9]);
});
