/**
 * Texels of YUV surfaces in emitted samplers: luma of a byte, and chroma brought to each texel in quarters of a step, as sums of
 * whole numbers. U lies in the lower half of a word and V in the upper one, so both are summed at once. yuv.ts does the same.
 */
import { LEVEL, type SamplerCode } from './emit-code.ts';
import { UNORM8_STEP } from './texture.ts';

/** How chroma lies among luma. */
export interface YuvLayout {
  /** Chroma is that of the texel's own pair; else it lies between luma texels along x or y, or on the even ones. */
  readonly replicated: boolean;
  readonly centredX: boolean;
  readonly centredY: boolean;
  /** Luma rows to a row of chroma. */
  readonly rows: 1 | 2;
  /** V comes first in memory. */
  readonly swapped: boolean;
  /** U and V are planes of their own. */
  readonly separate: boolean;
}

/** Along an axis: the two samples of chroma next to a texel, and the weight of the higher one in quarters. */
interface Step {
  readonly low: number;
  readonly high: number | undefined;
  /** In both halves of each word. */
  readonly weight: number | undefined;
}

const QUARTERS = 4;

export class YuvEmitter {
  readonly #c: SamplerCode;
  readonly #layout: YuvLayout;

  constructor(c: SamplerCode, layout: YuvLayout) {
    this.#c = c;
    this.#layout = layout;
  }

  /** The texel at (x, y), whose luma is the word's lowest byte: Y, U or V in a local, each computed when it is first asked for. */
  texel(x: number, y: number | undefined, luma: () => number): (component: number) => number {
    const { f } = this.#c;
    let chroma: number | undefined;
    return (component) => {
      if (component === 0) {
        return this.#c.vector(() => {
          f.get(luma());
          this.#c.words(0xff).op('v128_and').op('f32x4_convert_i32x4_s');
          this.#c.single(UNORM8_STEP).op('f32x4_mul');
        });
      }
      chroma ??= this.#chroma(x, y);
      const sum = chroma;
      return this.#c.vector(() => {
        f.get(sum);
        if ((component === 1) !== this.#layout.swapped) this.#c.words(0xffff).op('v128_and');
        else f.i32(16).op('i32x4_shr_u');
        f.op('f32x4_convert_i32x4_s');
        this.#c.single(UNORM8_STEP / QUARTERS ** 2).op('f32x4_mul');
      });
    };
  }

  /** Sixteen times the chroma, both kinds. */
  #chroma(x: number, y: number | undefined): number {
    const { f } = this.#c;
    const { centredX, centredY, rows } = this.#layout;
    const across = this.#step(x, 2, centredX, LEVEL.chromaLastX);
    const zero = y ?? this.#c.vector(() => this.#c.words(0));
    const down = this.#step(zero, rows, centredY, LEVEL.chromaLastY);
    const row = (at: number): number => {
      const left = this.#sample(across.low, at);
      const right = across.high === undefined ? undefined : this.#sample(across.high, at);
      return this.#mix(left, right, across.weight);
    };
    const top = row(down.low);
    const bottom = down.high === undefined ? undefined : row(down.high);
    const sum = this.#mix(top, bottom, down.weight);
    return this.#c.vector(() => f.get(sum));
  }

  #step(at: number, step: 1 | 2, centred: boolean, last: number): Step {
    const { f } = this.#c;
    if (step === 1) return { low: at, high: undefined, weight: undefined };
    if (this.#layout.replicated) {
      return { low: this.#c.vector(() => f.get(at).i32(1).op('i32x4_shr_u')), high: undefined, weight: undefined };
    }
    const first = this.#c.vector(() => {
      f.get(at);
      if (centred) this.#c.words(1).op('i32x4_sub');
      f.i32(1).op('i32x4_shr_s');
    });
    const weight = this.#c.vector(() => {
      // Of an odd texel the higher sample has two quarters; between them it is one of an odd and three of an even one.
      f.get(at);
      this.#c.words(1).op('v128_and').i32(1).op('i32x4_shl');
      if (centred) {
        const twice = this.#c.vector(() => {});
        this.#c.words(3).get(twice).op('i32x4_sub');
      }
    });
    const within = (offset: number): number =>
      this.#c.vector(() => {
        f.get(first);
        if (offset) this.#c.words(offset).op('i32x4_add');
        this.#c.words(0).op('i32x4_max_s');
        this.#c.field(last).op('i32x4_min_s');
      });
    return {
      low: within(0),
      high: within(1),
      weight: this.#c.vector(() => f.get(weight).get(weight).i32(16).op('i32x4_shl').op('v128_or')),
    };
  }

  /** Chroma at (x, y): the first kind in memory in the lower half, the second in the upper one. */
  #sample(x: number, y: number): number {
    const { f } = this.#c;
    const { separate } = this.#layout;
    const at = this.#c.vector(() => {
      f.get(x);
      if (!separate) f.i32(1).op('i32x4_shl');
      f.get(y);
      this.#c.field(LEVEL.chromaStride).op('i32x4_mul').op('i32x4_add');
    });
    const first = this.#load(at, LEVEL.chroma);
    if (separate) {
      const second = this.#load(at, LEVEL.chromaSecond);
      return this.#c.vector(() => {
        f.get(first);
        this.#c.words(0xff).op('v128_and').get(second);
        this.#c.words(0xff).op('v128_and').i32(16).op('i32x4_shl').op('v128_or');
      });
    }
    return this.#c.vector(() => {
      f.get(first);
      this.#c.words(0xff).op('v128_and').get(first).i32(8).op('i32x4_shl');
      this.#c.words(0xff0000).op('v128_and').op('v128_or');
    });
  }

  #load(at: number, base: number): number {
    const { f, dram } = this.#c;
    const address = this.#c.vector(() => {
      this.#c.field(base).get(at).op('i32x4_add');
    });
    const out = f.local('v128');
    f.get(address).lane('i32x4_extract_lane', 0).memory('v128_load32_zero', 0, dram).set(out);
    for (const lane of [1, 2, 3]) {
      f.get(address).lane('i32x4_extract_lane', lane).get(out).memoryLane(false, lane, 0, dram).set(out);
    }
    return out;
  }

  /** Four times the mean of two pairs of numbers. */
  #mix(low: number, high: number | undefined, weight: number | undefined): number {
    const { f } = this.#c;
    return this.#c.vector(() => {
      f.get(low);
      if (high === undefined || weight === undefined) {
        f.i32(2).op('i16x8_shl');
        return;
      }
      this.#c
        .words(QUARTERS | (QUARTERS << 16))
        .get(weight)
        .op('i16x8_sub')
        .op('i16x8_mul');
      f.get(high).get(weight).op('i16x8_mul').op('i16x8_add');
    });
  }
}
