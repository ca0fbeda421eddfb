/**
 * DecodeCache: decoded instructions by their 64 bits.
 *
 * Streams are loops and copies of one another; most words have been seen before. Decoded operands never change, so one
 * object serves all who meet the word.
 */
import { type CsInstruction, decodeCs } from '../../abi/gpu/cs.ts';

const ENTRIES = 2048;
/** Spreads opcodes, registers and small immediates over the entries. */
const MIX = 0x9e3779b1;

export class DecodeCache {
  readonly #low = new Uint32Array(ENTRIES);
  readonly #high = new Uint32Array(ENTRIES);
  readonly #decoded: (CsInstruction | undefined)[] = new Array(ENTRIES).fill(undefined);

  /** The instruction at byte `at`, undefined if it is none. */
  fetch(view: DataView, at: number): CsInstruction | undefined {
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    const i = (Math.imul(low ^ Math.imul(high, MIX), MIX) >>> 16) % ENTRIES;
    const known = this.#decoded[i];
    if (known && this.#low[i] === low && this.#high[i] === high) return known;
    const decoded = decodeCs(view, at);
    this.#decoded[i] = decoded;
    this.#low[i] = low;
    this.#high[i] = high;
    return decoded;
  }
}
