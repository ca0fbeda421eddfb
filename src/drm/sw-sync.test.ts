/** Timelines whose fences a program signals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../board/clock.ts';
import { SwTimeline } from './sw-sync.ts';

test('fences signal in the order of their values, however they were made', () => {
  const timeline = new SwTimeline(new TestClock());
  const order: number[] = [];
  for (const value of [3, 1, 2, 5]) timeline.fence(value).onSignal(() => order.push(value));
  timeline.advance(3);
  assert.deepEqual(order, [1, 2, 3]);
  assert.equal(timeline.fence(5).signaled, false);
  assert.equal(timeline.fence(3).signaled, true);
});

test('one value has one fence, and values go on around the end of the numbers', () => {
  const timeline = new SwTimeline(new TestClock());
  assert.equal(timeline.fence(7), timeline.fence(7));
  timeline.advance(2 ** 32 - 2);
  const ahead = timeline.fence(1);
  assert.equal(ahead.signaled, false);
  assert.equal(timeline.fence(2 ** 32 - 2).signaled, true);
  timeline.advance(2);
  assert.equal(ahead.signaled, false);
  timeline.advance(1);
  assert.equal(ahead.signaled, true);
  assert.equal(ahead.error, undefined);
});

test('a timeline that is closed leaves its fences with an error', () => {
  const timeline = new SwTimeline(new TestClock());
  const fence = timeline.fence(1);
  timeline.close();
  assert.equal(fence.error, 'ENOENT');
});
