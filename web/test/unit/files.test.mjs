/* Export and import: ours without loss, others' as far as they go, hostile files with a sentence. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from './load.mjs';

const C = await load('store/conv.ts');
const { toJson, toMarkdown, fileName } = await load('store/export.ts');
const { importText } = await load('store/import.ts');

function full() {
  const c = C.newConversation('system text', 1700000000000);
  Object.assign(c, { title: 'Title', named: true, pinned: true, updated: 1700000009000 });
  const q = C.append(c, { id: 'q', parent: null, role: 'user', content: 'Q?', created: 1, files: [{ name: 'a.txt', text: 'x\n', tokens: 2 }] });
  C.append(c, {
    id: 'a', parent: q.id, role: 'assistant', content: 'A', reasoning: 'hm', thinking_ms: 1200, created: 2, model: 'm', completion: 'chatcmpl-1',
    params: { thinking: true, effort: 'high', temperature: 0.6, stop: ['x'] },
    usage: { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9, prompt_cache_hit_tokens: 1, completion_tokens_details: { reasoning_tokens: 3 } },
    timings: { predicted_per_second: 12.5 }, cost: { pico: '12345678901234567890', currency: 'USD' }, finish: 'stop',
    feedback: { thumb: 1, better: 'B', preferred: true },
  });
  C.append(c, { id: 'a2', parent: q.id, role: 'assistant', content: 'A2', created: 3, finish: 'stop', edited: true });
  return c;
}

test('our own: the same object comes back', () => {
  const c = full();
  assert.deepEqual(importText(toJson([c])), [c]);
  assert.deepEqual(importText(toJson([c, { ...full(), id: 'other' }])).map((x) => x.id), [c.id, 'other']);
});

test('Markdown holds the shown path', () => {
  const c = full();
  C.show(c, 'a');
  const md = toMarkdown(c, { user: 'You', assistant: 'tarn', thinking: 'Thought' });
  for (const s of ['# Title', '> system text', '## You', '**a.txt**', '```\nx\n\n```', '<summary>Thought</summary>', 'hm', '## tarn\n\n', '\n\nA\n']) assert.ok(md.includes(s), s);
  assert.ok(!md.includes('A2'));
  assert.equal(fileName('A/b: "c"?', 'md'), 'A-b-c.md');
  assert.equal(fileName('…', 'json'), 'tarn.json');
});

test('ChatGPT', () => {
  const text = (parts, role, more = {}) => ({ author: { role }, content: { content_type: 'text', parts }, create_time: 1700000001, ...more });
  const file = [{
    title: 'Rows', create_time: 1700000000.5, update_time: 1700000100, current_node: 'n4',
    mapping: {
      root: { id: 'root', parent: null, message: null },
      sys: { id: 'sys', parent: 'root', message: text([''], 'system') },
      n1: { id: 'n1', parent: 'sys', message: text(['How many?'], 'user') },
      tool: { id: 'tool', parent: 'n1', message: { author: { role: 'tool' }, content: { content_type: 'execution_output', text: 'x' } } },
      n2: { id: 'n2', parent: 'tool', message: text(['Twelve', { asset: 1 }, '!'], 'assistant', { metadata: { model_slug: 'gpt' } }) },
      n3: { id: 'n3', parent: 'n1', message: text(['Dozen'], 'assistant') },
      n4: { id: 'n4', parent: 'n2', message: text(['Thanks'], 'user') },
    },
  }];
  const [c] = importText(JSON.stringify(file));
  assert.equal(c.title, 'Rows');
  assert.equal(c.created, 1700000000500);
  assert.deepEqual(C.shownPath(c).map((m) => [m.role, m.content]), [['user', 'How many?'], ['assistant', 'Twelve\n\n!'], ['user', 'Thanks']]);
  assert.equal(C.versions(c, C.shownPath(c)[1]).length, 2);
  assert.equal(C.shownPath(c)[1].model, 'gpt');
});

const llama = {
  conv: { id: 'c', name: 'Rows', lastModified: 1700000000000, currNode: 'a' },
  messages: [
    { id: 'r', convId: 'c', type: 'root', role: 'system', content: '', parent: null, timestamp: 1 },
    { id: 's', convId: 'c', type: 'text', role: 'system', content: 'Be brief.', parent: 'r', timestamp: 2 },
    { id: 'q', convId: 'c', type: 'text', role: 'user', content: 'How many?', parent: 's', timestamp: 3 },
    { id: 'a', convId: 'c', type: 'text', role: 'assistant', content: '<think>3 by 4</think>\n\nTwelve', parent: 'q', timestamp: 4 },
    { id: 'b', convId: 'c', type: 'text', role: 'assistant', content: 'Dozen', reasoningContent: 'hm', parent: 'q', timestamp: 5 },
  ],
};

test('llama-server, as one object, a list and lines', () => {
  const lines = [llama.conv, ...llama.messages].map((l) => JSON.stringify(l)).join('\n');
  for (const text of [JSON.stringify(llama), JSON.stringify([llama]), lines]) {
    const [c] = importText(text);
    assert.equal(c.title, 'Rows');
    assert.equal(c.system, 'Be brief.');
    const [q, a] = C.shownPath(c);
    assert.equal(q.content, 'How many?');
    assert.deepEqual([a.content, a.reasoning], ['Twelve', '3 by 4']);
    assert.deepEqual(C.versions(c, a).map((m) => m.reasoning), ['3 by 4', 'hm']);
  }
});

test('llama-server with numbers as ids', () => {
  const old = { conv: { id: 'c', name: 'n', currNode: 3, lastModified: 9 }, messages: [
    { id: 1, type: 'root', role: 'system', content: '', parent: -1, timestamp: 1 },
    { id: 2, type: 'text', role: 'user', content: 'q', parent: 1, timestamp: 2 },
    { id: 3, type: 'text', role: 'assistant', content: 'a', parent: 2, timestamp: 3 }] };
  assert.deepEqual(C.shownPath(importText(JSON.stringify(old))[0]).map((m) => m.content), ['q', 'a']);
});

test('bad files say why', () => {
  for (const text of ['', '{', 'null', '[]', '{"a":1}', '[1,2]', '{"format":"tarn-conversation","version":9}', 'a\nb']) {
    assert.throws(() => importText(text), (e) => e.message.length > 5, text);
  }
});

test('strange values do no harm', () => {
  const [c] = importText(JSON.stringify({ format: 'tarn-conversation', version: 1, id: 5, title: null, messages: [null, 3, { id: 'x', parent: 'x', role: 'root', content: {} }, { id: 'x' }, { id: 'y', parent: 'gone', cost: { pico: '-1' }, usage: { prompt_tokens: 'a' } }], leaf: 'none' }));
  assert.equal(c.messages.length, 2);
  assert.equal(c.messages[0].parent, null);
  assert.equal(c.messages[0].content, '');
  assert.equal(c.messages[1].cost, undefined);
  assert.equal(c.leaf, 'y');
});
