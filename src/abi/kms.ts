/**
 * KMS constants of the uAPI: flags, object types, property types, events.
 * Source: Linux `include/uapi/drm/{drm,drm_mode}.h`. The structs stand in `kms-structs.ts`, the numbers in `kms-ioctls.ts`.
 */

/** `drm_mode_modeinfo.flags`. */
export const MODE_FLAG = {
  PHSYNC: 1 << 0,
  NHSYNC: 1 << 1,
  PVSYNC: 1 << 2,
  NVSYNC: 1 << 3,
  INTERLACE: 1 << 4,
  DBLSCAN: 1 << 5,
  CSYNC: 1 << 6,
  PCSYNC: 1 << 7,
  NCSYNC: 1 << 8,
  HSKEW: 1 << 9,
  DBLCLK: 1 << 12,
  CLKDIV2: 1 << 13,
} as const;
export const MODE_FLAG_3D_MASK = 0x1f << 14;
/** The picture aspect ratio lies in four bits of the flags; 0 is "none", 4 the last known one. */
export const MODE_FLAG_ASPECT = { mask: 0x0f << 19, shift: 19, last: 4 } as const;

export const MODE_TYPE = { PREFERRED: 1 << 3, USERDEF: 1 << 5, DRIVER: 1 << 6 } as const;
export const MODE_NAME_LENGTH = 32;
export const PROP_NAME_LENGTH = 32;

/** Object types, as `drm_mode_obj_*` ioctls carry them. */
export const OBJECT = {
  any: 0,
  crtc: 0xcccccccc,
  connector: 0xc0c0c0c0,
  encoder: 0xe0e0e0e0,
  mode: 0xdededede,
  property: 0xb0b0b0b0,
  fb: 0xfbfbfbfb,
  blob: 0xbbbbbbbb,
  plane: 0xeeeeeeee,
} as const;
export type ObjectType = Exclude<keyof typeof OBJECT, 'any' | 'mode'>;

/** `drm_mode_get_property.flags`. */
export const PROP = {
  RANGE: 1 << 1,
  IMMUTABLE: 1 << 2,
  ENUM: 1 << 3,
  BLOB: 1 << 4,
  BITMASK: 1 << 5,
  OBJECT: 1 << 6,
  SIGNED_RANGE: 2 << 6,
  /** Shown to clients that asked for atomic alone. */
  ATOMIC: 0x80000000,
} as const;

export const PLANE_TYPE = { Overlay: 0, Primary: 1, Cursor: 2 } as const;
export type PlaneType = keyof typeof PLANE_TYPE;

export const ENCODER_TMDS = 2;
export const CONNECTOR_HDMIA = 11;
export const CONNECTION = { connected: 1, disconnected: 2, unknown: 3 } as const;
export const SUBPIXEL_UNKNOWN = 1;
export const DPMS = { On: 0, Standby: 1, Suspend: 2, Off: 3 } as const;
export const LINK_STATUS = { Good: 0, Bad: 1 } as const;
export const BLEND_MODE = { 'Pre-multiplied': 0, Coverage: 1, None: 2 } as const;

export const FB_FLAG = { INTERLACED: 1 << 0, MODIFIERS: 1 << 1 } as const;
export const FB_DIRTY = { ANNOTATE_COPY: 1, ANNOTATE_FILL: 2, MAX_CLIPS: 256 } as const;
export const CURSOR = { BO: 1, MOVE: 2 } as const;
export const FLIP = { EVENT: 0x01, ASYNC: 0x02, TARGET_ABSOLUTE: 0x04, TARGET_RELATIVE: 0x08 } as const;
export const ATOMIC = { TEST_ONLY: 0x0100, NONBLOCK: 0x0200, ALLOW_MODESET: 0x0400 } as const;
/** SETCRTC with this framebuffer id keeps the one that is shown. */
export const FB_KEEP = 0xffffffff;

export const VBLANK = {
  RELATIVE: 0x1,
  HIGH_CRTC_MASK: 0x3e,
  HIGH_CRTC_SHIFT: 1,
  EVENT: 0x4000000,
  NEXTONMISS: 0x10000000,
  SECONDARY: 0x20000000,
  SIGNAL: 0x40000000,
} as const;
export const SEQUENCE = { RELATIVE: 1, NEXT_ON_MISS: 2 } as const;
export const EVENT = { VBLANK: 0x01, FLIP_COMPLETE: 0x02, CRTC_SEQUENCE: 0x03 } as const;
