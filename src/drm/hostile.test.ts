/** A client that sends anything: every answer is an errno or a success, nothing throws, hangs or stays behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL, DRM_SYNCOBJ_WAIT } from '../abi/drm.ts';
import type { IoctlDef } from '../abi/ioctl.ts';
import { FakeUser, testContext } from '../testing/drm/client.ts';
import { DrmDevice } from './device.ts';
import { Fence } from './fence.ts';
import type { DrmFile } from './file.ts';
import { GemObject } from './gem.ts';
import type { IoctlResult } from './ioctl.ts';
import { SyncFile } from './sync-file.ts';
import { MOST_PENDING_POINTS } from './syncobj.ts';

/** Numbers that break things: small ones that name something, and the ends of every width. */
const VALUES = [
  0n,
  1n,
  2n,
  3n,
  4n,
  7n,
  8n,
  64n,
  4095n,
  4096n,
  0x10000n,
  0x10008n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 32n,
  2n ** 48n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

test('twenty thousand ioctls of a client that sends anything', async () => {
  const context = testContext();
  const features = { render: true, modeset: true, syncobj: true };
  const driver = { name: 'test', description: 'a test', date: '0', version: [1, 0, 0] as const, features, ioctls: [] };
  const device = new DrmDevice({ ...driver, open: () => ({}), close: () => {} }, context);
  const random = numbers(2026);
  const user = new FakeUser();
  for (let i = 0; i < user.memory.length / 4; i++) user.memory[i * 4] = random(6);
  const fences: Fence[] = [];
  const files: DrmFile<any>[] = [device.open('primary', user.pid), device.open('render', user.pid)];
  const fill = (): void => {
    const fence = new Fence(context.clock, 'test', 'work');
    fences.push(fence);
    user.descriptors.set(3, { kind: 'sync-file', syncFile: new SyncFile('', [fence]) });
    user.descriptors.set(4, { kind: 'eventfd', signal: () => {}, close: () => {} });
    for (const file of files) {
      if (file.handles.size < 4) {
        const object = new GemObject(context.dram, context.dram.allocShared('test', 4096));
        file.addHandle(object);
        object.put();
      }
      for (const [, syncobj] of file.syncobjs) if (random(8) === 0) syncobj.replaceFence(fence);
    }
  };
  const defs: IoctlDef[] = Object.values(DRM_IOCTL);
  const waiting: Promise<IoctlResult>[] = [];
  let successes = 0;
  for (let round = 0; round < 20_000; round++) {
    if (round % 50 === 0) fill();
    if (round % 70 === 0) fences.shift()?.signal(random(2) ? 'EIO' : undefined);
    const def = defs[random(defs.length)]!;
    const arg = new Uint8Array(def.arg?.size ?? 0);
    const view = new DataView(arg.buffer);
    for (let at = 0; at + 4 <= arg.length; at += 4) {
      const value = VALUES[random(random(4) === 0 ? VALUES.length : 6)]!;
      view.setUint32(at, Number(value & 0xffffffffn), true);
      if (at + 8 <= arg.length && random(2)) view.setBigUint64(at, value, true);
    }
    // Pointers that work, often enough to get further.
    if (arg.length >= 8 && random(3) > 0) view.setBigUint64(0, user.base + BigInt(8 * random(64)), true);
    const file = files[random(files.length)]!;
    const result = device.ioctl(file, def.request, arg, user);
    if (result instanceof Promise) waiting.push(result);
    else {
      assert.ok(Number.isInteger(result.value) && result.value <= 0 && result.value > -4096, def.name);
      if (result.value === 0) successes++;
    }
  }
  assert.ok(successes > 2000, `${successes} ioctls succeeded: the test reaches something`);
  assert.ok(waiting.length > 10, `${waiting.length} ioctls waited`);
  user.die();
  for (const { value } of await Promise.all(waiting)) assert.ok(value <= 0 && value > -4096);
  for (const descriptor of user.descriptors.values()) if (descriptor.kind === 'syncobj') descriptor.syncobj.put();
  for (const file of files) file.close();
  assert.equal(user.waiting, 0);
  assert.equal(device.files.size, 0);
  assert.equal(context.dram.used, 0);
  assert.equal(context.backing.open.size, 0);
  context.clock.advance(1e12);
});

test('a request number of any type, size and direction with a struct of any length', () => {
  const context = testContext();
  const features = { render: true, modeset: false, syncobj: true };
  const driver = { name: 'test', description: 'a test', date: '0', version: [1, 0, 0] as const, features, ioctls: [] };
  const device = new DrmDevice({ ...driver, open: () => ({}), close: () => {} }, context);
  const file = device.open('primary', 1);
  const user = new FakeUser();
  const random = numbers(7);
  for (let i = 0; i < 20_000; i++) {
    const type = random(2) ? 0x64 : random(256);
    const request = random(4) * 2 ** 30 + random(2 ** 14) * 2 ** 16 + type * 256 + random(256);
    const result = device.ioctl(file, request, new Uint8Array(random(300)), user);
    assert.ok(!(result instanceof Promise) && result.value <= 0);
  }
});

test('the worst wait that the limits allow stays a matter of a second', () => {
  const context = testContext();
  const features = { render: true, modeset: false, syncobj: true };
  const driver = { name: 'test', description: 'a test', date: '0', version: [1, 0, 0] as const, features, ioctls: [] };
  const device = new DrmDevice({ ...driver, open: () => ({}), close: () => {} }, context);
  const file = device.open('render', 1);
  const user = new FakeUser();
  const fence = new Fence(context.clock, 'test', 'work');
  const arg = DRM_IOCTL.SYNCOBJ_CREATE.arg!.pack({});
  device.ioctl(file, DRM_IOCTL.SYNCOBJ_CREATE.request, arg, user);
  const syncobj = file.syncobj(1);
  for (let point = 1n; point <= BigInt(MOST_PENDING_POINTS); point++) syncobj.addPoint(fence, point);
  const count = 1 << 14;
  const wait = DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT.arg!.pack({
    handles: user.putU32(...new Array<number>(count).fill(1)),
    points: user.putU64(...Array.from({ length: count }, (_, i) => BigInt(i + 1))),
    count_handles: count,
    flags: DRM_SYNCOBJ_WAIT.DEADLINE,
    deadline_nsec: 1n,
  });
  const began = process.cpuUsage();
  const result = device.ioctl(file, DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT.request, wait, user);
  const query = DRM_IOCTL.SYNCOBJ_QUERY.arg!.pack({
    handles: user.putU32(...new Array<number>(count).fill(1)),
    points: user.putU64(...new Array<bigint>(count).fill(0n)),
    count_handles: count,
  });
  device.ioctl(file, DRM_IOCTL.SYNCOBJ_QUERY.request, query, user);
  const { user: microseconds } = process.cpuUsage(began);
  assert.ok(!(result instanceof Promise) && result.value < 0);
  assert.ok(microseconds < 5_000_000, `${microseconds} µs`);
});
