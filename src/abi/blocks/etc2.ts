/**
 * ETC2 and EAC blocks: 4×4 texels in 64 bits each, as fields and tables.
 *
 * Bit numbers are those of the specification, which reads eight bytes as one big-endian number; `etcBlock` brings a block
 * into that order. Texels are numbered down the columns: 4x + y.
 * Source: OpenGL ES 3.2 appendix C.1; Khronos Data Format Specification 1.3 chapters 21 (ETC2) and 22 (EAC).
 */
import { type Block, blockField, blockFieldOf } from './bits.ts';

const swapBytes = (word: number): number =>
  ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;

/** Turns the eight bytes at words `first` and `first + 1` into a number whose bits have the specification's numbers. */
export function etcBlock(words: Block, first: number, out: Block): Block {
  out[0] = swapBytes(words[first + 1]!);
  out[1] = swapBytes(words[first]!);
  return out;
}

/** Fields of all colour blocks. In punch-through blocks bit 33 says whether the block is opaque. */
export const ETC2 = {
  differential: blockField(33, 1),
  opaque: blockField(33, 1),
  /** Whether the two subblocks lie one above the other. */
  flip: blockField(32, 1),
  table: [blockField(37, 3), blockField(34, 3)],
  /** Low and high bits of the texels' 2-bit indices, bit 4x + y each. */
  indexLow: blockField(0, 16),
  indexHigh: blockField(16, 16),
} as const;

/** Two RGB 4:4:4 base colours. */
export const ETC2_INDIVIDUAL = [
  [blockField(60, 4), blockField(52, 4), blockField(44, 4)],
  [blockField(56, 4), blockField(48, 4), blockField(40, 4)],
] as const;

/** One RGB 5:5:5 base colour and its signed 3-bit differences. */
export const ETC2_DIFFERENTIAL = {
  base: [blockField(59, 5), blockField(51, 5), blockField(43, 5)],
  delta: [blockField(56, 3), blockField(48, 3), blockField(40, 3)],
} as const;

/** T mode (red overflows): two RGB 4:4:4 colours and the number of a distance. */
export const ETC2_T = {
  first: [blockFieldOf([59, 2], [56, 2]), blockField(52, 4), blockField(48, 4)],
  second: [blockField(44, 4), blockField(40, 4), blockField(36, 4)],
  distance: blockFieldOf([34, 2], [32, 1]),
} as const;

/** H mode (green overflows). The distance's lowest bit is whether the first colour, as a number, is not below the second. */
export const ETC2_H = {
  first: [blockField(59, 4), blockFieldOf([56, 3], [52, 1]), blockFieldOf([51, 1], [47, 3])],
  second: [blockField(43, 4), blockField(39, 4), blockField(35, 4)],
  distance: blockFieldOf([34, 1], [32, 1]),
} as const;

/** Planar mode (blue overflows): RGB 6:7:6 colours at the origin, one block to the right, one block down. */
export const ETC2_PLANAR = {
  bits: [6, 7, 6],
  origin: [blockField(57, 6), blockFieldOf([56, 1], [49, 6]), blockFieldOf([48, 1], [43, 2], [39, 3])],
  horizontal: [blockFieldOf([34, 5], [32, 1]), blockField(25, 7), blockField(19, 6)],
  vertical: [blockField(13, 6), blockField(6, 7), blockField(0, 6)],
} as const;

/** Intensity modifiers: small and large of each table. Indices 0…3 mean +small, +large, -small, -large. */
export const ETC2_MODIFIERS: readonly (readonly [number, number])[] = [
  [2, 8],
  [5, 17],
  [9, 29],
  [13, 42],
  [18, 60],
  [24, 80],
  [33, 106],
  [47, 183],
];

/** Distances of T and H mode. */
export const ETC2_DISTANCES: readonly number[] = [3, 6, 11, 16, 23, 32, 41, 64];

/** Fields of an EAC block. Texel 4x + y has the 3-bit index that `eacIndex` gives. */
export const EAC = {
  base: blockField(56, 8),
  multiplier: blockField(52, 4),
  table: blockField(48, 4),
} as const;
export const EAC_INDEX: readonly ((block: Block) => number)[] = Array.from({ length: 16 }, (_, i) =>
  blockField(45 - 3 * i, 3),
);

/** Modifiers of each EAC table for indices 0…3; index 4 + i has -1 - the modifier of index i. */
export const EAC_MODIFIERS: readonly (readonly number[])[] = [
  [-3, -6, -9, -15],
  [-3, -7, -10, -13],
  [-2, -5, -8, -13],
  [-2, -4, -6, -13],
  [-3, -6, -8, -12],
  [-3, -7, -9, -11],
  [-4, -7, -8, -11],
  [-3, -5, -8, -11],
  [-2, -6, -8, -10],
  [-2, -5, -8, -10],
  [-2, -4, -8, -10],
  [-2, -5, -7, -10],
  [-3, -4, -7, -10],
  [-1, -2, -3, -10],
  [-4, -6, -8, -9],
  [-3, -5, -7, -9],
];
