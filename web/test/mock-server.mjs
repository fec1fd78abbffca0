/* mock-server.mjs - a server for developing and testing the page, on loopback, without a model.
 *
 * It serves web/dist with the headers of the real server and answers the routes the page uses.
 * The question chooses the answer: "math N" a mathematical text of about N tokens, "code",
 * "table", "slow" (a long prompt with progress), "refuse" (400), "break" (an error in the
 * stream), "drop" (the connection dies), "limit" (stops in the thinking), "arabic", "evil"
 * (hostile Markdown); anything else a short answer. Header of one's own: none.
 *
 * usage: node mock-server.mjs [port] [tokens per second]; also `import { serve }`.
 */
import { createServer } from 'node:http';
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import * as texts from './texts.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

const DIST = join(here, '..', 'dist');
export const CSP = "default-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify tarn";
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

function send(res, status, body, headers = {}) {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers });
  res.end(text);
}

function fail(res, status, message, code = null) {
  send(res, status, { error: { message, type: 'invalid_request_error', param: null, code } });
}

async function bodyOf(req) {
  const parts = [];
  for await (const p of req) parts.push(p);
  return JSON.parse(Buffer.concat(parts).toString('utf8') || '{}');
}

function staticFile(req, res, path) {
  const manifest = JSON.parse(readFileSync(join(DIST, 'manifest.json'), 'utf8'));
  const name = path === '/' ? 'index.html' : path.slice(1);
  const f = manifest.files.find((x) => x.path === name);
  if (!f) return fail(res, 404, `no such address: ${path}`, 'unknown_url');
  const accepts = req.headers['accept-encoding'] ?? '';
  const packed = accepts.includes('br') && f.br ? 'br' : accepts.includes('gzip') && f.gzip ? 'gz' : '';
  const headers = { 'content-type': f.type, 'cache-control': f.immutable ? 'public, max-age=31536000, immutable' : 'no-cache', 'x-content-type-options': 'nosniff', 'content-security-policy': CSP, 'referrer-policy': 'no-referrer' };
  if (packed) headers['content-encoding'] = packed === 'gz' ? 'gzip' : 'br';
  res.writeHead(200, headers);
  res.end(readFileSync(join(DIST, packed ? `${name}.${packed}` : name)));
}

const tokensOf = (s) => Math.ceil(s.length / 3.6);

/* Pieces of a few letters, as tokens come. */
function pieces(text) {
  return text.match(/\s?[^\s]{1,6}|\s/gu) ?? [];
}

function plan(question) {
  const n = /\bmath\s+(\d+)/.exec(question);
  if (n) return { reasoning: texts.thoughts(12), content: texts.mathematics(Number(n[1])) };
  if (question.includes('geometric')) return { reasoning: texts.thinkGeometric, content: texts.readme };
  for (const name of ['code', 'table', 'arabic', 'evil', 'readme']) {
    if (question.includes(name)) return { reasoning: texts.thoughts(3), content: texts[name] };
  }
  if (question.includes('think long')) return { reasoning: texts.thoughts(400), content: 'It is **42**.' };
  return { reasoning: texts.thoughts(3), content: texts.short };
}

export function serve({ port = 0, rate = 400 } = {}) {
  const state = { conversations: new Map(), written: new Map(), feedback: [], running: new Map(), requests: [], rate, down: false, key: null, loading: 0, connections: new Set() };

  async function chat(req, res) {
    const body = await bodyOf(req);
    state.requests.push(body);
    const last = body.messages.at(-1);
    const question = body.messages.findLast((m) => m.role === 'user')?.content ?? '';
    if (question.includes('refuse')) {
      return fail(res, 400, "This model's maximum context length is 4096 tokens, but you requested 5000 tokens", 'context_length_exceeded');
    }
    const id = `chatcmpl-${randomUUID()}`;
    const run = { end: false };
    state.running.set(id, run);
    const base = { id, object: 'chat.completion.chunk', created: 1795300000, model: body.model || 'tarn-r1-7b' };
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    let gone = false;
    res.on('close', () => { gone = true; state.running.delete(id); });
    const put = (o) => res.write(`data: ${JSON.stringify({ ...base, ...o })}\n\n`);
    const delta = (d, finish = null, more = {}) => put({ choices: [{ index: 0, delta: d, finish_reason: finish }], ...more });
    const began = performance.now();
    const prompt = tokensOf(JSON.stringify(body.messages));
    const hit = Math.floor(prompt * 0.6);

    const thinking = body.thinking?.type !== 'disabled' && !(last.prefix && last.content);
    delta(thinking ? { role: 'assistant', content: null, reasoning_content: '' } : { role: 'assistant', content: '' });
    if (question.includes('slow')) {
      const total = 12000;
      for (let p = 4000; p <= total && !gone; p += 500) {
        put({ choices: [], prompt_progress: { total, cache: 4000, processed: p, time_ms: performance.now() - began } });
        res.write(': keep-alive\n\n');
        await sleep(120);
      }
    } else await sleep(60);
    const promptMs = performance.now() - began;

    const { reasoning, content } = plan(question);
    let out = 0, thought = 0;
    const pace = async () => {
      if (++out % Math.max(1, Math.round(state.rate / 100)) === 0) await sleep(10);
    };
    const thinkFrom = performance.now();
    if (thinking) {
      const rest = last.prefix ? reasoning.slice((last.reasoning_content ?? '').length) : reasoning;
      for (const p of pieces(rest)) {
        if (gone || run.end) break;
        delta({ reasoning_content: p, content: null });
        thought++;
        if (question.includes('limit') && thought > 30 && !last.prefix) {
          delta({}, 'length');
          res.end('data: [DONE]\n\n');
          return;
        }
        await pace();
      }
    }
    const reasoningMs = performance.now() - thinkFrom;
    let n = 0;
    const text = last.prefix && last.content ? content.slice(last.content.length) || ' And so on.' : content;
    for (const p of pieces(text)) {
      if (gone) return;
      delta({ content: p, reasoning_content: null });
      n++;
      if (n > 8 && question.includes('drop') && !last.prefix) return void setTimeout(() => res.destroy(), 50);
      if (n > 8 && question.includes('break')) {
        res.write(`data: ${JSON.stringify({ error: { message: 'the model ran out of memory', type: 'server_error', code: 'insufficient_memory' } })}\n\n`);
        return res.end('data: [DONE]\n\n');
      }
      await pace();
    }
    if (gone) return;
    const ms = performance.now() - thinkFrom;
    delta({}, 'stop', { timings: { queue_ms: 12, prompt_n: prompt - hit, prompt_ms: promptMs, cache_n: hit, predicted_n: out, predicted_ms: ms, predicted_per_second: (out / ms) * 1000, reasoning_ms: thinking ? reasoningMs : 0, draft_n: 120, draft_n_accepted: 97 } });
    if (body.stream_options?.include_usage) {
      put({ choices: [], usage: { prompt_tokens: prompt, completion_tokens: out, total_tokens: prompt + out, prompt_cache_hit_tokens: hit, prompt_cache_miss_tokens: prompt - hit, completion_tokens_details: { reasoning_tokens: thought } } });
    }
    res.end('data: [DONE]\n\n');
    state.running.delete(id);
  }

  async function runEvents(res) {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    const put = (event, o) => res.write(`event: ${event}\ndata: ${JSON.stringify(o)}\n\n`);
    put('run', { id: 'countdown-grpo', kind: 'rl', state: 'running', step: 240, steps: 400, started: Date.now() - 3.6e6 });
    let gone = false;
    res.on('close', () => { gone = true; });
    for (let step = 0; !gone && step < 400; step++) {
      put('metrics', texts.metrics(step));
      if (step % 40 === 0) put('sample', texts.sample(step));
      if (step > 240) await sleep(300);
    }
    if (!gone) await sleep(1e6);
  }

  const routes = {
    'GET /health': (_, res) => {
      if (state.loading > 0) {
        state.loading--;
        send(res, 503, { error: { code: 'model_loading', message: 'Loading model', type: 'unavailable_error', progress: 0.42 } });
      } else send(res, 200, { status: 'ok' });
    },
    'GET /v1/models': (_, res) => send(res, 200, { object: 'list', data: [
      { id: 'tarn-r1-7b', object: 'model', name: 'R1 Distill 7B', context_window: 32768, status: { value: 'loaded' } },
      { id: 'tarn-r1-1b', object: 'model', name: 'R1 Distill 1.5B', context_window: 8192, status: { value: 'unloaded' } }] }),
    'POST /v1/chat/completions': chat,
    'POST /v1/chat/completions/control': async (req, res) => {
      const { id } = await bodyOf(req);
      const run = state.running.get(id);
      if (run) run.end = true;
      send(res, run ? 200 : 404, { success: Boolean(run) });
    },
    'POST /tokenize': async (req, res) => {
      const { content } = await bodyOf(req);
      send(res, 200, { tokens: [], count: tokensOf(content) });
    },
    'GET /prices': (_, res) => send(res, 200, { prices: [{ model: '*', tariff: 'standard', currency: 'USD', from: '2025-01-20T00:00:00Z', to: null, hit: '0.14', miss: '0.55', output: '2.19' }] }),
    'GET /usage': (_, res) => send(res, 200, texts.usage()),
    'GET /conversations': (_, res) => send(res, 200, { conversations: [...state.conversations.values()].map((c) => ({ id: c.id, title: c.title, updated: state.written.get(c.id) ?? '', bytes: 1 })) }),
    'POST /feedback': async (req, res) => {
      const f = await bodyOf(req);
      const whole = { rating: Math.abs(f.rating) === 1, correction: typeof f.corrected === 'string', preference: typeof f.chosen === 'string' && typeof f.rejected === 'string' }[f.type];
      if (!whole || !Array.isArray(f.messages)) return fail(res, 400, 'type must be rating, correction or preference');
      state.feedback.push(f);
      send(res, 200, { stored: true });
    },
    'GET /runs': (_, res) => send(res, 200, { object: 'list', data: [
      { id: 'countdown-grpo', kind: 'rl', state: 'running', step: 240, steps: 400, started: Date.now() - 3.6e6 },
      { id: 'sft-arithmetic', kind: 'sft', state: 'done', step: 1200, steps: 1200, started: Date.now() - 9e7 }] }),
    'GET /runs/countdown-grpo/events': (_, res) => void runEvents(res),
    'GET /version': (_, res) => send(res, 200, { version: '0.0.0' }),
  };

  async function oneConversation(req, res, id) {
    if (req.method === 'PUT') {
      state.conversations.set(id, await bodyOf(req));
      state.written.set(id, new Date().toISOString());
      return send(res, 200, { stored: true });
    }
    const c = state.conversations.get(id);
    if (!c) return fail(res, 404, `no conversation ${id}`);
    if (req.method === 'DELETE') state.conversations.delete(id);
    return send(res, 200, c);
  }

  const server = createServer((req, res) => {
    const path = decodeURIComponent(new URL(req.url, 'http://x').pathname);
    if (state.down) return req.socket.destroy();
    const open = path === '/health' || (req.method === 'GET' && (path === '/' || existsSync(join(DIST, path.slice(1)))));
    if (state.key && !open && req.headers.authorization !== `Bearer ${state.key}`) return fail(res, 401, 'a valid key is needed', 'invalid_api_key');
    const conv = /^\/conversations\/(.+)$/.exec(path);
    const run = routes[`${req.method} ${path}`];
    const done = conv ? oneConversation(req, res, conv[1]) : run ? run(req, res) : staticFile(req, res, path);
    Promise.resolve(done).catch((e) => (res.headersSent ? res.destroy() : fail(res, 500, String(e))));
  });
  server.on('connection', (s) => {
    state.connections.add(s);
    s.on('close', () => state.connections.delete(s));
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      const stop = () => new Promise((r) => { server.close(r); for (const s of state.connections) s.destroy(); });
      resolve({ url: `http://127.0.0.1:${server.address().port}/`, state, stop });
    });
  });
}

if (import.meta.main || process.argv[1]?.endsWith('mock-server.mjs')) {
  const s = await serve({ port: Number(process.argv[2] ?? 8090), rate: Number(process.argv[3] ?? 120) });
  console.log(s.url);
}
