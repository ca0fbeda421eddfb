/**
 * Lists of threads for the fuzzer: vertex and compute shaders that work off several warps, as their front ends list them
 * (engine/threads.ts).
 *
 * A warp begins with the list's columns and zeros, so the program first makes registers of all kinds from those and from
 * uniforms; the last column is the thread's number, from which the program's loops count down. Each thread has 64 bytes for its results, which no other thread reads or writes: in which order threads of other
 * warps come, and so what they would find of each other, is nobody's business. Only sums that all threads add to are shared, by
 * atomics whose answers nobody looks at. Of two runs that fault nothing more is said.
 */
import { scratch } from '../../../mali/engine/scratch.ts';
import { THREAD_PRELOADS, threadListBytes } from '../../../mali/engine/threads.ts';
import { LANES } from '../../../mali/shader/contract.ts';
import type { Random } from '../random.ts';
import { ADDRESSES, DISTANCE, INDICES, RANGES, ROUNDS, UNIFORM_ADDRESS } from './input.ts';
import { HANDLE_REGISTER } from './texture.ts';

export type ThreadKind = keyof typeof THREAD_PRELOADS;

export interface ThreadsInput {
  readonly kind: ThreadKind;
  readonly threads: number;
  /** The list. */
  readonly words: Uint32Array;
}

const MOST_THREADS = 70;
/** Bytes of a thread's results, a power of two, and of them all with the sums behind them. */
const RESULT_SHIFT = 6;
export const RESULTS_SIZE = 2 * 4096;
/** Where the results lie; nothing else is near. */
export const RESULTS_AT = 2 ** 33;
/** The pair that holds the address of a thread's results. */
const RESULT = 58;
const SUMS_AT = 4096 + 2048;
export function threadsInput(random: Random, kind: ThreadKind): ThreadsInput {
  const { first, count } = THREAD_PRELOADS[kind];
  const threads = 1 + random.below(MOST_THREADS);
  const words = new Uint32Array(threadListBytes(THREAD_PRELOADS[kind], threads) / 4);
  for (let t = 0; t < threads; t++) {
    for (let column = 0; column < count; column++) {
      const at = (Math.floor(t / LANES) * count + column) * LANES + (t % LANES);
      words[at] = first + column === ROUNDS ? t : random.chance(60) ? random.below(100) : random.word();
    }
  }
  return { kind, threads, words };
}

const list = scratch.alloc(Math.max(...bytesOfAll()));

function bytesOfAll(): number[] {
  return Object.values(THREAD_PRELOADS).map((preloads) => threadListBytes(preloads, MOST_THREADS));
}

/** Puts the list in scratch memory; answers where. */
export function writeThreads({ words }: ThreadsInput): number {
  scratch.u32.set(words, list / 4);
  return list;
}

/** Puts an address into a pair. */
const address = (pair: number, at: number): string[] => [
  `IADD_IMM.i32 r${pair}, 0x0, #0x${(at % 2 ** 32).toString(16)}`,
  `IADD_IMM.i32 r${pair + 1}, 0x0, #0x${Math.floor(at / 2 ** 32).toString(16)}`,
];

/** Makes a pair point elsewhere: nobody is to find what other threads have left. */
const forget = (pair: number): string => `MOV.i32 r${pair + 1}, 0x0`;

/** Lines that fill registers from what a list's warp begins with, and from uniforms. */
export function threadsPrologue(random: Random, kind: ThreadKind): string[] {
  const { first, count } = THREAD_PRELOADS[kind];
  const preloaded = () => first + random.below(count);
  const uniform = (): string => `u${random.below(UNIFORM_ADDRESS)}`;
  const lines: string[] = [];
  for (const [from, number] of Object.values(RANGES)) {
    for (let r = from; r < from + number; r++) if (random.chance(40)) lines.push(`MOV.i32 r${r}, ${uniform()}`);
  }
  for (let r = RANGES.bits[0]; r < RANGES.bits[0] + RANGES.bits[1]; r++) {
    if (random.chance(40)) lines.push(`MOV.i32 r${r}, r${preloaded()}`);
  }
  for (let r = RANGES.single[0]; r < RANGES.single[1]; r++) {
    if (random.chance(30)) lines.push(`U32_TO_F32 r${r}, r${preloaded()}`);
  }
  // What is preloaded has been looked at: its registers serve as the fuzzer's others do.
  const base = RANGES.bits[0];
  lines.push(
    ...address(base, RESULTS_AT),
    `SHADDX.u64 r${RESULT}, r${base}, r${ROUNDS}.w0, shift:${RESULT_SHIFT}`,
    forget(base),
  );
  for (const r of ADDRESSES) {
    lines.push(`MOV.i32 r${r}, u${UNIFORM_ADDRESS}`, `MOV.i32 r${r + 1}, u${UNIFORM_ADDRESS + 1}`);
  }
  lines.push(`MOV.i32 r${HANDLE_REGISTER}, ${uniform()}`);
  lines.push(`MOV.i32 r${INDICES[0]}, r${ROUNDS}`, `MOV.i32 r${INDICES[1]}, 0x0`, `MOV.i32 r${DISTANCE}, 0x0`);
  return lines;
}

/** Lines that change the thread's results, or the sums. */
export function threadsEffect(random: Random): string[] {
  const [first, count] = RANGES.bits;
  const value = first + random.below(count);
  if (random.chance(70)) {
    return [`STORE.i${random.pick([8, 16, 32])}.slot0 @r${value}, r${RESULT}, offset:${random.below(60)}`];
  }
  const pair = first + 2 * random.below(count / 2);
  return [
    ...address(pair, RESULTS_AT + SUMS_AT),
    `ATOM.i32.slot0.aadd @r${value}, r${pair}, offset:${4 * random.below(64)}`,
    forget(pair),
  ];
}

/** Lines that leave in memory what registers hold, NaNs but as others, and end the program. */
export function threadsEpilogue(random: Random): string[] {
  const [first, count] = RANGES.bits;
  const lines: string[] = [];
  const bits = first + 2 * random.below((count - 8) / 2);
  for (const n of [0, 1]) {
    const [single, half] = [RANGES.single, RANGES.half].map(([from, number]) => `r${from + random.below(number)}`);
    lines.push(`CSEL.f32.eq r${bits + 2 * n}, ${single}, ${single}, ${single}, 0x0`);
    lines.push(`CSEL.v2f16.eq r${bits + 2 * n + 1}, ${half}, ${half}, ${half}, 0x0`);
  }
  for (const n of [0, 1, 2]) {
    const from = n === 2 ? first + random.below(count - 4) : bits + 4 * n;
    const registers = [0, 1, 2, 3].map((k) => `r${from + k}`).join(':');
    lines.push(`STORE.i128.slot0 @${registers}, r${RESULT}, offset:${16 * n}`);
  }
  return [...lines, 'NOP.end'];
}
