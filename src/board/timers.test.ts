/** Timers: they go off in order, in time, once, and leave nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Timers } from './timers.ts';

/** A host with one timer, and time that the test moves. */
function host() {
  let now = 0;
  const set = new Set<{ at: number; fn: () => void }>();
  let armed = 0;
  const timers = new Timers(
    () => now,
    (delay, fn) => {
      const own = { at: now + delay, fn };
      set.add(own);
      armed++;
      return { cancel: () => void set.delete(own) };
    },
  );
  const advance = (to: number): void => {
    for (;;) {
      const [next] = [...set].filter(({ at }) => at <= to).sort((a, b) => a.at - b.at);
      if (!next) break;
      set.delete(next);
      now = Math.max(now, next.at);
      next.fn();
    }
    now = to;
  };
  return { timers, advance, set, armed: () => armed, now: () => now };
}

test('timers go off in the order of their times, and of setting where these are equal', () => {
  const { timers, advance, now } = host();
  const seen: string[] = [];
  const delays = [70, 10, 30, 10, 50, 20, 60, 40, 10];
  for (const [i, delay] of delays.entries()) timers.after(delay, () => seen.push(`${now()}:${i}`));
  advance(45);
  assert.deepEqual(seen, ['10:1', '10:3', '10:8', '20:5', '30:2', '40:7']);
  advance(100);
  assert.deepEqual(seen.slice(6), ['50:4', '60:6', '70:0']);
  assert.equal(timers.size, 0);
});

test('a cancelled timer does not go off, and the last one leaves no timer of the host', () => {
  const { timers, advance, set } = host();
  let count = 0;
  const all = Array.from({ length: 1000 }, (_, i) => timers.after(1000 - i, () => count++));
  for (const [i, timer] of all.entries()) if (i % 4 !== 0) timer.cancel();
  all[1]!.cancel();
  assert.equal(timers.size, 250);
  advance(2000);
  assert.equal(count, 250);
  const one = timers.after(10, () => count++);
  const two = timers.after(20, () => count++);
  one.cancel();
  two.cancel();
  assert.equal(set.size, 0);
});

test('a limit that is set and cancelled over and over costs no timer of the host', () => {
  const { timers, armed } = host();
  timers.after(10, () => {});
  for (let i = 0; i < 1000; i++) timers.after(5000, () => {}).cancel();
  assert.equal(armed(), 1);
});

test('a timer may set and cancel others, and one that throws keeps none from going off', () => {
  const { timers, advance } = host();
  const seen: string[] = [];
  const victim = timers.after(20, () => seen.push('victim'));
  timers.after(10, () => {
    victim.cancel();
    timers.after(0, () => seen.push('at once'));
    timers.after(15, () => seen.push('later'));
    throw new Error('broken');
  });
  assert.throws(() => advance(10), /broken/);
  advance(30);
  assert.deepEqual(seen, ['at once', 'later']);
});
