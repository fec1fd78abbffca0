/* Catalogues: same keys, same placeholders, every plural form a language has. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from './load.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

const { format, pickLanguage } = await load('i18n/i18n.ts');
const dir = join(here, '..', '..', 'src', 'i18n');
const read = (l) => JSON.parse(readFileSync(join(dir, `${l}.json`), 'utf8'));
const languages = readdirSync(dir).filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -5));
const base = (k) => k.split('#')[0];
const holes = (s) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort().join();
const en = read('en');

test('seven languages', () => assert.deepEqual(languages.sort(), ['ar', 'de', 'en', 'es', 'fr', 'ja', 'zh']));

for (const l of languages) {
  test(`${l}: keys, placeholders and plural forms`, () => {
    const c = read(l);
    assert.deepEqual([...new Set(Object.keys(c).map(base))].sort(), [...new Set(Object.keys(en).map(base))].sort());
    for (const [k, v] of Object.entries(c)) {
      assert.notEqual(v.trim(), '', k);
      if (!k.includes('#')) assert.equal(holes(v), holes(en[k]), k);
    }
    const forms = new Intl.PluralRules(l).resolvedOptions().pluralCategories.sort();
    for (const k of new Set(Object.keys(c).filter((x) => x.includes('#')).map(base))) {
      const have = Object.keys(c).filter((x) => base(x) === k).map((x) => x.split('#')[1]).sort();
      assert.deepEqual(have, forms, k);
    }
  });
}

test('Arabic plurals', () => {
  const ar = read('ar');
  const say = (n) => format(ar, 'ar', 'tokens', { n });
  const digits = (n) => new Intl.NumberFormat('ar').format(n);
  assert.equal(say(0), 'لا رموز');
  assert.equal(say(1), 'رمز واحد');
  assert.equal(say(2), 'رمزان');
  assert.equal(say(5), `${digits(5)} رموز`);
  assert.equal(say(11), `${digits(11)} رمزًا`);
  assert.equal(say(100), `${digits(100)} رمز`);
});

test('numbers are written as the language writes them; unknown keys show themselves', () => {
  assert.equal(format(en, 'en', 'tokens', { n: 1 }), '1 token');
  assert.equal(format(en, 'en', 'tokens', { n: 12345 }), '12,345 tokens');
  assert.equal(format(read('de'), 'de', 'tokens', { n: 12345 }), '12.345 Token');
  assert.equal(format(en, 'en', 'nothing', {}), 'nothing');
  assert.equal(format(en, 'en', 'thoughtFor', {}), 'Thought for {time}');
});

test('the language that was asked for, or English', () => {
  assert.equal(pickLanguage(['pt-BR', 'de-AT', 'en']), 'de');
  assert.equal(pickLanguage(['zh-Hant-TW']), 'zh');
  assert.equal(pickLanguage(['xx']), 'en');
  assert.equal(pickLanguage([]), 'en');
});
