/**
 * The way back from format.ts: channels of a pixel format from the shader's floats and integers.
 *
 * Floats are clamped to what the channel holds and rounded to nearest; integers saturate.
 * Source: OpenGL ES 3.2 chapters 2.3, 8.5.2 (shared exponent).
 */
import type { Channel, PixelFormat } from '../abi/formats.ts';

const scratch = new DataView(new ArrayBuffer(8));

export function floatToBits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}

export function floatToHalf(value: number): number {
  scratch.setFloat16(0, value);
  return scratch.getUint16(0);
}

/** The bits of a number without sign, `mantissa` bits below 5 bits of exponent. Negative numbers become 0; rounds down. */
export function floatToUnsigned(value: number, mantissa: number): number {
  if (Number.isNaN(value)) return (31 << mantissa) | 1;
  if (value <= 0) return 0;
  const scale = 2 ** mantissa;
  if (value === Number.POSITIVE_INFINITY) return 31 << mantissa;
  if (value < 2 ** -14) return Math.floor((value / 2 ** -14) * scale);
  const exponent = Math.floor(Math.log2(value));
  const e = value < 2 ** exponent ? exponent - 1 : value >= 2 ** (exponent + 1) ? exponent + 1 : exponent;
  if (e > 15) return (30 << mantissa) | (scale - 1);
  return ((e + 15) << mantissa) | Math.floor((value / 2 ** e - 1) * scale);
}

/** Nearest integer, halves to even. NaN becomes 0. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0)) return floor + 1;
  return rest >= 0 ? floor : 0;
}

const clamp = (x: number, low: number, high: number): number => (x > low ? Math.min(x, high) : low);

/** Raw bits of a channel from its value. */
export function encodeChannel({ type, bits }: Channel, value: number): number {
  switch (type) {
    case 'unorm':
      return roundEven(clamp(value, 0, 1) * (2 ** bits - 1));
    case 'snorm': {
      const raw = roundEven(clamp(value, -1, 1) * (2 ** (bits - 1) - 1));
      return raw < 0 ? raw + 2 ** bits : raw;
    }
    case 'uint':
      return clamp(value, 0, 2 ** bits - 1);
    case 'sint': {
      const raw = clamp(value, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1);
      return raw < 0 ? raw + 2 ** bits : raw;
    }
    case 'fixed': {
      const raw = clamp(roundEven(value * 65536), -(2 ** 31), 2 ** 31 - 1);
      return raw < 0 ? raw + 2 ** bits : raw;
    }
    case 'float':
      return bits === 16 ? floatToHalf(value) : floatToBits(value);
    case 'ufloat':
      return floatToUnsigned(value, bits - 5);
    case 'mantissa':
    case 'exponent':
      throw new Error(`channel type ${type} is packed with its pixel`);
  }
}

/** Puts a texel together: `values[i]` is channel i in memory order. Writes whole words from `words[at]` on. */
export function pack(format: PixelFormat, values: Float64Array, words: Uint32Array, at: number): void {
  const count = (format.bytes + 3) >>> 2;
  for (let i = 0; i < count; i++) words[at + i] = 0;
  const exponent = format.channels.find(({ type }) => type === 'exponent');
  if (exponent) {
    packShared(format, exponent, values, words, at);
    return;
  }
  for (let i = 0; i < format.channels.length; i++) {
    const channel = format.channels[i]!;
    put(words, at, channel, encodeChannel(channel, values[i]!));
  }
}

function put(words: Uint32Array, at: number, channel: Channel, raw: number): void {
  const index = at + (channel.at >>> 5);
  const shift = channel.at & 31;
  words[index] = words[index]! | (raw << shift);
  if (shift + channel.bits > 32) words[index + 1] = words[index + 1]! | (raw >>> (32 - shift));
}

/** Three 9-bit mantissas under one exponent of bias 15. */
function packShared(
  format: PixelFormat,
  exponent: Channel,
  values: Float64Array,
  words: Uint32Array,
  at: number,
): void {
  const most = (511 / 512) * 2 ** 16;
  let max = 0;
  for (let i = 0; i < 4; i++) {
    if (format.channels[i]?.type === 'mantissa') max = Math.max(max, clamp(values[i]!, 0, most));
  }
  let shared = max > 0 ? Math.max(-16, Math.floor(Math.log2(max))) + 1 + 15 : 0;
  if (Math.floor(max / 2 ** (shared - 24) + 0.5) === 512) shared++;
  shared = Math.max(0, shared);
  for (let i = 0; i < 4; i++) {
    const channel = format.channels[i];
    if (channel?.type !== 'mantissa') continue;
    put(words, at, channel, Math.floor(clamp(values[i]!, 0, most) / 2 ** (shared - 24) + 0.5));
  }
  put(words, at, exponent, shared);
}
