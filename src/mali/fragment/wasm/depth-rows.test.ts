/** Emitted rows of depth and stencil against fragment/depth-rows.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S_FORMAT, Z_INTERNAL_FORMAT, ZS_FORMAT } from '../../../abi/gpu/raster-descriptors.ts';
import { scratch } from '../../engine/scratch.ts';
import { makeDepthRows } from '../depth-rows.ts';
import { quantize } from '../depth-stencil.ts';
import { TILE_PIXELS } from '../raster.ts';
import { depthRows } from './depth-rows.ts';

const [zAt, sAt, rowsAt] = [scratch.alloc(1024), scratch.alloc(256), scratch.alloc(1040)];
const z = new Float32Array(scratch.buffer, zAt, TILE_PIXELS);
const s = new Uint8Array(scratch.buffer, sAt, TILE_PIXELS);
const rows = new Uint8Array(scratch.buffer, rowsAt, 1024);
const EDGES = [0, 1, 0.5, 2 ** -149, 1 - 2 ** -24, 1 / 3, 0x7fff / 0xffff, 0.5 / 0xffff, -0, 1.5 / 0xffffff];

const FORMATS = [
  [ZS_FORMAT.D16, 2, true, false],
  [ZS_FORMAT.D24, 3, true, false],
  [ZS_FORMAT.D24X8, 4, true, false],
  [ZS_FORMAT.D24S8, 4, true, true],
  [ZS_FORMAT.D24S8, 4, true, false],
  [ZS_FORMAT.D24S8, 4, false, true],
  [ZS_FORMAT.D32, 4, true, false],
  [S_FORMAT.X24S8, 4, false, true],
] as const;

test('depth and stencil become what the reference makes of them, in every pair of formats', () => {
  for (const [name, internal] of Object.entries(Z_INTERNAL_FORMAT)) {
    for (const [format, bytes, depth, stencil] of FORMATS) {
      for (let p = 0; p < TILE_PIXELS; p++) {
        z[p] = quantize(internal, EDGES[p] ?? ((p * 40503) % 65536) / 65535);
        s[p] = p * 7;
      }
      // NaN means nothing in fixed point, and only depth that a shader gave can be above one.
      if (internal === Z_INTERNAL_FORMAT.D32) z.set([2, -1], 20);
      const old = Uint8Array.from({ length: 1024 }, (_, i) => i * 31);
      const expected = old.slice();
      const code = { internal, format, bytes, depth, stencil };
      makeDepthRows(code, z, s, 0, expected, new Uint32Array(expected.buffer));
      rows.set(old);
      depthRows(code)(zAt, sAt, rowsAt);
      const size = TILE_PIXELS * bytes;
      assert.deepEqual(rows.slice(0, size), expected.slice(0, size), `${name} to ${format} ${depth} ${stencil}`);
    }
  }
});
