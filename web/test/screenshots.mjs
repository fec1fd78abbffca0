/* screenshots.mjs - the pictures of docs/img, from the mock server.
 * usage: node test/screenshots.mjs [folder]   (after tools/build-web) */
import { chromium } from 'playwright-core';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from './mock-server.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

const out = process.argv[2] ?? join(here, '..', '..', 'docs', 'img');
const server = await serve({ rate: 900 });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'],
});

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 780 }, deviceScaleFactor: 1.5, serviceWorkers: 'block', ...options });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.waitForSelector('.server.ready', { state: 'attached' });
  return page;
}

async function ask(page, text) {
  await page.fill('#ask', text);
  await page.press('#ask', 'Enter');
  await page.waitForSelector('.answer:last-child[aria-busy="false"]', { timeout: 90_000 });
  await page.waitForTimeout(800);
}

async function top(page) {
  await page.locator('.thread').evaluate((e) => {
    e.scrollTop = 0;
  });
  await page.mouse.move(5, 700);
  await page.waitForTimeout(400);
}

async function several(page) {
  for (const q of ['Proof that √2 is irrational', 'Kahan summation, in code please', 'Knights and knaves: who lies?']) {
    await page.keyboard.press('Control+Shift+O');
    await ask(page, q);
  }
  await page.keyboard.press('Control+Shift+O');
}

const chat = await open();
await several(chat);
await ask(chat, 'Why is the geometric series with q = ½ equal to 2?');
await chat.click('.thinking summary');
await top(chat);
await chat.screenshot({ path: join(out, 'chat.png') });

const dark = await open({ colorScheme: 'dark' });
await several(dark);
await ask(dark, 'Show me Kahan summation in Python and C, with code');
await dark.click('.timing summary');
await dark.locator('.thread').evaluate((e) => {
  e.scrollTop = e.scrollHeight;
});
await dark.waitForTimeout(500);
await dark.screenshot({ path: join(out, 'chat-dark.png') });

const phone = await open({ viewport: { width: 360, height: 700 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
await ask(phone, 'Why is the geometric series with q = ½ equal to 2?');
await top(phone);
await phone.screenshot({ path: join(out, 'phone.png') });

const runs = await open();
await runs.goto(server.url + '#/runs/countdown-grpo');
await runs.waitForSelector('.sample');
await runs.waitForTimeout(2500);
await runs.screenshot({ path: join(out, 'runs.png') });

await browser.close();
await server.stop();
