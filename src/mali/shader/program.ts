/**
 * CodeCache: the programs of one address space, compiled instruction by instruction as they are reached.
 *
 * A page of code keeps its words beside the compiled steps. When a run begins, pages that it touches are compared with
 * memory once; where a word has changed, its step is compiled anew.
 */

import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { compile, type Step } from './control.ts';
import { decode, EncodingError } from './decode.ts';

export const STEPS_PER_PAGE = PAGE_SIZE / INSTRUCTION_SIZE;
/** Pages kept before all are forgotten. */
const MAX_PAGES = 256;

/** One page of code. `steps[n]` is undefined until it is reached. */
export interface CodePage {
  readonly address: number;
  readonly words: Uint32Array;
  readonly steps: (Step | undefined)[];
  /** Run in which it was last compared with memory. */
  epoch: number;
}

export class CodeCache {
  readonly #memory: VirtualMemory;
  readonly #pages = new Map<number, CodePage>();
  #epoch = 0;

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** A new run: memory may have changed since the last one. */
  begin(): void {
    this.#epoch++;
  }

  /** The page that holds `pc`. Throws PageFault if it may not be executed. */
  page(pc: number): CodePage {
    const address = pc - (pc % PAGE_SIZE);
    let page = this.#pages.get(address);
    if (!page) {
      if (this.#pages.size >= MAX_PAGES) this.#pages.clear();
      page = {
        address,
        words: new Uint32Array(STEPS_PER_PAGE * 2),
        steps: Array.from({ length: STEPS_PER_PAGE }, () => undefined),
        epoch: 0,
      };
      this.#pages.set(address, page);
    }
    if (page.epoch !== this.#epoch) this.#verify(page);
    return page;
  }

  #verify(page: CodePage): void {
    this.#memory.translate(page.address, 'execute');
    for (let i = 0; i < STEPS_PER_PAGE; i++) {
      if (!page.steps[i]) continue;
      const at = page.address + i * INSTRUCTION_SIZE;
      const same =
        this.#memory.load32(at) >>> 0 === page.words[i * 2] &&
        this.#memory.load32(at + 4) >>> 0 === page.words[i * 2 + 1];
      if (!same) page.steps[i] = undefined;
    }
    page.epoch = this.#epoch;
  }

  /** Decodes and compiles one instruction. Throws GpuFault that names it. */
  compile(page: CodePage, index: number): Step {
    const pc = page.address + index * INSTRUCTION_SIZE;
    const low = this.#memory.load32(pc) >>> 0;
    const high = this.#memory.load32(pc + 4) >>> 0;
    try {
      const step = compile(decode(low, high));
      page.words[index * 2] = low;
      page.words[index * 2 + 1] = high;
      page.steps[index] = step;
      return step;
    } catch (error) {
      if (!(error instanceof EncodingError)) throw error;
      throw new GpuFault(EXCEPTION.INSTR_INVALID_ENC, pc, `shader at pc 0x${pc.toString(16)}: ${error.message}`);
    }
  }
}

const caches = new WeakMap<VirtualMemory, CodeCache>();

/** The code cache of an address space. */
export function codeCache(memory: VirtualMemory): CodeCache {
  let cache = caches.get(memory);
  if (!cache) {
    cache = new CodeCache(memory);
    caches.set(memory, cache);
  }
  return cache;
}
