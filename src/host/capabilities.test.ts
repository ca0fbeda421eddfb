import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { capable, mayUse } from './capabilities.ts';

const superuser = process.getuid?.() === 0;

test('root is capable, whoever has given up root is not, nor who is gone', async (t) => {
  assert.equal(capable(0, 'SYS_ADMIN'), false);
  if (!superuser) {
    assert.equal(capable(process.pid, 'SYS_ADMIN'), false);
    assert.equal(capable(process.pid, 'SYS_NICE'), false);
    return;
  }
  const child = (options: { uid?: number }) => {
    const started = spawn('cat', { ...options, stdio: ['pipe', 'ignore', 'inherit'] });
    t.after(() => started.kill());
    return started;
  };
  const [root, nobody] = [child({}), child({ uid: 65534 })];
  assert.equal(capable(root.pid!, 'SYS_ADMIN'), capable(process.pid, 'SYS_ADMIN'));
  assert.equal(capable(nobody.pid!, 'SYS_ADMIN'), false);
  assert.equal(capable(nobody.pid!, 'SYS_NICE'), false);
  root.kill();
  await new Promise((resolve) => root.once('exit', resolve));
  assert.equal(capable(root.pid!, 'SYS_ADMIN'), false);
});

test('a file is for whom its mode lets in, and for the superuser', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tyr-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'node');
  writeFileSync(file, '');
  chmodSync(file, 0o600);
  assert.ok(mayUse(process.pid, file));
  assert.equal(mayUse(0, file), false, 'anyone');
  chmodSync(file, 0o604);
  assert.equal(mayUse(0, file), false, 'for reading alone');
  chmodSync(file, 0o606);
  assert.ok(mayUse(0, file));
  if (!superuser) return;
  const nobody = spawn('cat', { uid: 65534, gid: 65534, stdio: ['pipe', 'ignore', 'inherit'] });
  t.after(() => nobody.kill());
  assert.ok(mayUse(nobody.pid!, file));
  chmodSync(file, 0o660);
  assert.equal(mayUse(nobody.pid!, file), false);
});
