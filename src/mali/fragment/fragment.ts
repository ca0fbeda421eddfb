/**
 * RUN_FRAGMENT: draws the tiles of a framebuffer from a polygon list.
 *
 * The list is read once: its primitives are checked and set up (setup.ts), then sorted into the bins of tiles (bins.ts), and
 * the tiles are drawn (tile-job.ts). What does not fit into memory at once is drawn part by part of the framebuffer, and a tile
 * that has too many primitives by itself in several goes over the list. The work is a generator that rests after about a
 * millisecond, in the middle of a tile or of a shader if need be.
 * Sources: Mesa 25.0.7 `src/panfrost/lib/pan_desc.c`, `src/gallium/drivers/panfrost/pan_fb_preload.c`, `pan_csf.c`.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { pairOf, FRAGMENT_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { TilerContext } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { GpuFault, type RunRequest, type VirtualMemory, type Work, type WorkState } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { Bins, type TileRect } from './bins.ts';
import { BlockSetup } from './block-setup.ts';
import { DrawTable } from './draw-table.ts';
import { type Framebuffer, loadFramebuffer } from './framebuffer.ts';
import { PolygonReader } from './polygon-reader.ts';
import { PrimitiveStore } from './primitive-store.ts';
import { TILE } from './raster.ts';
import { Setup } from './setup.ts';
import { type OpenFragmentShader, TileJob } from './tile-job.ts';
import { AllTiles, type TileShare } from './tile-share.ts';

export type { OpenFragmentShader } from './tile-job.ts';

/** The job, or a thread's part of it, in slices. `limit`: primitives that it keeps at once, if less than memory allows. */
export class FragmentWork implements Work {
  readonly #job: FragmentJob;
  readonly #steps: Generator<void, void>;

  constructor(
    request: FragmentRequest,
    dram: PhysicalMemory,
    open: OpenFragmentShader,
    engine: Engine,
    limit?: number,
    share?: TileShare,
  ) {
    this.#job = new FragmentJob(request, dram, open, engine, limit, share);
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

/** Blocks of the list that are read before a rest, and draws that are met in them. */
const BLOCKS = 16;
const FAST_BLOCKS = 32;
const NEW_DRAWS = 64;

/** What a job needs of its instruction. */
export type FragmentRequest = Pick<
  RunRequest<Pick<CsOperands<'RUN_FRAGMENT'>, 'enableTem'>>,
  'memory' | 'registers' | 'operands'
>;

export class FragmentJob {
  readonly #memory: VirtualMemory;
  readonly #framebuffer: Framebuffer;
  readonly #tiles: TileJob;
  readonly #reader: PolygonReader;
  readonly #draws: DrawTable;
  readonly #setup: Setup;
  /** Emitted code that does what `#setup` does otherwise. */
  readonly #blocks: BlockSetup | undefined;
  readonly #store: PrimitiveStore;
  readonly #bins: Bins;
  readonly #all: TileRect;
  readonly #share: TileShare;
  /** Superblocks reach over tiles. */
  readonly #whole: boolean;
  /** Slices of the polygon list that have been read, and parts that have been cut in two. */
  #read = 0;
  /** The translations that primitives' physical addresses are of. */
  #generation: number;

  constructor(
    request: FragmentRequest,
    dram: PhysicalMemory,
    open: OpenFragmentShader,
    engine: Engine,
    limit?: number,
    share: TileShare = new AllTiles(),
  ) {
    const { registers, memory, operands } = request;
    if (operands.enableTem) {
      throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, 'RUN_FRAGMENT: tile enable maps are not implemented');
    }
    this.#memory = memory;
    this.#share = share;
    this.#generation = memory.generation;
    this.#framebuffer = loadFramebuffer(memory, pairOf(registers, R.framebuffer));
    this.#whole = this.#framebuffer.targets.some(({ surface }) => surface?.wide);
    this.#all = tilesOf(this.#framebuffer, registers[R.boundMin]!, registers[R.boundMax]!);
    this.#reader = new PolygonReader(memory);
    this.#draws = new DrawTable(memory, this.#reader, this.#framebuffer);
    this.#setup = new Setup(memory);
    this.#blocks = engine === 'wasm' ? new BlockSetup(memory, dram) : undefined;
    this.#store = new PrimitiveStore(limit);
    this.#bins = new Bins(engine);
    this.#tiles = new TileJob(memory, dram, this.#framebuffer, open, engine);
  }

  get progress(): number {
    return this.#read + this.#tiles.progress;
  }

  *run(): Generator<void, void> {
    try {
      const { tiler } = this.#framebuffer.parameters;
      const list = tiler === 0 ? 0 : this.#memory.load64(tiler + TilerContext.offset.polygonList);
      yield* this.#part(list, this.#all);
      this.#tiles.finish();
    } finally {
      this.#tiles.close();
      this.#store.close();
      this.#bins.close();
      this.#blocks?.close();
    }
  }

  /** Draws some tiles from the list. */
  *#part(list: number, rect: TileRect): Generator<void, void> {
    if (rect.columns <= 0 || rect.rows <= 0) return;
    const single = rect.columns * rect.rows === 1;
    this.#reader.open(list);
    for (let first = true; ; first = false) {
      this.#store.reset();
      this.#draws.reset();
      let ended = yield* this.#collect(rect);
      if (this.#store.crowded) {
        // Nothing is drawn yet: it is as if the job came later.
        while (!this.#store.enlarge()) {
          this.#read++;
          yield;
        }
        this.#renew();
        this.#store.reset();
        this.#draws.reset();
        this.#reader.open(list);
        ended = yield* this.#collect(rect);
      }
      if (!ended && !single) {
        for (const half of halves(rect)) yield* this.#part(list, half);
        return;
      }
      yield* this.#draw(rect, first, ended);
      if (ended) return;
    }
  }

  /** Sets primitives up that touch a part. False: there are more than fit. */
  *#collect(rect: TileRect): Generator<void, boolean> {
    const { internalLayerIndex: layer } = this.#framebuffer.parameters;
    const blocks = this.#blocks;
    blocks?.begin(layer, rect);
    let known = 0;
    for (let n = 1; this.#reader.block(); n++) {
      const all = blocks
        ? this.#reader.takeBlock(blocks, this.#store, this.#draws)
        : this.#reader.take(this.#setup, this.#store, this.#draws, layer, rect);
      if (!all) return false;
      if (n % (blocks ? FAST_BLOCKS : BLOCKS) === 0 || this.#draws.count - known >= NEW_DRAWS) {
        known = this.#draws.count;
        this.#read++;
        yield;
        this.#renew();
      }
    }
    return true;
  }

  /** Draws tiles from the primitives that are set up. */
  *#draw(rect: TileRect, first: boolean, last: boolean): Generator<void, void> {
    if (Bins.tooLarge(rect) || !this.#bins.fill(this.#store, rect)) {
      for (const half of halves(rect)) {
        this.#read++;
        yield;
        this.#renew();
        yield* this.#draw(half, first, last);
      }
      return;
    }
    const bins = this.#bins;
    bins.list(!this.#tiles.idle || !first || !last);
    this.#share.begin(bins.items, !first, this.#whole);
    if (this.#share.prepares && first) {
      yield* this.#tiles.prepare(this.#draws);
      this.#renew();
    }
    const steps = this.#tiles.run({ bins, draws: this.#draws, first, last }, this.#share);
    while (!steps.next().done) {
      yield;
      this.#renew();
    }
  }

  /** Somebody else has been at work: physical addresses may be another's now. */
  #renew(): void {
    const { generation } = this.#memory;
    if (generation === this.#generation) return;
    this.#generation = generation;
    for (const [from, to] of this.#store.pieces()) this.#setup.renew(from, to, this.#draws);
  }
}

/** Tiles that the framebuffer and the register's bounds leave. */
function tilesOf({ parameters }: Framebuffer, low: number, high: number): TileRect {
  const { width, height, boundMinX, boundMinY, boundMaxX, boundMaxY } = parameters;
  const range = (from: number, boundFrom: number, to: number, boundTo: number, size: number) =>
    [Math.floor(Math.max(from, boundFrom) / TILE), Math.floor(Math.min(to, boundTo, size - 1) / TILE)] as const;
  const [left, right] = range(low & 0xffff, boundMinX, high & 0xffff, boundMaxX, width);
  const [top, bottom] = range(low >>> 16, boundMinY, high >>> 16, boundMaxY, height);
  return { column: left, row: top, columns: right - left + 1, rows: bottom - top + 1 };
}

/** Cuts a part in two: rows from rows, as long as there are several. */
function halves({ column, row, columns, rows }: TileRect): readonly TileRect[] {
  if (rows > 1) {
    const upper = rows >> 1;
    return [
      { column, row, columns, rows: upper },
      { column, row: row + upper, columns, rows: rows - upper },
    ];
  }
  const left = columns >> 1;
  return [
    { column, row, columns: left, rows },
    { column: column + left, row, columns: columns - left, rows },
  ];
}
