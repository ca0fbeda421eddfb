/** Memory for benches in process: a small DRAM behind the GPU's own page tables. */
import { PAGE_SIZE, PTE_AP, PTE_TYPE } from '../abi/gpu/lpae.ts';
import { AS_MODE } from '../abi/gpu/regs.ts';
import { Dram } from '../board/dram.ts';
import { GpuMemory } from '../mali/mmu/memory.ts';
import { Tables } from '../testing/mali/tables.ts';

/** Bytes for page tables, and for what else DRAM has to have: tables of 1 GiB. */
const TABLES = 2 ** 22;

export interface Place {
  readonly dram: Dram;
  readonly memory: GpuMemory;
  readonly at: number;
}

/** Where `room` bytes, a multiple of 64 KiB, can be read, written and executed at addresses that mean themselves. */
export function place(room: number): Place {
  const dram = new Dram(room + TABLES);
  const tables = new Tables(dram);
  const { physical: at, size } = dram.alloc(room);
  for (let va = at; va < at + size; va += PAGE_SIZE) {
    tables.set(va, { type: PTE_TYPE.PAGE, address: va, accessFlag: true, ap: PTE_AP.UNPRIVILEGED_RW });
  }
  const memory = new GpuMemory(dram, 40);
  const translation = {
    mode: AS_MODE.AARCH64_4K,
    table: tables.root,
    inputBits: 48,
    accessFlagFaults: true,
    writeExecuteNever: false,
    attributes: [0],
  };
  memory.attach({ slot: 0, translation, fault: () => {} });
  return { dram, memory, at };
}
