/** The clock of the host's event loop, as far as a test can see it without waiting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostClock } from './clock.ts';

/** In what order a slice of long work and something that is served by the event loop's next round come. */
async function order(waiting: boolean, patience: number, pause = 0): Promise<string[]> {
  const clock = new HostClock(patience);
  clock.attend({ waiting: () => waiting, serve: () => false, receive: () => false, served: 0 });
  const done: string[] = [];
  await new Promise<void>((resolve) => clock.yield(resolve));
  const end = performance.now() + pause;
  while (performance.now() < end);
  const work = new Promise<void>((resolve) =>
    clock.yield(() => {
      done.push('work');
      resolve();
    }),
  );
  setImmediate(() => done.push('served'));
  await work;
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test('a slice lets who waits go first, once', async () => {
  assert.deepEqual(await order(true, 60_000), ['served', 'work']);
  assert.deepEqual(await order(false, 60_000), ['work', 'served']);
});

test('who can be served at once is, before the slice, and keeps it from nothing', async () => {
  const clock = new HostClock();
  const done: string[] = [];
  let waiting = true;
  const serve = (): boolean => {
    if (waiting) done.push('served');
    waiting = false;
    return done.length > 0;
  };
  clock.attend({ waiting: () => waiting, serve, receive: () => false, served: 0 });
  setImmediate(() => setImmediate(() => done.push('next round')));
  await new Promise<void>((resolve) =>
    clock.yield(() => {
      done.push('work');
      resolve();
    }),
  );
  assert.deepEqual(done, ['served', 'work']);
});

test('a slice that others have kept waiting lets nobody go first', async () => {
  assert.deepEqual(await order(true, 1, 2), ['work', 'served']);
});

test('without anybody to attend to, nobody waits', () => {
  assert.equal(new HostClock().pressed(), false);
});

test('what is to come when all has settled comes behind all that `soon` leads to, and before whatever waits for the event loop', async () => {
  const clock = new HostClock();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      setImmediate(() => {
        order.push('event loop');
        resolve();
      });
      clock.settled(() => order.push('settled'));
      clock.soon(async () => {
        for (let i = 0; i < 20; i++) await undefined;
        clock.soon(() => order.push('soon'));
      });
    });
  });
  assert.deepEqual(order, ['soon', 'settled', 'event loop']);
});
