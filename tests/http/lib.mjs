// lib.mjs - starts the fake server, talks to it by fetch and by raw sockets, counts checks.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

process.setMaxListeners(50); // one exit handler for each server
const build = process.env.TARN_TEST_BUILD || 'build/latest';
export const program = path.join(build, 'tests/http/fake_server');
export let failed = 0, passed = 0;

export function check(ok, what, detail) {
    if (ok) { passed++; return true; }
    failed++;
    console.log(`FAILED: ${what}${detail === undefined ? '' : ': ' + (typeof detail === 'string' ? detail : JSON.stringify(detail))}`.slice(0, 1500));
    return false;
}
export const same = (a, b, what) => check(JSON.stringify(a) === JSON.stringify(b), what, `${JSON.stringify(a)} is not ${JSON.stringify(b)}`);
export const sleep = ms => new Promise(r => setTimeout(r, ms));

export function tempDir() {
    const d = mkdtempSync(path.join(tmpdir(), 'tarn-http-'));
    process.on('exit', () => rmSync(d, { recursive: true, force: true }));
    return d;
}

// Resolves with {port, url, child, stop(), ended: Promise of {code, out}} when it listens.
export const start = (args = [], listen = '127.0.0.1:0') => launch(program, ['--listen', listen, ...args.map(String)]);
// The search for leaks at the end needs what the sandbox takes away; sandbox.sh is there for the sandbox.
const open = !/asan/.test(build) ? () => [] : file => (path.basename(file) === 'tarn' ? ['--no-sandbox'] : ['--sandbox', '0']);
// The same for `tarn serve` and other programs that say where they listen.
export async function launch(file, args, { fds = [], env } = {}) {
    if (/^(tarn|fake_server)$/.test(path.basename(file))) args = [...args, ...open(file)];
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe', ...fds], env: { ...process.env, ...env } });
    let out = '', err = '';
    const listening = () => /port (\d+)/.exec(out) ?? /page is at \w+:\/\/[^:]+:(\d+)/.exec(err);
    const ended = new Promise(r => child.on('exit', (code, signal) => r({ code, signal, out, err })));
    child.stderr.on('data', d => { err += d; if (process.env.VERBOSE) process.stderr.write(d); });
    await new Promise((ok, bad) => {
        child.stdout.on('data', d => { out += d; if (listening()) ok(); });
        child.stderr.on('data', () => { if (listening()) ok(); });
        ended.then(e => bad(new Error(`server ended: ${e.code} ${err}`)));
    });
    const port = +listening()[1];
    process.on('exit', () => child.kill('SIGKILL'));
    return {
        port, child, url: `http://127.0.0.1:${port}`,
        stop: async (signal = 'SIGTERM') => { child.kill(signal); return await ended; },
        ended, get err() { return err; }, get out() { return out; },
    };
}

export async function post(s, p, body, headers = {}) {
    const r = await fetch(s.url + p, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
    const text = await r.text();
    let json;
    try { json = JSON.parse(text); } catch { json = undefined; }
    return { status: r.status, headers: r.headers, text, json };
}
export async function get(s, p, headers = {}, method = 'GET') {
    const r = await fetch(s.url + p, { method, headers });
    const text = await r.text();
    let json;
    try { json = JSON.parse(text); } catch { json = undefined; }
    return { status: r.status, headers: r.headers, text, json };
}
export const chat = (content, more = {}) => ({ model: 'local-r1', messages: [{ role: 'user', content }], ...more });

// The events of an SSE text: [{event, data, json}], comments as {comment}.
export function events(text) {
    const out = [];
    for (const block of text.split('\n\n')) {
        if (!block) continue;
        const ev = {};
        for (const line of block.split('\n')) {
            if (line.startsWith(':')) ev.comment = line;
            else if (line.startsWith('event: ')) ev.event = line.slice(7);
            else if (line.startsWith('data: ')) ev.data = line.slice(6);
            else ev.odd = line;
        }
        if (ev.data && ev.data !== '[DONE]') ev.json = JSON.parse(ev.data);
        out.push(ev);
    }
    return out;
}

// Sends raw bytes, returns everything until the server closes or `ms` of silence.
export function raw(s, bytes, { ms = 20000, chunks } = {}) {
    return new Promise(resolve => {
        const c = net.connect(s.port, '127.0.0.1');
        let out = Buffer.alloc(0), timer;
        const done = closed => { clearTimeout(timer); c.destroy(); resolve({ text: out.toString('utf8'), closed }); };
        const arm = () => { clearTimeout(timer); timer = setTimeout(() => done(false), ms); };
        c.on('data', d => { out = Buffer.concat([out, d]); arm(); });
        c.on('close', () => done(true));
        c.on('error', () => done(true));
        c.on('connect', async () => {
            arm();
            if (chunks) for (const b of chunks) { if (c.destroyed) break; c.write(b); await sleep(1); }
            else c.write(bytes);
        });
    });
}
export const status = r => +(/^HTTP\/1\.1 (\d+)/.exec(r.text)?.[1] ?? 0);

export function finish() {
    console.log(`${passed} checks passed, ${failed} failed`);
    process.exit(failed ? 1 : 0);
}
