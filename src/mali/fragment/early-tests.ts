/**
 * EarlyTests: what a draw does to the coverage of a primitive before it is shaded: sample masks, the depth range, and depth
 * and stencil tests where they come early. Emitted code (wasm/depth.ts) or the script that is its reference.
 */
import type { Engine } from '../engine/engine.ts';
import type { DrawState } from './draw-state.ts';
import { type Coverage, TILE, TILE_PIXELS } from './raster.ts';
import type { StageWarp } from './stage-warp.ts';
import { type FrontEnd, frontEnd } from './wasm/depth.ts';

export class EarlyTests {
  readonly #state: DrawState;
  readonly #warp: StageWarp;
  readonly #engine: Engine;
  /** Emitted front ends, for front and back faces. */
  readonly #emitted: (FrontEnd | undefined)[] = [undefined, undefined];
  /** Rastered samples that count, and kept ones. */
  readonly #before: number;
  readonly #after: number;
  /** Neither range nor tests. */
  readonly #simple: boolean;

  constructor(state: DrawState, warp: StageWarp, engine: Engine) {
    this.#state = state;
    this.#warp = warp;
    this.#engine = engine;
    const { draw, framebuffer, merged, test, early } = state;
    const everything = 2 ** framebuffer.samples - 1;
    this.#before = merged ? draw.sampleMask : 0xffff;
    this.#after = merged ? everything : draw.sampleMask & everything;
    this.#simple = test.trivial || (!early && !test.culls);
  }

  /** Takes samples out of `coverage` that are masked, outside the depth range, or fail. (left, top): the tile's corner. */
  run(coverage: Coverage, left: number, top: number): void {
    if (this.#engine === 'wasm') this.#fast(coverage, left, top);
    else this.#slowly(coverage, left, top);
  }

  #fast(coverage: Coverage, left: number, top: number): void {
    const { framebuffer, merged, pattern, early, test, tile } = this.#state;
    const { backFacing, bias, triangle } = this.#warp;
    const face = backFacing ? 1 : 0;
    this.#emitted[face] ??= frontEnd({
      samples: framebuffer.samples,
      pattern: this.#state.depthPattern,
      before: this.#before,
      after: this.#after,
      merged,
      spread: pattern.count !== framebuffer.samples,
      simple: this.#simple,
      early,
      ...test.emitted(backFacing),
    });
    const { depthAt, stencilAt } = tile;
    const { at, count } = coverage;
    const { low, high } = test;
    const done = this.#emitted[face](triangle!.at, at, count, left, top, depthAt, stencilAt, bias, low, high);
    this.#state.passed += done >> 1;
    if (done & 1) this.#state.touchDepth();
    coverage.count = coverage.left;
  }

  #slowly(coverage: Coverage, left: number, top: number): void {
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
    const { framebuffer, early, test } = this.#state;
    const { backFacing, bias } = this.#warp;
    let left = 0;
    for (let s = 0; s < framebuffer.samples; s++) {
      if (!(samples & (1 << s))) continue;
      const z = this.#warp.depthAt(x, y, s);
      if (!test.inRange(Math.fround(z))) continue;
      if (early) {
        const at = s * TILE_PIXELS + pixel;
        this.#state.touchDepth();
        if (!test.test(at, test.final(z + bias), backFacing, -1, true)) continue;
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
