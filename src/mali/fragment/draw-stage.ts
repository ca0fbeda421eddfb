/**
 * DrawStage: the fixed functions around the fragment shader of one draw, as the shader core sees them (FragmentStage).
 *
 * The front end loads a warp (four quads of one primitive) with `load`; the core then asks for interpolation, and hands over
 * coverage, depth and colours. Depth and stencil are tested early by the front end (`early`), or late: at ATEST, or at
 * ZS_EMIT if the shader gives depth or stencil, or at the first colour if it did neither. A lane's late test happens
 * once; a program that ends without any of these leaves depth and stencil alone, as a discarded lane does.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_fragment_out), `src/panfrost/lib/pan_earlyzs.c`,
 * `src/panfrost/lib/pan_blend.c`.
 */

import { namePixelFormat } from '../../abi/formats.ts';
import {
  BLEND_MODE,
  Blend,
  DepthStencil,
  type Draw,
  MAX_RENDER_TARGETS,
  OCCLUSION_MODE,
  PIXEL_KILL,
} from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import {
  DESCRIPTOR_TYPE,
  PACKET_VARYINGS_OFFSET,
  PIXEL_CURRENT,
  PixelIndices,
} from '../../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { type Extent, GpuFault, type VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, STAGE, STAGE_BYTES } from '../recompiler/frame.ts';
import type {
  BlendRequest,
  FragmentStage,
  LaneType,
  LaneVectors,
  PrimitiveVertices,
  SampleMode,
  TileRequest,
  Warp,
} from '../shader/contract.ts';
import { LANES } from '../shader/contract.ts';
import { BlendEquation } from './blend.ts';
import { DepthStencilTest } from './depth-stencil.ts';
import type { Framebuffer } from './framebuffer.ts';
import { CENTER, type Coverage, type SamplePattern, SUBPIXEL, TILE, TILE_PIXELS, type Triangle } from './raster.ts';
import type { TileBuffer } from './tile-buffer.ts';
import { fits, isRgba8, type TileCodec, tileCodec } from './tile-codec.ts';
import { type BlendWarp, blendWarp } from './wasm/blend.ts';
import { type FrontEnd, frontEnd } from './wasm/depth.ts';
import { WARP } from './wasm/raster.ts';

const NOT_TESTED = -1;

/** What the stage keeps of a Blend descriptor. */
interface BlendState {
  readonly enabled: boolean;
  readonly alphaToOne: boolean;
  readonly equation: BlendEquation | undefined;
}

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

export class DrawStage implements FragmentStage {
  readonly kind = 'fragment';
  readonly frame: number;
  readonly primitives: (PrimitiveVertices | undefined)[] = [undefined, undefined, undefined, undefined];
  readonly attributeStride: number;
  readonly framebufferSize: number;
  readonly samplePositions: number;
  readonly atestDatum: readonly [number, number];
  readonly blendDescriptors: Uint32Array;

  readonly draw: Infer<typeof Draw>;
  readonly test: DepthStencilTest;
  /** Samples at which this draw is rastered, and the mask that a covered one stands for if that is not itself. */
  readonly pattern: SamplePattern;
  /** Shade each sample by itself. */
  readonly perSample: boolean;
  /** Test and update before shading; else after. */
  readonly early: boolean;
  /** Samples that have passed, for occlusion queries. */
  passed = 0;

  readonly #framebuffer: Framebuffer;
  readonly #tile: TileBuffer;
  /** More samples are rastered than the tile buffer keeps: all of them stand for its only one. */
  readonly #merged: boolean;
  readonly #blends: BlendState[] = [];
  readonly #rgba = new Float64Array(4);
  readonly #source = new Float64Array(4);
  readonly #weights = new Float64Array(2);

  // The warp in work.
  #triangle: Triangle | undefined;
  #backFacing = false;
  #bias = 0;
  #point = false;
  /** Pixel of each lane: in the window, and its index in the tile. */
  readonly #x: Int32Array;
  readonly #y: Int32Array;
  /** The triangle's planes for recompiled shaders. */
  readonly #planes: Float64Array;
  readonly #memory: VirtualMemory;
  /** The vertex packet that was met last. */
  #packet = -1;
  #extent: Extent | undefined;
  #generation = -1;
  readonly #pixel: Int32Array;
  /** Samples that each lane stands for, and what is left of them after the late test (NOT_TESTED before). */
  readonly #coverage: Int32Array;
  readonly #tested: Int32Array;
  readonly #engine: Engine;
  readonly #blended: Int32Array;
  readonly #colour: Int32Array;
  #lastBlend: LastBlend | undefined;
  /** Emitted front ends, for front and back faces. */
  readonly #frontEnds: (FrontEnd | undefined)[] = [undefined, undefined];
  readonly #range: readonly [low: number, high: number];

  constructor(
    memory: VirtualMemory,
    draw: Infer<typeof Draw>,
    framebuffer: Framebuffer,
    tile: TileBuffer,
    engine: Engine,
  ) {
    this.#engine = engine;
    this.#pixel = tile.warpWords(WARP.pixel);
    this.#coverage = tile.warpWords(WARP.coverage);
    this.#tested = tile.warpWords(WARP.tested);
    this.#blended = tile.warpWords(WARP.blended);
    this.#colour = new Int32Array(scratch.buffer, tile.warpAt + WARP.colour, 4 * LANES);
    this.frame = scratch.owned(this, STAGE_BYTES);
    this.#x = new Int32Array(scratch.buffer, this.frame + STAGE.x, LANES);
    this.#y = new Int32Array(scratch.buffer, this.frame + STAGE.y, LANES);
    this.#planes = new Float64Array(scratch.buffer, this.frame + STAGE.planes, 11);
    this.#memory = memory;
    this.draw = draw;
    this.#framebuffer = framebuffer;
    this.#tile = tile;
    const { parameters } = framebuffer;
    this.attributeStride = draw.vertexAttributeStride;
    this.framebufferSize = (parameters.width - 1) | ((parameters.height - 1) << 16);
    this.samplePositions = parameters.sampleLocations;
    this.atestDatum = [draw.flags0, draw.flags1];
    const zs = memory.decode(DepthStencil, draw.depthStencil);
    if (zs.type !== DESCRIPTOR_TYPE.DEPTH_STENCIL) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        draw.depthStencil,
        `Draw: depth/stencil at 0x${draw.depthStencil.toString(16)} has descriptor type ${zs.type}`,
      );
    }
    this.test = new DepthStencilTest(
      zs,
      parameters.zInternalFormat,
      draw.minimumZ,
      draw.maximumZ,
      tile.depth,
      tile.stencil,
    );
    this.#range = this.test.range;
    this.pattern = draw.multisampleEnable ? framebuffer.raster : CENTER;
    this.#merged = this.pattern.count > framebuffer.samples;
    this.perSample = framebuffer.samples > 1 && draw.multisampleEnable && draw.evaluatePerSample;
    this.early =
      !this.test.fromShader &&
      draw.pixelKillOperation !== PIXEL_KILL.FORCE_LATE &&
      draw.zsUpdateOperation !== PIXEL_KILL.FORCE_LATE;
    this.blendDescriptors = this.#loadBlends(memory);
    this.#describeOutput();
  }

  /** Tells recompiled shaders which colours they may store by themselves. */
  #describeOutput(): void {
    const words = scratch.u32;
    const at = this.frame / 4;
    words[at + STAGE.direct / 4] = this.early && !this.#merged && this.#framebuffer.samples === 1 ? 1 : 0;
    words[at + STAGE.flags / 4] = this.#tile.dirtyAt;
    words[at + STAGE.pixels / 4] = this.#pixel.byteOffset;
    words[at + STAGE.coverage / 4] = this.#coverage.byteOffset;
    for (let n = 0; n < MAX_RENDER_TARGETS; n++) {
      const record = at + (STAGE.blend + n * BLEND_RECORD_BYTES) / 4;
      const [low, high] = [this.blendDescriptors[n * 2]!, this.blendDescriptors[n * 2 + 1]!];
      const { mode, rt, conversion } = blendView(low, high);
      const target = this.#framebuffer.targets[rt];
      let kind: number = BLEND_KIND.STAGE;
      if (mode === BLEND_MODE.OFF) kind = BLEND_KIND.NOTHING;
      else if (
        mode === BLEND_MODE.OPAQUE &&
        target &&
        !(this.#blends[rt]?.alphaToOne && this.draw.multisampleEnable) &&
        !conversion.raw &&
        fits(conversion.memoryFormat, target.internal) &&
        isRgba8(conversion.memoryFormat)
      ) {
        kind = BLEND_KIND.STORE_RGBA8;
        words[record + BLEND_RECORD.words / 4] = this.#tile.colorAt[rt]!;
        words[record + BLEND_RECORD.touch / 4] = this.draw.cleanFragmentWrite ? 0 : 1 << rt;
      }
      words[record + BLEND_RECORD.kind / 4] = kind;
    }
  }

  /** The shader's blend descriptors. Targets that the draw has none for are off. */
  #loadBlends(memory: VirtualMemory): Uint32Array {
    const { blend, blendCount } = this.draw;
    const descriptors = Uint32Array.from({ length: MAX_RENDER_TARGETS * 2 }, (_, i) => (i % 2 ? 0 : BLEND_MODE.OFF));
    for (let i = 0; i < Math.min(blendCount, MAX_RENDER_TARGETS); i++) {
      const descriptor = memory.decode(Blend, blend + i * Blend.size);
      descriptors[i * 2] = descriptor.internalLow;
      descriptors[i * 2 + 1] = descriptor.internalHigh;
      this.#blends.push({
        enabled: descriptor.enable,
        alphaToOne: descriptor.alphaToOne,
        equation:
          descriptor.enable && descriptor.mode === BLEND_MODE.FIXED_FUNCTION
            ? new BlendEquation(descriptor.rgb, descriptor.alpha, descriptor.colorMask, descriptor.constant)
            : undefined,
      });
    }
    return descriptors;
  }

  /** The kept samples that covered raster samples stand for. */
  #kept(mask: number): number {
    return this.pattern.count === this.#framebuffer.samples || mask === 0 ? mask : 2 ** this.#framebuffer.samples - 1;
  }

  /** Begins a primitive. `point`: weights are gl_PointCoord. */
  primitive(triangle: Triangle, vertices: PrimitiveVertices, backFacing: boolean, point: boolean): void {
    this.#triangle = triangle;
    this.#backFacing = backFacing;
    this.#point = point;
    this.#bias = this.test.bias(triangle.slope, 1);
    this.primitives.fill(vertices);
    this.#describe(triangle, vertices);
  }

  /** Tells recompiled shaders what they need to interpolate by themselves, if it is as simple as they want it. */
  #describe(triangle: Triangle, { count, packets, slots, provoking }: PrimitiveVertices): void {
    const words = scratch.u32;
    const at = this.frame / 4;
    words[at + STAGE.simple / 4] = 0;
    if (count !== 3 || this.#framebuffer.pattern.count !== 1) return;
    let limit = 2 ** 31;
    for (let v = 0; v < 3; v++) {
      const packet = packets[v]!;
      const extent = this.#extentOf(packet);
      if (!extent) return;
      const record = packet + PACKET_VARYINGS_OFFSET + slots[v]! * this.attributeStride;
      limit = Math.min(limit, extent.start + extent.size - record);
      words[at + STAGE.vertices / 4 + v] = extent.physical + (record - extent.start);
    }
    if (limit <= 0) return;
    words[at + STAGE.provoking / 4] = words[at + STAGE.vertices / 4 + provoking]!;
    words[at + STAGE.limit / 4] = limit;
    words[at + STAGE.simple / 4] = 1;
    this.#planes.set(triangle.planes);
  }

  #extentOf(packet: number): Extent | undefined {
    const { generation } = this.#memory;
    if (packet !== this.#packet || generation !== this.#generation) {
      this.#packet = packet;
      this.#generation = generation;
      this.#extent = this.#memory.extent(packet, 'read');
    }
    return this.#extent;
  }

  /**
   * Takes samples out of `coverage` that lie outside the draw's depth range or, if tests come early, fail. (left, top):
   * the tile's first pixel.
   */
  frontEnd(coverage: Coverage, left: number, top: number): void {
    const triangle = this.#triangle!;
    const { sampleMask } = this.draw;
    const everything = 2 ** this.#framebuffer.samples - 1;
    const before = this.#merged ? sampleMask : 0xffff;
    const after = this.#merged ? everything : sampleMask & everything;
    const simple = this.test.trivial || (!this.early && !this.test.culls);
    if (this.#engine === 'wasm') {
      const face = this.#backFacing ? 1 : 0;
      this.#frontEnds[face] ??= frontEnd({
        samples: this.#framebuffer.samples,
        pattern: this.#merged ? CENTER : this.pattern,
        before,
        after,
        merged: this.#merged,
        spread: this.pattern.count !== this.#framebuffer.samples,
        simple,
        early: this.early,
        ...this.test.emitted(this.#backFacing),
      });
      const { depthAt, stencilAt } = this.#tile;
      const [low, high] = this.#range;
      const { at, count } = coverage;
      const done = this.#frontEnds[face](triangle.at, at, count, left, top, depthAt, stencilAt, this.#bias, low, high);
      this.passed += done >> 1;
      if (done & 1) this.#tile.dirtyDepth ||= !this.draw.cleanFragmentWrite;
      coverage.count = coverage.left;
      return;
    }
    for (let i = 0; i < coverage.count * 4; i++) {
      const rastered = coverage.mask[i]! & before;
      let samples = this.#kept(rastered) & after;
      if (samples !== 0 && !simple) {
        const quad = i >> 2;
        const x = coverage.x[quad]! + (i & 1);
        const y = coverage.y[quad]! + ((i >> 1) & 1);
        samples = this.#testEarly(triangle, samples, left + x, top + y, y * TILE + x);
      } else if (samples !== 0 && this.early) this.passed += bitCount(samples);
      coverage.mask[i] = this.#merged && samples !== 0 ? rastered : samples;
    }
  }

  #testEarly(triangle: Triangle, samples: number, x: number, y: number, pixel: number): number {
    let left = 0;
    for (let s = 0; s < this.#framebuffer.samples; s++) {
      if (!(samples & (1 << s))) continue;
      const z = this.#depthAt(triangle, x, y, s);
      if (!this.test.inRange(Math.fround(z))) continue;
      if (this.early) {
        const at = s * TILE_PIXELS + pixel;
        this.#tile.dirtyDepth ||= !this.draw.cleanFragmentWrite;
        if (!this.test.test(at, this.test.final(z + this.#bias), this.#backFacing, -1, true)) continue;
        this.passed++;
      }
      left |= 1 << s;
    }
    return left;
  }

  #depthAt(triangle: Triangle, x: number, y: number, sample: number): number {
    const pattern = this.#merged ? CENTER : this.pattern;
    const s = pattern.count === 1 ? 0 : sample;
    return triangle.depth(x * SUBPIXEL + pattern.x[s]!, y * SUBPIXEL + pattern.y[s]!);
  }

  /** Puts a lane of the warp on a pixel with the samples that it stands for. */
  load(lane: number, x: number, y: number, left: number, top: number, samples: number): void {
    this.#x[lane] = x;
    this.#y[lane] = y;
    this.#pixel[lane] = (y - top) * TILE + (x - left);
    this.#coverage[lane] = samples;
    this.#tested[lane] = NOT_TESTED;
  }

  /** Tests a lane that no shader runs for. */
  testNow(lane: number): void {
    this.#late(lane, this.#coverage[lane]!, undefined, -1);
  }

  /** The same, as coverage for the shader: of merged samples all are left, or none. */
  #lateCoverage(lane: number, samples: number, depth: number | undefined, stencil: number): number {
    const left = this.#late(lane, samples, depth, stencil);
    return this.#merged && left !== 0 ? samples & this.#coverage[lane]! : left;
  }

  /** What is left of a lane's kept samples after the late test, which is made now if it was not. */
  #late(lane: number, samples: number, depth: number | undefined, stencil: number): number {
    samples &= this.#coverage[lane]!;
    if (this.#merged) samples = this.#kept(samples);
    if (this.early) return samples;
    const tested = this.#tested[lane]!;
    if (tested !== NOT_TESTED) return samples & tested;
    let left = 0;
    for (let s = 0; s < this.#framebuffer.samples; s++) {
      if (!(samples & (1 << s))) continue;
      let z = depth;
      if (z === undefined) z = this.#depthAt(this.#triangle!, this.#x[lane]!, this.#y[lane]!, s) + this.#bias;
      this.#tile.dirtyDepth ||= !this.draw.cleanFragmentWrite;
      const at = s * TILE_PIXELS + this.#pixel[lane]!;
      if (!this.test.test(at, this.test.final(z), this.#backFacing, stencil, true)) continue;
      this.passed++;
      left |= 1 << s;
    }
    this.#tested[lane] = left;
    return left;
  }

  // Interpolation.

  /** Position that `mode` asks for, in 1/256 pixel of the window; x now, y in #py. */
  #py = 0;
  #position(lane: number, mode: SampleMode, source: number): number {
    const x = this.#x[lane]! * SUBPIXEL;
    const y = this.#y[lane]! * SUBPIXEL;
    const { pattern } = this.#framebuffer;
    if (mode === 'explicit') {
      this.#py = y + (source >> 16);
      return x + ((source << 16) >> 16);
    }
    let sample = -1;
    if (mode === 'sample') sample = Math.min((source >>> 16) & 0x1f, pattern.count - 1);
    else if (mode === 'centroid') {
      const covered = this.#coverage[lane]!;
      if (covered !== 0 && covered !== 2 ** pattern.count - 1) sample = 31 - Math.clz32(covered & -covered);
    }
    if (sample < 0 || pattern.count === 1 || sample >= pattern.count) {
      this.#py = y + CENTER.y[0]!;
      return x + CENTER.x[0]!;
    }
    this.#py = y + pattern.y[sample]!;
    return x + pattern.x[sample]!;
  }

  barycentrics(_warp: Warp, mask: number, mode: SampleMode, source: Int32Array, out: Float32Array): void {
    const triangle = this.#triangle!;
    const count = this.primitives[0]!.count;
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      if (count === 1) {
        out[lane] = 1;
        continue;
      }
      const x = this.#position(lane, mode, source[lane]!);
      triangle.weights(x, this.#py, this.#weights);
      // Rounded to singles step by step: recompiler/varying.ts does the same.
      const w0 = Math.fround(this.#weights[0]!);
      const w1 = Math.fround(count === 2 ? 1 - w0 : this.#weights[1]!);
      out[lane] = w0;
      out[LANES + lane] = w1;
      if (count === 3) out[2 * LANES + lane] = Math.fround(1 - w0) - w1;
    }
  }

  special(
    _warp: Warp,
    mask: number,
    what: 'point' | 'w' | 'z',
    mode: SampleMode,
    source: Int32Array,
    out: LaneVectors,
  ): void {
    const triangle = this.#triangle!;
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const x = this.#position(lane, mode, source[lane]!);
      const y = this.#py;
      if (what === 'w') out.f32[lane] = triangle.inverseW(x, y);
      else if (what === 'z') out.f32[lane] = triangle.depth(x, y) + this.#bias;
      else {
        this.#weights.fill(0);
        if (this.#point) triangle.weights(x, y, this.#weights);
        const t = this.#weights[1]!;
        out.f32[lane] = this.#weights[0]!;
        out.f32[LANES + lane] = this.#framebuffer.parameters.pointSpriteCoordOriginMaxY ? 1 - t : t;
      }
    }
  }

  // Tests.

  alphaTest(warp: Warp, mask: number, coverage: Int32Array, alpha: Float32Array, out: Int32Array): void {
    const { alphaToCoverage, alphaToCoverageInvert, multisampleEnable } = this.draw;
    const { samples } = this.#framebuffer;
    if (this.early && !this.#merged && !alphaToCoverage) {
      for (let lane = 0; lane < LANES; lane++) {
        if (mask & (1 << lane)) out[lane] = coverage[lane]! & this.#coverage[lane]!;
      }
      return;
    }
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      let covered = coverage[lane]! & this.#coverage[lane]!;
      if (alphaToCoverage && multisampleEnable && samples > 1) {
        const a = alpha[lane]!;
        const n = Math.round((a > 0 ? Math.min(a, 1) : 0) * samples);
        covered &= alphaToCoverageInvert ? ~(2 ** (samples - n) - 1) : 2 ** n - 1;
      }
      const gone = (warp.discarded & (1 << lane)) !== 0;
      if (gone) out[lane] = covered;
      else if (this.test.fromShader) {
        this.#coverage[lane] = covered;
        out[lane] = covered;
      } else out[lane] = this.#lateCoverage(lane, covered, undefined, -1);
    }
  }

  emitDepthStencil(
    warp: Warp,
    mask: number,
    coverage: Int32Array,
    depth: Float32Array | undefined,
    stencil: Int32Array | undefined,
    out: Int32Array,
  ): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      out[lane] =
        warp.discarded & (1 << lane)
          ? coverage[lane]!
          : this.#lateCoverage(lane, coverage[lane]!, depth?.[lane], stencil ? stencil[lane]! & 0xff : -1);
    }
  }

  // Colour.

  blend(warp: Warp, mask: number, request: BlendRequest): void {
    const fast = this.#blendCode(request);
    if (fast) {
      this.#blendFast(fast, warp, mask, request);
      return;
    }
    const descriptor = blendView(request.descriptorLow, request.descriptorHigh);
    const { mode, rt, conversion } = descriptor;
    if (mode === BLEND_MODE.OFF) return;
    const target = this.#framebuffer.targets[rt];
    const state = this.#blends[rt];
    if (!target || (mode === BLEND_MODE.FIXED_FUNCTION && state && !state.enabled)) return;
    const codec = this.#codec(conversion.memoryFormat, conversion.raw, rt);
    const equation = mode === BLEND_MODE.FIXED_FUNCTION ? state?.equation : undefined;
    const words = this.#tile.colors[rt]!;
    const { samples } = this.#framebuffer;
    const alphaToOne = state?.alphaToOne === true && this.draw.multisampleEnable;
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & ~warp.discarded & (1 << lane))) continue;
      const covered = this.#late(lane, request.coverage[lane]!, undefined, -1);
      if (covered === 0) continue;
      readColor(request.colour, request.type, request.channels, lane, codec, this.#source);
      if (alphaToOne) this.#source[3] = 1;
      if (equation && codec.unorm) limit(this.#source);
      for (let s = 0; s < samples; s++) {
        if (!(covered & (1 << s))) continue;
        const at = (s * TILE_PIXELS + this.#pixel[lane]!) * target.words;
        if (!equation) codec.store(this.#source, words, at);
        else {
          codec.load(words, at, this.#rgba);
          equation.apply(this.#source, this.#rgba);
          codec.store(this.#rgba, words, at);
        }
      }
      this.#touch(rt);
    }
  }

  /** Emitted code for a request, or undefined where script is to do it. Remembers the last answer. */
  #blendCode({ descriptorLow, descriptorHigh, type, channels }: BlendRequest): FastBlend | undefined {
    if (this.#engine !== 'wasm') return undefined;
    const last = this.#lastBlend;
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
    this.#lastBlend = { low: descriptorLow, high: descriptorHigh, type, channels, fast };
    return fast;
  }

  #makeBlend(low: number, high: number, type: LaneType, channels: number): FastBlend | undefined {
    const { mode, rt, conversion } = blendView(low, high);
    const target = this.#framebuffer.targets[rt];
    const state = this.#blends[rt];
    if (mode === BLEND_MODE.OFF || !target || (mode === BLEND_MODE.FIXED_FUNCTION && state && !state.enabled)) {
      return undefined;
    }
    const { fixed } = this.#codec(conversion.memoryFormat, conversion.raw, rt);
    if (!fixed || target.words !== 1 || (type !== 'float' && type !== 'raw')) return undefined;
    const run = blendWarp({
      ...fixed,
      equation: mode === BLEND_MODE.FIXED_FUNCTION ? state?.equation?.code : undefined,
      channels,
      alphaToOne: state?.alphaToOne === true && this.draw.multisampleEnable,
      samples: this.#framebuffer.samples,
    });
    return { rt, run };
  }

  #blendFast({ rt, run }: FastBlend, warp: Warp, mask: number, { coverage, colour }: BlendRequest): void {
    const samples = this.#blended;
    const lanes = mask & ~warp.discarded;
    if (this.early && !this.#merged) {
      for (let lane = 0; lane < LANES; lane++) samples[lane] = coverage[lane]! & this.#coverage[lane]!;
    } else {
      for (let lane = 0; lane < LANES; lane++) {
        if (lanes & (1 << lane)) samples[lane] = this.#late(lane, coverage[lane]!, undefined, -1);
      }
    }
    const { warpAt, colorAt } = this.#tile;
    let from = warpAt + WARP.colour;
    if (colour.f32.buffer === scratch.buffer) from = colour.f32.byteOffset;
    else this.#colour.set(colour.i32);
    if (run(warpAt, warpAt + WARP.blended, from, colorAt[rt]!, lanes)) this.#touch(rt);
  }

  loadTile(_warp: Warp, mask: number, request: TileRequest): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const [rt, at, codec] = this.#texel(request, lane);
      codec.load(this.#tile.colors[rt]!, at, this.#rgba);
      for (let i = 0; i < 4; i++) writeValue(request.values, request.type, i * LANES + lane, this.#rgba[i]!, codec);
    }
  }

  storeTile(warp: Warp, mask: number, request: TileRequest): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & ~warp.discarded & (1 << lane))) continue;
      const [rt, at, codec, sample] = this.#texel(request, lane);
      const covered = this.#late(lane, request.coverage[lane]!, undefined, -1);
      // A store names one sample; single-sampled coverage is all or nothing.
      if (!(covered & (1 << sample))) continue;
      readColor(request.values, request.type, request.channels, lane, codec, this.#source);
      codec.store(this.#source, this.#tile.colors[rt]!, at);
      this.#touch(rt);
    }
  }

  /** Render target, word in its tile buffer, codec and sample that a lane of LD_TILE or ST_TILE names. */
  #texel(request: TileRequest, lane: number): [number, number, TileCodec, number] {
    const indices = indicesView(request.indices[lane]!);
    const { renderTarget: rt, sample, y } = indices;
    const target = this.#framebuffer.targets[rt];
    if (!target) throw this.#invalid(`Pixel Indices: render target ${rt} of ${this.#framebuffer.targets.length}`);
    if (y !== PIXEL_CURRENT) throw this.#invalid(`Pixel Indices: y ${y}: only the current pixel is implemented`);
    if (sample >= this.#framebuffer.samples) {
      throw this.#invalid(`Pixel Indices: sample ${sample} of ${this.#framebuffer.samples}`);
    }
    const conversion = conversionView(request.conversion[lane]!);
    const codec = this.#codec(conversion.memoryFormat, conversion.raw, rt);
    return [rt, (sample * TILE_PIXELS + this.#pixel[lane]!) * target.words, codec, sample];
  }

  #touch(rt: number): void {
    if (!this.draw.cleanFragmentWrite) this.#tile.dirtyColors |= 1 << rt;
  }

  /** By render target and pixel format. */
  readonly #codecs = new Map<number, TileCodec>();

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
    if (raw) throw this.#invalid('Internal Conversion: raw is not implemented');
    const { internal } = this.#framebuffer.targets[rt]!;
    if (!fits(format, internal)) {
      throw this.#invalid(
        `Internal Conversion: memory format ${namePixelFormat(format)} does not fit render target ${rt} (${internal.name})`,
      );
    }
    return tileCodec(format);
  }

  #invalid(message: string): GpuFault {
    return new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);
  }

  /** Adds what the draw's occlusion query has counted to memory. */
  flushQuery(memory: VirtualMemory): void {
    const { occlusionQuery, occlusion } = this.draw;
    const passed = this.passed;
    this.passed = 0;
    if (passed === 0 || occlusionQuery === OCCLUSION_MODE.DISABLED) return;
    if (occlusionQuery === OCCLUSION_MODE.COUNTER) memory.store64(occlusion, memory.load64(occlusion) + passed);
    else if (occlusionQuery === OCCLUSION_MODE.PREDICATE) memory.store64(occlusion, 1);
    else throw this.#invalid(`Draw: occlusion query mode ${occlusionQuery} is not implemented`);
  }
}

// Descriptors that come in registers, decoded over a fixed view.

const words = new DataView(new ArrayBuffer(16));
let lastBlend: Infer<typeof Blend> | undefined;

function blendView(low: number, high: number): Infer<typeof Blend> {
  if (lastBlend && lastBlend.internalLow === low >>> 0 && lastBlend.internalHigh === high >>> 0) return lastBlend;
  words.setUint32(8, low, true);
  words.setUint32(12, high, true);
  lastBlend = Blend.read(words, 0);
  return lastBlend;
}

function indicesView(word: number): Infer<typeof PixelIndices> {
  words.setUint32(0, word, true);
  return PixelIndices.read(words, 0);
}

function conversionView(word: number): Infer<typeof Blend>['conversion'] {
  words.setUint32(12, word, true);
  return Blend.fields.conversion.read(words, 0);
}

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

export function bitCount(x: number): number {
  let count = 0;
  for (; x !== 0; x &= x - 1) count++;
  return count;
}
