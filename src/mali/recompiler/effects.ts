/**
 * Which registers an instruction may read and write: what must be in the register file before the interpreter's step for it,
 * and what is fetched from there afterwards. Runs of staging registers count as at least four, the most that a message
 * moves without saying how many.
 */
import type { Instruction } from '../shader/decode.ts';

export const REGISTERS = 64;
const LEAST_RUN = 4;

export interface Effects {
  /** Registers that its operands name. */
  readonly sources: ReadonlySet<number>;
  /** The same, and whatever of its results may stay as it was. */
  readonly reads: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
}

const known = new WeakMap<Instruction, Effects>();

export function effectsOf(i: Instruction): Effects {
  let effects = known.get(i);
  if (!effects) {
    effects = find(i);
    known.set(i, effects);
  }
  return effects;
}

function find(i: Instruction): Effects {
  const reads = new Set<number>();
  const writes = new Set<number>();
  for (const { kind, index, spec } of i.sources) {
    if (kind !== 'register') continue;
    reads.add(index);
    if (spec.size === 64 && index + 1 < REGISTERS) reads.add(index + 1);
  }
  const sources = new Set(reads);
  for (const { register, count, read, write } of i.staging) {
    for (let r = register; r < Math.min(REGISTERS, register + Math.max(count, LEAST_RUN)); r++) {
      reads.add(r);
      if (write || !read) writes.add(r);
    }
  }
  if (i.dest >= 0) {
    writes.add(i.dest);
    reads.add(i.dest);
    if (/64$/.test(i.spec.type) && i.dest + 1 < REGISTERS) {
      writes.add(i.dest + 1);
      reads.add(i.dest + 1);
    }
  }
  return { sources, reads, writes };
}
