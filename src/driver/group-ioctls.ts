/** The ioctls of groups: create, submit, ask, destroy. After Linux `drivers/gpu/drm/panthor/panthor_{drv,sched}.c`. */
import { CS_INSTRUCTION_SIZE } from '../abi/gpu/cs.ts';
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import type { Infer } from '../abi/layout.ts';
import {
  GROUP_PRIORITIES,
  GROUP_STATE,
  LATEST_FLUSH_RESERVED,
  MAX_QUEUES,
  PANTHOR,
  QUEUE_PRIORITY_MAX,
  QueueCreate,
  QueueSubmit,
  SyncOp,
  Syncobj64,
} from '../abi/panthor.ts';
import { DrmError, must } from '../drm/error.ts';
import type { Fence } from '../drm/fence.ts';
import { type IoctlEntry, ioctl } from '../drm/ioctl.ts';
import { SchedulerEntity } from '../drm/scheduler.ts';
import type { File, TyrFile } from './file.ts';
import { type KernelBuffer, UNCACHED } from './kernel-buffer.ts';
import { priorityAllowed } from './query.ts';
import { type CoreLimits, Group } from './sched/group.ts';
import { jobCredits, timesSize } from './sched/instructions.ts';
import { QUEUE_INTERFACE_SIZE, Queue } from './sched/queue.ts';
import { Submission } from './submission.ts';
import type { Tyr } from './tyr.ts';
import { readObjects } from './user-object.ts';
import type { Vm } from './vm.ts';

const RING_MIN = PAGE_SIZE;
const RING_MAX = 16 * PAGE_SIZE;
/** The client's stream starts at a cache line. */
const STREAM_ALIGN = 64n;
const render = { render: true };
type QueueArgs = Infer<typeof QueueCreate.layout>;
type SubmitArgs = Infer<typeof QueueSubmit.layout>;

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));

/** How many bits of a mask are set. */
export function bitCount(mask: bigint): number {
  let count = 0;
  for (let left = mask; left > 0n; left >>= 1n) count += Number(left & 1n);
  return count;
}

function checkQueue(queue: QueueArgs): void {
  must(
    queue.pad.every((byte) => byte === 0),
    'EINVAL',
    'padding is not zero',
  );
  const size = queue.ringbufSize;
  must(
    size >= RING_MIN && size <= RING_MAX && isPowerOfTwo(size),
    'EINVAL',
    () => `a ring buffer of ${size} bytes is no power of two from 4 KiB to 64 KiB`,
  );
  must(queue.priority <= QUEUE_PRIORITY_MAX, 'EINVAL', () => `no queue priority ${queue.priority}`);
}

interface CoreArgs {
  readonly computeCoreMask: bigint;
  readonly fragmentCoreMask: bigint;
  readonly tilerCoreMask: bigint;
  readonly maxComputeCores: number;
  readonly maxFragmentCores: number;
  readonly maxTilerCores: number;
}

function checkCores(tyr: Tyr, arg: CoreArgs): CoreLimits {
  const { shaderPresent, tilerPresent } = tyr.gpu.properties;
  const mask = (what: string, wanted: bigint, present: number, most: number): number => {
    must(
      (wanted & ~BigInt(present)) === 0n,
      'EINVAL',
      () => `${what} cores 0x${wanted.toString(16)} are not all there`,
    );
    must(bitCount(wanted) >= most, 'EINVAL', () => `${most} ${what} cores are more than 0x${wanted.toString(16)} has`);
    return Number(wanted);
  };
  return {
    computeMask: mask('compute', arg.computeCoreMask, shaderPresent, arg.maxComputeCores),
    fragmentMask: mask('fragment', arg.fragmentCoreMask, shaderPresent, arg.maxFragmentCores),
    tilerMask: mask('tiler', arg.tilerCoreMask, tilerPresent, arg.maxTilerCores),
    maxCompute: arg.maxComputeCores,
    maxFragment: arg.maxFragmentCores,
    maxTiler: arg.maxTilerCores,
  };
}

/** Makes a group with all its memory. What was made is freed if something fails. */
async function createGroup(
  tyr: Tyr,
  client: object,
  pid: number,
  vm: Vm,
  priority: number,
  cores: CoreLimits,
  queues: readonly QueueArgs[],
): Promise<Group> {
  const { firmware, scheduler } = tyr;
  const made: KernelBuffer[] = [];
  const keep = async (buffer: Promise<KernelBuffer>): Promise<KernelBuffer> => {
    made.push(await buffer);
    return made.at(-1)!;
  };
  try {
    const suspend = await keep(firmware.allocSuspendBuffer(firmware.interface.suspendSize));
    const protmSuspend = await keep(firmware.allocSuspendBuffer(firmware.interface.protmSuspendSize));
    const syncobjs = await keep(vm.allocate(queues.length * Syncobj64.size, UNCACHED, 'Group sync objects'));
    const memory: [KernelBuffer, KernelBuffer, KernelBuffer][] = [];
    for (const queue of queues) {
      const ring = await keep(vm.allocate(queue.ringbufSize, UNCACHED, 'CS ring buffer'));
      const queueInterface = await keep(firmware.allocQueueInterface(QUEUE_INTERFACE_SIZE));
      memory.push([
        ring,
        queueInterface,
        await keep(vm.allocate(timesSize(queue.ringbufSize), UNCACHED, 'Group job stats')),
      ]);
    }
    must(!vm.destroyed, 'EINVAL', 'the VM was destroyed');
    const group = new Group(client, pid, vm, priority, cores, { syncobjs, suspend, protmSuspend });
    const { workRegisters: registers, scoreboards } = firmware.interface;
    const unit = { registers, scoreboards };
    group.queues = queues.map((args, index) => {
      const [ring, queueInterface, times] = memory[index]!;
      const events = {
        late: () => scheduler.timedOut(group, group.queues[index]!),
        slow: () => scheduler.lookAtWaits(group, group.queues[index]!),
      };
      const { clock } = tyr.context;
      return new Queue(
        clock,
        scheduler.time,
        index,
        args.priority,
        ring,
        queueInterface,
        syncobjs,
        times,
        unit,
        events,
      );
    });
    group.entities = group.queues.map(
      (queue) =>
        new SchedulerEntity({
          clock: tyr.context.clock,
          driver: 'panthor',
          timeline: `panthor-queue-${queue.index}`,
          creditLimit: queue.ring.size / CS_INSTRUCTION_SIZE,
        }),
    );
    group.idleQueues = group.allQueues;
    return group;
  } catch (error) {
    for (const buffer of made) await buffer.destroy();
    throw error;
  }
}

function checkSubmit(group: Group, job: SubmitArgs): void {
  must(job.pad === 0, 'EINVAL', 'padding is not zero');
  must((job.streamSize === 0) === (job.streamAddr === 0n), 'EINVAL', 'a stream has an address and a size, or neither');
  must(job.streamAddr % STREAM_ALIGN === 0n, 'EINVAL', () => `stream address 0x${job.streamAddr.toString(16)}`);
  must(job.streamSize % CS_INSTRUCTION_SIZE === 0, 'EINVAL', () => `stream size ${job.streamSize}`);
  must((job.latestFlush & LATEST_FLUSH_RESERVED) === 0, 'EINVAL', 'reserved bits of the flush id are set');
  must(job.queueIndex < group.queues.length, 'EINVAL', () => `queue index ${job.queueIndex} ≥ ${group.queues.length}`);
}

/** Starts a job whose dependencies are met: into the ring with it. */
function runJob(tyr: Tyr, group: Group, job: SubmitArgs, profiling: number): Fence | undefined {
  const queue = group.queues[job.queueIndex]!;
  // An empty job ends when those before it have.
  if (job.streamSize === 0) return queue.lastFence;
  if (!group.canRun) throw new DrmError('ECANCELED', 'the group cannot run any more');
  const { streamAddr, streamSize: size, latestFlush } = job;
  const fence = queue.insert({ start: Number(streamAddr), size, latestFlush, profiling });
  tyr.scheduler.queueUpdated(group, queue);
  return fence;
}

export const groupIoctls: readonly IoctlEntry<any, TyrFile>[] = [
  ioctl(PANTHOR.GROUP_CREATE, render, async (file: File, arg, user) => {
    const { tyr, groups } = file.private;
    const most = tyr.firmware.interface.streamCount;
    const { count } = arg.queues;
    must(count > 0 && count <= MAX_QUEUES, 'EINVAL', () => `a group of ${count} queues`);
    const queues = readObjects(user, arg.queues, QueueCreate);
    must(arg.priority < GROUP_PRIORITIES, 'EINVAL', () => `no group priority ${arg.priority}`);
    must(
      priorityAllowed(file, user, arg.priority),
      'EACCES',
      () => `group priority ${arg.priority} is for the DRM master`,
    );
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const cores = checkCores(tyr, arg);
    must(count <= most, 'EINVAL', () => `a group has 1 to ${most} queues, not ${count}`);
    for (const queue of queues) checkQueue(queue);
    must(groups.room > 0, 'EBUSY', 'the file has its most groups');
    const vm = file.private.vm(arg.vmId).get();
    try {
      const group = await createGroup(tyr, file.private, user.pid, vm, arg.priority, cores, queues);
      tyr.scheduler.add(group);
      if (file.private.closed || groups.room === 0) {
        tyr.destroyGroup(group);
        throw new DrmError(file.private.closed ? 'EINTR' : 'EBUSY', 'the group came too late');
      }
      arg.groupHandle = groups.add(group);
    } finally {
      vm.put();
    }
  }),

  ioctl(PANTHOR.GROUP_DESTROY, render, (file: File, arg) => {
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const group = file.private.group(arg.groupHandle);
    file.private.removeGroup(arg.groupHandle, group);
  }),

  ioctl(PANTHOR.GROUP_SUBMIT, render, (file: File, arg, user) => {
    const { tyr } = file.private;
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const jobs = readObjects(user, arg.queueSubmits, QueueSubmit);
    if (jobs.length === 0) return;
    // Job by job, as panthor: what is wrong with the group, or with a job, comes before what its syncs are.
    const group = file.private.group(arg.groupHandle);
    must(group.canRun, 'EINVAL', 'the group cannot run any more');
    const syncs = jobs.map((job) => {
      checkSubmit(group, job);
      return readObjects(user, job.syncs, SyncOp);
    });
    const submission = new Submission(file);
    for (const [i, job] of jobs.entries()) {
      const { profiling } = tyr;
      const credits = job.streamSize === 0 ? 0 : jobCredits(profiling);
      const run = (): Fence | undefined => runJob(tyr, group, job, profiling);
      submission.add(group.entities[job.queueIndex]!, syncs[i]!, { run, credits });
    }
    submission.submit();
  }),

  ioctl(PANTHOR.GROUP_GET_STATE, render, (file: File, arg) => {
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const group = file.private.group(arg.groupHandle);
    // The answer is a struct of its own, as panthor's.
    arg.groupHandle = 0;
    arg.state = 0;
    arg.fatalQueues = group.fatalQueues >>> 0;
    if (group.timedOut) arg.state |= GROUP_STATE.TIMEDOUT;
    if (group.fatalQueues !== 0) arg.state |= GROUP_STATE.FATAL_FAULT;
    if (group.innocent) arg.state |= GROUP_STATE.INNOCENT;
  }),
];
