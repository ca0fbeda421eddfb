/**
 * Texels in emitted samplers: their words, and their channels as singles, four lanes at a time.
 * Source: OpenGL ES 3.2 chapters 2.3 (fixed point, half floats), 8.24 (sRGB).
 */
import { scratch } from '../engine/scratch.ts';
import type { Code } from '../wasm/builder.ts';
import { SRGB8 } from './texture.ts';

/** Where a channel comes from: bits of the texel, or a constant. `compared`: the result of a depth comparison. */
export type ChannelSource =
  | { readonly kind: 'unorm' | 'srgb' | 'float' | 'uint' | 'sint'; readonly at: number; readonly bits: number }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'compared' };

const SRGB_AT = scratch.alloc(SRGB8.byteLength);
scratch.f32.set(SRGB8, SRGB_AT / 4);

const HALF_BITS = 16;
/** What a half's exponent lacks to be a single's: 2^(127 - 15). */
const HALF_SCALE = 2 ** 112;

/**
 * Two constants whose products with any number of `bits` bits add up to it over the greatest, rounded once: two
 * multiplications are much faster than a division. Undefined if there are none such.
 */
function reciprocal(bits: number): readonly [number, number] | undefined {
  const { fround } = Math;
  const greatest = 2 ** bits - 1;
  // So few bits that products with it are exact.
  const high = Math.floor(2 ** 23 / greatest) / 2 ** 23;
  const low = fround(1 / greatest - high);
  for (let i = 0; i <= greatest; i++) {
    if (fround(fround(i * high) + fround(i * low)) !== fround(i / greatest)) return undefined;
  }
  return [high, low];
}
const reciprocals = new Map<number, readonly [number, number] | undefined>();

export class TexelEmitter {
  readonly #f: Code;
  readonly #dram: number;

  constructor(f: Code, dram: number) {
    this.#f = f;
    this.#dram = dram;
  }

  /** The words by number of the texels at addresses, each loaded when a channel first wants it. */
  load(address: number): (word: number) => number {
    const f = this.#f;
    const words: (number | undefined)[] = [];
    return (word) => {
      let local = words[word];
      if (local === undefined) {
        local = f.local('v128');
        words[word] = local;
        f.get(address)
          .lane('i32x4_extract_lane', 0)
          .memory('v128_load32_zero', word * 4, this.#dram)
          .set(local);
        for (const lane of [1, 2, 3]) {
          f.get(address).lane('i32x4_extract_lane', lane).get(local);
          f.memoryLane(false, lane, word * 4, this.#dram).set(local);
        }
      }
      return local;
    };
  }

  /** A channel as singles, in a local of its own. */
  decode(words: (word: number) => number, channel: ChannelSource): number {
    const f = this.#f;
    const out = f.local('v128');
    if (channel.kind === 'constant' || channel.kind === 'compared') return out;
    const { at, bits, kind } = channel;
    const shift = at & 31;
    f.get(words(at >>> 5));
    if (shift) f.i32(shift).op('i32x4_shr_u');
    if (shift + bits < 32) f.v128(2 ** bits - 1).op('v128_and');
    f.set(out);
    if (kind === 'uint') return out;
    if (kind === 'sint') {
      if (bits < 32)
        f.get(out)
          .i32(32 - bits)
          .op('i32x4_shl')
          .i32(32 - bits)
          .op('i32x4_shr_s')
          .set(out);
    } else if (kind === 'float') {
      if (bits === HALF_BITS) this.#half(out);
    } else if (kind === 'srgb') this.#srgb(out);
    else this.#unorm(out, bits);
    return out;
  }

  #unorm(local: number, bits: number): void {
    if (!reciprocals.has(bits)) reciprocals.set(bits, bits <= 16 ? reciprocal(bits) : undefined);
    const factors = reciprocals.get(bits);
    const f = this.#f;
    f.get(local).op('f32x4_convert_i32x4_u');
    if (!factors) {
      f.f32x4(2 ** bits - 1)
        .op('f32x4_div')
        .set(local);
      return;
    }
    f.tee(local)
      .f32x4(factors[0])
      .op('f32x4_mul')
      .get(local)
      .f32x4(factors[1])
      .op('f32x4_mul')
      .op('f32x4_add')
      .set(local);
  }

  #srgb(local: number): void {
    const f = this.#f;
    const index = f.local('v128');
    f.get(local).i32(2).op('i32x4_shl').set(index);
    f.get(index).lane('i32x4_extract_lane', 0).memory('v128_load32_zero', SRGB_AT).set(local);
    for (const lane of [1, 2, 3]) {
      f.get(index).lane('i32x4_extract_lane', lane).get(local).memoryLane(false, lane, SRGB_AT).set(local);
    }
  }

  /** A half's bits moved to a single's places; the product brings the exponent right, also of denormal ones. */
  #half(local: number): void {
    const f = this.#f;
    const whole = f.local('v128');
    f.get(local).set(whole);
    f.get(whole).v128(0x7fff).op('v128_and').i32(13).op('i32x4_shl').f32x4(HALF_SCALE).op('f32x4_mul');
    f.get(whole).v128(0x7c00).op('v128_and').v128(0x7c00).op('i32x4_eq').v128(0x7f800000).op('v128_and').op('v128_or');
    f.get(whole).v128(0x8000).op('v128_and').i32(16).op('i32x4_shl').op('v128_or').set(local);
  }
}
