/**
 * DescriptorCache: descriptors that have been read before and still say the same.
 *
 * Jobs read the same descriptors again and again, and to compare some words is much cheaper than to make an object of some thirty
 * fields. What is kept is always compared with memory, so nobody needs to tell when a descriptor changes, and a hostile client
 * gains nothing: whoever reads gets the words that were there, all read once.
 *
 * Drivers write textures, samplers and buffers of a draw to ever new places. So descriptors are found by what they say, too: the
 * same words at another place give the same object, and what others hang on such an object outlives the move.
 */
import type { Layout } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';

/** A descriptor that has been decoded. */
interface Known {
  readonly layout: Layout<any>;
  readonly words: Uint32Array;
  readonly values: any;
}

/** Descriptors kept at most by place; those whose addresses share one drive one another out. */
const ENTRIES = 4096;
/** Those of one kind that are kept by their words: as many sets of two, of which the older gives way. */
const SETS = 512;
/** Most lie at multiples of 32 bytes, and clients align what they map to large powers of two. */
const entryOf = (physical: number): number => ((physical >>> 5) ^ (physical >>> 17)) & (ENTRIES - 1);
/** Knuth's multiplier: the upper bits of the product are the best mixed. */
const MULTIPLIER = 0x9e3779b1;
const SHIFT = 32 - Math.log2(SETS);
/** The words at hand. */
let taken = new Uint32Array(64);

export class DescriptorCache {
  readonly #dram: PhysicalMemory;
  /** By place: the physical address, and what was there. */
  readonly #physical = new Float64Array(ENTRIES).fill(-1);
  readonly #entries: (Known | undefined)[] = new Array(ENTRIES).fill(undefined);
  /** By words: kinds of which each frame brings new ones, as buffers, do not drive out those that stay. */
  readonly #contents = new Map<Layout<any>, (Known | undefined)[]>();

  constructor(dram: PhysicalMemory) {
    this.#dram = dram;
  }

  /** What lies at a physical address, all of it in one page: the same object as long as memory holds the same. */
  read(layout: Layout<any>, physical: number): any {
    const place = entryOf(physical);
    if (this.#physical[place] === physical) {
      const entry = this.#entries[place]!;
      if (entry.layout === layout && same(entry.words, this.#dram.u32, physical / 4)) return entry.values;
    }
    const known = this.#find(layout, physical / 4);
    this.#physical[place] = physical;
    this.#entries[place] = known;
    return known.values;
  }

  /** The descriptor with the words from `from` on, which are read once; decoded if it has not been yet. */
  #find(layout: Layout<any>, from: number): Known {
    const { u32 } = this.#dram;
    const count = layout.size / 4;
    if (taken.length < count) taken = new Uint32Array(count);
    let hash = count;
    for (let i = 0; i < count; i++) {
      const word = u32[from + i]!;
      taken[i] = word;
      hash = Math.imul(hash ^ word, MULTIPLIER);
      hash ^= hash >>> 15;
    }
    let contents = this.#contents.get(layout);
    if (!contents) {
      contents = new Array<Known | undefined>(2 * SETS).fill(undefined);
      this.#contents.set(layout, contents);
    }
    const place = 2 * (Math.imul(hash, MULTIPLIER) >>> SHIFT);
    const newer = contents[place];
    if (newer && same(newer.words, taken, 0)) return newer;
    let known = contents[place + 1];
    if (!known || !same(known.words, taken, 0)) {
      const words = taken.slice(0, count);
      known = { layout, words, values: layout.read(new DataView(words.buffer), 0) };
    }
    contents[place + 1] = newer;
    contents[place] = known;
    return known;
  }
}

function same(words: Uint32Array, others: Uint32Array, from: number): boolean {
  for (let i = 0; i < words.length; i++) if (others[from + i] !== words[i]) return false;
  return true;
}
