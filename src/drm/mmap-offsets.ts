/**
 * MmapOffsets: the numbers that a client passes to mmap for its buffers.
 * After Linux `drivers/gpu/drm/drm_vma_manager.c`, with one difference: here a range of offsets is never used for a second
 * buffer, so a stale offset can reach nothing. A file has 2^53 bytes of them, which is never felt.
 */
import { PAGE } from '../board/dram.ts';
import { must } from './error.ts';

/**
 * Above every offset that a 32-bit mmap could name, below those that drivers use for pages of their own (2^56). Not 4 GiB
 * exactly: a client that keeps an offset in 32 bits would take that one for none.
 */
const FIRST = 2 ** 32 + PAGE;
const END = 2 ** 53;

interface Range<T> {
  readonly start: number;
  readonly size: number;
  readonly value: T;
}

export class MmapOffsets<T> {
  #ranges: Range<T>[] = [];
  readonly #byValue = new Map<T, Range<T>>();
  #next = FIRST;

  /** The offset of `value`, the same on every call. Throws ENOSPC when the file has used up all. */
  offset(value: T, size: number): bigint {
    let range = this.#byValue.get(value);
    if (!range) {
      must(this.#next + size <= END, 'ENOSPC', 'the file has used up its mmap offsets');
      range = { start: this.#next, size, value };
      this.#next += size;
      this.#ranges.push(range);
      this.#byValue.set(value, range);
    }
    return BigInt(range.start);
  }

  /** What lies at `offset`, and how many bytes into it. */
  find(offset: bigint): { value: T; start: number } | undefined {
    if (offset < FIRST || offset >= this.#next) return undefined;
    const at = Number(offset);
    const range = this.#ranges[this.#indexAfter(at) - 1];
    if (!range || at >= range.start + range.size) return undefined;
    return { value: range.value, start: at - range.start };
  }

  remove(value: T): void {
    const range = this.#byValue.get(value);
    if (!range) return;
    this.#byValue.delete(value);
    this.#ranges.splice(this.#indexAfter(range.start) - 1, 1);
  }

  /** The index of the first range that starts after `at`. */
  #indexAfter(at: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.#ranges[mid]!.start <= at) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}
