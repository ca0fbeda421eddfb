/** Turns of command streams: how long one goes on while nobody waits, and while somebody does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../../board/clock.ts';
import { TestClock } from '../../board/clock.ts';
import { GpuTime } from '../time.ts';
import { FrontEnd, type Runner } from './front-end.ts';
import type { CommandStream } from './stream.ts';

/** What serving somebody in the midst of a slice can reach. */
interface Served {
  readonly time: TestClock;
  readonly frontEnd: FrontEnd;
  readonly runner: Runner;
}

/** A clock of that time, whose slices wait in `yielded` until they are called. */
function clockOf(time: TestClock, yielded: (() => void)[]): Clock {
  return {
    now: () => time.now(),
    monotonic: () => time.monotonic(),
    realtime: () => time.realtime(),
    boottime: () => time.boottime(),
    after: (delay, fn) => time.after(delay, fn),
    soon: (fn) => time.soon(fn),
    yield: (fn) => void yielded.push(fn),
  };
}

/**
 * Steps that a stream does in one slice, or in one that begins `gap` nanoseconds after the last, where each takes `step`
 * nanoseconds and `pressed` says whether somebody waits. `serve` is called between steps.
 */
function stepsInSlice(step: number, pressed: () => boolean, gap?: number, serve?: (at: Served) => boolean): number {
  const time = new TestClock();
  const yielded: (() => void)[] = [];
  const clock = {
    ...clockOf(time, yielded),
    pressed,
    serve: () => serve?.({ time, frontEnd, runner }) ?? false,
  };
  let steps = 0;
  const endless = {
    activity: 0,
    retired: 0,
    step: () => {
      steps++;
      time.advance(step);
      return true;
    },
  } as CommandStream;
  const frontEnd = new FrontEnd(clock, new GpuTime(clock), (fn) => fn());
  const runner: Runner = { stream: endless, addressSpace: 0, priority: 0, paused: () => false, settled: () => {} };
  frontEnd.add(runner);
  yielded.shift()!();
  if (serve) return steps;
  assert.equal(yielded.length, 1, 'the stream is not done');
  if (gap === undefined) return steps;
  const before = steps;
  time.advance(gap);
  yielded.shift()!();
  return steps - before;
}

test('a stream goes on for a turn by the clock, or for so many rounds', () => {
  assert.equal(
    stepsInSlice(3e5, () => false),
    7,
  );
  assert.equal(
    stepsInSlice(0, () => true),
    17,
  );
});

test('a turn ends early when a client waits, but not before a step is done, and nobody asks all the time', () => {
  let asked = 0;
  const ask = (): boolean => {
    asked++;
    return asked > 1;
  };
  assert.equal(stepsInSlice(3e4, ask), 11);
  assert.equal(asked, 2);
  assert.equal(
    stepsInSlice(5e6, () => true),
    1,
  );
});

test('looks that find nobody become rarer', () => {
  let looks = 0;
  const nobody = (): boolean => {
    looks++;
    return false;
  };
  stepsInSlice(1.25e5, nobody);
  // After 0.125, 0.375, 0.875, 1.375 and 1.875 of 2 ms.
  assert.equal(looks, 5);
});

test('the GPU has as much time as the clients that keep it waiting, to the end of its turn', () => {
  const always = () => true;
  assert.equal(stepsInSlice(1e5, always, 1e4), 1);
  assert.equal(stepsInSlice(1e5, always, 5e5), 5);
  assert.equal(stepsInSlice(2.5e5, always, 1e7), 8);
});

test('who waits is served between two steps, but takes no more time than the GPU has then', () => {
  const at: number[] = [];
  const serve = ({ time }: Served): boolean => {
    at.push(time.now());
    time.advance(2.5e5);
    return true;
  };
  assert.equal(
    stepsInSlice(1e5, () => false, undefined, serve),
    11,
  );
  assert.deepEqual(at, [1e5, 6.5e5, 1.2e6, 1.75e6]);
});

test('a stream that is stopped by what is served there does no further step', () => {
  const serve = ({ frontEnd, runner }: Served): boolean => {
    frontEnd.remove(runner);
    return true;
  };
  assert.equal(
    stepsInSlice(1e5, () => false, undefined, serve),
    1,
  );
});

test('the GPU works while it has something to do, here or on other threads, and not while streams wait', () => {
  const time = new TestClock();
  const yielded: (() => void)[] = [];
  const clock = clockOf(time, yielded);
  let steps = 0;
  const stream = {
    activity: 0,
    retired: 0,
    elsewhere: false,
    step: () => {
      if (steps === 0) return false;
      steps--;
      time.advance(1e5);
      return true;
    },
  };
  const frontEnd = new FrontEnd(clock, new GpuTime(clock), (fn) => fn());
  frontEnd.add({
    stream: stream as CommandStream,
    addressSpace: 0,
    priority: 0,
    paused: () => false,
    settled: () => {},
  });
  const slice = (): void => yielded.shift()!();
  slice();
  time.advance(5e6);
  assert.equal(frontEnd.worked, 0, 'the stream waits');
  steps = 3;
  stream.elsewhere = true;
  frontEnd.schedule();
  slice();
  time.advance(2e5);
  assert.equal(frontEnd.worked, 5e5, 'workers are at it');
  stream.elsewhere = false;
  frontEnd.schedule();
  slice();
  time.advance(5e6);
  assert.equal(frontEnd.worked, 5e5, 'it waits again');
  steps = 1000;
  frontEnd.schedule();
  slice();
  frontEnd.clear();
  time.advance(5e6);
  assert.equal(frontEnd.worked, 5e5 + 17e5, 'it was stopped');
});

test('streams of the highest priority have their turns first, whenever they came and whenever it changes', () => {
  const time = new TestClock();
  const yielded: (() => void)[] = [];
  const clock = clockOf(time, yielded);
  const frontEnd = new FrontEnd(clock, new GpuTime(clock), (fn) => fn());
  let turns = '';
  const runner = (name: string, priority: number) => ({
    stream: {
      activity: 0,
      retired: 0,
      step: () => {
        turns += name;
        return false;
      },
    } as CommandStream,
    addressSpace: 0,
    priority,
    paused: () => false,
    settled: () => {},
  });
  const [low, high] = [runner('l', 3), runner('h', 9)];
  for (const each of [low, runner('m', 5), high, runner('n', 5)]) frontEnd.add(each);
  const slice = (): string => {
    turns = '';
    frontEnd.schedule();
    yielded.shift()!();
    return turns;
  };
  assert.equal(slice(), 'hmnl');
  low.priority = 7;
  frontEnd.order();
  assert.equal(slice(), 'hlmn');
  frontEnd.remove(high);
  assert.equal(slice(), 'lmn');
});
