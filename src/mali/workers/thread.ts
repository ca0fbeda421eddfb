/**
 * A worker: a thread that draws tiles of fragment jobs and runs workgroups of compute jobs.
 *
 * It has scratch memory, modules and caches of its own (they are module state, of which each thread has its own), shares DRAM,
 * and knows of the main thread what stands in shared words (shared.ts). Jobs take turns, a slice each, so an endless shader
 * costs the others time and blocks nobody; a job that is stopped is dropped before its next slice. Without work it sleeps.
 */
import { setImmediate } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { PhysicalMemory } from '../../board/dram.ts';
import { MemoryRanges } from '../../board/ranges.ts';
import type { Engine } from '../engine/engine.ts';
import { leftOver } from '../engine/left-over.ts';
import { FragmentWork } from '../fragment/fragment.ts';
import { ClaimedTiles } from '../fragment/tile-share.ts';
import { LANES } from '../shader/contract.ts';
import { computeCore, shaderCores } from '../units.ts';
import { type MakePart, View, WorkerJob } from './job.ts';
import { type Failure, failureOf, type Message } from './messages.ts';
import { Sampler } from './sampler.ts';
import { JOBS, Shared } from './shared.ts';

/** What a thread is started with. */
export interface ThreadData {
  readonly memory: WebAssembly.Memory;
  /** Where there is memory; undefined: everywhere. */
  readonly ranges: SharedArrayBuffer | undefined;
  readonly shared: SharedArrayBuffer;
  readonly worker: number;
  readonly engine: Engine;
  readonly outputBits: number;
  /** Folder for compiled code. */
  readonly codeCache: string | undefined;
  /** Whether to note what time is spent with. */
  readonly profile: boolean;
}

/** Views that are kept, the one used last at the end. */
const MAX_VIEWS = 40;

const { memory, ranges, shared: buffer, worker, engine, outputBits, profile } = workerData as ThreadData;
const shared = new Shared(buffer);
const dram = new PhysicalMemory(memory, ranges && new MemoryRanges(ranges));
// Threads of a program that run at once have thread storage of their own.
const { openFragment } = shaderCores(engine, (worker + 1) * LANES);
const core = computeCore(engine);

/** By KIND. */
const MAKE: readonly MakePart[] = [
  (job, memory, claim) => {
    const operands = { enableTem: shared.operand(job, 0) !== 0 };
    const request = { memory, registers: shared.registers(job), operands };
    return new FragmentWork(request, dram, openFragment, engine, undefined, new ClaimedTiles(claim, true));
  },
  (job, memory, claim) => {
    const operands = {
      srtSelect: shared.operand(job, 0),
      spdSelect: shared.operand(job, 1),
      tsdSelect: shared.operand(job, 2),
      fauSelect: shared.operand(job, 3),
    };
    return core({ memory, registers: shared.registers(job), operands }, { claim, core: worker + 1 });
  },
];
const views = new Map<number, View>();
const jobs: WorkerJob[] = [];

const send = (message: Message): void => parentPort!.postMessage(message);

function viewOf(id: number): View {
  const view = views.get(id) ?? new View(dram, outputBits);
  views.delete(id);
  views.set(id, view);
  for (const oldest of views.keys()) {
    if (views.size <= MAX_VIEWS) break;
    views.delete(oldest);
  }
  return view;
}

/** Takes up jobs that have been handed out since the last look. */
function admit(): void {
  for (let index = 0; index < JOBS; index++) {
    if (!shared.join(index, worker)) continue;
    const view = viewOf(shared.view(index));
    jobs.push(new WorkerJob(shared, worker, index, shared.serial(index), view, MAKE[shared.kind(index)]!));
  }
}

/**
 * This worker is no longer at the job. The main thread hears of it if it has asked to and this was the last, or if something is
 * wrong.
 */
function end(job: WorkerJob, failure?: Failure): void {
  jobs.splice(jobs.indexOf(job), 1);
  if (failure) shared.fail(job.index);
  const asked = shared.part(job.index, worker);
  if (asked || failure) send({ kind: 'end', job: job.index, serial: job.serial, failure });
}

/** A slice of a job. False: it has to wait. */
function turn(job: WorkerJob): boolean {
  const { index } = job;
  if (shared.stopped(index) || shared.released(index, worker) || (shared.exhausted(index) && !job.begun)) {
    job.abandon();
    end(job);
    return true;
  }
  try {
    const state = job.slice();
    if (state === 'done') {
      shared.exhaust(job.index);
      end(job);
    }
    return state !== 'blocked';
  } catch (error) {
    shared.stop(job.index);
    end(job, failureOf(error));
    return true;
  } finally {
    if (shared.takeAsked(worker)) send({ kind: 'check' });
  }
}

/** Milliseconds between two turns of the thread's event loop, where what was collected gives back what it had in scratch memory. */
const TURN = 100;

/** Works until the machine is switched off. */
export async function work(): Promise<void> {
  let turned = performance.now();
  let sampler = profile ? new Sampler() : undefined;
  send({ kind: 'ready' });
  while (!shared.closing) {
    if (performance.now() - turned > TURN) {
      await setImmediate();
      turned = performance.now();
    }
    if (sampler && shared.telling) {
      const found = sampler.stop();
      if (found) send({ kind: 'profile', profile: found, left: leftOver() });
      sampler = undefined;
    }
    const seen = shared.wakes(worker);
    admit();
    let worked = false;
    for (const job of [...jobs]) {
      const begin = performance.now();
      if (!turn(job)) continue;
      worked = true;
      shared.addBusy(worker, (performance.now() - begin) * 1000);
    }
    if (!worked && !shared.closing) shared.sleep(worker, seen);
  }
}
