/**
 * Emitted WebAssembly for the rasteriser: what a triangle covers of a tile. A function inside the module of front.ts.
 *
 * The layout of Coverage in scratch memory is here. A quad is a vector of four pixels: (0, 0), (1, 0), (0, 1),
 * (1, 1). Numbers are those of the script, bit for bit: edge functions are integers either way.
 */
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Callable, Code, ModuleBuilder } from '../../wasm/builder.ts';
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

const PARAMS = { triangle: 0, coverage: 1, left: 2, top: 3, x0: 4, y0: 5, x1: 6, y1: 7, inside: 8 } as const;

/**
 * Collects quads between the pixels (x0, y0) and (x1, y1) of a tile, and answers their number. `inside`: all of them are
 * covered. `narrow`: all edges keep to NARROW.
 */
export function emitCover(m: ModuleBuilder, name: string, pattern: SamplePattern, narrow: boolean): Callable {
  const f = m.function(name, Array(9).fill('i32'), ['i32']);
  const p = PARAMS;
  const count = f.local('i32');
  const qx = f.local('i32');
  const qy = f.local('i32');
  const at = f.local('i32');
  const [x, rowMask, mask, low, high, two, none] = Array.from({ length: 7 }, () => f.local('v128'));
  const startX = f.local('i32');
  f.get(p.x0).i32(-2).op('i32_and').set(startX);
  f.get(p.y0).i32(-2).op('i32_and').set(qy);
  f.get(p.x0).op('i32x4_splat').set(low!);
  f.get(p.x1).op('i32x4_splat').set(high!);
  f.v128(2).set(two!).v128(0).set(none!);
  const bits = Array.from({ length: pattern.count }, (_, s) => {
    const bit = f.local('v128');
    f.v128(1 << s).set(bit);
    return bit;
  });
  const edges = narrow ? new NarrowEdges(f, pattern, startX, qy) : new WideEdges(f, pattern);
  const oddX = f.local('v128');
  const oddY = f.local('v128');
  f.v128(0, 1, 0, 1).set(oddX).v128(0, 0, 1, 1).set(oddY);
  const done = f.block();
  const nextRow = f.loop();
  f.get(qy).get(p.y1).op('i32_gt_s').brIf(done);
  f.get(qy).op('i32x4_splat').get(oddY).op('i32x4_add').tee(mask!);
  f.get(p.y0).op('i32x4_splat').op('i32x4_ge_s');
  f.get(mask!).get(p.y1).op('i32x4_splat').op('i32x4_le_s').op('v128_and').set(rowMask!);
  f.get(startX).tee(qx).op('i32x4_splat').get(oddX).op('i32x4_add').set(x!);
  edges.row();
  const rowDone = f.block();
  const nextQuad = f.loop();
  f.get(qx).get(p.x1).op('i32_gt_s').brIf(rowDone);
  for (let s = 0; s < pattern.count; s++) {
    edges.inside(s, qx, qy, none!);
    f.get(bits[s]!).op('v128_and');
    if (s > 0) f.op('v128_or');
  }
  f.get(x!).get(low!).op('i32x4_ge_s').op('v128_and');
  f.get(x!).get(high!).op('i32x4_le_s').op('v128_and');
  f.get(rowMask!).op('v128_and').set(mask!);
  f.get(p.coverage).get(count).i32(3).op('i32_shl').op('i32_add');
  f.get(mask!).get(mask!).op('i16x8_narrow_i32x4_u').lane('i64x2_extract_lane', 0).memory('i64_store', COVERAGE.mask);
  f.get(p.coverage).get(count).op('i32_add').tee(at);
  f.get(qx).get(p.left).op('i32_sub').memory('i32_store8', COVERAGE.x);
  f.get(at).get(qy).get(p.top).op('i32_sub').memory('i32_store8', COVERAGE.y);
  f.get(count).get(mask!).op('v128_any_true').op('i32_add').set(count);
  f.get(qx).i32(2).op('i32_add').set(qx);
  f.get(x!).get(two!).op('i32x4_add').set(x!);
  edges.step();
  f.br(nextQuad).end().end();
  edges.down();
  f.get(qy).i32(2).op('i32_add').set(qy).br(nextRow);
  f.end().end().get(count);
  return f;
}

/** Edge functions as 32-bit integers, from the tile's corner on. Far away they are cut off: the sign is what counts. */
class NarrowEdges {
  readonly #f: Code;
  readonly #row: number[] = [];
  readonly #here: number[] = [];
  readonly #stepX: number[] = [];
  readonly #stepY: number[] = [];
  /** What the samples of a quad's pixels are away from its corner: [sample][edge]. */
  readonly #samples: number[][];

  constructor(f: Code, pattern: SamplePattern, startX: number, startY: number) {
    this.#f = f;
    const p = PARAMS;
    const a = f.local('i32');
    const b = f.local('i32');
    const e = f.local('i32');
    this.#samples = Array.from({ length: pattern.count }, () => []);
    for (let i = 0; i < 3; i++) {
      const place = (to: number[]) => {
        const local = f.local('v128');
        to.push(local);
        return local;
      };
      f.i32(0).set(a).i32(0).set(b).i32(0).set(e);
      f.get(p.inside).op('i32_eqz').if();
      f.get(p.triangle)
        .memory('f64_load', PRIMITIVE.a + i * 8)
        .op('i32_trunc_sat_f64_s')
        .set(a);
      f.get(p.triangle)
        .memory('f64_load', PRIMITIVE.b + i * 8)
        .op('i32_trunc_sat_f64_s')
        .set(b);
      f.get(a).op('f64_convert_i32_s').get(p.left).i32(8).op('i32_shl').op('f64_convert_i32_s').op('f64_mul');
      f.get(b).op('f64_convert_i32_s').get(p.top).i32(8).op('i32_shl').op('f64_convert_i32_s').op('f64_mul');
      f.op('f64_add');
      f.get(p.triangle)
        .memory('f64_load', PRIMITIVE.limit + i * 8)
        .op('f64_add');
      f.f64(1 - 2 ** 30)
        .op('f64_max')
        .f64(2 ** 30 - 1)
        .op('f64_min')
        .op('i32_trunc_sat_f64_s')
        .set(e);
      f.end();
      f.get(e);
      f.get(a).get(startX).get(p.left).op('i32_sub').i32(8).op('i32_shl').op('i32_mul').op('i32_add');
      f.get(b).get(startY).get(p.top).op('i32_sub').i32(8).op('i32_shl').op('i32_mul').op('i32_add');
      f.op('i32x4_splat').set(place(this.#row));
      f.get(a).i32(9).op('i32_shl').op('i32x4_splat').set(place(this.#stepX));
      f.get(b).i32(9).op('i32_shl').op('i32x4_splat').set(place(this.#stepY));
      place(this.#here);
      for (let s = 0; s < pattern.count; s++) {
        const [x, y] = [pattern.x[s]!, pattern.y[s]!];
        f.get(a)
          .op('i32x4_splat')
          .v128(x, x + 256, x, x + 256)
          .op('i32x4_mul');
        f.get(b)
          .op('i32x4_splat')
          .v128(y, y, y + 256, y + 256)
          .op('i32x4_mul');
        f.op('i32x4_add').set(place(this.#samples[s]!));
      }
    }
  }

  row(): void {
    for (let i = 0; i < 3; i++) this.#f.get(this.#row[i]!).set(this.#here[i]!);
  }

  inside(s: number, _qx: number, _qy: number, none: number): void {
    const f = this.#f;
    for (let i = 0; i < 3; i++) {
      f.get(this.#here[i]!).get(this.#samples[s]![i]!).op('i32x4_add');
      if (i > 0) f.op('v128_or');
    }
    // The sign of the three together.
    f.get(none).op('i32x4_ge_s');
  }

  step(): void {
    for (let i = 0; i < 3; i++) this.#f.get(this.#here[i]!).get(this.#stepX[i]!).op('i32x4_add').set(this.#here[i]!);
  }

  down(): void {
    for (let i = 0; i < 3; i++) this.#f.get(this.#row[i]!).get(this.#stepY[i]!).op('i32x4_add').set(this.#row[i]!);
  }
}

/** Edge functions as doubles. */
class WideEdges {
  readonly #f: Code;
  readonly #pattern: SamplePattern;
  readonly #edges: [a: number, b: number, c: number][] = [];
  readonly #x: number;
  readonly #y: number;
  readonly #right: number;
  readonly #zero: number;
  readonly #rows: [number, number];

  constructor(f: Code, pattern: SamplePattern) {
    this.#f = f;
    this.#pattern = pattern;
    this.#x = f.local('v128');
    this.#y = f.local('v128');
    this.#right = f.local('v128');
    this.#zero = f.local('v128');
    this.#rows = [f.local('v128'), f.local('v128')];
    // The doubles 0 and 256.
    f.v128(0, 0, 0, 0x40700000).set(this.#right);
    for (let i = 0; i < 3; i++) {
      const edge: [number, number, number] = [f.local('v128'), f.local('v128'), f.local('v128')];
      f.get(PARAMS.inside).op('i32_eqz').if();
      for (const [k, at] of [PRIMITIVE.a, PRIMITIVE.b, PRIMITIVE.limit].entries()) {
        f.get(PARAMS.triangle)
          .memory('v128_load64_splat', at + i * 8)
          .set(edge[k]!);
      }
      f.end();
      this.#edges.push(edge);
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
