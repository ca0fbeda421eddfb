/**
 * Control flow: from a program's first instruction to its basic blocks.
 *
 * A unit is all that can be reached by branches whose target stands in the instruction. Blocks lie in the order of their
 * addresses, which is the order in which lanes that have parted run (shader/core.ts). What cannot be decoded or fetched
 * ends a block: it is a fault only when lanes come there.
 *
 * Where it is known which blend shaders a draw has, their blocks can be part of its fragment shader's unit (calls.ts): then they lie
 * where they are called.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { FLOW_END, INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import type { VirtualMemory } from '../contract.ts';
import { compile, type Step } from '../shader/control.ts';
import type { Instruction } from '../shader/decode.ts';
import { always, type Blends, type Called, calledAt, type Reader, skips } from './calls.ts';
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
  /** Whether its branch is always taken, or never; undefined: it depends, or there is none. */
  readonly always: boolean | undefined;
}

/** An indirect branch of which is known where it leads. */
export interface Resolved {
  readonly always: boolean;
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
  /** By address, the indirect branches that lead to one place. */
  readonly resolved: ReadonlyMap<number, Resolved>;
}

export interface Found {
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

/**
 * Finds the unit that begins at `entry`, with all that can be reached from `others`. `blends`: of a draw, so that what calls blend shaders is
 * left out where fixed function blends, and the shaders are in that are called each from one place.
 */
export function findUnit(
  memory: VirtualMemory,
  entry: number,
  others: readonly number[] = [],
  blends: Blends = [],
): Unit {
  const reader = new UnitReader(memory);
  const found = new Map<number, Found>();
  const roots = [...new Set(others)].filter((pc) => pc !== entry).sort((a, b) => a - b);
  const leaders = new Set([entry, ...roots]);
  const resolved = new Map<number, Resolved>();
  const called: Called[] = [];
  // The entry is taken first: whatever the limit, it is in.
  const work = [...roots, entry];
  while (work.length > 0) {
    let pc = work.pop()!;
    let before: Site | undefined;
    while (!found.has(pc) && found.size < MAX_INSTRUCTIONS) {
      const one = reader.read(pc);
      if (!one) break;
      found.set(pc, one);
      const { site } = one;
      if (!site) break;
      const { target, goesOn } = reader.leads(site);
      const call = blends.length > 0 ? calledAt(site, before, blends, reader) : undefined;
      const ends = !goesOn || skips(site, blends);
      before = site;
      pc += INSTRUCTION_SIZE;
      if (call) called.push(call);
      // A thread that ends goes to no target.
      if (target !== undefined && !(ends && target === pc)) {
        leaders.add(target);
        work.push(target);
      }
      if (endOf(site) && !ends) leaders.add(pc);
      if (ends) break;
    }
  }
  const places = new Map<number, number>();
  for (const one of called) include(one, { found, leaders, resolved, places });
  const order = (a: number, b: number): number => (places.get(a) ?? a) - (places.get(b) ?? b) || a - b;
  const blocks = blocksOf(found, [...leaders].sort(order), resolved);
  const index = new Map(blocks.map(({ pc }, n) => [pc, n]));
  return {
    entry,
    roots,
    blocks,
    index,
    live: liveIn(blocks, index, entry),
    words: [...found].map(([pc, { low, high }]) => [pc, low, high] as const),
    resolved,
  };
}

interface Parts {
  readonly found: Map<number, Found>;
  readonly leaders: Set<number>;
  readonly resolved: Map<number, Resolved>;
  /** Behind which address the blocks of a blend shader lie. */
  readonly places: Map<number, number>;
}

/** Makes a called shader part of a unit, unless it is there already. */
function include(one: Called, { found, leaders, resolved, places }: Parts): void {
  if (found.size + one.found.size > MAX_INSTRUCTIONS) return;
  for (const pc of one.found.keys()) if (found.has(pc)) return;
  // It comes back to where lanes would go on that do not call.
  for (const { always: taken, target } of one.resolved.values()) {
    if (taken && !found.has(target) && !one.found.has(target)) return;
  }
  for (const [pc, instruction] of one.found) found.set(pc, instruction);
  for (const [pc, branch] of one.resolved) {
    resolved.set(pc, branch);
    if (branch.always) leaders.add(branch.target);
  }
  for (const pc of one.leaders) {
    leaders.add(pc);
    places.set(pc, one.from + INSTRUCTION_SIZE / 2);
  }
}

/** Reads instructions where they may be executed. */
class UnitReader implements Reader {
  readonly #memory: VirtualMemory;
  readonly #pages = new Map<number, boolean>();

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  read(pc: number): Found | undefined {
    if (pc % INSTRUCTION_SIZE !== 0 || !this.#executable(pc)) return undefined;
    const low = this.#memory.load32(pc) >>> 0;
    const high = this.#memory.load32(pc + 4) >>> 0;
    const known = knownOf(low, high);
    return { site: known.instruction && new Site(pc, known), low, high };
  }

  leads(site: Site): { target: number | undefined; goesOn: boolean; indirect: boolean } {
    const end = endOf(site);
    return { target: end && targetOf(site), goesOn: end !== 'end', indirect: end === 'indirect' };
  }

  #executable(pc: number): boolean {
    const page = pc - (pc % PAGE_SIZE);
    let answer = this.#pages.get(page);
    if (answer === undefined) {
      const memory = this.#memory;
      answer = memory.probe(page, PAGE_SIZE, 'execute') && memory.probe(page, PAGE_SIZE, 'read');
      this.#pages.set(page, answer);
    }
    return answer;
  }
}

function blocksOf(
  found: ReadonlyMap<number, Found>,
  leaders: readonly number[],
  resolved: ReadonlyMap<number, Resolved>,
): Block[] {
  const leads = new Set(leaders);
  return leaders.map((start) => {
    const sites: Site[] = [];
    let pc = start;
    for (;;) {
      const site = found.get(pc)?.site;
      if (!site) return { pc: start, sites, end: 'leave', next: pc, target: Number.NaN, always: undefined };
      sites.push(site);
      const known = resolved.get(pc);
      pc += INSTRUCTION_SIZE;
      const end = known ? 'branch' : endOf(site);
      if (end) {
        const { target = targetOf(site) ?? Number.NaN, always: taken } = known ?? {};
        const tests = end === 'branch' ? (taken ?? always(site.instruction)) : undefined;
        return { pc: start, sites, end, next: pc, target, always: tests };
      }
      if (leads.has(pc)) return { pc: start, sites, end: 'fall', next: pc, target: Number.NaN, always: undefined };
    }
  });
}
