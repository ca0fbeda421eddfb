/** Shares of the GPU under each policy, in the whole driver on the virtual GPU. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compete, jain, urgency } from '../testing/machine/fairness.ts';

const SAMPLES = 5;

test('under panthor’s policy groups get equal shares, under the fair one clients do', async () => {
  const crowd = [{ groups: 1 }, { groups: 12 }];
  const [row, rows] = await compete('panthor', crowd, 0.3);
  assert.ok(row! / rows! < 0.3, `${row} ${rows}`);
  const [one, all] = await compete('fair', crowd, 0.3);
  // One group has one slot of eight; the firmware shares out what is in slots.
  assert.ok(one! / all! > row! / rows!, `${one} ${all}, and under panthor's ${row} ${rows}`);
});

/** 64 groups of 16 clients. */
const CROWD = Array(16).fill({ groups: 4 });
/** Seconds in which each of these groups has two turns under panthor's policy, which lets one a slice go. */
const TURNS = 1.28;

test('16 clients with four groups each get equal shares under each policy', async () => {
  for (const policy of ['panthor', 'fair'] as const) {
    const shares = await compete(policy, CROWD, TURNS);
    assert.ok(Math.min(...shares) > 0.9 * Math.max(...shares), `${policy}: ${shares}`);
    assert.ok(jain(shares) > 0.99);
  }
});

test('beside a crowd a small job of high priority is done within a fraction of a slice under the fair policy', async () => {
  const { alone, beside, seated } = await urgency('fair', CROWD, SAMPLES);
  assert.ok(beside < 3 * alone, `${beside} ms, and ${alone} alone`);
  assert.ok(seated >= SAMPLES - 1, `between two jobs it has kept its slot ${seated} times`);
  const { beside: waits, seated: stays } = await urgency('panthor', Array(9).fill({ groups: 1 }), SAMPLES);
  assert.ok(waits > 1, `${waits} ms: under panthor's policy it waits for the slice's end`);
  assert.equal(stays, 0);
});
