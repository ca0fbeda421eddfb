/**
 * The table by which emitted code calls emitted functions that it does not know when it is compiled: a shader calls a sampler
 * by a number that it finds in a record in scratch memory.
 *
 * There is one table a thread. A function keeps its number as long as the thread lives: nothing that remembers a number
 * can meet another function there. Functions are shared between equal states, so numbers are few; the table is bounded all
 * the same. Number 0 is nobody's: a record full of zeros calls nothing.
 */
const FIRST = 1024;
const MOST = 65536;

/** Exported functions by number, in a WebAssembly table that grows up to `most` places. */
export class FunctionTable {
  readonly table: WebAssembly.Table;
  readonly #most: number;
  readonly #slots = new WeakMap<CallableFunction, number>();
  #used = 1;

  constructor(first: number, most: number) {
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: first, maximum: most });
    this.#most = most;
  }

  /** The number of an exported function of emitted code. Throws if there is no place left, TypeError if it is none. */
  slotOf(fn: CallableFunction): number {
    const known = this.#slots.get(fn);
    if (known !== undefined) return known;
    const slot = this.#used;
    if (slot >= this.#most) throw new Error(`mali: no place is left in the table of ${this.#most} emitted functions`);
    const { length } = this.table;
    if (slot >= length) this.table.grow(Math.min(length, this.#most - length));
    this.table.set(slot, fn);
    this.#slots.set(fn, slot);
    this.#used++;
    return slot;
  }
}

/** This thread's table; modules that call by number import it as TABLE_IMPORT. */
export const functionTable = new FunctionTable(FIRST, MOST);

/** How a module imports the table: module, name and the size that it may count on. */
export const TABLE_IMPORT = ['gpu', 'table', FIRST] as const;
