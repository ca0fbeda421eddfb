/**
 * From decoded instructions to lane operations: arithmetic, comparisons, conversions and selections.
 *
 * `lower` answers with the words of the destination registers, or with undefined for an instruction that has no lane
 * operations here: the program then calls the interpreter's own step for it, on the same registers (emit.ts). Both ways
 * compute the same: lower.test.ts holds every instruction to that.
 */
import type { Instruction } from '../shader/decode.ts';
import type { Lanes } from './lanes.ts';
import { COMPARE, discards } from './lower-compare.ts';
import { CONVERT } from './lower-convert.ts';
import { FLOAT } from './lower-float.ts';
import { INTEGER } from './lower-integer.ts';
import { isDirectedSum, Lowering, type Lowerings, type Operands, readable } from './lowering.ts';

export { crosses } from './lower-compare.ts';
export type { Operands } from './lowering.ts';

const TABLE: Lowerings = { ...INTEGER, ...COMPARE, ...FLOAT, ...CONVERT };

/** The words of the destination's registers, one or two; undefined: the instruction has no lane operations here. */
export function lower(o: Operands, i: Instruction): Lanes[] | undefined {
  const make = TABLE[i.spec.name] ?? TABLE[i.spec.base];
  return make && readable(i) && !isDirectedSum(i) ? make(new Lowering(o, i)) : undefined;
}

/** A mask of the lanes that DISCARD takes; undefined: it is another instruction, or reads what the interpreter has. */
export const lowerDiscard = (o: Operands, i: Instruction): Lanes | undefined =>
  i.spec.name === 'DISCARD.f32' && readable(i) ? discards(new Lowering(o, i)) : undefined;
