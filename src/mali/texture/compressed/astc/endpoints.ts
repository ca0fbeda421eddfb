/**
 * ASTC's endpoint modes: the values of one partition become two colours, 8 bits a channel, or 12 bits in the HDR modes.
 * Source: Khronos Data Format Specification 1.3 sections 23.14 (LDR) and 23.15 (HDR).
 */
import {
  ASTC_ENDPOINT,
  ASTC_HDR_ONE,
  ASTC_HDR_RGB,
  ASTC_HDR_SCALE,
  type AstcSpareBit,
} from '../../../../abi/blocks/astc.ts';
import { signExtend } from '../../../../abi/blocks/bits.ts';
import { clampByte } from '../texel.ts';

/** Two colours: RGBA of the first, RGBA of the second. */
export type Endpoints = Int32Array;

const OPAQUE = 255;
const HDR_MAX = 0xfff;
const clampHdr = (value: number): number => Math.max(0, Math.min(HDR_MAX, value));

/** Decodes mode `mode` from the values at v[at] and on. */
export function decodeEndpoints(mode: number, v: Uint8Array, at: number, out: Endpoints): void {
  const value = (i: number): number => v[at + i]!;
  const E = ASTC_ENDPOINT;
  switch (mode) {
    case E.LUMINANCE:
      grey(value(0), value(1), OPAQUE, OPAQUE, out);
      break;
    case E.LUMINANCE_DELTA: {
      const low = (value(0) >>> 2) | (value(1) & 0xc0);
      grey(low, clampByte(low + (value(1) & 0x3f)), OPAQUE, OPAQUE, out);
      break;
    }
    case E.LUMINANCE_ALPHA:
      grey(value(0), value(1), value(2), value(3), out);
      break;
    case E.LUMINANCE_ALPHA_DELTA: {
      const [l, dl] = baseAndDelta(value(0), value(1));
      const [a, da] = baseAndDelta(value(2), value(3));
      grey(l, clampByte(l + dl), a, clampByte(a + da), out);
      break;
    }
    case E.RGB_SCALE:
    case E.RGB_SCALE_ALPHA: {
      const alpha = mode === E.RGB_SCALE_ALPHA;
      for (let c = 0; c < 3; c++) {
        out[c] = (value(c) * value(3)) >> 8;
        out[4 + c] = value(c);
      }
      out[3] = alpha ? value(4) : OPAQUE;
      out[7] = alpha ? value(5) : OPAQUE;
      break;
    }
    case E.RGB:
    case E.RGBA:
      direct(value, mode === E.RGBA ? 4 : 3, out);
      break;
    case E.RGB_DELTA:
    case E.RGBA_DELTA:
      delta(value, mode === E.RGBA_DELTA ? 4 : 3, out);
      break;
    case E.HDR_LUMINANCE_LARGE: {
      const [a, b] = [value(0), value(1)];
      if (b >= a) grey(a << 4, b << 4, ASTC_HDR_ONE, ASTC_HDR_ONE, out);
      else grey((b << 4) + 8, (a << 4) - 8, ASTC_HDR_ONE, ASTC_HDR_ONE, out);
      break;
    }
    case E.HDR_LUMINANCE_SMALL: {
      const [a, b] = [value(0), value(1)];
      // The finer of two forms has a bit less for the difference.
      const wide = a & 0x80 ? 1 : 0;
      const high = wide ? 0xe0 : 0xf0;
      const low = ((b & high) << 4) | ((a & 0x7f) << (1 + wide));
      grey(low, clampHdr(low + ((b & ~high & 0xff) << (1 + wide))), ASTC_HDR_ONE, ASTC_HDR_ONE, out);
      break;
    }
    case E.HDR_RGB_SCALE:
      hdrScale(value, out);
      break;
    default:
      hdrRgb(value, out);
      if (mode === E.HDR_RGB_HDR_ALPHA) hdrAlpha(value(6), value(7), out);
      else {
        out[3] = mode === E.HDR_RGB_LDR_ALPHA ? value(6) : ASTC_HDR_ONE;
        out[7] = mode === E.HDR_RGB_LDR_ALPHA ? value(7) : ASTC_HDR_ONE;
      }
  }
}

function grey(l0: number, l1: number, a0: number, a1: number, out: Endpoints): void {
  out.fill(l0, 0, 3);
  out[3] = a0;
  out.fill(l1, 4, 7);
  out[7] = a1;
}

/** A value whose lowest bit is the base's highest, and the rest a signed difference of 6 bits. */
function baseAndDelta(base: number, difference: number): [number, number] {
  return [(base >>> 1) | (difference & 0x80), signExtend((difference >>> 1) & 0x3f, 6)];
}

/** Pulls red and green half-way to blue. */
function contract(out: Endpoints, at: number): void {
  out[at] = (out[at]! + out[at + 2]!) >> 1;
  out[at + 1] = (out[at + 1]! + out[at + 2]!) >> 1;
}

function setOpaque(out: Endpoints, channels: number): void {
  if (channels === 3) {
    out[3] = OPAQUE;
    out[7] = OPAQUE;
  }
}

/** Pairs of values; where the second colour would be the darker one, they are exchanged and contracted. */
function direct(value: (i: number) => number, channels: number, out: Endpoints): void {
  const swap = value(1) + value(3) + value(5) < value(0) + value(2) + value(4);
  for (let c = 0; c < channels; c++) {
    out[(swap ? 4 : 0) + c] = value(2 * c);
    out[(swap ? 0 : 4) + c] = value(2 * c + 1);
  }
  setOpaque(out, channels);
  if (swap) {
    contract(out, 0);
    contract(out, 4);
  }
}

/** Bases and differences, likewise. */
function delta(value: (i: number) => number, channels: number, out: Endpoints): void {
  let sum = 0;
  for (let c = 0; c < 3; c++) sum += baseAndDelta(value(2 * c), value(2 * c + 1))[1];
  const swap = sum < 0;
  for (let c = 0; c < channels; c++) {
    const [base, difference] = baseAndDelta(value(2 * c), value(2 * c + 1));
    out[(swap ? 4 : 0) + c] = base;
    out[(swap ? 0 : 4) + c] = base + difference;
  }
  setOpaque(out, channels);
  if (swap) {
    contract(out, 0);
    contract(out, 4);
  }
  for (let i = 0; i < out.length; i++) out[i] = clampByte(out[i]!);
}

/** Puts the spare bits of an HDR mode where submode `mode` wants them. */
function placeSpareBits<Name extends string>(
  value: (i: number) => number,
  mode: number,
  spare: readonly (readonly [number, number])[],
  places: readonly AstcSpareBit<Name>[],
  values: Record<Name, number>,
): void {
  for (const { modes, from, name, to } of places) {
    const [i, bit] = spare[from]!;
    if ((modes >>> mode) & 1) values[name] |= ((value(i) >>> bit) & 1) << to;
  }
}

/** Exchanges red with the channel that is the largest. */
function exchange(out: Endpoints, largest: number): void {
  if (largest === 0) return;
  for (const at of [0, 4]) {
    const red = out[at]!;
    out[at] = out[at + largest]!;
    out[at + largest] = red;
  }
}

function hdrScale(value: (i: number) => number, out: Endpoints): void {
  const code = ((value(0) & 0xc0) >> 6) | ((value(1) & 0x80) >> 5) | ((value(2) & 0x80) >> 4);
  let mode = code & 3;
  let largest = code >> 2;
  if (largest === 3) {
    mode = code === 15 ? 5 : 4;
    largest = code === 15 ? 0 : code & 3;
  }
  const values = { red: value(0) & 0x3f, green: value(1) & 0x1f, blue: value(2) & 0x1f, scale: value(3) & 0x1f };
  placeSpareBits(value, mode, ASTC_HDR_SCALE.spare, ASTC_HDR_SCALE.places, values);
  const shift = ASTC_HDR_SCALE.shift[mode]!;
  const red = values.red << shift;
  const scale = values.scale << shift;
  const green = mode === 5 ? values.green << shift : red - (values.green << shift);
  const blue = mode === 5 ? values.blue << shift : red - (values.blue << shift);
  [red, green, blue].forEach((channel, c) => {
    out[c] = clampHdr(channel - scale);
    out[4 + c] = clampHdr(channel);
  });
  out[3] = ASTC_HDR_ONE;
  out[7] = ASTC_HDR_ONE;
  exchange(out, largest);
}

function hdrRgb(value: (i: number) => number, out: Endpoints): void {
  const largest = ((value(4) & 0x80) >> 7) | ((value(5) & 0x80) >> 6);
  if (largest === 3) {
    for (const e of [0, 1]) {
      out[4 * e] = value(e) << 4;
      out[4 * e + 1] = value(2 + e) << 4;
      out[4 * e + 2] = (value(4 + e) & 0x7f) << 5;
    }
    return;
  }
  const mode = ((value(1) & 0x80) >> 7) | ((value(2) & 0x80) >> 6) | ((value(3) & 0x80) >> 5);
  const values = {
    a: value(0) | ((value(1) & 0x40) << 2),
    b0: value(2) & 0x3f,
    b1: value(3) & 0x3f,
    c: value(1) & 0x3f,
  };
  placeSpareBits(value, mode, ASTC_HDR_RGB.spare, ASTC_HDR_RGB.places, values);
  const deltaBits = ASTC_HDR_RGB.deltaBits[mode]!;
  const shift = ASTC_HDR_RGB.shift[mode]!;
  const a = values.a << shift;
  const c = values.c << shift;
  const b = [0, values.b0 << shift, values.b1 << shift];
  const d = [0, signExtend(value(4), deltaBits) << shift, signExtend(value(5), deltaBits) << shift];
  for (let i = 0; i < 3; i++) {
    out[i] = clampHdr(a - b[i]! - c - d[i]!);
    out[4 + i] = clampHdr(a - b[i]!);
  }
  exchange(out, largest);
}

function hdrAlpha(v6: number, v7: number, out: Endpoints): void {
  const mode = (v6 >>> 7) | ((v7 >>> 6) & 2);
  const low = v6 & 0x7f;
  const high = v7 & 0x7f;
  if (mode === 3) {
    out[3] = low << 5;
    out[7] = high << 5;
    return;
  }
  const bits = 6 - mode;
  const base = (low | ((high << (mode + 1)) & 0x780)) << (4 - mode);
  out[3] = base;
  out[7] = clampHdr(base + (signExtend(high, bits) << (4 - mode)));
}
