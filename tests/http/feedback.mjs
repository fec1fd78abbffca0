// feedback.mjs - what a reader judged goes back into training: thumbs, a corrected answer and the preferred
// of two are sent as the page sends them, exported, and read by `tarn sft`: the loss falls on them alone.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { check, same, start, post, get, finish, tempDir } from './lib.mjs';

const tarn = path.resolve(process.env.TARN_TEST_BUILD || 'build/latest', 'tarn');
const dir = tempDir(), model = path.resolve('models/tarn-small.gguf');
const user = content => ({ role: 'user', content });
const said = (content, reasoning) => ({ role: 'assistant', content, ...(reasoning ? { reasoning_content: reasoning } : {}) });
const s = await start(['--state', tempDir()]);
const give = async (body, status = 200) => same((await post(s, '/feedback', body)).status, status, `${body.type} is stored`);

await give({ type: 'rating', rating: 1, model: 'm', messages: [user('What is 2 + 2?'), said('4', '2+2=4')] });
await give({ type: 'rating', rating: -1, model: 'm', messages: [user('What is 3 + 3?'), said('7', '3+3=7')] });
await give({ type: 'correction', corrected: '12', model: 'm', messages: [user('What is 5 + 7?'), said('13', '5+7=13')] });
await give({ type: 'preference', chosen: '9', chosen_reasoning: '4+5=9', rejected: '8', rejected_reasoning: '4+5=8', model: 'm', messages: [user('What is 4 + 5?')] });
await give({ type: 'preference', chosen: 'x', messages: [user('half')] }, 400);
await give({ type: 'rating', rating: 5, messages: [] }, 400);

const lines = t => t.trim().split('\n').map(l => JSON.parse(l));
const sft = (await get(s, '/feedback?as=sft')).text, pairs = (await get(s, '/feedback?as=pairs')).text;
same(lines(sft), [
    { messages: [user('What is 2 + 2?'), said('4', '2+2=4')] },
    { messages: [user('What is 5 + 7?'), said('12')] },
    { messages: [user('What is 4 + 5?'), said('9', '4+5=9')] }], 'examples: what was liked, written or chosen');
same(lines(pairs), [
    { messages: [user('What is 5 + 7?')], chosen: '12', rejected: '13' },
    { messages: [user('What is 4 + 5?')], chosen: '9', chosen_reasoning: '4+5=9', rejected: '8', rejected_reasoning: '4+5=8' }], 'pairs: chosen and rejected');
same(lines((await get(s, '/feedback')).text).map(l => l.type), ['rating', 'rating', 'correction', 'preference'], 'as stored');
await s.stop();

// --- training: each export is read without a bad record, and learned
for (const [name, text, n] of [['sft', sft, 3], ['pairs', pairs, 2]]) {
    const data = path.join(dir, `${name}.jsonl`), recipe = path.join(dir, `${name}.yaml`), run = path.join(dir, `run-${name}`);
    writeFileSync(data, text);
    writeFileSync(recipe, `init: ${model}\ndata: {path: ${data}, seq_rows: 96, strict: true}\n` +
        'train: {steps: 10, batch_rows: 192, micro_rows: 192, lr: 0.0005, lr_end: 0.0005, warmup: 1, save_every: 0, spike_factor: 0}\n');
    const sh = (...more) => execFileSync(tarn, ['sft', recipe, '--run', run, ...more], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    let plan = '';
    try { plan = sh('--dry-run'); } catch (e) { plan = String(e.stderr); }
    check(plan.includes(` ${n} records`), `tarn sft plans with ${name}`, plan);
    try {
        sh();
        const loss = lines(readFileSync(path.join(run, 'metrics.jsonl'), 'utf8')).map(r => r.loss);
        check(loss.length === 10 && loss.at(-1) < loss[0] / 2, `tarn sft learns from ${name}`, loss);
        console.log(`${name}: ${n} records, loss ${loss[0].toFixed(3)} -> ${loss.at(-1).toFixed(3)} in 10 steps`);
    } catch (e) { check(false, `tarn sft reads ${name}`, String(e.stderr || e)); }
}
finish();
