/**
 * CodeWords: the instructions that a unit was compiled from, and whether memory still holds them. Each run asks anew, since
 * programs are in memory that clients write to: so it is one comparison of words in DRAM, page by page.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import type { VirtualMemory } from '../contract.ts';

/** Words that follow one another inside a page. */
interface Piece {
  readonly pc: number;
  readonly words: Uint32Array;
}

export class CodeWords {
  readonly #pieces: readonly Piece[];

  constructor(words: readonly (readonly [pc: number, low: number, high: number])[]) {
    const sorted = words.toSorted(([a], [b]) => a - b);
    const pieces: { pc: number; words: number[] }[] = [];
    for (const [pc, low, high] of sorted) {
      const last = pieces.at(-1);
      if (last && last.pc + last.words.length * 4 === pc && pc % PAGE_SIZE !== 0) last.words.push(low, high);
      else pieces.push({ pc, words: [low, high] });
    }
    this.#pieces = pieces.map((piece) => ({ pc: piece.pc, words: Uint32Array.from(piece.words) }));
  }

  /** Whether memory still holds all of them and lets them be executed. Latches no fault. */
  in(memory: VirtualMemory): boolean {
    const dram = memory.dram.u32;
    for (let i = 0; i < this.#pieces.length; i++) {
      const { pc, words } = this.#pieces[i]!;
      // What may be executed may be read.
      const extent = memory.extent(pc, 'execute');
      if (!extent) return false;
      const at = (extent.physical + (pc - extent.start)) / 4;
      for (let k = 0; k < words.length; k++) if (dram[at + k] !== words[k]) return false;
    }
    return true;
  }
}
