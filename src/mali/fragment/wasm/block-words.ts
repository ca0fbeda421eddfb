/**
 * Blocks: squares of 8x8 pixels, in which coverage is found. A block's word has a bit for each pixel, quad after quad and row by row of
 * quads; what emitted code looks up about such words lies in scratch memory.
 */
import { scratch } from '../../engine/scratch.ts';

/** Pixels along the side of a block. */
export const BLOCK = 8;
/**
 * Differences of first and last pixel, on both axes together, from which a rectangle is large: its blocks are those of the tile, and
 * edges and depth are asked for whole blocks first. Those of a smaller one begin at its first quad.
 */
export const LARGE = 10;
export const BLOCK_QUADS = BLOCK / 2;

/** Bits of a block's word: of a pixel of it, and of the quad's. */
const bitOf = (x: number, y: number): bigint =>
  BigInt((y >> 1) * BLOCK_QUADS * 4 + (x >> 1) * 4 + (x & 1) + 2 * (y & 1));

/** Lanes of a quad by their four bits: sixteen vectors. */
export const LANE_BYTES = 16;
export const lanes = scratch.fixed('raster lanes', 16 * LANE_BYTES);
for (let bits = 0; bits < 16; bits++) {
  for (let lane = 0; lane < 4; lane++) scratch.i32[lanes / 4 + bits * 4 + lane] = bits & (1 << lane) ? -1 : 0;
}

/** Words of the pixels of a block from (x, y) on, and of those up to (x, y): at y * 8 + x. */
export const WORD_BYTES = 8;
export const after = scratch.fixed('raster after', BLOCK * BLOCK * WORD_BYTES);
export const upTo = scratch.fixed('raster up to', BLOCK * BLOCK * WORD_BYTES);
function put(at: number, within: (x: number, y: number) => boolean): void {
  let word = 0n;
  for (let y = 0; y < BLOCK; y++) for (let x = 0; x < BLOCK; x++) if (within(x, y)) word |= 1n << bitOf(x, y);
  new BigUint64Array(scratch.buffer, at, 1)[0] = word;
}
for (let n = 0; n < BLOCK * BLOCK; n++) {
  const [column, row] = [n % BLOCK, Math.floor(n / BLOCK)];
  put(after + n * WORD_BYTES, (x, y) => x >= column && y >= row);
  put(upTo + n * WORD_BYTES, (x, y) => x <= column && y <= row);
}
