/**
 * Emitted WebAssembly for what comes between raster and shading: sample masks, the depth range, and depth and stencil tests
 * where they come early. A part of front.ts, made for a state, so that nothing is asked for each quad.
 *
 * Depth is computed in doubles as the script does it, kept and compared in singles, which hold all that the tile buffer
 * has. Quads that something is left of are appended to the list.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Code } from '../../wasm/builder.ts';
import type { SamplePattern } from '../raster.ts';
import { type Append, FRONT, type QuadLocals } from './list.ts';
import { pushQuad, storeQuad } from './quad-rows.ts';
import { COVERAGE } from './raster.ts';
import { type DepthLimit, DepthRounding, faceKey, Stencil, type StencilFace } from './tests.ts';

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

/** The same for equal states. */
export function testKey(state: FrontEndState): string {
  const { samples, pattern, before, after, merged, spread, simple, early, culls, format, func, write, limit } = state;
  const own = `${samples} ${pattern.x} ${pattern.y} ${before} ${after} ${merged} ${spread} ${simple} ${early}`;
  return `${own} ${culls} ${format} ${func} ${write} ${limit} ${state.stencil ? faceKey(state.stencil) : ''}`;
}

/** Locals of a front end that tests use and change. */
export interface TestLocals extends QuadLocals {
  readonly args: number;
  readonly triangle: number;
  readonly left: number;
  readonly top: number;
  /** The coverage that is tested, and its quads. */
  readonly tested: number;
  readonly count: number;
  /** Samples that have passed; whether any was tested. */
  readonly passed: number;
  readonly any: number;
}

/**
 * Tests the quads of a coverage and appends those that something is left of to the list. What stays the same for all
 * primitives is made once, before their loop.
 */
export class TestCode {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals;
  readonly #append: Append | undefined;
  readonly #quad: number;
  readonly #rastered: number;
  readonly #remaining: number;
  readonly #alive: number;
  readonly #zero: number;
  readonly #before: number;
  readonly #everything: number;
  readonly #after: number;
  readonly #bits: number[];
  readonly #tests: Tests | undefined;

  /** `append`: undefined if nothing is listed. `rastered`: all samples of a pixel that raster knows. */
  constructor(f: Code, state: FrontEndState, locals: TestLocals, append: Append | undefined, rastered: number) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    this.#append = append;
    const v = () => f.local('v128');
    this.#quad = f.local('i32');
    [this.#rastered, this.#remaining, this.#alive, this.#zero] = [v(), v(), v(), v()];
    this.#before = f.held(state.before & rastered);
    this.#everything = f.held(2 ** state.samples - 1);
    this.#after = f.held(state.after);
    this.#bits = Array.from({ length: state.samples }, (_, s) => f.held(1 << s));
    this.#tests = state.simple ? undefined : new Tests(f, state, { ...locals, alive: this.#alive });
  }

  emit(): void {
    const f = this.#f;
    const { tested, count, x, y, at, samples, passed } = this.#l;
    const state = this.#state;
    const [quad, zero, alive, remaining] = [this.#quad, this.#zero, this.#alive, this.#remaining];
    f.i32(0).set(quad);
    this.#tests?.begin();
    const done = f.block();
    const again = f.loop();
    f.get(quad).get(count).op('i32_ge_u').brIf(done);
    f.get(tested).get(quad).op('i32_add').tee(at).memory('i32_load8_u', COVERAGE.x).set(x);
    f.get(at).memory('i32_load8_u', COVERAGE.y).set(y);
    f.get(tested).get(quad).i32(3).op('i32_shl').op('i32_add').memory('v128_load64_zero', COVERAGE.mask);
    f.get(quad).i32(1).op('i32_add').set(quad);
    f.op('i32x4_extend_low_i16x8_u').get(this.#before).op('v128_and').tee(this.#rastered);
    if (state.spread) f.get(zero).op('i32x4_ne').get(this.#everything).op('v128_and');
    f.get(this.#after).op('v128_and').set(samples);
    if (this.#tests) {
      this.#tests.quad();
      f.get(zero).set(remaining);
      for (let s = 0; s < state.samples; s++) {
        const bit = this.#bits[s]!;
        f.get(samples).get(bit).op('v128_and').get(zero).op('i32x4_ne').tee(alive).op('v128_any_true').if();
        this.#tests.sample(s);
        f.get(remaining).get(alive).get(bit).op('v128_and').op('v128_or').set(remaining);
        f.end();
      }
      f.get(remaining).set(samples);
    } else if (state.early) {
      for (const bit of this.#bits) {
        f.get(passed).get(samples).get(bit).op('v128_and').get(zero).op('i32x4_ne');
        f.op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
      }
    }
    if (this.#append) {
      f.get(samples).op('v128_any_true').op('i32_eqz').brIf(again);
      if (state.merged) f.get(this.#rastered).get(samples).get(zero).op('i32x4_ne').op('v128_and').set(samples);
      this.#append.quad();
    }
    f.br(again).end().end();
  }
}

/** The tests of one sample of a quad. */
class Tests {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals & { readonly alive: number };
  readonly #depth: number;
  readonly #stencilAt: number;
  readonly #z0: number;
  readonly #dzdx: number;
  readonly #dzdy: number;
  readonly #bias: number;
  readonly #low: number;
  readonly #high: number;
  readonly #low32: number;
  readonly #high32: number;
  readonly #right: number;
  readonly #zero: number;
  readonly #step: number;
  readonly #rounding: DepthRounding;
  readonly #rows: [number, number];
  /** Where the tile's corner is, seen from corner 0, at each sample: two doubles for the pixels of a row, one for the rows. */
  readonly #fromX: number[];
  readonly #fromY: number[];
  /** What the quads' upper and lower rows add to the depth, at each sample; and the row that it is of. */
  readonly #terms: (readonly [number, number])[];
  readonly #row: number;
  readonly #across: number;
  readonly #z: number;
  readonly #stored: number;
  readonly #passes: number;
  readonly #stencil: Stencil | undefined;

  constructor(f: Code, state: FrontEndState, locals: TestLocals & { readonly alive: number }) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    const v = () => f.local('v128');
    const range = (offset: number) => {
      const [wide, narrow] = [v(), v()];
      f.get(locals.args).memory('v128_load64_splat', offset).set(wide);
      f.get(locals.args).memory('f64_load', offset).op('f32_demote_f64').op('f32x4_splat').set(narrow);
      return [wide, narrow] as const;
    };
    [this.#low, this.#low32] = range(FRONT.low);
    [this.#high, this.#high32] = range(FRONT.high);
    const word = (offset: number) => {
      const local = f.local('i32');
      f.get(locals.args).memory('i32_load', offset).set(local);
      return local;
    };
    this.#depth = word(FRONT.depth);
    this.#stencilAt = word(FRONT.stencil);
    // The doubles 0 and 256; 256 and 256.
    this.#right = f.held(0, 0, 0, 0x40700000);
    this.#step = f.held(0, 0x40700000, 0, 0x40700000);
    this.#zero = f.held(0);
    [this.#z0, this.#dzdx, this.#dzdy, this.#bias] = [v(), v(), v(), v()];
    this.#rounding = new DepthRounding(f, state, this.#low, this.#high);
    this.#rows = [v(), v()];
    const { count } = state.pattern;
    this.#fromX = Array.from({ length: count }, v);
    this.#fromY = Array.from({ length: count }, v);
    this.#terms = Array.from({ length: count }, () => [v(), v()] as const);
    this.#row = f.local('i32');
    [this.#across, this.#z, this.#stored, this.#passes] = [v(), v(), v(), v()];
    this.#stencil = state.early && state.stencil ? new Stencil(f, state.stencil) : undefined;
  }

  /** Takes a primitive up. */
  begin(): void {
    const f = this.#f;
    const { triangle, left, top } = this.#l;
    for (const [local, offset] of [
      [this.#z0, PRIMITIVE.z],
      [this.#dzdx, PRIMITIVE.dzdx],
      [this.#dzdy, PRIMITIVE.dzdy],
      [this.#bias, PRIMITIVE.bias],
    ] as const) {
      f.get(triangle).memory('v128_load64_splat', offset).set(local);
    }
    const { pattern } = this.#state;
    // Positions are integers: whatever order they are added in, nothing is rounded.
    const from = (tile: number, offset: number, corner: number) => {
      f.get(tile).i32(8).op('i32_shl').i32(offset).op('i32_add').op('f64_convert_i32_s');
      f.get(triangle).memory('f64_load', corner).op('f64_sub').op('f64x2_splat');
    };
    for (let p = 0; p < pattern.count; p++) {
      from(left, pattern.x[p]!, PRIMITIVE.x0);
      f.get(this.#right).op('f64x2_add').set(this.#fromX[p]!);
      from(top, pattern.y[p]!, PRIMITIVE.y0);
      f.set(this.#fromY[p]!);
    }
    f.i32(-1).set(this.#row);
  }

  /** Takes a quad up: quads come row by row, and what a row adds is kept for it. */
  quad(): void {
    const f = this.#f;
    const { x, y } = this.#l;
    const quarter = (local: number) => f.get(local).i32(8).op('i32_shl').op('f64_convert_i32_s').op('f64x2_splat');
    f.get(y).get(this.#row).op('i32_ne').if();
    f.get(y).set(this.#row);
    for (const [p, [upper, lower]] of this.#terms.entries()) {
      quarter(y).get(this.#fromY[p]!).op('f64x2_add').tee(lower);
      f.get(this.#dzdy).op('f64x2_mul').set(upper);
      f.get(lower).get(this.#step).op('f64x2_add').get(this.#dzdy).op('f64x2_mul').set(lower);
    }
    f.end();
    quarter(x).set(this.#across);
  }

  /** Takes pixels that fail sample s out of `alive`. */
  sample(s: number): void {
    const f = this.#f;
    const { x, y, at, passed, any, alive } = this.#l;
    const { pattern, early, culls, func, write } = this.#state;
    const p = pattern.count === 1 ? 0 : s;
    const [row0, row1] = this.#rows;
    f.get(this.#z0).get(this.#dzdx).get(this.#across).get(this.#fromX[p]!).op('f64x2_add').op('f64x2_mul');
    f.op('f64x2_add').tee(row1).get(this.#terms[p]![0]).op('f64x2_add').set(row0);
    f.get(row1).get(this.#terms[p]![1]).op('f64x2_add').set(row1);
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
    pushQuad(f, at, 0, 64).set(this.#stored);
    if (func === FUNC.NEVER) f.get(this.#zero);
    else if (func === FUNC.ALWAYS) f.get(this.#zero).op('v128_not');
    else f.get(this.#z).get(this.#stored).op(FLOAT_COMPARE[func]!);
    f.set(this.#passes);
    this.#stencil?.test(() => pixel().get(this.#stencilAt).op('i32_add'), alive, this.#passes, this.#zero);
    f.get(this.#passes).get(alive).op('v128_and').set(alive);
    if (write) {
      f.get(this.#z).get(this.#stored).get(alive).op('v128_bitselect').set(this.#stored);
      storeQuad(f, at, this.#stored, 0, 64);
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
