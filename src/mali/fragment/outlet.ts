/**
 * Outlet: an image that a job's tiles are written to, and where in DRAM it lies, so that emitted code can write to it.
 *
 * What is known of its pages is good for one generation of the address space's translations. Runs of pages that follow one
 * another in DRAM too are joined as they are met. Asked for at every tile, so one object knows everything of one image.
 */
import type { VirtualMemory } from '../contract.ts';
import type { Surface } from './framebuffer.ts';

export class Outlet {
  readonly surface: Surface;
  /** Its pixels, and its headers if it has any: they lie apart. */
  readonly pixels: Run;
  readonly headers: Run;

  constructor(surface: Surface, memory: VirtualMemory) {
    this.surface = surface;
    this.pixels = new Run(memory);
    this.headers = new Run(memory);
  }
}

/** Extents that are looked for to find out whether an image is one run of pages. */
const MOST_EXTENTS = 64;

/** The run of pages where something was written last. */
class Run {
  readonly #memory: VirtualMemory;
  #generation = -1;
  /** Virtual addresses, and what makes them physical; none at first. */
  #start = 0;
  #end = -1;
  #offset = 0;

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** The same for large spans, extent by extent; -1 also if they are many. */
  whole(va: number, span: number): number {
    const physical = this.within(va, 1);
    if (physical < 0) return -1;
    for (let n = 0; this.#end < va + span; n++) {
      const end = this.#end;
      if (n === MOST_EXTENTS || this.within(end, 1) < 0 || this.#start > va || this.#end === end) return -1;
    }
    return physical;
  }

  /** Physical address of [va, va + span) if that is one run of pages that may be written; else -1. */
  within(va: number, span: number): number {
    if (this.#generation !== this.#memory.generation) {
      this.#generation = this.#memory.generation;
      this.#end = -1;
    }
    if (va >= this.#start && va + span <= this.#end) return va + this.#offset;
    const found = this.#memory.extent(va, 'write');
    if (!found) return -1;
    const end = found.start + found.size;
    const offset = found.physical - found.start;
    // Whether it touches or overlaps what is known, here and in DRAM in the same way.
    const joins = offset === this.#offset && found.start <= this.#end && this.#start <= end;
    this.#start = joins ? Math.min(this.#start, found.start) : found.start;
    this.#end = joins ? Math.max(this.#end, end) : end;
    this.#offset = offset;
    return va + span <= this.#end ? va + offset : -1;
  }
}
