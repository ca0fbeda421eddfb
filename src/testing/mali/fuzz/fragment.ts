/**
 * The fragment stage that fuzzed shaders run in: the GPU's own, on one random triangle whose vertices' varyings lie somewhere
 * in the data, with one render target of any format and a random state of the back end (output.ts).
 */

import { INTERNAL_FORMATS } from '../../../abi/formats.ts';
import { PRIMITIVE_KIND, PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import { Blend, Draw, FramebufferParameters, PIXEL_KILL } from '../../../abi/gpu/raster-descriptors.ts';
import { type Infer, type Layout, viewOf } from '../../../abi/layout.ts';
import type { VirtualMemory } from '../../../mali/contract.ts';
import type { Engine } from '../../../mali/engine/names.ts';
import { PRIMITIVE, QUAD_LIST } from '../../../mali/engine/quads.ts';
import { scratch } from '../../../mali/engine/scratch.ts';
import { quantize } from '../../../mali/fragment/depth-stencil.ts';
import { DrawStage } from '../../../mali/fragment/draw-stage.ts';
import { drawSetup } from '../../../mali/fragment/draw-table.ts';
import type { Framebuffer, Target } from '../../../mali/fragment/framebuffer.ts';
import { CENTER, type SamplePattern, TILE } from '../../../mali/fragment/raster.ts';
import { Setup } from '../../../mali/fragment/setup.ts';
import { TileBuffer } from '../../../mali/fragment/tile-buffer.ts';
import { LANES } from '../../../mali/shader/contract.ts';
import { type ListInput, writeList } from './list.ts';
import { type BlendInput, type DepthInput, depthStencil } from './output.ts';

/** A triangle and its vertices. */
export interface Triangle {
  /** A vertex: place in 1/256 pixel, 1/w, and its weights. */
  readonly corners: readonly Corner[];
  readonly packets: readonly number[];
  readonly slots: readonly number[];
  readonly provoking: number;
  readonly backFacing: boolean;
}

/** A triangle, and where the warp's lanes are. */
export interface FragmentInput extends Triangle {
  readonly samples: 1 | 4;
  readonly stride: number;
  /** Pixels of the tile, by lane. */
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Samples that each lane stands for. */
  readonly coverage: readonly number[];
  /** Depth and stencil are tested when the shader has run. */
  readonly late: boolean;
  readonly clear: number;
  /** The render target's internal format. */
  readonly internal: number;
  readonly blends: readonly BlendInput[];
  readonly depth: DepthInput;
  readonly alphaToCoverage: boolean;
  readonly alphaToCoverageInvert: boolean;
  readonly multisample: boolean;
  /** Quads to be worked off instead of one warp. */
  readonly list: ListInput | undefined;
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

const WORD = 4;
const SOME_SHADER = 64;

function target(index: number): Target {
  const internal = INTERNAL_FORMATS.get(index)!;
  return {
    index: 0,
    internal,
    words: Math.ceil(internal.bytes / WORD),
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

function framebuffer({ samples, internal, depth }: FragmentInput): Framebuffer {
  const pattern = samples === 1 ? CENTER : FOUR;
  const parameters: Infer<typeof FramebufferParameters> = descriptor(FramebufferParameters, {
    width: TILE,
    height: TILE,
    sampleCount: samples,
    zInternalFormat: depth.internal,
  });
  return {
    address: 0,
    parameters,
    samples,
    raster: pattern,
    pattern,
    targets: [target(internal)],
    depth: undefined,
    stencil: undefined,
    writeCleanDepth: false,
  };
}

/** Where the stage finds its descriptors: addresses, and a way to write the blend descriptors. */
export interface FragmentPlace {
  readonly memory: VirtualMemory;
  readonly depthStencil: number;
  readonly blends: number;
  setBlends(bytes: Uint8Array): void;
  setDepthStencil(bytes: Uint8Array): void;
}

const keyOf = ({ samples, internal, depth }: FragmentInput, engine: Engine): string =>
  `${engine} ${samples} ${internal} ${depth.internal}`;

export class FuzzFragment {
  readonly #memory: VirtualMemory;
  readonly #depthStencil: number;
  readonly #blends: number;
  readonly #setBlends: (bytes: Uint8Array) => void;
  readonly #setDepthStencil: (bytes: Uint8Array) => void;
  readonly #buffers = new Map<string, { framebuffer: Framebuffer; tile: TileBuffer; stage: DrawStage | undefined }>();
  readonly #primitives: readonly [number, number];
  readonly #list: number;

  constructor({ memory, depthStencil, blends, setBlends, setDepthStencil }: FragmentPlace) {
    this.#memory = memory;
    this.#depthStencil = depthStencil;
    this.#blends = blends;
    this.#setBlends = setBlends;
    this.#setDepthStencil = setDepthStencil;
    const bytes = PRIMITIVE.size;
    const at = scratch.owned(this, 2 * bytes + QUAD_LIST.size);
    this.#primitives = [at, at + bytes];
    this.#list = at + 2 * bytes;
  }

  /** What the last stage of an engine has left in its tile buffer, and how many samples have passed. */
  contents(input: FragmentInput, engine: Engine): Uint8Array {
    const { tile, stage } = this.#buffers.get(keyOf(input, engine))!;
    const passed = stage?.passed ?? 0;
    const words = Uint32Array.of(...tile.colors[0]!, tile.dirtyColors, tile.dirtyDepth ? 1 : 0, passed);
    // A NaN's bits mean nothing.
    const depth = tile.depth.map((z) => (Number.isNaN(z) ? Number.NEGATIVE_INFINITY : z));
    return Buffer.concat([new Uint8Array(words.buffer), new Uint8Array(depth.buffer), tile.stencil.slice()]);
  }

  /** The stage of an engine, with the warp loaded. */
  stage(input: FragmentInput, engine: Engine): DrawStage {
    const { samples } = input;
    const key = keyOf(input, engine);
    let buffers = this.#buffers.get(key);
    if (!buffers) {
      const made = framebuffer(input);
      buffers = { framebuffer: made, tile: new TileBuffer(made, engine), stage: undefined };
      this.#buffers.set(key, buffers);
    }
    const { tile } = buffers;
    tile.clear();
    for (let i = 0; i < tile.colors[0]!.length; i++) tile.colors[0]![i] = Math.imul(input.clear, 2 * i + 1);
    tile.depth.fill(quantize(input.depth.internal, input.depth.clearDepth));
    tile.stencil.fill(input.depth.clearStencil);
    const blends = new Uint8Array(input.blends.length * Blend.size);
    for (const [n, { format, raw, ...fields }] of input.blends.entries()) {
      Blend.write(viewOf(blends), n * Blend.size, {
        ...fields,
        numComps: 4,
        conversion: { memoryFormat: format, raw, registerFormat: 0 },
      });
    }
    this.#setBlends(blends);
    this.#setDepthStencil(depthStencil(input.depth));
    const draw: Infer<typeof Draw> = descriptor(Draw, {
      vertexAttributeStride: input.stride,
      depthStencil: this.#depthStencil,
      multisampleEnable: samples > 1 && input.multisample,
      alphaToCoverage: input.alphaToCoverage,
      alphaToCoverageInvert: input.alphaToCoverageInvert,
      maximumZ: 1,
      // A draw without a shader would test early, whatever it says.
      shader: { shader: SOME_SHADER },
      blend: this.#blends,
      blendCount: input.blends.length,
      pixelKillOperation: input.late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY,
      zsUpdateOperation: input.late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY,
    });
    const stage = new DrawStage(this.#memory, draw, buffers.framebuffer, tile, engine);
    buffers.stage = stage;
    const everywhere = { minX: 0, minY: 0, maxX: 0xffff, maxY: 0xffff };
    const setup = drawSetup(this.#memory, buffers.framebuffer, draw, everywhere, 0);
    const triangles = input.list ? [input, input.list.second] : [input];
    for (const [n, triangle] of triangles.entries()) {
      if (!new Setup(this.#memory).fill(this.#primitives[n]!, recordOf(triangle, n), setup)) {
        throw new Error('fuzz: a primitive without area');
      }
    }
    stage.primitive(this.#primitives[0]);
    if (input.list) writeList(input.list, stage.frame, this.#list, this.#primitives);
    for (let lane = 0; lane < LANES; lane++) {
      stage.load(lane, input.x[lane]!, input.y[lane]!, 0, 0, input.coverage[lane]!);
    }
    return stage;
  }
}

function recordOf(
  { corners, packets, slots, provoking, backFacing }: Triangle,
  id: number,
): Infer<typeof PrimitiveRecord> {
  const [corner0, corner1, corner2] = corners;
  const [packet0, packet1, packet2] = packets;
  const [slot0, slot1, slot2] = slots;
  return descriptor(PrimitiveRecord, {
    ...{ corner0, corner1, corner2, packet0, packet1, packet2, slot0, slot1, slot2, provoking, id },
    kind: PRIMITIVE_KIND.TRIANGLE,
    backFacing: backFacing ? 1 : 0,
  });
}
