/**
 * PrimitiveStore: where a fragment job keeps its set-up primitives. It grows by pieces up to a fixed number, so that all threads
 * that are at a job part it in the same way. All jobs of a thread together have a limit too, but each may have one piece
 * whatever the others do. A job whose primitives do not fit draws its framebuffer part by part.
 */
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';

/** Primitives in a piece. */
const PIECE = 2048;
const PIECE_BYTES = PIECE * PRIMITIVE.size;
/** Primitives of a job at once, and pieces of all jobs (120 MiB). */
const MAX_PRIMITIVES = 1 << 16;
const MAX_PIECES = 192;

/** Pieces that are in no job's hands. Kept here, because scratch memory would clear them for the next. */
const free: number[] = [];
let taken = 0;

export class PrimitiveStore {
  /** Scratch addresses of the pieces; all but the last in use are full. */
  readonly #pieces: number[] = [];
  /** Pieces in use before the current one. */
  #full = 0;
  /** Where the next primitive goes, and where the current piece ends. */
  #next = 0;
  #end = 0;
  readonly #limit: number;

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
      if (n > 0 && taken >= MAX_PIECES) return false;
      this.#pieces.push(free.pop() ?? scratch.alloc(PIECE_BYTES));
      taken++;
    }
    this.#full = n;
    this.#next = this.#pieces[n]!;
    this.#end = this.#next + Math.min(PIECE, this.#limit - n * PIECE) * PRIMITIVE.size;
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
    taken -= this.#pieces.length;
    free.push(...this.#pieces.splice(0));
  }
}
