/**
 * LateTests: depth and stencil of a warp where they are tested after, or in the midst of, the shader, and the coverage that
 * ATEST and ZS_EMIT leave.
 *
 * The test comes at ATEST, or at ZS_EMIT if the shader gives depth or stencil, or at the first colour if it did neither. A
 * lane's late test happens once; a program that ends without any of these leaves depth and stencil alone, as a discarded
 * lane does.
 * This is the script; wasm/late.ts emits the same from `emitted`.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_fragment_out), `src/panfrost/lib/pan_earlyzs.c`.
 */
import { LANES, type Warp } from '../shader/contract.ts';
import { biasedDepth } from './depth-stencil.ts';
import type { DrawState } from './draw-state.ts';
import { TILE_PIXELS } from './raster.ts';
import { NOT_TESTED, type StageWarp } from './stage-warp.ts';
import type { LateState } from './wasm/late-sample.ts';

export class LateTests {
  readonly #state: DrawState;
  readonly #warp: StageWarp;

  constructor(state: DrawState, warp: StageWarp) {
    this.#state = state;
    this.#warp = warp;
  }

  /** What emitted code is made from. */
  get emitted(): LateState {
    const { framebuffer, depthPattern, merged, early, test, byAlpha, draw } = this.#state;
    const front = test.emitted(false);
    const back = test.emitted(true);
    const { format, func, write, limit } = front;
    return {
      samples: framebuffer.samples,
      pattern: depthPattern,
      merged,
      early,
      fromShader: !early && test.fromShader,
      stencilFromShader: test.stencilFromShader,
      byAlpha: !byAlpha ? 'no' : draw.alphaToCoverageInvert ? 'first' : 'last',
      format,
      func,
      write,
      limit,
      stencil: front.stencil && back.stencil ? [front.stencil, back.stencil] : undefined,
    };
  }

  /** What is left of a lane's kept samples after the late test, which is made now if it was not. `stencil` -1: none. */
  left(lane: number, samples: number, depth: number | undefined, stencil: number): number {
    const state = this.#state;
    const warp = this.#warp;
    samples &= warp.coverage[lane]!;
    if (state.merged) samples = state.kept(samples);
    if (state.early) return samples;
    const tested = warp.tested[lane]!;
    if (tested !== NOT_TESTED) return samples & tested;
    let left = 0;
    for (let s = 0; s < state.framebuffer.samples; s++) {
      if (!(samples & (1 << s))) continue;
      const z = depth ?? biasedDepth(warp.depth(lane, s), warp.bias(lane));
      state.touchDepth();
      const at = s * TILE_PIXELS + warp.pixel[lane]!;
      if (!state.test.test(at, state.test.final(z), warp.backFacing(lane), stencil, true)) continue;
      state.passed++;
      left |= 1 << s;
    }
    warp.tested[lane] = left;
    return left;
  }

  /** The same, as coverage for the shader: of merged samples all are left, or none. */
  #coverage(lane: number, samples: number, depth: number | undefined, stencil: number): number {
    const left = this.left(lane, samples, depth, stencil);
    return this.#state.merged && left !== 0 ? samples & this.#warp.coverage[lane]! : left;
  }

  alphaTest(warp: Warp, mask: number, coverage: Int32Array, alpha: Float32Array, out: Int32Array): void {
    const { draw, framebuffer, early, merged, test, byAlpha } = this.#state;
    const { samples } = framebuffer;
    const own = this.#warp.coverage;
    if (early && !merged && !byAlpha) {
      for (let lane = 0; lane < LANES; lane++) if (mask & (1 << lane)) out[lane] = coverage[lane]! & own[lane]!;
      return;
    }
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      let covered = coverage[lane]! & own[lane]!;
      if (byAlpha) {
        const a = alpha[lane]!;
        const n = Math.round((a > 0 ? Math.min(a, 1) : 0) * samples);
        covered &= draw.alphaToCoverageInvert ? ~(2 ** (samples - n) - 1) : 2 ** n - 1;
      }
      const gone = (warp.discarded & (1 << lane)) !== 0;
      if (gone) out[lane] = covered;
      else if (!early && test.fromShader) {
        own[lane] = covered;
        out[lane] = covered;
      } else out[lane] = this.#coverage(lane, covered, undefined, -1);
    }
  }

  emitDepthStencil(
    warp: Warp,
    mask: number,
    coverage: Int32Array,
    depth: Float32Array | undefined,
    stencil: Int32Array | undefined,
    out: Int32Array,
  ): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      out[lane] =
        warp.discarded & (1 << lane)
          ? coverage[lane]!
          : this.#coverage(lane, coverage[lane]!, depth?.[lane], stencil ? stencil[lane]! & 0xff : -1);
    }
  }
}
