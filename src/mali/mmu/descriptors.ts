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
  readonly physical: number;
  readonly layout: Layout<any>;
  readonly words: Uint32Array;
  readonly values: any;
}

/** Descriptors kept at most; those whose addresses share a place drive one another out. */
const ENTRIES = 4096;
/** Most lie at multiples of 32 bytes, and clients align what they map to large powers of two. */
const entryOf = (physical: number): number => ((physical >>> 5) ^ (physical >>> 17)) & (ENTRIES - 1);

export class DescriptorCache {
  readonly #dram: PhysicalMemory;
  readonly #entries: (Entry | undefined)[] = new Array(ENTRIES).fill(undefined);

  constructor(dram: PhysicalMemory) {
    this.#dram = dram;
  }

  /** What lies at a physical address, all of it in one page: the same object as long as memory holds the same. */
  read(layout: Layout<any>, physical: number): any {
    const { u32 } = this.#dram;
    const place = entryOf(physical);
    const entry = this.#entries[place];
    const from = physical / 4;
    if (entry && entry.physical === physical && entry.layout === layout) {
      const { words } = entry;
      let i = 0;
      while (i < words.length && u32[from + i] === words[i]) i++;
      if (i === words.length) return entry.values;
    }
    const words = new Uint32Array(layout.size / 4);
    for (let i = 0; i < words.length; i++) words[i] = u32[from + i]!;
    const values = layout.read(new DataView(words.buffer), 0);
    this.#entries[place] = { physical, layout, words, values };
    return values;
  }
}
