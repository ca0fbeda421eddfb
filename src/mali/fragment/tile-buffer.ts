/**
 * TileBuffer: the colours, depths and stencils of the tile in work, every sample of it. One object for a whole job.
 *
 * This GPU's tiles are 16×16 pixels whatever the descriptor's effective tile size is: that size only says how much a real tile
 * buffer can hold at once. Samples lie plane after plane: sample s of pixel p is at s * 256 + p. All of it is scratch memory, so that
 * emitted code and script see the same tile.
 */
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { floatToBits } from '../pack.ts';
import { LANES } from '../shader/contract.ts';
import { quantize } from './depth-stencil.ts';
import type { Framebuffer, Target } from './framebuffer.ts';
import { Coverage, TILE_PIXELS } from './raster.ts';
import { WARP } from './wasm/raster.ts';
import { type Fill, tileFill } from './wasm/tile.ts';

const DIRTY_BYTES = 8;

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

export class TileBuffer {
  /** Per render target: `words` of each sample. */
  readonly colors: readonly Uint32Array[];
  /** As the internal depth format compares: see quantize. */
  readonly depth: Float32Array;
  readonly stencil: Uint8Array;
  /** Where they lie in scratch memory. */
  readonly colorAt: readonly number[];
  readonly depthAt: number;
  readonly stencilAt: number;
  /** The warp in work (WARP): pixels of its lanes in the tile, and their samples; see DrawStage. */
  readonly warpAt: number;
  readonly warp: TileWarp;
  /** What the primitive in work covers. */
  readonly coverage = new Coverage();
  /** One that leaves nothing of the tile free. */
  readonly full = new Coverage().fill();
  /** Scratch address of two words: which render targets a draw has written, a bit each; 1 if it has depth or stencil. */
  readonly dirtyAt = scratch.owned(this, DIRTY_BYTES);
  readonly #targets: readonly Target[];
  readonly #clearDepth: number;
  readonly #clearStencil: number;
  readonly #fill: Fill | undefined;
  readonly #piece: readonly [at: number, size: number];

  constructor(framebuffer: Framebuffer, engine: Engine) {
    const samples = TILE_PIXELS * framebuffer.samples;
    this.#targets = framebuffer.targets;
    const size = samples * (framebuffer.targets.reduce((sum, { words }) => sum + words * 4, 0) + 4 + 1) + WARP.size;
    let at = scratch.owned(this, size);
    this.#piece = [at, size];
    this.colorAt = framebuffer.targets.map(({ words }) => {
      const mine = at;
      at += samples * words * 4;
      return mine;
    });
    this.depthAt = at;
    this.stencilAt = at + samples * 4;
    this.warpAt = this.stencilAt + samples;
    const { buffer } = scratch;
    this.warp = new TileWarp(this.warpAt);
    this.colors = framebuffer.targets.map((t, i) => new Uint32Array(buffer, this.colorAt[i]!, samples * t.words));
    this.depth = new Float32Array(buffer, this.depthAt, samples);
    this.stencil = new Uint8Array(buffer, this.stencilAt, samples);
    const { zClear, sClear, zInternalFormat } = framebuffer.parameters;
    this.#clearDepth = quantize(zInternalFormat, zClear);
    this.#clearStencil = sClear;
    this.#fill = engine === 'wasm' ? tileFill() : undefined;
  }

  get dirtyColors(): number {
    return scratch.u32[this.dirtyAt / 4]!;
  }

  set dirtyColors(bits: number) {
    scratch.u32[this.dirtyAt / 4] = bits;
  }

  /** Whether a draw has written depth or stencil. */
  get dirtyDepth(): boolean {
    return scratch.u32[this.dirtyAt / 4 + 1] !== 0;
  }

  set dirtyDepth(dirty: boolean) {
    scratch.u32[this.dirtyAt / 4 + 1] = dirty ? 1 : 0;
  }

  /** The job is over: the memory may serve another. */
  close(): void {
    scratch.disown(this, this.#piece, [this.dirtyAt, DIRTY_BYTES]);
    this.coverage.close();
    this.full.close();
  }

  /** Begins a tile: everything has its clear value. */
  clear(): void {
    this.dirtyColors = 0;
    this.dirtyDepth = false;
    if (this.#fill) this.#clearFast(this.#fill);
    else this.#clearSlowly();
  }

  #clearFast(fill: Fill): void {
    const z = floatToBits(this.#clearDepth);
    fill(this.depthAt, this.depth.byteLength, z, z, z, z);
    const s = (this.#clearStencil & 255) * 0x01010101;
    fill(this.stencilAt, this.stencil.byteLength, s, s, s, s);
    for (let i = 0; i < this.colors.length; i++) {
      const { clear, words } = this.#targets[i]!;
      // One, two or four words a sample.
      const last = words - 1;
      fill(
        this.colorAt[i]!,
        this.colors[i]!.byteLength,
        clear[0]!,
        clear[1 & last]!,
        clear[2 & last]!,
        clear[3 & last]!,
      );
    }
  }

  #clearSlowly(): void {
    this.depth.fill(this.#clearDepth);
    this.stencil.fill(this.#clearStencil);
    for (let i = 0; i < this.colors.length; i++) {
      const { clear, words } = this.#targets[i]!;
      const color = this.colors[i]!;
      if (words === 1) color.fill(clear[0]!);
      else for (let at = 0; at < color.length; at += words) color.set(clear, at);
    }
  }
}
