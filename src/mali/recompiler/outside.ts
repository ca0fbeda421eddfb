/**
 * What emitted code calls in script: the interpreter's step for an instruction, and what finds records anew. They work on the
 * warp that runs now.
 */
import type { Access } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import type { WarpState } from '../shader/warp.ts';
import { fillAddress, fillAttribute } from './attribute-record.ts';
import type { Site } from './flow.ts';
import { FRAME, RECORD, REFILL, STEP } from './frame.ts';
import { refillTexture } from './texture.ts';

let current: WarpState | undefined;
let currentSteps: readonly Site[] = [];

/** Calls a unit's function for a warp: `call` answers its status. Calls may lie within one another. */
export function within(
  w: WarpState,
  steps: readonly Site[],
  run: (registers: number, frame: number) => number,
): number {
  const outer = current;
  const outerSteps = currentSteps;
  current = w;
  currentSteps = steps;
  try {
    return run(w.registers.at, w.frame);
  } finally {
    current = outer;
    currentSteps = outerSteps;
  }
}

/** The interpreter's step for an instruction without lane operations. */
export function step(number: number, mask: number, live: number, discarded: number): number {
  const w = current!;
  const { pc, step: s } = currentSteps[number]!;
  w.mask = mask;
  w.live = live;
  w.discarded = discarded;
  w.full = mask === live;
  w.pc = pc;
  s.exec(w);
  scratch.i32[(w.frame + FRAME.discarded) / 4] = w.discarded;
  if (!s.control) return STEP.PLAIN;
  const { taken, ignoreFlow } = w;
  w.taken = 0;
  w.ignoreFlow = false;
  return taken ? STEP.TAKEN : ignoreFlow ? STEP.IGNORE_FLOW : STEP.PLAIN;
}

const ACCESS: Readonly<Record<number, Access>> = { [REFILL.WRITE]: 'write', [REFILL.ATOMIC]: 'atomic' };

/** Finds what a load, store or atomic may remember of the first lane of `failing`. 0: nothing that would fit. */
export function refill(kind: number, record: number, failing: number): number {
  const w = current!;
  const { memory, resources } = w.run.environment;
  const words = scratch.u32;
  const lane = 31 - Math.clz32(failing & -failing);
  if ((kind & 15) === REFILL.ATTRIBUTE) return fillAttribute(w, kind >>> 4, record, lane);
  if (kind === REFILL.ADDRESS) return fillAddress(w, record, lane);
  const low = words[(w.frame + FRAME.low) / 4 + lane]!;
  const high = words[(w.frame + FRAME.high) / 4 + lane]!;
  const buffer = kind === REFILL.BUFFER ? resources.buffer(high) : undefined;
  if (kind === REFILL.BUFFER && !buffer) return 0;
  const va = buffer ? buffer.address : high * HIGH + low;
  if (va >= 2 ** 48) return 0;
  const extent = memory.extent(va, ACCESS[kind] ?? 'read');
  if (!extent) return 0;
  let { start } = extent;
  let end = start + extent.size;
  if (buffer) {
    start = va;
    end = Math.min(end, va + buffer.size);
  } else {
    // All addresses of a record have the same upper word.
    start = Math.max(start, high * HIGH);
    end = Math.min(end, (high + 1) * HIGH);
  }
  if (end - start < WIDEST) return 0;
  const at = record / 4;
  words[at + RECORD.time / 4] = buffer ? w.run.epoch : memory.generation;
  words[at + RECORD.high / 4] = high;
  words[at + RECORD.low / 4] = start % HIGH;
  words[at + RECORD.size / 4] = end - start;
  words[at + RECORD.physical / 4] = extent.physical + (start - extent.start);
  return 1;
}

/** Finds the sampler that a texture instruction may call. */
export const bind = (wanted: number, record: number, failing: number): number =>
  refillTexture(current!, wanted, record, failing);

const HIGH = 2 ** 32;
/** Bytes of the largest load. */
const WIDEST = 16;
