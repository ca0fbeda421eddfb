/**
 * Compute jobs: RUN_COMPUTE, and its indirect form, whose counts of workgroups the command stream has loaded into the same
 * registers.
 *
 * Workgroups run one after the other, the warps of one in turns: each until it ends, meets a barrier or has used its slice. Where
 * no warp waits for another, recompiled code works off all threads of a workgroup in one call (engine/threads.ts). Several
 * threads can be at one job: each claims workgroups, and is a core of its own with regard to storage.
 * Where the job allows merging, several small workgroups share warps, lane by lane; such jobs use neither barriers nor
 * workgroup storage. Workgroups of whole warps without either follow one another in one list, which saves what a list costs.
 * Else it is one workgroup at a time, so that one instance of workgroup storage is in use. Thread storage slots are those of the
 * lanes of the workgroups at work.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml` (Compute size workgroup, Local Storage), `decode_csf.c`,
 * `src/gallium/drivers/panfrost/pan_csf.c` (csf_launch_grid, csf_launch_xfb).
 */

import type { CsOperands } from '../abi/gpu/cs.ts';
import { COMPUTE_REGISTERS, fauOf, pairOf } from '../abi/gpu/cs-registers.ts';
import { EXCEPTION } from '../abi/gpu/regs.ts';
import { ComputeSizeWorkgroup } from '../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../abi/layout.ts';
import { fillThreads } from './compute-threads.ts';
import { type Claim, GpuFault, type VirtualMemory, type Work, type WorkState } from './contract.ts';
import { MAX_WORKGROUP } from './control.ts';
import { scratch } from './engine/scratch.ts';
import { COLUMN_BYTES, THREAD_PRELOADS, threadListBytes } from './engine/threads.ts';
import { FRAME } from './recompiler/frame.ts';
import { ALL_LANES, type ComputeStage, LANES, type TextureUnit, THREAD_SLOT } from './shader/contract.ts';
import type { MakeExecutor, WarpExecutor } from './shader/core.ts';
import { loadEnvironment } from './shader/resources.ts';
import { Registers, RunContext, WarpState } from './shader/warp.ts';

/** Instructions of a warp that make about a millisecond. */
const SLICE = 8192;

type Operands = CsOperands<'RUN_COMPUTE'> | CsOperands<'RUN_COMPUTE_INDIRECT'>;

/** What a job needs of its instruction. */
export interface ComputeRequest {
  readonly memory: VirtualMemory;
  readonly registers: Uint32Array;
  readonly operands: Pick<Operands, 'srtSelect' | 'spdSelect' | 'tsdSelect' | 'fauSelect'>;
}

/** A thread's part of a job: numbers from 0 on, of workgroups or sets of them, each to one thread alone. */
export interface ComputePart {
  readonly claim: Claim;
  /** Which core's storage the thread uses. */
  readonly core: number;
}

/** Thread slots of a core. */
const CORE_THREADS = 2048;

/** Starts a compute job, or a thread's part of one. */
export function compute(
  request: ComputeRequest,
  textures: TextureUnit,
  makeExecutor: MakeExecutor,
  part?: ComputePart,
): Work {
  return new ComputeWork(request, textures, makeExecutor, part ?? everything());
}

/** Pieces that a job is left in, so that all threads of the host have something to claim. */
const LEAST_PIECES = 32;

/** How many of `total` workgroups of so many threads make a list. */
const groupsOfList = (threads: number, total: number): number =>
  Math.max(1, Math.min(Math.floor(MAX_WORKGROUP / threads), Math.floor(total / LEAST_PIECES)));

function everything(): ComputePart {
  let next = 0;
  return { claim: () => next++, core: 0 };
}

function sizeOf(registers: Uint32Array): readonly [x: number, y: number, z: number, allowMerging: boolean] {
  const packed = viewOf(new Uint8Array(4));
  packed.setUint32(0, registers[COMPUTE_REGISTERS.workgroupSize]!, true);
  const { x, y, z, allowMerging } = ComputeSizeWorkgroup.read(packed, 0);
  return [x, y, z, allowMerging];
}

class ComputeWork implements Work {
  /** Warps that have ended, of lists such that have begun. */
  progress = 0;
  readonly #executor: WarpExecutor | undefined;
  readonly #context: RunContext | undefined;
  readonly #stage: ComputeStage = { kind: 'compute', workgroupStorage: 0, threadSlot: THREAD_SLOT.COMPUTE };
  readonly #size: readonly [number, number, number];
  readonly #offset: readonly [number, number, number];
  readonly #count: readonly [number, number, number];
  /** Workgroups at work together, and how many workgroups there are in all. */
  readonly #together: number;
  #total: number;
  readonly #warps: WarpState[] = [];
  readonly #done: boolean[] = [];
  readonly #part: ComputePart;
  #program = 0;
  /** Registers of the threads at work, where one warp can be run after the other; 0: they take turns. */
  readonly #list: number = 0;
  readonly #listBytes: number = 0;
  /** First of the workgroups at work. */
  #group = 0;
  /** Warps of the current workgroups, how many of a list have begun, and the one whose turn it is. */
  #active = 0;
  #begun = 0;
  #turn = 0;

  constructor(request: ComputeRequest, textures: TextureUnit, makeExecutor: MakeExecutor, part: ComputePart) {
    const { registers, operands, memory } = request;
    const r = COMPUTE_REGISTERS;
    const word = (n: number): number => registers[n]!;
    const [x, y, z, allowMerging] = sizeOf(registers);
    this.#part = part;
    this.#size = [x, y, z];
    this.#offset = [word(r.jobOffsetX), word(r.jobOffsetY), word(r.jobOffsetZ)];
    this.#count = [word(r.jobSizeX), word(r.jobSizeY), word(r.jobSizeZ)];
    const threads = x * y * z;
    if (threads > MAX_WORKGROUP) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        0,
        `RUN_COMPUTE: workgroup of ${x}×${y}×${z} threads, more than ${MAX_WORKGROUP}`,
      );
    }
    this.#total = this.#count[0] * this.#count[1] * this.#count[2];
    this.#together = allowMerging ? Math.max(1, Math.floor(LANES / threads)) : 1;
    const shader = pairOf(registers, r.spd[operands.spdSelect]!);
    // A job without a program is empty.
    if (shader === 0 || this.#total === 0) {
      this.#total = 0;
      return;
    }
    const fau = fauOf(registers, r.fau[operands.fauSelect]!);
    const environment = loadEnvironment(memory, {
      resources: pairOf(registers, r.srt[operands.srtSelect]!),
      shader,
      threadStorage: pairOf(registers, r.tsd[operands.tsdSelect]!),
      fau: fau.address,
      fauCount: fau.count,
      attributeOffset: word(r.globalAttributeOffset),
    });
    this.#program = environment.program.binary;
    const { storage } = environment;
    const instance = storage?.wlsSizeScale ? 2 ** (storage.wlsSizeScale - 1 + storage.wlsInstancesLog2) : 0;
    this.#stage.workgroupStorage = (storage?.wlsBase ?? 0) + part.core * instance;
    this.#context = new RunContext(environment, this.#stage, textures);
    this.#executor = makeExecutor(this.#context);
    if (this.#executor.list && this.#executor.alone) {
      if (instance === 0 && threads % LANES === 0) this.#together = groupsOfList(threads, this.#total);
      this.#listBytes = threadListBytes(THREAD_PRELOADS.compute, this.#together * threads);
      this.#list = scratch.owned(this, this.#listBytes);
    }
  }

  step(): WorkState {
    let state: WorkState | undefined;
    try {
      state = this.#slice();
    } finally {
      if (state !== 'more') this.#close();
    }
    return state;
  }

  abandon(): void {
    this.#close();
  }

  /** The job is over, or a fault has ended it: its register files may serve others. */
  #close(): void {
    for (const { registers } of this.#warps.splice(0)) Registers.give(registers);
    this.#context?.close();
    if (this.#list) scratch.disown(this, [this.#list, this.#listBytes]);
  }

  #slice(): WorkState {
    let left = SLICE;
    while (left > 0) {
      if (this.#active === 0) {
        this.#group = this.#part.claim(1) * this.#together;
        if (this.#group >= this.#total) return 'done';
        this.#begin();
        left -= 16;
      }
      left = this.#list ? this.#listOnce(left) : this.#turnOnce(left);
    }
    return 'more';
  }

  /** Goes on with the list of all threads of the workgroups at work. */
  #listOnce(budget: number): number {
    const executor = this.#executor!;
    const w = this.#warps[0]!;
    const done = executor.list!(w, budget);
    // In a list of long shaders warps that have begun tell how far it has come.
    const begun = done
      ? this.#active
      : Math.min(this.#active, Math.ceil(scratch.u32[(w.frame + FRAME.thread) / 4]! / LANES));
    this.progress += begun - this.#begun;
    this.#begun = done ? 0 : begun;
    if (done) this.#active = 0;
    return executor.left - 1;
  }

  /** Gives the next warp its turn. */
  #turnOnce(budget: number): number {
    const executor = this.#executor!;
    let waiting = 0;
    let alive = 0;
    for (let tried = 0; tried < this.#active; tried++) {
      const n = (this.#turn + tried) % this.#active;
      if (this.#done[n]) continue;
      alive++;
      const w = this.#warps[n]!;
      if (w.live && (w.live & ~w.waiting) === 0) {
        waiting++;
        continue;
      }
      const end = executor.run(w, budget);
      if (end === 'done') {
        this.#done[n] = true;
        this.progress++;
      }
      this.#turn = n;
      return executor.left - 1;
    }
    if (alive === 0) {
      this.#active = 0;
      return budget;
    }
    if (waiting === alive) for (let n = 0; n < this.#active; n++) executor.pass(this.#warps[n]!);
    return budget - 1;
  }

  /** Sets up the warps of the workgroups that come next. */
  #begin(): void {
    const [sx, sy, sz] = this.#size;
    const groups = Math.min(this.#together, this.#total - this.#group);
    const all = groups * sx * sy * sz;
    this.#active = Math.ceil(all / LANES);
    this.#turn = 0;
    if (this.#list) {
      this.#beginList(all);
      return;
    }
    for (let n = 0; n < this.#active; n++) {
      const w = this.#warp(n);
      const lanes = Math.min(LANES, all - n * LANES);
      this.#executor!.clear(w);
      this.#fill(w.registers.at + FIRST * COLUMN_BYTES, n * LANES, lanes);
      w.start(this.#program, lanes === LANES ? ALL_LANES : (1 << lanes) - 1, 0);
      this.#done[n] = false;
    }
  }

  /** Lists the threads (engine/threads.ts). */
  #beginList(all: number): void {
    const w = this.#warp(0);
    this.#fill(this.#list, 0, all);
    const words = scratch.u32;
    words[(w.frame + FRAME.list) / 4] = this.#list;
    words[(w.frame + FRAME.thread) / 4] = 0;
    words[(w.frame + FRAME.threads) / 4] = all;
  }

  #warp(n: number): WarpState {
    let w = this.#warps[n];
    if (!w) {
      w = new WarpState(this.#context!);
      w.warpId = n;
      w.threadSlot = this.#part.core * CORE_THREADS + THREAD_SLOT.COMPUTE + n * LANES;
      this.#warps[n] = w;
    }
    return w;
  }

  /** Fills the columns of the registers that `count` threads start with, warp by warp. */
  #fill(at: number, thread: number, count: number): void {
    const [sx, sy, sz] = this.#size;
    const [cx, cy] = this.#count;
    const [ox, oy, oz] = this.#offset;
    fillThreads()(at, thread, count, this.#group, sx, sy, sz, cx, cy, ox, oy, oz);
  }
}

const FIRST = THREAD_PRELOADS.compute.first;
