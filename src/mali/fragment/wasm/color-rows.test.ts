/** Emitted rows of colours and averages of samples against fragment/color-rows.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERNAL_FORMATS, WRITEBACK_FORMATS } from '../../../abi/formats.ts';
import { scratch } from '../../engine/scratch.ts';
import { averageSamples, makeColorRows } from '../color-rows.ts';
import type { Target } from '../framebuffer.ts';
import { TILE_PIXELS } from '../raster.ts';
import { averageOf, colorRows } from './color-rows.ts';

const ROWS = TILE_PIXELS * 16;
const planeAt = scratch.alloc(ROWS);
const rowsAt = scratch.alloc(ROWS + 16);
const plane = new Uint32Array(scratch.buffer, planeAt, ROWS / 4);

function fill(): void {
  let seed = 1;
  for (let i = 0; i < plane.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    plane[i] = i % 7 === 0 ? 0xffffffff : seed ^ (seed >>> 15);
  }
}

const target = (
  internal: number,
  format: number,
  swizzle: readonly number[],
  dither: boolean,
  srgb = false,
): Target => ({
  index: 0,
  internal: INTERNAL_FORMATS.get(internal)!,
  words: Math.ceil(INTERNAL_FORMATS.get(internal)!.bytes / 4),
  clear: new Uint32Array(4),
  writeClean: false,
  surface: undefined,
  format: WRITEBACK_FORMATS.get(format)!,
  afbc: undefined,
  swizzle,
  srgb,
  dither,
});

test('colours become what the reference makes of them, dithered or not, in any order', () => {
  let done = 0;
  for (const [internal, { tile, bytes }] of INTERNAL_FORMATS) {
    for (const [format, { bits, bytes: size }] of WRITEBACK_FORMATS) {
      if ((tile !== undefined) !== (bits !== undefined) || (!tile && size > Math.max(4, bytes))) continue;
      for (const swizzle of [
        [0, 1, 2, 3],
        [2, 1, 0, 5],
        [4, 0, 1, 2],
      ]) {
        for (const dither of [false, true]) {
          const t = target(internal, format, swizzle, dither);
          const run = colorRows(t);
          if (!run) continue;
          fill();
          const expected = new Uint8Array(ROWS);
          makeColorRows(t, plane, 0, expected);
          run(planeAt, rowsAt);
          const got = scratch.u8.slice(rowsAt, rowsAt + TILE_PIXELS * size);
          const name = `${t.internal.name} to ${t.format!.name}, ${swizzle} ${dither}`;
          assert.deepEqual(got, expected.slice(0, TILE_PIXELS * size), name);
          done++;
        }
      }
    }
  }
  assert.ok(done > 40, `${done} cases have emitted code`);
});

test('samples are averaged as the reference does it', () => {
  for (const [internal, { tile }] of INTERNAL_FORMATS) {
    if (!tile) continue;
    for (const samples of [2, 4]) {
      for (const srgb of [false, true]) {
        const run = averageOf(tile, samples, srgb);
        if (!run) continue;
        fill();
        const expected = plane.slice();
        averageSamples(target(internal, 19, [0, 1, 2, 3], false, srgb), samples, expected);
        run(planeAt);
        assert.deepEqual(plane.slice(), expected, `${tile.name}, ${samples} samples, sRGB ${srgb}`);
      }
    }
  }
});
