// quiet.mjs - a server's whole day, from start to end, for tests/http/quiet.sh to listen to: the page,
// answers in every format, keys, usage, stored conversations, models unloaded and loaded.
import path from 'node:path';
import { check, same, start, launch, post, get, chat, finish, sleep, tempDir } from './lib.mjs';

const s = await start(['--state', tempDir(), '--passphrase', 'secret', '--runs', tempDir()]);
same((await get(s, '/')).status, 200, 'the page');
for (const stream of [false, true]) {
    same((await post(s, '/v1/chat/completions', chat('see https://example.com/ [[think:a]][[say:b]]', { stream }))).status, 200, 'chat');
    same((await post(s, '/v1/responses', { model: 'local-r1', input: '[[say:b]]', stream })).status, 200, 'responses');
    same((await post(s, '/v1/messages', { model: 'x', max_tokens: 9, messages: [{ role: 'user', content: 'x' }], stream })).status, 200, 'messages');
    same((await post(s, '/v1/completions', { model: 'local-r1', prompt: 'x', stream })).status, 200, 'completions');
}
// What names a place elsewhere is refused or ignored, never fetched.
same((await post(s, '/v1/chat/completions', { model: 'local-r1', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://example.com/x.png' } }] }] })).status, 400, 'an image address');
same((await post(s, '/v1/chat/completions', chat('x', { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { $ref: 'http://example.com/schema.json' } } } }))).status, 200, 'a schema address (the fake engine takes any)');
const key = (await post(s, '/admin/keys', { name: 'kid' })).json;
check(key?.key?.length > 20, 'a key');
for (const p of ['/v1/models', '/usage', '/admin/usage', '/prices', '/metrics', '/props', '/runs', '/openapi.json', '/conversations']) same((await get(s, p, { authorization: `Bearer ${key.key}` })).status < 404, true, p);
for (const what of ['unload', 'load']) same((await post(s, `/admin/models/${what}`, { model: 'local-r1' }, { authorization: `Bearer ${key.key}` })).status < 404, true, what);
await sleep(1500);
same((await s.stop()).code, 0, 'the end');
{   // the program itself, with the model that ships
    const t = await launch(path.resolve(process.env.TARN_TEST_BUILD || 'build/latest', 'tarn'), ['serve', 'models/tarn-small.gguf', '--listen', '127.0.0.1:0', '--state', tempDir()]);
    same((await get(t, '/')).status, 200, 'the page of tarn serve');
    for (const stream of [false, true]) same((await post(t, '/v1/chat/completions', { model: 'tarn-small', stream, messages: [{ role: 'user', content: 'What is 2 + 2? See https://example.com/' }] })).status, 200, 'tarn serve answers');
    for (const p of ['/v1/models', '/usage', '/metrics', '/props']) same((await get(t, p)).status, 200, p);
    await sleep(1500);
    same((await t.stop()).code, 0, 'the end of tarn serve');
}
finish();
