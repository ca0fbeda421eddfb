/**
 * DrmFile: one open file description of a DRM node: its handles, its events, its client's capabilities.
 * After Linux `drivers/gpu/drm/drm_{file,gem}.c`.
 */
import { PAGE } from '../board/dram.ts';
import type { DrmDevice, MmapTarget, NodeKind } from './device.ts';
import { must } from './error.ts';
import type { GemObject } from './gem.ts';
import { HandleTable } from './handle-table.ts';
import type { MasterGroup } from './master.ts';
import { MmapOffsets } from './mmap-offsets.ts';
import type { Syncobj } from './syncobj.ts';

/** What one file may hold, so that no client fills the machine. */
export const FILE_LIMITS = {
  /** Buffer handles. */
  objects: 1 << 16,
  syncobjs: 1 << 16,
  /** Things that ioctls of one file wait for at the same time. */
  waits: 1 << 16,
  /** Eventfds that wait for a point. */
  eventfds: 1 << 12,
} as const;

/** Bytes that a process has room for: half of what 48 bits name, as the kernel places more beside a mapping. */
const ADDRESS_SPACE = 2 ** 47;

let clients = 0;

/** Who has opened a file, and by which of the device's nodes. */
export interface Opener {
  /** What the process was called then; empty if nobody knows. */
  readonly command: string;
  readonly uid: number;
  /** The node's number. */
  readonly minor: number;
}

const NOBODY: Opener = { command: '', uid: 0, minor: 0 };

export class DrmFile<P = unknown> {
  /** Another number for each file that was ever opened. */
  readonly id = ++clients;
  readonly device: DrmDevice<P>;
  readonly node: NodeKind;
  readonly pid: number;
  readonly opener: Opener;
  readonly private: P;
  authenticated = false;
  wasMaster = false;
  /** The master under whom it was opened; none on a render node. */
  group: MasterGroup | undefined;
  /** It was made for a lease: a master, with what it was lent, while its lessor is. */
  lessee = false;
  /** GET_MAGIC's number; 0 before. */
  magic = 0;
  /** SET_CLIENT_NAME's name. */
  clientName: string | undefined;
  /** SET_CLIENT_CAP values by capability number. */
  readonly clientCaps = new Map<number, bigint>();
  /** Where events (vblank, flip) go: the host floor sends the bytes to whoever reads the file. */
  sendEvent: (event: Uint8Array) => void = () => {};
  readonly handles = new HandleTable<GemObject>('buffer', FILE_LIMITS.objects);
  readonly syncobjs = new HandleTable<Syncobj>('syncobj', FILE_LIMITS.syncobjs);
  /** The handles of each object, the oldest first. */
  readonly #byObject = new Map<GemObject, number[]>();
  #told: { readonly object: GemObject; readonly offset: bigint } | undefined;
  readonly #offsets = new MmapOffsets<GemObject>();
  #closed = false;
  readonly #releasers = new Set<() => void>();

  constructor(device: DrmDevice<P>, node: NodeKind, pid: number, opener = NOBODY) {
    this.device = device;
    this.node = node;
    this.pid = pid;
    this.opener = opener;
    this.authenticated = node === 'render';
    this.private = device.driver.open(this);
  }

  get isMaster(): boolean {
    const { master } = this.device;
    if (master === this) return true;
    return this.lessee && master?.group === this.group?.lease?.lessor;
  }

  /** The handle of `object` in this file; takes one reference when it is new. Throws ENOMEM when the file has too many. */
  addHandle(object: GemObject): number {
    return this.handleOf(object) ?? this.createHandle(object);
  }

  /** One more handle of `object`, closed apart from others of it. Throws ENOMEM when the file has too many. */
  createHandle(object: GemObject): number {
    const handle = this.handles.add(object);
    object.get();
    object.handles++;
    const known = this.#byObject.get(object);
    if (known) known.push(handle);
    else this.#byObject.set(object, [handle]);
    return handle;
  }

  /** The handle that this file has of `object`, if any. */
  handleOf(object: GemObject): number | undefined {
    return this.#byObject.get(object)?.[0];
  }

  /** The object behind a handle, without a reference of its own. Throws ENOENT. */
  object(handle: number): GemObject {
    const object = this.handles.get(handle);
    must(object, 'ENOENT', () => `handle ${handle} names no buffer of this file`);
    return object;
  }

  /** Closes a handle; the mmap offset ends with an object's last one. Throws EINVAL if it is not open. */
  removeHandle(handle: number): void {
    const object = this.handles.get(handle);
    must(object, 'EINVAL', () => `handle ${handle} is not open`);
    this.device.driver.closeHandle?.(this, object);
    this.handles.remove(handle);
    object.handles--;
    const others = this.#byObject.get(object)!.filter((each) => each !== handle);
    this.#byObject.set(object, others);
    if (others.length === 0) {
      this.#byObject.delete(object);
      this.#offsets.remove(object);
    }
    object.put();
  }

  /** The syncobj behind a handle. Throws ENOENT. */
  syncobj(handle: number): Syncobj {
    const syncobj = this.syncobjs.get(handle);
    must(syncobj, 'ENOENT', () => `handle ${handle} names no syncobj of this file`);
    return syncobj;
  }

  /** Calls `fn` when the file is closed, before its handles are. Returns what takes it back. */
  onClose(fn: () => void): () => void {
    const own = (): void => fn();
    this.#releasers.add(own);
    return () => this.#releasers.delete(own);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The last descriptor of this file is gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.sendEvent = () => {};
    for (const fn of [...this.#releasers]) fn();
    this.#releasers.clear();
    this.device.driver.close(this);
    for (const handle of [...this.handles.keys()]) this.removeHandle(handle);
    for (const handle of [...this.syncobjs.keys()]) this.syncobjs.remove(handle)?.put();
    this.group?.magics.delete(this.magic);
    if (this.device.master === this) this.device.dropMaster();
    // Whoever has led a group ends its leases; a lessee's number is free again.
    if (this.wasMaster || this.lessee) this.group?.revoke();
    const lease = this.lessee ? this.group?.lease : undefined;
    lease?.lessor.lessees.remove(lease.id);
    this.device.files.delete(this);
  }

  /** The mmap offset of an object that this file has a handle of: good until its last handle is closed, never used again. */
  mmapOffset(handle: number): bigint {
    const object = this.object(handle);
    const offset = this.#offsets.offset(object, object.size);
    this.#told = { object, offset };
    return offset;
  }

  /** The mmap offset that was told to the client since this was asked last: it will want to map the buffer. */
  takeTold(): { readonly object: GemObject; readonly offset: bigint } | undefined {
    const told = this.#told;
    this.#told = undefined;
    return told;
  }

  /**
   * What mmap(fd, offset) maps of so many bytes, which are rounded up to pages, as Linux's `do_mmap` and `drm_gem_mmap` judge it: an
   * offset is a buffer's own, never one within it. Throws EINVAL for any other, for one that is not a page's and for a length of 0 or
   * beyond the buffer, EACCES where writing is forbidden, ENOMEM for what no address space holds, EOVERFLOW for what leaves 64 bits.
   */
  mmap(offset: bigint, bytes: number, writable: boolean): MmapTarget {
    const size = Math.ceil(bytes / PAGE) * PAGE;
    const where = (): string => `mmap at 0x${offset.toString(16)}+${bytes}`;
    must(offset % BigInt(PAGE) === 0n && size > 0, 'EINVAL', where);
    must(size <= ADDRESS_SPACE, 'ENOMEM', where);
    must(offset + BigInt(size) <= 1n << 64n, 'EOVERFLOW', where);
    const own = this.device.driver.mmap?.(this, offset, size, writable);
    if (own) return own;
    const object = this.#offsets.find(offset);
    must(object, 'EINVAL', () => `no buffer of this file has the mmap offset 0x${offset.toString(16)}`);
    must(size <= object.size, 'EINVAL', () => `mmap of ${size} bytes of a buffer of ${object.size}`);
    return { run: object.run, offset: 0, writable: true };
  }
}
