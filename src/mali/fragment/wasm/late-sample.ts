/**
 * The tests of one sample of a quad after shading: depth, from the shader or the quad's primitive (depth-plane.ts), and stencil; what
 * passes is counted and written. late.ts has what surrounds them.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import { STAGE } from '../../recompiler/frame.ts';
import type { Code } from '../../wasm/builder.ts';
import { type SamplePattern, TILE, TILE_PIXELS } from '../raster.ts';
import { pushBias, pushDepthBase, pushDepthSteps, toCenter } from './depth-plane.ts';
import { pushQuad, storeQuad } from './quad-rows.ts';
import { WARP } from './raster.ts';
import { type DepthLimit, DepthRounding, Stencil, type StencilFace } from './tests.ts';

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

/** Parameters of the function around it. */
export const CORE = { stage: 0, quad: 1, given: 2, samples: 3, lanes: 4 } as const;

export interface SampleLocals {
  readonly warp: number;
  readonly at: number;
  readonly pixel: number;
  readonly primitive: number;
  readonly alive: number;
  readonly passes: number;
  readonly z: number;
  readonly stored: number;
  readonly zero: number;
}

/** The tests of one sample of a quad. */
export class Sample {
  readonly #f: Code;
  readonly #state: LateState;
  readonly #l: SampleLocals;
  readonly #rounding: DepthRounding;
  readonly #stencils: readonly Stencil[];

  constructor(f: Code, state: LateState, locals: SampleLocals) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    const range = (offset: number): number => {
      const local = f.local('v128');
      f.get(CORE.stage).memory('f64_load', offset).op('f32_demote_f64').op('f32x4_splat').set(local);
      return local;
    };
    this.#rounding = new DepthRounding(f, state, range(STAGE.low), range(STAGE.high));
    this.#stencils = (state.stencil ?? []).map((face) => {
      if (!state.stencilFromShader) return new Stencil(f, face);
      // Its own: what the shader gives takes its place.
      const reference = f.local('v128');
      f.v128(face.reference).set(reference);
      f.get(CORE.given).i32(GIVEN.STENCIL).op('i32_and').if();
      f.get(locals.warp)
        .memory('v128_load', WARP.colour + 64)
        .i32(255)
        .op('i32x4_splat')
        .op('v128_and')
        .set(reference);
      f.end();
      return new Stencil(f, face, reference);
    });
  }

  /** Takes pixels that fail sample s out of `alive`. */
  emit(s: number): void {
    const f = this.#f;
    const { alive, passes, z, stored, zero, at, pixel, primitive } = this.#l;
    const { func, write } = this.#state;
    // Whether depth or stencil may have been written, and what has passed.
    f.get(CORE.stage).memory('i32_load', STAGE.flags);
    f.get(CORE.stage).memory('i32_load', STAGE.flags).memory('i32_load', 4);
    f.get(CORE.stage).memory('i32_load', STAGE.touchDepth).op('i32_or').memory('i32_store', 4);
    this.#depth(s);
    this.#rounding.round(z);
    f.get(CORE.stage).memory('i32_load', STAGE.depth).get(pixel).i32(2).op('i32_shl').op('i32_add').set(at);
    const plane = 4 * TILE_PIXELS * s;
    pushQuad(f, at, plane, 4 * TILE).set(stored);
    if (func === FUNC.NEVER) f.get(zero);
    else if (func === FUNC.ALWAYS) f.get(zero).op('v128_not');
    else f.get(z).get(stored).op(FLOAT_COMPARE[func]!);
    f.set(passes);
    const place = () =>
      f
        .get(CORE.stage)
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
      storeQuad(f, at, stored, plane, 4 * TILE);
    }
    f.get(CORE.stage).get(CORE.stage).memory('i64_load', STAGE.passed);
    f.get(alive).op('i32x4_bitmask').op('i32_popcnt').op('i64_extend_i32_u').op('i64_add');
    f.memory('i64_store', STAGE.passed);
  }

  /** Fills z with depths: the shader's, or the triangle's with its bias. */
  #depth(s: number): void {
    const f = this.#f;
    const { warp, z, primitive } = this.#l;
    const { pattern } = this.#state;
    const p = pattern.count === 1 ? 0 : s;
    f.get(CORE.given).i32(GIVEN.DEPTH).op('i32_and').if();
    f.get(warp).memory('v128_load', WARP.colour).set(z);
    f.else();
    const window = (offset: number) => () =>
      toCenter(f.get(CORE.stage).get(CORE.quad).op('i32_add').memory('i32_load', offset));
    pushDepthBase(f, primitive, window(STAGE.x), window(STAGE.y));
    pushDepthSteps(f, primitive, pattern.x[p]!, pattern.y[p]!).op('f32x4_add');
    pushBias(f, primitive).op('f32x4_add').set(z);
    f.end();
  }
}
