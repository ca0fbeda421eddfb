/**
 * Agents: those who translate through the MMU's address spaces on threads of their own, with caches of their own.
 *
 * The MMU tells them of every change; a command of the host's is complete only when none of them can still use what was there
 * before. They answer at once if nobody is at it, else at the next check point of whoever is.
 */
import type { GpuMemory } from './memory.ts';
import type { Translation } from './walk.ts';

export interface Agents {
  /** Translations of a slot have been dropped, replaced, or locked: from now on nobody begins with the old ones. */
  changed(slot: number, translation: Translation, locked: boolean): void;
  /** Whether somebody may still be using what was there before the last change of this slot. */
  busy(slot: number): boolean;
  /** A view has been put on a slot, or (undefined) off all slots. */
  moved(view: GpuMemory, slot: number | undefined): void;
  /** Set by the MMU: to be called when `busy` may have changed its answer since it was last asked. */
  onCheckPoint: () => void;
}

/** Everything happens on this thread. */
export const nobody = (): Agents => ({
  changed: () => {},
  busy: () => false,
  moved: () => {},
  onCheckPoint: () => {},
});
