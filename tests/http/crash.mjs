// crash.mjs - kill -9 in the middle of streams: the ledger loses at most the flush interval and
// bills nothing twice; and tokens billed = tokens produced over a mixed run.
import { check, same, start, post, get, chat, finish, sleep, tempDir } from './lib.mjs';

const state = tempDir();
const flush = 300;
let s = await start(['--state', state, '--flush', flush, '--delay', 5]);
await fetch(s.url + '/admin/prices', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ prices: [{ model: '*', hit: '0', miss: '0', output: '1' }] }) });
const done = await Promise.all(Array.from({ length: 10 }, () => post(s, '/v1/chat/completions', chat('[[think:ab]][[say:cd]]'))));
const finished = done.reduce((n, r) => n + r.json.usage.completion_tokens, 0);
let seen = 0;
for (let i = 0; i < 20; i++)
    fetch(s.url + '/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model: 'local-r1', prompt: '[[tokens:100000]]', max_tokens: 30000, stream: true }) })
        .then(async r => { for await (const c of r.body) seen += (Buffer.from(c).toString().match(/"text":"w+"/g) || []).join('').replace(/[^w]/g, '').length - 0; }).catch(() => {});
await sleep(2000);
const atKill = seen;
s.child.kill('SIGKILL');
await s.ended;

s = await start(['--state', state, '--flush', flush, '--delay', 1]);
const row = async () => (await get(s, '/usage?group=model')).json.rows[0];
const after = await row();
const lost = finished + atKill - after.completion_tokens;
const rate = atKill / 2; // tokens per second before the kill
check(after.requests === 30, 'every request has its row', after);
check(lost <= rate * (flush + 250) / 1000, 'lost at most the flush interval', { seen: atKill, billed: after.completion_tokens - finished, lost, perInterval: rate * flush / 1000 });
check(after.completion_tokens <= finished + atKill + 400, 'nothing is billed twice', { billed: after.completion_tokens, seen: finished + atKill });
same(after.cost, (after.completion_tokens / 1e6).toFixed(6).replace(/0+$/, '').replace(/\.(\d)$/, '.$10'), 'cost = tokens x price');
await post(s, '/v1/chat/completions', chat('x'));
const again = await row();
check(again.requests === 31 && again.completion_tokens === after.completion_tokens + 36, 'a restart changes no old row', again);
await s.stop();

// tokens billed = tokens produced: plain, streamed, left in the middle, cancelled, failed
s = await start(['--state', tempDir(), '--delay', 1]);
const jobs = [];
for (let i = 0; i < 60; i++) {
    const ctl = new AbortController();
    const stream = i % 2 === 0;
    const script = i % 5 === 4 ? '[[error:20]]' : `[[think:${'t'.repeat(i)}]][[tokens:${i * 9}]]`;
    jobs.push(fetch(s.url + '/v1/chat/completions', { method: 'POST', signal: ctl.signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify(chat(script, { stream, n: 1 + i % 3 })) }).then(r => r.text()).catch(() => {}));
    if (i % 4 === 3) setTimeout(() => ctl.abort(), 30 + i * 3);
}
await Promise.all(jobs);
await sleep(700);
const billed = (await row()).completion_tokens;
const e = await s.stop();
same(billed, +/produced (\d+)/.exec(e.out)[1], 'tokens billed = tokens produced');
finish();
