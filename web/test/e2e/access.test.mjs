/* Keyboard only, screen readers (axe), small and large, both directions, dark and light. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { answered, ask, becomes, finished, withPage } from './page.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/* axe needs eval in the page, which the policy forbids; it runs in the browser's isolated world. */
async function audit(page, where) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  await session.send('Runtime.evaluate', { contextId, expression: axe });
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const expression = `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then((r) => JSON.stringify(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 160) + ' — ' + n.failureSummary.slice(0, 300))])))`;
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', { contextId, expression, awaitPromise: true });
  assert.equal(exceptionDetails, undefined);
  await session.detach();
  // wide formulas scroll; browsers make scrollers without controls focusable by themselves, which axe does not know
  const found = JSON.parse(result.value).filter(([id, nodes]) => id !== 'scrollable-region-focusable' || !nodes.every((n) => n.includes('class="math')));
  assert.deepEqual(found, [], `accessibility of ${where}`);
}

async function noOverflow(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `the page is ${wide} px wider than the window`);
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe: every view, ${colorScheme}`, async () => {
    await withPage({ colorScheme }, async ({ page, server }) => {
      await audit(page, 'an empty chat');
      await ask(page, 'code please');
      await ask(page, 'table please');
      await ask(page, 'refuse this');
      await page.click('.alarm button');
      await page.waitForSelector('.hljs-keyword');
      await page.locator('.thinking summary').first().click();
      await page.locator('.timing summary').first().click();
      await audit(page, 'a conversation');
      await page.getByRole('button', { name: 'More' }).first().click();
      await audit(page, 'a menu');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+,');
      for (const tab of ['Page', 'Answers', 'Presets', 'Data']) {
        await page.getByRole('tab', { name: tab }).click();
        await audit(page, `settings, ${tab}`);
      }
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+K');
      await page.waitForSelector('dialog [role=option]');
      await audit(page, 'search');
      await page.keyboard.press('Escape');
      await page.click('.sidebar a:has-text("Usage")');
      await page.waitForSelector('.bars');
      await audit(page, 'usage');
      await page.click('.sidebar a:has-text("Training runs")');
      await page.waitForSelector('.runs li');
      await audit(page, 'runs');
      await page.click('.runs a');
      await page.waitForSelector('.curve canvas');
      await audit(page, 'one run');
      assert.ok(server.state.requests.length === 3);
    });
  });
}

test('keyboard only: ask, unfold the thinking, edit, switch versions, search, settings', async () => {
  await withPage({}, async ({ page }) => {
    const focus = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '');
    const tabTo = async (name, back = false) => {
      for (let i = 0; i < 60; i++) {
        if ((await focus()).startsWith(name)) return;
        await page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
      }
      assert.fail(`no way to ${name} by Tab`);
    };
    await page.keyboard.type('How many?');
    await page.keyboard.press('Enter');
    await finished(page);
    await tabTo('Thought for', true);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.thinking details[open] .prose math');
    await tabTo('Answer again');
    await answered(page, () => page.keyboard.press('Enter'));
    await tabTo('Previous version');
    await page.keyboard.press('Enter');
    await becomes(() => page.locator('.versions').innerText(), /1\/2/);
    await page.keyboard.press('/');
    await becomes(focus, 'Your message');
    await page.keyboard.press('ArrowUp');
    await page.waitForSelector('.editor textarea:focus');
    await page.keyboard.press('End');
    await page.keyboard.type(' Really?');
    await answered(page, () => page.keyboard.press('Control+Enter'));
    await becomes(() => page.locator('.asked').allInnerTexts(), ['How many? Really?']);
    await tabTo('More', true);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=menuitem]:focus');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await becomes(focus, 'Branch into new chat');
    await page.keyboard.press('Escape');
    await becomes(focus, 'More');
    await page.keyboard.press('Control+B');
    await becomes(() => page.locator('.sidebar').isVisible(), false);
    await page.keyboard.press('Control+B');
    await page.keyboard.press('Control+,');
    await page.waitForSelector('[role=tab]');
    await tabTo('Page');
    await page.keyboard.press('ArrowRight');
    await becomes(focus, 'Answers');
    await page.keyboard.press('Escape');
    await becomes(() => page.locator('dialog').count(), 0);
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press('?');
    await page.waitForSelector('dialog .keys');
  });
});

test('the growing answer is in no live region; headings lead through the messages', async () => {
  await withPage({ rate: 100 }, async ({ page }) => {
    await ask(page, 'How many?', { wait: false });
    await page.waitForSelector('.thinking .prose .block');
    const live = await page.locator('.prose').evaluateAll((l) => l.filter((e) => e.closest('[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]')).length);
    assert.equal(live, 0);
    await becomes(() => page.locator('[role=status]').innerText(), /Thinking/);
    await becomes(() => page.locator('.thread h2').allInnerTexts(), ['You', 'R1 Distill 7B']);
  });
});

test('a phone of 320 pixels: nothing is cut, the sidebar opens and closes', async () => {
  await withPage({ viewport: { width: 320, height: 600 }, hasTouch: true, isMobile: true }, async ({ page }) => {
    await noOverflow(page);
    await ask(page, 'table please');
    await ask(page, 'readme');
    await ask(page, 'code please');
    await noOverflow(page);
    await audit(page, 'a narrow conversation');
    await page.getByLabel('Show sidebar').click();
    await page.waitForSelector('[data-sidebar=open] .sidebar');
    await noOverflow(page);
    await page.click('.sidebar >> text=Settings');
    for (const tab of ['Answers', 'Data']) {
      await page.getByRole('tab', { name: tab }).click();
      const d = await page.locator('dialog').evaluate((e) => e.scrollWidth - e.clientWidth);
      assert.ok(d <= 0, `dialog ${tab} is ${d} px too wide`);
    }
    await page.keyboard.press('Escape');
    await page.click('.shade', { position: { x: 310, y: 300 } });
    await becomes(() => page.locator('.sidebar').isVisible(), false);
  });
});

test('zoom of 400 % on a small screen', async () => {
  await withPage({ viewport: { width: 1280, height: 1024 } }, async ({ page }) => {
    await ask(page, 'readme');
    await page.setViewportSize({ width: 320, height: 256 });
    await noOverflow(page);
    assert.ok(await page.locator('#ask').isVisible());
  });
});

test('seven languages; Arabic runs from right to left', async () => {
  await withPage({}, async ({ page }) => {
    const expected = { zh: '新对话', es: 'Nuevo chat', de: 'Neuer Chat', fr: 'Nouvelle discussion', ja: '新しいチャット', ar: 'محادثة جديدة' };
    for (const [lang, text] of Object.entries(expected)) {
      await page.keyboard.press('Control+,');
      await page.locator('dialog select').nth(1).selectOption(lang);
      await page.keyboard.press('Escape');
      await page.waitForSelector(`.sidebar .row:has-text("${text}")`);
      await becomes(() => page.evaluate(() => document.documentElement.lang), lang);
    }
    await ask(page, 'arabic');
    await becomes(() => page.evaluate(() => document.documentElement.dir), 'rtl');
    const side = await page.locator('.sidebar').boundingBox();
    assert.ok(side.x > 600, 'the sidebar is on the right');
    assert.equal(await page.locator('.code pre').evaluate((e) => getComputedStyle(e).direction), 'ltr');
    await noOverflow(page);
    await page.reload();
    await page.waitForSelector('.answer');
    await becomes(() => page.evaluate(() => document.documentElement.dir), 'rtl');
  });
});

test('theme: by the system, by choice, without a flash', async () => {
  await withPage({ colorScheme: 'light' }, async ({ page }) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.keyboard.press('Control+,');
    await page.locator('dialog select').first().selectOption('dark');
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.reload({ waitUntil: 'commit' });
    await page.waitForFunction(() => document.body !== null && document.styleSheets.length > 0);
    assert.equal(await ground(), dark, 'dark from the first moment');
  });
});
