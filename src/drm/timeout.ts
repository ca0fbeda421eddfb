/**
 * Timeouts as the uAPI gives them: an absolute CLOCK_MONOTONIC time in nanoseconds, of which any of the 2^63 may come.
 */
import type { Clock, Timer } from '../board/clock.ts';

/** Longer delays are waited for in pieces (a host's timer takes at most 2^31 ms). */
const LONGEST = 2 ** 30 * 1e6;

/** Nanoseconds until `deadline`, where it has not passed. 0 and negative ones always have: the caller polls. */
export function timeLeft(clock: Clock, deadline: bigint): bigint | undefined {
  if (deadline <= 0n) return undefined;
  const left = deadline - clock.monotonic();
  return left <= 0n ? undefined : left;
}

/** Runs `fn` once, as soon as the clock has reached `deadline`, never early. `left`: what `timeLeft` has just told. */
export function at(clock: Clock, deadline: bigint, fn: () => void, left = timeLeft(clock, deadline)): Timer {
  let timer: Timer;
  const arm = (time: bigint | undefined): Timer =>
    clock.after(time === undefined ? 0 : time > LONGEST ? LONGEST : Number(time), () => {
      const rest = timeLeft(clock, deadline);
      if (rest === undefined) fn();
      else timer = arm(rest);
    });
  timer = arm(left);
  return { cancel: () => timer.cancel() };
}
