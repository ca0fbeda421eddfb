import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootedMachine, Client } from '../testing/machine/board.ts';
import { movJob } from '../testing/machine/mov-job.ts';

test('a command stream moves a constant into a register and stores it in memory', async () => {
  const machine = await bootedMachine();
  const first = await movJob(new Client(machine), 0xdeadbeef);
  assert.deepEqual(first, { before: 0, after: 0xdeadbeef, next: 0 });
  const second = await movJob(new Client(machine), 7);
  assert.deepEqual(second, { before: 0, after: 7, next: 0 });
});
