/**
 * Emitted WebAssembly that makes words of pixel formats (not the blendable tile layouts) of a quad's colours: integers, halves,
 * floats, normalised numbers. The same as mali/pack.ts, which is its definition.
 */
import type { Channel, ChannelType } from '../../../abi/formats.ts';
import type { Code } from '../../wasm/builder.ts';

/** A channel of memory, and which of R, G, B, A it holds. */
export interface StoredChannel extends Channel {
  readonly source: number;
}

export interface PixelStore {
  readonly channels: readonly StoredChannel[];
  /** Words of a pixel that are written, and words from one pixel of the tile buffer to the next. */
  readonly words: number;
  readonly stride: number;
  /** What the shader sends. */
  readonly numbers: 'float' | 'sint' | 'uint';
}

/** Channel types that have emitted code, by what they hold. */
const FLOATS: readonly ChannelType[] = ['unorm', 'snorm', 'float', 'ufloat'];
const HALF_BITS = 16;
const LAST_WORD = 32;

/** Whether all channels of a format can be stored of such numbers. */
export const storable = (channels: readonly Channel[], numbers: PixelStore['numbers']): boolean =>
  channels.every(({ type, bits }) =>
    numbers === 'float'
      ? FLOATS.includes(type) && (type !== 'float' || bits >= HALF_BITS)
      : type === 'uint' || type === 'sint',
  );

export class PixelWords {
  readonly #f: Code;
  readonly #store: PixelStore;
  readonly #value: number;
  readonly #other: number;
  readonly #raw: number;
  readonly #words: number[];

  constructor(f: Code, store: PixelStore) {
    this.#f = f;
    this.#store = store;
    const v = () => f.local('v128');
    this.#value = v();
    this.#other = v();
    this.#raw = v();
    this.#words = Array.from({ length: store.words }, v);
  }

  /** Makes the words of colours, which lie in four locals. */
  make(colours: readonly number[]): void {
    const f = this.#f;
    for (const word of this.#words) f.v128(0, 0, 0, 0).set(word);
    for (const channel of this.#store.channels) {
      if (channel.bits === 0) continue;
      f.get(colours[channel.source]!).set(this.#value);
      this.#encode(channel);
      f.set(this.#raw);
      const index = channel.at >>> 5;
      const shift = channel.at & 31;
      this.#put(index, () => f.i32(shift).op('i32x4_shl'));
      if (shift + channel.bits > LAST_WORD) this.#put(index + 1, () => f.i32(LAST_WORD - shift).op('i32x4_shr_u'));
    }
  }

  #put(index: number, move: () => void): void {
    const f = this.#f;
    f.get(this.#raw);
    move();
    f.get(this.#words[index]!).op('v128_or').set(this.#words[index]!);
  }

  /** Stores the pixels of `alive` at an address of the quad's first pixel; `row`: bytes to the one below. */
  write(at: number, alive: number, row: number): void {
    const f = this.#f;
    for (let lane = 0; lane < 4; lane++) {
      f.get(alive).lane('i32x4_extract_lane', lane).if();
      for (const [index, word] of this.#words.entries()) {
        const offset = (lane & 1) * this.#store.stride * 4 + (lane >> 1) * row + index * 4;
        f.get(at).get(word).lane('i32x4_extract_lane', lane).memory('i32_store', offset);
      }
      f.end();
    }
  }

  #splat(value: number): Code {
    return this.#f.f32(value).op('f32x4_splat');
  }

  #int(value: number): Code {
    return this.#f.i32(value | 0).op('i32x4_splat');
  }

  /** Pushes the raw bits of the value, in the lower end of a word. */
  #encode({ type, bits }: Channel): void {
    const f = this.#f;
    if (this.#store.numbers !== 'float') this.#integer(type, bits);
    else if (type === 'unorm' || type === 'snorm') this.#normalised(type === 'snorm', bits);
    else if (type === 'ufloat') this.#unsigned(bits - 5);
    else if (bits === HALF_BITS) this.#half();
    // Singles go bit by bit.
    else f.get(this.#value);
  }

  #integer(type: ChannelType, bits: number): void {
    const f = this.#f;
    const signed = this.#store.numbers === 'sint';
    f.get(this.#value);
    if (type === 'uint') {
      if (signed) this.#int(0).op('i32x4_max_s');
      if (bits < 32) this.#int(2 ** bits - 1).op('i32x4_min_u');
      return;
    }
    const most = 2 ** (bits - 1) - 1;
    if (!signed) this.#int(most).op('i32x4_min_u');
    else if (bits < 32) {
      this.#int(most).op('i32x4_min_s');
      this.#int(-most - 1).op('i32x4_max_s');
      this.#int(2 ** bits - 1).op('v128_and');
    }
  }

  /** In doubles, whose product with the largest value is what the script has. */
  #normalised(signed: boolean, bits: number): void {
    const f = this.#f;
    const scale = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
    // The larger one by pmax, whose second operand loses if it is no number.
    this.#splat(signed ? -1 : 0)
      .get(this.#value)
      .op('f32x4_pmax');
    this.#splat(1).op('f32x4_min').set(this.#value);
    const half = () => {
      f.op('f64x2_promote_low_f32x4').f64(scale).op('f64x2_splat').op('f64x2_mul').op('f64x2_nearest');
      f.op(signed ? 'i32x4_trunc_sat_f64x2_s_zero' : 'i32x4_trunc_sat_f64x2_u_zero');
    };
    f.get(this.#value);
    half();
    f.get(this.#value).get(this.#value).shuffle32(2, 3, 2, 3);
    half();
    f.shuffle32(0, 1, 4, 5);
    if (signed && bits < 32) this.#int(2 ** bits - 1).op('v128_and');
  }

  /** No sign, five bits of exponent, rounded down. */
  #unsigned(mantissa: number): void {
    const f = this.#f;
    const lost = 23 - mantissa;
    // Below 2^-14 the mantissa alone counts; else exponent and mantissa move together.
    f.get(this.#value);
    this.#splat(2 ** (14 + mantissa))
      .op('f32x4_mul')
      .op('i32x4_trunc_sat_f32x4_u');
    f.get(this.#value).i32(lost).op('i32x4_shr_u');
    this.#int((127 - 15) << mantissa).op('i32x4_sub');
    f.get(this.#value);
    this.#splat(2 ** -14)
      .op('f32x4_lt')
      .op('v128_bitselect');
    // The largest number, infinity, not a number.
    this.#int((30 << mantissa) | (2 ** mantissa - 1))
      .op('i32x4_min_u')
      .set(this.#other);
    this.#int(31 << mantissa)
      .get(this.#other)
      .get(this.#value);
    this.#splat(Number.POSITIVE_INFINITY).op('f32x4_eq').op('v128_bitselect').set(this.#other);
    f.get(this.#other).get(this.#value);
    this.#splat(0).op('f32x4_gt').op('v128_and').set(this.#other);
    this.#int((31 << mantissa) | 1).get(this.#other);
    f.get(this.#value).get(this.#value).op('f32x4_ne').op('v128_bitselect');
  }

  /** The nearest half, ties to even: as LaneCode.narrow, with one NaN for all. */
  #half(): void {
    const f = this.#f;
    const [x, magnitude] = [this.#value, this.#other];
    f.get(x);
    this.#int(0x7fffffff).op('v128_and').set(magnitude);
    // Normal: round at the thirteenth bit.
    f.get(magnitude);
    this.#int((((15 - 127) << 23) + 0xfff) | 0).op('i32x4_add');
    f.get(magnitude).i32(13).op('i32x4_shr_u');
    this.#int(1).op('v128_and').op('i32x4_add').i32(13).op('i32x4_shr_u').set(this.#raw);
    // Subnormal: the sum with a magic number leaves its bits at the end of the word.
    const magic = (127 - 15 + 23 - 10 + 1) << 23;
    f.get(magnitude);
    this.#int(magic).op('f32x4_add');
    this.#int(magic).op('i32x4_sub');
    f.get(this.#raw).get(magnitude);
    this.#int(113 << 23)
      .op('i32x4_lt_s')
      .op('v128_bitselect')
      .set(this.#raw);
    this.#int(0x7c00).get(this.#raw).get(magnitude);
    this.#int((127 + 16) << 23)
      .op('i32x4_ge_s')
      .op('v128_bitselect');
    f.get(x).i32(16).op('i32x4_shr_u');
    this.#int(0x8000).op('v128_and').op('v128_or').set(this.#raw);
    this.#int(0x7e00).get(this.#raw).get(x).get(x).op('f32x4_ne').op('v128_bitselect');
  }
}
