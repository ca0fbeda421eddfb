import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABS, BTN } from '../abi/input/codes.ts';
import { InputEvent } from '../abi/input/evdev.ts';
import { KEY } from '../abi/input/keys.ts';
import { TestClock } from '../board/clock.ts';
import { silent } from '../board/log.ts';
import { noteInput, passTime } from '../testing/input/notes.ts';
import { CommandError, parseCommand } from './command.ts';
import { Input } from './index.ts';
import { Player, parseScript } from './script.ts';

async function doings(...words: string[]): Promise<unknown[][]> {
  const clock = new TestClock();
  const { port, done } = noteInput(clock);
  const played = new Player(clock, port).play(parseCommand(words));
  await passTime(clock, 400);
  assert.equal(await played, true);
  return done.map(([, ...what]) => what);
}

test('commands are a hand’s movements', async () => {
  assert.deepEqual(await doings('key', 'ctrl+Alt+delete'), [
    ['key', KEY.LEFTCTRL, true],
    ['key', KEY.LEFTALT, true],
    ['key', KEY.DELETE, true],
    ['key', KEY.DELETE, false],
    ['key', KEY.LEFTALT, false],
    ['key', KEY.LEFTCTRL, false],
  ]);
  assert.deepEqual(await doings('key', 'up', 'down'), [['key', KEY.UP, true]]);
  assert.deepEqual(await doings('type', 'a', '?\\n'), [
    ['key', KEY.A, true],
    ['key', KEY.A, false],
    ['key', KEY.SPACE, true],
    ['key', KEY.SPACE, false],
    ['key', KEY.LEFTSHIFT, true],
    ['key', KEY.SLASH, true],
    ['key', KEY.SLASH, false],
    ['key', KEY.LEFTSHIFT, false],
    ['key', KEY.ENTER, true],
    ['key', KEY.ENTER, false],
  ]);
  const click = [
    ['button', BTN.RIGHT, true],
    ['button', BTN.RIGHT, false],
  ];
  assert.deepEqual(await doings('click', 'right', '2'), [...click, ...click]);
  assert.deepEqual(await doings('button', 'left', 'up'), [['button', BTN.LEFT, false]]);
  assert.deepEqual(await doings('move', '0.25', '1'), [['moveTo', 0.25, 1]]);
  assert.deepEqual(await doings('moveby', '-5', '0.5'), [['moveBy', -5, 0.5]]);
  assert.deepEqual(await doings('scroll', '0', '-1'), [['scroll', 0, -1]]);
  assert.deepEqual(await doings('touch', '3', '0', '1'), [['touch', 3, 0, 1]]);
  assert.deepEqual(await doings('release', '3'), [['release', 3]]);
  assert.deepEqual(await doings('axis', 'rz', '1'), [['axis', ABS.RZ, 1]]);
  assert.deepEqual(await doings('pad', 'a', 'down'), [['padButton', BTN.SOUTH, true]]);
});

test('a key that is pressed comes up before it is repeated, however long the machine was busy meanwhile', async () => {
  const clock = new TestClock();
  const input = new Input(clock, silent, { widthMm: 271, heightMm: 203 });
  const reader = input.keyboard.open(1);
  const played = new Player(clock, input).play(parseCommand(['key', 'a']));
  clock.advance(1e9);
  assert.equal(await played, true);
  assert.equal(reader.read(1000).length, 4 * InputEvent.size, 'down and up, each with its report');
});

test('what is no command is refused by its word', () => {
  for (const [words, why] of [
    [[], /nothing is no command: key, type/],
    [['constructor'], /constructor is no command/],
    [['key', 'ctrl+'], /there is no key $/],
    [['key', 'left'], undefined],
    [['key', 'a', 'sideways'], /neither down nor up/],
    [['key'], /takes 1 to 2 words, not 0/],
    [['type', 'é'], /no key for "é"/],
    [['type', '\\x'], /\\x is none of/],
    [['type', 'a'.repeat(5000)], /more than 4096/],
    [['move', '0.5', '2'], /2 is not from 0 to 1/],
    [['move', 'x', '0'], /x is no number/],
    [['click', 'left', '0'], /0 clicks/],
    [['button', 'a', 'down'], /there is no button a/],
    [['axis', 'x', '-2'], /-2 is not from -1 to 1/],
  ] as const) {
    if (why)
      assert.throws(
        () => parseCommand(words),
        (error) => error instanceof CommandError && why.test(error.message),
      );
    else parseCommand(words);
  }
});

test('a script’s lines are played at their times, or as soon as the one before is done', async () => {
  const script = parseScript(
    ['# a comment', '', '0.1 key a', '  +0 type  B', '.5 move 0 0', '+0.25 key b down'].join('\n'),
  );
  const clock = new TestClock();
  await passTime(clock, 7);
  const { port, done } = noteInput(clock);
  const player = new Player(clock, port);
  const played = player.playScript(script);
  await passTime(clock, 2000);
  assert.equal(await played, 4);
  assert.deepEqual(done, [
    [107, 'key', KEY.A, true],
    [137, 'key', KEY.A, false],
    [167, 'key', KEY.SPACE, true],
    [177, 'key', KEY.SPACE, false],
    [187, 'key', KEY.LEFTSHIFT, true],
    [197, 'key', KEY.B, true],
    [207, 'key', KEY.B, false],
    [217, 'key', KEY.LEFTSHIFT, false],
    [507, 'moveTo', 0, 0],
    [757, 'key', KEY.B, true],
  ]);
});

test('a player that is stopped does nothing more, and says how far it came', async () => {
  const clock = new TestClock();
  const { port, done } = noteInput(clock);
  const player = new Player(clock, port);
  const played = player.playScript(parseScript('0 key a\n1 key b\n'));
  await passTime(clock, 500);
  player.stop();
  assert.equal(await played, 1);
  await passTime(clock, 2000);
  assert.equal(done.length, 2);
});

test('a script’s faults are told with their lines', () => {
  for (const [text, why] of [
    ['0 key a\nkey b', /line 2: not a time and a command/],
    ['2 key a\n\n1 key b', /line 3: 1 is before the time of the line above/],
    ['0 jump', /line 1: jump is no command/],
    ['1e9 key a', /line 1: not a time/],
  ] as const)
    assert.throws(() => parseScript(text), why);
});
