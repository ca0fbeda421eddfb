/**
 * Halves as singles: widening, rounding, and what is known of registers that hold two of them.
 *
 * Arithmetic on halves is done in singles. Rounding to a half leaves the rounded single as a by-product, so whoever uses the
 * result next needs not widen it again: of each register that holds halves the singles are kept in locals beside it
 * (shadows), good until it is written otherwise, and within the code that is sure to come after (Code.region). Packed words that
 * nobody reads are then dropped by the optimising compiler. Where the host converts halves itself (wasm/half-conversions.ts), it
 * does, else integer SIMD does the same.
 */
import { F16_TO_F32 } from '../shader/float.ts';
import type { LaneCode, Lanes } from './lanes.ts';

/** One half of a register as singles, by vector: locals, and the code in which they are known; -1: they are not. */
interface Shadow {
  readonly singles: readonly number[];
  readonly regions: number[];
}

/** Which halves of a register are meant. */
export type Part = 'low' | 'high' | 'both';

const SIGN = 0x80000000;
const EXPONENT = 0x7f800000;
/** The bits of a half that is no number. */
const NAN = 0x7e00;
/** A single's bits that a half has not. */
const DROPPED = 13;
/** What rounds to infinity as a half, and all beyond. */
const INFINITE = 65536;
/** The mantissa of 1.5: what is added to it or taken from it leaves the exponent as it is. */
const HALF_MORE = 1 << 22;
/** Bytes of the lower and of the upper halves of four words, moved to the front (i8x16_relaxed_swizzle). */
const LOWER_HALVES = [0x05040100, 0x0d0c0908, -1, -1] as const;
const UPPER_HALVES = [0x07060302, 0x0f0e0b0a, -1, -1] as const;
/** Exponent of the least normal half, as a single's. */
const LEAST_NORMAL = 113;

export class HalfCode {
  readonly #l: LaneCode;
  /** Whether the host converts halves. */
  readonly converts: boolean;
  /** By the first of a register's locals, the lower halves and the upper ones. */
  readonly #low: Shadow[] = [];
  readonly #high: Shadow[] = [];
  /** Widened uniforms, held from the function's start on: locals by number and half. */
  readonly #uniforms = new Map<number, number>();
  /** Which bytes lower and upper halves are. */
  readonly #picked: Lanes[] = [];

  constructor(lanes: LaneCode, converts: boolean) {
    this.#l = lanes;
    this.converts = converts;
  }

  /** The half in the lower or upper 16 bits as a single. */
  widen(value: Lanes, high: boolean): Lanes {
    const l = this.#l;
    const { constant, halves, locals, uniform } = value;
    if (constant !== undefined) return l.single(F16_TO_F32[(constant >>> (high ? 16 : 0)) & 0xffff]!);
    const known = high ? halves?.high : halves?.low;
    if (known) return known;
    if (uniform) return this.#uniform(uniform.index, uniform.load, high);
    const slow = l.keep(this.#widened(value, high));
    if (!locals) return slow;
    const single: Lanes = (k) => {
      const shadow = this.#shadow(locals, high);
      if (!l.code.isOpen(shadow.regions[k]!)) {
        slow(k);
        l.code.set(shadow.singles[k]!);
        shadow.regions[k] = l.code.region;
      }
      l.code.get(shadow.singles[k]!);
    };
    single.held = true;
    return single;
  }

  #shadow(locals: readonly number[], high: boolean): Shadow {
    const shadows = high ? this.#high : this.#low;
    const first = locals[0]!;
    let shadow = shadows[first];
    if (!shadow) {
      shadow = { singles: locals.map(() => this.#l.code.local('v128')), regions: locals.map(() => -1) };
      shadows[first] = shadow;
    }
    return shadow;
  }

  #uniform(index: number, load: () => void, high: boolean): Lanes {
    const l = this.#l;
    const key = index * 2 + (high ? 1 : 0);
    let local = this.#uniforms.get(key);
    if (local === undefined) {
      local = l.code.local('v128');
      this.#uniforms.set(key, local);
      const at = local;
      l.code.before(() => {
        const loaded = l.code.local('v128');
        load();
        l.code.set(loaded);
        this.#widened(() => l.code.get(loaded), high)(0);
        l.code.set(at);
      });
    }
    const at = local;
    const single: Lanes = () => l.code.get(at);
    single.held = true;
    return single;
  }

  #widened(value: Lanes, high: boolean): Lanes {
    const l = this.#l;
    if (this.converts) {
      const which = high ? 1 : 0;
      this.#picked[which] ??= l.words(...(high ? UPPER_HALVES : LOWER_HALVES));
      return l.op('f32x4_promote_low_f16x8', l.op('i8x16_relaxed_swizzle', value, this.#picked[which]));
    }
    const x = l.keep(high ? l.shift('i32x4_shr_u', value, 16) : l.and(value, l.words(0xffff)));
    const magnitude = l.keep(l.shift('i32x4_shl', l.and(x, l.words(0x7fff)), DROPPED));
    const scaled = l.op('f32x4_mul', magnitude, l.single(2 ** 112));
    const special = l.and(l.op('i32x4_ge_s', magnitude, l.words(0x7c00 << DROPPED)), l.words(EXPONENT));
    const sign = l.shift('i32x4_shl', l.and(x, l.words(0x8000)), 16);
    return l.or(l.or(scaled, special), sign);
  }

  /**
   * A single to the bits of the nearest half, ties to even; what it has been rounded to is known as `single`. `bounded`: no
   * finite value is so large that an exponent beside it would not fit (2^100).
   */
  narrow(value: Lanes, bounded = false): Lanes {
    const l = this.#l;
    if (value.half) return value.half;
    if (this.converts) {
      const halves = this.#demoted(value);
      halves.single = l.op('f32x4_promote_low_f16x8', halves.packed!);
      return halves;
    }
    // The least number that is infinite as a half stands for all beyond.
    const limit = l.single(INFINITE);
    const within = (x: Lanes): Lanes => l.op('f32x4_pmax', l.op('f32x4_pmin', x, limit), l.single(-INFINITE));
    const x = l.keep(bounded ? value : within(value));
    // Added to a number that is so much larger, all bits that a half has not are rounded away; subnormals have fewer.
    const exponent = l.op('i32x4_max_u', l.and(x, l.words(EXPONENT)), l.words(LEAST_NORMAL << 23));
    const large = l.keep(l.op('i32x4_add', exponent, l.words((DROPPED << 23) | HALF_MORE)));
    const rounded = l.op('f32x4_sub', l.op('f32x4_add', x, large), large);
    const infinite = l.op('f32x4_mul', rounded, l.single(2 ** 112));
    const sign = l.keep(l.and(x, l.words(SIGN)));
    const single = l.keep(l.or(l.op('f32x4_mul', infinite, l.single(2 ** -112)), sign));
    const size = l.op('f32x4_pmin', l.abs(single), limit);
    const biased = l.shift('i32x4_shr_u', l.op('f32x4_mul', size, l.single(2 ** -112)), DROPPED);
    const bits: Lanes = l.or(l.op('i32x4_min_u', biased, l.words(NAN)), l.shift('i32x4_shr_u', sign, 16));
    bits.single = single;
    return bits;
  }

  /** The bits of a half that a single is already: nothing is rounded, and it stays known as it is. */
  pack(value: Lanes): Lanes {
    const l = this.#l;
    const single = l.keep(value);
    const bits = this.converts ? this.#demoted(single) : this.narrow(single, true);
    bits.single = single;
    return bits;
  }

  #demoted(single: Lanes): Lanes {
    const packed = this.#l.keep(this.#l.op('f16x8_demote_f32x4_zero', single));
    const halves = this.#l.op('i32x4_extend_low_i16x8_u', packed);
    halves.packed = packed;
    return halves;
  }

  /** Halves side by side in each word, if the host has converted both; undefined otherwise. */
  paired(low: Lanes, high: Lanes): Lanes | undefined {
    if (!low.packed || !high.packed) return undefined;
    const [a, b] = [low.packed, high.packed];
    return (k) => {
      a(k);
      b(k);
      this.#l.code.shuffle(0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
    };
  }

  /** Remembers the singles of the halves that vector k of a register has just been given. False: there are none. */
  remember(locals: readonly number[], value: Lanes, k: number, part: Part): boolean {
    const { code } = this.#l;
    const low = part === 'high' ? undefined : this.#pushed(locals, value, false, k);
    const high = part === 'low' ? undefined : this.#pushed(locals, value, true, k);
    // Both have been pushed before the first is set: a move may exchange them.
    for (const shadow of [high, low]) {
      if (!shadow) continue;
      code.set(shadow.singles[k]!);
      shadow.regions[k] = code.region;
    }
    return low !== undefined || high !== undefined || part !== 'both';
  }

  /** Pushes the single of a half, if it is known, and answers where it is remembered; else it is forgotten. */
  #pushed(locals: readonly number[], value: Lanes, high: boolean, k: number): Shadow | undefined {
    const single = this.known(value, high, k);
    if (single) {
      single(k);
      return this.#shadow(locals, high);
    }
    const known = (high ? this.#high : this.#low)[locals[0]!];
    if (known) known.regions[k] = -1;
    return undefined;
  }

  #set(locals: readonly number[], high: boolean, single: Lanes, k: number): void {
    const { code } = this.#l;
    const shadow = this.#shadow(locals, high);
    single(k);
    code.set(shadow.singles[k]!);
    shadow.regions[k] = code.region;
  }

  /** Widens what vector k of a register holds, where two ways meet of which the other remembers. */
  fill(locals: readonly number[], k: number, high: boolean): void {
    const { code } = this.#l;
    this.#set(
      locals,
      high,
      this.#widened(() => code.get(locals[k]!), high),
      k,
    );
  }

  /** Both ways have met: what each has remembered is known here. */
  meet(locals: readonly number[], high: boolean): void {
    this.#shadow(locals, high).regions.fill(this.#l.code.region);
  }

  /** A half of a value as a single, if that needs no widening; with k, in that vector at least. */
  known(value: Lanes, high: boolean, k = 0): Lanes | undefined {
    const l = this.#l;
    const { constant, halves, locals } = value;
    if (halves) return high ? halves.high : halves.low;
    if (constant !== undefined) return l.single(F16_TO_F32[(constant >>> (high ? 16 : 0)) & 0xffff]!);
    const shadow = locals && (high ? this.#high : this.#low)[locals[0]!];
    return shadow && l.code.isOpen(shadow.regions[k]!) ? l.local(shadow.singles) : undefined;
  }

  /** A register has been written otherwise. */
  forget(locals: readonly number[]): void {
    const first = locals[0]!;
    this.#low[first]?.regions.fill(-1);
    this.#high[first]?.regions.fill(-1);
  }
}
