/**
 * Interpolation: the weights of a warp's vertices, and the positions that shaders ask for, where each lane samples.
 *
 * Positions are in 1/256 pixel of the window. Weights are singles, as recompiler/weights.ts computes them.
 */
import { LANES, type LaneVectors, type SampleMode } from '../shader/contract.ts';
import { biasedDepth } from './depth-stencil.ts';
import type { Framebuffer } from './framebuffer.ts';
import { CENTER, SUBPIXEL } from './raster.ts';
import type { StageWarp } from './stage-warp.ts';

export class Interpolation {
  readonly #warp: StageWarp;
  readonly #framebuffer: Framebuffer;
  readonly #weights = new Float64Array(2);
  #py = 0;

  constructor(warp: StageWarp, framebuffer: Framebuffer) {
    this.#warp = warp;
    this.#framebuffer = framebuffer;
  }

  /** Position that `mode` asks for: x; y is left in #py. */
  #position(lane: number, mode: SampleMode, source: number): number {
    const x = this.#warp.x[lane]! * SUBPIXEL;
    const y = this.#warp.y[lane]! * SUBPIXEL;
    const { pattern } = this.#framebuffer;
    if (mode === 'explicit') {
      this.#py = y + (source >> 16);
      return x + ((source << 16) >> 16);
    }
    let sample = -1;
    if (mode === 'sample') sample = Math.min((source >>> 16) & 0x1f, pattern.count - 1);
    else if (mode === 'centroid') {
      const covered = this.#warp.coverage[lane]!;
      if (covered !== 0 && covered !== 2 ** pattern.count - 1) sample = 31 - Math.clz32(covered & -covered);
    }
    if (sample < 0 || pattern.count === 1 || sample >= pattern.count) {
      this.#py = y + CENTER.y[0]!;
      return x + CENTER.x[0]!;
    }
    this.#py = y + pattern.y[sample]!;
    return x + pattern.x[sample]!;
  }

  barycentrics(mask: number, mode: SampleMode, source: Int32Array, out: Float32Array): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      // A point's planes are its coordinate.
      if (this.#warp.primitives[lane >> 2]!.count === 1) continue;
      const x = this.#position(lane, mode, source[lane]!);
      this.#warp.triangle(lane).weights(x, this.#py, this.#weights);
      out[lane] = this.#weights[0]!;
      out[LANES + lane] = this.#weights[1]!;
    }
  }

  special(mask: number, what: 'point' | 'w' | 'z', mode: SampleMode, source: Int32Array, out: LaneVectors): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const x = this.#position(lane, mode, source[lane]!);
      const y = this.#py;
      const triangle = this.#warp.triangle(lane);
      if (what === 'w') out.f32[lane] = triangle.inverseW(x, y);
      else if (what === 'z') out.f32[lane] = biasedDepth(triangle.depth(x, y), this.#warp.bias(lane));
      else {
        this.#weights.fill(0);
        if (this.#warp.primitives[lane >> 2]!.count === 1) triangle.weights(x, y, this.#weights);
        const t = this.#weights[1]!;
        out.f32[lane] = this.#weights[0]!;
        out.f32[LANES + lane] = this.#framebuffer.parameters.pointSpriteCoordOriginMaxY ? 1 - t : t;
      }
    }
  }
}
