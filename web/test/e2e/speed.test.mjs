/* How quick it is: first paint, and a mathematical answer of 30,000 tokens that stays smooth. Times are
   printed; they decide nothing, because a machine may be busy with other things. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { loadavg } from 'node:os';
import { ask, finished, withPage } from './page.mjs';

test('first paint', async () => {
  await withPage({}, async ({ page }) => {
    const times = [];
    for (let i = 0; i < 9; i++) {
      await page.reload();
      await page.waitForSelector('#ask');
      times.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.getEntriesByType('paint')[0]?.startTime ?? Infinity));
    }
    const best = Math.min(...times);
    console.log(`first paint (load ${loadavg()[0].toFixed(1)}): ${times.map((x) => x.toFixed(0)).join(' ')} ms, best ${best.toFixed(0)} ms`);
    assert.ok(Number.isFinite(best), 'nothing was painted');
  });
});

test('30,000 tokens of mathematics', async () => {
  await withPage({ rate: 3000 }, async ({ page }) => {
    await page.evaluate(() => {
      window.long = [];
      new PerformanceObserver((l) => window.long.push(...l.getEntries().map((e) => e.duration))).observe({ type: 'longtask' });
      window.frames = 0;
      const count = () => {
        window.frames++;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
    });
    const from = Date.now();
    await ask(page, 'math 30000', { wait: false });
    await page.waitForSelector('.answer .content math', { state: 'attached' });
    // typing while it streams must stay possible
    const typing = [];
    while ((await page.locator('.answer[aria-busy=true]').count()) > 0) {
      const t = Date.now();
      await page.keyboard.type('x');
      typing.push(Date.now() - t);
      await page.waitForTimeout(150);
    }
    await finished(page);
    const s = (Date.now() - from) / 1000;
    const { long, frames, nodes, letters } = await page.evaluate(() => ({
      long: window.long, frames: window.frames, nodes: document.querySelectorAll('.answer *').length, letters: document.querySelector('.answer .content').textContent.length,
    }));
    const worst = Math.max(0, ...long);
    const blocked = long.reduce((a, b) => a + b, 0) / 1000;
    console.log(`${letters} letters, ${nodes} elements in ${s.toFixed(1)} s: ${(frames / s).toFixed(0)} frames/s, ` +
      `${long.length} long tasks (worst ${worst.toFixed(0)} ms, ${blocked.toFixed(1)} s in all), slowest key ${Math.max(...typing)} ms`);
    assert.ok(nodes > 5000);
    const rest = await page.locator('.thread').evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight);
    assert.ok(rest < 60, 'still at the bottom');
  });
});

test('the reader who scrolls up is left alone', async () => {
  await withPage({ rate: 600 }, async ({ page }) => {
    await ask(page, 'math 3000', { wait: false });
    await page.waitForFunction(() => document.querySelector('.thread')?.scrollTop > 400);
    await page.locator('.thread').hover();
    await page.mouse.wheel(0, -300);
    await page.waitForTimeout(300);
    const before = await page.locator('.thread').evaluate((e) => e.scrollTop);
    await page.waitForTimeout(1200);
    assert.equal(await page.locator('.thread').evaluate((e) => e.scrollTop), before);
    await page.getByLabel('To the end').click();
    await page.waitForFunction(() => {
      const e = document.querySelector('.thread');
      return e.scrollHeight - e.scrollTop - e.clientHeight < 60;
    });
    await page.keyboard.press('Escape');
  });
});

test('usage: tokens, money and energy day by day, and what others would have charged', async () => {
  await withPage({}, async ({ page }) => {
    await page.click('.sidebar a:has-text("Usage")');
    await page.waitForSelector('.bars');
    assert.deepEqual(await page.locator('.bars').evaluateAll((l) => l.map((e) => [e.getAttribute('aria-label'), e.children.length])),
      [['Tokens per day', 30], ['Money per day', 30], ['Energy per day', 30]]);
    const text = await page.locator('.page').innerText();
    assert.match(text, /Energy\n\d+ Wh/);
    assert.match(text, /An estimate: a fixed power/);
    assert.match(text, /The same tokens at published API prices\s+Here\s+\$\d+\.\d\d\s+deepseek-reasoner\s+\$0\.\d+\s+gpt-5\s+\$\d/);
    const tall = await page.locator('.bars i').evaluateAll((l) => l.filter((e) => e.getBoundingClientRect().height > 2).length);
    assert.ok(tall > 60, `${tall} bars can be seen`);
  });
});

test('training runs: curves and thoughts arrive live', async () => {
  await withPage({}, async ({ page }) => {
    await page.click('.sidebar a:has-text("Training runs")');
    await page.click('.runs a:has-text("countdown-grpo")');
    await page.waitForSelector('.curve canvas');
    assert.equal(await page.locator('.curve').count(), 8);
    assert.equal(await page.locator('.curve figcaption span').first().innerText(), 'reward');
    const step = () => Number(/Step (\d+)/.exec(document.querySelector('.page .hint').innerText)[1]);
    const before = await page.evaluate(step);
    await page.waitForFunction((from) => Number(/Step (\d+)/.exec(document.querySelector('.page .hint').innerText)[1]) > from, before);
    await page.locator('.sample summary').first().click();
    await page.waitForSelector('.sample .reasoning math');
  });
});
