/** Groups: jobs in order, more groups than slots, waits, faults, time-outs, resets, and clients that go away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import { ERRNO } from '../abi/errno.ts';
import type { CsLine } from '../abi/gpu/cs.ts';
import { doorbell, MCU, MCU_CONTROL } from '../abi/gpu/regs.ts';
import { GROUP_PRIORITY, GROUP_STATE, PANTHOR, QueueCreate, QueueSubmit } from '../abi/panthor.ts';
import type { Mmio } from '../board/mmio.ts';
import type { Units } from '../mali/contract.ts';
import { bootedMachine, settle, type TestOptions, until } from '../testing/machine/board.ts';
import { add, FOREVER, loop, STREAM, store, Worker, waitAbove } from '../testing/machine/worker.ts';

type Machine = Awaited<ReturnType<typeof bootedMachine>>;

test('jobs of one queue run in order, many more than the ring holds', async () => {
  const worker = await Worker.create(await bootedMachine());
  const group = await worker.createGroup(worker.vm);
  const job = worker.place(add(0));
  let last = 0;
  for (let i = 0; i < 200; i++) {
    last = await worker.createSyncobj();
    assert.equal(await worker.submit(group, { ...job, syncs: [{ handle: last, signal: true }] }), 0);
  }
  assert.equal(await worker.wait(last), 0);
  assert.equal(worker.word(0), 200);
});

test('an empty job ends when those before it have, an empty queue ends it at once', async () => {
  const worker = await Worker.create(await bootedMachine());
  const group = await worker.createGroup(worker.vm, 2);
  const blocked = await worker.start(group, [...waitAbove(0, 0), ...store(8, 3)]);
  const empty = await worker.createSyncobj();
  assert.equal(await worker.submit(group, { address: 0n, size: 0, syncs: [{ handle: empty, signal: true }] }), 0);
  const other = await worker.createSyncobj();
  const syncs = [{ handle: other, signal: true }];
  assert.equal(await worker.submit(group, { address: 0n, size: 0, queue: 1, syncs }), 0);
  assert.equal(await worker.wait(other), 0);
  assert.equal(await worker.wait(empty, 0), -ERRNO.ETIME);
  await worker.start(group, add(0), { queue: 1 });
  assert.equal(await worker.wait(empty), 0);
  assert.equal(await worker.wait(blocked), 0);
  assert.equal(worker.word(8), 3);
});

test('a job is not done before the work is that its stream has started and not waited for', async () => {
  let steps = 0;
  const compute = () => ({ step: () => (++steps < 20 ? ('more' as const) : ('done' as const)) });
  const worker = await Worker.create(await bootedMachine({ units: { compute } as unknown as Units }));
  const group = await worker.createGroup(worker.vm);
  const done = await worker.start(group, [
    ['SET_SB_ENTRY', { endpointEntry: 3 }],
    ['RUN_COMPUTE', {}],
  ]);
  assert.equal(await worker.wait(done), 0);
  assert.equal(steps, 20);
});

test('jobs of one call may wait for one another across queues', async () => {
  const worker = await Worker.create(await bootedMachine());
  const group = await worker.createGroup(worker.vm, 2);
  const [first, second] = [worker.place(store(0, 1)), worker.place(store(0, 2))];
  const [between, done] = [await worker.createSyncobj(), await worker.createSyncobj()];
  const submits = worker.objects(QueueSubmit.layout, [
    {
      queueIndex: 1,
      streamAddr: first.address,
      streamSize: first.size,
      syncs: worker.syncs([{ handle: between, signal: true }]),
    },
    {
      queueIndex: 0,
      streamAddr: second.address,
      streamSize: second.size,
      syncs: worker.syncs([{ handle: between }, { handle: done, signal: true }]),
    },
  ]);
  await worker.do(PANTHOR.GROUP_SUBMIT, { groupHandle: group, queueSubmits: submits });
  assert.equal(await worker.wait(done), 0);
  assert.equal(worker.word(0), 2);
});

test('twenty groups that all wait share eight slots, and all come to their end', async () => {
  const machine = await bootedMachine();
  const first = await Worker.create(machine);
  const workers = [first];
  for (let i = 1; i < 20; i++) workers.push(await Worker.create(machine, { from: first }));
  const ends: [Worker, number][] = [];
  for (const [i, worker] of workers.entries()) {
    // Each waits for the one after it: the last to come is the first that can run.
    const last = i === workers.length - 1;
    const program = [...(last ? [] : waitAbove(4 * (i + 1), 0)), ...store(4 * i, 1), ...add(1024)];
    ends.push([worker, await worker.start(await worker.createGroup(worker.vm), program)]);
    await settle(machine.clock);
  }
  for (const [worker, done] of ends) assert.equal(await worker.wait(done, 4), 0, machine.lines.join('\n'));
  assert.equal(first.word(1024), 20);
});

test('an endless job starves nobody, ends after five seconds of the GPU’s time, and its group takes no more', async () => {
  const machine = await bootedMachine();
  const bad = await Worker.create(machine);
  const group = await bad.createGroup(bad.vm);
  const begun = machine.clock.now();
  const endless = await bad.start(group, FOREVER);
  for (let i = 0; i < 12; i++) {
    const good = await Worker.create(machine);
    assert.equal(await good.wait(await good.start(await good.createGroup(good.vm), store(0, i)), 1), 0);
    assert.equal(good.word(0), i);
  }
  await bad.waitSlowly(endless);
  const took = (machine.clock.now() - begun) / 1e9;
  assert.ok(took > 4.9, `${took} s`);
  assert.equal(await bad.state(group), GROUP_STATE.TIMEDOUT);
  assert.equal(await bad.submit(group, bad.place(store(0, 1))), -ERRNO.EINVAL);
  const next = await bad.createGroup(bad.vm);
  assert.equal(await bad.wait(await bad.start(next, store(0, 9))), 0, 'the same VM in a new group');
  assert.equal(bad.word(0), 9);
});

test('on a slow host long command streams take long, and none is late by the GPU’s time', async () => {
  const machine = await bootedMachine();
  const ends: [Worker, number, number][] = [];
  for (let i = 0; i < 16; i++) {
    const worker = await Worker.create(machine);
    const group = await worker.createGroup(worker.vm);
    ends.push([worker, group, await worker.start(group, loop(20_000))]);
  }
  const begun = machine.clock.now();
  for (const [worker, group, done] of ends) {
    await worker.waitSlowly(done);
    assert.equal(await worker.state(group), 0, machine.lines.join('\n'));
  }
  assert.ok(machine.clock.now() - begun > 20e9);
});

test('a realtime job beside endless ones is not late on a slow host', async () => {
  const machine = await bootedMachine();
  for (let i = 0; i < 9; i++) {
    const worker = await Worker.create(machine);
    await worker.start(await worker.createGroup(worker.vm), FOREVER);
  }
  const worker = await Worker.create(machine);
  worker.user.capabilities.add('SYS_NICE');
  const group = await worker.createGroup(worker.vm, 1, { priority: GROUP_PRIORITY.REALTIME });
  const begun = machine.clock.now();
  await worker.waitSlowly(await worker.start(group, loop(10_000)));
  assert.equal(await worker.state(group), 0, machine.lines.join('\n'));
  assert.ok(machine.clock.now() - begun > 5e9);
});

test('what the CPU writes ends a wait soon, of a group in a slot and of one that had to leave', async () => {
  const machine = await bootedMachine();
  const waits: [Worker, number][] = [];
  for (let i = 0; i < 10; i++) {
    const worker = await Worker.create(machine);
    waits.push([worker, await worker.start(await worker.createGroup(worker.vm), waitAbove(0, 0))]);
    await until(machine.clock, pass(machine, 0.02));
  }
  for (const [worker, done] of waits) {
    worker.memory(worker.data).setUint32(0, 1, true);
    assert.equal(await worker.wait(done, 0.5), 0, machine.lines.join('\n'));
  }
});

test('with more busy VMs than address spaces, a slot that nobody can use keeps no ticks going', async () => {
  let rung = 0;
  const machine = await bootedMachine({
    wrap: (gpu) => ({
      read32: (offset) => gpu.read32(offset),
      write32: (offset, value) => {
        if (offset === doorbell(0)) rung++;
        gpu.write32(offset, value);
      },
    }),
  });
  for (let i = 0; i < 12; i++) {
    const worker = await Worker.create(machine);
    await worker.start(await worker.createGroup(worker.vm), FOREVER);
  }
  await settle(machine.clock);
  rung = 0;
  await settle(machine.clock);
  assert.ok(rung < 10, `${rung} requests to the firmware while time stood still`);
});

/** A machine whose compute works last until `end`, in seconds of its time; `moves`: pieces of them come to their end. */
async function slowMachine(end: number, moves: boolean): Promise<Machine> {
  let machine: Machine | undefined;
  let progress = 0;
  const work = {
    step: () => {
      if (moves) progress++;
      return machine!.clock.now() < end * 1e9 ? ('more' as const) : ('done' as const);
    },
    get progress() {
      return progress;
    },
  };
  machine = await bootedMachine({ units: { compute: () => work } as unknown as Units });
  return machine;
}
const COMPUTE: CsLine[] = [
  ['SET_SB_ENTRY', { endpointEntry: 3 }],
  ['RUN_COMPUTE', {}],
  ['WAIT', { waitMask: 0xff }],
];

test('a job whose works take long but get on is left alone, and so is a queue that waits for it', async () => {
  const worker = await Worker.create(await slowMachine(40, true));
  const group = await worker.createGroup(worker.vm, 2);
  const waiting = await worker.start(group, [...waitAbove(0, 0), ...store(4, 7)], { queue: 1 });
  const done = await worker.start(group, [...COMPUTE, ...add(0)]);
  assert.equal(await worker.wait(done, 50), 0);
  assert.equal(await worker.wait(waiting), 0);
  assert.equal(await worker.state(group), 0);
  assert.equal(worker.word(4), 7);
  assert.ok(worker.machine.clock.now() > 40e9);
});

test('a job whose works do not get on is ended by the progress timer', async () => {
  const machine = await slowMachine(1e6, false);
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  assert.equal(await worker.wait(await worker.start(group, COMPUTE)), 0);
  assert.equal(await worker.state(group), GROUP_STATE.TIMEDOUT);
  assert.match(machine.lines.join('\n'), /progress timeout/);
  assert.ok(machine.clock.now() < 30e9);
});

test('a job whose works never end although they get on is ended at last', async () => {
  const machine = await slowMachine(1e6, true);
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  const done = await worker.start(group, COMPUTE);
  await until(machine.clock, pass(machine, 11 * 60), 12 * 60e9);
  assert.equal(worker.file.syncobj(done).fence?.signaled, true);
  assert.equal(await worker.state(group), GROUP_STATE.TIMEDOUT);
});

test('a job that never gets what it waits for is given up too', async () => {
  const worker = await Worker.create(await bootedMachine());
  const group = await worker.createGroup(worker.vm);
  assert.equal(await worker.wait(await worker.start(group, waitAbove(0, 0))), 0);
  assert.equal(await worker.state(group), GROUP_STATE.TIMEDOUT);
});

test('a stream at an address that is not mapped kills its group and no other', async () => {
  const machine = await bootedMachine();
  const [bad, good] = [await Worker.create(machine), await Worker.create(machine)];
  const [badGroup, goodGroup] = [await bad.createGroup(bad.vm), await good.createGroup(good.vm)];
  const done = await bad.createSyncobj();
  await bad.submit(badGroup, { address: 0x66660000n, size: 64, syncs: [{ handle: done, signal: true }] });
  assert.equal(await bad.wait(done), 0);
  const { state, fatalQueues } = await bad.do(PANTHOR.GROUP_GET_STATE, { groupHandle: badGroup });
  assert.deepEqual([state, fatalQueues], [GROUP_STATE.FATAL_FAULT, 1]);
  assert.match(machine.lines.join('\n'), /Unhandled Page fault in AS\d+ at VA 0x0000000066660000/);
  assert.equal(await good.wait(await good.start(goodGroup, store(0, 4))), 0);
  assert.equal(await good.state(goodGroup), 0);
});

test('an instruction that does not exist is named', async () => {
  const machine = await bootedMachine();
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  const place = worker.place([['NOP']]);
  worker.memory(worker.streamHandle).setUint8(Number(place.address - STREAM) + 7, 0xee);
  const done = await worker.createSyncobj();
  await worker.submit(group, { ...place, syncs: [{ handle: done, signal: true }] });
  assert.equal(await worker.wait(done), 0);
  assert.match(machine.lines.join('\n'), /CS_(FAULT|FATAL)\.EXCEPTION_TYPE: 0x49 \(CS_INSTR_INVALID\)/);
});

test('bad groups and bad submissions are refused', async () => {
  const worker = await Worker.create(await bootedMachine());
  const { vm } = worker;
  const refused = (promise: Promise<unknown>) => assert.rejects(promise, new RegExp(`: -${ERRNO.EINVAL}\\n`));
  await refused(worker.createGroup(vm, 0));
  await refused(worker.createGroup(vm, 33));
  await refused(worker.createGroup(77));
  await refused(worker.createGroup(vm, 1, { computeCoreMask: 2n }));
  await refused(worker.createGroup(vm, 1, { maxComputeCores: 5 }));
  await refused(worker.createGroup(vm, 1, { priority: 4 }));
  for (const queue of [{ ringbufSize: 2048 }, { ringbufSize: 5000 }, { ringbufSize: 1 << 17 }, { priority: 16 }]) {
    const queues = worker.objects(QueueCreate.layout, [{ ringbufSize: 4096, ...queue }]);
    await refused(worker.createGroup(vm, 1, { queues }));
  }
  const group = await worker.createGroup(vm);
  const { address, size } = worker.place(store(0, 1));
  for (const bad of [
    { address: address + 8n, size },
    { address, size: size + 4 },
    { address: 0n, size },
    { address, size: 0 },
    { address, size, queue: 1 },
    { address, size, latestFlush: 0x1000000 },
    { address, size, syncs: [{ handle: 99, signal: true }] },
  ]) {
    assert.equal(await worker.submit(group, bad), -ERRNO.EINVAL);
  }
  assert.equal(await worker.submit(group, { address, size, syncs: [{ handle: 99 }] }), -ERRNO.ENOENT);
  assert.equal(await worker.submit(99, { address, size }), -ERRNO.EINVAL);
});

test('a client that is killed in the middle of its work leaves nothing behind', async () => {
  const machine = await bootedMachine();
  const before = { used: machine.dram.used, files: machine.backing.open.size };
  for (const program of [FOREVER, waitAbove(0, 0), store(0, 1)]) {
    const worker = await Worker.create(machine);
    for (let i = 0; i < 3; i++) await worker.start(await worker.createGroup(worker.vm, 3), program, { queue: i });
    await settle(machine.clock);
    worker.file.close();
    for (let i = 0; i < 30; i++) {
      machine.clock.advance(1e6);
      await settle(machine.clock);
    }
    assert.deepEqual({ used: machine.dram.used, files: machine.backing.open.size }, before, machine.lines.join('\n'));
  }
});

test('twelve clients that go away at once, some from slots and some from the row, leave nothing behind', async () => {
  const machine = await bootedMachine();
  const before = machine.dram.used;
  const workers: Worker[] = [];
  for (let i = 0; i < 12; i++) {
    const worker = await Worker.create(machine);
    workers.push(worker);
    await worker.start(await worker.createGroup(worker.vm), i % 3 === 0 ? FOREVER : store(0, i));
  }
  for (const worker of workers) worker.file.close();
  await until(machine.clock, pass(machine, 0.5));
  assert.equal(machine.dram.used, before);
  assert.doesNotMatch(machine.lines.join('\n'), /error/);
});

test('a client that is killed while its group is being made leaves nothing behind', async () => {
  const machine = await bootedMachine();
  const worker = await Worker.create(machine);
  const making = worker.createGroup(worker.vm, 4).catch(() => 0);
  worker.file.close();
  await making;
  await settle(machine.clock);
  const empty = await bootedMachine();
  assert.equal(machine.dram.used, empty.dram.used);
});

test('VM_DESTROY under a running group lets it fault, and the machine goes on', async () => {
  const machine = await bootedMachine();
  const [bad, good] = [await Worker.create(machine), await Worker.create(machine)];
  const group = await bad.createGroup(bad.vm);
  const done = await bad.start(group, FOREVER);
  await settle(machine.clock);
  await bad.do(PANTHOR.VM_DESTROY, { id: bad.vm });
  assert.equal(await bad.wait(done), 0);
  assert.notEqual(await bad.state(group), 0);
  assert.equal(await good.wait(await good.start(await good.createGroup(good.vm), store(0, 1))), 0);
});

test('GROUP_DESTROY ends jobs that run and jobs that wait', async () => {
  const worker = await Worker.create(await bootedMachine());
  const group = await worker.createGroup(worker.vm);
  const gate = await worker.createSyncobj();
  const running = await worker.start(group, FOREVER);
  const waiting = await worker.start(group, store(0, 1), { syncs: [{ handle: running }] });
  await worker.do(PANTHOR.GROUP_DESTROY, { groupHandle: group });
  assert.equal(await worker.wait(running), 0);
  assert.equal(await worker.wait(waiting), 0);
  assert.equal(worker.word(0), 0);
  assert.equal((await worker.run(PANTHOR.GROUP_GET_STATE, { groupHandle: group })).value, -ERRNO.EINVAL);
  assert.ok(gate > 0);
});

/** A GPU whose firmware no longer hears doorbells once `deaf` is set, until it is booted anew. */
function deafGpu(): { options: TestOptions; ears: { deaf: boolean } } {
  const ears = { deaf: false };
  const wrap = (gpu: Mmio): Mmio => ({
    read32: (offset) => gpu.read32(offset),
    write32: (offset, value) => {
      if (offset === MCU.CONTROL.offset && value === MCU_CONTROL.AUTO) ears.deaf = false;
      if (!(ears.deaf && offset >= doorbell(0))) gpu.write32(offset, value);
    },
    userPage: (offset) => gpu.userPage?.(offset),
  });
  return { options: { wrap }, ears };
}

test('a firmware that hangs is reset: groups outside the slots go on, those inside are lost and innocent', async () => {
  const { options, ears } = deafGpu();
  const machine = await bootedMachine(options);
  const [inside, outside] = [await Worker.create(machine), await Worker.create(machine)];
  const lost = await inside.createGroup(inside.vm);
  assert.equal(await inside.wait(await inside.start(lost, store(0, 1))), 0);
  await until(machine.clock, pass(machine, 0.1));
  ears.deaf = true;
  const fine = await outside.createGroup(outside.vm);
  await until(machine.clock, pass(machine, 15));
  assert.match(machine.lines.join('\n'), /FW ping timeout, scheduling a reset/);
  assert.equal(await inside.state(lost), GROUP_STATE.TIMEDOUT | GROUP_STATE.INNOCENT);
  assert.equal(await outside.wait(await outside.start(fine, store(0, 2))), 0, machine.lines.join('\n'));
  assert.equal(outside.word(0), 2);
  const again = await inside.createGroup(inside.vm);
  assert.equal(await inside.wait(await inside.start(again, store(4, 3))), 0);
  assert.equal(inside.word(4), 3);
});

test('a GPU that does not come back from a reset is given up: jobs end, clients get ENODEV', async () => {
  const { options, ears } = deafGpu();
  let dead = false;
  const machine = await bootedMachine({
    wrap: (gpu) => {
      const inner = options.wrap!(gpu);
      return {
        ...inner,
        write32: (offset, value) => {
          if (!(dead && offset === MCU.CONTROL.offset)) inner.write32(offset, value);
        },
      };
    },
  });
  const worker = await Worker.create(machine);
  const done = await worker.start(await worker.createGroup(worker.vm), FOREVER);
  const { fence } = worker.file.syncobj(done);
  await settle(machine.clock);
  ears.deaf = true;
  dead = true;
  await until(machine.clock, pass(machine, 20));
  assert.equal(fence?.signaled, true);
  assert.equal((await worker.run(PANTHOR.VM_CREATE, {})).value, -ERRNO.ENODEV, machine.lines.join('\n'));
  assert.equal((await worker.run(DRM_IOCTL.GEM_CLOSE, { handle: 1 } as object)).value, -ERRNO.ENODEV);
  worker.file.close();
  await settle(machine.clock);
});

test('a bug of the driver’s in a reset is told as one, with its stack, and the device is given up', async () => {
  const { options, ears } = deafGpu();
  let broken = false;
  const machine = await bootedMachine({
    wrap: (gpu) => {
      const inner = options.wrap!(gpu);
      return {
        ...inner,
        write32: (offset, value) => {
          if (broken && offset === MCU.CONTROL.offset) {
            broken = false;
            throw new TypeError('nonsense was written');
          }
          inner.write32(offset, value);
        },
      };
    },
  });
  const worker = await Worker.create(machine);
  const done = await worker.start(await worker.createGroup(worker.vm), FOREVER);
  await settle(machine.clock);
  ears.deaf = true;
  broken = true;
  await until(machine.clock, pass(machine, 20));
  const log = machine.lines.join('\n');
  assert.match(log, /the driver is at fault: TypeError: nonsense was written\n +at /);
  assert.equal(worker.file.syncobj(done).fence?.signaled, true);
  assert.equal((await worker.run(PANTHOR.VM_CREATE, {})).value, -ERRNO.ENODEV);
});

/** Ends after `seconds` of the machine's time. */
const pass = (machine: Machine, seconds: number): Promise<void> =>
  new Promise((resolve) => machine.clock.after(seconds * 1e9, resolve));
