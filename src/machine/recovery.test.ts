/**
 * What fails in the GPU, and how the driver recovers: a test for each switch of `mali/faults.ts`. TYR_FAULT_ROUNDS plays each of them as
 * often as it says, as `tyr fuzz faults` does.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUP_STATE } from '../abi/panthor.ts';
import { FAULT_KINDS, FAULTS, parseFault } from '../mali/faults.ts';
import { bootedMachine, settle } from '../testing/machine/board.ts';
import { givenUp, recoveryRound, SLEEP_KINDS, sleepRound, WORKING_KINDS } from '../testing/machine/recovery.ts';
import { FOREVER, Worker } from '../testing/machine/worker.ts';

const ROUNDS = Number(process.env.TYR_FAULT_ROUNDS ?? 1);

for (const kind of WORKING_KINDS) {
  test(`${kind}: ${FAULTS[kind].effect}; the driver recovers, and nothing stays behind`, async () => {
    const machine = await bootedMachine();
    for (let round = 0; round < ROUNDS; round++) await recoveryRound(machine, kind, 1);
  });
}

for (const kind of SLEEP_KINDS) {
  test(`${kind} while the GPU falls asleep and wakes: the driver recovers, touches nothing without power, and sleeps again`, async () => {
    const machine = await bootedMachine({ powered: true });
    let struck = 0;
    for (let round = 0; round < ROUNDS; round++) struck += await sleepRound(machine, kind, 1 + (round % 5));
    // Here a reset follows on other faults alone.
    assert.ok(kind === 'reset-stuck' || struck > 0, 'it did not strike');
  });
}

for (const kind of ['reset-stuck', 'power-stuck', 'boot-failed'] as const) {
  test(`${kind} again and again: the device is given up, and nobody waits for ever`, async () => {
    await givenUp(await bootedMachine(), kind);
  });
}

test('a core dump holds registers, the firmware’s requests, the ring’s position, instructions and the VM’s map', async () => {
  const machine = await bootedMachine();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  await worker.start(group, FOREVER);
  await settle(machine.clock);
  machine.gpu.faults.arm(parseFault('firmware-hang'));
  for (let i = 0; i < 40; i++) {
    machine.clock.advance(5e8);
    await settle(machine.clock);
  }
  const dump = machine.dumps.find(({ cause }) => cause === 'reset');
  assert.ok(dump, machine.lines.join('\n'));
  const { text } = dump;
  assert.match(text, /reason: FW ping timeout, scheduling a reset/);
  assert.match(text, /GPU_ID +0xa867[0-9a-f]{4} .*archMajor 10/);
  assert.match(text, /the microcontroller's status is ENABLED/);
  assert.match(text, /==== group slot 0 ====/);
  assert.match(text, /req and ack differ in: (STATUS_UPDATE|PING)/);
  assert.match(text, /job 1: ring 0 to 128, stream 0x10000000/);
  assert.match(text, /> 0x[0-9a-f]+ +\w+/);
  assert.match(text, /BRANCH|MOVE32/);
  assert.match(text, /0x0*10000000-0x0*10010000 rw- buffer of 65536 bytes/);
  assert.equal(await worker.state(group), GROUP_STATE.TIMEDOUT | GROUP_STATE.INNOCENT);
});

test('a client that causes one fault after another fills nobody’s disk with core dumps', async () => {
  const machine = await bootedMachine();
  for (let i = 0; i < 40; i++) {
    const worker = await Worker.create(machine);
    await worker.start(await worker.createGroup(worker.vm), [
      ['STORE_MULTIPLE', { address: 90, baseRegister: 2, mask: 1 }],
    ]);
    await settle(machine.clock);
    worker.file.close();
    machine.clock.advance(1e8);
    await settle(machine.clock);
  }
  assert.ok(machine.device.stats.faults >= 40);
  assert.ok(machine.dumps.length >= 1 && machine.dumps.length <= 16, `${machine.dumps.length} dumps`);
});

test('what a fault switch may say, and what it may not', () => {
  assert.deepEqual(parseFault('ping-missed'), { kind: 'ping-missed', occasion: 1, delay: 0, lasting: false });
  assert.deepEqual(parseFault('as-stuck@7'), { kind: 'as-stuck', occasion: 7, delay: 0, lasting: false });
  assert.deepEqual(parseFault('as-stuck@1.5s+'), { kind: 'as-stuck', occasion: 1, delay: 1.5e9, lasting: true });
  assert.deepEqual(parseFault('firmware-hang@500ms'), {
    kind: 'firmware-hang',
    occasion: 1,
    delay: 5e8,
    lasting: false,
  });
  for (const bad of [
    '',
    'nothing',
    'ping-missed@',
    'ping-missed@0',
    'ping-missed@1.5',
    'ping-missed@-1',
    'as-stuck@2m',
  ])
    assert.throws(() => parseFault(bad), RangeError, bad);
  assert.ok(FAULT_KINDS.length >= 12);
});
