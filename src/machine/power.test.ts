/** Power: a GPU with nothing to do sleeps, nobody touches it then, and whoever needs it wakes it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import { ERRNO } from '../abi/errno.ts';
import { LATEST_FLUSH_ID } from '../abi/gpu/regs.ts';
import { DEV_QUERY, PANTHOR, PANTHOR_USER_MMIO_OFFSET_64BIT, TIMESTAMP_FLAGS, TimestampInfo } from '../abi/panthor.ts';
import { parseFault } from '../mali/faults.ts';
import { bootedMachine, Client, DATA_FLAGS, settle, until } from '../testing/machine/board.ts';
import { movJob } from '../testing/machine/mov-job.ts';
import { add, FOREVER, loop, store, Worker, waitAbove } from '../testing/machine/worker.ts';

type Machine = Awaited<ReturnType<typeof bootedMachine>>;

const powered = (): Promise<Machine> => bootedMachine({ powered: true });
const pass = (machine: Machine, seconds: number): Promise<void> =>
  until(machine.clock, new Promise<void>((resolve) => machine.clock.after(seconds * 1e9, resolve)), 600e9, 1e6);
const power = (machine: Machine): string => machine.device.status.power;
/** No access has met a GPU without power. */
const clean = (machine: Machine): void => assert.equal(machine.bus.errors, 0, machine.lines.join('\n'));

async function asleep(machine: Machine): Promise<void> {
  await pass(machine, 0.3);
  assert.equal(power(machine), 'suspended', machine.lines.slice(-10).join('\n'));
}

/** Goes on, a little at a time, until the GPU is in this state of power. */
async function becomes(machine: Machine, state: string): Promise<void> {
  for (let ms = 0; power(machine) !== state; ms++) {
    assert.ok(ms < 200, `the GPU is never ${state}`);
    machine.clock.advance(1e6);
    await Promise.resolve();
    if (power(machine) !== state) await settle(machine.clock, 1);
  }
}

test('a GPU that has nothing to do sleeps, and not one register is touched in a minute', async () => {
  const machine = await powered();
  assert.equal(power(machine), 'active');
  await asleep(machine);
  const { accesses } = machine.bus;
  await pass(machine, 60);
  assert.equal(machine.bus.accesses, accesses);
  clean(machine);
});

test('clients come and go, bind and unbind while it sleeps, and no register is touched', async () => {
  const machine = await powered();
  const memory = machine.dram.used;
  await asleep(machine);
  const { accesses } = machine.bus;
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm, 3);
  await worker.do(PANTHOR.TILER_HEAP_CREATE, {
    vmId: worker.vm,
    initialChunkCount: 2,
    chunkSize: 1 << 17,
    maxChunks: 4,
    targetInFlight: 2,
  });
  await worker.unbind(worker.vm, { va: 0x20000000n, size: 4096n });
  await worker.destroyGroup(group);
  await worker.do(PANTHOR.VM_DESTROY, { id: worker.vm });
  worker.file.close();
  await pass(machine, 1);
  assert.equal(machine.bus.accesses, accesses);
  assert.equal(machine.dram.used, memory);
  assert.equal(power(machine), 'suspended');
});

test('the page of the flush id shows 1 while it sleeps, as panthor’s does, and the last flush when it is awake', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  const { run } = worker.file.mmap(PANTHOR_USER_MMIO_OFFSET_64BIT, 4096, false);
  const shown = (): number => machine.dram.view.getUint32(run.physical, true);
  const group = await worker.createGroup(worker.vm);
  await worker.wait(await worker.start(group, add(0)));
  await asleep(machine);
  assert.equal(shown(), 1);
  await worker.wait(await worker.start(group, add(0)));
  assert.equal(shown(), machine.gpu.read32(LATEST_FLUSH_ID.offset));
  assert.ok(shown() > 1, 'to save the group’s state for the sleep took a flush');
  await asleep(machine);
  assert.equal(shown(), 1);
  clean(machine);
});

test('a job wakes it, from memory as it is, and it sleeps again behind it; a group goes on where it was', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm, 2);
  for (let round = 1; round <= 20; round++) {
    await asleep(machine);
    assert.equal(await worker.wait(await worker.start(group, add(0), { queue: round % 2 })), 0);
    assert.equal(worker.word(0), round);
  }
  assert.equal(await worker.state(group), 0);
  assert.doesNotMatch(machine.lines.join('\n'), /error|warn/);
  clean(machine);
});

test('a mapping that was made while it slept is there when it wakes', async () => {
  const machine = await powered();
  await asleep(machine);
  assert.equal((await movJob(new Client(machine), 77)).after, 77);
  clean(machine);
});

test('it does not sleep over a job, however long that takes, nor over one that waits', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm, 2);
  const waiting = await worker.start(group, [...waitAbove(0, 0), ...store(8, 3)]);
  for (let i = 0; i < 20; i++) {
    await pass(machine, 0.2);
    assert.equal(power(machine), 'active');
  }
  await worker.start(group, add(0), { queue: 1 });
  assert.equal(await worker.wait(waiting), 0);
  await asleep(machine);
});

test('jobs make the clock faster, and the GPU’s time goes on as before', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  const { supply } = machine.resources;
  assert.equal(supply!.rate, 300e6);
  // A job that is in flight for less than its 5 s at any rate.
  const done = await worker.start(group, [...waitAbove(0, 0), ...store(8, 3)]);
  await pass(machine, 4.5);
  assert.equal(supply!.rate, 1e9);
  assert.equal(await worker.state(group), 0);
  await pass(machine, 1);
  assert.equal(await worker.wait(done), 0);
  assert.match(machine.lines.join('\n'), /job timeout/);
});

test('counters that a client asks for wake it', async () => {
  const machine = await powered();
  const client = new Client(machine);
  await asleep(machine);
  const size = TimestampInfo.layout.size;
  const flags = TIMESTAMP_FLAGS.GPU | TIMESTAMP_FLAGS.GPU_CYCLE_COUNT;
  const pointer = client.user.put(TimestampInfo.layout.pack({ flags }));
  await client.do(PANTHOR.DEV_QUERY, { type: DEV_QUERY.TIMESTAMP_INFO, size, pointer });
  assert.equal(power(machine), 'active');
  assert.ok(
    TimestampInfo.layout.read(new DataView(client.user.read(pointer, size).slice().buffer), 0).currentTimestamp > 0n,
  );
  await asleep(machine);
  clean(machine);
});

test('a firmware that does not halt is booted from its image, and groups go on', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  assert.equal(await worker.wait(await worker.start(group, add(0))), 0);
  machine.gpu.faults.arm(parseFault('halt-ignored'));
  await pass(machine, 3);
  assert.equal(power(machine), 'suspended');
  assert.match(machine.lines.join('\n'), /Failed to cleanly suspend MCU/);
  assert.equal(await worker.wait(await worker.start(group, add(0))), 0, machine.lines.slice(-8).join('\n'));
  assert.equal(worker.word(0), 2);
  assert.equal(await worker.state(group), 0);
  clean(machine);
});

for (const fault of ['boot-failed', 'power-stuck'] as const) {
  test(`${fault} when it wakes: a reset helps, and groups go on`, async () => {
    const machine = await powered();
    const worker = await Worker.create(machine);
    const group = await worker.createGroup(worker.vm);
    assert.equal(await worker.wait(await worker.start(group, add(0))), 0);
    await asleep(machine);
    machine.gpu.faults.arm(parseFault(fault));
    assert.equal(await worker.wait(await worker.start(group, add(0))), 0, machine.lines.slice(-8).join('\n'));
    assert.equal(machine.gpu.faults.count(fault), 1);
    assert.equal(worker.word(0), 2);
    assert.match(machine.lines.join('\n'), /Fast boot failed, trying a reset/);
    clean(machine);
  });

  test(`${fault} whenever it wakes: the device is given up, and jobs end`, async () => {
    const machine = await powered();
    const worker = await Worker.create(machine);
    const group = await worker.createGroup(worker.vm);
    await asleep(machine);
    machine.gpu.faults.arm(parseFault(`${fault}+`));
    const done = await worker.start(group, add(0));
    const { fence } = worker.file.syncobj(done);
    await pass(machine, 20);
    assert.equal(fence?.signaled, true, machine.lines.slice(-8).join('\n'));
    assert.equal((await worker.run(PANTHOR.VM_CREATE, {})).value, -ERRNO.ENODEV);
    worker.file.close();
    await settle(machine.clock);
    clean(machine);
  });
}

test('a device that goes while it sleeps is not touched without power', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  await asleep(machine);
  machine.device.unplug();
  await pass(machine, 1);
  worker.file.close();
  await pass(machine, 1);
  clean(machine);
  assert.equal(machine.resources.supply!.powered, false);
});

test('a device that goes while it falls asleep or wakes lets that come to its end first, and touches nothing without power', async () => {
  for (const way of ['falls asleep', 'is put to sleep', 'wakes']) {
    for (let moment = 0; moment < 6; moment++) {
      const machine = await powered();
      const worker = await Worker.create(machine);
      const group = await worker.createGroup(worker.vm);
      if (way === 'falls asleep') await becomes(machine, 'suspending');
      else if (way === 'is put to sleep') {
        await worker.start(group, FOREVER);
        await settle(machine.clock, 5);
        void machine.device.sleep();
        while (power(machine) === 'active') await Promise.resolve();
      } else {
        await asleep(machine);
        await worker.start(group, add(0));
        await becomes(machine, 'resuming');
      }
      await settle(machine.clock, moment);
      machine.device.unplug();
      await pass(machine, 20);
      worker.file.close();
      await pass(machine, 20);
      clean(machine);
      assert.equal(machine.resources.supply!.powered, false, way);
    }
  }
});

test('a machine that is put to sleep in the midst of work goes on with it when it wakes', async () => {
  const machine = await powered();
  const [worker, other] = [await Worker.create(machine), await Worker.create(machine)];
  const group = await worker.createGroup(worker.vm);
  const done = await worker.start(group, [...loop(50000), ...store(0, 9)]);
  const endless = await other.start(await other.createGroup(other.vm), FOREVER);
  await settle(machine.clock, 5);
  await until(machine.clock, machine.device.sleep());
  assert.equal(power(machine), 'suspended');
  const { accesses } = machine.bus;
  const late = await worker.start(group, add(4));
  await pass(machine, 60);
  assert.equal(machine.bus.accesses, accesses);
  assert.equal(worker.file.syncobj(done).fence?.signaled, false);
  machine.device.wakeUp();
  assert.equal(await worker.wait(done), 0, machine.lines.slice(-8).join('\n'));
  assert.equal(await worker.wait(late), 0);
  assert.deepEqual([worker.word(0), worker.word(4)], [9, 1]);
  assert.equal(await worker.state(group), 0);
  assert.equal(other.file.syncobj(endless).fence?.signaled, false);
  clean(machine);
  assert.equal((await worker.run(DRM_IOCTL.SYNCOBJ_DESTROY, { handle: done })).value, 0);
});

test('binds that need the GPU’s answer and its sleep do not meet', async () => {
  const machine = await powered();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  const buffer = await worker.createBuffer(4096);
  for (let i = 0; i < 40; i++) {
    await worker.wait(await worker.start(group, store(0, i)));
    await pass(machine, 0.045 + (i % 10) * 0.001);
    await worker.bind(worker.vm, {
      handle: buffer,
      va: 0x40000000n + BigInt(i) * 4096n,
      size: 4096n,
      flags: DATA_FLAGS,
    });
  }
  assert.doesNotMatch(machine.lines.join('\n'), /error/);
  clean(machine);
});
