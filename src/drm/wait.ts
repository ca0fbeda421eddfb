/**
 * Waiting ioctls: the one shape of everything that keeps a client's thread inside an ioctl.
 *
 * The wait ends when what it waits for has come, at its deadline, when the caller dies or when the file is closed; whatever
 * ends it takes back everything that it hung anywhere.
 */
import type { Errno } from '../abi/errno.ts';
import { count as census } from '../board/census.ts';
import type { Timer } from '../board/clock.ts';
import { DrmError, must } from './error.ts';
import { type DrmFile, FILE_LIMITS } from './file.ts';
import { at, timeLeft } from './timeout.ts';
import type { UserContext } from './user.ts';

const waiting = new WeakMap<DrmFile<any>, number>();

/**
 * Calls `start` with a function that ends the wait well; `start` returns what takes its callbacks back. `deadline`:
 * absolute CLOCK_MONOTONIC nanoseconds, `left` of them from now on (undefined: it has passed). `weight`: how many things it waits for, of which
 * a file may have only so many.
 * Fails with ETIME, EINTR (caller gone), or what `start` or `done` throw.
 */
export function waitUntil<T>(
  file: DrmFile<any>,
  user: UserContext,
  deadline: bigint,
  start: (done: (value: T) => void) => () => void,
  weight = 1,
  left = timeLeft(file.device.context.clock, deadline),
): Promise<T> {
  const { clock } = file.device.context;
  const count = waiting.get(file) ?? 0;
  must(count + weight <= FILE_LIMITS.waits, 'ENOMEM', () => `the file waits for ${count} things already`);
  waiting.set(file, count + weight);
  census(clock, 'waits', 1);
  return new Promise<T>((resolve, reject) => {
    let undo: (() => void) | undefined;
    let timer: Timer | undefined;
    let undoGone: (() => void) | undefined;
    let undoClose: (() => void) | undefined;
    let ended = false;
    /** False: it has ended before. */
    const end = (): boolean => {
      if (ended) return false;
      ended = true;
      undo?.();
      timer?.cancel();
      undoGone?.();
      undoClose?.();
      waiting.set(file, (waiting.get(file) ?? weight) - weight);
      census(clock, 'waits', -1);
      return true;
    };
    const fail = (errno: Errno, sentence: string): void => {
      if (end()) reject(new DrmError(errno, sentence));
    };
    try {
      undo = start((value) => {
        if (end()) resolve(value);
      });
    } catch (error) {
      if (end()) reject(error);
    }
    if (ended) {
      undo?.();
      return;
    }
    if (left === undefined) return fail('ETIME', 'not yet');
    timer = at(clock, deadline, () => fail('ETIME', 'the wait timed out'), left);
    undoGone = user.onGone(() => fail('EINTR', 'the caller is gone'));
    undoClose = file.onClose(() => fail('EINTR', 'the file was closed'));
  });
}
