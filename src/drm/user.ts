/**
 * UserContext: what an ioctl handler may do to the process that called it: read and write its memory, take its
 * descriptors, give it new ones. The host floor implements it; tests use a fake.
 *
 * The rule for handlers: every `read` and `descriptor` comes before the first effect. A `read` may end the handler by an
 * exception that is not a DrmError (the host fetches the bytes and runs the handler again from its start), so handlers
 * neither catch what they do not know nor change anything before their inputs are complete.
 */
import type { BackingFile } from '../board/dram.ts';
import type { DrmFile } from './file.ts';
import type { SyncFile } from './sync-file.ts';

/** What stands behind a file descriptor that came from or goes to a client. */
export type Descriptor =
  | { readonly kind: 'drm'; readonly file: DrmFile }
  /** Memory: the same `file` object for the same memory, however often it is passed. */
  | { readonly kind: 'dma-buf'; readonly file: BackingFile }
  | { readonly kind: 'sync-file'; readonly syncFile: SyncFile }
  /** An eventfd of the client's own. `signal` adds 1; `close` drops our hold. */
  | { readonly kind: 'eventfd'; readonly signal: () => void; readonly close: () => void };

export interface UserContext {
  readonly pid: number;
  /** Copies `size` bytes from the caller's memory. Throws DrmError EFAULT. */
  read(address: bigint, size: number): Uint8Array;
  /** Copies bytes into the caller's memory when the ioctl returns; a bad address makes it return EFAULT. */
  write(address: bigint, data: Uint8Array): void;
  /** The object behind the caller's descriptor `fd`. Throws DrmError EBADF, or EINVAL for a foreign kind. */
  descriptor(fd: number): Descriptor;
  /**
   * Gives the caller a new descriptor. Its number, known to the guest alone, is stored as an s32 at byte `at` of the
   * ioctl's argument, or at an address of the caller's memory.
   */
  install(descriptor: Descriptor, at: number | bigint, options?: { cloexec?: boolean }): void;
  /** Calls `fn` if the caller dies while the ioctl still waits. Returns what takes it back. */
  onGone(fn: () => void): () => void;
}
