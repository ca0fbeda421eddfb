/**
 * Which registers an instruction may read and write: what must be in the register file before the interpreter's step for it,
 * and what is fetched from there afterwards. Runs of staging registers count as at least four, the most that a message
 * moves without saying how many, but for the commonest ones of fragment shaders, whose lengths are known.
 */
import { HALVES } from '../../abi/isa/encoding.ts';
import type { Instruction } from '../shader/decode.ts';
import { channelCount, registerCount, registerFormat } from '../shader/vector.ts';

export const REGISTERS = 64;
const LEAST_RUN = 4;

export interface Effects {
  /** Registers that its operands name. */
  readonly sources: readonly number[];
  /** The same, and whatever of its results may stay as it was. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Registers that it overwrites in all running lanes. */
  readonly kills: readonly number[];
}

/** How many staging registers an instruction moves, of those whose names say it. */
function lengthOf({ spec, modifiers }: Instruction): number | undefined {
  switch (spec.base) {
    case 'ATEST':
    case 'ZS_EMIT':
      return 1;
    case 'LD_TILE':
    case 'ST_TILE':
    case 'BLEND':
      return registerCount(registerFormat(modifiers.regfmt!), channelCount(modifiers.vecsize!));
    case 'LD_VAR_BUF_IMM':
      return registerCount({ type: 'float', bits: spec.type === 'f16' ? 16 : 32 }, channelCount(modifiers.vecsize!));
    default:
      return undefined;
  }
}

export function findEffects(i: Instruction): Effects {
  const { dest } = i;
  const sources: number[] = [];
  const writes: number[] = [];
  const add = (list: number[], r: number): void => {
    if (!list.includes(r)) list.push(r);
  };
  for (const { kind, index, spec } of i.sources) {
    if (kind !== 'register') continue;
    add(sources, index);
    if (spec.size === 64 && index + 1 < REGISTERS) add(sources, index + 1);
  }
  const reads = sources.slice();
  for (const { register, count, read, write } of i.staging) {
    const end = Math.min(REGISTERS, register + (lengthOf(i) ?? Math.max(count, LEAST_RUN)));
    for (let r = register; r < end; r++) {
      add(reads, r);
      if (write || !read) add(writes, r);
    }
  }
  const results: number[] = [];
  if (dest >= 0) results.push(dest);
  if (dest >= 0 && i.spec.type.endsWith('64') && dest + 1 < REGISTERS) results.push(dest + 1);
  for (const r of results) {
    add(writes, r);
    add(reads, r);
  }
  return { sources, reads, writes, kills: i.destHalves === HALVES.BOTH ? results : [] };
}
