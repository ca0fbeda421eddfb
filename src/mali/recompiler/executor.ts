/**
 * Runs warps by recompiled code.
 *
 * A warp's lanes stand at addresses (`pcs`). Those of the lowest run: the unit that holds their address (flow.ts) is found or
 * made, each lane is told its block, and the unit's function runs until no lane has anywhere to go, the slice is used
 * up, or lanes are handed back: at barriers, indirect branches, and the unit's edge.
 *
 * Units are known per address space and compared with memory when a run begins; compiled code is known by content, so the
 * same shader is compiled once whatever space or address it lies in.
 */
import { BLEND_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { FLOW_DISCARD, FLOW_END, INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { type FragmentStage, LANES, type Stage } from '../shader/contract.ts';
import type { MakeExecutor, SliceEnd, WarpExecutor } from '../shader/core.ts';
import { codeCache } from '../shader/program.ts';
import type { RunContext, WarpState } from '../shader/warp.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import { fillAddress, fillAttribute } from './attribute-record.ts';
import { CodeWords } from './code-words.ts';
import { REGISTERS } from './effects.ts';
import { emitUnit, type Mode } from './emit.ts';
import { type Block, findUnit, type Site, type Unit } from './flow.ts';
import { FRAME, RECORD, REFILL, STATUS, STEP } from './frame.ts';
import { PAIR_VECTORS, WARP_VECTORS } from './lanes.ts';
import { parts } from './parts.ts';
import { isAlone, quadwise } from './quadwise.ts';
import { refillTexture } from './texture.ts';

type Run = (registers: number, frame: number) => number;

/** Code by content: the same for all address spaces. */
interface Compiled {
  readonly module: WebAssembly.Module;
  /** The module bound to a board's memory. */
  readonly instances: WeakMap<PhysicalMemory, Run>;
  readonly records: object;
  /** Quads at a time. */
  readonly vectors: number;
  /** Offsets from the entry of the instructions that the interpreter is called for. */
  readonly steps: readonly number[];
}

/** Modes of units that are kept by address; lists are kept with them. */
const MODES = 8;
const LISTS = ['fragment', 'vertex', 'compute'];
const keyOf = ({ flush32, flush16, parted, list, vectors }: Mode): number =>
  (flush32 ? 1 : 0) +
  (flush16 ? 2 : 0) +
  (parted ? 4 : 0) +
  (list ? MODES * (1 + LISTS.indexOf(list) * 2 + (vectors === WARP_VECTORS ? 0 : 1)) : 0);

/** A unit of an address space. What runs it is made when it is first wanted. */
class Ready {
  readonly unit: Unit;
  /** Run in which it was last compared with memory. */
  epoch: number;
  readonly #mode: Mode;
  readonly #dram: PhysicalMemory;
  #made: Made | undefined;
  #words: CodeWords | undefined;
  readonly #others = new Map<number, Ready>();

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

  #make(): Made {
    const code = compileUnit(this.unit, this.#mode);
    const { entry, blocks } = this.unit;
    const sites = new Map(blocks.flatMap((block) => block.sites.map((site) => [site.pc, site] as const)));
    const steps = code.steps.map((offset) => sites.get(entry + offset)!);
    return { code, run: instantiate(code, this.#dram), steps };
  }

  /** The same unit with another way of running it. */
  as(mode: Mode): Ready {
    const key = keyOf(mode);
    let other = this.#others.get(key);
    if (!other) {
      other = new Ready(this.unit, mode, this.#dram, this.epoch);
      this.#others.set(key, other);
    }
    return other;
  }
}

interface Made {
  /** Held for its records, whose addresses are in the code. */
  readonly code: Compiled;
  readonly run: Run;
  readonly steps: readonly Site[];
}

const compiled = new Map<string, Compiled>();
/** Compiled units kept before all are forgotten. */
const MAX_COMPILED = 4096;
/** Units kept of one address space. */
const MAX_UNITS = 4096;

/** Whether this host's relaxed multiply-add is fused: (1 + 2^-12)² less what a rounded product would be. */
const FUSED = ((): boolean => {
  const m = new ModuleBuilder();
  const f = m.function('fused', [], ['f32'], true);
  const a = 1 + 2 ** -12;
  f.f32x4(a, a, a, a).f32x4(a, a, a, a);
  const c = -(1 + 2 ** -11);
  f.f32x4(c, c, c, c).op('f32x4_relaxed_madd').lane('f32x4_extract_lane', 0);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.build()));
  return (instance.exports.fused as () => number)() !== 0;
})();

/** Zeros so many bytes of scratch memory, a multiple of 64: script is slow at it, as the memory is shared. */
const zero = ((): ((at: number, bytes: number) => void) => {
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  const f = m.function('shade_zero', ['i32', 'i32'], [], true);
  const nothing = f.local('v128');
  f.get(0).get(1).op('i32_add').set(1);
  const again = f.loop();
  for (let at = 0; at < 64; at += 16) f.get(0).get(nothing).memory('v128_store', at);
  f.get(0).i32(64).op('i32_add').tee(0).get(1).op('i32_lt_u').brIf(again);
  f.end();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.build()), { gpu: { scratch: scratch.memory } });
  return instance.exports.shade_zero as (at: number, bytes: number) => void;
})();

// The warp that runs now: steps of the interpreter work on it.
let current: WarpState | undefined;
let currentSteps: readonly Site[] = [];

/** The interpreter's step for an instruction without lane operations. */
function step(number: number, mask: number, live: number, discarded: number): number {
  const w = current!;
  const { pc, step: s } = currentSteps[number]!;
  w.mask = mask;
  w.live = live;
  w.discarded = discarded;
  w.full = mask === live;
  w.pc = pc;
  s.exec(w);
  scratch.i32[(w.frame + FRAME.discarded) / 4] = w.discarded;
  if (!s.control) return STEP.PLAIN;
  const { taken, ignoreFlow } = w;
  w.taken = 0;
  w.ignoreFlow = false;
  return taken ? STEP.TAKEN : ignoreFlow ? STEP.IGNORE_FLOW : STEP.PLAIN;
}

/** Finds what a load or store may remember of the first lane of `failing`. 0: nothing that would fit. */
function refill(kind: number, record: number, failing: number): number {
  const w = current!;
  const { memory, resources } = w.run.environment;
  const words = scratch.u32;
  const lane = 31 - Math.clz32(failing & -failing);
  if ((kind & 15) === REFILL.ATTRIBUTE) return fillAttribute(w, kind >>> 4, record, lane);
  if (kind === REFILL.ADDRESS) return fillAddress(w, record, lane);
  const low = words[(w.frame + FRAME.low) / 4 + lane]!;
  const high = words[(w.frame + FRAME.high) / 4 + lane]!;
  const buffer = kind === REFILL.BUFFER ? resources.buffer(high) : undefined;
  if (kind === REFILL.BUFFER && !buffer) return 0;
  const va = buffer ? buffer.address : high * HIGH + low;
  if (va >= 2 ** 48) return 0;
  const extent = memory.extent(va, kind === REFILL.WRITE ? 'write' : 'read');
  if (!extent) return 0;
  let { start } = extent;
  let end = start + extent.size;
  if (buffer) {
    start = va;
    end = Math.min(end, va + buffer.size);
  } else {
    // All addresses of a record have the same upper word.
    start = Math.max(start, high * HIGH);
    end = Math.min(end, (high + 1) * HIGH);
  }
  if (end - start < WIDEST) return 0;
  const at = record / 4;
  words[at + RECORD.time / 4] = buffer ? w.run.epoch : memory.generation;
  words[at + RECORD.high / 4] = high;
  words[at + RECORD.low / 4] = start % HIGH;
  words[at + RECORD.size / 4] = end - start;
  words[at + RECORD.physical / 4] = extent.physical + (start - extent.start);
  return 1;
}

/** Finds the sampler that a texture instruction may call. */
const bind = (wanted: number, record: number, failing: number): number =>
  refillTexture(current!, wanted, record, failing);

const HIGH = 2 ** 32;
/** Bytes of the largest load. */
const WIDEST = 16;

function compileUnit(unit: Unit, mode: Mode): Compiled {
  const { entry, words } = unit;
  const masked = mode.parted || parts(unit);
  let key = `${mode.flush32 ? 1 : 0}${mode.flush16 ? 1 : 0}${masked ? 1 : 0}${mode.list ?? ''}${mode.vectors}`;
  for (const root of unit.roots) key += `,${root - entry}`;
  key += ';';
  for (const [pc, low, high] of words) key += `,${pc - entry},${low},${high}`;
  let code = compiled.get(key);
  if (!code) {
    const { bytes, steps, records, vectors } = emitUnit(unit, mode);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    code = {
      module: new WebAssembly.Module(bytes),
      instances: new WeakMap(),
      records,
      vectors,
      steps: steps.map(({ pc }) => pc - entry),
    };
    compiled.set(key, code);
  }
  return code;
}

function instantiate({ module, instances }: Compiled, dram: PhysicalMemory): Run {
  let run = instances.get(dram);
  if (!run) {
    const { table } = functionTable;
    const imports = { gpu: { scratch: scratch.memory, dram: dram.memory, table, step, refill, bind } };
    run = new WebAssembly.Instance(module, imports).exports.run as Run;
    instances.set(dram, run);
  }
  return run;
}

/** The units of one address space. */
class UnitCache {
  readonly #memory: VirtualMemory;
  /** By the address of any of a unit's blocks, and mode. */
  readonly #units = new Map<number, Ready>();
  #epoch = 0;

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
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
    if (this.#units.size >= MAX_UNITS) this.#units.clear();
    this.#units.set(entry * MODES + modeKey, ready);
    for (const { pc: at, sites } of unit.blocks) if (sites.length > 0) this.#units.set(at * MODES + modeKey, ready);
    return ready;
  }
}

const REGISTER_BYTES = LANES * 4;
const caches = new WeakMap<VirtualMemory, UnitCache>();

/** Where lanes stand that look for a unit. */
const standing = new Set<number>();

const modes: Mode[] = [];

/** The way of running whole warps, or such as have parted. */
function modeOf(flush32: boolean, flush16: boolean, parted: boolean): Mode {
  const i = (flush32 ? 1 : 0) + (flush16 ? 2 : 0) + (parted ? 4 : 0);
  modes[i] ??= { flush32, flush16, fused: FUSED, parted, list: undefined, vectors: WARP_VECTORS };
  return modes[i];
}

class Recompiler implements WarpExecutor {
  left = 0;
  readonly #memory: VirtualMemory;
  readonly #together: Mode;
  readonly #parted: Mode;
  readonly #units: UnitCache;
  /** The unit of the program's first instruction. */
  readonly #begin: Ready;
  /** The same, working off lists. */
  #list: Ready | undefined;
  readonly #kind: Stage['kind'];
  /** Warps are handed back to have blend shaders called: then it is better done for all of a warp at once. */
  readonly #blendShaders: boolean;

  constructor({ environment, flush32, flush16, stage }: RunContext) {
    this.#memory = environment.memory;
    this.#kind = stage.kind;
    this.#blendShaders = stage.kind === 'fragment' && callsBlendShaders(stage);
    this.#together = modeOf(flush32, flush16, false);
    this.#parted = modeOf(flush32, flush16, true);
    let units = caches.get(this.#memory);
    if (!units) {
      units = new UnitCache(this.#memory);
      caches.set(this.#memory, units);
    }
    units.begin();
    this.#units = units;
    const { binary } = environment.program;
    standing.clear();
    standing.add(binary);
    this.#begin = units.at(binary, standing, this.#together);
  }

  pass(w: WarpState): void {
    w.waiting = 0;
  }

  clear(w: WarpState): void {
    const { unit } = this.#begin;
    if (unit.entry === w.run.environment.program.binary && unit.live.length < REGISTERS) {
      for (const r of unit.live) zero(w.registers.at + r * REGISTER_BYTES, REGISTER_BYTES);
    } else zero(w.registers.at, w.u32.byteLength);
  }

  /** The unit in which lanes stand that have begun. */
  #unitOf(w: WarpState, ready: number, pc: number): Ready {
    const pcs = standing;
    pcs.clear();
    for (let n = 0; n < LANES; n++) if (ready & (1 << n)) pcs.add(w.pcs[n]!);
    const parted = ready !== w.live || pcs.size > 1;
    return this.#units.at(pc, pcs, parted ? this.#parted : this.#together);
  }

  run(w: WarpState, budget: number): SliceEnd {
    this.left = budget;
    while (w.live) {
      const ready = w.live & ~w.waiting;
      if (!ready) return 'barrier';
      if (w.fresh) this.#runUnit(w, ready, w.pcs[0]!);
      else {
        let pc = Number.POSITIVE_INFINITY;
        for (let n = 0; n < LANES; n++) if (ready & (1 << n) && w.pcs[n]! < pc) pc = w.pcs[n]!;
        this.#runUnit(w, ready, pc);
      }
      if (this.left <= 0) return w.live ? 'more' : 'done';
    }
    return 'done';
  }

  /** Nothing in the program waits for other warps, and nothing of it is known to lie elsewhere. */
  get alone(): boolean {
    return isAlone(this.#begin.unit);
  }

  list(w: WarpState, budget: number): boolean {
    this.left = budget;
    for (;;) {
      if (w.live === 0 && this.#takeList(w)) return true;
      if (this.left <= 0) return false;
      if (w.live !== 0 && this.run(w, this.left) === 'barrier') this.pass(w);
      if (this.left <= 0) return false;
    }
  }

  /** Works off the list until it is at its end (true), the slice is used up, or a warp is handed back. */
  #takeList(w: WarpState): boolean {
    if (!this.#list) {
      const { unit } = this.#begin;
      const vectors = quadwise(unit, this.#kind) && !this.#blendShaders ? PAIR_VECTORS : WARP_VECTORS;
      this.#list = this.#begin.as({ ...this.#together, list: this.#kind, vectors });
    }
    const at = this.#list;
    const quads = WARP_VECTORS / at.made.code.vectors;
    w.fresh = false;
    w.waiting = 0;
    const status = this.#call(at, w, this.left * quads);
    this.left = Math.floor(this.left / quads);
    if (status === STATUS.DONE) return true;
    if (status === STATUS.SLICE) this.left = 0;
    else this.#settle(w, at, status);
    return false;
  }

  #runUnit(w: WarpState, ready: number, pc: number): void {
    const fresh = w.fresh && this.#begin.unit.entry === pc;
    const at = fresh ? this.#begin : this.#unitOf(w, ready, pc);
    const { index } = at.unit;
    const words = scratch.i32;
    const frame = w.frame / 4;
    if (fresh) {
      // All lanes are at the beginning.
      const first = index.get(pc)!;
      for (let n = 0; n < LANES; n++) words[frame + n] = ready & (1 << n) ? first : -1;
    } else for (let n = 0; n < LANES; n++) words[frame + n] = ready & (1 << n) ? index.get(w.pcs[n]!)! : -1;
    words[frame + FRAME.fresh / 4] = fresh ? 1 : 0;
    w.fresh = false;
    words[frame + FRAME.live / 4] = w.live;
    words[frame + FRAME.discarded / 4] = w.discarded;
    const status = this.#call(at, w, this.left);
    if (status !== STATUS.DONE) this.#settle(w, at, status);
  }

  /** Calls a unit's function with so much fuel; `left` is what remains of it. Answers its status. */
  #call(at: Ready, w: WarpState, fuel: number): number {
    const words = scratch.i32;
    const frame = w.frame / 4;
    words[frame + FRAME.fuel / 4] = fuel;
    w.run.refresh();
    words[frame + FRAME.generation / 4] = this.#memory.generation;
    words[frame + FRAME.epoch / 4] = w.run.epoch;
    const [outer, outerSteps] = [current, currentSteps];
    current = w;
    currentSteps = at.made.steps;
    let status: number;
    try {
      status = at.made.run(w.registers.at, w.frame);
    } finally {
      current = outer;
      currentSteps = outerSteps;
    }
    w.live = words[frame + FRAME.live / 4]!;
    w.discarded = words[frame + FRAME.discarded / 4]!;
    // A call costs something even where lanes are handed back at once.
    this.left = words[frame + FRAME.fuel / 4]! - 1;
    return status;
  }

  /** Lets lanes go on that a function has not taken to their end: where it says, or where it could not take them further. */
  #settle(w: WarpState, at: Ready, status: number): void {
    const { blocks } = at.unit;
    const words = scratch.i32;
    const frame = w.frame / 4;
    // A function for fewer quads knows of the others nothing.
    const lanes = at.made.code.vectors * 4;
    for (let n = 0; n < lanes; n++) {
      const next = words[frame + n]!;
      if (next >= 0) w.pcs[n] = blocks[next]!.pc;
    }
    if (status === STATUS.MORE) return;
    const mask = words[frame + FRAME.mask / 4]!;
    const block = blocks[words[frame + FRAME.place / 4]!]!;
    if (status === STATUS.INDIRECT) this.#indirect(w, block, mask);
    else {
      if (status === STATUS.LEAVE && block.sites.length === 0) this.#refuse(block.pc, at.unit);
      if (status === STATUS.BARRIER) w.waiting |= mask;
      park(w, block.next, mask);
    }
  }

  /** A branch whose target a register holds. */
  #indirect(w: WarpState, block: Block, mask: number): void {
    const { pc, step: s } = block.sites.at(-1)!;
    w.mask = mask;
    w.full = mask === w.live;
    w.pc = pc;
    s.exec(w);
    const { taken, target } = w;
    w.taken = 0;
    park(w, block.next, mask & ~taken);
    if (taken && !Number.isNaN(target)) park(w, target, taken);
    if (s.flow === FLOW_END) w.live &= ~(mask & ~taken);
    else if (s.flow === FLOW_DISCARD && taken === 0) {
      const gone = w.discarded & mask;
      w.live &= ~gone;
      w.discarded &= ~gone;
    }
  }

  /** Throws what the interpreter says of an instruction that is none; one that the unit had no room for begins another. */
  #refuse(pc: number, unit: Unit): void {
    if (pc % INSTRUCTION_SIZE !== 0) {
      throw new GpuFault(EXCEPTION.INSTR_INVALID_PC, pc, `shader at pc 0x${pc.toString(16)}: not aligned`);
    }
    const code = codeCache(this.#memory);
    code.begin();
    const page = code.page(pc);
    code.compile(page, (pc - page.address) / INSTRUCTION_SIZE);
    if (pc !== unit.entry) return;
    throw new Error(`mali: the instruction at 0x${pc.toString(16)} changed while it ran`);
  }
}

const BLEND_MODE_MASK = 3;
const callsBlendShaders = ({ blendDescriptors }: FragmentStage): boolean =>
  blendDescriptors.some((word, n) => n % 2 === 0 && (word & BLEND_MODE_MASK) === BLEND_MODE.SHADER);

function park(w: WarpState, pc: number, mask: number): void {
  for (let n = 0; n < LANES; n++) if (mask & (1 << n)) w.pcs[n] = pc;
}

export const recompiler: MakeExecutor = (context) => new Recompiler(context);
