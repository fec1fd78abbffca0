/* The page in the real server: compiled in, over a fake engine. Needs the C tests to be built
 * (tools/run-tests names their folder in TARN_TEST_BUILD). */
import test from 'node:test';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

const build = process.env.TARN_TEST_BUILD;
const program = build ? resolve(here, '..', '..', '..', build, 'tests', 'http', 'fake_server') : '';
const manifest = JSON.parse(readFileSync(join(here, '..', '..', 'dist', 'manifest.json'), 'utf8'));
const script = manifest.files.find((f) => f.path.startsWith('app-') && f.path.endsWith('.js')).path;

async function start(state) {
  const child = spawn(program, ['--listen', '127.0.0.1:0', '--state', state], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((done, fail) => {
    child.stdout.on('data', (d) => {
      const m = /port (\d+)/.exec(String(d));
      if (m) done(m[1]);
    });
    child.on('exit', () => fail(new Error('the server ended')));
  });
  return { child, url: `http://127.0.0.1:${port}/` };
}

async function carries(url) {
  return (await (await fetch(url)).text()).includes(script);
}

test('ask, judge, keep on the server', { skip: existsSync(program) ? false : 'skipped: the fake server is not built' }, async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'tarn-state-'));
  const { child, url } = await start(state);
  try {
    if (!(await carries(url))) return t.skip('skipped: the server was built with another web/dist');
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu'] });
    const page = await browser.newPage();
    const refused = [];
    page.on('console', (m) => /Content Security Policy|Trusted/.test(m.text()) && refused.push(m.text()));
    page.on('pageerror', (e) => refused.push(String(e)));
    await page.goto(url);
    await page.waitForSelector('.server.ready');
    await page.fill('#ask', 'How many trees?');
    await page.press('#ask', 'Enter');
    await page.waitForSelector('.answer:last-child[aria-busy="false"] .content :text("The answer is 12")');
    assert.match(await page.locator('.thinking summary').innerText(), /Thought/);
    await page.getByLabel('Good answer').click();
    await page.keyboard.press('Control+,');
    await page.getByRole('tab', { name: 'Data' }).click();
    await page.getByLabel('Keep history on the server too').check();
    let list = [];
    for (let i = 0; i < 600 && list.length === 0; i++) {
      await page.waitForTimeout(100);
      list = (await (await fetch(url + 'conversations')).json()).conversations;
    }
    assert.equal(list[0].title, 'How many trees?');
    const feedback = (await (await fetch(url + 'feedback')).text()).trim().split('\n').map((l) => JSON.parse(l));
    assert.deepEqual(feedback.map((f) => [f.type, f.rating]), [['rating', 1]]);
    await page.keyboard.press('Escape');
    await page.click('.sidebar a:has-text("Usage")');
    await page.waitForSelector('.page tbody tr');
    assert.deepEqual(refused, []);
    await browser.close();
  } finally {
    child.kill('SIGINT');
    rmSync(state, { recursive: true, force: true });
  }
});
