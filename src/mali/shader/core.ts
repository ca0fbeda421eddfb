/**
 * The shader core: runs warps of a program.
 *
 * Lanes of a warp share a program counter as long as they can. When a branch parts them, those with the lowest address run
 * first and are joined by the others where they arrive: programs are laid out so that this is where paths meet again.
 * Registers of lanes that have ended do not matter, so as long as all living lanes run together an instruction computes
 * all sixteen and no mask is applied.
 */

import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { FLOW_DISCARD, FLOW_END, INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { THREAD_PRELOADS } from '../engine/threads.ts';
import { FRAME, STAGE } from '../recompiler/frame.ts';
import {
  LANES,
  type ListCall,
  type ShaderEnvironment,
  type ShaderRun,
  type Stage,
  type TextureUnit,
} from './contract.ts';
import { type CodeCache, type CodePage, codeCache } from './program.ts';
import { beginListed } from './quad-list.ts';
import { type EnvironmentPointers, loadEnvironment } from './resources.ts';
import { beginThreads } from './thread-list.ts';
import { Registers, RunContext, WarpState } from './warp.ts';

/** How a slice of a warp ended. At a barrier all living lanes wait; `pass` lets them go on. */
export type SliceEnd = 'more' | 'done' | 'barrier';

/** Runs warps of one context: this interpreter, or recompiled code (recompiler/). */
export interface WarpExecutor {
  /** What the last `run` left of its budget. */
  readonly left: number;
  /** At most about `budget` instructions of a warp. */
  run(w: WarpState, budget: number): SliceEnd;
  /** Lets a warp go on behind a barrier. */
  pass(w: WarpState): void;
  /** Clears the registers of a warp that is about to begin, before anything is preloaded. */
  clear(w: WarpState): void;
  /**
   * What ShaderRun.resumeList does, where the executor has a way of its own: fragment shaders take quads, others threads. `w` is
   * the warp in work, or one that has ended.
   */
  list?(w: WarpState, budget: number): boolean;
  /** What ShaderRun.prepare does. */
  prepare?(): void;
  /** What ShaderRun.listCall does. */
  listCall?(w: WarpState, budget: number): (ListCall & { close(): void }) | undefined;
  /** Warps of a workgroup may be run one after the other by `list`: nothing in the program tells them apart. */
  readonly alone?: boolean;
}

/** Who runs a context's warps. */
export type MakeExecutor = (context: RunContext) => WarpExecutor;

export const interpreter: MakeExecutor = ({ environment }) => new Executor(codeCache(environment.memory));

class Executor implements WarpExecutor {
  readonly #code: CodeCache;
  /** What the last `run` left of its budget. */
  left = 0;

  constructor(code: CodeCache) {
    this.#code = code;
    code.begin();
  }

  /** Lets a warp go on behind a barrier. */
  pass(w: WarpState): void {
    w.waiting = 0;
  }

  clear(w: WarpState): void {
    w.u32.fill(0);
  }

  /** At most `budget` instructions of a warp. */
  run(w: WarpState, budget: number): SliceEnd {
    this.left = budget;
    while (w.live) {
      if (!this.#schedule(w)) return 'barrier';
      this.left = this.#straight(w, this.left);
      if (this.left <= 0) return w.live ? 'more' : 'done';
    }
    return 'done';
  }

  /** Picks the lanes that run next. False: all wait at a barrier. */
  #schedule(w: WarpState): boolean {
    const ready = w.live & ~w.waiting;
    if (!ready) return false;
    let pc = Number.POSITIVE_INFINITY;
    for (let n = 0; n < LANES; n++) if (ready & (1 << n) && w.pcs[n]! < pc) pc = w.pcs[n]!;
    let mask = 0;
    for (let n = 0; n < LANES; n++) if (ready & (1 << n) && w.pcs[n] === pc) mask |= 1 << n;
    w.mask = mask;
    w.full = mask === w.live;
    w.pc = pc;
    return true;
  }

  /** Runs the lanes of `mask` until others must be considered. Gives what is left of the budget. */
  #straight(w: WarpState, budget: number): number {
    let left = budget;
    let { pc } = w;
    // The address at which the nearest waiting lanes are met.
    let meet = Number.POSITIVE_INFINITY;
    if (!w.full) {
      for (let n = 0; n < LANES; n++) {
        if (w.live & ~w.mask & ~w.waiting & (1 << n)) meet = Math.min(meet, w.pcs[n]!);
      }
    }
    let page: CodePage | undefined;
    let last = 0;
    while (left > 0) {
      if (!page || pc < page.address || pc >= last) {
        if (pc % INSTRUCTION_SIZE !== 0) {
          throw new GpuFault(EXCEPTION.INSTR_INVALID_PC, pc, `shader at pc 0x${pc.toString(16)}: not aligned`);
        }
        page = this.#code.page(pc);
        last = page.address + PAGE_SIZE;
      }
      const index = (pc - page.address) / INSTRUCTION_SIZE;
      const step = page.steps[index] ?? this.#code.compile(page, index);
      w.pc = pc;
      left--;
      step.exec(w);
      pc += INSTRUCTION_SIZE;
      if (step.control) {
        const { taken, mask } = w;
        w.taken = 0;
        const ignoreFlow = w.ignoreFlow;
        w.ignoreFlow = false;
        if (w.barrier) {
          w.barrier = false;
          this.#park(w, pc, mask);
          w.waiting |= mask;
          return left;
        }
        if (taken === mask && !Number.isNaN(w.target)) {
          pc = w.target;
          if (pc % INSTRUCTION_SIZE !== 0) page = undefined;
          if (w.full) continue;
          this.#park(w, pc, mask);
          return left;
        }
        if (taken) {
          this.#park(w, pc, mask & ~taken);
          if (!Number.isNaN(w.target)) this.#park(w, w.target, taken);
          if (step.flow === FLOW_END) w.live &= ~(mask & ~taken);
          return left;
        }
        if (ignoreFlow) continue;
      }
      if (step.flow === FLOW_END) {
        w.live &= ~w.mask;
        return left;
      }
      if (step.flow === FLOW_DISCARD) {
        const gone = w.discarded & w.mask;
        if (gone) {
          w.live &= ~gone;
          w.mask &= ~gone;
          w.discarded &= ~gone;
          w.full = w.mask === w.live;
          if (!w.mask) return left;
        }
      }
      if (pc >= meet) break;
    }
    this.#park(w, pc, w.mask);
    return left;
  }

  /** Lanes of `mask` go on at `pc`. */
  #park(w: WarpState, pc: number, mask: number): void {
    for (let n = 0; n < LANES; n++) if (mask & (1 << n)) w.pcs[n] = pc;
  }
}

/** The run of a draw: one warp, used again and again. */
class DrawRun implements ShaderRun {
  readonly environment: ShaderEnvironment;
  readonly warp: WarpState;
  readonly #executor: WarpExecutor;
  /** The fragment stage's frame, 0 without one. */
  readonly #stage: number;
  #call: ReturnType<NonNullable<WarpExecutor['listCall']>>;
  #closed = false;

  constructor(context: RunContext, executor: WarpExecutor, threadSlot: number) {
    this.environment = context.environment;
    this.warp = new WarpState(context);
    this.warp.threadSlot = threadSlot;
    this.#executor = executor;
    const { stage } = context;
    this.#stage = stage.kind === 'fragment' ? stage.frame : 0;
    if (this.#stage !== 0) {
      scratch.i32[(this.#stage + STAGE.helpers) / 4] = this.environment.program.requiresHelperThreads ? 1 : 0;
    }
  }

  reset(): void {
    this.#executor.clear(this.warp);
  }

  start(live: number, helpers = 0): void {
    this.warp.start(this.environment.program.binary, live, helpers);
  }

  listCall(budget: number): ListCall | undefined {
    this.#call ??= this.#executor.listCall?.(this.warp, budget);
    return this.#call;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#call?.close();
    Registers.give(this.warp.registers);
    this.warp.run.close();
  }

  resume(budget: number): boolean {
    const end = this.#executor.run(this.warp, budget);
    if (end === 'barrier') {
      // Outside of workgroups a barrier has nobody to wait for.
      this.#executor.pass(this.warp);
      return false;
    }
    return end === 'done';
  }

  prepare(): void {
    this.#executor.prepare?.();
  }

  beginThreads(list: number, threads: number): void {
    const words = scratch.u32;
    const at = this.warp.frame / 4;
    words[at + FRAME.list / 4] = list;
    words[at + FRAME.thread / 4] = 0;
    words[at + FRAME.threads / 4] = threads;
  }

  get begun(): number {
    const words = scratch.u32;
    const at = this.warp.frame / 4;
    return Math.min(words[at + FRAME.thread / 4]!, words[at + FRAME.threads / 4]!);
  }

  #beginListed(): boolean {
    const { kind } = this.warp.run.stage;
    if (kind === 'fragment') return beginListed(this, this.#stage);
    return beginThreads(this, this.warp.frame, THREAD_PRELOADS[kind]);
  }

  resumeList(budget: number): boolean {
    const { warp } = this;
    const executor = this.#executor;
    if (executor.list) return executor.list(warp, budget);
    for (let left = budget; left > 0; left = executor.left - WARP_COST) {
      if (warp.live === 0 && !this.#beginListed()) return true;
      if (executor.run(warp, left) === 'barrier') executor.pass(warp);
    }
    return false;
  }
}

/** What beginning a warp costs, in instructions. */
const WARP_COST = 8;

/** Opens a program for the warps of one draw. `other`: a run of the same draw that has looked at descriptors. Throws GpuFault. */
export function openShader(
  memory: VirtualMemory,
  pointers: EnvironmentPointers,
  stage: Stage,
  textures: TextureUnit,
  threadSlot: number,
  makeExecutor: MakeExecutor,
  other?: ShaderRun,
): ShaderRun {
  const job = stage.kind === 'fragment' ? (stage.job ?? 0) : 0;
  const context = new RunContext(loadEnvironment(memory, pointers, job, other?.environment), stage, textures);
  return new DrawRun(context, makeExecutor(context), threadSlot);
}
