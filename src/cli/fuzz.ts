/**
 * `tyr fuzz`: random shaders, or random pictures, on both engines, for a time or so many; a difference is printed with all that shows
 * it again.
 *
 * Shaders and pictures are numbered by their seeds. They are handed out in rounds, to this thread or to several, so that what was tried is
 * one range of seeds however many threads there were.
 */
import { Worker } from 'node:worker_threads';
import { addCoverage, type Coverage, comparisons, coverageReport, newCoverage } from '../testing/mali/fuzz/coverage.ts';
import { Fuzzer } from '../testing/mali/fuzz/fuzz.ts';
import { PixelFuzzer } from '../testing/mali/fuzz/pixels.ts';
import { progressBar } from './progress-bar.ts';

/** What is fuzzed. */
export type Fuzzed = 'shaders' | 'pixels';

/** Somebody who tries what a seed stands for. */
interface Trier {
  coverage: Coverage;
  try(seed: number): { readonly report: string } | undefined;
}

const TRIERS: Readonly<Record<Fuzzed, () => Trier>> = {
  shaders: () => new Fuzzer(),
  pixels: () => new PixelFuzzer(),
};

/** What there are many of. */
const NAMES: Readonly<Record<Fuzzed, string>> = { shaders: 'shaders', pixels: 'pictures' };

export interface FuzzOptions {
  /** How long at most; a minute if neither this nor a number is given. */
  readonly seconds?: number;
  /** How many shaders or pictures at most. */
  readonly count?: number;
  readonly seed: number;
  readonly jobs: number;
}

/** Seeds between two looks at the clock; what was collected gives its scratch memory back there. */
const ROUND = 20;
const SECONDS = 60;

/** What a round has found. */
export interface Round {
  readonly tried: number;
  readonly coverage: Coverage;
  /** The report of a finding, which ends it. */
  readonly finding: string | undefined;
}

/** Somebody who tries so many seeds from one on. */
interface Job {
  round(request: RoundRequest): Promise<Round>;
  end(): void;
}

export interface RoundRequest {
  readonly what: Fuzzed;
  readonly first: number;
  readonly count: number;
}

const triers: Partial<Record<Fuzzed, Trier>> = {};

/** Tries a round on this thread. */
export function tryRound({ what, first, count }: RoundRequest): Round {
  triers[what] ??= TRIERS[what]();
  const fuzzer = triers[what];
  fuzzer.coverage = newCoverage();
  for (let n = 0; n < count; n++) {
    const finding = fuzzer.try(first + n);
    if (finding) return { tried: n + 1, coverage: fuzzer.coverage, finding: finding.report };
  }
  return { tried: count, coverage: fuzzer.coverage, finding: undefined };
}

function ownJob(): Job {
  return {
    async round(request) {
      // Lets signals and finalizers in.
      await new Promise((resolve) => setImmediate(resolve));
      return tryRound(request);
    },
    end: () => {},
  };
}

function workerJob(): Job {
  const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url));
  return {
    round: (request) =>
      new Promise((resolve, reject) => {
        worker.once('error', reject);
        worker.once('message', (round: Round) => {
          worker.off('error', reject);
          resolve(round);
        });
        worker.postMessage(request);
      }),
    end: () => void worker.terminate(),
  };
}

/** A time in words. */
function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export async function fuzz(what: Fuzzed, { seconds, count, seed, jobs }: FuzzOptions): Promise<number> {
  const most = count ?? Number.POSITIVE_INFINITY;
  const time = seconds ?? (count === undefined ? SECONDS : Number.POSITIVE_INFINITY);
  const progress = progressBar();
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  const coverage = newCoverage();
  let given = 0;
  let tried = 0;
  let finding: string | undefined;
  const tell = (): void => {
    const done = Math.min(1, Math.max(elapsed() / time, tried / most));
    const left = duration(elapsed() / done - elapsed());
    progress.update(done, `${tried} ${NAMES[what]}, ${(tried / elapsed()).toFixed(0)} a second, ${left} left`);
  };
  const work = async (job: Job): Promise<void> => {
    while (finding === undefined && elapsed() < time && given < most) {
      const request = { what, first: seed + given, count: Math.min(ROUND, most - given) };
      given += request.count;
      const round = await job.round(request);
      tried += round.tried;
      addCoverage(coverage, round.coverage);
      finding ??= round.finding;
      tell();
    }
  };
  progress.begin(`fuzzing ${what}`);
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
  for (const line of coverageReport(coverage)) console.log(line);
  const took = elapsed();
  const rate = (tried / took).toFixed(0);
  console.log(
    `${tried} ${NAMES[what]}, ${comparisons(coverage)} runs on both engines, in ${took.toFixed(1)} s (${rate} ${NAMES[what]} a second), ` +
      `seeds ${seed} to ${seed + given - 1}, no finding`,
  );
  return 0;
}
