/**
 * Recovery: one round of a GPU that fails at work: what fails, what leads there, what becomes of those who had nothing to do with it, and
 * whether everything is as before afterwards. Tests play each kind once, `tyr fuzz faults` as often as one likes.
 */
import assert from 'node:assert/strict';
import { ERRNO } from '../../abi/errno.ts';
import { GROUP_STATE, PANTHOR } from '../../abi/panthor.ts';
import { FAULT_KINDS, type FaultKind } from '../../mali/faults.ts';
import { type bootedMachine, Client, DATA_FLAGS, settle, until } from './board.ts';
import { movJob } from './mov-job.ts';
import { add, FOREVER, loop, store, Worker } from './worker.ts';

export type FaultyMachine = Awaited<ReturnType<typeof bootedMachine>>;

/** What becomes of a group in a slot that had no part in a fault. */
type Bystander = 'goes on' | 'is lost, innocent' | 'may be the one';
const TOLD: readonly number[] = [0, GROUP_STATE.FATAL_FAULT, GROUP_STATE.TIMEDOUT | GROUP_STATE.INNOCENT];

interface Scene {
  readonly bystander: Bystander;
  /** Another fault that leads to the occasion: a reset. */
  readonly after?: FaultKind;
}

/** HALT is asked for only where a GPU goes to sleep. */
export type WorkingKind = Exclude<FaultKind, 'halt-ignored'>;

export const SCENES: Readonly<Record<WorkingKind, Scene>> = {
  'reset-stuck': { bystander: 'goes on', after: 'ping-missed' },
  'flush-stuck': { bystander: 'goes on' },
  'power-stuck': { bystander: 'goes on', after: 'ping-missed' },
  'as-stuck': { bystander: 'goes on' },
  'boot-failed': { bystander: 'goes on', after: 'ping-missed' },
  'firmware-hang': { bystander: 'is lost, innocent' },
  'firmware-panic': { bystander: 'is lost, innocent' },
  'ping-missed': { bystander: 'goes on' },
  'suspend-ignored': { bystander: 'is lost, innocent', after: 'ping-missed' },
  'group-stuck': { bystander: 'may be the one' },
  'stream-lost': { bystander: 'may be the one' },
};

/** Seconds of the machine's time in which every fault has been noticed and recovered from. */
const RECOVERED = 30;
const SCRATCH = 0x30000000n;
/** How often a client has something to do while its GPU falls asleep and wakes. */
const NAPS = 12;

/** Ends after `seconds` of the machine's time. */
const pass = (machine: FaultyMachine, seconds: number): Promise<void> =>
  until(machine.clock, new Promise<void>((resolve) => machine.clock.after(seconds * 1e9, resolve)), 600e9, 1e6);

/**
 * Lets `kind` strike at its `occasion`-th occasion while a group in a slot waits for something and another is done with its work.
 * Throws AssertionError if the machine does not recover as it should.
 */
export async function recoveryRound(machine: FaultyMachine, kind: WorkingKind, occasion = 1): Promise<void> {
  const { faults } = machine.gpu;
  const { stats } = machine.device;
  const scene = SCENES[kind];
  const memory = machine.dram.used;
  const before = { resets: stats.resets, struck: faults.count(kind) };

  const [bystander, other] = [await Worker.create(machine), await Worker.create(machine)];
  const steady = await bystander.createGroup(bystander.vm);
  const count = bystander.place(add(0));
  assert.equal(await bystander.wait(await bystander.start(steady, store(8, 1))), 0);
  const busy = await other.createGroup(other.vm);
  assert.equal(await other.wait(await other.start(busy, store(0, 1))), 0);
  await settle(machine.clock);

  faults.arm({ kind, occasion, delay: 0, lasting: false });
  if (scene.after) faults.arm({ kind: scene.after, occasion: 1, delay: 0, lasting: false });
  // What leads to occasions: binds (commands and flushes), jobs (doorbells, turns), and time (pings).
  for (let i = 0; i < occasion; i++) {
    const buffer = await other.createBuffer(4096);
    await other.run(PANTHOR.VM_BIND, {
      vmId: other.vm,
      ops: other.bindOps([{ handle: buffer, va: SCRATCH, size: 4096n, flags: DATA_FLAGS }]),
    });
    const { address, size } = other.place(loop(10));
    await other.submit(busy, { address, size });
    await settle(machine.clock);
  }
  // The bystander has a little to do each second, all the while.
  for (let second = 0; second < RECOVERED; second++) {
    const submitted = await bystander.submit(steady, count);
    assert.ok(submitted === 0 || scene.bystander !== 'goes on', `submit: ${submitted}`);
    await pass(machine, 1);
  }
  faults.disarm();
  const log = (): string => `${kind}@${occasion}:\n${machine.lines.slice(-40).join('\n')}`;
  assert.equal(faults.count(kind), before.struck + 1, `it did not strike: ${log()}`);
  assert.ok(stats.resets > before.resets, `nothing was reset: ${log()}`);
  const state = await bystander.state(steady);
  if (scene.bystander === 'goes on') {
    assert.equal(state, 0, `a bystander is told ${state}: ${log()}`);
    assert.equal(bystander.word(0), RECOVERED, `a bystander lost jobs: ${log()}`);
  } else if (scene.bystander === 'is lost, innocent') {
    assert.equal(state, GROUP_STATE.TIMEDOUT | GROUP_STATE.INNOCENT, `a bystander is told ${state}: ${log()}`);
  } else {
    assert.ok(TOLD.includes(state), `a group is told ${state}: ${log()}`);
  }
  bystander.file.close();
  other.file.close();
  await afterwards(machine, memory, log);
}

/** What can fail while a GPU falls asleep and wakes: pings come too seldom. */
export const SLEEP_KINDS = FAULT_KINDS.filter((kind) => kind !== 'ping-missed');

/**
 * Lets `kind` strike at its `occasion`-th occasion on a board that switches the GPU off whenever it has nothing to do, with a client that
 * has a little to do now and then. Its group goes on or is told; no register is touched without power. Throws AssertionError. Returns
 * how often it struck: what was asked for at an occasion that did not come, not at all.
 */
export async function sleepRound(machine: FaultyMachine, kind: FaultKind, occasion = 1): Promise<number> {
  const { faults } = machine.gpu;
  const memory = machine.dram.used;
  const struck = faults.count(kind);
  const worker = await Worker.create(machine);
  const group = await worker.createGroup(worker.vm);
  assert.equal(await worker.wait(await worker.start(group, store(8, 1))), 0);
  const count = worker.place(add(0));
  faults.arm({ kind, occasion, delay: 0, lasting: false });
  let submitted = 0;
  for (let i = 0; i < NAPS; i++) {
    if ((await worker.submit(group, count)) === 0) submitted++;
    const buffer = await worker.createBuffer(4096);
    await worker.run(PANTHOR.VM_BIND, {
      vmId: worker.vm,
      ops: worker.bindOps([{ handle: buffer, va: SCRATCH, size: 4096n, flags: DATA_FLAGS }]),
    });
    await worker.closeBuffer(buffer);
    await pass(machine, i % 2 === 0 ? 0.5 : 0.05);
  }
  // Whoever waits for a firmware that hangs has 5 s until his job is late.
  await pass(machine, 15);
  faults.disarm();
  const log = (): string => `${kind}@${occasion}, asleep and awake:\n${machine.lines.slice(-40).join('\n')}`;
  const state = await worker.state(group);
  assert.ok(TOLD.includes(state), `a group is told ${state}: ${log()}`);
  if (state === 0) assert.equal(worker.word(0), submitted, `jobs are lost: ${log()}`);
  worker.file.close();
  await afterwards(machine, memory, log);
  assert.equal(machine.device.status.power, 'suspended', log());
  assert.equal(machine.bus.errors, 0, log());
  return faults.count(kind) - struck;
}

/** Lets `kind` strike again and again, so that nothing helps: the device is given up, and nobody waits for ever. */
export async function givenUp(machine: FaultyMachine, kind: FaultKind): Promise<void> {
  const worker = await Worker.create(machine);
  const done = await worker.start(await worker.createGroup(worker.vm), FOREVER);
  await settle(machine.clock);
  const { fence } = worker.file.syncobj(done);
  const { faults } = machine.gpu;
  for (const each of [kind, 'ping-missed'] as const) faults.arm({ kind: each, occasion: 1, delay: 0, lasting: true });
  await pass(machine, RECOVERED);
  const log = machine.lines.slice(-20).join('\n');
  assert.ok(faults.count(kind) >= 2, `it struck ${faults.count(kind)} times:\n${log}`);
  assert.equal(fence?.signaled, true, log);
  assert.equal((await worker.run(PANTHOR.VM_CREATE, {})).value, -ERRNO.ENODEV, log);
  worker.file.close();
  await settle(machine.clock);
}

/** A machine whose clients have gone is as before, and gives the next one its work done. */
async function afterwards(machine: FaultyMachine, memory: number, log: () => string): Promise<void> {
  await pass(machine, 1);
  assert.equal(machine.dram.used, memory, `memory stays behind: ${log()}`);
  const { vms, groups, heaps } = machine.device.usage;
  assert.deepEqual({ vms, groups, heaps }, { vms: 0, groups: 0, heaps: 0 }, log());
  const fresh = new Client(machine);
  assert.equal((await movJob(fresh, 0x1234)).after, 0x1234, log());
  fresh.file.close();
  await pass(machine, 1);
  assert.equal(machine.dram.used, memory, `memory stays behind: ${log()}`);
}

/** The kinds that a driver meets while it works. */
export const WORKING_KINDS = Object.keys(SCENES) as WorkingKind[];
