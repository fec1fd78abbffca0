// framing.mjs - the HTTP door: framing guard, limits, guards against web pages, keys, slow and
// hostile clients, disconnects.
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { check, same, start, post, get, chat, raw, status, finish, sleep, tempDir } from './lib.mjs';

const s = await start(['--idle', 5, '--max-body', 100000, '--origin', 'http://good.example', '--state', tempDir()]);
const body = JSON.stringify(chat('[[say:ok]]'));
const head = (more = [], b = body, length = true) => Buffer.from(['POST /v1/chat/completions HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', ...(length ? [`Content-Length: ${Buffer.byteLength(b)}`] : []), 'Connection: close', ...more, '', b].join('\r\n'));

// --- framing
same(status(await raw(s, head())), 200, 'a plain request');
for (const [more, what] of [[['Content-Length: 5'], 'two Content-Lengths'], [['Transfer-Encoding: chunked'], 'both lengths'], [['Transfer-Encoding: gzip, chunked'], 'other coding'],
    [['X Y: 1'], 'blank in a name'], [['X-A : 1'], 'blank before the colon'], [['X-\x01: 1'], 'control in a name'], [['X-A: a\x01b'], 'control in a value'], [['Host: other'], 'two hosts']]) {
    const r = await raw(s, head(more));
    same([status(r), r.closed], [400, true], what);
}
for (const v of ['+5', '-1', '0x10', '5, 5', '', '99999999999999999999', '1 2']) {
    const r = await raw(s, Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${v}\r\n\r\n${body}`));
    check([400, 413].includes(status(r)) && r.closed, `Content-Length '${v}'`, r.text.slice(0, 80));
}
{   // chunked bodies are fine
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    same(status(await raw(s, head(['Transfer-Encoding: chunked'], chunk, false))), 200, 'chunked');
    const r = await raw(s, head(['Transfer-Encoding: chunked'], 'zz\r\nxx\r\n', false));
    check(status(r) === 400 || r.closed, 'broken chunk');
}
// --- split at every byte
for (let at = 1; at < head().length; at += 7) same(status(await raw(s, null, { chunks: [head().subarray(0, at), head().subarray(at)] })), 200, `split at ${at}`);
same(status(await raw(s, null, { chunks: [...head()].map(b => Buffer.from([b])) })), 200, 'one byte at a time');
// --- limits
{
    const big = 'x'.repeat(150000);
    same((await post(s, '/v1/chat/completions', big)).status, 413, 'body too large');
    same(status(await raw(s, head(['Transfer-Encoding: chunked'], `${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`, false))), 413, 'chunked body too large');
    const huge = await raw(s, Buffer.from(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\nabc`));
    same([status(huge), huge.closed], [413, true], 'far too large: refused at once');
    const h = await raw(s, head([`X-Big: ${'y'.repeat(33000)}`]));
    same(status(h), 431, 'header too large');
    const exp = await raw(s, Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n`));
    same(status(exp), 413, 'Expect: refused before the body');
    const cont = await raw(s, null, { chunks: [Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n`), await sleep(50), Buffer.from(body)].filter(Boolean) });
    check(/^HTTP\/1.1 100 Continue/.test(cont.text) && /HTTP\/1.1 200/.test(cont.text), '100-continue');
}
// --- Host, Origin, CORS
for (const [host, want] of [['localhost', 200], ['127.0.0.1:99', 200], ['[::1]', 200], ['evil.example', 403], ['localhost.evil.example', 403], ['127.0.0.1.evil.example', 403]])
    same(status(await raw(s, Buffer.from(`GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))), want, `Host ${host}`);
same((await post(s, '/v1/chat/completions', body, { origin: 'http://evil.example' })).status, 403, 'foreign origin');
{
    const ok = await post(s, '/v1/chat/completions', body, { origin: 'http://good.example' });
    same([ok.status, ok.headers.get('access-control-allow-origin'), ok.headers.get('vary')], [200, 'http://good.example', 'Origin'], 'allowed origin');
    same((await post(s, '/v1/chat/completions', body, { origin: s.url })).status, 200, 'same origin');
    const pre = await get(s, '/v1/chat/completions', { origin: 'http://good.example', 'access-control-request-headers': 'authorization, x-stainless-os' }, 'OPTIONS');
    same([pre.status, pre.headers.get('access-control-allow-headers'), pre.headers.get('access-control-max-age')], [204, 'authorization, x-stainless-os', '600'], 'preflight');
    const no = await get(s, '/v1/chat/completions', { origin: 'http://evil.example' }, 'OPTIONS');
    same([no.status, no.headers.get('access-control-allow-origin')], [204, null], 'preflight of a foreign origin');
    same((await get(s, '/health', { origin: 'http://evil.example' })).headers.get('access-control-allow-origin'), null, 'no CORS headers for foreign origins');
}
// --- slow and hostile clients
{
    const r = await raw(s, Buffer.from('POST /v1/chat/completions HTTP/1.1\r\nHost: local'), { ms: 60000 });
    check(r.closed, 'half a header: closed after the idle time');
    const b = await raw(s, head().subarray(0, -5), { ms: 60000 });
    check(b.closed, 'half a body: closed');
    for (const junk of ['\r\n\r\n\r\n', 'GET\r\n\r\n', '\x16\x03\x01\x02\x00', 'GET / HTTP/9.9\r\n\r\n', 'A'.repeat(70000), 'GET ' + '/'.repeat(60000) + ' HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n'])
        await raw(s, Buffer.from(junk, 'latin1'), { ms: 300 });
    // a request and the end of its connection in one: nothing is kept until the idle time
    const fds = () => readdirSync(`/proc/${s.child.pid}/fd`).length, before = fds();
    for (let at = 0; at < 40; at++)
        await new Promise(ok => { const c = net.connect(s.port, '127.0.0.1', () => c.write(head().subarray(0, 5 + at * Math.floor((head().length - 10) / 40)), () => { c.destroy(); ok(); })); });
    for (let at = 0; at < 10; at++) // refused by its header, the body never comes
        await new Promise(ok => { const c = net.connect(s.port, '127.0.0.1', () => c.write('POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\nx', () => { c.destroy(); ok(); })); });
    await raw(s, Buffer.from('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')); // all before it are accepted now
    const t = Date.now();
    while (fds() > before + 2 && Date.now() - t < 4000) await sleep(20);
    console.log(`left in the middle of a request: let go after ${Date.now() - t} ms`);
    check(fds() <= before + 2, 'connections left in the middle of a request are let go', { before, now: fds() });
    same((await get(s, '/health')).status, 200, 'alive');
}
// --- keep-alive: many requests on one connection
{
    const c = net.connect(s.port, '127.0.0.1');
    let n = 0, text = '';
    await new Promise(ok => {
        c.on('data', d => { text += d; const m = (text.match(/HTTP\/1.1 200/g) || []).length; if (m > n) { n = m; if (n === 20) ok(); else c.write('GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n'); } });
        c.write('GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n');
        setTimeout(ok, 60000).unref();
    });
    same(n, 20, 'twenty requests on one connection');
    c.destroy();
}
// --- disconnects: the slot is free and the record written, at any phase
const phases = [['queue or prompt', '[[prefill:60000]]', true, 0], ['prompt, plain', '[[prefill:60000]]', false, 0], ['reasoning', `[[think:${'t'.repeat(9000)}]][[delay:5]]`, true, 400],
    ['answer', `[[think:a]][[tokens:9000]][[delay:5]]`, true, 400], ['answer, plain', `[[tokens:9000]][[delay:5]]`, false, 0], ['tool call', `[[call:f|{"a":"${'z'.repeat(9000)}"}]][[delay:5]]`, true, 400]];
for (const [what, script, streaming, min] of phases) {
    const b = JSON.stringify(chat(script, { stream: streaming, tools: [{ type: 'function', function: { name: 'f' } }] }));
    const c = net.connect(s.port, '127.0.0.1');
    let got = 0;
    c.on('data', d => { got += d.length; });
    c.on('error', () => {});
    c.write(head([], b));
    const slots = async () => (await get(s, '/slots')).json.length;
    const until = async (done) => { for (let i = 0; i < 1500 && !(await done()); i++) await sleep(20); };
    await until(async () => got >= min && (await slots()) === 1);
    const busy = await slots();
    c.destroy();
    const t = Date.now();
    await until(async () => (await slots()) === 0);
    const took = Date.now() - t;
    console.log(`left during ${what}: free after ${took} ms`);
    check(took < 1000 || /asan|tsan|cover/.test(process.env.TARN_TEST_BUILD ?? ''), `left during ${what}: noticed within a second`, { took });
    check(busy === 1 && (await slots()) === 0, `left during ${what}`, { busy, got });
}
{
    const mt = (await get(s, '/metrics')).text;
    same(+/request_finished_total\{reason="disconnected"\} (\d+)/.exec(mt)[1], phases.length, 'all counted as disconnected');
    const u = (await get(s, '/usage')).json.rows[0];
    check(u.completion_tokens > 0 && u.requests >= phases.length, 'the ledger has them', u);
}
{   // a reader that stops reading: others go on, and it is served when it reads again
    const c = net.connect(s.port, '127.0.0.1');
    c.pause();
    c.write(head([], JSON.stringify(chat('[[think:a]][[tokens:8000]][[delay:0]]', { stream: true }))));
    await sleep(700);
    const t = Date.now();
    same((await post(s, '/v1/chat/completions', body)).status, 200, 'others are served meanwhile');
    console.log(`beside a reader that stopped: ${Date.now() - t} ms`);
    let text = '';
    c.on('data', d => { text += d; });
    c.resume();
    await new Promise(ok => { c.on('close', ok); setTimeout(ok, 60000).unref(); });
    same((text.match(/"content":"w+"/g) || []).join('').replace(/[^w]/g, '').length, 8000, 'a slow reader gets everything, merged');
    check(/\[DONE\]/.test(text), 'to the end');
}
{
    const e = await s.stop();
    const produced = +/produced (\d+)/.exec(e.out)[1];
    check(e.code === 0 && produced > 0, 'clean exit', e);
}

// --- keys
{
    const k = await start(['--key', 'secret-1', '--state', tempDir()]);
    const auth = h => post(k, '/v1/chat/completions', body, h);
    const no = await auth({});
    same([no.status, no.json.error.code, no.headers.get('www-authenticate')], [401, 'invalid_api_key', 'Bearer'], 'no key');
    same((await auth({ authorization: 'Bearer wrong' })).status, 401, 'wrong key');
    for (const h of [{ authorization: 'Bearer secret-1' }, { authorization: 'bearer   secret-1' }, { 'x-api-key': 'secret-1' }, { 'api-key': 'secret-1' }]) same((await auth(h)).status, 200, `key by ${Object.keys(h)}`);
    same((await get(k, '/health')).status, 200, 'health needs none');
    same((await get(k, '/metrics')).status, 401, 'metrics need one');
    same((await post(k, '/v1/chat/completions', body, { authorization: 'Bearer secret-1', 'content-type': 'text/plain' })).status, 200, 'with a key any content type');
    const admin = { authorization: 'Bearer secret-1' };
    await fetch(k.url + '/admin/prices', { method: 'PUT', headers: { ...admin, 'content-type': 'application/json' }, body: JSON.stringify({ prices: [{ model: '*', hit: '0.5', miss: '1', output: '2' }] }) });
    const made = await post(k, '/admin/keys', { name: 'kid', rpm: 3, budget: '0.0002', concurrent: 2 }, admin);
    const kid = { authorization: `Bearer ${made.json.key}` };
    same((await post(k, '/v1/chat/completions', chat('x', { max_tokens: 5 }), kid)).status, 200, 'a new key works');
    same((await get(k, '/admin/keys', kid)).status, 403, 'it is no admin');
    const picky = await post(k, '/admin/keys', { name: 'picky', models: 'elsewhere' }, admin);
    const no2 = await post(k, '/v1/chat/completions', chat('x', { max_tokens: 2 }), { authorization: `Bearer ${picky.json.key}` });
    same([picky.status, no2.status, no2.json?.error?.type], [200, 403, 'permission_error'], 'a key for other models', no2.text);
    check(!(await get(k, '/admin/keys', admin)).text.includes(made.json.key), 'keys are never shown again');
    const poor = await post(k, '/v1/chat/completions', chat('x', { max_tokens: 30000 }), kid);
    same([poor.status, poor.json.error.code], [402, 'insufficient_balance'], 'budget');
    await post(k, '/v1/chat/completions', chat('x', { max_tokens: 2 }), kid);
    const many = await post(k, '/v1/chat/completions', chat('x', { max_tokens: 2 }), kid);
    same([many.status, many.json.error.code, +many.headers.get('retry-after') > 0], [429, 'rate_limit_exceeded', true], 'rate');
    check((await get(k, '/usage?group=key', kid)).json.rows.length === 1, 'own usage');
    same((await get(k, `/admin/keys/${made.json.id}`, admin, 'DELETE')).status, 200, 'revoke');
    same((await post(k, '/v1/chat/completions', body, kid)).status, 401, 'revoked');
    await k.stop();
    let refused = false;
    try { await start([], '0.0.0.0:0'); } catch (e) { refused = /API key/.test(e.message); }
    check(refused, 'another address without a key is refused');
}
{   // queue full
    const q = await start(['--parallel', 1, '--queue', 2, '--start-limit', 2]);
    const slow = () => post(q, '/v1/chat/completions', chat('[[prefill:3500]]'));
    const all = await Promise.all([slow(), slow(), slow(), slow(), slow()]);
    const codes = all.map(r => r.status).sort();
    check(codes.filter(c => c === 503).length >= 2 && codes[0] === 200, 'a full queue is a 503', codes);
    check(all.filter(r => r.status === 503).every(r => r.headers.get('retry-after')), 'with retry-after');
    await q.stop('SIGINT');
}
finish();
