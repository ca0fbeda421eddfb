/**
 * Emitted WebAssembly for what comes between raster and shading: sample masks, the depth range, and depth and stencil tests
 * where they come early. A part of front.ts, made for a state, so that nothing is asked for each quad.
 *
 * Depths are singles (depth-plane.ts says from where on), as are those that the tile buffer has. Quads that something is left of
 * are appended to the list.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Code, Label } from '../../wasm/builder.ts';
import { type SamplePattern, TILE, TILE_PIXELS } from '../raster.ts';
import { pushBias, pushDepthSteps, pushStep, toCenter } from './depth-plane.ts';
import { type Append, FRONT } from './list.ts';
import { pushQuad, storeQuad } from './quad-rows.ts';
import type { CoveredQuad } from './raster.ts';
import { type DepthLimit, DepthRounding, faceKey, Stencil, type StencilFace } from './tests.ts';

const TILE_SHIFT = Math.log2(TILE);

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
  /** Samples that pass are counted. */
  readonly counted: boolean;
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
  const { samples, pattern, before, after, merged, spread, simple, early, counted, culls, format, func, write, limit } =
    state;
  const own = `${samples} ${pattern.x} ${pattern.y} ${before} ${after} ${merged} ${spread} ${simple} ${early} ${counted}`;
  return `${own} ${culls} ${format} ${func} ${write} ${limit} ${state.stencil ? faceKey(state.stencil) : ''}`;
}

/** Locals of a front end that tests use and change. */
export interface TestLocals extends CoveredQuad {
  readonly args: number;
  readonly triangle: number;
  readonly left: number;
  readonly top: number;
  /** Samples that have passed; what was tested, in lanes. */
  readonly passed: number;
  readonly any: number;
}

/**
 * Tests quads and appends those that something is left of to the list. What stays the same for all
 * primitives is made once, before their loop.
 */
export class TestCode {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals;
  readonly #append: Append | undefined;
  readonly #rastered: number;
  readonly #remaining: number;
  readonly #alive: number;
  readonly #zero: number;
  /** Rastered samples that count; and where they are the kept ones, those of them that stay. */
  readonly all: number;
  readonly #kept: number;
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
    [this.#rastered, this.#remaining, this.#alive] = [v(), v(), v()];
    this.#zero = f.held(0);
    this.all = state.before & state.after & rastered;
    this.#kept = f.held(this.all);
    this.#before = f.held(state.before & rastered);
    this.#everything = f.held(2 ** state.samples - 1);
    this.#after = f.held(state.after);
    this.#bits = Array.from({ length: state.samples }, (_, s) => f.held(1 << s));
    this.#tests = state.simple ? undefined : new Tests(f, state, { ...locals, alive: this.#alive });
  }

  /** Whether what raster says is listed as it is, less some samples. */
  get #plain(): boolean {
    return !this.#state.spread && !this.#state.merged;
  }

  /** Whether a quad all of whose samples are covered is listed with `all` of them, whatever else there is. */
  get unasked(): boolean {
    const { simple, early, counted } = this.#state;
    return simple && this.#plain && this.all !== 0 && !(early && counted);
  }

  /** Takes a primitive up. */
  begin(): void {
    this.#tests?.begin();
  }

  /** Tests a quad and appends it; what is not appended may leave by `next`. */
  quad(next: Label): void {
    const f = this.#f;
    const { samples } = this.#l;
    if (this.#plain) f.get(samples).get(this.#kept).op('v128_and').set(samples);
    else {
      f.get(samples).get(this.#before).op('v128_and').tee(this.#rastered);
      if (this.#state.spread) f.get(this.#zero).op('i32x4_ne').get(this.#everything).op('v128_and');
      f.get(this.#after).op('v128_and').set(samples);
    }
    this.#samples();
    if (!this.#append) return;
    if (this.#state.merged) {
      f.get(this.#rastered).get(samples).get(this.#zero).op('i32x4_ne').op('v128_and').set(samples);
    }
    this.#append.quad(next);
  }

  /** Tests the samples of a quad, or counts them. */
  #samples(): void {
    const f = this.#f;
    const { samples, passed } = this.#l;
    const { early, counted, samples: count } = this.#state;
    const [alive, remaining, zero] = [this.#alive, this.#remaining, this.#zero];
    const tests = this.#tests;
    if (!tests) {
      for (const bit of early && counted ? this.#bits : []) {
        f.get(passed).get(samples).get(bit).op('v128_and').get(zero).op('i32x4_ne');
        f.op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
      }
      return;
    }
    tests.quad();
    if (count === 1) {
      // A single sample is all that a mask can hold.
      f.get(samples).get(zero).op('i32x4_gt_s').set(alive);
      tests.sample(0);
      f.get(alive).get(this.#bits[0]!).op('v128_and').set(samples);
      return;
    }
    f.get(zero).set(remaining);
    for (let s = 0; s < count; s++) {
      const bit = this.#bits[s]!;
      f.get(samples).get(bit).op('v128_and').get(zero).op('i32x4_ne').tee(alive).op('v128_any_true').if();
      tests.sample(s);
      f.get(remaining).get(alive).get(bit).op('v128_and').op('v128_or').set(remaining);
      f.end();
    }
    f.get(remaining).set(samples);
  }
}

/** The tests of one sample of a quad. */
class Tests {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals & { readonly alive: number };
  readonly #depth: number;
  readonly #stencilAt: number;
  /** Doubles: the plane; the centre of the tile's first pixel, in the window and seen from the plane's origin. */
  readonly #z0: number;
  readonly #dzdx: number;
  readonly #dzdy: number;
  readonly #centerX: number;
  readonly #centerY: number;
  readonly #fromX: number;
  readonly #fromY: number;
  /** Singles: the plane at the quad; from there to each sample; the bias; the draw's range. */
  readonly #base: number;
  readonly #steps: number[];
  readonly #bias: number;
  readonly #low: number;
  readonly #high: number;
  readonly #zero: number;
  readonly #rounding: DepthRounding;
  readonly #z: number;
  readonly #stored: number;
  readonly #passes: number;
  readonly #stencil: Stencil | undefined;
  /** Where the quad's depths are. */
  readonly #at: number;

  constructor(f: Code, state: FrontEndState, locals: TestLocals & { readonly alive: number }) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    const v = () => f.local('v128');
    const range = (offset: number) => {
      const local = v();
      f.get(locals.args).memory('f64_load', offset).op('f32_demote_f64').op('f32x4_splat').set(local);
      return local;
    };
    this.#low = range(FRONT.low);
    this.#high = range(FRONT.high);
    const word = (offset: number) => {
      const local = f.local('i32');
      f.get(locals.args).memory('i32_load', offset).set(local);
      return local;
    };
    this.#depth = word(FRONT.depth);
    this.#stencilAt = word(FRONT.stencil);
    this.#zero = f.held(0);
    const d = () => f.local('f64');
    [this.#z0, this.#dzdx, this.#dzdy, this.#fromX, this.#fromY] = [d(), d(), d(), d(), d()];
    [this.#centerX, this.#centerY] = [d(), d()];
    toCenter(f.get(locals.left)).set(this.#centerX);
    toCenter(f.get(locals.top)).set(this.#centerY);
    [this.#base, this.#bias, this.#z, this.#stored, this.#passes] = [v(), v(), v(), v(), v()];
    this.#steps = Array.from({ length: state.pattern.count }, v);
    this.#at = f.local('i32');
    this.#rounding = new DepthRounding(f, state, this.#low, this.#high);
    this.#stencil = state.early && state.stencil ? new Stencil(f, state.stencil) : undefined;
  }

  /** Takes a primitive up. */
  begin(): void {
    const f = this.#f;
    const { triangle } = this.#l;
    for (const [local, offset] of [
      [this.#z0, PRIMITIVE.z],
      [this.#dzdx, PRIMITIVE.dzdx],
      [this.#dzdy, PRIMITIVE.dzdy],
    ] as const) {
      f.get(triangle).memory('f64_load', offset).set(local);
    }
    pushBias(f, triangle).set(this.#bias);
    // Positions are integers: whatever order they are added in, nothing is rounded.
    for (const [local, center, origin] of [
      [this.#fromX, this.#centerX, PRIMITIVE.originX],
      [this.#fromY, this.#centerY, PRIMITIVE.originY],
    ] as const) {
      f.get(center).get(triangle).memory('f64_load', origin).op('f64_sub').set(local);
    }
    const { pattern } = this.#state;
    for (const [p, local] of this.#steps.entries()) {
      pushDepthSteps(f, triangle, pattern.x[p]!, pattern.y[p]!).set(local);
    }
  }

  /** Takes a quad up. */
  quad(): void {
    const f = this.#f;
    const { pixel } = this.#l;
    pushStep(f, () => f.get(pixel).i32(TILE_SHIFT).op('i32_shr_u'));
    f.get(this.#fromY).op('f64_add').get(this.#dzdy).op('f64_mul').get(this.#z0).op('f64_add');
    pushStep(f, () =>
      f
        .get(pixel)
        .i32(TILE - 1)
        .op('i32_and'),
    );
    f.get(this.#fromX).op('f64_add').get(this.#dzdx).op('f64_mul').op('f64_add');
    f.op('f32_demote_f64').op('f32x4_splat').set(this.#base);
    if (!this.#state.early) return;
    f.get(pixel).i32(2).op('i32_shl').get(this.#depth).op('i32_add').set(this.#at);
  }

  /** Takes pixels that fail sample s out of `alive`. */
  sample(s: number): void {
    const f = this.#f;
    const { pixel, passed, any, alive } = this.#l;
    const { pattern, early, counted, culls, func, write } = this.#state;
    const [z, at] = [this.#z, this.#at];
    f.get(this.#base)
      .get(this.#steps[pattern.count === 1 ? 0 : s]!)
      .op('f32x4_add')
      .set(z);
    if (culls) {
      f.get(z).get(this.#low).op('f32x4_ge').get(alive).op('v128_and');
      f.get(z).get(this.#high).op('f32x4_le').op('v128_and').set(alive);
    }
    if (!early) return;
    f.get(any).get(alive).op('v128_or').set(any);
    f.get(z).get(this.#bias).op('f32x4_add').set(z);
    this.#rounding.round(z);
    const plane = s * TILE_PIXELS;
    const [first, second] = [plane * 4, (plane + TILE) * 4];
    if (func !== FUNC.NEVER && (func !== FUNC.ALWAYS || write)) {
      pushQuad(f, at, first, second - first).set(this.#stored);
    }
    if (func === FUNC.NEVER) f.get(this.#zero);
    else if (func === FUNC.ALWAYS) f.get(this.#zero).op('v128_not');
    else f.get(z).get(this.#stored).op(FLOAT_COMPARE[func]!);
    f.set(this.#passes);
    const pushAddress = () => f.get(pixel).get(this.#stencilAt).op('i32_add').i32(plane).op('i32_add');
    this.#stencil?.test(pushAddress, alive, this.#passes, this.#zero);
    f.get(this.#passes).get(alive).op('v128_and').set(alive);
    if (write && func !== FUNC.NEVER) {
      f.get(z).get(this.#stored).get(alive).op('v128_bitselect').set(this.#stored);
      storeQuad(f, at, this.#stored, first, second - first);
    }
    if (counted) f.get(passed).get(alive).op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
  }
}
