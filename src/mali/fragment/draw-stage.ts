/**
 * DrawStage: the fixed functions around the fragment shader of one draw, as the shader core sees them (FragmentStage).
 *
 * The front end lists quads, four of which are a warp; the core then asks for interpolation, and hands over
 * coverage, depth and colours. Each part is a file of its own: what the descriptors say (draw-state.ts), the warp in work
 * (stage-warp.ts), what comes before (front.ts) and tests after shading (late-tests.ts), interpolation.ts, color-output.ts, and
 * what recompiled shaders are told so that they need not ask (stage-description.ts).
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_fragment_out).
 */
import { type Draw, OCCLUSION_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import type { DrawWays } from '../recompiler/draw-ways.ts';
import type {
  BlendRequest,
  FragmentStage,
  LaneVectors,
  PrimitiveVertices,
  SampleMode,
  TileRequest,
  Warp,
} from '../shader/contract.ts';
import { BlendCodes } from './blend-code.ts';
import { ColorOutput } from './color-output.ts';
import { DrawState } from './draw-state.ts';
import type { Framebuffer } from './framebuffer.ts';
import { Front } from './front.ts';
import { Interpolation } from './interpolation.ts';
import { LateTests } from './late-tests.ts';
import type { SamplePattern } from './raster.ts';
import { StageDescription } from './stage-description.ts';
import { StageWarp } from './stage-warp.ts';
import type { TileBuffer } from './tile-buffer.ts';
import { TileRecords } from './tile-records.ts';

export class DrawStage implements FragmentStage {
  readonly kind = 'fragment';
  readonly job: number;
  readonly frame: number;
  readonly attributeStride: number;
  readonly framebufferSize: number;
  readonly samplePositions: number;
  readonly atestDatum: readonly [number, number];
  readonly blendDescriptors: Uint32Array;
  readonly state: DrawState;
  /** What comes before shading. */
  readonly front: Front;
  readonly #warp: StageWarp;
  readonly #late: LateTests;
  readonly #interpolation: Interpolation;
  readonly #output: ColorOutput;
  readonly #description: StageDescription;
  readonly tileRecords: TileRecords;

  constructor(
    memory: VirtualMemory,
    draw: Infer<typeof Draw>,
    framebuffer: Framebuffer,
    tile: TileBuffer,
    engine: Engine,
    job = 0,
  ) {
    this.job = job;
    const state = new DrawState(memory, draw, framebuffer, tile);
    this.state = state;
    const { parameters } = framebuffer;
    this.attributeStride = draw.vertexAttributeStride;
    this.framebufferSize = (parameters.width - 1) | ((parameters.height - 1) << 16);
    this.samplePositions = parameters.sampleLocations;
    this.atestDatum = [draw.flags0, draw.flags1];
    this.blendDescriptors = state.blendDescriptors;
    this.#warp = new StageWarp(state);
    this.frame = this.#warp.frame;
    this.front = new Front(state, engine);
    this.#late = new LateTests(state, this.#warp);
    this.#interpolation = new Interpolation(this.#warp, framebuffer);
    const codes = new BlendCodes(state);
    this.#output = new ColorOutput(state, this.#warp, this.#late, codes, engine);
    this.#description = new StageDescription(state, this.#warp, this.#late, codes, engine);
    this.tileRecords = new TileRecords(state, codes);
  }

  /** The draw is over; its shader's run as well. */
  close(): void {
    this.#warp.close();
  }

  get ways(): DrawWays {
    return this.#description.ways;
  }

  get primitives(): (PrimitiveVertices | undefined)[] {
    return this.#warp.primitives;
  }

  get draw(): Infer<typeof Draw> {
    return this.state.draw;
  }

  get pattern(): SamplePattern {
    return this.state.pattern;
  }

  get perSample(): boolean {
    return this.state.perSample;
  }

  /** Samples that have passed, for occlusion queries. */
  get passed(): number {
    return this.state.passed + this.#description.passed;
  }

  get early(): boolean {
    return this.state.early;
  }

  /** All quads of the warps to come are of one primitive. */
  primitive(at: number): void {
    this.#warp.fill(at);
  }

  /** Puts a lane of the warp on a pixel with the samples that it stands for. */
  load(lane: number, x: number, y: number, left: number, top: number, samples: number): void {
    this.#warp.load(lane, x, y, left, top, samples);
  }

  barycentrics(_warp: Warp, mask: number, mode: SampleMode, source: Int32Array, out: Float32Array): void {
    this.#interpolation.barycentrics(mask, mode, source, out);
  }

  special(
    _warp: Warp,
    mask: number,
    what: 'point' | 'w' | 'z',
    mode: SampleMode,
    source: Int32Array,
    out: LaneVectors,
  ): void {
    this.#interpolation.special(mask, what, mode, source, out);
  }

  alphaTest(warp: Warp, mask: number, coverage: Int32Array, alpha: Float32Array, out: Int32Array): void {
    this.#late.alphaTest(warp, mask, coverage, alpha, out);
  }

  emitDepthStencil(
    warp: Warp,
    mask: number,
    coverage: Int32Array,
    depth: Float32Array | undefined,
    stencil: Int32Array | undefined,
    out: Int32Array,
  ): void {
    this.#late.emitDepthStencil(warp, mask, coverage, depth, stencil, out);
  }

  blend(warp: Warp, mask: number, request: BlendRequest): void {
    this.#output.blend(warp, mask, request);
  }

  loadTile(_warp: Warp, mask: number, request: TileRequest): void {
    this.#output.loadTile(mask, request);
  }

  storeTile(warp: Warp, mask: number, request: TileRequest): void {
    this.#output.storeTile(warp, mask, request);
  }

  /** Adds what the draw's occlusion query has counted to memory. */
  flushQuery(memory: VirtualMemory): void {
    const { occlusionQuery, occlusion } = this.draw;
    const { passed } = this;
    this.state.passed = 0;
    this.#description.passed = 0;
    if (passed === 0 || occlusionQuery === OCCLUSION_MODE.DISABLED) return;
    if (occlusionQuery === OCCLUSION_MODE.COUNTER) memory.update64(occlusion, (old) => old + BigInt(passed));
    else if (occlusionQuery === OCCLUSION_MODE.PREDICATE) memory.store64(occlusion, 1);
    else {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        0,
        `Draw: occlusion query mode ${occlusionQuery} is not implemented`,
      );
    }
  }
}
