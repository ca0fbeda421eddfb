/**
 * The fragment stage that fuzzed shaders run in: the GPU's own, on one random triangle whose vertices' varyings lie somewhere
 * in the data, with one RGBA8 render target. With one sample a pixel, recompiled code interpolates and stores colours by
 * itself; with four it asks the stage.
 */

import { INTERNAL_FORMATS, PIXEL_FORMAT, PixelFormatWord } from '../../abi/formats.ts';
import { PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import {
  BLEND_MODE,
  Blend,
  DepthStencil,
  Draw,
  FramebufferParameters,
  FUNC,
  PIXEL_KILL,
} from '../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import { type Infer, type Layout, viewOf } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/names.ts';
import { DrawStage } from '../fragment/draw-stage.ts';
import type { Framebuffer, Target } from '../fragment/framebuffer.ts';
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
  /** Depth and stencil are tested when the shader has run. */
  readonly late: boolean;
  readonly clear: number;
  readonly blends: readonly BlendInput[];
}
export interface BlendInput {
  readonly mode: number;
  /** A COMPONENT_ORDER. */
  readonly order: number;
  readonly raw: boolean;
  readonly alphaToOne: boolean;
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

const RGBA8_INTERNAL = 1;

function target(): Target {
  return {
    index: 0,
    internal: INTERNAL_FORMATS.get(RGBA8_INTERNAL)!,
    words: 1,
    clear: new Uint32Array(1),
    writeClean: false,
    surface: undefined,
    format: undefined,
    afbc: undefined,
    swizzle: [0, 1, 2, 3],
    srgb: false,
    dither: false,
  };
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
    targets: [target()],
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

/** Where the stage finds its descriptors: addresses, and a way to write the blend descriptors. */
export interface FragmentPlace {
  readonly memory: VirtualMemory;
  readonly depthStencil: number;
  readonly blends: number;
  setBlends(bytes: Uint8Array): void;
}

export class FuzzFragment {
  readonly #memory: VirtualMemory;
  readonly #depthStencil: number;
  readonly #blends: number;
  readonly #setBlends: (bytes: Uint8Array) => void;
  readonly #buffers = new Map<string, { framebuffer: Framebuffer; tile: TileBuffer }>();
  readonly #triangle = new Triangle('interpreter');

  constructor({ memory, depthStencil, blends, setBlends }: FragmentPlace) {
    this.#memory = memory;
    this.#depthStencil = depthStencil;
    this.#blends = blends;
    this.#setBlends = setBlends;
  }

  /** What the last stage of an engine has left in its tile buffer. */
  contents({ samples }: FragmentInput, engine: Engine): Uint8Array {
    const { tile } = this.#buffers.get(`${engine} ${samples}`)!;
    const words = Uint32Array.of(...tile.colors[0]!, tile.dirtyColors);
    return new Uint8Array(words.buffer);
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
    buffers.tile.colors[0]!.fill(input.clear);
    const blends = new Uint8Array(input.blends.length * Blend.size);
    for (const [n, { mode, order, raw, alphaToOne }] of input.blends.entries()) {
      const memoryFormat = descriptor(PixelFormatWord, { order, index: PIXEL_FORMAT.RGBA8_TB });
      const word = viewOf(new Uint8Array(PixelFormatWord.size));
      PixelFormatWord.write(word, 0, memoryFormat);
      Blend.write(viewOf(blends), n * Blend.size, {
        mode,
        // Blending itself is the stage's own in both engines: here it is off.
        enable: mode !== BLEND_MODE.FIXED_FUNCTION,
        alphaToOne,
        numComps: 4,
        conversion: { memoryFormat: word.getUint32(0, true), raw, registerFormat: 0 },
      });
    }
    this.#setBlends(blends);
    const draw: Infer<typeof Draw> = descriptor(Draw, {
      vertexAttributeStride: input.stride,
      depthStencil: this.#depthStencil,
      multisampleEnable: samples > 1,
      maximumZ: 1,
      blend: this.#blends,
      blendCount: input.blends.length,
      pixelKillOperation: input.late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY,
      zsUpdateOperation: input.late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY,
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
