// run.mjs - official client libraries against the fake server: plain, stream, tools, errors, retries.
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { check, same, start, finish, tempDir } from '../lib.mjs';

const s = await start(['--state', tempDir(), '--key', 'k']);
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

// --- openai
{
    const c = new OpenAI({ baseURL: s.url + '/v1', apiKey: 'k', maxRetries: 0 });
    const user = t => [{ role: 'user', content: t }];
    const r = await c.chat.completions.create({ model: 'local-r1', messages: user('[[think:t]][[say:plain]]'), seed: 7, n: 3 });
    same(r.choices.map(x => x.message.content), ['plain', 'plain', 'plain'], 'openai plain, n = 3');
    let text = '', why = '', usage;
    for await (const ch of await c.chat.completions.create({ model: 'local-r1', stream: true, stream_options: { include_usage: true }, messages: user('[[think:t]][[say:a b c]]') })) {
        text += ch.choices[0]?.delta?.content ?? '';
        why += ch.choices[0]?.delta?.reasoning_content ?? '';
        if (ch.usage) usage = ch.usage;
    }
    same([text, why, usage.total_tokens > 0], ['a b c', 't', true], 'openai stream');
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: schema } }];
    const st = c.chat.completions.stream({ model: 'local-r1', tools, messages: user('[[call:get_weather|{"city":"Oslo"}]][[call:get_weather|{"city":"Rom"}]]') });
    const fin = await st.finalChatCompletion();
    same(fin.choices[0].message.tool_calls.map(t => JSON.parse(t.function.arguments).city), ['Oslo', 'Rom'], 'openai stream helper, two calls');
    const lp = await c.chat.completions.create({ model: 'local-r1', messages: user('[[say:xy]]'), logprobs: true, top_logprobs: 3 });
    same(lp.choices[0].logprobs.content.length, 2, 'openai logprobs');
    const wrong = async (f, status) => { try { await f(); check(false, `no error ${status}`); } catch (e) { same(e.status, status, `openai error ${status}`); } };
    await wrong(() => c.chat.completions.create({ model: 'local-r1', messages: [] }), 400);
    await wrong(() => c.chat.completions.create({ model: 'none', messages: user('x') }), 404);
    await wrong(() => new OpenAI({ baseURL: s.url + '/v1', apiKey: 'bad', maxRetries: 0 }).models.list(), 401);
    const admin = async (p, method, body) => (await fetch(s.url + p, { method, headers: { authorization: 'Bearer k', 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
    await admin('/admin/prices', 'PUT', { prices: [{ model: '*', hit: '1', miss: '1', output: '1' }] });
    const poor = await admin('/admin/keys', 'POST', { name: 'poor', budget: '0.000001' }), slow = await admin('/admin/keys', 'POST', { name: 'slow', rpm: 1 });
    await wrong(() => new OpenAI({ baseURL: s.url + '/v1', apiKey: poor.key, maxRetries: 0 }).chat.completions.create({ model: 'local-r1', messages: user('x') }), 402);
    const limited = n => new OpenAI({ baseURL: s.url + '/v1', apiKey: slow.key, maxRetries: n }).chat.completions.create({ model: 'local-r1', max_tokens: 2, messages: user('x') });
    await limited(0);
    await wrong(() => limited(0), 429);
    const js = await c.chat.completions.create({ model: 'local-r1', messages: user('[[say:{"city":"Oslo"}]]'), response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } } });
    same(JSON.parse(js.choices[0].message.content), { city: 'Oslo' }, 'openai JSON schema');
    const again = () => c.chat.completions.create({ model: 'local-r1', seed: 5, messages: user('[[say:the same]]') });
    same((await again()).choices[0].message.content, (await again()).choices[0].message.content, 'openai seed');
    let failed = false;
    try { for await (const _ of await c.chat.completions.create({ model: 'local-r1', stream: true, messages: user('[[error:3]]') })); } catch { failed = true; }
    check(failed, 'openai raises on an error inside a stream');
    const resp = await c.responses.create({ model: 'local-r1', input: '[[think:t]][[say:resp]]' });
    same(resp.output_text, 'resp', 'openai responses');
    const rs = c.responses.stream({ model: 'local-r1', input: '[[think:t]][[say:one two]]' });
    same((await rs.finalResponse()).output_text, 'one two', 'openai responses stream helper');
    same((await c.models.list()).data[0].id, 'local-r1', 'openai models');
    same((await c.completions.create({ model: 'local-r1', prompt: 'x [[say:text]]', max_tokens: 20 })).choices[0].text, 'text', 'openai completions');
}
// --- Anthropic
{
    const c = new Anthropic({ baseURL: s.url, apiKey: 'k', maxRetries: 0 });
    const msg = { model: 'any', max_tokens: 200, messages: [{ role: 'user', content: '[[think:t]][[say:hello]][[call:w|{"city":"Oslo"}]]' }], tools: [{ name: 'w', input_schema: schema }] };
    const r = await c.messages.create(msg);
    same([r.content.map(b => b.type), r.stop_reason], [['thinking', 'text', 'tool_use'], 'tool_use'], 'anthropic plain');
    const fin = await c.messages.stream(msg).finalMessage();
    same([fin.content[1].text, fin.content[2].input, fin.usage.output_tokens > 0], ['hello', { city: 'Oslo' }, true], 'anthropic stream helper');
    check((await c.messages.countTokens({ model: 'any', messages: msg.messages })).input_tokens > 0, 'anthropic count');
    let failed;
    try { await c.messages.stream({ ...msg, messages: [{ role: 'user', content: '[[error:3]]' }] }).finalMessage(); } catch (e) { failed = e; }
    check(failed, 'anthropic raises on an error event');
}
// --- Vercel AI SDK, LangChain
const optional = async (what, f) => { try { await f(); } catch (e) { if (e.code === 'ERR_MODULE_NOT_FOUND') console.log(`skipped: ${what} is not installed`); else check(false, what, String(e.stack ?? e)); } };
await optional('@ai-sdk/deepseek', async () => {
    const { createDeepSeek } = await import('@ai-sdk/deepseek');
    const model = createDeepSeek({ baseURL: s.url, apiKey: 'k' })('deepseek-reasoner');
    const ask = t => ({ prompt: [{ role: 'user', content: [{ type: 'text', text: t }] }] });
    const r = await model.doGenerate(ask('[[think:why]][[say:because]]'));
    same(r.content.map(c => [c.type, c.text]), [['reasoning', 'why'], ['text', 'because']], 'ai sdk');
    let text = '', why = '';
    for await (const p of (await model.doStream(ask('[[think:why]][[say:one two]]'))).stream) {
        if (p.type === 'text-delta') text += p.delta;
        if (p.type === 'reasoning-delta') why += p.delta;
    }
    same([text, why], ['one two', 'why'], 'ai sdk stream');
    const tools = [{ type: 'function', name: 'get_weather', inputSchema: schema }], calls = [];
    for await (const p of (await model.doStream({ ...ask('[[think:t]][[call:get_weather|{"city":"Oslo"}]][[call:get_weather|{"city":"Rom"}]]'), tools })).stream) if (p.type === 'tool-call') calls.push([p.toolName, JSON.parse(p.input).city]);
    same(calls, [['get_weather', 'Oslo'], ['get_weather', 'Rom']], 'ai sdk stream, tool calls');
});
await optional('@langchain/deepseek', async () => {
    const { ChatDeepSeek } = await import('@langchain/deepseek');
    const m = new ChatDeepSeek({ model: 'deepseek-reasoner', apiKey: 'k', configuration: { baseURL: s.url + '/v1' }, maxRetries: 0 });
    const r = await m.invoke('[[think:why]][[say:chain]]');
    same([r.content, r.additional_kwargs.reasoning_content], ['chain', 'why'], 'langchain');
    let text = '';
    for await (const ch of await m.stream('[[think:why]][[say:x y]]')) text += ch.content;
    same(text, 'x y', 'langchain stream');
    let all;
    for await (const ch of await m.bindTools([{ type: 'function', function: { name: 'get_weather', parameters: schema } }]).stream('[[think:t]][[call:get_weather|{"city":"Oslo"}]]')) all = all ? all.concat(ch) : ch;
    same(all.tool_calls.map(c => [c.name, c.args]), [['get_weather', { city: 'Oslo' }]], 'langchain stream, a tool call');
});
await s.stop();
{   // a full queue: the client waits as Retry-After says and then succeeds
    const q = await start(['--parallel', 1, '--queue', 1]);
    const c = new OpenAI({ baseURL: q.url + '/v1', apiKey: 'any', maxRetries: 6 });
    const t = Date.now();
    const ask = ms => c.chat.completions.create({ model: 'local-r1', messages: [{ role: 'user', content: `[[prefill:${ms}]][[say:ok]]` }] });
    const all = await Promise.all([ask(1500), ask(300), ask(300), ask(300)]);
    same(all.map(r => r.choices[0].message.content), ['ok', 'ok', 'ok', 'ok'], 'openai comes again after 503');
    check(Date.now() - t > 1500 && /requests_total\{route="\/v1\/chat\/completions",status="503"\} [1-9]/.test(await (await fetch(q.url + '/metrics')).text()), 'there was a 503, and the clients waited');
    await q.stop('SIGINT');
}
finish();
