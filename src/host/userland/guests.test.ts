/** Guests by name: what a command line means, and what no guest can be made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandOf, GUESTS, guestOf, namedGuest } from './guests.ts';
import { Problem } from './problem.ts';

test('a guest’s name alone is its command; with arguments it is the program of that name in it', () => {
  const { packages, command, env } = GUESTS.supertuxkart!;
  const guest = { name: 'supertuxkart', packages };
  const [program, ...args] = command;
  assert.deepEqual(commandOf('supertuxkart', []), { guest, program, args, env, ownRoot: false });
  assert.deepEqual(commandOf('supertuxkart', ['--help']), {
    ...{ guest, program: 'supertuxkart', args: ['--help'], env, ownRoot: false },
  });
});

test('what follows the name of a guest whose command takes arguments is the command’s; its other programs are themselves', () => {
  const { guest, program, args } = commandOf('firefox', ['page.html']);
  assert.deepEqual([guest!.name, program, args.at(-1)], ['firefox', 'sh', 'page.html']);
  assert.deepEqual(args.slice(0, -1), GUESTS.firefox!.command.slice(1));
  assert.deepEqual(commandOf('firefox', ['--', 'page.html']), commandOf('firefox', ['page.html']));
  assert.equal(commandOf('firefox-esr', ['--version'], { guest: 'firefox' }).program, 'firefox-esr');
});

test('a guest that needs no packages of its own is another command of one that has them', () => {
  const { guest, program, args } = commandOf('vkcube', []);
  assert.deepEqual(guest, { name: 'weston', packages: GUESTS.weston!.packages });
  assert.deepEqual([program, args.slice(-3)], ['sh', ['vkcube', '--wsi', 'wayland']]);
});

test('a program that names no guest runs in the base’s, and in another where that is said', () => {
  assert.equal(commandOf('kmscube', ['-A']).guest, undefined);
  assert.equal(commandOf('vkcube', ['--wsi', 'xcb'], { guest: 'base' }).guest, undefined);
  const { guest, program, args } = commandOf('bash', [], { guest: 'weston' });
  assert.deepEqual([guest!.name, program, args], ['weston', 'bash', []]);
  assert.deepEqual(commandOf('weston', [], { packages: ['foot', 'sway'] }), {
    guest: { name: 'foot+sway', packages: ['foot', 'sway'] },
    program: 'weston',
    args: [],
    env: {},
    ownRoot: false,
  });
});

test('a desktop’s own command wants a root of its own; another program of its guest does not', () => {
  const { program, args, ownRoot } = commandOf('gnome', []);
  assert.deepEqual([program, args.at(-3), ownRoot], ['sh', 'gnome-shell', true]);
  assert.equal(commandOf('bash', [], { guest: 'gnome' }).ownRoot, false);
});

test('the same packages in another order are the same guest', () => {
  assert.deepEqual(guestOf(['sway', 'foot', 'foot']), guestOf(['foot', 'sway']));
});

test('what is no package and no guest is refused by name', () => {
  const refused = (run: () => unknown, message: RegExp) =>
    assert.throws(run, (error) => error instanceof Problem && message.test(error.message));
  for (const name of ['--yes', '../x', 'A b', '', 'foot;ls'])
    refused(() => guestOf([name]), /is no name of a Debian package/);
  refused(
    () => namedGuest('gnom'),
    /there is no guest gnom; there are weston, vkcube, gnome, gdm, firefox, supertuxkart, supertuxkart-window/,
  );
  refused(() => namedGuest('constructor'), /there is no guest constructor/);
  refused(() => commandOf('x', [], { guest: 'weston', packages: ['foot'] }), /two ways to choose a guest/);
});
