/**
 * The table by which emitted code calls emitted functions that it does not know when it is compiled: a shader calls a sampler
 * by a number that it finds in a record in scratch memory.
 *
 * There is one table a thread. A function keeps its number as long as somebody holds its place, and whoever writes the number
 * down holds it: so nothing that remembers a number can meet another function there. Functions are shared between equal
 * states, but states are the guests': places that nobody holds any more are given to others, or a guest that
 * draws with ever new states would fill the table for all. Number 0 is nobody's: a record full of zeros calls nothing.
 */
const FIRST = 1024;
const MOST = 65536;

/** A function's place in the table. Whoever keeps `slot` keeps this with it. */
export interface Place {
  readonly slot: number;
}

/** Exported functions by number, in a WebAssembly table that grows up to `most` places. */
export class FunctionTable {
  readonly table: WebAssembly.Table;
  readonly #most: number;
  readonly #places = new WeakMap<CallableFunction, WeakRef<Place>>();
  readonly #free: number[] = [];
  readonly #dropped = new FinalizationRegistry<number>((slot) => {
    this.table.set(slot, null);
    this.#free.push(slot);
  });
  #used = 1;

  constructor(first: number, most: number) {
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: first, maximum: most });
    this.#most = most;
  }

  /** The place of an exported function of emitted code. Throws if there is none left, TypeError if it is no such function. */
  place(fn: CallableFunction): Place {
    const known = this.#places.get(fn)?.deref();
    if (known) return known;
    const place = { slot: this.#free.pop() ?? this.#next() };
    try {
      this.table.set(place.slot, fn);
    } catch (error) {
      this.#free.push(place.slot);
      throw error;
    }
    this.#places.set(fn, new WeakRef(place));
    this.#dropped.register(place, place.slot);
    return place;
  }

  /** How many places nobody holds. */
  get room(): number {
    return this.#most - this.#used + this.#free.length;
  }

  #next(): number {
    if (this.#used >= this.#most)
      throw new Error(`mali: no place is left in the table of ${this.#most} emitted functions`);
    const { length } = this.table;
    if (this.#used >= length) this.table.grow(Math.min(length, this.#most - length));
    return this.#used++;
  }
}

/** This thread's table; modules that call by number import it as TABLE_IMPORT. */
export const functionTable = new FunctionTable(FIRST, MOST);

/** How a module imports the table: module, name and the size that it may count on. */
export const TABLE_IMPORT = ['gpu', 'table', FIRST] as const;
