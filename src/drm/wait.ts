/**
 * Waiting ioctls: the one shape of everything that keeps a client's thread inside an ioctl.
 *
 * The wait ends when what it waits for has come, at its deadline, when the caller dies or when the file is closed; whatever
 * ends it takes back everything that it hung anywhere.
 */
import { count as census } from '../board/census.ts';
import { DrmError, must } from './error.ts';
import { type DrmFile, FILE_LIMITS } from './file.ts';
import { at, isPast } from './timeout.ts';
import type { UserContext } from './user.ts';

const waiting = new WeakMap<DrmFile<any>, number>();

/**
 * Calls `start` with a function that ends the wait well; `start` returns what takes its callbacks back. `deadline`:
 * absolute CLOCK_MONOTONIC nanoseconds. `weight`: how many things it waits for, of which a file may have only so many.
 * Fails with ETIME, EINTR (caller gone), or what `start` or `done` throw.
 */
export function waitUntil<T>(
  file: DrmFile<any>,
  user: UserContext,
  deadline: bigint,
  start: (done: (value: T) => void) => () => void,
  weight = 1,
): Promise<T> {
  const { clock } = file.device.context;
  const count = waiting.get(file) ?? 0;
  must(count + weight <= FILE_LIMITS.waits, 'ENOMEM', () => `the file waits for ${count} things already`);
  waiting.set(file, count + weight);
  census(clock, 'waits', 1);
  return new Promise<T>((resolve, reject) => {
    const undo: (() => void)[] = [];
    let ended = false;
    const end = (settle: () => void): void => {
      if (ended) return;
      ended = true;
      for (const fn of undo) fn();
      waiting.set(file, (waiting.get(file) ?? weight) - weight);
      census(clock, 'waits', -1);
      settle();
    };
    const fail = (error: DrmError): void => end(() => reject(error));
    const hold = (off: () => void): void => {
      if (ended) off();
      else undo.push(off);
    };
    try {
      hold(start((value) => end(() => resolve(value))));
    } catch (error) {
      end(() => reject(error));
    }
    if (ended) return;
    if (isPast(clock, deadline)) return fail(new DrmError('ETIME', 'not yet'));
    const timer = at(clock, deadline, () => fail(new DrmError('ETIME', 'the wait timed out')));
    hold(() => timer.cancel());
    hold(user.onGone(() => fail(new DrmError('EINTR', 'the caller is gone'))));
    hold(file.onClose(() => fail(new DrmError('EINTR', 'the file was closed'))));
  });
}
