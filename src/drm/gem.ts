/**
 * GemObject: a buffer object, counted by its holders (handles, mappings, framebuffers, exports in flight).
 * After Linux `drivers/gpu/drm/drm_gem.c`; every object here is a run of DRAM pages.
 */
import type { Dram, PageRun } from '../board/dram.ts';
import { DmaResv } from './dma-resv.ts';

export class GemObject {
  readonly run: PageRun;
  readonly resv: DmaResv = new DmaResv();
  readonly #dram: Dram;
  #references = 1;
  #releasers: (() => void)[] = [];

  /** Takes over `run`. The creator holds the first reference. */
  constructor(dram: Dram, run: PageRun) {
    this.#dram = dram;
    this.run = run;
  }

  get size(): number {
    return this.run.size;
  }

  get references(): number {
    return this.#references;
  }

  get(): this {
    if (this.#references === 0) throw new Error('gem: the object is gone');
    this.#references++;
    return this;
  }

  /** Drops one reference; the last one frees the pages. */
  put(): void {
    if (this.#references === 0) throw new Error('gem: one reference too many was dropped');
    if (--this.#references > 0) return;
    for (const fn of this.#releasers) fn();
    this.#dram.free(this.run);
  }

  /** Calls `fn` just before the pages are freed. */
  onRelease(fn: () => void): void {
    this.#releasers.push(fn);
  }
}
