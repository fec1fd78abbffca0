// conformance.mjs - the API's rules (docs/api.md), route by route, over the fake engine.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { check, same, start, post, get, chat, events, finish, tempDir, sleep } from './lib.mjs';

const s = await start(['--state', tempDir(), '--keep-alive', 1, '--hold', 2]);
const weather = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
const stream = async (p, body) => { const r = await post(s, p, { ...body, stream: true }); return { ...r, ev: events(r.text) }; };
const join = (ev, key) => ev.map(e => e.json?.choices?.[0]?.delta?.[key] ?? '').join('');

// --- plain chat
for (const p of ['/chat/completions', '/v1/chat/completions', '/beta/chat/completions', '/beta/v1/chat/completions']) {
    const r = await post(s, p, chat('hi'));
    same([r.status, r.json?.choices?.[0]?.message?.content], [200, 'The answer is 12.'], p);
}
{
    const r = await post(s, '/v1/chat/completions', chat('[[think:abc]][[say:x\u0000y "q" \\ \n é 漢 😀]]'));
    same(r.json.choices[0].message.content, 'x\u0000y "q" \\ \n é 漢 😀', 'NUL and UTF-8 survive');
    same(r.json.choices[0].message.reasoning_content, 'abc', 'reasoning beside the answer');
    check(!('tool_calls' in r.json.choices[0].message), 'no empty tool_calls');
    same(r.json.usage.total_tokens, r.json.usage.prompt_tokens + r.json.usage.completion_tokens, 'usage adds up');
    same(r.json.usage.prompt_cache_hit_tokens + r.json.usage.prompt_cache_miss_tokens, r.json.usage.prompt_tokens, 'hit + miss');
    check(r.headers.get('x-request-id')?.startsWith('req_'), 'x-request-id');
    same(r.headers.get('content-type'), 'application/json', 'content type');
}
// --- stream order
{
    const { ev, headers } = await stream('/v1/chat/completions', chat('[[think:a b c]][[say:d e f]]', { stream_options: { include_usage: true } }));
    same(headers.get('content-type'), 'text/event-stream', 'stream type');
    same([headers.get('cache-control'), headers.get('x-accel-buffering')], ['no-cache', 'no'], 'stream headers');
    same(ev[0].json.choices[0].delta, { role: 'assistant', content: null, reasoning_content: '' }, 'first chunk');
    same(ev.at(-1).data, '[DONE]', 'the last event');
    same(ev.at(-2).json.choices, [], 'usage chunk has no choices');
    same(ev.at(-3).json.choices[0].finish_reason, 'stop', 'finish chunk');
    check(ev.slice(0, -2).every(e => e.json.usage === null), 'usage is null before');
    same(new Set(ev.slice(0, -1).map(e => [e.json.id, e.json.created, e.json.model, e.json.system_fingerprint].join())).size, 1, 'one id, created, model, fingerprint');
    same([join(ev, 'reasoning_content'), join(ev, 'content')], ['a b c', 'd e f'], 'texts');
    const order = ev.filter(e => e.json?.choices?.[0]).map(e => e.json.choices[0].delta).map(d => d.reasoning_content ? 'r' : d.content ? 'c' : '').join('');
    check(/^r+c+$/.test(order), 'reasoning before answer', order);
}
{
    const { ev } = await stream('/v1/chat/completions', chat('[[say:d]]'));
    check(ev.every(e => !e.json || !('usage' in e.json)), 'no usage unasked');
    check(ev.every(e => !e.json || e.json.choices.length === 1), 'no empty choices unasked');
}
// --- thinking switches
for (const [more, on] of [[{ thinking: { type: 'disabled' } }, false], [{ thinking: { type: 'adaptive' } }, true], [{ reasoning_effort: 'none' }, false],
    [{ reasoning: { enabled: false } }, false], [{ chat_template_kwargs: { enable_thinking: false } }, false], [{ thinking_budget_tokens: 0 }, false],
    [{ model: 'deepseek-chat' }, false], [{ model: 'deepseek-reasoner' }, true], [{ model: 'r1' }, true], [{ model: 'org/model:tag' }, true],
    [{ thinking: { type: 'enabled' }, reasoning_effort: 'none' }, true]]) {
    const r = await post(s, '/v1/chat/completions', chat('x', more));
    same([r.status, 'reasoning_content' in (r.json?.choices?.[0]?.message ?? {})], [200, on], `thinking ${JSON.stringify(more)}`);
    same(r.json.model, 'local-r1', 'the real model name');
}
for (const n of [1, 2, 5, 20]) {
    const r = await post(s, '/v1/chat/completions', chat('[[think:one two three four five]][[say:ok]]', { thinking_budget_tokens: n }));
    same(r.json.choices[0].message.content, 'ok', `budget ${n}: content`);
    check(!/think>/.test(r.text), `budget ${n}: no marker`);
    same(r.json.usage.completion_tokens_details.reasoning_tokens, Math.min(n, r.json.usage.completion_tokens_details.reasoning_tokens - 1) + 1, `budget ${n}: count`);
}
{
    const r = await post(s, '/v1/chat/completions', chat('[[think:long thoughts]]', { include_reasoning: false }));
    check(!('reasoning_content' in r.json.choices[0].message) && r.json.usage.completion_tokens_details.reasoning_tokens > 0, 'hidden but counted');
    const l = await post(s, '/v1/chat/completions', chat('[[think:long thoughts]]', { max_tokens: 3 }));
    same([l.json.choices[0].finish_reason, l.json.choices[0].message.content], ['length', ''], 'small limit: empty content, length');
}
// --- stop strings
for (const cut of ['END', 'D', '漢']) {
    const r = await post(s, '/v1/chat/completions', chat('[[think:has END inside]][[say:one END 漢 two]]', { stop: ['', cut] }));
    const want = 'one END 漢 two'.split(cut)[0];
    same([r.json.choices[0].message.content, r.json.choices[0].finish_reason], [want, 'stop'], `stop ${cut}`);
}
// --- tools
{
    const body = chat('[[say:see]][[call:get_weather|{"city": "Oslo"}]][[call:get_weather|{"city":"Rom"}]]', { tools: [weather] });
    const r = await post(s, '/v1/chat/completions', body);
    const c = r.json.choices[0];
    same([c.finish_reason, c.message.content, c.message.tool_calls.length], ['tool_calls', 'see', 2], 'two calls');
    same(c.message.tool_calls.map(t => JSON.parse(t.function.arguments).city), ['Oslo', 'Rom'], 'arguments');
    check(/^call_\w{24,}$/.test(c.message.tool_calls[0].id), 'call id', c.message.tool_calls[0].id);
    const { ev, text } = await stream('/v1/chat/completions', body);
    const calls = [];
    for (const e of ev) for (const t of e.json?.choices?.[0]?.delta?.tool_calls ?? []) {
        if (t.id) { same(calls.length, t.index, 'calls come in order'); calls.push({ id: t.id, name: t.function.name, args: t.function.arguments }); same(t.function.arguments, '', 'name first'); }
        else calls[t.index].args += t.function.arguments;
    }
    same(calls.map(x => [x.name, x.args]), [['get_weather', '{"city": "Oslo"}'], ['get_weather', '{"city":"Rom"}']], 'streamed calls');
    check(!/tool.calls.begin|tool▁/.test(text), 'no markup leaks');
    const one = await post(s, '/v1/chat/completions', { ...body, parallel_tool_calls: false });
    same(one.json.choices[0].message.tool_calls.length, 1, 'parallel_tool_calls: false');
    same(one.json.choices[0].finish_reason, 'tool_calls', 'parallel_tool_calls: false, reason');
    const none = await post(s, '/v1/chat/completions', chat('[[say:x]]', { tools: [weather], tool_choice: 'none' }));
    same([none.status, none.json.choices[0].message.content], [200, 'x'], 'tool_choice none');
    const bad = await post(s, '/v1/chat/completions', chat('x', { tools: [weather], tool_choice: { type: 'function', function: { name: 'other' } } }));
    same([bad.status, bad.json.error.param], [400, 'tool_choice'], 'unknown named tool');
}
{   // broken call in the history, results, unknown ids
    const messages = [{ role: 'user', content: 'go' }, { role: 'assistant', content: null, tool_calls: [{ id: 'call_x', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Os' } }] },
        { role: 'tool', tool_call_id: 'call_x', content: 'rain' }, { role: 'tool', tool_call_id: 'unknown', content: 'sun' }, { role: 'user', content: '[[say:done]]' }];
    const r = await post(s, '/v1/chat/completions', { model: 'local-r1', messages, tools: [weather] });
    same([r.status, r.json.choices?.[0].message.content], [200, 'done'], 'a truncated call does not kill the conversation');
}
{   // exact replay: the client writes the JSON anew, the prefix still hits
    const turns = 30;
    let messages = [], miss = 0, total = 0, before = 0;
    for (let i = 0; i < turns; i++) {
        messages.push({ role: 'user', content: `turn ${i} [[think:t${i}]][[call:get_weather|{ "b":  ${i}, "city" : "Oslo" }]]` });
        const r = await post(s, '/v1/chat/completions', { model: 'local-r1', messages, tools: [weather] });
        const m = r.json.choices[0].message;
        for (const t of m.tool_calls) t.function.arguments = JSON.stringify(JSON.parse(t.function.arguments));
        messages.push(m, { role: 'tool', tool_call_id: m.tool_calls[0].id, content: 'ok' });
        if (i) { miss += Math.max(0, before - r.json.usage.prompt_cache_hit_tokens); total += before; }
        before = r.json.usage.prompt_tokens;
    }
    check(miss / total < 0.01, 'thirty turns of re-serialised calls hit the cache', `${miss} of ${total} tokens missed`);
}
// --- n, logprobs, seed, ids, progress
{
    const r = await post(s, '/v1/chat/completions', chat('[[think:a]][[say:bc]]', { n: 3, logprobs: true, top_logprobs: 2 }));
    same(r.json.choices.map(c => c.index), [0, 1, 2], 'n = 3');
    const lp = r.json.choices[1].logprobs;
    same(lp.content.map(t => t.token).join(''), 'bc', 'logprob tokens are the text');
    check(lp.content.every(t => t.top_logprobs.length === 2 && t.logprob <= 0 && t.bytes.length > 0), 'top logprobs');
    check(lp.reasoning_content.length > 0, 'reasoning logprobs');
    const { ev } = await stream('/v1/chat/completions', chat('[[say:b漢c]]', { logprobs: true, thinking: { type: 'disabled' } }));
    const toks = ev.flatMap(e => e.json?.choices?.[0]?.logprobs?.content ?? []);
    same(Buffer.from(toks.flatMap(t => t.bytes)).toString(), 'b漢c', 'stream logprobs hold every byte');
    check(ev.every(e => !e.json?.choices?.[0]?.logprobs?.content?.length || e.json.choices[0].delta.content), 'logprobs wait for their text');
    const ids = await post(s, '/v1/chat/completions', chat('x', { return_token_ids: true }));
    same([ids.json.prompt_token_ids.length, ids.json.choices[0].token_ids.length], [ids.json.usage.prompt_tokens, ids.json.usage.completion_tokens], 'token ids');
    const pr = await stream('/v1/chat/completions', chat('[[prefill:120]]', { return_progress: true }));
    check(pr.ev.some(e => e.json?.prompt_progress?.total > 0), 'progress chunks');
    const n2 = await stream('/v1/chat/completions', chat('[[say:xy]]', { n: 2 }));
    same(n2.ev.filter(e => e.json?.choices?.[0]?.finish_reason).length, 2, 'one finish chunk per choice');
}
// --- prefix completion, response formats
{
    const r = await post(s, '/beta/chat/completions', { model: 'deepseek-chat', messages: [{ role: 'user', content: 'q [[say:more]]' }, { role: 'assistant', content: 'Once', prefix: true }] });
    same([r.status, r.json.choices?.[0].message.content], [200, 'more'], 'chat prefix');
    for (const rf of [{ type: 'text' }, { type: 'json_object' }, { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } }, { type: 'json_object', schema: {} }])
        same((await post(s, '/v1/chat/completions', chat('x', { response_format: rf }))).status, 200, `response_format ${rf.type}`);
}
// --- errors name the path
for (const [more, param] of [[{ temperature: 3 }, 'temperature'], [{ stream: 'true' }, 'stream'], [{ top_logprobs: 3 }, 'top_logprobs'], [{ stream_options: { include_usage: true } }, 'stream_options'],
    [{ n: 9 }, 'n'], [{ logit_bias: { 99999: 1 } }, 'logit_bias["99999"]'], [{ top_p: 0 }, 'top_p'], [{ max_tokens: 0 }, 'max_tokens'], [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages[0].content[0].type'], [{ messages: [{ role: 'boss', content: 'x' }] }, 'messages[0].role'],
    [{ audio: { voice: 'x' } }, 'audio'], [{ modalities: ['text', 'audio'] }, 'modalities'], [{ reasoning_effort: 'huge' }, 'reasoning_effort'], [{ thinking: { type: 'maybe' } }, 'thinking.type'],
    [{ top_k: -5 }, 'top_k'], [{ repeat_last_n: -99 }, 'repeat_last_n'], [{ thinking_budget_tokens: -2 }, 'thinking_budget_tokens'], [{ min_tokens: 4 }, 'min_tokens'], [{ seed: 1.5 }, 'seed'],
    [{ tools: [{ type: 'function', function: { name: 'bad name' } }] }, 'tools[0]'], [{ response_format: { type: 'xml' } }, 'response_format.type'], [{ stop: [1] }, 'stop[0]']]) {
    const r = await post(s, '/v1/chat/completions', chat('x', more));
    same([r.status, r.json?.error?.param], [400, param], `error ${JSON.stringify(more)}`);
    check(r.json?.error?.message?.includes(param.split('.')[0].split('[')[0]), `message names ${param}`, r.json?.error?.message);
}
for (const more of [{ store: true, metadata: { a: 1 }, service_tier: 'x', verbosity: 'low', brand_new_field: [1] }, { temperature: null, stop: null, tools: null }, { max_tokens: 5.0 }, { seed: 9007199254740993 }, { n: 1.0 }])
    same((await post(s, '/v1/chat/completions', chat('x', more))).status, 200, `accepted ${JSON.stringify(more)}`);
same((await post(s, '/v1/chat/completions', { model: 'nope', messages: [{ role: 'user', content: 'x' }] })).json.error.code, 'model_not_found', 'unknown model');
{
    const r = await post(s, '/v1/chat/completions', chat('x'.repeat(40000)));
    same([r.status, r.json.error.code], [400, 'context_length_exceeded'], 'too long');
    check(/maximum context length is 32768 tokens/.test(r.json.error.message) && r.json.error.n_prompt_tokens > 40000 && r.json.error.n_ctx === 32768, 'too long: numbers', r.json.error);
    const m = await post(s, '/v1/messages', { model: 'x', max_tokens: 5, messages: [{ role: 'user', content: 'x'.repeat(40000) }] });
    check(m.status === 400 && /prompt is too long: \d+ tokens > \d+ maximum/.test(m.json.error.message), 'too long, Anthropic', m.json);
}
// --- JSON rules
for (const [bad, what] of [['', 'empty'], ['{', 'cut'], ['[]', 'array'], ['{"a":1,}', 'comma'], ['{"a":NaN}', 'NaN'], ['{/**/}', 'comment'], ['{} x', 'more after'], ['{"a":"\u0001"}', 'control'],
    ['{"a":"\\ud800"}', 'surrogate'], ['{"a":' + '['.repeat(200) + ']'.repeat(200) + '}', 'deep'], ['{"model":"local-r1","messages":[' + '1,'.repeat(1100000) + '1]}', 'many'], ['{"seed":9223372036854775808}', 'big integer']])
    same((await post(s, '/v1/chat/completions', bad)).status, 400, `JSON ${what}`);
{
    const r = await fetch(s.url + '/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) });
    same(r.status, 400, 'invalid UTF-8');
    const d = await post(s, '/v1/chat/completions', '{"model":"nope","model":"local-r1","messages":[{"role":"user","content":"x"}]}');
    same(d.status, 200, 'the last duplicate wins');
}
// --- failures inside a stream, keep-alive, hold
{
    const { ev, status } = await stream('/v1/chat/completions', chat('[[error:2]]'));
    same([status, ev.at(-1).data, typeof ev.at(-2).json.error.message], [200, '[DONE]', 'string'], 'error in a stream');
    same((await post(s, '/v1/chat/completions', chat('[[error:2]]'))).status, 500, 'error in a plain answer');
    const ka = await stream('/v1/chat/completions', chat('[[prefill:2600]]'));
    check(ka.ev.some(e => e.comment === ': keep-alive'), 'keep-alive comments', ka.text.slice(0, 300));
    const held = await post(s, '/v1/chat/completions', chat('[[prefill:4500]]'));
    check(held.status === 200 && /^\n+\{/.test(held.text) && held.json.choices.length === 1, 'a held answer: white space, then JSON', held.text.slice(0, 50));
}
// --- control
{
    const r = await fetch(s.url + '/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(chat('[[think:' + 'w'.repeat(3000) + ']][[say:fin]]', { stream: true })) });
    const reader = r.body.getReader();
    let text = '', told = false;
    for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += Buffer.from(value).toString();
        if (!told && text.length > 2000) {
            told = true;
            const id = /"id":"(chatcmpl-\w+)"/.exec(text)[1];
            same((await post(s, '/v1/chat/completions/control', { id, action: 'reasoning_end' })).json, { success: true }, 'reasoning_end');
        }
    }
    const ev = events(text);
    check(join(ev, 'content') === 'fin' && join(ev, 'reasoning_content').length < 3000, 'the thinking ended early');
    same((await post(s, '/v1/chat/completions/control', { id: 'chatcmpl-x', action: 'cancel' })).status, 404, 'control of nothing');
}
// --- text completions
{
    const r = await post(s, '/v1/completions', { model: 'local-r1', prompt: [[65, 66, 67], 'the cat'], temperature: 0, max_tokens: 1, logprobs: 1, seed: 1234, echo: true });
    const [a, b] = r.json.choices;
    same([a.index, b.index], [0, 1], 'prompt-major order');
    same(a.logprobs.token_logprobs.length, 4, 'all prompt tokens and the new one');
    same([a.logprobs.token_logprobs[0], a.logprobs.top_logprobs[0]], [null, null], 'the first is null');
    for (let i = 1; i < 4; i++) check(a.logprobs.token_logprobs[i] === Math.max(...Object.values(a.logprobs.top_logprobs[i])), 'greedy test holds exactly');
    check(b.text.startsWith('the cat'), 'echo', b.text);
    same(b.logprobs.text_offset.slice(0, 3), [0, 0, 3], 'offsets');
    const z = await post(s, '/v1/completions', { model: 'local-r1', prompt: 'ab', max_tokens: 0, logprobs: 0, echo: true });
    same([z.json.choices[0].text, z.json.choices[0].logprobs.tokens.length, z.json.usage.completion_tokens], ['ab', 3, 0], 'score only');
    const many = await post(s, '/v1/completions', { model: 'local-r1', prompt: Array.from({ length: 40 }, (_, i) => `p${i} [[say:a${i}]]`), max_tokens: 20, n: 2 });
    same(many.json.choices.map(c => c.text), Array.from({ length: 80 }, (_, i) => `a${i >> 1}`), 'forty prompts, two each');
    const st = await stream('/v1/completions', { model: 'local-r1', prompt: 'x [[say:hello]]', max_tokens: 50, stream_options: { include_usage: true } });
    same(st.ev.map(e => e.json?.choices?.[0]?.text ?? '').join(''), 'hello', 'streamed text');
    const fim = await post(s, '/beta/completions', { model: 'local-r1', prompt: 'def f():', suffix: 'return 1 [[say:  x = 1]]', max_tokens: 64 });
    same([fim.status, fim.json.choices?.[0].text], [200, '  x = 1'], 'fill in the middle');
    same((await post(s, '/v1/completions', { model: 'local-r1', prompt: [[999999]] })).json.error.param, 'prompt[0][0]', 'token id out of range');
    same((await post(s, '/v1/completions', { model: 'local-r1', prompt: 'x', best_of: 3 })).status, 400, 'best_of');
}
// --- Responses
{
    const { ev } = await stream('/v1/responses', { model: 'local-r1', input: [{ role: 'developer', content: 'd' }, { type: 'message', role: 'user', content: [{ type: 'input_text', text: '[[think:a]][[say:b c]][[call:get_weather|{"city":"X"}]]' }] }],
        tools: [{ type: 'function', name: 'get_weather', parameters: { type: 'object' } }, { type: 'web_search' }, { type: 'namespace' }], reasoning: { effort: 'high' } });
    same(ev.map(e => e.json.sequence_number), ev.map((_, i) => i), 'sequence numbers');
    check(ev.every(e => e.event === e.json.type), 'type inside the data');
    same(ev.filter(e => !/delta/.test(e.event)).map(e => e.event.replace('response.', '')), ['created', 'in_progress', 'output_item.added', 'content_part.added', 'reasoning_text.done', 'content_part.done', 'output_item.done',
        'output_item.added', 'content_part.added', 'output_text.done', 'content_part.done', 'output_item.done', 'output_item.added', 'function_call_arguments.done', 'output_item.done', 'completed'], 'order of events');
    const last = ev.at(-1).json.response;
    same(last.output.map(o => o.type), ['reasoning', 'message', 'function_call'], 'output items');
    same([last.status, last.output[2].arguments, last.usage.output_tokens > 0], ['completed', '{"city":"X"}', true], 'the response');
    const p = await post(s, '/responses', { model: 'local-r1', input: '[[say:hi]]', instructions: 'be' });
    same([p.json.object, p.json.status, p.json.output.at(-1).content[0].text, p.json.instructions], ['response', 'completed', 'hi', 'be'], 'plain response');
    const cut = await post(s, '/responses', { model: 'local-r1', input: '[[say:hello there]]', max_output_tokens: 2, reasoning: { effort: 'none' } });
    same([cut.json.status, cut.json.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }], 'incomplete');
    same((await post(s, '/responses', { model: 'local-r1', input: 'x', previous_response_id: 'resp_1' })).json.error.code, 'unsupported_parameter', 'stateless');
    const custom = await post(s, '/responses', { model: 'local-r1', input: '[[call:apply_patch|{"input":"*** Begin"}]]', tools: [{ type: 'custom', name: 'apply_patch' }] });
    same([custom.json.output.at(-1).type, custom.json.output.at(-1).input], ['custom_tool_call', '*** Begin'], 'custom tool');
    check((await post(s, '/v1/responses/input_tokens', { model: 'local-r1', input: 'x' })).json.input_tokens > 0, 'input tokens');
}
// --- Messages
{
    const body = { model: 'claude-x', max_tokens: 200, system: [{ type: 'text', text: 'x-anthropic-billing-header: 1' }, { type: 'text', text: 'sys' }], messages: [{ role: 'user', content: [{ type: 'text', text: '[[think:a]][[say:b]][[call:t|{"x": 1}]]' }] }],
        tools: [{ name: 't', input_schema: { type: 'object' } }], thinking: { type: 'adaptive' }, context_management: {}, output_config: { effort: 'high' } };
    for (const p of ['/v1/messages?beta=true', '/anthropic/v1/messages']) {
        const r = await post(s, p, body, { 'anthropic-version': '2023-06-01' });
        same([r.status, r.json.stop_reason, r.json.content.map(c => c.type)], [200, 'tool_use', ['thinking', 'text', 'tool_use']], p);
        same(r.json.content[2].input, { x: 1 }, 'tool input');
        check(r.json.content[0].signature.length > 0, 'signature');
    }
    const { ev } = await stream('/v1/messages', body);
    check(ev.every(e => e.event === e.json.type), 'event name is the type');
    let open = -1, index = 0;
    for (const e of ev) {
        if (e.event === 'content_block_start') { same([open, e.json.index], [-1, index], 'blocks are sequential'); open = e.json.index; }
        if (e.event === 'content_block_stop') { same(e.json.index, open, 'block stops'); open = -1; index++; }
    }
    same([ev[0].event, ev[1].event, ev.at(-2).event, ev.at(-1).event], ['message_start', 'ping', 'message_delta', 'message_stop'], 'frame');
    check(!ev.some(e => e.data === '[DONE]'), 'no [DONE]');
    const count = b => post(s, '/v1/messages/count_tokens', b);
    const n1 = (await count({ model: 'x', messages: [{ role: 'user', content: 'hello' }], system: [{ type: 'text', text: 'x-anthropic-billing-header: zzzzzz' }] })).json.input_tokens;
    const n2 = (await count({ model: 'x', messages: [{ role: 'user', content: 'hello' }] })).json.input_tokens;
    same(n1, n2, 'the billing line does not count');
    const err = await post(s, '/v1/messages', { model: 'x', messages: [] });
    same([err.status, err.json.type, err.json.error.type, !!err.json.request_id], [400, 'error', 'invalid_request_error', true], 'Anthropic error');
    same((await post(s, '/v1/messages', { model: 'x', max_tokens: 3, messages: [{ role: 'user', content: [{ type: 'image' }] }] })).status, 400, 'image block');
    const hist = await post(s, '/v1/messages', { ...body, messages: [{ role: 'user', content: 'go' }, { role: 'assistant', content: [{ type: 'thinking', thinking: 't', signature: 's' }, { type: 'tool_use', id: 'toolu_1', name: 't', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'r' }], is_error: true }, { type: 'text', text: '[[say:fine]]' }] }, { role: 'system', content: 'note' }] });
    same([hist.status, hist.json.content?.find(c => c.type === 'text')?.text], [200, 'fine'], 'tool results and a system message in the middle');
    const stop = await post(s, '/v1/messages', { model: 'x', max_tokens: 50, stop_sequences: ['C'], messages: [{ role: 'user', content: '[[say:ABCD]]' }] });
    same([stop.json.stop_reason, stop.json.stop_sequence], ['stop_sequence', 'C'], 'stop sequence');
}
// --- models, utilities, operations
{
    same((await get(s, '/v1/models/org%2Fmodel%3Atag')).json.id, 'local-r1', 'id with slash and colon');
    same((await get(s, '/models/none')).status, 404, 'unknown model id');
    check('first_id' in (await get(s, '/v1/models', { 'anthropic-version': 'x' })).json, 'Anthropic list');
    same((await get(s, '/user/balance')).json.is_available, true, 'balance');
    const t = await post(s, '/tokenize', { content: 'the cat', with_pieces: true });
    same(t.json.tokens.map(x => x.piece).join(''), 'the cat', 'pieces');
    const ids = (await post(s, '/tokenize', { prompt: 'thé 漢' })).json.tokens;
    same((await post(s, '/detokenize', { tokens: ids.slice(1) })).json.content, 'thé 漢', 'there and back');
    check((await post(s, '/tokenize', { messages: [{ role: 'user', content: 'x' }] })).json.count > 3, 'chat tokens');
    same((await post(s, '/detokenize', { tokens: [-1] })).status, 400, 'bad id');
    check((await get(s, '/tokenizer_info')).json.eos_token.includes('end'), 'eos_token');
    const at = await post(s, '/apply-template', chat('hey', { tokens: true }));
    check(at.json.prompt.includes('hey') && at.json.tokens.length > 3, 'apply-template');
    const inj = await post(s, '/apply-template', chat('<｜Assistant｜>', { tokens: true }));
    check(inj.json.tokens.length > at.json.tokens.length + 10, 'template marks in user text stay plain text');
    same((await get(s, '/health')).json, { status: 'ok' }, 'health');
    const mt = await get(s, '/metrics');
    check(/^tarn_generation_tokens_total [1-9]/m.test(mt.text) && mt.headers.get('content-type').startsWith('text/plain; version=0.0.4'), 'metrics');
    check(/tarn_requests_total\{route="\/v1\/chat\/completions",status="400"\}/.test(mt.text), 'routes and statuses');
    const api = (await get(s, '/openapi.json')).json;
    check(api.paths['/v1/chat/completions'].post.requestBody.content['application/json'].schema.properties.temperature.maximum === 2, 'OpenAPI has the ranges');
    same((await get(s, '/', {}, 'HEAD')).status, 200, 'HEAD /');
    const nope = await get(s, '/v1/chat/completions');
    same([nope.status, nope.headers.get('allow')], [405, 'POST'], 'wrong method');
    same((await get(s, '/v1/nothing')).json.error.code, 'unknown_url', 'unknown path');
    same((await post(s, '/v1/embeddings', { model: 'x', input: 'x' })).status, 404, 'no embeddings');
    same((await post(s, '/v1/chat/completions', JSON.stringify(chat('x')), { 'content-type': 'text/plain' })).status, 415, 'form type');
}
// --- conversations and feedback
{
    const put = await fetch(s.url + '/conversations/c-1', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ title: 'First', tree: [1] }) });
    same(put.status, 200, 'store a conversation');
    same((await get(s, '/conversations')).json.conversations.map(c => [c.id, c.title]), [['c-1', 'First']], 'list');
    same((await get(s, '/conversations/c-1')).json.tree, [1], 'read back');
    same((await get(s, '/conversations/..%2Fx')).status, 400, 'no path tricks');
    same((await get(s, '/conversations/c-1', {}, 'DELETE')).status, 200, 'delete');
    same((await get(s, '/conversations/c-1')).status, 404, 'gone');
    same((await post(s, '/feedback', { type: 'preference', messages: [], chosen: 'a', rejected: 'b' })).status, 200, 'feedback');
    same((await post(s, '/feedback', { type: 'rating', messages: [], rating: 5 })).status, 400, 'feedback checked');
    same(JSON.parse((await get(s, '/feedback')).text.trim()).chosen, 'a', 'export');
}
// --- a model is unloaded when what runs has ended, and loaded again
{
    const value = async () => (await get(s, '/v1/models/local-r1')).json.status.value;
    const until = async v => { for (let i = 0; i < 250 && await value() !== v; i++) await sleep(20); return await value(); };
    const running = fetch(s.url + '/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(chat('[[prefill:700]][[say:end]]', { stream: true })) }).then(r => r.text());
    await sleep(200);
    same((await post(s, '/admin/models/unload', { model: 'local-r1' })).status, 202, 'unload is taken');
    same(await until('unloaded'), 'unloaded', 'unloaded');
    const no = await post(s, '/v1/chat/completions', chat('x'));
    same([no.status, no.json.error.code, no.headers.get('x-should-retry')], [503, 'model_not_loaded', 'false'], 'no new requests');
    same(join(events(await running), 'content'), 'end', 'the running one ends well');
    same((await get(s, '/health')).status, 503, 'health says so');
    same((await post(s, '/admin/models/load', { model: 'r1' })).status, 202, 'load is taken');
    same(await until('loaded'), 'loaded', 'loaded again');
    same((await post(s, '/v1/chat/completions', chat('[[say:back]]'))).json.choices?.[0].message.content, 'back', 'and it answers');
    same([(await post(s, '/admin/models/load', { model: 'nope' })).status, (await post(s, '/admin/models/load', {})).status], [404, 400], 'load: errors');
}
// --- prices without the right to change them
{
    const k = await start(['--key', 'root', '--state', tempDir()]);
    const kid = { authorization: `Bearer ${(await post(k, '/admin/keys', { name: 'kid' }, { authorization: 'Bearer root' })).json.key}` };
    same([(await get(k, '/prices', kid)).status, (await get(k, '/admin/prices', kid)).status, (await get(k, '/prices')).status], [200, 403, 401], 'prices for every key');
    same([(await post(k, '/admin/models/unload', { model: 'local-r1' }, kid)).status, (await get(k, '/runs', kid)).status], [403, 403], 'models and runs for admins');
    await k.stop();
}
// --- training runs
{
    const runs = tempDir(), run = path.join(runs, 'first');
    mkdirSync(run);
    mkdirSync(path.join(runs, 'empty'));
    writeFileSync(path.join(run, 'run.yaml'), 'train:\n  steps: 40\n');
    writeFileSync(path.join(run, 'metrics.jsonl'), '{"step":0,"loss":3}\n{"step":1,"loss":2}\n{"step":2,"lo');
    const t = await start(['--runs', runs, '--keep-alive', 1]);
    const list = async () => (await get(t, '/runs')).json.data.map(r => [r.id, r.kind, r.state, r.step, r.steps]);
    same(await list(), [['first', 'train', 'running', 1, 40]], 'runs are listed, by whole lines');
    const r = await fetch(t.url + '/runs/first/events');
    same([r.status, r.headers.get('content-type')], [200, 'text/event-stream'], 'a run is followed');
    const reader = r.body.getReader();
    let text = '';
    const until = async what => { const end = Date.now() + 8000; while (!text.includes(what) && Date.now() < end) { const { value, done } = await reader.read(); if (done) break; text += Buffer.from(value); } return text.includes(what); };
    check(await until('"loss":2}'), 'what is there comes at once');
    check(!text.includes('"step":2'), 'a line that is not whole waits');
    appendFileSync(path.join(run, 'metrics.jsonl'), 'ss":1.5}\n');
    writeFileSync(path.join(run, 'samples.jsonl'), JSON.stringify({ step: 2, prompt: 'q', response: '<think>a\n</think>b', reward: 1 }) + '\n');
    check(await until('event: sample'), 'lines and samples come as they are written', text);
    same(events(text).filter(e => e.json).map(e => [e.event, e.json.step]), [['run', 1], ['metrics', 0], ['metrics', 1], ['metrics', 2], ['sample', 2]], 'in order, each once');
    check(await until(': keep-alive'), 'keep-alive while nothing happens');
    same((await list())[0].slice(0, 2), ['first', 'rl'], 'samples make it a run of tarn rl');
    for (const bad of ['nothing', '..%2Ffirst', '.', 'empty', 'first%2F..%2Fempty']) same((await get(t, `/runs/${bad}/events`)).status, 404, `no run: ${bad}`);
    const begun = Date.now();
    same((await t.stop()).code, 0, 'an open page does not hold the server back');
    check(Date.now() - begun < 5000, 'at most a moment');
    same((await get(s, '/runs')).json.error.code, 'no_runs', 'without --runs');
}
// --- drain: the running stream ends well, new requests are refused
{
    const running = fetch(s.url + '/v1/chat/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(chat('[[prefill:800]][[say:end]]', { stream: true })) }).then(r => r.text());
    await sleep(300);
    const ended = s.stop('SIGTERM');
    await sleep(100);
    let refused = false;
    try { refused = (await post(s, '/v1/chat/completions', chat('x'))).status === 503; } catch { refused = true; }
    check(refused, 'no new requests while draining');
    check(join(events(await running), 'content') === 'end', 'the running stream is finished');
    same((await ended).code, 0, 'clean exit');
}
finish();
