/**
 * AtomicCommit: a set of changes to planes, CRTCs and connectors that take effect together or not at all.
 * After Linux `drivers/gpu/drm/{drm_atomic,drm_atomic_uapi}.c`.
 *
 * Its life: collect (here), check (check.ts), swap and carry out (commit.ts). Everything that changes the screen is one of
 * these, the legacy ioctls too.
 */
import type { ObjectType } from '../../abi/kms.ts';
import { must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import type { UserContext } from '../user.ts';
import type { ModeConfig } from './config.ts';
import type { Connector } from './connector.ts';
import type { Crtc } from './crtc.ts';
import type { Framebuffer } from './framebuffer.ts';
import type { ModeObject } from './object.ts';
import type { Plane } from './plane.ts';
import type { ConnectorChange, ConnectorState, CrtcChange, CrtcState, PlaneChange, PlaneState } from './state.ts';

export class AtomicCommit {
  readonly config: ModeConfig;
  readonly #file: DrmFile<any> | undefined;
  readonly planes = new Map<Plane, PlaneChange>();
  readonly crtcs = new Map<Crtc, CrtcChange>();
  readonly connectors = new Map<Connector, ConnectorChange>();
  /** Without it, a commit that would restart the CRTC fails. */
  allowModeset = true;
  /** The legacy cursor: goes to the hardware at once and holds nobody up. */
  unsynced = false;

  /** `file`: whose it is, where a client names objects: a lessee's names only what was lent. */
  constructor(config: ModeConfig, file?: DrmFile<any>) {
    this.config = config;
    this.#file = file;
  }

  /** An object that a property's value names. Throws ENOENT. */
  find<T extends ModeObject>(id: number, type: ObjectType): T {
    must(this.config.holds(this.#file, id), 'ENOENT', () => `${type} ${id} is not in the lease`);
    return this.config.objects.find<T>(id, type);
  }

  plane(plane: Plane): PlaneChange {
    const known = this.planes.get(plane);
    if (known) return known;
    const old = plane.state;
    const change: PlaneChange = { plane, old, next: { ...old }, fence: undefined, presents: false };
    this.planes.set(plane, change);
    if (old.crtc) this.crtc(old.crtc);
    return change;
  }

  crtc(crtc: Crtc): CrtcChange {
    const known = this.crtcs.get(crtc);
    if (known) return known;
    const old = crtc.state;
    const change: CrtcChange = {
      crtc,
      old,
      next: { ...old },
      modeChanged: false,
      activeChanged: false,
      connectorsChanged: false,
      async: false,
      event: undefined,
      outFencePtr: 0n,
      outFence: undefined,
    };
    this.crtcs.set(crtc, change);
    return change;
  }

  connector(connector: Connector): ConnectorChange {
    const known = this.connectors.get(connector);
    if (known) return known;
    const old = connector.state;
    const change: ConnectorChange = { connector, old, next: { ...old } };
    this.connectors.set(connector, change);
    if (old.crtc) this.crtc(old.crtc);
    return change;
  }

  /** The state that an object will have, whether it changes or not. */
  planeAfter = (plane: Plane): PlaneState => this.planes.get(plane)?.next ?? plane.state;
  crtcAfter = (crtc: Crtc): CrtcState => this.crtcs.get(crtc)?.next ?? crtc.state;
  connectorAfter = (connector: Connector): ConnectorState => this.connectors.get(connector)?.next ?? connector.state;

  setPlaneCrtc(change: PlaneChange, crtc: Crtc | undefined): void {
    change.next.crtc = crtc;
    if (crtc) this.crtc(crtc);
  }

  setConnectorCrtc(change: ConnectorChange, crtc: Crtc | undefined): void {
    change.next.crtc = crtc;
    if (crtc) this.crtc(crtc);
  }

  setFramebuffer(change: PlaneChange, fb: Framebuffer | undefined): void {
    change.next.fb = fb;
    change.presents = fb !== undefined;
  }

  /** Takes a plane off its CRTC. */
  disablePlane(plane: Plane): void {
    const change = this.plane(plane);
    change.next.crtc = undefined;
    this.setFramebuffer(change, undefined);
    change.next.crtcX = 0;
    change.next.crtcY = 0;
    change.next.crtcW = 0;
    change.next.crtcH = 0;
    change.next.srcX = 0;
    change.next.srcY = 0;
    change.next.srcW = 0;
    change.next.srcH = 0;
  }

  needsModeset(change: CrtcChange): boolean {
    return change.modeChanged || change.activeChanged || change.connectorsChanged;
  }
}

/** What setting a property needs around it. */
export interface SetContext {
  readonly commit: AtomicCommit;
  readonly user: UserContext;
}
