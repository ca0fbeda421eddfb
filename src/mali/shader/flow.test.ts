import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { execute, FlatMemory, f32, open, PROGRAM_AT, register } from '../../testing/mali/shader-rig.ts';
import { GpuFault } from '../contract.ts';
import { assemble } from './assemble.ts';
import { LANES } from './contract.ts';

const ids = Array.from({ length: LANES }, (_, i) => i);

test('lanes that part at a branch meet again behind it', () => {
  const run = execute(
    `ICMP_OR.u32.lt.m1 r5, r1, 0x7060504.b0, 0x0
    BRANCHZ.eq.reconverge r5, offset:else
    IADD_IMM.i32 r6, r1, #100
    BRANCHZ.eq.reconverge 0x0, offset:join
    else: IADD_IMM.i32 r6, r1, #200
    join: WMASK r7, 0xffffffff
    NOP.end`,
    { registers: { 1: ids } },
  );
  assert.deepEqual(
    register(run, 6),
    ids.map((i) => (i < 4 ? 100 + i : 200 + i)),
  );
  // All sixteen were active together at the join.
  assert.deepEqual(
    register(run, 7),
    ids.map(() => 0xffff),
  );
});

test('a loop runs as often as each lane wants', () => {
  const run = execute(
    `MOV.i32 r2, r1
    IADD_IMM.i32 r3, 0x0, #0
    loop: IADD_IMM.i32 r3, r3, #3
    IADD_IMM.i32 r2, r2, #0xffffffff
    BRANCHZ.reconverge r2, offset:loop
    NOP.end`,
    { registers: { 1: ids.map((i) => i + 1) } },
  );
  assert.deepEqual(
    register(run, 3),
    ids.map((i) => 3 * (i + 1)),
  );
});

test('lanes can end apart', () => {
  const memory = new FlatMemory();
  execute(
    `SHADDX.u64 r2, u0, r1.w0, shift:2
    ICMP_OR.u32.lt.m1 r5, r1, 0x0b0a0908.b0, 0x0
    BRANCHZ.eq.reconverge r5, offset:rest
    STORE.i32.slot0.end @r1, r2, offset:0
    rest: WMASK r6, 0xffffffff
    STORE.i32.slot0.end @r6, r2, offset:0`,
    { memory, fau: [0x40000, 0], registers: { 1: ids } },
  );
  assert.deepEqual(
    ids.map((i) => memory.load32(0x40000 + i * 4)),
    ids.map((i) => (i < 8 ? i : 0xff00)),
  );
});

test('branches look at the half that they name', () => {
  const run = execute(
    `BRANCHZ.reconverge r1.h1, offset:high
    IADD_IMM.i32 r2, 0x0, #1
    BRANCHZ.eq.reconverge 0x0, offset:join
    high: IADD_IMM.i32 r2, 0x0, #2
    join: NOP.end`,
    { registers: { 1: ids.map((i) => (i & 1 ? 0x10000 : 0x1)) } },
  );
  assert.deepEqual(
    register(run, 2),
    ids.map((i) => (i & 1 ? 2 : 1)),
  );
});

test('indirect calls return behind the call, at the address in the link register', () => {
  // r48 = address behind the BRANCHZI; the callee jumps back if it is not zero.
  const memory = new FlatMemory();
  const callee = 0x20000;
  memory.write(callee, new Uint8Array(assemble('IADD_IMM.i32 r0, r0, #7\nBRANCHZI.absolute r48, r48').buffer));
  const run = execute(
    `IADD_IMM.i32 r48, program_counter.w0, #8
    BRANCHZI.eq.absolute 0x0, u0
    IADD_IMM.i32 r0, r0, #100
    NOP.end`,
    { memory, fau: [callee, 0], registers: { 0: ids } },
  );
  assert.deepEqual(
    register(run, 0),
    ids.map((i) => i + 107),
  );
});

test('an endless program gives control back after its budget', () => {
  const run = open('loop: IADD_IMM.i32 r0, r0, #1\nBRANCHZ.eq.reconverge 0x0, offset:loop');
  for (let i = 0; i < 10; i++) assert.equal(run.resume(1000), false);
  assert.equal(run.warp.u32[0], 5000);
});

test('discarded lanes stay for derivatives until a discard flow ends them', () => {
  const run = execute(
    `DISCARD.f32.lt r1, r2
    CLPER.i32.subgroup4.xor r3, r4, 0x3020100.b11
    NOP.discard
    WMASK r5, 0xffffffff
    NOP.end`,
    { registers: { 1: ids.map((i) => f32(i)), 2: ids.map(() => f32(3)), 4: ids } },
  );
  assert.equal(register(run, 3)[3], 2);
  assert.equal(register(run, 5)[15], 0xfff8);
});

test('programs that go wrong are faults that name themselves', () => {
  const fault = (text: string, code: number, pattern: RegExp): void => {
    assert.throws(
      () => execute(text),
      (error) => error instanceof GpuFault && error.code === code && pattern.test(error.message),
    );
  };
  // Running past the end meets zeros.
  fault('MOV.i32 r0, r1', EXCEPTION.INSTR_INVALID_ENC, /pc 0x10008: no instruction/);
  fault('FPCLASS.f32 r0, r1', EXCEPTION.INSTR_INVALID_ENC, /pc 0x10000: FPCLASS.f32 is not modelled/);
  fault('ATEST @r0, r1, r2, 0x0\nNOP.end', EXCEPTION.INSTR_INVALID_ENC, /ATEST at pc 0x10000 in a compute shader/);
  assert.throws(
    () => execute('BRANCHZI.eq.absolute 0x0, u0', { fau: [0x10004, 0] }),
    (error) => error instanceof GpuFault && error.code === EXCEPTION.INSTR_INVALID_PC && /0x10004/.test(error.message),
  );
});

test('a jump to where nothing is mapped is a page fault', () => {
  assert.throws(() => execute('BRANCHZI.eq.absolute 0x0, 0x0'), /no page at 0x0/);
});

test('a new run sees code that has changed in memory', () => {
  const memory = new FlatMemory();
  const first = execute('IADD_IMM.i32 r0, 0x0, #1\nNOP.end', { memory });
  assert.equal(first.warp.u32[0], 1);
  const second = execute('IADD_IMM.i32 r0, 0x0, #2\nNOP.end', { memory });
  assert.equal(second.warp.u32[0], 2);
  assert.equal(memory.load32(PROGRAM_AT) >>> 0, 0x000002c0);
});
