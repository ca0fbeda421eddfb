/**
 * The runner: hands batches of cases to workers, each a process with a machine of its own, and finds out whose fault it was
 * when a batch comes to grief.
 *
 * A process that dies, hangs or makes the GPU fault costs the case that was running its verdict; the cases behind it go to
 * another process, as deqp-runner has it. Because a case may suffer from those before it in the same process, such a case is
 * run once more alone, and its result says if it behaves there. A process that never comes to its first case is run again, the
 * first one by itself, the others in halves; one after whose end the machine still has something of it in halves until one case is
 * left, which it then was. A worker that
 * ends takes the case that was running with it, which is a result too: `machine`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Command } from '../host/hosted-machine.ts';
import { Problem } from '../host/userland/problem.ts';
import type { Userland } from '../host/userland/userland.ts';
import type { Answer, Batch, Request, Result, Setup } from './protocol.ts';
import { type Case, isGood, type Prepared, type Suite } from './suite.ts';

/** How a worker process is started: a script that calls `work` (worker.ts), and its arguments. */
export interface WorkerEntry {
  readonly script: string;
  readonly args: readonly string[];
}

export interface RunOptions {
  readonly suite: Suite;
  readonly prepared: Prepared;
  readonly cases: readonly Case[];
  readonly entry: WorkerEntry;
  readonly jobs: number;
  readonly setup: Omit<Setup, 'suite' | 'userland'>;
  /** Seconds in which a case has to end. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /**
   * Called for each case as soon as it is known what came of it; again for what has to be run anew, since its process left something
   * behind. The last one counts.
   */
  onResult(result: Result): void;
}

interface Work {
  readonly cases: readonly Case[];
  /** A case that did badly in company, and how. */
  readonly suspect?: Result | undefined;
}

/** Cases in the processes that they are to share. */
export function batches(cases: readonly Case[], size: number): Case[][] {
  const open = new Map<string, Case[]>();
  const all: Case[][] = [];
  for (const one of cases) {
    const mates = one.batch === undefined ? undefined : open.get(one.batch);
    if (mates && mates.length < size) {
      mates.push(one);
      continue;
    }
    const fresh = [one];
    if (one.batch !== undefined) open.set(one.batch, fresh);
    all.push(fresh);
  }
  return all;
}

/** Runs all cases. Throws Problem where no worker can be started. */
export async function runCases(options: RunOptions): Promise<void> {
  const { suite, cases, jobs, signal, onResult } = options;
  for (const { name, group, skip } of cases) {
    if (skip !== undefined) onResult({ name, group, verdict: 'skip', seconds: 0, note: skip });
  }
  const queue: Work[] = batches(
    cases.filter(({ skip }) => skip === undefined),
    suite.batchSize,
  ).map((own) => ({ cases: own }));
  const lane = async () => {
    const worker = new WorkerProcess(options.entry, {
      ...options.setup,
      suite: suite.name,
      userland: options.prepared.userland,
    });
    const abort = () => worker.end();
    signal.addEventListener('abort', abort);
    try {
      for (let work = queue.shift(); work && !signal.aborted; work = queue.shift()) {
        queue.unshift(...(await runOne(work, worker, options)));
      }
    } finally {
      signal.removeEventListener('abort', abort);
      worker.end();
    }
  };
  await Promise.all(Array.from({ length: jobs }, lane));
}

/** Runs one batch; what is to be run instead of, or after it. */
async function runOne(work: Work, worker: WorkerProcess, options: RunOptions): Promise<Work[]> {
  const { suite, prepared, limit, signal, onResult } = options;
  const { cases, suspect } = work;
  const alone = cases.length === 1;
  const shot = alone ? prepared.shot?.(cases[0]!) : undefined;
  const batch: Batch = { cases, command: prepared.command(cases), limit, shot };
  const { results, leaks, died } = await worker.run(batch, (result) => {
    if (!alone && isGood(result.verdict)) onResult(result);
  });
  if (signal.aborted) return [];
  if (leaks !== undefined && !alone) return halves(cases);
  const next: Work[] = [];
  for (const [index, result] of results) {
    if (!alone && !isGood(result.verdict) && (result.verdict !== 'fail' || suite.failuresAlone)) {
      next.push({ cases: [cases[index]!], suspect: result });
    } else if (alone || !isGood(result.verdict)) {
      onResult(judge(result, suspect, leaks, suite));
    }
  }
  const left = cases.filter((_, index) => !results.has(index));
  if (alone && left.length > 0) {
    const { name, group } = cases[0]!;
    const why = died === undefined ? 'the program ended without a word' : died;
    onResult({ name, group, verdict: died === undefined ? 'crash' : 'machine', seconds: 0, note: why });
    return next;
  }
  if (left.length === 0) return next;
  if (results.size > 0) return [...next, { cases: left }];
  // Most suites run cases in the order of their lists, so it is likely the first.
  return [...next, { cases: left.slice(0, 1) }, ...halves(left.slice(1)).filter((half) => half.cases.length > 0)];
}

function halves(cases: readonly Case[]): Work[] {
  const middle = cases.length >> 1;
  return [cases.slice(0, middle), cases.slice(middle)].map((half) => ({ cases: half }));
}

function judge(
  result: Result,
  suspect: Result | undefined,
  leaks: Readonly<Record<string, number>> | undefined,
  { failuresAlone }: Suite,
): Result {
  if (leaks !== undefined && result.verdict !== 'fault') {
    const kinds = Object.entries(leaks).map(([kind, count]) => `${count} ${kind}`);
    return { ...result, verdict: 'leak', note: `the machine still has ${kinds.join(', ')} of it` };
  }
  if (suspect === undefined || result.verdict === suspect.verdict) return result;
  if (suspect.verdict === 'fail' && failuresAlone === 'count')
    return { ...result, note: 'failed after others in one process' };
  return { ...suspect, note: `only after others in one process; alone: ${result.verdict}` };
}

interface Outcome {
  readonly results: ReadonlyMap<number, Result>;
  readonly leaks: Readonly<Record<string, number>> | undefined;
  /** How the worker came to its end. */
  readonly died: string | undefined;
}

/** A worker process, started anew whenever it has ended. */
export class WorkerProcess {
  readonly #entry: WorkerEntry;
  readonly #setup: Setup;
  #child: ChildProcess | undefined;
  #ended = false;

  constructor(entry: WorkerEntry, setup: Setup) {
    this.#entry = entry;
    this.#setup = setup;
  }

  /** `onResult` hears of each case when it has ended. */
  async run(batch: Batch, onResult: (result: Result) => void): Promise<Outcome> {
    const results = new Map<number, Result>();
    let current: number | undefined;
    let leaks: Readonly<Record<string, number>> | undefined;
    const died = await this.#talk({ batch }, (answer) => {
      if (answer.kind === 'begin') current = answer.index;
      if (answer.kind === 'result') {
        results.set(answer.index, answer.result);
        onResult(answer.result);
      }
      if (answer.kind !== 'done') return false;
      if (Object.keys(answer.leaks).length > 0) leaks = answer.leaks;
      return true;
    });
    if (died !== undefined && current !== undefined && !results.has(current)) {
      const { name, group } = batch.cases[current]!;
      results.set(current, { name, group, verdict: 'machine', seconds: 0, note: died });
    }
    return { results, leaks, died };
  }

  /** Runs a program on the machine for what it prints. Throws Problem if the worker comes to an end. */
  async ask(command: Command): Promise<{ code: number; output: string }> {
    let told: { code: number; output: string } | undefined;
    const died = await this.#talk({ ask: command }, (answer) => {
      if (answer.kind !== 'told') return false;
      told = answer;
      return true;
    });
    if (told) return told;
    throw new Problem(`no machine could be started (${died}); tyr doctor may say why`);
  }

  end(): void {
    this.#ended = true;
    this.#child?.kill('SIGTERM');
    this.#child = undefined;
  }

  /** Sends a request and hears answers until one is the last. Undefined, or how the worker came to its end. */
  #talk(request: Request, hear: (answer: Answer) => boolean): Promise<string | undefined> {
    if (this.#ended) return Promise.resolve('it was ended');
    const child = this.#child ?? this.#start();
    return new Promise((resolve) => {
      const message = (answer: Answer) => {
        if (!hear(answer)) return;
        leave();
        resolve(undefined);
      };
      const exit = (code: number | null, signal: string | null) => {
        leave();
        if (this.#child === child) this.#child = undefined;
        resolve(`the machine's process ended with ${signal ?? code}`);
      };
      const leave = () => {
        child.off('message', message);
        child.off('exit', exit);
      };
      child.on('message', message);
      child.on('exit', exit);
      child.send(request);
    });
  }

  #start(): ChildProcess {
    // Its standard error carries the stack of a bug that ends it.
    const child = fork(this.#entry.script, [...this.#entry.args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.on('error', () => {});
    child.send({ setup: this.#setup } satisfies Request);
    this.#child = child;
    return child;
  }
}

/** Asks a program of `userland` on a machine that lives for this question alone. */
export async function askOnce(
  entry: WorkerEntry,
  suite: string,
  userland: Userland,
  command: Command,
): Promise<{ code: number; output: string }> {
  const worker = new WorkerProcess(entry, { suite, userland, engine: undefined });
  try {
    return await worker.ask(command);
  } finally {
    worker.end();
  }
}
