/**
 * RUN_FRAGMENT: draws the tiles of a framebuffer from a polygon list.
 *
 * Tile after tile: clear values, pre-frame shaders (they load what memory holds, if Mesa wants it), the primitives that
 * touch the tile in drawing order, the post-frame shader, write-back. A primitive becomes quads (raster.ts), loses samples to
 * depth and stencil (draw-stage.ts), and its quads are shaded four at a time, as a warp of 16 lanes. The work is a generator that
 * rests after about a millisecond, in the middle of a tile or of a shader if need be.
 * Sources: Mesa 25.0.7 `src/panfrost/lib/pan_desc.c`, `src/gallium/drivers/panfrost/pan_fb_preload.c`, `pan_csf.c`.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { pairOf, FRAGMENT_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { PRIMITIVE_KIND, type PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { Draw, FRAME_SHADER_MODE, nameOf, TilerContext } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { FRAGMENT_PRELOAD } from '../../abi/isa/preload.ts';
import type { Infer } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { GpuFault, type RunRequest, type VirtualMemory, type Work, type WorkState } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import type { FragmentStage } from '../shader/contract.ts';
import { LANES, type PrimitiveVertices, QUADS, type ShaderRun, THREAD_SLOT } from '../shader/contract.ts';
import type { ShaderAddresses } from '../tiler/idvs.ts';
import { DrawStage } from './draw-stage.ts';
import { type Framebuffer, loadFramebuffer } from './framebuffer.ts';
import { PolygonReader } from './polygon-reader.ts';
import { Coverage, SUBPIXEL, TILE, Triangle } from './raster.ts';
import { TileBuffer } from './tile-buffer.ts';
import { type LoadWarp, loadWarp } from './wasm/raster.ts';
import { Writeback } from './writeback.ts';

/** Opens a program for warps of fragments. Bound to the shader cores where the units are put together. */
export type OpenFragmentShader = (
  memory: VirtualMemory,
  addresses: ShaderAddresses,
  stage: FragmentStage,
  threadSlot: number,
) => ShaderRun;

/** A draw as this job runs it. */
interface OpenDraw {
  readonly stage: DrawStage;
  /** Undefined if the draw has no shader: it only tests depth and stencil. */
  readonly run: ShaderRun | undefined;
  readonly scissor: readonly [minX: number, minY: number, maxX: number, maxY: number];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Draws kept open at once. */
const MAX_OPEN_DRAWS = 256;
/** Rough costs of a slice and of its parts, in interpreted warp instructions. */
const SLICE = 4000;
const WARP_BUDGET = 2000;
const COST = { tile: 100, primitive: 50, warp: 80 } as const;

/** Whether a frame shader of this mode leaves tiles alone that no primitive touches. */
const idle = (mode: number): boolean => mode === FRAME_SHADER_MODE.NEVER || mode === FRAME_SHADER_MODE.INTERSECT;

export class FragmentWork implements Work {
  readonly #job: FragmentJob;
  readonly #steps: Generator<void, void>;

  constructor(
    request: RunRequest<CsOperands<'RUN_FRAGMENT'>>,
    dram: PhysicalMemory,
    open: OpenFragmentShader,
    engine: Engine,
  ) {
    this.#job = new FragmentJob(request, dram, open, engine);
    this.#steps = this.#job.run();
  }

  get progress(): number {
    return this.#job.progress;
  }

  step(): WorkState {
    return this.#steps.next().done ? 'done' : 'more';
  }

  abandon(): void {
    this.#steps.return();
  }
}

class FragmentJob {
  /** Warps, primitives in tiles, tiles and slices of the polygon list that are done. */
  progress = 0;
  readonly #memory: VirtualMemory;
  readonly #open: OpenFragmentShader;
  readonly #framebuffer: Framebuffer;
  readonly #tile: TileBuffer;
  readonly #writeback: Writeback;
  readonly #reader: PolygonReader;
  /** First and last tile, columns and rows. */
  readonly #columns: readonly [number, number];
  readonly #rows: readonly [number, number];
  readonly #draws = new Map<number, OpenDraw>();
  readonly #frameDraws = new Map<number, OpenDraw>();
  readonly #triangle: Triangle;
  readonly #engine: Engine;
  readonly #load: LoadWarp = loadWarp();
  readonly #coverage = new Coverage();
  readonly #packets = [0, 0, 0];
  readonly #slots = [0, 0, 0];
  readonly #vertices: Writable<PrimitiveVertices> = {
    count: 3,
    packets: this.#packets,
    slots: this.#slots,
    provoking: 0,
  };
  #budget = SLICE;
  /** Whether the tile buffer holds nothing but clear values. */
  #clear = false;

  constructor(
    request: RunRequest<CsOperands<'RUN_FRAGMENT'>>,
    dram: PhysicalMemory,
    open: OpenFragmentShader,
    engine: Engine,
  ) {
    const { registers, memory, operands } = request;
    if (operands.enableTem) {
      throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, 'RUN_FRAGMENT: tile enable maps are not implemented');
    }
    this.#memory = memory;
    this.#open = open;
    this.#engine = engine;
    this.#triangle = new Triangle(engine);
    this.#framebuffer = loadFramebuffer(memory, pairOf(registers, R.framebuffer));
    this.#tile = new TileBuffer(this.#framebuffer, engine);
    this.#writeback = new Writeback(memory, dram, this.#framebuffer, this.#tile, engine);
    this.#reader = new PolygonReader(memory);
    const { width, height, boundMinX, boundMinY, boundMaxX, boundMaxY } = this.#framebuffer.parameters;
    const low = registers[R.boundMin]!;
    const high = registers[R.boundMax]!;
    const range = (from: number, boundFrom: number, to: number, boundTo: number, size: number) =>
      [Math.floor(Math.max(from, boundFrom) / TILE), Math.floor(Math.min(to, boundTo, size - 1) / TILE)] as const;
    this.#columns = range(low & 0xffff, boundMinX, high & 0xffff, boundMaxX, width);
    this.#rows = range(low >>> 16, boundMinY, high >>> 16, boundMaxY, height);
  }

  *run(): Generator<void, void> {
    try {
      yield* this.#tiles();
    } finally {
      for (const { run } of this.#draws.values()) run?.close();
      for (const { run } of this.#frameDraws.values()) run?.close();
      this.#tile.close();
      this.#writeback.close();
    }
  }

  *#tiles(): Generator<void, void> {
    const { parameters } = this.#framebuffer;
    if (parameters.tiler !== 0) {
      const list = this.#memory.load64(parameters.tiler + TilerContext.offset.polygonList);
      for (const _ of this.#reader.load(list, parameters.internalLayerIndex)) {
        this.progress++;
        yield;
      }
    }
    for (let row = this.#rows[0]; row <= this.#rows[1]; row++) {
      this.#reader.row(row);
      for (let column = this.#columns[0]; column <= this.#columns[1]; column++) {
        if (!this.#untouched(column, row)) yield* this.#drawTile(column, row);
        this.progress++;
        this.#budget -= COST.tile;
        if (this.#budget < 0) yield* this.#rest();
      }
    }
    this.#writeback.finish();
    for (const { stage } of this.#draws.values()) stage.flushQuery(this.#memory);
  }

  #close({ stage, run }: OpenDraw): void {
    stage.flushQuery(this.#memory);
    run?.close();
  }

  *#rest(): Generator<void, void> {
    this.#budget = SLICE;
    yield;
  }

  /** Does a tile that nothing is drawn to, as most are. False if something is. */
  #untouched(column: number, row: number): boolean {
    const { preFrame0, preFrame1, postFrame } = this.#framebuffer.parameters;
    if (this.#reader.next(column, 0) >= 0 || !idle(preFrame0) || !idle(preFrame1) || !idle(postFrame)) return false;
    if (!this.#clear) this.#tile.clear();
    this.#clear = true;
    this.#writeback.write(column * TILE, row * TILE, true);
    return true;
  }

  *#drawTile(column: number, row: number): Generator<void, void> {
    const left = column * TILE;
    const top = row * TILE;
    const { preFrame0, preFrame1, postFrame } = this.#framebuffer.parameters;
    let place = this.#reader.next(column, 0);
    const empty = place < 0;
    if (!this.#clear) this.#tile.clear();
    this.#clear = true;
    yield* this.#frameShader(0, preFrame0, empty, left, top);
    yield* this.#frameShader(1, preFrame1, empty, left, top);
    for (; place >= 0; place = this.#reader.next(column, place + 1)) {
      this.#clear = false;
      const record = this.#reader.read(place);
      yield* this.#primitive(this.#openDraw(record.draw), record, left, top);
    }
    yield* this.#frameShader(2, postFrame, empty, left, top);
    this.#writeback.write(left, top, this.#clear);
  }

  // Frame shaders.

  *#frameShader(index: number, mode: number, empty: boolean, left: number, top: number): Generator<void, void> {
    if (mode === FRAME_SHADER_MODE.NEVER || (mode === FRAME_SHADER_MODE.INTERSECT && empty)) return;
    if (mode > FRAME_SHADER_MODE.EARLY_ZS_ALWAYS) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        this.#framebuffer.address,
        `Framebuffer Parameters: frame shader ${index} has mode ${nameOf(FRAME_SHADER_MODE, mode)}`,
      );
    }
    const draw = this.#openFrameDraw(index);
    // What it loads would neither be read nor written.
    if (empty && draw.stage.draw.cleanFragmentWrite && !this.#writeback.cleanNeeded) return;
    this.#clear = false;
    yield* this.#primitive(draw, this.#frame(), left, top);
  }

  #openFrameDraw(index: number): OpenDraw {
    let draw = this.#frameDraws.get(index);
    if (!draw) {
      const at = this.#framebuffer.parameters.frameShaderDcds + index * Draw.size;
      draw = this.#makeDraw(this.#memory.decode(Draw, at), [0, 0, 0xffff, 0xffff]);
      this.#frameDraws.set(index, draw);
    }
    return draw;
  }

  #frameRecord: Infer<typeof PrimitiveRecord> | undefined;

  /**
   * The rectangle that frame shaders draw. Its vertices 0, 1, 2 are the framebuffer's corners (0, 0), (width, 0) and (0, height);
   * the triangle reaches twice as far and so covers all of it.
   */
  #frame(): Infer<typeof PrimitiveRecord> {
    if (!this.#frameRecord) {
      const { width, height } = this.#framebuffer.parameters;
      const corner = (x: number, y: number, weight0: number, weight1: number) => ({
        x: x * SUBPIXEL,
        y: y * SUBPIXEL,
        z: 0,
        inverseW: 1,
        weight0,
        weight1,
      });
      this.#frameRecord = {
        draw: 0,
        packet0: 0,
        packet1: 0,
        packet2: 0,
        slot0: 0,
        slot1: 1,
        slot2: 2,
        provoking: 0,
        kind: PRIMITIVE_KIND.TRIANGLE,
        backFacing: 0,
        layer: 0,
        id: 0,
        corner0: corner(0, 0, 1, 0),
        corner1: corner(2 * width, 0, -1, 2),
        corner2: corner(0, 2 * height, -1, 0),
        minX: 0,
        minY: 0,
        maxX: width - 1,
        maxY: height - 1,
      };
    }
    return this.#frameRecord;
  }

  // Draws.

  #openDraw(address: number): OpenDraw {
    let open = this.#draws.get(address);
    if (open) return open;
    if (this.#draws.size >= MAX_OPEN_DRAWS) {
      const [oldest, draw] = this.#draws.entries().next().value!;
      this.#close(draw);
      this.#draws.delete(oldest);
    }
    const record = this.#reader.readDraw(address);
    const { scissorMinX, scissorMinY, scissorMaxX, scissorMaxY } = record;
    open = this.#makeDraw(record.draw, [scissorMinX, scissorMinY, scissorMaxX, scissorMaxY]);
    this.#draws.set(address, open);
    return open;
  }

  #makeDraw(draw: Infer<typeof Draw>, scissor: OpenDraw['scissor']): OpenDraw {
    const stage = new DrawStage(this.#memory, draw, this.#framebuffer, this.#tile, this.#engine);
    const { shader } = draw;
    const run = shader.shader === 0 ? undefined : this.#open(this.#memory, shader, stage, THREAD_SLOT.FRAGMENT);
    return { stage, run, scissor };
  }

  // Primitives.

  *#primitive(draw: OpenDraw, record: Infer<typeof PrimitiveRecord>, left: number, top: number): Generator<void, void> {
    const { stage, run, scissor } = draw;
    const { width, height } = this.#framebuffer.parameters;
    const triangle = this.#triangle;
    const coverage = this.#coverage;
    this.progress++;
    this.#budget -= COST.primitive;
    if (!triangle.set(record)) return;
    triangle.cover(
      left,
      top,
      Math.max(record.minX, scissor[0]),
      Math.max(record.minY, scissor[1]),
      Math.min(record.maxX, scissor[2], width - 1),
      Math.min(record.maxY, scissor[3], height - 1),
      stage.pattern,
      coverage,
    );
    if (coverage.count === 0) return;
    this.#packets[0] = record.packet0;
    this.#packets[1] = record.packet1;
    this.#packets[2] = record.packet2;
    this.#slots[0] = record.slot0;
    this.#slots[1] = record.slot1;
    this.#slots[2] = record.slot2;
    const vertices = this.#vertices;
    vertices.count = record.kind as 1 | 2 | 3;
    vertices.provoking = record.provoking;
    stage.primitive(triangle, vertices, record.backFacing !== 0, record.kind === PRIMITIVE_KIND.POINT);
    stage.frontEnd(coverage, left, top);
    if (!run) {
      if (!stage.early) this.#lateWithoutShader(stage, left, top);
      return;
    }
    const samples = stage.perSample ? this.#framebuffer.samples : 1;
    let quad = 0;
    while (quad < coverage.count) {
      // The next four quads that still have coverage.
      let n = 0;
      for (; n < QUADS && quad < coverage.count; quad++) {
        const at = quad * 4;
        const { mask } = coverage;
        if ((mask[at]! | mask[at + 1]! | mask[at + 2]! | mask[at + 3]!) !== 0) this.#warpQuads[n++] = quad;
      }
      if (n === 0) break;
      for (let sample = 0; sample < samples; sample++) {
        if (!this.#startWarp(stage, run, record, n, left, top, stage.perSample ? sample : -1)) continue;
        this.#budget -= COST.warp;
        while (!run.resume(WARP_BUDGET)) yield* this.#rest();
        this.progress++;
        if (this.#budget < 0) yield* this.#rest();
      }
    }
  }

  readonly #warpQuads = new Int32Array(QUADS);

  /** Makes a warp of `count` quads of the coverage; at one sample only if `sample` ≥ 0. False if nothing is covered. */
  #startWarp(
    stage: DrawStage,
    run: ShaderRun,
    record: Infer<typeof PrimitiveRecord>,
    count: number,
    left: number,
    top: number,
    sample: number,
  ): boolean {
    run.reset();
    const { warp } = run;
    const live = 2 ** (count * 4) - 1;
    let helpers = 0;
    if (this.#engine === 'wasm' && warp.u32.buffer === scratch.buffer) {
      helpers =
        live & ~this.#loadFast(stage, warp.u32.byteOffset, record, this.#warpQuads[0]!, count, left, top, sample);
    } else {
      helpers = this.#loadSlowly(stage, warp.u32, record, count, left, top, sample);
    }
    const covered = live & ~helpers;
    if (covered === 0) return false;
    if (run.environment.program.requiresHelperThreads) run.start(live, helpers);
    else run.start(covered);
    return true;
  }

  /** Registers and lanes of a warp by emitted code, which has left only quads with coverage. Answers lanes with samples. */
  #loadFast(
    stage: DrawStage,
    registers: number,
    { id, backFacing }: Infer<typeof PrimitiveRecord>,
    first: number,
    count: number,
    left: number,
    top: number,
    sample: number,
  ): number {
    const { frameArgumentLow, frameArgumentHigh } = this.#framebuffer.parameters;
    return this.#load(
      this.#tile.warpAt,
      stage.frame,
      registers,
      this.#coverage.at,
      first,
      count,
      left,
      top,
      sample,
      id,
      backFacing,
      frameArgumentLow,
      frameArgumentHigh,
    );
  }

  /** The same in script. Answers lanes without samples. */
  #loadSlowly(
    stage: DrawStage,
    u32: Uint32Array,
    record: Infer<typeof PrimitiveRecord>,
    count: number,
    left: number,
    top: number,
    sample: number,
  ): number {
    const { mask, x: quadX, y: quadY } = this.#coverage;
    const { frameArgumentLow, frameArgumentHigh } = this.#framebuffer.parameters;
    let helpers = 0;
    for (let lane = 0; lane < count * 4; lane++) {
      const quad = this.#warpQuads[lane >> 2]!;
      const x = left + quadX[quad]! + (lane & 1);
      const y = top + quadY[quad]! + ((lane >> 1) & 1);
      let samples = mask[quad * 4 + (lane & 3)]!;
      if (sample >= 0) samples &= 1 << sample;
      if (samples === 0) helpers |= 1 << lane;
      stage.load(lane, x, y, left, top, samples);
      u32[FRAGMENT_PRELOAD.PRIMITIVE_ID * LANES + lane] = record.id;
      u32[FRAGMENT_PRELOAD.PRIMITIVE_FLAGS * LANES + lane] = record.backFacing;
      u32[FRAGMENT_PRELOAD.PIXEL * LANES + lane] = x | (y << 16);
      u32[FRAGMENT_PRELOAD.COVERAGE * LANES + lane] = samples;
      u32[FRAGMENT_PRELOAD.SAMPLE * LANES + lane] = samples | (Math.max(sample, 0) << 16);
      u32[FRAGMENT_PRELOAD.FRAME_ARGUMENT * LANES + lane] = frameArgumentLow;
      u32[(FRAGMENT_PRELOAD.FRAME_ARGUMENT + 1) * LANES + lane] = frameArgumentHigh;
    }
    return helpers;
  }

  /** Late tests of a draw without a shader: there is nothing to wait for. */
  #lateWithoutShader(stage: DrawStage, left: number, top: number): void {
    const { mask, x, y, count } = this.#coverage;
    for (let i = 0; i < count * 4; i++) {
      if (mask[i] === 0) continue;
      const quad = i >> 2;
      stage.load(0, left + x[quad]! + (i & 1), top + y[quad]! + ((i >> 1) & 1), left, top, mask[i]!);
      stage.testNow(0);
    }
  }
}
