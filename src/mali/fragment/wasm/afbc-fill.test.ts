/** Headers of AFBC superblocks beside one another, against where the image's layout says that they lie. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dram } from '../../../board/dram.ts';
import { AFBC_HEADER_BYTES, afbcHeaderIndex } from '../../../board/image/afbc.ts';
import { scratch } from '../../engine/scratch.ts';
import { fillHeaders } from './afbc-fill.ts';

for (const tiled of [false, true]) {
  test(`the headers of columns of a row are filled and no others, ${tiled ? 'in tiles' : 'row by row'}`, () => {
    const dram = new Dram(1 << 20);
    const at = scratch.alloc(AFBC_HEADER_BYTES);
    scratch.u32.set([1, 2, 3, 4], at / 4);
    const base = 0x1000;
    const stride = (tiled ? 24 * 8 : 24) * AFBC_HEADER_BYTES;
    for (const [row, from, end] of [
      [0, 0, 24],
      [5, 3, 4],
      [13, 7, 19],
      [9, 5, 5],
    ] as const) {
      dram.u8.fill(0, base, base + (1 << 16));
      const first = afbcHeaderIndex(0, row, stride, tiled);
      fillHeaders(dram, tiled)(at, base + first * AFBC_HEADER_BYTES, from, end);
      const filled = new Set<number>();
      for (let x = from; x < end; x++) filled.add(afbcHeaderIndex(x, row, stride, tiled));
      for (let n = 0; n < 24 * 24; n++) {
        const to = (base + n * AFBC_HEADER_BYTES) / 4;
        const wanted = filled.has(n) ? [1, 2, 3, 4] : [0, 0, 0, 0];
        assert.deepEqual([...dram.u32.subarray(to, to + 4)], wanted, `header ${n}, row ${row}`);
      }
    }
  });
}
