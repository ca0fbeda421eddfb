/**
 * What emitted code calls in script: the interpreter's step for an instruction, and what finds records anew. They work on the
 * warp that runs now.
 */
import type { Access } from '../contract.ts';
import { leave } from '../engine/left-over.ts';
import { scratch } from '../engine/scratch.ts';
import type { WarpState } from '../shader/warp.ts';
import { fillAddress, fillAttribute } from './attribute-record.ts';
import type { Site } from './flow.ts';
import { BLEND_TYPES, FRAME, RECORD, REFILL, STEP, TILE_RECORD } from './frame.ts';
import { fillConvert, fillTexel, fillTexelLoad } from './image-record.ts';
import { refillTexture, type TextureWant } from './texture.ts';

/** A unit's function, and the instructions that it calls the interpreter for. */
export interface Runnable {
  run(registers: number, frame: number): number;
  readonly steps: readonly Site[];
  /** What its texture instructions want. */
  readonly wants: readonly TextureWant[];
  /** Scratch address of its records. */
  readonly records: number;
}

/** A warp, and what runs it. */
interface Running {
  readonly w: WarpState;
  /** Held while it runs: its unit may drop it meanwhile, and its records in scratch memory are its own only as long as it is there. */
  readonly code: Runnable;
}

/** What script has called. */
let current: Running | undefined;

/**
 * Scratch address of a word: the number among `enlisted` of what emitted code has called by itself; 0 where script has. Whoever calls
 * emitted code that may do so clears it afterwards, as what is thrown passes emitted code by.
 */
export const CALLED = scratch.fixed('called run', 4);
const enlisted: (Running | undefined)[] = [undefined];
const free: number[] = [];

/** Gives a warp and its code a number, by which emitted code may call it, until `dismiss`. */
export function enlist(w: WarpState, code: Runnable): number {
  const number = free.pop() ?? enlisted.length;
  enlisted[number] = { w, code };
  return number;
}

export function dismiss(number: number): void {
  enlisted[number] = undefined;
  free.push(number);
}

function running(): Running {
  const number = scratch.u32[CALLED / 4]!;
  return (number === 0 ? current : enlisted[number])!;
}

/** Calls a unit's function for a warp; answers its status. Calls may lie within one another. */
export function within(w: WarpState, code: Runnable): number {
  const outer = current;
  const called = scratch.u32[CALLED / 4]!;
  current = { w, code };
  scratch.u32[CALLED / 4] = 0;
  scratch.i32[(w.frame + FRAME.records) / 4] = code.records;
  try {
    return code.run(w.registers.at, w.frame);
  } finally {
    current = outer;
    scratch.u32[CALLED / 4] = called;
  }
}

/** The interpreter's step for an instruction without lane operations. */
export function step(number: number, mask: number, live: number, discarded: number): number {
  const { w, code } = running();
  const { pc, instruction, step: s } = code.steps[number]!;
  leave(instruction.spec.name);
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
  const { w } = running();
  const { memory, resources } = w.run.environment;
  const words = scratch.u32;
  const lane = 31 - Math.clz32(failing & -failing);
  switch (kind & 15) {
    case REFILL.TILE_LOAD:
    case REFILL.BLEND:
      return fillTile(w, kind, record, lane);
    case REFILL.ATTRIBUTE:
      return fillAttribute(w, kind >>> 4, record, lane);
    case REFILL.ADDRESS:
      return fillAddress(w, record, lane);
    case REFILL.TEXEL:
      return fillTexel(w, record, failing);
    case REFILL.TEXEL_LOAD:
      return fillTexelLoad(w, record, lane);
    case REFILL.CONVERT_LOAD:
    case REFILL.CONVERT_STORE:
      return fillConvert(w, (kind & 15) === REFILL.CONVERT_STORE, kind >>> 4, record, lane);
  }
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

/** Finds what LD_TILE or BLEND is to do. */
function fillTile(w: WarpState, kind: number, record: number, lane: number): number {
  const { stage } = w.run;
  if (stage.kind !== 'fragment' || !stage.tileRecords) return 0;
  const words = scratch.i32;
  const low = words[(w.frame + FRAME.low) / 4 + lane]!;
  const high = words[(w.frame + FRAME.high) / 4 + lane]!;
  const type = BLEND_TYPES[kind >>> 4]!;
  words[(record + TILE_RECORD.time) / 4] = w.run.epoch;
  words[(record + TILE_RECORD.low) / 4] = low;
  words[(record + TILE_RECORD.high) / 4] = high;
  if ((kind & 15) === REFILL.TILE_LOAD) stage.tileRecords.load(record, low, high, type);
  else stage.tileRecords.blend(record, low, high, type);
  return 1;
}

/** Finds the sampler that a texture instruction may call. */
export function bind(wanted: number, record: number, failing: number): number {
  const { w, code } = running();
  return refillTexture(w, code.wants[wanted]!, record, failing);
}

const HIGH = 2 ** 32;
/** Bytes of the largest load. */
const WIDEST = 16;
