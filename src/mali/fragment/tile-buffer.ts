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
import { quantize } from './depth-stencil.ts';
import type { Framebuffer, Target } from './framebuffer.ts';
import { Coverage } from './raster.ts';
import { TileMemory, type TileWarp } from './tile-memory.ts';
import { type Fill, tileFill } from './wasm/tile.ts';

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
  readonly coverage = Coverage.take();
  /** Scratch address of two words: which render targets a draw has written, a bit each; 1 if it has depth or stencil. */
  readonly dirtyAt: number;
  /**
   * Scratch address of four singles: no depth in a block of the tile (wasm/block-words.ts) is greater, in a tile of one sample a
   * pixel. What emitted code knows; script neither looks there nor keeps it up, and where it may write greater depths, `forget` is called.
   */
  readonly farthestAt: number;
  readonly #targets: readonly Target[];
  readonly #clearDepth: number;
  readonly #clearStencil: number;
  readonly #fill: Fill | undefined;
  #cleared: readonly Parameters<Fill>[] | undefined;
  readonly #memory: TileMemory;

  constructor(framebuffer: Framebuffer, engine: Engine) {
    this.#targets = framebuffer.targets;
    const memory = TileMemory.take(
      framebuffer.samples,
      framebuffer.targets.map(({ words }) => words),
    );
    this.#memory = memory;
    this.colors = memory.colors;
    this.depth = memory.depth;
    this.stencil = memory.stencil;
    this.colorAt = memory.colorAt;
    this.depthAt = memory.depthAt;
    this.stencilAt = memory.stencilAt;
    this.warpAt = memory.warpAt;
    this.warp = memory.warp;
    this.dirtyAt = memory.dirtyAt;
    this.farthestAt = memory.farthestAt;
    const { zClear, sClear, zInternalFormat } = framebuffer.parameters;
    this.#clearDepth = quantize(zInternalFormat, zClear);
    this.#clearStencil = sClear;
    this.#fill = engine === 'wasm' ? tileFill() : undefined;
    this.dirtyColors = 0;
    this.dirtyDepth = false;
    this.forget();
  }

  /** Depths may become greater than they were known to be. */
  forget(): void {
    this.#farthest(Number.POSITIVE_INFINITY);
  }

  #farthest(z: number): void {
    const at = this.farthestAt / 4;
    scratch.f32[at] = z;
    scratch.f32[at + 1] = z;
    scratch.f32[at + 2] = z;
    scratch.f32[at + 3] = z;
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
    this.#memory.give();
    this.coverage.close();
  }

  /** Begins a tile: everything has its clear value. */
  clear(): void {
    this.dirtyColors = 0;
    this.dirtyDepth = false;
    this.#farthest(this.#clearDepth);
    if (this.#fill) for (const cleared of this.cleared) this.#fill(...cleared);
    else this.#clearSlowly();
  }

  /** What a clear tile has where, as Fill takes it: depth first, then stencil and colours. */
  get cleared(): readonly Parameters<Fill>[] {
    this.#cleared ??= this.#clearValues();
    return this.#cleared;
  }

  #clearValues(): Parameters<Fill>[] {
    const z = floatToBits(this.#clearDepth);
    const s = (this.#clearStencil & 255) * 0x01010101;
    return [
      [this.depthAt, this.depth.byteLength, z, z, z, z],
      [this.stencilAt, this.stencil.byteLength, s, s, s, s],
      ...this.colors.map((color, i): Parameters<Fill> => {
        const { clear, words } = this.#targets[i]!;
        // One, two or four words a sample.
        const last = words - 1;
        const at = this.colorAt[i]!;
        return [at, color.byteLength, clear[0]!, clear[1 & last]!, clear[2 & last]!, clear[3 & last]!];
      }),
    ];
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
