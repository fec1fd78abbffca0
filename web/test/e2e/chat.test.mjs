/* Asking, streaming, stopping, editing, branching: what a reader does every day. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { answered, ask, becomes, continued, finished, lastAnswer, withPage } from './page.mjs';

test('ask: thinking streams, folds and tells its time; the answer is typeset', async () => {
  await withPage({ rate: 150 }, async ({ page, server }) => {
    await ask(page, 'How many?', { wait: false });
    await page.waitForSelector('.thinking.growing details[open] .prose');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'ask', 'focus stays in the box');
    await finished(page);
    await becomes(() => page.locator('.thinking details[open]').count(), 0, 'folded');
    await becomes(() => page.locator('.thinking summary').innerText(), /Thought for [\d.]+\s?s/);
    await page.waitForSelector('.answer .content math');
    await becomes(() => lastAnswer(page).locator('.content').innerText(), /^The answer is 12/);
    await becomes(() => lastAnswer(page).locator('.timing summary').innerText(), /tokens\/s · \d+ tokens · \$0\.0/);
    await becomes(() => page.locator('[role=status]').innerText(), /Done, \d+ words/);
    const [sent] = server.state.requests;
    assert.deepEqual(sent.messages, [{ role: 'user', content: 'How many?' }]);
    assert.equal(sent.stream_options.include_usage, true);
    await page.locator('.thinking summary').click();
    await page.waitForSelector('.thinking .prose math');
  });
});

test('answer now ends the thinking', async () => {
  await withPage({ rate: 300 }, async ({ page }) => {
    await ask(page, 'think long', { wait: false });
    await page.click('text=Answer now');
    await finished(page);
    await becomes(() => lastAnswer(page).locator('.content').innerText(), /42/);
  });
});

test('stop with Escape keeps what came; continue goes on from there', async () => {
  await withPage({ rate: 200 }, async ({ page, server }) => {
    await ask(page, 'code please', { wait: false });
    await page.waitForSelector('.answer .content pre');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.note:has-text("Stopped")');
    const before = await lastAnswer(page).locator('.content').innerText();
    assert.ok(before.length > 20);
    server.state.rate = 3000;
    await continued(page);
    const sent = server.state.requests.at(-1).messages.at(-1);
    assert.equal(sent.prefix, true);
    assert.ok(sent.content.startsWith('Here is a loop'));
    const after = await lastAnswer(page).locator('.content').innerText();
    assert.match(after, /the paper/);
    await becomes(() => page.locator('.answer').count(), 1);
    assert.equal((after.match(/Here is a loop/g) ?? []).length, 1, 'nothing is shown twice');
  });
});

test('an answer goes on while another conversation is open', async () => {
  await withPage({ rate: 300 }, async ({ page }) => {
    await ask(page, 'code please', { wait: false });
    await page.waitForSelector('.answer .content pre');
    await page.keyboard.press('Control+Shift+O');
    await page.waitForSelector('.welcome');
    await becomes(() => page.locator('.sidebar .ripple').count(), 1);
    await ask(page, 'How many?');
    await page.waitForSelector('.sidebar .ripple', { state: 'detached' });
    await page.click('.sidebar a:has-text("code please")');
    await page.waitForSelector('.answer .content >> text=/the paper/');
  });
});

test('thinking off is sent and shows no thinking', async () => {
  await withPage({}, async ({ page, server }) => {
    await page.selectOption('.effort select', 'off');
    await ask(page, 'How many?');
    assert.deepEqual(server.state.requests[0].thinking, { type: 'disabled' });
    await becomes(() => page.locator('.thinking').count(), 0);
  });
});

test('a long prompt shows its progress', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'slow please', { wait: false });
    await page.waitForSelector('text=/of 12,000 tokens read/');
    await finished(page);
    await page.click('.timing summary');
    await becomes(() => page.locator('.timing table').innerText(), /Reading[\s\S]*from cache[\s\S]*Thinking[\s\S]*Answering/);
  });
});

test('edit a question: a branch beside the first, both can be shown', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'first');
    await ask(page, 'second');
    await page.locator('.question').first().hover();
    await page.locator('.question').first().getByLabel('Edit question').click();
    await page.fill('.editor textarea', 'first, better');
    await answered(page, () => page.keyboard.press('Control+Enter'));
    await becomes(() => page.locator('.asked').allInnerTexts(), ['first, better']);
    await page.locator('.question').first().hover();
    await page.getByLabel('Previous version').first().click();
    await becomes(() => page.locator('.asked').allInnerTexts(), ['first', 'second']);
  });
});

test('answer again, prefer, edit an answer, fork', async () => {
  await withPage({}, async ({ page, server }) => {
    await ask(page, 'How many?');
    await answered(page, () => page.getByLabel('Answer again').click());
    await becomes(() => page.locator('.versions').innerText(), /2\/2/);
    await page.getByLabel('Prefer this answer').click();
    await page.getByLabel('Bad answer').click();
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Write a better answer' }).click();
    await page.fill('dialog textarea', 'Twelve.');
    await page.click('dialog button:has-text("Save")');
    await page.waitForSelector('text=A better answer was written');
    const [preference, rating, correction] = server.state.feedback;
    const q = { role: 'user', content: 'How many?' };
    assert.deepEqual([preference.type, rating.type, correction.type], ['preference', 'rating', 'correction']);
    assert.deepEqual(preference.messages, [q]);
    assert.equal(preference.rejected, preference.chosen);
    assert.ok(preference.chosen_reasoning.length > 0 && preference.rejected_reasoning.length > 0);
    assert.equal(rating.rating, -1);
    assert.equal(correction.corrected, 'Twelve.');
    assert.deepEqual(correction.messages.map((m) => m.role), ['user', 'assistant']);
    assert.match(correction.messages[1].content, /^The answer/);

    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Edit answer' }).click();
    await page.fill('.answer .editor textarea', 'It is *twelve*.');
    await page.click('.answer .editor button:has-text("Save")');
    await becomes(() => page.locator('.versions').innerText(), /3\/3/);
    await page.waitForSelector('.answer em:has-text("twelve")');

    const before = page.url();
    await page.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name: 'Branch into new chat' }).click();
    await page.waitForFunction((u) => location.href !== u, before);
    await becomes(() => page.locator('.sidebar li').count(), 2);
    await becomes(() => page.locator('.versions').count(), 0);
  });
});

test('errors: refused, broken in the middle, connection lost, token limit while thinking', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'refuse this');
    await becomes(() => page.locator('.note.bad').innerText(), /maximum context length is 4096/);
    await becomes(() => page.locator('[role=alert]').innerText(), /maximum context length/);
    await page.click('.alarm button');
    await ask(page, 'break it');
    await becomes(() => page.locator('.note.bad').last().innerText(), /ran out of memory/);
    await ask(page, 'drop it');
    await becomes(() => page.locator('.note').last().innerText(), /connection was lost/);
    await becomes(() => lastAnswer(page).locator('.content').innerText(), /The answer is/);
    await continued(page);
    await becomes(() => lastAnswer(page).locator('.content').innerText(), /3×4=12|4.*12/s);
    await ask(page, 'limit it');
    await becomes(() => page.locator('.note').last().innerText(), /while thinking, before any answer/);
  });
});

test('code: colours, copy, wrap; links show their host', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'code please');
    await page.waitForSelector('.code .hljs-keyword');
    await becomes(() => page.locator('.code').count(), 2);
    await page.locator('.code').first().getByText('Copy').click();
    await page.waitForSelector('.code >> text=Copied');
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith('def total(') && copied.endsWith('return s'));
    await page.locator('.code').first().getByText('Wrap').click();
    await becomes(() => page.locator('.code.wrapped').count(), 1);
    await becomes(() => page.locator('.prose a').getAttribute('rel'), 'noopener noreferrer nofollow');
    await becomes(() => page.locator('.prose a').innerText(), /example\.org/);
  });
});

test('hostile Markdown does nothing', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'evil please');
    await page.waitForTimeout(500);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    await becomes(() => page.locator('.prose script, .prose img, .prose iframe, .prose [onclick], .prose [onerror]').count(), 0);
    const links = await page.locator('.prose a').evaluateAll((l) => l.map((a) => a.getAttribute('href')));
    assert.ok(links.includes('https://example.org/a') && links.every((h) => new URL(h).origin === 'https://example.org'), links.join(' '));
  });
});

test('files: token count, sent in front of the question; binary is refused; long paste becomes a file', async () => {
  await withPage({}, async ({ page, server }) => {
    const input = page.locator('.composer input[type=file]');
    await input.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('line one\r\nline two\n') });
    await page.waitForSelector('.chips >> text=/5 tokens/');
    await input.setInputFiles({ name: 'x.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 255, 1]) });
    await page.waitForSelector('.alarm >> text=x.bin is not a text file');
    await ask(page, 'Sum up');
    const { content } = server.state.requests[0].messages[0];
    assert.equal(content, '[file name]: notes.txt\n[file content begin]\nline one\nline two\n\n[file content end]\nSum up');
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.setData('text/plain', 'word '.repeat(3000));
      document.getElementById('ask').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await page.waitForSelector('.chips >> text=pasted-1.txt');
  });
});
