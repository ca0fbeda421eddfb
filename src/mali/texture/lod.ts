/**
 * Levels of detail, as numbers with 8 fraction bits: that is how samplers, textures and instructions give them, so all sums
 * and bounds are exact integers. The logarithm of a footprint comes from a table, by exponent and leading fraction bits of the
 * squared length as a single: script and emitted samplers cannot disagree.
 * Source: OpenGL ES 3.2 chapter 8.14 (level of detail); Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml` (LOD fields).
 */
import { LOD_FRACTION_BITS } from '../../abi/gpu/texture-descriptors.ts';
import { scratch } from '../engine/scratch.ts';

export const LOD_ONE = 1 << LOD_FRACTION_BITS;
/** The level of detail of a footprint that is infinite or not a number: more than any texture has. */
export const LOD_ENDLESS = 128 * LOD_ONE;
/** Leading bits of the fraction that the table goes by. */
export const LOG_BITS = 10;

/** Of a fraction's leading bits: log2 of 1.fraction in halves of LOD_ONE, in scratch memory for emitted samplers. */
export const LOG_TABLE_AT = scratch.fixed('logarithms', 1 << LOG_BITS);
const LOG_TABLE = scratch.u8.subarray(LOG_TABLE_AT, LOG_TABLE_AT + (1 << LOG_BITS));
LOG_TABLE.forEach((_, i) => {
  LOG_TABLE[i] = Math.round((Math.log2(1 + i / (1 << LOG_BITS)) * LOD_ONE) / 2);
});

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** The level of detail of a footprint whose length has this square, in texels of level 0. */
export function lodOfSquare(square: number): number {
  single[0] = square;
  const bits = singleBits[0]!;
  const exponent = (bits >>> 23) & 0xff;
  if (exponent === 0xff) return LOD_ENDLESS;
  return ((exponent - 127) * LOD_ONE) / 2 + LOG_TABLE[(bits & 0x7fffff) >>> (23 - LOG_BITS)]!;
}
