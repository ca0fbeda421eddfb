/**
 * What a run of a shader leaves: registers wherever all lanes wait at a barrier, memory, the fault that stopped it; and what
 * differs first between the reference's outcome and another one.
 *
 * An outcome is used for one run after another: its buffers are made once.
 */
import { LANES } from '../../../mali/shader/contract.ts';
import type { WarpState } from '../../../mali/shader/warp.ts';
import { kindOf } from './input.ts';
import { DATA_SIZE } from './memory.ts';
import { RESULTS_SIZE } from './threads.ts';
import type { Kind } from './values.ts';

/** A warp while all its lanes wait. */
class Snapshot {
  live = 0;
  discarded = 0;
  readonly registers = new Uint32Array(64 * LANES);
  readonly bytes = Buffer.from(this.registers.buffer);
}

export class Outcome {
  /** Barriers that were passed. */
  passed = 0;
  /** Why it stopped before its end; '' if it did not. */
  fault = '';
  /** It did not end in the time it had: then the others say nothing. */
  endless = false;
  /** Memory. */
  readonly data = Buffer.alloc(DATA_SIZE);
  /** What a list of threads has left; others may find the place, too. */
  readonly results = Buffer.alloc(RESULTS_SIZE);
  readonly #snapshots: Snapshot[] = [];

  begin(): void {
    this.passed = 0;
    this.fault = '';
    this.endless = false;
  }

  /** A warp passes a barrier. */
  look(w: WarpState): void {
    const n = this.passed++;
    this.#snapshots[n] ??= new Snapshot();
    const snapshot = this.#snapshots[n];
    snapshot.live = w.live;
    snapshot.discarded = w.discarded & w.live;
    snapshot.registers.set(w.u32);
  }

  at(barrier: number): Snapshot {
    return this.#snapshots[barrier]!;
  }
}

const hex = (x: number): string => `0x${(x >>> 0).toString(16)}`;

const isNaN32 = (x: number): boolean => (x & 0x7fffffff) > 0x7f800000;
const isNaN16 = (x: number): boolean => (x & 0x7fff) > 0x7c00;
const sameHalf = (a: number, b: number): boolean => a === b || (isNaN16(a) && isNaN16(b));

const sameKind = (kind: Kind, a: number, b: number): boolean => {
  if (a === b) return true;
  if (kind === 'single') return isNaN32(a) && isNaN32(b);
  return kind === 'half' && sameHalf(a & 0xffff, b & 0xffff) && sameHalf(a >>> 16, b >>> 16);
};

function registerDifference(one: Snapshot, other: Snapshot, registers: ReadonlySet<number>): string | undefined {
  if (Buffer.compare(one.bytes, other.bytes) === 0) return undefined;
  for (let i = 0; i < one.registers.length; i++) {
    const [x, y] = [one.registers[i]!, other.registers[i]!];
    if (x === y) continue;
    const lane = i % LANES;
    if (!(one.live & (1 << lane))) continue;
    const register = Math.floor(i / LANES);
    if (!registers.has(register)) continue;
    if (!sameKind(kindOf(register), x, y)) return `r${register} lane ${lane}: ${hex(x)}, recompiled ${hex(y)}`;
  }
  return undefined;
}

function byteDifference(what: string, a: Buffer, b: Buffer): string | undefined {
  if (Buffer.compare(a, b) === 0) return undefined;
  const at = a.findIndex((x, i) => x !== b[i]);
  return `byte ${at} of ${what}: ${hex(a[at]!)}, recompiled ${hex(b[at]!)}`;
}

/** What differs first between the reference's outcome and the other one. `registers`: those that are looked at. */
export function differenceOf(a: Outcome, b: Outcome, registers: ReadonlySet<number>): string | undefined {
  if (a.endless && b.endless) return undefined;
  if (a.endless || b.endless) return `${a.endless ? 'the interpreter' : 'recompiled code'} does not end`;
  for (let n = 0; n < Math.min(a.passed, b.passed); n++) {
    const [one, other] = [a.at(n), b.at(n)];
    const at = `at barrier ${n + 1}`;
    if (one.live !== other.live) return `live lanes ${at}: ${hex(one.live)}, recompiled ${hex(other.live)}`;
    if (one.discarded !== other.discarded) {
      return `discarded lanes ${at}: ${hex(one.discarded)}, recompiled ${hex(other.discarded)}`;
    }
    const difference = registerDifference(one, other, registers);
    if (difference) return `${difference} (${at})`;
  }
  if (a.fault !== b.fault) return `the fault: ${a.fault || 'none'}\n  recompiled: ${b.fault || 'none'}`;
  if (a.passed !== b.passed) return `barriers passed: ${a.passed}, recompiled ${b.passed}`;
  if (a.fault.startsWith('not a fault')) return a.fault;
  return byteDifference('the data', a.data, b.data) ?? byteDifference('what a list has left', a.results, b.results);
}
