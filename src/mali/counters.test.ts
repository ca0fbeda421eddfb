/** What a driver has asked of the GPU, as the GPU counts it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AS, AS_BASE, AS_COMMAND, AS_MODE, AS_STRIDE, doorbell, GPU, GPU_COMMAND, MMU } from '../abi/gpu/regs.ts';
import type { Register } from '../abi/register.ts';
import { Rig } from '../testing/mali/gpu-rig.ts';
import { Tables } from '../testing/mali/tables.ts';

const SLOT = 1;
const MIB = 2 ** 20;

function command(rig: Rig, what: number): void {
  rig.gpu.write32(AS_BASE + SLOT * AS_STRIDE + AS.COMMAND.offset, what);
}

function set(rig: Rig, register: Register<any>, value: number): void {
  const at = AS_BASE + SLOT * AS_STRIDE + register.offset;
  rig.gpu.write32(at, value % 2 ** 32);
  if (register.width === 64) rig.gpu.write32(at + 4, Math.floor(value / 2 ** 32));
}

test('register accesses are counted by block, commands by what they are, interrupts by their edges', () => {
  const rig = new Rig();
  const before = rig.gpu.counts;
  rig.read(GPU.GPU_ID);
  rig.read(GPU.GPU_ID);
  rig.read(MMU.IRQ_RAWSTAT);
  rig.gpu.write32(doorbell(3), 1);
  rig.write(GPU.IRQ_MASK, 0xffffffff);
  rig.write(GPU.COMMAND, GPU.COMMAND.encode({ type: GPU_COMMAND.FLUSH_CACHES, payload: 0x333 }));
  rig.write(GPU.COMMAND, GPU.COMMAND.encode({ type: GPU_COMMAND.FLUSH_CACHES, payload: 0x333 }));
  command(rig, AS_COMMAND.LOCK);
  command(rig, AS_COMMAND.FLUSH_PT);
  const changed = Object.entries(rig.gpu.counts).filter(([name, count]) => count !== (before[name] ?? 0));
  assert.deepEqual(Object.fromEntries(changed.map(([name, count]) => [name, count - (before[name] ?? 0)])), {
    'reads gpu': 2,
    'reads mmu': 1,
    'writes gpu': 3,
    'writes mmu': 2,
    'writes doorbells': 1,
    'cache flushes': 2,
    'as lock': 1,
    'as flush_pt': 1,
    'interrupts gpu': 1,
  });
});

test('bytes of page tables that the host has written are found by comparing, old ones not again', () => {
  const rig = new Rig();
  const tables = new Tables(rig.dram);
  const written = (): number => rig.gpu.counts['page-table bytes written'] ?? 0;
  tables.map(16 * MIB, 16 * 4096);
  set(rig, AS.TRANSTAB, tables.root);
  set(rig, AS.TRANSCFG, AS.TRANSCFG.encode({ mode: AS_MODE.AARCH64_4K, inaBits: 55 - 48 }));
  command(rig, AS_COMMAND.UPDATE);
  assert.equal(written(), 0, 'nobody watches');
  rig.gpu.watchTables();
  command(rig, AS_COMMAND.FLUSH_PT);
  assert.equal(written(), 8 * (3 + 16), 'three tables lead to sixteen pages');
  command(rig, AS_COMMAND.FLUSH_PT);
  assert.equal(written(), 8 * (3 + 16));
  tables.set(16 * MIB + 4096, {});
  tables.map(64 * MIB, 4096);
  command(rig, AS_COMMAND.FLUSH_PT);
  assert.equal(written(), 8 * (3 + 16) + 8 * (1 + 2), 'one entry less, one more with the table that leads to it');
});
