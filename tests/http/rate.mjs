// rate.mjs - tokens per second over HTTP beside `tarn bench --parallel`, the same work for both: N prompts of
// random tokens, nothing shared, no drafts, the same sampling; counted from the last stream's first token
// to the last token of all. The two take turns, so that what else the machine does meets both; medians.
//   node rate.mjs MODEL [N [TOKENS [ROUNDS [THREADS [FIRST WORDS, e.g. chrt -f 1]]]]]
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { launch, tempDir } from './lib.mjs';

const [model, n = 8, tokens = 64, rounds = 3, threads = 1, ...first] = process.argv.slice(2).map(x => (/^\d+$/.test(x) ? +x : x));
const tarn = path.resolve(process.env.TARN_TEST_BUILD || 'build/latest', 'tarn');
const depth = 16, common = ['--parallel', `${n}`, '--threads', `${threads}`, '--ctx', `${depth + tokens + 16}`, '--draft', '0'];
const run = [...first, tarn];

function bench() {
    const out = execFileSync(run[0], [...run.slice(1), 'bench', model, ...common, '--pp', '0', '--tg', `${tokens}`, '--depth', `${depth}`, '--repeat', '2', '--json'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const row = out.trim().split('\n').map(l => JSON.parse(l)).find(r => /each/.test(r.test ?? ''));
    return row.tokens_s;
}
const s = await launch(run[0], [...run.slice(1), 'serve', model, '--listen', '127.0.0.1:0', '--state', tempDir(), '--slots', `${n}`, ...common]);
const info = await (await fetch(s.url + '/v1/models')).json();
const vocab = info.data[0].meta.n_vocab;

function stream(salt) {
    const prompt = Array.from({ length: depth }, (_, i) => (salt * 7919 + i * 104729) % vocab);
    const body = JSON.stringify({ model: info.data[0].id, prompt, max_tokens: tokens + 1, ignore_eos: true, stream: true, cache_prompt: false, temperature: 0, return_token_ids: true });
    return new Promise((ok, bad) => {
        const c = net.connect(s.port, '127.0.0.1', () => c.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`));
        let begin = 0, last = 0, n = 0, text = '';
        c.on('data', d => {
            const now = performance.now(), t = d.toString('latin1');
            text += t;
            if (!t.includes('"choices"')) return;
            begin ||= now;
            last = now;
        });
        c.on('error', bad);
        c.on('close', () => {
            for (const m of text.matchAll(/"token_ids":\[([^\]]*)\]/g)) n += m[1] ? m[1].split(',').length : 0;
            ok({ begin, last, n, text });
        });
    });
}
async function served(salt) {
    const all = await Promise.all(Array.from({ length: n }, (_, i) => stream(salt * 4096 + i)));
    const from = Math.max(...all.map(a => a.begin)), to = Math.max(...all.map(a => a.last));
    for (const a of all) if (a.n !== tokens + 1) throw new Error(`${a.n} tokens instead of ${tokens + 1}: ${a.text.slice(-500)}`);
    return (n * tokens) / ((to - from) / 1000);
}
const median = l => [...l].sort((a, b) => a - b)[l.length >> 1];
const a = [], b = [];
await served(1); // warm
for (let i = 0; i < rounds; i++) {
    b.push(Math.max(await served(i * 2 + 2), await served(i * 2 + 3))); // bench tells the better of two as well
    a.push(bench());
}
const show = l => l.map(x => x.toFixed(1)).join(' ');
console.log(`${path.basename(model)}, ${n} streams of ${tokens} tokens, ${threads} thread${threads > 1 ? 's' : ''}: bench ${show(a)}, median ${median(a).toFixed(1)}; over HTTP ${show(b)}, median ${median(b).toFixed(1)} tokens/s: ${(100 * median(b) / median(a)).toFixed(1)} %`);
await s.stop();
process.exit(0);
