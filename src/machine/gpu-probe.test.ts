/** Bringing the GPU up: the boot log, firmware that is refused, and what stays behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRNO } from '../abi/errno.ts';
import { CS_CONDITION } from '../abi/gpu/cs.ts';
import { FW_CACHE_MODE, FW_SHARED_START } from '../abi/gpu/firmware.ts';
import { PANTHOR } from '../abi/panthor.ts';
import { buildImage, probe, tyrFirmware } from '../driver/index.ts';
import { bootedMachine, Client, DATA_FLAGS, settle, testMachine, until } from '../testing/machine/board.ts';

test('the boot log tells the GPU, its features and its firmware', async () => {
  const { lines, device } = await bootedMachine();
  assert.equal(device.gpuName, 'mali-g610');
  const log = lines.filter((line) => line.includes('panthor')).join('\n');
  assert.match(log, /mali-g610 id 0xa867 major 0x0 minor 0x0 status 0x5/);
  assert.match(log, /shader_present=0x50005 l2_present=0x1 tiler_present=0x1/);
  assert.match(log, /Firmware git sha: tyr/);
  assert.match(log, /CSF FW using interface v1\.\d+\.\d+/);
});

async function refusal(firmware: Uint8Array | undefined): Promise<{ message: string; log: string }> {
  const machine = testMachine({ firmware });
  const before = machine.dram.used;
  const error = await until(
    machine.clock,
    probe(machine.resources).then(
      () => undefined,
      (cause: Error) => cause,
    ),
  );
  assert.ok(error, 'the firmware was accepted');
  await settle(machine.clock);
  assert.equal(machine.dram.used, before, 'memory stays behind');
  // The lines are free again: the same GPU comes up with a good image.
  const device = await until(machine.clock, probe({ ...machine.resources, firmware: tyrFirmware() }));
  assert.equal(device.gpuName, 'mali-g610');
  return { message: error.message, log: machine.lines.join('\n') };
}

test('without firmware there is no GPU, and the log says which file is missing', async () => {
  assert.match((await refusal(undefined)).message, /arm\/mali\/arch10\.8\/mali_csffw\.bin/);
});

test('truncated, corrupt and foreign images are refused with the part and the reason', async () => {
  const good = tyrFirmware();
  assert.match((await refusal(good.slice(0, 100))).message, /firmware header: .*truncated/);
  const corrupt = good.slice();
  corrupt[0]! ^= 1;
  assert.match((await refusal(corrupt)).message, /firmware header: invalid magic/);
  const shared = { vaStart: FW_SHARED_START, size: 0x40000, write: true, shared: true, zero: true };
  const newer = buildImage({ interface: { major: 3, minor: 13, patch: 0 }, sections: [shared] });
  assert.match((await refusal(newer)).message, /v3\.13\.0 is of another architecture/);
});

test('an image that does not boot is given up after a second', async () => {
  const shared = {
    vaStart: FW_SHARED_START,
    size: 0x40000,
    write: true,
    shared: true,
    zero: true,
    cacheMode: FW_CACHE_MODE.CACHED_COHERENT,
  };
  const { message, log } = await refusal(buildImage({ sections: [shared] }));
  assert.match(message, /Failed to boot MCU \(status=fatal\)/);
  assert.match(log, /error panthor: probe failed/);
});

test('an unplugged device ends its jobs, answers ENODEV and leaves nothing behind', async () => {
  const machine = testMachine();
  const before = machine.dram.used;
  const device = await until(machine.clock, probe(machine.resources));
  const client = new Client({ ...machine, device });
  const vm = await client.createVm();
  const stream = await client.createBuffer(4096);
  await client.bind(vm, { handle: stream, va: 0x10000000n, size: 4096n, flags: DATA_FLAGS });
  const size = client.program(stream, [['BRANCH', { condition: CS_CONDITION.always, offset: -1 }]]);
  const done = await client.createSyncobj();
  const group = await client.createGroup(vm);
  await client.submit(group, { address: 0x10000000n, size, syncs: [{ handle: done, signal: true }] });
  await settle(machine.clock);
  const { fence } = client.file.syncobj(done);
  device.unplug();
  await settle(machine.clock);
  assert.equal(fence?.signaled, true);
  assert.equal((await client.run(PANTHOR.VM_CREATE, {})).value, -ERRNO.ENODEV);
  client.file.close();
  await settle(machine.clock);
  assert.equal(machine.clock.timers, 0, 'a timer is still set');
  assert.equal(machine.dram.used, before);
});
