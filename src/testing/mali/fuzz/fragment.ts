/**
 * The fragment stage that fuzzed shaders run in: the GPU's own, on one random triangle whose vertices' varyings lie somewhere
 * in the data. It is kept for a draw (draw.ts) as long as its pool lasts, and runs warps of one shader after another.
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
import { type DrawSetup, Setup } from '../../../mali/fragment/setup.ts';
import { TileBuffer } from '../../../mali/fragment/tile-buffer.ts';
import { LANES } from '../../../mali/shader/contract.ts';
import type { DrawInput } from './draw.ts';
import { type ListInput, writeList } from './list.ts';
import { depthStencil } from './output.ts';

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
  readonly draw: DrawInput;
  /** Pixels of the tile, by lane. */
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Samples that each lane stands for. */
  readonly coverage: readonly number[];
  /** Quads to be worked off instead of one warp. */
  readonly list: ListInput | undefined;
}
export interface Corner {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly inverseW: number;
  readonly weight1: number;
  readonly weight2: number;
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

function framebuffer({ samples, internal, depth }: DrawInput): Framebuffer {
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

const keyOf = ({ samples, internal, depth }: DrawInput): string => `${samples} ${internal} ${depth.internal}`;

/** A tile buffer of an engine, and what it is compared by. */
interface Tile {
  readonly buffer: TileBuffer;
  readonly colors: Buffer;
  readonly depth: Buffer;
  readonly stencil: Buffer;
}

/** The stages of a draw. */
interface Stages {
  readonly setup: DrawSetup;
  /** What its tile holds before. */
  readonly image: Uint32Array;
  readonly depth: number;
  readonly of: Readonly<Record<Engine, { readonly stage: DrawStage; readonly tile: Tile }>>;
}

const EVERYWHERE = { minX: 0, minY: 0, maxX: 0xffff, maxY: 0xffff };

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array | Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

function tileOf(made: Framebuffer, engine: Engine): Tile {
  const buffer = new TileBuffer(made, engine);
  const { colors, depth, stencil } = buffer;
  return { buffer, colors: bytesOf(colors[0]!), depth: bytesOf(depth), stencil: bytesOf(stencil) };
}

export class FuzzFragment {
  readonly #place: FragmentPlace;
  readonly #setup: Setup;
  readonly #tiles = new Map<string, { framebuffer: Framebuffer; of: Record<Engine, Tile> }>();
  readonly #stages = new Map<DrawInput, Stages>();
  readonly #primitives: readonly [number, number];
  readonly #list: number;

  constructor(place: FragmentPlace) {
    this.#place = place;
    this.#setup = new Setup(place.memory);
    const bytes = PRIMITIVE.size;
    const at = scratch.owned(this, 2 * bytes + QUAD_LIST.size);
    this.#primitives = [at, at + bytes];
    this.#list = at + 2 * bytes;
  }

  /** Gives up the stages of all draws. */
  forget(): void {
    for (const draw of this.#stages.keys()) this.drop(draw);
  }

  /** Gives up the stages of a draw, as a job does that a fault has ended: a list may rest in its midst. */
  drop(draw: DrawInput): void {
    const stages = this.#stages.get(draw);
    if (!stages) return;
    for (const { stage } of Object.values(stages.of)) stage.close();
    this.#stages.delete(draw);
  }

  /** Where the two engines' last runs of a draw have left different things: in the tile buffer, or samples that have passed. */
  difference({ draw }: FragmentInput): string | undefined {
    const { interpreter, wasm } = this.#stages.get(draw)!.of;
    const [a, b] = [interpreter.tile, wasm.tile];
    if (Buffer.compare(a.colors, b.colors) !== 0) return differentWord('colours', a.colors, b.colors);
    if (Buffer.compare(a.depth, b.depth) !== 0) {
      const [x, y] = [a.buffer.depth, b.buffer.depth];
      // A NaN's bits mean nothing.
      const at = x.findIndex((z, n) => z !== y[n] && !(Number.isNaN(z) && Number.isNaN(y[n])));
      if (at >= 0) return `depth ${at} of the tile: ${x[at]}, recompiled ${y[at]}`;
    }
    if (Buffer.compare(a.stencil, b.stencil) !== 0) return differentWord('stencil', a.stencil, b.stencil);
    const words = (tile: Tile, stage: DrawStage): string =>
      `${tile.buffer.dirtyColors} ${tile.buffer.dirtyDepth} ${stage.passed}`;
    const [one, other] = [words(a, interpreter.stage), words(b, wasm.stage)];
    return one === other ? undefined : `targets and depth written, samples passed: ${one}, recompiled ${other}`;
  }

  /** The stage of an engine, with the warp loaded. */
  stage(input: FragmentInput, engine: Engine): DrawStage {
    const { draw, list, x, y, coverage } = input;
    let stages = this.#stages.get(draw);
    if (!stages) {
      stages = this.#make(draw);
      this.#stages.set(draw, stages);
    }
    const { setup, image, depth, of } = stages;
    const { stage, tile } = of[engine];
    const { buffer } = tile;
    buffer.dirtyColors = 0;
    buffer.dirtyDepth = false;
    buffer.colors[0]!.set(image);
    buffer.depth.fill(depth);
    buffer.stencil.fill(draw.depth.clearStencil);
    // Nobody asks for samples that have passed: it counts from zero again.
    stage.flushQuery(this.#place.memory);
    const triangles = list ? [input, list.second] : [input];
    for (const [n, triangle] of triangles.entries()) {
      if (!this.#setup.fill(this.#primitives[n]!, recordOf(triangle, n), setup)) {
        throw new Error('fuzz: a primitive without area');
      }
    }
    stage.primitive(this.#primitives[0]);
    if (list) writeList(list, stage.frame, this.#list, this.#primitives);
    for (let lane = 0; lane < LANES; lane++) stage.load(lane, x[lane]!, y[lane]!, 0, 0, coverage[lane]!);
    return stage;
  }

  #tilesOf(draw: DrawInput): { framebuffer: Framebuffer; of: Record<Engine, Tile> } {
    const key = keyOf(draw);
    let tiles = this.#tiles.get(key);
    if (!tiles) {
      const made = framebuffer(draw);
      tiles = { framebuffer: made, of: { wasm: tileOf(made, 'wasm'), interpreter: tileOf(made, 'interpreter') } };
      this.#tiles.set(key, tiles);
    }
    return tiles;
  }

  #make(input: DrawInput): Stages {
    const { memory, setBlends, setDepthStencil } = this.#place;
    const { framebuffer, of } = this.#tilesOf(input);
    setBlends(blendDescriptors(input));
    setDepthStencil(depthStencil(input.depth));
    const draw = drawOf(input, this.#place);
    const make = (engine: Engine) => {
      const tile = of[engine];
      return { tile, stage: new DrawStage(memory, draw, framebuffer, tile.buffer, engine) };
    };
    const image = new Uint32Array(of.wasm.buffer.colors[0]!.length);
    for (let i = 0; i < image.length; i++) image[i] = Math.imul(input.clear, 2 * i + 1);
    return {
      setup: drawSetup(memory, framebuffer, draw, EVERYWHERE, 0),
      image,
      depth: quantize(input.depth.internal, input.depth.clearDepth),
      of: { wasm: make('wasm'), interpreter: make('interpreter') },
    };
  }
}

function differentWord(what: string, a: Buffer, b: Buffer): string {
  const at = a.findIndex((x, n) => x !== b[n]);
  return `byte ${at} of the tile's ${what}: ${a[at]}, recompiled ${b[at]}`;
}

function blendDescriptors({ blends }: DrawInput): Uint8Array {
  const bytes = new Uint8Array(blends.length * Blend.size);
  for (const [n, { format, raw, ...fields }] of blends.entries()) {
    Blend.write(viewOf(bytes), n * Blend.size, {
      ...fields,
      numComps: 4,
      conversion: { memoryFormat: format, raw, registerFormat: 0 },
    });
  }
  return bytes;
}

function drawOf(input: DrawInput, place: FragmentPlace): Infer<typeof Draw> {
  const operation = input.late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY;
  return descriptor(Draw, {
    vertexAttributeStride: input.stride,
    depthStencil: place.depthStencil,
    multisampleEnable: input.samples > 1 && input.multisample,
    alphaToCoverage: input.alphaToCoverage,
    alphaToCoverageInvert: input.alphaToCoverageInvert,
    maximumZ: 1,
    // A draw without a shader would test early, whatever it says.
    shader: { shader: SOME_SHADER },
    blend: place.blends,
    blendCount: input.blends.length,
    pixelKillOperation: operation,
    zsUpdateOperation: operation,
  });
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
