// pgsql.mjs - two servers on one PostgreSQL ledger: keys, budgets and usage are shared.
import { check, same, launch, post, get, chat, finish, sleep } from './lib.mjs';
const c = process.env.TARN_TEST_PGSQL, server = process.env.TARN_TEST_SERVER;
const on = (name, more = []) => launch(server, ['--listen', '127.0.0.1:0', '--pgsql', c, '--server', name, '--flush', '200', '--key', 'root', ...more]);
let a = await on('a');
const b = await on('b');
const admin = { authorization: 'Bearer root' };
await fetch(a.url + '/admin/prices', { method: 'PUT', headers: { ...admin, 'content-type': 'application/json' }, body: JSON.stringify({ prices: [{ model: '*', hit: '0', miss: '0', output: '1' }] }) });
const made = await post(a, '/admin/keys', { name: 'x' + Date.now(), budget: '0.0001' }, admin);
check(made.status === 200, 'make a key', made.text);
await sleep(500);
const kid = { authorization: `Bearer ${made.json.key}` };
const r1 = await post(a, '/v1/chat/completions', chat('[[tokens:60]]', { max_tokens: 90 }), kid);
same(r1.status, 200, 'server a');
await sleep(600);
const r2 = await post(b, '/v1/chat/completions', chat('[[tokens:60]]', { max_tokens: 90 }), kid);
same(r2.status, 402, 'server b knows what a spent');
const r3 = await post(b, '/v1/chat/completions', chat('[[say:x]]', { max_tokens: 5 }), kid);
same(r3.status, 200, 'a little is left');
await sleep(500);
const u = await get(a, '/usage?group=key', kid);
check(u.json.rows[0].completion_tokens === r1.json.usage.completion_tokens + r3.json.usage.completion_tokens, 'one ledger', u.json);
// --- one server is killed in the middle: the other goes on, what was produced is billed once
{
    const admin = { authorization: 'Bearer root' };
    const total = async s => (await get(s, '/admin/usage?group=model', admin)).json.rows.reduce((n, r) => n + r.completion_tokens, 0);
    const before = await total(b);
    let seen = 0;
    const half = fetch(a.url + '/v1/completions', { method: 'POST', headers: { ...admin, 'content-type': 'application/json' }, body: JSON.stringify({ model: 'local-r1', prompt: '[[tokens:100000]][[delay:5]]', max_tokens: 30000, stream: true }) })
        .then(async r => { for await (const c of r.body) seen += (Buffer.from(c).toString().match(/"text":"w+"/g) || []).join('').replace(/[^w]/g, '').length; }).catch(() => {});
    await sleep(1500);
    a.child.kill('SIGKILL');
    await half;
    same((await post(b, '/v1/chat/completions', chat('[[say:x]]', { max_tokens: 5 }), admin)).status, 200, 'the other server goes on');
    a = await on('a');
    await sleep(600);
    const billed = await total(b) - before;
    check(billed <= seen + 120 && billed >= seen - 200, 'killed: at most a flush interval is lost, nothing is billed twice', { seen, billed });
    same(await total(a), await total(b), 'both see the same sums');
}
await a.stop(); await b.stop();
finish();
