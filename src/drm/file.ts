/**
 * DrmFile: one open file description of a DRM node: its handles, its events, its client's capabilities.
 * After Linux `drivers/gpu/drm/drm_{file,gem}.c`.
 */
import type { DrmDevice, MmapTarget, NodeKind } from './device.ts';
import { must } from './error.ts';
import type { GemObject } from './gem.ts';

/** Object mmap offsets are handle-independent: the object's number in the device, times this many bytes. */
export const MMAP_OFFSET_STRIDE = 1n << 36n;

export class DrmFile<P = unknown> {
  readonly device: DrmDevice<P>;
  readonly node: NodeKind;
  readonly pid: number;
  readonly private: P;
  authenticated = false;
  wasMaster = false;
  /** SET_CLIENT_CAP values by capability number. */
  readonly clientCaps = new Map<number, bigint>();
  /** Where events (vblank, flip) go: the host floor sends the bytes to whoever reads the file. */
  sendEvent: (event: Uint8Array) => void = () => {};
  readonly handles = new Map<number, GemObject>();
  readonly #byObject = new Map<GemObject, number>();
  #nextHandle = 1;
  #closed = false;
  readonly #releasers: (() => void)[] = [];

  constructor(device: DrmDevice<P>, node: NodeKind, pid: number) {
    this.device = device;
    this.node = node;
    this.pid = pid;
    this.authenticated = node === 'render';
    this.private = device.driver.open(this);
  }

  get isMaster(): boolean {
    return this.device.master === this;
  }

  /** The handle of `object` in this file; takes one reference when it is new. */
  addHandle(object: GemObject): number {
    const known = this.#byObject.get(object);
    if (known !== undefined) return known;
    const handle = this.#nextHandle++;
    this.handles.set(handle, object.get());
    this.#byObject.set(object, handle);
    return handle;
  }

  /** The object behind a handle, without a reference of its own. Throws ENOENT. */
  object(handle: number): GemObject {
    const object = this.handles.get(handle);
    must(object, 'ENOENT', () => `handle ${handle} names no buffer of this file`);
    return object;
  }

  /** Closes a handle. Throws EINVAL if it is not open. */
  removeHandle(handle: number): void {
    const object = this.handles.get(handle);
    must(object, 'EINVAL', () => `handle ${handle} is not open`);
    this.device.driver.closeHandle?.(this, object);
    this.handles.delete(handle);
    this.#byObject.delete(object);
    object.put();
  }

  /** Calls `fn` when the file is closed, before its handles are. */
  onClose(fn: () => void): void {
    this.#releasers.push(fn);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The last descriptor of this file is gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fn of this.#releasers.splice(0)) fn();
    this.device.driver.close(this);
    for (const handle of [...this.handles.keys()]) this.removeHandle(handle);
    if (this.device.master === this) this.device.master = undefined;
    this.device.files.delete(this);
  }

  /** The mmap offset of an object that this file has a handle of. */
  mmapOffset(handle: number): bigint {
    this.object(handle);
    return BigInt(handle) * MMAP_OFFSET_STRIDE;
  }

  /** What mmap(fd, offset) maps. Throws EINVAL for a range outside the object, EACCES where writing is forbidden. */
  mmap(offset: bigint, size: number, writable: boolean): MmapTarget {
    const own = this.device.driver.mmap?.(this, offset, size, writable);
    if (own) return own;
    const object = this.object(Number(offset / MMAP_OFFSET_STRIDE));
    const start = Number(offset % MMAP_OFFSET_STRIDE);
    must(
      start % 4096 === 0 && start + size <= object.size,
      'EINVAL',
      () => `mmap of ${start}+${size} leaves a buffer of ${object.size} bytes`,
    );
    return { run: object.run, offset: start, writable: true };
  }
}
