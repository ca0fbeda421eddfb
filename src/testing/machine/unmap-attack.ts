/**
 * The unmap attack: a client's shader reads and writes a buffer over and over while the client unmaps it and gives it back, and
 * another client gets the pages. The shader must fault; what it has read and written must be its own client's.
 *
 * The shader copies what it reads to a buffer that stays mapped, so that whatever it saw last is found there, and writes its mark
 * into the buffer under attack, by pointers, through a buffer descriptor, with conversion as to images, or as the picture that is drawn. The victim fills its
 * pages with a secret as soon as it has them.
 */
import assert from 'node:assert/strict';
import { Client, type LiveMachine } from './board.ts';
import { FrameJob } from './frame-job.ts';

const WINDOW = 0x40000000n;
const RESULT = 0x50000000n;
const SIDE = 32;
/** What the shader touches: rows of pixels, at some places of the window. */
const PLACES = [0, 0x1000, 0x7000];
const BYTES = 0x8000;
/** Pixels of a picture that is drawn into the window, and how often its shader goes round for each. */
const PICTURE = 64;
const PATIENCE = 100n;
const MARK = 0x0a0a0a0a;
/** Milliseconds in which the shader must have begun. */
const BEGINNING = 30_000;
const SECRET = 0x5ec2e75e;

const BEGIN = `
  MKVEC.v2i16 r1, r59.h00, 0x0
  SHADDX.u64 r4, u0, r1.w0, shift:2
  SHADDX.u64 r6, u2, r1.w0, shift:2
  MOV.i32 r8, u4
  IADD.u32 r2, r1, r1
  IADD.u32 r2, r2, r2
  MOV.i32 r3, 0x0`;
const store = (offset: number): string => `STORE.i32.slot0 @r8, r4, offset:${offset}`;
const scan = (load: (offset: number) => string, mark = store): string => {
  const parts = PLACES.map(
    (offset, i) => `
  ${load(offset)}
  STORE.i32.slot0 @r10, r6, offset:${i * SIDE * 4}
  ${mark(offset + 0x400)}`,
  );
  return `${BEGIN}
loop:${parts.join('')}
  BRANCHZ.eq.reconverge 0x0, offset:loop`;
};

/** Puts an address of the window into r14 and r15, and the format R32UI into r12. */
const texelAt = (offset: number): string => `IADD_IMM.i32 r14, r4, #${offset}
  MOV.i32 r15, r5
  IADD_IMM.i32 r12, 0x0, #${133 << 12}`;

/** Ways to reach the buffer under attack. */
const WAYS = {
  pointers: { shader: scan((offset) => `LOAD.i32.unsigned.slot0 @r10, r4, offset:${offset}`) },
  descriptor: {
    shader: scan((offset) => `IADD_IMM.i32 r9, r2, #${offset}\n  LD_BUFFER.i32.unsigned.slot0 @r10, r9, r3`),
    buffer: { address: WINDOW, size: BYTES },
  },
  conversion: {
    shader: scan(
      (offset) => `${texelAt(offset)}\n  LD_CVT.slot0.u32 @r10, r14, r12, offset:0`,
      (offset) => `${texelAt(offset)}\n  ST_CVT.slot0.u32 @r8, r14, r12, offset:0`,
    ),
  },
  picture: {
    // Says that it is there, and takes its time over each warp of a tile.
    shader: `${BEGIN}
  LOAD.i32.unsigned.slot0 @r10, r4, offset:0x7000
  STORE.i32.slot0 @r10, r6, offset:0
  MOV.i32 r10, u6
loop: IADD_IMM.i32 r10, r10, #0xffffffff
  BRANCHZ.reconverge r10, offset:loop
  MOV.i32 r0, 0x3f800000
  MOV.i32 r1, 0x3f800000
  MOV.i32 r2, 0x3f800000
  MOV.i32 r3, 0x3f800000
  ATEST.discard @r60, r60, 0x3f800000, atest_datum.w0
  BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0`,
    image: WINDOW,
    repeat: 200,
  },
};
export type Way = keyof typeof WAYS;
export const ATTACKS = Object.keys(WAYS) as Way[];

export interface Outcome {
  readonly rounds: number;
  /** Rounds in which the victim got pages that the shader had been at. */
  readonly reused: number;
}

/** Attacks so often; throws at the first word that was read or written and is another's. */
export async function unmapAttack(live: LiveMachine, way: Way, rounds: number): Promise<Outcome> {
  const attacker = new Client(live);
  const victim = new Client(live);
  const job = await FrameJob.make(attacker, {
    width: way === 'picture' ? PICTURE : SIDE,
    height: way === 'picture' ? PICTURE : SIDE,
    uniforms: [WINDOW, RESULT, BigInt(MARK), PATIENCE],
    ...WAYS[way],
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
