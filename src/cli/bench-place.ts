/** Memory for benches in process: a small DRAM behind the GPU's own page tables. */
import { LEVELS, PAGE_SIZE, PTE_AP, PTE_TYPE, Pte, tableIndex } from '../abi/gpu/lpae.ts';
import { AS_MODE } from '../abi/gpu/regs.ts';
import { Dram } from '../board/dram.ts';
import { GpuMemory } from '../mali/mmu/memory.ts';

/** Bytes of page tables: those of 1 GiB. */
const TABLES = 2 ** 22;
/** DRAM hands out whole pages, and never its first. */
const SPARE = 2 ** 16;

export interface Place {
  readonly dram: Dram;
  readonly memory: GpuMemory;
  readonly at: number;
}

/** Where `room` bytes, a multiple of 64 KiB, can be read, written and executed at addresses that mean themselves. */
export function place(room: number): Place {
  const dram = new Dram(room + TABLES + SPARE);
  const tables = dram.alloc(TABLES).physical;
  const { physical: at, size } = dram.alloc(room);
  const { view } = dram;
  let next = tables + PAGE_SIZE;
  for (let va = at; va < at + size; va += PAGE_SIZE) {
    let table = tables;
    for (let level = 0; level < LEVELS - 1; level++) {
      const entry = table + tableIndex(va, level) * Pte.size;
      if (Pte.fields.type.read(view, entry) !== PTE_TYPE.TABLE) {
        Pte.write(view, entry, { type: PTE_TYPE.TABLE, address: next });
        next += PAGE_SIZE;
      }
      table = Pte.fields.address.read(view, entry);
    }
    Pte.write(view, table + tableIndex(va, LEVELS - 1) * Pte.size, {
      type: PTE_TYPE.PAGE,
      address: va,
      accessFlag: true,
      ap: PTE_AP.UNPRIVILEGED_RW,
      executeNever: false,
    });
  }
  const memory = new GpuMemory(dram, 40);
  const translation = {
    mode: AS_MODE.AARCH64_4K,
    table: tables,
    inputBits: 48,
    accessFlagFaults: true,
    writeExecuteNever: false,
    attributes: [0],
  };
  memory.attach({ slot: 0, translation, fault: () => {} });
  return { dram, memory, at };
}
