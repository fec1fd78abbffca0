/* What is sent: messages, files, thinking, samplers. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from './load.mjs';

const R = await load('chat/request.ts');
const conv = { system: ' be brief ', messages: [] };
const user = { role: 'user', content: 'Why?', files: [{ name: 'a.txt', text: 'x' }] };
const answer = { role: 'assistant', content: 'Because', reasoning: 'hm' };

test('messages: system first, files in front of the question, no earlier reasoning', () => {
  assert.deepEqual(R.wireMessages(conv, [user, answer]), [
    { role: 'system', content: ' be brief ' },
    { role: 'user', content: '[file name]: a.txt\n[file content begin]\nx\n[file content end]\nWhy?' },
    { role: 'assistant', content: 'Because' },
  ]);
  assert.deepEqual(R.wireMessages({ system: ' ' }, []), []);
  assert.deepEqual(R.prefixMessage(answer), { role: 'assistant', content: 'Because', prefix: true, reasoning_content: 'hm' });
});

test('parameters', () => {
  assert.deepEqual(R.requestBody('m', [], { thinking: false, effort: 'high' }), { model: 'm', messages: [], thinking: { type: 'disabled' } });
  assert.deepEqual(R.requestBody('m', [], { thinking: true, effort: 'low', budget: 9, temperature: 0, stop: ['x'], custom: { mirostat: 1, temperature: 1 } }), {
    model: 'm', messages: [], thinking: { type: 'enabled' }, reasoning_effort: 'low', thinking_budget_tokens: 9, temperature: 1, stop: ['x'], mirostat: 1,
  });
});
