/**
 * ASTC's integer sequences: numbers packed as plain bits and shared base-3 or base-5 digits, and what they stand for.
 * Source: Khronos Data Format Specification 1.3 sections 23.12 (sequences), 23.13 and 23.17 (unquantization).
 */
import {
  ASTC_COLOUR_SPREAD,
  ASTC_DIGIT_RUNS,
  ASTC_QUINTS,
  ASTC_RANGES,
  ASTC_TRITS,
  ASTC_WEIGHT_DIGITS,
  ASTC_WEIGHT_SPREAD,
  type AstcRange,
  type AstcSpread,
} from '../../../../abi/blocks/astc.ts';
import { type Block, bitsAt } from '../../../../abi/blocks/bits.ts';
import { replicate } from '../texel.ts';

/** Bits that `count` numbers of a range take. */
export function sequenceBits({ digit, bits }: AstcRange, count: number): number {
  const plain = bits * count;
  switch (digit) {
    case 'trit':
      return plain + Math.ceil((8 * count) / 5);
    case 'quint':
      return plain + Math.ceil((7 * count) / 3);
    default:
      return plain;
  }
}

const group = new Uint8Array(5);

/** Reads `count` numbers from bit `at` on. A last group that is cut short has zeros for the rest of its digits. */
export function readSequence(block: Block, start: number, range: AstcRange, count: number, out: Uint8Array): void {
  const { digit, bits } = range;
  let at = start;
  if (digit === 'none') {
    for (let i = 0; i < count; i++, at += bits) out[i] = bitsAt(block, at, bits);
    return;
  }
  const runs = ASTC_DIGIT_RUNS[digit];
  const digits = digit === 'trit' ? ASTC_TRITS : ASTC_QUINTS;
  for (let first = 0; first < count; first += runs.length) {
    const size = Math.min(runs.length, count - first);
    let packed = 0;
    let packedBits = 0;
    for (let i = 0; i < size; i++) {
      group[i] = bitsAt(block, at, bits);
      at += bits;
      const run = runs[i]!;
      packed |= bitsAt(block, at, run) << packedBits;
      at += run;
      packedBits += run;
    }
    const values = digits[packed]!;
    for (let i = 0; i < size; i++) out[first + i] = (values[i]! << bits) | group[i]!;
  }
}

/** Unquantizes digit and plain bits to `width` bits; the lowest plain bit inverts the others. */
function spreadValue({ factor, pattern }: AstcSpread, digit: number, plain: number, width: number): number {
  let spread = 0;
  for (const letter of pattern) {
    const source = letter === '0' ? 0 : (plain >>> (letter.charCodeAt(0) - 'a'.charCodeAt(0))) & 1;
    spread = (spread << 1) | source;
  }
  const invert = plain & 1 ? (1 << (width + 1)) - 1 : 0;
  const value = (digit * factor + spread) ^ invert;
  const top = 1 << (width - 1);
  return (invert & top) | (value >>> 2);
}

const COLOUR_BITS = 8;
const WEIGHT_BITS = 6;

/** Endpoint values 0…255 of each range's numbers, by number of the range. */
export const COLOUR_VALUES: readonly Uint8Array[] = ASTC_RANGES.map(({ levels, digit, bits }) =>
  Uint8Array.from({ length: levels }, (_, value) => {
    if (digit === 'none') return replicate(value, bits, COLOUR_BITS);
    const spread = ASTC_COLOUR_SPREAD[digit][bits];
    if (bits === 0 || !spread) return 0;
    return spreadValue(spread, value >>> bits, value & ((1 << bits) - 1), COLOUR_BITS);
  }),
);

/** Weights 0…64 of each range's numbers, by number of the range. Ranges that weights do not use are empty. */
export const WEIGHT_VALUES: readonly Uint8Array[] = ASTC_RANGES.map(({ levels, digit, bits }) => {
  const spread = digit === 'none' ? undefined : ASTC_WEIGHT_SPREAD[digit][bits];
  if (bits > WEIGHT_BITS || (digit !== 'none' && !spread)) return new Uint8Array(0);
  return Uint8Array.from({ length: levels }, (_, value) => {
    let weight: number;
    if (digit === 'none') weight = replicate(value, bits, WEIGHT_BITS);
    else if (bits === 0) weight = ASTC_WEIGHT_DIGITS[digit][value]!;
    else weight = spreadValue(spread!, value >>> bits, value & ((1 << bits) - 1), WEIGHT_BITS);
    return weight > 32 ? weight + 1 : weight;
  });
});
