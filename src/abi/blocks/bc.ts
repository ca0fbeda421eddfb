/**
 * BC1 to BC5 blocks (S3TC and RGTC): 4×4 texels from two endpoints and an index each, as fields. Texels go in rows.
 *
 * A colour part has two RGB 5:6:5 endpoints and 2-bit indices; a channel part two 8-bit endpoints and 3-bit indices.
 * Source: Khronos Data Format Specification 1.3 chapters 18 (S3TC) and 19 (RGTC).
 */
import { type Block, type BlockField, bitsAt } from './bits.ts';

/** Bits of a part: one 64-bit half of a block. */
export const BC_PART_BITS = 64;

/** A colour part that starts at bit `at`. */
export const bcColour = (at: number) => {
  const endpoint = (from: number): readonly [BlockField, BlockField, BlockField] => [
    (block) => bitsAt(block, from + 11, 5),
    (block) => bitsAt(block, from + 5, 6),
    (block) => bitsAt(block, from, 5),
  ];
  return {
    /** Endpoints as numbers: whose is greater decides between four colours, and three and black. */
    whole: [(block: Block) => bitsAt(block, at, 16), (block: Block) => bitsAt(block, at + 16, 16)],
    endpoints: [endpoint(at), endpoint(at + 16)],
    bits: [5, 6, 5],
    index: (block: Block, texel: number): number => bitsAt(block, at + 32 + 2 * texel, 2),
  } as const;
};

/** A channel part that starts at bit `at`. */
export const bcChannel = (at: number) =>
  ({
    endpoints: [(block: Block) => bitsAt(block, at, 8), (block: Block) => bitsAt(block, at + 8, 8)],
    index: (block: Block, texel: number): number => bitsAt(block, at + 16 + 3 * texel, 3),
  }) as const;

/** BC2's alpha: 4 bits a texel. */
export const bc2Alpha = (block: Block, texel: number): number => bitsAt(block, 4 * texel, 4);
