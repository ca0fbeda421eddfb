/** The workers' side of address spaces, and the words that threads share. Whole machines: machine/workers.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { AS_MODE } from '../../abi/gpu/regs.ts';
import { Dram } from '../../board/dram.ts';
import { Tables } from '../../testing/mali/tables.ts';
import { GpuFault, PageFault } from '../contract.ts';
import { defaultWorkers, workerCount, workersForPrograms } from './count.ts';
import { View, WorkerJob } from './job.ts';
import { errorOf, failureOf } from './messages.ts';
import { KIND, Shared } from './shared.ts';
import type { ThreadData } from './thread.ts';

const SLOT = 3;
const VA = 0x12345000;

function space(table: number) {
  return {
    mode: AS_MODE.AARCH64_4K,
    table,
    inputBits: 48,
    accessFlagFaults: true,
    writeExecuteNever: false,
    attributes: [0, 0, 0, 0, 0, 0, 0, 0],
  };
}

test('a translation comes over as it was given, whatever its bits', () => {
  const shared = new Shared();
  const translation = {
    ...space(0xfe_dcba_9000),
    accessFlagFaults: false,
    writeExecuteNever: true,
    attributes: [1, 2, 3, 4, 5, 6, 7, 0xff],
  };
  shared.setSpace(SLOT, translation, true);
  const epoch = shared.epoch(SLOT);
  assert.deepEqual(new Shared(shared.buffer).space(SLOT, epoch), { translation, locked: true });
  shared.setSpace(SLOT, translation, false);
  assert.equal(shared.space(SLOT, epoch), undefined, 'that epoch is over');
});

test('a worker is behind from a change until it leaves the slot or takes the change over', () => {
  const dram = new Dram(1 << 22);
  const [old, fresh] = [new Tables(dram), new Tables(dram)];
  const pages = [old.map(VA, 4096), fresh.map(VA, 4096)];
  const shared = new Shared();
  const view = new View(dram, 40);
  shared.setSpace(SLOT, space(old.root), false);
  assert.ok(!shared.behind(0, SLOT), 'nobody is there');
  shared.enter(0, SLOT);
  assert.ok(shared.behind(0, SLOT), 'it may not have looked yet');
  assert.ok(view.adopt(shared, 0, SLOT));
  assert.ok(!shared.behind(0, SLOT));
  assert.equal(view.memory.translate(VA, 'read'), pages[0]);
  assert.ok(shared.takeAsked(0), 'it was asked to tell when it was not behind any more');
  assert.ok(!shared.takeAsked(0));

  shared.setSpace(SLOT, space(fresh.root), false);
  assert.ok(shared.behind(0, SLOT) && !shared.behind(0, SLOT + 1) && !shared.behind(1, SLOT));
  assert.equal(view.memory.translate(VA, 'read'), pages[0], 'until its check point it works by the old one');
  shared.leave(0);
  assert.ok(!shared.behind(0, SLOT));
  shared.enter(0, SLOT);
  assert.ok(view.adopt(shared, 0, SLOT));
  assert.equal(view.memory.translate(VA, 'read'), pages[1]);

  shared.setSpace(SLOT, space(fresh.root), true);
  assert.ok(!view.adopt(shared, 0, SLOT), 'nobody begins in a locked slot');
  shared.leave(0);
  // A second view must not profit from what the first has taken over.
  const other = new View(dram, 40);
  shared.setSpace(SLOT, space(old.root), false);
  shared.enter(0, SLOT);
  assert.ok(other.adopt(shared, 0, SLOT));
  assert.equal(other.memory.translate(VA, 'read'), pages[0]);
  shared.setSpace(SLOT, space(fresh.root), false);
  shared.enter(0, SLOT);
  assert.ok(view.adopt(shared, 0, SLOT));
  assert.ok(other.adopt(shared, 0, SLOT));
  assert.equal(other.memory.translate(VA, 'read'), pages[1]);
});

test('a job that loses its slot, or is stopped, just as a worker enters it does not run in what is there next', () => {
  const dram = new Dram(1 << 22);
  const [own, others] = [new Tables(dram), new Tables(dram)];
  for (const lose of ['suspend', 'stop'] as const) {
    /** The main thread is quicker than the worker that is about to enter. */
    class Raced extends Shared {
      override enter(worker: number, slot: number): void {
        if (lose === 'suspend') this.setSlot(2, undefined);
        else this.stop(2);
        this.setSpace(slot, space(others.root), false);
        super.enter(worker, slot);
      }
    }
    const shared = new Raced();
    shared.setSpace(SLOT, space(own.root), false);
    const serial = shared.beginJob(2, KIND.FRAGMENT, 1, SLOT, new Uint32Array(96), [], 0, [0]);
    const job = new WorkerJob(shared, 0, 2, serial, new View(dram, 40), () => assert.fail('it runs'));
    assert.notEqual(job.slice(), 'done');
    assert.ok(!shared.behind(0, SLOT), 'the worker has left');
  }
});

test('a sleeping worker misses no wake that came while it looked around', () => {
  const shared = new Shared();
  const seen = shared.wakes(2);
  shared.wake(2);
  // Would hang if the wake had been missed.
  shared.sleep(2, seen);
  assert.notEqual(shared.wakes(2), seen);
});

test('a worker turns its event loop now and then, or what it has collected would never give its scratch memory back', async () => {
  const shared = new Shared();
  const { memory } = new Dram(2 ** 20);
  const workerData: ThreadData = {
    memory,
    ranges: undefined,
    shared: shared.buffer,
    worker: 0,
    engine: 'wasm',
    outputBits: 40,
    codeCache: undefined,
    profile: false,
  };
  const start = new URL('./start.ts', import.meta.url).href;
  const told = "setInterval(() => require('node:worker_threads').parentPort.postMessage('turn'), 10)";
  const worker = new Worker(`${told}; import(${JSON.stringify(start)})`, {
    eval: true,
    workerData,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const ready = new Promise((resolve) => worker.on('message', ({ kind }) => kind === 'ready' && resolve(kind)));
  await ready;
  let turns = 0;
  worker.on('message', () => turns++);
  for (let tries = 0; tries < 100 && turns < 2; tries++) {
    shared.wake(0);
    await setTimeout(50);
  }
  assert.ok(turns >= 2, `${turns} turns`);
  // Its interval would keep it alive.
  await worker.terminate();
});

test('a job is over when its last worker has parted, and its record serves another with a new number', () => {
  const shared = new Shared();
  const registers = new Uint32Array(96).map((_, i) => 0xffffffff - i);
  const serial = shared.beginJob(5, KIND.COMPUTE, 77, undefined, registers, [1, 2, 3], 6, [0, 2]);
  assert.deepEqual(shared.registers(5), registers);
  assert.deepEqual([shared.serial(5), shared.view(5), shared.kind(5)], [serial, 77, KIND.COMPUTE]);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => shared.operand(5, i)),
    [1, 2, 3, 0],
  );
  assert.equal(shared.slot(5), undefined);
  shared.setSlot(5, 0);
  assert.equal(shared.slot(5), 0);
  assert.deepEqual([shared.claim(5, 1), shared.claim(5, 3), shared.claim(5, 1)], [6, 7, 10]);
  shared.stop(5);
  shared.exhaust(5);
  assert.ok(shared.join(5, 0) && shared.join(5, 2));
  assert.ok(!shared.join(5, 0) && !shared.join(5, 1), 'once, and only who is invited');
  shared.part(5, 0);
  assert.ok(!shared.ended(5) && !shared.awaitEnd(5, 1));
  shared.part(5, 2);
  assert.ok(shared.ended(5) && shared.awaitEnd(5, 1));
  assert.ok(shared.beginJob(5, KIND.FRAGMENT, 78, undefined, registers, [], 0, [0]) !== serial);
  assert.deepEqual(
    [shared.stopped(5), shared.exhausted(5), shared.failed(5), shared.claim(5, 1), shared.slot(5)],
    [false, false, false, 0, undefined],
  );
});

test('nobody waits for a worker that has not engaged, and it claims nothing any more', () => {
  const shared = new Shared();
  const begin = () => shared.beginJob(1, KIND.FRAGMENT, 1, 0, new Uint32Array(96), [], 0, [0, 1, 4]);
  begin();
  assert.ok(shared.join(1, 1) && shared.join(1, 4) && shared.engage(1, 1));
  shared.release(1);
  assert.ok(!shared.join(1, 0), 'who has not joined cannot');
  assert.ok(!shared.engage(1, 4) && shared.released(1, 4) && !shared.released(1, 1));
  assert.ok(!shared.ended(1), 'the one that has engaged is waited for');
  shared.part(1, 1);
  assert.ok(shared.ended(1) && shared.awaitEnd(1, 1));
  assert.ok(!shared.free(1), 'the released one may still look at the record');
  shared.heed(1);
  assert.equal(shared.part(1, 4), false, 'nobody wants to hear of it');
  assert.ok(shared.free(1));
  begin();
  shared.release(1);
  assert.ok(shared.ended(1) && shared.free(1));
});

test('a job that has ended runs no further on a worker that was about to claim its first piece', () => {
  const dram = new Dram(1 << 22);
  const own = new Tables(dram);
  const shared = new Shared();
  shared.setSpace(SLOT, space(own.root), false);
  const serial = shared.beginJob(2, KIND.FRAGMENT, 1, SLOT, new Uint32Array(96), [], 7, [0]);
  assert.ok(shared.join(2, 0));
  shared.release(2);
  const claims: number[] = [];
  const job = new WorkerJob(shared, 0, 2, serial, new View(dram, 40), (_job, _memory, claim) => ({
    progress: 0,
    step: () => {
      claims.push(claim(3));
      return 'done';
    },
  }));
  assert.equal(job.slice(), 'done');
  assert.deepEqual(claims, [Number.POSITIVE_INFINITY]);
  assert.equal(shared.claim(2, 1), 7, 'no piece is lost');
});

test('the last worker to part is to send a message if the main thread has asked for one before, and only the last', () => {
  const shared = new Shared();
  for (const heeded of [false, true]) {
    shared.beginJob(3, KIND.FRAGMENT, 1, 0, new Uint32Array(96), [], 0, [0, 1]);
    for (const n of [0, 1]) assert.ok(shared.join(3, n) && shared.engage(3, n));
    assert.equal(shared.part(3, 0), false);
    if (heeded) shared.heed(3);
    assert.equal(shared.part(3, 1), heeded);
  }
});

test('errors come back as what they were', () => {
  const page = errorOf(structuredClone(failureOf(new PageFault(0xc3, 0x1234, 'write', 'a page'))));
  assert.ok(page instanceof PageFault && page.access === 'write' && page.code === 0xc3 && page.address === 0x1234);
  assert.equal(page.message, 'a page');
  const other = errorOf(failureOf(new GpuFault(0x58, 7, 'a descriptor')));
  assert.ok(other instanceof GpuFault && !(other instanceof PageFault));
  const bug = errorOf(failureOf(new TypeError('oops')));
  assert.ok(!(bug instanceof GpuFault));
  assert.match(bug.message, /on a worker: TypeError: oops\n.*workers\.test/);
});

test('how many workers there are', () => {
  assert.deepEqual([workerCount('0'), workerCount('31')], [0, 31]);
  for (const text of ['32', '-1', '1.5', 'two', '']) assert.throws(() => workerCount(text), RangeError);
  const asked = process.env.TYR_WORKERS;
  try {
    process.env.TYR_WORKERS = '';
    assert.equal(defaultWorkers(), 0);
    assert.ok(workersForPrograms() >= 1);
    process.env.TYR_WORKERS = '4';
    assert.deepEqual([defaultWorkers(), workersForPrograms()], [4, 4]);
  } finally {
    if (asked === undefined) delete process.env.TYR_WORKERS;
    else process.env.TYR_WORKERS = asked;
  }
});
