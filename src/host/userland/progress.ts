/** Progress: what a long setup tells while it works. The command line draws it; tests and libraries may ignore it. */
export interface Progress {
  /** A step begins; `title` reads as a headline: 'arm64 guest userland'. */
  begin(title: string): void;
  /** How far the step is, 0 to 1, and what it does just now. */
  update(fraction: number, detail: string): void;
  /** The step is done. */
  end(): void;
  /** A line worth reading outside any step. */
  note(line: string): void;
}

/** Tells how far a part of a step is, 0 to 1, and what it does just now. */
export type Report = (fraction: number, detail: string) => void;

/** The part of the running step between two fractions of it. */
export function portion(progress: Progress, from: number, to: number): Report {
  return (fraction, detail) => progress.update(from + fraction * (to - from), detail);
}

export const quiet: Progress = { begin() {}, update() {}, end() {}, note() {} };
