/**
 * Emitted WebAssembly for the rasteriser: what a triangle covers of a tile. A part of front.ts.
 *
 * Coverage is found block by block of 8x8 pixels: a block's word has a bit for each pixel, quad after quad, so that whoever comes
 * next goes from covered quad to covered quad. A quad is a vector of four pixels: (0, 0), (1, 0), (0, 1), (1, 1).
 *
 * A sample's edge functions change by whole slopes from pixel to pixel, so what they are below a multiple of 256 never decides:
 * divided by 256 and rounded down they have the same sign, and all that a tile needs fits 32 bits, whatever the triangle's size.
 * The layout of Coverage in scratch memory, which script fills, is here as well.
 */
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Code, Label } from '../../wasm/builder.ts';
import type { SamplePattern } from '../raster.ts';
import { after, BLOCK, BLOCK_QUADS, LANE_BYTES, LARGE, lanes, upTo, WORD_BYTES } from './block-words.ts';

/** Byte offsets in a coverage: 16-bit masks of 64 quads' four pixels, then the quads' places in the tile. */
export const COVERAGE = { mask: 0, x: 512, y: 576, size: 640 } as const;

/**
 * Byte offsets of what the fixed functions know of the warp in work: 16 words each (the window's x and y: STAGE), then room for
 * the samples and colours of a blend.
 */
export const WARP = { pixel: 0, coverage: 64, tested: 128, blended: 192, colour: 256, size: 512 } as const;

const PIXEL_SHIFT = 8;
const TILE_SHIFT = 4;

/** Locals: the primitive, the tile's first pixel, and the pixels of the tile that are asked for, from 0 to 15. */
export interface CoverLocals {
  readonly triangle: number;
  readonly left: number;
  readonly top: number;
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** What is told of a quad: locals. */
export interface CoveredQuad {
  /** The number of its first pixel in the tile: y * 16 + x. */
  readonly pixel: number;
  /** The rastered samples of its pixels, in four lanes; where pixels have one, all bits of those that are covered. */
  readonly samples: number;
}

/** A block of which something is covered: locals. */
export interface CoveredBlock {
  /** Its first pixel in the tile. */
  readonly x: number;
  readonly y: number;
  /** Whether the primitive is LARGE. */
  readonly large: number;
  /** Its word: -1 where all is covered. Undefined with several samples. */
  readonly word: number | undefined;
}

/** What is done with what is covered, block by block and in each quad by quad. */
export interface CoverVisitor {
  /** Before the quads of a block; a branch to `done` leaves them alone. */
  block(block: CoveredBlock, done: Label): void;
  /** For a quad; a branch to `next` goes on. `shift`: a local, four times the quad's number in its block. */
  quad(next: Label, shift: number): void;
}

/** Lanes that hold edges: what is in the fourth, nobody knows. */
const EDGES = 7;
/** Added to a double that is an integer of 32 bits, this leaves it in the lower half of its bits. */
const TO_INTEGER = 1.5 * 2 ** 52;
/** Beyond this, an edge function's sign is the same in all of a tile. */
const FAR = 2 ** 30 - 1;

/** Finds quads between two pixels of a tile. What stays the same for all primitives is made once, before their loop. */
export class CoverCode {
  readonly #f: Code;
  readonly #pattern: SamplePattern;
  readonly #l: CoverLocals;
  readonly #quad: CoveredQuad;
  /** Where blocks begin: x of the row's first one; x and y of the one in work, in pixels. */
  readonly #startX: number;
  readonly #x: number;
  readonly #y: number;
  /** Columns and rows of the block in work that are left out because bounds begin later. */
  readonly #skipX: number;
  readonly #skipY: number;
  /** A local: whether the primitive is LARGE. */
  readonly large: number;
  /** Slopes of the edges, a lane each. */
  readonly #a: number;
  readonly #b: number;
  /** By sample, an edge a lane: functions at the first quad of all, of the row of blocks, of the block. */
  readonly #first: number[];
  readonly #row: number[];
  readonly #block: number[];
  /** What functions reach at most and at least in a block, in addition. */
  readonly #most: number;
  readonly #least: number;
  /** By edge, in all lanes: the pixels of a quad, a quad to the right, a quad down. */
  readonly #pixels: number[];
  readonly #right: number[];
  readonly #down: number[];
  readonly #here: number[];
  readonly #edge: number[];
  /** By sample: the word of the block. All of them together; what bounds leave of it. */
  readonly #words: number[];
  readonly #any: number;
  readonly #inside: number;
  readonly #shift: number;
  readonly #blockPixel: number;

  constructor(f: Code, pattern: SamplePattern, locals: CoverLocals, quad: CoveredQuad) {
    this.#f = f;
    this.#pattern = pattern;
    this.#l = locals;
    this.#quad = quad;
    const i = () => f.local('i32');
    const v = () => f.local('v128');
    const edges = () => f.locals('v128', 3) as number[];
    const each = (make: () => number) => Array.from({ length: pattern.count }, make);
    [this.#startX, this.#x, this.#y, this.#skipX, this.#skipY, this.large] = [i(), i(), i(), i(), i(), i()];
    [this.#a, this.#b, this.#most, this.#least] = [v(), v(), v(), v()];
    [this.#first, this.#row, this.#block] = [each(v), each(v), each(v)];
    [this.#pixels, this.#right, this.#down, this.#here, this.#edge] = [edges(), edges(), edges(), edges(), edges()];
    this.#words = each(() => f.local('i64'));
    this.#inside = f.local('i64');
    this.#any = pattern.count === 1 ? this.#words[0]! : f.local('i64');
    [this.#shift, this.#blockPixel] = [i(), i()];
  }

  /** Takes up a primitive: where its edges stand at the first quad. */
  begin(): void {
    const f = this.#f;
    const { triangle, left, top, x0, y0, x1, y1 } = this.#l;
    f.get(x1).get(x0).op('i32_sub').get(y1).get(y0).op('i32_sub').op('i32_add').i32(LARGE).op('i32_ge_s');
    f.set(this.large);
    const start = (local: number) => f.get(local).i32(-BLOCK).i32(-2).get(this.large).op('select').op('i32_and');
    start(x0).set(this.#startX);
    f.get(triangle).memory('v128_load', PRIMITIVE.a).set(this.#a);
    f.get(triangle).memory('v128_load', PRIMITIVE.b).set(this.#b);
    const [x, y] = f.locals('v128', 2);
    const double = (push: () => Code, to: number) => push().op('i32x4_splat').op('f64x2_convert_low_i32x4_s').set(to);
    double(() => f.get(left).get(this.#startX).op('i32_add'), x);
    double(() => start(y0).tee(this.#y).get(top).op('i32_add'), y);
    const position = (axis: 'x' | 'y', s: number) => f.doubles(this.#pattern[axis][s]! / 2 ** PIXEL_SHIFT);
    const single = this.#pattern.count === 1;
    if (single) {
      f.get(x).get(position('x', 0)).op('f64x2_add').set(x);
      f.get(y).get(position('y', 0)).op('f64x2_add').set(y);
    }
    // Doubles: two edges, and the third.
    const halves = [0, 1].map((half) => {
      const [a, b, e] = f.locals('v128', 3);
      for (const [from, to] of [
        [this.#a, a],
        [this.#b, b],
      ] as const) {
        f.get(from);
        if (half === 1) f.get(from).shuffle32(2, 3, 2, 3);
        f.op('f64x2_convert_low_i32x4_s').set(to);
      }
      f.get(triangle);
      if (half === 0) f.memory('v128_load', PRIMITIVE.limit);
      else f.memory('v128_load64_splat', PRIMITIVE.limit + 16);
      f.get(f.doubles(2 ** -PIXEL_SHIFT)).op('f64x2_mul');
      f.get(a).get(x).op('f64x2_mul').op('f64x2_add');
      f.get(b).get(y).op('f64x2_mul').op('f64x2_add').set(e);
      return { a, b, e };
    });
    for (const [s, first] of this.#first.entries()) {
      for (const { a, b, e } of halves) {
        f.get(e);
        if (!single) {
          f.get(a).get(position('x', s)).op('f64x2_mul').op('f64x2_add');
          f.get(b).get(position('y', s)).op('f64x2_mul').op('f64x2_add');
        }
        f.op('f64x2_floor').get(f.doubles(-FAR)).op('f64x2_pmax').get(f.doubles(FAR)).op('f64x2_pmin');
        f.get(f.doubles(TO_INTEGER)).op('f64x2_add');
      }
      f.shuffle32(0, 2, 4, 6).set(first);
    }
    f.get(this.large).if();
    this.#reach();
    f.end();
  }

  /** What functions reach in a block, seen from its first pixel. */
  #reach(): void {
    const f = this.#f;
    const zero = f.held(0);
    for (const [to, op] of [
      [this.#most, 'i32x4_max_s'],
      [this.#least, 'i32x4_min_s'],
    ] as const) {
      for (const slope of [this.#a, this.#b]) {
        f.get(slope).i32(Math.log2(BLOCK)).op('i32x4_shl').get(slope).op('i32x4_sub').get(zero).op(op);
      }
      f.op('i32x4_add').set(to);
    }
  }

  /** Goes over what the primitive covers. */
  emit(visitor: CoverVisitor): void {
    const f = this.#f;
    const { x0, y0, x1, y1 } = this.#l;
    const step = (from: number, slope: number) =>
      f.get(from).get(slope).i32(Math.log2(BLOCK)).op('i32x4_shl').op('i32x4_add').set(from);
    this.#steps();
    f.get(y0).get(this.#y).op('i32_sub').set(this.#skipY);
    for (const [s, first] of this.#first.entries()) f.get(first).set(this.#row[s]!);
    const nextRow = f.loop();
    f.get(this.#startX).set(this.#x);
    f.get(x0).get(this.#x).op('i32_sub').set(this.#skipX);
    for (const [s, row] of this.#row.entries()) f.get(row).set(this.#block[s]!);
    const nextBlock = f.loop();
    const done = f.block();
    this.#found(done);
    const [x, y, large] = [this.#x, this.#y, this.large];
    const word = this.#words.length === 1 ? this.#words[0] : undefined;
    visitor.block({ x, y, large, word }, done);
    f.get(y).i32(TILE_SHIFT).op('i32_shl').get(x).op('i32_add').set(this.#blockPixel);
    const again = f.loop();
    const next = f.block();
    this.#take();
    visitor.quad(next, this.#shift);
    f.end();
    f.get(this.#any).op('i64_eqz').op('i32_eqz').brIf(again).end();
    f.end();
    for (const block of this.#block) step(block, this.#a);
    f.i32(0).set(this.#skipX);
    f.get(this.#x).i32(BLOCK).op('i32_add').tee(this.#x).get(x1).op('i32_le_s').brIf(nextBlock).end();
    for (const row of this.#row) step(row, this.#b);
    f.i32(0).set(this.#skipY);
    f.get(this.#y).i32(BLOCK).op('i32_add').tee(this.#y).get(y1).op('i32_le_s').brIf(nextRow).end();
  }

  /** What the edges' functions add from pixel to pixel of a quad, and from quad to quad. */
  #steps(): void {
    const f = this.#f;
    const [oddX, oddY] = [f.held(0, -1, 0, -1), f.held(0, 0, -1, -1)];
    for (const lane of [0, 1, 2] as const) {
      const [right, down] = [this.#right[lane]!, this.#down[lane]!];
      f.get(this.#a).get(this.#a).shuffle32(lane, lane, lane, lane).tee(right).get(oddX).op('v128_and');
      f.get(this.#b).get(this.#b).shuffle32(lane, lane, lane, lane).tee(down).get(oddY).op('v128_and');
      f.op('i32x4_add').set(this.#pixels[lane]!);
      for (const local of [right, down]) f.get(local).i32(1).op('i32x4_shl').set(local);
    }
  }

  /** Finds the words of the block in work; leaves by `none` if nothing of it is covered. */
  #found(none: Label): void {
    const f = this.#f;
    const { x1, y1 } = this.#l;
    const last = f.local('i32');
    const limit = (end: number, from: number) => {
      f.get(end)
        .get(from)
        .op('i32_sub')
        .tee(last)
        .i32(BLOCK - 1)
        .get(last);
      return f.i32(BLOCK).op('i32_lt_s').op('select');
    };
    limit(y1, this.#y).i32(Math.log2(BLOCK)).op('i32_shl');
    limit(x1, this.#x).op('i32_add').i32(Math.log2(WORD_BYTES)).op('i32_shl').memory('i64_load', upTo);
    f.get(this.#skipY).i32(Math.log2(BLOCK)).op('i32_shl').get(this.#skipX).op('i32_add');
    f.i32(Math.log2(WORD_BYTES)).op('i32_shl').memory('i64_load', after);
    f.op('i64_and').set(this.#inside);
    const known = f.block();
    f.get(this.large).if();
    const cut = f.block();
    const among = (what: number, all: boolean) => {
      for (const [s, block] of this.#block.entries()) {
        f.get(block).get(what).op('i32x4_add');
        if (s > 0) f.op(all ? 'v128_or' : 'v128_and');
      }
      return f.op('i32x4_bitmask').i32(EDGES).op('i32_and');
    };
    // An edge that all samples are beyond.
    among(this.#most, false).brIf(none);
    among(this.#least, true).brIf(cut);
    for (const word of new Set([...this.#words, this.#any])) f.get(this.#inside).set(word);
    f.br(known).end();
    f.end();
    for (const [s, word] of this.#words.entries()) this.#word(this.#block[s]!, word);
    if (this.#words.length > 1) {
      for (const [s, word] of this.#words.entries()) {
        f.get(word);
        if (s > 0) f.op('i64_or');
      }
      f.set(this.#any);
    }
    f.get(this.#any).op('i64_eqz').brIf(none);
    f.end();
  }

  /** Asks the edges for all pixels of the block at a sample. */
  #word(block: number, word: number): void {
    const f = this.#f;
    for (const lane of [0, 1, 2] as const) {
      f.get(block).get(block).shuffle32(lane, lane, lane, lane).get(this.#pixels[lane]!).op('i32x4_add');
      f.set(this.#edge[lane]!);
    }
    for (let y = 0; y < BLOCK_QUADS; y++) {
      for (let x = 0; x < BLOCK_QUADS; x++) {
        for (const lane of [0, 1, 2] as const) {
          const here = this.#here[lane]!;
          if (x === 0) f.get(this.#edge[lane]!).tee(here);
          else f.get(here).get(this.#right[lane]!).op('i32x4_add').tee(here);
          // The sign of the three together.
          if (lane > 0) f.op('v128_or');
        }
        if (x % 2 === 1) f.op('i16x8_narrow_i32x4_s');
      }
      f.op('i8x16_narrow_i16x8_s').op('i8x16_bitmask').op('i64_extend_i32_u');
      if (y > 0)
        f.i64(BigInt(y * 16))
          .op('i64_shl')
          .op('i64_or');
      if (y === BLOCK_QUADS - 1) continue;
      for (const lane of [0, 1, 2] as const) {
        f.get(this.#edge[lane]!).get(this.#down[lane]!).op('i32x4_add').set(this.#edge[lane]!);
      }
    }
    f.i64(-1n).op('i64_xor').get(this.#inside).op('i64_and').set(word);
  }

  /** Takes the next quad out of the block's words. */
  #take(): void {
    const f = this.#f;
    const [shift, any] = [this.#shift, this.#any];
    const { pixel, samples } = this.#quad;
    f.get(any).op('i64_ctz').op('i32_wrap_i64').i32(60).op('i32_and').set(shift);
    const bits = (word: number) =>
      f.get(word).get(shift).op('i64_extend_i32_u').op('i64_shr_u').op('i32_wrap_i64').i32(15).op('i32_and');
    for (const [s, word] of this.#words.entries()) {
      bits(word).i32(Math.log2(LANE_BYTES)).op('i32_shl').memory('v128_load', lanes);
      if (this.#words.length > 1) f.get(f.held(1 << s)).op('v128_and');
      if (s > 0) f.op('v128_or');
    }
    f.set(samples);
    f.get(any).i64(15n).get(shift).op('i64_extend_i32_u').op('i64_shl').i64(-1n).op('i64_xor').op('i64_and').set(any);
    // Four quads are 16 bits, and two rows of 16 pixels.
    f.get(this.#blockPixel).get(shift).i32(48).op('i32_and').i32(1).op('i32_shl').op('i32_add');
    f.get(shift).i32(12).op('i32_and').i32(1).op('i32_shr_u').op('i32_add').set(pixel);
  }
}
