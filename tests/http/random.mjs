// random.mjs - random requests against the program over a small random model: valid ones on every route,
// junk in fields, damaged JSON, bad UTF-8, deep nesting, oversize, broken framing, bytes of noise; whole,
// split anywhere, or left in the middle. Each gets the status that fits, an error is one sentence of JSON;
// the server stays alive, does not grow, and ends cleanly (under asan: without leaks).
//   node random.mjs COUNT [SEED [ONLY]]     ONLY sends request number ONLY alone and prints both sides
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { check, same, launch, get, finish, sleep, tempDir } from './lib.mjs';

const count = +(process.argv[2] ?? 1500), seed = +(process.argv[3] ?? 1), only = process.argv[4];
const tarn = path.resolve(process.env.TARN_TEST_BUILD || 'build/latest', 'tarn');
const dir = tempDir(), model = path.join(dir, 'tiny.gguf');
execFileSync(tarn, ['synth', 'v3-tiny', '--seed', '3', '-o', model], { stdio: 'ignore' });
const MAX_BODY = 1 << 20;
// Freed memory is given back soon, so that growth can be seen; a program without asan does not look.
const env = { ASAN_OPTIONS: 'quarantine_size_mb=4:malloc_context_size=2', MALLOC_ARENA_MAX: '2' };
const s = await launch(tarn, ['serve', model, '--listen', '127.0.0.1:0', '--state', tempDir(), '--ctx', '512', '--max-body', '1', '--queue', '512'], { env });

// ---- a generator for each request's number, so that one can be sent again
function dice(n) {
    let a = (seed * 2654435761 + n * 40503 + 12345) >>> 0;
    const next = () => { // mulberry32
        a = (a + 0x6d2b79f5) >>> 0;
        let t = Math.imul(a ^ (a >>> 15), a | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return (t ^ (t >>> 14)) >>> 0;
    };
    for (let i = 0; i < 3; i++) next();
    const below = k => next() % k;
    return { below, of: list => list[below(list.length)], chance: p => next() / 2 ** 32 < p };
}

// ---- bodies
const user = d => [{ role: 'user', content: d.of(['hi', '17*23?', 'é漢😀', 'x\u0000y', '<｜User｜>', 'a'.repeat(60)]) }];
const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'] } } };
const ROUTES = [
    ['/v1/chat/completions', d => ({ model: d.of(['tiny', 'deepseek-chat', 'deepseek-reasoner']), messages: user(d), max_tokens: 1 + d.below(6), stream: d.chance(0.5) })],
    ['/beta/chat/completions', d => ({ model: 'tiny', messages: [...user(d), { role: 'assistant', content: 'So', prefix: true }], max_tokens: 3 })],
    ['/v1/chat/completions', d => ({ model: 'tiny', messages: user(d), tools: [tool], max_tokens: 4, stream: d.chance(0.5), n: 1 + d.below(2) })],
    ['/v1/completions', d => ({ model: 'tiny', prompt: d.of(['once', ['a', 'b'], [5, 6, 7], [[5], [6, 7]]]), max_tokens: d.below(3), echo: d.chance(0.5), logprobs: 1 })],
    ['/v1/responses', d => ({ model: 'tiny', input: d.of(['hi', [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }]]), max_output_tokens: 4, stream: d.chance(0.5) })],
    ['/v1/messages', d => ({ model: 'any', max_tokens: 4, messages: user(d), stream: d.chance(0.5), system: 'be brief' })],
    ['/v1/messages/count_tokens', d => ({ model: 'any', messages: user(d) })],
    ['/tokenize', d => ({ content: d.of(['', 'hello', '漢字']), with_pieces: d.chance(0.5) })],
    ['/detokenize', () => ({ tokens: [5, 6, 7] })],
    ['/apply-template', d => ({ model: 'tiny', messages: user(d) })],
    ['/feedback', d => ({ type: 'rating', rating: d.of([1, -1]), model: 'tiny', messages: [...user(d), { role: 'assistant', content: 'x' }] })],
];
const GETS = ['/health', '/ready', '/version', '/v1/models', '/models/tiny', '/props', '/slots', '/metrics', '/usage', '/user/balance', '/prices', '/openapi.json', '/tokenizer_info', '/', '/conversations'];
const FIELDS = ['model', 'messages', 'prompt', 'input', 'max_tokens', 'temperature', 'top_p', 'top_k', 'min_p', 'stop', 'stream', 'stream_options', 'n', 'seed', 'logprobs', 'top_logprobs', 'logit_bias',
    'response_format', 'tools', 'tool_choice', 'parallel_tool_calls', 'thinking', 'reasoning_effort', 'reasoning', 'thinking_budget_tokens', 'chat_template_kwargs', 'user_id', 'repetition_penalty',
    'repeat_last_n', 'typical_p', 'min_tokens', 'ignore_eos', 'json_schema', 'grammar', 'echo', 'suffix', 'best_of', 'presence_penalty', 'content', 'tokens', 'system', 'metadata', 'text', 'rating', 'type', 'brand_new'];
const junk = (d, depth = 0) => d.of([
    () => null, () => true, () => -1, () => 0, () => 1e308, () => -2147483649, () => 9007199254740993, () => 0.5, () => '', () => 'x'.repeat(d.below(300)), () => '漢\u0000', () => [], () => ({}),
    () => Array.from({ length: d.below(4) }, () => depth > 3 ? 1 : junk(d, depth + 1)), () => ({ type: d.of(['function', 'json_schema', 'enabled', 'xml', 7]), name: 'f' }),
    () => ({ type: 'json_schema', json_schema: { name: 'x', strict: d.chance(0.5), schema: depth > 3 ? true : junk(d, depth + 1) } }), () => [{ role: d.of(['user', 'tool', 'boss', 4]), content: depth > 3 ? 1 : junk(d, depth + 1) }],
    () => [{ type: 'function', function: { name: d.of(['f', 'bad name', '', 3]), parameters: depth > 3 ? 1 : junk(d, depth + 1) } }]])();

// ---- requests: {bytes, want: statuses (0: none needed), closed: must close}
function head(method, p, headers, body = '') {
    const b = Buffer.isBuffer(body) ? body : Buffer.from(body);
    const lines = [`${method} ${p} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...(b.length || method === 'POST' ? [`Content-Length: ${b.length}`] : []), ...headers];
    return Buffer.concat([Buffer.from(lines.join('\r\n') + '\r\n\r\n', 'latin1'), b]);
}
const JSON_TYPE = 'Content-Type: application/json';
const post = (p, body, more = []) => head('POST', p, [JSON_TYPE, ...more], body);
const OK = [200], MAYBE = [200, 400, 404], ANY = [0, 100, 200, 204, 400, 401, 403, 404, 405, 411, 413, 414, 415, 417, 431, 501, 505];
const KINDS = [
    [12, 'valid', d => { const [p, f] = d.of(ROUTES); return { bytes: post(p, JSON.stringify(f(d))), want: OK }; }],
    [6, 'reading', d => ({ bytes: head(d.of(['GET', 'GET', 'HEAD']), d.of(GETS), []), want: OK })],
    [26, 'junk in fields', d => {
        const [p, f] = d.of(ROUTES), body = f(d);
        for (let k = d.below(3); k >= 0; k--) body[d.of(FIELDS)] = junk(d);
        return { bytes: post(p, JSON.stringify(body)), want: MAYBE };
    }],
    [6, 'a field is missing', d => { const [p, f] = d.of(ROUTES), body = f(d); delete body[d.of(Object.keys(body))]; return { bytes: post(p, JSON.stringify(body)), want: MAYBE }; }],
    [5, 'cut JSON', d => { const [p, f] = d.of(ROUTES), t = JSON.stringify(f(d)); return { bytes: post(p, t.slice(0, d.below(t.length))), want: [400] }; }],
    [5, 'bad UTF-8', d => {
        const [p, f] = d.of(ROUTES), t = Buffer.from(JSON.stringify({ ...f(d), extra: '@' }));
        const bad = d.of([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe6, 0xbc], [0x80]]), at = t.lastIndexOf('@');
        return { bytes: post(p, Buffer.concat([t.subarray(0, at), Buffer.from(bad), t.subarray(at + 1)])), want: [400] };
    }],
    [4, 'deep JSON', d => { const k = 129 + d.below(60000), [p] = d.of(ROUTES), o = d.of(['[', '{"a":']); return { bytes: post(p, (o.repeat(k) + '1' + (o === '[' ? ']' : '}').repeat(k)).slice(0, MAX_BODY - 1)), want: [400] }; }],
    [4, 'damaged JSON', d => { const [p, f] = d.of(ROUTES), t = Buffer.from(JSON.stringify(f(d))); for (let k = d.below(4); k >= 0; k--) t[d.below(t.length)] = d.below(256); return { bytes: post(p, t), want: MAYBE }; }],
    [3, 'not JSON', d => ({ bytes: post(d.of(ROUTES)[0], d.of(['{"a":1,}', '{a:1}', 'NaN', '{"a":1} x', '/**/{}', '[]', '"x"', '{"a":"\\ud800"}', '{"seed":1e999}', '\ufeff{}'])), want: [400] })],
    [3, 'too large', d => ({ bytes: post(d.of(ROUTES)[0], Buffer.alloc(MAX_BODY + 1 + d.below(100000), 'x')), want: [413] })],
    [2, 'too large, never sent', () => ({ bytes: Buffer.from(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\nContent-Length: 900000000\r\n\r\n`), want: [413], closed: true })],
    [2, 'header too large', d => ({ bytes: head('GET', '/health', [`X-A: ${'y'.repeat(33000 + d.below(9000))}`]), want: [431] })],
    [5, 'broken framing', d => ({
        bytes: Buffer.from(d.of([`Content-Length: 2\r\nContent-Length: 3`, 'Content-Length: 2\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Content-Length: +2', 'Content-Length: 0x2', 'Content-Length: 2, 2', 'X Y: 1\r\nContent-Length: 2',
            'X-A : 1\r\nContent-Length: 2', 'X-A: a\x01b\r\nContent-Length: 2', 'Host: other\r\nContent-Length: 2']).replace(/^/, `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}\r\n`) + '\r\n\r\n{}', 'latin1'), want: [400], closed: true })],
    [2, 'broken chunks', d => ({ bytes: Buffer.concat([Buffer.from(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n`), Buffer.from(d.of(['zz\r\nxx\r\n', '-1\r\n{}\r\n', 'ffffffffffffffffff\r\n', '2\r\n{}{}{}\r\n0\r\n\r\n']))]), want: [0, 400, 413] })],
    [3, 'unknown path', d => ({ bytes: head(d.of(['GET', 'POST']), d.of(['/nope', '/v1/nothing', '/%00', '/../etc/passwd', '/v1/models/none', '/conversations/none', '/' + 'a/'.repeat(400)]), [JSON_TYPE], ''), want: [400, 404, 405] })],
    [2, 'wrong method', d => ({ bytes: head(d.of(['PUT', 'DELETE', 'PATCH', 'TRACE', 'GET']), '/v1/chat/completions', []), want: [405, 501] })],
    [2, 'another content type', d => ({ bytes: head('POST', d.of(ROUTES)[0], [`Content-Type: ${d.of(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonx'])}`], '{}'), want: [415] })],
    [2, 'a page from elsewhere', d => ({ bytes: d.chance(0.5) ? post('/v1/chat/completions', '{}', ['Origin: http://evil.example']) : Buffer.from('GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'), want: [403] })],
    [8, 'damaged bytes', d => {
        const [p, f] = d.of(ROUTES), m = post(p, JSON.stringify(f(d)));
        for (let k = d.below(6); k >= 0; k--) m[d.below(m.length)] = d.below(256);
        return { bytes: m.subarray(0, d.below(3) ? m.length : d.below(m.length)), want: ANY };
    }],
    [3, 'noise', d => ({ bytes: Buffer.from(Array.from({ length: d.below(400) }, () => d.below(256))), want: ANY })],
];
const WEIGHT = KINDS.reduce((a, k) => a + k[0], 0);
function request(i) {
    const d = dice(i);
    let at = d.below(WEIGHT);
    const [, kind, make] = KINDS.find(k => (at -= k[0]) < 0);
    const r = { i, kind, ...make(d) };
    const how = d.below(10);
    if (how === 0) r.leave = d.below(r.bytes.length + 1);
    else if (how < 4) r.cuts = Array.from({ length: 1 + d.below(4) }, () => d.below(r.bytes.length + 1)).sort((a, b) => a - b);
    return r;
}

function send(r) {
    return new Promise(resolve => {
        const c = net.connect(s.port, '127.0.0.1');
        const parts = [];
        // What is damaged may wait for bytes that never come; all else is answered and closed.
        let timer = setTimeout(() => done(false), r.want.includes(0) ? 400 : 120000);
        const done = closed => { clearTimeout(timer); c.destroy(); resolve({ text: Buffer.concat(parts).toString('utf8'), closed }); };
        c.on('data', b => parts.push(b));
        c.on('close', () => done(true));
        c.on('error', () => done(true));
        c.on('connect', async () => {
            if (r.leave !== undefined) { c.write(r.bytes.subarray(0, r.leave), () => done(true)); return; }
            let from = 0;
            for (const to of [...(r.cuts ?? []), r.bytes.length]) {
                if (c.destroyed) return;
                if (to > from) c.write(r.bytes.subarray(from, to));
                from = to;
                if (to < r.bytes.length) await sleep(1);
            }
        });
    });
}
function parts(text) {
    const m = /^HTTP\/1\.[01] (\d+)[^\r\n]*\r\n([^]*?)\r\n\r\n([^]*)$/.exec(text);
    if (!m) return { status: 0, head: '', body: '' };
    if (m[1] === '100') return parts(m[3]);
    let body = m[3];
    if (/transfer-encoding: *chunked/i.test(m[2])) {
        let rest = Buffer.from(body), out = [];
        for (;;) {
            const nl = rest.indexOf('\r\n'), n = parseInt(rest.subarray(0, nl).toString(), 16);
            if (nl < 0 || !(n > 0)) break;
            out.push(rest.subarray(nl + 2, nl + 2 + n));
            rest = rest.subarray(nl + n + 4);
        }
        body = Buffer.concat(out).toString();
    }
    return { status: +m[1], head: m[2], body };
}

// What is not HTTP never reaches our code; the library's own sentence is HTML.
const NOT_HTTP = ['broken framing', 'broken chunks', 'damaged bytes', 'noise', 'header too large'];
const wrong = [], counts = new Map();
function judge(r, answer) {
    if (r.leave !== undefined) return;
    const a = parts(answer.text);
    const bad = what => wrong.push(`request ${r.i} (${r.kind}): ${what}; ${r.bytes.subarray(0, 200).toString('latin1').replace(/[\r\n]+/g, ' | ')} -> ${answer.text.slice(0, 300)}`);
    counts.set(a.status, (counts.get(a.status) ?? 0) + 1);
    if (!r.want.includes(a.status)) return bad(`status ${a.status}, wanted ${r.want}`);
    if (r.closed && !answer.closed) bad('the connection stays open');
    if (r.kind === 'reading' && /^HEAD/.test(r.bytes.toString('latin1', 0, 5))) return;
    if (a.status >= 400 && a.body) { // one sentence, in the form of the API
        let said;
        try { said = JSON.parse(a.body).error.message; } catch { said = NOT_HTTP.includes(r.kind) ? /<body>(?:<b>|<\/b>)?([A-Z].*)<\/body>/.exec(a.body)?.[1] : undefined; }
        if (typeof said !== 'string' || said.length < 8 || said.length > 1000 || /[\r\n]/.test(said)) bad('the error is not one sentence');
    } else if (a.status >= 400 && r.kind !== 'noise' && r.kind !== 'damaged bytes') bad('an error without a word');
    if (a.status === 200 && answer.closed && /text\/event-stream/.test(a.head)) {
        if (!/data: \[DONE\]\n\n$|"type":"(message_stop|response\.(completed|incomplete))".*\n\n$/.test(a.body)) bad(`a stream without an end: ${a.body.slice(-200)}`);
        if (/^data: \{"error"|^event: (error|response\.failed)/m.test(a.body)) bad('a failure inside a stream');
    } else if (a.status === 200 && /application\/json/.test(a.head)) {
        try { JSON.parse(a.body); } catch { bad('the answer is not JSON'); }
    }
}

if (only !== undefined) {
    const r = request(+only), answer = await send(r);
    console.log(r, '\n' + r.bytes.toString('utf8').slice(0, 3000), '\n---\n' + answer.text.slice(0, 3000));
    judge(r, answer);
    console.log(wrong, '\n', (await s.stop()).err);
    process.exit(0);
}
const rss = () => +/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${s.child.pid}/status`, 'utf8'))[1];
const fds = async () => (await import('node:fs')).readdirSync(`/proc/${s.child.pid}/fd`).length;
let next = 0, warm = 0, seen = 0;
const began = Date.now(), fdsBefore = await fds();
await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < count && s.child.exitCode === null) {
        const r = request(next++);
        judge(r, await send(r));
        if (++seen === Math.floor(count * 0.4)) warm = rss();
    }
}));
for (const w of wrong.slice(0, 12)) console.log(w);
same(wrong.length, 0, `requests with a wrong answer (repeat one: node tests/http/random.mjs 1 ${seed} NUMBER)`);
check(s.child.exitCode === null && (await get(s, '/health')).status === 200, 'alive');
for (let i = 0; i < 600 && (await get(s, '/slots')).json.length; i++) await sleep(50);
same((await get(s, '/slots')).json, [], 'no slot is held');
for (let i = 0; i < 200 && (await fds()) > fdsBefore + 2; i++) await sleep(50); // less than the idle time; this asks on a connection of its own
const now = rss(), files = await fds();
check(files <= fdsBefore + 2, 'no connection is held', { before: fdsBefore, now: files });
check(now < warm + 12288, 'no growth', { 'KiB at 40 %': warm, 'KiB at the end': now });
const e = await s.stop();
check(e.code === 0 && !/ERROR: (Address|Leak)Sanitizer|runtime error/.test(e.err), 'a clean end', e.err.slice(-3000));
console.log(`${count} requests in ${((Date.now() - began) / 1000).toFixed(0)} s, seed ${seed}: ` +
    [...counts].sort((a, b) => a[0] - b[0]).map(([k, v]) => `${k || 'none'} ${v}`).join(', ') + `; memory ${(warm / 1024).toFixed(1)} -> ${(now / 1024).toFixed(1)} MiB`);
finish();
