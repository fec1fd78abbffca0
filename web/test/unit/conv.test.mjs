/* The tree of messages. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load, random } from './load.mjs';

const C = await load('store/conv.ts');
const { checkConversation } = await load('store/check.ts');

let clock = 1000;
const msg = (parent, role, content) => ({ id: C.newId(), parent, role, content, created: clock++ });
function talk() {
  const c = C.newConversation('be brief', clock++);
  const q1 = C.append(c, msg(null, 'user', 'q1'));
  const a1 = C.append(c, msg(q1.id, 'assistant', 'a1'));
  const q2 = C.append(c, msg(a1.id, 'user', 'q2'));
  const a2 = C.append(c, msg(q2.id, 'assistant', 'a2'));
  return { c, q1, a1, q2, a2 };
}
const words = (list) => list.map((m) => m.content).join(' ');

test('the shown path', () => {
  const { c, a1 } = talk();
  assert.equal(words(C.shownPath(c)), 'q1 a1 q2 a2');
  assert.equal(words(C.pathTo(c, a1.id)), 'q1 a1');
  assert.deepEqual(C.pathTo(c, null), []);
});

test('an edited question is a branch; going back shows its own end', () => {
  const { c, q1, q2, a1 } = talk();
  const q1b = C.append(c, msg(null, 'user', 'q1b'));
  const a1b = C.append(c, msg(q1b.id, 'assistant', 'a1b'));
  assert.equal(words(C.shownPath(c)), 'q1b a1b');
  assert.deepEqual(C.versions(c, q1).map((m) => m.content), ['q1', 'q1b']);
  C.show(c, q1.id);
  assert.equal(words(C.shownPath(c)), 'q1 a1 q2 a2');
  const a2b = C.append(c, msg(q2.id, 'assistant', 'a2b'));
  assert.deepEqual(C.versions(c, a2b).map((m) => m.content), ['a2', 'a2b']);
  C.show(c, q1b.id);
  assert.equal(c.leaf, a1b.id);
  C.show(c, a1.id);
  assert.equal(words(C.shownPath(c)), 'q1 a1 q2 a2b');
});

test('a fork is a copy of the path under new ids', () => {
  const { c, a1, q1 } = talk();
  const f = C.fork(c, a1.id, 5);
  assert.equal(words(C.shownPath(f)), 'q1 a1');
  assert.equal(f.system, 'be brief');
  assert.ok(f.messages.every((m) => !C.find(c, m.id)));
  C.find(f, f.leaf).content = 'changed';
  assert.equal(a1.content, 'a1');
  assert.equal(q1.parent, null);
});

test('loops and missing parents end a path', () => {
  const { c, q1, a2 } = talk();
  q1.parent = a2.id;
  assert.equal(C.shownPath(c).length <= c.messages.length + 1, true);
  a2.parent = 'nowhere';
  assert.equal(words(C.shownPath(c)), 'a2');
  C.show(c, q1.id);
});

test('merging keeps both sides’ messages and the newer side’s choices', () => {
  const { c, a2 } = talk();
  const here = structuredClone(c), there = structuredClone(c);
  C.append(here, msg(a2.id, 'user', 'here'));
  here.updated = 10;
  C.append(there, msg(a2.id, 'user', 'there'));
  there.updated = 20;
  there.title = 'new';
  const m = C.merge(here, there);
  assert.deepEqual(m, C.merge(there, here));
  assert.equal(m.title, 'new');
  assert.equal(words(C.shownPath(m)), 'q1 a1 q2 a2 there');
  assert.equal(m.messages.length, 6);
});

test('of two states of a message the one further along stays, whichever side is newer', () => {
  const { c, a2 } = talk();
  const early = structuredClone(c), late = structuredClone(c);
  const part = C.find(early, a2.id), whole = C.find(late, a2.id);
  Object.assign(part, { content: 'a2 and', finish: 'interrupted' });
  Object.assign(whole, { content: 'a2 and more', finish: 'stop' });
  early.updated = 20;
  late.updated = 10;
  for (const m of [C.merge(early, late), C.merge(late, early)]) assert.equal(C.find(m, a2.id).content, 'a2 and more');
  assert.equal(C.behind(early, late), true);
  assert.equal(C.behind(late, structuredClone(late)), false);
  assert.equal(C.joinIn(early, late, true), true);
  assert.equal(C.find(early, a2.id), part, 'the object stays');
  assert.deepEqual([part.content, part.finish], ['a2 and more', 'stop']);
  assert.equal(C.joinIn(early, structuredClone(early), true), false);
  // the same text: an end that was seen counts, and the newer side's judgement
  const judged = structuredClone(early);
  judged.updated = 30;
  C.find(judged, a2.id).feedback = { thumb: 1 };
  C.joinIn(early, judged, true);
  assert.deepEqual(part.feedback, { thumb: 1 });
  delete C.find(judged, a2.id).feedback;
  judged.updated = 40;
  C.joinIn(early, judged, true);
  assert.equal(part.feedback, undefined);
});

test('what others wrote comes in; the shown path moves only when it may', () => {
  const { c, a2 } = talk();
  const there = structuredClone(c);
  C.append(there, msg(a2.id, 'user', 'there'));
  there.updated = c.updated + 5;
  const here = structuredClone(c);
  assert.equal(C.joinIn(here, there, true), true);
  assert.equal(words(C.shownPath(here)), 'q1 a1 q2 a2');
  assert.equal(C.joinIn(c, there, false), true);
  assert.equal(words(C.shownPath(c)), 'q1 a1 q2 a2 there');
});

test('random trees: every message can be shown, and stays where it is', () => {
  const r = random(11);
  for (let n = 0; n < 200; n++) {
    const c = C.newConversation('', 1);
    for (let i = 0; i < 30; i++) {
      const p = r() < 0.1 || c.messages.length === 0 ? null : c.messages[Math.floor(r() * c.messages.length)];
      C.append(c, msg(p?.id ?? null, p?.role === 'user' ? 'assistant' : 'user', String(i)));
    }
    for (const m of c.messages) {
      C.show(c, m.id);
      assert.ok(C.shownPath(c).includes(m));
      assert.ok(C.versions(c, m).includes(m));
      assert.ok(!c.messages.some((x) => x.parent === c.leaf));
    }
    assert.deepEqual(checkConversation(JSON.parse(JSON.stringify(c))).messages, c.messages);
  }
});

test('titles', () => {
  assert.equal(C.titleFrom('  # What is   this?\nmore'), 'What is this?');
  assert.equal([...C.titleFrom('水'.repeat(100))].length, 64);
});
