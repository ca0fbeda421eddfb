/**
 * GNOME Shell in a session of systemd-logind: it comes up with its overview, takes a command by Alt+F2, and opens the files by
 * mouse. Fetches the guest where it is missing (about 280 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { count, Desktop } from '../testing/host/desktop.ts';
import { commandOf } from './userland/guests.ts';
import { namespacesRefused } from './userland/namespaces.ts';
import { GUEST, hostArchitecture } from './userland/userland.ts';

const WIDTH = 1024;
const HEIGHT = 768;
/** GNOME's blue, which is the ground where there is no picture, and the overview's own dark one; and how much both cover. */
const isGround = (r: number, g: number, b: number): boolean =>
  r < 10 && Math.abs(g - 60) < 10 && Math.abs(b - 136) < 10;
const isDark = (r: number, g: number, b: number): boolean => r < 50 && g < 50 && b < 50;
const COVERS = 0.2 * WIDTH * HEIGHT;
/** The window of Files is nearly white. */
const isWindow = (r: number, g: number, b: number): boolean => r > 240 && g > 240 && b > 240;
const WINDOW = 0.15 * WIDTH * HEIGHT;
/** Where the dash has the icon of Files, as parts of the screen. */
const FILES = ['0.4517', '0.918'];
/** Milliseconds for a dialogue to open, and for a command to be done, on a busy host. */
const OPENS = 10_000;
const DONE = 60_000;
const TRIES = 10;

const skip = await namespacesRefused(hostArchitecture() === GUEST);

test('GNOME Shell draws its overview in a session of logind, and obeys keyboard and mouse', { skip }, async (t) => {
  const desktop = await Desktop.start(t, commandOf('gnome', []), `${WIDTH}x${HEIGHT}@60`);
  const seen = () => [isGround, isDark, isWindow].map((is) => count(desktop.picture, is));
  await desktop.until(
    () => seen()[0]! > COVERS && seen()[1]! > COVERS,
    () => `no overview is seen: ${seen()}`,
  );
  // Keys go nowhere while the shell is busy with its start.
  const told = join(desktop.folder, 'told');
  const session = (): string => (existsSync(told) ? readFileSync(told, 'utf8') : '');
  for (let i = 0; i < TRIES && session() === ''; i++) {
    await desktop.input('key', 'esc');
    await desktop.input('key', 'alt+f2');
    await sleep(OPENS);
    await desktop.input('type', `sh -c 'cat /run/systemd/sessions/$XDG_SESSION_ID > ${told}'\\n`);
    await desktop.sees(() => session() !== '', DONE);
  }
  // What logind knows: the shell controls the session, and has display and input devices from there.
  assert.match(session(), /^ACTIVE=1$/m);
  assert.match(session(), /^SEAT=seat0$/m);
  assert.match(session(), /^CONTROLLER=:1\.\d+$/m);
  for (const device of ['226:0', '13:64', '13:65'])
    assert.match(session(), new RegExp(`^DEVICES=.*\\b${device}\\b`, 'm'));
  for (let i = 0; i < TRIES && seen()[2]! < WINDOW; i++) {
    // The dash is part of the overview, which the command has left; a click there opens what it shows.
    await desktop.input('key', 'super');
    await sleep(OPENS);
    await desktop.input('move', ...FILES);
    await desktop.input('click');
    await desktop.sees(() => seen()[2]! > WINDOW, DONE);
  }
  assert.ok(seen()[2]! > WINDOW, `no window of Files is seen: ${seen()}`);
  await desktop.end();
});
