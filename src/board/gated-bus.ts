/**
 * GatedBus: a device's registers behind its power domain. While the domain is off an access reaches nothing: on silicon the bus answers
 * with an error that ends the system. Here it is told and counted, reads give all ones, and writes are lost.
 */
import type { PageRun } from './dram.ts';
import type { Log } from './log.ts';
import type { Mmio } from './mmio.ts';

const ALL_ONES = 0xffffffff;
/** Errors that are told; all are counted. */
const MOST_TOLD = 16;

export class GatedBus implements Mmio {
  readonly #device: Mmio;
  readonly #log: Log;
  readonly #name: string;
  /** Whether the device has power. */
  open = false;
  /** Accesses so far, and those of them that met no device. */
  accesses = 0;
  errors = 0;

  constructor(device: Mmio, name: string, log: Log) {
    this.#device = device;
    this.#name = name;
    this.#log = log;
  }

  read32(offset: number): number {
    this.accesses++;
    return this.open ? this.#device.read32(offset) : this.#error('read', offset);
  }

  write32(offset: number, value: number): void {
    this.accesses++;
    if (this.open) this.#device.write32(offset, value);
    else this.#error('write', offset);
  }

  /** The page is memory, which needs no power. */
  userPage(offset: number): PageRun | undefined {
    return this.#device.userPage?.(offset);
  }

  #error(access: string, offset: number): number {
    if (this.errors++ < MOST_TOLD)
      this.#log('error', 'bus', `${this.#name}: ${access} of register 0x${offset.toString(16)} without power`);
    return ALL_ONES;
  }
}
