/**
 * The units of an address space, by the addresses of their blocks. A unit is compared with memory when a run begins and it is
 * wanted; what runs it is made when it is first called.
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import type { VirtualMemory } from '../contract.ts';
import type { Holder } from './budget.ts';
import { type Blends, callsOf } from './calls.ts';
import { CodeWords } from './code-words.ts';
import { type Compiled, codeBudget, compileUnit, instantiate, type Run } from './compiled.ts';
import { waysKey } from './draw-ways.ts';
import type { Mode } from './emit.ts';
import { findUnit, type Site, type Unit } from './flow.ts';
import { WARP_VECTORS } from './lanes.ts';
import type { Runnable } from './outside.ts';

/** Instructions of the units kept of one address space. */
const MOST_INSTRUCTIONS = 2 ** 17;

/** Ways of running one unit that are kept. */
const MAX_OTHERS = 64;

/** Modes of units that are kept by address; lists are kept with them. */
const MODES = 8;
const LISTS = ['fragment', 'vertex', 'compute'];
const keyOf = ({ flush32, flush16, parted, list, vectors }: Mode): number =>
  (flush32 ? 1 : 0) +
  (flush16 ? 2 : 0) +
  (parted ? 4 : 0) +
  (list ? MODES * (1 + LISTS.indexOf(list) * 2 + (vectors === WARP_VECTORS ? 0 : 1)) : 0);

/** A unit of an address space. What runs it is made when it is first wanted, and again when it had to be dropped. */
export class Ready implements Holder {
  readonly unit: Unit;
  /** Run in which it was last compared with memory. */
  epoch: number;
  readonly #mode: Mode;
  readonly #dram: PhysicalMemory;
  #made: Made | undefined;
  #words: CodeWords | undefined;
  readonly #others = new Map<string, Ready>();
  /** The same with blend shaders, by their addresses. */
  readonly withShaders = new Map<string, Ready>();

  constructor(unit: Unit, mode: Mode, dram: PhysicalMemory, epoch: number) {
    this.unit = unit;
    this.#mode = mode;
    this.#dram = dram;
    this.epoch = epoch;
  }

  /** What it was compiled from. */
  get words(): CodeWords {
    this.#words ??= new CodeWords(this.unit.words);
    return this.#words;
  }

  get made(): Made {
    this.#made ??= this.#make();
    return this.#made;
  }

  drop(): void {
    this.#made = undefined;
  }

  /** Another unit, run in the same way. */
  calling(unit: Unit, epoch: number): Ready {
    return new Ready(unit, this.#mode, this.#dram, epoch);
  }

  #make(): Made {
    const code = compileUnit(this.unit, this.#mode);
    codeBudget.hold(this, code.bytes);
    const { entry, blocks } = this.unit;
    const sites = new Map(blocks.flatMap((block) => block.sites.map((site) => [site.pc, site] as const)));
    const steps = code.steps.map((offset) => sites.get(entry + offset)!);
    return { code, run: instantiate(code, this.#dram), steps, wants: code.wants, records: code.recordsAt };
  }

  /** The same unit with another way of running it. */
  as(mode: Mode): Ready {
    const key = `${keyOf(mode)} ${mode.ways ? waysKey(mode.ways, this.unit) : ''}`;
    let other = this.#others.get(key);
    if (!other) {
      if (this.#others.size >= MAX_OTHERS) this.#others.clear();
      other = new Ready(this.unit, mode, this.#dram, this.epoch);
      this.#others.set(key, other);
    }
    return other;
  }
}

interface Made extends Runnable {
  /** Held for its records. */
  readonly code: Compiled;
  readonly run: Run;
  readonly steps: readonly Site[];
}

/** The units of one address space. */
export class UnitCache {
  readonly #memory: VirtualMemory;
  /** By the address of any of a unit's blocks, and mode. */
  readonly #units = new Map<number, Ready>();
  readonly #most: number;
  /** Instructions of the units above. */
  #instructions = 0;
  #epoch = 0;

  /** It keeps units of at most so many instructions in all. */
  constructor(memory: VirtualMemory, most = MOST_INSTRUCTIONS) {
    this.#memory = memory;
    this.#most = most;
  }

  /** Instructions of the units that it keeps; those that others have replaced count. */
  get instructions(): number {
    return this.#instructions;
  }

  begin(): void {
    this.#epoch++;
  }

  /** The unit in which the lanes at `pcs` run, those at `pc` first. */
  at(pc: number, pcs: ReadonlySet<number>, mode: Mode): Ready {
    const modeKey = keyOf(mode);
    const known = this.#units.get(pc * MODES + modeKey);
    const current = known && (known.epoch === this.#epoch || known.words.in(this.#memory)) ? known : undefined;
    if (current) {
      current.epoch = this.#epoch;
      let all = true;
      for (const other of pcs) if (!current.unit.index.has(other)) all = false;
      if (all) return current;
    }
    // Lanes that an indirect branch led into the midst of a block, or elsewhere: only within one unit do they meet.
    const unit = findUnit(this.#memory, current?.unit.entry ?? pc, [...(current?.unit.roots ?? []), ...pcs]);
    const { entry } = unit;
    const ready = new Ready(unit, mode, this.#memory.dram, this.#epoch);
    this.#count(unit);
    this.#units.set(entry * MODES + modeKey, ready);
    for (const { pc: at, sites } of unit.blocks) if (sites.length > 0) this.#units.set(at * MODES + modeKey, ready);
    return ready;
  }

  /** The unit of `ready` as a draw runs it: with the blend shaders that it calls, without what calls none. */
  calling(ready: Ready, blends: Blends): Ready {
    const { unit } = ready;
    let key = '';
    for (const n of callsOf(unit)) key += `${n} ${blends[n]} `;
    if (key === '') return ready;
    const known = ready.withShaders.get(key);
    if (known && (known.epoch === this.#epoch || known.words.in(this.#memory))) {
      known.epoch = this.#epoch;
      return known;
    }
    if (ready.withShaders.size >= MAX_OTHERS) ready.withShaders.clear();
    const called = ready.calling(findUnit(this.#memory, unit.entry, unit.roots, blends), this.#epoch);
    this.#count(called.unit);
    ready.withShaders.set(key, called);
    return called;
  }

  /** Keeps no more than it may; a unit of none is kept all the same. */
  #count({ words }: Unit): void {
    const instructions = 1 + words.length;
    if (this.#instructions + instructions > this.#most) {
      this.#units.clear();
      this.#instructions = 0;
    }
    this.#instructions += instructions;
  }
}
