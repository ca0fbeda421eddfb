/** Guest tests: fences that a program signals, by debugfs' sync/sw_sync. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launched } from '../testing/host/launched.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();

for (const side of ['guest', 'host'] as const) {
  test(`${side}: a program makes fences, polls, merges and signals them, and what it leaves behind ends with an error`, async () => {
    const { stdout, ...result } = await launched({ userland, program: userland[side].clients['sw-sync']! });
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      'fresh 0 0 1',
      'one 1 0, status 1 0',
      'deadline -1 No such file or directory',
      'wish 0 0 12345',
      'merged 0 1',
      'nonsense -1 Inappropriate ioctl for device',
      'left 1, status -2',
    ]);
    assert.deepEqual(result.leaks, {});
  });
}
