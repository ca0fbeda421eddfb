/**
 * DecodeCache: decoded instructions by their 64 bits.
 *
 * Streams are loops and copies of one another; most words have been seen before. Decoded operands never change, so one
 * object serves all who meet the word: one cache for the whole GPU, which no start, suspend or change of a group touches.
 */
import type { CommandSet } from '../../abi/gpu/cs.ts';
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
  /** The instruction set that it takes words apart by. */
  readonly commands: CommandSet;
  readonly #low = new Uint32Array(ENTRIES);
  readonly #high = new Uint32Array(ENTRIES);
  readonly #decoded: (DecodedInstruction | undefined)[] = new Array(ENTRIES).fill(undefined);

  constructor(commands: CommandSet) {
    this.commands = commands;
  }

  /** The instruction at byte `at`, undefined if it is none. */
  fetch(view: DataView, at: number): DecodedInstruction | undefined {
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    const i = (Math.imul(low ^ Math.imul(high, MIX), MIX) >>> 16) % ENTRIES;
    if (this.#low[i] === low && this.#high[i] === high && this.#decoded[i]) return this.#decoded[i];
    // Its neighbour is its second place: two words that meet in one do not drive each other out.
    const j = i ^ 1;
    if (this.#low[j] === low && this.#high[j] === high && this.#decoded[j]) return this.#decoded[j];
    const instruction = this.commands.decode(view, at);
    if (!instruction) return undefined;
    this.#put(j, this.#low[i]!, this.#high[i]!, this.#decoded[i]);
    const decoded = { execute: executorOf(instruction.name), operands: instruction.operands };
    this.#put(i, low, high, decoded);
    return decoded;
  }

  #put(i: number, low: number, high: number, decoded: DecodedInstruction | undefined): void {
    this.#low[i] = low;
    this.#high[i] = high;
    this.#decoded[i] = decoded;
  }
}
