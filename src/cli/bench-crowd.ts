/**
 * `tyr bench crowd`: 16 clients with four groups each that always have work, and one of high priority that asks for little and wants it soon, under
 * each scheduling policy: all in process, on real time, with requests that come and are served as guests' packets are. How many jobs the crowd gets
 * done, how equal its shares are, and how long a small job takes from its request to its signal, alone and beside the crowd.
 *
 * Time is the processor time of the machine's thread, all its clock tells, so a host that has other things to do changes little.
 * `tyr bench fairness` asks the same in the machine's own time, where serving and interrupts take none, and `tyr compare --crowd` of real programs.
 */
import type { CsLine } from '../abi/gpu/cs.ts';
import { GROUP_PRIORITY, PANTHOR } from '../abi/panthor.ts';
import { type Company, HostClock } from '../board/clock.ts';
import { silent } from '../board/log.ts';
import { POLICY_NAMES, type PolicyName } from '../driver/index.ts';
import { MemfdBacking } from '../host/memfd-backing.ts';
import { threadTime } from '../host/syscalls.ts';
import { Problem } from '../host/userland/problem.ts';
import { Machine } from '../machine/machine.ts';
import { jain } from '../testing/machine/fairness.ts';
import { DATA, loop, store } from '../testing/machine/worker.ts';
import { BenchProcess } from './bench-client.ts';
import { groupOf, type Job, jobOf, openProgram, submitAndWait } from './bench-jobs.ts';
import type { Bench, Result } from './bench-programs.ts';

const CLIENTS = 16;
const GROUPS = 4;
/** Jobs that each group has in flight, and loops of a job: about a third of a millisecond. */
const WAITING = 3;
const LOOPS = 400;
const DRAM = 2 ** 29;
const MILLISECOND = 1e6;
/** What a client takes from an answer to its next request, and what one rests who draws now and then. */
const THINKS = 0.05 * MILLISECOND;
const RESTS = 5 * MILLISECOND;
/** For how long the crowd works before it is counted, and while it is. */
const BEFORE = 300 * MILLISECOND;
const COUNTED = 1500 * MILLISECOND;
const SAMPLES = 60;
/** For how long small jobs are done before the first that counts: V8 optimises what is done often. */
const WARM = 1000 * MILLISECOND;

/** Nanoseconds for which the clock on the wall stands in for the thread's, which costs ten times as much to ask. */
const TRUSTED = 20_000;

/** Tells the processor time of this thread. */
class ThreadClock extends HostClock {
  /** Both clocks when the thread's was asked last, and what was told last. */
  #wall = Number.NEGATIVE_INFINITY;
  #time = 0;
  #told = 0;

  override now(): number {
    let passed = performance.now() * MILLISECOND - this.#wall;
    if (passed > TRUSTED) {
      this.#time = threadTime();
      this.#wall = performance.now() * MILLISECOND;
      passed = 0;
    }
    this.#told = Math.max(this.#told, this.#time + passed);
    return this.#told;
  }

  override monotonic(): bigint {
    return BigInt(Math.floor(this.now()));
  }

  override effort(): number {
    return this.now();
  }
}

/** Requests that clients have sent, or will have. */
class Mail implements Company {
  readonly #clock: ThreadClock;
  readonly #requests = new Set<{ readonly at: number; readonly serve: () => void }>();
  served = 0;

  constructor(clock: ThreadClock) {
    this.#clock = clock;
    clock.attend(this);
  }

  send(delay: number, serve: () => void): void {
    this.#requests.add({ at: this.#clock.now() + delay, serve });
  }

  waiting(): boolean {
    const now = this.#clock.now();
    for (const { at } of this.#requests) if (at <= now) return true;
    return false;
  }

  serve(): boolean {
    return false;
  }

  receive(): boolean {
    const now = this.#clock.now();
    let served = false;
    for (const request of this.#requests) {
      if (request.at > now) continue;
      this.#requests.delete(request);
      request.serve();
      served = true;
    }
    this.served += this.#clock.now() - now;
    return served;
  }

  /** Goes round the event loop, and serves, until `over`. */
  async until(over: () => boolean): Promise<void> {
    while (!over()) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.receive();
    }
  }
}

/** A process that may ask for high priority. */
class NiceProcess extends BenchProcess {
  override capable(): boolean {
    return true;
  }
}

/** A job over and over: how often it has been done. */
interface Work extends Job {
  done: number;
}

/** Jobs of a client's groups, `each` of every group. */
async function open(
  machine: Machine,
  lines: readonly CsLine[],
  groups: number,
  each: number,
  priority: number,
): Promise<Work[]> {
  const process = new NiceProcess();
  const program = await openProgram(machine, process, lines, DATA);
  const works: Work[] = [];
  for (let i = 0; i < groups; i++) {
    const { groupHandle } = await program.file.do(PANTHOR.GROUP_CREATE, groupOf(process, program.vmId, priority));
    for (let n = 0; n < each; n++) works.push({ ...(await jobOf(program, groupHandle)), done: 0 });
  }
  return works;
}

/** Submits it, and resolves when its signal has been seen. */
async function once(work: Work): Promise<void> {
  await submitAndWait(work);
  work.done++;
}

export interface CrowdSizes {
  readonly clients: number;
  readonly samples: number;
  /** Nanoseconds for which shares are counted. */
  readonly counted: number;
}

export interface Crowd {
  /** Jobs of each client, and of all in a second. */
  readonly shares: readonly number[];
  readonly jobs: number;
  /** Medians in microseconds of a small job now and then, and of one after the other. */
  readonly alone: number;
  readonly againAlone: number;
  readonly beside: number;
  readonly againBeside: number;
}

export async function crowdOf(scheduler: PolicyName, { clients, samples, counted }: CrowdSizes): Promise<Crowd> {
  const clock = new ThreadClock();
  const mail = new Mail(clock);
  const options = { clock, log: silent, backing: new MemfdBacking(), dramSize: DRAM };
  const machine = await Machine.boot({ ...options, scheduler, mode: '640x480@60' });
  const crowd: Work[][] = [];
  for (let i = 0; i < clients; i++)
    crowd.push(await open(machine, loop(LOOPS), GROUPS, WAITING, GROUP_PRIORITY.MEDIUM));
  const [urgent] = await open(machine, store(0, 1), 1, 1, GROUP_PRIORITY.HIGH);
  const failed: unknown[] = [];
  const pass = async (time: number): Promise<void> => {
    const end = clock.now() + time;
    await mail.until(() => failed.length > 0 || clock.now() >= end);
    if (failed.length > 0) throw failed[0];
  };
  const run = (job: Work, then: () => void): void => {
    once(job).then(then, (error: unknown) => failed.push(error));
  };
  const median = async (rest: number): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < samples; i++) {
      // It comes when it comes, whatever the machine is at.
      const begin = clock.now() + rest;
      mail.send(rest, () => run(urgent!, () => times.push((clock.now() - begin) / 1000)));
      await mail.until(() => failed.length > 0 || times.length > i);
      if (failed.length > 0) throw failed[0];
    }
    return times.sort((a, b) => a - b)[samples >> 1]!;
  };
  for (const end = clock.now() + WARM; clock.now() < end; ) await once(urgent!);
  const alone = await median(RESTS);
  const againAlone = await median(THINKS);
  let working = true;
  const over = (job: Work): void => {
    if (working) run(job, () => mail.send(THINKS, () => over(job)));
  };
  for (const job of crowd.flat()) over(job);
  await pass(BEFORE);
  const count = (): number[] => crowd.map((jobs) => jobs.reduce((sum, { done }) => sum + done, 0));
  const before = count();
  const begin = clock.now();
  await pass(counted);
  const seconds = (clock.now() - begin) / 1e9;
  const shares = count().map((done, i) => done - before[i]!);
  const beside = await median(RESTS);
  const againBeside = await median(THINKS);
  working = false;
  machine.close();
  return { shares, jobs: shares.reduce((a, b) => a + b, 0) / seconds, alone, againAlone, beside, againBeside };
}

export const crowd: Bench = async (_userland, { vs }) => {
  if (vs) throw new Problem(`there is nothing in crowd that ${vs} could do`);
  const results: Result[] = [];
  for (const policy of POLICY_NAMES) {
    const found = await crowdOf(policy, { clients: CLIENTS, samples: SAMPLES, counted: COUNTED });
    const { shares } = found;
    results.push(
      { metric: `${policy}_jobs_per_second`, value: found.jobs, unit: 'jobs/s' },
      { metric: `${policy}_least_of_most`, value: Math.min(...shares) / Math.max(...shares), unit: '' },
      { metric: `${policy}_jain`, value: jain(shares), unit: '' },
      { metric: `${policy}_high_priority_alone`, value: found.alone, unit: 'µs' },
      { metric: `${policy}_high_priority_beside_64`, value: found.beside, unit: 'µs' },
      { metric: `${policy}_high_priority_again_alone`, value: found.againAlone, unit: 'µs' },
      { metric: `${policy}_high_priority_again_beside_64`, value: found.againBeside, unit: 'µs' },
    );
  }
  return results;
};
