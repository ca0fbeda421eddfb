/**
 * Weston with its terminal, worked with by `tyr input` as by a person: what is typed a shell does, and a click on the panel's launcher
 * opens another terminal, which has the keyboard then. Weston puts windows where chance wants them, on top of each other, too; so the first
 * one's ground is made blue before, and black is the second one's alone. Fetches the guest where it is missing (about 150 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { count, Desktop } from '../testing/host/desktop.ts';
import { commandOf } from './userland/guests.ts';
import { namespacesRefused } from './userland/namespaces.ts';
import { GUEST, hostArchitecture } from './userland/userland.ts';

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
/** The first of the three gears that clients of Mesa's turn is red. */
const isGear = (r: number, g: number, b: number): boolean => r > 100 && g < 50 && b < 30;
const GEAR = 1000;
const TRIES = 10;
/** Milliseconds in which a shell does a command, and a terminal opens, on a busy host. */
const DONE = 30_000;

/** What a shell is told until it has done it: what an earlier try has left on the line goes first. */
async function does(desktop: Desktop, command: string, done: () => boolean): Promise<void> {
  for (let i = 0; i < TRIES && !done(); i++) {
    await desktop.input('key', 'ctrl+u');
    await desktop.input('type', `${command}\\n`);
    await desktop.sees(done, DONE);
  }
  assert.ok(done(), `the shell has not done ${command}`);
}

/** Waits for the terminal, and gives it the keyboard. */
async function begin(desktop: Desktop, ground: () => number): Promise<void> {
  await desktop.until(
    () => ground() > GROUND,
    () => `no terminal is seen: ${ground()}`,
  );
  await desktop.input('move', ...TERMINAL);
  await desktop.input('click');
}

test('Weston’s terminal does what is typed, and a click on the panel opens another', async (t) => {
  const desktop = await Desktop.start(t, commandOf('weston', []), `${WIDTH}x${HEIGHT}@60`);
  const ground = () => count(desktop.picture, isBlack);
  const makes = (name: string): Promise<void> =>
    does(desktop, `mkdir ${desktop.folder}/${name}`, () => existsSync(join(desktop.folder, name)));
  await begin(desktop, ground);
  await makes('first');
  writeFileSync(join(desktop.folder, 'blue'), BLUE);
  await does(desktop, `. ${desktop.folder}/blue`, () => ground() < GROUND / 4);
  await desktop.input('move', ...LAUNCHER);
  await desktop.input('click');
  await desktop.until(
    () => ground() > GROUND,
    () => `no second terminal is seen: ${ground()}`,
  );
  await makes('second');
  await desktop.end();
});

const skip = await namespacesRefused(hostArchitecture() === GUEST);

test('a program that knows X alone draws by the GPU in a window of Xwayland', { skip }, async (t) => {
  const desktop = await Desktop.start(t, commandOf('weston', []), `${WIDTH}x${HEIGHT}@60`);
  const ground = () => count(desktop.picture, isBlack);
  const told = join(desktop.folder, 'told');
  const said = (): string => (existsSync(told) ? readFileSync(told, 'utf8') : '');
  await begin(desktop, ground);
  await does(desktop, `(eglinfo -B -p x11; stdbuf -oL es2gears_x11) > ${told} 2>&1 &`, () => said() !== '');
  await desktop.until(
    () => /\d+ frames in/.test(said()),
    () => `no frames are drawn: ${said()}`,
  );
  const names = desktop.openers.map(({ command }) => command);
  assert.ok(names.includes('Xwayland'), `Xwayland does not draw: ${names}`);
  // The X server opens the GPU for its clients (DRI3).
  assert.match(said(), /OpenGL ES profile renderer: Mali-G610/);
  assert.ok(count(desktop.picture, isGear) > GEAR, `no gear is seen: ${count(desktop.picture, isGear)}`);
  await desktop.end();
});
