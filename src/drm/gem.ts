/**
 * GemObject: a buffer object, counted by its holders (handles, mappings, framebuffers, exports in flight).
 * After Linux `drivers/gpu/drm/drm_gem.c`; every object here is a run of DRAM pages.
 *
 * An object belongs to the board, not to a device: both devices of the board hold the same one. Its backing file is its
 * identity (it is the dma-buf), so importing a file finds the object that stands behind it (`objectOf`).
 */
import { count } from '../board/census.ts';
import type { BackingFile, Dram, PageRun } from '../board/dram.ts';
import { DmaResv } from './dma-resv.ts';

const objects = new WeakMap<BackingFile, GemObject>();
/** Fences by file: they outlive the object, which may come back by an import. */
const reservations = new WeakMap<BackingFile, DmaResv>();

/** The living object behind a dma-buf's file. */
export const objectOf = (file: BackingFile): GemObject | undefined => objects.get(file);

/** The fences of a dma-buf, whether an object stands behind it or not. */
export function reservationOf(file: BackingFile): DmaResv {
  let resv = reservations.get(file);
  if (!resv) {
    resv = new DmaResv();
    reservations.set(file, resv);
  }
  return resv;
}

export class GemObject {
  readonly run: PageRun;
  readonly resv: DmaResv;
  /** What the client calls it (a label, or DMA_BUF_SET_NAME): for people, not for us. */
  label = '';
  /** Handles that files have of it. */
  handles = 0;
  /** It was passed on as a dma-buf, or came as one. */
  exported = false;
  readonly #dram: Dram;
  #references = 1;
  #releasers: (() => void)[] = [];

  /** Takes over `run`. The creator holds the first reference. */
  constructor(dram: Dram, run: PageRun) {
    this.#dram = dram;
    this.run = run;
    this.resv = run.file ? reservationOf(run.file) : new DmaResv();
    if (run.file) objects.set(run.file, this);
    count(dram, 'buffers', 1);
  }

  get size(): number {
    return this.run.size;
  }

  /** Others may have it too: it counts as shared. */
  get isShared(): boolean {
    return this.handles > 1 || this.exported;
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
    if (this.run.file) objects.delete(this.run.file);
    this.#dram.free(this.run);
    count(this.#dram, 'buffers', -1);
  }

  /** Calls `fn` just before the pages are freed. */
  onRelease(fn: () => void): void {
    this.#releasers.push(fn);
  }
}
