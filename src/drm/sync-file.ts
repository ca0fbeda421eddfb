/**
 * SyncFile: a fence as a file descriptor. It polls readable once the fence has signalled.
 * After Linux `drivers/dma-buf/sync_file.c`. Its ioctls stand in `sync-file-ioctl.ts`.
 */
import { type Fence, SIGNALED } from './fence.ts';
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
  get fence(): Fence {
    const first = this.fences[0] ?? SIGNALED;
    return this.fences.length <= 1 ? first : mergeFences(first.clock, this.fences);
  }

  /** Calls `fn` once all its fences have signalled. Returns what takes it back. */
  onSignal(fn: () => void): () => void {
    return this.fence.onSignal(() => fn());
  }
}
