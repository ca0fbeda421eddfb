/** VaAllocator: hands out ranges of virtual addresses, first fit. After Linux `drivers/gpu/drm/drm_mm.c`. */
import { BLOCK_SIZE_L2, PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { DrmError } from '../../drm/error.ts';

export class VaAllocator {
  /** Free ranges as [start, end), sorted, never adjacent. */
  #free: [start: number, end: number][];

  constructor(start: number, size: number) {
    this.#free = [[start, start + size]];
  }

  /** A range of `size` bytes (whole pages); large ones start at a multiple of 2 MiB. Throws ENOMEM. */
  alloc(size: number): number {
    const align = size >= BLOCK_SIZE_L2 ? BLOCK_SIZE_L2 : PAGE_SIZE;
    for (const [start, end] of this.#free) {
      const va = Math.ceil(start / align) * align;
      if (va + size > end) continue;
      this.#take(va, size);
      return va;
    }
    throw new DrmError('ENOMEM', `no ${size} bytes of the driver's address range are free`);
  }

  /** Takes [va, va + size). Throws ENOMEM if it is not free. */
  reserve(va: number, size: number): void {
    this.#take(va, size);
  }

  free(va: number, size: number): void {
    const index = this.#free.findIndex(([start]) => start > va);
    this.#free.splice(index < 0 ? this.#free.length : index, 0, [va, va + size]);
    const joined: [number, number][] = [];
    for (const range of this.#free) {
      const last = joined.at(-1);
      if (last && last[1] > range[0]) throw new Error(`address range 0x${range[0].toString(16)} was free already`);
      if (last && last[1] === range[0]) last[1] = range[1];
      else joined.push(range);
    }
    this.#free = joined;
  }

  #take(va: number, size: number): void {
    const index = this.#free.findIndex(([start, end]) => va >= start && va + size <= end);
    if (index < 0) throw new DrmError('ENOMEM', `address range 0x${va.toString(16)}+${size} is taken`);
    const [start, end] = this.#free[index]!;
    const rest: [number, number][] = [];
    if (start < va) rest.push([start, va]);
    if (va + size < end) rest.push([va + size, end]);
    this.#free.splice(index, 1, ...rest);
  }
}
