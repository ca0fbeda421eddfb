/**
 * UserContext: what an ioctl handler may do to the process that called it: read and write its memory, take its
 * descriptors, give it new ones. The host floor implements it; tests use a fake (testing/drm/client.ts).
 *
 * The rule for handlers: every `read` and `descriptor` comes before the first effect. A `read` may end the handler by an
 * exception that is not a DrmError (the host fetches the bytes and runs the handler again from its start), so handlers
 * neither catch what they do not know nor change anything before their inputs are complete.
 */
import type { Errno } from '../abi/errno.ts';
import type { BackingFile } from '../board/dram.ts';
import { DrmError, must } from './error.ts';
import type { DrmFile } from './file.ts';
import { viewed } from './scratch.ts';
import type { SyncFile } from './sync-file.ts';
import type { Syncobj } from './syncobj.ts';

/** What stands behind a file descriptor that came from or goes to a client. */
export type Descriptor =
  /** `install` takes the file over: it is closed with its last descriptor, or if there cannot be one. */
  | { readonly kind: 'drm'; readonly file: DrmFile<any> }
  /** Memory: the same `file` object for the same memory, however often it is passed. */
  | { readonly kind: 'dma-buf'; readonly file: BackingFile }
  | { readonly kind: 'sync-file'; readonly syncFile: SyncFile }
  /** A syncobj as such. `install` takes over one reference; whoever keeps the descriptor drops it with `syncobj.put()`. */
  | { readonly kind: 'syncobj'; readonly syncobj: Syncobj }
  /** An eventfd of the client's own. `signal` adds 1; `close` drops our hold. */
  | { readonly kind: 'eventfd'; readonly signal: () => void; readonly close: () => void };

/** Gives back what a descriptor would have taken over, if there will be none. */
export function abandon(descriptor: Descriptor): void {
  if (descriptor.kind === 'syncobj') descriptor.syncobj.put();
  else if (descriptor.kind === 'drm') descriptor.file.close();
}

/** What the superuser may and others may not, as far as the DRM core and its drivers ask (Linux `capabilities(7)`). */
export type Capability = 'SYS_ADMIN' | 'SYS_NICE';

export interface UserContext {
  readonly pid: number;
  /** Whether the caller has a capability, over the same users as the machine. */
  capable(capability: Capability): boolean;
  /** Copies `size` bytes from the caller's memory. Throws DrmError EFAULT. */
  read(address: bigint, size: number): Uint8Array;
  /** Copies bytes into the caller's memory when the ioctl returns; a bad address makes it return EFAULT. */
  write(address: bigint, data: Uint8Array): void;
  /** The object behind the caller's descriptor `fd`. Throws DrmError EBADF, or EINVAL for a foreign kind. */
  descriptor(fd: number): Descriptor;
  /**
   * Gives the caller a new descriptor. Its number, known to the guest alone, is stored as an s32 at byte `at` of the
   * ioctl's argument, or at an address of the caller's memory. `writable`: a dma-buf may be mapped for writing.
   */
  install(descriptor: Descriptor, at: number | bigint, options?: { cloexec?: boolean; writable?: boolean }): void;
  /** Calls `fn` if the caller dies while the ioctl still waits. Returns what takes it back. */
  onGone(fn: () => void): () => void;
}

/** The caller's descriptor, which has to be of this kind. What is wrong with it is `errno` where that is given. */
export function descriptorOf<K extends Descriptor['kind']>(
  user: UserContext,
  fd: number,
  kind: K,
  errno?: Errno,
): Extract<Descriptor, { kind: K }> {
  let found: Descriptor;
  try {
    found = user.descriptor(fd);
  } catch (error) {
    if (errno && error instanceof DrmError) throw new DrmError(errno, error.message);
    throw error;
  }
  must(found.kind === kind, errno ?? 'EINVAL', () => `descriptor ${fd} is a ${found.kind}, not a ${kind}`);
  return found as Extract<Descriptor, { kind: K }>;
}

/** `count` elements of `size` bytes from the caller's memory; the view is good until the next one of `viewed`. Throws ENOMEM for more than `most`. */
export function readArray(user: UserContext, address: bigint, count: number, size: number, most = 1 << 16): DataView {
  must(count <= most, 'ENOMEM', () => `an array of ${count} elements`);
  return viewed(user.read(address, count * size));
}

/** Text of at most `size` bytes of the caller's memory, where both are his to say; nothing for a null pointer. */
export function writeText(user: UserContext, address: bigint, size: bigint, text: string): void {
  const data = new TextEncoder().encode(text);
  const length = size < data.length ? Number(size) : data.length;
  if (length > 0 && address !== 0n) user.write(address, data.subarray(0, length));
}
