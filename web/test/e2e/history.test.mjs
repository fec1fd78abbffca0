/* What is kept: reload, search, rename, export and import, server-side history, offline. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { mathematics } from '../texts.mjs';
import { ask, becomes, continued, finished, lastAnswer, withPage } from './page.mjs';

/** The messages in the browser's database. */
function stored(page) {
  return page.evaluate(() => new Promise((done, fail) => {
    const open = indexedDB.open('tarn', 1);
    open.onerror = fail;
    open.onsuccess = () => {
      const all = open.result.transaction('conversation').objectStore('conversation').getAll();
      all.onerror = fail;
      all.onsuccess = () => {
        open.result.close();
        done(all.result.flatMap((c) => c.messages));
      };
    };
  }));
}

test('reload: conversation, place and draft are there again', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'How many?');
    await page.fill('#ask', 'a draft');
    const text = await lastAnswer(page).locator('.content').innerText();
    await page.reload();
    await page.waitForSelector('.answer .content math');
    await becomes(() => lastAnswer(page).locator('.content').innerText(), text);
    await becomes(() => page.inputValue('#ask'), 'a draft');
    await becomes(() => page.locator('.sidebar li').count(), 1);
  });
});

test('reload in the middle of an answer keeps the partial text and offers to continue', async () => {
  await withPage({ rate: 60 }, async ({ page, server }) => {
    await ask(page, 'math 3000', { wait: false });
    await page.waitForSelector('.answer .content math');
    await becomes(async () => (await stored(page)).some((m) => m.content.length > 40), true);
    server.state.rate = 20000;
    await page.reload();
    await page.waitForSelector('.note:has-text("connection was lost")');
    assert.ok((await lastAnswer(page).locator('.content').innerText()).length > 30);
    await continued(page);
    await page.waitForSelector('.answer .content >> text=/Therefore/');
  });
});

test('several conversations, search in titles and texts, rename, pin, delete', async () => {
  await withPage({}, async ({ page }) => {
    for (const q of ['Rows of trees', 'table of kernels', 'Café au lait']) {
      await page.keyboard.press('Control+Shift+O');
      await ask(page, q);
    }
    await becomes(() => page.locator('.sidebar li a').allInnerTexts(), ['Café au lait', 'table of kernels', 'Rows of trees']);
    await page.keyboard.press('Control+K');
    await page.fill('dialog input', 'avx-512');
    await page.waitForSelector('dialog mark:has-text("AVX-512")');
    await becomes(() => page.locator('dialog [role=option]').count(), 1);
    await page.fill('dialog input', 'cafe');
    await page.waitForSelector('dialog [role=option]:has-text("Café")');
    await page.fill('dialog input', 'rows trees');
    await page.waitForSelector('dialog [role=option]:has-text("Rows of trees")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.asked:has-text("Rows of trees")');

    const item = page.locator('.sidebar li.here');
    await item.getByRole('button', { name: 'Actions for' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.fill('dialog input', 'Orchard');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.sidebar a:has-text("Orchard")');
    await item.getByRole('button', { name: 'Actions for' }).click();
    await page.getByRole('menuitem', { name: 'Pin' }).click();
    await page.waitForSelector('.sidebar h2:has-text("Pinned")');
    await becomes(() => page.locator('.sidebar li a').first().innerText(), 'Orchard');

    await page.keyboard.press('Control+Shift+D');
    await page.click('dialog button.main');
    await page.waitForSelector('.welcome');
    await becomes(() => page.locator('.sidebar li').count(), 2);
  });
});

test('export all, delete all, import: the same conversations again; ChatGPT files too', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'How many?');
    await page.keyboard.press('Control+Shift+O');
    await ask(page, 'code please');
    const open = async () => {
      await page.keyboard.press('Control+,');
      await page.getByRole('tab', { name: 'Data' }).click();
    };
    await open();
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('text=Export all 2 conversations')]);
    const list = JSON.parse(readFileSync(await file.path(), 'utf8'));
    assert.deepEqual(list.map((c) => c.format), ['tarn-conversation', 'tarn-conversation']);
    assert.ok(list.every((c) => c.messages.length === 2 && c.messages[1].usage));
    const place = mkdtempSync(join(tmpdir(), 'tarn-export-'));
    writeFileSync(join(place, 'all.json'), JSON.stringify(list));
    writeFileSync(join(place, 'conversations.json'), JSON.stringify([{ title: 'Old talk', create_time: 1, current_node: 'a', mapping: {
      a: { parent: null, message: { author: { role: 'user' }, content: { content_type: 'text', parts: ['Hello'] } } } } }]));
    await page.click('dialog button:has-text("Delete all")');
    await page.click('dialog button.main');
    await page.waitForFunction(() => document.querySelectorAll('.sidebar li').length === 0);
    await open();
    await page.locator('dialog input[type=file]').setInputFiles([join(place, 'all.json'), join(place, 'conversations.json')]);
    await page.waitForSelector('text=3 conversations imported');
    await page.keyboard.press('Escape');
    await becomes(() => page.locator('.sidebar li').count(), 3);
    await page.click('.sidebar a:has-text("code please")');
    await page.waitForSelector('.answer .code');
  });
});

test('export one as Markdown', async () => {
  await withPage({}, async ({ page }) => {
    await ask(page, 'How many?');
    await page.locator('.sidebar li.here').getByRole('button', { name: 'Actions for' }).click();
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Save as Markdown' }).click()]);
    assert.equal(file.suggestedFilename(), 'How-many.md');
    const text = readFileSync(await file.path(), 'utf8');
    assert.match(text, /^# How many\?\n\n## You\n\nHow many\?\n\n## Answer\n\n<details>/);
  });
});

test('a temporary chat leaves nothing behind', async () => {
  await withPage({}, async ({ page }) => {
    await page.getByLabel('Temporary chat').click();
    await ask(page, 'secret');
    await becomes(() => page.locator('.sidebar li').count(), 0);
    await page.reload();
    await page.waitForSelector('.welcome');
    await becomes(() => page.locator('.sidebar li').count(), 0);
  });
});

test('history on the server: another browser gets it, both go on, nothing is lost', async () => {
  await withPage({}, async ({ page, server }) => {
    await ask(page, 'How many?');
    await page.keyboard.press('Control+,');
    await page.getByRole('tab', { name: 'Data' }).click();
    await page.getByLabel('Keep history on the server too').check();
    for (let i = 0; i < 600 && server.state.conversations.size === 0; i++) await page.waitForTimeout(100);
    const [there] = server.state.conversations.values();
    assert.equal(there.messages.length, 2);
    // the other browser went on with a branch of its own
    const write = (c) => {
      server.state.conversations.set(c.id, c);
      server.state.written.set(c.id, `later ${Math.random()}`);
    };
    const other = structuredClone(there);
    other.messages.push({ id: 'other', parent: there.messages[1].id, role: 'user', content: 'from elsewhere', created: Date.now() });
    Object.assign(other, { leaf: 'other', updated: Date.now() + 60000 });
    write(other);
    write({ ...structuredClone(there), id: 'fresh', title: 'Fresh' });
    await page.keyboard.press('Escape');
    await page.reload();
    await page.waitForSelector('.asked:has-text("from elsewhere")');
    await page.waitForSelector('.sidebar a:has-text("Fresh")');
    // both write at once: the answer here does not push out the message there
    const again = structuredClone(other);
    again.messages.push({ id: 'third', parent: 'other', role: 'assistant', content: 'meanwhile', created: Date.now() });
    write(again);
    await ask(page, 'and here');
    for (let i = 0; i < 600 && server.state.conversations.get(there.id).messages.length < 6; i++) await page.waitForTimeout(100);
    const texts = server.state.conversations.get(there.id).messages.map((m) => m.content);
    assert.ok(['from elsewhere', 'meanwhile', 'and here'].every((x) => texts.includes(x)), texts.join(' | '));
    // deleted here, deleted there
    await page.locator('.sidebar li:has-text("Fresh")').hover();
    await page.locator('.sidebar li:has-text("Fresh")').getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await page.click('dialog button.main');
    for (let i = 0; i < 600 && server.state.conversations.has('fresh'); i++) await page.waitForTimeout(100);
    assert.ok(!server.state.conversations.has('fresh'));
    // deleted there, deleted here
    await page.reload();
    await page.waitForSelector('.asked');
    const met = (id) => JSON.parse(localStorage.getItem('tarn.mirror') ?? '{}')[id]?.there;
    await becomes(() => page.evaluate(met, there.id), server.state.written.get(there.id));
    server.state.conversations.clear();
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll('.sidebar li').length === 0);
  });
});

test('two tabs with the same conversation: neither pushes out the other', async () => {
  await withPage({}, async ({ page, context }) => {
    await ask(page, 'How many?');
    const other = await context.newPage();
    await other.goto(page.url());
    await other.waitForSelector('.answer');
    await ask(other, 'from the second tab');
    await page.waitForSelector('.asked:has-text("from the second tab")');
    await ask(page, 'from the first tab');
    await page.reload();
    await page.waitForSelector('.answer');
    await becomes(() => page.locator('.asked').allInnerTexts(), ['How many?', 'from the second tab', 'from the first tab']);
  });
});

test('two tabs answer at once: the longer text of each message stays', async () => {
  await withPage({}, async ({ page, context, server }) => {
    await ask(page, 'How many?');
    const other = await context.newPage();
    await other.goto(page.url());
    await other.waitForSelector('.answer');
    server.state.rate = 120;
    await ask(other, 'math 400', { wait: false });
    await page.waitForSelector('.asked:has-text("math 400")');
    await becomes(async () => (await page.locator('.answer').last().innerText()).length > 40, true, 'the other tab grows here too');
    await ask(page, 'math 800', { wait: false }); // begins with a part of the other's answer in hand
    server.state.rate = 1500;
    await finished(other);
    await page.waitForSelector('.answer:last-child[aria-busy="false"]');
    await page.reload();
    await page.waitForSelector('.asked:has-text("math 800")');
    const answers = (await stored(page)).filter((m) => m.role === 'assistant');
    assert.deepEqual(answers.map((m) => m.finish), ['stop', 'stop', 'stop']);
    assert.deepEqual(answers.slice(1).map((m) => m.content), [mathematics(400), mathematics(800)]);
  });
});

test('deleted while it is being answered: it stays deleted', async () => {
  await withPage({ rate: 100 }, async ({ page }) => {
    await ask(page, 'math 3000', { wait: false });
    await page.waitForSelector('.answer .content math');
    await page.keyboard.press('Control+Shift+D');
    await page.click('dialog button.main');
    await page.waitForSelector('.welcome');
    await becomes(() => page.locator('.sidebar li').count(), 0);
    await ask(page, 'How many?');
    assert.equal((await stored(page)).length, 2);
    assert.equal(await page.locator('.sidebar li').count(), 1);
  });
});

test('offline: the server goes away and comes back', async () => {
  await withPage({}, async ({ page, server }) => {
    await ask(page, 'How many?');
    await page.evaluate(() => navigator.serviceWorker.ready);
    server.state.down = true;
    for (const s of server.state.connections) s.destroy();
    await page.reload();
    await page.waitForSelector('.server.gone');
    await page.waitForSelector('.answer:has-text("The answer is 12")');
    assert.ok(await page.locator('.send').isDisabled());
    await page.fill('#ask', 'kept while away');
    server.state.down = false;
    await page.waitForSelector('.server.ready');
    await becomes(() => page.inputValue('#ask'), 'kept while away');
    await page.press('#ask', 'Enter');
    await page.waitForFunction(() => document.querySelectorAll('.answer').length === 2);
    await finished(page);
  });
});

test('a model that is loading, a server that wants a key', async () => {
  await withPage({}, async ({ page, server }) => {
    server.state.loading = 2;
    server.state.key = 'sk-1';
    await page.reload();
    await page.waitForSelector('.server.loading >> text=/Loading the model 42 %/');
    await page.waitForSelector('.server.locked');
    await page.keyboard.press('Control+,');
    await page.getByLabel('API key').fill('sk-1');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.server.ready');
  });
});
