/** Status: what clients have of the driver and the GPU right now, for people and tools that look on. Reads no register. */
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import { engineTime, groupMemory, internalMemory } from './fdinfo.ts';
import type { File } from './file.ts';
import type { Group } from './sched/group.ts';
import type { Tyr } from './tyr.ts';
import type { Vm } from './vm.ts';

export interface QueueStatus {
  readonly priority: number;
  /** Bytes of the ring. */
  readonly ring: number;
  readonly inFlight: number;
  /** Jobs that have ended. */
  readonly done: number;
  /** It waits for a syncobj in memory. */
  readonly blocked: boolean;
}

export interface GroupStatus {
  readonly handle: number;
  /** GROUP_PRIORITY: 0 low to 3 realtime. */
  readonly priority: number;
  readonly state: string;
  /** The firmware's slot that it is in; null outside. */
  readonly slot: number | null;
  /** Bytes of its own buffers. */
  readonly memory: number;
  readonly queues: readonly QueueStatus[];
}

export interface VmStatus {
  readonly id: number;
  readonly mappings: number;
  /** Bytes that are mapped. */
  readonly mapped: number;
  /** Bytes of its page tables. */
  readonly tables: number;
  readonly heaps: number;
  /** The address-space slot that it is in; null outside. */
  readonly slot: number | null;
  readonly usable: boolean;
}

/** What the driver knows of one open file. */
export interface ClientUse {
  /** Nanoseconds and cycles of the GPU that its measured jobs have had. */
  readonly engineTime: number;
  readonly cycles: number;
  /** Bytes that the driver holds for it beside its buffers. */
  readonly internal: number;
  readonly vms: readonly VmStatus[];
  readonly groups: readonly GroupStatus[];
}

export interface GpuStatus {
  readonly name: string;
  /** 'active', or what keeps registers from being read. */
  readonly power: string;
  /** Hz: now, and at most. */
  readonly frequency: number;
  readonly maxFrequency: number;
  readonly governor: string;
  /** PROFILING bits. */
  readonly profiling: number;
  readonly jobs: number;
  readonly faults: number;
  readonly resets: number;
  /** Slots in use and there are: of the firmware's, and of address spaces for VMs. */
  readonly groupSlots: readonly [used: number, all: number];
  readonly addressSpaces: readonly [used: number, all: number];
}

const groupStatus = (handle: number, group: Group): GroupStatus => ({
  handle,
  priority: group.priority,
  state: group.timedOut ? 'timed out' : group.fatalQueues !== 0 ? 'faulted' : group.idle ? 'idle' : group.state,
  slot: group.slot ?? null,
  memory: groupMemory(group),
  queues: group.queues.map((queue) => ({
    priority: queue.priority,
    ring: queue.ring.size,
    inFlight: queue.jobs.length,
    done: queue.completed,
    blocked: (group.blockedQueues & (1 << queue.index)) !== 0,
  })),
});

function vmStatus(tyr: Tyr, id: number, vm: Vm): VmStatus {
  let mapped = 0;
  for (const { size } of vm.mappings.mappings) mapped += size;
  return {
    id,
    mappings: vm.mappings.count,
    mapped,
    tables: vm.space.table.tables * PAGE_SIZE,
    heaps: vm.heaps?.size ?? 0,
    slot: tyr.mmu.slotOf(vm.space) ?? null,
    usable: !vm.unusable,
  };
}

export function clientUse(file: File): ClientUse {
  const { tyr, vms, groups, usage } = file.private;
  return {
    engineTime: engineTime(file),
    cycles: usage.cycles,
    internal: internalMemory(file).resident,
    vms: [...vms].map(([id, vm]) => vmStatus(tyr, id, vm)),
    groups: [...groups].map(([handle, group]) => groupStatus(handle, group)),
  };
}
