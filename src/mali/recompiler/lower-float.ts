/**
 * Float arithmetic as lane operations. Transcendental functions take the steps that shader/float.ts takes, one by one, on
 * vectors of doubles: the same bits come out.
 * Semantics: shader/alu-float.ts, and the sources that it names.
 */
import { scratch } from '../engine/scratch.ts';
import { reductionOf } from '../shader/alu-float.ts';
import {
  COSINES,
  EXP2_LIMIT,
  EXP2_SERIES,
  LOG_SERIES,
  MAX_F16,
  MAX_F32,
  MIN_NORMAL_F16,
  MIN_NORMAL_F32,
  POWERS,
  type Reduction,
  SCALE_LIMIT,
  SINES,
  TWICE_LOG2E,
} from '../shader/float.ts';
import { fmaHalves } from './half-sums.ts';
import type { LaneCode, Lanes } from './lanes.ts';
import type { Lower, Lowering, Lowerings } from './lowering.ts';

/** Whether both halves of a source are the same, so that one result serves for both. */
const isOne = ({ low, high }: { low: Lanes; high: Lanes }): boolean => low === high;

/** `exact`: the results of halves are halves as they stand. */
const perHalf =
  (fn: (l: LaneCode, ...args: Lanes[]) => Lanes, exact = false): Lower =>
  (x) => {
    const sources = x.i.sources.map((_, n) => x.halves(n));
    const low = fn(x.l, ...sources.map((s) => s.low));
    const high = sources.every(isOne) ? low : fn(x.l, ...sources.map((s) => s.high));
    return [x.toHalves(low, high, exact)];
  };
const perSingle =
  (fn: (l: LaneCode, ...args: Lanes[]) => Lanes): Lower =>
  (x) =>
    x.singleResult(fn(x.l, ...x.i.sources.map((_, n) => x.single(n))));

/** The first half alone; the result goes to both. */
const firstHalf =
  (fn: (l: LaneCode, a: Lanes) => Lanes): Lower =>
  (x) => [x.l.twice(x.l.halves.narrow(fn(x.l, x.halves(0).low), true))];

const fmaPair: Lower = (x) => {
  const { clamp } = x.i.modifiers;
  const [a, b, c] = [x.halves(0), x.halves(1), x.halves(2)];
  const whole = clamp !== undefined && clamp !== 'none';
  const one = [a, b, c].every(isOne);
  const upper = [a.high, b.high, c.high] as const;
  const [low, high] = fmaHalves(x.l, [[a.low, b.low, c.low], ...(one ? [] : [upper])], whole);
  return [x.toHalves(low!, one ? low! : high!)];
};

const addImmediateHalves: Lower = (x) => {
  const { l, i } = x;
  const constant = l.words(i.immediates.constant!);
  const { low, high } = x.halves(0);
  const sum = (a: Lanes, b: Lanes): Lanes => l.narrow(l.op('f32x4_add', a, b));
  return [l.pair(sum(low, l.widenLow(constant)), sum(high, l.widenHigh(constant)))];
};

// Exponents.

const IMPLIED = 126;

/** Mantissa and exponent of singles, as `reducedMantissa` and `reducedExponent` of float.ts have them. */
function reduced(l: LaneCode, value: Lanes, reduction: Reduction): { mantissa: Lanes; exponent: Lanes } {
  const x = l.keep(value);
  const size = l.keep(l.abs(x));
  const subnormal = l.keep(l.op('f32x4_lt', size, l.single(MIN_NORMAL_F32)));
  const normal = l.keep(l.choose(subnormal, l.op('f32x4_mul', x, l.single(2 ** 24)), x));
  const raw = l.shift('i32x4_shr_u', l.abs(normal), 23);
  const bias = l.choose(subnormal, l.words(IMPLIED + 24), l.words(IMPLIED));
  const e = l.keep(l.op('i32x4_sub', raw, bias));
  const m = l.keep(l.or(l.and(normal, l.words(0x807fffff)), l.words(IMPLIED << 23)));
  let [mantissa, exponent] = [m, e];
  if (reduction === 'log') {
    const small = l.keep(l.op('f32x4_lt', l.abs(m), l.single(0.75)));
    mantissa = l.choose(small, l.op('f32x4_add', m, m), m);
    exponent = l.op('i32x4_add', e, small);
  } else if (reduction === 'sqrt') {
    const odd = l.keep(l.and(e, l.words(1)));
    const half = l.op('f32x4_mul', m, l.single(0.5));
    mantissa = l.choose(l.op('i32x4_ne', odd, l.words(0)), half, m);
    exponent = l.shift('i32x4_shr_s', l.op('i32x4_add', e, odd), 1);
  }
  // Zero, infinity and NaN stay, with exponent 0.
  const special = l.keep(l.or(l.op('i32x4_eq', size, l.words(0)), l.op('i32x4_ge_s', size, l.words(0x7f800000))));
  return { mantissa: l.choose(special, x, mantissa), exponent: l.op('v128_andnot', exponent, special) };
}

const mantissas: Lower = (x) => {
  const of = (value: Lanes): Lanes => reduced(x.l, value, reductionOf(x.i)).mantissa;
  if (x.i.spec.type === 'f32') return x.singleResult(of(x.single(0)));
  const { low, high } = x.halves(0);
  return [x.toHalves(of(low), of(high))];
};

const exponents: Lower = (x) => {
  const of = (value: Lanes): Lanes => reduced(x.l, value, reductionOf(x.i)).exponent;
  if (x.i.spec.type === 'f32') return [of(x.single(0))];
  const { low, high } = x.halves(0);
  return [x.l.pair(x.l.and(of(low), x.l.words(0xffff)), of(high))];
};

/** 2^e as doubles, of the integers in the first two lanes. */
function powers(l: LaneCode, exponent: Lanes, upper: boolean): Lanes {
  const wide = l.op('i64x2_extend_low_i32x4_s', l.part(exponent, upper));
  return l.by('i64x2_shl', l.op('i64x2_add', wide, l.words(1023, 0, 1023, 0)), 52);
}

const limited = (l: LaneCode, exponent: Lanes, limit: number): Lanes =>
  l.op('i32x4_max_s', l.op('i32x4_min_s', exponent, l.words(limit)), l.words(-limit));

/** Exponents beyond this make zero or infinity of any half, and singles still hold the product. */
const HALF_LIMIT = 60;

const scaled: Lower = (x) => {
  const { l, i } = x;
  const mode = i.modifiers.round!;
  if (i.spec.type === 'f32') {
    const e = l.keep(limited(l, x.raw(1), SCALE_LIMIT));
    const product = (a: Lanes, upper: boolean): Lanes => l.op('f64x2_mul', a, powers(l, e, upper));
    return x.singleResult(l.inDoubles([x.single(0)], ([a], upper) => product(a!, upper), mode));
  }
  const { low, high } = x.halves(0);
  const e = l.keep(x.raw(1));
  const product = (a: Lanes, exponent: Lanes): Lanes => {
    const biased = l.op('i32x4_add', limited(l, exponent, HALF_LIMIT), l.words(127));
    return l.narrowTo(l.op('f32x4_mul', a, l.shift('i32x4_shl', biased, 23)), mode);
  };
  const lowExponent = l.shift('i32x4_shr_s', l.shift('i32x4_shl', e, 16), 16);
  return [l.pair(product(low, lowExponent), product(high, l.shift('i32x4_shr_s', e, 16)))];
};

/** FMA_RSCALE and its variants: (a × b + c) × 2^d. */
const fmaScaled: Lower = (x) => {
  const { l, i } = x;
  const special = i.spec.base.slice('FMA_RSCALE'.length);
  let [a, b] = [l.keep(x.single(0)), l.keep(x.single(1))];
  const zero = l.words(0);
  const either = (): Lanes => l.keep(l.or(l.op('f32x4_eq', a, zero), l.op('f32x4_eq', b, zero)));
  if (special === '_N') {
    const none = either();
    [a, b] = [l.op('v128_andnot', a, none), l.op('v128_andnot', b, none)];
  } else if (special === '_LEFT') b = l.choose(either(), l.single(1), b);
  let e = x.raw(3);
  if (special === '_SCALE16') e = l.shift('i32x4_shr_s', l.shift('i32x4_shl', e, 16), 16);
  const scale = l.keep(limited(l, e, SCALE_LIMIT));
  return x.singleResult(
    l.inDoubles([a, b, x.single(2)], ([p, q, r], upper) =>
      l.op('f64x2_mul', l.fmaOdd(p!, q!, r!), powers(l, scale, upper)),
    ),
  );
};

// Transcendental functions.

/** 2^x: `exp2` of float.ts. */
function exp2(l: LaneCode, value: Lanes): Lanes {
  const x = l.keep(l.op('f64x2_min', l.op('f64x2_max', value, l.double(-EXP2_LIMIT)), l.double(EXP2_LIMIT)));
  const whole = l.keep(l.op('f64x2_floor', l.op('f64x2_add', x, l.double(0.5))));
  const rest = l.keep(l.op('f64x2_sub', x, whole));
  // The sum with so large a number has the biased exponent in its last bits.
  const power = l.by('i64x2_shl', l.op('f64x2_add', whole, l.double(2 ** 52 + 1023)), 52);
  return l.op('f64x2_mul', l.polynomial(EXP2_SERIES, rest), power);
}

const exponential: Lower = (x) => {
  const { l } = x;
  const fixed = l.keep(x.raw(0));
  const float = l.keep(x.single(1));
  const beyond = l.keep(
    l.or(l.op('i32x4_eq', fixed, l.words(0x7fffffff)), l.op('i32x4_eq', fixed, l.words(0x80000000))),
  );
  const result = l.inDoubles([float], ([f], upper) => {
    const given = l.op('f64x2_convert_low_i32x4_s', l.part(fixed, upper));
    const mask = l.op('i64x2_extend_low_i32x4_s', l.part(beyond, upper));
    return exp2(l, l.op('f64x2_mul', l.choose(mask, f!, given), l.double(2 ** -24)));
  });
  return x.singleResult(l.choose(l.op('f32x4_ne', float, float), float, result));
};

/** FLOGD: `flogd` of alu-float.ts. */
const logarithm: Lower = (x) => {
  const { l } = x;
  const a = l.keep(x.single(0));
  const ratio = l.inDoubles([reduced(l, a, 'log').mantissa], ([m]) => {
    const t = l.keep(l.op('f64x2_sub', m!, l.double(1)));
    const q = l.keep(l.op('f64x2_div', l.double(1), l.op('f64x2_add', t, l.double(2))));
    const s = l.keep(l.op('f64x2_mul', t, q));
    const z = l.keep(l.op('f64x2_mul', s, s));
    return l.op('f64x2_mul', l.op('f64x2_mul', l.double(TWICE_LOG2E), q), l.polynomial(LOG_SERIES, z));
  });
  const infinity = l.single(Number.POSITIVE_INFINITY);
  const infinite = l.or(l.op('f32x4_eq', a, l.words(0)), l.op('f32x4_eq', a, infinity));
  const positive = l.op('f32x4_ge', a, l.words(0));
  return x.singleResult(l.choose(positive, l.choose(infinite, infinity, ratio), l.words(0x7fc00000)));
};

/** A table of singles in scratch memory, where it stays. */
function inScratch(name: 'powers' | 'sines' | 'cosines', values: Float32Array): number {
  const at = scratch.fixed(name, values.byteLength);
  scratch.f32.set(values, at / 4);
  return at;
}

const table = (name: 'powers' | 'sines' | 'cosines', values: Float32Array): Lower => {
  const at = inScratch(name, values);
  return (x) => x.singleResult(x.l.lookup(at, x.l.and(x.raw(0), x.l.words(values.length - 1))));
};

// What is flushed.

/** `word`: bits of a NaN's place, the largest number and the least normal one as singles. */
function flushed(x: Lowering, value: Lanes, max: number, normal: number): Lanes {
  const { l } = x;
  const { ftz, flush_inf: inf, nanMode } = x.i.modifiers;
  const a = l.keep(value);
  const sign = l.and(a, l.words(0x80000000));
  const size = l.keep(l.abs(a));
  let result = a;
  if (ftz) result = l.choose(l.op('f32x4_lt', size, l.single(normal)), sign, result);
  if (inf) result = l.choose(l.op('i32x4_eq', size, l.words(0x7f800000)), l.or(sign, l.single(max)), result);
  if (nanMode === 'flush_nan') result = l.and(result, l.op('f32x4_eq', a, a));
  return result;
}

const flush: Lower = (x) => {
  if (x.i.spec.type === 'f32') return x.flushedSingle(flushed(x, x.single(0), MAX_F32, MIN_NORMAL_F32));
  const { low, high } = x.halves(0);
  const of = (half: Lanes): Lanes => flushed(x, half, MAX_F16, MIN_NORMAL_F16);
  return [x.toHalves(of(low), of(high), true)];
};

// Cube maps.

const FACE_SHIFT = 29;

/** CUBEFACE2: `cubeFace` of alu-float.ts, in the upper bits. */
const cubeFace: Lower = (x) => {
  const { l } = x;
  const [a, b, c] = [0, 1, 2].map((n) => l.keep(x.single(n))) as [Lanes, Lanes, Lanes];
  const [ax, ay, az] = [a, b, c].map((v) => l.keep(l.abs(v))) as [Lanes, Lanes, Lanes];
  const face = (value: Lanes, number: number): Lanes =>
    l.op('i32x4_sub', l.words(number), l.and(l.signs(value), l.op('f32x4_eq', value, value)));
  const z = l.and(l.op('f32x4_ge', az, ax), l.op('f32x4_ge', az, ay));
  const y = l.op('f32x4_ge', ay, ax);
  const number = l.choose(z, face(c, 4), l.choose(y, face(b, 2), face(a, 0)));
  return [l.shift('i32x4_shl', number, FACE_SHIFT)];
};

/** CUBE_SSEL (z, x, face) and CUBE_TSEL (y, z, face). */
const cubeSelect =
  (pick: (l: LaneCode, on: (face: number) => Lanes, a: Lanes, b: Lanes) => Lanes): Lower =>
  (x) => {
    const { l } = x;
    const [a, b] = [l.keep(x.single(0)), l.keep(x.single(1))];
    const face = l.keep(l.shift('i32x4_shr_u', x.integer(2, 32, false), FACE_SHIFT));
    const on = (number: number): Lanes => l.op('i32x4_eq', face, l.words(number));
    return x.singleResult(pick(l, on, a, b));
  };

export const FLOAT: Lowerings = {
  'FADD.f32': perSingle((l, a, b) => l.op('f32x4_add', a!, b!)),
  'FMA.f32': perSingle((l, a, b, c) => l.fma(a!, b!, c!)),
  'FMIN.f32': perSingle((l, a, b) => l.extreme('min', a!, b!)),
  'FMAX.f32': perSingle((l, a, b) => l.extreme('max', a!, b!)),
  'FADD.v2f16': perHalf((l, a, b) => l.op('f32x4_add', a!, b!)),
  'FMA.v2f16': fmaPair,
  'FMIN.v2f16': perHalf((l, a, b) => l.extreme('min', a!, b!), true),
  'FMAX.v2f16': perHalf((l, a, b) => l.extreme('max', a!, b!), true),
  'FADD_IMM.f32': (x) => x.singleResult(x.l.op('f32x4_add', x.single(0), x.l.words(x.i.immediates.constant!))),
  'FADD_IMM.v2f16': addImmediateHalves,
  FMA_RSCALE: fmaScaled,
  FMA_RSCALE_N: fmaScaled,
  FMA_RSCALE_LEFT: fmaScaled,
  FMA_RSCALE_SCALE16: fmaScaled,
  LDEXP: scaled,
  'FRCP.f32': perSingle((l, a) => l.op('f32x4_div', l.single(1), a!)),
  'FRCP.f16': firstHalf((l, a) => l.op('f32x4_div', l.single(1), a)),
  'FRSQ.f32': perSingle((l, a) => l.inverseRoot(a!)),
  // In singles: for every half it is the same half as in doubles.
  'FRSQ.f16': firstHalf((l, a) => l.inverseRoot(a)),
  'FRCP_APPROX.f32': perSingle((l, a) => l.op('f32x4_div', l.single(1), reduced(l, a!, 'plain').mantissa)),
  'FRSQ_APPROX.f32': perSingle((l, a) => l.inverseRoot(reduced(l, a!, 'sqrt').mantissa)),
  FEXP: exponential,
  FLOGD: logarithm,
  FADD_LSCALE: perSingle((l, a, b) => l.op('f32x4_add', a!, reduced(l, b!, 'log').mantissa)),
  FEXP_TABLE: table('powers', POWERS),
  FSIN_TABLE: table('sines', SINES),
  FCOS_TABLE: table('cosines', COSINES),
  FREXPM: mantissas,
  FREXPE: exponents,
  FLUSH: flush,
  CUBEFACE1: perSingle((l, a, b, c) => {
    const most = l.extreme('max', l.abs(a!), l.abs(b!));
    return l.extreme('max', most, l.abs(c!));
  }),
  CUBEFACE2_V9: cubeFace,
  CUBE_SSEL: cubeSelect((l, on, z, x) => l.choose(on(0), l.neg(z), l.choose(on(1), z, l.choose(on(5), l.neg(x), x)))),
  CUBE_TSEL: cubeSelect((l, on, y, z) => l.choose(on(2), z, l.choose(on(3), l.neg(z), l.neg(y)))),
};
