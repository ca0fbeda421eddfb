/**
 * Surface: the picture that viewers see, and where it differs from the one before.
 *
 * Flips tell that there is another picture, not what is different in it, so pictures are compared, tile by tile. Each viewer has its
 * own account of the tiles that it has not been sent (`Damage`): one that is slow gets the newest of each, once.
 */
import { PIXEL_FORMATS } from '../../abi/fourcc.ts';
import { compose, type Scan } from '../../display/index.ts';
import type { Snapshot } from './messages.ts';

/** Pixels of a tile's edge. */
const TILE = 64;
/** Tiles of the largest rectangle: what it holds is compressed as one, and has to fit what encodings can tell of its length. */
const MOST_COLUMNS = 16;
const MOST_ROWS = 4;

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export class Surface {
  width = 0;
  height = 0;
  /** Red, green, blue and 255 of each pixel, in rows without padding. */
  pixels = new Uint8Array();
  readonly #viewers = new Set<Damage>();

  /** The next picture. False: it is the same. */
  show(snapshot: Snapshot): boolean {
    const { width, height, data } = compose(memoryOf(snapshot), scanOf(snapshot));
    const resized = width !== this.width || height !== this.height;
    const before = this.pixels;
    this.width = width;
    this.height = height;
    this.pixels = data;
    if (resized) {
      for (const damage of this.#viewers) damage.resize(width, height);
      return true;
    }
    const tiles = differences(before, data, width, height);
    if (!tiles) return false;
    for (const damage of this.#viewers) damage.add(tiles);
    return true;
  }

  /** A new viewer's account, in which all of the picture is owed. */
  view(): Damage {
    const damage = new Damage();
    damage.resize(this.width, this.height);
    this.#viewers.add(damage);
    return damage;
  }

  leave(damage: Damage): void {
    this.#viewers.delete(damage);
  }
}

/** What one viewer has not been sent of the picture, by tiles. */
export class Damage {
  #width = 0;
  #height = 0;
  #columns = 0;
  #rows = 0;
  #tiles = new Uint8Array();
  #count = 0;

  /** Nothing is owed. */
  get empty(): boolean {
    return this.#count === 0;
  }

  resize(width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    this.#columns = Math.ceil(width / TILE);
    this.#rows = Math.ceil(height / TILE);
    this.#tiles = new Uint8Array(this.#columns * this.#rows).fill(1);
    this.#count = this.#tiles.length;
  }

  add(tiles: Uint8Array): void {
    for (let i = 0; i < tiles.length; i++) if (tiles[i]) this.#set(i);
  }

  addRectangle(area: Rectangle): void {
    this.#within(area, (i) => this.#set(i));
  }

  /** Whether anything is owed in an area. */
  touches(area: Rectangle): boolean {
    let found = false;
    if (this.#count > 0)
      this.#within(area, (i) => {
        found ||= this.#tiles[i] !== 0;
      });
    return found;
  }

  /**
   * Takes what is owed in an area out of the account: rectangles of whole tiles, cut at the picture's edge, of at most
   * 1024×256 pixels.
   */
  take(area: Rectangle): Rectangle[] {
    const wanted = new Uint8Array(this.#tiles.length);
    this.#within(area, (i) => {
      if (!this.#tiles[i]) return;
      wanted[i] = 1;
      this.#tiles[i] = 0;
      this.#count--;
    });
    return rectangles(wanted, this.#columns, this.#rows).map((tiles) => {
      const [x, y] = [tiles.x * TILE, tiles.y * TILE];
      const right = Math.min(this.#width, x + tiles.width * TILE);
      const bottom = Math.min(this.#height, y + tiles.height * TILE);
      return { x, y, width: right - x, height: bottom - y };
    });
  }

  #set(i: number): void {
    if (this.#tiles[i]) return;
    this.#tiles[i] = 1;
    this.#count++;
  }

  #within({ x, y, width, height }: Rectangle, fn: (tile: number) => void): void {
    const right = Math.min(this.#columns, Math.ceil((x + width) / TILE));
    const bottom = Math.min(this.#rows, Math.ceil((y + height) / TILE));
    for (let row = Math.floor(y / TILE); row < bottom; row++)
      for (let column = Math.floor(x / TILE); column < right; column++) fn(row * this.#columns + column);
  }
}

/** Covers marked tiles by rectangles (in tiles): runs of a row, joined with equal runs of the rows below. */
function rectangles(tiles: Uint8Array, columns: number, rows: number): Rectangle[] {
  const done: Rectangle[] = [];
  let open = new Map<string, { x: number; y: number; width: number; height: number }>();
  for (let y = 0; y < rows; y++) {
    const next: typeof open = new Map();
    for (let x = 0; x < columns; ) {
      let width = 0;
      while (width < MOST_COLUMNS && x + width < columns && tiles[y * columns + x + width]) width++;
      if (width === 0) {
        x++;
        continue;
      }
      const key = `${x} ${width}`;
      const above = open.get(key);
      if (above && above.height < MOST_ROWS) {
        above.height++;
        open.delete(key);
        next.set(key, above);
      } else next.set(key, { x, y, width, height: 1 });
      x += width;
    }
    done.push(...open.values());
    open = next;
  }
  done.push(...open.values());
  return done;
}

/** The tiles in which two pictures of a size differ; none: undefined. */
function differences(a: Uint8Array, b: Uint8Array, width: number, height: number): Uint8Array | undefined {
  const columns = Math.ceil(width / TILE);
  const tiles = new Uint8Array(columns * Math.ceil(height / TILE));
  const [left, right] = [Buffer.from(a.buffer), Buffer.from(b.buffer)];
  const row = width * 4;
  let any = false;
  for (let y = 0; y < height; y++) {
    const at = y * row;
    if (left.compare(right, at, at + row, at, at + row) === 0) continue;
    any = true;
    const first = Math.floor(y / TILE) * columns;
    for (let column = 0; column < columns; column++) {
      if (tiles[first + column]) continue;
      const from = at + column * TILE * 4;
      const to = Math.min(from + TILE * 4, at + row);
      if (left.compare(right, from, to, from, to) !== 0) tiles[first + column] = 1;
    }
  }
  return any ? tiles : undefined;
}

function memoryOf({ memory }: Snapshot) {
  return {
    u16: new Uint16Array(memory, 0, Math.floor(memory.byteLength / 2)),
    u32: new Uint32Array(memory, 0, Math.floor(memory.byteLength / 4)),
  };
}

function scanOf({ width, height, windows, gamma }: Snapshot): Scan {
  return {
    width,
    height,
    gamma,
    windows: windows.map((window) => {
      const format = PIXEL_FORMATS.get(window.format);
      if (!format) throw new Error(`screen: a window of format ${window.format}`);
      return { ...window, format };
    }),
  };
}
