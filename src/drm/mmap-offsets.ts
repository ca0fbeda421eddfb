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

export class MmapOffsets<T> {
  readonly #byOffset = new Map<number, T>();
  readonly #byValue = new Map<T, number>();
  #next = FIRST;

  /** The offset of `value`, the same on every call. Throws ENOSPC when the file has used up all. */
  offset(value: T, size: number): bigint {
    let offset = this.#byValue.get(value);
    if (offset === undefined) {
      must(this.#next + size <= END, 'ENOSPC', 'the file has used up its mmap offsets');
      offset = this.#next;
      this.#next += size;
      this.#byOffset.set(offset, value);
      this.#byValue.set(value, offset);
    }
    return BigInt(offset);
  }

  /** What has exactly this offset. */
  find(offset: bigint): T | undefined {
    return offset < END ? this.#byOffset.get(Number(offset)) : undefined;
  }

  remove(value: T): void {
    const offset = this.#byValue.get(value);
    if (offset === undefined) return;
    this.#byValue.delete(value);
    this.#byOffset.delete(offset);
  }
}
