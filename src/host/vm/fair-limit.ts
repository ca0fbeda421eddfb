/**
 * FairLimit: a time limit that counts only time in which a program could have run. A host that is busy with other things makes it come later,
 * as it makes the program; a program that hangs, idle or busy, meets it all the same.
 *
 * The kernel says for how long each thread has waited for a processor (`/proc/PID/task/TID/schedstat`, the second number; Linux
 * Documentation/scheduler/sched-stats.rst). Where it does not, the limit is one of the host's time.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Clock, Timer } from '../../board/clock.ts';

/** Nanoseconds from one look to the next, and what a time without a look counts at most: we were stopped, or not asked either. */
const BEAT = 1e9;

/** Nanoseconds for which each thread of some processes has waited for a processor, by its number. */
export type Waits = () => ReadonlyMap<number, number>;

/** Of processes; one that is gone has no threads. */
export const waitsOf =
  (pids: readonly number[]): Waits =>
  () => {
    const waits = new Map<number, number>();
    for (const pid of pids) {
      try {
        for (const thread of readdirSync(`/proc/${pid}/task`)) {
          const [, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
          waits.set(Number(thread), Number(waited));
        }
      } catch (error) {
        // A thread ended, or the process; or this kernel does not count.
        if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
    return waits;
  };

export class FairLimit {
  readonly #clock: Pick<Clock, 'now' | 'after'>;
  readonly #waits: Waits;
  readonly #over: () => void;
  #left: number;
  #seen: number;
  #waited: ReadonlyMap<number, number>;
  #timer: Timer;

  /** Calls `over` after `limit` nanoseconds of which no thread has spent any waiting. */
  constructor(clock: Pick<Clock, 'now' | 'after'>, limit: number, waits: Waits, over: () => void) {
    this.#clock = clock;
    this.#waits = waits;
    this.#over = over;
    this.#left = limit;
    this.#seen = clock.now();
    this.#waited = waits();
    this.#timer = clock.after(Math.min(limit, BEAT), () => this.#look());
  }

  cancel(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const now = this.#clock.now();
    const waited = this.#waits();
    // Of several that have waited at once the longest says it: who waits for another one's turn does so asleep.
    let most = 0;
    for (const [thread, time] of waited) most = Math.max(most, time - (this.#waited.get(thread) ?? 0));
    this.#left -= Math.min(Math.max(now - this.#seen - most, 0), BEAT);
    this.#seen = now;
    this.#waited = waited;
    if (this.#left <= 0) this.#over();
    else this.#timer = this.#clock.after(Math.min(this.#left, BEAT), () => this.#look());
  }
}
