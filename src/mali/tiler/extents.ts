/** ExtentCache: the runs of pages that a draw has met, so that emitted code can read and write them, for one generation. */
import type { Access, Extent, VirtualMemory } from '../contract.ts';

export class ExtentCache {
  readonly #memory: VirtualMemory;
  readonly #access: Access;
  #extent: Extent | undefined;
  #generation = -1;

  constructor(memory: VirtualMemory, access: Access) {
    this.#memory = memory;
    this.#access = access;
  }

  /** The extent that holds byte `va`; undefined if it may not be accessed. Latches no fault. */
  at(va: number): Extent | undefined {
    const { generation } = this.#memory;
    const known = this.#extent;
    if (known && this.#generation === generation && va >= known.start && va < known.start + known.size) return known;
    this.#extent = this.#memory.extent(va, this.#access);
    this.#generation = generation;
    return this.#extent;
  }

  /** Physical address of [va, va + size) if one extent holds it; else -1. */
  within(va: number, size: number): number {
    const extent = this.at(va);
    return extent && va + size <= extent.start + extent.size ? extent.physical + (va - extent.start) : -1;
  }
}
