/**
 * Numbers in memory: how the channels of a pixel format become the shader's floats and integers.
 *
 * Values are handed over as doubles, which hold every 32-bit integer and every float exactly; whoever stores them knows
 * from the format's kind whether they are floats or integers.
 * Source of the encodings: OpenGL ES 3.2 chapters 2.3 (fixed point, half, unsigned floats), 8.5.2 (shared exponent), 8.24 (sRGB).
 */
import type { Channel, PixelFormat } from '../abi/formats.ts';

const scratch = new DataView(new ArrayBuffer(8));

/** A float from the bits of an IEEE single. */
export function bitsToFloat(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** A float from the bits of an IEEE half. */
export function halfToFloat(bits: number): number {
  scratch.setUint16(0, bits);
  return scratch.getFloat16(0);
}

/** A number without sign: 5 bits of exponent above `mantissa` bits. */
export function unsignedFloat(bits: number, mantissa: number): number {
  const exponent = bits >>> mantissa;
  const fraction = bits & ((1 << mantissa) - 1);
  if (exponent === 31) return fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  const scale = 2 ** mantissa;
  return exponent === 0 ? (fraction / scale) * 2 ** -14 : (1 + fraction / scale) * 2 ** (exponent - 15);
}

export const srgbToLinear = (x: number): number => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
export const linearToSrgb = (x: number): number => (x <= 0.0031308 ? x * 12.92 : 1.055 * x ** (1 / 2.4) - 0.055);

const signed = (raw: number, bits: number): number => (raw >= 2 ** (bits - 1) ? raw - 2 ** bits : raw);

/** One channel's value from its raw bits. A shared exponent comes as it is: `unpack` applies it. */
export function decodeChannel({ type, bits }: Channel, raw: number): number {
  switch (type) {
    case 'unorm':
      return raw / (2 ** bits - 1);
    case 'snorm':
      return Math.max(-1, signed(raw, bits) / (2 ** (bits - 1) - 1));
    case 'uint':
    case 'mantissa':
    case 'exponent':
      return raw;
    case 'sint':
      return signed(raw, bits);
    case 'fixed':
      return signed(raw, bits) / 65536;
    case 'float':
      return bits === 16 ? halfToFloat(raw) : bitsToFloat(raw);
    case 'ufloat':
      return unsignedFloat(raw, bits - 5);
  }
}

/** The bits of a channel in little-endian words. A channel never crosses a word unless the texel is not word-sized. */
export function channelBits({ at, bits }: Pick<Channel, 'at' | 'bits'>, words: Uint32Array): number {
  const index = at >>> 5;
  const shift = at & 31;
  const mask = bits === 32 ? 0xffffffff : (1 << bits) - 1;
  if (shift + bits <= 32) return ((words[index]! >>> shift) & mask) >>> 0;
  const low = words[index]! >>> shift;
  return ((low | (words[index + 1]! << (32 - shift))) & mask) >>> 0;
}

/** Takes a texel in `words` apart: `out[i]` is channel i in memory order. */
export type Unpack = (words: Uint32Array, out: Float64Array) => void;

const unpackers = new Map<PixelFormat, Unpack>();

/** The unpacking function of a format, made once. */
export function unpacker(format: PixelFormat): Unpack {
  let unpack = unpackers.get(format);
  if (!unpack) {
    unpack = makeUnpacker(format);
    unpackers.set(format, unpack);
  }
  return unpack;
}

function makeUnpacker({ channels }: PixelFormat): Unpack {
  const exponent = channels.find(({ type }) => type === 'exponent');
  if (exponent) {
    return (words, out) => {
      const scale = 2 ** (channelBits(exponent, words) - 15 - 9);
      for (let i = 0; i < channels.length; i++) out[i] = channelBits(channels[i]!, words) * scale;
    };
  }
  if (
    channels.length === 4 &&
    channels.every(({ type, bits, at }, i) => type === 'unorm' && bits === 8 && at === i * 8)
  ) {
    return (words, out) => {
      const word = words[0]!;
      out[0] = (word & 255) / 255;
      out[1] = ((word >>> 8) & 255) / 255;
      out[2] = ((word >>> 16) & 255) / 255;
      out[3] = (word >>> 24) / 255;
    };
  }
  return (words, out) => {
    for (let i = 0; i < channels.length; i++) {
      const channel = channels[i]!;
      out[i] = decodeChannel(channel, channelBits(channel, words));
    }
  };
}
