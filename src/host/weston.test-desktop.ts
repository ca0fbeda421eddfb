/**
 * Weston with its terminal, worked with by `tyr input` as by a person: what is typed a shell does, and a click on the panel's launcher
 * opens another terminal, which has the keyboard then. Fetches the guest where it is missing (about 150 MB).
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { count, Desktop } from '../testing/host/desktop.ts';
import { commandOf } from './userland/guests.ts';

const WIDTH = 800;
const HEIGHT = 600;
/** The terminal's ground is black; so many pixels of it are one terminal, and at least so many more are another one on top. */
const isBlack = (r: number, g: number, b: number): boolean => r + g + b <= 30;
const GROUND = 60_000;
const ANOTHER = 5_000;
/** The launcher at the left end of Weston's panel, and a place within the first terminal. */
const LAUNCHER = [`${16 / WIDTH}`, `${16 / HEIGHT}`];
const TERMINAL = ['0.5', '0.5'];
const TRIES = 10;
/** Milliseconds in which a shell does a command, and a terminal opens, on a busy host. */
const DONE = 30_000;

test('Weston’s terminal does what is typed, and a click on the panel opens another', async (t) => {
  const desktop = await Desktop.start(t, commandOf('weston', []), `${WIDTH}x${HEIGHT}@60`);
  const ground = () => count(desktop.picture, isBlack);
  const does = async (name: string): Promise<void> => {
    for (let i = 0; i < TRIES && !existsSync(join(desktop.folder, name)); i++) {
      // What an earlier try has left on the line goes first.
      await desktop.input('key', 'ctrl+u');
      await desktop.input('type', `mkdir ${desktop.folder}/${name}\\n`);
      await desktop.sees(() => existsSync(join(desktop.folder, name)), DONE);
    }
    assert.ok(existsSync(join(desktop.folder, name)), `the shell has not made ${name}`);
  };
  await desktop.until(
    () => ground() > GROUND,
    () => `no terminal is seen: ${ground()}`,
  );
  await desktop.input('move', ...TERMINAL);
  await desktop.input('click');
  await does('first');
  const before = ground();
  await desktop.input('move', ...LAUNCHER);
  await desktop.input('click');
  await desktop.until(
    () => ground() > before + ANOTHER,
    () => `no second terminal is seen: ${before} to ${ground()}`,
  );
  await does('second');
  await desktop.end();
});
