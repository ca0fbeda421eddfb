/**
 * Bits of compressed blocks: a block of a compressed texture is up to 128 bits in four little-endian words, its fields are
 * accessors made from their bit positions.
 */

/** A block's 64 or 128 bits: bit 0 is the lowest bit of word 0. */
export type Block = Uint32Array;

/** The `width` ≤ 32 bits of a block from bit `at` on, unsigned. Bits past the end are zero. */
export function bitsAt(block: Block, at: number, width: number): number {
  const index = at >>> 5;
  const shift = at & 31;
  let value = (block[index] ?? 0) >>> shift;
  if (shift + width > 32) value |= (block[index + 1] ?? 0) << (32 - shift);
  return (width === 32 ? value : value & ((1 << width) - 1)) >>> 0;
}

/** Reads one field of a block. */
export type BlockField = (block: Block) => number;

/** The unsigned field of `width` bits at bit `at`, counted from the block's lowest. */
export const blockField =
  (at: number, width: number): BlockField =>
  (block) =>
    bitsAt(block, at, width);

/** Several runs of bits as one number, the highest first: [at, width] each. */
export const blockFieldOf =
  (...runs: readonly (readonly [at: number, width: number])[]): BlockField =>
  (block) => {
    let value = 0;
    for (const [at, width] of runs) value = (value << width) | bitsAt(block, at, width);
    return value >>> 0;
  };

/** Sign-extends a number of `width` bits. */
export const signExtend = (value: number, width: number): number => (value << (32 - width)) >> (32 - width);
