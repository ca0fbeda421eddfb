/**
 * Bilinear filtering of texels of bytes in emitted samplers: integers, two channels of 16 bits a word.
 *
 * A row is mixed in 256ths by weights of 8 bits: 16 bits, which hold it exactly once bytes are counted from 128, so that they
 * are signed. Two rows make 24 bits, by one sum of products for a channel. The sum becomes a single and is scaled once.
 * Where a row's two texels are neighbours in memory they are loaded together: linear images whose edge is clamped, as the
 * neighbour has no weight at the edge.
 */
import { WRAP } from '../../abi/gpu/texture-descriptors.ts';
import type { AddressEmitter, TexelLayout } from './emit-address.ts';
import type { Footprint } from './emit-axis.ts';
import type { SamplerCode } from './emit-code.ts';
import type { ChannelSource, TexelEmitter } from './emit-texel.ts';
import { BYTES_STEP } from './texture.ts';

const MASK = 0x00ff00ff;
const BIAS = 0x80808080;
/** What counting from 128 takes from a sum. */
const SUM_BIAS = 2 ** 23;

export class BytesEmitter {
  readonly #c: SamplerCode;
  readonly #addresses: AddressEmitter;
  readonly #texels: TexelEmitter;
  readonly #layout: TexelLayout;
  readonly #adjacent: boolean;

  constructor(
    c: SamplerCode,
    addresses: AddressEmitter,
    texels: TexelEmitter,
    { layout, wrap }: { layout: TexelLayout; wrap: readonly number[]; axes: number },
  ) {
    this.#c = c;
    this.#addresses = addresses;
    this.#texels = texels;
    this.#layout = layout;
    this.#adjacent = layout.kind === 'linear' && layout.bytes !== 3 && wrap[0] === WRAP.CLAMP_TO_EDGE;
  }

  /** The channels, each in a local; equal ones in the same. */
  mix(
    x: Footprint,
    y: Footprint | undefined,
    plane: number | undefined,
    channels: readonly ChannelSource[],
  ): (number | undefined)[] {
    const { f } = this.#c;
    const [left, right] = x.texels;
    const zero = y ? 0 : this.#c.vector(() => this.#c.words(0));
    const rows = y ? y.texels.map(({ index }) => index) : [zero];
    const columns = this.#adjacent ? [left!.index] : [left!.index, right!.index];
    const addresses = this.#addresses.footprint(columns, rows, plane);
    const across = this.#c.vector(() => f.get(x.weight!).get(x.weight!).i32(16).op('i32x4_shl').op('v128_or'));
    const pairs = rows.map((_, n): readonly [number, number] =>
      this.#adjacent
        ? this.#pair(addresses[n]!)
        : [this.#texels.load(addresses[2 * n]!)(0), this.#texels.load(addresses[2 * n + 1]!)(0)],
    );
    const used = new Set(channels.flatMap((channel) => ('at' in channel ? [channel.at / 8] : [])));
    const even = used.has(0) || used.has(2);
    const odd = used.has(1) || used.has(3);
    const mixed = pairs.map(([a, b]) => {
      const signed = this.#c.vector(() => {
        f.get(a);
        this.#c.words(BIAS).op('v128_xor');
      });
      return {
        even: even ? this.#row(a, b, across, signed, false) : 0,
        odd: odd ? this.#row(a, b, across, signed, true) : 0,
      };
    });
    // 256 less the weight in the lower half, the weight in the upper one; of one row, all is the lower's.
    const down = this.#c.vector(() => {
      if (y) f.get(y.weight!).i32(16).op('i32x4_shl').get(y.weight!).op('i32x4_sub');
      this.#c.words(256);
      if (y) f.op('i32x4_add');
    });
    const results: (number | undefined)[] = [0, 1, 2, 3].map((byte) => {
      if (!used.has(byte)) return undefined;
      return this.#c.vector(() => {
        const [low, high] = mixed.map((row) => (byte & 1 ? row.odd : row.even)) as [number, number | undefined];
        f.get(low);
        if (byte < 2) {
          this.#c.words(0xffff).op('v128_and');
          if (high !== undefined) f.get(high).i32(16).op('i32x4_shl').op('v128_or');
        } else {
          f.i32(16).op('i32x4_shr_u');
          if (high !== undefined) {
            f.get(high);
            this.#c.words(0xffff0000).op('v128_and').op('v128_or');
          }
        }
        f.get(down).op('i32x4_dot_i16x8_s');
        this.#c.words(SUM_BIAS).op('i32x4_add').op('f32x4_convert_i32x4_s');
        this.#c.single(BYTES_STEP).op('f32x4_mul');
      });
    });
    return channels.map((channel) => ('at' in channel ? results[channel.at / 8] : undefined));
  }

  /** Two channels of a row: the lower texel's times 256, and the difference times the weight. `signed`: counted from 128. */
  #row(a: number, b: number, weight: number, signed: number, odd: boolean): number {
    const { f } = this.#c;
    return this.#c.vector(() => {
      for (const texel of [b, a]) {
        f.get(texel);
        if (odd) f.i32(8).op('i16x8_shr_u');
        else this.#c.words(MASK).op('v128_and');
      }
      f.op('i16x8_sub').get(weight).op('i16x8_mul').get(signed);
      if (odd) this.#c.words(~MASK).op('v128_and');
      else f.i32(8).op('i16x8_shl');
      f.op('i16x8_add');
    });
  }

  /** The texels at addresses and behind them. */
  #pair(address: number): readonly [number, number] {
    const { f, dram } = this.#c;
    const { bytes } = this.#layout;
    if (bytes < 4) {
      const word = this.#texels.load(address)(0);
      return [
        word,
        this.#c.vector(() =>
          f
            .get(word)
            .i32(8 * bytes)
            .op('i32x4_shr_u'),
        ),
      ];
    }
    const halves = [0, 2].map((first) =>
      this.#c.vector(() => {
        f.get(address).lane('i32x4_extract_lane', first + 1);
        f.get(address).lane('i32x4_extract_lane', first).memory('v128_load64_zero', 0, dram);
        f.loadHalf(1, 0, dram);
      }),
    );
    const [low, high] = halves as [number, number];
    return [
      this.#c.vector(() => f.get(low).get(high).shuffle32(0, 2, 4, 6)),
      this.#c.vector(() => f.get(low).get(high).shuffle32(1, 3, 5, 7)),
    ];
  }
}
