import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../board/clock.ts';
import { GpuTime } from './time.ts';

const MILLISECOND = 1e6;
const SECOND = 1e9;

/** A host that gives the machine the processor only when it says so. */
class Host extends TestClock {
  #given = 0;

  effort(): number {
    return this.#given;
  }

  /** Time goes by in which the machine runs. */
  runs(time: number): void {
    this.advance(time);
    this.#given += time;
  }
}

function slice(host: Host, time: GpuTime, length: number, more: boolean): void {
  time.begin(host.now());
  host.runs(length);
  time.done(100, true);
  time.end(host.now(), more);
}

test('while the GPU is at rest its time goes as the host does', () => {
  const host = new Host();
  const time = new GpuTime(host);
  host.advance(SECOND);
  assert.equal(time.now(), SECOND);
});

for (const more of [true, false]) {
  const what = more ? 'in the midst of its work' : 'before its last slice';
  test(`a host that stops the process soon after the GPU has begun does not use up the GPU's time (${what})`, () => {
    const host = new Host();
    const time = new GpuTime(host);
    host.runs(20 * SECOND);
    const before = time.now();
    slice(host, time, MILLISECOND, true);
    host.advance(134 * SECOND);
    slice(host, time, MILLISECOND, more);
    assert.equal(time.now() - before, 2 * MILLISECOND);
  });
}

test('what the host has given to others shortly before counts at most once', () => {
  const host = new Host();
  const time = new GpuTime(host);
  slice(host, time, 30 * MILLISECOND, false);
  host.runs(SECOND / 2);
  const before = time.now();
  time.begin(host.now());
  host.advance(134 * SECOND);
  time.end(host.now(), false);
  assert.equal(time.now() - before, SECOND / 2);
});
