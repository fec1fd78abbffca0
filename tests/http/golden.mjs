// golden.mjs - byte-exact streams: chat with thinking and usage, chat with calls, text completions, Responses,
// Messages, against tests/http/golden/*.txt. What differs each time (ids, times) is named instead.
//   node golden.mjs [--accept]     writes what came as what is expected
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { check, start, post, finish } from './lib.mjs';

const dir = path.join(path.dirname(new URL(import.meta.url).pathname), 'golden'), accept = process.argv.includes('--accept');
const s = await start([]);
const user = content => [{ role: 'user', content }];
const tool = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
const flat = { type: 'function', name: 'get_weather', parameters: tool.function.parameters };
const CASES = {
    chat: ['/v1/chat/completions', { model: 'local-r1', messages: user('[[think:3 rows]][[say:It is 12.]]'), stream: true, stream_options: { include_usage: true } }],
    'chat-calls': ['/v1/chat/completions', { model: 'local-r1', messages: user('[[think:a]][[say:see]][[call:get_weather|{"city": "Oslo"}]][[call:get_weather|{"city":"Rom"}]]'), tools: [tool], stream: true }],
    'chat-plain': ['/v1/chat/completions', { model: 'local-r1', messages: user('[[think:3 rows]][[say:It is 12.]]') }],
    'chat-error': ['/v1/chat/completions', { model: 'local-r1', messages: user('[[error:2]]'), stream: true }],
    completions: ['/v1/completions', { model: 'local-r1', prompt: 'ab [[say:hello]]', max_tokens: 20, stream: true, temperature: 0, stream_options: { include_usage: true } }],
    'completions-echo': ['/v1/completions', { model: 'local-r1', prompt: [[65, 66, 67]], max_tokens: 1, echo: true, logprobs: 1, temperature: 0, seed: 1 }],
    responses: ['/v1/responses', { model: 'local-r1', input: '[[think:why]][[say:one two]][[call:get_weather|{"city":"Oslo"}]]', tools: [flat], stream: true }],
    messages: ['/v1/messages', { model: 'any', max_tokens: 200, messages: user('[[think:why]][[say:one two]][[call:get_weather|{"city": "Oslo"}]]'), tools: [{ name: 'get_weather', input_schema: tool.function.parameters }], stream: true }],
    'messages-plain': ['/v1/messages', { model: 'any', max_tokens: 200, messages: user('[[think:why]][[say:one two]]') }],
};
/* Tokens may come one or several in an event, as the socket takes them: neighbours of one kind are joined. */
function joined(text) {
    const out = [];
    const shape = /^((?:event: \S+\n)?data: .*?)("(?:content|reasoning_content|arguments|text|delta|thinking|partial_json)":)"((?:[^"\\]|\\.)*)"(.*)$/s;
    for (const block of text.split('\n\n')) {
        const m = /delta|"object":"text_completion"/.test(block) && !/_done|\.done|logprobs":\{|"name"|"signature"|"finish_reason":"|"usage":\{/.test(block) ? shape.exec(block) : null;
        const last = out.at(-1);
        if (m && last?.m && m[1] === last.m[1] && m[2] === last.m[2] && m[4] === last.m[4]) last.m[3] += m[3];
        else out.push({ m, block });
    }
    return out.map(o => (o.m ? `${o.m[1]}${o.m[2]}"${o.m[3]}"${o.m[4]}` : o.block)).join('\n\n');
}
function named(text) {
    const ids = new Map();
    const id = (kind, x) => { if (!ids.has(x)) ids.set(x, `${kind}${[...ids.keys()].filter(k => k.startsWith(kind)).length + 1}`); return ids.get(x); };
    return text.replace(/\b(chatcmpl-|cmpl-|call_\d\d_|call_|resp_|msg_|rs_|fc_|toolu_)\w{16,}/g, (x, kind) => id(kind, x))
        .replace(/"(created|created_at)":\d+/g, '"$1":TIME').replace(/"signature":"[^"]{8,}"/g, '"signature":"SIGNATURE"')
        .replace(/"((?:queue|prompt|predicted|reasoning)_(?:ms|per_second))":[\d.]+/g, '"$1":T').replace(/"sequence_number":\d+/g, '"sequence_number":N');
}
for (const [name, [route, body]] of Object.entries(CASES)) {
    const file = path.join(dir, `${name}.txt`), got = joined(named((await post(s, route, body)).text));
    if (accept) writeFileSync(file, got);
    const want = existsSync(file) ? readFileSync(file, 'utf8') : '';
    let at = 0;
    while (at < got.length && got[at] === want[at]) at++;
    check(got === want, name, `at byte ${at}: ${JSON.stringify(got.slice(Math.max(0, at - 40), at + 120))}, want ${JSON.stringify(want.slice(Math.max(0, at - 40), at + 120))}`);
}
await s.stop();
finish();
