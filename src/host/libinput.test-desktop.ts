/**
 * The input devices before those who judge them: what libinput, evtest and SDL's own test program, Debian's, say of devices and of what a
 * person does. Fetches their packages where they are missing (about 130 MB each).
 */
import { type TestContext, test } from 'node:test';
import { Desktop } from '../testing/host/desktop.ts';
import { commandOf } from './userland/guests.ts';

/** Starts such a tool, whose lines come as it writes them; waits until it has said `ready`, and after each command what belongs to it. */
async function judge(
  t: TestContext,
  tool: string[],
  ready: readonly RegExp[],
  doings: readonly (readonly [string, RegExp])[],
  packages = ['evtest', 'libinput-tools'],
) {
  const guest = await Desktop.start(t, commandOf('stdbuf', ['-oL', ...tool], { packages }));
  const tells = (what: RegExp): Promise<void> =>
    guest.until(
      () => guest.lines.some((line) => what.test(line)),
      () => `nothing is said of ${what}`,
    );
  for (const what of ready) await tells(what);
  for (const [words, what] of doings) {
    await guest.input(...words.split(' '));
    await tells(what);
  }
  await guest.end();
}

test('libinput takes keyboard, pointers and touchscreen for its own, and tells what a person does', async (t) => {
  const devices = ['keyboard', 'absolute pointer', 'mouse', 'touchscreen'];
  const ready = devices.map((name) => new RegExp(`DEVICE_ADDED +Tyr ${name}`));
  await judge(t, ['libinput', 'debug-events', '--show-keycodes'], ready, [
    ['key a', /KEYBOARD_KEY.*\sKEY_A \(30\) pressed/],
    ['move 0.25 0.5', /POINTER_MOTION_ABSOLUTE.*\s25\.\d+\/ *50\.\d+/],
    ['moveby 5 0', /POINTER_MOTION\s.*\/ *0\.00/],
    ['click right', /POINTER_BUTTON.*\sBTN_RIGHT \(273\) pressed/],
    ['scroll 0 1', /POINTER_SCROLL_WHEEL.*\svert 15\.00/],
    ['touch 0 0.5 0.5', /TOUCH_DOWN.*\s50\.\d+\/ *50\.\d+/],
    ['release 0', /TOUCH_UP/],
  ]);
});

test('evtest reads the game pad’s axes and buttons', async (t) => {
  const ready = [/Input device name: "Tyr game pad"/, /Event code 304 \(BTN_SOUTH\)/, /Testing \.\.\./];
  await judge(t, ['evtest', '/dev/input/event4'], ready, [
    ['pad south', /type 1 \(EV_KEY\), code 304 \(BTN_SOUTH\), value 0/],
    ['axis x -0.5', /type 3 \(EV_ABS\), code 0 \(ABS_X\), value -16384/],
    ['axis rz 1', /type 3 \(EV_ABS\), code 5 \(ABS_RZ\), value \d+/],
  ]);
});

test('SDL finds the game pad by udev, and tells of its axes and buttons', async (t) => {
  const ready = [/name: Tyr game pad/, /axes: 6/];
  const doings: [string, RegExp][] = [
    ['pad south', /Joystick 0 button 0 down/],
    ['axis x -0.5', /Joystick 0 axis 0 value: -163\d\d/],
    ['axis rz 1', /Joystick 0 axis 5 value: 32767/],
  ];
  const program = '/usr/libexec/installed-tests/SDL2/testjoystick';
  // A window that nobody sees: what a pad does goes to whoever has the focus.
  await judge(t, ['env', 'SDL_VIDEODRIVER=dummy', program], ready, doings, ['libsdl2-tests']);
});
