/**
 * How many workers a machine has where nobody says: the environment variable TYR_WORKERS, so that any test runs with any
 * number; else none. 0: no threads, everything in order on one.
 */
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
  const asked = process.env.TYR_WORKERS;
  return asked ? workerCount(asked) : 0;
}
