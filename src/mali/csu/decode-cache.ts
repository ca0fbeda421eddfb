/**
 * DecodeCache: decoded instructions by their 64 bits.
 *
 * Streams are loops and copies of one another; most words have been seen before. Decoded operands never change, so one
 * object serves all who meet the word: one cache for the whole GPU, which no start, suspend or change of a group touches.
 */
import { decodeCs } from '../../abi/gpu/cs.ts';
import { type Execute, executorOf } from './execute.ts';

/** An instruction ready to be run: what it does, and with which operands. */
export interface DecodedInstruction {
  readonly execute: Execute<any>;
  readonly operands: any;
}

const ENTRIES = 2048;
/** Spreads opcodes, registers and small immediates over the entries. */
const MIX = 0x9e3779b1;

export class DecodeCache {
  readonly #low = new Uint32Array(ENTRIES);
  readonly #high = new Uint32Array(ENTRIES);
  readonly #decoded: (DecodedInstruction | undefined)[] = new Array(ENTRIES).fill(undefined);

  /** The instruction at byte `at`, undefined if it is none. */
  fetch(view: DataView, at: number): DecodedInstruction | undefined {
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    const i = (Math.imul(low ^ Math.imul(high, MIX), MIX) >>> 16) % ENTRIES;
    const known = this.#decoded[i];
    if (known && this.#low[i] === low && this.#high[i] === high) return known;
    const instruction = decodeCs(view, at);
    const decoded = instruction && { execute: executorOf(instruction.name), operands: instruction.operands };
    this.#decoded[i] = decoded;
    this.#low[i] = low;
    this.#high[i] = high;
    return decoded;
  }
}
