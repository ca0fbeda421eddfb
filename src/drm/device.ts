/**
 * DrmDevice: one DRM device with its nodes, its ioctl table and the files that clients have open.
 * After Linux `drivers/gpu/drm/drm_{drv,ioctl,file}.c`.
 *
 * Reading order: `DrmDriver` says what a driver brings, `DrmDevice.open` makes a `DrmFile` (file.ts), and
 * `DrmDevice.ioctl` decodes an ioctl and calls the handler (ioctl.ts) that it finds in the core's table (core-ioctls.ts)
 * or the driver's; what a handler may do to its caller stands in user.ts. Buffers: gem.ts, prime-ioctls.ts. Time: fence.ts,
 * fence-chain.ts, dma-resv.ts; sync objects (syncobj.ts) and sync files carry fences to clients. For drivers: scheduler.ts
 * runs jobs when they may, gpuvm.ts keeps an address space, kms/ the objects of mode setting.
 */
import type { Clock } from '../board/clock.ts';
import type { Dram, PageRun } from '../board/dram.ts';
import type { Log } from '../board/log.ts';
import { coreIoctls } from './core-ioctls.ts';
import { coreDebugFiles } from './debugfs.ts';
import type { FdinfoLine } from './fdinfo.ts';
import { DrmFile, type Opener } from './file.ts';
import type { GemObject } from './gem.ts';
import { dispatch, type IoctlEntry, type IoctlResult, type IoctlTable, ioctlTable } from './ioctl.ts';
import { MasterGroup } from './master.ts';
import type { UserContext } from './user.ts';

/** What every device of the board needs around it. */
export interface DeviceContext {
  readonly clock: Clock;
  readonly dram: Dram;
  readonly log: Log;
}

/** What a driver brings to the core. `P` is its own data for each open file. */
export interface DrmDriver<P = unknown> {
  readonly name: string;
  readonly description: string;
  readonly date: string;
  readonly version: readonly [major: number, minor: number, patch: number];
  /** The device's name on its bus, as GET_UNIQUE tells it; by default the driver's name. */
  readonly unique?: string;
  readonly features: { readonly render: boolean; readonly modeset: boolean; readonly syncobj: boolean };
  /** The driver's own ioctls; the core's are added to them. */
  readonly ioctls: readonly IoctlEntry<any, P>[];
  /** GET_CAP values beyond those that the core knows; undefined where the driver has nothing to say. */
  capability?(capability: number): bigint | undefined;
  open(file: DrmFile<P>): P;
  /** The last reference to the file is gone. Handles are closed after this. */
  close(file: DrmFile<P>): void;
  /** A handle of this file is being closed: drop what the driver hangs on it (file-private VM state and the like). */
  closeHandle?(file: DrmFile<P>, object: GemObject): void;
  /**
   * A dma-buf is about to get a handle in a file that had none of it. The object may be this driver's own, another
   * device's, or new; the driver hangs on it what it still lacks. A DrmError refuses the import.
   */
  importObject?(object: GemObject, file: DrmFile<P>): void;
  /** Whether a buffer may leave the device as a dma-buf. A DrmError refuses. */
  exportObject?(object: GemObject, file: DrmFile<P>): void;
  /** Offsets outside the object range: driver pages such as panthor's flush-id page. */
  mmap?(file: DrmFile<P>, offset: bigint, size: number, writable: boolean): MmapTarget | undefined;
  /** `file` became DRM master of the primary node. */
  masterSet?(file: DrmFile<P>): void;
  /** The driver's lines of a file's fdinfo; a driver that has none tells no memory either. */
  showFdinfo?(file: DrmFile<P>): readonly FdinfoLine[];
  /** `file` is no longer DRM master: it gave up or went away. */
  masterDrop?(file: DrmFile<P>): void;
}

/** A file of the device's in sysfs. */
export interface DeviceAttribute {
  /** Below the device's folder. */
  readonly path: string;
  /** Its text, without the newline at its end. */
  show(): string;
  /** Takes what was written, without white space at its end. Throws DrmError. Without this the file is read-only. */
  store?(text: string): void;
}

/** A file of the device's in debugfs, for people. */
export interface DebugFile {
  readonly name: string;
  /** Its text, without the newline at its end. */
  show(): string;
}

/** What a client's mmap gets: a host file and the byte where the mapping starts. */
export interface MmapTarget {
  readonly run: PageRun;
  readonly offset: number;
  readonly writable: boolean;
}

export type NodeKind = 'primary' | 'render';

export class DrmDevice<P = unknown> {
  readonly driver: DrmDriver<P>;
  readonly context: DeviceContext;
  readonly files = new Set<DrmFile<P>>();
  /** The core's ioctls and the driver's. */
  readonly table: IoctlTable;
  /** Files that were ever opened. */
  opens = 0;
  /** The device's own files in sysfs. */
  readonly attributes: readonly DeviceAttribute[] = [];
  /** Its files in debugfs: the core's, and a driver's own. */
  readonly debugFiles: readonly DebugFile[] = coreDebugFiles(this);
  /** Called when what attributes show may have changed. */
  onAttributes: () => void = () => {};
  #master: DrmFile<P> | undefined;
  #gone = false;

  constructor(driver: DrmDriver<P>, context: DeviceContext) {
    this.driver = driver;
    this.context = context;
    this.table = deviceTable(driver);
  }

  /** The file that is DRM master of the primary node. */
  get master(): DrmFile<P> | undefined {
    return this.#master;
  }

  /** A new open file description. The first one on a primary node becomes master; the superuser's are authenticated. */
  open(node: NodeKind, pid: number, superuser = false, opener?: Opener): DrmFile<P> {
    const file = new DrmFile<P>(this, node, pid, opener);
    if (superuser) file.authenticated = true;
    this.files.add(file);
    this.opens++;
    if (node === 'primary') {
      if (this.#master) file.group = this.#master.group;
      else this.setMaster(file);
    }
    return file;
  }

  /** Makes a file DRM master, in a group of its own unless it has led one before. There must be no master now. */
  setMaster(file: DrmFile<P>): void {
    if (this.#master) throw new Error(`${this.driver.name}: there is a DRM master already`);
    if (!file.wasMaster || !file.group) file.group = new MasterGroup();
    file.wasMaster = true;
    file.authenticated = true;
    this.#master = file;
    this.driver.masterSet?.(file);
  }

  /** Leaves the device without a master. */
  dropMaster(): void {
    const file = this.#master;
    this.#master = undefined;
    if (file) this.driver.masterDrop?.(file);
  }

  /** Runs one ioctl of a client; see `dispatch`. */
  ioctl(file: DrmFile<any>, request: number, arg: Uint8Array, user: UserContext): IoctlResult | Promise<IoctlResult> {
    return dispatch(this.table, file, request, arg, user);
  }

  /** The device was unplugged or given up: every ioctl answers ENODEV from here on. */
  unplug(): void {
    this.#gone = true;
  }

  get gone(): boolean {
    return this.#gone;
  }

  log(level: 'error' | 'warn' | 'info' | 'debug', message: string): void {
    this.context.log(level, this.driver.name, message);
  }
}

/** The ioctls of a device: the core's and its driver's. A driver that brings one of the core's replaces it. */
export function deviceTable(driver: DrmDriver<any>): IoctlTable {
  return ioctlTable([...coreIoctls, ...driver.ioctls]);
}
