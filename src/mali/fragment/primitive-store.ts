/**
 * PrimitiveStore: where a fragment job keeps its set-up primitives. It grows by pieces up to a fixed number, so that all threads
 * that are at a job part it in the same way, whatever else they do: tiles are claimed by their order in it. Each job may have
 * one piece; of those that need more, so many are at it that all can have what they may. The others wait, which ends, since
 * none of the former waits for anything. A job whose primitives do not fit draws its framebuffer part by part.
 */
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';

/** Primitives in a piece. */
const PIECE = 2048;
const PIECE_BYTES = PIECE * PRIMITIVE.size;
/** Primitives of a job at once. */
const MAX_PRIMITIVES = 1 << 16;
/** Jobs of a thread that may have more than one piece: 120 MiB in all. */
const MAX_LARGE = 6;

/** Pieces that are in no job's hands. Kept here, because scratch memory would clear them for the next. */
const free: number[] = [];
let large = 0;

export class PrimitiveStore {
  /** Scratch addresses of the pieces; all but the last in use are full. */
  readonly #pieces: number[] = [];
  /** Pieces in use before the current one. */
  #full = 0;
  /** Where the next primitive goes, and where the current piece ends. */
  #next = 0;
  #end = 0;
  readonly #limit: number;
  #large = false;
  /** `reserve` has answered false only because the job is not among the large ones. */
  crowded = false;

  /** `limit`: primitives at most. */
  constructor(limit = MAX_PRIMITIVES) {
    this.#limit = limit;
  }

  get count(): number {
    if (this.#end === 0) return 0;
    return this.#full * PIECE + (this.#next - this.#pieces[this.#full]!) / PRIMITIVE.size;
  }

  /** The pieces in use: scratch addresses of their first primitive, and of the end. */
  *pieces(): Generator<readonly [from: number, to: number]> {
    if (this.#end === 0) return;
    for (let i = 0; i < this.#full; i++) yield [this.#pieces[i]!, this.#pieces[i]! + PIECE_BYTES];
    yield [this.#pieces[this.#full]!, this.#next];
  }

  /** Makes room. False: there is none. */
  reserve(): boolean {
    if (this.count >= this.#limit) return false;
    if (this.#next < this.#end) return true;
    const n = this.#end === 0 ? 0 : this.#full + 1;
    if (n === this.#pieces.length) {
      if (n > 0 && !this.#large) {
        this.crowded = true;
        return false;
      }
      this.#pieces.push(free.pop() ?? scratch.alloc(PIECE_BYTES));
    }
    this.#full = n;
    this.#next = this.#pieces[n]!;
    this.#end = this.#next + Math.min(PIECE, this.#limit - n * PIECE) * PRIMITIVE.size;
    return true;
  }

  /** Asks to be among the large ones, where it was crowded. False: not yet, somebody must close first. */
  enlarge(): boolean {
    if (large >= MAX_LARGE) return false;
    large++;
    this.#large = true;
    this.crowded = false;
    return true;
  }

  /** Where the next primitive goes; after `reserve`. */
  get next(): number {
    return this.#next;
  }

  /** Primitives that fit behind `next`. */
  get end(): number {
    return this.#end;
  }

  /** Keeps what has been made from `next` up to `to`. */
  keep(to: number): void {
    this.#next = to;
  }

  /** Forgets all primitives. */
  reset(): void {
    this.#full = 0;
    this.#next = 0;
    this.#end = 0;
  }

  /** The job is over. */
  close(): void {
    this.reset();
    free.push(...this.#pieces.splice(0));
    if (this.#large) large--;
    this.#large = false;
  }
}
