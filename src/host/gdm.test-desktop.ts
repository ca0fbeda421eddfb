/**
 * gdm's log-in: its greeter is drawn by the GPU, somebody logs in by keyboard, and GNOME's shell
 * draws as theirs. Fetches the guest where it is missing (about 300 MB).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, Desktop } from '../testing/host/desktop.ts';
import { commandOf } from './userland/guests.ts';
import { namespacesRefused } from './userland/namespaces.ts';
import { GUEST, hostArchitecture } from './userland/userland.ts';
import { usersOf } from './userland/users.ts';

const WIDTH = 1024;
const HEIGHT = 768;
/** What has the focus has a frame of light blue: the list's only user, then the field for the password. Both are 300 pixels wide or more. */
const isFrame = (r: number, g: number, b: number): boolean =>
  Math.abs(r - 114) < 20 && Math.abs(g - 159) < 20 && Math.abs(b - 207) < 20;
const FRAME = 900;
const skip =
  (await namespacesRefused(hostArchitecture() === GUEST)) ??
  (usersOf().refused && `the guest has one user: ${usersOf().refused}`);

test('somebody logs in to gdm by keyboard, and has GNOME in a session of their own', { skip }, async (t) => {
  const desktop = await Desktop.start(t, commandOf('gdm', []), `${WIDTH}x${HEIGHT}@60`);
  const frame = (): number => count(desktop.picture, isFrame);
  await desktop.until(
    () => frame() > FRAME,
    () => `no list of users is seen: ${frame()}`,
  );
  const listed = frame();
  await desktop.input('key', 'enter');
  await desktop.until(
    () => frame() > FRAME && frame() < listed - 100,
    () => `no password is asked for: ${frame()} of ${listed}`,
  );
  // Who draws next to the greeter is another user's shell; nobody's is let in with a wrong password.
  const users = (): Set<number> =>
    new Set(desktop.openers.filter(({ command }) => command === 'gnome-shell').map(({ uid }) => uid));
  assert.equal(users().size, 1);
  await desktop.input('type', 'guest\\n');
  await desktop.until(
    () => users().size === 2,
    () => `these users have a shell: ${[...users()]}`,
  );
  await desktop.end();
});
