/**
 * `tyr bench compile`: what a shader costs from its program's bytes to the end of its first warp, in milliseconds that pass: decoding,
 * emitting, V8's baseline compiler, and the warp. CPU time would be steadier on a busy host, but kernels count it in ticks that are
 * longer than most shaders take.
 *
 * Programs are arithmetic by lot, as compilers mix it, all different. `first_N` is the median of shaders of N instructions;
 * `three_hundred` is the sum of 300 shaders of 60; `again` is what the same 300 cost when another program uses them.
 */
import { Problem } from '../host/userland/problem.ts';
import { executorOf } from '../mali/engine/engine.ts';
import { scratch } from '../mali/engine/scratch.ts';
import { THREAD_PRELOADS, threadListBytes } from '../mali/engine/threads.ts';
import { assemble } from '../mali/shader/assemble.ts';
import { LANES, type Stage } from '../mali/shader/contract.ts';
import { openShader } from '../mali/shader/core.ts';
import { FuzzMemory } from '../testing/mali/fuzz/memory.ts';
import { Random } from '../testing/mali/random.ts';
import { noTextures } from '../testing/mali/shader-rig.ts';
import type { Bench, Result } from './bench-programs.ts';

/** D: where the result goes; A, B, C: registers that are read. */
const INSTRUCTIONS = [
  'FMA.f32 D, A, B, C',
  'FMA.f32 D, A, u2, C',
  'FADD.f32 D, A, B',
  'FMA.v2f16 D, A, B, C',
  'FMA.v2f16 D, A, u4, C',
  'FADD.v2f16 D, A, B',
  'FMAX.f32 D, A, B',
  'FRCP.f32 D, A',
  'MOV.i32 D, u3',
  'IADD.u32 D, A, B',
  'LSHIFT_AND.i32 D, A, 0x0.b00, B',
  'CSEL.f32.lt D, A, B, C, A',
];
const REGISTERS = 24;
const SIZES = [50, 300, 2000] as const;
const ROUNDS = 25;
const MANY = 300;
const MANY_SIZE = 60;
const BUDGET = 100_000;

function program(random: Random, length: number): Uint32Array {
  const register = (): string => `r${random.below(REGISTERS)}`;
  const lines = Array.from({ length: length - 1 }, () => random.pick(INSTRUCTIONS).replace(/\b[ABCD]\b/g, register));
  return assemble([...lines, 'NOP.end'].join('\n'));
}

const stage: Stage = { kind: 'compute', workgroupStorage: 0, threadSlot: 0 };

export const compile: Bench = async (_userland, { engine, vs }) => {
  if (vs) throw new Problem(`there is nothing in compile that ${vs} could do`);
  const random = new Random(1);
  const list = scratch.alloc(threadListBytes(THREAD_PRELOADS.compute, LANES));
  const executor = executorOf(engine ?? 'wasm');
  /** Milliseconds of a program's first warp in a machine of its own, or in one that has run others. */
  const first = (words: Uint32Array, place = new FuzzMemory()): number => {
    place.setProgram(words);
    place.setShader(0, false);
    const before = performance.now();
    const run = openShader(place.memory, place.pointers, stage, noTextures, 0, executor);
    run.beginThreads(list, LANES);
    while (!run.resumeList(BUDGET));
    run.close();
    return performance.now() - before;
  };
  // The compilers' own code has to be compiled once.
  for (let n = 0; n < MANY; n++) first(program(random, SIZES[0]));
  const results: Result[] = [];
  for (const size of SIZES) {
    const times = Array.from({ length: ROUNDS }, () => first(program(random, size))).sort((a, b) => a - b);
    results.push({ metric: `first_${size}`, value: times[ROUNDS >> 1]!, unit: 'ms' });
  }
  const programs = Array.from({ length: MANY }, () => program(random, MANY_SIZE));
  for (const metric of ['three_hundred', 'again']) {
    const place = new FuzzMemory();
    const value = programs.reduce((sum, words) => sum + first(words, place), 0);
    results.push({ metric, value, unit: 'ms' });
  }
  return results;
};
