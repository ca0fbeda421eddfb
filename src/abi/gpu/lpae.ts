/**
 * Arm LPAE page tables with a 4 KiB granule, stage 1, as the GPU's MMU walks them.
 *
 * A 48-bit virtual address goes through four levels of 512 entries of 8 bytes: bits 47-39, 38-30, 29-21, 20-12.
 * Source: Arm Architecture Reference Manual, VMSAv8-64; Linux `drivers/iommu/io-pgtable-arm.c` (ARM_64_LPAE_S1 with
 * the Mali attribute indices of `panthor_mmu.c`).
 */
import { bool, layout, shifted, uint } from '../layout.ts';

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const BLOCK_SIZE_L2 = 2 * 1024 * 1024;
export const BLOCK_SIZE_L1 = 1024 * 1024 * 1024;
export const LEVELS = 4;
export const ENTRIES = 512;

/** First virtual-address bit that level 0…3 resolves. */
export const levelShift = (level: number): number => 39 - 9 * level;

/** What levels 0 and 1 resolve, and what is left for levels 2 and 3: a 32-bit integer each. */
const HALF = 2 ** 30;

/** Index of the entry for `va` at `level`. In two halves, because integer arithmetic is many times faster than `%`. */
export function tableIndex(va: number, level: number): number {
  const high = Math.floor(va / HALF);
  return (level < 2 ? high >>> (9 - 9 * level) : (va - high * HALF) >>> (39 - 9 * level)) & (ENTRIES - 1);
}

/** `type` of an entry: a table or, at level 3, a page; a block is legal at levels 1 and 2. */
export const PTE_TYPE = { INVALID: 0, BLOCK: 1, TABLE: 3, PAGE: 3 } as const;

/** AP field: who may access and whether writes are allowed. The GPU is an unprivileged agent. */
export const PTE_AP = { UNPRIVILEGED_RW: 1, UNPRIVILEGED_RO: 3 } as const;
export const PTE_SH = { NON_SHAREABLE: 0, OUTER: 2, INNER: 3 } as const;

/** Attribute indices that Linux programs into AS_MEMATTR: normal non-cacheable, cached write-back, device. */
export const PTE_ATTR = { NON_CACHED: 0, CACHED: 1, DEVICE: 2 } as const;

/** One 64-bit entry. `address` is the physical address of the next table, block or page. */
export const Pte = layout('Pte', 8, {
  type: uint(0, 2),
  attrIndex: uint(2, 3),
  ns: bool(5),
  ap: uint(6, 2),
  sh: uint(8, 2),
  accessFlag: bool(10),
  notGlobal: bool(11),
  address: shifted(12, 36, 12),
  privilegedExecuteNever: bool(53),
  executeNever: bool(54),
  /** In tables: what holds for all that they lead to. */
  tableExecuteNever: bool(60),
  tableReadOnly: bool(62),
});
