/**
 * TileJob: draws tiles, with a tile buffer of its own. What is drawn (list, bins, draws) is the FragmentJob's; several of
 * these could share its tiles.
 *
 * A tile is cleared; pre-frame shaders load what memory holds, if Mesa wants it; the primitives of its bin come in drawing order;
 * then the post-frame shader, and write-back. The front end of a draw (front.ts) makes quads of as many primitives as come one
 * after the other, and its shader works off the list.
 */
import { PRIMITIVE_KIND, type PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { Draw, FRAME_SHADER_MODE, nameOf } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { Infer } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { PRIMITIVE, QUAD_LIST } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { STAGE } from '../recompiler/frame.ts';
import type { FragmentStage } from '../shader/contract.ts';
import { QUADS, type ShaderRun, THREAD_SLOT } from '../shader/contract.ts';
import type { EnvironmentPointers } from '../shader/resources.ts';
import type { Bins } from './bins.ts';
import type { DrawStage } from './draw-stage.ts';
import { DrawStages } from './draw-stages.ts';
import { type DrawTable, drawSetup } from './draw-table.ts';
import type { Framebuffer } from './framebuffer.ts';
import { SUBPIXEL, TILE } from './raster.ts';
import { Setup } from './setup.ts';
import { TileBuffer } from './tile-buffer.ts';
import { type Direct, directOf, Tour } from './tour.ts';
import { FRONT } from './wasm/list.ts';
import { COST, DRAW_RECORDS, FRONT_LIMIT, TOUR, WHY } from './wasm/tour.ts';
import { Writeback } from './writeback.ts';

/** Opens a program for warps of fragments. Bound to the shader cores where the units are put together. */
export type OpenFragmentShader = (
  memory: VirtualMemory,
  addresses: EnvironmentPointers,
  stage: FragmentStage,
  threadSlot: number,
) => ShaderRun;

/** Where tiles come from: items of the bins, -1 when there are no more. */
export interface TileSource {
  next(): number;
  /** How many items behind the last one come next for certain; and that so many of them are taken. */
  readonly ahead: number;
  skip(items: number): void;
}

/** A part of the framebuffer, and of the list: whether the tiles begin and end with it. */
export interface Part {
  readonly bins: Bins;
  readonly draws: DrawTable;
  readonly first: boolean;
  readonly last: boolean;
}

/** A draw as this job runs it. */
interface OpenDraw {
  readonly stage: DrawStage;
  /** Undefined if the draw has no shader: it only tests depth and stencil. */
  readonly run: ShaderRun | undefined;
  /** How emitted code draws it by itself; null if it cannot. */
  direct?: Direct | null;
}

/** A frame shader: its draw, and a bin with the rectangle that it draws. */
interface FrameDraw extends OpenDraw {
  readonly bin: number;
}

/** Draws kept open at once, and those of them that are opened before the first tile. */
const MAX_OPEN_DRAWS = DRAW_RECORDS;
const PREPARED = 16;
/** Rough costs of a slice and of a shader's part of one, in warp instructions (COST). */
const SLICE = { interpreter: 4000, wasm: 12000 } as const;
const WARP_BUDGET = { interpreter: 2000, wasm: 12000 } as const;
const FRAME_SHADERS = 3;
const FRAME_BYTES = PRIMITIVE.size + 64;
/** What is drawn to a tile, in this order; ALONE: primitives, where there are no frame shaders. */
const PASS = { BEGIN: 0, PRE_FRAME_0: 1, PRE_FRAME_1: 2, PRIMITIVES: 3, POST_FRAME: 4, ALONE: 5 } as const;

/** Whether a frame shader of this mode leaves tiles alone that no primitive touches. */
const idle = (mode: number): boolean => mode === FRAME_SHADER_MODE.NEVER || mode === FRAME_SHADER_MODE.INTERSECT;

export class TileJob {
  /** Warps that have been listed, primitives in tiles, tiles that are done, and slices that have taken up quads. */
  progress = 0;
  readonly #memory: VirtualMemory;
  readonly #open: OpenFragmentShader;
  readonly #framebuffer: Framebuffer;
  readonly #tile: TileBuffer;
  readonly #writeback: Writeback;
  readonly #stages: DrawStages;
  /** By address of the draw's record. */
  readonly #draws = new Map<number, OpenDraw>();
  /** Those that are open, by the part's number of the draw less multiples of MAX_OPEN_DRAWS; and whose they are. */
  readonly #numbered: (OpenDraw | undefined)[] = new Array(MAX_OPEN_DRAWS).fill(undefined);
  readonly #numbers = new Int32Array(MAX_OPEN_DRAWS);
  readonly #frameDraws: (FrameDraw | undefined)[] = [];
  /** Scratch memory: FRONT, the list, primitives and bins of frame shaders. */
  readonly #args: number;
  readonly #listAt: number;
  readonly #frames: number;
  readonly #piece = scratch.take(TOUR.size + 64 + QUAD_LIST.size + FRAME_SHADERS * FRAME_BYTES, false);
  /** Emitted code that draws whole tiles; undefined: script does it. */
  readonly #tour: Tour | undefined;
  /** Whether no frame shader is ever run. */
  readonly #alone: boolean;
  readonly #slice: number;
  readonly #warpBudget: number;
  #budget = 0;
  // The tile in work: a PASS, places in the bin of the pass, and the tile's own bin.
  #left = 0;
  #top = 0;
  #pass: number = PASS.BEGIN;
  #place = 0;
  #end = 0;
  #binBegin = 0;
  #binEnd = 0;
  /** Whether no primitive touches it. */
  #empty = false;
  /** The draw whose primitives are in work, and its number (-1: a frame shader's, or none). */
  #draw: OpenDraw | undefined;
  #number = -1;
  /** What has been listed: the first warp, the end of them, and how often each is to be shaded. */
  #warp = 0;
  #warps = 0;
  #samples = 0;
  /** Whether emitted code has begun with what is listed, and has not come to its end. */
  #begun = false;

  constructor(
    memory: VirtualMemory,
    dram: PhysicalMemory,
    framebuffer: Framebuffer,
    open: OpenFragmentShader,
    engine: Engine,
  ) {
    this.#memory = memory;
    this.#open = open;
    this.#framebuffer = framebuffer;
    const { preFrame0, preFrame1, postFrame } = framebuffer.parameters;
    this.#alone = [preFrame0, preFrame1, postFrame].every((mode) => mode === FRAME_SHADER_MODE.NEVER);
    this.#slice = SLICE[engine];
    this.#warpBudget = WARP_BUDGET[engine];
    this.#budget = this.#slice;
    this.#tile = new TileBuffer(framebuffer, engine);
    this.#stages = new DrawStages(memory, framebuffer, this.#tile, engine);
    this.#writeback = new Writeback(memory, dram, framebuffer, this.#tile, engine);
    this.#args = this.#piece.at;
    this.#listAt = this.#args + TOUR.size + 64 - (TOUR.size % 64);
    this.#frames = this.#listAt + QUAD_LIST.size;
    const words = scratch.u32;
    words[(this.#args + FRONT.list) / 4] = this.#listAt;
    words[(this.#args + FRONT.farthest) / 4] = this.#tile.farthestAt;
    words[(this.#args + FRONT.depth) / 4] = this.#tile.depthAt;
    words[(this.#args + FRONT.stencil) / 4] = this.#tile.stencilAt;
    this.#clear = false;
    if (engine !== 'wasm') return;
    this.#tour = new Tour(this.#args, memory, framebuffer, this.#tile, this.#writeback);
  }

  /** Whether tiles that no primitive touches need nothing but clearing and write-back. */
  get idle(): boolean {
    const { preFrame0, preFrame1, postFrame } = this.#framebuffer.parameters;
    return idle(preFrame0) && idle(preFrame1) && idle(postFrame);
  }

  /** Opens the first draws, which compiles what they need. Rests after each. */
  *prepare(draws: DrawTable): Generator<void, void> {
    for (let number = 0; number < Math.min(draws.count, PREPARED); number++) {
      const { address, draw } = draws.at(number);
      if (this.#draws.has(address)) continue;
      try {
        this.#openDraw(address, draw).run?.prepare?.();
      } catch (error) {
        // It may be a draw that no tile needs after all; else the fault comes again.
        if (!(error instanceof GpuFault)) throw error;
      }
      yield;
    }
  }

  /** Draws tiles until there are no more; rests now and then. What comes at every tile is in one generator: nested ones cost too much. */
  *run(part: Part, source: TileSource): Generator<void, void> {
    const { bins } = part;
    const { column, row, columns } = bins.rect;
    this.#number = -1;
    this.#forget();
    const tour = this.#alone && part.first && part.last ? this.#tour : undefined;
    // The row in work: its first tile, and its first pixel. Items come row by row.
    let first = 0;
    let top = row * TILE;
    for (let item = source.next(); item >= 0; item = source.next()) {
      if (tour && bins.run(item) === 0) {
        tour.begin(bins, item, item + 1 + source.ahead);
        for (;;) {
          const why = this.#tiles(tour);
          if (why === WHY.REST) {
            this.#budget = this.#slice;
            yield;
          } else if (why === WHY.SHADER || (why === WHY.DRAW && !this.#record(part, tour))) {
            if (why === WHY.DRAW) this.#undirected(part, tour);
            yield* this.#shade();
          } else if (why === WHY.WRITE) {
            this.#writeback.write(this.#left, this.#top, false);
            tour.written();
            this.progress++;
            this.#budget -= COST.tile;
          } else if (why !== WHY.DRAW) break;
        }
        // The item that is left is none of the tour's.
        const done = tour.word(TOUR.item) - item;
        if (done > 0) {
          source.skip(done - 1);
          continue;
        }
      }
      const tile = bins.tile(item);
      for (; tile - first >= columns; first += columns) top += TILE;
      const left = (column + tile - first) * TILE;
      const run = bins.run(item);
      if (run > 0) {
        this.#cleanTiles(left, top, run);
        this.progress += run;
        this.#budget -= COST.cleanTile * run;
      } else {
        this.#begin(part, bins.begin(tile), bins.end(tile), left, top);
        while (this.#next(part)) yield* this.#shade();
        this.progress++;
        this.#budget -= COST.tile;
      }
      if (this.#budget < 0) {
        this.#budget = this.#slice;
        yield;
      }
    }
  }

  /** Shades what has been listed, sample by sample if need be; rests if it is due. */
  *#shade(): Generator<void, void> {
    for (let sample = 0; sample < this.#samples; sample++) {
      const shader = this.#begun ? this.#draw!.run! : this.#list(sample);
      this.#begun = false;
      for (let quad = this.#quad; !shader.resumeList(this.#warpBudget); quad = this.#quad) {
        // A list of long shaders gets on by quads.
        if (this.#quad !== quad) this.progress++;
        this.#budget = this.#slice;
        yield;
      }
    }
    if (this.#budget < 0) {
      this.#budget = this.#slice;
      yield;
    }
  }

  /** The next quad that the draw's shader takes up. */
  get #quad(): number {
    const at = this.#draw!.stage.frame / 4;
    return scratch.i32[at + STAGE.warp / 4]! * QUADS + scratch.i32[at + STAGE.part / 4]!;
  }

  /** All tiles are done. */
  finish(): void {
    this.#writeback.finish();
    this.#stages.flushQueries();
  }

  /** The job is over, or has failed. */
  close(): void {
    for (const { run } of this.#draws.values()) run?.close();
    for (const draw of this.#frameDraws) draw?.run?.close();
    this.#stages.close();
    this.#tile.close();
    this.#writeback.close();
    scratch.give(this.#piece);
    this.#tour?.close();
  }

  /** Whether the tile buffer holds nothing but clear values. */
  get #clear(): boolean {
    return scratch.u32[(this.#args + TOUR.clear) / 4] !== 0;
  }

  set #clear(clear: boolean) {
    scratch.u32[(this.#args + TOUR.clear) / 4] = clear ? 1 : 0;
  }

  #cleanTiles(left: number, top: number, count: number): void {
    if (!this.#clear) this.#tile.clear();
    this.#clear = true;
    this.#writeback.writeClean(left, top, count);
  }

  // The tile in work.

  #begin(part: Part, begin: number, end: number, left: number, top: number): void {
    const words = scratch.u32;
    words[(this.#args + FRONT.left) / 4] = left;
    words[(this.#args + FRONT.top) / 4] = top;
    this.#left = left;
    this.#top = top;
    this.#binBegin = begin;
    this.#binEnd = end;
    this.#empty = part.first && part.last && begin === end;
    this.#place = 0;
    this.#end = 0;
    this.#pass = part.first ? PASS.BEGIN : PASS.PRE_FRAME_1;
    if (this.#alone) {
      this.#pass = PASS.ALONE;
      this.#place = begin;
      this.#end = end;
    }
    if (!part.first) return;
    if (!this.#clear) this.#tile.clear();
    this.#clear = true;
  }

  /**
   * Goes on with the tile until quads are listed, or a rest is due (then none are: `#samples` is 0). False: the tile is done
   * and has been written back.
   */
  #next(part: Part): boolean {
    for (;;) {
      while (this.#place === this.#end) {
        if (this.#pass >= PASS.POST_FRAME || (this.#pass === PASS.PRIMITIVES && !part.last)) {
          if (part.last) this.#writeback.write(this.#left, this.#top, this.#clear);
          return false;
        }
        this.#pass++;
        this.#beginPass();
      }
      this.#clear = false;
      const tour = this.#pass === PASS.PRIMITIVES || this.#pass === PASS.ALONE ? this.#tour : undefined;
      if (tour) {
        const why = this.#bin(tour);
        if (why === WHY.BIN) continue;
        if (why !== WHY.DRAW) return true;
        if (this.#record(part, tour)) continue;
        this.#undirected(part, tour);
      } else this.#front(part);
      if (this.#samples > 0 || this.#budget < 0) return true;
    }
  }

  /** Lists what emitted code cannot draw by itself, or takes over what is listed already. */
  #undirected(part: Part, tour: Tour): void {
    const { pending } = tour;
    if (!pending) {
      this.#front(part);
      return;
    }
    const number = tour.number(WHY.DRAW);
    this.#draw = this.#drawOf(part, number);
    this.#number = number;
    [this.#warp, this.#warps] = pending.map((quad) => quad / QUADS) as [number, number];
    this.#samples = this.#warp < this.#warps ? 1 : 0;
    tour.taken();
  }

  /** Lists quads of the primitives from the place in the bin on that are of one draw. */
  #front(part: Part): void {
    const words = scratch.u32;
    const at = this.#args / 4;
    const place = this.#place;
    const number = words[(words[place / 4]! + PRIMITIVE.draw) / 4]!;
    if (number !== this.#number && (this.#pass === PASS.PRIMITIVES || this.#pass === PASS.ALONE)) {
      this.#draw = this.#drawOf(part, number);
      this.#number = number;
    }
    const draw = this.#draw!;
    words[at + FRONT.place / 4] = place;
    words[at + FRONT.end / 4] = this.#end;
    words[at + FRONT.limit / 4] = FRONT_LIMIT;
    words[at + FRONT.draw / 4] = number;
    draw.stage.front.run(this.#args);
    this.#place = words[at + FRONT.place / 4]!;
    const taken = (this.#place - place) / 4;
    this.progress += taken;
    this.#budget -= COST.front + COST.primitive * taken;
    this.#warp = 0;
    this.#warps = words[at + FRONT.count / 4]! / QUADS;
    this.#samples = this.#warps === 0 ? 0 : draw.stage.perSample ? this.#framebuffer.samples : 1;
  }

  /** Has emitted code draw tiles. */
  #tiles(tour: Tour): number {
    const why = tour.tiles(this.#budget);
    this.#heed(tour, why);
    this.#left = tour.word(FRONT.left);
    this.#top = tour.word(FRONT.top);
    this.#end = tour.word(FRONT.end);
    this.#pass = PASS.ALONE;
    return why;
  }

  /** Has emitted code work off the tile's bin from the place on. */
  #bin(tour: Tour): number {
    const why = tour.bin(this.#place, this.#end, this.#budget);
    this.#heed(tour, why);
    return why;
  }

  #heed(tour: Tour, why: number): void {
    this.#place = tour.word(FRONT.place);
    this.#budget = tour.word(TOUR.budget) | 0;
    this.progress += tour.word(TOUR.progress);
    this.#samples = 0;
    if (why !== WHY.SHADER) return;
    const number = tour.number(why);
    const draw = this.#numbered[number % MAX_OPEN_DRAWS]!;
    tour.returned(number, draw.direct!);
    this.#draw = draw;
    this.#number = number;
    this.#samples = 1;
    this.#begun = true;
  }

  /** Tells emitted code of the draw that comes next. False: it cannot draw that. */
  #record(part: Part, tour: Tour): boolean {
    const number = tour.number(WHY.DRAW);
    const draw = this.#drawOf(part, number);
    draw.direct ??= directOf(draw.stage, draw.run, this.#warpBudget);
    if (!draw.direct) return false;
    tour.record(number, draw.stage, draw.direct);
    return true;
  }

  /** Numbers stand for other draws from here on. */
  #forget(): void {
    this.#numbered.fill(undefined);
    this.#tour?.forget();
  }

  /** Finds what a pass over the tile draws: places in a bin, none if there is nothing to do. */
  #beginPass(): void {
    if (this.#pass === PASS.PRIMITIVES) {
      this.#place = this.#binBegin;
      this.#end = this.#binEnd;
      return;
    }
    const { preFrame0, preFrame1, postFrame } = this.#framebuffer.parameters;
    const index = this.#pass === PASS.POST_FRAME ? 2 : this.#pass === PASS.PRE_FRAME_1 ? 1 : 0;
    const mode = index === 2 ? postFrame : index === 1 ? preFrame1 : preFrame0;
    const empty = this.#empty;
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
    this.#draw = draw;
    this.#number = -1;
    this.#place = draw.bin;
    this.#end = draw.bin + 4;
  }

  /** Tells the draw's shader what to work off; answers it. */
  #list(sample: number): ShaderRun {
    const { stage, run } = this.#draw!;
    const words = scratch.i32;
    const frame = stage.frame / 4;
    words[frame + STAGE.list / 4] = this.#listAt;
    words[frame + STAGE.left / 4] = this.#left;
    words[frame + STAGE.top / 4] = this.#top;
    words[frame + STAGE.warp / 4] = this.#warp;
    words[frame + STAGE.warps / 4] = this.#warps;
    words[frame + STAGE.weighed / 4] = 0;
    words[frame + STAGE.sample / 4] = stage.perSample ? sample : -1;
    this.#budget -= COST.warp * (this.#warps - this.#warp);
    this.progress += this.#warps - this.#warp;
    return run!;
  }

  #openFrameDraw(index: number): FrameDraw {
    let draw = this.#frameDraws[index];
    if (!draw) {
      const descriptor = this.#memory.descriptor(
        Draw,
        this.#framebuffer.parameters.frameShaderDcds + index * Draw.size,
      );
      const primitive = this.#frames + index * FRAME_BYTES;
      const bin = primitive + PRIMITIVE.size;
      const everywhere = { minX: 0, minY: 0, maxX: 0xffff, maxY: 0xffff };
      const setup = drawSetup(this.#memory, this.#framebuffer, descriptor, everywhere, index);
      new Setup(this.#memory).set(primitive, frameRecord(this.#framebuffer), setup);
      scratch.u32[bin / 4] = primitive;
      draw = { ...this.#makeDraw(descriptor), bin };
      this.#frameDraws[index] = draw;
    }
    return draw;
  }

  // Draws.

  #drawOf(part: Part, number: number): OpenDraw {
    const slot = number % MAX_OPEN_DRAWS;
    let open = this.#numbered[slot];
    if (open && this.#numbers[slot] === number) return open;
    const { address, draw } = part.draws.at(number);
    open = this.#openDraw(address, draw);
    this.#numbered[slot] = open;
    this.#numbers[slot] = number;
    return open;
  }

  #openDraw(record: number, draw: Infer<typeof Draw>): OpenDraw {
    let open = this.#draws.get(record);
    if (open) return open;
    if (this.#draws.size >= MAX_OPEN_DRAWS) {
      const [address, oldest] = this.#draws.entries().next().value!;
      oldest.run?.close();
      this.#stages.give(oldest.stage);
      this.#draws.delete(address);
      this.#forget();
    }
    open = this.#makeDraw(draw);
    this.#draws.set(record, open);
    return open;
  }

  #makeDraw(draw: Infer<typeof Draw>): OpenDraw {
    const stage = this.#stages.take(draw);
    const { shader } = draw;
    const run = shader.shader === 0 ? undefined : this.#open(this.#memory, shader, stage, THREAD_SLOT.FRAGMENT);
    return { stage, run };
  }
}

/**
 * The rectangle that frame shaders draw. Its vertices 0, 1, 2 are the framebuffer's corners (0, 0), (width, 0) and (0, height);
 * the triangle reaches twice as far and so covers all of it.
 */
function frameRecord({ parameters: { width, height } }: Framebuffer): Infer<typeof PrimitiveRecord> {
  const corner = (x: number, y: number, weight1: number, weight2: number) => ({
    x: x * SUBPIXEL,
    y: y * SUBPIXEL,
    z: 0,
    inverseW: 1,
    weight1,
    weight2,
  });
  return {
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
    corner0: corner(0, 0, 0, 0),
    corner1: corner(2 * width, 0, 2, 0),
    corner2: corner(0, 2 * height, 0, 2),
    minX: 0,
    minY: 0,
    maxX: width - 1,
    maxY: height - 1,
  };
}
