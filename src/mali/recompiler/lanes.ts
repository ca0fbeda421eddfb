/**
 * Lane operations: what an instruction computes, as WebAssembly SIMD, four lanes a vector.
 *
 * A value is a function that pushes vector k (lanes 4k…4k + 3) of itself. A warp has four vectors, and an instruction is
 * emitted vector by vector, so that few locals are needed and V8's baseline compiler, which keeps a stack slot for each, stays
 * quick. Floats are single-precision words; a pair of halves is widened, computed as singles and rounded once.
 *
 * The results are those of the interpreter, bit by bit (but for the payload of a NaN): recompiler.test.ts and the fuzzer
 * compare them.
 */
import type { Code } from '../wasm/builder.ts';
import { HALF_CONVERSIONS } from '../wasm/half-conversions.ts';
import { OP, type OpName } from '../wasm/opcodes.ts';
import { HalfCode } from './half-lanes.ts';

/** Pushes vector k of a value. What else is known of it serves those who want it in another shape (half-lanes.ts). */
export interface Lanes {
  (k: number): void;
  /** A register: its locals. */
  locals?: readonly number[];
  /** A word that all lanes have. */
  constant?: number;
  /** A uniform whose shapes may be held in locals: its number, and what pushes it at the function's start. */
  uniform?: { readonly index: number; readonly load: () => void };
  /** Bits of a half: the single that it stands for. */
  single?: Lanes;
  /** Two halves: the singles that they stand for, as far as they are known. */
  halves?: { readonly low: Lanes | undefined; readonly high: Lanes | undefined };
  /** Bits of halves: all four in the vector's lower 64 bits. */
  packed?: Lanes;
  /** Pushed again, it is no more than a local. */
  held?: true;
  /** A single that has been rounded to a half already: the half's bits. */
  half?: Lanes;
}
/** Vectors of a whole warp. Code is emitted for all of them, or for fewer: `LaneCode.vectors`. */
export const WARP_VECTORS = 4 as const;
/**
 * Vectors at a time where quads need not know of each other: two keep the host busy while each waits for its own results, more
 * would find no registers, and one is half as fast (measured on glmark2's shaders).
 */
export const PAIR_VECTORS = 2 as const;

const SIGN = 0x80000000;
/** 2⁻¹⁴, the smallest half that is not subnormal, as a single. */
const HALF_NORMAL = 0x38800000;
const MAGNITUDE = 0x7fffffff;
const EXPONENT = 0x7f800000;

/** Two singles and how they stand to the doubles that they were rounded from. */
interface Directed {
  readonly near: Lanes;
  readonly above: Lanes;
  readonly below: Lanes;
}

const singles = new Float32Array(1);
const bits = new Int32Array(singles.buffer);

/** What numbers are. */
export type NumberKind = 'float' | 'sint' | 'uint';

export class LaneCode {
  readonly code: Code;
  /** Vectors that the code works on: k of `Lanes` stays below it. */
  readonly vectors: number;
  readonly halves: HalfCode;
  /** Whether the host's relaxed multiply-add rounds once. */
  readonly #fused: boolean;
  readonly #free: number[] = [];
  readonly #taken: number[] = [];
  readonly #constants = new Map<number, Lanes>();

  /** `converts`: whether the host converts halves (half-conversions.ts). */
  constructor(code: Code, fused: boolean, vectors: number = WARP_VECTORS, converts = HALF_CONVERSIONS) {
    this.code = code;
    this.halves = new HalfCode(this, converts);
    this.vectors = vectors;
    this.#fused = fused;
  }

  /** An instruction ends: its temporaries may serve the next one. */
  release(): void {
    while (this.#taken.length > 0) this.#free.push(this.#taken.pop()!);
  }

  /** A local for a vector, until the instruction ends. */
  temporary(): number {
    const local = this.#free.pop() ?? this.code.local('v128');
    this.#taken.push(local);
    return local;
  }

  op(name: OpName, a: Lanes, b?: Lanes, c?: Lanes): Lanes {
    const op = OP[name];
    return (k) => {
      a(k);
      b?.(k);
      c?.(k);
      this.code.code(op);
    };
  }

  /** Pushes a bit a lane, the sign of each: of the whole warp, or of the vectors that are named. */
  bitmask(vector: Lanes, vectors: readonly number[] = [0, 1, 2, 3].slice(0, this.vectors)): void {
    for (const [n, k] of vectors.entries()) {
      vector(k);
      this.code.op('i32x4_bitmask');
      if (n === 0) continue;
      const up = this.code.i32(4 * n);
      up.op('i32_shl').op('i32_or');
    }
  }

  local(locals: readonly number[]): Lanes {
    const value: Lanes = (k) => this.code.get(locals[k]!);
    value.locals = locals;
    return value;
  }

  /** A value that is used more than once: computed at its first use for each vector. */
  keep(value: Lanes): Lanes {
    if (value.held || value.locals || value.constant !== undefined) return value;
    const local = this.temporary();
    let known = -1;
    let region = -1;
    const kept: Lanes = (k) => {
      // Only what has been computed on the way here is known.
      if (known === k && this.code.isOpen(region)) this.code.get(local);
      else {
        known = k;
        region = this.code.region;
        value(k);
        this.code.tee(local);
      }
    };
    kept.held = true;
    const { single, halves, packed } = value;
    if (packed) kept.packed = packed;
    if (single) kept.single = single;
    if (halves) kept.halves = halves;
    return kept;
  }

  /** The same words in all lanes, or by vector. */
  words(...words: number[]): Lanes {
    if (words.length === 1) return this.#constant(words[0]! >>> 0);
    const local = this.code.held(...words);
    return () => this.code.get(local);
  }

  #constant(word: number): Lanes {
    let value = this.#constants.get(word);
    if (!value) {
      const local = this.code.held(word);
      value = () => this.code.get(local);
      value.constant = word;
      this.#constants.set(word, value);
    }
    return value;
  }

  /** A word for each of the warp's lanes. */
  each(words: readonly number[]): Lanes {
    const vectors = Array.from({ length: this.vectors }, (_, k) => this.words(...words.slice(4 * k, 4 * k + 4)));
    return (k) => vectors[k]!(k);
  }

  single(x: number): Lanes {
    singles[0] = x;
    return this.words(bits[0]!);
  }

  shuffle(value: Lanes, ...bytes: number[]): Lanes {
    return (k) => {
      value(k);
      value(k);
      this.code.shuffle(...bytes);
    };
  }

  /** `a` where `mask` is all ones, `b` where it is zero, byte by byte: one instruction on x64, where single bits take three. */
  choose(mask: Lanes, a: Lanes, b: Lanes): Lanes {
    return this.op('i8x16_relaxed_laneselect', a, b, mask);
  }

  /** Bits of `a` where `mask` is set, else of `b`. */
  mix(mask: Lanes, a: Lanes, b: Lanes): Lanes {
    return this.op('v128_bitselect', a, b, mask);
  }

  and = (a: Lanes, b: Lanes): Lanes => this.op('v128_and', a, b);
  or = (a: Lanes, b: Lanes): Lanes => this.op('v128_or', a, b);
  xor = (a: Lanes, b: Lanes): Lanes => this.op('v128_xor', a, b);
  not = (a: Lanes): Lanes => this.op('v128_not', a);

  /** Shift by a constant. */
  shift(name: 'i32x4_shl' | 'i32x4_shr_u' | 'i32x4_shr_s' | 'i16x8_shr_s' | 'i16x8_shl', a: Lanes, by: number): Lanes {
    if (by === 0) return a;
    return (k) => {
      a(k);
      this.code.i32(by).op(name);
    };
  }

  /** Any operation that takes a number beside its vector: shifts of other elements. */
  by(name: OpName, a: Lanes, by: number): Lanes {
    if (by === 0) return a;
    return (k) => {
      a(k);
      this.code.i32(by).op(name);
    };
  }

  /** All ones where a word is negative. */
  signs(a: Lanes): Lanes {
    return this.shift('i32x4_shr_s', a, 31);
  }

  /** Shift of 32-bit words, each by its own amount (taken modulo 32). SIMD has none, so lane by lane. */
  shiftBy(name: 'i32_shl' | 'i32_shr_u' | 'i32_shr_s', value: Lanes, amount: Lanes): Lanes {
    const [a, by] = [this.keep(value), this.keep(amount)];
    return (k) => {
      a(k);
      for (let lane = 0; lane < 4; lane++) {
        a(k);
        this.code.lane('i32x4_extract_lane', lane);
        by(k);
        this.code.lane('i32x4_extract_lane', lane).op(name).lane('i32x4_replace_lane', lane);
      }
    };
  }

  // 64 bits: two vectors for one, of the lanes 0, 1 and 2, 3.

  /** Words and their upper halves as 64-bit numbers, of the lower or the upper lanes. */
  join(low: Lanes, high: Lanes, upper: boolean): Lanes {
    return (k) => {
      low(k);
      high(k);
      if (upper) this.code.shuffle32(2, 6, 3, 7);
      else this.code.shuffle32(0, 4, 1, 5);
    };
  }

  /** Lower and upper words of 64-bit numbers. */
  split(lower: Lanes, upper: Lanes): [Lanes, Lanes] {
    const words =
      (a: number): Lanes =>
      (k) => {
        lower(k);
        upper(k);
        this.code.shuffle32(a, a + 2, a + 4, a + 6);
      };
    return [words(0), words(1)];
  }

  /** Shift of two 64-bit numbers by their lanes' amounts (taken modulo 64). */
  shiftWideBy(name: 'i64_shl' | 'i64_shr_u' | 'i64_shr_s', value: Lanes, amount: Lanes, upper: boolean): Lanes {
    const [a, by] = [this.keep(value), this.keep(amount)];
    return (k) => {
      a(k);
      for (let lane = 0; lane < 2; lane++) {
        a(k);
        this.code.lane('i64x2_extract_lane', lane);
        by(k);
        this.code.lane('i32x4_extract_lane', upper ? lane + 2 : lane).op('i64_extend_i32_u');
        this.code.op(name).lane('i64x2_replace_lane', lane);
      }
    };
  }

  // Floats.

  abs = (a: Lanes): Lanes =>
    a.constant === undefined ? this.and(a, this.words(MAGNITUDE)) : this.words(a.constant & MAGNITUDE);
  neg = (a: Lanes): Lanes => (a.constant === undefined ? this.xor(a, this.words(SIGN)) : this.words(a.constant ^ SIGN));

  /** Subnormal numbers become zeros of their sign. */
  flush32(value: Lanes): Lanes {
    if (value.constant !== undefined) return value.constant & EXPONENT ? value : this.words(value.constant & SIGN);
    const x = this.keep(value);
    const small = this.op('i32x4_eq', this.and(x, this.words(EXPONENT)), this.words(0));
    return this.choose(small, this.and(x, this.words(SIGN)), x);
  }

  /** The same for singles that hold halves. */
  flush16(value: Lanes): Lanes {
    if (value.constant !== undefined) {
      return (value.constant & MAGNITUDE) >= HALF_NORMAL ? value : this.words(value.constant & SIGN);
    }
    const x = this.keep(value);
    const small = this.op('f32x4_lt', this.abs(x), this.words(HALF_NORMAL));
    return this.choose(small, this.and(x, this.words(SIGN)), x);
  }

  /** a × b + c, rounded once. */
  fma(a: Lanes, b: Lanes, c: Lanes): Lanes {
    if (this.#fused) return this.op('f32x4_relaxed_madd', a, b, c);
    return this.inDoubles([a, b, c], ([x, y, z]) => this.fmaOdd(x!, y!, z!));
  }

  /** a × b + c of doubles that were singles, rounded to odd. */
  fmaOdd(a: Lanes, b: Lanes, c: Lanes): Lanes {
    return this.#odd(this.keep(this.op('f64x2_mul', a, b)), this.keep(c));
  }

  /** The words of the lanes 0, 1 or 2, 3 at a vector's beginning. */
  part(value: Lanes, upper: boolean): Lanes {
    return upper ? this.shuffle(value, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15) : value;
  }

  /** A function of singles computed in doubles, for two lanes at a time, and rounded to singles. */
  inDoubles(singles: Lanes[], fn: (doubles: Lanes[], upper: boolean) => Lanes, mode = 'rte'): Lanes {
    const kept = singles.map((single) => this.keep(single));
    const half = (upper: boolean): Lanes => {
      const doubles = kept.map((single) => this.op('f64x2_promote_low_f32x4', this.part(single, upper)));
      return fn(doubles, upper);
    };
    return this.demote(half(false), half(true), mode);
  }

  /** Doubles of the lanes 0, 1 and 2, 3 to singles, in a direction. */
  demote(low: Lanes, high: Lanes, mode: string): Lanes {
    const single = (x: Lanes): Lanes => this.op('f32x4_demote_f64x2_zero', x);
    if (mode === 'rte') return this.joinHalves(single(low), single(high));
    const halves = [low, high].map((value) => {
      const x = this.keep(value);
      const near = this.keep(single(x));
      const back = this.keep(this.op('f64x2_abs', this.op('f64x2_promote_low_f32x4', near)));
      const size = this.keep(this.op('f64x2_abs', x));
      return { near, above: this.op('f64x2_gt', back, size), below: this.op('f64x2_lt', back, size) };
    }) as [Directed, Directed];
    const words = (of: (half: Directed) => Lanes): Lanes => this.split(of(halves[0]), of(halves[1]))[0];
    const near = this.joinHalves(halves[0].near, halves[1].near);
    return this.#direct(
      near,
      words(({ above }) => above),
      words(({ below }) => below),
      mode,
      31,
    );
  }

  /**
   * A rounded number's bits moved by one where the direction asks for it. `above`, `below`: its magnitude is above or below
   * what it was rounded from; `sign`: the bit of its sign. Infinity less one is the largest number.
   */
  #direct(bits: Lanes, above: Lanes, below: Lanes, mode: string, sign: number): Lanes {
    const near = this.keep(bits);
    const less = this.op('i32x4_add', near, above);
    if (mode === 'rtz') return less;
    const more = this.op('i32x4_sub', near, below);
    const negative = this.signs(this.shift('i32x4_shl', near, 31 - sign));
    return mode === 'rtp' ? this.choose(negative, less, more) : this.choose(negative, more, less);
  }

  /** Two vectors whose lower halves are lanes 0, 1 and 2, 3. */
  joinHalves(low: Lanes, high: Lanes): Lanes {
    return (k) => {
      low(k);
      high(k);
      this.code.shuffle32(0, 1, 4, 5);
    };
  }

  /** p + c of doubles rounded to odd: whatever narrower format it is rounded to next, it is as if the sum had been exact. */
  #odd(p: Lanes, c: Lanes): Lanes {
    const sum = this.keep(this.op('f64x2_add', p, c));
    const back = this.keep(this.op('f64x2_sub', sum, p));
    const lost = this.op('f64x2_sub', p, this.op('f64x2_sub', sum, back));
    const error = this.keep(this.op('f64x2_add', lost, this.op('f64x2_sub', c, back)));
    const one = this.words(1, 0, 1, 0);
    const zero = this.words(0);
    // A NaN compares as neither.
    const inexact = this.or(this.op('f64x2_lt', error, zero), this.op('f64x2_gt', error, zero));
    const even = this.op('i64x2_eq', this.and(sum, one), zero);
    const same = this.op('f64x2_gt', this.op('f64x2_mul', this.#signOf(sum), this.#signOf(error)), zero);
    // +1 where the error leads away from zero, else -1.
    const step = this.choose(this.keep(same), one, this.words(-1));
    return this.op('i64x2_add', sum, this.and(this.and(inexact, even), step));
  }

  /** ±1 with the sign of x. */
  #signOf(x: Lanes): Lanes {
    return this.or(this.and(x, this.words(0, SIGN, 0, SIGN)), this.words(0, 0x3ff00000, 0, 0x3ff00000));
  }

  /** The greater or the lesser of two numbers. A NaN loses, and -0 < +0. */
  extreme(which: 'min' | 'max', a: Lanes, b: Lanes): Lanes {
    const max = which === 'max';
    const pick = max ? 'f32x4_pmax' : 'f32x4_pmin';
    const decided = ({ constant }: Lanes): boolean =>
      constant !== undefined && (constant & MAGNITUDE) <= EXPONENT && constant !== (max ? SIGN : 0);
    // The first operand comes out where the two are equal, and where one is none.
    if (decided(b)) return this.op(pick, b, a);
    if (decided(a)) return this.op(pick, a, b);
    const [given, y] = [this.keep(a), this.keep(b)];
    const x = this.keep(this.choose(this.op('f32x4_ne', given, given), y, given));
    const ordered = this.op(pick, x, y);
    // Equal ones differ in the sign of zero at most.
    if (max) return this.and(ordered, this.or(y, this.op('f32x4_ne', x, y)));
    return this.or(ordered, this.and(y, this.op('f32x4_eq', x, y)));
  }

  clamp(value: Lanes, mode: string | undefined): Lanes {
    if (mode === undefined || mode === 'none') return value;
    // The bound comes out for a NaN.
    const above = this.op('f32x4_pmax', this.single(mode === 'clamp_m1_1' ? -1 : 0), value);
    return mode === 'clamp_0_inf' ? above : this.op('f32x4_pmin', this.single(1), above);
  }

  /** 1 / √a, each step rounded to a single. */
  inverseRoot(value: Lanes): Lanes {
    return this.op('f32x4_div', this.single(1), this.op('f32x4_sqrt', value));
  }

  /** The same double in both lanes. */
  double(x: number): Lanes {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, x);
    const [high, low] = [view.getInt32(0), view.getInt32(4)];
    return this.words(low, high, low, high);
  }

  /** A polynomial of doubles, its highest coefficient last: Horner's steps, as float.ts takes them. */
  polynomial(coefficients: readonly number[], x: Lanes): Lanes {
    let value = this.double(coefficients.at(-1)!);
    for (const c of coefficients.slice(0, -1).reverse()) {
      value = this.op('f64x2_add', this.op('f64x2_mul', value, x), this.double(c));
    }
    return value;
  }

  /** The word of a table in scratch memory that each lane's index names. */
  lookup(address: number, index: Lanes): Lanes {
    const at = this.keep(this.shift('i32x4_shl', index, 2));
    const found = this.temporary();
    return (k) => {
      for (let lane = 0; lane < 4; lane++) {
        at(k);
        this.code.lane('i32x4_extract_lane', lane).get(found).memoryLane(false, lane, address).set(found);
      }
      this.code.get(found);
    };
  }

  // Halves.

  /** The half in the lower 16 bits as a single. */
  widenLow(value: Lanes): Lanes {
    return this.halves.widen(value, false);
  }

  widenHigh(value: Lanes): Lanes {
    return this.halves.widen(value, true);
  }

  /** A single to the bits of the nearest half, ties to even. */
  narrow(value: Lanes): Lanes {
    return this.halves.narrow(value);
  }

  /** A number in 16 bits: a float rounded to the nearest half, an integer that saturates. */
  short(value: Lanes, kind: NumberKind): Lanes {
    if (kind === 'float') return this.narrow(value);
    if (kind === 'uint') return this.op('i32x4_min_u', value, this.words(0xffff));
    const short = this.op('i32x4_max_s', this.op('i32x4_min_s', value, this.words(0x7fff)), this.words(-0x8000));
    return this.and(short, this.words(0xffff));
  }

  /** A single to the bits of a half, in a direction. */
  narrowTo(value: Lanes, mode: string): Lanes {
    if (mode === 'rte') return this.narrow(value);
    const x = this.keep(value);
    const near = this.keep(this.narrow(x));
    const back = this.keep(this.abs(this.widenLow(near)));
    const size = this.keep(this.abs(x));
    return this.#direct(near, this.op('f32x4_gt', back, size), this.op('f32x4_lt', back, size), mode, 15);
  }

  /** One word of 16 bits in both halves. */
  twice(half: Lanes): Lanes {
    const bits = this.keep(half);
    if (bits.single) bits.single = this.keep(bits.single);
    return this.pair(bits, bits);
  }

  /** Two words of 16 bits in one. */
  pair(low: Lanes, high: Lanes): Lanes {
    const both = this.halves.paired(low, high) ?? this.or(low, this.shift('i32x4_shl', high, 16));
    if (low.single || high.single) both.halves = { low: low.single, high: high.single };
    return both;
  }
}
