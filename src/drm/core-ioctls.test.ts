import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_CAP, DRM_CLIENT_CAP, DRM_IOCTL } from '../abi/drm.ts';
import { ERRNO } from '../abi/errno.ts';
import { type IoctlDef, iowr } from '../abi/ioctl.ts';
import { MODE_CREATE_DUMB, MODE_DESTROY_DUMB, MODE_MAP_DUMB } from '../abi/kms-ioctls.ts';
import { struct, u32, u64 } from '../abi/layout.ts';
import { call, FakeUser, testContext } from '../testing/drm/client.ts';
import { DrmDevice, type DrmDriver } from './device.ts';
import { DrmError } from './error.ts';
import { type IoctlEntry, ioctl } from './ioctl.ts';

const Echo = struct('echo', { a: u32(), b: u32(), c: u64() });
const ECHO = iowr('ECHO', 'd', 0x40, Echo);

function driver(more: Partial<DrmDriver<string>> = {}): DrmDriver<string> {
  return {
    name: 'panthor',
    description: 'Panthor DRM driver',
    date: '20230801',
    version: [1, 9, 0],
    features: { render: true, modeset: false, syncobj: true },
    ioctls: [],
    open: () => 'private',
    close: () => {},
    ...more,
  };
}
const gpu = (): DrmDevice<string> => new DrmDevice(driver(), testContext());
const display = (more: Partial<DrmDriver<string>> = {}): DrmDevice<string> =>
  new DrmDevice(
    driver({ name: 'rockchip', features: { render: false, modeset: true, syncobj: false }, ...more }),
    testContext(),
  );
const cap = (device: DrmDevice<any>, capability: number | bigint): number | bigint => {
  const user = new FakeUser();
  const outcome = call(device.open('primary', 1), DRM_IOCTL.GET_CAP, { capability: BigInt(capability) }, user);
  return outcome.value < 0 ? outcome.value : outcome.arg.value;
};

test('VERSION tells name, description and version, as much as fits', () => {
  const device = gpu();
  const user = new FakeUser();
  const [name, desc] = [user.put(4), user.put(64)];
  const { value, arg } = call(
    device.open('render', 1),
    DRM_IOCTL.VERSION,
    { name, name_len: 4n, desc, desc_len: 2n ** 64n - 1n, date_len: 100n },
    user,
  );
  assert.equal(value, 0);
  assert.deepEqual([arg.version_major, arg.version_minor, arg.version_patchlevel], [1, 9, 0]);
  assert.deepEqual([arg.name_len, arg.desc_len, arg.date_len], [7n, 18n, 8n], 'the whole lengths');
  assert.equal(new TextDecoder().decode(user.read(name, 8)), 'pant\0\0\0\0');
  assert.equal(new TextDecoder().decode(user.read(desc, 18)), 'Panthor DRM driver');
});

test('a node without dumb buffers says so, and a render node is not for them', () => {
  const device = gpu();
  for (const def of [MODE_CREATE_DUMB, MODE_MAP_DUMB, MODE_DESTROY_DUMB]) {
    const on = (node: 'primary' | 'render') => call(device.open(node, 1), def as IoctlDef, {}, new FakeUser()).value;
    assert.deepEqual([on('primary'), on('render')], [-ERRNO.ENOSYS, -ERRNO.EACCES], def.name);
  }
});

test('capabilities of a GPU and of a display', () => {
  assert.equal(cap(gpu(), DRM_CAP.PRIME), 3n);
  assert.equal(cap(gpu(), DRM_CAP.SYNCOBJ), 1n);
  assert.equal(cap(gpu(), DRM_CAP.SYNCOBJ_TIMELINE), 1n);
  assert.equal(cap(gpu(), DRM_CAP.TIMESTAMP_MONOTONIC), 1n);
  assert.equal(cap(gpu(), DRM_CAP.DUMB_BUFFER), -ERRNO.EOPNOTSUPP);
  assert.equal(cap(display(), DRM_CAP.CURSOR_WIDTH), 64n);
  assert.equal(cap(display(), DRM_CAP.CRTC_IN_VBLANK_EVENT), 1n);
  assert.equal(cap(display(), DRM_CAP.SYNCOBJ), 0n);
  const dumb = display({ capability: (number) => (number === DRM_CAP.DUMB_BUFFER ? 1n : undefined) });
  assert.equal(cap(dumb, DRM_CAP.DUMB_BUFFER), 1n, 'the driver has the first word');
  for (const wild of [0xan, 0n, 2n ** 32n + BigInt(DRM_CAP.PRIME), 2n ** 64n - 1n])
    assert.equal(cap(display(), wild), -ERRNO.EINVAL, `capability ${wild}`);
});

test('client capabilities: atomic brings planes and aspect ratios, and comes before writeback', () => {
  const device = display();
  const file = device.open('primary', 1);
  const user = new FakeUser();
  const set = (capability: number | bigint, value: bigint): number =>
    call(file, DRM_IOCTL.SET_CLIENT_CAP, { capability: BigInt(capability), value }, user).value;
  assert.equal(set(DRM_CLIENT_CAP.WRITEBACK_CONNECTORS, 1n), -ERRNO.EINVAL);
  assert.equal(set(DRM_CLIENT_CAP.ATOMIC, 3n), -ERRNO.EINVAL);
  assert.equal(set(DRM_CLIENT_CAP.ATOMIC, 1n), 0);
  assert.equal(file.clientCaps.get(DRM_CLIENT_CAP.UNIVERSAL_PLANES), 1n);
  assert.equal(file.clientCaps.get(DRM_CLIENT_CAP.ASPECT_RATIO), 1n);
  assert.equal(set(DRM_CLIENT_CAP.WRITEBACK_CONNECTORS, 1n), 0);
  assert.equal(set(DRM_CLIENT_CAP.STEREO_3D, 2n), -ERRNO.EINVAL);
  assert.equal(set(DRM_CLIENT_CAP.CURSOR_PLANE_HOTSPOT, 1n), -ERRNO.EOPNOTSUPP);
  assert.equal(set(2n ** 32n + 1n, 1n), -ERRNO.EINVAL);
  const render = gpu().open('primary', 1);
  assert.equal(
    call(render, DRM_IOCTL.SET_CLIENT_CAP, { capability: 2n, value: 1n }, user).value,
    -ERRNO.EOPNOTSUPP,
    'no display, no planes',
  );
});

test('a render node refuses what is for the primary node, mode setting answers by device', () => {
  const device = gpu();
  const user = new FakeUser();
  const file = device.open('render', 1);
  for (const def of [DRM_IOCTL.GET_UNIQUE, DRM_IOCTL.GET_MAGIC, DRM_IOCTL.SET_MASTER, DRM_IOCTL.SET_CLIENT_CAP])
    assert.equal(call(file, def, {}, user).value, -ERRNO.EACCES, def.name);
  const resources = iowr('MODE_GETRESOURCES', 'd', 0xa0, Echo);
  assert.equal(call(file, resources, {}, user).value, -ERRNO.EACCES);
  assert.equal(call(device.open('primary', 1), resources, {}, user).value, -ERRNO.EOPNOTSUPP);
  assert.equal(call(file, iowr('NONE', 'd', 0x9f, Echo), {}, user).value, -ERRNO.EINVAL);
  assert.equal(call(file, iowr('FOREIGN', 'x', 0x00, Echo), {}, user).value, -ERRNO.ENOTTY);
});

test('a shorter struct is filled with zeros, a longer one keeps its tail', () => {
  const seen: unknown[] = [];
  const entry = ioctl(ECHO, { render: true }, (_file, arg) => {
    seen.push({ ...arg });
    arg.a = 7;
    arg.c = 9n;
  }) as IoctlEntry<any, string>;
  const device = new DrmDevice(driver({ ioctls: [entry] }), testContext());
  const file = device.open('render', 1);
  const user = new FakeUser();
  const short = iowr('ECHO', 'd', 0x40, struct('short', { a: u32() }));
  const first = call(file, short, { a: 1 }, user);
  assert.deepEqual(seen[0], { a: 1, b: 0, c: 0n });
  assert.deepEqual(first.arg, { a: 7 });
  const long = iowr('ECHO', 'd', 0x40, struct('long', { a: u32(), b: u32(), c: u64(), d: u64() }));
  const second = call(file, long, { a: 1, b: 2, c: 3n, d: 4n }, user);
  assert.deepEqual(second.arg, { a: 7, b: 2, c: 9n, d: 4n });
});

test('what the number does not declare as input is not read, nor written as output', () => {
  const seen: unknown[] = [];
  const entry = ioctl(ECHO, { render: true }, (_file, arg) => {
    seen.push({ ...arg });
    arg.a = 7;
  }) as IoctlEntry<any, string>;
  const device = new DrmDevice(driver({ ioctls: [entry] }), testContext());
  const file = device.open('render', 1);
  const user = new FakeUser();
  const inOnly = { ...ECHO, request: (ECHO.request & 0x3fffffff) + 0x40000000 };
  assert.equal(call(file, inOnly, { a: 1 }, user).arg.a, 1);
  const outOnly = { ...ECHO, request: (ECHO.request & 0x3fffffff) + 0x80000000 };
  assert.equal(call(file, outOnly, { a: 1, b: 5 }, user).arg.a, 7);
  assert.deepEqual(seen, [
    { a: 1, b: 0, c: 0n },
    { a: 0, b: 0, c: 0n },
  ]);
});

test('errors become errno and a log line; a bug passes through', () => {
  const context = testContext();
  const entries = [
    ioctl(ECHO, { render: true }, (_file, arg) => {
      arg.b = 3;
      if (arg.a === 1) throw new DrmError('EBUSY', 'the ring is full');
      throw new Error('a bug');
    }),
  ] as IoctlEntry<any, string>[];
  const device = new DrmDevice(driver({ ioctls: entries }), context);
  const file = device.open('render', 1);
  const user = new FakeUser(42);
  const outcome = call(file, ECHO, { a: 1 }, user);
  assert.equal(outcome.value, -ERRNO.EBUSY);
  assert.equal(outcome.arg.b, 3, 'output of a failing ioctl is seen');
  assert.deepEqual(context.lines, ['warn panthor: ECHO of pid 42: EBUSY: the ring is full']);
  assert.throws(() => call(file, ECHO, { a: 2 }, user), /a bug/);
  device.unplug();
  assert.equal(call(file, ECHO, { a: 1 }, user).value, -ERRNO.ENODEV);
});

test('the first file on a primary node is master; others ask it by magic, or wait until it goes', () => {
  const device = display();
  const [one, two] = [device.open('primary', 1), device.open('primary', 2)];
  const [first, second] = [new FakeUser(1), new FakeUser(2)];
  assert.ok(one.isMaster && one.authenticated && !two.isMaster && !two.authenticated);
  assert.equal(call(two, DRM_IOCTL.FINISH, {}, second).value, -ERRNO.EACCES);
  const { magic } = call(two, DRM_IOCTL.GET_MAGIC, {}, second).arg;
  assert.equal(call(two, DRM_IOCTL.GET_MAGIC, {}, second).arg.magic, magic);
  assert.equal(call(two, DRM_IOCTL.AUTH_MAGIC, { magic }, second).value, -ERRNO.EACCES, 'not by itself');
  assert.equal(call(one, DRM_IOCTL.AUTH_MAGIC, { magic: magic + 1 }, first).value, -ERRNO.EINVAL);
  assert.equal(call(one, DRM_IOCTL.AUTH_MAGIC, { magic }, first).value, 0);
  assert.equal(call(one, DRM_IOCTL.AUTH_MAGIC, { magic }, first).value, -ERRNO.EINVAL, 'only once');
  assert.equal(call(two, DRM_IOCTL.FINISH, {}, second).value, 0);
  assert.equal(call(two, DRM_IOCTL.SET_MASTER, {}, second).value, -ERRNO.EACCES);
  one.close();
  assert.equal(device.master, undefined);
  const three = device.open('primary', 3);
  assert.ok(three.isMaster);
});

test('mastery can be dropped and taken back by the process that had it', () => {
  const told: string[] = [];
  const device = display({ masterSet: () => told.push('set'), masterDrop: () => told.push('drop') });
  const one = device.open('primary', 1);
  const user = new FakeUser(1);
  assert.equal(call(one, DRM_IOCTL.DROP_MASTER, {}, new FakeUser(9)).value, -ERRNO.EACCES, 'a stranger with the fd');
  assert.equal(call(one, DRM_IOCTL.DROP_MASTER, {}, user).value, 0);
  assert.equal(call(one, DRM_IOCTL.DROP_MASTER, {}, user).value, -ERRNO.EINVAL);
  const two = device.open('primary', 2);
  assert.ok(two.isMaster);
  assert.equal(call(one, DRM_IOCTL.SET_MASTER, {}, user).value, -ERRNO.EBUSY);
  two.close();
  assert.equal(call(one, DRM_IOCTL.SET_MASTER, {}, user).value, 0);
  assert.equal(call(one, DRM_IOCTL.SET_MASTER, {}, user).value, 0, 'twice is fine');
  assert.deepEqual(told, ['set', 'drop', 'set', 'drop', 'set']);
});

test('the superuser is authenticated, may become master and drop who is, and is let in where nobody else is', () => {
  const device = display();
  const [one, two] = [device.open('primary', 1, true), device.open('primary', 2, true)];
  const root = new FakeUser(9);
  root.capabilities.add('SYS_ADMIN');
  assert.ok(two.authenticated && !two.isMaster);
  assert.equal(call(two, DRM_IOCTL.SET_MASTER, {}, root).value, -ERRNO.EBUSY);
  assert.equal(call(one, DRM_IOCTL.DROP_MASTER, {}, root).value, 0);
  assert.equal(call(two, DRM_IOCTL.SET_MASTER, {}, new FakeUser(2)).value, -ERRNO.EACCES, 'has never been master');
  assert.equal(call(two, DRM_IOCTL.SET_MASTER, {}, root).value, 0);
  assert.equal(device.master, two);
  assert.equal(call(two, DRM_IOCTL.SET_UNIQUE, {}, root).value, 0);
});

test('the bus name is empty until SET_VERSION has asked for it', () => {
  const device = display({ unique: 'display-subsystem' });
  const file = device.open('primary', 1);
  const user = new FakeUser();
  const unique = user.put(32);
  const get = () => call(file, DRM_IOCTL.GET_UNIQUE, { unique, unique_len: 32n }, user).arg.unique_len;
  assert.equal(get(), 0n);
  const set = (drm_di_major: number, drm_di_minor: number, drm_dd_major = -1, drm_dd_minor = -1) =>
    call(file, DRM_IOCTL.SET_VERSION, { drm_di_major, drm_di_minor, drm_dd_major, drm_dd_minor }, user);
  assert.equal(set(2, 0).value, -ERRNO.EINVAL);
  assert.equal(set(1, 5).value, -ERRNO.EINVAL);
  assert.deepEqual(set(1, 5).arg, { drm_di_major: 1, drm_di_minor: 4, drm_dd_major: 1, drm_dd_minor: 9 });
  assert.equal(set(1, 4, 2, 0).value, -ERRNO.EINVAL);
  assert.equal(set(1, 4).value, 0);
  assert.equal(get(), 17n);
  assert.equal(new TextDecoder().decode(user.read(unique, 17)), 'display-subsystem');
});

test('a client may name itself in printable characters', () => {
  const file = gpu().open('render', 1);
  const user = new FakeUser();
  const set = (text: string, name_len = BigInt(text.length)): number =>
    call(file, DRM_IOCTL.SET_CLIENT_NAME, { name: user.put(new TextEncoder().encode(text)), name_len }, user).value;
  assert.equal(set('kmscube'), 0);
  assert.equal(file.clientName, 'kmscube');
  for (const bad of ['two words', 'nul\0', 'ä', 'x'.repeat(65)]) assert.equal(set(bad), -ERRNO.EINVAL, bad);
  assert.equal(set('', 2n ** 64n - 1n), -ERRNO.EINVAL);
  assert.equal(call(file, DRM_IOCTL.SET_CLIENT_NAME, { name: 1n, name_len: 8n }, user).value, -ERRNO.EFAULT);
  assert.equal(file.clientName, 'kmscube');
});

test('what is left of old interfaces: one client, no statistics, nothing for the superuser', () => {
  const file = display().open('primary', 1);
  const user = new FakeUser(77);
  const client = call(file, DRM_IOCTL.GET_CLIENT, { idx: 0 }, user);
  assert.deepEqual([client.value, client.arg.auth, client.arg.pid], [0, 1, 77n]);
  assert.equal(call(file, DRM_IOCTL.GET_CLIENT, { idx: 1 }, user).value, -ERRNO.EINVAL);
  assert.equal(call(file, DRM_IOCTL.GET_STATS, { count: 5n }, user).arg.count, 0n);
  assert.equal(call(file, DRM_IOCTL.SET_UNIQUE, {}, user).value, -ERRNO.EACCES);
});
