/** A limit that a busy host does not bring about, and that a program which hangs does not escape. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { type Clock, TestClock } from '../../board/clock.ts';
import { until } from '../../testing/host/until.ts';
import { FairLimit, waitsOf } from './fair-limit.ts';

const SECOND = 1e9;

/** A limit of ten seconds for two threads, of which each second they wait so much. */
function bench(first: number, second = 0) {
  const clock = new TestClock();
  const waits = new Map([
    [1, 0],
    [2, 0],
  ]);
  let over = false;
  const limit = new FairLimit(
    clock,
    10 * SECOND,
    () => new Map(waits),
    () => {
      over = true;
    },
  );
  /** How many seconds pass until it is over; 1000 at most. */
  const last = (): number => {
    for (let seconds = 0; seconds < 1000; seconds++) {
      if (over) return seconds;
      waits.set(1, waits.get(1)! + first * SECOND).set(2, waits.get(2)! + second * SECOND);
      clock.advance(SECOND);
    }
    return 1000;
  };
  return { limit, last };
}

test('who waits for no processor has the host’s time', () => {
  assert.equal(bench(0).last(), 10);
});

test('time in which a thread waits for a processor does not count, and that of two at once not twice', () => {
  assert.equal(bench(0.75).last(), 40);
  assert.equal(bench(0.75, 0.75).last(), 40);
});

test('a time in which nobody looked, as of a process that was stopped, counts a second', () => {
  const clock = new TestClock();
  let over = false;
  const late: Pick<Clock, 'now' | 'after'> = {
    now: () => clock.now() * 100,
    after: (delay, fn) => clock.after(delay, fn),
  };
  new FairLimit(
    late,
    10 * SECOND,
    () => new Map(),
    () => {
      over = true;
    },
  );
  clock.advance(9 * SECOND);
  assert.equal(over, false);
  clock.advance(SECOND);
  assert.equal(over, true);
});

test('a cancelled limit never comes', () => {
  const { limit, last } = bench(0);
  limit.cancel();
  assert.equal(last(), 1000);
});

test('the kernel says how long threads of a process have waited, and of one that is gone nothing', async () => {
  const child = spawn('sleep', ['100']);
  const pid = child.pid!;
  assert.ok([...waitsOf([pid, process.pid])().keys()].includes(pid));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await gone;
  await until(
    () => waitsOf([pid])().size === 0,
    () => 'it is still there',
  );
});
