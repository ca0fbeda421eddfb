import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LaneCode } from '../../../mali/recompiler/lanes.ts';
import { ThreadFeed } from '../../../mali/recompiler/thread-feed.ts';
import { neverMet } from './coverage.ts';
import { Fuzzer } from './fuzz.ts';
import { kindOf } from './input.ts';
import { shaderOf } from './program.ts';
import type { Kind } from './values.ts';

/** Shaders of the short run; the long one is `tyr fuzz shaders`. */
const SHADERS = 1000;

test('random shaders, with each instruction there is, run the same in recompiled code and in the interpreter', async () => {
  const fuzzer = new Fuzzer();
  for (let seed = 0; seed < SHADERS; seed++) {
    const finding = fuzzer.try(seed);
    assert.equal(finding?.report, undefined);
    // Lets scratch memory of what was collected come back.
    if (seed % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(neverMet(fuzzer.coverage), []);
});

test('a lane operation that is wrong is found, and the shader that shows it is made small', () => {
  const real = LaneCode.prototype.op;
  const broken = mock.method(
    LaneCode.prototype,
    'op',
    function (this: LaneCode, ...[name, a, b, c]: Parameters<typeof real>) {
      return real.call(this, name === 'i16x8_mul' ? 'i16x8_add' : name, a, b, c);
    },
  );
  try {
    const fuzzer = new Fuzzer();
    for (let seed = 1_000_000; ; seed++) {
      const finding = fuzzer.try(seed);
      if (!finding) continue;
      // Counting of leading zeros multiplies, too.
      assert.match(finding.report, /IMUL|CLZ/);
      assert.match(finding.report, /recompiled/);
      const left = finding.report.split('\n').filter((line) => /^[0-9a-f]{10}: /.test(line));
      assert.ok(left.length <= 4, finding.report);
      break;
    }
  } finally {
    broken.mock.restore();
  }
});

test('a seed gives the same shader each time, and another one another', () => {
  assert.deepEqual(shaderOf(7), shaderOf(7));
  assert.notDeepEqual(shaderOf(7).code, shaderOf(8).code);
});

test('registers are of one kind each', () => {
  const counts: Record<Kind, number> = { bits: 0, single: 0, half: 0 };
  for (let r = 0; r < 64; r++) counts[kindOf(r)]++;
  assert.deepEqual(counts, { single: 14, half: 14, bits: 36 });
});

test('threads of a list that begin with registers of others are found', () => {
  const real = ThreadFeed.prototype.preload;
  const broken = mock.method(ThreadFeed.prototype, 'preload', function (this: ThreadFeed, register: number) {
    return real.call(this, register === 61 ? 60 : register);
  });
  try {
    const fuzzer = new Fuzzer();
    for (let seed = 2_000_000; ; seed++) {
      const finding = fuzzer.try(seed);
      if (!finding) continue;
      assert.match(finding.report, /what a list has left/);
      assert.match(finding.report, /threads of a (vertex|compute) list/);
      break;
    }
  } finally {
    broken.mock.restore();
  }
});

test('what has been met is counted by name, and so is what has not', () => {
  const fuzzer = new Fuzzer();
  for (let seed = 0; seed < 20; seed++) assert.equal(fuzzer.try(seed), undefined);
  const met = new Set(fuzzer.coverage.instructions.keys());
  const missing = neverMet(fuzzer.coverage);
  assert.ok(met.has('BARRIER'));
  assert.ok(missing.length > 0);
  for (const name of missing) assert.ok(!met.has(name), name);
  const runs = [...fuzzer.coverage.runs.values()].reduce((sum, n) => sum + n, 0);
  assert.ok(runs >= 60);
});
