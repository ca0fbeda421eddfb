/**
 * ASTC's partitions: which of a block's two to four pairs of endpoints a texel uses, a pseudo-random pattern of its seed.
 * Source: Khronos Data Format Specification 1.3 section 23.21 (partition pattern generation).
 */

/** Blocks below this many texels stretch the pattern. */
const SMALL_BLOCK = 31;
const SEEDS = 1024;

/** The specification's hash of 32 bits. */
function hash(seed: number): number {
  let p = seed >>> 0;
  p ^= p >>> 15;
  p -= p << 17;
  p += p << 7;
  p += p << 4;
  p ^= p >>> 5;
  p += p << 16;
  p ^= p >>> 7;
  p ^= p >>> 3;
  p ^= p << 6;
  p ^= p >>> 17;
  return p >>> 0;
}

/** Partition number of each texel of a block, rows of x within layers of z. `count`: 2 to 4. */
export function partitionPattern(
  seed: number,
  count: number,
  width: number,
  height: number,
  depth: number,
): Uint8Array {
  const random = hash(seed + (count - 1) * SEEDS);
  const nibble = (at: number): number => ((random >>> at) | (at > 28 ? random << (32 - at) : 0)) & 15;
  const even = seed & 2 ? 4 : 5;
  const odd = count === 3 ? 6 : 5;
  const first = seed & 1 ? even : odd;
  const second = seed & 1 ? odd : even;
  const third = seed & 16 ? first : second;
  const factor = (at: number, shift: number): number => (nibble(at) ** 2) >>> shift;
  const x = [0, 8, 16, 24].map((at) => factor(at, first));
  const y = [4, 12, 20, 28].map((at) => factor(at, second));
  const z = [26, 30, 18, 22].map((at) => factor(at, third));
  const start = [14, 10, 6, 2].map((at) => random >>> at);
  const scale = width * height * depth < SMALL_BLOCK ? 2 : 1;

  const pattern = new Uint8Array(width * height * depth);
  for (let i = 0; i < pattern.length; i++) {
    const tx = (i % width) * scale;
    const ty = (Math.floor(i / width) % height) * scale;
    const tz = Math.floor(i / (width * height)) * scale;
    let best = 0;
    let bestValue = -1;
    for (let p = 0; p < count; p++) {
      const value = (x[p]! * tx + y[p]! * ty + z[p]! * tz + start[p]!) & 0x3f;
      if (value > bestValue) {
        best = p;
        bestValue = value;
      }
    }
    pattern[i] = best;
  }
  return pattern;
}
