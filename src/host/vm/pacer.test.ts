/** The guest's time beside the GPU's: it stands still for work that gets on, and for no other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../../board/clock.ts';
import { Pacer } from './pacer.ts';

const MS = 1e6;

function bench() {
  const clock = new TestClock();
  let tell: (busy: boolean) => void = () => {};
  const done = { streams: 0, pieces: 0 };
  let running = true;
  let guest = 0;
  const gpu = {
    observeBusy: (observer: (busy: boolean) => void) => {
      tell = observer;
    },
    done,
  };
  const pacer = new Pacer(gpu, clock, async (run) => {
    running = run;
  });
  /** Milliseconds go by, each with so many pieces and nanoseconds of streams. */
  const pass = async (ms: number, pieces = 0, streams = 0): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      if (running) guest++;
      done.pieces += pieces;
      done.streams += streams;
      clock.advance(MS);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { pacer, pass, busy: (busy: boolean) => tell(busy), guest: () => guest };
}

test('short work does not stop the guest', async () => {
  const { pacer, pass, busy, guest } = bench();
  for (let i = 0; i < 50; i++) {
    busy(true);
    await pass(15, 1);
    busy(false);
    await pass(5);
  }
  assert.equal(guest(), 1000);
  assert.equal(pacer.stops, 0);
});

test('a long work of many pieces costs the guest its grace alone, and the guest goes on with its end', async () => {
  const { pacer, pass, busy, guest } = bench();
  busy(true);
  await pass(8000, 1);
  assert.ok(guest() <= 21, `${guest()} ms`);
  busy(false);
  const before = guest();
  await pass(100);
  assert.ok(guest() - before >= 99);
  assert.ok(Math.abs(pacer.stopped - (8000 - before) * MS) < 3 * MS, `${pacer.stopped}`);
});

test('an endless shader, of which no piece ends, is late for the guest as well', async () => {
  const { pass, busy, guest } = bench();
  busy(true);
  await pass(6000);
  assert.ok(guest() > 5400, `${guest()} ms`);
});

test('an endless command stream has the time that its instructions take', async () => {
  const { pass, busy, guest } = bench();
  busy(true);
  // A quarter of the time is what silicon would need.
  await pass(8000, 0, MS / 4);
  assert.ok(guest() > 1800 && guest() < 2300, `${guest()} ms`);
});

test('after close the guest runs', async () => {
  const { pacer, pass, busy, guest } = bench();
  busy(true);
  await pass(100, 1);
  pacer.close();
  const before = guest();
  await pass(100, 1);
  assert.ok(guest() - before >= 99);
});
