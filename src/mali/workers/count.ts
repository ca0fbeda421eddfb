/**
 * How many workers a machine has where nobody says: the environment variable TYR_WORKERS, so that any test runs with any
 * number; else none. Whoever runs programs takes one for each core but one, which is the machine's own. 0: no threads,
 * everything in order on one.
 */
import { availableParallelism } from 'node:os';
import { MAX_WORKERS } from './shared.ts';

/** Throws RangeError for what is no number of workers. */
export function workerCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count > MAX_WORKERS) {
    throw new RangeError(`there cannot be ${text} workers; there can be 0 to ${MAX_WORKERS}`);
  }
  return count;
}

export function defaultWorkers(): number {
  return askedWorkers() ?? 0;
}

/** For programs: what TYR_WORKERS says, or all cores but one, at least one. */
export function workersForPrograms(): number {
  return askedWorkers() ?? Math.min(Math.max(availableParallelism() - 1, 1), MAX_WORKERS);
}

function askedWorkers(): number | undefined {
  const asked = process.env.TYR_WORKERS;
  return asked ? workerCount(asked) : undefined;
}
