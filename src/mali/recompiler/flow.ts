/**
 * Control flow: from a program's first instruction to its basic blocks.
 *
 * A unit is all that can be reached by branches whose target stands in the instruction. Blocks lie in the order of their
 * addresses, which is the order in which lanes that have parted run (shader/core.ts). What cannot be decoded or fetched
 * ends a block: it is a fault only when lanes come there.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { FLOW_END, INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import type { VirtualMemory } from '../contract.ts';
import { compile, type Step } from '../shader/control.ts';
import type { Instruction } from '../shader/decode.ts';
import type { Effects } from './effects.ts';
import { type Known, knownOf } from './known.ts';
import { liveIn } from './liveness.ts';

/** Instructions of one unit; what follows is another's. */
const MAX_INSTRUCTIONS = 4096;

export class Site {
  readonly pc: number;
  readonly instruction: Instruction;
  readonly #known: Known;
  #step: Step | undefined;

  constructor(pc: number, known: Known) {
    this.pc = pc;
    this.instruction = known.instruction!;
    this.#known = known;
  }

  /** The registers that it touches. */
  get effects(): Effects {
    return this.#known.effects;
  }

  /** The interpreter's way of running it. */
  get step(): Step {
    this.#step ??= compile(this.instruction);
    return this.#step;
  }
}

/**
 * How a block ends. `leave`: lanes go on at an address outside of the unit, or at one whose instruction is a fault;
 * `indirect`: the interpreter's step says where each goes (a branch to an address, or by a special value).
 */
export type BlockEnd = 'fall' | 'branch' | 'blend' | 'end' | 'barrier' | 'indirect' | 'leave';

export interface Block {
  readonly pc: number;
  readonly sites: readonly Site[];
  readonly end: BlockEnd;
  /** Address behind the block, where lanes go that do not branch. */
  readonly next: number;
  /** Where a branch leads; NaN without one. */
  readonly target: number;
}

export interface Unit {
  readonly entry: number;
  /** Further addresses where lanes stand when they come in, in ascending order. */
  readonly roots: readonly number[];
  readonly blocks: readonly Block[];
  /** Block numbers by address. */
  readonly index: ReadonlyMap<number, number>;
  /** Registers that a fresh warp may read before it has written them. */
  readonly live: readonly number[];
  /** All instruction words with their addresses: pc, low, high. */
  readonly words: readonly (readonly [pc: number, low: number, high: number])[];
}

interface Found {
  readonly site: Site | undefined;
  readonly low: number;
  readonly high: number;
}

/** Where an instruction leads besides the next one; undefined: nowhere. */
function targetOf({ pc, instruction: i }: Site): number | undefined {
  if (i.spec.name === 'BRANCHZ') return pc + (i.immediates.offset! + 1) * INSTRUCTION_SIZE;
  if (i.spec.name === 'BLEND') return pc + INSTRUCTION_SIZE * (1 + i.immediates.target!);
  return undefined;
}

const endOf = ({ instruction: i }: Site): BlockEnd | undefined => {
  switch (i.spec.name) {
    case 'BRANCHZ':
      return i.sources[0]!.kind === 'special' ? 'indirect' : 'branch';
    case 'BLEND':
      return 'blend';
    case 'BRANCHZI':
      return 'indirect';
    case 'BARRIER':
      return 'barrier';
    default:
      return i.flow === FLOW_END ? 'end' : undefined;
  }
};

/** Finds the unit that begins at `entry`, with all that can be reached from `others`. */
export function findUnit(memory: VirtualMemory, entry: number, others: readonly number[] = []): Unit {
  const pages = new Map<number, boolean>();
  const executable = (pc: number): boolean => {
    const page = pc - (pc % PAGE_SIZE);
    let answer = pages.get(page);
    if (answer === undefined) {
      answer = memory.probe(page, PAGE_SIZE, 'execute') && memory.probe(page, PAGE_SIZE, 'read');
      pages.set(page, answer);
    }
    return answer;
  };
  const found = new Map<number, Found>();
  const roots = [...new Set(others)].filter((pc) => pc !== entry).sort((a, b) => a - b);
  const leaders = new Set([entry, ...roots]);
  // The entry is taken first: whatever the limit, it is in.
  const work = [...roots, entry];
  while (work.length > 0) {
    let pc = work.pop()!;
    while (!found.has(pc) && found.size < MAX_INSTRUCTIONS && pc % INSTRUCTION_SIZE === 0 && executable(pc)) {
      const site = siteAt(memory, pc);
      found.set(pc, site);
      if (!site.site) break;
      const end = endOf(site.site);
      const target = targetOf(site.site);
      pc += INSTRUCTION_SIZE;
      if (end) {
        const goesOn = end !== 'end';
        if (goesOn) leaders.add(pc);
        if (target !== undefined) {
          leaders.add(target);
          work.push(target);
        }
        if (!goesOn) break;
      }
    }
  }
  const blocks = blocksOf(found, leaders);
  const index = new Map(blocks.map(({ pc }, n) => [pc, n]));
  return {
    entry,
    roots,
    blocks,
    index,
    live: liveIn(blocks, index, entry),
    words: [...found].map(([pc, { low, high }]) => [pc, low, high] as const),
  };
}

function siteAt(memory: VirtualMemory, pc: number): Found {
  const low = memory.load32(pc) >>> 0;
  const high = memory.load32(pc + 4) >>> 0;
  const known = knownOf(low, high);
  return { site: known.instruction && new Site(pc, known), low, high };
}

function blocksOf(found: ReadonlyMap<number, Found>, leaders: ReadonlySet<number>): Block[] {
  const blocks: Block[] = [];
  for (const start of [...leaders].sort((a, b) => a - b)) {
    const sites: Site[] = [];
    let pc = start;
    let end: BlockEnd = 'leave';
    let target = Number.NaN;
    for (;;) {
      const site = found.get(pc)?.site;
      if (!site) break;
      sites.push(site);
      pc += INSTRUCTION_SIZE;
      const ends = endOf(site);
      if (ends) {
        end = ends;
        target = targetOf(site) ?? Number.NaN;
        break;
      }
      if (leaders.has(pc)) {
        end = 'fall';
        break;
      }
    }
    blocks.push({ pc: start, sites, end, next: pc, target });
  }
  return blocks;
}
