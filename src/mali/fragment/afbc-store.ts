/**
 * AfbcStore: tiles on their way into AFBC surfaces, and out of them again.
 *
 * A superblock of 16×16 pixels is a tile and is coded at once. A wide one of 32×8 takes its left half from one tile and its
 * right half from the next in the row: the first waits here for the second. When another pair begins, or the job ends,
 * what is still missing is taken from memory. Layout and coding: board/image/afbc.ts; emitted code (wasm/afbc.ts) codes where one
 * run of pages holds the surface.
 */
import { BLOCK_FORMAT } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import {
  AFBC_COLOUR_BYTES,
  AFBC_HEADER_BYTES,
  AFBC_TILE,
  AFBC_WIDE,
  AfbcError,
  afbcBodyBytes,
  afbcDecode,
  afbcEncode,
  afbcEncodeColour,
  afbcHeaderIndex,
} from '../../board/image/afbc.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import type { Surface } from './framebuffer.ts';
import type { Outlet } from './outlet.ts';
import { TILE, TILE_PIXELS } from './raster.ts';
import { type EncodeSuperblock, encodeSuperblock } from './wasm/afbc.ts';
import { type FillHeaders, fillHeaders } from './wasm/afbc-fill.ts';
import { STORE } from './wasm/tour.ts';

const MAX_BYTES = 16;
const WORD = 4;
const HALVES = { LEFT: 1, RIGHT: 2, BOTH: 3 } as const;
/** Superblocks of one column that a row of tiles is high. */
const WIDE_ROWS = TILE / AFBC_WIDE.height;

/** A superblock's body and header on their way, and one that is decoded: of this call alone. */
const block32 = new Uint32Array((TILE_PIXELS * MAX_BYTES) / 4);
const block = new Uint8Array(block32.buffer);
const header32 = new Uint32Array(AFBC_HEADER_BYTES / 4);
const header = new Uint8Array(header32.buffer);
const superblock = new Uint8Array(TILE_PIXELS * MAX_BYTES);
/** Where the header of tiles to be filled lies in scratch memory, while they are. */
const HEADER_AT = scratch.fixed('AFBC header', AFBC_HEADER_BYTES);

/** Copies bytes (also given as words), from byte `at` on, to GPU memory. */
export type Put = (va: number, from: Uint8Array, from32: Uint32Array, at: number, size: number) => void;

/** Two tiles beside each other: 32×16 pixels in rows. */
interface Pair {
  readonly outlet: Outlet;
  readonly base: number;
  readonly bytes: number;
  /** Scratch address of the pixels. */
  readonly at: number;
  x: number;
  y: number;
  /** HALVES that have come. */
  have: number;
}

/** Parts of a record (wasm/tour.ts: OUTLET), and the function that codes a superblock. */
interface AfbcPlan {
  readonly emitted: EncodeSuperblock;
  readonly store: number;
  readonly pixels: number;
  readonly headers: number;
  readonly stride: number;
  readonly bytes: number;
}

export class AfbcStore {
  readonly #memory: VirtualMemory;
  readonly #put: Put;
  readonly #pairs = new Map<Outlet, Pair>();
  readonly #pieces: (readonly [at: number, size: number])[] = [];
  /** DRAM for emitted code; undefined: script does it all. */
  readonly #dram: PhysicalMemory | undefined;
  /** Emitted coders by bytes of a pixel: of square superblocks, of wide ones. */
  readonly #square: (EncodeSuperblock | undefined)[] = [];
  readonly #wide: (EncodeSuperblock | undefined)[] = [];
  readonly #headersPlain: FillHeaders | undefined;
  readonly #headersTiled: FillHeaders | undefined;

  constructor(memory: VirtualMemory, put: Put, dram: PhysicalMemory | undefined) {
    this.#memory = memory;
    this.#put = put;
    this.#dram = dram;
    if (!dram) return;
    this.#headersPlain = fillHeaders(dram, false);
    this.#headersTiled = fillHeaders(dram, true);
  }

  /** Stores the tile whose first pixel is (x, y), `bytes` bytes a pixel in rows at `rows` in scratch memory. */
  store(outlet: Outlet, base: number, bytes: number, x: number, y: number, rows: number): void {
    if (outlet.surface.wide) this.#pair(outlet, base, bytes, x, y, rows);
    else this.#encode(outlet, base, bytes, x / TILE, y / TILE, rows, TILE);
  }

  /** What emitted code (wasm/tour.ts) needs to store tiles, so many to a row and rows of them; undefined: script has to. */
  plan({ surface, pixels, headers }: Outlet, bytes: number, columns: number, rows: number): AfbcPlan | undefined {
    const { base, bodyOffset, rowStride, wide } = surface;
    if (!this.#dram || wide || rowStride % AFBC_HEADER_BYTES !== 0) return undefined;
    const tiled = surface.block === BLOCK_FORMAT.AFBC_TILED;
    const last = tiled ? [roundUp(columns, AFBC_TILE) - 1, roundUp(rows, AFBC_TILE) - 1] : [columns - 1, rows - 1];
    const count = indexOf(surface, last[0]!, last[1]!) + 1;
    const size = afbcBodyBytes(bytes);
    const body = pixels.whole(base + bodyOffset, count * size);
    const header = headers.whole(base, count * AFBC_HEADER_BYTES);
    if (body < 0 || header < 0) return undefined;
    this.#square[bytes] ??= encodeSuperblock(this.#dram, bytes, TILE);
    return {
      emitted: this.#square[bytes],
      store: tiled ? STORE.AFBC_TILED : STORE.AFBC,
      pixels: body,
      headers: header,
      stride: rowStride / AFBC_HEADER_BYTES,
      bytes: size,
    };
  }

  /**
   * Stores `count` tiles from (x, y) to the right whose pixels are all as the first one of `rows`: headers say it all. False:
   * it cannot do all of them.
   */
  fill(outlet: Outlet, base: number, bytes: number, x: number, y: number, count: number, rows: number): boolean {
    const { surface } = outlet;
    if (!this.#dram || surface.wide || bytes > AFBC_COLOUR_BYTES) return false;
    if (base % WORD !== 0 || surface.rowStride % AFBC_HEADER_BYTES !== 0) return false;
    const at = outlet.headers.within(base, surface.bodyOffset);
    if (at < 0) return false;
    const tiled = surface.block === BLOCK_FORMAT.AFBC_TILED;
    const [column, row] = [x / TILE, y / TILE];
    const first = indexOf(surface, 0, row);
    // Never beyond the headers, whatever the surface's stride says.
    const columns = tiled ? roundUp(column + count, AFBC_TILE) : column + count;
    const behind = first + columns * (tiled ? AFBC_TILE : 1);
    if (behind * AFBC_HEADER_BYTES > surface.bodyOffset) return false;
    afbcEncodeColour(scratch.u8.subarray(rows, rows + bytes), header);
    scratch.u32.set(header32, HEADER_AT / 4);
    const emitted = tiled ? this.#headersTiled : this.#headersPlain;
    emitted!(HEADER_AT, at + first * AFBC_HEADER_BYTES, column, column + count);
    return true;
  }

  /** Fills `rows` with a tile of a surface whose superblocks are tiles. */
  load(surface: Surface, base: number, bytes: number, x: number, y: number, rows: Uint8Array): void {
    this.#decode(surface, base, bytes, x / TILE, y / TILE, rows, TILE);
  }

  /** The job is over: the memory may serve another. */
  close(): void {
    scratch.disown(this, ...this.#pieces);
  }

  /** The job's end: nothing more will come. */
  flush(): void {
    for (const pair of this.#pairs.values()) this.#write(pair);
    this.#pairs.clear();
  }

  #pair(outlet: Outlet, base: number, bytes: number, x: number, y: number, rows: number): void {
    const left = x - (x % AFBC_WIDE.width);
    let pair = this.#pairs.get(outlet);
    if (!pair) {
      const size = AFBC_WIDE.width * TILE * bytes;
      const at = scratch.owned(this, size);
      this.#pieces.push([at, size]);
      pair = { outlet, base, bytes, at, x: left, y, have: 0 };
      this.#pairs.set(outlet, pair);
    } else if (pair.x !== left || pair.y !== y) {
      this.#write(pair);
      pair.x = left;
      pair.y = y;
    }
    const size = TILE * bytes;
    for (let row = 0; row < TILE; row++) {
      const to = pair.at + (row * AFBC_WIDE.width + x - left) * bytes;
      scratch.u8.copyWithin(to, rows + row * size, rows + (row + 1) * size);
    }
    pair.have |= x === left ? HALVES.LEFT : HALVES.RIGHT;
    if (pair.have === HALVES.BOTH) this.#write(pair);
  }

  #write(pair: Pair): void {
    const { outlet, base, bytes, at, have } = pair;
    if (have === 0) return;
    pair.have = 0;
    const size = afbcBodyBytes(bytes);
    for (let i = 0; i < WIDE_ROWS; i++) {
      const column = pair.x / AFBC_WIDE.width;
      const row = pair.y / AFBC_WIDE.height + i;
      const block = at + i * size;
      if (have !== HALVES.BOTH) this.#fill(outlet.surface, base, bytes, column, row, block, have === HALVES.LEFT);
      this.#encode(outlet, base, bytes, column, row, block, AFBC_WIDE.width);
    }
  }

  /** Takes half of a wide superblock from memory. */
  #fill(
    surface: Surface,
    base: number,
    bytes: number,
    column: number,
    row: number,
    block: number,
    right: boolean,
  ): void {
    const old = superblock;
    this.#decode(surface, base, bytes, column, row, old, AFBC_WIDE.width);
    const size = TILE * bytes;
    for (let y = 0; y < AFBC_WIDE.height; y++) {
      const at = (y * 2 + (right ? 1 : 0)) * size;
      scratch.u8.set(old.subarray(at, at + size), block + at);
    }
  }

  #encode(
    { surface, pixels: bodies, headers }: Outlet,
    base: number,
    bytes: number,
    column: number,
    row: number,
    rows: number,
    width: number,
  ): void {
    const index = indexOf(surface, column, row);
    const size = afbcBodyBytes(bytes);
    const place = surface.bodyOffset + index * size;
    const headerAt = base + index * AFBC_HEADER_BYTES;
    if (this.#dram) {
      const emitted = width === TILE ? this.#square : this.#wide;
      emitted[bytes] ??= encodeSuperblock(this.#dram, bytes, width);
      const body = bodies.within(base + place, size);
      const header = body < 0 ? -1 : headers.within(headerAt, AFBC_HEADER_BYTES);
      if (header >= 0) {
        emitted[bytes](rows, header, body, place);
        return;
      }
    }
    const pixels = scratch.u8.subarray(rows, rows + size);
    afbcEncode(pixels, bytes, header, block, place, width);
    this.#put(base + place, block, block32, 0, size);
    this.#put(headerAt, header, header32, 0, AFBC_HEADER_BYTES);
  }

  #decode(
    surface: Surface,
    base: number,
    bytes: number,
    column: number,
    row: number,
    pixels: Uint8Array,
    width: number,
  ): void {
    const memory = this.#memory;
    const at = base + indexOf(surface, column, row) * AFBC_HEADER_BYTES;
    try {
      const read = (offset: number, size: number) => memory.read(base + offset, size);
      afbcDecode(memory.read(at, AFBC_HEADER_BYTES), bytes, read, pixels, width);
    } catch (error) {
      if (error instanceof AfbcError) throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, at, error.message);
      throw error;
    }
  }
}

const indexOf = (surface: Surface, column: number, row: number): number =>
  afbcHeaderIndex(column, row, surface.rowStride, surface.block === BLOCK_FORMAT.AFBC_TILED);

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;
