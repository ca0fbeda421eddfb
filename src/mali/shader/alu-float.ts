/**
 * Float arithmetic: singles, and pairs of halves in one register.
 *
 * The special functions are computed in double precision and rounded once, so FRCP, FEXP and the logarithm's parts
 * are within half a unit in the last place or a little more, better than the hardware's one unit or two; FRSQ, as a root and a
 * quotient that are both rounded, is within one. The tables of sines hold what
 * the table's argument stands for, sin(n π / 32), as singles.
 * Semantics: Mesa 25.0.7 `src/panfrost/compiler/valhall/ISA.xml`, and for the parts of exp, log, sin and cos their use in
 * `bifrost_compile.c` (bi_fexp_32, bi_flog2_32, bi_lower_fsincos_32, bi_lower_frcp_32).
 */

import { HALVES } from '../../abi/isa/encoding.ts';
import type { Compilers, Exec } from './compile.ts';
import { LANES } from './contract.ts';
import type { Instruction } from './decode.ts';
import {
  bitsOf,
  type Clamp,
  COSINES,
  clampTo,
  exp2,
  F16_TO_F32,
  fma16,
  fma32,
  fmaScale32,
  fmaTo,
  fromBits,
  log2Ratio,
  MAX_F16,
  MAX_F32,
  maximum,
  minimum,
  POWERS,
  power2,
  type Reduction,
  type Rounding,
  reducedExponent,
  reducedMantissa,
  roundTo16,
  roundTo32,
  SCALE_LIMIT,
  SINES,
  toHalf,
} from './float.ts';
import {
  destination,
  floatDestination,
  floats,
  halves,
  halvesDestination,
  integers,
  type PackedHalves,
  packedHalves,
  rawBits,
} from './operand.ts';

const roundingOf = (i: Instruction): Rounding => (i.modifiers.round ?? 'rte') as Rounding;
const clampOf = (i: Instruction): Clamp => (i.modifiers.clamp ?? 'none') as Clamp;

function clampAll(out: Float32Array, clamp: Clamp): void {
  if (clamp === 'none') return;
  for (let n = 0; n < LANES; n++) out[n] = clampTo(out[n]!, clamp);
}

/** One single in, one single out. */
function map1(i: Instruction, fn: (a: number) => number): Exec {
  const a = floats(i.sources[0]!, i.page);
  const d = floatDestination(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = fn(x[n]!);
    d.close(w);
  };
}

/** Two singles in, one out. */
function map2(i: Instruction, fn: (a: number, b: number) => number): Exec {
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const d = floatDestination(i);
  const clamp = clampOf(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = fn(x[n]!, y[n]!);
    clampAll(out, clamp);
    d.close(w);
  };
}

/** Pairs of halves: `fn` of each half of up to three sources, rounded to a half. */
function mapHalves(i: Instruction, fn: (a: number, b: number, c: number) => number): Exec {
  const [a, b = a, c = a] = i.sources.map((s) => packedHalves(s, i.page));
  if (!a || !b || !c) throw new Error(`shader: ${i.spec.name} has no sources`);
  const d = halvesDestination(i);
  const clamp = clampOf(i);
  const out = new Float16Array(LANES * 2);
  return (w) => {
    const x = a.load(w);
    const y = b.load(w);
    const z = c.load(w);
    for (let n = 0; n < LANES * 2; n += 2) {
      out[n] = clampTo(fn(x[n + a.low]!, y[n + b.low]!, z[n + c.low]!), clamp);
      out[n + 1] = clampTo(fn(x[n + a.high]!, y[n + b.high]!, z[n + c.high]!), clamp);
    }
    d.open(w).set(out);
    d.close(w);
  };
}

/** The same for FMA and FADD, most of what there is to do in shaders of medium precision: written out. */
function fmaHalves(i: Instruction): Exec {
  const [a, b, c] = i.sources.map((s) => packedHalves(s, i.page)) as [PackedHalves, PackedHalves, PackedHalves];
  const { low: al, high: ah } = a;
  const { low: bl, high: bh } = b;
  const { low: cl, high: ch } = c;
  const mode = roundingOf(i);
  if (mode !== 'rte') return mapHalves(i, (x, y, z) => fmaTo(x, y, z, mode, true));
  const d = halvesDestination(i);
  const clamp = clampOf(i);
  return (w) => {
    const x = a.load(w);
    const y = b.load(w);
    const z = c.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES * 2; n += 2) {
      const low = fma16(x[n + al]!, y[n + bl]!, z[n + cl]!);
      const high = fma16(x[n + ah]!, y[n + bh]!, z[n + ch]!);
      out[n] = low;
      out[n + 1] = high;
    }
    if (clamp !== 'none') for (let n = 0; n < LANES * 2; n++) out[n] = clampTo(out[n]!, clamp);
    d.close(w);
  };
}

function addHalves(i: Instruction): Exec {
  const [a, b] = i.sources.map((s) => packedHalves(s, i.page)) as [PackedHalves, PackedHalves];
  const { low: al, high: ah } = a;
  const { low: bl, high: bh } = b;
  const mode = roundingOf(i);
  if (mode !== 'rte') return mapHalves(i, (x, y) => fmaTo(x, 1, y, mode, true));
  const d = halvesDestination(i);
  const clamp = clampOf(i);
  return (w) => {
    const x = a.load(w);
    const y = b.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES * 2; n += 2) {
      const low = x[n + al]! + y[n + bl]!;
      const high = x[n + ah]! + y[n + bh]!;
      out[n] = low;
      out[n + 1] = high;
    }
    if (clamp !== 'none') for (let n = 0; n < LANES * 2; n++) out[n] = clampTo(out[n]!, clamp);
    d.close(w);
  };
}

function fadd32(i: Instruction): Exec {
  const mode = roundingOf(i);
  if (mode !== 'rte') return map2(i, (a, b) => fmaTo(a, 1, b, mode, false));
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const d = floatDestination(i);
  const clamp = clampOf(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = x[n]! + y[n]!;
    clampAll(out, clamp);
    d.close(w);
  };
}

function fmaSingle(i: Instruction): Exec {
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const c = floats(i.sources[2]!, i.page);
  const d = floatDestination(i);
  const clamp = clampOf(i);
  const mode = roundingOf(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const z = c(w);
    const out = d.open(w);
    if (mode === 'rte') for (let n = 0; n < LANES; n++) out[n] = fma32(x[n]!, y[n]!, z[n]!);
    else for (let n = 0; n < LANES; n++) out[n] = fmaTo(x[n]!, y[n]!, z[n]!, mode, false);
    clampAll(out, clamp);
    d.close(w);
  };
}

/** FMA_RSCALE and its variants: (a × b + c) × 2^d. */
function fmaScale(i: Instruction, special: '' | 'N' | 'LEFT' | 'SCALE16'): Exec {
  const [a, b, c] = [0, 1, 2].map((n) => floats(i.sources[n]!, i.page)) as [
    ReturnType<typeof floats>,
    ReturnType<typeof floats>,
    ReturnType<typeof floats>,
  ];
  const e = rawBits(i.sources[3]!, i.page);
  const d = floatDestination(i);
  const clamp = clampOf(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const z = c(w);
    const s = e(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      let p = x[n]!;
      let q = y[n]!;
      if (special === 'N' && (p === 0 || q === 0)) p = q = 0;
      if (special === 'LEFT' && (p === 0 || q === 0)) q = 1;
      const scale = special === 'SCALE16' ? (s[n]! << 16) >> 16 : s[n]!;
      out[n] = fmaScale32(p, q, z[n]!, scale);
    }
    clampAll(out, clamp);
    d.close(w);
  };
}

export const reductionOf = (i: Instruction): Reduction =>
  i.modifiers.log ? 'log' : i.modifiers.sqrt ? 'sqrt' : 'plain';

/** What the fixed-point power counts in. */
const FEXP_UNIT = 2 ** -24;

/** FEXP: 2 to an 8.24 fixed-point power; the float it came from tells what the fixed point cannot. */
function fexp(i: Instruction): Exec {
  const fixed = rawBits(i.sources[0]!, i.page);
  const original = floats(i.sources[1]!, i.page);
  const d = floatDestination(i);
  const clamp = clampOf(i);
  return (w) => {
    const x = fixed(w);
    const f = original(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const value = f[n]!;
      if (Number.isNaN(value)) out[n] = value;
      else if (x[n] === 0x7fffffff || x[n] === -0x80000000) out[n] = exp2(value * FEXP_UNIT);
      else out[n] = exp2(x[n]! * FEXP_UNIT);
    }
    clampAll(out, clamp);
    d.close(w);
  };
}

/** log2(a) / (a - 1) of the reduced argument: what FLOGD gives to be multiplied by FADD_LSCALE's a - 1. */
function flogd(x: number): number {
  if (Number.isNaN(x) || x < 0) return Number.NaN;
  if (x === 0 || x === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return log2Ratio(reducedMantissa(x, 'log') - 1);
}

function table(i: Instruction, values: Float32Array): Exec {
  const a = rawBits(i.sources[0]!, i.page);
  const d = floatDestination(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = values[x[n]! & (values.length - 1)]!;
    d.close(w);
  };
}

/** FREXPE: the exponent as an integer. */
function exponent32(i: Instruction): Exec {
  const a = floats(i.sources[0]!, i.page);
  const d = destination(i);
  const reduction = reductionOf(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = reducedExponent(x[n]!, reduction);
    d.close(w);
  };
}

function exponent16(i: Instruction): Exec {
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  const reduction = reductionOf(i);
  return (w) => {
    a.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      out[n] = (reducedExponent(a.low[n]!, reduction) & 0xffff) | (reducedExponent(a.high[n]!, reduction) << 16);
    }
    d.close(w);
  };
}

function flush32(i: Instruction): Exec {
  const { ftz, flush_inf: inf, nanMode } = i.modifiers;
  const a = floats(i.sources[0]!, i.page);
  const d = destination(i);
  const whole = i.destHalves === HALVES.BOTH;
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      let bits = bitsOf(x[n]!);
      const magnitude = bits & 0x7fffffff;
      if (magnitude > 0x7f800000) {
        if (nanMode === 'flush_nan') bits = 0;
        else if (nanMode === 'quiet_nan') bits |= 0x400000;
      } else if (magnitude === 0x7f800000 && inf) bits = bitsOf(bits < 0 ? -MAX_F32 : MAX_F32);
      else if (magnitude < 0x800000 && ftz) bits &= 0x80000000;
      out[n] = whole ? bits : toHalf(fromBits(bits)) * 0x10001;
    }
    d.close(w);
  };
}

function flush16(i: Instruction): Exec {
  const { ftz, flush_inf: inf, nanMode } = i.modifiers;
  const one = (x: number): number => {
    if (Number.isNaN(x)) return nanMode === 'flush_nan' ? 0 : x;
    if (inf && x - x !== 0) return x < 0 ? -MAX_F16 : MAX_F16;
    return ftz && x !== 0 && Math.abs(x) < 2 ** -14 ? (x < 0 ? -0 : 0) : x;
  };
  return mapHalves(i, one);
}

/** Scalar half functions put their result in both halves. */
function half1(i: Instruction, fn: (a: number) => number): Exec {
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  return (w) => {
    a.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = toHalf(fn(a.low[n]!)) * 0x10001;
    d.close(w);
  };
}

function ldexp(i: Instruction): Exec {
  const mode = i.modifiers.round as Rounding;
  const b = rawBits(i.sources[1]!, i.page);
  const scale = (x: number, e: number): number => {
    return x * power2(Math.max(-SCALE_LIMIT, Math.min(SCALE_LIMIT, e)));
  };
  if (i.spec.type === 'f32') {
    const a = floats(i.sources[0]!, i.page);
    const d = floatDestination(i);
    return (w) => {
      const x = a(w);
      const e = b(w);
      const out = d.open(w);
      for (let n = 0; n < LANES; n++) out[n] = roundTo32(scale(x[n]!, e[n]!), mode);
      d.close(w);
    };
  }
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  return (w) => {
    a.load(w);
    const e = b(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const low = toHalf(roundTo16(scale(a.low[n]!, (e[n]! << 16) >> 16), mode));
      out[n] = low | (toHalf(roundTo16(scale(a.high[n]!, e[n]! >> 16), mode)) << 16);
    }
    d.close(w);
  };
}

function faddImmediate32(i: Instruction): Exec {
  const value = fromBits(i.immediates.constant! | 0);
  const a = floats(i.sources[0]!, i.page);
  const d = floatDestination(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = x[n]! + value;
    d.close(w);
  };
}

function faddImmediate16(i: Instruction): Exec {
  const constant = i.immediates.constant!;
  const low = F16_TO_F32[constant & 0xffff]!;
  const high = F16_TO_F32[constant >>> 16]!;
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  return (w) => {
    a.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = toHalf(a.low[n]! + low) | (toHalf(a.high[n]! + high) << 16);
    d.close(w);
  };
}

// Cube maps: the face with the largest coordinate, and the two others as that face sees them (OpenGL ES 3.2, table 8.26).

const FACE_SHIFT = 29;

/** Number of the cube face: +X, -X, +Y, -Y, +Z, -Z. */
export function cubeFace(x: number, y: number, z: number): number {
  const [ax, ay, az] = [Math.abs(x), Math.abs(y), Math.abs(z)];
  if (az >= ax && az >= ay) return z < 0 || Object.is(z, -0) ? 5 : 4;
  if (ay >= ax) return y < 0 || Object.is(y, -0) ? 3 : 2;
  return x < 0 || Object.is(x, -0) ? 1 : 0;
}

function cubeFace2(i: Instruction): Exec {
  const [x, y, z] = i.sources.map((s) => floats(s, i.page));
  const d = destination(i);
  return (w) => {
    const [a, b, c] = [x!(w), y!(w), z!(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = cubeFace(a[n]!, b[n]!, c[n]!) << FACE_SHIFT;
    d.close(w);
  };
}

/** CUBE_SSEL (z, x, face) and CUBE_TSEL (y, z, face). */
function cubeSelect(i: Instruction, pick: (face: number, a: number, b: number) => number): Exec {
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const face = integers(i.sources[2]!, i.page, 32, false);
  const d = floatDestination(i);
  return (w) => {
    const x = a(w);
    const y = b(w);
    const f = face(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = pick(f[n]! >>> FACE_SHIFT, x[n]!, y[n]!);
    d.close(w);
  };
}

function cubeFace1(i: Instruction): Exec {
  const [x, y, z] = i.sources.map((s) => floats(s, i.page));
  const d = floatDestination(i);
  return (w) => {
    const [a, b, c] = [x!(w), y!(w), z!(w)];
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = maximum(maximum(Math.abs(a[n]!), Math.abs(b[n]!)), Math.abs(c[n]!));
    d.close(w);
  };
}

const inverseRoot = (a: number): number => 1 / Math.fround(Math.sqrt(a));

export const FLOAT: Compilers = {
  'FADD.f32': fadd32,
  'FADD.v2f16': addHalves,
  'FMA.f32': fmaSingle,
  'FMA.v2f16': fmaHalves,
  'FMIN.f32': (i) => map2(i, minimum),
  'FMIN.v2f16': (i) => mapHalves(i, minimum),
  'FMAX.f32': (i) => map2(i, maximum),
  'FMAX.v2f16': (i) => mapHalves(i, maximum),
  'FADD_IMM.f32': faddImmediate32,
  'FADD_IMM.v2f16': faddImmediate16,
  'FMA_RSCALE.f32': (i) => fmaScale(i, ''),
  'FMA_RSCALE_N.f32': (i) => fmaScale(i, 'N'),
  'FMA_RSCALE_LEFT.f32': (i) => fmaScale(i, 'LEFT'),
  'FMA_RSCALE_SCALE16.f32': (i) => fmaScale(i, 'SCALE16'),
  'LDEXP.f32': ldexp,
  'LDEXP.v2f16': ldexp,
  'FRCP.f32': (i) => map1(i, (a) => 1 / a),
  'FRCP.f16': (i) => half1(i, (a) => 1 / a),
  'FRSQ.f32': (i) => map1(i, inverseRoot),
  'FRSQ.f16': (i) => half1(i, (a) => 1 / Math.sqrt(a)),
  'FRCP_APPROX.f32': (i) => map1(i, (a) => 1 / reducedMantissa(a, 'plain')),
  'FRSQ_APPROX.f32': (i) => map1(i, (a) => inverseRoot(reducedMantissa(a, 'sqrt'))),
  'FEXP.f32': fexp,
  'FLOGD.f32': (i) => map1(i, flogd),
  'FADD_LSCALE.f32': (i) => map2(i, (a, b) => a + reducedMantissa(b, 'log')),
  'FEXP_TABLE.u4': (i) => table(i, POWERS),
  'FSIN_TABLE.u6': (i) => table(i, SINES),
  'FCOS_TABLE.u6': (i) => table(i, COSINES),
  'FREXPM.f32': (i) => map1(i, (a) => reducedMantissa(a, reductionOf(i))),
  'FREXPM.v2f16': (i) => mapHalves(i, (a) => reducedMantissa(a, reductionOf(i))),
  'FREXPE.f32': exponent32,
  'FREXPE.v2f16': exponent16,
  'FLUSH.f32': flush32,
  'FLUSH.v2f16': flush16,
  CUBEFACE1: cubeFace1,
  CUBEFACE2_V9: cubeFace2,
  CUBE_SSEL: (i) => cubeSelect(i, (face, z, x) => (face === 0 ? -z : face === 1 ? z : face === 5 ? -x : x)),
  CUBE_TSEL: (i) => cubeSelect(i, (face, y, z) => (face === 2 ? z : face === 3 ? -z : -y)),
};
