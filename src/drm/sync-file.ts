/**
 * SyncFile: a fence as a file descriptor. It polls readable once the fence has signalled.
 * After Linux `drivers/dma-buf/sync_file.c`. Its ioctls stand in `sync-file-ioctl.ts`.
 */
import type { Fence } from './fence.ts';

export class SyncFile {
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
