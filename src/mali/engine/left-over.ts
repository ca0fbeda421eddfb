/**
 * What recompiled code has left to script on this thread, and how often: instructions by name, and texture instructions with formats and
 * kinds for which there is no emitted sampler. Script is slow, so whoever wonders where the time goes looks here first.
 */

/** How often, by what it was. */
export type LeftOver = Readonly<Record<string, number>>;

/** Kinds of it that are told apart: texture formats are the guests'. */
const MOST_KINDS = 512;
const counts = new Map<string, number>();

export function leave(what: string): void {
  const known = counts.get(what);
  if (known !== undefined) counts.set(what, known + 1);
  else if (counts.size < MOST_KINDS) counts.set(what, 1);
}

/** All of it since the thread began. */
export const leftOver = (): LeftOver => Object.fromEntries(counts);

/** The same of several threads. */
export function sumOf(all: readonly LeftOver[]): LeftOver {
  const sums: Record<string, number> = {};
  for (const one of all) for (const [what, times] of Object.entries(one)) sums[what] = (sums[what] ?? 0) + times;
  return sums;
}
