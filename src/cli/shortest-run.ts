/** How benches that run in process measure: by the shortest of many runs, which little else on the host has disturbed. */

/** Milliseconds for which a case is measured, and before for which V8 may optimise it. */
const TIME = 300;
const WARM_UP = 300;

/** Runs `once` for some time; answers the milliseconds of the shortest run. */
export function shortestRun(once: () => void): number {
  const warm = performance.now() + WARM_UP;
  while (performance.now() < warm) once();
  let best = Number.POSITIVE_INFINITY;
  for (let now = performance.now(), end = now + TIME; now < end; ) {
    const before = now;
    once();
    now = performance.now();
    best = Math.min(best, now - before);
  }
  return best;
}
