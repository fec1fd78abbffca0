// private.mjs - what people write stays theirs: not in logs, not in the ledger, files for their owner
// only, sealed with a passphrase, gone when deleted; and the page's policy allows nothing from outside.
import { linkSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { check, same, start, post, get, chat, finish, sleep, tempDir } from './lib.mjs';

const word = 'Zwetschgenknoedel';
const files = dir => readdirSync(dir, { withFileTypes: true }).flatMap(f => f.isDirectory() ? files(path.join(dir, f.name)) : [path.join(dir, f.name)]);
const holding = (dir, what) => files(dir).filter(f => readFileSync(f).includes(what)).map(f => path.relative(dir, f));
const put = (s, id, body) => fetch(`${s.url}/conversations/${id}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }).then(r => r.status);

// --- logs and ledger
{
    const state = tempDir(), s = await start(['--state', state, '--log', 4]);
    for (const stream of [true, false]) {
        same((await post(s, '/v1/chat/completions', chat(`${word} [[think:${word}]][[say:${word}]]`, { stream, user_id: word }))).status, 200, 'a request with the word everywhere');
        await post(s, '/v1/chat/completions', chat(`${word} [[error:2]]`, { stream }));
        await post(s, '/v1/chat/completions', `{"messages": "${word}"}`);
        await post(s, `/v1/completions`, { model: 'local-r1', prompt: word, stream });
    }
    await sleep(1300);
    check(s.err.includes('/v1/chat/completions'), 'there is a log');
    check(!s.err.includes(word), 'prompts and answers are not in it', s.err);
    same(holding(state, word), [], 'nor in the ledger');
    await s.stop();
}
// --- files for the owner only; delete means deleted
{
    const state = tempDir(), s = await start(['--state', state]);
    same(await put(s, 'c1', { title: 'one', text: word.repeat(2000) }), 200, 'stored');
    const [name] = holding(state, word), file = path.join(state, name);
    check(files(state).every(f => (statSync(f).mode & 0o77) === 0) && (statSync(state).mode & 0o77) === 0, 'nobody else may read', files(state).map(f => [f, statSync(f).mode.toString(8)]));
    const held = path.join(tempDir(), 'link');
    linkSync(file, held); // keeps the blocks when the name goes
    same((await get(s, '/conversations/c1', {}, 'DELETE')).status, 200, 'deleted');
    same([holding(state, word), readFileSync(held).includes(word)], [[], false], 'no file holds it, its old blocks neither');
    same([(await get(s, '/conversations/c1')).status, (await get(s, '/conversations')).json.conversations], [404, []], 'nor does the server');
    // written over: the former text is gone as well
    await put(s, 'c2', { text: word });
    await put(s, 'c2', { text: 'other' });
    same(holding(state, word), [], 'a newer version leaves nothing of the older');
    await s.stop();
}
// --- sealed
{
    const state = tempDir();
    let s = await start(['--state', state, '--passphrase', 'correct horse']);
    await put(s, 'c1', { title: word, text: word });
    same(holding(state, word), [], 'sealed: no file holds the text or the title');
    same((await get(s, '/conversations')).json.conversations.map(c => c.title), [word], 'sealed: listed');
    await s.stop();
    s = await start(['--state', state, '--passphrase', 'correct horse']);
    same((await get(s, '/conversations/c1')).json.text, word, 'sealed: read after a restart');
    await s.stop();
    for (const args of [['--passphrase', 'wrong'], []]) {
        let said = '';
        try {
            s = await start(['--state', state, ...args]);
            const r = await get(s, '/conversations/c1');
            said = r.text;
            check(r.status >= 400, `sealed: not with ${args[1] ?? 'none'}`, r.text);
            await s.stop();
        } catch (e) { said = e.message; }
        check(said.length > 0 && !said.includes(word), 'sealed: and not a word of it', said);
    }
}
// --- the page's policy
{
    const s = await start([]);
    const r = await get(s, '/'), csp = r.headers.get('content-security-policy') ?? '';
    check(/default-src 'self'/.test(csp) && !/unsafe|https?:|\*|blob:/.test(csp), 'nothing inline, nothing from elsewhere', csp);
    for (const part of ["object-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) check(csp.includes(part), part, csp);
    same([r.headers.get('x-content-type-options'), r.headers.get('referrer-policy')], ['nosniff', 'no-referrer'], 'headers');
    check(!/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|(src|href)="(https?:)?\/\//.test(r.text), 'the document has no inline script or style and no address elsewhere', r.text.slice(0, 600));
    await s.stop();
}
finish();
