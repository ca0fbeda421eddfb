/**
 * ModeConfig: the display pipeline of one device as clients see it, what each of their files holds in it, and the seam to
 * the hardware below.
 * After Linux `drivers/gpu/drm/drm_mode_config.c`.
 */
import { DRM_CLIENT_CAP } from '../../abi/drm.ts';
import type { ObjectType } from '../../abi/kms.ts';
import type { Clock } from '../../board/clock.ts';
import type { DeviceContext } from '../device.ts';
import { must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import type { MasterGroup } from '../master.ts';
import type { AtomicCommit } from './atomic.ts';
import { CommitQueue } from './commit.ts';
import { type Connector, connectorProperties, type Encoder } from './connector.ts';
import { type Crtc, crtcProperties } from './crtc.ts';
import type { FrameTime } from './events.ts';
import type { Framebuffer } from './framebuffer.ts';
import { isLeasable } from './lease.ts';
import { type ModeObject, ObjectTable } from './object.ts';
import { type Plane, planeProperties } from './plane.ts';
import type { Blob } from './property.ts';

/** What the driver of the display controller does. */
export interface DisplayHardware {
  /** Throws EINVAL or ERANGE for what the controller cannot do. */
  check(commit: AtomicCommit): void;
  /**
   * Writes the new state to the controller and calls `shown` once it is on the screen: at the next vertical blank, with
   * `immediate` at once. A CRTC that is off after the commit shows it at once. May be called again before `shown`.
   */
  program(commit: AtomicCommit, immediate: boolean, shown: (at: FrameTime) => void): void;
  /** A client says that it has drawn into a framebuffer, which may be on the screen. */
  drawn(fb: Framebuffer): void;
}

/** What one open file holds in KMS. */
export class KmsFile {
  readonly fbs = new Set<Framebuffer>();
  readonly blobs = new Set<Blob>();
  /** What the legacy cursor ioctls made for its last cursor image; held. */
  cursor: Framebuffer | undefined;
  blobBytes = 0;
  /** Events under way. */
  eventBytes = 0;
}

/** Framebuffers and blobs that one file may hold. */
const OBJECTS_PER_FILE = 65536;
const BLOB_BYTES_PER_FILE = 64 * 1024 * 1024;

export class ModeConfig {
  readonly context: DeviceContext;
  readonly hardware: DisplayHardware;
  /** The driver's name, as fences tell it. */
  readonly driver: string;
  readonly objects = new ObjectTable();
  readonly maxWidth: number;
  readonly maxHeight: number;
  readonly planes: Plane[] = [];
  readonly crtcs: Crtc[] = [];
  readonly encoders: Encoder[] = [];
  readonly connectors: Connector[] = [];
  readonly queue: CommitQueue;
  readonly planeProperties: ReturnType<typeof planeProperties>;
  readonly crtcProperties: ReturnType<typeof crtcProperties>;
  readonly connectorProperties: ReturnType<typeof connectorProperties>;

  constructor(
    context: DeviceContext,
    hardware: DisplayHardware,
    limits: { driver: string; maxWidth: number; maxHeight: number },
  ) {
    this.context = context;
    this.hardware = hardware;
    this.driver = limits.driver;
    this.maxWidth = limits.maxWidth;
    this.maxHeight = limits.maxHeight;
    this.queue = new CommitQueue(this);
    this.planeProperties = planeProperties(this);
    this.crtcProperties = crtcProperties(this);
    this.connectorProperties = connectorProperties(this);
  }

  /** What clients have made that still exists; `commits`: one is under way. */
  get usage(): { framebuffers: number; blobs: number; commits: number } {
    // The blobs of planes and connectors are there from the start.
    const own = this.planes.length + this.connectors.length;
    return {
      framebuffers: this.objects.count('fb'),
      blobs: this.objects.count('blob') - own,
      commits: this.queue.busy ? 1 : 0,
    };
  }

  /** The object of this id that the file may use: what it was not lent is not there for a lessee. Throws ENOENT. */
  find<T extends ModeObject>(file: DrmFile<any>, id: number, type: ObjectType): T {
    must(this.holds(file, id), 'ENOENT', () => `${type} ${id} is not in the lease`);
    return this.objects.find<T>(id, type);
  }

  /** The same, if it is of a type that `type` admits; undefined if there is none. */
  peek(file: DrmFile<any>, id: number, type?: number): ModeObject | undefined {
    return this.holds(file, id) ? this.objects.peek(id, type) : undefined;
  }

  /** Whether the file may use the object. Only planes, CRTCs and connectors are ever withheld. */
  holds(file: DrmFile<any> | undefined, id: number): boolean {
    const lease = file?.group?.lease;
    if (!lease || lease.objects.has(id)) return true;
    const type = this.objects.peek(id)?.type;
    return type !== undefined && !isLeasable(type);
  }

  get clock(): Clock {
    return this.context.clock;
  }

  /** A file of the lessor's node for `group`, which was lent objects. */
  lend(lessor: DrmFile<KmsFile>, group: MasterGroup): DrmFile<KmsFile> {
    const { device, pid, opener } = lessor;
    const file = device.open('primary', pid, false, opener);
    file.group = group;
    file.lessee = true;
    file.authenticated = true;
    return file;
  }

  /** Room for one more framebuffer or blob of `bytes` in this file. Throws ENOMEM. */
  checkRoom(file: DrmFile<KmsFile>, bytes = 0): void {
    const { fbs, blobs, blobBytes } = file.private;
    must(fbs.size + blobs.size < OBJECTS_PER_FILE, 'ENOMEM', 'the file holds too many framebuffers and blobs');
    must(blobBytes + bytes <= BLOB_BYTES_PER_FILE, 'ENOMEM', () => `blobs of ${blobBytes + bytes} bytes in one file`);
  }

  /**
   * The file is closed: its framebuffers leave the screen, its blobs go. With the last file everything is switched off,
   * where a kernel would bring its console back.
   */
  releaseFile(file: DrmFile<KmsFile>): void {
    const { fbs, blobs, cursor } = file.private;
    if ([...file.device.files].every((other) => other === file)) void this.queue.switchOff();
    for (const fb of fbs) this.removeFramebuffer(fb);
    fbs.clear();
    if (cursor) this.removeFramebuffer(cursor);
    file.private.cursor = undefined;
    for (const blob of blobs) blob.put();
    blobs.clear();
  }

  /** Takes a framebuffer off all planes and drops the file's reference. Resolves when it is off the screen. */
  removeFramebuffer(fb: Framebuffer): Promise<void> | undefined {
    const done = this.queue.disableFramebuffer(fb);
    fb.put();
    return done;
  }
}

export const isAtomic = (file: DrmFile<any>): boolean => (file.clientCaps.get(DRM_CLIENT_CAP.ATOMIC) ?? 0n) !== 0n;
export const seesAllPlanes = (file: DrmFile<any>): boolean =>
  isAtomic(file) || (file.clientCaps.get(DRM_CLIENT_CAP.UNIVERSAL_PLANES) ?? 0n) !== 0n;
export const framebufferOf = (config: ModeConfig, id: number): Framebuffer =>
  config.objects.find<Framebuffer>(id, 'fb');
