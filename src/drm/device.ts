/**
 * DrmDevice: one DRM device with its nodes, its ioctl table and the files that clients have open.
 * After Linux `drivers/gpu/drm/drm_{drv,ioctl,file}.c`.
 *
 * Reading order: `DrmDriver` says what a driver brings, `DrmDevice.open` makes a `DrmFile` (file.ts), and
 * `dispatch` (ioctl.ts) decodes an ioctl and calls the handler.
 */
import type { Clock } from '../board/clock.ts';
import type { Dram } from '../board/dram.ts';
import type { Log } from '../board/log.ts';
import { DrmFile } from './file.ts';
import type { GemObject } from './gem.ts';
import type { IoctlEntry } from './ioctl.ts';

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
  readonly features: { readonly render: boolean; readonly modeset: boolean; readonly syncobj: boolean };
  /** The driver's own ioctls; the core's come with `coreIoctls`. */
  readonly ioctls: readonly IoctlEntry<any, P>[];
  /** GET_CAP values beyond those that the core knows; undefined where the driver has nothing to say. */
  capability?(capability: number): bigint | undefined;
  open(file: DrmFile<P>): P;
  /** The last reference to the file is gone. Handles are closed after this. */
  close(file: DrmFile<P>): void;
  /** A handle of this file is being closed: drop what the driver hangs on it (file-private VM state and the like). */
  closeHandle?(file: DrmFile<P>, object: GemObject): void;
  /** The object that an imported dma-buf becomes; by default a plain GemObject. */
  importObject?(object: GemObject): void;
  /** Offsets outside the object range: driver pages such as panthor's flush-id page. */
  mmap?(file: DrmFile<P>, offset: bigint, size: number, writable: boolean): MmapTarget | undefined;
}

/** What a client's mmap gets: a host file and the byte where the mapping starts. */
export interface MmapTarget {
  readonly run: import('../board/dram.ts').PageRun;
  readonly offset: number;
  readonly writable: boolean;
}

export type NodeKind = 'primary' | 'render';

export class DrmDevice<P = unknown> {
  readonly driver: DrmDriver<P>;
  readonly context: DeviceContext;
  readonly files = new Set<DrmFile<P>>();
  /** Buffer objects by backing file: an imported dma-buf finds the object that it came from. */
  readonly objects = new Map<import('../board/dram.ts').BackingFile, GemObject>();
  /** The file that is DRM master of the primary node. */
  master: DrmFile<P> | undefined;
  #gone = false;

  constructor(driver: DrmDriver<P>, context: DeviceContext) {
    this.driver = driver;
    this.context = context;
  }

  /** A new open file description. The first one on a primary node becomes master. */
  open(node: NodeKind, pid: number): DrmFile<P> {
    const file = new DrmFile<P>(this, node, pid);
    this.files.add(file);
    if (node === 'primary' && !this.master) {
      this.master = file;
      file.wasMaster = true;
    }
    return file;
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
