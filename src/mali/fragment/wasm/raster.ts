/**
 * Emitted WebAssembly for the rasteriser: what a triangle covers of a tile, and warps made of that.
 *
 * The layout of Coverage in scratch memory is here. A quad is a vector of four pixels: (0, 0), (1, 0), (0, 1),
 * (1, 1). Numbers are those of the script, bit for bit: edge functions are integers either way.
 */
import { FRAGMENT_PRELOAD } from '../../../abi/isa/preload.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import { STAGE } from '../../recompiler/frame.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import type { SamplePattern } from '../raster.ts';
import { functions } from './modules.ts';

/** Byte offsets in a coverage: 16-bit masks of 64 quads' four pixels, then the quads' places in the tile. */
export const COVERAGE = { mask: 0, x: 512, y: 576, count: 640, size: 704 } as const;

/**
 * Byte offsets of what the fixed functions know of the warp in work: 16 words each (the window's x and y: STAGE), then room for
 * the samples and colours of a blend.
 */
export const WARP = { pixel: 0, coverage: 64, tested: 128, blended: 192, colour: 256, size: 512 } as const;

/** Largest |a| + |b| of an edge for which its function, within a tile, fits 32 bits. */
export const NARROW = 2 ** 18;

export type Cover = (
  triangle: number,
  coverage: number,
  left: number,
  top: number,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  inside: number,
) => number;

const covers = new Map<SamplePattern, (Cover | undefined)[]>();

/** Collects quads. `narrow`: all edges keep to NARROW. The answer is their number. */
export function cover(pattern: SamplePattern, narrow: boolean): Cover {
  let known = covers.get(pattern);
  if (!known) {
    // Patterns live as long as a framebuffer.
    if (covers.size >= MAX_PATTERNS) covers.clear();
    known = [undefined, undefined];
    covers.set(pattern, known);
  }
  known[narrow ? 1 : 0] ??= functions<{ raster_cover: Cover }>(`cover ${narrow} ${pattern.x} ${pattern.y}`, (m) =>
    emitCover(m, pattern, narrow),
  ).raster_cover;
  return known[narrow ? 1 : 0]!;
}

/** Patterns remembered by identity. */
const MAX_PATTERNS = 64;

const PARAMS = { triangle: 0, coverage: 1, left: 2, top: 3, x0: 4, y0: 5, x1: 6, y1: 7, inside: 8 } as const;

function emitCover(m: ModuleBuilder, pattern: SamplePattern, narrow: boolean): void {
  const f = m.function('raster_cover', Array(9).fill('i32'), ['i32'], true);
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

export type LoadWarp = (
  warp: number,
  stage: number,
  registers: number,
  coverage: number,
  first: number,
  quads: number,
  left: number,
  top: number,
  sample: number,
  id: number,
  flags: number,
  argumentLow: number,
  argumentHigh: number,
) => number;

/**
 * Puts quads `first`… of a coverage (`quads` of them, at most four) into a warp: places and samples, and the registers that
 * are preloaded. Answers the lanes with samples.
 */
export const loadWarp = (): LoadWarp => functions<{ raster_load: LoadWarp }>('load', emitLoad).raster_load;

function emitLoad(m: ModuleBuilder): void {
  const f = m.function('raster_load', Array(13).fill('i32'), ['i32'], true);
  const [warp, stage, registers, coverage, first, quads, left, top, sample, id] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const [end, quad, at, covered, shift] = [
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
  ];
  const v = () => f.local('v128');
  const [zero, oddX, oddY, x, y, samples, minus, wanted, number] = Array.from({ length: 9 }, v);
  f.v128(0, 1, 0, 1).set(oddX!).v128(0, 0, 1, 1).set(oddY!).v128(-1).set(minus!);
  f.get(minus!).set(wanted!);
  f.get(sample).i32(0).op('i32_ge_s').if();
  f.i32(1).get(sample).op('i32_shl').op('i32x4_splat').set(wanted!);
  f.get(sample).i32(16).op('i32_shl').op('i32x4_splat').set(number!);
  f.end();
  f.get(first).set(quad);
  f.get(first).get(quads).op('i32_add').set(end);
  const again = f.loop();
  f.get(coverage).get(quad).op('i32_add').tee(at);
  f.memory('i32_load8_u', COVERAGE.x).op('i32x4_splat').get(oddX!).op('i32x4_add').set(x!);
  f.get(at).memory('i32_load8_u', COVERAGE.y).op('i32x4_splat').get(oddY!).op('i32x4_add').set(y!);
  f.get(coverage).get(quad).i32(3).op('i32_shl').op('i32_add').memory('v128_load64_zero', COVERAGE.mask);
  f.op('i32x4_extend_low_i16x8_u').get(wanted!).op('v128_and').set(samples!);
  f.get(warp).get(y!).i32(4).op('i32x4_shl').get(x!).op('i32x4_add').memory('v128_store', WARP.pixel);
  f.get(x!).get(left).op('i32x4_splat').op('i32x4_add').set(x!);
  f.get(y!).get(top).op('i32x4_splat').op('i32x4_add').set(y!);
  f.get(stage).get(x!).memory('v128_store', STAGE.x);
  f.get(stage).get(y!).memory('v128_store', STAGE.y);
  f.get(warp).get(samples!).memory('v128_store', WARP.coverage);
  f.get(warp).get(minus!).memory('v128_store', WARP.tested);
  const register = (r: number, push: () => void) => {
    f.get(registers);
    push();
    f.memory('v128_store', r * 64);
  };
  for (const [r, param] of [
    [FRAGMENT_PRELOAD.PRIMITIVE_ID, id],
    [FRAGMENT_PRELOAD.PRIMITIVE_FLAGS, id + 1],
    [FRAGMENT_PRELOAD.FRAME_ARGUMENT, id + 2],
    [FRAGMENT_PRELOAD.FRAME_ARGUMENT + 1, id + 3],
  ] as const) {
    register(r, () => f.get(param).op('i32x4_splat'));
  }
  register(FRAGMENT_PRELOAD.PIXEL, () => f.get(y!).i32(16).op('i32x4_shl').get(x!).op('v128_or'));
  register(FRAGMENT_PRELOAD.COVERAGE, () => f.get(samples!));
  register(FRAGMENT_PRELOAD.SAMPLE, () => f.get(samples!).get(number!).op('v128_or'));
  f.get(samples!).get(zero!).op('i32x4_ne').op('i32x4_bitmask').get(shift).op('i32_shl');
  f.get(covered).op('i32_or').set(covered);
  f.get(shift).i32(4).op('i32_add').set(shift);
  f.get(warp).i32(16).op('i32_add').set(warp);
  f.get(stage).i32(16).op('i32_add').set(stage);
  f.get(registers).i32(16).op('i32_add').set(registers);
  f.get(quad).i32(1).op('i32_add').tee(quad).get(end).op('i32_lt_u').brIf(again).end();
  f.get(covered);
}
