import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../random.ts';
import { RESULTS_AT, threadsEffect, threadsPrologue } from './threads.ts';

test('no pair that random accesses may take is left with the address of results, which other threads write', () => {
  const high = `0x${(RESULTS_AT / 2 ** 32).toString(16)}`;
  for (const kind of ['vertex', 'compute'] as const) {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed);
      const pointing = new Set<string>();
      for (const line of [...threadsPrologue(random, kind), ...threadsEffect(random)]) {
        const [, name, register, rest] = /^(\S+) (r\d+), (.*)$/.exec(line) ?? [];
        if (!register) continue;
        if (name === 'IADD_IMM.i32' && rest === `0x0, #${high}`) pointing.add(register);
        else pointing.delete(register);
      }
      assert.deepEqual([...pointing], []);
    }
  }
});
