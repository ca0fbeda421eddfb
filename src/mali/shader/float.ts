/**
 * Float arithmetic that JavaScript lacks: fused multiply-add rounded once, halves, directed rounding, exponents.
 *
 * A product of two singles is exact in a double; the sum with the third operand is not, but its error can be had exactly
 * (Knuth's two-sum), and decides the one case in which rounding twice goes wrong: a sum that the double puts exactly
 * between two singles.
 */

export const MAX_F32 = 3.4028234663852886e38;
export const MIN_NORMAL_F32 = 2 ** -126;
export const MAX_F16 = 65504;
export const MIN_NORMAL_F16 = 2 ** -14;
/** Half way between the largest finite number and the next power of two: from here on rounding gives infinity. */
const OVERFLOW_F32 = 2 ** 128 - 2 ** 103;
const OVERFLOW_F16 = 65520;

const words = new DataView(new ArrayBuffer(8));
const half = new Float16Array(1);
const halfBits = new Uint16Array(half.buffer);

/** The single for each of the 65536 halves. */
export const F16_TO_F32 = new Float32Array(65536);
for (let i = 0; i < 65536; i++) {
  halfBits[0] = i;
  F16_TO_F32[i] = half[0]!;
}

/** Bits of the half nearest to a double, ties to even; exact, never rounded twice. */
export function toHalf(x: number): number {
  half[0] = x;
  return halfBits[0]!;
}

/** The half nearest to a double, as a number. */
export function roundHalf(x: number): number {
  half[0] = x;
  return half[0]!;
}

export function bitsOf(x: number): number {
  words.setFloat32(0, x);
  return words.getInt32(0);
}
export function fromBits(bits: number): number {
  words.setInt32(0, bits);
  return words.getFloat32(0);
}

/** The single nearest to `sum + error`, where |error| is below half a unit of the double `sum`. */
export function roundSum(sum: number, error: number): number {
  const near = Math.fround(sum);
  if (error === 0 || near === sum || Number.isNaN(error)) return near;
  if (near === Number.POSITIVE_INFINITY) return sum === OVERFLOW_F32 && error < 0 ? MAX_F32 : near;
  if (near === Number.NEGATIVE_INFINITY) return sum === -OVERFLOW_F32 && error > 0 ? -MAX_F32 : near;
  const other = sum + (sum - near);
  if (Math.fround(other) !== other) return near;
  return error > 0 === other > near ? other : near;
}

function roundSumHalf(sum: number, error: number): number {
  const near = roundHalf(sum);
  if (error === 0 || near === sum || Number.isNaN(error)) return near;
  if (near === Number.POSITIVE_INFINITY) return sum === OVERFLOW_F16 && error < 0 ? MAX_F16 : near;
  if (near === Number.NEGATIVE_INFINITY) return sum === -OVERFLOW_F16 && error > 0 ? -MAX_F16 : near;
  const other = sum + (sum - near);
  if (roundHalf(other) !== other) return near;
  return error > 0 === other > near ? other : near;
}

/** a × b + c for singles, rounded once. */
export function fma32(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const back = sum - product;
  return roundSum(sum, product - (sum - back) + (c - back));
}

/**
 * a × b + c for halves, as a double that rounds to the half that the exact sum rounds to. The sum is nearly always exact: only
 * if its terms are 2^30 apart is there a remainder.
 */
export function fma16(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const back = sum - product;
  const error = product - (sum - back) + (c - back);
  return error === 0 ? sum : roundSumHalf(sum, error);
}

export const SCALE_LIMIT = 600;

/** (a × b + c) × 2^e for singles, rounded once. */
export function fmaScale32(a: number, b: number, c: number, e: number): number {
  const product = a * b;
  const sum = product + c;
  const back = sum - product;
  const error = product - (sum - back) + (c - back);
  // Beyond the limit all sums of products are zero or infinite as singles; within it the scale itself is in range.
  const scale = power2(Math.max(-SCALE_LIMIT, Math.min(SCALE_LIMIT, e)));
  return roundSum(sum * scale, error * scale);
}

export type Rounding = 'rte' | 'rtp' | 'rtn' | 'rtz';

/** The next single towards +∞ (up) or -∞. */
function nextSingle(x: number, up: boolean): number {
  if (x === 0) return up ? 2 ** -149 : -(2 ** -149);
  const bits = bitsOf(x);
  return fromBits(x > 0 === up ? bits + 1 : bits - 1);
}
function nextHalf(x: number, up: boolean): number {
  if (x === 0) return up ? 2 ** -24 : -(2 ** -24);
  const bits = toHalf(x);
  return F16_TO_F32[(x > 0 === up ? bits + 1 : bits - 1) & 0xffff]!;
}

function direct(
  x: number,
  near: number,
  mode: Rounding,
  next: (x: number, up: boolean) => number,
  max: number,
): number {
  if (near === x || Number.isNaN(x) || Math.abs(x) === Number.POSITIVE_INFINITY) return near;
  const up = mode === 'rtp' || (mode === 'rtz' && x < 0);
  if (up) return near === Number.NEGATIVE_INFINITY ? -max : near < x ? next(near, true) : near;
  return near === Number.POSITIVE_INFINITY ? max : near > x ? next(near, false) : near;
}

/** A double to a single in the given direction. */
export const roundTo32 = (x: number, mode: Rounding): number =>
  mode === 'rte' ? Math.fround(x) : direct(x, Math.fround(x), mode, nextSingle, MAX_F32);
/** A double to a half in the given direction. */
export const roundTo16 = (x: number, mode: Rounding): number =>
  mode === 'rte' ? roundHalf(x) : direct(x, roundHalf(x), mode, nextHalf, MAX_F16);

/** a × b + c of singles to a single (or of halves to a half, `halves`) in the given direction, rounded once. */
export function fmaTo(a: number, b: number, c: number, mode: Rounding, halves: boolean): number {
  const round = halves ? roundTo16 : roundTo32;
  const next = halves ? nextHalf : nextSingle;
  const product = a * b;
  const sum = product + c;
  if (sum === 0) {
    // Opposites cancel to -0 where sums are rounded down. (A sum of 0 is exact.)
    return mode === 'rtn' && !(Object.is(product, 0) && Object.is(c, 0)) ? -0 : sum;
  }
  const back = sum - product;
  const error = product - (sum - back) + (c - back);
  if (mode === 'rte' || error === 0 || Number.isNaN(error) || round(sum, 'rte') !== sum) {
    return mode === 'rte' ? (halves ? roundSumHalf(sum, error) : roundSum(sum, error)) : round(sum, mode);
  }
  // The double is a single, and the exact sum lies just beside it.
  const up = mode === 'rtp' || (mode === 'rtz' && sum < 0);
  if (up === error > 0) return next(sum, up);
  return sum;
}

/** To an integer, as a float: keeps the sign of zero. */
export function roundInteger(x: number, mode: Rounding): number {
  switch (mode) {
    case 'rtp':
      return Math.ceil(x);
    case 'rtn':
      return Math.floor(x);
    case 'rtz':
      return Math.trunc(x);
    case 'rte': {
      const down = Math.floor(x);
      const rest = x - down;
      if (rest < 0.5 || Number.isNaN(x)) return down === 0 && Object.is(x, -0) ? -0 : down;
      const result = rest > 0.5 || down % 2 !== 0 ? down + 1 : down;
      return result === 0 && x < 0 ? -0 : result;
    }
  }
}

/** Rounds and keeps within [low, high]; NaN is 0. */
export function toInteger(x: number, mode: Rounding, low: number, high: number): number {
  if (Number.isNaN(x)) return 0;
  const value = roundInteger(x, mode);
  return Math.max(low, Math.min(high, value));
}

/** Exponent e with x = m × 2^e and 0.5 ≤ |m| < 1, for finite x ≠ 0. */
export function exponentOf(x: number): number {
  words.setFloat64(0, x);
  const raw = (words.getUint16(0) >>> 4) & 0x7ff;
  if (raw !== 0) return raw - 1022;
  words.setFloat64(0, x * 2 ** 64);
  return ((words.getUint16(0) >>> 4) & 0x7ff) - 1022 - 64;
}

/** How FREXPM and FREXPE split: as C's frexp, into [0.75, 1.5) for logarithms, into [0.25, 1) with even exponent. */
export type Reduction = 'plain' | 'log' | 'sqrt';

/** The exponent of the reduction; for sqrt halved, as the root's own exponent. Zero, infinity and NaN give 0. */
export function reducedExponent(x: number, reduction: Reduction): number {
  if (x === 0 || x - x !== 0) return 0;
  const e = exponentOf(x);
  if (reduction === 'plain') return e;
  if (reduction === 'sqrt') return Math.ceil(e / 2);
  return Math.abs(x) * 2 ** -e < 0.75 ? e - 1 : e;
}

/** The mantissa of the reduction. Zero, infinity and NaN stay. */
export function reducedMantissa(x: number, reduction: Reduction): number {
  if (x === 0 || x - x !== 0) return x;
  const e = reducedExponent(x, reduction);
  return x * 2 ** -(reduction === 'sqrt' ? 2 * e : e);
}

// Transcendental functions: sequences of basic operations on doubles, so that every engine can take the same steps and gets the
// same bits (recompiler/lower-float.ts takes them in vectors). Their errors are far below a unit of a single.

/** 2^e for integers whose power is a normal double. */
export function power2(e: number): number {
  words.setInt32(0, (e + 1023) << 20);
  words.setInt32(4, 0);
  return words.getFloat64(0);
}

/** A polynomial by Horner's scheme, its highest coefficient last. */
function polynomial(coefficients: readonly number[], x: number): number {
  let value = coefficients.at(-1)!;
  for (let n = coefficients.length - 2; n >= 0; n--) value = value * x + coefficients[n]!;
  return value;
}

/** Taylor's series of 2^x: for |x| ≤ 1/2 the next term is below 2^-36. */
export const EXP2_SERIES: readonly number[] = [1];
for (let n = 1; n < 10; n++) (EXP2_SERIES as number[]).push((EXP2_SERIES[n - 1]! * Math.LN2) / n);
/** Powers beyond this are infinite, or zero, as singles. */
export const EXP2_LIMIT = 200;

/** 2^x, to be rounded to a single. */
export function exp2(x: number): number {
  const limited = Math.min(Math.max(x, -EXP2_LIMIT), EXP2_LIMIT);
  if (Number.isNaN(limited)) return limited;
  const whole = Math.floor(limited + 0.5);
  return polynomial(EXP2_SERIES, limited - whole) * power2(whole);
}

/** artanh(√z) / √z as a series of z: for z ≤ 1/25 the next term is below 2^-40. */
export const LOG_SERIES: readonly number[] = Array.from({ length: 8 }, (_, n) => 1 / (2 * n + 1));
export const TWICE_LOG2E = 2 * Math.LOG2E;

/** log2(1 + t) / t for -1/4 ≤ t < 1/2: with s = t / (t + 2) it is 2 artanh(s) log2(e) / t. */
export function log2Ratio(t: number): number {
  const q = 1 / (t + 2);
  const s = t * q;
  return TWICE_LOG2E * q * polynomial(LOG_SERIES, s * s);
}

/** sin(n π / 32), from the series of the sine or the cosine for at most π / 4. */
function sineOf(n: number): number {
  const turn = n & 63;
  const half = turn & 31;
  const quarter = half > 16 ? 32 - half : half;
  const cosine = quarter > 8;
  const angle = ((cosine ? 16 - quarter : quarter) * Math.PI) / 32;
  let term = cosine ? 1 : angle;
  let value = term;
  for (let k = cosine ? 1 : 2; k < 20; k += 2) {
    term = (-term * angle * angle) / (k * (k + 1));
    value += term;
  }
  return turn < 32 ? value : 0 - value;
}

/** What the table instructions look up. */
export const SINES = Float32Array.from({ length: 64 }, (_, n) => sineOf(n));
export const COSINES = Float32Array.from({ length: 64 }, (_, n) => sineOf(n + 16));
export const POWERS = Float32Array.from({ length: 16 }, (_, n) => exp2(n / 16));

export type Clamp = 'none' | 'clamp_0_inf' | 'clamp_m1_1' | 'clamp_0_1';

/** min(max(x, low), high) where a NaN loses against the bound and -0 < +0. */
export function clampTo(x: number, clamp: Clamp): number {
  switch (clamp) {
    case 'none':
      return x;
    case 'clamp_0_inf':
      return x > 0 ? Math.abs(x) : 0;
    case 'clamp_m1_1':
      return x > -1 ? Math.min(x, 1) : -1;
    case 'clamp_0_1':
      return x > 0 ? Math.min(x, 1) : 0;
  }
}

/** Minimum and maximum: a NaN loses, -0 < +0. */
export const minimum = (a: number, b: number): number => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b));
export const maximum = (a: number, b: number): number => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b));
