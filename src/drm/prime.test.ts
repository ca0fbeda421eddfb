import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL, DRM_PRIME_FLAGS } from '../abi/drm.ts';
import { ERRNO } from '../abi/errno.ts';
import { call, FakeUser, testContext } from '../testing/drm/client.ts';
import { DrmDevice, type DrmDriver } from './device.ts';
import { DrmError } from './error.ts';
import type { DrmFile } from './file.ts';
import { GemObject } from './gem.ts';

function setUp(more: Partial<DrmDriver<object>> = {}) {
  const context = testContext();
  const driver = (name: string, modeset: boolean): DrmDriver<object> => ({
    name,
    description: '',
    date: '',
    version: [1, 0, 0],
    features: { render: !modeset, modeset, syncobj: !modeset },
    ioctls: [],
    open: () => ({}),
    close: () => {},
    ...more,
  });
  const gpu = new DrmDevice(driver('panthor', false), context);
  const display = new DrmDevice(driver('rockchip', true), context);
  const user = new FakeUser();
  /** A buffer of so many pages with a handle in `file`. */
  const create = (file: DrmFile<any>, pages = 1): number => {
    const object = new GemObject(context.dram, context.dram.allocShared('test', pages * 4096));
    const handle = file.addHandle(object);
    object.put();
    return handle;
  };
  const exported = (file: DrmFile<any>, handle: number): number => {
    const { value, arg } = call(file, DRM_IOCTL.PRIME_HANDLE_TO_FD, { handle, flags: DRM_PRIME_FLAGS.CLOEXEC }, user);
    assert.equal(value, 0);
    return arg.fd;
  };
  const imported = (file: DrmFile<any>, fd: number): number => {
    const { value, arg } = call(file, DRM_IOCTL.PRIME_FD_TO_HANDLE, { fd }, user);
    return value < 0 ? value : arg.handle;
  };
  return { context, gpu, display, user, create, exported, imported };
}

test('a buffer passed from one device to the other is the same memory', () => {
  const { gpu, display, create, exported, imported } = setUp();
  const [render, card] = [gpu.open('render', 1), display.open('primary', 1)];
  const handle = create(render);
  const there = imported(card, exported(render, handle));
  assert.equal(card.object(there), render.object(handle));
  assert.equal(render.object(handle).references, 2);
  assert.equal(imported(card, exported(card, there)), there, 'and back again under the same handle');
  assert.equal(imported(render, exported(card, there)), handle);
});

test('the last holder frees the pages, and closes the file behind them', () => {
  const { context, gpu, display, create, exported, imported } = setUp();
  const [render, card] = [gpu.open('render', 1), display.open('primary', 1)];
  const used = context.dram.used;
  const there = imported(card, exported(render, create(render, 4)));
  render.close();
  assert.equal(context.dram.used - used, 4 * 4096);
  assert.equal(call(card, DRM_IOCTL.GEM_CLOSE, { handle: there }, new FakeUser()).value, 0);
  assert.equal(context.dram.used, used);
  assert.equal(context.backing.open.size, 0);
});

test('a dma-buf outlives its object and comes back as a new one', () => {
  const { context, gpu, user, create, exported, imported } = setUp();
  const file = gpu.open('render', 1);
  const fd = exported(file, create(file, 2));
  file.close();
  assert.equal(context.dram.used, 0);
  const other = gpu.open('render', 2);
  const handle = imported(other, fd);
  assert.equal(handle, 1);
  assert.equal(other.object(handle).size, 2 * 4096);
  assert.equal(imported(other, fd), handle);
  assert.deepEqual(user.descriptors.get(fd), { kind: 'dma-buf', file: other.object(handle).run.file });
  other.close();
  assert.equal(context.dram.used, 0);
});

test('the driver dresses what comes in, once for each file, and may refuse', () => {
  const seen: string[] = [];
  let refuse = false;
  const { context, gpu, display, create, exported, imported } = setUp({
    importObject: (_object, file) => {
      if (refuse) throw new DrmError('EINVAL', 'not this one');
      seen.push(file.device.driver.name);
    },
  });
  const [render, card] = [gpu.open('render', 1), display.open('primary', 1)];
  const fd = exported(card, create(card));
  imported(render, fd);
  imported(render, fd);
  assert.deepEqual(seen, ['panthor']);
  refuse = true;
  const other = gpu.open('render', 2);
  assert.equal(imported(other, fd), -ERRNO.EINVAL);
  render.close();
  card.close();
  assert.equal(imported(other, fd), -ERRNO.EINVAL);
  assert.equal(context.dram.used, 0, 'a refused import leaves nothing behind');
});

test('handles and descriptors that are not what they should be', () => {
  const { gpu, user, create, imported } = setUp();
  const file = gpu.open('render', 1);
  const handle = create(file);
  const toFd = (h: number, flags = 0): number =>
    call(file, DRM_IOCTL.PRIME_HANDLE_TO_FD, { handle: h, flags }, user).value;
  assert.equal(toFd(handle + 1), -ERRNO.ENOENT);
  assert.equal(toFd(0xffffffff), -ERRNO.ENOENT);
  assert.equal(toFd(handle, 0x80000000), -ERRNO.EINVAL);
  assert.equal(imported(file, 999), -ERRNO.EBADF);
  assert.equal(imported(file, -1), -ERRNO.EBADF);
  const drm = user.addDescriptor({ kind: 'drm', file });
  assert.equal(imported(file, drm), -ERRNO.EINVAL);
  const odd = user.addDescriptor({ kind: 'dma-buf', file: { size: 100, close: () => {} } });
  assert.equal(imported(file, odd), -ERRNO.EINVAL);
  const large = user.addDescriptor({ kind: 'dma-buf', file: { size: 2 ** 40, close: () => {} } });
  assert.equal(imported(file, large), -ERRNO.ENOMEM);
  const close = (h: number): number => call(file, DRM_IOCTL.GEM_CLOSE, { handle: h }, user).value;
  assert.equal(close(0), -ERRNO.EINVAL);
  assert.equal(close(handle), 0);
  assert.equal(close(handle), -ERRNO.EINVAL);
  assert.equal(call(file, DRM_IOCTL.GEM_CHANGE_HANDLE, { handle, new_handle: 9 }, user).value, -ERRNO.EINVAL);
});

test('a dma-buf can be mapped for writing only if it was exported for that', () => {
  const { gpu, user, create } = setUp();
  const file = gpu.open('render', 1);
  const handle = create(file);
  call(file, DRM_IOCTL.PRIME_HANDLE_TO_FD, { handle }, user);
  assert.deepEqual(user.options, { cloexec: false, writable: false });
  call(file, DRM_IOCTL.PRIME_HANDLE_TO_FD, { handle, flags: DRM_PRIME_FLAGS.RDWR | DRM_PRIME_FLAGS.CLOEXEC }, user);
  assert.deepEqual(user.options, { cloexec: true, writable: true });
});

test('an mmap offset reaches its buffer from the beginning, and nothing after the handle is closed', () => {
  const { gpu, create } = setUp();
  const file = gpu.open('render', 1);
  const [a, b] = [create(file, 2), create(file, 3)];
  const [atA, atB] = [file.mmapOffset(a), file.mmapOffset(b)];
  assert.equal(file.mmapOffset(a), atA);
  assert.ok(atA % 4096n === 0n && atA > 2n ** 32n, 'not 4 GiB exactly: an int would hold that as none');
  assert.equal(file.mmap(atB, 3 * 4096, true).run, file.object(b).run);
  assert.equal(file.mmap(atB, 1, false).run, file.object(b).run, 'lengths are rounded up to pages');
  for (const [offset, size] of [
    [atA, 3 * 4096],
    [atA + 4096n, 4096],
    [atA + 1n, 4096],
    [2n ** 64n - 1n, 65536],
    [2n ** 64n - 4096n, 4096],
    [atA, 0],
    [atB + 3n * 4096n, 4096],
    [0n, 4096],
    [2n ** 63n, 4096],
  ] as const)
    assert.throws(() => file.mmap(offset, size, true), { errno: 'EINVAL' }, `${offset}+${size}`);
  assert.throws(() => file.mmap(2n ** 64n - 4096n, 8192, true), { errno: 'EOVERFLOW' });
  assert.throws(() => file.mmap(atA, 2 ** 50, true), { errno: 'ENOMEM' });
  const other = gpu.open('render', 2);
  assert.throws(() => other.mmap(atA, 4096, true), { errno: 'EINVAL' }, 'of another file');
  file.removeHandle(a);
  const c = create(file, 2);
  assert.equal(c, a, 'the handle is used again');
  assert.throws(() => file.mmap(atA, 4096, true), { errno: 'EINVAL' });
  assert.notEqual(file.mmapOffset(c), atA);
  assert.throws(() => file.mmap(atA, 4096, true), { errno: 'EINVAL' }, 'a stale offset reaches no other buffer');
  assert.equal(file.mmap(atB, 4096, true).run, file.object(b).run);
});

test('a file holds only so many handles', () => {
  const { context, gpu } = setUp();
  const file = gpu.open('render', 1);
  const run = context.dram.alloc(4096);
  const objects = Array.from({ length: file.handles.room }, () => new GemObject(context.dram, run));
  for (const object of objects) file.addHandle(object);
  assert.throws(() => file.addHandle(new GemObject(context.dram, run)), { errno: 'ENOMEM' });
  file.removeHandle(17);
  assert.equal(file.addHandle(new GemObject(context.dram, run)), 17);
});
