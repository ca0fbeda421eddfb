/**
 * Scheduler: holds jobs until what they depend on is done, then runs them in order.
 * After Linux `drivers/gpu/drm/scheduler/sched_{entity,main,fence}.c`.
 *
 * A `SchedulerEntity` is one queue of jobs that run one after the other: a GPU queue, or the binds of a VM. A job waits
 * for its dependencies, then for room (credits), then its `run` starts the work and returns the fence that
 * the work will signal. Jobs later in the queue start while it still runs, as far as there is room. Nothing polls: fences
 * and `push` wake the queue, and it runs by itself, never inside the caller's call.
 *
 * Each job has a fence, `finished`, which signals when its work is done. It exists from the moment that the job is made, so that
 * others can depend on it before it is pushed. The finished fences of an entity signal in order.
 *
 * How long a job may take is its driver's to know: an entity has no clock of its own.
 *
 * A killed entity runs no job any more. Jobs that have started end when their work does; the others finish with ECANCELED,
 * but not before the jobs ahead of them and their own dependencies: whoever waits for a job may rely on these being done.
 */
import type { Errno } from '../abi/errno.ts';
import { count } from '../board/census.ts';
import type { Clock } from '../board/clock.ts';
import { DrmError, must } from './error.ts';
import { Fence, fenceContext } from './fence.ts';

export interface JobOptions {
  /** Starts the work. Returns the fence that signals its end, none where it ended at once; a DrmError is its failure. */
  readonly run: (job: SchedulerJob) => Fence | undefined;
  /** What has to be done before. More can be added until it is pushed. */
  readonly dependencies?: readonly Fence[];
  /** Its share of the entity's credits while it runs, by default 1. */
  readonly credits?: number;
  /** Called once it has finished or was killed, after its finished fence has signalled: drop what it holds. */
  readonly release?: (job: SchedulerJob) => void;
}

export class SchedulerJob {
  readonly entity: SchedulerEntity;
  /** Signals when its work is done, with the work's error. */
  readonly finished: Fence;
  readonly credits: number;
  readonly options: JobOptions;
  /** Fences that it waits for. */
  readonly dependencies: Fence[];
  /** What `run` returned. */
  hardware: Fence | undefined;
  /** How its work ended, once it has. It finishes when the jobs ahead of it have. */
  result: { readonly error: Errno | undefined } | undefined;
  #met = 0;

  constructor(entity: SchedulerEntity, finished: Fence, options: JobOptions) {
    this.entity = entity;
    this.finished = finished;
    this.options = options;
    this.credits = Math.min(options.credits ?? 1, entity.creditLimit);
    this.dependencies = options.dependencies ? [...options.dependencies] : [];
  }

  addDependency(fence: Fence): void {
    this.dependencies.push(fence);
  }

  /** A dependency that has not signalled yet. */
  pendingDependency(): Fence | undefined {
    while (this.#met < this.dependencies.length && this.#isMet(this.dependencies[this.#met]!)) this.#met++;
    return this.dependencies[this.#met];
  }

  /** Jobs of the same entity run in order anyway. */
  #isMet(fence: Fence): boolean {
    return fence.signaled || fence.context === this.finished.context;
  }
}

export interface EntityOptions {
  readonly clock: Clock;
  /** Names of its fences. */
  readonly driver: string;
  readonly timeline: string;
  /** The most credits that may be in flight. By default without limit. A job larger than that runs alone. */
  readonly creditLimit?: number;
  /** Jobs that may wait in the queue; `push` refuses more with ENOMEM. */
  readonly maxPending?: number;
}

const DEFAULT_MAX_PENDING = 1 << 14;

export class SchedulerEntity {
  readonly creditLimit: number;
  readonly #options: EntityOptions;
  readonly #context = fenceContext();
  #seqno = 0;
  /** Jobs not run yet; the first `#head` places are free. */
  #queue: SchedulerJob[] = [];
  #head = 0;
  readonly #running: SchedulerJob[] = [];
  #credits = 0;
  #pumping = false;
  #killed: Errno | undefined;
  /** Takes back the callback on the dependency that the first job waits for. */
  #offDependency: (() => void) | undefined;
  /** The finished fence of the job that was last taken from the queue. */
  #last: Fence | undefined;

  constructor(options: EntityOptions) {
    this.#options = options;
    this.creditLimit = options.creditLimit ?? Number.POSITIVE_INFINITY;
  }

  /** A job of this entity, with its fence. Jobs are pushed in the order in which they were made. */
  job(options: JobOptions): SchedulerJob {
    const { clock, driver, timeline } = this.#options;
    count(clock, 'jobs', 1);
    return new SchedulerJob(this, new Fence(clock, driver, timeline, this.#context, ++this.#seqno), options);
  }

  /** Jobs that wait in the queue. */
  get pending(): number {
    return this.#queue.length - this.#head;
  }

  /** Jobs that were run and have not finished, oldest first. */
  get running(): readonly SchedulerJob[] {
    return this.#running;
  }

  /** How many jobs `push` still takes. */
  get room(): number {
    return (this.#options.maxPending ?? DEFAULT_MAX_PENDING) - this.pending;
  }

  get idle(): boolean {
    return this.pending === 0 && this.#running.length === 0;
  }

  get killed(): boolean {
    return this.#killed !== undefined;
  }

  /** Queues a job. Throws ECANCELED on a killed entity, ENOMEM when too many wait. */
  push(job: SchedulerJob): void {
    if (job.entity !== this) throw new Error('scheduler: the job belongs to another entity');
    must(!this.#killed, 'ECANCELED', 'the queue takes no more jobs');
    must(this.room > 0, 'ENOMEM', () => `${this.pending} jobs wait in the queue already`);
    this.#queue.push(job);
    this.#kick();
  }

  /** Makes the queue look again whether its first job can run. */
  #kick(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#options.clock.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Runs no further job; those that wait finish with `error` (see above for when). */
  kill(error: Errno = 'ECANCELED'): void {
    if (this.#killed) return;
    this.#killed = error;
    this.#offDependency?.();
    this.#offDependency = undefined;
    const jobs = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    for (const job of jobs) {
      const ahead = this.#last ? [this.#last] : [];
      this.#last = job.finished;
      whenAll([...ahead, ...job.dependencies], () => {
        this.#finish(job, error);
      });
    }
  }

  #pump(): void {
    for (;;) {
      const job = this.#queue[this.#head];
      if (!job || this.#killed || this.#offDependency) return;
      const dependency = job.pendingDependency();
      if (dependency) {
        this.#offDependency = dependency.onSignal(() => {
          this.#offDependency = undefined;
          this.#kick();
        });
        return;
      }
      if (this.#credits + job.credits > this.creditLimit) return;
      this.#take();
      this.#run(job);
    }
  }

  #take(): void {
    this.#head++;
    if (this.#head < 64 || this.#head * 2 < this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }

  #run(job: SchedulerJob): void {
    this.#credits += job.credits;
    this.#running.push(job);
    this.#last = job.finished;
    let error: Errno | undefined;
    try {
      job.hardware = job.options.run(job);
    } catch (cause) {
      if (!(cause instanceof DrmError)) throw cause;
      error = cause.errno;
    }
    if (!job.hardware) this.#done(job, error);
    else job.hardware.onSignal((fence) => this.#done(job, fence.error, fence.timestamp));
  }

  #finish(job: SchedulerJob, error: Errno | undefined, timestamp?: bigint): void {
    count(this.#options.clock, 'jobs', -1);
    job.finished.signal(error, timestamp);
    job.options.release?.(job);
  }

  /** The work of `job` is done (at `timestamp`, or now): gives back its room, and finishes it and those that waited for it to finish first. */
  #done(job: SchedulerJob, error: Errno | undefined, timestamp?: bigint): void {
    job.result = { error };
    this.#credits -= job.credits;
    // Those behind it that have ended already finish only now.
    for (let first = this.#running[0]; first?.result; first = this.#running[0]) {
      this.#running.shift();
      this.#finish(first, first.result.error, timestamp);
    }
    if (this.pending > 0) this.#kick();
  }
}

/** Calls `fn` once all `fences` have signalled. */
function whenAll(fences: readonly Fence[], fn: () => void): void {
  let left = fences.length + 1;
  const one = (): void => {
    if (--left === 0) fn();
  };
  for (const fence of fences) fence.onSignal(one);
  one();
}
