/**
 * AddressSpace: what the GPU or its microcontroller sees of memory: page tables, and the part of the virtual range from
 * which the driver takes addresses for its own buffers.
 */
import type { Dram, PageRun } from '../../board/dram.ts';
import { NO_SEAT, type Seat } from '../slot.ts';
import { PageTable } from './page-table.ts';
import { VaAllocator } from './va-allocator.ts';

/** A buffer of the driver's own, as those see it who look on. */
interface DriverBuffer {
  readonly va: number;
  readonly run: PageRun;
  readonly label: string;
}

export class AddressSpace {
  readonly name: string;
  /** It is the microcontroller's. */
  readonly mcu: boolean;
  readonly table: PageTable;
  readonly kernel: VaAllocator;
  /** The driver's buffers that are mapped here. */
  readonly buffers = new Set<DriverBuffer>();
  /** Where it sits among the hardware's address-space slots. */
  seat: Seat = NO_SEAT;
  /** Groups that run in it now (the firmware for its own). */
  users = 0;
  /** A page fault has switched it off; activating it again clears this. */
  faulted = false;
  #destroyed = false;

  /** Driver buffers get addresses from [kernelStart, kernelStart + kernelSize). */
  constructor(name: string, mcu: boolean, dram: Dram, kernelStart: number, kernelSize: number) {
    this.name = name;
    this.mcu = mcu;
    this.table = new PageTable(dram);
    this.kernel = new VaAllocator(kernelStart, kernelSize);
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Frees the tables. It must not sit in a slot any more. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.table.destroy();
  }
}
