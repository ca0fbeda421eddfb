import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPUTE_REGISTERS } from '../abi/gpu/cs-registers.ts';
import { ComputeSizeWorkgroup, DESCRIPTOR_TYPE, LocalStorage, ShaderProgram } from '../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../abi/layout.ts';
import { DESCRIPTOR_AT, FAU_AT, FlatMemory, noTextures, PROGRAM_AT } from '../testing/mali/shader-rig.ts';
import { compute } from './compute.ts';
import type { Work } from './contract.ts';
import { defaultEngine, executorOf } from './engine/engine.ts';
import { assemble } from './shader/assemble.ts';

const DATA = 0x40000;
const STORAGE = 0xa800;
const WLS = 0x60000;

interface Job {
  readonly size: readonly [number, number, number];
  readonly groups: readonly [number, number, number];
  readonly offset?: readonly [number, number, number];
  readonly merge?: boolean;
  /** The program has no workgroup storage, and this in u2. */
  readonly uniform?: number;
}

function start(memory: FlatMemory, text: string, job: Job): Work {
  memory.write(PROGRAM_AT, new Uint8Array(assemble(text).buffer));
  memory.encode(ShaderProgram, DESCRIPTOR_AT, { type: DESCRIPTOR_TYPE.SHADER, stage: 1, binary: PROGRAM_AT });
  memory.encode(LocalStorage, STORAGE, job.uniform === undefined ? { wlsBase: WLS, wlsSizeScale: 8 } : {});
  memory.store32(FAU_AT, DATA);
  memory.store32(FAU_AT + 8, job.uniform ?? 0);
  const registers = new Uint32Array(96);
  const r = COMPUTE_REGISTERS;
  registers[r.spd[0]] = DESCRIPTOR_AT;
  registers[r.tsd[0]] = STORAGE;
  registers[r.fau[0]] = FAU_AT;
  registers[r.fau[0] + 1] = 2 << 24;
  const [x, y, z] = job.size;
  const packed = ComputeSizeWorkgroup.pack({ x, y, z, allowMerging: job.merge ?? false });
  registers[r.workgroupSize] = viewOf(packed).getUint32(0, true);
  [registers[r.jobSizeX], registers[r.jobSizeY], registers[r.jobSizeZ]] = job.groups;
  [registers[r.jobOffsetX], registers[r.jobOffsetY], registers[r.jobOffsetZ]] = job.offset ?? [0, 0, 0];
  const operands = { srtSelect: 0, spdSelect: 0, tsdSelect: 0, fauSelect: 0 } as any;
  return compute({ memory, registers, operands }, noTextures, executorOf(defaultEngine()));
}

function finish(work: Work): void {
  for (let i = 0; i < 1000; i++) if (work.step() === 'done') return;
  throw new Error('the job does not end');
}

/** Stores r1 at DATA + 4 × r60 (global x). */
const STORE_BY_X = `
  SHADDX.u64 r2, u0, r60.w0, shift:2
  STORE.i32.slot0 @r1, r2, offset:0
  NOP.end`;

test('every invocation of every workgroup runs once and knows its place', () => {
  const memory = new FlatMemory();
  // Linear position among 3 × 2 workgroups of 5 × 4: y × 15 + x, counted by an atomic.
  finish(
    start(
      memory,
      `IMUL.i32 r1, r61, 0x0f0e0d0c.b3
      IADD.u32 r1, r1, r60
      SHADDX.u64 r2, u0, r1.w0, shift:2
      IADD_IMM.i32 r4, 0x0, #1
      ATOM.i32.slot0.aadd @r4, r2, offset:0
      NOP.end`,
      { size: [5, 4, 1], groups: [3, 2, 1] },
    ),
  );
  for (let i = 0; i < 15 * 8; i++) assert.equal(memory.load32(DATA + i * 4), 1, `invocation ${i}`);
  assert.equal(memory.load32(DATA + 120 * 4), 0);
});

test('local, workgroup and global ids, with an offset', () => {
  const memory = new FlatMemory();
  finish(
    start(memory, `U16_TO_U32 r0, r55.h00\nLSHIFT_OR.i32 r1, r57, 0x0b0a0908.b00, r0${STORE_BY_X}`, {
      size: [4, 1, 1],
      groups: [2, 1, 1],
      offset: [3, 0, 0],
    }),
  );
  assert.equal(memory.load32(DATA + 12 * 4), 0x300);
  assert.equal(memory.load32(DATA + 19 * 4), 0x403);
});

test('merged workgroups share warps and still have their own ids', () => {
  const memory = new FlatMemory();
  finish(start(memory, `MOV.i32 r1, r57${STORE_BY_X}`, { size: [1, 1, 1], groups: [37, 1, 1], merge: true }));
  for (let i = 0; i < 37; i++) assert.equal(memory.load32(DATA + i * 4), i);
});

test('a work whose threads take longer than a slice tells how far it has come, warp by warp', () => {
  const long = ['IADD_IMM.i32 r4, 0x0, #9000', 'IADD_IMM.i32 r4, r4, #0xffffffff', 'BRANCHZ r4, offset:-2', 'NOP.end'];
  const work = start(new FlatMemory(), long.join('\n'), { size: [64, 4, 1], groups: [1, 1, 1], uniform: 0 });
  const seen = new Set<number>();
  while (work.step() !== 'done') seen.add(work.progress!);
  assert.ok(seen.size > 12, `${seen.size} pieces`);
});

test('many workgroups of whole warps: each thread has its own numbers, and the last ones are there too', () => {
  const memory = new FlatMemory();
  // Workgroups of 16 × 2 threads, 37 × 29 of them: thread by thread its local y, then its workgroup's x, in bytes.
  finish(
    start(
      memory,
      `IMUL.i32 r1, r61, u2
      IADD.u32 r4, r1, r60
      RSHIFT_OR.i32 r0, r55, 0x13121110.b00, 0x0
      LSHIFT_OR.i32 r1, r57, 0x0b0a0908.b00, r0
      SHADDX.u64 r2, u0, r4.w0, shift:2
      STORE.i32.slot0 @r1, r2, offset:0
      NOP.end`,
      { size: [16, 2, 1], groups: [37, 29, 1], uniform: 37 * 16 },
    ),
  );
  for (let y = 0; y < 58; y++) {
    for (let x = 0; x < 37 * 16; x++) {
      assert.equal(memory.load32(DATA + (y * 37 * 16 + x) * 4), ((x >> 4) << 8) | (y & 1), `${x}, ${y}`);
    }
  }
});

test('a barrier holds a workgroup of several warps together', () => {
  const memory = new FlatMemory();
  // Each of 64 threads puts its id into workgroup storage and, behind the barrier, reads the one of thread 63 - id.
  finish(
    start(
      memory,
      `U16_TO_U32 r0, r55.h00
      LSHIFT_AND.i32 r4, r0, 0x03020100.b22, 0xffffffff
      IADD.u32 r4, r4, workgroup_local_pointer.w0
      MOV.i32 r5, workgroup_local_pointer.w1
      STORE.i32.slot0 @r0, r4, offset:0
      BARRIER.slot7.wait
      IADD_IMM.i32 r1, 0x0, #63
      ISUB.u32 r1, r1, r0
      LSHIFT_AND.i32 r4, r1, 0x03020100.b22, 0xffffffff
      IADD.u32 r4, r4, workgroup_local_pointer.w0
      LOAD.i32.unsigned.slot0 @r1, r4, offset:0
      ${STORE_BY_X}`,
      { size: [64, 1, 1], groups: [2, 1, 1] },
    ),
  );
  for (let i = 0; i < 128; i++) assert.equal(memory.load32(DATA + i * 4), 63 - (i % 64), `thread ${i}`);
});

test('a job that never ends is stepped in slices', () => {
  const work = start(new FlatMemory(), 'loop: BRANCHZ.eq.reconverge 0x0, offset:loop', {
    size: [64, 1, 1],
    groups: [1, 1, 1],
  });
  for (let i = 0; i < 5; i++) assert.equal(work.step(), 'more');
});

test('jobs without workgroups are done at once, workgroups that are too large are refused', () => {
  const memory = new FlatMemory();
  assert.equal(start(memory, 'NOP.end', { size: [1, 1, 1], groups: [0, 5, 5] }).step(), 'done');
  assert.throws(
    () => start(memory, 'NOP.end', { size: [64, 64, 1], groups: [1, 1, 1] }),
    /workgroup of 64×64×1 threads, more than 1024/,
  );
});
