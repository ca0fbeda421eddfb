import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../board/clock.ts';
import { DrmError } from './error.ts';
import { Fence } from './fence.ts';
import { type EntityOptions, type JobOptions, SchedulerEntity, type SchedulerJob } from './scheduler.ts';

function setUp(options: Partial<EntityOptions> = {}) {
  const clock = new TestClock();
  const entity = new SchedulerEntity({ clock, driver: 'test', timeline: 'queue', ...options });
  const ran: string[] = [];
  const hardware = new Map<string, Fence>();
  /** Pushes a job whose work ends when its hardware fence is signalled. */
  const push = (name: string, more: Partial<JobOptions> = {}): SchedulerJob => {
    const job = entity.job({
      run: () => {
        ran.push(name);
        const fence = new Fence(clock, 'test', 'ring');
        hardware.set(name, fence);
        return fence;
      },
      ...more,
    });
    entity.push(job);
    return job;
  };
  const fence = (): Fence => new Fence(clock, 'test', 'other');
  return { clock, entity, ran, hardware, push, fence };
}

test('jobs run in order, each after its dependencies, and finish with their work', () => {
  const { clock, ran, hardware, push, fence } = setUp();
  const [one, two] = [fence(), fence()];
  const a = push('a', { dependencies: [one, two] });
  const b = push('b');
  clock.run();
  assert.deepEqual(ran, []);
  two.signal();
  clock.run();
  assert.deepEqual(ran, []);
  one.signal();
  assert.deepEqual(ran, [], 'not inside the signaller');
  clock.run();
  assert.deepEqual(ran, ['a', 'b']);
  assert.ok(!a.finished.signaled);
  hardware.get('a')!.signal();
  assert.ok(a.finished.signaled && !b.finished.signaled);
});

test('a job may depend on an earlier one of its own queue without waiting for its work', () => {
  const { clock, ran, push } = setUp();
  const a = push('a');
  push('b', { dependencies: [a.finished] });
  clock.run();
  assert.deepEqual(ran, ['a', 'b']);
});

test('queues that depend on each other unwind, however many', () => {
  const clock = new TestClock();
  let last: Fence | undefined;
  const start = new Fence(clock, 'test', 'start');
  last = start;
  for (let i = 0; i < 5_000; i++) {
    const entity = new SchedulerEntity({ clock, driver: 'test', timeline: `${i}` });
    const job = entity.job({ run: () => undefined, dependencies: [last] });
    entity.push(job);
    last = job.finished;
  }
  clock.run();
  assert.ok(!last.signaled);
  start.signal();
  clock.run();
  assert.ok(last.signaled);
});

test('credits bound what is in flight, and a job too large for them runs alone', () => {
  const { clock, entity, ran, hardware, push } = setUp({ creditLimit: 4 });
  push('a', { credits: 3 });
  push('b', { credits: 2 });
  push('c', { credits: 100 });
  clock.run();
  assert.deepEqual(ran, ['a']);
  hardware.get('a')!.signal();
  clock.run();
  assert.deepEqual(ran, ['a', 'b']);
  hardware.get('b')!.signal();
  clock.run();
  assert.deepEqual(ran, ['a', 'b', 'c']);
  assert.equal(entity.running.length, 1);
});

test('work that fails at once or later gives its error to the finished fence', () => {
  const { clock, hardware, push } = setUp();
  const a = push('a', {
    run: () => {
      throw new DrmError('EIO', 'no ring');
    },
  });
  const b = push('b');
  const released: string[] = [];
  const c = push('c', { run: () => undefined, release: () => released.push('c') });
  clock.run();
  assert.equal(a.finished.error, 'EIO');
  hardware.get('b')!.signal('ECANCELED');
  assert.equal(b.finished.error, 'ECANCELED');
  assert.ok(c.finished.signaled && !c.finished.error);
  assert.deepEqual(released, ['c']);
});

test('finished fences signal in order even if the work does not end in order', () => {
  const { clock, hardware, push } = setUp();
  const order: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) push(name).finished.onSignal(() => order.push(name));
  clock.run();
  for (const name of ['c', 'b', 'd']) hardware.get(name)!.signal();
  assert.deepEqual(order, []);
  hardware.get('a')!.signal();
  assert.deepEqual(order, ['a', 'b', 'c', 'd']);
});

test('killing lets running work end and cancels the rest after what it depended on', () => {
  const { clock, entity, ran, hardware, push, fence } = setUp();
  const other = fence();
  const a = push('a');
  clock.run();
  const b = push('b', { dependencies: [other] });
  const c = push('c');
  clock.run();
  entity.kill();
  assert.ok(!b.finished.signaled && !c.finished.signaled, 'the job ahead still runs');
  hardware.get('a')!.signal();
  assert.ok(a.finished.signaled && !a.finished.error);
  assert.ok(!b.finished.signaled, 'its dependency is not done');
  other.signal();
  assert.equal(b.finished.error, 'ECANCELED');
  assert.equal(c.finished.error, 'ECANCELED');
  clock.run();
  assert.deepEqual(ran, ['a']);
  assert.throws(() => push('d'), { errno: 'ECANCELED' });
  assert.ok(entity.idle);
});

test('a queue takes only so many jobs', () => {
  const { clock, entity, push, fence } = setUp({ maxPending: 2 });
  const gate = fence();
  push('a', { dependencies: [gate] });
  push('b');
  assert.equal(entity.room, 0);
  assert.throws(() => push('c'), { errno: 'ENOMEM' });
  gate.signal();
  clock.run();
  assert.equal(entity.room, 2);
});
