/**
 * Group: the unit that the firmware schedules: queues of one client that run in one VM, side by side.
 *
 * A group is in a CSG slot or waits outside; what it was doing when it left its slot lies in its suspend buffers. It ends
 * for good when it is destroyed, when one of its queues meets a fatal fault, or when a job takes too long.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c`.
 */
import type { Errno } from '../../abi/errno.ts';
import { count } from '../../board/census.ts';
import type { SchedulerEntity } from '../../drm/scheduler.ts';
import type { KernelBuffer } from '../kernel-buffer.ts';
import { NO_SEAT, type Seat } from '../slot.ts';
import type { Vm } from '../vm.ts';
import type { Queue } from './queue.ts';

/** What the firmware last said of it. */
export type GroupState = 'created' | 'active' | 'suspended' | 'terminated' | 'unknown';

/** Cores that a group may use, and how many of them at once. */
export interface CoreLimits {
  readonly computeMask: number;
  readonly fragmentMask: number;
  readonly tilerMask: number;
  readonly maxCompute: number;
  readonly maxFragment: number;
  readonly maxTiler: number;
}

/** Memory of a group beside its queues'. */
export interface GroupBuffers {
  /** One Syncobj64 for each queue, in the group's VM. */
  readonly syncobjs: KernelBuffer;
  readonly suspend: KernelBuffer;
  readonly protmSuspend: KernelBuffer;
}

export class Group {
  readonly pid: number;
  /** Whose it is: an open file. */
  readonly client: object;
  readonly vm: Vm;
  readonly cores: CoreLimits;
  /** GROUP_PRIORITY. */
  readonly priority: number;
  readonly buffers: GroupBuffers;
  queues: readonly Queue[] = [];
  /** The queues' jobs that wait for their dependencies or for room in the ring. */
  entities: readonly SchedulerEntity[] = [];
  state: GroupState = 'created';
  /** Its place among the CSG slots. */
  seat: Seat = NO_SEAT;
  /** The slot it is in. */
  slot: number | undefined;
  /** Queues with nothing to do, queues that wait for a syncobj, queues that met a fatal fault: one bit each. */
  idleQueues = 0;
  blockedQueues = 0;
  fatalQueues = 0;
  /** When a job was last put into one of its rings. */
  lastWork = Number.NEGATIVE_INFINITY;
  /** Queues whose tiler heap is being extended. */
  readonly growing = new Set<number>();
  timedOut = false;
  /** It was fine until a reset that others had caused. */
  innocent = false;
  destroyed = false;
  #released = false;

  constructor(client: object, pid: number, vm: Vm, priority: number, cores: CoreLimits, buffers: GroupBuffers) {
    this.client = client;
    this.pid = pid;
    this.vm = vm.get();
    this.priority = priority;
    this.cores = cores;
    this.buffers = buffers;
    count(vm.board, 'groups', 1);
  }

  /** One bit for each queue. */
  get allQueues(): number {
    return 2 ** this.queues.length - 1;
  }

  /** All its queues have nothing to do or wait. */
  get idle(): boolean {
    return ((this.idleQueues | this.blockedQueues) & this.allQueues) >>> 0 === this.allQueues;
  }

  get canRun(): boolean {
    return (
      this.state !== 'terminated' &&
      this.state !== 'unknown' &&
      !this.destroyed &&
      this.fatalQueues === 0 &&
      !this.timedOut
    );
  }

  /** Ends all jobs in flight, each with the reason that holds for its queue. */
  terminate(): void {
    if (this.canRun) throw new Error('group: it could still run');
    for (const queue of this.queues) {
      let error: Errno = 'ECANCELED';
      if (this.fatalQueues & (1 << queue.index)) error = 'EINVAL';
      else if (this.timedOut) error = 'ETIMEDOUT';
      queue.terminate(error);
    }
  }

  /** Frees everything it has. It must be terminated and in no slot. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    for (const queue of this.queues) await queue.destroy();
    await this.buffers.syncobjs.destroy();
    await this.buffers.suspend.destroy();
    await this.buffers.protmSuspend.destroy();
    count(this.vm.board, 'groups', -1);
    this.vm.put();
  }
}
