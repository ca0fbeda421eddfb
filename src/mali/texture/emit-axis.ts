/**
 * Coordinates in emitted samplers: scaled to a level, wrapped into it, and made columns, rows or slices.
 *
 * Filters work in 1/256 texel, which coordinates are rounded to first, so that one just below a texel may be in it: the whole
 * part is the texel, or the lower one, whose neighbour has the rest as its weight. What is not a number counts as far below; far outside is as good as just outside. sampler.ts (#setAxis) does the same.
 */
import { WRAP } from '../../abi/gpu/texture-descriptors.ts';
import { AXIS, LEVEL, type SamplerCode } from './emit-code.ts';

/** Texels in a footprint along one axis: locals. `outside`: lanes that show the border instead. */
export interface Texels {
  readonly index: number;
  readonly outside: number | undefined;
}
export interface Footprint {
  readonly texels: readonly Texels[];
  /** Of the higher texel, in 256ths; undefined where there is one alone. */
  readonly weight: number | undefined;
}

/** Fraction bits of a coordinate. */
export const FRACTION_BITS = 8;
const ONE = 1 << FRACTION_BITS;
const HALF = ONE / 2;

/** Texels along an axis, above which coordinates in 256ths are too large for WHOLE, wherever they lie beyond an edge. */
export const LARGE = 8192;
/** A single between whose neighbours there are whole numbers alone, as are those of all numbers up to 2^22 from it; and its bits. */
const WHOLE = 1.5 * 2 ** 23;
const WHOLE_BITS = 0x4b400000;

/** In place of a wrap mode: texels are numbered on beyond the edge, one step at most (seamless cubes). */
export const SEAMLESS = -1;

const PERIODIC: readonly number[] = [WRAP.REPEAT, WRAP.MIRRORED_REPEAT];
const BORDERS: readonly number[] = [WRAP.CLAMP_TO_BORDER, WRAP.MIRRORED_CLAMP_TO_BORDER];
export const hasBorder = (mode: number): boolean => BORDERS.includes(mode);

export class AxisEmitter {
  readonly #c: SamplerCode;
  readonly #axis: number;
  readonly #mode: number;
  readonly #normalized: boolean;
  readonly #rounds: boolean;
  readonly #large: boolean;
  readonly #coordinate: number;
  readonly #offset: number | undefined;

  /** `coordinate`: floats; `offset`: whole texels, integers. */
  constructor(
    c: SamplerCode,
    axis: number,
    mode: number,
    { normalized, rounds, large }: { readonly normalized: boolean; readonly rounds: boolean; readonly large: boolean },
    coordinate: number,
    offset: number | undefined,
  ) {
    this.#c = c;
    this.#axis = axis;
    this.#mode = mode;
    this.#normalized = normalized;
    this.#rounds = rounds;
    this.#large = large;
    this.#coordinate = coordinate;
    this.#offset = offset;
  }

  #field(offset: number): void {
    this.#c.field(LEVEL.axes + this.#axis * AXIS.bytes + offset);
  }

  /** Makes the number on the stack whole 256ths. `positive`: it is never below 0. */
  #fixed(positive: boolean): void {
    const { f } = this.#c;
    if (this.#rounds && !this.#large) {
      // A sum with this has no fraction bits left, and is rounded as it should be.
      this.#c.single(WHOLE).op('f32x4_add');
      this.#c.words(WHOLE_BITS).op('i32x4_sub');
      return;
    }
    if (this.#rounds) f.op('f32x4_nearest');
    else if (!positive) f.op('f32x4_floor');
    f.op('i32x4_relaxed_trunc_f32x4_s');
  }

  /** Pushes the coordinate brought into its period, scaled. */
  #scaled(): void {
    const { f } = this.#c;
    const at = this.#coordinate;
    f.get(at);
    if (this.#normalized && this.#mode === WRAP.REPEAT) f.get(at).op('f32x4_floor').op('f32x4_sub');
    else if (this.#normalized && this.#mode === WRAP.MIRRORED_REPEAT) {
      f.get(at);
      this.#c.single(0.5).op('f32x4_mul').op('f32x4_floor');
      this.#c.single(2).op('f32x4_mul').op('f32x4_sub');
    }
    this.#field(AXIS.scale256);
    f.op('f32x4_mul');
  }

  /** Bounds the number on the stack from below; what is not a number becomes the bound. */
  #atLeast(push: () => void): void {
    const { f } = this.#c;
    const x = this.#c.vector(() => {});
    push();
    f.get(x).op('f32x4_pmax');
  }

  #atMost(push: () => void): void {
    push();
    this.#c.f.op('f32x4_pmin');
  }

  /** Adds the offset to the number on the stack. */
  #shifted(): void {
    if (this.#offset === undefined) return;
    const { f } = this.#c;
    f.get(this.#offset).i32(FRACTION_BITS).op('i32x4_shl');
    f.op('f32x4_convert_i32x4_s').op('f32x4_add');
  }

  nearest(): Footprint {
    const { f } = this.#c;
    this.#scaled();
    this.#bounded(0);
    const index = this.#c.vector(() => {
      this.#fixed(this.#isPositive(0));
      f.i32(FRACTION_BITS).op('i32x4_shr_s');
    });
    return { texels: [this.#wrapped(index, 'only')], weight: undefined };
  }

  /** `gathers`: both texels count, whatever their weight. */
  linear(gathers = false): Footprint {
    const { f } = this.#c;
    this.#scaled();
    this.#c.single(HALF).op('f32x4_sub');
    this.#bounded(-HALF, gathers);
    const fixed = this.#c.vector(() => this.#fixed(this.#isPositive(-HALF, gathers)));
    const weight = this.#c.vector(() => {
      f.get(fixed);
      this.#c.words(ONE - 1).op('v128_and');
    });
    const low = this.#c.vector(() => f.get(fixed).i32(FRACTION_BITS).op('i32x4_shr_s'));
    const high = this.#c.vector(() => {
      f.get(low);
      this.#c.words(1).op('i32x4_add');
    });
    if (gathers && this.#mode === WRAP.CLAMP_TO_EDGE) {
      f.get(low);
      this.#c.words(0).op('i32x4_max_s').set(low);
    }
    return { texels: [this.#wrapped(low, 'low'), this.#wrapped(high, 'high')], weight };
  }

  /**
   * Adds the offset to the scaled number on the stack and brings it to where its texels are the same, within the range of
   * integers. `zero`: what coordinate 0 is. Beyond a border both texels of a footprint lie in it, those of a gather
   * beyond the lower edge on it.
   */
  #bounded(zero: number, gathers = false): void {
    if (PERIODIC.includes(this.#mode)) {
      // Of what is infinite there is no place in a period.
      this.#atLeast(() => this.#c.single(zero));
      this.#shifted();
      return;
    }
    this.#shifted();
    switch (this.#mode) {
      case WRAP.CLAMP_TO_EDGE:
        this.#atLeast(() => this.#c.single(gathers ? -ONE : 0));
        this.#atMost(() => this.#field(AXIS.last256));
        break;
      case SEAMLESS:
        this.#atLeast(() => this.#c.single(zero));
        this.#atMost(() => {
          this.#field(AXIS.size256);
          this.#c.single(zero).op('f32x4_add');
        });
        break;
      case WRAP.CLAMP_TO_BORDER:
        this.#atLeast(() => this.#c.single(-2 * ONE));
        this.#atMost(() => this.#field(AXIS.size256));
        break;
      default:
        this.#atLeast(() => {
          this.#c.single(-2 * ONE);
          this.#field(AXIS.size256);
          this.#c.f.op('f32x4_sub');
        });
        this.#atMost(() => this.#field(AXIS.size256));
    }
  }

  /** Whether nothing below 0 is left by `#bounded`. */
  #isPositive(zero: number, gathers = false): boolean {
    if (this.#mode === WRAP.CLAMP_TO_EDGE) return !gathers;
    return PERIODIC.includes(this.#mode) && zero >= 0 && this.#offset === undefined;
  }

  /** Brings an index into the level: that of the only texel, or of the lower or the higher one. */
  #wrapped(index: number, place: 'only' | 'low' | 'high'): Texels {
    const { f } = this.#c;
    const last = (): void => this.#field(AXIS.last);
    const count = (): void => this.#field(AXIS.count);
    let outside: number | undefined;
    switch (this.#mode) {
      case WRAP.REPEAT:
        if (this.#offset !== undefined) this.#modulo(index, 1);
        else if (place === 'low') {
          // From -1 to the last one.
          f.get(index).get(index).i32(31).op('i32x4_shr_s');
          count();
          f.op('v128_and').op('i32x4_add').set(index);
        } else {
          // From 0 to behind the last one.
          f.get(index).get(index);
          count();
          f.op('i32x4_eq').op('v128_andnot').set(index);
        }
        break;
      case WRAP.MIRRORED_REPEAT:
        if (this.#offset !== undefined) this.#modulo(index, 2);
        // From -1 to twice the size.
        count();
        f.i32(1).op('i32x4_shl');
        this.#c.words(1).op('i32x4_sub').get(index).op('i32x4_sub').get(index).op('i32x4_min_s');
        this.#c.words(0).op('i32x4_max_s').set(index);
        break;
      case SEAMLESS:
        break;
      case WRAP.CLAMP_TO_EDGE:
        if (place !== 'high') break;
        f.get(index);
        last();
        f.op('i32x4_min_s').set(index);
        break;
      default:
        if (this.#mode !== WRAP.CLAMP_TO_BORDER) {
          f.get(index).get(index).i32(31).op('i32x4_shr_s').op('v128_xor').set(index);
        }
        if (hasBorder(this.#mode)) {
          outside = this.#c.vector(() => {
            f.get(index);
            count();
            f.op('i32x4_ge_u');
          });
        }
        f.get(index);
        last();
        f.op('i32x4_min_s');
        this.#c.words(0).op('i32x4_max_s').set(index);
    }
    return { index, outside };
  }

  /** The index becomes what is left of it by `sizes` times the size. */
  #modulo(index: number, sizes: 1 | 2): void {
    const { f } = this.#c;
    const size = this.#c.vector(() => {
      this.#field(AXIS.size);
      if (sizes === 2) this.#c.single(2).op('f32x4_mul');
    });
    f.get(index).op('f32x4_convert_i32x4_s');
    this.#c.single(0.5).op('f32x4_add').get(size).op('f32x4_div').op('f32x4_floor').get(size).op('f32x4_mul');
    const whole = this.#c.vector(() => f.op('i32x4_relaxed_trunc_f32x4_s'));
    f.get(index).get(whole).op('i32x4_sub').set(index);
  }
}
