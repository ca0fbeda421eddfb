/** Shares of the GPU under each policy, in the whole driver on the virtual GPU. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compete, jain, urgency } from '../testing/machine/fairness.ts';

const SAMPLES = 7;

test('under panthor’s policy groups get equal shares, under the fair one clients do', async () => {
  const crowd = [{ groups: 1 }, { groups: 12 }];
  const [row, rows] = await compete('panthor', crowd, 0.3);
  assert.ok(row! / rows! < 0.3, `${row} ${rows}`);
  const [one, all] = await compete('fair', crowd, 0.3);
  // One group has one slot of eight; the firmware shares out what is in slots.
  assert.ok(one! / all! > row! / rows!, `${one} ${all}, and under panthor's ${row} ${rows}`);
});

test('clients that are alike get equal shares under each policy', async () => {
  for (const policy of ['panthor', 'fair'] as const) {
    const shares = await compete(policy, Array(3).fill({ groups: 3 }), 0.9);
    assert.ok(Math.min(...shares) > 0.9 * Math.max(...shares), `${policy}: ${shares}`);
    assert.ok(jain(shares) > 0.99);
  }
});

test('beside a crowd a small job of high priority is done within a fraction of a slice under the fair policy', async () => {
  const crowd = Array(9).fill({ groups: 1 });
  const { alone, beside } = await urgency('fair', crowd, SAMPLES);
  assert.ok(beside < 3 * alone, `${beside} ms, and ${alone} alone`);
  const { beside: waits } = await urgency('panthor', crowd, SAMPLES);
  assert.ok(waits > 1, `${waits} ms: under panthor's policy it waits for the slice's end`);
});
