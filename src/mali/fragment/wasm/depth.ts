/**
 * Emitted WebAssembly for what comes between raster and shading: sample masks, the depth range, and depth and stencil tests
 * where they come early. A function inside the module of front.ts, made for a state, so that nothing is asked for each quad.
 *
 * Depth is computed in doubles as the script does it, kept and compared in singles, which hold all that the tile buffer
 * has. Quads that something is left of are appended to the list.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Callable, Code, ModuleBuilder } from '../../wasm/builder.ts';
import type { SamplePattern } from '../raster.ts';
import { Append, FRONT } from './list.ts';
import { COVERAGE } from './raster.ts';
import { type DepthLimit, DepthRounding, Stencil, type StencilFace } from './tests.ts';

export interface FrontEndState {
  /** Samples that the tile keeps of a pixel, and where their depth is taken. */
  readonly samples: number;
  readonly pattern: SamplePattern;
  /** Rastered samples that count, and kept ones. */
  readonly before: number;
  readonly after: number;
  /** All rastered samples stand for the only kept one. */
  readonly merged: boolean;
  /** Any rastered sample stands for all kept ones. */
  readonly spread: boolean;
  /** Neither range nor tests. */
  readonly simple: boolean;
  readonly early: boolean;
  readonly culls: boolean;
  readonly format: number;
  readonly func: number;
  readonly write: boolean;
  /** What limits depth: 0…1, the draw's range; or which end of it replaces depth. */
  readonly limit: DepthLimit;
  readonly stencil: StencilFace | undefined;
}

/** Parameters: the primitive, FRONT, and the number of quads in the coverage. */
const P = { triangle: 0, args: 1, count: 2 };

/** Tests the quads of a coverage and appends those that something is left of to the list, if it is `listed`. */
export function emitTests(m: ModuleBuilder, name: string, state: FrontEndState, listed: boolean): Callable {
  const f = m.function(name, ['i32', 'i32', 'i32'], []);
  const v = () => f.local('v128');
  const i = () => f.local('i32');
  const constant = (...words: number[]) => {
    const local = v();
    f.v128(...words).set(local);
    return local;
  };
  const [quad, coverage, x, y, at, passed, any] = [i(), i(), i(), i(), i(), i(), i()];
  const [rastered, samples, left, alive] = [v(), v(), v(), v()];
  const zero = v();
  const tests = state.simple ? undefined : new Tests(f, state, constant, { x, y, at, passed, any, alive });
  const before = constant(state.before);
  const everything = constant(2 ** state.samples - 1);
  const after = constant(state.after);
  const bits = Array.from({ length: state.samples }, (_, s) => constant(1 << s));
  const out = listed ? new Append(f, P, { x, y, at, samples }) : undefined;
  f.get(P.args).memory('i32_load', FRONT.coverage).set(coverage);
  const done = f.block();
  const again = f.loop();
  f.get(quad).get(P.count).op('i32_ge_u').brIf(done);
  f.get(coverage).get(quad).op('i32_add').tee(at).memory('i32_load8_u', COVERAGE.x).set(x);
  f.get(at).memory('i32_load8_u', COVERAGE.y).set(y);
  f.get(coverage).get(quad).i32(3).op('i32_shl').op('i32_add').memory('v128_load64_zero', COVERAGE.mask);
  f.get(quad).i32(1).op('i32_add').set(quad);
  f.op('i32x4_extend_low_i16x8_u').get(before).op('v128_and').tee(rastered);
  if (state.spread) f.get(zero).op('i32x4_ne').get(everything).op('v128_and');
  f.get(after).op('v128_and').set(samples);
  if (tests) {
    f.get(zero).set(left);
    for (let s = 0; s < state.samples; s++) {
      f.get(samples).get(bits[s]!).op('v128_and').get(zero).op('i32x4_ne').tee(alive).op('v128_any_true').if();
      tests.sample(s);
      f.get(left).get(alive).get(bits[s]!).op('v128_and').op('v128_or').set(left);
      f.end();
    }
    f.get(left).set(samples);
  } else if (state.early) {
    for (let s = 0; s < state.samples; s++) {
      f.get(passed).get(samples).get(bits[s]!).op('v128_and').get(zero).op('i32x4_ne');
      f.op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
    }
  }
  if (out) {
    f.get(samples).op('v128_any_true').op('i32_eqz').brIf(again);
    if (state.merged) f.get(rastered).get(samples).get(zero).op('i32x4_ne').op('v128_and').set(samples);
    out.quad();
  }
  f.br(again).end().end();
  out?.finish();
  f.get(P.args)
    .get(P.args)
    .memory('i32_load', FRONT.passed)
    .get(passed)
    .op('i32_add')
    .memory('i32_store', FRONT.passed);
  f.get(P.args).get(P.args).memory('i32_load', FRONT.tested).get(any).op('i32_or').memory('i32_store', FRONT.tested);
  return f;
}

interface Locals {
  readonly x: number;
  readonly y: number;
  readonly at: number;
  readonly passed: number;
  readonly any: number;
  readonly alive: number;
}

/** The tests of one sample of a quad. */
class Tests {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #locals: Locals;
  readonly #left: number;
  readonly #top: number;
  readonly #depth: number;
  readonly #stencilAt: number;
  readonly #z0: number;
  readonly #dzdx: number;
  readonly #dzdy: number;
  readonly #x0: number;
  readonly #y0: number;
  readonly #bias: number;
  readonly #low: number;
  readonly #high: number;
  readonly #low32: number;
  readonly #high32: number;
  readonly #right: number;
  readonly #zero: number;
  readonly #rounding: DepthRounding;
  readonly #step: number;
  readonly #rows: [number, number];
  readonly #whole: number;
  readonly #z: number;
  readonly #stored: number;
  readonly #passes: number;
  readonly #stencil: Stencil | undefined;

  constructor(f: Code, state: FrontEndState, constant: (...words: number[]) => number, locals: Locals) {
    this.#f = f;
    this.#state = state;
    this.#locals = locals;
    const v = () => f.local('v128');
    const splat = (offset: number) => {
      const local = v();
      f.get(P.triangle).memory('v128_load64_splat', offset).set(local);
      return local;
    };
    const double = (push: () => void) => {
      const local = v();
      push();
      f.op('f64x2_splat').set(local);
      return local;
    };
    this.#z0 = splat(PRIMITIVE.z);
    this.#dzdx = splat(PRIMITIVE.dzdx);
    this.#dzdy = splat(PRIMITIVE.dzdy);
    this.#x0 = splat(PRIMITIVE.x0);
    this.#y0 = splat(PRIMITIVE.y0);
    this.#bias = splat(PRIMITIVE.bias);
    this.#low = double(() => f.get(P.args).memory('f64_load', FRONT.low));
    this.#high = double(() => f.get(P.args).memory('f64_load', FRONT.high));
    const word = (offset: number) => {
      const local = f.local('i32');
      f.get(P.args).memory('i32_load', offset).set(local);
      return local;
    };
    this.#left = word(FRONT.left);
    this.#top = word(FRONT.top);
    this.#depth = word(FRONT.depth);
    this.#stencilAt = word(FRONT.stencil);
    this.#low32 = v();
    this.#high32 = v();
    f.get(P.args).memory('f64_load', FRONT.low).op('f32_demote_f64').op('f32x4_splat').set(this.#low32);
    f.get(P.args).memory('f64_load', FRONT.high).op('f32_demote_f64').op('f32x4_splat').set(this.#high32);
    this.#right = constant(0, 0, 0, 0x40700000);
    this.#zero = constant(0);
    this.#rounding = new DepthRounding(f, state, this.#low, this.#high);
    this.#step = double(() => f.f64(256));
    this.#rows = [v(), v()];
    this.#whole = v();
    this.#z = v();
    this.#stored = v();
    this.#passes = v();
    this.#stencil = state.early && state.stencil ? new Stencil(f, state.stencil, constant) : undefined;
  }

  /** Takes pixels that fail sample s out of `alive`. */
  sample(s: number): void {
    const f = this.#f;
    const { x, y, at, passed, any, alive } = this.#locals;
    const { pattern, early, culls, func, write } = this.#state;
    const p = pattern.count === 1 ? 0 : s;
    const [row0, row1] = this.#rows;
    const position = (from: number, inTile: number, offset: number) =>
      f.get(from).get(inTile).op('i32_add').i32(8).op('i32_shl').i32(offset).op('i32_add').op('f64_convert_i32_s');
    // dz/dx (x - x0) is the same in both rows.
    f.get(this.#z0).get(this.#dzdx);
    position(this.#left, x, pattern.x[p]!).op('f64x2_splat').get(this.#right).op('f64x2_add');
    f.get(this.#x0).op('f64x2_sub').op('f64x2_mul').op('f64x2_add').set(this.#whole);
    position(this.#top, y, pattern.y[p]!).op('f64x2_splat').set(row1);
    f.get(this.#whole).get(this.#dzdy).get(row1).get(this.#y0).op('f64x2_sub').op('f64x2_mul').op('f64x2_add');
    f.set(row0);
    f.get(this.#whole).get(this.#dzdy).get(row1).get(this.#step).op('f64x2_add').get(this.#y0).op('f64x2_sub');
    f.op('f64x2_mul').op('f64x2_add').set(row1);
    if (culls) {
      this.#singles();
      f.tee(this.#z).get(this.#low32).op('f32x4_ge').get(alive).op('v128_and');
      f.get(this.#z).get(this.#high32).op('f32x4_le').op('v128_and').set(alive);
    }
    if (!early) return;
    f.get(any).get(alive).op('v128_any_true').op('i32_or').set(any);
    for (const row of this.#rows) {
      f.get(row).get(this.#bias).op('f64x2_add').set(row);
      this.#rounding.row(row);
    }
    this.#singles();
    f.set(this.#z);
    const pixel = (): Code =>
      f
        .get(y)
        .i32(4)
        .op('i32_shl')
        .get(x)
        .op('i32_add')
        .i32(s * 256)
        .op('i32_add');
    pixel().i32(2).op('i32_shl').get(this.#depth).op('i32_add').set(at);
    f.get(at).memory('v128_load64_zero').get(at).memory('v128_load64_zero', 64).shuffle32(0, 1, 4, 5).set(this.#stored);
    if (func === FUNC.NEVER) f.get(this.#zero);
    else if (func === FUNC.ALWAYS) f.get(this.#zero).op('v128_not');
    else f.get(this.#z).get(this.#stored).op(FLOAT_COMPARE[func]!);
    f.set(this.#passes);
    this.#stencil?.test(() => pixel().get(this.#stencilAt).op('i32_add'), alive, this.#passes, this.#zero);
    f.get(this.#passes).get(alive).op('v128_and').set(alive);
    if (write) {
      f.get(this.#z).get(this.#stored).get(alive).op('v128_bitselect').set(this.#stored);
      for (const row of [0, 1] as const) {
        f.get(at)
          .get(this.#stored)
          .lane('i64x2_extract_lane', row)
          .memory('i64_store', 64 * row);
      }
    }
    f.get(passed).get(alive).op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
  }

  /** Both rows as four singles. */
  #singles(): Code {
    const [row0, row1] = this.#rows;
    return this.#f
      .get(row0)
      .op('f32x4_demote_f64x2_zero')
      .get(row1)
      .op('f32x4_demote_f64x2_zero')
      .shuffle32(0, 1, 4, 5);
  }
}
