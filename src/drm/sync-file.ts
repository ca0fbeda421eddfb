/**
 * SyncFile: a fence as a file descriptor. It polls readable once the fence has signalled.
 * After Linux `drivers/dma-buf/sync_file.c`. Its ioctls stand in `sync-file-ioctl.ts`.
 */
import type { Clock } from '../board/clock.ts';
import type { Fence } from './fence.ts';
import { mergeFences } from './fence-chain.ts';

export class SyncFile {
  /** The name that SYNC_IOC_MERGE gave it; empty: made from its first fence. */
  readonly name: string;
  /** The fences it stands for; it has signalled when all have. Never empty. */
  readonly fences: readonly Fence[];

  constructor(name: string, fences: readonly Fence[]) {
    this.name = name;
    this.fences = fences;
  }

  get signaled(): boolean {
    return this.fences.every((fence) => fence.signaled);
  }

  /** Its fences as one. */
  fence(clock: Clock): Fence {
    return this.fences.length === 1 ? this.fences[0]! : mergeFences(clock, this.fences);
  }

  /** Calls `fn` once all its fences have signalled. Returns what takes it back. */
  onSignal(fn: () => void): () => void {
    let left = this.fences.length;
    const undo = this.fences.map((fence) =>
      fence.onSignal(() => {
        if (--left === 0) fn();
      }),
    );
    return () => {
      for (const off of undo) off();
    };
  }
}
