/**
 * Timeouts as the uAPI gives them: an absolute CLOCK_MONOTONIC time in nanoseconds, of which any of the 2^63 may come.
 */
import type { Clock, Timer } from '../board/clock.ts';

/** Longer delays are waited for in pieces (a host's timer takes at most 2^31 ms). */
const LONGEST = 2 ** 30 * 1e6;

/** Whether `deadline` has passed. 0 and negative ones always have: the caller polls. */
export const isPast = (clock: Clock, deadline: bigint): boolean => deadline <= 0n || deadline <= clock.monotonic();

/** Runs `fn` once, as soon as the clock has reached `deadline`, never early. */
export function at(clock: Clock, deadline: bigint, fn: () => void): Timer {
  let timer: Timer;
  const arm = (): void => {
    const left = deadline - clock.monotonic();
    if (left <= 0n) fn();
    else timer = clock.after(left > LONGEST ? LONGEST : Number(left), arm);
  };
  const left = deadline - clock.monotonic();
  timer = clock.after(left > LONGEST ? LONGEST : Math.max(0, Number(left)), arm);
  return { cancel: () => timer.cancel() };
}
