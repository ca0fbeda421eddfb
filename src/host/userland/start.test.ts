import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ARCHITECTURES, type Architecture } from './compiler.ts';
import { guestStart, programStart } from './start.ts';
import type { Userland } from './userland.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-start-'));
after(() => rmSync(folder, { recursive: true }));

const [arm64, amd64] = ARCHITECTURES as [Architecture, Architecture];
const root = join(folder, 'root');
mkdirSync(join(root, 'usr/bin'), { recursive: true });

/** A file with no more than the beginning of an ELF header. */
function elf(path: string, machine: number): string {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head.writeUInt16LE(machine, 18);
  writeFileSync(path, head);
  return path;
}

elf(join(root, 'usr/bin/cube'), arm64.elfMachine);
const own = elf(join(folder, 'own'), amd64.elfMachine);
const strange = elf(join(folder, 'strange'), 22);
const script = join(folder, 'script');
writeFileSync(script, '#!/bin/sh\n');
const text = join(folder, 'text');
writeFileSync(text, 'no program\n');
elf(join(root, 'usr/bin/sh'), arm64.elfMachine);

const userland: Userland = {
  cache: folder,
  root,
  qemu: '/tools/qemu-aarch64',
  guest: { architecture: arm64, library: '/shim arm64/libtyr-drm.so', rooted: '/rooted/libtyr-drm.so', clients: {} },
  host: { architecture: amd64, library: '/shim-amd64/libtyr-drm.so', rooted: '/rooted/libtyr-drm.so', clients: {} },
};

test('a bare name is a program of the guest, run by qemu with the guest’s shim, whose path has a blank here', () => {
  const start = programStart(userland, 'cube', ['-A'], { TYR_MACHINE: '/run/m' }, { TERM: 'x' });
  assert.equal(start.file, '/tools/qemu-aarch64');
  assert.deepEqual(start.args, ['-L', root, '-cpu', 'cortex-a76', '-0', 'cube', join(root, 'usr/bin/cube'), '-A']);
  assert.equal(start.env.LD_PRELOAD, 'libtyr-drm.so');
  assert.equal(start.env.LD_LIBRARY_PATH, '/shim arm64');
  assert.equal(start.env.TYR_MACHINE, '/run/m');
  assert.equal(start.env.TYR_GUEST, `/tools/qemu-aarch64:${root}:/shim arm64`);
});

test('a path within the guest is found there', () => {
  assert.equal(programStart(userland, '/usr/bin/cube', [], {}, {}).args[6], join(root, 'usr/bin/cube'));
});

test('a program of the host’s architecture runs as it is, with the host’s shim before its own libraries', () => {
  const start = programStart(userland, own, ['x'], {}, { LD_LIBRARY_PATH: '/mine', DISPLAY: ':0' });
  assert.equal(start.file, own);
  assert.deepEqual(start.args, ['x']);
  assert.equal(start.env.LD_PRELOAD, '/shim-amd64/libtyr-drm.so');
  assert.equal(start.env.LD_LIBRARY_PATH, '/mine');
  assert.equal(start.env.DISPLAY, ':0');
  assert.equal(start.env.TYR_GUEST, undefined);
});

test('the guest sees the caller’s environment without the host’s session', () => {
  const callers = {
    MESA_DEBUG: '1',
    DISPLAY: ':0',
    LD_PRELOAD: '/host.so',
    XDG_RUNTIME_DIR: '/run/user/0',
    PATH: '/x',
    LANG: 'de_DE.UTF-8',
    LC_ALL: 'de_DE.UTF-8',
  };
  const { env } = programStart(userland, 'cube', [], { HOME: '/home' }, callers);
  // The locale that the guest's packages have.
  assert.deepEqual([env.LANG, env.LC_ALL], ['C.UTF-8', undefined]);
  assert.equal(env.MESA_DEBUG, '1');
  assert.equal(env.DISPLAY, undefined);
  assert.equal(env.XDG_RUNTIME_DIR, undefined);
  assert.equal(env.LD_PRELOAD, 'libtyr-drm.so');
  assert.equal(env.HOME, '/home');
  assert.match(env.PATH ?? '', /^\/usr\/local\/bin:\/usr\/bin/);
});

test('on an arm64 host the guest’s own loader runs it, with Mesa told where its files are', () => {
  const env = { LD_PRELOAD: 'libtyr-drm.so', LD_LIBRARY_PATH: '/shim' };
  const start = guestStart({ root, qemu: undefined }, join(root, 'usr/bin/cube'), ['-A'], env, 'cube');
  const lib = join(root, 'usr/lib/aarch64-linux-gnu');
  assert.equal(start.file, join(lib, 'ld-linux-aarch64.so.1'));
  assert.deepEqual(start.args.slice(0, 2), ['--library-path', `/shim:${lib}:${join(root, 'usr/lib')}`]);
  assert.deepEqual(start.args.slice(2, 4), ['--preload', 'libtyr-drm.so']);
  assert.deepEqual(start.args.slice(-2), [join(root, 'usr/bin/cube'), '-A']);
  assert.equal(start.env.__EGL_VENDOR_LIBRARY_DIRS, join(root, 'usr/share/glvnd/egl_vendor.d'));
  assert.equal(start.env.LD_PRELOAD, undefined);
});

test('a script is started by the guest’s shell', () => {
  const start = programStart(userland, script, ['a b'], {}, {});
  assert.equal(start.args[6], join(root, 'usr/bin/sh'));
  assert.deepEqual(start.args.slice(7), ['-c', 'exec "$0" "$@"', script, 'a b']);
});

test('the guest has a seat of its own, and the caller’s word on it counts', () => {
  const { env } = programStart(userland, 'cube', [], { TYR_MACHINE: '/run/m' }, { DBUS_SYSTEM_BUS_ADDRESS: 'host' });
  assert.equal(env.DBUS_SYSTEM_BUS_ADDRESS, 'unix:path=/run/m/root/run/dbus/system_bus_socket');
  assert.equal(env.LIBSEAT_BACKEND, 'noop');
  const own = programStart(userland, 'cube', [], { TYR_MACHINE: '/run/m', LIBSEAT_BACKEND: 'seatd' }, {});
  assert.equal(own.env.LIBSEAT_BACKEND, 'seatd');
});

test('what cannot run is named in a sentence', () => {
  assert.throws(() => programStart(userland, 'nosuch', [], {}, {}), /the guest has no program nosuch/);
  assert.throws(() => programStart(userland, './nosuch', [], {}, {}), /there is no file \.\/nosuch/);
  assert.throws(() => programStart(userland, strange, [], {}, {}), /strange is no arm64 or amd64 program/);
  assert.throws(() => programStart(userland, text, [], {}, {}), /text is no arm64 or amd64 program/);
});
