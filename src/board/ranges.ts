/**
 * MemoryRanges: which physical addresses have memory behind them, where that is not all of them and may change.
 *
 * The list lies in shared memory, as every thread that translates addresses asks it. It is sorted and holds a few ranges; runs
 * that touch are one. While it is rewritten, a thread may see fewer of them: an access then is a bus fault, as it is beside
 * memory that is just being plugged in.
 */

/** Ranges at most. */
export const MOST_RANGES = 256;
/** Words: how many ranges, then first and end of each in units of 4 KiB. */
const WORDS = 1 + 2 * MOST_RANGES;
const UNIT = 4096;

export class MemoryRanges {
  readonly shared: SharedArrayBuffer;
  readonly #words: Uint32Array<SharedArrayBuffer>;

  /** `shared`: another thread's. */
  constructor(shared = new SharedArrayBuffer(WORDS * 4)) {
    this.shared = shared;
    this.#words = new Uint32Array(shared);
  }

  /** [first byte, end) of each, sorted. */
  get list(): [number, number][] {
    const count = Atomics.load(this.#words, 0);
    return Array.from({ length: count }, (_, i) => [this.#words[1 + 2 * i]! * UNIT, this.#words[2 + 2 * i]! * UNIT]);
  }

  /** Bytes of memory from `physical` on without a hole; 0 where there is none. */
  room(physical: number): number {
    const i = this.#holding(physical);
    return i < 0 ? 0 : this.#words[2 + 2 * i]! * UNIT - physical;
  }

  /** Bytes of memory before `physical`, which is memory itself, without a hole. */
  roomBefore(physical: number): number {
    const i = this.#holding(physical);
    return i < 0 ? 0 : physical - this.#words[1 + 2 * i]! * UNIT;
  }

  /** Adds whole pages that are not there yet. Throws RangeError if some are, or the list is full. */
  add(first: number, size: number): void {
    const end = first + size;
    const list = this.list;
    if (list.some(([low, high]) => first < high && low < end)) {
      throw new RangeError(`board: there is memory in 0x${first.toString(16)}…0x${end.toString(16)} already`);
    }
    list.push([first, end]);
    this.#write(list);
  }

  /** Takes whole pages away, wherever they are. */
  remove(first: number, size: number): void {
    const end = first + size;
    const parts = this.list.flatMap(([low, high]): [number, number][] => [
      [low, Math.min(high, first)],
      [Math.max(low, end), high],
    ]);
    this.#write(parts.filter(([low, high]) => low < high));
  }

  #holding(physical: number): number {
    const words = this.#words;
    const count = words[0]!;
    for (let i = 0; i < count; i++) {
      if (physical >= words[1 + 2 * i]! * UNIT && physical < words[2 + 2 * i]! * UNIT) return i;
    }
    return -1;
  }

  #write(list: [number, number][]): void {
    const joined: [number, number][] = [];
    for (const [low, high] of list.sort((a, b) => a[0] - b[0])) {
      const last = joined.at(-1);
      if (last && last[1] === low) last[1] = high;
      else joined.push([low, high]);
    }
    if (joined.length > MOST_RANGES) throw new RangeError(`board: memory lies in more than ${MOST_RANGES} ranges`);
    Atomics.store(this.#words, 0, 0);
    for (const [i, [low, high]] of joined.entries()) {
      this.#words[1 + 2 * i] = low / UNIT;
      this.#words[2 + 2 * i] = high / UNIT;
    }
    Atomics.store(this.#words, 0, joined.length);
  }
}
