/* screenshots.mjs - the pictures of docs/img: the program with the model that comes with it.
 * usage: node test/screenshots.mjs RUNS [FOLDER]   (after make; RUNS holds training runs, docs/web.md) */
import { chromium } from 'playwright-core';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [runsDir, out = join(root, 'docs', 'img')] = process.argv.slice(2);
const state = mkdtempSync(join(tmpdir(), 'tarn-shots-'));
const server = spawn(join(root, 'build/latest/tarn'), ['serve', join(root, 'models/tarn-small.gguf'), '--listen', '127.0.0.1:0', '--state', state, '--runs', runsDir], { stdio: ['ignore', 'ignore', 'pipe'] });
const url = await new Promise((done, fail) => {
  let said = '';
  server.stderr.on('data', (d) => {
    said += d;
    const m = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
    if (m) done(`${m[0]}/`);
  });
  server.on('exit', () => fail(new Error(said)));
});
const price = { model: '*', currency: 'USD', from: '2025-01-20T00:00:00Z', hit: '0.14', miss: '0.55', output: '2.19' }; // R1's of January 2025
await fetch(`${url}admin/prices`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ prices: [price] }) });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
});

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 780 }, deviceScaleFactor: 1.5, serviceWorkers: 'block', ...options });
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForSelector('.server.ready', { state: 'attached' });
  return page;
}

async function ask(page, text) {
  const before = await page.locator('.answer').count();
  await page.fill('#ask', text);
  await page.press('#ask', 'Enter');
  await page.locator('.answer').nth(before).and(page.locator('[aria-busy="false"]')).waitFor({ timeout: 90_000 });
}

const picture = async (page, name) => {
  await page.mouse.move(5, 5);
  await page.waitForTimeout(700);
  await page.screenshot({ path: join(out, `${name}.png`) });
};
const QUESTIONS = ['Hana has 19 pens. Then the number of pens Hana has is doubled. How many pens are there at the end?', 'What is 27 + 49? Show your steps.', 'For which x is 5x+4 = 24? Show your steps.'];
async function several(page) {
  for (const q of QUESTIONS) {
    await page.keyboard.press('Control+Shift+O');
    await ask(page, q);
  }
  await page.keyboard.press('Control+Shift+O');
}

const chat = await open();
await several(chat);
await ask(chat, 'With 10, 4 and 12, each used exactly once, and +, - and *, make 28. Think step by step.');
await chat.click('.thinking summary');
await picture(chat, 'chat');

const dark = await open({ colorScheme: 'dark' });
await several(dark);
await ask(dark, 'What is 384 - 157? Show your steps.');
await dark.click('.thinking summary');
await dark.click('.timing summary');
await picture(dark, 'chat-dark');

const phone = await open({ viewport: { width: 320, height: 620 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
await ask(phone, 'For which x is 3x-3 = 6? Show your steps.');
await phone.click('.thinking summary');
await picture(phone, 'phone');

await chat.click('.sidebar a:has-text("Usage")');
await chat.waitForSelector('.bars');
await chat.setViewportSize({ width: 1000, height: 1150 });
await picture(chat, 'usage');

const runs = await open({ colorScheme: 'dark', viewport: { width: 1000, height: 1450 }, deviceScaleFactor: 1.2 });
await runs.click('.sidebar a:has-text("Training runs")');
await runs.click('.runs a >> nth=0');
await runs.waitForSelector('.sample');
await runs.waitForTimeout(2500);
await runs.locator('.sample summary').first().click();
await picture(runs, 'runs');

await browser.close();
server.kill('SIGTERM');
rmSync(state, { recursive: true, force: true });
