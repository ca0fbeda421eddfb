/**
 * Emitted WebAssembly for depth and stencil tests that come after shading, or in the midst of it: ATEST, ZS_EMIT, and the test
 * before a colour, as fragment/late-tests.ts does them. One module for a state; recompiled shaders call it by its numbers
 * in STAGE (recompiler/frame.ts).
 *
 * Samples come and go in WARP.blended, quad after quad; alpha or the shader's depth in the first channel of WARP.colour, the
 * shader's stencil in the second. A quad's four pixels are of one primitive, whose depth is computed in doubles, as in depth.ts.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import { STAGE } from '../../recompiler/frame.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { type SamplePattern, SUBPIXEL, TILE, TILE_PIXELS } from '../raster.ts';
import { functions } from './modules.ts';
import { WARP } from './raster.ts';
import { type DepthLimit, DepthRounding, faceKey, Stencil, type StencilFace } from './tests.ts';

export interface LateState {
  /** Samples that the tile keeps of a pixel, and where their depth is taken. */
  readonly samples: number;
  readonly pattern: SamplePattern;
  /** All rastered samples stand for the only kept one. */
  readonly merged: boolean;
  /** Tests have been made before shading: nothing but coverage is left to do. */
  readonly early: boolean;
  /** ATEST leaves the test to ZS_EMIT. */
  readonly fromShader: boolean;
  readonly stencilFromShader: boolean;
  /** Alpha takes samples away: the last ones, or the first ones. */
  readonly byAlpha: 'no' | 'last' | 'first';
  readonly format: number;
  readonly func: number;
  readonly write: boolean;
  readonly limit: DepthLimit;
  /** Front and back faces. */
  readonly stencil: readonly [StencilFace, StencilFace] | undefined;
}

/**
 * `stage`: STAGE. `lanes`: those that are tested. `gone`: those that come to nothing. `given`: what the shader supplies
 * (GIVEN).
 */
export type LateTest = (stage: number, lanes: number, gone: number, given: number) => void;
export const GIVEN = { DEPTH: 1, STENCIL: 2 } as const;

export interface LateFunctions {
  /** Before a colour: lanes without effect are not among `lanes`. */
  readonly late_left: LateTest;
  readonly late_alpha: LateTest;
  readonly late_emit: LateTest;
}

export const lateTests = (state: LateState): LateFunctions =>
  functions<LateFunctions>(`late ${key(state)}`, (m) => emit(m, state));

function key({ stencil, pattern, ...rest }: LateState): string {
  const { samples, merged, early, fromShader, stencilFromShader, byAlpha, format, func, write, limit } = rest;
  const own = `${samples} ${merged} ${early} ${fromShader} ${stencilFromShader} ${byAlpha} ${format} ${func} ${write}`;
  return `${own} ${limit} ${pattern.x} ${pattern.y} ${stencil ? `${faceKey(stencil[0])} ${faceKey(stencil[1])}` : ''}`;
}

function emit(m: ModuleBuilder, state: LateState): void {
  const core = m.function('late_quad', ['i32', 'i32', 'i32', 'v128', 'v128'], ['v128']);
  new Core(core, state).emit();
  for (const kind of ['late_left', 'late_alpha', 'late_emit'] as const) {
    const f = m.function(kind, ['i32', 'i32', 'i32', 'i32'], [], true);
    new Quads(f, core, state).emit(kind);
  }
}

/** What surrounds the test of each quad. */
class Quads {
  readonly #f: Code;
  readonly #core: Code;
  readonly #state: LateState;

  constructor(f: Code, core: Code, state: LateState) {
    this.#f = f;
    this.#core = core;
    this.#state = state;
  }

  emit(kind: keyof LateFunctions): void {
    const f = this.#f;
    const { merged, fromShader, byAlpha } = this.#state;
    const [stage, lanes, gone, given] = [0, 1, 2, 3];
    const [quad, warp] = [f.local('i32'), f.local('i32')];
    const [bits, active, off, samples, own, left, alpha, zero] = Array.from({ length: 8 }, () =>
      f.local('v128'),
    ) as Eight;
    f.v128(1, 2, 4, 8).set(bits);
    f.get(stage).memory('i32_load', STAGE.pixels).set(warp);
    const done = f.block();
    const again = f.loop();
    f.get(lanes).op('i32_eqz').brIf(done);
    f.get(lanes).i32(15).op('i32_and').if();
    for (const [from, to] of [
      [lanes, active],
      [gone, off],
    ] as const) {
      f.get(from).op('i32x4_splat').get(bits).op('v128_and').get(zero).op('i32x4_ne').set(to);
    }
    f.get(warp).memory('v128_load', WARP.coverage).set(own);
    f.get(warp).memory('v128_load', WARP.blended);
    // Of lanes that come to nothing ZS_EMIT hands on what it was given.
    if (kind !== 'late_emit') f.get(own).op('v128_and');
    f.set(samples);
    if (kind === 'late_alpha' && byAlpha !== 'no') this.#alpha(warp, alpha, samples);
    const test = () => {
      f.get(stage).get(quad).get(given).get(samples).get(active).get(off).op('v128_andnot').call(this.#core);
      if (kind !== 'late_left' && merged) {
        f.set(left).get(samples).get(own).op('v128_and').get(left).get(zero).op('i32x4_ne').op('v128_and');
      }
    };
    f.get(warp);
    if (kind === 'late_left') test();
    else if (kind === 'late_alpha' && fromShader) {
      f.get(warp).get(samples).get(own).get(active).get(off).op('v128_andnot').op('v128_bitselect');
      f.memory('v128_store', WARP.coverage);
      f.get(samples);
    } else {
      f.get(samples);
      test();
      f.get(off).op('v128_bitselect');
    }
    f.memory('v128_store', WARP.blended);
    f.end();
    f.get(quad).i32(16).op('i32_add').set(quad);
    f.get(warp).i32(16).op('i32_add').set(warp);
    for (const local of [lanes, gone]) f.get(local).i32(4).op('i32_shr_u').set(local);
    f.br(again).end().end();
  }

  /** Takes samples away: sample s stays if alpha × samples is s + 1/2 or more, or the other way about. */
  #alpha(warp: number, alpha: number, samples: number): void {
    const f = this.#f;
    const { samples: count, byAlpha } = this.#state;
    f.get(warp).memory('v128_load', WARP.colour).f32(count).op('f32x4_splat').op('f32x4_mul').set(alpha);
    f.get(samples);
    for (let s = 0; s < count; s++) {
      const least = byAlpha === 'last' ? s + 0.5 : count - s - 0.5;
      f.get(alpha).f32(least).op('f32x4_splat').op('f32x4_ge');
      f.i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and');
      if (s > 0) f.op('v128_or');
    }
    if (byAlpha === 'first') {
      f.i32(-1 << count)
        .op('i32x4_splat')
        .op('v128_or');
    }
    f.op('v128_and').set(samples);
  }
}

type Eight = [number, number, number, number, number, number, number, number];

/**
 * (stage, 16 × quad, given, samples, lanes) → samples that are left. Each lane is tested once: WARP.tested says what was left
 * then, all ones before.
 */
class Core {
  readonly #f: Code;
  readonly #state: LateState;
  readonly #at: number;
  readonly #fresh: number;
  readonly #alive: number;
  readonly #passes: number;
  readonly #rows: readonly [number, number];
  readonly #z: number;
  readonly #stored: number;
  readonly #zero: number;
  readonly #pixel: number;
  readonly #primitive: number;

  constructor(f: Code, state: LateState) {
    this.#f = f;
    this.#state = state;
    this.#at = f.local('i32');
    this.#pixel = f.local('i32');
    this.#primitive = f.local('i32');
    const v = () => f.local('v128');
    [this.#fresh, this.#alive, this.#passes, this.#z, this.#stored, this.#zero] = [v(), v(), v(), v(), v(), v()];
    this.#rows = [v(), v()];
  }

  emit(): void {
    const f = this.#f;
    const { merged, early, samples: count } = this.#state;
    const samples = P.samples;
    const warp = f.local('i32');
    const [tested, left] = [f.local('v128'), f.local('v128')];
    f.get(P.stage).memory('i32_load', STAGE.pixels).get(P.quad).op('i32_add').set(warp);
    f.get(samples).get(warp).memory('v128_load', WARP.coverage).op('v128_and').set(samples);
    if (merged) {
      f.get(samples).get(this.#zero).op('i32x4_ne');
      f.i32(2 ** count - 1)
        .op('i32x4_splat')
        .op('v128_and')
        .set(samples);
    }
    if (early) {
      f.get(samples);
      return;
    }
    f.get(warp).memory('v128_load', WARP.tested).tee(tested);
    f.get(this.#zero).op('v128_not').op('i32x4_eq').get(P.lanes).op('v128_and').tee(this.#fresh);
    f.op('v128_any_true').if();
    f.get(warp).memory('i32_load', WARP.pixel).set(this.#pixel);
    f.get(P.stage)
      .get(P.quad)
      .i32(2)
      .op('i32_shr_u')
      .op('i32_add')
      .memory('i32_load', STAGE.quads)
      .set(this.#primitive);
    const sample = new Sample(f, this.#state, this.#locals(warp));
    for (let s = 0; s < count; s++) {
      f.get(samples)
        .i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and')
        .get(this.#zero);
      f.op('i32x4_ne').get(this.#fresh).op('v128_and').tee(this.#alive).op('v128_any_true').if();
      sample.emit(s);
      f.get(this.#alive)
        .i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and')
        .get(left)
        .op('v128_or')
        .set(left);
      f.end();
    }
    f.get(warp)
      .get(left)
      .get(tested)
      .get(this.#fresh)
      .op('v128_bitselect')
      .tee(tested)
      .memory('v128_store', WARP.tested);
    f.end();
    f.get(samples).get(tested).op('v128_and');
  }

  #locals(warp: number): SampleLocals {
    return {
      warp,
      at: this.#at,
      pixel: this.#pixel,
      primitive: this.#primitive,
      alive: this.#alive,
      passes: this.#passes,
      rows: this.#rows,
      z: this.#z,
      stored: this.#stored,
      zero: this.#zero,
    };
  }
}

/** Parameters of the core. */
const P = { stage: 0, quad: 1, given: 2, samples: 3, lanes: 4 } as const;

interface SampleLocals {
  readonly warp: number;
  readonly at: number;
  readonly pixel: number;
  readonly primitive: number;
  readonly alive: number;
  readonly passes: number;
  readonly rows: readonly [number, number];
  readonly z: number;
  readonly stored: number;
  readonly zero: number;
}

/** The tests of one sample of a quad. */
class Sample {
  readonly #f: Code;
  readonly #state: LateState;
  readonly #l: SampleLocals;
  readonly #rounding: DepthRounding;
  readonly #stencils: readonly Stencil[];
  readonly #right: number;
  readonly #x: number;
  readonly #y: number;

  constructor(f: Code, state: LateState, locals: SampleLocals) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    const constant = (...words: number[]): number => {
      const local = f.local('v128');
      f.v128(...words).set(local);
      return local;
    };
    const range = (offset: number): number => {
      const local = f.local('v128');
      f.get(P.stage).memory('v128_load64_splat', offset).set(local);
      return local;
    };
    this.#rounding = new DepthRounding(f, state, range(STAGE.low), range(STAGE.high));
    // The doubles 0 and 256.
    this.#right = constant(0, 0, 0, 0x40700000);
    this.#x = f.local('v128');
    this.#y = f.local('v128');
    this.#stencils = (state.stencil ?? []).map((face) => {
      if (!state.stencilFromShader) return new Stencil(f, face, constant);
      const reference = constant(face.reference);
      f.get(P.given).i32(GIVEN.STENCIL).op('i32_and').if();
      f.get(locals.warp)
        .memory('v128_load', WARP.colour + 64)
        .i32(255)
        .op('i32x4_splat')
        .op('v128_and')
        .set(reference);
      f.end();
      return new Stencil(f, face, constant, reference);
    });
  }

  /** Takes pixels that fail sample s out of `alive`. */
  emit(s: number): void {
    const f = this.#f;
    const { alive, passes, rows, z, stored, zero, at, pixel, primitive } = this.#l;
    const { func, write } = this.#state;
    // Whether depth or stencil may have been written, and what has passed.
    f.get(P.stage).memory('i32_load', STAGE.flags);
    f.get(P.stage).memory('i32_load', STAGE.flags).memory('i32_load', 4);
    f.get(P.stage).memory('i32_load', STAGE.touchDepth).op('i32_or').memory('i32_store', 4);
    this.#depth(s);
    for (const row of rows) this.#rounding.row(row);
    const [row0, row1] = rows;
    f.get(row0).op('f32x4_demote_f64x2_zero').get(row1).op('f32x4_demote_f64x2_zero').shuffle32(0, 1, 4, 5).set(z);
    f.get(P.stage).memory('i32_load', STAGE.depth).get(pixel).i32(2).op('i32_shl').op('i32_add').set(at);
    const plane = 4 * TILE_PIXELS * s;
    f.get(at).memory('v128_load64_zero', plane);
    f.get(at)
      .memory('v128_load64_zero', plane + 4 * TILE)
      .shuffle32(0, 1, 4, 5)
      .set(stored);
    if (func === FUNC.NEVER) f.get(zero);
    else if (func === FUNC.ALWAYS) f.get(zero).op('v128_not');
    else f.get(z).get(stored).op(FLOAT_COMPARE[func]!);
    f.set(passes);
    const place = () =>
      f
        .get(P.stage)
        .memory('i32_load', STAGE.stencil)
        .get(pixel)
        .op('i32_add')
        .i32(TILE_PIXELS * s)
        .op('i32_add');
    const [front, back] = this.#stencils;
    if (front && back) {
      f.get(primitive).memory('i32_load', PRIMITIVE.flags).if();
      back.test(place, alive, passes, zero);
      f.else();
      front.test(place, alive, passes, zero);
      f.end();
    }
    f.get(passes).get(alive).op('v128_and').set(alive);
    if (write) {
      f.get(z).get(stored).get(alive).op('v128_bitselect').set(stored);
      for (const row of [0, 1] as const) {
        f.get(at)
          .get(stored)
          .lane('i64x2_extract_lane', row)
          .memory('i64_store', plane + 4 * TILE * row);
      }
    }
    f.get(P.stage).get(P.stage).memory('i64_load', STAGE.passed);
    f.get(alive).op('i32x4_bitmask').op('i32_popcnt').op('i64_extend_i32_u').op('i64_add');
    f.memory('i64_store', STAGE.passed);
  }

  /** Fills the rows with depths: the shader's, or the triangle's with its bias. */
  #depth(s: number): void {
    const f = this.#f;
    const { warp, rows, z, primitive } = this.#l;
    const [row0, row1] = rows;
    const { pattern } = this.#state;
    const p = pattern.count === 1 ? 0 : s;
    f.get(P.given).i32(GIVEN.DEPTH).op('i32_and').if();
    f.get(warp).memory('v128_load', WARP.colour).tee(z).op('f64x2_promote_low_f32x4').set(row0);
    f.get(z).get(z).shuffle32(2, 3, 2, 3).op('f64x2_promote_low_f32x4').set(row1);
    f.else();
    const plane = (offset: number) => f.get(primitive).memory('v128_load64_splat', offset);
    const position = (offset: number, sub: number) =>
      f
        .get(P.stage)
        .get(P.quad)
        .op('i32_add')
        .memory('i32_load', offset)
        .i32(SUBPIXEL)
        .op('i32_mul')
        .i32(sub)
        .op('i32_add')
        .op('f64_convert_i32_s')
        .op('f64x2_splat');
    position(STAGE.x, pattern.x[p]!).get(this.#right).op('f64x2_add');
    plane(PRIMITIVE.x0).op('f64x2_sub').set(this.#x);
    position(STAGE.y, pattern.y[p]!).set(this.#y);
    for (const [r, row] of rows.entries()) {
      plane(PRIMITIVE.z);
      plane(PRIMITIVE.dzdx).get(this.#x).op('f64x2_mul').op('f64x2_add');
      plane(PRIMITIVE.dzdy).get(this.#y);
      if (r === 1) f.f64(SUBPIXEL).op('f64x2_splat').op('f64x2_add');
      plane(PRIMITIVE.y0).op('f64x2_sub').op('f64x2_mul').op('f64x2_add');
      plane(PRIMITIVE.bias).op('f64x2_add').set(row);
    }
    f.end();
  }
}
