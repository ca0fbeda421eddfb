/**
 * ETC2 and EAC decoders. A decoder takes a block in four words as memory holds them, and writes its 16 texels in rows: RGBA8,
 * or one or two 16-bit channels.
 *
 * Every ETC1 block is an ETC2 block: what overflows in ETC1's differential mode selects the T, H or planar mode.
 * Source: OpenGL ES 3.2 appendix C.1; Khronos Data Format Specification 1.3 chapters 21 and 22.
 */
import type { Block } from '../../../abi/blocks/bits.ts';
import { signExtend } from '../../../abi/blocks/bits.ts';
import {
  EAC,
  EAC_INDEX,
  EAC_MODIFIERS,
  ETC2,
  ETC2_DIFFERENTIAL,
  ETC2_DISTANCES,
  ETC2_H,
  ETC2_INDIVIDUAL,
  ETC2_MODIFIERS,
  ETC2_PLANAR,
  ETC2_T,
  etcBlock,
} from '../../../abi/blocks/etc2.ts';
import { clampByte, replicate, rgba8 } from './texel.ts';

const SIDE = 4;
const OPAQUE = 255;
/** The index that means "transparent" in a punch-through block that is not opaque. */
const HOLE = 2;
const MAX_FIVE_BITS = 31;

const block: Block = new Uint32Array(2);
const alphaBlock: Block = new Uint32Array(2);
/** Four colours, three channels each, that a T or H block paints with. */
const paint = new Int32Array(12);
/** The two base colours of a block. */
const base = new Int32Array(6);

/** ETC2 RGB8, and ETC1 RGB8. */
export function decodeEtc2Rgb8(words: Block, out: Uint32Array): void {
  decodeColour(words, 0, false, out);
}

/** ETC2 RGB8 A1: a texel is opaque, or transparent black. */
export function decodeEtc2Rgb8A1(words: Block, out: Uint32Array): void {
  decodeColour(words, 0, true, out);
}

/** ETC2 RGBA8: an EAC block of alpha before one of colour. */
export function decodeEtc2Rgba8(words: Block, out: Uint32Array): void {
  decodeColour(words, 2, false, out);
  etcBlock(words, 0, alphaBlock);
  const alphaBase = EAC.base(alphaBlock);
  const multiplier = EAC.multiplier(alphaBlock);
  const table = EAC_MODIFIERS[EAC.table(alphaBlock)]!;
  for (let x = 0; x < SIDE; x++) {
    for (let y = 0; y < SIDE; y++) {
      const alpha = clampByte(alphaBase + modifier(table, EAC_INDEX[x * SIDE + y]!(alphaBlock)) * multiplier);
      const at = y * SIDE + x;
      out[at] = withAlpha(out[at]!, alpha);
    }
  }
}

const withAlpha = (texel: number, alpha: number): number =>
  rgba8(texel & 0xff, (texel >>> 8) & 0xff, (texel >>> 16) & 0xff, alpha);

function decodeColour(words: Block, first: number, punchThrough: boolean, out: Uint32Array): void {
  etcBlock(words, first, block);
  const holes = punchThrough && ETC2.opaque(block) === 0;
  if (!punchThrough && ETC2.differential(block) === 0) {
    for (let half = 0; half < 2; half++)
      for (let c = 0; c < 3; c++) base[half * 3 + c] = replicate(ETC2_INDIVIDUAL[half]![c]!(block), 4, 8);
    decodeHalves(false, out);
    return;
  }
  for (let c = 0; c < 3; c++) {
    const from = ETC2_DIFFERENTIAL.base[c]!(block);
    const to = from + signExtend(ETC2_DIFFERENTIAL.delta[c]!(block), 3);
    if (to < 0 || to > MAX_FIVE_BITS) {
      if (c === 0) decodeT(holes, out);
      else if (c === 1) decodeH(holes, out);
      else decodePlanar(out);
      return;
    }
    base[c] = replicate(from, 5, 8);
    base[3 + c] = replicate(to, 5, 8);
  }
  decodeHalves(holes, out);
}

const indexOf = (low: number, high: number, x: number, y: number): number => {
  const bit = x * SIDE + y;
  return (((high >>> bit) & 1) << 1) | ((low >>> bit) & 1);
};

/** Two halves of 2×4 or 4×2 texels: a base colour and a table of intensities each. */
function decodeHalves(holes: boolean, out: Uint32Array): void {
  const low = ETC2.indexLow(block);
  const high = ETC2.indexHigh(block);
  const flip = ETC2.flip(block) === 1;
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const half = (flip ? y : x) < SIDE / 2 ? 0 : 1;
      const index = indexOf(low, high, x, y);
      const at = y * SIDE + x;
      if (holes && index === HOLE) {
        out[at] = 0;
        continue;
      }
      const [small, large] = ETC2_MODIFIERS[ETC2.table[half]!(block)]!;
      const size = index & 1 ? large : holes ? 0 : small;
      const add = index & 2 ? -size : size;
      const from = half * 3;
      out[at] = rgba8(
        clampByte(base[from]! + add),
        clampByte(base[from + 1]! + add),
        clampByte(base[from + 2]! + add),
        OPAQUE,
      );
    }
  }
}

/** T mode: the first colour as it is, the second one brighter, as it is, and darker. */
function decodeT(holes: boolean, out: Uint32Array): void {
  const distance = ETC2_DISTANCES[ETC2_T.distance(block)]!;
  for (let c = 0; c < 3; c++) {
    const second = replicate(ETC2_T.second[c]!(block), 4, 8);
    paint[c] = replicate(ETC2_T.first[c]!(block), 4, 8);
    paint[3 + c] = clampByte(second + distance);
    paint[6 + c] = second;
    paint[9 + c] = clampByte(second - distance);
  }
  paintTexels(holes, out);
}

/** H mode: both colours brighter and darker. */
function decodeH(holes: boolean, out: Uint32Array): void {
  let order = 0;
  for (let c = 0; c < 3 && order === 0; c++) order = ETC2_H.first[c]!(block) - ETC2_H.second[c]!(block);
  const distance = ETC2_DISTANCES[(ETC2_H.distance(block) << 1) | (order >= 0 ? 1 : 0)]!;
  for (let c = 0; c < 3; c++) {
    const first = replicate(ETC2_H.first[c]!(block), 4, 8);
    const second = replicate(ETC2_H.second[c]!(block), 4, 8);
    paint[c] = clampByte(first + distance);
    paint[3 + c] = clampByte(first - distance);
    paint[6 + c] = clampByte(second + distance);
    paint[9 + c] = clampByte(second - distance);
  }
  paintTexels(holes, out);
}

function paintTexels(holes: boolean, out: Uint32Array): void {
  const low = ETC2.indexLow(block);
  const high = ETC2.indexHigh(block);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const index = indexOf(low, high, x, y);
      const from = index * 3;
      out[y * SIDE + x] = holes && index === HOLE ? 0 : rgba8(paint[from]!, paint[from + 1]!, paint[from + 2]!, OPAQUE);
    }
  }
}

/** Planar mode: a gradient through three colours, at (0, 0), (4, 0) and (0, 4). */
function decodePlanar(out: Uint32Array): void {
  for (let c = 0; c < 3; c++) {
    const bits = ETC2_PLANAR.bits[c]!;
    paint[c] = replicate(ETC2_PLANAR.origin[c]!(block), bits, 8);
    paint[3 + c] = replicate(ETC2_PLANAR.horizontal[c]!(block), bits, 8) - paint[c]!;
    paint[6 + c] = replicate(ETC2_PLANAR.vertical[c]!(block), bits, 8) - paint[c]!;
  }
  const at = (c: number, x: number, y: number): number =>
    clampByte((x * paint[3 + c]! + y * paint[6 + c]! + SIDE * paint[c]! + SIDE / 2) >> 2);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) out[y * SIDE + x] = rgba8(at(0, x, y), at(1, x, y), at(2, x, y), OPAQUE);
}

const modifier = (table: readonly number[], index: number): number =>
  index < 4 ? table[index]! : -1 - table[index - 4]!;

/** EAC: 11 bits a texel, widened to 16. */
function decodeEac(words: Block, first: number, signed: boolean, shift: number, out: Uint32Array): void {
  etcBlock(words, first, block);
  const raw = EAC.base(block);
  const centre = signed ? Math.max(-127, signExtend(raw, 8)) * 8 : raw * 8 + 4;
  const step = EAC.multiplier(block) === 0 ? 1 : EAC.multiplier(block) * 8;
  const table = EAC_MODIFIERS[EAC.table(block)]!;
  for (let x = 0; x < SIDE; x++) {
    for (let y = 0; y < SIDE; y++) {
      const value = centre + modifier(table, EAC_INDEX[x * SIDE + y]!(block)) * step;
      out[y * SIDE + x]! |= (signed ? wide11Signed(value) : wide11(value)) << shift;
    }
  }
}

const wide11 = (value: number): number => replicate(Math.max(0, Math.min(2047, value)), 11, 16);
const wide11Signed = (value: number): number => {
  const magnitude = replicate(Math.min(1023, Math.abs(value)), 10, 15);
  return (value < 0 ? -magnitude : magnitude) & 0xffff;
};

const eacR11 =
  (signed: boolean) =>
  (words: Block, out: Uint32Array): void => {
    out.fill(0);
    decodeEac(words, 0, signed, 0, out);
  };

const eacRg11 =
  (signed: boolean) =>
  (words: Block, out: Uint32Array): void => {
    out.fill(0);
    decodeEac(words, 0, signed, 0, out);
    decodeEac(words, 2, signed, 16, out);
  };

export const decodeEacR11 = eacR11(false);
export const decodeEacR11Signed = eacR11(true);
export const decodeEacRg11 = eacRg11(false);
export const decodeEacRg11Signed = eacRg11(true);
