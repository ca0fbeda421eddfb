/** TyrFile: what the driver keeps for each open file: its VMs, its groups, and the memory behind its sparse mappings. */
import { MAX_GROUPS_PER_FILE, MAX_VMS_PER_FILE, PANTHOR_USER_MMIO_OFFSET_64BIT } from '../abi/panthor.ts';
import { must } from '../drm/error.ts';
import type { DrmFile } from '../drm/file.ts';
import { GemObject } from '../drm/gem.ts';
import { HandleTable } from '../drm/handle-table.ts';
import { allocate } from './kernel-buffer.ts';
import type { Group } from './sched/group.ts';
import type { Tyr } from './tyr.ts';
import { SPARSE_SIZE, type Vm } from './vm.ts';

export class TyrFile {
  readonly tyr: Tyr;
  readonly vms = new HandleTable<Vm>('VM', MAX_VMS_PER_FILE);
  readonly groups = new HandleTable<Group>('group', MAX_GROUPS_PER_FILE);
  /** mmap offsets from here on are device pages. */
  mmioOffset = PANTHOR_USER_MMIO_OFFSET_64BIT;
  #sparse: GemObject | undefined;
  #closed = false;

  constructor(tyr: Tyr) {
    this.tyr = tyr;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws EINVAL. */
  vm(id: number): Vm {
    const vm = this.vms.get(id);
    must(vm, 'EINVAL', () => `no VM ${id}`);
    return vm;
  }

  /** Throws EINVAL. */
  group(handle: number): Group {
    const group = this.groups.get(handle);
    must(group, 'EINVAL', () => `no group ${handle}`);
    return group;
  }

  /**
   * The object behind this file's sparse mappings. Writes to those are kept in it, so it must not be shared with others.
   */
  sparseObject(): GemObject {
    const { dram } = this.tyr.context;
    this.#sparse ??= new GemObject(dram, allocate(dram, SPARSE_SIZE));
    return this.#sparse;
  }

  /** What groups that are gone had used. */
  readonly #gone = { cycles: 0, ticks: 0 };

  /** What this file's jobs have used of the GPU, as far as they were measured: cycles, and ticks of the system counter. */
  get usage(): { readonly cycles: number; readonly ticks: number } {
    let { cycles, ticks } = this.#gone;
    for (const group of this.groups.values()) {
      for (const queue of group.queues) {
        cycles += queue.usage.cycles;
        ticks += queue.usage.ticks;
      }
    }
    return { cycles, ticks };
  }

  /** Ends a group. */
  removeGroup(handle: number, group: Group): void {
    for (const queue of group.queues) {
      this.#gone.cycles += queue.usage.cycles;
      this.#gone.ticks += queue.usage.ticks;
    }
    this.groups.remove(handle);
    this.tyr.destroyGroup(group);
  }

  /** Ends all that the client had: groups first, then the VMs that they ran in. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const [handle, group] of [...this.groups]) this.removeGroup(handle, group);
    for (const [id, vm] of [...this.vms]) {
      this.vms.remove(id);
      void vm.destroy();
    }
    this.#sparse?.put();
    this.#sparse = undefined;
  }
}

export type File = DrmFile<TyrFile>;
