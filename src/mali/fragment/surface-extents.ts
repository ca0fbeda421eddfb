/**
 * SurfaceExtents: where in DRAM the images of a job lie, so that emitted code can write to them.
 *
 * What is known of a surface is good for one generation of the address space's translations. Runs of pages that follow one
 * another in DRAM too are joined as they are met.
 */
import type { Extent, VirtualMemory } from '../contract.ts';

export class SurfaceExtents {
  readonly #memory: VirtualMemory;
  /** By what they are of: a surface, or its headers. */
  readonly #extents = new Map<object, Extent>();
  #generation = -1;
  /** What was asked for last, and its extent: tiles follow one another. */
  #last: object | undefined;
  #lastExtent: Extent | undefined;

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** Physical address of [va, va + span) if that is one run of pages that may be written; else -1. `of`: what is written. */
  within(of: object, va: number, span: number): number {
    const { generation } = this.#memory;
    if (this.#generation !== generation) {
      this.#extents.clear();
      this.#generation = generation;
      this.#last = undefined;
    }
    if (of !== this.#last) {
      this.#last = of;
      this.#lastExtent = this.#extents.get(of);
    }
    const known = this.#lastExtent;
    if (known && va >= known.start && va + span <= known.start + known.size) return known.physical + (va - known.start);
    const found = this.#memory.extent(va, 'write');
    if (!found) return -1;
    const extent = known && follow(known, found) ? joined(known, found) : found;
    this.#extents.set(of, extent);
    this.#lastExtent = extent;
    return va + span <= extent.start + extent.size ? extent.physical + (va - extent.start) : -1;
  }
}

/** Whether two runs touch or overlap, here and in DRAM in the same way. */
const follow = (a: Extent, b: Extent): boolean =>
  a.physical - a.start === b.physical - b.start && a.start <= b.start + b.size && b.start <= a.start + a.size;

function joined(a: Extent, b: Extent): Extent {
  const first = a.start < b.start ? a : b;
  const end = Math.max(a.start + a.size, b.start + b.size);
  return { start: first.start, size: end - first.start, physical: first.physical };
}
