/**
 * What an ASTC decoder writes: 8-bit texels, or halves of colours that are LDR, or LDR and HDR.
 *
 * Endpoints are widened to 16 bits before they are mixed: LDR ones are doubled, but in sRGB textures get a lower half of 0x80.
 * An 8-bit result is the upper half of the mixture.
 * Source: Khronos Data Format Specification 1.3 section 23.19; OpenGL ES 3.2 EXT_texture_compression_astc_decode_mode.
 */
import { pair16, rgba8 } from '../texel.ts';
import type { Endpoints } from './endpoints.ts';

/** `narrow`: RGBA8; `srgb`: the same of an sRGB texture; `wide`: four halves, LDR alone; `hdr`: four halves. */
export type OutputKind = 'narrow' | 'srgb' | 'wide' | 'hdr';

export interface AstcOutput {
  /** Whether HDR colours are decoded. */
  readonly hdr: boolean;
  /** Widens a pair of endpoints to 16 bits in place. */
  widen(pair: Endpoints, hdrColour: boolean, hdrAlpha: boolean): void;
  /** Writes texel `i` of a block from 16-bit channels. */
  store(texel: Int32Array, hdrColour: boolean, hdrAlpha: boolean, out: Uint32Array, i: number): void;
  /** The same of a block of one colour, whose HDR channels are halves. */
  storeVoid(texel: Int32Array, hdr: boolean, out: Uint32Array, i: number): void;
  error(out: Uint32Array, i: number): void;
}

const ONE = 0xffff;
const HALF_ONE = 0x3c00;
const HALF_MAX = 0x7bff;
const HALF_NAN = 0xffff;
/** Magenta of 8 bits a channel, opaque. */
const MAGENTA = [255, 0, 255, 255] as const;

const double = (value: number): number => (value << 8) | value;
const middle = (value: number): number => (value << 8) | 0x80;

/** A 16-bit fraction as a half, rounded towards zero; its largest value is 1. */
function unormToHalf(value: number): number {
  if (value === ONE) return HALF_ONE;
  // Below 2^-14 halves have a fixed point of 24 bits.
  if (value < 4) return value << 8;
  const exponent = 31 - Math.clz32(value);
  return ((exponent - 1) << 10) | (((value << (16 - exponent)) & 0xffff) >>> 6);
}

/** A 16-bit logarithmic number, 5 bits of exponent above a piecewise linear mantissa, as a half. */
function logToHalf(value: number): number {
  const mantissa = value & 0x7ff;
  let linear: number;
  if (mantissa < 512) linear = 3 * mantissa;
  else if (mantissa < 1536) linear = 4 * mantissa - 512;
  else linear = 5 * mantissa - 2048;
  return Math.min(HALF_MAX, ((value >>> 11) << 10) + (linear >>> 3));
}

const setMagenta = (pair: Endpoints): void => {
  pair.set(MAGENTA, 0);
  pair.set(MAGENTA, 4);
};

function storeHalves(r: number, g: number, b: number, a: number, out: Uint32Array, i: number): void {
  out[i * 2] = pair16(r, g);
  out[i * 2 + 1] = pair16(b, a);
}

function storeBytes(texel: Int32Array, _hdrColour: boolean, _hdrAlpha: boolean, out: Uint32Array, i: number): void {
  out[i] = rgba8(texel[0]! >> 8, texel[1]! >> 8, texel[2]! >> 8, texel[3]! >> 8);
}

const bytes = (widenValue: (value: number) => number): AstcOutput => ({
  hdr: false,
  widen(pair, hdrColour) {
    if (hdrColour) setMagenta(pair);
    for (let c = 0; c < pair.length; c++) pair[c] = widenValue(pair[c]!);
  },
  store: storeBytes,
  storeVoid(texel, _hdr, out, i) {
    storeBytes(texel, false, false, out, i);
  },
  error(out, i) {
    out[i] = rgba8(...MAGENTA);
  },
});

const wide: AstcOutput = {
  hdr: false,
  widen(pair, hdrColour) {
    if (hdrColour) setMagenta(pair);
    for (let c = 0; c < pair.length; c++) pair[c] = double(pair[c]!);
  },
  store(texel, _hdrColour, _hdrAlpha, out, i) {
    const [r, g, b, a] = [texel[0]!, texel[1]!, texel[2]!, texel[3]!];
    storeHalves(unormToHalf(r), unormToHalf(g), unormToHalf(b), unormToHalf(a), out, i);
  },
  storeVoid(texel, _hdr, out, i) {
    wide.store(texel, false, false, out, i);
  },
  error(out, i) {
    storeHalves(HALF_ONE, 0, HALF_ONE, HALF_ONE, out, i);
  },
};

const hdr: AstcOutput = {
  hdr: true,
  widen(pair, hdrColour, hdrAlpha) {
    for (let c = 0; c < pair.length; c++) {
      const high = c % 4 === 3 ? hdrAlpha : hdrColour;
      pair[c] = high ? pair[c]! << 4 : double(pair[c]!);
    }
  },
  store(texel, hdrColour, hdrAlpha, out, i) {
    const colour = hdrColour ? logToHalf : unormToHalf;
    const alpha = hdrAlpha ? logToHalf : unormToHalf;
    storeHalves(colour(texel[0]!), colour(texel[1]!), colour(texel[2]!), alpha(texel[3]!), out, i);
  },
  storeVoid(texel, halves, out, i) {
    if (halves) storeHalves(texel[0]!, texel[1]!, texel[2]!, texel[3]!, out, i);
    else hdr.store(texel, false, false, out, i);
  },
  error(out, i) {
    storeHalves(HALF_NAN, HALF_NAN, HALF_NAN, HALF_NAN, out, i);
  },
};

export const ASTC_OUTPUT: Readonly<Record<OutputKind, AstcOutput>> = {
  narrow: bytes(double),
  srgb: bytes(middle),
  wide,
  hdr,
};
