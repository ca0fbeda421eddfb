/**
 * The register map of a Mali CSF GPU of architecture 10 (2 MiB at 0xfb000000 on RK3588).
 *
 * Blocks: GPU_CONTROL at 0, MCU_CONTROL at 0x700, JOB_CONTROL at 0x1000, MMU_CONTROL at 0x2000, the address spaces at
 * 0x2400, the user page (LATEST_FLUSH_ID) at 0x10000, and one doorbell page every 64 KiB from 0x80000.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_{gpu,mmu,fw}_regs.h`, `drivers/gpu/drm/tyr/regs.rs`.
 */
import { reg32, reg64 } from '../register.ts';

/** Size of the whole register window in bytes. */
export const REGISTER_WINDOW = 0x200000;

/** Identity, features, commands and power of the GPU. */
export const GPU = {
  GPU_ID: reg32('GPU_ID', 0x0, {
    verStatus: [0, 4],
    verMinor: [4, 8],
    verMajor: [12, 4],
    productMajor: [16, 4],
    archRev: [20, 4],
    archMinor: [24, 4],
    archMajor: [28, 4],
  }),
  /** Line and cache size are binary logarithms of bytes. */
  L2_FEATURES: reg32('L2_FEATURES', 0x4, {
    lineSize: [0, 8],
    associativity: [8, 8],
    cacheSize: [16, 8],
    busWidth: [24, 8],
  }),
  CORE_FEATURES: reg32('CORE_FEATURES', 0x8, { coreVariant: [0, 8] }),
  TILER_FEATURES: reg32('TILER_FEATURES', 0xc, { binSize: [0, 6], maxActiveLevels: [8, 4] }),
  MEM_FEATURES: reg32('MEM_FEATURES', 0x10, {
    coherentCoreGroup: [0, 1],
    coherentSuperGroup: [1, 1],
    l2Slices: [8, 4],
  }),
  MMU_FEATURES: reg32('MMU_FEATURES', 0x14, { vaBits: [0, 8], paBits: [8, 8] }),
  AS_PRESENT: reg32('AS_PRESENT', 0x18),
  CSF_ID: reg32('CSF_ID', 0x1c, {
    mcuRev: [0, 4],
    mcuMinor: [4, 6],
    mcuMajor: [10, 6],
    csHwRev: [16, 4],
    csHwMinor: [20, 6],
    csHwMajor: [26, 6],
  }),
  IRQ_RAWSTAT: reg32('GPU_IRQ_RAWSTAT', 0x20),
  IRQ_CLEAR: reg32('GPU_IRQ_CLEAR', 0x24),
  IRQ_MASK: reg32('GPU_IRQ_MASK', 0x28),
  IRQ_STATUS: reg32('GPU_IRQ_STATUS', 0x2c),
  COMMAND: reg32('GPU_COMMAND', 0x30, { type: [0, 8], payload: [8, 24] }),
  STATUS: reg32('GPU_STATUS', 0x34, {
    active: [0, 1],
    pwrActive: [1, 1],
    pageFault: [4, 1],
    protmActive: [7, 1],
    dbgEnabled: [8, 1],
  }),
  FAULT_STATUS: reg32('GPU_FAULTSTATUS', 0x3c, { exceptionType: [0, 8], accessType: [8, 2], sourceId: [16, 16] }),
  FAULT_ADDRESS: reg64('GPU_FAULTADDRESS', 0x40),
  L2_CONFIG: reg32('L2_CONFIG', 0x48, { cacheSize: [16, 8], asnHashEnable: [24, 1] }),
  PWR_KEY: reg32('PWR_KEY', 0x50),
  PWR_OVERRIDE0: reg32('PWR_OVERRIDE0', 0x54),
  PWR_OVERRIDE1: reg32('PWR_OVERRIDE1', 0x58),
  FEATURES: reg64('GPU_FEATURES', 0x60, { rayIntersection: [2, 1], rayTraversal: [5, 1] }),
  TIMESTAMP_OFFSET: reg64('TIMESTAMP_OFFSET', 0x88),
  CYCLE_COUNT: reg64('CYCLE_COUNT', 0x90),
  TIMESTAMP: reg64('TIMESTAMP', 0x98),
  THREAD_MAX_THREADS: reg32('THREAD_MAX_THREADS', 0xa0),
  THREAD_MAX_WORKGROUP_SIZE: reg32('THREAD_MAX_WORKGROUP_SIZE', 0xa4),
  THREAD_MAX_BARRIER_SIZE: reg32('THREAD_MAX_BARRIER_SIZE', 0xa8),
  THREAD_FEATURES: reg32('THREAD_FEATURES', 0xac, {
    maxRegisters: [0, 22],
    implementationTechnology: [22, 2],
    maxTaskQueue: [24, 8],
  }),
  TEXTURE_FEATURES_0: reg32('TEXTURE_FEATURES_0', 0xb0),
  TEXTURE_FEATURES_1: reg32('TEXTURE_FEATURES_1', 0xb4),
  TEXTURE_FEATURES_2: reg32('TEXTURE_FEATURES_2', 0xb8),
  TEXTURE_FEATURES_3: reg32('TEXTURE_FEATURES_3', 0xbc),
  SHADER_PRESENT: reg64('SHADER_PRESENT', 0x100),
  TILER_PRESENT: reg64('TILER_PRESENT', 0x110),
  L2_PRESENT: reg64('L2_PRESENT', 0x120),
  SHADER_READY: reg64('SHADER_READY', 0x140),
  TILER_READY: reg64('TILER_READY', 0x150),
  L2_READY: reg64('L2_READY', 0x160),
  SHADER_PWRON: reg64('SHADER_PWRON', 0x180),
  TILER_PWRON: reg64('TILER_PWRON', 0x190),
  L2_PWRON: reg64('L2_PWRON', 0x1a0),
  SHADER_PWROFF: reg64('SHADER_PWROFF', 0x1c0),
  TILER_PWROFF: reg64('TILER_PWROFF', 0x1d0),
  L2_PWROFF: reg64('L2_PWROFF', 0x1e0),
  SHADER_PWRTRANS: reg64('SHADER_PWRTRANS', 0x200),
  TILER_PWRTRANS: reg64('TILER_PWRTRANS', 0x210),
  L2_PWRTRANS: reg64('L2_PWRTRANS', 0x220),
  SHADER_PWRACTIVE: reg64('SHADER_PWRACTIVE', 0x240),
  TILER_PWRACTIVE: reg64('TILER_PWRACTIVE', 0x250),
  L2_PWRACTIVE: reg64('L2_PWRACTIVE', 0x260),
  REVIDR: reg32('REVIDR', 0x280),
  ASN_HASH_0: reg32('ASN_HASH_0', 0x2c0),
  ASN_HASH_1: reg32('ASN_HASH_1', 0x2c4),
  ASN_HASH_2: reg32('ASN_HASH_2', 0x2c8),
  COHERENCY_FEATURES: reg32('COHERENCY_FEATURES', 0x300, { aceLite: [0, 1], ace: [1, 1] }),
  COHERENCY_ENABLE: reg32('COHERENCY_ENABLE', 0x304),
} as const;

/** Bits of GPU_IRQ_RAWSTAT, _CLEAR, _MASK and _STATUS. */
export const GPU_IRQ = {
  FAULT: 1 << 0,
  PROTM_FAULT: 1 << 1,
  RESET_COMPLETED: 1 << 8,
  POWER_CHANGED_SINGLE: 1 << 9,
  POWER_CHANGED_ALL: 1 << 10,
  CLEAN_CACHES_COMPLETED: 1 << 17,
  DOORBELL_MIRROR: 1 << 18,
  MCU_STATUS_CHANGED: 1 << 19,
} as const;

/** GPU_COMMAND types, and the payloads of RESET. FLUSH_CACHES takes clean = 1, invalidate = 2 per cache at 0, 4 and 8. */
export const GPU_COMMAND = {
  NOP: 0,
  RESET: 1,
  TIMER: 2,
  FLUSH_CACHES: 4,
} as const;
export const GPU_RESET = { SOFT: 1, HARD: 2 } as const;
export const CACHE = { CLEAN: 1, INVALIDATE: 2 } as const;
export const CACHE_SHIFT = { L2: 0, LSC: 4, OTHER: 8 } as const;

/** COHERENCY_ENABLE protocols. */
export const COHERENCY = { ACE_LITE: 0, ACE: 1, NONE: 31 } as const;

/** The microcontroller that runs the command-stream firmware. Offsets are from the start of the register window. */
export const MCU = {
  CONTROL: reg32('MCU_CONTROL', 0x700),
  STATUS: reg32('MCU_STATUS', 0x704),
} as const;
export const MCU_CONTROL = { DISABLE: 0, ENABLE: 1, AUTO: 2 } as const;
export const MCU_STATUS = { DISABLED: 0, ENABLED: 1, HALT: 2, FATAL: 3 } as const;

/** Interrupts of the firmware interface: bit n is CSG slot n, bit 31 the global interface. */
export const JOB = {
  IRQ_RAWSTAT: reg32('JOB_IRQ_RAWSTAT', 0x1000),
  IRQ_CLEAR: reg32('JOB_IRQ_CLEAR', 0x1004),
  IRQ_MASK: reg32('JOB_IRQ_MASK', 0x1008),
  IRQ_STATUS: reg32('JOB_IRQ_STATUS', 0x100c),
} as const;
export const JOB_IRQ_GLOBAL = 0x80000000;

/** MMU interrupts: bit n is a page fault in address space n, bit 16 + n a completed AS command. */
export const MMU = {
  IRQ_RAWSTAT: reg32('MMU_IRQ_RAWSTAT', 0x2000),
  IRQ_CLEAR: reg32('MMU_IRQ_CLEAR', 0x2004),
  IRQ_MASK: reg32('MMU_IRQ_MASK', 0x2008),
  IRQ_STATUS: reg32('MMU_IRQ_STATUS', 0x200c),
} as const;

/** The page faults among the MMU interrupts. */
export const AS_FAULT_MASK = 0xffff;

/** First of the MMU interrupt bits that announce a completed AS command. */
export const MMU_IRQ_COMPLETE_SHIFT = 16;

/** First byte of address space 0's registers, and the distance to the next. */
export const AS_BASE = 0x2400;
export const AS_STRIDE = 0x40;
export const MAX_AS = 16;

/** Registers of one address space; offsets are from its own start (AS_BASE + n * AS_STRIDE). */
export const AS = {
  TRANSTAB: reg64('AS_TRANSTAB', 0x0),
  MEMATTR: reg64('AS_MEMATTR', 0x8),
  /** Region base (aligned to its size) with log2(size) - 1 in the low six bits; the smallest region is 32 KiB. */
  LOCKADDR: reg64('AS_LOCKADDR', 0x10, { sizeLog2MinusOne: [0, 6] }),
  COMMAND: reg32('AS_COMMAND', 0x18),
  FAULTSTATUS: reg32('AS_FAULTSTATUS', 0x1c, { exceptionType: [0, 8], accessType: [8, 2], sourceId: [16, 16] }),
  FAULTADDRESS: reg64('AS_FAULTADDRESS', 0x20),
  STATUS: reg32('AS_STATUS', 0x28, { active: [0, 1] }),
  TRANSCFG: reg64('AS_TRANSCFG', 0x30, {
    mode: [0, 4],
    inaBits: [6, 5],
    outaBits: [14, 5],
    slConcat: [22, 1],
    ptwMemattr: [24, 2],
    ptwShareability: [28, 2],
    ptwReadAllocate: [30, 1],
    disableHierarchicalAp: [33, 1],
    disableAfFault: [34, 1],
    wxn: [35, 1],
    xReadable: [36, 1],
  }),
  FAULTEXTRA: reg64('AS_FAULTEXTRA', 0x38),
} as const;
export const AS_COMMAND = { NOP: 0, UPDATE: 1, LOCK: 2, UNLOCK: 3, FLUSH_PT: 4, FLUSH_MEM: 5 } as const;
export const AS_LOCK_MIN_LOG2 = 15;
/** AS_TRANSCFG.mode. INA_BITS holds 55 - VA bits; OUTA_BITS is unused by Linux for 4 KiB tables. */
export const AS_MODE = { UNMAPPED: 1, IDENTITY: 2, AARCH64_4K: 6, AARCH64_64K: 8 } as const;
export const AS_INA_BITS_BASE = 55;
export const AS_PTW_MEMATTR = { NON_CACHEABLE: 1, WRITE_BACK: 2 } as const;
export const AS_ACCESS = { ATOMIC: 0, EXECUTE: 1, READ: 2, WRITE: 3 } as const;

/**
 * One byte of AS_MEMATTR for each of the eight attribute indices of a page-table entry: bits 0-3 inner allocation,
 * 4-5 coherency, 6-7 type.
 */
export const MEMATTR = {
  INNER_ALLOC_IMPL: 2 << 2,
  INNER_ALLOC_EXPLICIT: 3 << 2,
  INNER_ALLOC_WRITE: (3 << 2) | 1,
  INNER_ALLOC_READ: (3 << 2) | 2,
  MIDGARD_INNER: 0 << 4,
  CPU_INNER: 1 << 4,
  CPU_INNER_SHADER_COHERENT: 2 << 4,
  SHARED: 0 << 6,
  NON_CACHEABLE: 1 << 6,
  WRITE_BACK: 2 << 6,
  FAULT: 3 << 6,
} as const;

/** The page that user space may map read-only: the id of the last cache flush. */
export const LATEST_FLUSH_ID = reg32('LATEST_FLUSH_ID', 0x10000);

/** Doorbell pages: any write to the first word rings it. Doorbell 0 is the global interface's. */
export const DOORBELL_BASE = 0x80000;
export const DOORBELL_STRIDE = 0x10000;
export const doorbell = (id: number): number => DOORBELL_BASE + id * DOORBELL_STRIDE;

/** Exception codes of FAULTSTATUS, CS_FAULT and CS_FATAL. Source: `panthor_device.h`. */
export const EXCEPTION = {
  OK: 0x00,
  TERMINATED: 0x04,
  KABOOM: 0x05,
  EUREKA: 0x06,
  ACTIVE: 0x08,
  CS_RES_TERM: 0x0f,
  CS_CONFIG_FAULT: 0x40,
  CS_UNRECOVERABLE: 0x41,
  CS_ENDPOINT_FAULT: 0x44,
  CS_BUS_FAULT: 0x48,
  CS_INSTR_INVALID: 0x49,
  CS_CALL_STACK_OVERFLOW: 0x4a,
  CS_INHERIT_FAULT: 0x4b,
  INSTR_INVALID_PC: 0x50,
  INSTR_INVALID_ENC: 0x51,
  INSTR_BARRIER_FAULT: 0x55,
  DATA_INVALID_FAULT: 0x58,
  TILE_RANGE_FAULT: 0x59,
  ADDR_RANGE_FAULT: 0x5a,
  IMPRECISE_FAULT: 0x5b,
  OOM: 0x60,
  CSF_FW_INTERNAL_ERROR: 0x68,
  CSF_RES_EVICTION_TIMEOUT: 0x69,
  GPU_BUS_FAULT: 0x80,
  GPU_SHAREABILITY_FAULT: 0x88,
  SYS_SHAREABILITY_FAULT: 0x89,
  GPU_CACHEABILITY_FAULT: 0x8a,
  TRANSLATION_FAULT_0: 0xc0,
  TRANSLATION_FAULT_1: 0xc1,
  TRANSLATION_FAULT_2: 0xc2,
  TRANSLATION_FAULT_3: 0xc3,
  TRANSLATION_FAULT_4: 0xc4,
  PERM_FAULT_0: 0xc8,
  PERM_FAULT_1: 0xc9,
  PERM_FAULT_2: 0xca,
  PERM_FAULT_3: 0xcb,
  ACCESS_FLAG_0: 0xd8,
  ACCESS_FLAG_1: 0xd9,
  ACCESS_FLAG_2: 0xda,
  ACCESS_FLAG_3: 0xdb,
  ADDR_SIZE_FAULT_IN: 0xe0,
  ADDR_SIZE_FAULT_OUT0: 0xe4,
  ADDR_SIZE_FAULT_OUT1: 0xe5,
  ADDR_SIZE_FAULT_OUT2: 0xe6,
  ADDR_SIZE_FAULT_OUT3: 0xe7,
  MEM_ATTR_FAULT_0: 0xe8,
  MEM_ATTR_FAULT_1: 0xe9,
  MEM_ATTR_FAULT_2: 0xea,
  MEM_ATTR_FAULT_3: 0xeb,
} as const;

/** The datasheet's name of an exception code. */
export const exceptionName = (code: number): string =>
  Object.entries(EXCEPTION).find(([, value]) => value === code)?.[0] ?? `UNKNOWN_0x${code.toString(16)}`;
