/**
 * State: what a plane, a CRTC and a connector are set to. Plain values; a commit copies, changes, checks and swaps them.
 * After Linux `drivers/gpu/drm/drm_atomic_state_helper.c`.
 */
import type { ModeInfo } from '../../abi/kms-structs.ts';
import type { Fence } from '../fence.ts';
import type { SyncFile } from '../sync-file.ts';
import type { Connector } from './connector.ts';
import type { Crtc } from './crtc.ts';
import type { EventTicket } from './events.ts';
import type { Framebuffer } from './framebuffer.ts';
import type { Plane } from './plane.ts';
import type { Blob } from './property.ts';

export interface PlaneState {
  crtc: Crtc | undefined;
  fb: Framebuffer | undefined;
  /** Where on the CRTC, in pixels; signed. */
  crtcX: number;
  crtcY: number;
  crtcW: number;
  crtcH: number;
  /** Which part of the framebuffer, 16.16 fixed point. */
  srcX: number;
  srcY: number;
  srcW: number;
  srcH: number;
  /** 0 is transparent, 0xffff opaque; on top of the pixels' own. */
  alpha: number;
  /** One of BLEND_MODE. */
  blendMode: number;
  /** Higher is nearer to the eye; among equals the later plane. */
  zpos: number;
}

export interface CrtcState {
  /** A mode is set and a connector is attached. */
  enable: boolean;
  /** It really runs: enabled and not in power saving. */
  active: boolean;
  mode: ModeInfo | undefined;
  modeBlob: Blob | undefined;
  /** ColorLut entries; none: unchanged colours. */
  gammaLut: Blob | undefined;
}

export interface ConnectorState {
  crtc: Crtc | undefined;
  linkStatus: number;
}

export interface PlaneChange {
  readonly plane: Plane;
  readonly old: PlaneState;
  readonly next: PlaneState;
  /** IN_FENCE_FD. */
  fence: SyncFile | undefined;
  /** The client named a framebuffer: a new frame, even if it is the same framebuffer again. */
  presents: boolean;
}

export interface CrtcChange {
  readonly crtc: Crtc;
  readonly old: CrtcState;
  readonly next: CrtcState;
  modeChanged: boolean;
  activeChanged: boolean;
  connectorsChanged: boolean;
  /** Shown at once, not at the next vertical blank. */
  async: boolean;
  event: EventTicket | undefined;
  /** Address of OUT_FENCE_PTR; 0n: none. */
  outFencePtr: bigint;
  outFence: Fence | undefined;
}

export interface ConnectorChange {
  readonly connector: Connector;
  readonly old: ConnectorState;
  readonly next: ConnectorState;
}
