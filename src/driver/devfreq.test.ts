/** Devfreq: which rate each governor sets for which load, the user's bounds, and what the files show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GPU_OPERATING_POINTS } from '../abi/rock5b.ts';
import { TestClock } from '../board/clock.ts';
import { Supply } from '../board/supply.ts';
import { Devfreq, GOVERNORS } from './devfreq.ts';

const MHZ = 1e6;
const MS = 1e6;

function governed() {
  const clock = new TestClock();
  const rates: number[] = [];
  const supply = new Supply(
    GPU_OPERATING_POINTS,
    200 * MHZ,
    () => {},
    (hertz) => rates.push(hertz / MHZ),
  );
  const devfreq = new Devfreq({ clock, supply, beforeChange: () => {}, changed: () => {} });
  const files = new Map(
    devfreq.attributes('devfreq/gpu', 'gpu').map((file) => [file.path.slice('devfreq/gpu/'.length), file]),
  );
  const show = (name: string): string => files.get(name)!.show();
  const store = (name: string, text: string): void => files.get(name)!.store!(text);
  /** Lets jobs be in flight for `percent` of each 10 ms, for `ms` milliseconds. */
  const load = (percent: number, ms: number): number => {
    for (let t = 0; t < ms; t += 10) {
      devfreq.record(percent > 0);
      clock.advance(percent * 0.1 * MS);
      devfreq.record(percent === 100);
      clock.advance((100 - percent) * 0.1 * MS);
    }
    return supply.rate / MHZ;
  };
  return { clock, supply, devfreq, show, store, load, rates };
}

test('the boot loader’s rate gives way to the nearest operating point', () => {
  const { supply } = governed();
  assert.equal(supply.rate, 300 * MHZ);
  assert.equal(supply.microvolts, 675_000);
});

test('on demand: much to do is the fastest clock, little the slowest that suffices, in between it stays', () => {
  const { load, supply } = governed();
  assert.equal(load(100, 100), 1000);
  assert.equal(supply.microvolts, 850_000);
  // Between 40 % and 45 % nothing changes.
  assert.equal(load(42, 200), 1000);
  // 20 % of 1000 MHz is 43 % of 465, so 500 it is; 20 % of that leads to 300.
  assert.equal(load(20, 50), 500);
  assert.equal(load(20, 50), 300);
  assert.equal(load(0, 100), 300);
  assert.equal(load(46, 100), 1000);
});

test('a user’s bounds hold, the upper one before the lower one', () => {
  const { load, store, show } = governed();
  store('max_freq', '600000000');
  assert.equal(load(100, 100), 600);
  store('min_freq', '450000000');
  assert.equal(load(0, 200), 500);
  store('max_freq', '0');
  assert.equal(show('max_freq'), '1000000000');
  assert.equal(load(100, 100), 1000);
  assert.throws(() => store('min_freq', 'fast'), /no frequency/);
});

test('performance and powersave stay at their ends, userspace where it is told', () => {
  const { load, store, show, clock } = governed();
  store('governor', 'performance');
  assert.equal(load(0, 100), 1000);
  store('governor', 'powersave');
  assert.equal(load(100, 100), 300);
  assert.throws(() => store('userspace/set_freq', '500000000'), /powersave/);
  store('governor', 'userspace');
  store('userspace/set_freq', '650000000');
  assert.equal(load(100, 100), 700);
  assert.equal(show('cur_freq'), '700000000');
  assert.throws(() => store('governor', 'schedutil'), /no governor/);
  assert.equal(show('governor'), 'userspace');
  assert.deepEqual(show('available_governors').split(' ').sort(), Object.keys(GOVERNORS).sort());
  assert.equal(clock.now() > 0, true);
});

test('asleep nothing is chosen, and time asleep counts as neither busy nor idle', () => {
  const { load, devfreq, clock, supply } = governed();
  load(100, 100);
  devfreq.suspend();
  clock.advance(60_000 * MS);
  assert.equal(supply.rate, 1000 * MHZ);
  devfreq.resume();
  assert.equal(load(42, 50), 1000);
});

test('the statistics count changes and the time at each rate', () => {
  const { load, show } = governed();
  load(100, 100);
  const lines = show('trans_stat').split('\n');
  assert.equal(lines.length, GPU_OPERATING_POINTS.length + 3);
  assert.match(lines[2]!, /^ {2}300000000:( +0){7} +1 +50$/);
  assert.match(lines.at(-2)!, /^\*1000000000:/);
  assert.equal(lines.at(-1), 'Total transition : 1');
});
