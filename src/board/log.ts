/** Log: what the machine tells, line by line, each with its device's name, as a kernel log would. */

export type Level = 'error' | 'warn' | 'info' | 'debug';

export type Log = (level: Level, device: string, message: string) => void;

/** A log that keeps nothing. */
export const silent: Log = () => {};

/** A log that keeps its lines, for tests and for the end of a run. */
export function recorder(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return { lines, log: (level, device, message) => lines.push(`${level} ${device}: ${message}`) };
}
