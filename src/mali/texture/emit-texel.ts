/**
 * Texels in emitted samplers: their words, and their channels as singles or integers, four lanes at a time.
 * Source: OpenGL ES 3.2 chapters 2.3 (fixed point, half and unsigned floats), 8.5.2 (shared exponent), 8.24 (sRGB).
 */
import { scratch } from '../engine/scratch.ts';
import type { SamplerCode } from './emit-code.ts';
import { SRGB8, UNORM8_STEP } from './texture.ts';

export type ChannelKind = 'unorm' | 'snorm' | 'srgb' | 'float' | 'ufloat' | 'fixed' | 'uint' | 'sint' | 'mantissa';

/** Where a channel comes from: bits of the texel, or a constant. `compared`: the result of a depth comparison. */
export type ChannelSource =
  | {
      readonly kind: ChannelKind;
      readonly at: number;
      readonly bits: number;
      /** Of a mantissa: where its exponent lies. */
      readonly exponent?: number;
    }
  | { readonly kind: 'constant'; readonly value: number }
  /** Y, U or V by number. */
  | { readonly kind: 'yuv'; readonly component: number }
  | { readonly kind: 'compared' };

const SRGB_AT = scratch.fixed('sRGB texels', SRGB8.byteLength);
scratch.f32.set(SRGB8, SRGB_AT / 4);

const HALF_BITS = 16;
/** What a half's exponent lacks to be a single's: 2^(127 - 15). */
const HALF_SCALE = 2 ** 112;
/** A shared exponent's bits, its bias, and the bits of the mantissas below it. */
const SHARED = { bits: 5, bias: 15, mantissa: 9 } as const;
const SINGLE_BIAS = 127;
const SINGLE_FRACTION = 23;

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
  readonly #c: SamplerCode;

  constructor(c: SamplerCode) {
    this.#c = c;
  }

  /** The words by number of the texels at addresses, each loaded when a channel first wants it. */
  load(address: number): (word: number) => number {
    const words: (number | undefined)[] = [];
    return (word) => {
      words[word] ??= this.#c.gather(address, word * 4, this.#c.texels);
      return words[word];
    };
  }

  /** A channel as singles, or as integers, in a local of its own. */
  decode(words: (word: number) => number, channel: ChannelSource): number {
    const { f } = this.#c;
    const out = f.local('v128');
    if (!('at' in channel)) return out;
    const { bits, kind } = channel;
    const signed = kind === 'snorm' || kind === 'sint' || kind === 'fixed';
    this.#bits(words, channel.at, bits, signed);
    switch (kind) {
      case 'uint':
      case 'sint':
        f.set(out);
        break;
      case 'float':
        f.set(out);
        if (bits === HALF_BITS) this.#half(out);
        break;
      case 'ufloat':
        f.set(out);
        this.#unsignedFloat(out, bits - SHARED.bits);
        break;
      case 'srgb':
        f.set(out);
        this.#srgb(out);
        break;
      case 'fixed':
        f.op('f32x4_convert_i32x4_s');
        this.#c
          .single(2 ** -16)
          .op('f32x4_mul')
          .set(out);
        break;
      case 'mantissa':
        f.op('f32x4_convert_i32x4_s');
        this.#bits(words, channel.exponent!, SHARED.bits, false);
        this.#c
          .words(SINGLE_BIAS - SHARED.bias - SHARED.mantissa)
          .op('i32x4_add')
          .i32(SINGLE_FRACTION);
        f.op('i32x4_shl').op('f32x4_mul').set(out);
        break;
      case 'unorm':
        f.op('f32x4_convert_i32x4_s').set(out);
        this.#normalized(out, bits);
        break;
      case 'snorm':
        f.op('f32x4_convert_i32x4_s').set(out);
        this.#normalized(out, bits - 1);
        f.get(out);
        this.#c.single(-1).op('f32x4_pmax').set(out);
        break;
    }
    this.#c.seam();
    return out;
  }

  /** Pushes bits of a texel as integers. */
  #bits(words: (word: number) => number, at: number, bits: number, signed: boolean): void {
    const { f } = this.#c;
    const shift = at & 31;
    f.get(words(at >>> 5));
    if (signed) {
      const up = 32 - shift - bits;
      if (up) f.i32(up).op('i32x4_shl');
      if (bits < 32) f.i32(32 - bits).op('i32x4_shr_s');
      return;
    }
    if (shift) f.i32(shift).op('i32x4_shr_u');
    if (shift + bits < 32) this.#c.words(2 ** bits - 1).op('v128_and');
  }

  /** A number over the greatest of `bits` bits. */
  #normalized(local: number, bits: number): void {
    const { f } = this.#c;
    if (bits === 8) {
      f.get(local);
      this.#c.single(UNORM8_STEP).op('f32x4_mul').set(local);
      return;
    }
    if (!reciprocals.has(bits)) reciprocals.set(bits, bits <= 16 ? reciprocal(bits) : undefined);
    const factors = reciprocals.get(bits);
    f.get(local);
    if (!factors) {
      this.#c
        .single(2 ** bits - 1)
        .op('f32x4_div')
        .set(local);
      return;
    }
    this.#c.single(factors[0]).op('f32x4_mul').get(local);
    this.#c.single(factors[1]).op('f32x4_mul').op('f32x4_add').set(local);
  }

  #srgb(local: number): void {
    const { f } = this.#c;
    const index = f.local('v128');
    f.get(local).i32(2).op('i32x4_shl').set(index);
    f.get(this.#c.gather(index, SRGB_AT, 0)).set(local);
  }

  /** A half's bits moved to a single's places; the product brings the exponent right, also of denormal ones. */
  #half(local: number): void {
    const { f } = this.#c;
    const whole = this.#c.vector(() => f.get(local));
    f.get(whole);
    this.#c.words(0x7fff).op('v128_and').i32(13).op('i32x4_shl');
    this.#c.single(HALF_SCALE).op('f32x4_mul').get(whole);
    this.#c.words(0x7c00).op('v128_and');
    this.#c.words(0x7c00).op('i32x4_eq');
    this.#c.words(0x7f800000).op('v128_and').op('v128_or').get(whole);
    this.#c.words(0x8000).op('v128_and').i32(16).op('i32x4_shl').op('v128_or').set(local);
  }

  /** The same without a sign, and with so many bits of fraction. */
  #unsignedFloat(local: number, fraction: number): void {
    const { f } = this.#c;
    const exponent = 31 << fraction;
    const whole = this.#c.vector(() =>
      f
        .get(local)
        .i32(SINGLE_FRACTION - fraction)
        .op('i32x4_shl'),
    );
    f.get(whole);
    this.#c.single(HALF_SCALE).op('f32x4_mul').get(local);
    this.#c.words(exponent).op('v128_and');
    this.#c.words(exponent).op('i32x4_eq');
    this.#c.words(0x7f800000).op('v128_and').op('v128_or').set(local);
  }
}
