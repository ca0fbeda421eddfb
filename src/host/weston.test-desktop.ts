/**
 * Weston with its terminal, worked with by `tyr input` as by a person: what is typed a shell does, and a click on the panel's launcher
 * opens another terminal, which has the keyboard then. Weston puts windows where chance wants them, on top of each other, too; so the first
 * one's ground is made blue before, and black is the second one's alone. Fetches the guest where it is missing (about 150 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { count, Desktop } from '../testing/host/desktop.ts';
import { commandOf } from './userland/guests.ts';

const WIDTH = 800;
const HEIGHT = 600;
/** A terminal's ground is black; at least so many pixels of it are one, and few others are black. */
const isBlack = (r: number, g: number, b: number): boolean => r + g + b <= 30;
const GROUND = 60_000;
/** Makes a terminal's ground blue: an escape sequence, and more spaces than it has room for. */
const BLUE = "printf '\\033[44m%6000s' ''\n";
/** The launcher at the left end of Weston's panel, and a place within the first terminal. */
const LAUNCHER = [`${16 / WIDTH}`, `${16 / HEIGHT}`];
const TERMINAL = ['0.5', '0.5'];
const TRIES = 10;
/** Milliseconds in which a shell does a command, and a terminal opens, on a busy host. */
const DONE = 30_000;

test('Weston’s terminal does what is typed, and a click on the panel opens another', async (t) => {
  const desktop = await Desktop.start(t, commandOf('weston', []), `${WIDTH}x${HEIGHT}@60`);
  const ground = () => count(desktop.picture, isBlack);
  const does = async (command: string, done: () => boolean): Promise<void> => {
    for (let i = 0; i < TRIES && !done(); i++) {
      // What an earlier try has left on the line goes first.
      await desktop.input('key', 'ctrl+u');
      await desktop.input('type', `${command}\\n`);
      await desktop.sees(done, DONE);
    }
    assert.ok(done(), `the shell has not done ${command}`);
  };
  const makes = (name: string): Promise<void> =>
    does(`mkdir ${desktop.folder}/${name}`, () => existsSync(join(desktop.folder, name)));
  await desktop.until(
    () => ground() > GROUND,
    () => `no terminal is seen: ${ground()}`,
  );
  await desktop.input('move', ...TERMINAL);
  await desktop.input('click');
  await makes('first');
  writeFileSync(join(desktop.folder, 'blue'), BLUE);
  await does(`. ${desktop.folder}/blue`, () => ground() < GROUND / 4);
  await desktop.input('move', ...LAUNCHER);
  await desktop.input('click');
  await desktop.until(
    () => ground() > GROUND,
    () => `no second terminal is seen: ${ground()}`,
  );
  await makes('second');
  await desktop.end();
});
