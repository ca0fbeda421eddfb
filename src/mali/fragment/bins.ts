/**
 * Bins: which primitives touch which tile of a part of the framebuffer, in drawing order. A counting sort: primitives are
 * counted in each tile, the counts become places, and the primitives' addresses are put there.
 *
 * A primitive touches the tiles between its bounds; if they are many, not those that lie beyond one of its edges. This is the script; emitted
 * code (wasm/bins.ts) fills the same words.
 */
import type { Engine } from '../engine/engine.ts';
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import type { PrimitiveStore } from './primitive-store.ts';
import { SUBPIXEL, TILE, Triangle } from './raster.ts';
import { BINS, type BinsCode, binsCode, EXACT_TILES, MAX_RUN, RUN_SHIFT } from './wasm/bins.ts';
import { tileFill } from './wasm/tile.ts';

/** Tiles: first column and row, number of columns and rows. */
export interface TileRect {
  readonly column: number;
  readonly row: number;
  readonly columns: number;
  readonly rows: number;
}

/** Tiles of a part at most, and entries of its bins unless there are more primitives than that. */
const MAX_TILES = 1 << 14;
const MAX_ENTRIES = 1 << 19;

/** Where an item says which tile it is about. */
const TILE_BITS = (1 << RUN_SHIFT) - 1;

/** Pieces of scratch memory by size, which nobody clears. */
const free = new Map<number, number[]>();

function take(bytes: number): number {
  return free.get(bytes)?.pop() ?? scratch.alloc(bytes);
}

function give(at: number, bytes: number): void {
  const list = free.get(bytes);
  if (list) list.push(at);
  else free.set(bytes, [at]);
}

export class Bins {
  rect: TileRect = { column: 0, row: 0, columns: 0, rows: 0 };
  /** Entries of all bins. */
  total = 0;
  /** Ends of the tiles' bins, row by row: entries before it; then the items. */
  #words = 0;
  #items = 0;
  #itemCount = 0;
  #entries = 0;
  #entriesBytes = 0;
  readonly #triangle = new Triangle(0);
  readonly #piece = scratch.take(BINS.size);
  readonly #args = this.#piece.at;
  readonly #code: BinsCode | undefined;

  constructor(engine: Engine) {
    this.#code = engine === 'wasm' ? binsCode() : undefined;
  }

  /** Whether a part has more tiles than fit. */
  static tooLarge({ columns, rows }: TileRect): boolean {
    return columns * rows > MAX_TILES;
  }

  /** Sorts the primitives of the store. False: they have too many entries, a smaller part must be asked for. */
  fill(store: PrimitiveStore, rect: TileRect): boolean {
    this.rect = rect;
    if (this.#words === 0) {
      this.#words = take(MAX_TILES * 8);
      this.#items = (this.#words + MAX_TILES * 4) / 4;
    }
    const tiles = rect.columns * rect.rows;
    tileFill()(this.#words, Math.ceil(tiles / 16) * 64, 0, 0, 0, 0);
    scratch.u32.set([rect.column, rect.row, rect.columns, rect.rows, this.#words, 0, this.#items * 4], this.#args / 4);
    const budget = (this.#args + BINS.budget) / 4;
    scratch.i32[budget] = Math.max(MAX_ENTRIES, store.count);
    for (const [from, to] of store.pieces()) {
      if (this.#code) this.#code.bins_count(this.#args, from, to);
      else this.#count(from, to);
      if (scratch.i32[budget]! < 0) return false;
    }
    const total = this.#code ? this.#code.bins_sum(this.#args) : this.#sum(tiles);
    this.total = total;
    this.#room(total);
    scratch.u32[(this.#args + BINS.entries) / 4] = this.#entries;
    for (const [from, to] of store.pieces()) {
      if (this.#code) this.#code.bins_place(this.#args, from, to);
      else this.#place(from, to);
    }
    return true;
  }

  /** Turns counts into places; answers their sum. */
  #sum(tiles: number): number {
    const { u32 } = scratch;
    const ends = this.#words / 4;
    let total = 0;
    for (let t = 0; t < tiles; t++) {
      const count = u32[ends + t]!;
      u32[ends + t] = total;
      total += count;
    }
    return total;
  }

  #room(entries: number): void {
    const bytes = Math.max(2 ** Math.ceil(Math.log2(entries * 4)), 4096);
    if (bytes <= this.#entriesBytes) return;
    if (this.#entriesBytes > 0) give(this.#entries, this.#entriesBytes);
    this.#entries = take(bytes);
    this.#entriesBytes = bytes;
  }

  /** Where a tile's bin begins and ends in scratch memory. */
  begin(tile: number): number {
    return this.#entries + (tile === 0 ? 0 : scratch.u32[this.#words / 4 + tile - 1]!) * 4;
  }

  end(tile: number): number {
    return this.#entries + scratch.u32[this.#words / 4 + tile]! * 4;
  }

  #count(from: number, to: number): void {
    const { u32, i32 } = scratch;
    const ends = this.#words / 4;
    const budget = (this.#args + BINS.budget) / 4;
    for (let p = from; p < to; p += PRIMITIVE.size) {
      const { left, top, right, bottom } = this.#tiles(p);
      if (left <= right && top <= bottom) i32[budget]! -= (right - left + 1) * (bottom - top + 1);
      if (i32[budget]! < 0) return;
      this.#touched(p, (tile) => {
        u32[ends + tile]!++;
      });
    }
  }

  #place(from: number, to: number): void {
    const { u32 } = scratch;
    const ends = this.#words / 4;
    const entries = this.#entries / 4;
    for (let p = from; p < to; p += PRIMITIVE.size) {
      this.#touched(p, (tile) => {
        u32[entries + u32[ends + tile]!++] = p;
      });
    }
  }

  /** Tiles of the part between a primitive's bounds. */
  #tiles(p: number): { left: number; top: number; right: number; bottom: number } {
    const { u16 } = scratch;
    const { column, row, columns, rows } = this.rect;
    return {
      left: Math.max((u16[(p + PRIMITIVE.minX) / 2]! >> 4) - column, 0),
      top: Math.max((u16[(p + PRIMITIVE.minY) / 2]! >> 4) - row, 0),
      right: Math.min((u16[(p + PRIMITIVE.maxX) / 2]! >> 4) - column, columns - 1),
      bottom: Math.min((u16[(p + PRIMITIVE.maxY) / 2]! >> 4) - row, rows - 1),
    };
  }

  /** Tiles of the part that a primitive touches. */
  #touched(p: number, tile: (n: number) => void): void {
    const { column, row, columns } = this.rect;
    const { left, top, right, bottom } = this.#tiles(p);
    const triangle = this.#triangle;
    triangle.at = p;
    const all = (right - left + 1) * (bottom - top + 1) <= EXACT_TILES;
    const side = TILE * SUBPIXEL;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const x0 = (x + column) * side;
        const y0 = (y + row) * side;
        if (all || triangle.relation(x0, y0, x0 + side, y0 + side) >= 0) tile(y * columns + x);
      }
    }
  }

  /**
   * Lists what is to be done, row by row: tiles that are touched, and runs of tiles in a row that are not. `alone`: those
   * come one by one too.
   */
  list(alone: boolean): void {
    this.#itemCount = this.#code ? this.#code.bins_list(this.#args, alone ? 1 : 0) : this.#list(alone);
  }

  #list(alone: boolean): number {
    const { columns, rows } = this.rect;
    const { u32 } = scratch;
    const ends = this.#words / 4;
    let n = 0;
    let begin = 0;
    let open = -1;
    for (let t = 0; t < columns * rows; t++) {
      const end = u32[ends + t]!;
      const touched = end !== begin;
      begin = end;
      if (t % columns === 0) open = -1;
      if (touched || alone) {
        open = -1;
        u32[this.#items + n++] = t;
      } else if (open >= 0 && u32[this.#items + open]! >>> RUN_SHIFT < MAX_RUN) {
        u32[this.#items + open]! += 1 << RUN_SHIFT;
      } else {
        open = n;
        u32[this.#items + n++] = t | (1 << RUN_SHIFT);
      }
    }
    return n;
  }

  get items(): number {
    return this.#itemCount;
  }

  /** The tile that an item is about, or begins with. */
  tile(item: number): number {
    return scratch.u32[this.#items + item]! & TILE_BITS;
  }

  /** How many tiles an item is that nothing touches; 0: one that is touched. */
  run(item: number): number {
    return scratch.u32[this.#items + item]! >>> RUN_SHIFT;
  }

  /** Scratch address of what emitted code is told (wasm/bins.ts: BINS). */
  get at(): number {
    return this.#args;
  }

  /** The job is over. */
  close(): void {
    if (this.#words !== 0) give(this.#words, MAX_TILES * 8);
    this.#words = 0;
    if (this.#entriesBytes > 0) give(this.#entries, this.#entriesBytes);
    this.#entriesBytes = 0;
    scratch.give(this.#piece);
  }
}
