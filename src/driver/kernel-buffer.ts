/**
 * KernelBuffer: memory of the driver's own that the GPU or its microcontroller sees: firmware sections, ring buffers,
 * suspend buffers, heap chunks. Never mapped by a client. After Linux `panthor_gem.c` (panthor_kernel_bo).
 */
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import type { Dram, PageRun } from '../board/dram.ts';
import { OutOfMemory } from '../board/dram.ts';
import { DrmError } from '../drm/error.ts';
import type { AddressSpace } from './mmu/address-space.ts';
import type { Mmu } from './mmu/index.ts';
import type { MapAttributes } from './mmu/page-table.ts';

/** Data that the GPU reads and writes through its caches. */
export const CACHED: MapAttributes = { readOnly: false, noExecute: true, cached: true };
/** Data that CPU and GPU exchange all the time. */
export const UNCACHED: MapAttributes = { readOnly: false, noExecute: true, cached: false };

export class KernelBuffer {
  readonly space: AddressSpace;
  readonly va: number;
  readonly run: PageRun;
  /** The bytes, for the CPU. */
  readonly view: DataView;
  readonly #dram: Dram;
  readonly #mmu: Mmu;
  readonly #managed: boolean;
  /** What it is for: for people. */
  readonly label: string;
  #destroyed = false;

  private constructor(
    mmu: Mmu,
    dram: Dram,
    space: AddressSpace,
    run: PageRun,
    va: number,
    managed: boolean,
    label: string,
  ) {
    this.#mmu = mmu;
    this.#dram = dram;
    this.space = space;
    this.run = run;
    this.va = va;
    this.view = new DataView(dram.buffer, run.physical, run.size);
    this.#managed = managed;
    this.label = label;
    space.buffers.add(this);
  }

  /**
   * Allocates `size` bytes, zeroed, and maps them in `space`: at `va`, or where the driver's range has room. Throws
   * DrmError ENOMEM.
   */
  static async create(
    mmu: Mmu,
    dram: Dram,
    space: AddressSpace,
    size: number,
    attributes: MapAttributes,
    label: string,
    va?: number,
  ): Promise<KernelBuffer> {
    const bytes = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
    const run = allocate(dram, bytes);
    let at = va;
    try {
      at ??= space.kernel.alloc(bytes);
      const start = at;
      await mmu.update(space, start, bytes, () => space.table.map(start, run.physical, bytes, attributes));
      return new KernelBuffer(mmu, dram, space, run, start, va === undefined, label);
    } catch (error) {
      if (at !== undefined && va === undefined) space.kernel.free(at, bytes);
      dram.free(run);
      throw error instanceof OutOfMemory ? new DrmError('ENOMEM', error.message) : error;
    }
  }

  get size(): number {
    return this.run.size;
  }

  /** Unmaps it, and frees it once the GPU can no longer reach it. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    const { space } = this;
    space.buffers.delete(this);
    await this.#mmu.update(space, this.va, this.size, () => {
      // The firmware's goes with the device, whoever still has buffers there.
      if (space.destroyed) return;
      space.table.unmap(this.va, this.size);
      if (this.#managed) space.kernel.free(this.va, this.size);
    });
    this.#dram.free(this.run);
  }
}

/** DRAM pages for a client's sake: running out of them is the client's error. */
export function allocate(dram: Dram, size: number): PageRun {
  try {
    return dram.alloc(size);
  } catch (error) {
    throw error instanceof OutOfMemory ? new DrmError('ENOMEM', error.message) : error;
  }
}
