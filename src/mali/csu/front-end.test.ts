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
    settled: (fn) => time.settled(fn),
    yield: (fn) => void yielded.push(fn),
  };
}

/**
 * Steps that a stream does in one slice, or in one that begins when clients have been served for `gap` nanoseconds, where each takes `step`
 * nanoseconds and `pressed` says whether somebody waits. `serve` is called between steps.
 */
function stepsInSlice(
  step: number,
  pressed: (time: TestClock) => boolean,
  gap?: number,
  serve?: (at: Served) => boolean,
): number {
  const time = new TestClock();
  const yielded: (() => void)[] = [];
  const clock = {
    ...clockOf(time, yielded),
    pressed: () => pressed(time),
    serve: () => serve?.({ time, frontEnd, runner }) ?? false,
    served: 0,
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
  // What others do meanwhile, the driver say, keeps no client waiting longer.
  time.advance(gap + 1e6);
  clock.served += gap;
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
  assert.equal(stepsInSlice(3e4, ask), 4);
  assert.equal(asked, 2);
  assert.equal(
    stepsInSlice(5e6, () => true),
    1,
  );
});

test('looks take a fiftieth of the GPU’s time, and are no more than 0.4 ms apart', () => {
  const looks = (cost: number): number => {
    let count = 0;
    stepsInSlice(1.25e5, (time) => {
      count++;
      time.advance(cost);
      return false;
    });
    return count;
  };
  assert.equal(looks(500), 16, 'after each step');
  assert.equal(looks(4000), 8, 'after every second one');
  assert.equal(looks(50_000), 4);
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

/** Streams of which each works in steps of half a turn; `slice` says who had one in the next slice, or part of one. */
function stage() {
  const time = new TestClock();
  const yielded: (() => void)[] = [];
  const now = { served: false, interrupting: '', packets: 0 };
  const settled: (() => void)[] = [];
  const clock = {
    ...clockOf(time, yielded),
    settled: (fn: () => void) => void settled.push(fn),
    serve: () => {
      const was = now.served;
      now.served = false;
      return was;
    },
    pressed: () => now.packets > 0,
    receive: () => {
      if (now.packets === 0) return false;
      turns += '!';
      now.packets--;
      time.advance(2e6);
      return true;
    },
  };
  const frontEnd = new FrontEnd(clock, new GpuTime(clock), (fn) => fn());
  let turns = '';
  const add = (name: string, priority: number) => {
    const stream = {
      activity: 0,
      retired: 0,
      woken: false,
      // Steps that it has to do.
      left: 1000,
      step: () => {
        stream.woken = false;
        if (stream.left === 0) return false;
        stream.left--;
        if (turns.at(-1) !== name) turns += name;
        time.advance(1e6);
        if (now.interrupting.includes(name)) frontEnd.interrupted();
        return true;
      },
    };
    const runner: Runner = {
      stream: stream as unknown as CommandStream,
      addressSpace: 0,
      priority,
      paused: () => false,
      settled: () => {},
    };
    frontEnd.add(runner);
    return { stream, runner };
  };
  /** `…` where it has paused. */
  const slice = (): string => {
    turns = '';
    (settled.shift() ?? yielded.shift())!();
    assert.ok(settled.length + yielded.length <= 1);
    return settled.length > 0 ? `${turns}…` : turns;
  };
  return { frontEnd, now, add, slice };
}

test('a slice pauses between two turns when somebody was served or interrupted, and goes on there', () => {
  const { now, add, slice } = stage();
  for (const [name, priority] of [
    ['a', 9],
    ['b', 8],
    ['c', 7],
  ] as const)
    add(name, priority);
  assert.equal(slice(), 'abc');
  now.interrupting = 'ab';
  assert.equal(slice(), 'a…');
  assert.equal(slice(), 'b…');
  now.interrupting = '';
  assert.equal(slice(), 'c');
  now.served = true;
  assert.equal(slice(), 'a…');
  assert.equal(slice(), 'bc');
  assert.equal(slice(), 'abc');
});

test('clients who send packets are served between two turns, and take no more time than the GPU has', () => {
  const { now, add, slice } = stage();
  for (const [i, name] of ['a', 'b', 'c', 'd'].entries()) add(name, 9 - i);
  now.packets = 2;
  assert.equal(slice(), 'a!…');
  // That was as long as two steps.
  assert.equal(slice(), 'bc!…');
  assert.equal(slice(), 'd');
  assert.equal(slice(), 'abcd');
});

test('where a slice has paused, streams before that have their turn first if they have come since, or were woken from rest', () => {
  const { frontEnd, now, add, slice } = stage();
  const { stream: a } = add('a', 9);
  const { stream: b } = add('b', 8);
  add('d', 6);
  const { runner: last } = add('e', 5);
  a.left = 0;
  now.interrupting = 'b';
  assert.equal(slice(), 'b…');
  // It is at work, not at rest.
  b.woken = true;
  a.left = 1;
  a.woken = true;
  add('c', 7);
  assert.equal(slice(), 'acde');
  assert.equal(slice(), 'b…');
  // Whose turn it was has gone: all begin anew.
  now.interrupting = 'd';
  assert.equal(slice(), 'cd…');
  frontEnd.remove(last);
  now.interrupting = '';
  assert.equal(slice(), 'bcd');
});

test('a stream of high priority that is woken and interrupts without end goes first, and does not keep the others from their turns', () => {
  const { now, add, slice } = stage();
  const { stream: a } = add('a', 9);
  add('b', 8);
  add('c', 7);
  now.interrupting = 'abc';
  const seen: string[] = [];
  for (let i = 0; i < 6; i++) {
    a.left = 1;
    a.woken = true;
    seen.push(slice());
  }
  assert.deepEqual(seen, ['a…', 'a…', 'ab…', 'a…', 'ac', 'a…']);
});
