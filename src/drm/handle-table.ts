/**
 * HandleTable: small numbers that a client holds for things of ours, the lowest free one first, never 0.
 * After Linux `lib/idr.c` as the DRM core uses it. Bounded, so that a client cannot fill the machine with handles.
 */
import { must } from './error.ts';

export class HandleTable<T> implements Iterable<[number, T]> {
  readonly #entries = new Map<number, T>();
  readonly #what: string;
  readonly #limit: number;
  /** No handle below this one is free. */
  #lowest = 1;

  /** Handles 1 … `limit`; `what` names the things in error messages. */
  constructor(what: string, limit: number) {
    this.#what = what;
    this.#limit = limit;
  }

  /** How many more fit. */
  get room(): number {
    return this.#limit - this.#entries.size;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Stores `value` and returns its handle. Throws ENOMEM when the table is full. */
  add(value: T): number {
    must(this.#entries.size < this.#limit, 'ENOMEM', () => `the file holds ${this.#limit} ${this.#what}s, the most`);
    while (this.#entries.has(this.#lowest)) this.#lowest++;
    const handle = this.#lowest++;
    this.#entries.set(handle, value);
    return handle;
  }

  get(handle: number): T | undefined {
    return this.#entries.get(handle);
  }

  has(handle: number): boolean {
    return this.#entries.has(handle);
  }

  /** Forgets a handle and returns what it named, undefined if nothing. */
  remove(handle: number): T | undefined {
    const value = this.#entries.get(handle);
    if (!this.#entries.delete(handle)) return undefined;
    if (handle < this.#lowest) this.#lowest = handle;
    return value;
  }

  keys(): IterableIterator<number> {
    return this.#entries.keys();
  }

  values(): IterableIterator<T> {
    return this.#entries.values();
  }

  entries(): IterableIterator<[number, T]> {
    return this.#entries.entries();
  }

  [Symbol.iterator](): IterableIterator<[number, T]> {
    return this.#entries.entries();
  }
}
