/**
 * The panthor uAPI 1.9: ioctls, their structs, flags, and the objects that they point to.
 *
 * Objects in user arrays and query results may be shorter or longer than ours: `minSize` is what they measured when the
 * ioctl was born. Source: Linux `include/uapi/drm/panthor_drm.h`, `drivers/gpu/drm/panthor/panthor_drv.c`.
 */
import { type IoctlDef, iowr } from './ioctl.ts';
import { array, type Layout, nested, struct, u8, u32, u64 } from './layout.ts';

export const PANTHOR_NAME = 'panthor';
export const PANTHOR_VERSION = [1, 9, 0] as const;

/** mmap offsets from here on are pages of the device; 2^43 where a client asks for what 32-bit programs can pass. */
export const PANTHOR_USER_MMIO_OFFSET_32BIT = 1n << 43n;
export const PANTHOR_USER_MMIO_OFFSET_64BIT = 1n << 56n;
/** Relative to the MMIO offset: the page with LATEST_FLUSH_ID. */
export const PANTHOR_USER_FLUSH_ID_MMIO_OFFSET = 0n;

/** A user array: `count` objects, each `stride` bytes, at address `array`. */
export const PanthorObjArray = struct('drm_panthor_obj_array', { stride: u32(), count: u32(), array: u64() });

/** A struct that user space passes by pointer, and its size when it was born. */
export interface UserObject<L extends Layout<any>> {
  readonly layout: L;
  readonly minSize: number;
}

function object<L extends Layout<any>>(layout: L, lastMandatoryField: keyof L['fields'] & string): UserObject<L> {
  const field = layout.fields[lastMandatoryField]!;
  return { layout, minSize: (field.bit + field.width) / 8 };
}

export const SYNC_OP = {
  HANDLE_TYPE_MASK: 0xff,
  SYNCOBJ: 0,
  TIMELINE_SYNCOBJ: 1,
  SIGNAL: 0x80000000,
} as const;
/** All bits that SyncOp.flags may have. */
export const SYNC_OP_FLAGS = 0x800000ff;

export const SyncOp = object(
  struct('drm_panthor_sync_op', { flags: u32(), handle: u32(), timelineValue: u64() }),
  'timelineValue',
);

// DEV_QUERY.

export const DEV_QUERY = {
  GPU_INFO: 0,
  CSIF_INFO: 1,
  TIMESTAMP_INFO: 2,
  GROUP_PRIORITIES_INFO: 3,
  MMU_INFO: 4,
} as const;

export const GpuInfo = object(
  struct('drm_panthor_gpu_info', {
    gpuId: u32(),
    gpuRev: u32(),
    csfId: u32(),
    l2Features: u32(),
    tilerFeatures: u32(),
    memFeatures: u32(),
    mmuFeatures: u32(),
    threadFeatures: u32(),
    maxThreads: u32(),
    threadMaxWorkgroupSize: u32(),
    threadMaxBarrierSize: u32(),
    coherencyFeatures: u32(),
    textureFeatures: array(u32(), 4),
    asPresent: u32(),
    selectedCoherency: u32(),
    shaderPresent: u64(),
    l2Present: u64(),
    tilerPresent: u64(),
    coreFeatures: u32(),
    pad: u32(),
    gpuFeatures: u64(),
  }),
  'tilerPresent',
);

export const CsifInfo = object(
  struct('drm_panthor_csif_info', {
    csgSlotCount: u32(),
    csSlotCount: u32(),
    csRegCount: u32(),
    scoreboardSlotCount: u32(),
    unpreservedCsRegCount: u32(),
    pad: u32(),
  }),
  'pad',
);

export const TIMESTAMP_FLAGS = {
  GPU: 1 << 0,
  CPU_TYPE_MASK: 7 << 1,
  CPU_NONE: 0 << 1,
  CPU_MONOTONIC: 1 << 1,
  CPU_MONOTONIC_RAW: 2 << 1,
  GPU_OFFSET: 1 << 4,
  GPU_CYCLE_COUNT: 1 << 5,
  FREQ: 1 << 6,
  DURATION: 1 << 7,
} as const;
export const TIMESTAMP_FLAGS_KNOWN = 0xff;

export const TimestampInfo = object(
  struct('drm_panthor_timestamp_info', {
    timestampFrequency: u64(),
    currentTimestamp: u64(),
    timestampOffset: u64(),
    flags: u32(),
    durationNsec: u32(),
    cycleCount: u64(),
    cpuTimestampSec: u64(),
    cpuTimestampNsec: u64(),
  }),
  'currentTimestamp',
);

export const GroupPrioritiesInfo = object(
  struct('drm_panthor_group_priorities_info', { allowedMask: u8(), pad: array(u8(), 3) }),
  'pad',
);

export const MmuInfo = object(struct('drm_panthor_mmu_info', { pageSizeBitmap: u64() }), 'pageSizeBitmap');

const DevQuery = struct('drm_panthor_dev_query', { type: u32(), size: u32(), pointer: u64() });

// Address spaces.

const VmCreate = struct('drm_panthor_vm_create', { flags: u32(), id: u32(), userVaRange: u64() });
const VmDestroy = struct('drm_panthor_vm_destroy', { id: u32(), pad: u32() });

export const VM_BIND_OP = {
  MAP_READONLY: 1 << 0,
  MAP_NOEXEC: 1 << 1,
  MAP_UNCACHED: 1 << 2,
  MAP_SPARSE: 1 << 3,
} as const;
export const VM_BIND_OP_MAP_FLAGS = 0xf;
/** Operation types, in the top four bits of VmBindOp.flags. */
export const VM_BIND_OP_TYPE = { MAP: 0, UNMAP: 1, SYNC_ONLY: 2 } as const;
/** VmBindOp.flags taken apart. */
export const VM_BIND_OP_TYPE_SCALE = 0x10000000;

export const VmBindOp = object(
  struct('drm_panthor_vm_bind_op', {
    flags: u32(),
    boHandle: u32(),
    boOffset: u64(),
    va: u64(),
    size: u64(),
    syncs: nested(PanthorObjArray),
  }),
  'syncs',
);
export const VM_BIND_ASYNC = 1;
const VmBind = struct('drm_panthor_vm_bind', { vmId: u32(), flags: u32(), ops: nested(PanthorObjArray) });

export const VM_STATE = { USABLE: 0, UNUSABLE: 1 } as const;
const VmGetState = struct('drm_panthor_vm_get_state', { vmId: u32(), state: u32() });

// Buffer objects.

export const BO_FLAGS = { NO_MMAP: 1 << 0, WB_MMAP: 1 << 1 } as const;
export const BO_FLAGS_KNOWN = 0x3;
const BoCreate = struct('drm_panthor_bo_create', {
  size: u64(),
  flags: u32(),
  exclusiveVmId: u32(),
  handle: u32(),
  pad: u32(),
});
const BoMmapOffset = struct('drm_panthor_bo_mmap_offset', { handle: u32(), pad: u32(), offset: u64() });
const BoSetLabel = struct('drm_panthor_bo_set_label', { handle: u32(), pad: u32(), label: u64() });
/** Bytes of a label, its terminating zero included. */
export const BO_LABEL_MAX = 4096;
const SetUserMmioOffset = struct('drm_panthor_set_user_mmio_offset', { offset: u64() });
export const BO_SYNC_TYPE = { CPU_CACHE_FLUSH: 0, CPU_CACHE_FLUSH_AND_INVALIDATE: 1 } as const;
export const BoSyncOp = object(
  struct('drm_panthor_bo_sync_op', { handle: u32(), type: u32(), offset: u64(), size: u64() }),
  'size',
);
const BoSync = struct('drm_panthor_bo_sync', { ops: nested(PanthorObjArray) });
export const BO_EXTRA_FLAGS = { IS_IMPORTED: 1 << 0 } as const;
const BoQueryInfo = struct('drm_panthor_bo_query_info', {
  handle: u32(),
  extraFlags: u32(),
  createFlags: u32(),
  pad: u32(),
});

// Groups.

export const GROUP_PRIORITY = { LOW: 0, MEDIUM: 1, HIGH: 2, REALTIME: 3 } as const;
export const GROUP_PRIORITIES = 4;
export const QUEUE_PRIORITY_MAX = 15;
/** Queues of a group, whatever the hardware has (MAX_CS_PER_CSG). */
export const MAX_QUEUES = 32;

export const QueueCreate = object(
  struct('drm_panthor_queue_create', { priority: u8(), pad: array(u8(), 3), ringbufSize: u32() }),
  'ringbufSize',
);
const GroupCreate = struct('drm_panthor_group_create', {
  queues: nested(PanthorObjArray),
  maxComputeCores: u8(),
  maxFragmentCores: u8(),
  maxTilerCores: u8(),
  priority: u8(),
  pad: u32(),
  computeCoreMask: u64(),
  fragmentCoreMask: u64(),
  tilerCoreMask: u64(),
  vmId: u32(),
  groupHandle: u32(),
});
const GroupDestroy = struct('drm_panthor_group_destroy', { groupHandle: u32(), pad: u32() });

/** Of QueueSubmit.latestFlush: bits that must be zero. */
export const LATEST_FLUSH_RESERVED = 0x7f000000;
export const QueueSubmit = object(
  struct('drm_panthor_queue_submit', {
    queueIndex: u32(),
    streamSize: u32(),
    streamAddr: u64(),
    latestFlush: u32(),
    pad: u32(),
    syncs: nested(PanthorObjArray),
  }),
  'syncs',
);
const GroupSubmit = struct('drm_panthor_group_submit', {
  groupHandle: u32(),
  pad: u32(),
  queueSubmits: nested(PanthorObjArray),
});
export const GROUP_STATE = { TIMEDOUT: 1 << 0, FATAL_FAULT: 1 << 1, INNOCENT: 1 << 2 } as const;
const GroupGetState = struct('drm_panthor_group_get_state', {
  groupHandle: u32(),
  state: u32(),
  fatalQueues: u32(),
  pad: u32(),
});

// Tiler heaps.

export const HEAP_CHUNK_MIN = 128 * 1024;
export const HEAP_CHUNK_MAX = 8 * 1024 * 1024;
const TilerHeapCreate = struct('drm_panthor_tiler_heap_create', {
  vmId: u32(),
  initialChunkCount: u32(),
  chunkSize: u32(),
  maxChunks: u32(),
  targetInFlight: u32(),
  handle: u32(),
  tilerHeapCtxGpuVa: u64(),
  firstHeapChunkGpuVa: u64(),
});
const TilerHeapDestroy = struct('drm_panthor_tiler_heap_destroy', { handle: u32(), pad: u32() });
/** A heap's handle: its VM's id in the upper half, its own id in the lower. */
export const HeapHandle = { scale: 0x10000, max: 0xffff } as const;

// Memory that the driver and the GPU share beside the firmware's interface.

/**
 * When a job began and ended, by the GPU's own counters, where it is profiled. The driver's and the GPU's alone.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_sched.c` (panthor_job_profiling_data).
 */
export const JobTimes = struct('JobTimes', {
  cyclesBefore: u64(),
  cyclesAfter: u64(),
  timeBefore: u64(),
  timeAfter: u64(),
});
/** What of jobs is measured: bits of the device's sysfs file `profiling`. Source: `panthor_device.h`. */
export const PROFILING = { CYCLES: 1, TIMESTAMP: 2, ALL: 3 } as const;

/** What SYNC_ADD64 and SYNC_WAIT64 work on; one for each queue of a group. */
export const Syncobj64 = struct('panthor_syncobj_64b', { seqno: u64(), status: u32(), pad: u32() });
/** Syncobj64.status of a group that was terminated. */
export const SYNCOBJ_ERROR = 0xffffffff;
export const MAX_HEAPS_PER_VM = 128;
export const MAX_VMS_PER_FILE = 32;
export const MAX_GROUPS_PER_FILE = 128;

/** DRM_COMMAND_BASE: driver ioctls start here. */
const BASE = 0x40;
const panthor = <F extends Record<string, any>>(name: string, nr: number, arg: Layout<F>): IoctlDef<F> =>
  iowr(`PANTHOR_${name}`, 'd', BASE + nr, arg);

export const PANTHOR = {
  DEV_QUERY: panthor('DEV_QUERY', 0, DevQuery),
  VM_CREATE: panthor('VM_CREATE', 1, VmCreate),
  VM_DESTROY: panthor('VM_DESTROY', 2, VmDestroy),
  VM_BIND: panthor('VM_BIND', 3, VmBind),
  VM_GET_STATE: panthor('VM_GET_STATE', 4, VmGetState),
  BO_CREATE: panthor('BO_CREATE', 5, BoCreate),
  BO_MMAP_OFFSET: panthor('BO_MMAP_OFFSET', 6, BoMmapOffset),
  GROUP_CREATE: panthor('GROUP_CREATE', 7, GroupCreate),
  GROUP_DESTROY: panthor('GROUP_DESTROY', 8, GroupDestroy),
  GROUP_SUBMIT: panthor('GROUP_SUBMIT', 9, GroupSubmit),
  GROUP_GET_STATE: panthor('GROUP_GET_STATE', 10, GroupGetState),
  TILER_HEAP_CREATE: panthor('TILER_HEAP_CREATE', 11, TilerHeapCreate),
  TILER_HEAP_DESTROY: panthor('TILER_HEAP_DESTROY', 12, TilerHeapDestroy),
  BO_SET_LABEL: panthor('BO_SET_LABEL', 13, BoSetLabel),
  SET_USER_MMIO_OFFSET: panthor('SET_USER_MMIO_OFFSET', 14, SetUserMmioOffset),
  BO_SYNC: panthor('BO_SYNC', 15, BoSync),
  BO_QUERY_INFO: panthor('BO_QUERY_INFO', 16, BoQueryInfo),
} as const;
