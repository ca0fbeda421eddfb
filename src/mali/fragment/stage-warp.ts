/**
 * StageWarp: the warp that a fragment stage works on, and the primitives that its quads are of.
 *
 * Places and samples of the lanes lie in scratch memory, where emitted code finds them too: WARP (wasm/raster.ts) with the
 * tile buffer, and STAGE (recompiler/frame.ts) with the draw.
 */
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { STAGE, STAGE_BYTES } from '../recompiler/frame.ts';
import { LANES, type PrimitiveVertices, QUADS } from '../shader/contract.ts';
import type { DrawState } from './draw-state.ts';
import { TILE, Triangle } from './raster.ts';

/** What `tested` holds of a lane whose late test is still to be made. */
export const NOT_TESTED = -1;

export class StageWarp {
  readonly #piece = scratch.take(STAGE_BYTES);
  /** Scratch address of STAGE. */
  readonly frame = this.#piece.at;
  /** Index of each lane's pixel in the tile. */
  readonly pixel: Int32Array;
  /** Samples that each lane stands for, and what is left of them after the late test (NOT_TESTED before). */
  readonly coverage: Int32Array;
  readonly tested: Int32Array;
  /** Scratch addresses of the quads' primitives. */
  readonly #quads: Uint32Array;
  readonly #triangle = new Triangle(0);
  readonly #state: DrawState;
  // What only script looks at is made when it does.
  #x: Int32Array | undefined;
  #y: Int32Array | undefined;
  #primitives: PrimitiveVertices[] | undefined;

  constructor(state: DrawState) {
    this.#state = state;
    const { pixel, coverage, tested } = state.tile.warp;
    this.pixel = pixel;
    this.coverage = coverage;
    this.tested = tested;
    this.#quads = new Uint32Array(scratch.buffer, this.frame + STAGE.quads, QUADS);
  }

  /** Pixel of each lane in the window. */
  get x(): Int32Array {
    this.#x ??= new Int32Array(scratch.buffer, this.frame + STAGE.x, LANES);
    return this.#x;
  }

  get y(): Int32Array {
    this.#y ??= new Int32Array(scratch.buffer, this.frame + STAGE.y, LANES);
    return this.#y;
  }

  /** The sample that each thread stands for; -1: threads stand for pixels. */
  get sample(): number {
    return scratch.i32[(this.frame + STAGE.sample) / 4]!;
  }

  /** By quad. */
  get primitives(): PrimitiveVertices[] {
    this.#primitives ??= Array.from({ length: QUADS }, (_, quad) => new QuadVertices(this.#quads, quad));
    return this.#primitives;
  }

  /** The draw is over: the memory may serve another. */
  close(): void {
    scratch.give(this.#piece);
  }

  /** All quads are of one primitive. */
  fill(primitive: number): void {
    this.#quads.fill(primitive);
  }

  /** The primitive of a lane, good until the next call. */
  triangle(lane: number): Triangle {
    this.#triangle.at = this.#quads[lane >> 2]!;
    return this.#triangle;
  }

  /** What is added to the depth of a lane's triangle. */
  bias(lane: number): number {
    return scratch.f64[(this.#quads[lane >> 2]! + PRIMITIVE.bias) / 8]!;
  }

  backFacing(lane: number): boolean {
    return scratch.u32[(this.#quads[lane >> 2]! + PRIMITIVE.flags) / 4] !== 0;
  }

  /** Puts a lane on a pixel with the samples that it stands for. */
  load(lane: number, x: number, y: number, left: number, top: number, samples: number): void {
    this.x[lane] = x;
    this.y[lane] = y;
    this.pixel[lane] = (y - top) * TILE + (x - left);
    this.coverage[lane] = samples;
    this.tested[lane] = NOT_TESTED;
  }

  /** Depth of a lane's triangle at a kept sample of its pixel, without bias. */
  depth(lane: number, sample: number): number {
    const { depthPattern } = this.#state;
    return this.triangle(lane).depthAt(this.x[lane]!, this.y[lane]!, depthPattern, sample);
  }
}

/** The vertices of the primitive that a quad is of, where the shader core asks for them. */
class QuadVertices implements PrimitiveVertices {
  readonly #quads: Uint32Array;
  readonly #quad: number;
  readonly #packets = [0, 0, 0];
  readonly #slots = [0, 0, 0];

  constructor(quads: Uint32Array, quad: number) {
    this.#quads = quads;
    this.#quad = quad;
  }

  #word(offset: number): number {
    return scratch.u32[(this.#quads[this.#quad]! + offset) / 4]!;
  }

  get count(): 1 | 2 | 3 {
    return this.#word(PRIMITIVE.kind) as 1 | 2 | 3;
  }

  get provoking(): number {
    return this.#word(PRIMITIVE.provokingVertex);
  }

  get packets(): readonly number[] {
    const from = (this.#quads[this.#quad]! + PRIMITIVE.packets) / 8;
    for (let v = 0; v < 3; v++) this.#packets[v] = scratch.f64[from + v]!;
    return this.#packets;
  }

  get slots(): readonly number[] {
    for (let v = 0; v < 3; v++) this.#slots[v] = this.#word(PRIMITIVE.slots + v * 4);
    return this.#slots;
  }
}
