/**
 * DrawStages: the fragment stages of a job's draws, on one thread.
 *
 * To make a stage takes longer than many draws do, and most draws differ from others in what their shader reads alone. So draws
 * whose tests, colours and program are the same have one stage: lists of quads are worked off one after the other, so what a stage
 * holds of the list in work is never another's. What makes two draws the same is told by numbers and by the memory's own cache of
 * descriptors, which gives the same objects for the same words.
 */
import { Blend, DepthStencil, type Draw, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { DrawStage } from './draw-stage.ts';
import type { Framebuffer } from './framebuffer.ts';
import type { TileBuffer } from './tile-buffer.ts';

type DrawValues = Infer<typeof Draw>;

interface Shared {
  readonly stage: DrawStage;
  /** Its descriptors for depth and stencil, and for blending. */
  readonly descriptors: readonly object[];
  /** Draws that are open. */
  users: number;
}

let jobs = 0;

export class DrawStages {
  readonly #job = ++jobs;
  readonly #memory: VirtualMemory;
  readonly #framebuffer: Framebuffer;
  readonly #tile: TileBuffer;
  readonly #engine: Engine;
  readonly #stages: Shared[] = [];

  constructor(memory: VirtualMemory, framebuffer: Framebuffer, tile: TileBuffer, engine: Engine) {
    this.#memory = memory;
    this.#framebuffer = framebuffer;
    this.#tile = tile;
    this.#engine = engine;
  }

  /** The stage of a draw, until it is given back. Throws GpuFault. */
  take(draw: DrawValues): DrawStage {
    const descriptors = this.#descriptors(draw);
    for (const shared of this.#stages) {
      if (!alike(shared.stage.draw, draw) || !same(shared.descriptors, descriptors)) continue;
      shared.users++;
      return shared.stage;
    }
    const stage = new DrawStage(this.#memory, draw, this.#framebuffer, this.#tile, this.#engine, this.#job);
    this.#stages.push({ stage, descriptors, users: 1 });
    return stage;
  }

  /** A draw is over. With the last one that has it the stage is. */
  give(stage: DrawStage): void {
    const place = this.#stages.findIndex((shared) => shared.stage === stage);
    const shared = this.#stages[place]!;
    shared.users--;
    if (shared.users > 0) return;
    this.#stages.splice(place, 1);
    stage.flushQuery(this.#memory);
    stage.close();
  }

  /** All tiles are done: adds what queries have counted to memory. */
  flushQueries(): void {
    for (const { stage } of this.#stages) stage.flushQuery(this.#memory);
  }

  /** The job is over, or has failed. */
  close(): void {
    for (const { stage } of this.#stages.splice(0)) stage.close();
  }

  #descriptors({ depthStencil, blend, blendCount }: DrawValues): object[] {
    const memory = this.#memory;
    const descriptors: object[] = [memory.descriptor(DepthStencil, depthStencil)];
    for (let n = 0; n < Math.min(blendCount, MAX_RENDER_TARGETS); n++) {
      descriptors.push(memory.descriptor(Blend, blend + n * Blend.size));
    }
    return descriptors;
  }
}

/** Whether two draws are the same to their stages, but for what descriptors say. */
const alike = (a: DrawValues, b: DrawValues): boolean =>
  a.flags0 === b.flags0 &&
  a.flags1 === b.flags1 &&
  a.flags2 === b.flags2 &&
  a.shader.shader === b.shader.shader &&
  a.occlusion === b.occlusion &&
  a.minimumZ === b.minimumZ &&
  a.maximumZ === b.maximumZ &&
  a.vertexAttributeStride === b.vertexAttributeStride;

function same(a: readonly object[], b: readonly object[]): boolean {
  if (a.length !== b.length) return false;
  for (let n = 0; n < a.length; n++) if (a[n] !== b[n]) return false;
  return true;
}
