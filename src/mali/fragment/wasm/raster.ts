/**
 * Emitted WebAssembly for the rasteriser: what a triangle covers of a tile. A part of front.ts.
 *
 * The layout of Coverage in scratch memory is here. A quad is a vector of four pixels: (0, 0), (1, 0), (0, 1),
 * (1, 1). Numbers are those of the script, bit for bit: edge functions are integers either way.
 */
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Code } from '../../wasm/builder.ts';
import type { SamplePattern } from '../raster.ts';

/** Byte offsets in a coverage: 16-bit masks of 64 quads' four pixels, then the quads' places in the tile. */
export const COVERAGE = { mask: 0, x: 512, y: 576, size: 640 } as const;

/**
 * Byte offsets of what the fixed functions know of the warp in work: 16 words each (the window's x and y: STAGE), then room for
 * the samples and colours of a blend.
 */
export const WARP = { pixel: 0, coverage: 64, tested: 128, blended: 192, colour: 256, size: 512 } as const;

/** Largest |a| + |b| of an edge for which its function, within a tile, fits 32 bits. */
export const NARROW = 2 ** 18;

/** Locals: the primitive, where its coverage goes, the tile's first pixel, and the pixels that are asked for. */
export interface CoverLocals {
  readonly triangle: number;
  readonly coverage: number;
  readonly left: number;
  readonly top: number;
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  /** What comes of it: the number of quads. */
  readonly count: number;
}

/** Where edges stand: what samples of the next quads are asked. */
interface Edges {
  /** Takes up a primitive. */
  begin(): void;
  row(): void;
  /** Pushes the lanes that are covered at a sample of the quad at (qx, qy). */
  inside(s: number, qx: number, qy: number): void;
  step(): void;
  down(): void;
}

/** All samples are covered. */
const WITHIN = 'within';

/** Collects quads between two pixels of a tile. What stays the same for all primitives is made once, before their loop. */
export class CoverCode {
  readonly #f: Code;
  readonly #pattern: SamplePattern;
  readonly #l: CoverLocals;
  readonly #qx: number;
  readonly #qy: number;
  readonly #at: number;
  readonly #startX: number;
  readonly #x: number;
  readonly #rowMask: number;
  readonly #mask: number;
  readonly #low: number;
  readonly #high: number;
  readonly #two: number;
  readonly #oddX: number;
  readonly #oddY: number;
  readonly #all: number;
  readonly #bits: number[];
  readonly #edges: { readonly narrow: Edges; readonly wide: Edges };

  constructor(f: Code, pattern: SamplePattern, locals: CoverLocals) {
    this.#f = f;
    this.#pattern = pattern;
    this.#l = locals;
    const i = () => f.local('i32');
    const v = () => f.local('v128');
    [this.#qx, this.#qy, this.#at, this.#startX] = [i(), i(), i(), i()];
    [this.#x, this.#rowMask, this.#mask, this.#low, this.#high] = [v(), v(), v(), v(), v()];
    this.#two = f.held(2);
    this.#oddX = f.held(0, 1, 0, 1);
    this.#oddY = f.held(0, 0, 1, 1);
    this.#all = f.held(2 ** pattern.count - 1);
    this.#bits = Array.from({ length: pattern.count }, (_, s) => f.held(1 << s));
    this.#edges = {
      narrow: new NarrowEdges(f, pattern, locals, this.#startX, this.#qy),
      wide: new WideEdges(f, pattern, locals),
    };
  }

  /** `narrow`: all edges keep to NARROW. `within`: all of it is covered. */
  emit(how: 'narrow' | 'wide' | typeof WITHIN): void {
    const f = this.#f;
    const { coverage, left, top, x0, y0, x1, y1, count } = this.#l;
    const [qx, qy, at, x, mask, rowMask] = [this.#qx, this.#qy, this.#at, this.#x, this.#mask, this.#rowMask];
    const edges = how === WITHIN ? undefined : this.#edges[how];
    f.i32(0).set(count);
    f.get(x0).i32(-2).op('i32_and').set(this.#startX);
    f.get(y0).i32(-2).op('i32_and').set(qy);
    f.get(x0).op('i32x4_splat').set(this.#low);
    f.get(x1).op('i32x4_splat').set(this.#high);
    edges?.begin();
    const done = f.block();
    const nextRow = f.loop();
    f.get(qy).get(y1).op('i32_gt_s').brIf(done);
    f.get(qy).op('i32x4_splat').get(this.#oddY).op('i32x4_add').tee(mask);
    f.get(y0).op('i32x4_splat').op('i32x4_ge_s');
    f.get(mask).get(y1).op('i32x4_splat').op('i32x4_le_s').op('v128_and').set(rowMask);
    f.get(this.#startX).tee(qx).op('i32x4_splat').get(this.#oddX).op('i32x4_add').set(x);
    edges?.row();
    const rowDone = f.block();
    const nextQuad = f.loop();
    f.get(qx).get(x1).op('i32_gt_s').brIf(rowDone);
    if (!edges) f.get(this.#all);
    else {
      for (let s = 0; s < this.#pattern.count; s++) {
        edges.inside(s, qx, qy);
        f.get(this.#bits[s]!).op('v128_and');
        if (s > 0) f.op('v128_or');
      }
    }
    f.get(x).get(this.#low).op('i32x4_ge_s').op('v128_and');
    f.get(x).get(this.#high).op('i32x4_le_s').op('v128_and');
    f.get(rowMask).op('v128_and').set(mask);
    f.get(coverage).get(count).i32(3).op('i32_shl').op('i32_add');
    f.get(mask).get(mask).op('i16x8_narrow_i32x4_u').lane('i64x2_extract_lane', 0).memory('i64_store', COVERAGE.mask);
    f.get(coverage).get(count).op('i32_add').tee(at);
    f.get(qx).get(left).op('i32_sub').memory('i32_store8', COVERAGE.x);
    f.get(at).get(qy).get(top).op('i32_sub').memory('i32_store8', COVERAGE.y);
    f.get(count).get(mask).op('v128_any_true').op('i32_add').set(count);
    f.get(qx).i32(2).op('i32_add').set(qx);
    f.get(x).get(this.#two).op('i32x4_add').set(x);
    edges?.step();
    f.br(nextQuad).end().end();
    edges?.down();
    f.get(qy).i32(2).op('i32_add').set(qy).br(nextRow);
    f.end().end();
  }
}

/** Added to a double that is an integer of 32 bits, this leaves it in the lower half of its bits. */
const TO_INTEGER = 1.5 * 2 ** 52;

/** Edge functions as 32-bit integers, from the tile's corner on. Far away they are cut off: the sign is what counts. */
class NarrowEdges implements Edges {
  readonly #f: Code;
  readonly #pattern: SamplePattern;
  readonly #l: CoverLocals;
  readonly #startX: number;
  readonly #startY: number;
  readonly #none: number;
  /** Doubles, twice: the tile's corner, the limits, TO_INTEGER. */
  readonly #left: number;
  readonly #top: number;
  readonly #least: number;
  readonly #most: number;
  readonly #integer: number;
  /** Slopes and limits of two edges, and of the third. */
  readonly #a: readonly [number, number];
  readonly #b: readonly [number, number];
  readonly #e: readonly [number, number];
  /** Where the quads begin, from the tile's corner on. */
  readonly #x: number;
  readonly #y: number;
  readonly #slopeX: number;
  readonly #slopeY: number;
  /** By edge: at the row's first quad, at the quad, and what a quad further is. */
  readonly #row: number[];
  readonly #here: number[];
  readonly #stepX: number[];
  readonly #stepY: number[];
  /** What the samples of a quad's pixels are away from its corner: [sample][edge]. A single one is in the row already. */
  readonly #samples: number[][];
  /** Places of a quad's pixels at each sample: [sample][x, y]. */
  readonly #places: number[][];

  constructor(f: Code, pattern: SamplePattern, locals: CoverLocals, startX: number, startY: number) {
    this.#f = f;
    this.#pattern = pattern;
    this.#l = locals;
    this.#startX = startX;
    this.#startY = startY;
    const v = () => f.local('v128');
    const twice = (push: () => void) => {
      const local = v();
      push();
      f.op('f64x2_splat').set(local);
      return local;
    };
    this.#none = v();
    this.#left = twice(() => f.get(locals.left).i32(8).op('i32_shl').op('f64_convert_i32_s'));
    this.#top = twice(() => f.get(locals.top).i32(8).op('i32_shl').op('f64_convert_i32_s'));
    this.#least = twice(() => f.f64(1 - 2 ** 30));
    this.#most = twice(() => f.f64(2 ** 30 - 1));
    this.#integer = twice(() => f.f64(TO_INTEGER));
    this.#a = [v(), v()];
    this.#b = [v(), v()];
    this.#e = [v(), v()];
    [this.#x, this.#y, this.#slopeX, this.#slopeY] = [v(), v(), v(), v()];
    const edges = () => [0, 1, 2].map(v);
    this.#row = edges();
    this.#here = edges();
    this.#stepX = edges();
    this.#stepY = edges();
    this.#samples = Array.from({ length: pattern.count }, edges);
    this.#places = Array.from({ length: pattern.count }, (_, s) => {
      const [x, y] = [pattern.x[s]!, pattern.y[s]!];
      const [px, py] = [v(), v()];
      f.v128(x, x + 256, x, x + 256).set(px);
      f.v128(y, y, y + 256, y + 256).set(py);
      return [px, py];
    });
  }

  begin(): void {
    const f = this.#f;
    const { triangle, left, top } = this.#l;
    const single = this.#pattern.count === 1;
    for (const [to, start, tile, place] of [
      [this.#x, this.#startX, left, this.#places[0]![0]!],
      [this.#y, this.#startY, top, this.#places[0]![1]!],
    ] as const) {
      f.get(start).get(tile).op('i32_sub').i32(8).op('i32_shl').op('i32x4_splat');
      if (single) f.get(place).op('i32x4_add');
      f.set(to);
    }
    for (const half of [0, 1] as const) {
      const [a, b, e] = [this.#a[half], this.#b[half], this.#e[half]];
      const load = (offset: number, to: number) => {
        f.get(triangle);
        if (half === 0) f.memory('v128_load', offset);
        else f.memory('v128_load64_splat', offset + 16);
        f.set(to);
      };
      load(PRIMITIVE.a, a);
      load(PRIMITIVE.b, b);
      load(PRIMITIVE.limit, e);
      f.get(a).get(this.#left).op('f64x2_mul').get(b).get(this.#top).op('f64x2_mul').op('f64x2_add');
      f.get(e).op('f64x2_add').get(this.#least).op('f64x2_pmax').get(this.#most).op('f64x2_pmin').set(e);
      for (const local of [a, b, e]) f.get(local).get(this.#integer).op('f64x2_add').set(local);
    }
    for (let i = 0; i < 3; i++) {
      const half = i < 2 ? 0 : 1;
      const lane = i === 1 ? 2 : 0;
      const splat = (local: number) => f.get(local).get(local).shuffle32(lane, lane, lane, lane);
      splat(this.#a[half]).tee(this.#slopeX).i32(9).op('i32x4_shl').set(this.#stepX[i]!);
      splat(this.#b[half]).tee(this.#slopeY).i32(9).op('i32x4_shl').set(this.#stepY[i]!);
      splat(this.#e[half]);
      f.get(this.#slopeX).get(this.#x).op('i32x4_mul').op('i32x4_add');
      f.get(this.#slopeY).get(this.#y).op('i32x4_mul').op('i32x4_add').set(this.#row[i]!);
      if (single) continue;
      for (const [s, [x, y]] of this.#places.entries()) {
        f.get(this.#slopeX).get(x!).op('i32x4_mul').get(this.#slopeY).get(y!).op('i32x4_mul');
        f.op('i32x4_add').set(this.#samples[s]![i]!);
      }
    }
  }

  row(): void {
    for (let i = 0; i < 3; i++) this.#f.get(this.#row[i]!).set(this.#here[i]!);
  }

  inside(s: number): void {
    const f = this.#f;
    for (let i = 0; i < 3; i++) {
      f.get(this.#here[i]!);
      if (this.#pattern.count > 1) f.get(this.#samples[s]![i]!).op('i32x4_add');
      if (i > 0) f.op('v128_or');
    }
    // The sign of the three together.
    f.get(this.#none).op('i32x4_ge_s');
  }

  step(): void {
    for (let i = 0; i < 3; i++) this.#f.get(this.#here[i]!).get(this.#stepX[i]!).op('i32x4_add').set(this.#here[i]!);
  }

  down(): void {
    for (let i = 0; i < 3; i++) this.#f.get(this.#row[i]!).get(this.#stepY[i]!).op('i32x4_add').set(this.#row[i]!);
  }
}

/** Edge functions as doubles. */
class WideEdges implements Edges {
  readonly #f: Code;
  readonly #pattern: SamplePattern;
  readonly #l: CoverLocals;
  readonly #edges: readonly (readonly [a: number, b: number, c: number])[];
  readonly #x: number;
  readonly #y: number;
  readonly #right: number;
  readonly #zero: number;
  readonly #rows: [number, number];

  constructor(f: Code, pattern: SamplePattern, locals: CoverLocals) {
    this.#f = f;
    this.#pattern = pattern;
    this.#l = locals;
    const v = () => f.local('v128');
    [this.#x, this.#y, this.#right, this.#zero] = [v(), v(), v(), v()];
    this.#rows = [v(), v()];
    this.#edges = [0, 1, 2].map(() => [v(), v(), v()] as const);
    // The doubles 0 and 256.
    f.v128(0, 0, 0, 0x40700000).set(this.#right);
  }

  begin(): void {
    for (const [i, edge] of this.#edges.entries()) {
      for (const [k, at] of [PRIMITIVE.a, PRIMITIVE.b, PRIMITIVE.limit].entries()) {
        this.#f
          .get(this.#l.triangle)
          .memory('v128_load64_splat', at + i * 8)
          .set(edge[k]!);
      }
    }
  }

  row(): void {}
  step(): void {}
  down(): void {}

  inside(s: number, qx: number, qy: number): void {
    const f = this.#f;
    const [px, py] = [this.#pattern.x[s]!, this.#pattern.y[s]!];
    f.get(qx).i32(8).op('i32_shl').i32(px).op('i32_add').op('f64_convert_i32_s').op('f64x2_splat');
    f.get(this.#right).op('f64x2_add').set(this.#x);
    for (const r of [0, 1] as const) {
      f.get(qy)
        .i32(8)
        .op('i32_shl')
        .i32(py + 256 * r)
        .op('i32_add')
        .op('f64_convert_i32_s')
        .op('f64x2_splat')
        .set(this.#y);
      for (const [i, [a, b, c]] of this.#edges.entries()) {
        f.get(a).get(this.#x).op('f64x2_mul').get(b).get(this.#y).op('f64x2_mul').op('f64x2_add');
        f.get(c).op('f64x2_add').get(this.#zero).op('f64x2_ge');
        if (i > 0) f.op('v128_and');
      }
      f.set(this.#rows[r]);
    }
    f.get(this.#rows[0]).get(this.#rows[1]).shuffle32(0, 2, 4, 6);
  }
}
