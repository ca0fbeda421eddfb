/**
 * The CSF firmware: the container that `mali_csffw.bin` comes in, and the interface that a running firmware shows in its
 * shared memory.
 *
 * Host and firmware talk through pairs of words: the host toggles a bit of an input block's `req`, rings a doorbell, and
 * the firmware makes the same bit of the output block's `ack` equal when it has done it. Events go the other way round.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_fw.{c,h}`, `drivers/gpu/drm/tyr/fw/parser.rs`.
 */
import { address, array, layout, struct, u8, u16, u32, uint } from '../layout.ts';

// The container.

export const FW_MAGIC = 0xc3f13a6e;
/** Newest major version of the container format that exists. */
export const FW_MAJOR_MAX = 0;

/** First bytes of the image. `size` is where the entry table ends, counted from the start of the image. */
export const FwHeader = struct('FwHeader', {
  magic: u32(),
  minor: u8(),
  major: u8(),
  padding1: u16(),
  versionHash: u32(),
  padding2: u32(),
  size: u32(),
});

/** First word of each entry of the table; `size` counts the whole entry in bytes, this word included. */
export const FwEntry = layout('FwEntry', 4, {
  type: uint(0, 8),
  size: uint(8, 8),
  update: uint(30, 1),
  optional: uint(31, 1),
});

export const FW_ENTRY = {
  INTERFACE: 0,
  CONFIG: 1,
  FUTF_TEST: 2,
  TRACE_BUFFER: 3,
  TIMELINE_METADATA: 4,
  BUILD_INFO_METADATA: 6,
} as const;

/** Body of an INTERFACE entry: memory to map at [vaStart, vaEnd) and its initial bytes inside the image. */
export const FwSection = struct('FwSection', {
  flags: u32(),
  vaStart: u32(),
  vaEnd: u32(),
  dataStart: u32(),
  dataEnd: u32(),
});

export const FwSectionFlags = layout('FwSectionFlags', 4, {
  read: uint(0, 1),
  write: uint(1, 1),
  execute: uint(2, 1),
  cacheMode: uint(3, 2),
  protected: uint(5, 1),
  shared: uint(30, 1),
  zero: uint(31, 1),
});
export const FW_SECTION_FLAGS_KNOWN = 0xc000003f;
export const FW_CACHE_MODE = { NONE: 0, CACHED: 1, UNCACHED_COHERENT: 2, CACHED_COHERENT: 3 } as const;

/** Body of a BUILD_INFO_METADATA entry: a range of the image that starts with `git_sha: `. */
export const FwBuildInfo = struct('FwBuildInfo', { metaStart: u32(), metaSize: u32() });

// Where things are in the MCU's address space.

/** First words of the Cortex-M7's vector table at address 0; vectors have bit 0 set (Thumb). */
export const VectorTable = struct('VectorTable', { stack: u32(), reset: u32() });

/** The section mapped here holds the interface. */
export const FW_SHARED_START = 0x04000000;
export const FW_SHARED_SIZE = 0x04000000;
/** From the start of the shared section to the first group control block. */
export const FW_GROUP_CONTROL_OFFSET = 0x1000;
/** From a group control block to its first stream control block. */
export const FW_STREAM_CONTROL_OFFSET = 0x40;
/** Registers at the top of the file that the firmware does not keep for the client. */
export const FW_UNPRESERVED_REGS = 4;
export const FW_MIN_GROUPS = 3;
export const FW_MIN_STREAMS = 8;
export const FW_MAX_GROUPS = 31;
export const FW_MAX_STREAMS = 32;

export const FwVersion = layout('FwVersion', 4, { patch: uint(0, 16), minor: uint(16, 8), major: uint(24, 8) });

// Ring buffers. Positions are byte counts since the queue's start and never wrap.

export const RingInput = struct('RingInput', { insert: address(0), extract: address(0) });
export const RingOutput = struct('RingOutput', { extract: address(0), active: u32() });

// Command streams: one block of each kind for every stream of every group slot.

export const CsControl = struct('CsControl', { features: u32(), inputVa: u32(), outputVa: u32() });
/** `workRegisters` holds the count minus one. */
export const CsFeatures = layout('CsFeatures', 4, {
  workRegisters: uint(0, 8),
  scoreboards: uint(8, 8),
  compute: uint(16, 1),
  fragment: uint(17, 1),
  tiler: uint(18, 1),
});

export const CS_REQ = {
  STATE_MASK: 0x7,
  EXTRACT_EVENT: 1 << 4,
  IDLE_SYNC_WAIT: 1 << 8,
  IDLE_PROTM_PENDING: 1 << 9,
  IDLE_EMPTY: 1 << 10,
  IDLE_RESOURCE_REQ: 1 << 11,
  TILER_OOM: 1 << 26,
  PROTM_PENDING: 1 << 27,
  FATAL: 1 << 30,
  FAULT: 0x80000000,
} as const;
export const CS_STATE = { STOP: 0, START: 1 } as const;

export const CsConfig = layout('CsConfig', 4, { priority: uint(0, 4), doorbell: uint(8, 8) });

export const CsInput = struct('CsInput', {
  req: u32(),
  config: u32(),
  reserved1: u32(),
  ackIrqMask: u32(),
  ringbufBase: address(0),
  /** Bytes; a power of two. */
  ringbufSize: u32(),
  reserved2: u32(),
  heapStart: address(0),
  heapEnd: address(0),
  /** GPU addresses of RingInput and RingOutput, in the MCU's address space. */
  ringbufInput: address(0),
  ringbufOutput: address(0),
  instrConfig: u32(),
  instrbufSize: u32(),
  instrbufBase: address(0),
  instrbufOffsetPtr: address(0),
});

export const CsOutput = struct('CsOutput', {
  ack: u32(),
  reserved1: array(u32(), 15),
  statusCmdPtr: address(0),
  statusWait: u32(),
  statusReqResource: u32(),
  statusWaitSyncPtr: address(0),
  statusWaitSyncValue: u32(),
  statusScoreboards: u32(),
  statusBlockedReason: u32(),
  statusWaitSyncValueHi: u32(),
  reserved2: array(u32(), 6),
  fault: u32(),
  fatal: u32(),
  faultInfo: address(0),
  fatalInfo: address(0),
  reserved3: array(u32(), 10),
  /** Heap context counters at a tiler out-of-memory event. */
  heapVtStart: u32(),
  heapVtEnd: u32(),
  reserved4: u32(),
  heapFragEnd: u32(),
  heapAddress: address(0),
});

export const CsStatusWait = layout('CsStatusWait', 4, {
  sbMask: uint(0, 16),
  sbSource: uint(16, 4),
  syncCondition: uint(24, 4),
  progress: uint(28, 1),
  protm: uint(29, 1),
  sync64: uint(30, 1),
  sync: uint(31, 1),
});
/** CsStatusWait.sbSource. */
export const CS_WAIT_SB_SOURCE = { NONE: 0, WAIT: 8 } as const;
export const CS_WAIT_CONDITION = { LE: 0, GT: 1 } as const;
export const CS_BLOCKED = {
  UNBLOCKED: 0,
  SB_WAIT: 1,
  PROGRESS_WAIT: 2,
  SYNC_WAIT: 3,
  DEFERRED: 4,
  RESOURCE: 5,
  FLUSH: 6,
} as const;
/** CsOutput.fault and .fatal. */
export const CsException = layout('CsException', 4, { type: uint(0, 8), data: uint(8, 24) });

// Group slots.

export const CsgControl = struct('CsgControl', {
  features: u32(),
  inputVa: u32(),
  outputVa: u32(),
  suspendSize: u32(),
  protmSuspendSize: u32(),
  streamNum: u32(),
  streamStride: u32(),
});

export const CSG_REQ = {
  STATE_MASK: 0x7,
  ENDPOINT_CONFIG: 1 << 4,
  STATUS_UPDATE: 1 << 5,
  SYNC_UPDATE: 1 << 28,
  IDLE: 1 << 29,
  DOORBELL: 1 << 30,
  PROGRESS_TIMER_EVENT: 0x80000000,
} as const;
export const CSG_STATE = { TERMINATE: 0, START: 1, SUSPEND: 2, RESUME: 3 } as const;

export const CsgEndpointReq = layout('CsgEndpointReq', 4, {
  compute: uint(0, 8),
  fragment: uint(8, 8),
  tiler: uint(16, 4),
  exclusiveCompute: uint(20, 1),
  exclusiveFragment: uint(21, 1),
  priority: uint(28, 4),
});

export const CsgInput = struct('CsgInput', {
  req: u32(),
  ackIrqMask: u32(),
  /** One bit a stream: toggled to make the firmware look at its block. */
  doorbellReq: u32(),
  csIrqAck: u32(),
  reserved1: array(u32(), 4),
  allowCompute: address(0),
  allowFragment: address(0),
  allowOther: u32(),
  endpointReq: u32(),
  /** Used instead of endpointReq from interface version 4.0.0. */
  endpointReq2: address(0),
  suspendBuf: address(0),
  protmSuspendBuf: address(0),
  /** Address-space slot of the group's VM. */
  config: u32(),
  iterTraceConfig: u32(),
});

export const CsgOutput = struct('CsgOutput', {
  ack: u32(),
  reserved1: u32(),
  doorbellAck: u32(),
  /** One bit a stream: differs from csIrqAck where a stream has an event for the host. */
  csIrqReq: u32(),
  statusEndpointCurrent: u32(),
  statusEndpointReq: u32(),
  statusState: u32(),
  resourceDep: u32(),
});
export const CSG_STATUS_STATE_IS_IDLE = 1;

// The global interface.

export const GlbControl = struct('GlbControl', {
  version: u32(),
  features: u32(),
  inputVa: u32(),
  outputVa: u32(),
  groupNum: u32(),
  groupStride: u32(),
  perfcntSize: u32(),
  instrFeatures: u32(),
});

export const GLB_REQ = {
  HALT: 1 << 0,
  CFG_PROGRESS_TIMER: 1 << 1,
  CFG_ALLOC_EN: 1 << 2,
  CFG_POWEROFF_TIMER: 1 << 3,
  PROTM_ENTER: 1 << 4,
  PERFCNT_EN: 1 << 5,
  PERFCNT_SAMPLE: 1 << 6,
  COUNTER_EN: 1 << 7,
  PING: 1 << 8,
  FWCFG_UPDATE: 1 << 9,
  IDLE_EN: 1 << 10,
  SLEEP: 1 << 12,
  INACTIVE_COMPUTE: 1 << 20,
  INACTIVE_FRAGMENT: 1 << 21,
  INACTIVE_TILER: 1 << 22,
  PROTM_EXIT: 1 << 23,
  PERFCNT_THRESHOLD: 1 << 24,
  PERFCNT_OVERFLOW: 1 << 25,
  IDLE: 1 << 26,
  DBG_CSF: 1 << 30,
  DBG_HOST: 0x80000000,
} as const;

/** Timers count units of 1024 cycles of the GPU counter or the system counter. */
export const GlbTimer = layout('GlbTimer', 4, { value: uint(0, 31), gpuCounter: uint(31, 1) });

export const GlbInput = struct('GlbInput', {
  req: u32(),
  ackIrqMask: u32(),
  /** One bit a group slot: toggled to make the firmware look at its block. */
  doorbellReq: u32(),
  reserved1: u32(),
  progressTimer: u32(),
  poweroffTimer: u32(),
  coreEnMask: address(0),
  reserved2: u32(),
  perfcntAs: u32(),
  perfcntBase: address(0),
  perfcntExtract: u32(),
  reserved3: array(u32(), 3),
  perfcntConfig: u32(),
  perfcntCsgSelect: u32(),
  perfcntFwEnable: u32(),
  perfcntCsgEnable: u32(),
  perfcntCsfEnable: u32(),
  perfcntShaderEnable: u32(),
  perfcntTilerEnable: u32(),
  perfcntMmuL2Enable: u32(),
  reserved4: array(u32(), 8),
  idleTimer: u32(),
});

export const GlbOutput = struct('GlbOutput', {
  ack: u32(),
  reserved1: u32(),
  doorbellAck: u32(),
  reserved2: u32(),
  haltStatus: u32(),
  perfcntStatus: u32(),
  perfcntInsert: u32(),
});
export const FW_HALT = { OK: 0, ON_PANIC: 0x4e, ON_WATCHDOG_EXPIRATION: 0x4f } as const;

/** Header of the text in a build-info section. */
export const FW_GIT_SHA_PREFIX = 'git_sha: ';
