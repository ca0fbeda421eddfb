/**
 * TileMemory: where in scratch memory the samples of a tile lie, and what script sees of it. To make one takes as long as a small job, so the
 * next job with a tile of the same kind gets it; it is not cleared between.
 */
import { scratch } from '../engine/scratch.ts';
import { LANES } from '../shader/contract.ts';
import { TILE_PIXELS } from './raster.ts';
import { WARP } from './wasm/raster.ts';

/** Kept for jobs to come, of all kinds together: kinds are a guest's choice. */
const MOST_FREE = 16;
/** What is known of the tile: two words that say what is dirty, and four singles (TileBuffer). */
const KNOWN_BYTES = 64;
const FARTHEST = 16;

/** Words of the warp in work, one a lane: where emitted code and script meet. */
export class TileWarp {
  readonly pixel: Int32Array;
  readonly coverage: Int32Array;
  readonly tested: Int32Array;
  readonly blended: Int32Array;
  /** Channel by channel. */
  readonly colour: Int32Array;

  constructor(at: number) {
    const words = (offset: number, count = LANES) => new Int32Array(scratch.buffer, at + offset, count);
    this.pixel = words(WARP.pixel);
    this.coverage = words(WARP.coverage);
    this.tested = words(WARP.tested);
    this.blended = words(WARP.blended);
    this.colour = words(WARP.colour, 4 * LANES);
  }
}

export class TileMemory {
  /** Per render target: its words of each sample. */
  readonly colors: readonly Uint32Array[];
  readonly depth: Float32Array;
  readonly stencil: Uint8Array;
  readonly colorAt: readonly number[];
  readonly depthAt: number;
  readonly stencilAt: number;
  /** WARP. */
  readonly warpAt: number;
  readonly warp: TileWarp;
  readonly dirtyAt: number;
  readonly farthestAt: number;
  readonly #kind: string;
  readonly #size: number;

  private constructor(kind: string, samples: number, words: readonly number[]) {
    const count = TILE_PIXELS * samples;
    this.#kind = kind;
    this.#size = count * (words.reduce((sum, n) => sum + n * 4, 0) + 4 + 1) + WARP.size + KNOWN_BYTES;
    this.dirtyAt = scratch.owned(this, this.#size);
    this.farthestAt = this.dirtyAt + FARTHEST;
    let at = this.dirtyAt + KNOWN_BYTES;
    this.colorAt = words.map((n) => {
      const mine = at;
      at += count * n * 4;
      return mine;
    });
    this.depthAt = at;
    this.stencilAt = at + count * 4;
    this.warpAt = this.stencilAt + count;
    const { buffer } = scratch;
    this.warp = new TileWarp(this.warpAt);
    this.colors = words.map((n, i) => new Uint32Array(buffer, this.colorAt[i]!, count * n));
    this.depth = new Float32Array(buffer, this.depthAt, count);
    this.stencil = new Uint8Array(buffer, this.stencilAt, count);
  }

  static readonly #free: TileMemory[] = [];

  /** For so many samples a pixel, and targets of so many words a sample. */
  static take(samples: number, words: readonly number[]): TileMemory {
    const kind = `${samples} ${words}`;
    const free = TileMemory.#free;
    for (let i = free.length - 1; i >= 0; i--) {
      if (free[i]!.#kind === kind) return free.splice(i, 1)[0]!;
    }
    return new TileMemory(kind, samples, words);
  }

  /** Gives it back; nobody uses it any more. */
  give(): void {
    const free = TileMemory.#free;
    free.push(this);
    if (free.length <= MOST_FREE) return;
    const oldest = free.shift()!;
    scratch.disown(oldest, [oldest.dirtyAt, oldest.#size]);
  }
}
