/** Which users a guest has, by what this host grants whom. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { usersOf } from './users.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-users-'));
after(() => rmSync(folder, { recursive: true }));
const USER = 12345;
const asUser = () => usersOf(USER, ['/nosuch', folder], folder);

test('root takes the last block of those that systemd has for containers', () => {
  const range = '1:1878982657:65535';
  assert.deepEqual(usersOf(0), { words: ['--map-users', range, '--map-groups', range], refused: undefined });
});

test('others have what the host grants them, or it is said what is missing', () => {
  assert.match(asUser().refused!, /^the program newuidmap is missing; it comes with the package uidmap$/);
  for (const name of ['newuidmap', 'newgidmap']) writeFileSync(join(folder, name), '', { mode: 0o755 });
  assert.match(asUser().refused!, /\/subuid grants this user no numbers$/);
  writeFileSync(join(folder, 'subuid'), `somebody:100000:65536\n${USER}:165536:65536\n`);
  writeFileSync(join(folder, 'subgid'), `${USER}:165536:1000\n`);
  assert.match(asUser().refused!, /\/subgid grants this user 1000 numbers, of 65536$/);
  writeFileSync(join(folder, 'subgid'), `${USER}:165536:65536\n`);
  assert.deepEqual(asUser(), { words: ['--map-auto'], refused: undefined });
});
