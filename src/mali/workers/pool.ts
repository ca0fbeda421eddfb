/**
 * WorkerPool: the machine's workers, from the main thread's side: hands jobs out, tells workers of what happens to address
 * spaces, and wakes the command streams whose jobs are over.
 *
 * The main thread waits for workers' last pieces for a moment at most (pooled-work.ts): it leaves words (shared.ts), wakes who
 * sleeps, and hears of later ends and of check points by message. A job that no worker can take (none has started yet, or too many jobs are under way) is the main thread's alone.
 * A thread that dies takes its jobs' tiles along, which end with an error, and is replaced.
 */
import { Worker } from 'node:worker_threads';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Log } from '../../board/log.ts';
import type { ComputeRequest } from '../compute.ts';
import type { Claim, VirtualMemory, Work } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import type { FragmentRequest } from '../fragment/fragment.ts';
import type { JobPool } from '../graphics.ts';
import type { Agents } from '../mmu/agents.ts';
import { GpuMemory } from '../mmu/memory.ts';
import type { Translation } from '../mmu/walk.ts';
import type { Failure, Message, ThreadProfile } from './messages.ts';
import { PooledWork } from './pooled-work.ts';
import { JOBS, KIND, MAX_WORKERS, Shared } from './shared.ts';
import type { ThreadData } from './thread.ts';

export interface PoolOptions {
  readonly dram: PhysicalMemory;
  readonly engine: Engine;
  /** How many; at least one. */
  readonly count: number;
  /** Physical addresses are below 2 to this. */
  readonly outputBits: number;
  /** Core numbers of the GPU are below this. */
  readonly cores: number;
  readonly log: Log;
  /** A folder of the user's own for the threads' compiled code; without one they compile it at each start. */
  readonly codeCache?: string | undefined;
  /** Whether threads note what they spend their time with. */
  readonly profile?: boolean | undefined;
}

interface Thread {
  worker: Worker;
  ready: boolean;
}

/** Milliseconds: after a job that took longer, the next one of the same memory is handed out before its first slice. */
const LONG = 1;
const ALL = 2 ** MAX_WORKERS - 1;

export class WorkerPool implements Agents, JobPool {
  readonly #options: PoolOptions;
  readonly #shared = new Shared();
  readonly #threads: (Thread | undefined)[] = [];
  readonly #jobs: (PooledWork | undefined)[] = new Array(JOBS).fill(undefined);
  /** Memory whose last job took long. */
  readonly #long = new WeakSet<GpuMemory>();
  /** Records of jobs that have ended, but whose workers have not all parted. */
  readonly #lingering: number[] = [];
  /** Works that go on when a message comes. */
  readonly #heeded = new Set<PooledWork>();
  /** A check point has been asked for. */
  #asked = false;
  #held = false;
  #closed = false;
  onCheckPoint: () => void = () => {};

  constructor(options: PoolOptions) {
    this.#options = options;
    for (let n = 0; n < Math.min(options.count, MAX_WORKERS); n++) this.#start(n);
  }

  /** Seconds that each worker has been at work. */
  get busySeconds(): number[] {
    return this.#threads.map((_, n) => this.#shared.busy(n) / 1e6);
  }

  /** Resolves when all threads can take jobs. */
  async ready(): Promise<void> {
    const worker = (n: number) =>
      new Promise<void>((resolve) => {
        const thread = this.#threads[n];
        if (!thread || thread.ready) return resolve();
        thread.worker.ref();
        thread.worker.on('message', () => resolve());
        thread.worker.on('exit', () => resolve());
      });
    await Promise.all(this.#threads.map((_, n) => worker(n)));
    this.#hold();
  }

  /** What the threads have spent their time with until now, and what emitted code has left to script, if they were to note it; once. */
  async profiles(): Promise<ThreadProfile[]> {
    if (!this.#options.profile) return [];
    this.#shared.tell();
    const told = this.#threads.map(
      (thread) =>
        new Promise<ThreadProfile | undefined>((resolve) => {
          if (!thread?.ready) return resolve(undefined);
          thread.worker.ref();
          thread.worker.on('message', (message: Message) => message.kind === 'profile' && resolve(message));
          thread.worker.on('exit', () => resolve(undefined));
        }),
    );
    this.#wake();
    return (await Promise.all(told)).filter((found) => found !== undefined);
  }

  fragment(request: FragmentRequest, begin: (claim: Claim) => Work): Work | undefined {
    return this.#job(KIND.FRAGMENT, request, [request.operands.enableTem ? 1 : 0], ALL, begin);
  }

  compute(request: ComputeRequest, begin: (claim: Claim) => Work): Work | undefined {
    const { srtSelect, spdSelect, tsdSelect, fauSelect } = request.operands;
    // Core 0 is the main thread.
    return this.#job(
      KIND.COMPUTE,
      request,
      [srtSelect, spdSelect, tsdSelect, fauSelect],
      2 ** (this.#options.cores - 1) - 1,
      begin,
    );
  }

  /** A job that workers of the mask `may` can take part in; undefined if its memory is not of this GPU. */
  #job(
    kind: number,
    { memory, registers }: { readonly memory: VirtualMemory; readonly registers: Uint32Array },
    operands: readonly number[],
    may: number,
    begin: (claim: Claim) => Work,
  ): Work | undefined {
    if (!(memory instanceof GpuMemory)) return undefined;
    const begun = performance.now();
    const work = new PooledWork(this.#shared, memory, begin, {
      handOut: (job, from) => this.#handOut(job, kind, registers, operands, may, from),
      wake: () => this.#wake(),
      over: () => {
        if (performance.now() - begun > LONG) this.#long.add(memory);
        else this.#long.delete(memory);
      },
      heed: (heeded) => {
        this.#heeded.add(heeded);
        this.#hold();
      },
      ended: (ended) => {
        if (this.#shared.free(ended.index)) this.#jobs[ended.index] = undefined;
        else this.#lingering.push(ended.index);
        if (this.#heeded.delete(ended)) this.#hold();
      },
    });
    if (this.#long.has(memory)) work.share();
    return work;
  }

  #handOut(
    work: PooledWork,
    kind: number,
    registers: Uint32Array,
    operands: readonly number[],
    may: number,
    from: number,
  ): boolean {
    const workers = this.#ready(may);
    if (this.#lingering.length > 0) this.#sweep();
    const index = this.#jobs.indexOf(undefined);
    if (workers.length === 0 || index < 0) return false;
    work.index = index;
    const { id, source } = work.memory;
    work.serial = this.#shared.beginJob(index, kind, id, source?.slot, registers, operands, from, workers);
    this.#jobs[index] = work;
    for (const n of workers) this.#shared.wake(n);
    return true;
  }

  // Agents.

  changed(slot: number, translation: Translation, locked: boolean): void {
    this.#shared.setSpace(slot, translation, locked);
    if (!locked && this.#jobs.some((job) => job?.memory.source?.slot === slot)) this.#wake();
  }

  busy(slot: number): boolean {
    let busy = false;
    for (let n = 0; n < this.#threads.length; n++) busy = this.#shared.behind(n, slot) || busy;
    if (busy && !this.#asked) {
      this.#asked = true;
      this.#hold();
    }
    return busy;
  }

  moved(view: GpuMemory, slot: number | undefined): void {
    for (const [index, job] of this.#jobs.entries()) {
      if (job?.memory !== view) continue;
      this.#shared.setSlot(index, slot);
      if (slot !== undefined) this.#wake();
    }
  }

  /** The machine is switched off. */
  close(): void {
    this.#closed = true;
    this.#shared.close();
    this.#wake();
    for (const thread of this.#threads) void thread?.worker.terminate();
  }

  #start(n: number): void {
    const { dram, engine, outputBits, codeCache, profile = false } = this.#options;
    const data: ThreadData = {
      memory: dram.memory,
      ranges: dram.ranges?.shared,
      shared: this.#shared.buffer,
      worker: n,
      engine,
      outputBits,
      codeCache,
      profile,
    };
    const worker = new Worker(new URL('./start.ts', import.meta.url), {
      workerData: data,
      name: `tyr-worker-${n}`,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    const thread: Thread = { worker, ready: false };
    this.#threads[n] = thread;
    let reason = 'it has ended';
    worker.on('message', (message: Message) => this.#message(thread, message));
    worker.on('error', (error) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    worker.on('exit', () => this.#exit(n, thread, reason));
    if (!this.#held) worker.unref();
  }

  #message(thread: Thread, message: Message): void {
    switch (message.kind) {
      case 'ready':
        thread.ready = true;
        break;
      case 'profile':
        break;
      case 'check':
        this.#asked = false;
        this.onCheckPoint();
        this.#hold();
        break;
      case 'end': {
        const work = this.#jobs[message.job];
        if (work?.serial === message.serial) this.#parted(work, message.failure);
        break;
      }
    }
  }

  /** A worker has ended its part of a job. */
  #parted(work: PooledWork, failure: Failure | undefined): void {
    if (failure) work.fail(failure);
    work.parted();
  }

  /** A thread is gone, and nobody has asked it to go. */
  #exit(n: number, thread: Thread, reason: string): void {
    if (this.#closed) return;
    this.#options.log('error', 'mali-worker', `worker ${n} is gone: ${reason}`);
    this.#shared.leave(n);
    this.#threads[n] = undefined;
    for (const work of [...this.#jobs]) {
      if (!work || !this.#shared.takesPart(work.index, n)) continue;
      this.#shared.stop(work.index);
      this.#shared.part(work.index, n);
      this.#parted(work, { kind: 'bug', code: 0, address: 0, access: 'read', message: reason });
    }
    this.#wake();
    // One that never came up would not come up again.
    if (thread.ready) this.#start(n);
    this.onCheckPoint();
  }

  /** Frees the records of jobs that have ended and that no worker looks at any more. */
  #sweep(): void {
    for (const index of this.#lingering.splice(0)) {
      if (this.#shared.free(index)) this.#jobs[index] = undefined;
      else this.#lingering.push(index);
    }
  }

  /** Workers that can take a job, of those of the mask `may`. */
  #ready(may: number): number[] {
    const ready: number[] = [];
    for (const [n, thread] of this.#threads.entries()) if (thread?.ready && may & (1 << n)) ready.push(n);
    return ready;
  }

  #wake(): void {
    for (let n = 0; n < this.#threads.length; n++) this.#shared.wake(n);
  }

  /** Threads keep the process alive as long as somebody waits for them, and no longer. */
  #hold(): void {
    const held = this.#heeded.size > 0 || this.#asked;
    if (held === this.#held) return;
    this.#held = held;
    for (const thread of this.#threads) {
      if (held) thread?.worker.ref();
      else thread?.worker.unref();
    }
  }
}
