/**
 * EarlyTests: what a draw does to the coverage of a primitive before it is shaded: sample masks, the depth range, and depth
 * and stencil tests where they come early. This is the script; wasm/depth.ts emits the same from `emitted`.
 */
import { OCCLUSION_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { biasedDepth } from './depth-stencil.ts';
import type { DrawState } from './draw-state.ts';
import { type Coverage, TILE, TILE_PIXELS, Triangle } from './raster.ts';
import type { FrontEndState } from './wasm/depth.ts';

export class EarlyTests {
  readonly #state: DrawState;
  readonly #triangle = new Triangle(0);
  /** Rastered samples that count, and kept ones. */
  readonly #before: number;
  readonly #after: number;
  /** Neither range nor tests. */
  readonly #simple: boolean;

  constructor(state: DrawState) {
    this.#state = state;
    const { draw, framebuffer, merged, test, early } = state;
    const everything = 2 ** framebuffer.samples - 1;
    this.#before = merged ? draw.sampleMask : 0xffff;
    this.#after = merged ? everything : draw.sampleMask & everything;
    this.#simple = test.trivial || (!early && !test.culls);
  }

  /** What emitted code is made from, for one face. */
  emitted(backFacing: boolean): FrontEndState {
    const { framebuffer, merged, pattern, depthPattern, early, test, draw } = this.#state;
    return {
      samples: framebuffer.samples,
      pattern: depthPattern,
      before: this.#before,
      after: this.#after,
      merged,
      spread: pattern.count !== framebuffer.samples,
      simple: this.#simple,
      early,
      counted: draw.occlusionQuery !== OCCLUSION_MODE.DISABLED,
      ...test.emitted(backFacing),
    };
  }

  /**
   * Takes samples of a primitive out of `coverage` that are masked, outside the depth range, or fail. (left, top): the
   * tile's corner.
   */
  run(primitive: number, coverage: Coverage, left: number, top: number): void {
    this.#triangle.at = primitive;
    const { merged, early } = this.#state;
    for (let i = 0; i < coverage.count * 4; i++) {
      const rastered = coverage.mask[i]! & this.#before;
      let samples = this.#state.kept(rastered) & this.#after;
      if (samples !== 0 && !this.#simple) {
        const quad = i >> 2;
        const x = coverage.x[quad]! + (i & 1);
        const y = coverage.y[quad]! + ((i >> 1) & 1);
        samples = this.#test(samples, left + x, top + y, y * TILE + x);
      } else if (samples !== 0 && early) this.#state.passed += bitCount(samples);
      coverage.mask[i] = merged && samples !== 0 ? rastered : samples;
    }
  }

  #test(samples: number, x: number, y: number, pixel: number): number {
    const { framebuffer, early, test, depthPattern } = this.#state;
    const { at } = this.#triangle;
    const bias = scratch.f64[(at + PRIMITIVE.bias) / 8]!;
    const backFacing = scratch.u32[(at + PRIMITIVE.flags) / 4] !== 0;
    let left = 0;
    for (let s = 0; s < framebuffer.samples; s++) {
      if (!(samples & (1 << s))) continue;
      const z = this.#triangle.depthAt(x, y, depthPattern, s);
      if (!test.inRange(z)) continue;
      if (early) {
        const sample = s * TILE_PIXELS + pixel;
        this.#state.touchDepth();
        if (!test.test(sample, test.final(biasedDepth(z, bias)), backFacing, -1, true)) continue;
        this.#state.passed++;
      }
      left |= 1 << s;
    }
    return left;
  }
}

export function bitCount(x: number): number {
  let count = 0;
  for (; x !== 0; x &= x - 1) count++;
  return count;
}
