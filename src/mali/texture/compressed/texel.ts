/** Small helpers that all block decoders share: widening, clamping and packing of texels. */

export const clampByte = (value: number): number => Math.max(0, Math.min(value, 255));

/** Widens a number of `from` bits to `to` ≤ 16 bits by repeating it. */
export function replicate(value: number, from: number, to: number): number {
  let out = 0;
  for (let left = to; left > 0; left -= from) out |= left >= from ? value << (left - from) : value >>> (from - left);
  return out;
}

/** A texel of four bytes, red lowest. */
export const rgba8 = (r: number, g: number, b: number, a: number): number =>
  (r | (g << 8) | (b << 16) | (a << 24)) >>> 0;

/** A texel of two 16-bit halves. */
export const pair16 = (low: number, high: number): number => ((low & 0xffff) | (high << 16)) >>> 0;
