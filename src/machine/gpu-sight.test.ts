/** What is told of the GPU's clients: fdinfo, measured jobs, status. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import { PANTHOR, PROFILING } from '../abi/panthor.ts';
import { fdinfoSize, showFdinfo } from '../drm/fdinfo.ts';
import { bootedMachine, settle } from '../testing/machine/board.ts';
import { add, FOREVER, loop, Worker } from '../testing/machine/worker.ts';

const info = (worker: Worker): Record<string, string> => Object.fromEntries(showFdinfo(worker.file));

test('sizes are told in the largest unit that divides them', () => {
  assert.deepEqual([0, 1, 1023, 1024, 4096, 1 << 20, 3 << 20, (1 << 20) + 1024].map(fdinfoSize), [
    '0',
    '1',
    '1023',
    '1 KiB',
    '4 KiB',
    '1 MiB',
    '3 MiB',
    '1025 KiB',
  ]);
});

test('fdinfo tells the driver, the client, the clock, and memory that is shared counts as such in both files', async () => {
  const machine = await bootedMachine();
  const worker = await Worker.create(machine);
  const name = new TextEncoder().encode('cube');
  await worker.do(DRM_IOCTL.SET_CLIENT_NAME, { name: worker.user.put(name), name_len: BigInt(name.length) });
  const before = info(worker);
  assert.equal(before['drm-driver'], 'panthor');
  assert.equal(before['drm-client-name'], 'cube');
  assert.match(before['drm-client-id']!, /^\d+$/);
  assert.match(before['drm-maxfreq-panthor']!, /^\d+ Hz$/);
  assert.match(before['drm-curfreq-panthor']!, /^\d+ Hz$/);
  assert.equal(before['drm-total-memory'], '68 KiB');
  assert.equal(before['drm-shared-memory'], '0');
  assert.equal(before['drm-resident-memory'], '68 KiB');
  assert.equal(before['panthor-resident-memory'], '0');
  assert.ok(!('drm-engine-panthor' in before) && !('drm-cycles-panthor' in before), 'nothing is measured');
  const other = await Worker.create(machine, { from: worker });
  assert.notEqual(info(other)['drm-client-id'], before['drm-client-id']);
  assert.equal(info(other)['drm-shared-memory'], '4 KiB');
  assert.equal(info(worker)['drm-shared-memory'], '4 KiB');
  const group = await worker.createGroup(worker.vm);
  assert.notEqual(info(worker)['panthor-resident-memory'], '0');
  assert.equal(info(worker)['panthor-active-memory'], '0');
  await worker.start(group, FOREVER);
  await settle(machine.clock);
  assert.equal(info(worker)['panthor-active-memory'], info(worker)['panthor-resident-memory']);
  machine.device.unplug();
  await settle(machine.clock);
  assert.deepEqual(showFdinfo(worker.file), []);
});

test('measured jobs count for their client alone, and what a group had used stays when it goes', async () => {
  const machine = await bootedMachine();
  const [worker, other] = [await Worker.create(machine), await Worker.create(machine)];
  const group = await worker.createGroup(worker.vm);
  machine.device.profiling = PROFILING.ALL;
  assert.equal(await worker.wait(await worker.start(group, loop(3000))), 0);
  const used = info(worker);
  assert.match(used['drm-engine-panthor']!, /^[1-9]\d* ns$/);
  assert.match(used['drm-cycles-panthor']!, /^[1-9]\d*$/);
  assert.equal(info(other)['drm-engine-panthor'], '0 ns');
  await worker.destroyGroup(group);
  assert.equal(info(worker)['drm-engine-panthor'], used['drm-engine-panthor']);
  machine.device.profiling = PROFILING.CYCLES;
  assert.ok(!('drm-engine-panthor' in info(worker)));
  assert.equal(info(worker)['drm-cycles-panthor'], used['drm-cycles-panthor']);
  assert.throws(() => {
    machine.device.profiling = 4;
  }, /profiling bits 0x4/);
});

test('jobs of all lengths share a ring, in order, around its end again and again', async () => {
  const machine = await bootedMachine();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  const job = worker.place(add(0));
  let last = 0;
  for (let i = 0; i < 300; i++) {
    machine.device.profiling = [0, 1, 2, 3, 3, 0, 1][i % 7]!;
    last = await worker.createSyncobj();
    assert.equal(await worker.submit(group, { ...job, syncs: [{ handle: last, signal: true }] }), 0);
  }
  assert.equal(await worker.wait(last), 0);
  assert.equal(worker.word(0), 300);
  assert.equal(machine.device.stats.faults, 0, machine.lines.join('\n'));
});

test('the status tells of VMs, groups in slots and jobs in flight', async () => {
  const machine = await bootedMachine();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm, 2);
  await worker.start(group, FOREVER, { queue: 1 });
  await settle(machine.clock);
  const use = machine.device.clientUse(worker.file);
  assert.equal(use.groups.length, 1);
  const [only] = use.groups;
  assert.equal(only!.handle, group);
  assert.equal(only!.state, 'active');
  assert.equal(only!.slot, 0);
  assert.deepEqual(
    only!.queues.map(({ inFlight, done }) => [inFlight, done]),
    [
      [0, 0],
      [1, 0],
    ],
  );
  assert.equal(use.vms[0]!.mappings, 2);
  assert.equal(use.vms[0]!.mapped, 17 * 4096);
  assert.deepEqual(machine.device.status.groupSlots, [1, machine.device.status.groupSlots[1]]);
  assert.equal((await worker.do(PANTHOR.GROUP_GET_STATE, { groupHandle: group })).state, 0);
});
