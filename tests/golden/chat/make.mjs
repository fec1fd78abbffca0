// Renders the published chat templates with an independent implementation of jinja and writes
// cases.json. Usage, in a folder with `npm install @huggingface/jinja`:
//   node make.mjs FOLDER_WITH_JINJA_FILES > cases.json
// Every conversation here is our own text. FIXES are the places where the published jinja is known
// to differ from the model card; README.md lists them.
import fs from 'node:fs';
import path from 'node:path';
import { Template } from '@huggingface/jinja';

const dir = process.argv[2];
const BOS = '<｜begin▁of▁sentence｜>';

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a "city" today.\nShort.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer', default: 1 } },
      required: ['city'],
    },
  },
};
const clock = { type: 'function', function: { name: 'now', description: 'Zeit — 時間', parameters: { type: 'object', properties: {} } } };
const call = (id, name, args) => ({ id, type: 'function', function: { name, arguments: args } });

const q = (content) => ({ role: 'user', content });
const a = (content, more) => ({ role: 'assistant', content, ...more });
const s = (content) => ({ role: 'system', content });
const t = (id, content) => ({ role: 'tool', tool_call_id: id, content });
const two = [call('c1', 'get_weather', { city: 'Zürich', days: 2 }), call('c2', 'now', {})];

const conversations = {
  single: [q('Why is the sky blue?')],
  system: [s('You are a lake.\nBe calm.'), q('Hello')],
  blanks: [q('  two spaces\n\n')],
  unicode: [s('Sprich Deutsch.'), q('你好，世界 😀\t½')],
  multi: [s('Short answers.'), q('1+1?'), a('2'), q('2+2?'), a('4\n'), q('And 3+3?')],
  ends_with_answer: [q('1+1?'), a('2')],
  thought: [q('1+1?'), a('<think>\nOne and one.\n</think>\n\nIt is 2.'), q('Sure?')],
  thought_twice: [q('1+1?'), a('<think>a</think>b</think>c'), q('Sure?')],
  reasoning_field: [q('1+1?'), a('2', { reasoning_content: 'Easy.' }), q('Sure?')],
  reasoning_last: [q('1+1?'), a('2', { reasoning_content: 'Easy.' })],
  two_systems: [s('One.'), s('Two.'), q('Hi')],
};
const declared = {
  tools_only: [q('Weather in Paris?')],
  tools_system: [s('Be brief.'), q('Weather in Paris?')],
};
const used = {
  one_call: [q('Weather?'), a('', { tool_calls: [two[0]] }), t('c1', '{"t": 21}')],
  call_with_text: [q('Weather?'), a('Let me look.', { tool_calls: [two[0]] }), t('c1', '{"t": 21}')],
  two_calls: [q('Weather and time?'), a('', { tool_calls: two }), t('c1', 'sunny'), t('c2', 'noon'), a('Sunny at noon.'), q('Thanks')],
  calls_thought: [q('Weather?'), a('', { tool_calls: [two[0]], reasoning_content: 'I need the tool.' }), t('c1', 'rain'), a('Rain.', { reasoning_content: 'Wet.' })],
};
const null_content = (c) => c.map((m) => (m.tool_calls && !m.content ? { ...m, content: null } : m));
const strings = (c) => c.map((m) => (m.tool_calls ? { ...m, tool_calls: m.tool_calls.map((k) => ({ ...k, function: { ...k.function, arguments: pyjson(k.function.arguments) } })) } : m));

// JSON with Python's spacing: what our callers pass as the arguments' text.
function pyjson(v) {
  if (Array.isArray(v)) return '[' + v.map(pyjson).join(', ') + ']';
  if (v && typeof v === 'object') return '{' + Object.entries(v).map(([k, x]) => JSON.stringify(k) + ': ' + pyjson(x)).join(', ') + '}';
  return JSON.stringify(v);
}

const replace = (from, to) => (j) => {
  if (!j.includes(from)) throw new Error('nothing to fix: ' + from);
  return j.replaceAll(from, to);
};
const pick = (o, ...names) => Object.fromEntries(names.map((n) => [n, o[n]]));
const without = (o, ...names) => Object.fromEntries(Object.entries(o).filter(([k]) => !names.includes(k)));

const SETS = [
  { file: 'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja', template: 'deepseek-r1', bos: BOS,
    think: [['on', { enable_thinking: true }], ['off', { enable_thinking: false }]],
    talks: without(conversations, 'two_systems'), used: pick(used, 'two_calls', 'one_call'), map: null_content },
  { file: 'deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja', template: 'deepseek-r1', bos: BOS,
    think: [['default', {}]], talks: without(conversations, 'two_systems'), used: pick(used, 'two_calls'),
    map: (c) => strings(null_content(c)) },
  { file: 'deepseek-ai-DeepSeek-V3.1.jinja', template: 'deepseek-v3.1', bos: BOS, fix: replace('<think></think>', '</think>'),
    think: [['default', {}], ['on', { thinking: true }], ['off', { thinking: false }]], talks: conversations,
    used: without(used, 'calls_thought') },
  { file: 'deepseek-ai-DeepSeek-V3.2.jinja', template: 'deepseek-v3.2', bos: BOS,
    fix: replace('thinking_start_token + thinking_end_token', 'thinking_end_token'),
    think: [['default', {}], ['on', { thinking: true }], ['off', { thinking: false }]],
    talks: without(conversations, 'thought', 'thought_twice'), declared, used, tools: true },
  { file: 'Qwen-Qwen2.5-7B-Instruct.jinja', template: 'qwen2.5', think: [['default', {}]],
    talks: conversations, declared, used, tools: true },
  { file: 'Qwen-Qwen3-0.6B.jinja', template: 'qwen3', think: [['default', {}], ['on', { enable_thinking: true }], ['off', { enable_thinking: false }]],
    talks: conversations, declared, used, tools: true },
  { file: 'Qwen-QwQ-32B.jinja', template: 'qwq', think: [['on', { enable_thinking: true }], ['off', { enable_thinking: false }]],
    talks: conversations, declared, used, tools: true },
  { file: 'meta-llama-Llama-3.2-3B-Instruct.jinja', template: 'llama3.1', bos: '<|begin_of_text|>',
    think: [['default', {}]], vars: { date_string: '22 Nov 2025' }, date: '22 Nov 2025',
    talks: without(conversations, 'reasoning_field', 'reasoning_last'), declared, used: pick(used, 'one_call'), tools: true },
];

const out = [];
for (const set of SETS) {
  let text = fs.readFileSync(path.join(dir, set.file), 'utf8').replace(/\n$/, '');
  if (set.fix) text = set.fix(text);
  const tpl = new Template(text);
  const add = (name, messages, tools) => {
    for (const [thinking, vars] of set.think)
      for (const gen of [true, false]) {
        if (!gen && !['multi', 'ends_with_answer', 'two_calls'].includes(name)) continue;
        const expected = tpl.render({ messages: set.map ? set.map(messages) : messages, bos_token: set.bos ?? '',
          add_generation_prompt: gen, ...vars, ...set.vars, ...(tools ? { tools } : {}) });
        const plain = strings(messages).map((m) => without(m, 'name'));
        const c = { name, template: set.template, thinking, add_generation_prompt: gen, messages: plain, expected };
        if (tools) c.tools = tools;
        if (set.date) c.date = set.date;
        out.push(c);
      }
  };
  for (const [name, m] of Object.entries(set.talks)) add(name, m);
  for (const [name, m] of Object.entries(set.declared ?? {})) add(name, m, [weather, clock]);
  for (const [name, m] of Object.entries(set.used ?? {})) add(name, m, set.tools ? [weather, clock] : undefined);
}
console.log('[\n' + out.map((c) => JSON.stringify(c)).join(',\n') + '\n]');
