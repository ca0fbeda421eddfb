/**
 * Which tiles of a job this thread draws: all, or those that it claims before any other thread does.
 *
 * A job's tiles come as items of one part after the other (fragment.ts). Every thread that is at the job goes over the same parts
 * in the same order, so claims are numbers that run on across parts: one that lies beyond a part is kept for the next. What a
 * hostile client changes meanwhile can make threads see different items; then tiles of its own picture are missing or come
 * twice.
 */
import type { Claim } from '../contract.ts';
import type { TileSource } from './tile-job.ts';

export interface TileShare extends TileSource {
  /**
   * Items of a part are to be done. `again`: it is the single tile of the last part, of which more primitives come. `whole`: the
   * job cannot be parted, as tiles need their neighbours.
   */
  begin(items: number, again: boolean, whole: boolean): void;
  /** Whether this thread is to have everything ready before it asks for its first tile, as others wait for it from then on. */
  readonly prepares?: boolean;
}

/** No other thread is at the job. */
export class AllTiles implements TileShare {
  #next = 0;
  #items = 0;

  begin(items: number): void {
    this.#next = 0;
    this.#items = items;
  }

  next(): number {
    return this.#next < this.#items ? this.#next++ : -1;
  }

  get ahead(): number {
    return this.#items - this.#next;
  }

  skip(items: number): void {
    this.#next += items;
  }
}

/** Items that are claimed at once at most, and the part of those that are left: the last ones come singly, so that all end together. */
const MOST = 8;
const PART = 64;

/** `take` answers the first of so many numbers, which are one thread's alone; they count from 0 on. */
export class ClaimedTiles implements TileShare {
  readonly prepares: boolean;
  readonly #take: Claim;
  /** Numbers that have been taken and not been used: the first, and the one behind the last. */
  #claim = 0;
  #claimed = 0;
  /** Claims of the part: the first one, and the one behind the last. */
  #base = 0;
  #end = 0;
  /** Whether the part's tile, if it has a single one, is this thread's. */
  #mine = false;
  #repeat = false;
  /** Whether this thread draws a job that cannot be parted. */
  #all: boolean | undefined;
  #next = 0;

  constructor(take: Claim, prepares = false) {
    this.#take = take;
    this.prepares = prepares;
  }

  begin(items: number, again: boolean, whole: boolean): void {
    if (whole) this.#all ??= this.#take(1) === 0;
    this.#next = 0;
    this.#repeat = again && this.#mine;
    if (again) return;
    this.#mine = false;
    this.#base = this.#end;
    this.#end += items;
  }

  next(): number {
    if (this.#all !== undefined) {
      return this.#all && this.#base + this.#next < this.#end ? this.#next++ : -1;
    }
    if (this.#repeat) {
      this.#repeat = false;
      return 0;
    }
    if (this.#claim === this.#claimed) {
      const count = Math.max(1, Math.min(MOST, Math.floor((this.#end - this.#claimed) / PART)));
      this.#claim = this.#take(count);
      this.#claimed = this.#claim + count;
    }
    if (this.#claim >= this.#end) return -1;
    this.#mine = true;
    return this.#claim++ - this.#base;
  }

  get ahead(): number {
    if (this.#all !== undefined) return this.#all ? this.#end - this.#base - this.#next : 0;
    return Math.max(Math.min(this.#claimed, this.#end) - this.#claim, 0);
  }

  skip(items: number): void {
    if (this.#all) this.#next += items;
    else this.#claim += items;
  }
}
