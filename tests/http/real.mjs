// real.mjs - `tarn serve` with the real engine over a small random model: calls that must come,
// schemas, scoring; TLS; sockets that were handed over; Unix sockets; the sandbox stays on.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { check, same, launch, post, get, chat, events, finish, tempDir } from './lib.mjs';

const tarn = path.resolve(process.env.TARN_TEST_BUILD || 'build/latest', 'tarn');
const dir = tempDir(), model = path.join(dir, 'tiny.gguf');
execFileSync(tarn, ['synth', 'v3-tiny', '--seed', '3', '-o', model], { stdio: 'ignore' });
const serve = (args, more) => launch(tarn, ['serve', model, '--state', tempDir(), '--ctx', '4096', ...args], more);

const s = await serve(['--listen', '127.0.0.1:0', '--listen', `unix:${dir}/sock`]);
const city = { type: 'object', properties: { city: { enum: ['Oslo', 'Rom'] }, days: { type: 'integer', minimum: 1, maximum: 9 } }, required: ['city', 'days'] };
const other = { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] };
const tools = [['get_weather', city], ['switch', other]].map(([name, parameters]) => ({ type: 'function', function: { name, parameters } }));
const fits = call => {
    const a = JSON.parse(call.arguments);
    return call.name === 'get_weather' ? ['Oslo', 'Rom'].includes(a.city) && a.days >= 1 && a.days <= 9 : call.name === 'switch' && typeof a.on === 'boolean';
};
// --- a call that must come comes, with thinking and without, plain and streamed, in every format
for (const thinking of [true, false]) for (const [choice, name] of [['required', null], [{ type: 'function', function: { name: 'switch' } }, 'switch']]) {
    const what = `${JSON.stringify(choice)}, thinking ${thinking}`, seed = 1;
    const r = await post(s, '/v1/chat/completions', chat('hi', { model: 'tiny', tools, tool_choice: choice, seed, max_tokens: 900, parallel_tool_calls: false, ...(thinking ? { thinking_budget_tokens: 12 } : { thinking: { type: 'disabled' } }) }));
    const m = r.json?.choices?.[0];
    if (!check(m?.finish_reason === 'tool_calls' && m.message.tool_calls?.length === 1, `a call comes: ${what}`, r.text)) continue;
    check(fits(m.message.tool_calls[0].function) && (!name || m.message.tool_calls[0].function.name === name), `it follows its schema: ${what}`, m.message.tool_calls);
    check(thinking === !!m.message.reasoning_content && !m.message.content?.trim(), `thinking first, no text beside it: ${what}`, m.message);
}
{
    const r = await post(s, '/v1/chat/completions', chat('hi', { model: 'tiny', stream: true, tools, tool_choice: 'required', seed: 5, max_tokens: 900, thinking_budget_tokens: 8 }));
    const calls = [];
    for (const e of events(r.text)) for (const t of e.json?.choices?.[0]?.delta?.tool_calls ?? []) {
        if (t.id) calls.push({ name: t.function.name, arguments: '' });
        else calls[t.index].arguments += t.function.arguments;
    }
    check(calls.length > 0 && calls.every(fits), 'streamed calls', r.text.slice(-800));
    const a = await post(s, '/v1/messages', { model: 'tiny', max_tokens: 900, thinking: { type: 'enabled', budget_tokens: 8 }, tool_choice: { type: 'any', disable_parallel_tool_use: true }, messages: [{ role: 'user', content: 'hi' }], tools: [{ name: 'switch', input_schema: other }] });
    same([a.json?.stop_reason, typeof a.json?.content?.at(-1)?.input?.on], ['tool_use', 'boolean'], 'Anthropic format, any');
    const o = await post(s, '/v1/responses', { model: 'tiny', input: 'hi', max_output_tokens: 900, reasoning: { max_tokens: 8 }, tool_choice: { type: 'function', name: 'switch' }, tools: [{ type: 'function', name: 'switch', parameters: other }] });
    same(typeof JSON.parse(o.json?.output?.at(-1)?.arguments ?? 'null')?.on, 'boolean', 'Responses format, named');
}
{   // strict: what cannot be enforced is refused by name, unless nobody asked for strict
    const odd = strict => ({ tools: [{ type: 'function', function: { name: 'f', strict, parameters: { type: 'object', properties: { a: { not: {} } } } } }] });
    const r = await post(s, '/v1/chat/completions', chat('hi', { model: 'tiny', max_tokens: 4, ...odd(true) }));
    check(r.status === 400 && /tool f.*'not'/.test(r.json.error.message), 'a strict schema that cannot be enforced', r.text);
    same((await post(s, '/v1/chat/completions', chat('hi', { model: 'tiny', max_tokens: 4, ...odd(false) }))).status, 200, 'the same, not strict');
}
{   // JSON after the thinking, and scoring equal to what generation reports
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 10, maximum: 99 } }, required: ['n'] };
    const r = await post(s, '/v1/chat/completions', chat('hi', { model: 'tiny', seed: 1, max_tokens: 400, thinking_budget_tokens: 8, response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } } }));
    const n = JSON.parse(r.json?.choices?.[0]?.message?.content || 'null')?.n;
    check(n >= 10 && n <= 99 && r.json.choices[0].message.reasoning_content.length > 0, 'JSON schema behind the thinking', r.text);
    const ids = Array.from({ length: 40 }, (_, i) => 100 + i * 7);
    const whole = await post(s, '/v1/completions', { model: 'tiny', prompt: ids, max_tokens: 1, temperature: 0, logprobs: 1, echo: true });
    const lp = whole.json.choices[0].logprobs;
    same([lp.token_logprobs.length, lp.token_logprobs[0]], [41, null], 'scores of the prompt and of the next token');
    const next = await post(s, '/v1/completions', { model: 'tiny', prompt: ids, max_tokens: 1, temperature: 0, logprobs: 1 });
    same(next.json.choices[0].logprobs.token_logprobs[0], lp.token_logprobs[40], 'scored or generated: the same number');
    check(lp.token_logprobs[40] === Math.max(...Object.values(lp.top_logprobs[40])), 'greedy is the largest, exactly');
    const again = () => post(s, '/v1/chat/completions', chat('same seed', { model: 'tiny', seed: 9, max_tokens: 30, cache_prompt: false }));
    const [x, y] = [await again(), await again()];
    same(x.json.choices[0].message, y.json.choices[0].message, 'same seed, same answer');
}
{   // the Unix socket
    const body = await new Promise((ok, bad) => http.get({ socketPath: `${dir}/sock`, path: '/health', headers: { host: 'localhost' } }, r => { let t = ''; r.on('data', d => { t += d; }); r.on('end', () => ok(t)); }).on('error', bad));
    same(JSON.parse(body), { status: 'ok' }, 'Unix socket');
}
same((await s.stop()).code, 0, 'SIGTERM: a clean end');

// --- TLS
try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`], { stdio: 'ignore' });
    const t = await serve(['--listen', '127.0.0.1:0', '--tls-cert', `${dir}/cert.pem`, '--tls-key', `${dir}/key.pem`]);
    const ask = (options, body) => new Promise((ok, bad) => {
        const r = https.request({ host: '127.0.0.1', port: t.port, servername: 'localhost', ca: readFileSync(`${dir}/cert.pem`), headers: { 'content-type': 'application/json' }, ...options }, a => {
            let text = '';
            a.on('data', d => { text += d; });
            a.on('end', () => ok({ status: a.statusCode, text }));
        });
        r.on('error', bad);
        r.end(body);
    });
    same((await ask({ path: '/health' })).text, '{"status":"ok"}', 'TLS: health');
    const st = await ask({ path: '/v1/chat/completions', method: 'POST' }, JSON.stringify(chat('hi', { model: 'tiny', stream: true, max_tokens: 20 })));
    check(st.status === 200 && st.text.endsWith('data: [DONE]\n\n'), 'TLS: a stream to its end', st.text.slice(-200));
    let old = '';
    try { await ask({ path: '/health', maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }); } catch (e) { old = e.code ?? 'error'; }
    check(old !== '', 'TLS 1.1 is refused');
    let plain = '';
    try { plain = (await get({ url: `http://127.0.0.1:${t.port}` }, '/health')).text; } catch { plain = 'closed'; }
    check(!plain.includes('ok'), 'no plain HTTP on the TLS port', plain);
    same((await t.stop()).code, 0, 'TLS: a clean end');
} catch (e) {
    if (e.code !== 'ENOENT') throw e;
    console.log('skipped: openssl is not here, TLS was not tried');
}
// --- sockets opened by somebody else (systemd's protocol)
{
    const a = net.createServer().listen(0, '127.0.0.1'), b = net.createServer().listen(`${dir}/given`);
    await Promise.all([a, b].map(x => x.listening || new Promise(ok => x.once('listening', ok))));
    const port = a.address().port;
    const give = (pid, more) => launch('/bin/sh', ['-c', `LISTEN_PID=${pid} LISTEN_FDS=2 exec "$0" serve "$1" --state "$2" ${more}`, tarn, model, tempDir()], { fds: [a._handle.fd, b._handle.fd] });
    const foreign = await give(1, '--listen 127.0.0.1:0'), g = await give('$$', '');
    a.close(); b.close(); // the sockets are the server's alone now
    same([g.port, (await get({ url: `http://127.0.0.1:${port}` }, '/health')).status], [port, 200], 'a socket that was handed over');
    check(foreign.port !== port, 'sockets meant for another process are left alone');
    await g.stop();
    await foreign.stop();
}
finish();
