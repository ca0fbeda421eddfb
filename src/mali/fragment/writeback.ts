/**
 * Write-back: from the tile buffer to the images in memory.
 *
 * A tile becomes rows of pixels in the memory format first (resolving samples, dithering, swizzling), then goes to
 * memory in the layout of the surface. A tile that nothing has drawn to looks the same everywhere, so its rows are made once
 * for the job. Memory is translated once a row or block piece, never per pixel.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_desc.c`; layouts: board/image/.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { BLOCK_FORMAT, MAX_RENDER_TARGETS, MSAA, S_FORMAT, ZS_FORMAT } from '../../abi/gpu/raster-descriptors.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { U_ORDER } from '../../board/image/u-interleaved.ts';
import type { VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { AfbcStore } from './afbc-store.ts';
import { averagedLayout, averageSamples, dithers, isPlain8888, makeColorRows } from './color-rows.ts';
import { makeDepthRows } from './depth-rows.ts';
import { type DepthTarget, type Framebuffer, isAfbc, type Surface, type Target } from './framebuffer.ts';
import { Outlet } from './outlet.ts';
import { TILE, TILE_PIXELS } from './raster.ts';
import type { TileBuffer } from './tile-buffer.ts';
import { type Average, averageOf, colorRows } from './wasm/color-rows.ts';
import { type DepthRows, type DepthRowsCode, depthRows } from './wasm/depth-rows.ts';
import { type CopyRows, copyRows, type FillRows, fillRows, interleave, swizzle8888, type Turn } from './wasm/tile.ts';
import { MAKE, OUTLET, STORE } from './wasm/tour.ts';

const MAX_BYTES = 16;

/** A record of wasm/tour.ts, but for when it is wanted; and what of it says how rows are stored. */
type OutletRecord = Omit<Record<keyof typeof OUTLET, number>, 'size' | 'colors' | 'depth'>;
type StoreRecord = Omit<OutletRecord, 'make' | 'slot' | 'a' | 'b' | 'c' | 'rows'>;

const OUTLET_NAMES = (Object.keys(OUTLET) as (keyof typeof OUTLET)[]).filter(
  (name): name is keyof OutletRecord => !['size', 'colors', 'depth'].includes(name),
);
const OUTLET_WORDS = OUTLET_NAMES.map((name) => OUTLET[name] / 4);

/** OUTLET.colors of an image that is always written. */
const ALWAYS = 0xffffffff;
/** Functions that a plan names at most. */
const MOST_FUNCTIONS = 64;

/** Bytes of a pixel of which sixteen bytes hold a whole number. */
const PATTERN_BYTES = [1, 2, 4, 8, 16];

/** Bytes of a tile's rows at most, and how many such pieces a job may need: rows, block, clean rows of every target. */
const ROWS = TILE_PIXELS * MAX_BYTES;
const PIECES = 2 + MAX_RENDER_TARGETS + 2;

export class Writeback {
  readonly #memory: VirtualMemory;
  readonly #dram: PhysicalMemory;
  readonly #framebuffer: Framebuffer;
  readonly #tile: TileBuffer;
  /** All rows and blocks lie here in scratch memory. */
  readonly #piece = scratch.take(ROWS * PIECES, false);
  /** Rows of the tile in the memory format. */
  readonly #rowsAt = this.#piece.at;
  readonly #blockAt = this.#rowsAt + ROWS;
  // What only script looks at is made when it does.
  #ownRows: Uint8Array | undefined;
  readonly #afbc: AfbcStore;
  /** Addresses of a clean tile's rows, per render target; 0 where they have not been made. */
  readonly #clean = new Uint32Array(MAX_RENDER_TARGETS);
  #cleanCount = 0;
  /** Emitted code that does what script does otherwise. */
  readonly #copyRows: CopyRows | undefined;
  readonly #fillRows: FillRows | undefined;
  /** By render target (null: script does it); by bytes of a pixel. */
  readonly #turns: (Turn | null | undefined)[] = [];
  readonly #averages: (Average | null | undefined)[] = [];
  readonly #interleaves: (Turn | undefined)[] = [];
  /** Whose numbers emitted code has been told. */
  #numbers: Place[] = [];
  /** By render target: memory has the tile buffer's words as they are. */
  readonly #same: boolean[] = [];
  /** By render target; and of depth and stencil. */
  readonly #outlets: readonly (Outlet | undefined)[];
  readonly #depth: DepthOutlet | undefined;
  readonly #stencil: DepthOutlet | undefined;

  constructor(memory: VirtualMemory, dram: PhysicalMemory, framebuffer: Framebuffer, tile: TileBuffer, engine: Engine) {
    this.#memory = memory;
    this.#dram = dram;
    this.#framebuffer = framebuffer;
    this.#tile = tile;
    const { targets, depth, stencil, parameters } = framebuffer;
    this.#outlets = targets.map(({ surface }) => surface && new Outlet(surface, memory));
    const internal = parameters.zInternalFormat;
    this.#depth = depth && new DepthOutlet(depth, internal, memory);
    this.#stencil = stencil && new DepthOutlet(stencil, internal, memory);
    const emitting = engine === 'wasm' ? dram : undefined;
    this.#afbc = new AfbcStore(memory, (...what) => this.#put(...what), emitting);
    this.#copyRows = engine === 'wasm' ? copyRows(dram) : undefined;
    this.#fillRows = engine === 'wasm' ? fillRows(dram) : undefined;
  }

  get #rows(): Uint8Array {
    this.#ownRows ??= new Uint8Array(scratch.buffer, this.#rowsAt, ROWS);
    return this.#ownRows;
  }

  /** The job is over: the memory may serve another. */
  close(): void {
    this.#afbc.close();
    scratch.give(this.#piece);
  }

  /** Keeps rows for the tiles to come. */
  #keep(from: number, bytes: number): number {
    const at = this.#rowsAt + (2 + this.#cleanCount++) * ROWS;
    scratch.u8.copyWithin(at, from, from + bytes);
    return at;
  }

  /** The job's end: what still waits for a neighbour goes to memory. */
  finish(): void {
    this.#afbc.flush();
  }

  /** Whether a tile without any draw must be written all the same. */
  get cleanNeeded(): boolean {
    const { targets, writeCleanDepth, depth, stencil } = this.#framebuffer;
    return (
      targets.some(({ surface, writeClean }) => surface && writeClean) || (writeCleanDepth && !!(depth ?? stencil))
    );
  }

  /** Writes the tile whose first pixel is (x, y). `untouched`: it still has its clear values. */
  write(x: number, y: number, untouched: boolean): void {
    const { targets, writeCleanDepth } = this.#framebuffer;
    const dirty = this.#tile.dirtyColors;
    for (let i = 0; i < targets.length; i++) {
      const outlet = this.#outlets[i];
      const target = targets[i]!;
      if (outlet && (target.writeClean || dirty & (1 << target.index)))
        this.#writeColor(target, outlet, x, y, untouched);
    }
    if (!writeCleanDepth && !this.#tile.dirtyDepth) return;
    if (this.#depth) this.#writeDepth(this.#depth, x, y, untouched);
    if (this.#stencil) this.#writeDepth(this.#stencil, x, y, untouched);
  }

  /**
   * Tells emitted code (wasm/tour.ts) how to write tiles back that something has been drawn to: a record for each image from scratch
   * address `at` on. Answers how many there are; -1: script has to do it. Good for one generation of translations.
   */
  plan(at: number): number {
    this.#numbers = [];
    const { targets, writeCleanDepth } = this.#framebuffer;
    const words = scratch.u32;
    let count = 0;
    const outlet = (where: OutletRecord | undefined, colors: number, depth: number): boolean => {
      if (!where) return false;
      const record = (at + count++ * OUTLET.size) / 4;
      words[record + OUTLET.colors / 4] = colors;
      words[record + OUTLET.depth / 4] = depth;
      for (let i = 0; i < OUTLET_NAMES.length; i++) words[record + OUTLET_WORDS[i]!] = where[OUTLET_NAMES[i]!];
      return true;
    };
    for (const [n, target] of targets.entries()) {
      const to = this.#outlets[n];
      if (!to) continue;
      if (!outlet(this.#colorRecord(target, to), target.writeClean ? ALWAYS : 1 << target.index, 0)) return -1;
    }
    for (const to of [this.#depth, this.#stencil]) {
      if (to && !outlet(this.#depthRecord(to), writeCleanDepth ? ALWAYS : 0, 1)) return -1;
    }
    return count;
  }

  #colorRecord(target: Target, outlet: Outlet): OutletRecord | undefined {
    const { msaa } = outlet.surface;
    if (msaa === MSAA.LAYERED || (msaa === MSAA.AVERAGE && this.#framebuffer.samples > 1)) return undefined;
    const plane = this.#tile.colorAt[target.index]!;
    const store = this.#storeRecord(outlet, target.format!.bytes);
    if (!store) return undefined;
    if (isSame(target)) return { ...store, make: MAKE.NOTHING, slot: 0, a: 0, b: 0, c: 0, rows: plane };
    const turn = this.#turnOf(target);
    if (!turn) return undefined;
    const rows = this.#rowsAt;
    return { ...store, make: MAKE.TURN, slot: this.#number(turn), a: plane, b: rows, c: 0, rows };
  }

  #depthRecord(outlet: DepthOutlet): OutletRecord | undefined {
    if (outlet.partial || outlet.surface.msaa === MSAA.LAYERED) return undefined;
    const { depthAt, stencilAt } = this.#tile;
    const store = this.#storeRecord(outlet, outlet.bytes);
    if (!store) return undefined;
    if (outlet.bytes === 1) return { ...store, make: MAKE.NOTHING, slot: 0, a: 0, b: 0, c: 0, rows: stencilAt };
    const rows = this.#rowsAt;
    return { ...store, make: MAKE.DEPTH, slot: this.#number(outlet.emitted), a: depthAt, b: stencilAt, c: rows, rows };
  }

  /** How rows get into an image all of which is one run of pages. */
  #storeRecord(outlet: Outlet, bytes: number): StoreRecord | undefined {
    const { surface, pixels } = outlet;
    const { base, rowStride, bodyOffset } = surface;
    const { width, height } = this.#framebuffer.parameters;
    const columns = Math.ceil(width / TILE);
    const rows = Math.ceil(height / TILE);
    const none = { headers: 0, bodyOffset: 0, turnSlot: 0, block: 0 };
    if (rowStride < 0 || !this.#copyRows || functionTable.room < MOST_FUNCTIONS) return undefined;
    if (isAfbc(surface.block)) {
      const plan = this.#afbc.plan(outlet, bytes, columns, rows);
      return plan && { ...none, ...plan, storeSlot: this.#number(plan.emitted), bodyOffset };
    }
    const storeSlot = this.#number(this.#copyRows);
    if (surface.block === BLOCK_FORMAT.LINEAR) {
      const physical = pixels.whole(base, (height - 1) * rowStride + width * bytes);
      if (physical < 0) return undefined;
      return { ...none, store: STORE.LINEAR, storeSlot, pixels: physical, stride: rowStride, bytes };
    }
    const physical = pixels.whole(base, (rows - 1) * rowStride + columns * TILE_PIXELS * bytes);
    if (physical < 0) return undefined;
    const turnSlot = this.#number(this.#interleave(bytes));
    const where = { store: STORE.BLOCKS, storeSlot, pixels: physical, stride: rowStride, bytes };
    return { ...none, ...where, turnSlot, block: this.#blockAt };
  }

  /** The number of an emitted function, which it keeps until the next plan. */
  #number(fn: CallableFunction): number {
    const place = functionTable.place(fn);
    this.#numbers.push(place);
    return place.slot;
  }

  /** Writes `count` tiles from (x, y) to the right, which nothing has drawn to: those that must be written all the same. */
  writeClean(x: number, y: number, count: number): void {
    const { targets, writeCleanDepth } = this.#framebuffer;
    for (let n = 0; n < targets.length; n++) {
      const outlet = this.#outlets[n];
      const target = targets[n]!;
      const { writeClean, format } = target;
      if (!outlet || !writeClean) continue;
      const { surface } = outlet;
      const alike = surface.msaa !== MSAA.LAYERED && !dithers(target);
      if (alike && this.#fillTiles(outlet, format!.bytes, x, y, count, this.#cleanRows(target, surface))) continue;
      for (let i = 0; i < count; i++) this.#writeColor(target, outlet, x + i * TILE, y, true);
    }
    if (!writeCleanDepth) return;
    if (this.#depth) this.#cleanDepthTiles(this.#depth, x, y, count);
    if (this.#stencil) this.#cleanDepthTiles(this.#stencil, x, y, count);
  }

  #cleanDepthTiles(outlet: DepthOutlet, x: number, y: number, count: number): void {
    const { surface, bytes, partial } = outlet;
    const alike = surface.msaa !== MSAA.LAYERED && !partial;
    if (alike && this.#fillTiles(outlet, bytes, x, y, count, this.#cleanDepthRows(outlet, 0))) return;
    for (let i = 0; i < count; i++) this.#writeDepth(outlet, x + i * TILE, y, true);
  }

  /**
   * Writes tiles beside one another whose pixels are all as the first one of `rows`. False: it cannot, nothing is written
   * then.
   */
  #fillTiles(outlet: Outlet, bytes: number, x: number, y: number, count: number, rows: number): boolean {
    const { surface } = outlet;
    if (isAfbc(surface.block)) return this.#afbc.fill(outlet, surface.base, bytes, x, y, count, rows);
    if (!this.#fillRows || !PATTERN_BYTES.includes(bytes)) return false;
    const { width, height } = this.#framebuffer.parameters;
    let va = uBlock(surface.base, surface.rowStride, bytes, x, y);
    let stride = 0;
    let size = TILE_PIXELS * bytes * count;
    let lines = 1;
    if (surface.block === BLOCK_FORMAT.LINEAR) {
      va = surface.base + y * surface.rowStride + x * bytes;
      stride = surface.rowStride;
      size = Math.min(TILE * count, width - x) * bytes;
      lines = Math.min(TILE, height - y);
    }
    const physical = stride >= 0 ? outlet.pixels.within(va, (lines - 1) * stride + size) : -1;
    if (physical < 0) return false;
    this.#fillRows(rows, physical, stride, size, lines);
    return true;
  }

  // Colour.

  #writeColor(target: Target, outlet: Outlet, x: number, y: number, untouched: boolean): void {
    const { surface } = outlet;
    const { bytes } = target.format!;
    if (surface.msaa === MSAA.LAYERED) {
      for (let sample = 0; sample < this.#framebuffer.samples; sample++) {
        const rows = this.#convert(target, sample);
        this.#store(outlet, surface.base + sample * surface.surfaceStride, bytes, x, y, rows);
      }
      return;
    }
    const same = untouched && !dithers(target);
    const rows = same ? this.#cleanRows(target, surface) : this.#rowsOf(target, surface);
    this.#store(outlet, surface.base, bytes, x, y, rows);
  }

  #rowsOf(target: Target, surface: Surface): number {
    if (surface.msaa === MSAA.AVERAGE && this.#framebuffer.samples > 1) this.#average(target);
    return this.#convert(target, 0);
  }

  /** Rows of a tile that nothing is drawn to, made when the first one comes. */
  #cleanRows(target: Target, surface: Surface): number {
    let rows = this.#clean[target.index]!;
    if (rows === 0) {
      rows = this.#keep(this.#rowsOf(target, surface), TILE_PIXELS * target.format!.bytes);
      this.#clean[target.index] = rows;
    }
    return rows;
  }

  /** Replaces sample 0 by the average of all samples. */
  #average(target: Target): void {
    const { samples } = this.#framebuffer;
    const { index, srgb } = target;
    let average = this.#averages[index];
    if (average === undefined && this.#copyRows) {
      average = averageOf(averagedLayout(target), samples, srgb) ?? null;
      this.#averages[index] = average;
    }
    if (average) average(this.#tile.colorAt[index]!);
    else averageSamples(target, samples, this.#tile.colors[index]!);
  }

  #turnOf(target: Target): Turn | null {
    const { index, swizzle } = target;
    if (!this.#copyRows) return null;
    let turn = this.#turns[index];
    if (turn === undefined) {
      turn = (isPlain8888(target) ? swizzle8888(swizzle) : colorRows(target)) ?? null;
      this.#turns[index] = turn;
    }
    return turn;
  }

  #interleave(bytes: number): Turn {
    this.#interleaves[bytes] ??= interleave(bytes);
    return this.#interleaves[bytes];
  }

  /** Makes rows of memory pixels of one sample plane; answers where in scratch memory they are. */
  #convert(target: Target, sample: number): number {
    const { index, words } = target;
    const from = sample * TILE_PIXELS * words;
    const plane = this.#tile.colorAt[index]! + from * 4;
    this.#same[index] ??= isSame(target);
    if (this.#same[index]) return plane;
    const turn = this.#turnOf(target);
    if (turn) turn(plane, this.#rowsAt);
    else makeColorRows(target, this.#tile.colors[index]!, from, this.#rows);
    return this.#rowsAt;
  }

  // Depth and stencil. With several samples and one surface, sample 0 is written.

  #writeDepth(outlet: DepthOutlet, x: number, y: number, untouched: boolean): void {
    const { surface, bytes, partial } = outlet;
    const layers = surface.msaa === MSAA.LAYERED ? this.#framebuffer.samples : 1;
    for (let sample = 0; sample < layers; sample++) {
      const base = surface.base + sample * surface.surfaceStride;
      let rows = 0;
      if (untouched && !partial) rows = this.#cleanDepthRows(outlet, sample);
      else {
        if (partial) this.#load(surface, base, bytes, x, y);
        rows = this.#convertDepth(outlet, sample * TILE_PIXELS);
      }
      this.#store(outlet, base, bytes, x, y, rows);
    }
  }

  #cleanDepthRows(outlet: DepthOutlet, sample: number): number {
    if (outlet.clean === 0) {
      outlet.clean = this.#keep(this.#convertDepth(outlet, sample * TILE_PIXELS), TILE_PIXELS * outlet.bytes);
    }
    return outlet.clean;
  }

  /** Makes rows of the samples from `from` on; answers where they are. */
  #convertDepth(outlet: DepthOutlet, from: number): number {
    const { depth, stencil, depthAt, stencilAt } = this.#tile;
    // Stencil alone is in rows of bytes already.
    if (outlet.bytes === 1) return stencilAt + from;
    if (this.#copyRows) outlet.emitted(depthAt + from * 4, stencilAt + from, this.#rowsAt);
    else {
      const words = new Uint32Array(scratch.buffer, this.#rowsAt, ROWS / 4);
      makeDepthRows(outlet.code, depth, stencil, from, this.#rows, words);
    }
    return this.#rowsAt;
  }

  // Layouts.

  /** Writes rows that lie at `rows` in scratch memory. */
  #store(outlet: Outlet, base: number, bytes: number, x: number, y: number, rows: number): void {
    const { surface } = outlet;
    if (surface.block === BLOCK_FORMAT.LINEAR) {
      const { width, height } = this.#framebuffer.parameters;
      const size = Math.min(TILE, width - x) * bytes;
      const count = Math.min(TILE, height - y);
      this.#rowsOut(
        outlet,
        base + y * surface.rowStride + x * bytes,
        surface.rowStride,
        rows,
        TILE * bytes,
        size,
        count,
      );
      return;
    }
    if (isAfbc(surface.block)) {
      this.#afbc.store(outlet, base, bytes, x, y, rows);
      return;
    }
    if (this.#copyRows) {
      this.#interleave(bytes)(rows, this.#blockAt);
    } else {
      for (let p = 0; p < TILE_PIXELS; p++) {
        const to = U_ORDER[p]! * bytes;
        for (let i = 0; i < bytes; i++) scratch.u8[this.#blockAt + to + i] = scratch.u8[rows + p * bytes + i]!;
      }
    }
    const size = TILE_PIXELS * bytes;
    this.#rowsOut(outlet, uBlock(base, surface.rowStride, bytes, x, y), 0, this.#blockAt, 0, size, 1);
  }

  /** Copies `count` rows of `size` bytes from scratch memory to GPU memory. */
  #rowsOut(
    outlet: Outlet,
    va: number,
    stride: number,
    from: number,
    fromStride: number,
    size: number,
    count: number,
  ): void {
    if (this.#copyRows) {
      const physical = stride >= 0 ? outlet.pixels.within(va, (count - 1) * stride + size) : -1;
      if (physical >= 0) {
        this.#copyRows(from, fromStride, physical, stride, size, count);
        return;
      }
    }
    for (let row = 0; row < count; row++) {
      this.#put(va + row * stride, scratch.u8, scratch.u32, from + row * fromStride, size);
    }
  }

  /** Fills the rows with what memory holds, where only a part of each pixel will be written. */
  #load(surface: Surface, base: number, bytes: number, x: number, y: number): void {
    const memory = this.#memory;
    if (surface.block === BLOCK_FORMAT.LINEAR) {
      const { width, height } = this.#framebuffer.parameters;
      const size = Math.min(TILE, width - x) * bytes;
      for (let row = 0; row < Math.min(TILE, height - y); row++) {
        this.#rows.set(memory.read(base + (y + row) * surface.rowStride + x * bytes, size), row * TILE * bytes);
      }
    } else if (isAfbc(surface.block)) {
      this.#afbc.load(surface, base, bytes, x, y, this.#rows);
    } else {
      const block = memory.read(uBlock(base, surface.rowStride, bytes, x, y), TILE_PIXELS * bytes);
      for (let p = 0; p < TILE_PIXELS; p++) {
        for (let i = 0; i < bytes; i++) this.#rows[p * bytes + i] = block[U_ORDER[p]! * bytes + i]!;
      }
    }
  }

  /** Copies bytes to GPU memory. */
  #put(va: number, from: Uint8Array, from32: Uint32Array, at: number, size: number): void {
    const { u8, u32 } = this.#dram;
    while (size > 0) {
      const physical = this.#memory.translate(va, 'write');
      const piece = Math.min(size, PAGE_SIZE - (va % PAGE_SIZE));
      if (this.#copyRows && from.buffer === scratch.buffer) {
        this.#copyRows(from.byteOffset + at, 0, physical, 0, piece, 1);
      } else if (((physical | at | piece) & 3) === 0) {
        const to = physical >>> 2;
        const source = at >>> 2;
        for (let i = 0; i < piece >>> 2; i++) u32[to + i] = from32[source + i]!;
      } else for (let i = 0; i < piece; i++) u8[physical + i] = from[at + i]!;
      va += piece;
      at += piece;
      size -= piece;
    }
  }
}

/** Where depth goes, or stencil. */
class DepthOutlet extends Outlet {
  readonly bytes: number;
  readonly code: DepthRowsCode;
  /** Whether memory keeps a part of each pixel. */
  readonly partial: boolean;
  /** Address of a clean tile's rows; 0 where they have not been made. */
  clean = 0;
  #make: DepthRows | undefined;

  constructor(target: DepthTarget, internal: number, memory: VirtualMemory) {
    super(target.surface, memory);
    const { format, bytes, depth, stencil } = target;
    this.bytes = bytes;
    this.code = { ...target, internal };
    this.partial =
      (format === ZS_FORMAT.D24S8 && bytes === 4 && depth !== stencil) || (!depth && format === S_FORMAT.X24S8);
  }

  /** Makes rows in emitted code: depths, stencils and rows by their addresses in scratch memory. */
  get emitted(): DepthRows {
    this.#make ??= depthRows(this.code);
    return this.#make;
  }
}

/** Whether memory has pixels as the tile buffer has them. */
function isSame(target: Target): boolean {
  const { format, swizzle, words } = target;
  if (isPlain8888(target)) return swizzle.every((source, i) => source === i);
  return !format!.bits && format!.bytes === words * 4;
}

const uBlock = (base: number, rowStride: number, bytes: number, x: number, y: number): number =>
  base + (y / TILE) * rowStride + (x / TILE) * TILE_PIXELS * bytes;
