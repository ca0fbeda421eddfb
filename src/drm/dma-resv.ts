/**
 * DmaResv: the fences of one buffer, for implicit synchronisation: who still writes it and who still reads it.
 * After Linux `drivers/dma-buf/dma-resv.c`.
 */
import type { Fence } from './fence.ts';

/** Weaker uses include the stronger ones: whoever wants to read must wait for `write`, to write for all. */
export type DmaResvUsage = 'write' | 'read' | 'bookkeep';

const STRENGTH: Record<DmaResvUsage, number> = { write: 0, read: 1, bookkeep: 2 };

export class DmaResv {
  #fences: { fence: Fence; usage: DmaResvUsage }[] = [];

  /** Adds a fence. An older one of the same context goes, unless its use is the stronger. */
  add(fence: Fence, usage: DmaResvUsage): void {
    this.#fences = this.#fences.filter(
      (entry) =>
        !entry.fence.signaled &&
        !(
          entry.fence.context === fence.context &&
          entry.fence.seqno <= fence.seqno &&
          STRENGTH[usage] <= STRENGTH[entry.usage]
        ),
    );
    if (fence.signaled) return;
    this.#fences.push({ fence, usage });
  }

  /** Unsignalled fences that someone who wants to `read` or `write` has to wait for. */
  pending(access: 'read' | 'write'): Fence[] {
    this.#fences = this.#fences.filter((entry) => !entry.fence.signaled);
    return this.#fences
      .filter(({ usage }) => usage === 'write' || (access === 'write' && usage === 'read'))
      .map(({ fence }) => fence);
  }
}
