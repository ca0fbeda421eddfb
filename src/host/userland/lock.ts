/**
 * One setup at a time: a kernel lock (flock) on a file of the cache folder.
 *
 * The kernel drops the lock when its holder dies, however it dies, so a killed setup never leaves a stale one.
 */
import { closeSync, openSync } from 'node:fs';
import { HostClock } from '../../board/clock.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const RETRY = 200e6;

/** Waits for the lock and holds it until the returned function is called. `waiting` is called once if it has to wait. */
export async function takeLock(file: string, waiting: () => void): Promise<() => void> {
  const { default: koffi } = await import('koffi');
  const flock = koffi.load(null).func('int flock(int fd, int operation)');
  const clock = new HostClock();
  const fd = openSync(file, 'w');
  for (let told = false; flock(fd, LOCK_EX | LOCK_NB) !== 0; told = true) {
    if (!told) waiting();
    await new Promise<void>((resolve) => clock.after(RETRY, resolve));
  }
  return () => closeSync(fd);
}
