/**
 * Batch: the vertices and primitives of a draw that are worked off together, at most what a vertex packet holds.
 *
 * A vertex is an index and an instance, and has a slot; primitives name slots, so a vertex that several of them share is
 * shaded once. Slots are found by a table of hashes that is four times as large as a batch: nothing is allocated.
 */

/** Vertices of a packet, so of a batch. */
export const PACKET_VERTICES = 64;
export const MAX_BATCH_PRIMITIVES = 256;
const BUCKETS = 256;
/** Knuth's multiplier for hashing; its upper bits are the best mixed. */
const MULTIPLIER = 0x9e3779b1;
const BUCKET_SHIFT = 24;

export class Batch {
  /** Of each slot. */
  readonly index = new Uint32Array(PACKET_VERTICES);
  readonly instance = new Uint32Array(PACKET_VERTICES);
  /** Of each primitive, four bytes: the slots of its vertices, and which of them flat varyings come from. */
  readonly slots = new Uint8Array(MAX_BATCH_PRIMITIVES * 4);
  readonly ids = new Uint32Array(MAX_BATCH_PRIMITIVES);
  vertices = 0;
  primitives = 0;
  /** Slot + 1 of the vertex that hashes there, or of one that had to give way; 0: none. */
  readonly #buckets = new Uint8Array(BUCKETS);

  clear(): void {
    this.vertices = 0;
    this.primitives = 0;
    this.#buckets.fill(0);
  }

  /** Adds a primitive of the first `arity` of three vertices. False, and no change: the batch has no room. */
  add(arity: number, a: number, b: number, c: number, instance: number, provoking: number, id: number): boolean {
    if (this.primitives === MAX_BATCH_PRIMITIVES) return false;
    let fresh = this.#has(a, instance) ? 0 : 1;
    if (arity > 1 && !this.#has(b, instance)) fresh++;
    if (arity > 2 && !this.#has(c, instance)) fresh++;
    if (this.vertices + fresh > PACKET_VERTICES) return false;
    const at = this.primitives * 4;
    this.slots[at] = this.#slot(a, instance);
    if (arity > 1) this.slots[at + 1] = this.#slot(b, instance);
    if (arity > 2) this.slots[at + 2] = this.#slot(c, instance);
    this.slots[at + 3] = provoking;
    this.ids[this.primitives++] = id;
    return true;
  }

  #has(index: number, instance: number): boolean {
    return this.#buckets[this.#bucket(index, instance)] !== 0;
  }

  #slot(index: number, instance: number): number {
    const bucket = this.#bucket(index, instance);
    const known = this.#buckets[bucket]!;
    if (known !== 0) return known - 1;
    const slot = this.vertices++;
    this.#buckets[bucket] = slot + 1;
    this.index[slot] = index;
    this.instance[slot] = instance;
    return slot;
  }

  /** The bucket of a vertex, or the empty one where it belongs. There always is one: a batch fills a quarter of them. */
  #bucket(index: number, instance: number): number {
    let bucket = Math.imul(index ^ Math.imul(instance, MULTIPLIER), MULTIPLIER) >>> BUCKET_SHIFT;
    for (;;) {
      const known = this.#buckets[bucket]!;
      if (known === 0 || (this.index[known - 1] === index && this.instance[known - 1] === instance)) return bucket;
      bucket = (bucket + 1) % BUCKETS;
    }
  }
}
