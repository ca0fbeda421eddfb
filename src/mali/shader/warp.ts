/**
 * WarpState: the registers and control state of one warp, in the layout that the compiled instructions use.
 *
 * All views are of one buffer. `ri[r]` and `rf[r]` are register r of all lanes; nothing is allocated while a program runs.
 */

import { FLUSH_TO_ZERO } from '../../abi/gpu/shader-descriptors.ts';
import { SPECIALS } from '../../abi/isa/encoding.ts';
import { scratch } from '../engine/scratch.ts';
import { FRAME, FRAME_BYTES } from '../recompiler/frame.ts';
import { ALL_LANES, LANES, type ShaderEnvironment, type Stage, type TextureUnit, type Warp } from './contract.ts';
import { FAU_WORDS, RUN_WORDS, runWord, setSpecials } from './specials.ts';

const REGISTERS = 64;
/** Register files kept for the next run. */
const FREE_REGISTERS = 64;

let epochs = 0;

/** What all warps of one run share. */
export class RunContext {
  readonly environment: ShaderEnvironment;
  readonly stage: Stage;
  readonly textures: TextureUnit;
  /** Upper 32 bits of the program's address, for blend shaders. */
  readonly codeHigh: number;
  /** Subnormal singles and halves count as zero. */
  readonly flush32: boolean;
  readonly flush16: boolean;
  /** The fast-access uniforms in scratch memory, zeros behind them, and the specials of the run (specials.ts). */
  readonly fauAt: number;
  readonly #fau = scratch.take(RUN_WORDS * 4);
  /** A number of this run alone, and of the address space's translations as they are: see `refresh`. */
  epoch = 0;
  #generation = -1;
  #held: Set<object> | undefined;
  readonly #uniforms: (Int32Array | undefined)[] = [];
  readonly #uniformHalves: (Float16Array | undefined)[] = [];

  constructor(environment: ShaderEnvironment, stage: Stage, textures: TextureUnit) {
    this.environment = environment;
    this.stage = stage;
    this.textures = textures;
    const mode = environment.program.flushToZero;
    this.flush32 = mode !== FLUSH_TO_ZERO.PRESERVE;
    this.flush16 = mode === FLUSH_TO_ZERO.ALWAYS || mode === FLUSH_TO_ZERO.ABRUPT;
    this.fauAt = this.#fau.at;
    loadUniforms(environment, this.fauAt / 4);
    setSpecials(scratch.u32, this.fauAt / 4 + FAU_WORDS, environment, stage);
    this.codeHigh = Math.floor(environment.program.binary / 2 ** 32);
  }

  /** No warp of the run is left. */
  close(): void {
    scratch.give(this.#fau);
  }

  /** Takes a new epoch if translations have been dropped. */
  refresh(): void {
    const { generation } = this.environment.memory;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.epoch = ++epochs;
  }

  /** Keeps something that is remembered by its number for the run. */
  hold(what: object): void {
    this.#held ??= new Set();
    this.#held.add(what);
  }

  /** A word of the fast-access uniforms for all lanes. Words that the draw did not supply read zero. */
  uniform(index: number): Int32Array {
    let lanes = this.#uniforms[index];
    if (!lanes) {
      lanes = new Int32Array(LANES).fill(index < FAU_WORDS ? scratch.i32[this.fauAt / 4 + index]! : 0);
      this.#uniforms[index] = lanes;
    }
    return lanes;
  }

  /** The same as pairs of halves. */
  uniformHalves(index: number): Float16Array {
    let lanes = this.#uniformHalves[index];
    if (!lanes) {
      lanes = new Float16Array(this.uniform(index).buffer);
      this.#uniformHalves[index] = lanes;
    }
    return lanes;
  }
}

/** Copies what there is of the fast-access uniforms to scratch memory, from word `to` on. Throws PageFault. */
function loadUniforms({ memory, fau, fauWords }: ShaderEnvironment, to: number): void {
  const words = scratch.u32;
  const count = Math.min(fauWords, FAU_WORDS);
  const extent = fau % 4 === 0 && count > 0 ? memory.extent(fau, 'read') : undefined;
  if (!extent || fau + count * 4 > extent.start + extent.size) {
    for (let i = 0; i < count; i++) words[to + i] = memory.load32(fau + i * 4);
    return;
  }
  const from = (extent.physical + (fau - extent.start)) / 4;
  const { u32 } = memory.dram;
  for (let i = 0; i < count; i++) words[to + i] = u32[from + i]!;
}

const specialIndex = (name: string): number => {
  for (const page of SPECIALS) {
    const place = page.indexOf(name);
    if (place >= 0) return place;
  }
  throw new Error(`shader: no special ${name}`);
};
const LANE_ID = specialIndex('lane_id');
const CORE_ID = specialIndex('core_id');
const PROGRAM_COUNTER = specialIndex('program_counter');
const WARP_ID = specialIndex('warp_id');
const THREAD_LOCAL = specialIndex('thread_local_pointer');

/**
 * The upper word of thread_local_pointer. Thread storage has no real address in packed mode: loads and stores see this
 * tag and find the thread's own slot. Flat mode is given the same pointers, which no shader can tell apart.
 */
export const THREAD_LOCAL_TAG = 0x10000000;

const REGISTER_BYTES = REGISTERS * LANES * 4;

/**
 * The register file of one warp: one buffer, seen as numbers of all kinds, and the warp's frame behind it. Making one is
 * dear, so they are used again.
 */
export class Registers {
  /** Where they lie in scratch memory. */
  readonly at: number;
  /** What recompiled code knows of the warp: recompiler/frame.ts. */
  readonly frame: number;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  readonly f16: Float16Array;
  readonly u16: Uint16Array;
  readonly ri: readonly Int32Array[];
  readonly rf: readonly Float32Array[];
  readonly rh: readonly Float16Array[];
  readonly staging: (Int32Array[] | undefined)[] = [];
  /** See WarpState. */
  readonly weights: Float32Array;
  readonly pcs = new Float64Array(LANES);

  constructor() {
    const { buffer } = scratch;
    const words = REGISTERS * LANES;
    this.at = scratch.owned(this, REGISTER_BYTES + FRAME_BYTES);
    this.frame = this.at + REGISTER_BYTES;
    this.weights = new Float32Array(buffer, this.frame + FRAME.weights, 2 * LANES);
    this.u32 = new Uint32Array(buffer, this.at, words);
    this.i32 = new Int32Array(buffer, this.at, words);
    this.f32 = new Float32Array(buffer, this.at, words);
    this.f16 = new Float16Array(buffer, this.at, words * 2);
    this.u16 = new Uint16Array(buffer, this.at, words * 2);
    this.ri = Array.from({ length: REGISTERS }, (_, r) => this.i32.subarray(r * LANES, (r + 1) * LANES));
    this.rf = Array.from({ length: REGISTERS }, (_, r) => this.f32.subarray(r * LANES, (r + 1) * LANES));
    this.rh = Array.from({ length: REGISTERS }, (_, r) => this.f16.subarray(r * LANES * 2, (r + 1) * LANES * 2));
  }

  static readonly #free: Registers[] = [];

  static take(): Registers {
    return Registers.#free.pop() ?? new Registers();
  }

  /** Gives a register file back that nobody uses any more. */
  static give(registers: Registers): void {
    if (Registers.#free.length < FREE_REGISTERS) Registers.#free.push(registers);
    else scratch.disown(registers, [registers.at, REGISTER_BYTES + FRAME_BYTES]);
  }
}

export class WarpState implements Warp {
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  /** Halves: index (register * 16 + lane) * 2 + half. */
  readonly f16: Float16Array;
  readonly u16: Uint16Array;
  readonly ri: readonly Int32Array[];
  readonly rf: readonly Float32Array[];
  /** The same as pairs of halves: those of lane n at 2 n and 2 n + 1. */
  readonly rh: readonly Float16Array[];
  /** `ri` from register r on, made when an instruction wants it. */
  readonly staging: (Int32Array[] | undefined)[];
  readonly registers: Registers;
  readonly run: RunContext;
  /** What recompiled code knows of the warp: recompiler/frame.ts, in scratch memory. */
  readonly frame: number;
  flush32: boolean;
  flush16: boolean;
  mask = 0;
  /** No lane waits elsewhere: then results may be written to all 16 lanes, as the others have ended. */
  full = true;
  live = 0;
  discarded = 0;
  /** Where each lane goes on; up to date for lanes that are not in `mask`. */
  readonly pcs: Float64Array;
  /** Address of the current instruction. */
  pc = 0;
  /** Set by branches: lanes that left, and where to; NaN if `pcs` tells it lane by lane. */
  taken = 0;
  target = 0;
  /** Set by BLEND when a blend shader is to be called: the flow field does not count. */
  ignoreFlow = false;
  /** No instruction has run since `start`. */
  fresh = false;
  /** Set by BARRIER. */
  barrier = false;
  /** Lanes that wait at a barrier. */
  waiting = 0;
  warpId = 0;
  /** First thread slot for thread storage. */
  threadSlot = 0;
  /** Weights of vertices 1 and 2 of the last varying load that asked to keep them. */
  readonly weights: Float32Array;

  constructor(run: RunContext, registers = Registers.take()) {
    this.run = run;
    this.flush32 = run.flush32;
    this.flush16 = run.flush16;
    this.registers = registers;
    this.frame = registers.frame;
    // An earlier warp, perhaps another client's, has left weights there.
    scratch.u32.fill(0, this.frame / 4, (this.frame + FRAME_BYTES) / 4);
    scratch.u32[(this.frame + FRAME.fau) / 4] = run.fauAt;
    scratch.u32[(this.frame + FRAME.stage) / 4] = run.stage.kind === 'fragment' ? run.stage.frame : 0;
    scratch.u32[(this.frame + FRAME.output) / 4] = run.stage.kind === 'vertex' ? run.stage.frame : 0;
    this.weights = registers.weights;
    this.pcs = registers.pcs;
    this.u32 = registers.u32;
    this.i32 = registers.i32;
    this.f32 = registers.f32;
    this.f16 = registers.f16;
    this.u16 = registers.u16;
    this.ri = registers.ri;
    this.rf = registers.rf;
    this.rh = registers.rh;
    this.staging = registers.staging;
  }

  /** All lanes start at `pc`. */
  start(pc: number, live: number, helpers: number): void {
    this.live = live & ALL_LANES;
    this.discarded = helpers & this.live;
    scratch.u32[(this.frame + FRAME.lane) / 4] = 0;
    this.waiting = 0;
    this.pcs.fill(pc);
    this.fresh = true;
    this.mask = this.live;
    this.full = true;
  }

  /** Fills `out` with a word of a special. */
  special(page: number, index: number, out: Int32Array): void {
    const word = runWord(page, index);
    if (word !== undefined) {
      out.fill(scratch.i32[this.run.fauAt / 4 + word]!);
      return;
    }
    const place = index >>> 1;
    const high = (index & 1) === 1;
    if (page === 0) {
      if (place === WARP_ID) out.fill(high ? 0 : this.warpId);
    } else if (page === 1) {
      if (place === THREAD_LOCAL) out.fill(high ? THREAD_LOCAL_TAG : 0);
    } else if (place === LANE_ID) {
      for (let i = 0; i < LANES; i++) out[i] = high ? 0 : i;
    } else if (place === CORE_ID) out.fill(0);
    else if (place === PROGRAM_COUNTER) {
      // The program counter is that of the next instruction.
      const next = this.pc + 8;
      out.fill(high ? Math.floor(next / 2 ** 32) : next % 2 ** 32);
    }
  }
}
