/**
 * Touching: before a sampler loads its first texels of a block (an AFBC superblock, a u-interleaved tile) it loads a word of each of
 * the block's cache lines, all at once. Neighbouring quads want the others soon, and would wait for each line by itself.
 *
 * Where quads are wider than a block, its other lines are not wanted soon: nothing is touched there. What a block's window covers
 * beside the level (an odd row stride) is loaded too, and looked at by nobody.
 */
import { U_TILE_PIXELS } from '../../board/image/u-interleaved.ts';
import { scratch } from '../engine/scratch.ts';
import type { TexelLayout } from './emit-address.ts';
import { LEVEL, type SamplerCode } from './emit-code.ts';

const LINE = 64;
/** Blocks that count as touched, by their numbers: addresses. Together they are about what a processor core keeps near by. */
const ENTRIES = 64;
const TABLE_AT = scratch.alloc(ENTRIES * 4);
/** Numbers of blocks above each other differ by what a row of blocks has. */
const ROW_SHIFT = 3;
/** Where the sum of what is loaded is put: else nothing would be loaded. */
const SUM_AT = scratch.alloc(4);

/** Whether a layout has blocks of several cache lines, one after the other. */
export const hasBlocks = ({ kind, bytes }: TexelLayout): boolean =>
  (kind === 'flat' || kind === 'tiled') && Number.isInteger(Math.log2(bytes)) && bytes * U_TILE_PIXELS > LINE;

/** Touches the block of the first of four addresses, if it has not been lately. `dramBytes`: where memory ends. */
export function touchBlock(c: SamplerCode, { bytes }: TexelLayout, address: number): void {
  const { f } = c;
  const size = bytes * U_TILE_PIXELS;
  const shift = Math.log2(size);
  const [block, at, entry] = f.locals('i32', 3);
  const blocks = c.vector(() => {
    f.get(address);
    c.field(LEVEL.base).op('i32x4_sub').i32(shift).op('i32x4_shr_u');
  });
  f.get(blocks).lane('i32x4_extract_lane', 0).tee(block);
  f.get(block).i32(ROW_SHIFT).op('i32_shr_u').op('i32_xor');
  f.i32(ENTRIES - 1)
    .op('i32_and')
    .i32(2)
    .op('i32_shl')
    .set(entry);
  f.get(block).i32(shift).op('i32_shl').get(c.level).memory('i32_load', LEVEL.base).op('i32_add').tee(at);
  f.get(entry).memory('i32_load', TABLE_AT).op('i32_ne').unlikely().if();
  f.get(blocks).lane('i32x4_extract_lane', 3).get(block).op('i32_eq').if();
  f.get(entry).get(at).memory('i32_store', TABLE_AT);
  const last = c.dramBytes - size;
  f.get(at).i32(last).get(at).i32(last).op('i32_lt_u').op('select').set(at);
  f.i32(0);
  for (let line = 0; line < size; line += LINE) {
    f.get(at).memory('i32_load', line, c.dram);
    if (line) f.op('i32_add');
  }
  f.memory('i32_store', SUM_AT);
  f.end().end();
  c.seam();
}
