/** Descriptors that are remembered: never other than memory says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DepthStencil, Scissor } from '../../abi/gpu/raster-descriptors.ts';
import { AS_MODE } from '../../abi/gpu/regs.ts';
import { Dram } from '../../board/dram.ts';
import { Tables } from '../../testing/mali/tables.ts';
import { GpuMemory } from './memory.ts';

const VA = 0x7654000;

function memoryWith(pages: number) {
  const dram = new Dram(1 << 22);
  const tables = new Tables(dram);
  const physical = tables.map(VA, pages * 4096);
  const memory = new GpuMemory(dram, 40);
  const translation = {
    mode: AS_MODE.AARCH64_4K,
    table: tables.root,
    inputBits: 48,
    accessFlagFaults: true,
    writeExecuteNever: false,
    attributes: [0, 0, 0, 0, 0, 0, 0, 0],
  };
  memory.attach({ slot: 1, translation, fault: () => {} });
  return { dram, memory, physical };
}

test('a descriptor is the same object as long as memory holds the same, whoever writes it', () => {
  const { dram, memory, physical } = memoryWith(1);
  memory.encode(Scissor, VA + 64, { minimumX: 3, maximumX: 99 });
  const first = memory.descriptor(Scissor, VA + 64);
  assert.deepEqual(first, memory.decode(Scissor, VA + 64));
  assert.equal(memory.descriptor(Scissor, VA + 64), first);
  // Not through this view: by the guest, or by another thread.
  dram.u8[physical + 64 + Scissor.size - 1]! ^= 1;
  const second = memory.descriptor(Scissor, VA + 64);
  assert.notEqual(second, first);
  assert.deepEqual(second, memory.decode(Scissor, VA + 64));
});

test('it is the same object wherever memory holds the same words, but not as something else', () => {
  const { memory } = memoryWith(1);
  for (const at of [VA, VA + 256]) memory.encode(Scissor, at, { minimumX: 3, maximumX: 99 });
  const first = memory.descriptor(Scissor, VA);
  assert.equal(memory.descriptor(Scissor, VA + 256), first);
  memory.encode(Scissor, VA + 256, { minimumX: 4, maximumX: 99 });
  assert.equal(memory.descriptor(Scissor, VA + 256).minimumX, 4);
  assert.equal(memory.descriptor(Scissor, VA), first);
  assert.deepEqual(memory.descriptor(DepthStencil, VA), memory.decode(DepthStencil, VA));
});

test('what lies at an address is read as what it is asked for, across pages and at odd addresses too', () => {
  const { memory } = memoryWith(2);
  for (const at of [VA, VA + 4096 - 8, VA + 2]) {
    for (let i = 0; i < 64; i++) memory.store8(at + i, i * 7);
    for (let n = 0; n < 2; n++) {
      assert.deepEqual(memory.descriptor(Scissor, at), memory.decode(Scissor, at));
      assert.deepEqual(memory.descriptor(DepthStencil, at), memory.decode(DepthStencil, at));
    }
  }
});

test('a descriptor whose page is gone is not remembered', () => {
  const { memory } = memoryWith(1);
  memory.descriptor(Scissor, VA);
  memory.attach(undefined);
  assert.throws(() => memory.descriptor(Scissor, VA));
});
