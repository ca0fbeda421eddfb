/**
 * `tyr fuzz shaders`: random shaders on both engines, for a time; a difference is printed with all that shows it again.
 *
 * Shaders are numbered by their seeds. They are handed out in rounds, to this thread or to several, so that what was tried is
 * one range of seeds however many threads there were.
 */
import { Worker } from 'node:worker_threads';
import { addCoverage, type Coverage, coverageReport, newCoverage } from '../testing/mali/fuzz/coverage.ts';
import { Fuzzer } from '../testing/mali/fuzz/fuzz.ts';
import { progressBar } from './progress-bar.ts';

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly jobs: number;
}

/** Shaders between two looks at the clock; what was collected gives its scratch memory back there. */
const ROUND = 20;

/** What a round has found. */
export interface Round {
  readonly tried: number;
  readonly coverage: Coverage;
  /** The report of a finding, which ends it. */
  readonly finding: string | undefined;
}

/** Somebody who tries the shaders from a seed on. */
interface Job {
  round(first: number): Promise<Round>;
  end(): void;
}

/** Tries a round of shaders. */
export function tryRound(fuzzer: Fuzzer, first: number): Round {
  fuzzer.coverage = newCoverage();
  for (let n = 0; n < ROUND; n++) {
    const finding = fuzzer.try(first + n);
    if (finding) return { tried: n + 1, coverage: fuzzer.coverage, finding: finding.report };
  }
  return { tried: ROUND, coverage: fuzzer.coverage, finding: undefined };
}

function ownJob(): Job {
  const fuzzer = new Fuzzer();
  return {
    async round(first) {
      // Lets signals and finalizers in.
      await new Promise((resolve) => setImmediate(resolve));
      return tryRound(fuzzer, first);
    },
    end: () => {},
  };
}

function workerJob(): Job {
  const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url));
  return {
    round: (first) =>
      new Promise((resolve, reject) => {
        worker.once('error', reject);
        worker.once('message', (round: Round) => {
          worker.off('error', reject);
          resolve(round);
        });
        worker.postMessage(first);
      }),
    end: () => void worker.terminate(),
  };
}

export async function fuzzShaders({ seconds, seed, jobs }: FuzzOptions): Promise<number> {
  const progress = progressBar();
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  const coverage = newCoverage();
  let next = seed;
  let tried = 0;
  let finding: string | undefined;
  const work = async (job: Job): Promise<void> => {
    while (finding === undefined && elapsed() < seconds) {
      const first = next;
      next += ROUND;
      const round = await job.round(first);
      tried += round.tried;
      addCoverage(coverage, round.coverage);
      finding ??= round.finding;
      const rate = tried / elapsed();
      progress.update(Math.min(1, elapsed() / seconds), `${tried} shaders, ${rate.toFixed(0)} a second`);
    }
  };
  progress.begin('fuzzing shaders');
  const all = jobs === 1 ? [ownJob()] : Array.from({ length: jobs }, workerJob);
  try {
    await Promise.all(all.map(work));
  } finally {
    for (const job of all) job.end();
    progress.end();
  }
  if (finding !== undefined) {
    console.log(finding);
    return 1;
  }
  const time = elapsed();
  for (const line of coverageReport(coverage)) console.log(line);
  const range = `seeds ${seed} to ${next - 1}`;
  console.log(`${tried} shaders in ${time.toFixed(1)} s (${(tried / time).toFixed(0)} a second), ${range}, no finding`);
  return 0;
}
