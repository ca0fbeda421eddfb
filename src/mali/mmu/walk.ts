/**
 * The page-table walk: from a virtual address through the tables in DRAM to a page, or to the fault that stops it.
 *
 * Four levels of 4 KiB tables; blocks at levels 1 and 2. A fault names the level at which the walk ended.
 * Source: Arm Architecture Reference Manual, VMSAv8-64; exception codes of Linux `panthor_device.h`.
 */
import { LEVELS, levelShift, PTE_AP, PTE_TYPE, Pte, tableIndex } from '../../abi/gpu/lpae.ts';
import { AS, AS_INA_BITS_BASE, AS_MODE, EXCEPTION, MEMATTR } from '../../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../../board/dram.ts';

/** What AS_TRANSTAB, AS_TRANSCFG and AS_MEMATTR say, taken over by the UPDATE command. */
export interface Translation {
  readonly mode: number;
  /** Physical address of the level 0 table. */
  readonly table: number;
  /** Virtual addresses lie below 2^inputBits. */
  readonly inputBits: number;
  readonly accessFlagFaults: boolean;
  /** Executable pages may not be writable. */
  readonly writeExecuteNever: boolean;
  /** One byte an attribute index. */
  readonly attributes: readonly number[];
}

export const UNMAPPED: Translation = {
  mode: AS_MODE.UNMAPPED,
  table: 0,
  inputBits: 0,
  accessFlagFaults: true,
  writeExecuteNever: false,
  attributes: [],
};

/** A mapped page: its physical address and what may be done to it; or, with a code, the fault. */
export interface WalkResult {
  code: number;
  physical: number;
  readable: boolean;
  writable: boolean;
  executable: boolean;
  /** Level of the last entry read, for faults that the access itself causes. */
  level: number;
  /** Physical address of that entry; -1 where there are no tables. */
  entry: number;
}

export function translationOf(transtab: number, transcfg: number, memattr: readonly number[]): Translation {
  const cfg = AS.TRANSCFG.decode(transcfg);
  return {
    mode: cfg.mode,
    table: transtab - (transtab % 4096),
    inputBits: AS_INA_BITS_BASE - cfg.inaBits,
    accessFlagFaults: cfg.disableAfFault === 0,
    writeExecuteNever: cfg.wxn === 1,
    attributes: memattr,
  };
}

/** Walks for `va` and fills `out`. Physical addresses are below 2^outputBits. */
export function walk(dram: PhysicalMemory, at: Translation, va: number, outputBits: number, out: WalkResult): void {
  out.code = EXCEPTION.OK;
  out.level = 0;
  out.entry = -1;
  if (at.mode === AS_MODE.IDENTITY) {
    out.physical = va - (va % 4096);
    out.readable = out.writable = out.executable = true;
    if (dram.room(out.physical) < 4096) out.code = EXCEPTION.GPU_BUS_FAULT;
    return;
  }
  if (at.mode !== AS_MODE.AARCH64_4K) {
    out.code = EXCEPTION.TRANSLATION_FAULT_0;
    return;
  }
  if (!(va >= 0 && va < 2 ** at.inputBits)) {
    out.code = EXCEPTION.ADDR_SIZE_FAULT_IN;
    return;
  }
  let table = at.table;
  let readOnly = false;
  let executeNever = false;
  for (let level = 0; level < LEVELS; level++) {
    out.level = level;
    const entry = table + tableIndex(va, level) * Pte.size;
    if (dram.room(entry) < Pte.size) {
      out.code = EXCEPTION.GPU_BUS_FAULT;
      return;
    }
    out.entry = entry;
    const { view } = dram;
    const fields = Pte.fields;
    const type = fields.type.read(view, entry);
    const leaf = level === LEVELS - 1 ? type === PTE_TYPE.PAGE : type === PTE_TYPE.BLOCK;
    const isTable = level < LEVELS - 1 && type === PTE_TYPE.TABLE;
    if ((!leaf && !isTable) || (leaf && level === 0)) {
      out.code = EXCEPTION.TRANSLATION_FAULT_0 + level;
      return;
    }
    const address = fields.address.read(view, entry);
    if (address >= 2 ** outputBits) {
      out.code = EXCEPTION.ADDR_SIZE_FAULT_OUT0 + level;
      return;
    }
    if (isTable) {
      readOnly ||= fields.tableReadOnly.read(view, entry);
      executeNever ||= fields.tableExecuteNever.read(view, entry);
      table = address;
      continue;
    }
    if (at.accessFlagFaults && !fields.accessFlag.read(view, entry)) {
      out.code = EXCEPTION.ACCESS_FLAG_0 + level;
      return;
    }
    if ((at.attributes[fields.attrIndex.read(view, entry)]! & MEMATTR.FAULT) === MEMATTR.FAULT) {
      out.code = EXCEPTION.MEM_ATTR_FAULT_0 + level;
      return;
    }
    const ap = fields.ap.read(view, entry);
    const size = 2 ** levelShift(level);
    out.physical = address - (address % size) + ((va % size) - (va % 4096));
    out.readable = ap === PTE_AP.UNPRIVILEGED_RW || ap === PTE_AP.UNPRIVILEGED_RO;
    out.writable = ap === PTE_AP.UNPRIVILEGED_RW && !readOnly;
    out.executable =
      out.readable &&
      !executeNever &&
      !fields.executeNever.read(view, entry) &&
      !(at.writeExecuteNever && out.writable);
    if (dram.room(out.physical) < 4096) out.code = EXCEPTION.GPU_BUS_FAULT;
    return;
  }
}
