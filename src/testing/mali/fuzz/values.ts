/**
 * Values for registers and uniforms: those at which arithmetic has edges (zeros, infinities, NaNs, subnormals, powers of two),
 * everyday ones, and any.
 */
import type { Random } from '../random.ts';

/** How a register may be looked at: instruction.ts says why. */
export type Kind = 'bits' | 'single' | 'half';

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345, 1, 0x80000001,
  0x007fffff, 0x00800000, 0x7f7fffff, 0x3effffff, 0x3f000000, 0x3f7fffff, 0x4b000000, 0x4b7fffff, 0x4effffff,
  0x4f000000, 0xcf000000, 0x4f7fffff, 0x4f800000, 0x33000000, 0x33800000, 0x387fc000, 0x38800000, 0x477fe000,
  0x477ff000, 0x3f800001, 0x40490fdb,
];
const HALF_VALUES = [
  0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0xfd23, 1, 0x8001, 0x3ff, 0x400, 0x7bff, 0x3800,
];
const WORDS = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000];

function value(random: Random, kind: Kind): number {
  const choice = random.below(100);
  if (choice < 20) return random.word();
  const half = () => (random.chance(60) ? random.pick(HALF_VALUES) : random.below(65536));
  if (kind === 'half' || choice < 25) return (half() | (half() << 16)) >>> 0;
  if (kind === 'single' || choice < 50) {
    if (choice < 60) return random.pick(SINGLES);
    // A float of everyday size, with few or many bits of fraction.
    const exponent = 117 + random.below(24);
    const fraction = random.word() & (random.chance(50) ? 0x7fffff : 0x7c0000);
    return ((random.below(2) << 31) | (exponent << 23) | fraction) >>> 0;
  }
  return random.chance(60) ? random.pick(WORDS) : -random.pick(WORDS) >>> 0;
}

const VALUES = 4096;

/** A table of words to choose of. */
export function values(random: Random, kind: Kind): Uint32Array {
  const words = new Uint32Array(VALUES);
  for (let n = 0; n < VALUES; n++) words[n] = value(random, kind);
  return words;
}

/** Spreads the bits of a small number. */
const ODD = 0x9e3779b1;

/** One of a table's words, and one time in sixteen any. */
export function wordOf(random: Random, table: Uint32Array): number {
  const word = random.word();
  return word < 2 ** 28 ? Math.imul(word, ODD) >>> 0 : table[word & (VALUES - 1)]!;
}
