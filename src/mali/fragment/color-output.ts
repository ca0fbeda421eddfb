/**
 * ColorOutput: what BLEND, LD_TILE and ST_TILE do to the tile buffer's colours.
 *
 * Emitted code (wasm/blend.ts) where there is some for the descriptor that the shader hands over, else the script that is its
 * reference. A lane's late test comes before its first colour.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_blend.c`, `src/panfrost/compiler/bifrost_compile.c`.
 */
import { namePixelFormat } from '../../abi/formats.ts';
import { BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { PIXEL_CURRENT } from '../../abi/gpu/shader-descriptors.ts';
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
import { blendView, conversionView, indicesView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { LateTests } from './late-tests.ts';
import { TILE_PIXELS } from './raster.ts';
import type { StageWarp } from './stage-warp.ts';
import { fits, type TileCodec, tileCodec } from './tile-codec.ts';
import { type BlendWarp, blendWarp } from './wasm/blend.ts';
import { WARP } from './wasm/raster.ts';

/** Blending by emitted code, and the request that it is for. */
interface FastBlend {
  readonly rt: number;
  readonly run: BlendWarp;
}
interface LastBlend {
  readonly low: number;
  readonly high: number;
  readonly type: LaneType;
  readonly channels: number;
  readonly fast: FastBlend | undefined;
}

export class ColorOutput {
  readonly #state: DrawState;
  readonly #warp: StageWarp;
  readonly #late: LateTests;
  readonly #engine: Engine;
  readonly #rgba = new Float64Array(4);
  readonly #source = new Float64Array(4);
  /** Samples that blend, and colours, where emitted code finds them. */
  readonly #blended: Int32Array;
  readonly #colour: Int32Array;
  #last: LastBlend | undefined;
  /** By render target and pixel format. */
  readonly #codecs = new Map<number, TileCodec>();

  constructor(state: DrawState, warp: StageWarp, late: LateTests, engine: Engine) {
    this.#state = state;
    this.#warp = warp;
    this.#late = late;
    this.#engine = engine;
    this.#blended = state.tile.warpWords(WARP.blended);
    this.#colour = new Int32Array(scratch.buffer, state.tile.warpAt + WARP.colour, 4 * LANES);
  }

  blend(warp: Warp, mask: number, request: BlendRequest): void {
    const fast = this.#blendCode(request);
    if (fast) {
      this.#blendFast(fast, warp, mask, request);
      return;
    }
    const { mode, rt, conversion } = blendView(request.descriptorLow, request.descriptorHigh);
    if (mode === BLEND_MODE.OFF) return;
    const { framebuffer, tile, blends } = this.#state;
    const { samples } = framebuffer;
    const target = framebuffer.targets[rt];
    const state = blends[rt];
    if (!target || (mode === BLEND_MODE.FIXED_FUNCTION && state && !state.enabled)) return;
    const codec = this.#codec(conversion.memoryFormat, conversion.raw, rt);
    const equation = mode === BLEND_MODE.FIXED_FUNCTION ? state?.equation : undefined;
    const words = tile.colors[rt]!;
    const alphaToOne = this.#state.alphaToOne(rt);
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & ~warp.discarded & (1 << lane))) continue;
      const covered = this.#late.left(lane, request.coverage[lane]!, undefined, -1);
      if (covered === 0) continue;
      readColor(request.colour, request.type, request.channels, lane, codec, this.#source);
      if (alphaToOne) this.#source[3] = 1;
      if (equation && codec.unorm) limit(this.#source);
      for (let s = 0; s < samples; s++) {
        if (!(covered & (1 << s))) continue;
        const at = (s * TILE_PIXELS + this.#warp.pixel[lane]!) * target.words;
        if (!equation) codec.store(this.#source, words, at);
        else {
          codec.load(words, at, this.#rgba);
          equation.apply(this.#source, this.#rgba);
          codec.store(this.#rgba, words, at);
        }
      }
      this.#state.touch(rt);
    }
  }

  /** Emitted code for a request, or undefined where script is to do it. Remembers the last answer. */
  #blendCode({ descriptorLow, descriptorHigh, type, channels }: BlendRequest): FastBlend | undefined {
    if (this.#engine !== 'wasm') return undefined;
    const last = this.#last;
    if (
      last &&
      last.low === descriptorLow &&
      last.high === descriptorHigh &&
      last.type === type &&
      last.channels === channels
    ) {
      return last.fast;
    }
    const fast = this.#makeBlend(descriptorLow, descriptorHigh, type, channels);
    this.#last = { low: descriptorLow, high: descriptorHigh, type, channels, fast };
    return fast;
  }

  #makeBlend(low: number, high: number, type: LaneType, channels: number): FastBlend | undefined {
    const { framebuffer, blends } = this.#state;
    const { mode, rt, conversion } = blendView(low, high);
    const target = framebuffer.targets[rt];
    const state = blends[rt];
    if (mode === BLEND_MODE.OFF || !target || (mode === BLEND_MODE.FIXED_FUNCTION && state && !state.enabled)) {
      return undefined;
    }
    const { fixed } = this.#codec(conversion.memoryFormat, conversion.raw, rt);
    if (!fixed || target.words !== 1 || (type !== 'float' && type !== 'raw')) return undefined;
    const run = blendWarp({
      ...fixed,
      equation: mode === BLEND_MODE.FIXED_FUNCTION ? state?.equation?.code : undefined,
      channels,
      alphaToOne: this.#state.alphaToOne(rt),
      samples: framebuffer.samples,
    });
    return { rt, run };
  }

  #blendFast({ rt, run }: FastBlend, warp: Warp, mask: number, { coverage, colour }: BlendRequest): void {
    const { early, merged, tile } = this.#state;
    const samples = this.#blended;
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
    else this.#colour.set(colour.i32);
    if (run(warpAt, warpAt + WARP.blended, from, colorAt[rt]!, lanes)) this.#state.touch(rt);
  }

  loadTile(mask: number, request: TileRequest): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const [rt, at, codec] = this.#texel(request, lane);
      codec.load(this.#state.tile.colors[rt]!, at, this.#rgba);
      for (let i = 0; i < 4; i++) writeValue(request.values, request.type, i * LANES + lane, this.#rgba[i]!, codec);
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
      codec.store(this.#source, this.#state.tile.colors[rt]!, at);
      this.#state.touch(rt);
    }
  }

  /** Render target, word in its tile buffer, codec and sample that a lane of LD_TILE or ST_TILE names. */
  #texel(request: TileRequest, lane: number): [number, number, TileCodec, number] {
    const { targets, samples } = this.#state.framebuffer;
    const { renderTarget: rt, sample, y } = indicesView(request.indices[lane]!);
    const target = targets[rt];
    if (!target) throw invalid(`Pixel Indices: render target ${rt} of ${targets.length}`);
    if (y !== PIXEL_CURRENT) throw invalid(`Pixel Indices: y ${y}: only the current pixel is implemented`);
    if (sample >= samples) throw invalid(`Pixel Indices: sample ${sample} of ${samples}`);
    const conversion = conversionView(request.conversion[lane]!);
    const codec = this.#codec(conversion.memoryFormat, conversion.raw, rt);
    return [rt, (sample * TILE_PIXELS + this.#warp.pixel[lane]!) * target.words, codec, sample];
  }

  #codec(format: number, raw: boolean, rt: number): TileCodec {
    const key = (format * 2 + (raw ? 1 : 0)) * MAX_RENDER_TARGETS * 2 + rt;
    let codec = this.#codecs.get(key);
    if (!codec) {
      codec = this.#makeCodec(format, raw, rt);
      this.#codecs.set(key, codec);
    }
    return codec;
  }

  #makeCodec(format: number, raw: boolean, rt: number): TileCodec {
    if (raw) throw invalid('Internal Conversion: raw is not implemented');
    const { internal } = this.#state.framebuffer.targets[rt]!;
    if (!fits(format, internal)) {
      throw invalid(
        `Internal Conversion: memory format ${namePixelFormat(format)} does not fit render target ${rt} (${internal.name})`,
      );
    }
    return tileCodec(format);
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
