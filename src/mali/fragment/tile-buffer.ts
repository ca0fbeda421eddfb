/**
 * TileBuffer: the colours, depths and stencils of the tile in work, every sample of it. One object for a whole job.
 *
 * This GPU's tiles are 16×16 pixels whatever the descriptor's effective tile size is: that size only says how much a real tile
 * buffer can hold at once. Samples lie plane after plane: sample s of pixel p is at s * 256 + p.
 */
import { quantize } from './depth-stencil.ts';
import type { Framebuffer, Target } from './framebuffer.ts';
import { TILE_PIXELS } from './raster.ts';

export class TileBuffer {
  /** Per render target: `words` of each sample. */
  readonly colors: readonly Uint32Array[];
  /** As the internal depth format compares: see quantize. */
  readonly depth: Float32Array;
  readonly stencil: Uint8Array;
  /** Whether a draw has written: bit per render target; depth or stencil. */
  dirtyColors = 0;
  dirtyDepth = false;
  readonly #targets: readonly Target[];
  readonly #clearDepth: number;
  readonly #clearStencil: number;

  constructor(framebuffer: Framebuffer) {
    const samples = TILE_PIXELS * framebuffer.samples;
    this.#targets = framebuffer.targets;
    this.colors = framebuffer.targets.map((target) => new Uint32Array(samples * target.words));
    this.depth = new Float32Array(samples);
    this.stencil = new Uint8Array(samples);
    const { zClear, sClear, zInternalFormat } = framebuffer.parameters;
    this.#clearDepth = quantize(zInternalFormat, zClear);
    this.#clearStencil = sClear;
  }

  /** Begins a tile: everything has its clear value. */
  clear(): void {
    this.dirtyColors = 0;
    this.dirtyDepth = false;
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
