import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Errno } from '../abi/errno.ts';
import { SyncOp, TimestampInfo } from '../abi/panthor.ts';
import { DrmError } from '../drm/error.ts';
import { FakeUser } from '../testing/drm/client.ts';
import { readObjects, writeObject } from './user-object.ts';

const fails = (errno: Errno, fn: () => unknown): void =>
  assert.throws(fn, (error) => error instanceof DrmError && error.errno === errno);

test('an array of longer objects is read if what we do not know is zero', () => {
  const user = new FakeUser();
  const stride = SyncOp.layout.size + 8;
  const bytes = new Uint8Array(2 * stride);
  bytes[4] = 7;
  bytes[stride + 4] = 8;
  const array = user.put(bytes);
  assert.deepEqual(
    readObjects(user, { stride, count: 2, array }, SyncOp).map((op) => op.handle),
    [7, 8],
  );
  bytes[stride - 1] = 1;
  user.write(array, bytes);
  fails('E2BIG', () => readObjects(user, { stride, count: 2, array }, SyncOp));
});

test('an array of objects that are too short is refused, and so is one that nobody could need', () => {
  const user = new FakeUser();
  const array = user.put(64);
  fails('EINVAL', () => readObjects(user, { stride: 8, count: 1, array }, SyncOp));
  fails('ENOMEM', () => readObjects(user, { stride: 0xffffffff, count: 0xffffffff, array }, SyncOp));
  fails('EFAULT', () => readObjects(user, { stride: 16, count: 1, array: 0n }, SyncOp));
  assert.deepEqual(readObjects(user, { stride: 0, count: 0, array: 0n }, SyncOp), []);
});

test('an answer is cut to what an older client asks for, and filled up for a newer one', () => {
  const user = new FakeUser();
  const room = user.put(new Uint8Array(128).fill(0xee));
  writeObject(user, room, 16, TimestampInfo, { timestampFrequency: 1n, currentTimestamp: 2n, timestampOffset: 3n });
  assert.deepEqual(user.getU64(room, 3), [1n, 2n, 0xeeeeeeeeeeeeeeeen]);
  writeObject(user, room, 64, TimestampInfo, { timestampFrequency: 1n });
  assert.deepEqual(user.getU64(room + 56n, 2), [0n, 0xeeeeeeeeeeeeeeeen]);
  fails('EINVAL', () => writeObject(user, room, 8, TimestampInfo, {}));
});
