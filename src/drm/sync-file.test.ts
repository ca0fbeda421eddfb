import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DMA_BUF_IOCTL, DMA_BUF_SYNC } from '../abi/dma-buf.ts';
import { ERRNO } from '../abi/errno.ts';
import type { IoctlDef } from '../abi/ioctl.ts';
import { viewOf } from '../abi/layout.ts';
import { SYNC_IOC, SyncFenceInfo } from '../abi/sync-file.ts';
import type { BackingFile } from '../board/dram.ts';
import { FakeUser, testContext } from '../testing/drm/client.ts';
import { dmaBufIoctl } from './dma-buf-ioctl.ts';
import { Fence } from './fence.ts';
import { GemObject, objectOf } from './gem.ts';
import type { IoctlResult } from './ioctl.ts';
import { SyncFile } from './sync-file.ts';
import { syncFileIoctl } from './sync-file-ioctl.ts';

const context = testContext();
const fence = (timeline = 'work'): Fence => new Fence(context.clock, 'test', timeline);
const text = (data: Uint8Array): string => new TextDecoder().decode(data.subarray(0, data.indexOf(0)));

function run(
  user: FakeUser,
  def: IoctlDef<any>,
  values: object,
  ioctl: (request: number, arg: Uint8Array) => IoctlResult | Promise<IoctlResult>,
): { value: number; arg: any } {
  user.installed.clear();
  const result = ioctl(def.request, def.arg!.pack(values));
  assert.ok(!(result instanceof Promise));
  const view = viewOf(result.arg);
  for (const [at, fd] of user.installed) view.setInt32(at, fd, true);
  return { value: result.value, arg: def.arg!.read(view, 0) };
}
const onSyncFile = (syncFile: SyncFile, user: FakeUser, def: IoctlDef<any>, values: object) =>
  run(user, def, values, (request, arg) => syncFileIoctl(syncFile, request, arg, user));
const onDmaBuf = (file: BackingFile, user: FakeUser, def: IoctlDef<any>, values: object) =>
  run(user, def, values, (request, arg) => dmaBufIoctl(file, request, arg, user));

function syncFileOf(user: FakeUser, fd: number): SyncFile {
  const descriptor = user.descriptor(fd);
  assert.ok(descriptor.kind === 'sync-file');
  return descriptor.syncFile;
}

test('a merged sync file has the pending fences of both, and a name', () => {
  const user = new FakeUser();
  const [one, two] = [fence('one'), fence('two')];
  const a = new SyncFile('', [one]);
  const fd2 = user.addDescriptor({ kind: 'sync-file', syncFile: new SyncFile('', [two]) });
  const name = new TextEncoder().encode('a name that is longer than the 32 bytes it may have');
  const { value, arg } = onSyncFile(a, user, SYNC_IOC.MERGE, { name, fd2 });
  assert.equal(value, 0);
  const merged = syncFileOf(user, arg.fence);
  assert.equal(merged.name, 'a name that is longer than the ');
  one.signal();
  assert.ok(a.signaled && !merged.signaled);
  two.signal('EIO');
  assert.ok(merged.signaled);
  assert.equal(onSyncFile(a, user, SYNC_IOC.MERGE, { name, fd2: 99 }).value, -ERRNO.ENOENT);
  assert.equal(onSyncFile(a, user, SYNC_IOC.MERGE, { name, fd2, flags: 1 }).value, -ERRNO.EINVAL);
});

test('FILE_INFO tells the state of each fence and of all', () => {
  const user = new FakeUser();
  const [one, two] = [fence('one'), fence('two')];
  const both = new SyncFile('both', [one, two]);
  const info = (num_fences: number, sync_fence_info = 0n) =>
    onSyncFile(both, user, SYNC_IOC.FILE_INFO, { num_fences, sync_fence_info });
  assert.deepEqual([info(0).arg.num_fences, info(0).arg.status, text(info(0).arg.name)], [2, 0, 'both']);
  assert.equal(info(1).value, -ERRNO.EINVAL, 'no room');
  assert.equal(info(2, 1n).value, -ERRNO.EFAULT);
  const at = user.put(2 * SyncFenceInfo.size);
  const { arg } = info(0xffffffff, at);
  assert.deepEqual([arg.num_fences, arg.status], [2, 0]);
  const infos = [0, 1].map((i) =>
    SyncFenceInfo.read(viewOf(user.read(at, 2 * SyncFenceInfo.size)), i * SyncFenceInfo.size),
  );
  assert.deepEqual(
    infos.map((each) => [text(each.obj_name), text(each.driver_name), each.status]),
    [
      ['one', 'test', 0],
      ['two', 'test', 0],
    ],
  );
  context.clock.advance(123);
  const single = new SyncFile('', [one]);
  one.signal('EIO');
  const failed = onSyncFile(single, user, SYNC_IOC.FILE_INFO, { num_fences: 1, sync_fence_info: at });
  assert.equal(failed.arg.status, -ERRNO.EIO);
  assert.equal(text(failed.arg.name), `test-one${one.context}-1`);
  assert.equal(SyncFenceInfo.read(viewOf(user.read(at, SyncFenceInfo.size)), 0).timestamp_ns, one.timestamp);
});

test('a deadline reaches the fence; other ioctls are none of a sync file’s', () => {
  const user = new FakeUser();
  const one = fence();
  const file = new SyncFile('', [one]);
  assert.equal(onSyncFile(file, user, SYNC_IOC.SET_DEADLINE, { deadline_ns: 5n, pad: 1n }).value, -ERRNO.EINVAL);
  assert.equal(onSyncFile(file, user, SYNC_IOC.SET_DEADLINE, { deadline_ns: 5n }).value, 0);
  assert.equal(one.deadline, 5n);
  assert.equal(onSyncFile(file, user, DMA_BUF_IOCTL.SYNC, { flags: 1n }).value, -ERRNO.ENOTTY);
});

test('a dma-buf’s fences become a sync file, for readers the writers, for writers all', () => {
  const user = new FakeUser();
  const object = new GemObject(context.dram, context.dram.allocShared('test', 4096));
  const file = object.run.file!;
  const exported = (flags: number): SyncFile =>
    syncFileOf(user, onDmaBuf(file, user, DMA_BUF_IOCTL.EXPORT_SYNC_FILE, { flags }).arg.fd);
  assert.ok(exported(DMA_BUF_SYNC.READ).signaled, 'nobody uses it');
  const [reader, writer] = [fence(), fence()];
  object.resv.add(reader, 'read');
  const fd = user.addDescriptor({ kind: 'sync-file', syncFile: new SyncFile('', [writer]) });
  const imported = (flags: number, from = fd): number =>
    onDmaBuf(file, user, DMA_BUF_IOCTL.IMPORT_SYNC_FILE, { flags, fd: from }).value;
  assert.equal(imported(0), -ERRNO.EINVAL);
  assert.equal(imported(8), -ERRNO.EINVAL);
  assert.equal(imported(DMA_BUF_SYNC.WRITE, 99), -ERRNO.EINVAL);
  assert.equal(imported(DMA_BUF_SYNC.WRITE), 0);
  const [read, write] = [exported(DMA_BUF_SYNC.READ), exported(DMA_BUF_SYNC.READ | DMA_BUF_SYNC.WRITE)];
  writer.signal();
  assert.ok(read.signaled && !write.signaled);
  reader.signal();
  assert.ok(write.signaled);
  object.put();
});

test('fences of a dma-buf stay with its memory when the object goes and comes back', () => {
  const user = new FakeUser();
  const object = new GemObject(context.dram, context.dram.allocShared('test', 4096));
  const file = object.run.file!;
  const writer = fence();
  object.resv.add(writer, 'write');
  object.put();
  assert.equal(objectOf(file), undefined);
  const { arg } = onDmaBuf(file, user, DMA_BUF_IOCTL.EXPORT_SYNC_FILE, { flags: DMA_BUF_SYNC.READ });
  assert.ok(!syncFileOf(user, arg.fd).signaled);
  const again = new GemObject(context.dram, context.dram.adopt(file));
  assert.deepEqual(again.resv.pending('read'), [writer]);
  again.put();
});

test('bracketing accesses checks its flags, and a dma-buf may be named', () => {
  const user = new FakeUser();
  const object = new GemObject(context.dram, context.dram.allocShared('test', 4096));
  const file = object.run.file!;
  const sync = (flags: number | bigint): number =>
    onDmaBuf(file, user, DMA_BUF_IOCTL.SYNC, { flags: BigInt(flags) }).value;
  const { READ, WRITE, END } = DMA_BUF_SYNC;
  for (const good of [READ, WRITE, READ | WRITE, READ | END]) assert.equal(sync(good), 0);
  for (const bad of [0, END, 8, 2n ** 32n + 1n, 2n ** 64n - 1n]) assert.equal(sync(bad), -ERRNO.EINVAL, `${bad}`);
  const named = dmaBufIoctl(file, DMA_BUF_IOCTL.SET_NAME_B.request, new TextEncoder().encode('screen\0x'), user);
  assert.deepEqual([(named as IoctlResult).value, object.label], [0, 'screen']);
  object.put();
});
