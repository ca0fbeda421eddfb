import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADDRESS_MODE, LocalStorage } from '../../abi/gpu/shader-descriptors.ts';
import { FlatMemory, open } from '../../testing/mali/shader-rig.ts';
import { scratch } from '../engine/scratch.ts';
import { COLUMN_BYTES, THREAD_PRELOADS, threadListBytes } from '../engine/threads.ts';
import { assemble } from './assemble.ts';
import { LANES, type ShaderRun, type Stage } from './contract.ts';
import { VertexOutput } from './vertex-output.ts';

const DATA = 0x40000;
const THREADS = 70;
const owner = {};

type Kind = keyof typeof THREAD_PRELOADS;

/** A list whose register r of thread t is 1000 r + t. */
function makeList(kind: Kind): number {
  const preloads = THREAD_PRELOADS[kind];
  const at = scratch.owned(owner, threadListBytes(preloads, THREADS));
  for (let t = 0; t < THREADS; t++) {
    for (let c = 0; c < preloads.count; c++) {
      const column = Math.floor(t / LANES) * preloads.count + c;
      scratch.u32[(at + column * COLUMN_BYTES) / 4 + (t % LANES)] = 1000 * (preloads.first + c) + t;
    }
  }
  return at;
}

const stageOf = (kind: Kind): Stage => {
  if (kind === 'compute') return { kind, workgroupStorage: 0, threadSlot: 0 };
  const output = new VertexOutput();
  return { kind, frame: output.frame, output };
};

/** Sixteen bytes of a thread by its r60 − 60000. */
const STORE = `
  IADD_IMM.i32 r1, r60, #0xffff15a0
  SHADDX.u64 r2, u0, r1.w0, shift:4
  STORE.i128.slot0 @r59:r60:r61:r62, r2, offset:0`;

const begin = (kind: Kind, text: string, memory: FlatMemory): ShaderRun =>
  open(text, { memory, stage: stageOf(kind), fau: [DATA, 0], live: 0 });

function hold(memory: FlatMemory, threads: number): void {
  for (let t = 0; t < THREADS; t++) {
    const words = [0, 1, 2, 3].map((n) => memory.load32(DATA + 16 * t + 4 * n));
    const expected = t < threads ? [59, 60, 61, 62].map((r) => 1000 * r + t) : [0, 0, 0, 0];
    assert.deepEqual(words, expected, `thread ${t}`);
  }
}

for (const kind of ['vertex', 'compute'] as const) {
  test(`${kind}: all threads of a list run once, with their registers, the last warp in part`, () => {
    for (const threads of [1, 16, 17, THREADS]) {
      const memory = new FlatMemory();
      const run = begin(kind, `${STORE}\nNOP.end`, memory);
      run.beginThreads(makeList(kind), threads);
      assert.equal(run.resumeList(10_000), true);
      hold(memory, threads);
    }
  });

  test(`${kind}: registers that the list has not are zero in every warp`, () => {
    const memory = new FlatMemory();
    // r59 becomes a counter that each warp takes up anew.
    const text = `IADD_IMM.i32 r40, r40, #1\nIMUL.i32 r59, r40, r59${STORE}\nNOP.end`;
    const run = begin(kind, text, memory);
    run.beginThreads(makeList(kind), THREADS);
    assert.equal(run.resumeList(10_000), true);
    hold(memory, THREADS);
  });

  test(`${kind}: lanes part, and slices end anywhere in the list`, () => {
    const memory = new FlatMemory();
    // Thread t loops t % 8 + 1 times.
    const text = `LSHIFT_AND.i32 r10, r60, 0x0.b00, u2
      IADD_IMM.i32 r11, r11, #1
      IADD_IMM.i32 r10, r10, #0xffffffff
      ICMP_AND.s32.ge.m1 r12, r10, 0x0, 0xffffffff
      BRANCHZ r12, offset:-4${STORE}
      SHADDX.u64 r2, u0, r1.w0, shift:4
      STORE.i32.slot0 @r11, r2, offset:8
      NOP.end`;
    const run = open(text, { memory, stage: stageOf(kind), fau: [DATA, 0, 7, 0], live: 0 });
    run.beginThreads(makeList(kind), THREADS);
    let slices = 1;
    while (!run.resumeList(25)) assert.ok(++slices < 1000);
    assert.ok(slices > 3, `${slices} slices`);
    for (let t = 0; t < THREADS; t++) {
      assert.equal(memory.load32(DATA + 16 * t), 59_000 + t);
      assert.equal(memory.load32(DATA + 16 * t + 8), ((60_000 + t) % 8) + 1, `thread ${t}`);
    }
  });

  test(`${kind}: a barrier and an indirect branch within a list`, () => {
    const memory = new FlatMemory();
    const run = begin(kind, `BARRIER.slot7.wait${STORE}\nBRANCHZI.eq 0x0, r40\nNOP.end`, memory);
    run.beginThreads(makeList(kind), THREADS);
    while (!run.resumeList(10_000));
    hold(memory, THREADS);
  });
}

for (const kind of ['vertex', 'compute'] as const) {
  test(`${kind}: registers that the list has not are zero for whoever is branched to, in every warp`, () => {
    const memory = new FlatMemory();
    const callee = 0x20000;
    const text = `IADD_IMM.i32 r40, r40, #1\nIMUL.i32 r59, r40, r59${STORE}\nNOP.end`;
    memory.write(callee, new Uint8Array(assemble(text).buffer));
    const options = { memory, stage: stageOf(kind), fau: [DATA, 0, callee, 0], live: 0 };
    const run = open('BRANCHZI.eq.absolute 0x0, u2', options);
    run.beginThreads(makeList(kind), THREADS);
    while (!run.resumeList(10_000));
    hold(memory, THREADS);
  });
}

/** Loads a word of the thread's storage by an address that is only known when it runs, and puts it where the thread's results are. */
const LOAD_STORAGE = `
  IADD_IMM.i32 r5, 0x0, #0x10000000
  MOV.i32 r4, 0x0
  LOAD.i32.unsigned.slot0 @r6, r4, offset:4
  IADD_IMM.i32 r1, r60, #0xffff15a0
  SHADDX.u64 r2, u0, r1.w0, shift:2
  STORE.i32.slot0.wait0 @r6, r2, offset:0
  NOP.end`;

for (const kind of ['vertex', 'compute'] as const) {
  test(`${kind}: each thread of a list has the storage of its lane, whoever names it`, () => {
    const memory = new FlatMemory();
    const [STORAGE_AT, WORDS_AT, WORDS] = [0xa000, 0xb000, 4];
    memory.encode(LocalStorage, STORAGE_AT, { tlsSize: 0, tlsBase: WORDS_AT, tlsAddressMode: ADDRESS_MODE.FLAT });
    for (let lane = 0; lane < LANES; lane++) memory.store32(WORDS_AT + 4 * (WORDS * lane + 1), 700 + lane);
    const pointers = { threadStorage: STORAGE_AT };
    const run = open(LOAD_STORAGE, { memory, stage: stageOf(kind), fau: [DATA, 0], live: 0, pointers });
    run.beginThreads(makeList(kind), THREADS);
    assert.equal(run.resumeList(10_000), true);
    for (let t = 0; t < THREADS; t++) assert.equal(memory.load32(DATA + 4 * t), 700 + (t % LANES), `thread ${t}`);
  });
}
