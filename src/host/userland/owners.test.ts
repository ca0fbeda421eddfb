/** What unpacking writes down of files that belong to others than root, or lend rights, and what a guest makes of it. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keepOwnerships, numberedOwners, ownershipsIn } from './owners.ts';

const LISTING = `drwxr-xr-x root/root         0 2025-04-01 10:00 ./usr/bin/
-rwxr-xr-x root/root       100 2025-04-01 10:00 ./usr/bin/plain
-rwsr-xr-x root/root     72000 2025-04-01 10:00 ./usr/bin/su
-rwxr-sr-x root/shadow   31184 2025-04-01 10:00 ./usr/sbin/unix_chkpwd
drwx------ polkitd/root      0 2025-04-01 10:00 ./usr/share/polkit-1/rules.d/
lrwxrwxrwx root/root         0 2025-04-01 10:00 ./usr/bin/link -> su
`;

test('of a listing those stay that belong to others than root, or lend rights', () => {
  assert.deepEqual(ownershipsIn(LISTING), [
    { path: 'usr/bin/su', user: 'root', group: 'root', mode: 0o4755 },
    { path: 'usr/sbin/unix_chkpwd', user: 'root', group: 'shadow', mode: 0o2755 },
    { path: 'usr/share/polkit-1/rules.d', user: 'polkitd', group: 'root', mode: 0o700 },
  ]);
});

test('owners have the numbers of the root’s own users, and nobody those of others', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'tyr-owners-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  mkdirSync(join(root, 'usr/sbin'), { recursive: true });
  for (const path of ['usr/bin/su', 'usr/sbin/unix_chkpwd']) writeFileSync(join(root, path), '');
  await keepOwnerships(root, ownershipsIn(LISTING));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  assert.deepEqual(numberedOwners(root), [{ path: '/usr/bin/su', owner: '0:0', mode: '4755' }]);
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nshadow:x:42:\n');
  assert.deepEqual(numberedOwners(root)[1], { path: '/usr/sbin/unix_chkpwd', owner: '0:42', mode: '2755' });
});
