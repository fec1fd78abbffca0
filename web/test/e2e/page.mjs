/* page.mjs - a browser with a fresh profile, the mock server, and a watch on everything a test
 * must not see: errors, policy violations, requests to any other host. */
import { chromium } from 'playwright-core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
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

export async function ask(page, text, { wait = true } = {}) {
  await page.fill('#ask', text);
  await page.press('#ask', 'Enter');
  if (wait) await finished(page);
}

/** The last answer is complete. */
export async function finished(page) {
  await page.waitForSelector('.answer:last-child[aria-busy="false"]', { timeout: 300000 });
}

export const lastAnswer = (page) => page.locator('.answer').last();
