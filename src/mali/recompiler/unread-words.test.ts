import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DATA_AT, FuzzMemory, UNIFORM_WORDS } from '../../testing/mali/fuzz/memory.ts';
import { Random } from '../../testing/mali/random.ts';
import { FlatMemory, noTextures, PROGRAM_AT } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import type { Engine } from '../engine/names.ts';
import { scratch } from '../engine/scratch.ts';
import { THREAD_PRELOADS, threadListBytes } from '../engine/threads.ts';
import { assemble } from '../shader/assemble.ts';
import { LANES, type Stage } from '../shader/contract.ts';
import { openShader } from '../shader/core.ts';
import { findUnit } from './flow.ts';
import { isUnread } from './unread-words.ts';

/** Whether the word is unread that the first instruction leaves in r0. */
function unread(...rest: string[]): boolean {
  const memory = new FlatMemory();
  const program = ['FMA.v2f16 r0, r1, r2, r3', ...rest, 'NOP.end'].join('\n');
  memory.write(PROGRAM_AT, new Uint8Array(assemble(program).buffer));
  return isUnread(findUnit(memory, PROGRAM_AT).blocks[0]!, 0, 0);
}

test('a word is unread that is overwritten in its block, if all who read the register take its halves', () => {
  const over = 'MOV.i32 r0, r5';
  assert.equal(unread('FADD.v2f16 r4, r0, r1', over), true);
  assert.equal(unread('FMA.v2f16 r0, r0, r0, r1'), true);
  assert.equal(unread(over), true);
  assert.equal(unread('FADD.v2f16 r4, r0, r1'), false, 'whoever comes behind the block may read it');
  assert.equal(unread('IADD.u32 r4, r0, r1', over), false, 'read as a word');
  assert.equal(unread('FADD.f32 r4, r0, r1', over), false, 'read as a single');
  assert.equal(unread('STORE.i32.slot0 @r0, r2, offset:0', over), false, 'stored');
  assert.equal(unread('LD_ATTR_IMM.f16.slot0 @r0, r1, r2, index:0, table:1', over), false, 'overwritten in part');
  assert.equal(unread('BRANCHZ.eq r9, offset:1', over), false, 'overwritten in another block');
});

const REGISTERS = 6;
const MIXED = [
  ...[
    'FMA.v2f16 D, A, B, C',
    'FMA.v2f16 D, A.neg, B, C',
    'FADD.v2f16 D, A, B',
    'FMIN.v2f16 D, A, B',
    'FMAX.v2f16 D, A, B',
  ],
  ...[
    'FROUND.v2f16.rtn D, A',
    'FROUND.v2f16.rtz D, A',
    'FLUSH.v2f16 D, A',
    'FMAX.v2f16 D, A.neg, B.h11',
    'FADD_IMM.v2f16 D, A, #0xBC003800',
  ],
  ...[
    'FCMP_OR.v2f16.ge.m1 D, A.h00, B, 0x0',
    'FCMP_OR.v2f16.lt.i1 D, A, B.h10, 0x0',
    'FCMP_AND.v2f16.gtlt.f1 D, A, B, C',
  ],
  ...[
    'CSEL.v2u16.eq D, A, 0x0, B, C',
    'CSEL.v2s16.ne D, A, 0x0, B, C',
    'CSEL.v2f16.lt D, A, B, C, A',
    'CSEL.u32.lt D, A, B, C, B',
  ],
  ...['MUX.v2i16.int_zero D, A, B.h00, C', 'IADD.v2u16 D, A.h11, 0x0', 'FMIN.v2f16.clamp_m1_1 D, A, B'],
  ...[
    'FMA.v2f16 D, A.h00, B.h11, C.neg.h00',
    'FADD.v2f16 D, A.h11, B.h11',
    'FRSQ.f16 D, A.abs.h00',
    'V2F32_TO_V2F16 D, A, A',
  ],
  ...['MOV.i32 D, A', 'MKVEC.v2i16 D, A.h10, B.h00', 'FMA.v2f16.clamp_0_1 D, A, B, C'],
];
const stage: Stage = { kind: 'compute', workgroupStorage: 0, threadSlot: 0 };
const list = scratch.alloc(threadListBytes(THREAD_PRELOADS.compute, LANES));

/** What a program of a list leaves in its registers, as halves; all that are no numbers are alike. */
function left(engine: Engine, program: string, uniforms: Uint32Array): number[] {
  const place = new FuzzMemory();
  place.setUniforms(uniforms);
  place.setProgram(assemble(program));
  place.setShader(0, false);
  const run = openShader(place.memory, place.pointers, stage, noTextures, 0, executorOf(engine));
  run.beginThreads(list, LANES);
  while (!run.resumeList(1000));
  run.close();
  const half = (n: number): number => place.memory.load16(DATA_AT + 2 * n);
  return Array.from({ length: 2 * REGISTERS }, (_, n) => ((half(n) & 0x7fff) > 0x7c00 ? 0x7e00 : half(n)));
}

test('words that are not made are never missed', () => {
  const random = new Random(3);
  for (let n = 0; n < 60; n++) {
    const register = (): string => `r${random.below(REGISTERS)}`;
    const lines = Array.from({ length: 30 }, () => random.pick(MIXED).replace(/\b[ABCD]\b/g, register));
    const program = [
      ...Array.from({ length: REGISTERS }, (_, r) => `MOV.i32 r${r}, u${r}`),
      ...lines,
      `IADD_IMM.i32 r20, 0x0, #0x${DATA_AT.toString(16)}`,
      'MOV.i32 r21, 0x0',
      'STORE.i128.slot0 @r0:r1:r2:r3, r20, offset:0',
      'STORE.i64.slot0 @r4:r5, r20, offset:16',
      'NOP.end',
    ].join('\n');
    // Numbers of like size, so that not all becomes infinite.
    const half = (): number => 0x3800 + random.below(0x800);
    const uniforms = Uint32Array.from({ length: UNIFORM_WORDS }, () => half() + half() * 65536);
    assert.deepEqual(left('wasm', program, uniforms), left('interpreter', program, uniforms));
  }
});
