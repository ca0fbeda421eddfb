/** The machine's log as lines of a kernel log: `[    0.001234] device: message`. */
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';

export function kernelLog(clock: Clock, write: (line: string) => void, verbose: boolean): Log {
  return (level, device, message) => {
    if (level === 'debug' && !verbose) return;
    const seconds = (clock.now() / 1e9).toFixed(6).padStart(12);
    const weight = level === 'error' || level === 'warn' ? `${level}: ` : '';
    write(`[${seconds}] ${device}: ${weight}${message}\n`);
  };
}
