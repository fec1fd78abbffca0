// run.mjs - two coding agents, unmodified, against the fake server: each is asked something, gets a
// streamed answer with thinking and a tool call, runs the tool, sends the result back and ends with
// the second answer. HOME is empty, nothing but the server's address is theirs.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { check, same, start, finish, tempDir, get } from '../lib.mjs';

const modules = process.argv[2];
const s = await start(['--state', tempDir(), '--key', 'k', '--ctx', 1000000]);
const marker = 'echo marker-$((40+2))';

function run(program, args, env) {
    const home = tempDir(), cwd = path.join(home, 'work');
    mkdirSync(cwd);
    return new Promise(done => {
        const child = execFile(program, args, { cwd, timeout: 120000, maxBuffer: 64 << 20, env: { PATH: process.env.PATH, HOME: home, ...env(home) } },
            (error, out, err) => done({ code: error ? error.code ?? 1 : 0, err, rows: out.split('\n').filter(l => l.startsWith('{')).map(l => JSON.parse(l)) }));
        child.stdin.end();
    });
}
const question = (tool, args) => `Please say [[think:why not]][[say:let me see]][[call:${tool}|${JSON.stringify(args)}]][[after:it is 42]]`;

{
    const r = await run(path.join(modules, '@anthropic-ai/claude-code-linux-x64/claude'),
        ['-p', '--output-format', 'stream-json', '--verbose', '--include-partial-messages', '--allowedTools', 'Bash', '--', question('Bash', { command: marker, description: 'x' })],
        () => ({ ANTHROPIC_BASE_URL: s.url, ANTHROPIC_API_KEY: 'k', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1', DISABLE_AUTOUPDATER: '1', DISABLE_ERROR_REPORTING: '1' }));
    const blocks = r.rows.filter(x => x.type === 'assistant').flatMap(x => x.message.content);
    same(r.code, 0, `Claude Code ends well: ${r.err.slice(-500)}`);
    same(blocks.map(b => b.type), ['thinking', 'text', 'tool_use', 'text'], 'Claude Code: thinking, text, call, answer');
    same(blocks[2]?.input?.command, marker, 'Claude Code: the call');
    const results = r.rows.filter(x => x.type === 'user').flatMap(x => x.message.content);
    same(results.map(x => [x.type, x.content, x.is_error]), [['tool_result', 'marker-42', false]], 'Claude Code: the tool ran');
    check(r.rows.some(x => x.event?.delta?.type === 'input_json_delta'), 'Claude Code: the call was streamed');
    same([r.rows.at(-1)?.subtype, r.rows.at(-1)?.result], ['success', 'it is 42'], 'Claude Code: the result');
}
{
    const config = home => {
        mkdirSync(path.join(home, '.codex'));
        writeFileSync(path.join(home, '.codex/config.toml'), `model = "local-r1"\nmodel_provider = "tarn"\ncheck_for_update_on_startup = false\n[model_providers.tarn]\nname = "tarn"\n` +
            `base_url = "${s.url}/v1"\nenv_key = "TARN_KEY"\nwire_api = "responses"\n[analytics]\nenabled = false\n`);
        return { CODEX_HOME: path.join(home, '.codex'), TARN_KEY: 'k' };
    };
    const r = await run(path.join(modules, '@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex'),
        ['exec', '--json', '--skip-git-repo-check', '-s', 'danger-full-access', question('exec_command', { cmd: marker })], config);
    const items = r.rows.filter(x => x.type === 'item.completed' && x.item.type !== 'error').map(x => x.item);
    same(r.code, 0, `Codex ends well: ${r.err.slice(-500)}`);
    same(items.map(i => i.type), ['reasoning', 'agent_message', 'command_execution', 'agent_message'], 'Codex: thinking, text, call, answer');
    same([items[0]?.text, items[1]?.text, items[3]?.text], ['why not', 'let me see', 'it is 42'], 'Codex: the texts');
    same([items[2]?.aggregated_output, items[2]?.exit_code], ['marker-42\n', 0], 'Codex: the tool ran');
    const u = r.rows.at(-1);
    check(u?.type === 'turn.completed' && u.usage.cached_input_tokens > u.usage.input_tokens / 3, 'Codex: the second request hits the cache', u);
}
{
    const u = (await get(s, '/usage?group=model', { authorization: 'Bearer k' })).json.rows[0];
    check(u.requests >= 4 && u.completion_tokens > 0, 'the ledger has the agents\' requests', u);
}
await s.stop();
finish();
