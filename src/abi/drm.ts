/**
 * The DRM core's part of the uAPI: capabilities, GEM, PRIME, sync objects, magic and master.
 * Source: Linux `include/uapi/drm/drm.h`, with pointers and sizes as a 64-bit client has them. Mode setting has its own file.
 */

import { io, ior, iow, iowr } from './ioctl.ts';
import { array, s32, s64, struct, u32, u64 } from './layout.ts';

/** Type letter of every DRM ioctl. */
export const DRM_TYPE = 'd';
/** Numbers from `first` up to `end` (without it) are a driver's own. */
export const DRM_COMMAND = { first: 0x40, end: 0xa0 } as const;
/** The interface version that SET_VERSION speaks of. */
export const DRM_INTERFACE = { major: 1, minor: 4 } as const;

/** GET_CAP. */
export const DRM_CAP = {
  DUMB_BUFFER: 0x1,
  VBLANK_HIGH_CRTC: 0x2,
  DUMB_PREFERRED_DEPTH: 0x3,
  DUMB_PREFER_SHADOW: 0x4,
  PRIME: 0x5,
  TIMESTAMP_MONOTONIC: 0x6,
  ASYNC_PAGE_FLIP: 0x7,
  CURSOR_WIDTH: 0x8,
  CURSOR_HEIGHT: 0x9,
  ADDFB2_MODIFIERS: 0x10,
  PAGE_FLIP_TARGET: 0x11,
  CRTC_IN_VBLANK_EVENT: 0x12,
  SYNCOBJ: 0x13,
  SYNCOBJ_TIMELINE: 0x14,
  ATOMIC_ASYNC_PAGE_FLIP: 0x15,
} as const;
export const DRM_PRIME_CAP = { IMPORT: 1n, EXPORT: 2n } as const;

/** SET_CLIENT_CAP. */
export const DRM_CLIENT_CAP = {
  STEREO_3D: 1,
  UNIVERSAL_PLANES: 2,
  ATOMIC: 3,
  ASPECT_RATIO: 4,
  WRITEBACK_CONNECTORS: 5,
  CURSOR_PLANE_HOTSPOT: 6,
  PLANE_COLOR_PIPELINE: 7,
} as const;

export const DRM_CLIENT_NAME_MAX_LEN = 64;

// Identity, magic and master.

export const DrmVersion = struct('drm_version', {
  version_major: s32(),
  version_minor: s32(),
  version_patchlevel: s32(),
  name_len: u64(),
  name: u64(),
  date_len: u64(),
  date: u64(),
  desc_len: u64(),
  desc: u64(),
});
export const DrmUnique = struct('drm_unique', { unique_len: u64(), unique: u64() });
export const DrmAuth = struct('drm_auth', { magic: u32() });
export const DrmClient = struct('drm_client', {
  idx: s32(),
  auth: s32(),
  pid: u64(),
  uid: u64(),
  magic: u64(),
  iocs: u64(),
});
/** `data`: 15 pairs of a value and its type. */
export const DrmStats = struct('drm_stats', { count: u64(), data: array(u64(), 30) });
export const DrmSetVersion = struct('drm_set_version', {
  drm_di_major: s32(),
  drm_di_minor: s32(),
  drm_dd_major: s32(),
  drm_dd_minor: s32(),
});
export const DrmLock = struct('drm_lock', { context: s32(), flags: u32() });
export const DrmBlock = struct('drm_block', { unused: s32() });
export const DrmDraw = struct('drm_draw', { handle: u32() });
export const DrmUpdateDraw = struct('drm_update_draw', { handle: u32(), type: u32(), num: u32(), data: u64() });
export const DrmGetCap = struct('drm_get_cap', { capability: u64(), value: u64() });
export const DrmSetClientCap = struct('drm_set_client_cap', { capability: u64(), value: u64() });
export const DrmSetClientName = struct('drm_set_client_name', { name_len: u64(), name: u64() });
/** The user and group number that stand for one that the caller cannot be shown (`include/linux/highuid.h`). */
export const OVERFLOW_UID = 65534n;

// GEM and PRIME.

export const DrmGemClose = struct('drm_gem_close', { handle: u32(), pad: u32() });
export const DrmGemFlink = struct('drm_gem_flink', { handle: u32(), name: u32() });
export const DrmGemOpen = struct('drm_gem_open', { name: u32(), handle: u32(), size: u64() });
export const DrmGemChangeHandle = struct('drm_gem_change_handle', { handle: u32(), new_handle: u32() });
export const DrmPrimeHandle = struct('drm_prime_handle', { handle: u32(), flags: u32(), fd: s32() });
/** O_RDWR and O_CLOEXEC of `include/uapi/asm-generic/fcntl.h`, which arm64 and x86-64 share. */
export const DRM_PRIME_FLAGS = { RDWR: 0x2, CLOEXEC: 0x80000 } as const;

// Sync objects.

export const DrmSyncobjCreate = struct('drm_syncobj_create', { handle: u32(), flags: u32() });
export const DRM_SYNCOBJ_CREATE = { SIGNALED: 1 } as const;
export const DrmSyncobjDestroy = struct('drm_syncobj_destroy', { handle: u32(), pad: u32() });
export const DrmSyncobjHandle = struct('drm_syncobj_handle', {
  handle: u32(),
  flags: u32(),
  fd: s32(),
  pad: u32(),
  point: u64(),
});
/** HANDLE_TO_FD exports and FD_TO_HANDLE imports a sync file; TIMELINE: of or to the point. */
export const DRM_SYNCOBJ_FD = { SYNC_FILE: 1, TIMELINE: 2 } as const;
export const DrmSyncobjTransfer = struct('drm_syncobj_transfer', {
  src_handle: u32(),
  dst_handle: u32(),
  src_point: u64(),
  dst_point: u64(),
  flags: u32(),
  pad: u32(),
});
export const DRM_SYNCOBJ_WAIT = { ALL: 1, FOR_SUBMIT: 2, AVAILABLE: 4, DEADLINE: 8 } as const;
export const DrmSyncobjWait = struct('drm_syncobj_wait', {
  handles: u64(),
  timeout_nsec: s64(),
  count_handles: u32(),
  flags: u32(),
  first_signaled: u32(),
  pad: u32(),
  deadline_nsec: u64(),
});
export const DrmSyncobjTimelineWait = struct('drm_syncobj_timeline_wait', {
  handles: u64(),
  points: u64(),
  timeout_nsec: s64(),
  count_handles: u32(),
  flags: u32(),
  first_signaled: u32(),
  pad: u32(),
  deadline_nsec: u64(),
});
export const DrmSyncobjEventfd = struct('drm_syncobj_eventfd', {
  handle: u32(),
  flags: u32(),
  point: u64(),
  fd: s32(),
  pad: u32(),
});
export const DrmSyncobjArray = struct('drm_syncobj_array', { handles: u64(), count_handles: u32(), pad: u32() });
export const DrmSyncobjTimelineArray = struct('drm_syncobj_timeline_array', {
  handles: u64(),
  points: u64(),
  count_handles: u32(),
  flags: u32(),
});
export const DRM_SYNCOBJ_QUERY = { LAST_SUBMITTED: 1 } as const;

const d = DRM_TYPE;

export const DRM_IOCTL = {
  VERSION: iowr('VERSION', d, 0x00, DrmVersion),
  GET_UNIQUE: iowr('GET_UNIQUE', d, 0x01, DrmUnique),
  GET_MAGIC: ior('GET_MAGIC', d, 0x02, DrmAuth),
  GET_CLIENT: iowr('GET_CLIENT', d, 0x05, DrmClient),
  GET_STATS: ior('GET_STATS', d, 0x06, DrmStats),
  SET_VERSION: iowr('SET_VERSION', d, 0x07, DrmSetVersion),
  GEM_CLOSE: iow('GEM_CLOSE', d, 0x09, DrmGemClose),
  GEM_FLINK: iowr('GEM_FLINK', d, 0x0a, DrmGemFlink),
  GEM_OPEN: iowr('GEM_OPEN', d, 0x0b, DrmGemOpen),
  GET_CAP: iowr('GET_CAP', d, 0x0c, DrmGetCap),
  SET_CLIENT_CAP: iow('SET_CLIENT_CAP', d, 0x0d, DrmSetClientCap),
  SET_UNIQUE: iow('SET_UNIQUE', d, 0x10, DrmUnique),
  AUTH_MAGIC: iow('AUTH_MAGIC', d, 0x11, DrmAuth),
  BLOCK: iowr('BLOCK', d, 0x12, DrmBlock),
  UNBLOCK: iowr('UNBLOCK', d, 0x13, DrmBlock),
  SET_MASTER: io('SET_MASTER', d, 0x1e),
  DROP_MASTER: io('DROP_MASTER', d, 0x1f),
  ADD_DRAW: iowr('ADD_DRAW', d, 0x27, DrmDraw),
  RM_DRAW: iowr('RM_DRAW', d, 0x28, DrmDraw),
  FINISH: iow('FINISH', d, 0x2c, DrmLock),
  PRIME_HANDLE_TO_FD: iowr('PRIME_HANDLE_TO_FD', d, 0x2d, DrmPrimeHandle),
  PRIME_FD_TO_HANDLE: iowr('PRIME_FD_TO_HANDLE', d, 0x2e, DrmPrimeHandle),
  UPDATE_DRAW: iow('UPDATE_DRAW', d, 0x3f, DrmUpdateDraw),
  SYNCOBJ_CREATE: iowr('SYNCOBJ_CREATE', d, 0xbf, DrmSyncobjCreate),
  SYNCOBJ_DESTROY: iowr('SYNCOBJ_DESTROY', d, 0xc0, DrmSyncobjDestroy),
  SYNCOBJ_HANDLE_TO_FD: iowr('SYNCOBJ_HANDLE_TO_FD', d, 0xc1, DrmSyncobjHandle),
  SYNCOBJ_FD_TO_HANDLE: iowr('SYNCOBJ_FD_TO_HANDLE', d, 0xc2, DrmSyncobjHandle),
  SYNCOBJ_WAIT: iowr('SYNCOBJ_WAIT', d, 0xc3, DrmSyncobjWait),
  SYNCOBJ_RESET: iowr('SYNCOBJ_RESET', d, 0xc4, DrmSyncobjArray),
  SYNCOBJ_SIGNAL: iowr('SYNCOBJ_SIGNAL', d, 0xc5, DrmSyncobjArray),
  SYNCOBJ_TIMELINE_WAIT: iowr('SYNCOBJ_TIMELINE_WAIT', d, 0xca, DrmSyncobjTimelineWait),
  SYNCOBJ_QUERY: iowr('SYNCOBJ_QUERY', d, 0xcb, DrmSyncobjTimelineArray),
  SYNCOBJ_TRANSFER: iowr('SYNCOBJ_TRANSFER', d, 0xcc, DrmSyncobjTransfer),
  SYNCOBJ_TIMELINE_SIGNAL: iowr('SYNCOBJ_TIMELINE_SIGNAL', d, 0xcd, DrmSyncobjTimelineArray),
  SYNCOBJ_EVENTFD: iowr('SYNCOBJ_EVENTFD', d, 0xcf, DrmSyncobjEventfd),
  SET_CLIENT_NAME: iowr('SET_CLIENT_NAME', d, 0xd1, DrmSetClientName),
  GEM_CHANGE_HANDLE: iowr('GEM_CHANGE_HANDLE', d, 0xd2, DrmGemChangeHandle),
} as const;

/**
 * Numbers of the mode-setting ioctls (vblank, modes, leases), first and last of each run. A device without mode setting
 * knows them, but has nothing for them.
 */
export const MODESET_NUMBERS: readonly (readonly [first: number, last: number])[] = [
  [0x3a, 0x3c],
  [0xa0, 0xbe],
  [0xc6, 0xc9],
  [0xce, 0xce],
  [0xd0, 0xd0],
];
/** Those of dumb buffers (create, map, destroy): ENOSYS of a device that has none (`drivers/gpu/drm/drm_dumb_buffers.c`). */
export const DUMB_NUMBERS: readonly number[] = [0xb2, 0xb3, 0xb4];
