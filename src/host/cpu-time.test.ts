import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { until } from '../testing/host/until.ts';
import { treeSeconds, waitedSeconds } from './cpu-time.ts';

test('the CPU time of a program is that of its processes, also of those in sessions of their own', async (t) => {
  const busy = 'while :; do :; done';
  const child = spawn('/bin/sh', ['-c', `setsid sh -c '${busy}' & echo $!; sleep 1000`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // Also what the shell has started, which holds its output open.
  t.after(() => process.kill(-child.pid!, 'SIGKILL'));
  const inner = await new Promise<number>((resolve) => child.stdout.once('data', (text) => resolve(Number(text))));
  t.after(() => process.kill(inner, 'SIGKILL'));
  await until(
    () => treeSeconds(child.pid!) > 0.05,
    () => 'a busy process has no CPU time',
  );
  assert.equal(treeSeconds(process.pid + 0.5), 0);
});

test('what has ended counts for who waited for it', () => {
  const before = waitedSeconds();
  spawnSync('/bin/sh', ['-c', 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done']);
  assert.ok(waitedSeconds() - before >= 0.05);
});
