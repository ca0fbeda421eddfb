/**
 * Warps from a list of threads (engine/threads.ts), by script: its columns become registers. Recompiled code does the same by
 * itself; this is its reference.
 */
import { scratch } from '../engine/scratch.ts';
import type { ThreadPreloads } from '../engine/threads.ts';
import { FRAME } from '../recompiler/frame.ts';
import { ALL_LANES, LANES, type ShaderRun } from './contract.ts';

/** Begins the next warp of the list that a run's frame names. False: the list is at its end. */
export function beginThreads(run: ShaderRun, frame: number, { first, count }: ThreadPreloads): boolean {
  const words = scratch.u32;
  const thread = words[(frame + FRAME.thread) / 4]!;
  const left = words[(frame + FRAME.threads) / 4]! - thread;
  if (left <= 0) return false;
  words[(frame + FRAME.thread) / 4] = thread + LANES;
  run.reset();
  const { u32 } = run.warp;
  let from = words[(frame + FRAME.list) / 4]! / 4 + thread * count;
  for (let at = first * LANES; at < (first + count) * LANES; at++) u32[at] = words[from++]!;
  run.start(left < LANES ? 2 ** left - 1 : ALL_LANES);
  return true;
}
