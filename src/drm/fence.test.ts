import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../board/clock.ts';
import { Fence, SIGNALED, signaledFence } from './fence.ts';
import { FenceArray, FenceChain, findPoint, findPoints, leaves, mergeFences } from './fence-chain.ts';

const clock = new TestClock();
const fence = (context?: number, seqno?: number): Fence => new Fence(clock, 'test', 'timeline', context, seqno);

/** How many callbacks hang on a fence. */
class Counted extends Fence {
  get callbacks(): number {
    return this.waiters;
  }
}
const counted = (): Counted => new Counted(clock, 'test', 'timeline');

test('a fence signals once, with its error and the time', () => {
  clock.advance(1000);
  const one = fence();
  const seen: string[] = [];
  one.onSignal((f) => seen.push(`first ${f.error}`));
  const off = one.onSignal(() => seen.push('taken back'));
  off();
  one.signal('EIO');
  one.signal();
  one.onSignal(() => seen.push('late'));
  assert.deepEqual(seen, ['first EIO', 'late']);
  assert.equal(one.error, 'EIO');
  assert.equal(one.timestamp, clock.monotonic());
});

test('a callback can take back another of the same fence', () => {
  const one = fence();
  let second = 0;
  one.onSignal(() => off());
  const off = one.onSignal(() => second++);
  one.signal();
  assert.equal(second, 0);
});

test('a fence may have more callbacks than a call has room for arguments', () => {
  const one = fence();
  const many = 500_000;
  let called = 0;
  for (let i = 0; i < many; i++) one.onSignal(() => called++);
  one.signal();
  assert.equal(called, many);
});

test('a row of fences, each signalling the next, needs no stack', () => {
  const row = Array.from({ length: 200_000 }, () => fence());
  for (let i = 1; i < row.length; i++) row[i - 1]!.onSignal(() => row[i]!.signal());
  row[0]!.signal();
  assert.ok(row.at(-1)!.signaled);
});

test('a callback that throws does not keep the others from running, and is heard of', () => {
  const one = fence();
  let ran = false;
  one.onSignal(() => {
    throw new Error('a bug');
  });
  one.onSignal(() => {
    ran = true;
  });
  assert.throws(() => one.signal(), /a bug/);
  assert.ok(ran);
  const two = fence();
  let alive = false;
  two.onSignal(() => {
    alive = true;
  });
  two.signal();
  assert.ok(alive, 'fences go on working');
});

test('a point of a chain waits for all points before it', () => {
  const [a, b, c] = [fence(), fence(), fence()];
  const one = new FenceChain(clock, undefined, a, 1n);
  const two = new FenceChain(clock, one, b, 2n);
  const three = new FenceChain(clock, two, c, 3n);
  const done: number[] = [];
  one.onSignal(() => done.push(1));
  two.onSignal(() => done.push(2));
  three.onSignal(() => done.push(3));
  c.signal();
  b.signal();
  assert.deepEqual(done, []);
  assert.ok(!two.signaled && !three.signaled);
  a.signal();
  assert.deepEqual(done, [1, 2, 3]);
  assert.ok(three.signaled);
});

test('a chain that nobody waits for still knows when it is done, and hangs on nothing', () => {
  const a = counted();
  const one = new FenceChain(clock, undefined, a, 1n);
  assert.equal(a.callbacks, 0);
  const off = one.onSignal(() => {});
  const off2 = one.onSignal(() => {});
  assert.equal(a.callbacks, 1);
  off();
  assert.equal(a.callbacks, 1);
  off2();
  assert.equal(a.callbacks, 0, 'the last waiter left');
  a.signal();
  assert.ok(one.signaled);
});

test('finding a point gives the node that covers it, and skips what is done', () => {
  const [a, b, c] = [fence(), fence(), fence()];
  const one = new FenceChain(clock, undefined, a, 10n);
  const two = new FenceChain(clock, one, b, 20n);
  const three = new FenceChain(clock, two, c, 30n);
  assert.equal(findPoint(three, 0n), three);
  assert.equal(findPoint(three, 5n), one);
  assert.equal(findPoint(three, 10n), one);
  assert.equal(findPoint(three, 11n), two);
  assert.equal(findPoint(three, 30n), three);
  assert.equal(findPoint(three, 31n), undefined);
  assert.equal(findPoint(undefined, 0n), undefined);
  assert.equal(findPoint(a, 1n), undefined, 'a plain fence has no points');
  b.signal();
  assert.equal(findPoint(three, 20n), one, 'point 20 ends with point 10, as its own part is done');
  a.signal();
  assert.ok(findPoint(three, 20n)!.signaled);
});

test('many points are found in one walk, as each by itself', () => {
  const fences = Array.from({ length: 40 }, () => fence());
  let head: FenceChain | undefined;
  // A second run begins in the middle.
  for (const [i, one] of fences.entries()) head = new FenceChain(clock, head, one, BigInt(i === 20 ? 5 : 3 * i + 1));
  for (const i of [0, 1, 7, 25, 30]) fences[i]!.signal();
  const points = Array.from({ length: 125 }, (_, i) => BigInt(124 - i));
  const alone = points.map((point) => {
    if (point === 0n) return head;
    if (head!.point < point) return undefined;
    for (let node: Fence | undefined = head; node; node = node.previous()) {
      if (!(node instanceof FenceChain) || node.context !== head!.context || node.previousPoint < point) return node;
    }
    return SIGNALED;
  });
  assert.deepEqual(
    findPoints(head, points).map((found, i) => found === alone[i]),
    points.map(() => true),
  );
});

test('a deadline reaches all points before, also when a later one has been told already', () => {
  const fences = Array.from({ length: 4 }, () => fence());
  const nodes: FenceChain[] = [];
  for (const [i, one] of fences.entries()) nodes.push(new FenceChain(clock, nodes.at(-1), one, BigInt(i + 1)));
  nodes[1]!.setDeadline(50n);
  nodes[3]!.setDeadline(70n);
  assert.deepEqual(
    fences.map(({ deadline }) => deadline),
    [50n, 50n, 70n, 70n],
  );
  nodes[3]!.setDeadline(30n);
  assert.deepEqual(
    fences.map(({ deadline }) => deadline),
    [30n, 30n, 30n, 30n],
  );
});

test('a point that does not rise starts a new run of points but keeps waiting for the old', () => {
  const [a, b] = [fence(), fence()];
  const high = new FenceChain(clock, undefined, a, 10n);
  const low = new FenceChain(clock, high, b, 5n);
  assert.equal(low.point, 10n);
  assert.equal(low.previousPoint, 0n);
  assert.notEqual(low.context, high.context);
  b.signal();
  assert.ok(!low.signaled);
  a.signal();
  assert.ok(low.signaled);
});

test('a long chain unwinds without a stack', () => {
  const parts = Array.from({ length: 50_000 }, () => fence());
  let head: FenceChain | undefined;
  for (const [i, part] of parts.entries()) head = new FenceChain(clock, head, part, BigInt(i + 1));
  let done = false;
  head!.onSignal(() => {
    done = true;
  });
  for (const part of parts.toReversed()) part.signal();
  assert.ok(done);
});

test('an array signals with the first error among its fences', () => {
  const [a, b] = [fence(), fence()];
  const both = new FenceArray(clock, [a, b]);
  let error: string | undefined;
  both.onSignal((f) => {
    error = f.error;
  });
  b.signal('EIO');
  assert.ok(!both.signaled);
  a.signal();
  assert.equal(error, 'EIO');
});

test('merging keeps the latest pending fence of each context', () => {
  const [a1, a2, b] = [fence(7001, 1), fence(7001, 2), fence(7002, 1)];
  const merged = mergeFences(clock, [a1, new FenceChain(clock, undefined, a2, 1n), b, a1]);
  assert.deepEqual([...leaves(merged)], [a2, b]);
  b.signal();
  assert.equal(mergeFences(clock, [merged]), a2);
  a2.signal();
  const done = mergeFences(clock, [merged, signaledFence(clock)]);
  assert.ok(done.signaled);
  assert.equal(done.timestamp, clock.monotonic());
});
