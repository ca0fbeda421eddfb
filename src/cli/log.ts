/** The machine's log as lines of a kernel log: `[    0.001234] device: message`. */
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';

/** Nanoseconds, and how many lines clients can cause in that time; a client that floods the log is told of once. */
const WINDOW = 1e9;
const LINES = 100;

export function kernelLog(clock: Clock, write: (line: string) => void, verbose: boolean): Log {
  let start = clock.now();
  let lines = 0;
  const line = (device: string, text: string): void => {
    const seconds = (clock.now() / 1e9).toFixed(6).padStart(12);
    write(`[${seconds}] ${device}: ${text}\n`);
  };
  return (level, device, message) => {
    if (level === 'debug' && !verbose) return;
    const now = clock.now();
    if (now - start >= WINDOW) {
      if (lines > LINES) line('log', `${lines - LINES} messages were left out`);
      start = now;
      lines = 0;
    }
    // What clients cannot cause is never left out.
    if (level !== 'info' && ++lines > LINES) return;
    const weight = level === 'error' || level === 'warn' ? `${level}: ` : '';
    line(device, `${weight}${message}`);
  };
}
