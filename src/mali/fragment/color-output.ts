/**
 * ColorOutput: what BLEND, LD_TILE and ST_TILE do to the tile buffer's colours; LD_TILE reads depth and stencil, too.
 *
 * Emitted code (wasm/blend.ts) where there is some for the descriptor that the shader hands over, else the script that is its
 * reference. A lane's late test comes before its first colour.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_blend.c`, `src/panfrost/compiler/bifrost_compile.c`.
 */
import { BLEND_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { PIXEL_CURRENT, PIXEL_DEPTH, PIXEL_STENCIL } from '../../abi/gpu/shader-descriptors.ts';
import { GpuFault } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import {
  type BlendRequest,
  LANES,
  type LaneType,
  type LaneVectors,
  type TileRequest,
  type Warp,
} from '../shader/contract.ts';
import type { BlendCall, BlendCodes } from './blend-code.ts';
import { depthOf } from './depth-stencil.ts';
import { blendView, conversionView, indicesView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { LateTests } from './late-tests.ts';
import { TILE_PIXELS } from './raster.ts';
import type { StageWarp } from './stage-warp.ts';
import type { TileCodec } from './tile-codec.ts';
import { WARP } from './wasm/raster.ts';

export class ColorOutput {
  readonly #state: DrawState;
  readonly #warp: StageWarp;
  readonly #late: LateTests;
  readonly #codes: BlendCodes;
  readonly #engine: Engine;
  readonly #rgba = new Float64Array(4);
  readonly #source = new Float64Array(4);

  constructor(state: DrawState, warp: StageWarp, late: LateTests, codes: BlendCodes, engine: Engine) {
    this.#state = state;
    this.#warp = warp;
    this.#late = late;
    this.#codes = codes;
    this.#engine = engine;
  }

  blend(warp: Warp, mask: number, request: BlendRequest): void {
    const { descriptorLow, descriptorHigh, type, channels } = request;
    if (this.#engine === 'wasm') {
      const call = this.#codes.code(descriptorLow, descriptorHigh, type, channels);
      if (call) {
        this.#blendFast(call, warp, mask, request);
        return;
      }
    }
    if (this.#codes.vanishes(descriptorLow, descriptorHigh)) return;
    const { mode, rt, conversion } = blendView(descriptorLow, descriptorHigh);
    const { framebuffer, tile, blends } = this.#state;
    const { samples } = framebuffer;
    const target = framebuffer.targets[rt]!;
    const codec = this.#codes.codec(conversion.memoryFormat, conversion.raw, rt);
    const equation = mode === BLEND_MODE.FIXED_FUNCTION ? blends[rt]?.equation : undefined;
    const words = tile.colors[rt]!;
    const alphaToOne = this.#state.alphaToOne(rt);
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & ~warp.discarded & (1 << lane))) continue;
      const covered = this.#late.left(lane, request.coverage[lane]!, undefined, -1);
      if (covered === 0) continue;
      readColor(request.colour, type, channels, lane, codec, this.#source);
      if (alphaToOne) this.#source[3] = 1;
      if (equation && codec.unorm) limit(this.#source);
      for (let s = 0; s < samples; s++) {
        if (!(covered & (1 << s))) continue;
        const at = (s * TILE_PIXELS + this.#warp.pixel[lane]!) * target.words;
        if (!equation) {
          codec.store(this.#source, words, at);
          storeSingles(request.colour, type, alphaToOne ? Math.min(channels, 3) : channels, lane, codec, words, at);
        } else {
          codec.load(words, at, this.#rgba);
          equation.apply(this.#source, this.#rgba);
          codec.store(this.#rgba, words, at);
        }
      }
      this.#state.touch(rt);
    }
  }

  #blendFast({ rt, blend_warp: run }: BlendCall, warp: Warp, mask: number, { coverage, colour }: BlendRequest): void {
    const { early, merged, tile } = this.#state;
    // Samples that blend, and colours, where emitted code finds them.
    const samples = tile.warp.blended;
    const lanes = mask & ~warp.discarded;
    if (early && !merged) {
      const own = this.#warp.coverage;
      for (let lane = 0; lane < LANES; lane++) samples[lane] = coverage[lane]! & own[lane]!;
    } else {
      for (let lane = 0; lane < LANES; lane++) {
        if (lanes & (1 << lane)) samples[lane] = this.#late.left(lane, coverage[lane]!, undefined, -1);
      }
    }
    const { warpAt, colorAt } = tile;
    let from = warpAt + WARP.colour;
    if (colour.f32.buffer === scratch.buffer) from = colour.f32.byteOffset;
    else tile.warp.colour.set(colour.i32);
    if (run(warpAt, warpAt + WARP.blended, from, colorAt[rt]!, lanes)) this.#state.touch(rt);
  }

  loadTile(mask: number, request: TileRequest): void {
    if (request.depthStencil) {
      this.#loadDepthStencil(mask, request);
      return;
    }
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const [rt, at, codec] = this.#texel(request, lane);
      const words = this.#state.tile.colors[rt]!;
      codec.load(words, at, this.#rgba);
      for (let i = 0; i < 4; i++) writeValue(request.values, request.type, i * LANES + lane, this.#rgba[i]!, codec);
      loadSingles(request.values, request.type, lane, codec, words, at);
    }
  }

  storeTile(warp: Warp, mask: number, request: TileRequest): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & ~warp.discarded & (1 << lane))) continue;
      const [rt, at, codec, sample] = this.#texel(request, lane);
      const covered = this.#late.left(lane, request.coverage[lane]!, undefined, -1);
      // A store names one sample; single-sampled coverage is all or nothing.
      if (!(covered & (1 << sample))) continue;
      readColor(request.values, request.type, request.channels, lane, codec, this.#source);
      const words = this.#state.tile.colors[rt]!;
      codec.store(this.#source, words, at);
      storeSingles(request.values, request.type, request.channels, lane, codec, words, at);
      this.#state.touch(rt);
    }
  }

  /**
   * Depth as a number, or stencil. Of a stencil's upper 24 bits Mesa believes nothing; here they are zero.
   * Source: Mesa 26 `src/panfrost/compiler/bifrost/bifrost_compile.c` (bi_emit_ld_tile), `src/panfrost/lib/pan_fb_shader.c`
   * (build_single_fb_load, get_fb_conversion).
   */
  #loadDepthStencil(mask: number, { indices, values, type, channels }: TileRequest): void {
    if (channels > 1) throw invalid(`Pixel Indices: ${channels} channels, where depth or stencil is loaded`);
    const { tile, framebuffer } = this.#state;
    const { zInternalFormat } = framebuffer.parameters;
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const { renderTarget } = indicesView(indices[lane]!);
      const sample = this.#sample(indices[lane]!);
      const at = sample * TILE_PIXELS + this.#warp.pixel[lane]!;
      if (renderTarget === PIXEL_DEPTH && (type === 'float' || type === 'raw')) {
        values.f32[lane] = depthOf(zInternalFormat, tile.depth[at]!);
      } else if (renderTarget === PIXEL_STENCIL && type !== 'float') values.u32[lane] = tile.stencil[at]!;
      else throw invalid(`Pixel Indices: ${type} of render target ${renderTarget}, where depth or stencil is loaded`);
    }
  }

  /** The sample that a lane's pixel indices name, of the current pixel. */
  #sample(indices: number): number {
    const { samples } = this.#state.framebuffer;
    const { sample: named, y } = indicesView(indices);
    // Sample 0 of a thread that stands for one sample is that one: so framebuffer fetch names it, while blend shaders name it by number.
    const sample = named || Math.max(this.#warp.sample, 0);
    if (y !== PIXEL_CURRENT) throw invalid(`Pixel Indices: y ${y}: only the current pixel is implemented`);
    if (sample >= samples) throw invalid(`Pixel Indices: sample ${sample} of ${samples}`);
    return sample;
  }

  /** Render target, word in its tile buffer, codec and sample that a lane of LD_TILE or ST_TILE names. */
  #texel(request: TileRequest, lane: number): [number, number, TileCodec, number] {
    const { targets } = this.#state.framebuffer;
    const { renderTarget: rt } = indicesView(request.indices[lane]!);
    const target = targets[rt];
    if (!target) throw invalid(`Pixel Indices: render target ${rt} of ${targets.length}`);
    const sample = this.#sample(request.indices[lane]!);
    const conversion = conversionView(request.conversion[lane]!);
    const codec = this.#codes.codec(conversion.memoryFormat, conversion.raw, rt);
    return [rt, (sample * TILE_PIXELS + this.#warp.pixel[lane]!) * target.words, codec, sample];
  }
}

const invalid = (message: string): GpuFault => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);

function limit(rgba: Float64Array): void {
  for (let i = 0; i < 4; i++) {
    const value = rgba[i]!;
    rgba[i] = value > 0 ? Math.min(value, 1) : 0;
  }
}

/** A lane's colour as the codec's kind of number. Channels that the shader did not send are 0, 0, 0, 1. */
function readColor(
  values: LaneVectors,
  type: LaneType,
  channels: number,
  lane: number,
  codec: TileCodec,
  out: Float64Array,
): void {
  for (let i = 0; i < 4; i++) {
    const at = i * LANES + lane;
    if (i >= channels) out[i] = i === 3 ? 1 : 0;
    else if (type === 'float') out[i] = values.f32[at]!;
    else if (type === 'uint') out[i] = values.u32[at]!;
    else if (type === 'sint') out[i] = values.i32[at]!;
    else out[i] = codec.kind === 'float' ? values.f32[at]! : codec.kind === 'sint' ? values.i32[at]! : values.u32[at]!;
  }
}

function writeValue(values: LaneVectors, type: LaneType, at: number, value: number, codec: TileCodec): void {
  if (type === 'float' || (type === 'raw' && codec.kind === 'float')) values.f32[at] = value;
  else if (type === 'sint' || (type === 'raw' && codec.kind === 'sint')) values.i32[at] = value;
  else values.u32[at] = value;
}

const asBits = (type: LaneType): boolean => type === 'float' || type === 'raw';

/** Registers have what the codec has in single precision, bit by bit: script's numbers forget which NaN it was. */
function loadSingles(
  values: LaneVectors,
  type: LaneType,
  lane: number,
  { singles }: TileCodec,
  words: Uint32Array,
  at: number,
): void {
  if (!asBits(type)) return;
  for (const { component, word } of singles.load) values.u32[component * LANES + lane] = words[at + word]!;
}

/** The way back, of what the shader sent. */
function storeSingles(
  values: LaneVectors,
  type: LaneType,
  channels: number,
  lane: number,
  { singles }: TileCodec,
  words: Uint32Array,
  at: number,
): void {
  if (!asBits(type)) return;
  for (const { component, word } of singles.store) {
    if (component < channels) words[at + word] = values.u32[component * LANES + lane]!;
  }
}
