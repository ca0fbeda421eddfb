/**
 * Batch: the vertices and primitives of a draw that are worked off together. Vertices fill packet after packet.
 *
 * A vertex is an index and an instance, and has a slot; primitives name slots, so a vertex that several of them share is
 * shaded once. Slots are found by hashing into a table that is cleared with the batch. It all lies in scratch memory,
 * where emitted code fills and reads it too (state.ts); nothing is allocated for a batch, and batches serve draw after draw.
 */
import { scratch } from '../engine/scratch.ts';
import { tileFill } from '../fragment/wasm/tile.ts';
import { BUCKETS, CLEARED_BYTES, MARK, MAX_BATCH_PRIMITIVES, MAX_BATCH_VERTICES, TILER, TILER_BYTES } from './state.ts';

/** Knuth's multiplier for hashing; its upper bits are the best mixed. */
export const MULTIPLIER = 0x9e3779b1;
export const BUCKET_SHIFT = 32 - Math.log2(BUCKETS);
/** Batches kept for the next draw. */
const MOST_FREE = 16;

export class Batch {
  /** Where it lies in scratch memory. */
  readonly at = scratch.owned(this, TILER_BYTES);
  readonly index = new Uint32Array(scratch.buffer, this.at + TILER.index, MAX_BATCH_VERTICES);
  readonly instance = new Uint32Array(scratch.buffer, this.at + TILER.instance, MAX_BATCH_VERTICES);
  readonly slots = new Uint16Array(scratch.buffer, this.at + TILER.slots, MAX_BATCH_PRIMITIVES * 4);
  readonly ids = new Uint32Array(scratch.buffer, this.at + TILER.ids, MAX_BATCH_PRIMITIVES);
  readonly #buckets = new Uint16Array(scratch.buffer, this.at + TILER.buckets, BUCKETS);
  readonly #marks = new Uint8Array(scratch.buffer, this.at + TILER.marks, MAX_BATCH_VERTICES);
  readonly #vertices = (this.at + TILER.vertices) / 4;
  readonly #primitives = (this.at + TILER.primitives) / 4;
  readonly #capacity = (this.at + TILER.capacity) / 4;

  static readonly #free: Batch[] = [];

  /** An empty batch for so many vertices. */
  static take(capacity: number): Batch {
    const batch = Batch.#free.pop() ?? new Batch();
    scratch.u32[batch.#capacity] = capacity;
    batch.clear();
    return batch;
  }

  /** Gives a batch back that nobody uses any more. */
  static give(batch: Batch): void {
    if (Batch.#free.length < MOST_FREE) Batch.#free.push(batch);
    else scratch.disown(batch, [batch.at, TILER_BYTES]);
  }

  get vertices(): number {
    return scratch.u32[this.#vertices]!;
  }

  get primitives(): number {
    return scratch.u32[this.#primitives]!;
  }

  clear(): void {
    scratch.u32[this.#vertices] = 0;
    scratch.u32[this.#primitives] = 0;
    tileFill()(this.at + TILER.buckets, CLEARED_BYTES, 0, 0, 0, 0);
  }

  /** No visible primitive has any of the vertices. */
  clearMarks(): void {
    this.#marks.fill(0);
  }

  /** A visible primitive has the vertex. */
  mark(slot: number): void {
    this.#marks[slot]! |= MARK.WANTED;
  }

  /** Adds a primitive of the first `arity` of three vertices. False, and no change: the batch has no room. */
  add(arity: number, a: number, b: number, c: number, instance: number, provoking: number, id: number): boolean {
    const { primitives } = this;
    if (primitives === MAX_BATCH_PRIMITIVES) return false;
    let fresh = this.#has(a, instance) ? 0 : 1;
    if (arity > 1 && !this.#has(b, instance)) fresh++;
    if (arity > 2 && !this.#has(c, instance)) fresh++;
    if (this.vertices + fresh > scratch.u32[this.#capacity]!) return false;
    const at = primitives * 4;
    this.slots[at] = this.#slot(a, instance);
    if (arity > 1) this.slots[at + 1] = this.#slot(b, instance);
    if (arity > 2) this.slots[at + 2] = this.#slot(c, instance);
    this.slots[at + 3] = provoking;
    this.ids[primitives] = id;
    scratch.u32[this.#primitives] = primitives + 1;
    return true;
  }

  #has(index: number, instance: number): boolean {
    return this.#buckets[this.#bucket(index, instance)] !== 0;
  }

  #slot(index: number, instance: number): number {
    const bucket = this.#bucket(index, instance);
    const known = this.#buckets[bucket]!;
    if (known !== 0) return known - 1;
    const slot = this.vertices;
    scratch.u32[this.#vertices] = slot + 1;
    this.#buckets[bucket] = slot + 1;
    this.index[slot] = index;
    this.instance[slot] = instance;
    return slot;
  }

  /** The bucket of a vertex, or the empty one where it belongs. There always is one: a batch fills half of them. */
  #bucket(index: number, instance: number): number {
    let bucket = Math.imul(index ^ Math.imul(instance, MULTIPLIER), MULTIPLIER) >>> BUCKET_SHIFT;
    for (;;) {
      const known = this.#buckets[bucket]!;
      if (known === 0 || (this.index[known - 1] === index && this.instance[known - 1] === instance)) return bucket;
      bucket = (bucket + 1) % BUCKETS;
    }
  }
}
