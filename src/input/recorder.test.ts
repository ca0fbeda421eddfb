/** What is recorded does the same again, at the same times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABS, BTN } from '../abi/input/codes.ts';
import { KEY } from '../abi/input/keys.ts';
import { TestClock } from '../board/clock.ts';
import { noteInput, passTime } from '../testing/input/notes.ts';
import type { InputPort } from './port.ts';
import { Recorder } from './recorder.ts';
import { Player, parseScript } from './script.ts';

type Doing = [milliseconds: number, what: keyof InputPort, ...values: unknown[]];

const DOINGS: Doing[] = [
  [0, 'key', KEY.A, true],
  [60, 'key', KEY.A, false],
  [100, 'moveTo', 0.25, 0.75],
  [100, 'button', BTN.LEFT, true],
  [130, 'button', BTN.LEFT, false],
  [200, 'moveBy', -3, 4.5],
  [210, 'scroll', 0, -1],
  [220, 'touch', 7, 0.5, 1],
  [250, 'release', 7],
  [300, 'axis', ABS.X, -0.5],
  [310, 'padButton', BTN.SOUTH, true],
  [340, 'padButton', BTN.SOUTH, false],
];

/** Does these things to a recorder's port. Its lines, and what came to the port behind it. */
function recorded(doings: readonly Doing[]): { lines: string[]; done: unknown[][] } {
  const clock = new TestClock();
  const { port, done } = noteInput(clock);
  const lines: string[] = [];
  const recorder = new Recorder(clock, port, (line) => lines.push(line));
  clock.advance(5e9);
  recorder.begin();
  const begin = clock.now();
  for (const [at, what, ...values] of doings) {
    clock.advance(begin + at * 1e6 - clock.now());
    (recorder[what] as (...values: unknown[]) => void)(...values);
  }
  return { lines, done };
}

test('what is recorded is passed on, and played it does the same at the same times from the program’s start', async () => {
  const { lines, done } = recorded(DOINGS);
  assert.deepEqual(
    done.map(([, ...what]) => what),
    DOINGS.map(([, ...what]) => what),
  );
  const clock = new TestClock();
  const again = noteInput(clock);
  const played = new Player(clock, again.port).playScript(parseScript(lines.join('\n')));
  await passTime(clock, 600);
  assert.equal(await played, lines.length);
  assert.deepEqual(
    again.done.map(([, ...what]) => what),
    DOINGS.map(([, ...what]) => what),
  );
  // A hand rests a little after each thing, so what came at once comes within that.
  for (const [i, [at]] of DOINGS.entries())
    assert.ok(Math.abs((again.done[i]![0] as number) - at) <= 30, `${lines[i]}`);
});

test('what no device has, and numbers that are none, reach the port and no script', () => {
  const { lines, done } = recorded([
    [0, 'key', 9999, true],
    [1, 'moveTo', Number.NaN, 0],
    [2, 'axis', ABS.X, Number.POSITIVE_INFINITY],
    [3, 'moveTo', -5, 7],
  ]);
  assert.equal(done.length, 4);
  assert.deepEqual(lines, ['0.003 move 0 1']);
});
