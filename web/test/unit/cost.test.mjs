/* Prices: exact pico-units, the row that holds at the moment. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { load, random } from './load.mjs';

const { picoPerToken, priceFor, costOf, formatCost } = await load('store/cost.ts');
const row = (o) => ({ model: '*', currency: 'USD', from: '2025-01-01T00:00:00Z', to: null, hit: '0.14', miss: '0.55', output: '2.19', ...o });
const at = (s) => Date.parse(s);

test('per million to pico-units per token', () => {
  assert.equal(picoPerToken('0.0028'), 2800n);
  assert.equal(picoPerToken('0.003625'), 3625n);
  assert.equal(picoPerToken('2.19'), 2190000n);
  assert.equal(picoPerToken('1e3'), 0n);
});

test('the cost is exact', () => {
  const r = random(5);
  for (let n = 0; n < 10000; n++) {
    const [hit, miss, out] = [0, 0, 0].map(() => Math.floor(r() * 1e6));
    const c = costOf(row({}), { prompt_tokens: hit + miss, completion_tokens: out, total_tokens: 0, prompt_cache_hit_tokens: hit });
    assert.equal(c, BigInt(hit) * 140000n + BigInt(miss) * 550000n + BigInt(out) * 2190000n);
  }
});

test('which row', () => {
  const rows = [
    row({ tariff: 'old', from: '2024-01-01T00:00:00Z' }), row({ tariff: 'new', from: '2025-06-01T00:00:00Z' }),
    row({ tariff: 'night', from: '2025-01-01T00:00:00Z', windows: ['16:30-00:30'] }),
    row({ tariff: 'monday', from: '2026-01-01T00:00:00Z', windows: ['22:00-02:00'], days: '1' }),
    row({ model: 'named', tariff: 'own' }), row({ tariff: 'past', from: '2026-05-01T00:00:00Z', to: '2026-06-01T00:00:00Z' }),
  ];
  const tariff = (m, t) => priceFor(rows, m, at(t))?.tariff;
  assert.equal(tariff('x', '2025-02-01T12:00:00Z'), 'old');
  assert.equal(tariff('x', '2025-07-01T12:00:00Z'), 'new');
  assert.equal(tariff('x', '2025-07-01T16:30:00Z'), 'night');
  assert.equal(tariff('x', '2025-07-01T00:29:00Z'), 'night');
  assert.equal(tariff('x', '2025-07-01T00:30:00Z'), 'new');
  assert.equal(tariff('x', '2026-01-05T23:00:00Z'), 'monday');
  assert.equal(tariff('x', '2026-01-06T01:00:00Z'), 'monday');
  assert.equal(tariff('x', '2026-01-06T23:00:00Z'), 'night');
  assert.equal(tariff('x', '2026-05-15T12:00:00Z'), 'past');
  assert.equal(tariff('named', '2025-07-01T12:00:00Z'), 'own');
  assert.equal(tariff('named', '2023-07-01T12:00:00Z'), undefined);
});

test('shown with digits that mean something', () => {
  assert.equal(formatCost(0n, 'USD', 'en'), '$0.00');
  assert.equal(formatCost(560_000_000n, 'USD', 'en'), '$0.00056');
  assert.equal(formatCost(12_345_000_000_000n, 'USD', 'en'), '$12.35');
  assert.match(formatCost(1_500_000_000_000n, 'EUR', 'de'), /^1,50\s€$/);
});
