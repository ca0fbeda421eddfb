/**
 * What is known of an instruction from its two words alone: its parts, and the registers that it touches. Shaders of one
 * compiler have most of their instructions in common, so what was found is kept, in a table in which each has one place.
 */
import { compile, compiles } from '../shader/control.ts';
import { decode, EncodingError, type Instruction } from '../shader/decode.ts';
import { type Effects, findEffects } from './effects.ts';

export class Known {
  readonly low: number;
  readonly high: number;
  /** Undefined: it is none, or the interpreter refuses it. */
  readonly instruction: Instruction | undefined;
  #effects: Effects | undefined;

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
    try {
      const instruction = decode(low, high);
      // Most arithmetic is never refused.
      if (!compiles(instruction)) compile(instruction);
      this.instruction = instruction;
    } catch (error) {
      if (!(error instanceof EncodingError)) throw error;
    }
  }

  get effects(): Effects {
    this.#effects ??= findEffects(this.instruction!);
    return this.#effects;
  }
}

const PLACES = 4096;
const table: (Known | undefined)[] = Array.from({ length: PLACES }, () => undefined);

/** An odd number that spreads words over the table. */
const SPREAD = 0x9e3779b1;

export function knownOf(low: number, high: number): Known {
  const at = Math.imul(low ^ Math.imul(high, SPREAD), SPREAD) >>> 20;
  let known = table[at];
  if (known?.low !== low || known.high !== high) {
    known = new Known(low, high);
    table[at] = known;
  }
  return known;
}
