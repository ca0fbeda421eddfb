/**
 * Vm: a client's GPU address space: what it has mapped where, and its queue of binds.
 *
 * The lower part of the range is the client's, the upper part the driver's, for ring buffers, heap chunks and the like.
 * A bind that was queued and failed leaves the VM unusable: nobody could tell any more what is mapped.
 * After Linux `drivers/gpu/drm/panthor/panthor_mmu.c`.
 */
import { BLOCK_SIZE_L2, PAGE_SIZE } from '../abi/gpu/lpae.ts';
import { count } from '../board/census.ts';
import type { Clock } from '../board/clock.ts';
import { type Dram, OutOfMemory } from '../board/dram.ts';
import { DrmError, must } from '../drm/error.ts';
import { Fence } from '../drm/fence.ts';
import type { GemObject } from '../drm/gem.ts';
import { GpuVm, type Operation } from '../drm/gpuvm.ts';
import { SchedulerEntity } from '../drm/scheduler.ts';
import type { Pace } from './async.ts';
import { HeapPool } from './heap.ts';
import { KernelBuffer } from './kernel-buffer.ts';
import { AddressSpace } from './mmu/address-space.ts';
import type { Mmu } from './mmu/index.ts';
import type { MapAttributes } from './mmu/page-table.ts';

/** The driver's part is at least this large. */
const MIN_KERNEL_RANGE = 256 * 1024 * 1024;
/** Mappings of one VM, so that taking them all down stays short. A bind may leave two more than it found. */
const MAX_MAPPINGS = 1 << 17;
/** Addresses beyond 32 bits are shared out by halves; a smaller space is mostly the client's. */
const SMALL_SPACE = 2 ** 32;

/** How a client has mapped a range. */
export interface MapData extends MapAttributes {
  /** The object's first 2 MiB appear again and again. */
  readonly sparse: boolean;
}

/** One bind. */
export type BindOperation =
  | {
      readonly kind: 'map';
      readonly va: number;
      readonly size: number;
      readonly object: GemObject;
      readonly offset: number;
      readonly data: MapData;
    }
  | { readonly kind: 'unmap'; readonly va: number; readonly size: number }
  | { readonly kind: 'sync' };

export interface VmResources {
  readonly mmu: Mmu;
  readonly dram: Dram;
  readonly clock: Clock;
  readonly cacheLine: number;
  /** For clients that have much done at once. */
  readonly pace: Pace;
  /** Resolves when groups that were destroyed before are out of the hardware. */
  readonly settle: () => Promise<void>;
}

/**
 * Where the driver's part starts in a space of `vaBits`: `wanted` bytes are to be the client's, 0 for what the driver
 * thinks best. Throws EINVAL if that leaves too little.
 */
export function splitRange(vaBits: number, wanted: bigint): number {
  const full = 2 ** vaBits;
  const most = full - MIN_KERNEL_RANGE;
  const standard = full > SMALL_SPACE ? full / 2 : most;
  must(wanted <= BigInt(most), 'EINVAL', () => `user range 0x${wanted.toString(16)} leaves the driver too little`);
  const user = wanted === 0n ? standard : Number(wanted);
  let kernel = 1;
  while (kernel * 2 <= full - user) kernel *= 2;
  return full - kernel;
}

export class Vm {
  readonly space: AddressSpace;
  readonly mappings: GpuVm<MapData>;
  /** Binds in the order of the client's calls. */
  readonly binds: SchedulerEntity;
  /** Bytes of the range that are the client's. */
  readonly userRange: number;
  heaps: HeapPool | undefined;
  #heapsComing: Promise<HeapPool> | undefined;
  readonly #hw: VmResources;
  #unusable = false;
  #destroyed = false;
  #references = 1;

  constructor(hw: VmResources, vaBits: number, wantedUserRange: bigint) {
    this.#hw = hw;
    this.userRange = splitRange(vaBits, wantedUserRange);
    const kernel = { start: this.userRange, size: 2 ** vaBits - this.userRange };
    try {
      this.space = new AddressSpace('VM', false, hw.dram, kernel.start, kernel.size);
    } catch (error) {
      throw outOfMemory(error);
    }
    this.mappings = new GpuVm({ start: 0, size: this.userRange });
    this.binds = new SchedulerEntity({
      clock: hw.clock,
      driver: 'panthor',
      timeline: 'panthor-vm-bind',
      creditLimit: 1,
    });
    count(hw.dram, 'vms', 1);
  }

  /** Whose census it is counted in. */
  get board(): object {
    return this.#hw.dram;
  }

  get unusable(): boolean {
    return this.#unusable;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  get(): this {
    this.#references++;
    return this;
  }

  /** Drops a reference; the last one frees the address space. */
  put(): void {
    if (this.#references === 0) throw new Error('vm: one reference too many was dropped');
    if (--this.#references > 0) return;
    void this.#hw.mmu.evict(this.space).then(() => {
      this.space.destroy();
      count(this.#hw.dram, 'vms', -1);
    });
  }

  /** Ends it: everything is unmapped, and nothing can be mapped any more. Groups that still run in it will fault. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.binds.kill();
    await this.#hw.settle();
    await this.#heapsComing?.catch(() => {});
    const { heaps } = this;
    this.heaps = undefined;
    await heaps?.destroy();
    await this.execute({ kind: 'unmap', va: 0, size: this.userRange });
    this.put();
  }

  /** Does a bind now. Throws DrmError; `execute` of one VM take turns. */
  async execute(operation: BindOperation): Promise<void> {
    // Nothing is mapped where a range is empty; a queued bind may have one, as panthor's.
    if (operation.kind === 'sync' || operation.size === 0) return;
    const start = Math.floor(operation.va / BLOCK_SIZE_L2) * BLOCK_SIZE_L2;
    const end = Math.ceil((operation.va + operation.size) / BLOCK_SIZE_L2) * BLOCK_SIZE_L2;
    // What loses its mapping stays until no unit can reach it any more.
    const held: GemObject[] = [];
    try {
      await this.#hw.mmu.update(this.space, start, end - start, () => this.#change(operation, held));
    } catch (error) {
      throw outOfMemory(error);
    } finally {
      for (const object of held) object.put();
    }
  }

  /** Starts a queued bind; the fence tells its end. A failure makes the VM unusable. */
  run(operation: BindOperation): Fence {
    const fence = new Fence(this.#hw.clock, 'panthor', 'panthor-vm-bind');
    const done = this.execute(operation).finally(() => this.rest());
    done.then(
      () => fence.signal(),
      (error: unknown) => {
        if (!(error instanceof DrmError)) throw error;
        this.#declareUnusable();
        fence.signal(error.errno);
      },
    );
    return fence;
  }

  /** Memory of the driver's in this VM. Throws ENOMEM, EINVAL once the VM is destroyed. */
  async allocate(size: number, attributes: MapAttributes, label: string): Promise<KernelBuffer> {
    must(!this.#destroyed, 'EINVAL', 'the VM was destroyed');
    return KernelBuffer.create(this.#hw.mmu, this.#hw.dram, this.space, size, attributes, label);
  }

  /** The tiler heaps, made at the first call. */
  async heapPool(): Promise<HeapPool> {
    must(!this.#destroyed, 'EINVAL', 'the VM was destroyed');
    this.#heapsComing ??= HeapPool.create((size, label) => this.#allocateChunk(size, label), this.#hw.cacheLine);
    try {
      this.heaps = await this.#heapsComing;
    } catch (error) {
      this.#heapsComing = undefined;
      throw error;
    }
    return this.heaps;
  }

  /** To be called between pieces of long work. */
  rest(): Promise<void> {
    return this.#hw.pace.rest();
  }

  /** A heap may ask for hundreds of megabytes at once. */
  async #allocateChunk(size: number, label: string): Promise<KernelBuffer> {
    await this.rest();
    return this.allocate(size, HeapPool.attributes, label);
  }

  #change(operation: Exclude<BindOperation, { kind: 'sync' }>, held: GemObject[]): void {
    const { mappings, space } = this;
    const { va, size } = operation;
    const mapping = operation.kind === 'map' ? operation : undefined;
    if (mapping) {
      must(!this.#unusable && !this.#destroyed, 'EINVAL', 'the VM is unusable');
      must(mappings.count < MAX_MAPPINGS, 'ENOMEM', () => `the VM has ${MAX_MAPPINGS} mappings, the most`);
    }
    const plan = mapping ? mappings.planMap(mapping) : mappings.planUnmap(va, size);
    for (const step of plan) {
      if (step.mapping.object) held.push(step.mapping.object.get());
    }
    const cuts = plan.filter((step) => step.kind !== 'map');
    try {
      for (const step of cuts) {
        const range = step.kind === 'remap' ? step.hole : step.mapping;
        space.table.unmap(range.va, range.size);
      }
    } catch (error) {
      // A block could not be split: what is mapped is not what the plan says.
      this.#declareUnusable();
      throw error;
    }
    if (mapping) {
      try {
        this.#fill(mapping);
      } catch (error) {
        mappings.commit(cuts as Operation<MapData>[]);
        throw error;
      }
    }
    mappings.commit(plan);
  }

  #fill(mapping: Extract<BindOperation, { kind: 'map' }>): void {
    const { object, data, va, size } = mapping;
    const { table } = this.space;
    if (!data.sparse) {
      table.map(va, object.run.physical + mapping.offset, size, data);
      return;
    }
    const memory = Math.ceil(object.run.physical / BLOCK_SIZE_L2) * BLOCK_SIZE_L2;
    table.mapRepeated(va, memory, size, data);
  }

  #declareUnusable(): void {
    if (this.#unusable) return;
    this.#unusable = true;
    void this.#hw.mmu.shutOff(this.space);
  }
}

/** Bytes of the object behind sparse mappings: 2 MiB that start at a multiple of 2 MiB lie in it wherever it is. */
export const SPARSE_SIZE = 2 * BLOCK_SIZE_L2 - PAGE_SIZE;

const outOfMemory = (error: unknown): unknown =>
  error instanceof OutOfMemory ? new DrmError('ENOMEM', error.message) : error;
