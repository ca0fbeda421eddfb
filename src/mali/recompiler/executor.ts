/**
 * Runs warps by recompiled code.
 *
 * A warp's lanes stand at addresses (`pcs`). Those of the lowest run: the unit that holds their address (units.ts, flow.ts) is
 * found or made, each lane is told its block, and the unit's function runs until no lane has anywhere to go, the slice is used
 * up, or lanes are handed back: at barriers, indirect branches, and the unit's edge.
 */
import { BLEND_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { FLOW_DISCARD, FLOW_END, INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { type FragmentStage, LANES, type ListCall, type Stage } from '../shader/contract.ts';
import type { MakeExecutor, SliceEnd, WarpExecutor } from '../shader/core.ts';
import { codeCache } from '../shader/program.ts';
import type { RunContext, WarpState } from '../shader/warp.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import { type Blends, FIXED } from './calls.ts';
import { type ListWays, UNKNOWN } from './draw-ways.ts';
import { REGISTERS } from './effects.ts';
import type { Mode } from './emit.ts';
import type { Block, Unit } from './flow.ts';
import { FRAME, STATUS } from './frame.ts';
import { PAIR_VECTORS, WARP_VECTORS } from './lanes.ts';
import { dismiss, enlist, within } from './outside.ts';
import { isAlone, quadwise } from './quadwise.ts';
import { REGISTER_BYTES } from './register-file.ts';
import { type Ready, UnitCache } from './units.ts';

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

const caches = new WeakMap<VirtualMemory, UnitCache>();

/** Where lanes stand that look for a unit. */
const standing = new Set<number>();

const modes: Mode[] = [];

/** The way of running whole warps, or such as have parted. */
function modeOf(flush32: boolean, flush16: boolean, parted: boolean): Mode {
  const i = (flush32 ? 1 : 0) + (flush16 ? 2 : 0) + (parted ? 4 : 0);
  modes[i] ??= { flush32, flush16, fused: FUSED, parted, list: undefined, ways: undefined, vectors: WARP_VECTORS };
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
  /** What the draw of a fragment stage does. */
  readonly #ways: ListWays | undefined;
  /** What a fragment stage's draw has its colours blended by. */
  readonly #blends: Blends;

  constructor({ environment, flush32, flush16, stage }: RunContext) {
    this.#memory = environment.memory;
    this.#kind = stage.kind;
    if (stage.kind === 'fragment') {
      this.#ways = { ...(stage.ways ?? UNKNOWN), helpers: environment.program.requiresHelperThreads };
    }
    this.#blends = stage.kind === 'fragment' ? blendsOf(stage, environment.program.binary) : [];
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

  prepare(): Ready {
    this.#list ??= this.#prepare();
    return this.#list;
  }

  #prepare(): Ready {
    const mode = { ...this.#together, list: this.#kind, ways: this.#ways };
    const begin = this.#begin;
    const all = this.#units.calling(begin, this.#blends);
    const fixed = this.#blends.every((blend) => blend === FIXED);
    const whole = all.unit.blocks.every(({ end }) => end !== 'indirect');
    if (!quadwise(all.unit, this.#kind)) return (fixed && whole ? all : begin).as({ ...mode, vectors: WARP_VECTORS });
    if (whole) return all.as({ ...mode, vectors: PAIR_VECTORS });
    // Where warps are handed back to have blend shaders called, it is better done for all of a warp at once.
    return begin.as({ ...mode, vectors: fixed ? PAIR_VECTORS : WARP_VECTORS });
  }

  /** Works off the list until it is at its end (true), the slice is used up, or a warp is handed back. */
  #takeList(w: WarpState): boolean {
    const at = this.#list ?? this.prepare();
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

  listCall(w: WarpState, budget: number): (ListCall & { close(): void }) | undefined {
    if (this.#kind !== 'fragment' || functionTable.room === 0) return undefined;
    const at = this.prepare();
    // Held as long as the call is good, whatever the unit drops meanwhile.
    const { made } = at;
    const place = functionTable.place(made.run);
    const called = enlist(w, made);
    const quads = WARP_VECTORS / made.code.vectors;
    const frame = w.frame / 4;
    const call = {
      place,
      slot: place.slot,
      registers: w.registers.at,
      frame: w.frame,
      called,
      fuel: budget * quads,
      renew: () => {
        scratch.i32[frame + FRAME.records / 4] = made.records;
        this.#renew(w, at);
      },
      returned: (status: number) => {
        w.fresh = false;
        w.waiting = 0;
        w.live = scratch.i32[frame + FRAME.live / 4]!;
        w.discarded = scratch.i32[frame + FRAME.discarded / 4]!;
        if (status !== STATUS.SLICE) this.#settle(w, at, status);
      },
      close: () => dismiss(called),
    };
    return call;
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
    this.#renew(w, at);
    const status = within(w, at.made);
    w.live = words[frame + FRAME.live / 4]!;
    w.discarded = words[frame + FRAME.discarded / 4]!;
    // A call costs something even where lanes are handed back at once.
    this.left = words[frame + FRAME.fuel / 4]! - 1;
    return status;
  }

  /** Tells a function of which time it may remember memory, and where its unit lies. */
  #renew(w: WarpState, at: Ready): void {
    const words = scratch.i32;
    const frame = w.frame / 4;
    w.run.refresh();
    words[frame + FRAME.generation / 4] = this.#memory.generation;
    words[frame + FRAME.epoch / 4] = w.run.epoch;
    const { entry } = at.unit;
    words[frame + FRAME.entry / 4] = entry | 0;
    words[frame + FRAME.entry / 4 + 1] = entry / HIGH;
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
const HIGH = 2 ** 32;

/** What a stage's descriptors say; blend shaders lie where its program does. */
function blendsOf({ blendDescriptors }: FragmentStage, binary: number): Blends {
  return Array.from({ length: blendDescriptors.length / 2 }, (_, n) => {
    if ((blendDescriptors[n * 2]! & BLEND_MODE_MASK) !== BLEND_MODE.SHADER) return FIXED;
    return Math.floor(binary / HIGH) * HIGH + blendDescriptors[n * 2 + 1]!;
  });
}

function park(w: WarpState, pc: number, mask: number): void {
  for (let n = 0; n < LANES; n++) if (mask & (1 << n)) w.pcs[n] = pc;
}

export const recompiler: MakeExecutor = (context) => new Recompiler(context);
