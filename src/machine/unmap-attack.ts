/**
 * The unmap attack: a client's shader reads and writes a buffer over and over while the client unmaps it and gives it back, and
 * another client gets the pages. The shader must fault; what it has read and written must be its own client's.
 *
 * The shader copies what it reads to a buffer that stays mapped, so that whatever it saw last is found there, and writes its mark
 * into the buffer under attack. The victim fills its pages with a secret as soon as it has them.
 */
import assert from 'node:assert/strict';
import { FrameJob } from './frame-job.ts';
import { Client, type LiveMachine } from './testing.ts';

const WINDOW = 0x40000000n;
const RESULT = 0x50000000n;
const SIDE = 32;
/** What the shader touches: rows of pixels, at some places of the window. */
const PLACES = [0, 0x1000, 0x7000];
const BYTES = 0x8000;
const MARK = 0x0a0a0a0a;
/** Milliseconds in which the shader must have begun. */
const BEGINNING = 30_000;
const SECRET = 0x5ec2e75e;

const PARTS = PLACES.map(
  (offset, i) => `
  LOAD.i32.unsigned.slot0 @r10, r4, offset:${offset}
  STORE.i32.slot0 @r10, r6, offset:${i * SIDE * 4}
  STORE.i32.slot0 @r8, r4, offset:${offset + 0x400}`,
);
const SCAN = `
  MKVEC.v2i16 r1, r59.h00, 0x0
  SHADDX.u64 r4, u0, r1.w0, shift:2
  SHADDX.u64 r6, u2, r1.w0, shift:2
  MOV.i32 r8, u4
loop:${PARTS.join('')}
  BRANCHZ.eq.reconverge 0x0, offset:loop`;

export interface Outcome {
  readonly rounds: number;
  /** Rounds in which the victim got pages that the shader had been at. */
  readonly reused: number;
}

/** Attacks so often; throws at the first word that was read or written and is another's. */
export async function unmapAttack(live: LiveMachine, rounds: number): Promise<Outcome> {
  const attacker = new Client(live);
  const victim = new Client(live);
  const job = await FrameJob.make(attacker, {
    shader: SCAN,
    width: SIDE,
    height: SIDE,
    uniforms: [WINDOW, RESULT, BigInt(MARK)],
  });
  const result = await attacker.createBuffer(4096);
  await attacker.bind(job.vm, { handle: result, va: RESULT, size: 4096n });
  const seen = words(attacker, result, 4096);
  let reused = 0;
  for (let round = 0; round < rounds; round++) {
    const window = await attacker.createBuffer(BYTES);
    await attacker.bind(job.vm, { handle: window, va: WINDOW, size: BigInt(BYTES) });
    const own = 0x1000 + round;
    words(attacker, window, BYTES).fill(own);
    seen.fill(0);
    const { physical } = attacker.file.object(window).run;
    const group = await attacker.createGroup(job.vm);
    const done = await attacker.createSyncobj();
    assert.equal(await job.submit(group, [{ handle: done, signal: true }]), 0);
    // The shader is at it when its first word has come; now and then the attack is earlier.
    if (round % 4 !== 0) {
      for (const end = performance.now() + BEGINNING; Atomics.load(seen, 0) === 0 && performance.now() < end; ) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(
        Atomics.load(seen, 0),
        own,
        `round ${round}: the shader has not begun\n${live.lines.slice(-5).join('\n')}`,
      );
    }
    await attacker.closeBuffer(window);
    await attacker.unbind(job.vm, { va: WINDOW, size: BigInt(BYTES) });
    const prize = await victim.createBuffer(BYTES);
    const secret = words(victim, prize, BYTES);
    assert.ok(
      secret.every((word) => word === 0),
      `round ${round}: pages come with what was in them`,
    );
    secret.fill(SECRET);
    if (victim.file.object(prize).run.physical === physical) reused++;
    assert.equal(await attacker.wait(done, 60), 0);
    const spoilt = secret.findIndex((word) => word !== SECRET);
    assert.equal(spoilt, -1, `round ${round}: word ${spoilt} of the victim's became 0x${secret[spoilt]?.toString(16)}`);
    const read = seen.findIndex((word) => word !== 0 && word !== own);
    assert.equal(read, -1, `round ${round}: the shader has read 0x${seen[read]?.toString(16)}`);
    await attacker.destroyGroup(group);
    await attacker.destroySyncobj(done);
    await victim.closeBuffer(prize);
  }
  attacker.file.close();
  victim.file.close();
  return { rounds, reused };
}

function words(client: Client, handle: number, bytes: number): Uint32Array {
  const memory = client.memory(handle);
  return new Uint32Array(memory.buffer, memory.byteOffset, bytes / 4);
}
