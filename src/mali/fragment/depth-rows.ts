/**
 * Rows of depth and stencil in the formats that memory has: what the emitted code of wasm/depth-rows.ts is held to, and what
 * runs on the interpreter.
 *
 * Where only depth or only stencil of a combined format is written, the rows hold what memory has of the other.
 */
import { Z_INTERNAL_FORMAT, ZS_FORMAT } from '../../abi/gpu/raster-descriptors.ts';
import { floatToBits } from '../pack.ts';
import { TILE_PIXELS } from './raster.ts';
import type { DepthRowsCode } from './wasm/depth-rows.ts';

/** Makes the rows of the 256 samples from `from` on; `rows32` and `rows` are the same bytes. */
export function makeDepthRows(
  { internal, format, bytes, depth, stencil }: DepthRowsCode,
  z: Float32Array,
  s: Uint8Array,
  from: number,
  rows: Uint8Array,
  rows32: Uint32Array,
): void {
  for (let p = 0; p < TILE_PIXELS; p++) {
    let word = bytes === 4 ? rows32[p]! : 0;
    if (depth) {
      if (format === ZS_FORMAT.D32) word = floatToBits(toFloat(internal, z[from + p]!));
      else {
        const max = format === ZS_FORMAT.D16 ? 0xffff : 0xffffff;
        const value = toUnorm(internal, z[from + p]!, max);
        word = format === ZS_FORMAT.D24S8 ? (word & 0xff000000) | value : value;
      }
    }
    if (stencil) word = bytes === 1 ? s[from + p]! : (word & 0xffffff) | (s[from + p]! << 24);
    if (bytes === 4) rows32[p] = word;
    else for (let i = 0; i < bytes; i++) rows[p * bytes + i] = word >>> (i * 8);
  }
}

/** Depth of the tile buffer as an integer of memory. */
function toUnorm(internal: number, z: number, max: number): number {
  if (internal === Z_INTERNAL_FORMAT.D32) return z > 0 ? Math.round(Math.min(z, 1) * max) : 0;
  const from = internal === Z_INTERNAL_FORMAT.D16 ? 0xffff : 0xffffff;
  return from === max ? z : Math.round((z / from) * max);
}

function toFloat(internal: number, z: number): number {
  if (internal === Z_INTERNAL_FORMAT.D32) return z;
  return z / (internal === Z_INTERNAL_FORMAT.D16 ? 0xffff : 0xffffff);
}
