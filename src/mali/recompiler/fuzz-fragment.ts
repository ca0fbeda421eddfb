/**
 * The fragment stage that fuzzed shaders run in: the GPU's own, on one random triangle whose vertices' varyings lie somewhere
 * in the data. With one sample a pixel, recompiled code interpolates by itself; with four it asks the stage.
 */

import { PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { DepthStencil, Draw, FramebufferParameters, FUNC } from '../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import { type Infer, type Layout, viewOf } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/names.ts';
import { DrawStage } from '../fragment/draw-stage.ts';
import type { Framebuffer } from '../fragment/framebuffer.ts';
import { CENTER, type SamplePattern, TILE, Triangle } from '../fragment/raster.ts';
import { TileBuffer } from '../fragment/tile-buffer.ts';
import { LANES } from '../shader/contract.ts';

/** A triangle, its vertices, and where the warp's lanes are. */
export interface FragmentInput {
  readonly samples: 1 | 4;
  /** A vertex: place in 1/256 pixel, 1/w, and its weights. */
  readonly corners: readonly Corner[];
  readonly packets: readonly number[];
  readonly slots: readonly number[];
  readonly stride: number;
  readonly provoking: number;
  /** Pixels of the tile, by lane. */
  readonly x: readonly number[];
  readonly y: readonly number[];
}
export interface Corner {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly inverseW: number;
  readonly weight0: number;
  readonly weight1: number;
}

const FOUR: SamplePattern = { count: 4, x: Int32Array.of(96, 224, 32, 160), y: Int32Array.of(32, 96, 160, 224) };

/** A descriptor of zeros but for `values`. */
function descriptor<F extends Record<string, any>>(layout: Layout<F>, values: object): any {
  const view = viewOf(new Uint8Array(layout.size));
  layout.write(view, 0, values as Parameters<typeof layout.write>[2]);
  return layout.read(view, 0);
}

function framebuffer(samples: 1 | 4): Framebuffer {
  const pattern = samples === 1 ? CENTER : FOUR;
  const parameters: Infer<typeof FramebufferParameters> = descriptor(FramebufferParameters, {
    width: TILE,
    height: TILE,
    sampleCount: samples,
  });
  return {
    address: 0,
    parameters,
    samples,
    raster: pattern,
    pattern,
    targets: [],
    depth: undefined,
    stencil: undefined,
    writeCleanDepth: false,
  };
}

/** What the depth/stencil descriptor of all draws holds: everything passes. */
export const writeDepthStencil = (view: DataView<any>, at: number): void =>
  DepthStencil.write(view, at, {
    type: DESCRIPTOR_TYPE.DEPTH_STENCIL,
    depthFunction: FUNC.ALWAYS,
    frontCompareFunction: FUNC.ALWAYS,
    backCompareFunction: FUNC.ALWAYS,
  });

export class FuzzFragment {
  readonly #memory: VirtualMemory;
  readonly #depthStencil: number;
  readonly #buffers = new Map<string, { framebuffer: Framebuffer; tile: TileBuffer }>();
  readonly #triangle = new Triangle('interpreter');

  /** `depthStencil`: address of the descriptor. */
  constructor(memory: VirtualMemory, depthStencil: number) {
    this.#memory = memory;
    this.#depthStencil = depthStencil;
  }

  /** The stage of an engine, with the warp loaded. */
  stage(input: FragmentInput, engine: Engine): DrawStage {
    const { samples, corners, packets, slots, provoking } = input;
    const key = `${engine} ${samples}`;
    let buffers = this.#buffers.get(key);
    if (!buffers) {
      const made = framebuffer(samples);
      buffers = { framebuffer: made, tile: new TileBuffer(made, engine) };
      this.#buffers.set(key, buffers);
    }
    buffers.tile.clear();
    const draw: Infer<typeof Draw> = descriptor(Draw, {
      vertexAttributeStride: input.stride,
      depthStencil: this.#depthStencil,
      multisampleEnable: samples > 1,
      maximumZ: 1,
    });
    const stage = new DrawStage(this.#memory, draw, buffers.framebuffer, buffers.tile, engine);
    const [corner0, corner1, corner2] = corners;
    this.#triangle.set(descriptor(PrimitiveRecord, { corner0, corner1, corner2 }));
    stage.primitive(this.#triangle, { count: 3, packets, slots, provoking }, false, false);
    for (let lane = 0; lane < LANES; lane++) {
      stage.load(lane, input.x[lane]!, input.y[lane]!, 0, 0, 2 ** samples - 1);
    }
    return stage;
  }
}
