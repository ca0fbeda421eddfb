/**
 * Workers on the whole machine: pictures that do not depend on their number, faults and kills that reach them, endless shaders
 * that end by the job's time while nobody else notices.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUP_STATE, PANTHOR } from '../abi/panthor.ts';
import { Client, liveMachine } from '../testing/machine/board.ts';
import { computeJob, DATA } from '../testing/machine/compute-job.ts';
import { FrameJob } from '../testing/machine/frame-job.ts';
import { movJob } from '../testing/machine/mov-job.ts';
import { ATTACKS, unmapAttack } from '../testing/machine/unmap-attack.ts';

/** Each pixel's colour is its place, in 1/128. */
const GRADIENT = `
  U16_TO_F32 r0, r59.h00
  U16_TO_F32 r1, r59.h10
  FMA.f32 r0, r0, u0, 0x0.neg
  FMA.f32 r1, r1, u0, 0x0.neg
  FMA.f32 r2, r0, r1, 0x0.neg
  MOV.i32 r3, 0x3f800000
  ATEST.discard @r60, r60, 0x3f800000, atest_datum.w0
  BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0`;
const SCALE = BigInt(new Uint32Array(new Float32Array([1 / 128]).buffer)[0]!);
/** Goes round so often as the second uniform says. */
const COUNTDOWN = `
  MOV.i32 r10, u2
loop: IADD_IMM.i32 r10, r10, #0xffffffff
  BRANCHZ.reconverge r10, offset:loop`;
const ENDLESS = 'loop: BRANCHZ.eq.reconverge 0x0, offset:loop';

const gradient = (width: number, height: number) => ({ shader: GRADIENT, width, height, uniforms: [SCALE] });
const slow = (width: number, height: number) => ({
  shader: `${COUNTDOWN}${GRADIENT}`,
  width,
  height,
  uniforms: [SCALE, 1000n],
});

/** Whether every worker has worked. A job may be over before the last of them has looked: tests make jobs until it holds. */
const allWorked = (live: Awaited<ReturnType<typeof liveMachine>>) =>
  (live.machine.workers?.busySeconds ?? []).every((seconds) => seconds > 0);

test('a picture does not depend on the number of workers', { timeout: 60_000 }, async () => {
  const pictures: Uint32Array[] = [];
  for (const workers of [0, 1, 3]) {
    const live = await liveMachine(2 ** 28, workers);
    try {
      const job = await FrameJob.make(new Client(live), slow(100, 84));
      for (let i = 0; i < 3 || (!allWorked(live) && i < 200); i++)
        assert.equal(await job.draw(), 0, live.lines.join('\n'));
      pictures.push(job.pixels.slice());
      assert.equal(live.machine.workers?.busySeconds.length ?? 0, workers);
      assert.ok(allWorked(live), 'all have been at it');
    } finally {
      live.machine.close();
    }
  }
  const [alone, one, three] = pictures;
  const at = 83 * 100 + 64;
  assert.equal(alone![at]! & 0xffff, Math.round((64 / 128) * 255) | (Math.round((83 / 128) * 255) << 8));
  assert.deepEqual(one, alone);
  assert.deepEqual(three, alone);
});

for (const workers of [1, 3]) {
  test(`endless shaders on ${workers} end by the job’s time, are killed with their client, and nobody else notices`, {
    timeout: 400_000,
  }, async () => {
    const live = await liveMachine(2 ** 28, workers);
    try {
      const stuck = new Client(live);
      const endless = await FrameJob.make(stuck, { shader: ENDLESS });
      const group = await stuck.createGroup(endless.vm);
      const done = await stuck.createSyncobj();
      assert.equal(await endless.submit(group, [{ handle: done, signal: true }]), 0);
      const killed = new Client(live);
      const other = await FrameJob.make(killed, { shader: ENDLESS });
      assert.equal(await other.submit(await killed.createGroup(other.vm), []), 0);
      let frames = 0;
      const beside = (async () => {
        const client = new Client(live);
        const job = await FrameJob.make(client, gradient(64, 64));
        for (let wasting = true; wasting; frames++) {
          assert.equal(await job.draw(), 0);
          const third = new Client(live);
          assert.equal((await movJob(third, frames)).after, frames);
          third.file.close();
          if (frames === 2) killed.file.close();
          const { state } = await stuck.do(PANTHOR.GROUP_GET_STATE, { groupHandle: group });
          wasting = (state & GROUP_STATE.TIMEDOUT) === 0;
        }
        client.file.close();
      })();
      assert.equal(await stuck.wait(done, 300), 0, 'the job’s fence signals, with an error');
      await beside;
      assert.ok(frames > 5, `the other client got only ${frames} frames`);
      stuck.file.close();
      assert.equal(live.lines.filter((line) => line.includes('at fault')).length, 0);
      // The workers are as good as new.
      const last = new Client(live);
      const job = await FrameJob.make(last, gradient(64, 64));
      assert.equal(await job.draw(), 0);
      assert.notEqual(job.pixels[64 * 63 + 63], 0);
      last.file.close();
      await emptied(live);
    } finally {
      live.machine.close();
    }
  });
}

test('what a shader does wrong on a worker is told as if it had happened here', { timeout: 60_000 }, async () => {
  const logs: string[][] = [];
  for (const workers of [0, 1, 3]) {
    const live = await liveMachine(2 ** 28, workers);
    try {
      for (const wrong of ['LOAD.i32.unsigned.slot0 @r0, u0, offset:0\nNOP.end', 'BRANCHZI.eq.absolute 0x0, u0']) {
        const client = new Client(live);
        // The first tile takes long, and is the main thread's; a worker that takes another goes wrong at once.
        const shader = `MKVEC.v2i16 r1, r59.h00, 0x0
          RSHIFT_OR.i32 r10, u2, r1.b00, 0x0
          IADD_IMM.i32 r10, r10, #1
          loop: IADD_IMM.i32 r10, r10, #0xffffffff
          BRANCHZ.reconverge r10, offset:loop
          ${wrong}`;
        const uniforms = [0x7000000100n, 2n ** 20n];
        const job = await FrameJob.make(client, { shader, width: 64, height: 64, uniforms });
        await job.draw();
        client.file.close();
      }
      logs.push(live.lines.filter((line) => /fault|Fault|error/.test(line)));
    } finally {
      live.machine.close();
    }
  }
  assert.match(logs[0]!.join('\n'), /read at 0x7000000100, .*execute at 0x0, /s);
  assert.deepEqual(logs[1], logs[0]);
  assert.deepEqual(logs[2], logs[0]);
});

test('workgroups are shared out: each runs once, with storage of its own, and atomics count them all', {
  timeout: 60_000,
}, async () => {
  const [size, groups] = [64, 300];
  const [counter, storage, data] = [0x30000, 0x40000, 0x50000];
  // Each thread puts its number into workgroup storage and, behind the barrier, keeps that of thread 63 - n.
  const shader = `U16_TO_U32 r0, r55.h00
    LSHIFT_AND.i32 r4, r0, 0x03020100.b22, 0xffffffff
    IADD.u32 r4, r4, workgroup_local_pointer.w0
    MOV.i32 r5, workgroup_local_pointer.w1
    STORE.i32.slot0 @r60, r4, offset:0
    BARRIER.slot7.wait
    IADD_IMM.i32 r1, 0x0, #63
    ISUB.u32 r1, r1, r0
    LSHIFT_AND.i32 r4, r1, 0x03020100.b22, 0xffffffff
    IADD.u32 r4, r4, workgroup_local_pointer.w0
    LOAD.i32.unsigned.slot0 @r1, r4, offset:0
    SHADDX.u64 r2, u0, r60.w0, shift:2
    STORE.i32.slot0 @r1, r2, offset:0
    IADD_IMM.i32 r6, 0x0, #1
    ATOM.i32.slot0.aadd @r6, u2, offset:0
    NOP.end`;
  for (const workers of [0, 1, 3]) {
    const live = await liveMachine(2 ** 28, workers);
    try {
      const client = new Client(live);
      const uniforms = [BigInt(DATA), BigInt(DATA + counter)];
      const workgroup = { bytes: 256, at: DATA + storage };
      const job = { shader, size, groups, uniforms, data, workgroup };
      for (let i = 0; i < 3 || (!allWorked(live) && i < 200); i++) {
        const words = await computeJob(client, job);
        for (let n = 0; n < size * groups; n++) {
          if (words[n] !== n - (n % size) + size - 1 - (n % size))
            assert.fail(`${workers} workers: thread ${n}: ${words[n]}`);
        }
        assert.equal(words[counter / 4], size * groups);
      }
      assert.ok(allWorked(live), 'all have been at it');
      client.file.close();
      await emptied(live);
    } finally {
      live.machine.close();
    }
  }
});

test('more clients than the GPU has slots: jobs that are suspended on workers go on elsewhere', {
  timeout: 120_000,
}, async () => {
  const live = await liveMachine(2 ** 28, 3);
  try {
    const alone = await FrameJob.make(new Client(live), gradient(96, 96));
    assert.equal(await alone.draw(), 0);
    const pictures = Array.from({ length: 14 }, async () => {
      const client = new Client(live);
      const job = await FrameJob.make(client, slow(96, 96));
      for (let frame = 0; frame < 6; frame++) {
        job.pixels.fill(0);
        assert.equal(await job.draw(60), 0);
        const wrong = [...job.pixels.keys()].filter((i) => job.pixels[i] !== alone.pixels[i]);
        const places = wrong.slice(0, 9).map((i) => `${i % 96},${Math.floor(i / 96)}: ${job.pixels[i]?.toString(16)}`);
        assert.equal(wrong.length, 0, `frame ${frame}: pixels ${places.join('; ')}`);
      }
      client.file.close();
    });
    for (const end of await Promise.allSettled(pictures)) {
      if (end.status === 'rejected') assert.fail(`${end.reason}\n${live.lines.slice(-5).join('\n')}`);
    }
    alone.client.file.close();
    assert.deepEqual(
      live.lines.filter((line) => /fault|lost|gone/.test(line)),
      [],
    );
    await emptied(live);
  } finally {
    live.machine.close();
  }
});

/** TYR_ROUNDS: attacks with each number of workers. */
const ROUNDS = Number(process.env.TYR_ROUNDS ?? 12);

for (const workers of [0, 1, 3]) {
  test(`a buffer that is unmapped under a shader on ${workers} workers is out of its reach`, {
    timeout: 60_000 + ROUNDS * 20_000,
  }, async () => {
    const live = await liveMachine(2 ** 28, workers);
    try {
      for (const way of ATTACKS) {
        const { reused } = await unmapAttack(live, way, ROUNDS);
        assert.ok(reused > ROUNDS / 2, `${way}: only ${reused} of ${ROUNDS} victims got the pages`);
      }
      await emptied(live);
    } finally {
      live.machine.close();
    }
  });
}

/** Resolves when the machine has nothing of any client. */
async function emptied({ machine }: Awaited<ReturnType<typeof liveMachine>>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (Object.values(machine.usage).every((count) => count === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`left behind: ${JSON.stringify(machine.usage)}`);
}
