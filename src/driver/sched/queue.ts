/**
 * Queue: one command stream of a group: its ring buffer, its jobs in flight, and the time they may take.
 *
 * A job is done when the queue's counter in memory has reached its number. The clock, which goes by the GPU's own time, runs
 * while the group is in a slot and has jobs; it stops when the group is out through no fault of its own, and starts anew
 * whenever a job ends.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c`.
 */

import type { Errno } from '../../abi/errno.ts';
import { RingInput, RingOutput } from '../../abi/gpu/firmware.ts';
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { JobTimes, PROFILING, SYNCOBJ_ERROR, Syncobj64 } from '../../abi/panthor.ts';
import type { Clock, Timer } from '../../board/clock.ts';
import { Fence, fenceContext } from '../../drm/fence.ts';
import { SECOND } from '../async.ts';
import { Block } from '../fw/interface.ts';
import type { KernelBuffer } from '../kernel-buffer.ts';
import type { GpuTime } from './gpu-time.ts';
import { type JobCall, type JobOfQueue, JobWriter, timesAt } from './instructions.ts';

export const JOB_TIMEOUT = 5 * SECOND;
/** How often in a row a job may get more time, as long as the GPU is at work for it. */
const MAX_EXTENSIONS = 120;
/** A queue's interface: a page for the input block, one for the output block. */
export const QUEUE_INTERFACE_SIZE = 2 * PAGE_SIZE;

export interface InFlight {
  readonly fence: Fence;
  readonly seqno: number;
  /** Where its instructions lie in the ring, in positions that never wrap. */
  readonly start: number;
  readonly end: number;
  readonly call: JobOfQueue;
  error: Errno | undefined;
}

/** What a blocked queue waits for. */
export interface SyncWait {
  readonly va: number;
  readonly reference: bigint;
  /** Waits for a value above the reference; otherwise for one not above it. */
  readonly greater: boolean;
  readonly wide: boolean;
}

export interface QueueEvents {
  /** Jobs are in flight and none has ended in time. */
  readonly late: () => void;
  /** None has ended for a while. */
  readonly slow: () => void;
}

export class Queue {
  readonly index: number;
  readonly priority: number;
  readonly ring: KernelBuffer;
  readonly interface: KernelBuffer;
  /** The JobTimes of jobs that are measured. */
  readonly times: KernelBuffer;
  readonly input: Block<typeof RingInput.fields>;
  readonly output: Block<typeof RingOutput.fields>;
  /** GPU address of the counter, and where the CPU finds it. */
  readonly syncobjVa: number;
  readonly #syncobj: DataView;
  readonly #writer: JobWriter;
  /** The doorbell while the group is in a slot. */
  doorbell: number | undefined;
  syncWait: SyncWait | undefined;
  /** The latest job's fence: what an empty job waits for. */
  lastFence: Fence | undefined;
  readonly #clock: Clock;
  readonly #time: GpuTime;
  readonly #events: QueueEvents;
  readonly #context = fenceContext();
  readonly #inFlight: InFlight[] = [];
  #seqno = 0;
  #timer: Timer | undefined;
  #deadline = 0;
  /** Nanoseconds of the GPU's time left; undefined while the clock runs. */
  #remaining: number | undefined = JOB_TIMEOUT;
  #extensions = 0;

  /** `unit`: what a command-stream unit has. */
  constructor(
    clock: Clock,
    time: GpuTime,
    index: number,
    priority: number,
    ring: KernelBuffer,
    queueInterface: KernelBuffer,
    syncobjs: KernelBuffer,
    times: KernelBuffer,
    unit: Pick<JobCall, 'registers' | 'scoreboards'>,
    events: QueueEvents,
  ) {
    this.#clock = clock;
    this.#time = time;
    this.index = index;
    this.priority = priority;
    this.ring = ring;
    this.interface = queueInterface;
    this.times = times;
    this.input = new Block(RingInput, queueInterface.view, 0);
    this.output = new Block(RingOutput, queueInterface.view, PAGE_SIZE);
    const offset = index * Syncobj64.size;
    this.syncobjVa = syncobjs.va + offset;
    this.#syncobj = new DataView(syncobjs.view.buffer, syncobjs.view.byteOffset + offset, Syncobj64.size);
    this.#writer = new JobWriter(ring.view, ring.size, { ...unit, syncobj: this.syncobjVa, times: times.va });
    this.#events = events;
  }

  /** Nothing is in the ring that the GPU has not taken out. */
  get empty(): boolean {
    return this.input.get('insert') === this.output.get('extract');
  }

  /** Addresses of the interface's two blocks for the firmware. */
  get inputVa(): number {
    return this.interface.va;
  }

  get outputVa(): number {
    return this.interface.va + PAGE_SIZE;
  }

  get busy(): boolean {
    return this.#inFlight.length > 0;
  }

  /** Jobs that are in the ring and have not ended, in order. */
  get jobs(): readonly InFlight[] {
    return this.#inFlight;
  }

  /** The counter in memory: the number of the last job that has ended. */
  get completedSeqno(): number {
    return Number(Syncobj64.fields.seqno.read(this.#syncobj, 0));
  }

  /** Puts a job into the ring; the scheduler has seen to it that there is room. Returns the fence of its end. */
  insert(call: JobOfQueue): Fence {
    const seqno = ++this.#seqno;
    const fence = new Fence(this.#clock, 'panthor', 'queue-fence', this.#context, seqno);
    const start = this.input.get('insert');
    const end = this.#writer.write(start, call);
    this.#inFlight.push({ fence, seqno, start, end, call, error: undefined });
    this.input.set('extract', this.output.get('extract'));
    this.input.set('insert', end);
    this.lastFence = fence;
    return fence;
  }

  /** The job that the GPU is at has met a fault: its fence will say so. */
  markFault(): void {
    const extract = this.output.get('extract');
    for (const job of this.#inFlight) {
      if (extract >= job.start && extract < job.end) job.error = 'EINVAL';
    }
  }

  /** Jobs that have run to their end. */
  completed = 0;

  /** Signals the fences of jobs that have ended. False if jobs are left and none has ended. */
  checkCompletion(): boolean {
    const done = this.completedSeqno;
    let count = 0;
    while (count < this.#inFlight.length && this.#inFlight[count]!.seqno <= done) count++;
    if (count === 0) return this.#inFlight.length === 0;
    const ended = this.#inFlight.splice(0, count);
    if (this.#inFlight.length === 0) this.stopClock(false);
    else if (this.#remaining === undefined) this.#arm(JOB_TIMEOUT);
    this.completed += count;
    for (const job of ended) if (job.call.profiling !== 0) this.#measure(job);
    this.#extensions = 0;
    for (const job of ended) job.fence.signal(job.error);
    return true;
  }

  /** What jobs that were measured have taken: cycles of the GPU's clock, and ticks of the system counter. */
  readonly usage = { cycles: 0, ticks: 0 };

  #measure({ start, call }: InFlight): void {
    const times = JobTimes.read(this.times.view, timesAt(start, this.ring.size));
    // Who can write to the VM's memory can write here too: nonsense counts as nothing.
    const passed = (before: bigint, after: bigint): number => (after > before ? Number(after - before) : 0);
    if (call.profiling & PROFILING.CYCLES) this.usage.cycles += passed(times.cyclesBefore, times.cyclesAfter);
    if (call.profiling & PROFILING.TIMESTAMP) this.usage.ticks += passed(times.timeBefore, times.timeAfter);
  }

  /** The group is at an end: all jobs in flight fail, and whoever waits for the counter goes on with an error. */
  terminate(error: Errno): void {
    this.stopClock(false);
    const ended = this.#inFlight.splice(0);
    Syncobj64.write(this.#syncobj, 0, { status: SYNCOBJ_ERROR, seqno: BigInt(this.#seqno) });
    for (const job of ended) job.fence.signal(job.error ?? error);
  }

  /** Gives the job at hand more time. False if it has had enough. */
  extend(): boolean {
    if (this.#extensions++ >= MAX_EXTENSIONS) return false;
    this.startClock();
    return true;
  }

  /** The queue's jobs may run: their time does too. */
  startClock(): void {
    if (this.#remaining === undefined || !this.busy) return;
    const left = this.#remaining;
    this.#remaining = undefined;
    this.#arm(left);
  }

  /** Stops the clock; `keep` the time that is left for the job at hand. */
  stopClock(keep: boolean): void {
    if (this.#remaining !== undefined) {
      if (!keep) this.#remaining = JOB_TIMEOUT;
      return;
    }
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#remaining = keep && this.busy ? Math.max(0, this.#deadline - this.#time.now()) : JOB_TIMEOUT;
  }

  async destroy(): Promise<void> {
    this.stopClock(false);
    await this.ring.destroy();
    await this.interface.destroy();
    await this.times.destroy();
  }

  #arm(left: number): void {
    this.#timer?.cancel();
    this.#deadline = this.#time.now() + left;
    const late = (): void => {
      this.#timer = undefined;
      this.#remaining = JOB_TIMEOUT;
      if (!this.checkCompletion()) this.#events.late();
      else this.startClock();
    };
    this.#timer = this.#time.after(left, late, this.#events.slow);
  }
}
