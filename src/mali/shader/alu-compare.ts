/**
 * Comparisons and selections, and what lanes of a warp learn of one another.
 *
 * A comparison's result takes one of four forms: integer 1, float 1.0, all ones, or (ICMP_MULTI alone) the lower half of a
 * 64-bit comparison, to be completed by one of the upper halves. The third source is combined with it by OR or AND.
 */
import { INACTIVE_VALUES, MODIFIER } from '../../abi/isa/encoding.ts';
import { elementOf } from './alu-integer.ts';
import type { Compilers, Exec } from './compile.ts';
import { LANES } from './contract.ts';
import { EncodingError, type Instruction } from './decode.ts';
import { F16_TO_F32, fromBits } from './float.ts';
import { destination, floats, halves, type Ints, integers, rawBits, upperDestination } from './operand.ts';

type Test = (a: number, b: number) => boolean;

/** NaN compares as unordered: only `ne` holds. */
const TESTS: Record<string, Test> = {
  eq: (a, b) => a === b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gtlt: (a, b) => a > b || a < b,
  total: (a, b) => !(Number.isNaN(a) || Number.isNaN(b)),
};
const testOf = (i: Instruction): Test => TESTS[i.modifiers.condition!]!;

/** The word that says true, for elements of `size` bits. */
function truth(type: string, size: number): number {
  if (type === 'm1') return size === 32 ? -1 : (1 << size) - 1;
  if (type !== 'f1') return 1;
  if (size === 8) throw new EncodingError('a byte cannot be 1.0');
  return size === 32 ? 0x3f800000 : 0x3c00;
}

/** Combines the outcome with the third source's element. */
const combiner = (i: Instruction): ((outcome: boolean, before: number) => boolean) =>
  i.spec.base.endsWith('_AND')
    ? (outcome, before) => outcome && before !== 0
    : (outcome, before) => outcome || before !== 0;

function integerCompare(i: Instruction): Exec {
  const { size, signed } = elementOf(i.spec.type);
  const a = integers(i.sources[0]!, i.page, size, signed);
  const b = integers(i.sources[1]!, i.page, size, signed);
  const c = rawBits(i.sources[2]!, i.page);
  const d = destination(i);
  const test = testOf(i);
  const combine = combiner(i);
  const yes = truth(i.modifiers.resultType!, size);
  const up = 32 - size;
  const mask = size === 32 ? -1 : (1 << size) - 1;
  return (w) => {
    const [x, y, z] = [a(w), b(w), c(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      let word = 0;
      for (let at = 0; at < 32; at += size) {
        const left = up - at;
        const p = signed ? (x[n]! << left) >> up : (x[n]! << left) >>> up;
        const q = signed ? (y[n]! << left) >> up : (y[n]! << left) >>> up;
        if (combine(test(p, q), (z[n]! >>> at) & mask)) word |= yes << at;
      }
      out[n] = word;
    }
    d.close(w);
  };
}

/** 64-bit comparison in two steps: `u1` compares the lower words, the other the upper ones and falls back on it. */
function multiCompare(i: Instruction): Exec {
  const { signed } = elementOf(i.spec.type);
  const a = integers(i.sources[0]!, i.page, 32, signed);
  const b = integers(i.sources[1]!, i.page, 32, signed);
  const c = rawBits(i.sources[2]!, i.page);
  const d = destination(i);
  const { condition, resultType } = i.modifiers as { condition: string; resultType: string };
  const test = testOf(i);
  const yes = truth(resultType, 32);
  const lower = resultType === 'u1';
  const outcome = (p: number, q: number, before: boolean): boolean => {
    if (lower) return test(p, q);
    if (condition === 'eq') return p === q && before;
    if (condition === 'ne') return p !== q || before;
    return p === q ? before : test(p, q);
  };
  return (w) => {
    const [x, y, z] = [a(w), b(w), c(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const p = signed ? x[n]! : x[n]! >>> 0;
      const q = signed ? y[n]! : y[n]! >>> 0;
      out[n] = outcome(p, q, z[n]! !== 0) ? yes : 0;
    }
    d.close(w);
  };
}

function floatCompare32(i: Instruction): Exec {
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const c = rawBits(i.sources[2]!, i.page);
  const d = destination(i);
  const test = testOf(i);
  const combine = combiner(i);
  const yes = truth(i.modifiers.resultType!, 32);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const z = c(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = combine(test(x[n]!, y[n]!), z[n]!) ? yes : 0;
    d.close(w);
  };
}

function floatCompare16(i: Instruction): Exec {
  const a = halves(i.sources[0]!, i.page);
  const b = halves(i.sources[1]!, i.page);
  const c = rawBits(i.sources[2]!, i.page);
  const d = destination(i);
  const test = testOf(i);
  const combine = combiner(i);
  const yes = truth(i.modifiers.resultType!, 16);
  return (w) => {
    a.load(w);
    b.load(w);
    const z = c(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const low = combine(test(a.low[n]!, b.low[n]!), z[n]! & 0xffff) ? yes : 0;
      const high = combine(test(a.high[n]!, b.high[n]!), z[n]! >>> 16) ? yes : 0;
      out[n] = low | (high << 16);
    }
    d.close(w);
  };
}

/** CSEL: compares the first two sources and gives the third or the fourth. */
function select(i: Instruction): Exec {
  const sources = i.sources.map((s) => rawBits(s, i.page)) as [Ints, Ints, Ints, Ints];
  const [a, b, yes, no] = sources;
  const d = destination(i);
  const test = testOf(i);
  const { type } = i.spec;
  const words: Record<string, (x: number) => number> = { f32: fromBits, u32: (x) => x >>> 0, s32: (x) => x };
  const word = words[type];
  if (word) {
    return (w) => {
      const [x, y, p, q] = [a(w), b(w), yes(w), no(w)];
      const out = d.open(w);
      for (let n = 0; n < LANES; n++) out[n] = test(word(x[n]!), word(y[n]!)) ? p[n]! : q[n]!;
      d.close(w);
    };
  }
  const parts: Record<string, (x: number) => number> = {
    v2f16: (x) => F16_TO_F32[x & 0xffff]!,
    v2u16: (x) => x & 0xffff,
    v2s16: (x) => (x << 16) >> 16,
  };
  const half = parts[type]!;
  return (w) => {
    const [x, y, p, q] = [a(w), b(w), yes(w), no(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const low = test(half(x[n]!), half(y[n]!)) ? p[n]! : q[n]!;
      const high = test(half(x[n]! >>> 16), half(y[n]! >>> 16)) ? p[n]! : q[n]!;
      out[n] = (low & 0xffff) | (high & 0xffff0000);
    }
    d.close(w);
  };
}

const subgroupOf = (i: Instruction): number =>
  2 ** ((MODIFIER.subgroup.values ?? []).indexOf(i.modifiers.subgroup!) + 1);

/** CLPER: the value of another lane of the subgroup. Lanes that are not active have a value that the instruction names. */
function permute(i: Instruction): Exec {
  const size = subgroupOf(i);
  const operation = i.modifiers.laneOp!;
  if (operation === 'accumulate' || operation === 'shift') {
    throw new EncodingError(`${i.spec.name}.${operation} is not modelled`);
  }
  const inactive = INACTIVE_VALUES[(MODIFIER.inactive.values ?? []).indexOf(i.modifiers.inactive!)]! | 0;
  const b = integers(i.sources[1]!, i.page, 8, false);
  const long = i.spec.type.endsWith('64');
  const words = long ? [0, 1] : [0];
  const sources = words.map((word) => rawBits(i.sources[0]!, i.page, word));
  const destinations = long ? [destination(i), upperDestination(i)] : [destination(i)];
  const results = words.map(() => new Int32Array(LANES));
  return (w) => {
    const lanes = b(w);
    for (let k = 0; k < words.length; k++) {
      const x = sources[k]!(w);
      const result = results[k]!;
      for (let n = 0; n < LANES; n++) {
        const wanted = (operation === 'xor' ? n ^ lanes[n]! : lanes[n]!) & (size - 1);
        const lane = (n & ~(size - 1)) | wanted;
        result[n] = w.mask & (1 << lane) ? x[lane]! : inactive;
      }
    }
    for (let k = 0; k < words.length; k++) {
      destinations[k]!.open(w).set(results[k]!);
      destinations[k]!.close(w);
    }
  };
}

/** WMASK: for each lane, which active lanes of its subgroup have a source that is not zero. */
function warpMask(i: Instruction): Exec {
  const size = subgroupOf(i);
  const a = rawBits(i.sources[0]!, i.page);
  const d = destination(i);
  const group = size === 16 ? 0xffff : (1 << size) - 1;
  return (w) => {
    const x = a(w);
    let bits = 0;
    for (let n = 0; n < LANES; n++) if (w.mask & (1 << n) && x[n] !== 0) bits |= 1 << n;
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = (bits >>> (n & ~(size - 1))) & group;
    d.close(w);
  };
}

const types = (base: string, suffixes: string, compiler: (i: Instruction) => Exec): Compilers =>
  Object.fromEntries(suffixes.split(' ').map((suffix) => [`${base}.${suffix}`, compiler]));
const INTEGERS = 'u32 v2u16 v4u8 s32 v2s16 v4s8';

export const COMPARE: Compilers = {
  ...types('ICMP_OR', INTEGERS, integerCompare),
  ...types('ICMP_AND', INTEGERS, integerCompare),
  ...types('ICMP_MULTI', 'u32 s32', multiCompare),
  'FCMP_OR.f32': floatCompare32,
  'FCMP_AND.f32': floatCompare32,
  'FCMP_OR.v2f16': floatCompare16,
  'FCMP_AND.v2f16': floatCompare16,
  ...types('CSEL', 'u32 v2u16 f32 v2f16 s32 v2s16', select),
  ...types('CLPER', 'i32 v2u16 v4u8 s32 v2s16 v4s8 u64 s64', permute),
  WMASK: warpMask,
};

/** DISCARD: lanes for which the comparison holds have no effect from here on. */
export function compileDiscard(i: Instruction): Exec {
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const test = testOf(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    for (let n = 0; n < LANES; n++) if (w.mask & (1 << n) && test(x[n]!, y[n]!)) w.discarded |= 1 << n;
  };
}
