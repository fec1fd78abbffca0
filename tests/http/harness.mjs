// harness.mjs - what an evaluation harness does, against the model that comes with tarn: log-likelihoods of the
// continuations of multiple-choice items by /v1/completions with echo and logprobs (prompts as token
// ids and as text, several in a request, max_tokens 1 and 0), greedy flags, a rolling log-likelihood, and text
// until a stop string. The sums are those of `tarn logits` and `tarn perplexity` for the same tokens.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { check, same, launch, post, get, finish, tempDir } from './lib.mjs';

const tarn = path.resolve(process.env.TARN_TEST_BUILD || 'build/latest', 'tarn');
const model = path.resolve('models/tarn-small.gguf'), dir = tempDir();
const out = (args, input) => execFileSync(tarn, args, { input, encoding: 'buffer', maxBuffer: 256 << 20, stdio: ['pipe', 'pipe', 'ignore'] });
const s = await launch(tarn, ['serve', model, '--listen', '127.0.0.1:0', '--state', tempDir(), '--draft', '0']);
const info = (await get(s, '/v1/models')).json.data[0];
const SAME = ['--act', 'q8', '--mla', 'absorbed', '--cache-type', 'f16']; // as the server computes

// --- the items: a question of ours and four answers, one of them right
const items = [];
for (const task of ['addition', 'word_problem', 'boolean']) {
    const rows = out(['task', task, '--split', 'eval', '--seed', '3', '-n', '4', '-l', '1', '--style', 'bare']).toString().trim().split('\n').map(l => JSON.parse(l));
    for (const r of rows) {
        const wrong = rows.map(x => x.answer).filter(a => a !== r.answer);
        items.push({ context: `Question: ${r.prompt}\nAnswer:`, choices: [r.answer, ...new Set(wrong)].slice(0, 4).map(c => ` ${c}`) });
    }
}
const tokens = async text => (await post(s, '/tokenize', { content: text, add_special: false })).json.tokens;
const tokenizer = (await get(s, '/tokenizer_info')).json;
check(typeof tokenizer.eos_token === 'string' && (await tokens(tokenizer.eos_token)).length >= 1, 'the harness finds the end token', tokenizer);

// --- `tarn logits`: the log-probability of each token of a text
function direct(ids) {
    const raw = out(['logits', model, '--tokens', ids.join(','), '--all', ...SAME]);
    const all = new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4), width = all.length / ids.length;
    return ids.map((id, i) => {
        if (i === 0) return null;
        const row = all.subarray((i - 1) * width, i * width);
        let max = -Infinity, sum = 0;
        for (const x of row) max = Math.max(max, x);
        for (const x of row) sum += Math.exp(x - max);
        return { logprob: row[id] - max - Math.log(sum), best: row.indexOf(max) === id };
    });
}
const near = (a, b, eps) => Math.abs(a - b) <= eps;

// --- log-likelihoods: a request for each item, all choices in it, as ids
let asked = 0, worst = 0, greedy = 0, right = 0;
for (const it of items) {
    const whole = await Promise.all(it.choices.map(c => tokens(it.context + c)));
    const head = await tokens(it.context);
    check(whole.every(w => head.every((id, i) => w[i] === id)), 'the context is a prefix in tokens', it.context);
    const request = more => post(s, '/v1/completions', { model: info.id, prompt: whole, temperature: 0, logprobs: 1, seed: 1234, echo: true, ...more });
    const one = (await request({ max_tokens: 1 })).json.choices.sort((a, b) => a.index - b.index);
    const none = (await request({ max_tokens: 0 })).json.choices.sort((a, b) => a.index - b.index);
    const text = (await post(s, '/v1/completions', { model: info.id, prompt: it.choices.map(c => it.context + c), temperature: 0, max_tokens: 1, logprobs: 1, echo: true })).json.choices;
    const withBos = await Promise.all(it.choices.map(async c => (await post(s, '/tokenize', { prompt: it.context + c })).json.tokens));
    const asText = (await request({ prompt: withBos, max_tokens: 1 })).json.choices; // a string begins as the vocabulary says
    const sums = [];
    for (const [k, ids] of whole.entries()) {
        const lp = one[k].logprobs.token_logprobs.slice(head.length, -1); // as lm-eval cuts it
        const top = one[k].logprobs.top_logprobs.slice(head.length, -1);
        const sum = lp.reduce((a, b) => a + b, 0), flag = lp.every((p, i) => Math.max(...Object.values(top[i])) === p);
        same(none[k].logprobs.token_logprobs.slice(head.length), lp, 'max_tokens 0 gives the same');
        same(one[k].logprobs.token_logprobs.length, ids.length + 1, 'a number for each token and the one sampled, even if that is the end');
        same(text[k].logprobs.token_logprobs, asText[k].logprobs.token_logprobs, 'as text the same as in ids');
        const d = direct(ids).slice(head.length), wantSum = d.reduce((a, b) => a + b.logprob, 0);
        worst = Math.max(worst, Math.abs(sum - wantSum));
        check(near(sum, wantSum, 1e-4), 'the sum is that of tarn logits', { sum, wantSum, text: it.context + it.choices[k] });
        same(flag, d.every(x => x.best), 'the greedy flag is that of tarn logits');
        greedy += flag;
        asked++;
        sums.push(sum);
    }
    right += sums.indexOf(Math.max(...sums)) === 0;
}
console.log(`${items.length} items, ${asked} continuations: the largest difference of a sum is ${worst.toExponential(1)}; ${greedy} greedy; ${right} right by likelihood`);

// --- rolling log-likelihood: `tarn perplexity` over the same windows
{
    const file = path.join(dir, 'text.txt'), ctx = 64;
    writeFileSync(file, items.map(i => i.context + i.choices[0]).join('\n\n'));
    const want = JSON.parse(out(['perplexity', model, file, '--ctx', `${ctx}`, '--json', ...SAME]).toString());
    const ids = (await post(s, '/tokenize', { prompt: items.map(i => i.context + i.choices[0]).join('\n\n') })).json.tokens, windows = [];
    for (let at = 0; at + ctx <= ids.length; at += ctx) windows.push(ids.slice(at, at + ctx));
    same(windows.length, want.windows, 'as many windows');
    let sum = 0, n = 0;
    for (const w of windows) {
        const lp = (await post(s, '/v1/completions', { model: info.id, prompt: w, temperature: 0, max_tokens: 0, logprobs: 1, echo: true })).json.choices[0].logprobs.token_logprobs;
        for (let i = ctx / 2 + 1; i < ctx; i++, n++) sum += lp[i];
    }
    same(n, want.tokens, 'as many tokens');
    check(near(-sum / n, want.nll, 2e-6 + 1e-6 * want.nll), 'the mean is that of tarn perplexity', { here: -sum / n, there: want.nll });
    console.log(`perplexity ${Math.exp(-sum / n).toFixed(4)} over HTTP, ${want.perplexity.toFixed(4)} by tarn perplexity, ${n} tokens`);
}
// --- several choices each show the whole prompt; no token asked, none made and none billed
{
    const ids = await tokens('one two three four'), ask = more => post(s, '/v1/completions', { model: info.id, prompt: ids, logprobs: 1, echo: true, ...more });
    const [a, b] = (await ask({ n: 2, max_tokens: 3, ignore_eos: true })).json.choices;
    same([a.logprobs.token_logprobs.length, b.logprobs.token_logprobs.length], [ids.length + 3, ids.length + 3], 'n = 2: every token of both');
    same(b.logprobs.token_logprobs.slice(0, ids.length), a.logprobs.token_logprobs.slice(0, ids.length), 'n = 2: the same prompt');
    same(b.logprobs.text_offset.slice(0, ids.length), a.logprobs.text_offset.slice(0, ids.length), 'n = 2: the same places');
    const st = (await ask({ n: 2, max_tokens: 3, ignore_eos: true, stream: true })).text.split('\n\n').filter(x => x.startsWith('data: {')).map(x => JSON.parse(x.slice(6)));
    for (const i of [0, 1]) {
        const mine = st.flatMap(x => x.choices).filter(c => c.index === i);
        same(mine.flatMap(c => c.logprobs?.token_logprobs ?? []).length, ids.length + 3, `streamed, choice ${i}: every token`);
    }
    const none = (await ask({ max_tokens: 0 })).json;
    same([none.usage.completion_tokens, none.choices[0].logprobs.tokens.length, none.choices[0].finish_reason], [0, ids.length, 'length'], 'max_tokens 0 makes nothing');
    same(none.choices[0].text, 'one two three four', 'and echoes the text');
}
// --- generate until, plain and chat, the same answer every time
{
    const body = { model: info.id, prompt: items.slice(0, 3).map(i => i.context), max_tokens: 24, temperature: 0, stop: ['\n', tokenizer.eos_token], seed: 1234 };
    const a = (await post(s, '/v1/completions', body)).json.choices, b = (await post(s, '/v1/completions', { ...body, prompt: body.prompt[1] })).json.choices;
    check(a.length === 3 && a.every(c => !c.text.includes('\n')), 'text until a stop string', a);
    same(a[1].text, b[0].text, 'the same alone and among others');
    const c = await post(s, '/v1/chat/completions', { model: info.id, messages: [{ role: 'user', content: 'What is 27 + 49? Show your steps.' }], temperature: 0, max_tokens: 256, seed: 1234, stop: ['</s>'] });
    same(c.json.choices[0].message.content.trim(), '76', 'chat');
}
same((await s.stop()).code, 0, 'the end');
finish();
