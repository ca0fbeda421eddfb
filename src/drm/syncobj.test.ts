/** Behaviours after IGT's `tests/syncobj_{basic,wait,timeline,eventfd}.c`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DRM_IOCTL,
  DRM_SYNCOBJ_CREATE,
  DRM_SYNCOBJ_FD,
  DRM_SYNCOBJ_QUERY,
  DRM_SYNCOBJ_WAIT as WAIT,
} from '../abi/drm.ts';
import { ERRNO } from '../abi/errno.ts';
import { call, FakeUser, start, testContext } from '../testing/drm/client.ts';
import { DrmDevice } from './device.ts';
import { Fence } from './fence.ts';
import type { DrmFile } from './file.ts';
import { findFence, MOST_PENDING_POINTS } from './syncobj.ts';

const NONE = 0xffffffff;
const FOREVER = 2n ** 63n - 1n;

function setUp(features = { render: true, modeset: false, syncobj: true }) {
  const context = testContext();
  const device = new DrmDevice(
    {
      name: 'panthor',
      description: '',
      date: '',
      version: [1, 9, 0],
      features,
      ioctls: [],
      open: () => ({}),
      close: () => {},
    },
    context,
  );
  const user = new FakeUser();
  const file = device.open('render', 1);
  const fence = (): Fence => new Fence(context.clock, 'test', 'work');
  const create = (flags = 0): number => call(file, DRM_IOCTL.SYNCOBJ_CREATE, { flags }, user).arg.handle;
  const list = (handles: readonly number[]) => ({ handles: user.putU32(...handles), count_handles: handles.length });
  const wait = (handles: readonly number[], flags = 0, timeout_nsec = 0n, from = file) =>
    start(from, DRM_IOCTL.SYNCOBJ_WAIT, { ...list(handles), flags, timeout_nsec }, user);
  const timelineWait = (handles: readonly number[], points: readonly bigint[], flags = 0, timeout_nsec = 0n) =>
    start(
      file,
      DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT,
      { ...list(handles), points: user.putU64(...points), flags, timeout_nsec },
      user,
    );
  const signal = (...handles: number[]) => call(file, DRM_IOCTL.SYNCOBJ_SIGNAL, list(handles), user).value;
  const reset = (...handles: number[]) => call(file, DRM_IOCTL.SYNCOBJ_RESET, list(handles), user).value;
  const timelineSignal = (handle: number, point: bigint) =>
    call(file, DRM_IOCTL.SYNCOBJ_TIMELINE_SIGNAL, { ...list([handle]), points: user.putU64(point) }, user).value;
  const query = (handle: number, flags = 0): bigint => {
    const points = user.put(8);
    assert.equal(call(file, DRM_IOCTL.SYNCOBJ_QUERY, { ...list([handle]), points, flags }, user).value, 0);
    return user.getU64(points, 1)[0]!;
  };
  const export_ = (handle: number, flags = 0, point = 0n) =>
    call(file, DRM_IOCTL.SYNCOBJ_HANDLE_TO_FD, { handle, flags, point }, user);
  const import_ = (fd: number, flags = 0, handle = 0, point = 0n, into: DrmFile<any> = file) =>
    call(into, DRM_IOCTL.SYNCOBJ_FD_TO_HANDLE, { fd, handle, flags, point }, user);
  return {
    ...{ context, clock: context.clock, device, user, file, fence, create, list, wait, timelineWait, signal, reset },
    ...{ timelineSignal, query, export_, import_ },
  };
}

/** Ends promises that have nothing to wait for. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An outcome as [value, first_signaled]. */
async function outcome(result: ReturnType<ReturnType<typeof setUp>['wait']>): Promise<[number, number]> {
  const { value, arg } = await result;
  return [value, arg.first_signaled];
}

test('bad flags, padding, handles and counts are refused', () => {
  const { file, user, create, list, signal, reset, timelineSignal } = setUp();
  const handle = create();
  const value = (def: any, arg: object): number => call(file, def, arg, user).value;
  assert.equal(value(DRM_IOCTL.SYNCOBJ_CREATE, { flags: 0x10 }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_DESTROY, { handle, pad: 1 }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_DESTROY, { handle: 0 }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_WAIT, { ...list([handle]), flags: WAIT.AVAILABLE }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_WAIT, { ...list([handle]), flags: 0xffffffff }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_WAIT, { handles: 0n, count_handles: 0 }), 0, 'nothing to wait for');
  assert.equal(value(DRM_IOCTL.SYNCOBJ_WAIT, list([handle, 1234])), -ERRNO.ENOENT);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_WAIT, { handles: 8n, count_handles: 1 }), -ERRNO.EFAULT);
  for (const def of [
    DRM_IOCTL.SYNCOBJ_WAIT,
    DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT,
    DRM_IOCTL.SYNCOBJ_RESET,
    DRM_IOCTL.SYNCOBJ_SIGNAL,
    DRM_IOCTL.SYNCOBJ_QUERY,
    DRM_IOCTL.SYNCOBJ_TIMELINE_SIGNAL,
  ])
    for (const count_handles of [0xffffffff, 0x80000000, (1 << 14) + 1])
      assert.equal(value(def, { handles: user.base, count_handles }), -ERRNO.ENOMEM, def.name);
  assert.equal(reset(), -ERRNO.EINVAL);
  assert.equal(signal(), -ERRNO.EINVAL);
  assert.equal(signal(handle, 0), -ERRNO.ENOENT);
  assert.equal(timelineSignal(0xffffffff, 1n), -ERRNO.ENOENT);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_TIMELINE_SIGNAL, { ...list([handle]), flags: 1 }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_TRANSFER, { src_handle: handle, dst_handle: handle }), -ERRNO.EINVAL);
  assert.equal(value(DRM_IOCTL.SYNCOBJ_TRANSFER, { src_handle: 99, dst_handle: handle }), -ERRNO.ENOENT);
  assert.equal(
    value(DRM_IOCTL.SYNCOBJ_TRANSFER, { src_handle: handle, dst_handle: handle, flags: WAIT.ALL }),
    -ERRNO.EINVAL,
  );
});

test('a device without sync objects says so', () => {
  const { file, user } = setUp({ render: true, modeset: false, syncobj: false });
  for (const [name, def] of Object.entries(DRM_IOCTL))
    if (name.startsWith('SYNCOBJ_')) assert.equal(call(file, def, {}, user).value, -ERRNO.EOPNOTSUPP, name);
});

test('waiting without a submission is an error, unless the waiter wants to wait for it', async () => {
  const { clock, create, wait, signal } = setUp();
  const handle = create();
  assert.deepEqual(await outcome(wait([handle], 0, FOREVER)), [-ERRNO.EINVAL, 0]);
  assert.deepEqual(await outcome(wait([handle], WAIT.FOR_SUBMIT, 0n)), [-ERRNO.ETIME, 0]);
  const waiting = wait([handle], WAIT.FOR_SUBMIT, FOREVER);
  assert.ok(waiting instanceof Promise);
  clock.advance(1e9);
  signal(handle);
  assert.deepEqual(await outcome(waiting), [0, 0]);
});

test('a signalled syncobj needs no waiting, and is a fresh one after reset', async () => {
  const { create, wait, reset } = setUp();
  const handle = create(DRM_SYNCOBJ_CREATE.SIGNALED);
  assert.deepEqual(await outcome(wait([handle])), [0, 0]);
  reset(handle);
  assert.deepEqual(await outcome(wait([handle])), [-ERRNO.EINVAL, 0]);
});

test('a wait ends at its absolute deadline, not before', async () => {
  const { clock, file, create, wait, fence } = setUp();
  clock.advance(5000);
  const handle = create();
  file.syncobj(handle).replaceFence(fence());
  assert.deepEqual(await outcome(wait([handle], 0, 4999n)), [-ERRNO.ETIME, 0], 'the time has passed');
  assert.deepEqual(await outcome(wait([handle], 0, -1n)), [-ERRNO.ETIME, 0]);
  let ended = false;
  const waiting = outcome(wait([handle], 0, 6000n)).then((result) => {
    ended = true;
    return result;
  });
  clock.advance(999);
  await settle();
  assert.ok(!ended);
  clock.advance(1);
  assert.deepEqual(await waiting, [-ERRNO.ETIME, 0]);
});

test('waiting for any tells which; waiting for all waits for the last', async () => {
  const { file, create, wait, fence } = setUp();
  const handles = [create(), create(), create()];
  const fences = handles.map(() => fence());
  for (const [i, handle] of handles.entries()) file.syncobj(handle).replaceFence(fences[i]);
  const any = wait(handles, 0, FOREVER);
  const all = wait(handles, WAIT.ALL, FOREVER);
  fences[1]!.signal();
  assert.deepEqual(await outcome(any), [0, 1]);
  assert.deepEqual(await outcome(wait(handles, 0)), [0, 1]);
  assert.deepEqual(await outcome(wait(handles, WAIT.ALL)), [-ERRNO.ETIME, 0]);
  fences[2]!.signal();
  let ended = false;
  const done = outcome(all).then((result) => {
    ended = true;
    return result;
  });
  await settle();
  assert.ok(!ended);
  fences[0]!.signal();
  assert.deepEqual(await done, [0, NONE]);
});

test('the same handle may stand in a wait several times', async () => {
  const { file, create, wait, fence } = setUp();
  const handle = create();
  const one = fence();
  file.syncobj(handle).replaceFence(one);
  const all = wait([handle, handle, handle], WAIT.ALL, FOREVER);
  one.signal();
  assert.deepEqual(await outcome(all), [0, NONE]);
});

test('a wait for submission latches the first fence: a later reset does not take it back', async () => {
  const { file, create, wait, reset, fence } = setUp();
  const handle = create();
  const waiting = wait([handle], WAIT.FOR_SUBMIT, FOREVER);
  const one = fence();
  file.syncobj(handle).replaceFence(one);
  reset(handle);
  one.signal();
  assert.deepEqual(await outcome(waiting), [0, 0]);
});

test('a waiter that dies, or whose file is closed, leaves nothing behind', async () => {
  const { clock, device, file, user, create, wait, fence } = setUp();
  const handle = create();
  const one = fence();
  file.syncobj(handle).replaceFence(one);
  const waiting = wait([handle], 0, FOREVER);
  assert.equal(user.waiting, 1);
  user.die();
  assert.deepEqual(await outcome(waiting), [-ERRNO.EINTR, 0]);
  assert.equal(user.waiting, 0);
  const second = wait([handle], 0, FOREVER);
  file.close();
  assert.deepEqual(await outcome(second), [-ERRNO.EINTR, 0]);
  assert.equal(user.waiting, 0);
  assert.equal(device.files.size, 0);
  one.signal();
  clock.run();
});

test('the waits of one file together are bounded', async () => {
  const { file, user, create, wait, fence } = setUp();
  const handle = create();
  file.syncobj(handle).replaceFence(fence());
  const many = new Array<number>(1 << 14).fill(handle);
  const waiting = Array.from({ length: 4 }, () => wait(many, 0, FOREVER));
  assert.deepEqual(await outcome(wait([handle], 0, FOREVER)), [-ERRNO.ENOMEM, 0]);
  user.die();
  await Promise.all(waiting);
  assert.ok(wait([handle], 0, FOREVER) instanceof Promise);
});

test('the deadline hint reaches the fences', () => {
  const { clock, file, user, create, list, fence } = setUp();
  clock.advance(10);
  const [one, two] = [fence(), fence()];
  const handle = create();
  file.syncobj(handle).addPoint(one, 1n);
  file.syncobj(handle).addPoint(two, 2n);
  call(
    file,
    DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT,
    { ...list([handle]), points: user.putU64(2n), flags: WAIT.DEADLINE, deadline_nsec: 77n, timeout_nsec: 1n },
    user,
  );
  assert.deepEqual([one.deadline, two.deadline], [77n, 77n]);
});

test('a timeline counts what is done and what was submitted', () => {
  const { file, create, query, fence, timelineSignal, signal } = setUp();
  const handle = create();
  assert.equal(query(handle), 0n);
  const [one, two] = [fence(), fence()];
  file.syncobj(handle).addPoint(one, 10n);
  file.syncobj(handle).addPoint(two, 20n);
  assert.equal(query(handle), 0n);
  assert.equal(query(handle, DRM_SYNCOBJ_QUERY.LAST_SUBMITTED), 20n);
  two.signal();
  assert.equal(query(handle), 0n, 'point 20 waits for point 10');
  one.signal();
  assert.equal(query(handle), 20n);
  timelineSignal(handle, 2n ** 64n - 1n);
  assert.equal(query(handle), 2n ** 64n - 1n);
  signal(handle);
  assert.equal(query(handle), 0n, 'a binary fence is no timeline');
});

test('partly done timelines report the last done point', () => {
  const { file, create, query, fence } = setUp();
  const handle = create();
  const fences = [fence(), fence(), fence()];
  for (const [i, each] of fences.entries()) file.syncobj(handle).addPoint(each, BigInt(10 * (i + 1)));
  fences[0]!.signal();
  assert.equal(query(handle), 10n);
  fences[1]!.signal();
  assert.equal(query(handle), 20n);
});

test('points that come out of order do not run backwards', () => {
  const { create, query, timelineSignal } = setUp();
  const handle = create();
  timelineSignal(handle, 5n);
  timelineSignal(handle, 3n);
  assert.equal(query(handle), 5n);
  timelineSignal(handle, 6n);
  assert.equal(query(handle), 6n);
});

test('waiting for a point: submitted or not, done or not', async () => {
  const { file, create, timelineWait, fence } = setUp();
  const handle = create();
  const [one, two] = [fence(), fence()];
  assert.deepEqual(await outcome(timelineWait([handle], [1n])), [-ERRNO.EINVAL, 0]);
  file.syncobj(handle).addPoint(one, 1n);
  assert.deepEqual(await outcome(timelineWait([handle], [2n])), [-ERRNO.EINVAL, 0]);
  assert.deepEqual(await outcome(timelineWait([handle], [1n])), [-ERRNO.ETIME, 0]);
  assert.deepEqual(await outcome(timelineWait([handle], [1n], WAIT.AVAILABLE)), [0, 0], 'submitted is enough');
  const late = timelineWait([handle], [2n], WAIT.FOR_SUBMIT, FOREVER);
  const available = timelineWait([handle], [2n], WAIT.AVAILABLE, FOREVER);
  file.syncobj(handle).addPoint(two, 3n);
  assert.deepEqual(await outcome(available), [0, 0]);
  one.signal();
  assert.deepEqual(await outcome(timelineWait([handle], [1n])), [0, 0]);
  two.signal();
  assert.deepEqual(await outcome(late), [0, 0]);
  assert.deepEqual(await outcome(timelineWait([handle], [2n ** 64n - 1n])), [-ERRNO.EINVAL, 0]);
});

test('a timeline takes only so many pending points, and one fence may be many of them', () => {
  const { file, user, create, fence, timelineSignal } = setUp();
  const [source, target] = [create(), create()];
  file.syncobj(source).replaceFence(fence());
  let value = 0;
  let count = 0;
  while (value === 0 && count < 2 * MOST_PENDING_POINTS)
    value = call(
      file,
      DRM_IOCTL.SYNCOBJ_TRANSFER,
      { src_handle: source, dst_handle: target, dst_point: BigInt(++count) },
      user,
    ).value;
  assert.equal(value, -ERRNO.ENOMEM);
  assert.equal(count, MOST_PENDING_POINTS + 1);
  assert.equal(timelineSignal(target, BigInt(count)), -ERRNO.ENOMEM);
});

test('a timeline may have any number of points if they are done', () => {
  const { file, create, fence, query } = setUp();
  const syncobj = file.syncobj(create());
  let last = fence();
  for (let point = 1n; point < 20_000n; point++) {
    last.signal();
    last = fence();
    syncobj.addPoint(last, point);
  }
  assert.equal(syncobj.query('signaled'), 19_998n);
  assert.equal(query(1), 19_998n);
});

test('a transfer moves a fence between binary and timeline, and may wait for it', async () => {
  const { clock, file, user, create, query, fence } = setUp();
  const [binary, timeline, back] = [create(), create(), create()];
  const transfer = (src_handle: number, src_point: bigint, dst_handle: number, dst_point: bigint, flags = 0) =>
    start(file, DRM_IOCTL.SYNCOBJ_TRANSFER, { src_handle, src_point, dst_handle, dst_point, flags }, user);
  assert.equal((await transfer(binary, 0n, timeline, 7n)).value, -ERRNO.EINVAL, 'nothing there yet');
  const waiting = transfer(binary, 0n, timeline, 7n, WAIT.FOR_SUBMIT);
  const one = fence();
  file.syncobj(binary).replaceFence(one);
  assert.equal((await waiting).value, 0);
  assert.equal(query(timeline, DRM_SYNCOBJ_QUERY.LAST_SUBMITTED), 7n);
  assert.equal((await transfer(timeline, 7n, back, 0n)).value, 0);
  assert.ok(!file.syncobj(back).fence!.signaled);
  one.signal();
  assert.ok(file.syncobj(back).fence!.signaled);
  assert.equal(query(timeline), 7n);
  const never = transfer(timeline, 8n, back, 0n, WAIT.FOR_SUBMIT);
  clock.advance(5e9);
  assert.equal((await never).value, -ERRNO.ETIME);
});

test('a syncobj passed as a descriptor is shared, under any handle and after the first is gone', async () => {
  const { device, file, user, create, export_, import_, signal, wait } = setUp();
  const handle = create();
  const { value, arg } = export_(handle);
  assert.equal(value, 0);
  const other = device.open('render', 2);
  const there = import_(arg.fd, 0, 0, 0n, other);
  assert.equal(there.value, 0);
  signal(handle);
  assert.deepEqual(await outcome(wait([there.arg.handle], 0, 0n, other)), [0, 0]);
  call(file, DRM_IOCTL.SYNCOBJ_DESTROY, { handle }, user);
  assert.deepEqual(await outcome(wait([there.arg.handle], 0, 0n, other)), [0, 0]);
  assert.equal(export_(handle).value, -ERRNO.EINVAL);
  assert.equal(import_(999).value, -ERRNO.EINVAL);
  const drm = user.addDescriptor({ kind: 'drm', file });
  assert.equal(import_(drm).value, -ERRNO.EINVAL);
});

test('sync files go out of and into syncobjs and points', () => {
  const { file, user, create, export_, import_, query, fence } = setUp();
  const { SYNC_FILE, TIMELINE } = DRM_SYNCOBJ_FD;
  const [binary, timeline] = [create(), create()];
  assert.equal(export_(binary, SYNC_FILE).value, -ERRNO.EINVAL, 'empty');
  const [one, two] = [fence(), fence()];
  file.syncobj(binary).replaceFence(one);
  const out = export_(binary, SYNC_FILE);
  assert.equal(out.value, 0);
  assert.equal(import_(out.arg.fd, SYNC_FILE | TIMELINE, timeline, 4n).value, 0);
  file.syncobj(timeline).addPoint(two, 5n);
  const point = export_(timeline, SYNC_FILE | TIMELINE, 4n);
  assert.equal(point.value, 0);
  const descriptor = user.descriptor(point.arg.fd);
  assert.ok(descriptor.kind === 'sync-file');
  let readable = false;
  descriptor.syncFile.onSignal(() => {
    readable = true;
  });
  one.signal();
  assert.ok(readable && descriptor.syncFile.signaled);
  assert.equal(query(timeline), 4n);
  assert.equal(import_(point.arg.fd, SYNC_FILE, binary).value, 0);
  assert.ok(file.syncobj(binary).fence!.signaled);
  assert.equal(import_(point.arg.fd, SYNC_FILE, 99).value, -ERRNO.ENOENT);
  assert.equal(import_(point.arg.fd, 0, 0, 1n).value, -ERRNO.EINVAL, 'a point without the flag');
  assert.equal(export_(timeline, 0, 1n).value, -ERRNO.EINVAL);
  assert.equal(export_(timeline, SYNC_FILE | TIMELINE, 6n).value, -ERRNO.EINVAL, 'not submitted');
});

test('an eventfd is rung when the point is done, or only submitted', () => {
  const { file, user, create, fence } = setUp();
  const handle = create();
  const log: string[] = [];
  const register = (name: string, point: bigint, flags = 0): number => {
    const fd = user.addDescriptor({
      kind: 'eventfd',
      signal: () => log.push(`${name} rings`),
      close: () => log.push(`${name} is let go`),
    });
    return call(file, DRM_IOCTL.SYNCOBJ_EVENTFD, { handle, point, fd, flags }, user).value;
  };
  assert.equal(register('done', 1n), 0);
  assert.equal(register('submitted', 1n, WAIT.AVAILABLE), 0);
  assert.equal(register('bad', 1n, WAIT.ALL), -ERRNO.EINVAL);
  assert.equal(call(file, DRM_IOCTL.SYNCOBJ_EVENTFD, { handle, fd: 999 }, user).value, -ERRNO.EBADF);
  const one = fence();
  file.syncobj(handle).addPoint(one, 1n);
  assert.deepEqual(log.splice(0), ['submitted rings', 'submitted is let go']);
  one.signal();
  assert.deepEqual(log.splice(0), ['done rings', 'done is let go']);
  register('never', 9n);
  call(file, DRM_IOCTL.SYNCOBJ_DESTROY, { handle }, user);
  assert.deepEqual(log.splice(0), ['never is let go'], 'the syncobj is gone');
});

test('an eventfd that waits for work outlives the syncobj, but not the file', () => {
  const { file, user, create, fence } = setUp();
  const log: string[] = [];
  const register = (handle: number, name: string): void => {
    const fd = user.addDescriptor({ kind: 'eventfd', signal: () => log.push(name), close: () => log.push('close') });
    assert.equal(call(file, DRM_IOCTL.SYNCOBJ_EVENTFD, { handle, fd }, user).value, 0);
  };
  const [one, two] = [fence(), fence()];
  const [a, b] = [create(), create()];
  file.syncobj(a).replaceFence(one);
  file.syncobj(b).replaceFence(two);
  register(a, 'a');
  register(b, 'b');
  call(file, DRM_IOCTL.SYNCOBJ_DESTROY, { handle: a }, user);
  one.signal();
  assert.deepEqual(log.splice(0), ['a', 'close']);
  file.close();
  assert.deepEqual(log.splice(0), ['close']);
  two.signal();
  assert.deepEqual(log, []);
});

test('who waits for a submission hears of the first one only, and may leave meanwhile', () => {
  const { file, create, fence } = setUp();
  const syncobj = file.syncobj(create());
  const seen: string[] = [];
  syncobj.onAvailable(0n, () => {
    seen.push('first');
    off();
  });
  const off = syncobj.onAvailable(0n, () => seen.push('second'));
  syncobj.replaceFence(fence());
  syncobj.replaceFence(fence());
  assert.deepEqual(seen, ['first']);
});

test('closing a file drops its syncobjs, unless someone else holds them', () => {
  const { device, file, create, export_, import_ } = setUp();
  const gone: string[] = [];
  const [own, shared] = [create(), create()];
  file.syncobj(own).onRelease(() => gone.push('own'));
  file.syncobj(shared).onRelease(() => gone.push('shared'));
  const other = device.open('render', 2);
  const descriptor = export_(shared).arg.fd;
  import_(descriptor, 0, 0, 0n, other);
  file.syncobj(shared).put();
  file.close();
  assert.deepEqual(gone, ['own']);
  other.close();
  assert.deepEqual(gone, ['own', 'shared']);
});

test('a driver finds the fence behind a handle and a point', () => {
  const { file, create, fence } = setUp();
  const handle = create();
  assert.throws(() => findFence(file, 77), { errno: 'ENOENT' });
  assert.throws(() => findFence(file, handle), { errno: 'EINVAL' });
  const one = fence();
  file.syncobj(handle).replaceFence(one);
  assert.equal(findFence(file, handle), one);
  assert.throws(() => findFence(file, handle, 1n), { errno: 'EINVAL' });
});

test('handles are small, used again, and bounded', () => {
  const { file, user, create } = setUp();
  assert.deepEqual([create(), create(), create()], [1, 2, 3]);
  call(file, DRM_IOCTL.SYNCOBJ_DESTROY, { handle: 2 }, user);
  assert.equal(create(), 2);
  while (file.syncobjs.room > 0) create();
  assert.equal(call(file, DRM_IOCTL.SYNCOBJ_CREATE, {}, user).value, -ERRNO.ENOMEM);
});
