/** A FakeUser whose descriptors of buffers are real ones: they keep a buffer's memory when all else has let it go, as a program's do. */
import type { Descriptor } from '../../drm/user.ts';
import { type MemfdBacking, MemfdFile } from '../../host/memfd-backing.ts';
import * as sys from '../../host/syscalls.ts';
import { FakeUser } from '../drm/client.ts';

export class HoldingUser extends FakeUser {
  readonly #backing: MemfdBacking;
  /** The host's descriptors by those of the client. */
  readonly #held = new Map<number, number>();
  /** Files that the machine has met anew by them. */
  readonly #met = new Set<MemfdFile>();

  constructor(backing: MemfdBacking, pid: number) {
    super(pid);
    this.#backing = backing;
  }

  override addDescriptor(descriptor: Descriptor): number {
    const fd = super.addDescriptor(descriptor);
    if (descriptor.kind === 'dma-buf' && descriptor.file instanceof MemfdFile)
      this.#held.set(fd, sys.duplicate(descriptor.file.fd));
    return fd;
  }

  override descriptor(fd: number): Descriptor {
    const held = this.#held.get(fd);
    if (held === undefined) return super.descriptor(fd);
    const file = this.#backing.adopt(sys.duplicate(held));
    this.#met.add(file);
    return { kind: 'dma-buf', file };
  }

  override die(): void {
    super.die();
    for (const fd of this.#held.values()) sys.close(fd);
    this.#held.clear();
    for (const file of this.#met) file.close();
    this.#met.clear();
  }
}
