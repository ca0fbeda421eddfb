/** Where the board puts runs of pages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dram, OutOfMemory, PAGE } from './dram.ts';

const BLOCK = 2 ** 21;

test('runs of 2 MiB and more begin where one entry of a page table can map a block, small ones fill the gaps', () => {
  const dram = new Dram(16 * BLOCK);
  const small = dram.alloc(PAGE);
  const large = [dram.alloc(BLOCK), dram.alloc(3 * BLOCK + PAGE), dram.alloc(BLOCK)];
  for (const { physical } of large) assert.equal(physical % BLOCK, 0);
  const next = dram.alloc(PAGE);
  assert.equal(next.physical, small.physical + PAGE);
  assert.equal(dram.used, 2 * PAGE + 5 * BLOCK + PAGE);
  for (const run of [small, next, ...large]) dram.free(run);
  assert.equal(dram.used, 0);
});

test('where no such place is left, a run begins anywhere rather than not at all', () => {
  const dram = new Dram(2 * BLOCK);
  // Page 0 is never handed out, so all that is left cannot begin at a block.
  const run = dram.alloc(2 * BLOCK - PAGE);
  assert.equal(run.physical, PAGE);
  assert.throws(() => dram.alloc(PAGE), OutOfMemory);
  dram.free(run);
  assert.equal(dram.alloc(2 * BLOCK - PAGE).physical, PAGE);
});
