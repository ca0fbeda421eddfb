/**
 * Emitted depth and stencil tests of a quad's samples, before shading: a part of depth.ts.
 *
 * Where the plane of depth is at the quads of a block is found for all of them at once and kept in scratch memory.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import { scratch } from '../../engine/scratch.ts';
import type { Code } from '../../wasm/builder.ts';
import { SUBPIXEL, TILE, TILE_PIXELS } from '../raster.ts';
import { BLOCK } from './block-words.ts';
import type { FrontEndState, TestLocals } from './depth.ts';
import { pushBias, pushDepthSteps, pushStep, toCenter } from './depth-plane.ts';
import { FRONT } from './list.ts';
import { pushQuad, storeQuad } from './quad-rows.ts';
import type { CoveredBlock } from './raster.ts';
import { DepthRounding, Stencil } from './tests.ts';

const VECTOR_BYTES = 16;
const ROWS = BLOCK / 2;
/** The plane at the quads of the block in work: a single each, row by row. */
export const planeOfBlock = scratch.fixed('raster plane', ROWS * VECTOR_BYTES);

export class QuadTests {
  /** Singles: from the plane at the quad to each sample; the bias; the draw's range. */
  readonly steps: readonly number[];
  readonly bias: number;
  readonly low: number;
  readonly high: number;
  readonly rounding: DepthRounding;
  /** The plane at the quads of the block in work, row by row. */
  readonly rows: readonly number[];
  /** Scratch address of the tile's depths. */
  readonly depth: number;
  /** Doubles: the plane's slopes and its value at the origin. */
  readonly z0: number;
  readonly dzdx: number;
  readonly dzdy: number;
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals & { readonly alive: number };
  readonly #stencilAt: number;
  /** Doubles: the centre of the tile's first pixel, in the window and seen from the plane's origin. */
  readonly #centerX: number;
  readonly #centerY: number;
  readonly #fromX: number;
  readonly #fromY: number;
  readonly #base: number;
  readonly #zero: number;
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
    this.low = range(FRONT.low);
    this.high = range(FRONT.high);
    const word = (offset: number) => {
      const local = f.local('i32');
      f.get(locals.args).memory('i32_load', offset).set(local);
      return local;
    };
    this.depth = word(FRONT.depth);
    this.#stencilAt = word(FRONT.stencil);
    this.#zero = f.held(0);
    [this.z0, this.dzdx, this.dzdy, this.#fromX, this.#fromY] = f.locals('f64', 5);
    [this.#centerX, this.#centerY] = f.locals('f64', 2);
    toCenter(f.get(locals.left)).set(this.#centerX);
    toCenter(f.get(locals.top)).set(this.#centerY);
    [this.#base, this.bias, this.#z, this.#stored, this.#passes] = [v(), v(), v(), v(), v()];
    this.steps = Array.from({ length: state.pattern.count }, v);
    this.rows = Array.from({ length: ROWS }, v);
    this.#at = f.local('i32');
    this.rounding = new DepthRounding(f, state, this.low, this.high);
    this.#stencil = state.early && state.stencil ? new Stencil(f, state.stencil) : undefined;
  }

  /** Takes a primitive up. */
  begin(): void {
    const f = this.#f;
    const { triangle } = this.#l;
    for (const [local, offset] of [
      [this.z0, PRIMITIVE.z],
      [this.dzdx, PRIMITIVE.dzdx],
      [this.dzdy, PRIMITIVE.dzdy],
    ] as const) {
      f.get(triangle).memory('f64_load', offset).set(local);
    }
    pushBias(f, triangle).set(this.bias);
    // Positions are integers: whatever order they are added in, nothing is rounded.
    for (const [local, center, origin] of [
      [this.#fromX, this.#centerX, PRIMITIVE.originX],
      [this.#fromY, this.#centerY, PRIMITIVE.originY],
    ] as const) {
      f.get(center).get(triangle).memory('f64_load', origin).op('f64_sub').set(local);
    }
    const { pattern } = this.#state;
    for (const [p, local] of this.steps.entries()) {
      pushDepthSteps(f, triangle, pattern.x[p]!, pattern.y[p]!).set(local);
    }
  }

  /** Takes a block up: finds the plane at its quads, in doubles, row by row and then along the row. */
  block({ x, y }: CoveredBlock): void {
    const f = this.#f;
    const [from, low, high, top, bottom] = f.locals('v128', 5);
    const quads = [0, 1, 2, 3].map((n) => n * 2 * SUBPIXEL);
    const axis = (place: number, origin: number, slope: number, to: readonly [number, number], plus?: number) => {
      pushStep(f, () => f.get(place))
        .get(origin)
        .op('f64_add')
        .op('f64x2_splat')
        .set(from);
      for (const [half, local] of to.entries()) {
        f.get(from)
          .get(f.doubles(quads[half * 2]!, quads[half * 2 + 1]!))
          .op('f64x2_add');
        f.get(slope).op('f64x2_splat').op('f64x2_mul');
        if (plus !== undefined) f.get(plus).op('f64x2_splat').op('f64x2_add');
        f.set(local);
      }
    };
    axis(x, this.#fromX, this.dzdx, [low, high]);
    axis(y, this.#fromY, this.dzdy, [top, bottom], this.z0);
    for (const [n, row] of this.rows.entries()) {
      const half = n < 2 ? top : bottom;
      f.get(half).get(half);
      if (n % 2 === 0) f.shuffle32(0, 1, 0, 1);
      else f.shuffle32(2, 3, 2, 3);
      f.set(from);
      f.get(from).get(low).op('f64x2_add').op('f32x4_demote_f64x2_zero');
      f.get(from).get(high).op('f64x2_add').op('f32x4_demote_f64x2_zero').shuffle32(0, 1, 4, 5).set(row);
      f.i32(planeOfBlock)
        .get(row)
        .memory('v128_store', n * VECTOR_BYTES);
    }
  }

  /** Takes a quad of the block up. `shift`: four times its number. */
  quad(shift: number): void {
    const f = this.#f;
    f.get(shift).memory('v128_load32_splat', planeOfBlock).set(this.#base);
    if (!this.#state.early) return;
    f.get(this.#l.pixel).i32(2).op('i32_shl').get(this.depth).op('i32_add').set(this.#at);
  }

  /** Takes pixels that fail sample s out of `alive`. */
  sample(s: number): void {
    const f = this.#f;
    const { pixel, passed, any, alive } = this.#l;
    const { pattern, early, counted, culls, func, write } = this.#state;
    const [z, at] = [this.#z, this.#at];
    f.get(this.#base)
      .get(this.steps[pattern.count === 1 ? 0 : s]!)
      .op('f32x4_add')
      .set(z);
    if (culls) {
      f.get(z).get(this.low).op('f32x4_ge').get(alive).op('v128_and');
      f.get(z).get(this.high).op('f32x4_le').op('v128_and').set(alive);
    }
    if (!early) return;
    f.get(any).get(alive).op('v128_or').set(any);
    f.get(z).get(this.bias).op('f32x4_add').set(z);
    this.rounding.round(z);
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
