/* page.mjs - a browser with a fresh profile, the mock server, and a watch on everything a test
 * must not see: errors, policy violations, requests to any other host. */
import { chromium } from 'playwright-core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { serve } from '../mock-server.mjs';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];

/** Runs `body` with { page, server, context, seen } and checks afterwards that all stayed quiet. */
export async function withPage(options, body) {
  const { viewport = { width: 1200, height: 820 }, rate = 3000, ...rest } = options;
  const server = await serve({ rate });
  const profile = mkdtempSync(join(tmpdir(), 'tarn-web-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS, viewport, locale: 'en-US', acceptDownloads: true,
    permissions: ['clipboard-read', 'clipboard-write'], ...rest,
  });
  const seen = { errors: [], foreign: [], quiet: true };
  const watch = (page) => {
    page.on('pageerror', (e) => seen.errors.push(String(e)));
    page.on('console', (m) => {
      if (m.type() === 'error' && !/Failed to load resource|net::ERR/.test(m.text())) seen.errors.push(m.text());
    });
    page.on('request', (r) => {
      if (!r.url().startsWith(server.url) && !/^(blob|data):/.test(r.url())) seen.foreign.push(r.url());
    });
  };
  context.on('page', watch);
  const page = context.pages()[0] ?? (await context.newPage());
  watch(page);
  page.setDefaultTimeout(180000); // the machine may be busy
  try {
    await page.goto(server.url);
    await page.waitForSelector('#ask');
    await page.waitForSelector('.server.ready, .server.loading, .server.locked', { state: 'attached' });
    await body({ page, server, context, seen });
    assert.deepEqual(seen.errors, [], 'errors in the page');
    assert.deepEqual(seen.foreign, [], 'requests to other hosts');
  } finally {
    await context.close();
    await server.stop();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** The answer shown last: its id, which differs for every version. */
export function newest(page) {
  return page.evaluate(() => [...document.querySelectorAll('.answer')].at(-1)?.id ?? '');
}

export async function ask(page, text, { wait = true } = {}) {
  const before = await newest(page);
  await page.fill('#ask', text);
  await page.press('#ask', 'Enter');
  if (wait) await finished(page, before);
}

/** The last answer is complete, and is not the one with the id `before`. */
export async function finished(page, before = '') {
  const other = before ? `:not([id="${before}"])` : '';
  await page.waitForSelector(`.answer:last-child[aria-busy="false"]${other}`, { timeout: 300000 });
}

/** Does something that makes a new answer or version, and waits until that is complete. */
export async function answered(page, act) {
  const before = await newest(page);
  await act();
  await finished(page, before);
}

/** Presses "Continue" under an answer that was cut, and waits until it is whole. */
export async function continued(page) {
  await page.locator('.note').last().getByText('Continue').click();
  await page.waitForSelector('.answer:last-child[aria-busy="false"]:not(:has(.note))', { timeout: 300000 });
}

/** What is read becomes what is expected: the page draws after the key or click has returned. */
export async function becomes(read, expected, what) {
  for (const end = Date.now() + 60000; ;) {
    const now = await read();
    const ok = expected instanceof RegExp ? expected.test(now) : isDeepStrictEqual(now, expected);
    if (ok) return;
    if (Date.now() > end) {
      if (expected instanceof RegExp) assert.match(now, expected, what);
      assert.deepEqual(now, expected, what);
    }
    await new Promise((r) => setTimeout(r, 25));
  }
}

export const lastAnswer = (page) => page.locator('.answer').last();
