/**
 * Conversions between number types.
 *
 * Floats to integers saturate and take NaN to zero. Conversions that may lose bits round as the instruction says.
 */
import type { Compilers, Exec } from './compile.ts';
import { LANES } from './contract.ts';
import type { Instruction } from './decode.ts';
import { type Clamp, clampTo, type Rounding, roundInteger, roundTo16, roundTo32, toHalf, toInteger } from './float.ts';
import { destination, floatDestination, floats, halves, type Ints, integers } from './operand.ts';

const S32: [number, number] = [-0x80000000, 0x7fffffff];
const U32: [number, number] = [0, 0xffffffff];
const S16: [number, number] = [-0x8000, 0x7fff];
const U16: [number, number] = [0, 0xffff];

const roundingOf = (i: Instruction): Rounding => (i.modifiers.round ?? 'rte') as Rounding;

/** Integer (extended to 32 bits) to something in 32 bits. */
function fromInteger(i: Instruction, source: Ints, fn: (x: number) => number): Exec {
  const d = floatDestination(i);
  return (w) => {
    const x = source(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = fn(x[n]!);
    d.close(w);
  };
}

function toInt32(i: Instruction, [low, high]: [number, number]): Exec {
  const a = floats(i.sources[0]!, i.page);
  const d = destination(i);
  const mode = roundingOf(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = toInteger(x[n]!, mode, low, high);
    d.close(w);
  };
}

/** The first selected half to a 32-bit integer. */
function halfToInt32(i: Instruction, [low, high]: [number, number]): Exec {
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  const mode = roundingOf(i);
  return (w) => {
    a.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = toInteger(a.low[n]!, mode, low, high);
    d.close(w);
  };
}

function halvesToInt16(i: Instruction, [low, high]: [number, number]): Exec {
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  const mode = roundingOf(i);
  return (w) => {
    a.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      out[n] = (toInteger(a.low[n]!, mode, low, high) & 0xffff) | (toInteger(a.high[n]!, mode, low, high) << 16);
    }
    d.close(w);
  };
}

/** Two 16-bit integers to two halves. */
function int16ToHalves(i: Instruction, signed: boolean): Exec {
  const a = integers(i.sources[0]!, i.page, 16, signed);
  const d = destination(i);
  const mode = roundingOf(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      const low = signed ? (x[n]! << 16) >> 16 : x[n]! & 0xffff;
      const high = signed ? x[n]! >> 16 : x[n]! >>> 16;
      out[n] = toHalf(roundTo16(low, mode)) | (toHalf(roundTo16(high, mode)) << 16);
    }
    d.close(w);
  };
}

/** A part of the source, extended to 32 bits, kept as integer. */
function extended(i: Instruction, size: number, signed: boolean): Exec {
  const a = extendedSource(i, size, signed);
  const d = destination(i);
  return (w) => {
    const x = a(w);
    d.open(w).set(x);
    d.close(w);
  };
}

/** The selected byte or first selected half, extended to 32 bits. */
function extendedSource(i: Instruction, size: number, signed: boolean): Ints {
  const packed = integers(i.sources[0]!, i.page, size, signed);
  const out = new Int32Array(LANES);
  const shift = 32 - size;
  return (w) => {
    const x = packed(w);
    for (let n = 0; n < LANES; n++) out[n] = signed ? (x[n]! << shift) >> shift : (x[n]! << shift) >>> shift;
    return out;
  };
}

/** Two selected bytes to two 16-bit elements. */
function bytePair(i: Instruction, signed: boolean, fn: (x: number) => number): Exec {
  const packed = integers(i.sources[0]!, i.page, 8, signed);
  const d = destination(i);
  const extend = (x: number): number => (signed ? (x << 24) >> 24 : x & 0xff);
  return (w) => {
    const x = packed(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = (fn(extend(x[n]!)) & 0xffff) | (fn(extend(x[n]! >>> 8)) << 16);
    d.close(w);
  };
}

function halfToSingle(i: Instruction): Exec {
  const a = halves(i.sources[0]!, i.page);
  const d = floatDestination(i);
  return (w) => {
    a.load(w);
    d.open(w).set(a.low);
    d.close(w);
  };
}

function singlesToHalves(i: Instruction): Exec {
  const a = floats(i.sources[0]!, i.page);
  const b = floats(i.sources[1]!, i.page);
  const d = destination(i);
  const mode = roundingOf(i);
  const clamp = i.modifiers.clamp as Clamp;
  const half = (x: number): number => toHalf(roundTo16(clampTo(x, clamp), mode));
  return (w) => {
    const x = a(w);
    const y = b(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = half(x[n]!) | (half(y[n]!) << 16);
    d.close(w);
  };
}

function round32(i: Instruction): Exec {
  const a = floats(i.sources[0]!, i.page);
  const d = floatDestination(i);
  const mode = roundingOf(i);
  return (w) => {
    const x = a(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) out[n] = roundInteger(x[n]!, mode);
    d.close(w);
  };
}

function round16(i: Instruction): Exec {
  const a = halves(i.sources[0]!, i.page);
  const d = destination(i);
  const mode = roundingOf(i);
  return (w) => {
    a.load(w);
    const out = d.open(w);
    for (let n = 0; n < LANES; n++) {
      out[n] = toHalf(roundInteger(a.low[n]!, mode)) | (toHalf(roundInteger(a.high[n]!, mode)) << 16);
    }
    d.close(w);
  };
}

const keep = (x: number): number => x;

export const CONVERT: Compilers = {
  S32_TO_F32: (i) => {
    const mode = roundingOf(i);
    return fromInteger(i, integers(i.sources[0]!, i.page, 32, true), (x) => roundTo32(x, mode));
  },
  U32_TO_F32: (i) => {
    const mode = roundingOf(i);
    return fromInteger(i, integers(i.sources[0]!, i.page, 32, false), (x) => roundTo32(x >>> 0, mode));
  },
  S16_TO_S32: (i) => extended(i, 16, true),
  U16_TO_U32: (i) => extended(i, 16, false),
  S8_TO_S32: (i) => extended(i, 8, true),
  U8_TO_U32: (i) => extended(i, 8, false),
  S16_TO_F32: (i) => fromInteger(i, extendedSource(i, 16, true), keep),
  U16_TO_F32: (i) => fromInteger(i, extendedSource(i, 16, false), keep),
  S8_TO_F32: (i) => fromInteger(i, extendedSource(i, 8, true), keep),
  U8_TO_F32: (i) => fromInteger(i, extendedSource(i, 8, false), keep),
  V2S16_TO_V2F16: (i) => int16ToHalves(i, true),
  V2U16_TO_V2F16: (i) => int16ToHalves(i, false),
  V2S8_TO_V2S16: (i) => bytePair(i, true, keep),
  V2U8_TO_V2U16: (i) => bytePair(i, false, keep),
  V2S8_TO_V2F16: (i) => bytePair(i, true, toHalf),
  V2U8_TO_V2F16: (i) => bytePair(i, false, toHalf),
  F32_TO_S32: (i) => toInt32(i, S32),
  F32_TO_U32: (i) => toInt32(i, U32),
  F16_TO_S32: (i) => halfToInt32(i, S32),
  F16_TO_U32: (i) => halfToInt32(i, U32),
  V2F16_TO_V2S16: (i) => halvesToInt16(i, S16),
  V2F16_TO_V2U16: (i) => halvesToInt16(i, U16),
  F16_TO_F32: halfToSingle,
  V2F32_TO_V2F16: singlesToHalves,
  'FROUND.f32': round32,
  'FROUND.v2f16': round16,
};
