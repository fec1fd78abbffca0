// long.mjs - a plain answer that takes SECONDS comes to clients with their default time limits: node's fetch
// (300 s for headers, 300 s of silence), the openai client, python's urllib.
//   node long.mjs SECONDS [folder with node_modules]
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { check, start, chat, finish } from './lib.mjs';

const seconds = +process.argv[2], modules = process.argv[3];
const s = await start(seconds < 100 ? ['--hold', 2, '--keep-alive', 2] : []);
const body = chat(`[[prefill:${seconds * 1000}]][[say:at last]]`), text = JSON.stringify(body);
const began = Date.now();
const jobs = [['node', async () => (await (await fetch(`${s.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text })).json()).choices[0].message.content]];
const python = 'import json,sys,urllib.request as u\nr=u.Request(sys.argv[1],sys.argv[2].encode(),{"Content-Type":"application/json"})\nprint(json.load(u.urlopen(r))["choices"][0]["message"]["content"],end="")';
jobs.push(['python', () => new Promise((ok, bad) => execFile('python3', ['-c', python, `${s.url}/v1/chat/completions`, text], (e, out) => (e ? bad(e) : ok(out))))]);
if (modules && seconds < 600) { // it gives up after 600 s whatever comes
    const OpenAI = createRequire(`${modules}/x`)('openai').OpenAI;
    jobs.push(['openai', async () => (await new OpenAI({ baseURL: `${s.url}/v1`, apiKey: 'x', maxRetries: 0 }).chat.completions.create(body)).choices[0].message.content]);
}
await Promise.all(jobs.map(async ([who, f]) => {
    let got;
    try { got = await f(); } catch (e) { got = String(e.cause ?? e); }
    check(got === 'at last' && Date.now() - began >= seconds * 1000, `${who} waits ${seconds} s`, got);
    console.log(`${who}: ${got} after ${((Date.now() - began) / 1000).toFixed(0)} s`);
}));
await s.stop();
finish();
