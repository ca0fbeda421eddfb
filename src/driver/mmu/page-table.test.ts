import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_SIZE_L2, PAGE_SIZE, PTE_AP, PTE_ATTR, PTE_TYPE, Pte, tableIndex } from '../../abi/gpu/lpae.ts';
import { Dram } from '../../board/dram.ts';
import { DrmError } from '../../drm/error.ts';
import { lockRegion } from './index.ts';
import { PageTable } from './page-table.ts';

const DATA = { readOnly: false, noExecute: true, cached: true };
const VA = 0x7f_1234_5000;

/** The entry that the GPU's walk of `va` ends at, and its level. */
function walk(dram: Dram, table: PageTable, va: number): { level: number; entry: ReturnType<typeof Pte.read> } {
  let at = table.root;
  for (let level = 0; ; level++) {
    const entry = Pte.read(dram.view, at + tableIndex(va, level) * Pte.size);
    if (level === 3 || entry.type !== PTE_TYPE.TABLE) return { level, entry };
    at = entry.address;
  }
}

test('pages are found where they were mapped, with the attributes asked for', () => {
  const dram = new Dram(1 << 24);
  const table = new PageTable(dram);
  table.map(VA, 0x300000, 3 * PAGE_SIZE, { readOnly: true, noExecute: false, cached: false });
  for (let i = 0; i < 3; i++) assert.equal(table.translate(VA + i * PAGE_SIZE + 8), 0x300008 + i * PAGE_SIZE);
  assert.equal(table.translate(VA + 3 * PAGE_SIZE), undefined);
  const { level, entry } = walk(dram, table, VA + PAGE_SIZE);
  assert.equal(level, 3);
  assert.equal(entry.ap, PTE_AP.UNPRIVILEGED_RO);
  assert.equal(entry.attrIndex, PTE_ATTR.NON_CACHED);
  assert.equal(entry.executeNever, false);
  assert.equal(entry.accessFlag, true);
});

test('what is aligned on both sides takes 2 MiB blocks, its ends take pages', () => {
  const dram = new Dram(1 << 24);
  const table = new PageTable(dram);
  const va = 0x40000000 + BLOCK_SIZE_L2 - PAGE_SIZE;
  table.map(va, BLOCK_SIZE_L2 - PAGE_SIZE, BLOCK_SIZE_L2 + 2 * PAGE_SIZE, DATA);
  assert.equal(walk(dram, table, va).level, 3);
  assert.equal(walk(dram, table, 0x40000000 + BLOCK_SIZE_L2).level, 2);
  assert.equal(table.translate(0x40000000 + BLOCK_SIZE_L2 + 0x12345), BLOCK_SIZE_L2 + 0x12345);
  assert.equal(walk(dram, table, 0x40000000 + 2 * BLOCK_SIZE_L2).level, 3);
});

test('unmapping the middle of a block keeps the rest of it', () => {
  const dram = new Dram(1 << 24);
  const table = new PageTable(dram);
  table.map(0x40000000, BLOCK_SIZE_L2, BLOCK_SIZE_L2, DATA);
  table.unmap(0x40000000 + 5 * PAGE_SIZE, 2 * PAGE_SIZE);
  assert.equal(table.translate(0x40000000 + 4 * PAGE_SIZE), BLOCK_SIZE_L2 + 4 * PAGE_SIZE);
  assert.equal(table.translate(0x40000000 + 5 * PAGE_SIZE), undefined);
  assert.equal(table.translate(0x40000000 + 7 * PAGE_SIZE), BLOCK_SIZE_L2 + 7 * PAGE_SIZE);
  assert.equal(walk(dram, table, 0x40000000).entry.attrIndex, PTE_ATTR.CACHED);
});

test('tables that become empty go, but only after the flush', () => {
  const dram = new Dram(1 << 24);
  const table = new PageTable(dram);
  const before = dram.used;
  table.map(VA, 0x300000, PAGE_SIZE, DATA);
  assert.equal(dram.used, before + 3 * PAGE_SIZE);
  table.unmap(0, 2 ** 47);
  assert.equal(dram.used, before + 3 * PAGE_SIZE);
  assert.equal(table.tables, 1);
  table.release();
  assert.equal(dram.used, before);
  table.destroy();
  assert.equal(dram.used, before - PAGE_SIZE);
});

test('a map that runs out of memory leaves nothing behind', () => {
  const dram = new Dram(65536);
  const table = new PageTable(dram);
  assert.throws(() => table.map(0x40000000, 0x1000, 64 * BLOCK_SIZE_L2 + PAGE_SIZE, DATA));
  assert.equal(table.translate(0x40000000), undefined);
  table.unmap(0, 2 ** 47);
  table.release();
  table.map(0x40000000, 0x1000, PAGE_SIZE, DATA);
  assert.equal(table.translate(0x40000000), 0x1000);
});

test('the tables of one address space do not fill the machine', () => {
  const dram = new Dram(1 << 27);
  const table = new PageTable(dram);
  let va = 0;
  const fill = (): void => {
    for (; ; va += BLOCK_SIZE_L2) table.map(va, 0x1000, PAGE_SIZE, DATA);
  };
  assert.throws(fill, (error) => error instanceof DrmError && error.errno === 'ENOMEM');
  assert.ok(dram.used <= 1 << 26);
});

test('a locked region is the smallest aligned power of two around the range', () => {
  assert.deepEqual(lockRegion(0x1000, 0x1000), { base: 0, log2: 15 });
  assert.deepEqual(lockRegion(0x7000, 0x2000), { base: 0, log2: 16 });
  assert.deepEqual(lockRegion(0x40000000, BLOCK_SIZE_L2), { base: 0x40000000, log2: 21 });
  assert.deepEqual(lockRegion(0, 2 ** 48), { base: 0, log2: 48 });
});
