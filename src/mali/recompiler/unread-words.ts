/**
 * Registers whose words nobody reads.
 *
 * An instruction on pairs of halves leaves the singles that they stand for beside its register (half-lanes.ts), and most of those
 * that read it take these. Where the register is overwritten before anybody wants its word, the word needs not be made: to pack two
 * halves is a sixth of such an instruction's code.
 */
import type { Block } from './flow.ts';
import { isDirectedSum, readable } from './lowering.ts';

/** Instructions that take halves of registers as singles, all of their sources. */
const TAKES_HALVES: ReadonlySet<string> = new Set([
  ...['FADD.v2f16', 'FADD_IMM.v2f16', 'FMA.v2f16', 'FMIN.v2f16', 'FMAX.v2f16', 'FROUND.v2f16', 'FLUSH.v2f16'],
]);

/** Whether what instruction `at` of a block leaves in a register is overwritten in the block, and not read but as halves. */
export function isUnread({ sites }: Block, at: number, register: number): boolean {
  for (let n = at + 1; n < sites.length; n++) {
    const { instruction: i, effects } = sites[n]!;
    if (i.staging.length > 0) {
      if (effects.reads.includes(register) || effects.writes.includes(register)) return false;
      continue;
    }
    const halves = TAKES_HALVES.has(i.spec.name) && readable(i) && !isDirectedSum(i);
    if (!halves && effects.sources.includes(register)) return false;
    if (effects.kills.includes(register)) return true;
    if (effects.writes.includes(register)) return false;
  }
  return false;
}
