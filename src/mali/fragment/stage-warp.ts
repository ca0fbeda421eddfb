/**
 * StageWarp: the warp that a fragment stage works on, and the primitive that its quads are of.
 *
 * Places and samples of the lanes lie in scratch memory, where emitted code finds them too: WARP (wasm/raster.ts) with the
 * tile buffer, and STAGE (recompiler/frame.ts) with the draw.
 */
import { scratch } from '../engine/scratch.ts';
import { STAGE, STAGE_BYTES } from '../recompiler/frame.ts';
import { LANES, type PrimitiveVertices } from '../shader/contract.ts';
import type { DrawState } from './draw-state.ts';
import { SUBPIXEL, TILE, type Triangle } from './raster.ts';
import { WARP } from './wasm/raster.ts';

/** What `tested` holds of a lane whose late test is still to be made. */
export const NOT_TESTED = -1;

export class StageWarp {
  /** Scratch address of STAGE. */
  readonly frame = scratch.owned(this, STAGE_BYTES);
  /** Pixel of each lane: in the window, and its index in the tile. */
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly pixel: Int32Array;
  /** Samples that each lane stands for, and what is left of them after the late test (NOT_TESTED before). */
  readonly coverage: Int32Array;
  readonly tested: Int32Array;
  readonly primitives: (PrimitiveVertices | undefined)[] = [undefined, undefined, undefined, undefined];
  triangle: Triangle | undefined;
  backFacing = false;
  /** What is added to the triangle's depth. */
  bias = 0;
  /** A point: weights are gl_PointCoord. */
  point = false;
  readonly #state: DrawState;

  constructor(state: DrawState) {
    this.#state = state;
    const { tile } = state;
    this.pixel = tile.warpWords(WARP.pixel);
    this.coverage = tile.warpWords(WARP.coverage);
    this.tested = tile.warpWords(WARP.tested);
    this.x = new Int32Array(scratch.buffer, this.frame + STAGE.x, LANES);
    this.y = new Int32Array(scratch.buffer, this.frame + STAGE.y, LANES);
  }

  /** Begins a primitive. */
  primitive(triangle: Triangle, vertices: PrimitiveVertices, backFacing: boolean, point: boolean): void {
    this.triangle = triangle;
    this.backFacing = backFacing;
    this.point = point;
    this.bias = this.#state.test.bias(triangle.slope, 1);
    this.primitives.fill(vertices);
  }

  /** Puts a lane on a pixel with the samples that it stands for. */
  load(lane: number, x: number, y: number, left: number, top: number, samples: number): void {
    this.x[lane] = x;
    this.y[lane] = y;
    this.pixel[lane] = (y - top) * TILE + (x - left);
    this.coverage[lane] = samples;
    this.tested[lane] = NOT_TESTED;
  }

  /** Depth of the triangle at a kept sample of a pixel, without bias. */
  depthAt(x: number, y: number, sample: number): number {
    const pattern = this.#state.depthPattern;
    const s = pattern.count === 1 ? 0 : sample;
    return this.triangle!.depth(x * SUBPIXEL + pattern.x[s]!, y * SUBPIXEL + pattern.y[s]!);
  }
}
