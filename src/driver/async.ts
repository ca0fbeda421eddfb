/**
 * Waiting: for hardware that answers by interrupt (WaitQueue), for hardware that only shows a bit (poll), and for one's
 * turn (Mutex). All time comes from the board's clock, and nothing here spins.
 */
import type { Clock } from '../board/clock.ts';

export const MICROSECOND = 1e3;
export const MILLISECOND = 1e6;
export const SECOND = 1e9;
/** How long one may go on before others get their turn. */
const PIECE = 4 * MILLISECOND;

/** Those who wait until a condition holds. Whoever may have changed it calls `wake`. */
export class WaitQueue {
  readonly #clock: Clock;
  readonly #waiters = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True as soon as `condition` holds, false if it does not hold after `timeout` nanoseconds. */
  wait(condition: () => boolean, timeout: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (result: boolean): void => {
        this.#waiters.delete(check);
        timer.cancel();
        resolve(result);
      };
      const check = (): void => {
        if (condition()) end(true);
      };
      const timer = this.#clock.after(timeout, () => end(condition()));
      this.#waiters.add(check);
    });
  }

  wake(): void {
    for (const check of [...this.#waiters]) check();
  }
}

/** Waits for a bit that no interrupt announces: asks at once, then after `interval`, twice that, and so on up to `timeout`. */
export async function poll(clock: Clock, ready: () => boolean, interval: number, timeout: number): Promise<boolean> {
  const end = clock.now() + timeout;
  for (let pause = interval; !ready(); pause *= 2) {
    const left = end - clock.now();
    if (left <= 0) return false;
    await new Promise<void>((resolve) => clock.after(Math.min(pause, left), resolve));
  }
  return true;
}

/** Long work in pieces: whoever has a lot to do asks between two of them, and everybody else gets a turn now and then. */
export class Pace {
  readonly #clock: Clock;
  #last: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.now();
  }

  /** Resolves at once, or after clients and timers have been served if that has not happened for a while. */
  async rest(): Promise<void> {
    if (this.#clock.now() - this.#last < PIECE) return;
    await new Promise<void>((resolve) => this.#clock.yield(resolve));
    this.#last = this.#clock.now();
  }
}

/** One at a time, in the order of asking. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(fn: () => T | Promise<T>): Promise<T> {
    const turn = this.#tail.then(fn);
    this.#tail = turn.catch(() => {});
    return turn;
  }
}
