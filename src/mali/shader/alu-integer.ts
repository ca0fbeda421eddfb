/**
 * Integer arithmetic: 32-bit, packed 16- and 8-bit, and 64-bit in register pairs.
 *
 * Packed forms work on the elements of one 32-bit word; a function of two numbers is applied element by element and its
 * result cut to the element, or saturated. Shift amounts count modulo the element's width.
 * Semantics: Mesa 25.0.7 `src/panfrost/compiler/valhall/ISA.xml`.
 */
import type { Compilers, Exec } from './compile.ts';
import { LANES } from './contract.ts';
import type { Instruction } from './decode.ts';
import { destination, type Ints, integers, rawBits, upperDestination, upperWord } from './operand.ts';

/** Element size and signedness from a number type: `v2s16`, `u32`, … */
export function elementOf(type: string): { size: 8 | 16 | 32 | 64; signed: boolean } {
  const match = /^(?:v\d)?([usi])(\d+)$/.exec(type);
  if (!match) throw new Error(`shader: ${type} is no integer type`);
  return { size: Number(match[2]) as 8 | 16 | 32 | 64, signed: match[1] === 's' };
}

type Binary = (a: number, b: number) => number;

/** Applies `fn` to the elements of two words; `fn` gets numbers with the type's sign and its result is cut. */
export function perElement(size: number, signed: boolean, fn: Binary): (a: number, b: number) => number {
  if (size === 32) return signed ? (a, b) => fn(a, b) | 0 : (a, b) => fn(a >>> 0, b >>> 0) | 0;
  const up = 32 - size;
  const mask = (1 << size) - 1;
  return (a, b) => {
    let out = 0;
    for (let at = 0; at < 32; at += size) {
      const left = up - at;
      const x = signed ? (a << left) >> up : (a << left) >>> up;
      const y = signed ? (b << left) >> up : (b << left) >>> up;
      out |= (fn(x, y) & mask) << at;
    }
    return out;
  };
}

/** The range of an element. */
const limits = (size: number, signed: boolean): [number, number] =>
  signed ? [-(2 ** (size - 1)), 2 ** (size - 1) - 1] : [0, 2 ** size - 1];

const saturating = (fn: Binary, size: number, signed: boolean): Binary => {
  const [low, high] = limits(size, signed);
  return (a, b) => Math.max(low, Math.min(high, fn(a, b)));
};

function loop2(i: Instruction, a: Ints, b: Ints, fn: Binary): Exec {
  const d = destination(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = fn(x[n]!, y[n]!);
    d.close(w);
  };
}

function loop1(i: Instruction, a: Ints, fn: (a: number) => number): Exec {
  const d = destination(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = fn(x[n]!);
    d.close(w);
  };
}

/** Element-wise arithmetic of two sources. `exact` may give numbers outside the element: they are cut or saturated. */
function arithmetic(i: Instruction, exact: Binary): Exec {
  const { size, signed } = elementOf(i.spec.type);
  if (size === 64) return arithmetic64(i, exact);
  const a = integers(i.sources[0]!, i.page, size, signed);
  const b = integers(i.sources[1]!, i.page, size, signed);
  const fn = i.modifiers.saturate ? saturating(exact, size, signed) : exact;
  return loop2(i, a, b, perElement(size, signed, fn));
}

/** 32-bit sums without conversions: the commonest integer instructions. */
function add(i: Instruction, sign: 1 | -1): Exec {
  const { size, signed } = elementOf(i.spec.type);
  if (size !== 32 || i.modifiers.saturate) return arithmetic(i, sign === 1 ? (a, b) => a + b : (a, b) => a - b);
  const a = integers(i.sources[0]!, i.page, size, signed);
  const b = integers(i.sources[1]!, i.page, size, signed);
  const d = destination(i);
  return sign === 1
    ? (w) => {
        const x = a(w);
        const y = b(w);
        const out = d.open(w);
        for (let n = 0; n < LANES; n++) out[n] = (x[n]! + y[n]!) | 0;
        d.close(w);
      }
    : (w) => {
        const x = a(w);
        const y = b(w);
        const out = d.open(w);
        for (let n = 0; n < LANES; n++) out[n] = (x[n]! - y[n]!) | 0;
        d.close(w);
      };
}

// 64 bits: in bigints where it matters that carries and saturation are right; address arithmetic has its own way.

const join = (low: number, high: number): bigint => BigInt(high >>> 0) * 0x100000000n + BigInt(low >>> 0);

function wide(i: Instruction, fn: (a: bigint, b: bigint) => bigint, signed: boolean, saturate: boolean): Exec {
  const [first, second] = [i.sources[0]!, i.sources[1]!];
  const al = integers(first, i.page, 64, signed);
  const ah = upperWord(first, i.page, signed);
  const bl = integers(second, i.page, 64, signed);
  const bh = upperWord(second, i.page, signed);
  const low = destination(i);
  const high = upperDestination(i);
  const min = signed ? -(2n ** 63n) : 0n;
  const max = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  return (w) => {
    const [xl, xh, yl, yh] = [al(w), ah(w), bl(w), bh(w)];
    const outLow = low.open(w);
    const outHigh = high.open(w);
    for (let n = 0; n < LANES; n++) {
      let x = join(xl[n]!, xh[n]!);
      let y = join(yl[n]!, yh[n]!);
      if (signed) {
        x = BigInt.asIntN(64, x);
        y = BigInt.asIntN(64, y);
      }
      let r = fn(x, y);
      if (saturate) r = r < min ? min : r > max ? max : r;
      r = BigInt.asUintN(64, r);
      outLow[n] = Number(r & 0xffffffffn);
      outHigh[n] = Number(r >> 32n);
    }
    low.close(w);
    high.close(w);
  };
}

function arithmetic64(i: Instruction, exact: Binary): Exec {
  const { signed } = elementOf(i.spec.type);
  const plus = exact(1, 1) === 2;
  return wide(i, plus ? (a, b) => a + b : (a, b) => a - b, signed, i.modifiers.saturate !== '');
}

/** a + (b << shift): one carry, no bigints. */
function shiftAdd(i: Instruction): Exec {
  const signed = i.spec.type === 's64';
  const shift = i.immediates.shift!;
  const [first, second] = [i.sources[0]!, i.sources[1]!];
  const al = rawBits(first, i.page, 0);
  const ah = rawBits(first, i.page, 1);
  const bl = integers(second, i.page, 64, signed);
  const bh = upperWord(second, i.page, signed);
  const low = destination(i);
  const high = upperDestination(i);
  return (w) => {
    const [xl, xh, yl, yh] = [al(w), ah(w), bl(w), bh(w)];
    const outLow = low.open(w);
    const outHigh = high.open(w);
    for (let n = 0; n < LANES; n++) {
      const l = yl[n]!;
      const h = shift ? (yh[n]! << shift) | (l >>> (32 - shift)) : yh[n]!;
      const sum = (xl[n]! >>> 0) + ((l << shift) >>> 0);
      const top = xh[n]! + h + (sum > 0xffffffff ? 1 : 0);
      outLow[n] = sum;
      outHigh[n] = top;
    }
    low.close(w);
    high.close(w);
  };
}

/** Adds to a pair, or subtracts; a null pointer may stay null. */
function segmentAdd(i: Instruction): Exec {
  const { neg, preserve_null: keep } = i.modifiers;
  return wide(i, (a, b) => (keep && a === 0n ? 0n : neg ? a - b : a + b), false, false);
}

/** The full 64-bit product of two 32-bit words. */
function multiplyWide(i: Instruction): Exec {
  return wide(i, (a, b) => (a & 0xffffffffn) * (b & 0xffffffffn), false, false);
}

function multiply(i: Instruction): Exec {
  const { size, signed } = elementOf(i.spec.type);
  const a = integers(i.sources[0]!, i.page, size, signed);
  const b = integers(i.sources[1]!, i.page, size, signed);
  if (size === 32 && !i.modifiers.saturate) return loop2(i, a, b, Math.imul);
  // Only a saturated 32-bit product is not exact in a double, and then its sign and size still are.
  const exact: Binary = (x, y) => x * y;
  const fn = i.modifiers.saturate ? saturating(exact, size, signed) : exact;
  return loop2(i, a, b, perElement(size, signed, fn));
}

function halfAdd(i: Instruction): Exec {
  const up = i.modifiers.rhadd ? 1 : 0;
  return arithmetic(i, (a, b) => Math.floor((a + b + up) / 2));
}

// Shifts with a logic operation.

type Logic = (a: number, b: number) => number;
const LOGIC: Record<string, Logic> = { AND: (a, b) => a & b, OR: (a, b) => a | b, XOR: (a, b) => a ^ b };

function shiftLogic(i: Instruction): Exec {
  const left = i.spec.base.startsWith('L');
  const logic = LOGIC[i.spec.base.slice(7)]!;
  const { size } = elementOf(i.spec.type);
  const arithmeticShift = i.modifiers.signed === 'signed';
  const invert = i.modifiers.not_result ? -1 : 0;
  if (size === 64) return shiftLogic64(i, left, logic, arithmeticShift, invert);
  const a = integers(i.sources[0]!, i.page, size, arithmeticShift);
  const s = integers(i.sources[1]!, i.page, size, false);
  const b = integers(i.sources[2]!, i.page, 32, false);
  const d = destination(i);
  const shift32: (x: number, by: number) => number = left
    ? (x, by) => x << by
    : arithmeticShift
      ? (x, by) => x >> by
      : (x, by) => x >>> by;
  const up = 32 - size;
  const mask = (1 << size) - 1;
  const packed = (x: number, amounts: number): number => {
    let out = 0;
    for (let at = 0; at < 32; at += size) {
      const element = arithmeticShift ? (x << (up - at)) >> up : (x << (up - at)) >>> up;
      const by = (amounts >>> at) & (size - 1);
      out |= ((left ? element << by : element >> by) & mask) << at;
    }
    return out;
  };
  const shifted = size === 32 ? shift32 : packed;
  return (w) => {
    const x = a(w);
    const by = s(w);
    const y = b(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = logic(shifted(x[n]!, by[n]!), y[n]!) ^ invert;
    d.close(w);
  };
}

function shiftLogic64(i: Instruction, left: boolean, logic: Logic, signed: boolean, invert: number): Exec {
  const [first, by, second] = [i.sources[0]!, i.sources[1]!, i.sources[2]!];
  const al = integers(first, i.page, 64, signed);
  const ah = upperWord(first, i.page, signed);
  const s = integers(by, i.page, 32, false);
  const bl = integers(second, i.page, 64, false);
  const bh = upperWord(second, i.page, false);
  const low = destination(i);
  const high = upperDestination(i);
  return (w) => {
    const [xl, xh, amount, yl, yh] = [al(w), ah(w), s(w), bl(w), bh(w)];
    const outLow = low.open(w);
    const outHigh = high.open(w);
    for (let n = 0; n < LANES; n++) {
      let value = join(xl[n]!, xh[n]!);
      const k = BigInt(amount[n]! & 63);
      if (left) value <<= k;
      else value = (signed ? BigInt.asIntN(64, value) : value) >> k;
      const l = Number(BigInt.asIntN(32, value));
      const h = Number(BigInt.asIntN(32, value >> 32n));
      const resultLow = logic(l, yl[n]!) ^ invert;
      outHigh[n] = logic(h, yh[n]!) ^ invert;
      outLow[n] = resultLow;
    }
    low.close(w);
    high.close(w);
  };
}

// One source, selections and the rest.

function reverseBits(x: number): number {
  let v = x;
  v = ((v >>> 1) & 0x55555555) | ((v & 0x55555555) << 1);
  v = ((v >>> 2) & 0x33333333) | ((v & 0x33333333) << 2);
  v = ((v >>> 4) & 0x0f0f0f0f) | ((v & 0x0f0f0f0f) << 4);
  v = ((v >>> 8) & 0x00ff00ff) | ((v & 0x00ff00ff) << 8);
  return (v >>> 16) | (v << 16);
}

function countOnes(x: number): number {
  let v = x - ((x >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function unary(i: Instruction, fn: (x: number, size: number) => number): Exec {
  const { size, signed } = elementOf(i.spec.type);
  const a = integers(i.sources[0]!, i.page, size, signed);
  const each = perElement(size, signed, (x) => fn(x, size));
  return loop1(i, a, (x) => each(x, 0));
}

function not64(i: Instruction): Exec {
  const al = rawBits(i.sources[0]!, i.page, 0);
  const ah = rawBits(i.sources[0]!, i.page, 1);
  const low = destination(i);
  const high = upperDestination(i);
  return (w) => {
    const [xl, xh] = [al(w), ah(w)];
    const outLow = low.open(w);
    const outHigh = high.open(w);
    for (let n = 0; n < LANES; n++) {
      const l = ~xl[n]!;
      outHigh[n] = ~xh[n]!;
      outLow[n] = l;
    }
    low.close(w);
    high.close(w);
  };
}

function mux(i: Instruction): Exec {
  const { size } = elementOf(i.spec.type);
  const [a, b, m] = i.sources.map((s) => integers(s, i.page, size, false)) as [Ints, Ints, Ints];
  const d = destination(i);
  const mode = i.modifiers.mux!;
  const whole = size === 32 ? -1 : (1 << size) - 1;
  const sign = 1 << (size - 1);
  const pick = (mask: number): number => {
    if (mode === 'bit') return mask;
    let out = 0;
    for (let at = 0; at < 32; at += size) {
      const e = (mask >>> at) & whole;
      const yes = mode === 'neg' ? (e & sign) !== 0 : mode === 'fp_zero' ? (e & ~sign) === 0 : e === 0;
      if (yes) out |= whole << at;
    }
    return out;
  };
  return (w) => {
    const [x, y, z] = [a(w), b(w), m(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const chosen = pick(z[n]!);
      out[n] = (x[n]! & chosen) | (y[n]! & ~chosen);
    }
    d.close(w);
  };
}

function makeHalves(i: Instruction): Exec {
  const a = integers(i.sources[0]!, i.page, 16, false);
  const b = integers(i.sources[1]!, i.page, 16, false);
  return loop2(i, a, b, (x, y) => (x & 0xffff) | (y << 16));
}

function makeBytes(i: Instruction): Exec {
  const a = integers(i.sources[0]!, i.page, 8, false);
  const b = integers(i.sources[1]!, i.page, 8, false);
  const c = rawBits(i.sources[2]!, i.page);
  const d = destination(i);
  return (w) => {
    const [x, y, z] = [a(w), b(w), c(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = (x[n]! & 0xff) | ((y[n]! & 0xff) << 8) | (z[n]! << 16);
    d.close(w);
  };
}

function dotProduct(i: Instruction): Exec {
  const signed = i.spec.type === 'v4s8';
  const [a, b, c] = i.sources.map((s) => rawBits(s, i.page)) as [Ints, Ints, Ints];
  const d = destination(i);
  const [low, high] = limits(32, signed);
  const at = (x: number, n: number): number => (signed ? (x << (24 - n * 8)) >> 24 : (x >>> (n * 8)) & 0xff);
  return (w) => {
    const [x, y, z] = [a(w), b(w), c(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      let sum = signed ? z[n]! : z[n]! >>> 0;
      for (let k = 0; k < 4; k++) sum += at(x[n]!, k) * at(y[n]!, k);
      out[n] = i.modifiers.saturate ? Math.max(low, Math.min(high, sum)) : sum;
    }
    d.close(w);
  };
}

function addImmediate(i: Instruction): Exec {
  const { size } = elementOf(i.spec.type);
  const constant = i.immediates.constant! | 0;
  const a = rawBits(i.sources[0]!, i.page);
  const d = destination(i);
  if (size === 32) {
    return (w) => {
      const x = a(w);
      const out = d.open(w);
      for (let n = 0; n < LANES; n++) out[n] = (x[n]! + constant) | 0;
      d.close(w);
    };
  }
  const each = perElement(size, false, (x, y) => x + y);
  return loop1(i, a, (x) => each(x, constant));
}

function move(i: Instruction): Exec {
  const a = rawBits(i.sources[0]!, i.page);
  const d = destination(i);
  return (w) => {
    const x = a(w);
    d.open(w).set(x);
    d.close(w);
  };
}

const types = (base: string, suffixes: string, compiler: (i: Instruction) => Exec): Compilers =>
  Object.fromEntries(suffixes.split(' ').map((suffix) => [`${base}.${suffix}`, compiler]));

const SIX = 'u32 v2u16 v4u8 s32 v2s16 v4s8';
const SHIFTS: Compilers = {};
for (const base of ['LSHIFT', 'RSHIFT']) {
  for (const operation of Object.keys(LOGIC)) {
    Object.assign(SHIFTS, types(`${base}_${operation}`, 'i32 v2i16 v4i8 i64', shiftLogic));
  }
}

export const INTEGER: Compilers = {
  'MOV.i32': move,
  ...types('IADD', `${SIX} u64 s64`, (i) => add(i, 1)),
  ...types('ISUB', `${SIX} u64 s64`, (i) => add(i, -1)),
  ...types('IADD_IMM', 'i32 v2i16 v4i8', addImmediate),
  ...types('IMUL', 'i32 v2i16 v4i8 s32 v2s16 v4s8', multiply),
  'IMULD.u64': multiplyWide,
  ...types('HADD', SIX, halfAdd),
  ...types('SHADDX', 'u64 s64', shiftAdd),
  'SEG_ADD.u64': segmentAdd,
  ...SHIFTS,
  'MKVEC.v2i16': makeHalves,
  'MKVEC.v2i8': makeBytes,
  ...types('MUX', 'i32 v2i16 v4i8', mux),
  ...types('IDP', 'v4s8 v4u8', dotProduct),
  ...types('CLZ', 'u32 v2u16 v4u8', (i) => unary(i, (x, size) => Math.clz32(x) - (32 - size))),
  ...types('IABS', 's32 v2s16 v4s8', (i) => unary(i, Math.abs)),
  'POPCOUNT.i32': (i) => loop1(i, rawBits(i.sources[0]!, i.page), countOnes),
  'BITREV.i32': (i) => loop1(i, rawBits(i.sources[0]!, i.page), reverseBits),
  'NOT_OLD.i32': (i) => loop1(i, rawBits(i.sources[0]!, i.page), (x) => ~x),
  'NOT_OLD.i64': not64,
};
