import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { capable } from './capabilities.ts';

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
