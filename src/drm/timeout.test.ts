import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../board/clock.ts';
import { at, timeLeft } from './timeout.ts';

test('a deadline centuries away arms no timer that a host cannot count to', () => {
  const delays: number[] = [];
  class Watched extends TestClock {
    override after(delay: number, fn: () => void) {
      delays.push(delay);
      return super.after(delay, fn);
    }
  }
  const clock = new Watched();
  let fired = false;
  const timer = at(clock, 2n ** 63n - 1n, () => {
    fired = true;
  });
  clock.advance(2 ** 32 * 1e6);
  assert.ok(!fired);
  assert.ok(delays.every((delay) => delay < 2 ** 31 * 1e6));
  timer.cancel();
});

test('a timer that the host fires early is armed again', () => {
  let monotonic = 0n;
  const fns: (() => void)[] = [];
  const clock = new TestClock();
  clock.monotonic = () => monotonic;
  clock.after = (_delay, fn) => {
    fns.push(fn);
    return { cancel: () => {} };
  };
  let fired = false;
  at(clock, 1000n, () => {
    fired = true;
  });
  monotonic = 999n;
  fns.shift()!();
  assert.ok(!fired);
  monotonic = 1000n;
  fns.shift()!();
  assert.ok(fired);
});

test('zero and negative deadlines are past, whatever the clock says', () => {
  const clock = new TestClock();
  assert.equal(timeLeft(clock, 0n), undefined);
  assert.equal(timeLeft(clock, -(2n ** 63n)), undefined);
  assert.equal(timeLeft(clock, 3n), 3n);
  clock.advance(1);
  assert.equal(timeLeft(clock, 3n), 2n);
  assert.equal(timeLeft(clock, 1n), undefined);
});
