/** Extents: runs of pages as long as they are, and never a page that is not part of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_SIZE_L2, PAGE_SIZE, PTE_AP, PTE_TYPE } from '../../abi/gpu/lpae.ts';
import { AS, AS_COMMAND, AS_MODE, MMU } from '../../abi/gpu/regs.ts';
import { TestClock } from '../../board/clock.ts';
import { Dram } from '../../board/dram.ts';
import { IrqLine } from '../../board/irq.ts';
import { silent } from '../../board/log.ts';
import { Tables } from '../../testing/mali/tables.ts';
import { InterruptBlock } from '../irq.ts';
import { Mmu } from './index.ts';

const SLOT = 1;
const AT = 0x2400 + SLOT * 0x40;
/** Just before the end of a table of the last level. */
const VA = 0x40000000 + 500 * PAGE_SIZE;
const DRAM_SIZE = 2 ** 24;

function bench(size = DRAM_SIZE) {
  const dram = new Dram(size);
  const mmu = new Mmu(dram, silent, new InterruptBlock(new IrqLine('mmu', new TestClock()), MMU), 0xff, 40);
  const tables = new Tables(dram);
  mmu.write(AT + AS.TRANSTAB.offset, tables.root);
  mmu.write(AT + AS.TRANSCFG.offset, AS.TRANSCFG.encode({ mode: AS_MODE.AARCH64_4K, inaBits: 7 }));
  mmu.write(AT + AS.COMMAND.offset, AS_COMMAND.UPDATE);
  return { dram, tables, view: mmu.view(SLOT) };
}

const page = (address: number, more: object = {}) => ({
  ...{ type: PTE_TYPE.PAGE, address, accessFlag: true, ap: PTE_AP.UNPRIVILEGED_RW, executeNever: true },
  ...more,
});

test('an extent holds its neighbours as far as they follow, and all that it holds translates so', () => {
  const { tables, view } = bench();
  // Runs of several lengths, of which some lack a page, some go on elsewhere, and some may not be written.
  const kinds = [5, 1, 3, 9, 2, 7, 1, 1, 12, 4];
  let va = VA;
  let physical = 0x800000;
  for (const [i, length] of kinds.entries()) {
    for (let k = 0; k < length; k++, va += PAGE_SIZE, physical += PAGE_SIZE)
      tables.set(va, page(physical, i % 3 === 2 ? { ap: PTE_AP.UNPRIVILEGED_RO } : {}));
    if (i % 4 === 1) va += PAGE_SIZE;
    else if (i % 4 === 3) physical += PAGE_SIZE;
  }
  let found = 0;
  for (let at = VA - PAGE_SIZE; at < va + PAGE_SIZE; at += PAGE_SIZE) {
    for (const access of ['read', 'write'] as const) {
      const extent = view.extent(at + 8, access);
      assert.equal(extent !== undefined, view.probe(at, PAGE_SIZE, access));
      if (!extent) continue;
      found++;
      assert.ok(extent.start <= at && at < extent.start + extent.size);
      for (let off = 0; off < extent.size; off += PAGE_SIZE)
        assert.equal(view.translate(extent.start + off, access), extent.physical + off);
    }
  }
  assert.ok(found > 60, `${found} extents`);
});

test('one extent holds a whole table of pages, and no more than DRAM has', () => {
  const { tables, view } = bench();
  const start = 0x80000000;
  for (let k = 0; k < 512; k++) tables.set(start + k * PAGE_SIZE, page(0x800000 + k * PAGE_SIZE));
  assert.deepEqual(view.extent(start + 300 * PAGE_SIZE, 'write'), { start, size: 512 * PAGE_SIZE, physical: 0x800000 });
  const last = DRAM_SIZE - 2 * PAGE_SIZE;
  for (let k = 0; k < 8; k++) tables.set(start + BLOCK_SIZE_L2 + k * PAGE_SIZE, page(last + k * PAGE_SIZE));
  const end = view.extent(start + BLOCK_SIZE_L2, 'read');
  assert.deepEqual(end, { start: start + BLOCK_SIZE_L2, size: 2 * PAGE_SIZE, physical: last });
});

test('extents of blocks are found too', () => {
  const { tables, view } = bench();
  tables.set(
    0x40000000,
    { type: PTE_TYPE.BLOCK, address: BLOCK_SIZE_L2, accessFlag: true, ap: PTE_AP.UNPRIVILEGED_RW },
    2,
  );
  const at = 0x40000000 + 70 * PAGE_SIZE;
  const extent = view.extent(at, 'read')!;
  assert.equal(view.translate(at, 'read'), extent.physical + (at - extent.start));
  assert.deepEqual(extent, { start: 0x40000000, size: BLOCK_SIZE_L2, physical: BLOCK_SIZE_L2 });
});

test('an extent holds the blocks that follow, as far as rights and memory are the same', () => {
  const { tables, view } = bench(DRAM_SIZE + 16 * PAGE_SIZE);
  const start = 0x40000000;
  const block = (n: number, address: number, ap: number = PTE_AP.UNPRIVILEGED_RW) =>
    tables.set(start + n * BLOCK_SIZE_L2, { type: PTE_TYPE.BLOCK, address, accessFlag: true, ap }, 2);
  for (const n of [0, 1, 2]) block(n, (3 + n) * BLOCK_SIZE_L2);
  block(3, 6 * BLOCK_SIZE_L2, PTE_AP.UNPRIVILEGED_RO);
  block(4, 7 * BLOCK_SIZE_L2);
  // Of the last one memory holds sixteen pages.
  block(5, DRAM_SIZE);
  const three = { start, size: 3 * BLOCK_SIZE_L2, physical: 3 * BLOCK_SIZE_L2 };
  for (const at of [0, 1.5, 2.999]) assert.deepEqual(view.extent(start + at * BLOCK_SIZE_L2, 'write'), three);
  assert.equal(view.extent(start + 3 * BLOCK_SIZE_L2, 'write'), undefined);
  assert.equal(view.extent(start + 3 * BLOCK_SIZE_L2, 'read')!.size, BLOCK_SIZE_L2);
  assert.equal(view.extent(start + 4 * BLOCK_SIZE_L2, 'write')!.size, BLOCK_SIZE_L2);
  const end = view.extent(start + 5 * BLOCK_SIZE_L2 + PAGE_SIZE, 'read')!;
  assert.equal(end.start + end.size, start + 5 * BLOCK_SIZE_L2 + 16 * PAGE_SIZE);
  assert.equal(view.extent(start + 5 * BLOCK_SIZE_L2 + 16 * PAGE_SIZE, 'read'), undefined);
});
