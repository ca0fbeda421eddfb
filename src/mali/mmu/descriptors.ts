/**
 * DescriptorCache: descriptors that have been read before and still say the same.
 *
 * Jobs read the same descriptors again and again, and to compare some words is much cheaper than to make an object of some thirty
 * fields. What is kept is always compared with memory, so nobody needs to tell when a descriptor changes, and a hostile client
 * gains nothing: whoever reads gets the words that were there, all read once.
 */
import type { Layout } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';

interface Entry {
  readonly layout: Layout<any>;
  readonly words: Uint32Array;
  readonly values: any;
}

/** Descriptors kept before all are forgotten: where they lie is a guest's choice. */
const MAX_ENTRIES = 2048;

export class DescriptorCache {
  readonly #dram: PhysicalMemory;
  /** By physical address. */
  readonly #entries = new Map<number, Entry>();

  constructor(dram: PhysicalMemory) {
    this.#dram = dram;
  }

  /** What lies at a physical address, all of it in one page: the same object as long as memory holds the same. */
  read(layout: Layout<any>, physical: number): any {
    const { u32 } = this.#dram;
    const entry = this.#entries.get(physical);
    const from = physical / 4;
    if (entry?.layout === layout) {
      const { words } = entry;
      let i = 0;
      while (i < words.length && u32[from + i] === words[i]) i++;
      if (i === words.length) return entry.values;
    }
    const words = Uint32Array.from({ length: layout.size / 4 }, (_, i) => u32[from + i]!);
    const values = layout.read(new DataView(words.buffer), 0);
    if (this.#entries.size >= MAX_ENTRIES) this.#entries.clear();
    this.#entries.set(physical, { layout, words, values });
    return values;
  }
}
