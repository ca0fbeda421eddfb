/**
 * Integer arithmetic as lane operations: 32-bit, packed 16- and 8-bit, and 64-bit in register pairs.
 * Semantics: shader/alu-integer.ts, and the sources that it names.
 */
import { CONSTANTS } from '../../abi/isa/encoding.ts';
import { elementOf } from '../shader/alu-integer.ts';
import type { Source } from '../shader/decode.ts';
import type { OpName } from '../wasm/opcodes.ts';
import type { LaneCode, Lanes } from './lanes.ts';
import { chosen, type Lower, type Lowering, type Lowerings, moved, on, type WideMasks, zeroTest } from './lowering.ts';

type Sum = 'add' | 'sub';

/** Sums and differences, cut or saturated. */
const sum =
  (base: Sum): Lower =>
  (x) => {
    const { size, signed } = elementOf(x.i.spec.type);
    const saturate = x.i.modifiers.saturate !== '';
    if (size === 64) return wideSum(x, base, signed, saturate);
    const [a, b] = [x.integer(0, size, signed), x.integer(1, size, signed)];
    if (!saturate) return [x.l.op(on(size, base), a, b)];
    if (size === 32) return [saturatedSum(x.l, base, signed, a, b)];
    return [x.l.op(on(size, `${base}_sat_${signed ? 's' : 'u'}`), a, b)];
  };

/** 32-bit words: SIMD saturates only narrower elements. */
function saturatedSum(l: LaneCode, base: Sum, signed: boolean, first: Lanes, second: Lanes): Lanes {
  const [a, b] = [l.keep(first), l.keep(second)];
  const result = l.keep(l.op(`i32x4_${base}`, a, b));
  if (!signed) {
    if (base === 'add') return l.or(result, l.op('i32x4_lt_u', result, a));
    return l.op('v128_andnot', result, l.op('i32x4_lt_u', a, b));
  }
  const bound = l.xor(l.signs(a), l.words(0x7fffffff));
  return l.choose(overflow(l, base, a, b, result), bound, result);
}

/** Where the signs of operands and result say that a signed result does not fit. */
function overflow(l: LaneCode, base: Sum, a: Lanes, b: Lanes, result: Lanes): Lanes {
  return l.signs(l.and(l.xor(a, result), base === 'add' ? l.xor(b, result) : l.xor(a, b)));
}

function wideSum(x: Lowering, base: Sum, signed: boolean, saturate: boolean): Lanes[] {
  const { l } = x;
  const [a, b] = [l.keep(x.integer(0, 64, signed)), l.keep(x.integer(1, 64, signed))];
  const [ah, bh] = [l.keep(x.upper(0, signed)), l.keep(x.upper(1, signed))];
  const add = base === 'add';
  const low = l.keep(l.op(`i32x4_${base}`, a, b));
  // A comparison gives -1 for true.
  const carry = l.keep(add ? l.op('i32x4_lt_u', low, a) : l.op('i32x4_lt_u', a, b));
  const upper = l.keep(l.op(`i32x4_${base}`, ah, bh));
  const high = l.op(add ? 'i32x4_sub' : 'i32x4_add', upper, carry);
  if (!saturate) return [low, high];
  const whole = l.keep(high);
  if (signed) {
    const over = l.keep(overflow(l, base, ah, bh, whole));
    const sign = l.keep(l.signs(ah));
    return [l.choose(over, l.not(sign), low), l.choose(over, l.xor(sign, l.words(0x7fffffff)), whole)];
  }
  const again = l.and(carry, l.op('i32x4_eq', upper, l.words(add ? -1 : 0)));
  const beyond = l.keep(l.or(again, add ? l.op('i32x4_lt_u', upper, ah) : l.op('i32x4_lt_u', ah, bh)));
  const bound = (word: Lanes): Lanes => (add ? l.or(word, beyond) : l.op('v128_andnot', word, beyond));
  return [bound(low), bound(whole)];
}

const shiftAdd: Lower = (x) => {
  const { l } = x;
  const signed = x.i.spec.type === 's64';
  const shift = x.i.immediates.shift!;
  const a = l.keep(x.raw(0));
  const b = l.keep(x.integer(1, 64, signed));
  const bh = x.upper(1, signed);
  const low = l.keep(l.op('i32x4_add', a, l.shift('i32x4_shl', b, shift)));
  const high = shift ? l.or(l.shift('i32x4_shl', bh, shift), l.shift('i32x4_shr_u', b, 32 - shift)) : bh;
  return [low, l.op('i32x4_sub', l.op('i32x4_add', x.raw(0, 1), high), l.op('i32x4_lt_u', low, a))];
};

/** Adds to a pair, or subtracts; a null pointer may stay null. */
const segmentAdd: Lower = (x) => {
  const { l, i } = x;
  const [low, high] = wideSum(x, i.modifiers.neg ? 'sub' : 'add', false, false) as [Lanes, Lanes];
  if (!i.modifiers.preserve_null) return [low, high];
  const some = l.keep(l.op('i32x4_ne', l.or(x.raw(0), x.raw(0, 1)), l.words(0)));
  return [l.and(low, some), l.and(high, some)];
};

/** Lower and upper words of the products of two vectors of words. */
function products(l: LaneCode, signed: boolean, first: Lanes, second: Lanes): [Lanes, Lanes] {
  const [a, b] = [l.keep(first), l.keep(second)];
  const s = signed ? 's' : 'u';
  return l.split(l.keep(l.op(`i64x2_extmul_low_i32x4_${s}`, a, b)), l.keep(l.op(`i64x2_extmul_high_i32x4_${s}`, a, b)));
}

const multiply: Lower = (x) => {
  const { l } = x;
  const { size, signed } = elementOf(x.i.spec.type);
  const saturate = x.i.modifiers.saturate !== '';
  const [a, b] = [l.keep(x.integer(0, size, signed)), l.keep(x.integer(1, size, signed))];
  if (!saturate && size !== 8) return [l.op(on(size, 'mul'), a, b)];
  if (size === 32) {
    const [low, high] = products(l, signed, a, b).map((word) => l.keep(word)) as [Lanes, Lanes];
    if (!signed) return [l.or(low, l.op('i32x4_ne', high, l.words(0)))];
    const bound = l.xor(l.signs(high), l.words(0x7fffffff));
    return [l.choose(l.op('i32x4_eq', high, l.signs(low)), low, bound)];
  }
  // Elements by twos, each in twice its width, where the product is exact.
  const width = size * 2;
  const s = signed ? 's' : 'u';
  const upper = l.words(size === 8 ? 0xff00ff00 : 0xffff0000);
  const extended = (value: Lanes, odd: boolean): Lanes => {
    const up = odd ? value : l.by(on(width, 'shl'), value, size);
    return l.by(on(width, `shr_${s}`), up, size);
  };
  const product = (odd: boolean): Lanes => {
    const exact = l.op(on(width, 'mul'), extended(a, odd), extended(b, odd));
    if (!saturate) return exact;
    if (!signed) return l.op(on(width, 'min_u'), exact, l.words(size === 8 ? 0x00ff00ff : 0xffff));
    const high = l.words(size === 8 ? 0x007f007f : 0x7fff);
    const low = l.words(size === 8 ? 0xff80ff80 : 0xffff8000);
    return l.op(on(width, 'max_s'), l.op(on(width, 'min_s'), exact, high), low);
  };
  return [l.choose(upper, l.by(on(width, 'shl'), product(true), size), product(false))];
};

/** The mean of two numbers without a wider sum: what both have, and half of where they differ. */
const halfAdd: Lower = (x) => {
  const { l } = x;
  const { size, signed } = elementOf(x.i.spec.type);
  const [a, b] = [l.keep(x.integer(0, size, signed)), l.keep(x.integer(1, size, signed))];
  const half = l.by(on(size, signed ? 'shr_s' : 'shr_u'), l.xor(a, b), 1);
  return [x.i.modifiers.rhadd ? l.op(on(size, 'sub'), l.or(a, b), half) : l.op(on(size, 'add'), l.and(a, b), half)];
};

// Shifts with a logic operation.

const LOGIC: Record<string, OpName> = { AND: 'v128_and', OR: 'v128_or', XOR: 'v128_xor' };
const REPEAT: Record<number, number> = { 16: 0x00010001, 8: 0x01010101 };

/** Whether all elements of a word are shifted alike. */
const alike = ({ select }: Source): boolean => /^b(.)\1*$/.test(select);

/** The amount of a shift, where the instruction itself has it and all elements have the same. */
function knownAmount({ i }: Lowering, size: number): number | undefined {
  const by = i.sources[1]!;
  if (by.kind !== 'constant' || !(alike(by) || size >= 32)) return undefined;
  return (CONSTANTS[by.index]! >>> (Number(by.select[1]) * 8)) & (size - 1);
}

/** Elements of a word, shifted by the lane's own amount. */
function packedShift(l: LaneCode, size: number, left: boolean, signed: boolean, value: Lanes, amount: Lanes): Lanes {
  const by = l.keep(l.and(amount, l.words(size - 1)));
  // Bits that stay inside of their element.
  const whole = l.words(size === 16 ? 0xffff : 0xff);
  const stay = l.keep(l.op('i32x4_mul', l.shiftBy('i32_shr_u', whole, by), l.words(REPEAT[size]!)));
  if (left) return l.shiftBy('i32_shl', l.and(value, stay), by);
  const shifted = l.and(l.shiftBy('i32_shr_u', value, by), stay);
  if (!signed) return shifted;
  const sign = l.keep(l.op('v128_andnot', stay, l.by(on(size, 'shr_u'), stay, 1)));
  return l.op(on(size, 'sub'), l.xor(shifted, sign), sign);
}

/** The same with an amount for each element: one element after the other. */
function unlikeShift(l: LaneCode, size: number, left: boolean, signed: boolean, value: Lanes, amounts: Lanes): Lanes {
  const whole = l.keep(value);
  const all = l.keep(amounts);
  let result: Lanes | undefined;
  for (let at = 0; at < 32; at += size) {
    const up = 32 - size - at;
    const by = l.and(at ? l.shift('i32x4_shr_u', all, at) : all, l.words(size - 1));
    // The element stands at the top of the word, where a shift to the right finds its sign.
    const top = l.and(up ? l.shift('i32x4_shl', whole, up) : whole, l.words((-1 << (32 - size)) >>> 0));
    const shifted = l.shiftBy(left ? 'i32_shl' : signed ? 'i32_shr_s' : 'i32_shr_u', top, by);
    const cut = l.keep(l.and(shifted, l.words((-1 << (32 - size)) >>> 0)));
    const element = up ? l.shift('i32x4_shr_u', cut, up) : cut;
    result = result ? l.keep(l.or(result, element)) : element;
  }
  return result!;
}

const shiftLogic: Lower = (x) => {
  const { l, i } = x;
  const left = i.spec.base.startsWith('L');
  const { size } = elementOf(i.spec.type);
  const signed = i.modifiers.signed === 'signed';
  const operation = left ? 'shl' : signed ? 'shr_s' : 'shr_u';
  const known = knownAmount(x, size);
  const complete = (shifted: Lanes, other: Lanes): Lanes => {
    const result = l.op(LOGIC[i.spec.base.slice(7)]!, shifted, other);
    return i.modifiers.not_result ? l.not(result) : result;
  };
  if (size === 64) {
    const [low, high] = [l.keep(x.integer(0, 64, signed)), l.keep(x.upper(0, signed))];
    const amount = known === undefined ? l.keep(x.integer(1, 32, false)) : undefined;
    const half = (upper: boolean): Lanes => {
      const value = l.join(low, high, upper);
      if (!amount) return l.keep(l.by(`i64x2_${operation}`, value, known!));
      return l.keep(l.shiftWideBy(`i64_${operation}`, value, amount, upper));
    };
    const [shiftedLow, shiftedHigh] = l.split(half(false), half(true));
    return [complete(shiftedLow, x.integer(2, 64, false)), complete(shiftedHigh, x.upper(2, false))];
  }
  const value = x.integer(0, size, signed);
  let shifted: Lanes;
  if (known !== undefined) shifted = l.by(on(size, operation), value, known);
  else if (size === 32) shifted = l.shiftBy(`i32_${operation}`, value, x.integer(1, 32, false));
  else if (alike(i.sources[1]!)) shifted = packedShift(l, size, left, signed, value, x.integer(1, 32, false));
  else shifted = unlikeShift(l, size, left, signed, value, x.integer(1, size, false));
  return [complete(shifted, x.integer(2, 32, false))];
};

// One source, selections and the rest.

const mux: Lower = (x) => {
  const { l, i } = x;
  const { size } = elementOf(i.spec.type);
  const [a, b] = [x.integer(0, size, false), x.integer(1, size, false)];
  const m = l.keep(x.integer(2, size, false));
  const zero = l.words(0);
  let mask: Lanes;
  let masks: WideMasks | undefined;
  if (i.modifiers.mux === 'bit') mask = m;
  else if (i.modifiers.mux === 'neg') mask = l.op(on(size, 'lt_s'), m, zero);
  else if (i.modifiers.mux === 'int_zero') {
    mask = l.op(on(size, 'eq'), m, zero);
    if (size === 16) masks = zeroTest(x, 2, 'i32x4_eq');
  } else {
    const magnitude = size === 32 ? 0x7fffffff : size === 16 ? 0x7fff7fff : 0x7f7f7f7f;
    mask = l.op(on(size, 'eq'), l.and(m, l.words(magnitude)), zero);
  }
  return [i.modifiers.mux === 'bit' ? l.mix(mask, a, b) : chosen(x, l.choose(mask, a, b), masks, 0, 1)];
};

const makeBytes: Lower = (x) => {
  const { l } = x;
  const second = l.shift('i32x4_shl', x.integer(1, 8, false), 8);
  return [l.or(l.or(x.integer(0, 8, false), second), l.shift('i32x4_shl', x.raw(2), 16))];
};

const dotProduct: Lower = (x) => {
  const { l } = x;
  const signed = x.i.spec.type === 'v4s8';
  const shift = signed ? 'i16x8_shr_s' : 'i16x8_shr_u';
  const [a, b] = [l.keep(x.raw(0)), l.keep(x.raw(1))];
  const even = (v: Lanes): Lanes => l.by(shift, l.by('i16x8_shl', v, 8), 8);
  const odd = (v: Lanes): Lanes => l.by(shift, v, 8);
  const dot = l.op('i32x4_add', l.op('i32x4_dot_i16x8_s', even(a), even(b)), l.op('i32x4_dot_i16x8_s', odd(a), odd(b)));
  if (!x.i.modifiers.saturate) return [l.op('i32x4_add', x.raw(2), dot)];
  return [saturatedSum(l, 'add', signed, x.raw(2), dot)];
};

/** How many bits of each element are set. */
function ones(l: LaneCode, size: number, value: Lanes): Lanes {
  const bytes = l.keep(l.op('i8x16_popcnt', value));
  if (size === 8) return bytes;
  if (size === 32) return l.shift('i32x4_shr_u', l.op('i32x4_mul', bytes, l.words(0x01010101)), 24);
  return l.by('i16x8_shr_u', l.op('i16x8_mul', bytes, l.words(0x01010101)), 8);
}

const leadingZeros: Lower = (x) => {
  const { l } = x;
  const { size } = elementOf(x.i.spec.type);
  // Ones below the first one; those above it are what is asked for.
  let value = x.integer(0, size, false);
  for (let by = 1; by < size; by *= 2) {
    const before = l.keep(value);
    value = l.or(before, l.by(on(size, 'shr_u'), before, by));
  }
  return [ones(l, size, l.not(value))];
};

const absolute: Lower = (x) => {
  const { size } = elementOf(x.i.spec.type);
  return [x.l.op(on(size, 'abs'), x.integer(0, size, true))];
};

/** Sixteen nibbles, each with its bits turned round. */
const TURNED = [0x0c040800, 0x0e060a02, 0x0d050901, 0x0f070b03];

const reverseBits: Lower = (x) => {
  const { l } = x;
  const bytes = l.keep(l.shuffle(x.raw(0), ...Array.from({ length: 16 }, (_, at) => at ^ 3)));
  const turned = (nibbles: Lanes): Lanes => l.op('i8x16_swizzle', l.words(...TURNED), nibbles);
  const low = turned(l.and(bytes, l.words(0x0f0f0f0f)));
  return [l.or(l.by('i8x16_shl', low, 4), turned(l.by('i8x16_shr_u', bytes, 4)))];
};

const addImmediate: Lower = (x) => {
  const { size } = elementOf(x.i.spec.type);
  const [a, b] = [x.raw(0), x.l.words(x.i.immediates.constant!)];
  // Added to zero it is how compilers load a constant.
  return [a.constant === 0 ? b : x.l.op(on(size, 'add'), a, b)];
};

const makeHalves: Lower = (x) => {
  const word = x.l.pair(x.l.and(x.integer(0, 16, false), x.l.words(0xffff)), x.integer(1, 16, false));
  return [moved(x, word, x.knownHalf(0, false), x.knownHalf(1, false))];
};

/** A sum; with zero it is how compilers move halves. */
const add: Lower = (x) => {
  const result = sum('add')(x);
  const [, second] = x.i.sources;
  const zero = second!.kind === 'constant' && CONSTANTS[second!.index] === 0;
  if (!result || !zero || !/^v2[su]16$/.test(x.i.spec.type)) return result;
  return [moved(x, result[0]!, x.knownHalf(0, false), x.knownHalf(0, true))];
};

export const INTEGER: Lowerings = {
  'MOV.i32': (x) => [x.raw(0)],
  'NOT_OLD.i32': (x) => [x.l.not(x.raw(0))],
  'NOT_OLD.i64': (x) => [x.l.not(x.raw(0)), x.l.not(x.raw(0, 1))],
  MUX: mux,
  IADD: add,
  ISUB: sum('sub'),
  SHADDX: shiftAdd,
  SEG_ADD: segmentAdd,
  IMUL: multiply,
  IMULD: (x) => products(x.l, false, x.integer(0, 64, false), x.integer(1, 64, false)),
  HADD: halfAdd,
  IADD_IMM: addImmediate,
  LSHIFT_AND: shiftLogic,
  LSHIFT_OR: shiftLogic,
  LSHIFT_XOR: shiftLogic,
  RSHIFT_AND: shiftLogic,
  RSHIFT_OR: shiftLogic,
  RSHIFT_XOR: shiftLogic,
  'MKVEC.v2i16': makeHalves,
  'MKVEC.v2i8': makeBytes,
  IDP: dotProduct,
  CLZ: leadingZeros,
  IABS: absolute,
  POPCOUNT: (x) => [ones(x.l, 32, x.raw(0))],
  BITREV: reverseBits,
};
