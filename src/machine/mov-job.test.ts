/**
 * The MOV job: the shortest way through the whole machine. A client makes a VM, binds a buffer, submits a command stream
 * that moves a constant into a register and stores it, waits for the syncobj, and finds the constant in memory.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootedMachine, Client, DATA_FLAGS } from './testing.ts';

const STREAM = 0x10000000n;
const RESULT = 0x20000000n;

test('a command stream moves a constant into a register and stores it in memory', async () => {
  const machine = await bootedMachine();
  const client = new Client(machine);
  const vm = await client.createVm();
  const stream = await client.createBuffer(4096);
  const result = await client.createBuffer(4096);
  await client.bind(vm, { handle: stream, va: STREAM, size: 4096n, flags: DATA_FLAGS });
  await client.bind(vm, { handle: result, va: RESULT, size: 4096n, flags: DATA_FLAGS });
  const group = await client.createGroup(vm);
  const size = client.program(stream, [
    ['MOVE', { destination: 0, immediate: Number(RESULT) }],
    ['MOVE32', { destination: 2, immediate: 0xdeadbeef }],
    ['STORE_MULTIPLE', { address: 0, baseRegister: 2, mask: 1, offset: 16 }],
    ['WAIT', { waitMask: 0xff }],
  ]);
  const done = await client.createSyncobj();
  assert.equal(await client.submit(group, { address: STREAM, size, syncs: [{ handle: done, signal: true }] }), 0);
  assert.equal(await client.wait(done), 0, machine.lines.join('\n'));
  assert.equal(client.memory(result).getUint32(16, true), 0xdeadbeef);
  assert.equal(client.memory(result).getUint32(20, true), 0);
});
