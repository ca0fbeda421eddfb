/** Emitted tile functions against their definitions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dram } from '../../../board/dram.ts';
import { U_ORDER } from '../../../board/image/u-interleaved.ts';
import { scratch } from '../../engine/scratch.ts';
import { TILE_PIXELS } from '../raster.ts';
import { copyRows, fillRows, interleave, swizzle8888, tileFill } from './tile.ts';

const SIZE = TILE_PIXELS * 16;
const from = scratch.alloc(SIZE);
const to = scratch.alloc(SIZE + 64);
for (let i = 0; i < SIZE; i++) scratch.u8[from + i] = (i * 167 + (i >> 8)) & 255;

test('pixels of every size go into u-interleaved order', () => {
  for (const bytes of [1, 2, 3, 4, 6, 8, 12, 16]) {
    interleave(bytes)(from, to);
    for (let p = 0; p < TILE_PIXELS; p++) {
      const pixel = scratch.u8.slice(from + p * bytes, from + (p + 1) * bytes);
      const at = to + U_ORDER[p]! * bytes;
      assert.deepEqual(scratch.u8.slice(at, at + bytes), pixel, `${bytes} bytes, pixel ${p}`);
    }
  }
});

test('channels are put in any order, with zeros and ones', () => {
  for (const swizzle of [
    [2, 1, 0, 3],
    [0, 4, 5, 1],
    [5, 5, 3, 4],
  ]) {
    swizzle8888(swizzle)(from, to);
    for (let i = 0; i < TILE_PIXELS * 4; i++) {
      const s = swizzle[i & 3]!;
      const expected = s === 4 ? 0 : s === 5 ? 255 : scratch.u8[from + (i & ~3) + s];
      assert.equal(scratch.u8[to + i], expected, `${swizzle}, byte ${i}`);
    }
  }
});

test('a fill repeats its four words and stops where it should', () => {
  scratch.u8.fill(9, to, to + 192);
  tileFill()(to, 128, 1, 2, -3, 4);
  for (let i = 0; i < 32; i++) assert.equal(scratch.i32[to / 4 + i], [1, 2, -3, 4][i & 3]);
  assert.equal(scratch.u8[to + 128], 9);
});

test('rows of any size reach DRAM and nothing beside them is written', () => {
  const dram = new Dram(1 << 20);
  for (const size of [1, 3, 15, 16, 17, 40, 64, 255]) {
    dram.u8.fill(7, 4096, 12288);
    copyRows(dram)(from, 256, 5001, 301, size, 5);
    const expected = new Uint8Array(8192).fill(7);
    for (let row = 0; row < 5; row++) {
      expected.set(scratch.u8.slice(from + row * 256, from + row * 256 + size), 5001 - 4096 + row * 301);
    }
    assert.deepEqual(dram.u8.slice(4096, 12288), expected, `${size} bytes`);
  }
});

test('rows of DRAM are filled with a pattern, and nothing beside them', () => {
  const dram = new Dram(1 << 20);
  for (let i = 0; i < 16; i++) scratch.u8[from + i] = 100 + (i % 4);
  for (const size of [4, 12, 16, 20, 64, 68, 200, 512]) {
    dram.u8.fill(7, 4096, 12288);
    fillRows(dram)(from, 5000, 600, size, 5);
    const expected = new Uint8Array(8192).fill(7);
    for (let row = 0; row < 5; row++) {
      for (let i = 0; i < size; i++) expected[5000 - 4096 + row * 600 + i] = 100 + (i % 4);
    }
    assert.deepEqual(dram.u8.slice(4096, 12288), expected, `${size} bytes`);
  }
});
