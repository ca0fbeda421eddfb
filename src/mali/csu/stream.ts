/**
 * CommandStream: one command-stream unit at work on one ring buffer.
 *
 * It fetches instructions from the ring and from the buffers that it calls, keeps the work registers, the call stack and
 * the scoreboard, and sends works to endpoints. What an instruction means is in execute.ts; this file is about the flow:
 * fetch, calls and returns, blocking, faults, and the endpoints' progress. `step` does a bounded piece of it.
 *
 * An instruction that must wait is not retired: the stream remembers why, and runs the same instruction again when
 * somebody says that this may have changed (`wake`). Nothing polls.
 *
 * A fault (a work that failed) leaves an error behind, which sync objects inherit, and stops the stream until the host has
 * taken note; until ERROR_BARRIER it starts no further works. A fatal error stops it for good.
 */
import { CS_INSTRUCTION_SIZE, CsBase, type CsName } from '../../abi/gpu/cs.ts';
import { EXCEPTION, exceptionName } from '../../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Log } from '../../board/log.ts';
import {
  GpuFault,
  PageFault,
  type RunRequest,
  type Tracer,
  type Units,
  type VirtualMemory,
  type Work,
} from '../contract.ts';
import type { DecodeCache } from './decode-cache.ts';
import { ENDPOINTS, Endpoints, type Job } from './endpoint.ts';
import { HeapShortage } from './heap.ts';
import { runMoves } from './moves.ts';
import { Scoreboard } from './scoreboard.ts';
import type { SyncWait } from './sync.ts';

/** Execution states. `faulted` waits for the host, `dead` for ever. */
export const STREAM_STATE = { RUNNING: 0, FAULTED: 1, DEAD: 2 } as const;

/** Why the instruction at hand cannot be done yet. */
export type Blocked =
  | { readonly kind: 'scoreboard'; readonly mask: number }
  | { readonly kind: 'full' }
  | { readonly kind: 'sync'; readonly wait: SyncWait }
  | { readonly kind: 'progress' };

/** What a stream needs of the world: its group slot, the host and the rest of the GPU. */
export interface StreamHost {
  readonly name: string;
  readonly dram: PhysicalMemory;
  readonly memory: VirtualMemory;
  readonly units: Units;
  readonly log: Log;
  /** Instructions, taken apart by the architecture's set. */
  readonly instructions: DecodeCache;
  /** Counters for STORE_STATE. */
  timestamp(): number;
  cycleCount(): number;
  /** Flushes caches unless a flush has happened since `latestFlushId` was read. */
  flushCaches(latestFlushId: number): void;
  /** Position up to which the host has filled the ring. */
  ringInsert(): number;
  /** Progress counter of another stream of the group, undefined if there is none. */
  progressOf(stream: number): number | undefined;
  /** A sync object was written; `system`: the host wants to know. */
  syncWritten(system: boolean): void;
  /** The progress counter has changed. */
  progressed(): void;
  /** Streams of the group that have this heap set; none of heap 0. */
  heapStreams(heapContext: number): readonly CommandStream[];
  /** Fragment work of a heap has ended or given chunks back. */
  heapReleased(heapContext: number): void;
  /** A work, or a piece of one, has come to its end. */
  workProgressed(): void;
  /** Announces a fault, and that the stream waits for the host's note. */
  reportFault(code: number, data: number, info: number): void;
  reportFatal(code: number, data: number, info: number): void;
  /** Asks for a tiler heap chunk. */
  reportShortage(heapContext: number): void;
  /** Something can be done again. */
  schedule(): void;
}

/** Instructions between two looks at the endpoints. */
const INSTRUCTIONS = 1024;

export class CommandStream {
  /** The slot that the stream is in; another one after a suspend. */
  host: StreamHost;
  readonly registers: Uint32Array;
  readonly scoreboard: Scoreboard;
  readonly endpoints = new Endpoints();
  readonly shortage: HeapShortage;
  readonly ringBase: number;
  readonly ringSize: number;
  /** Next instruction of the ring: bytes since its beginning, never wrapped. */
  ringPosition: number;
  /** Calls that are active; with none the ring itself is executed. */
  depth = 0;
  /** Next instruction of the innermost call, and where it ends. */
  pc = 0;
  end = 0;
  readonly returnPc: number[] = [];
  readonly returnEnd: number[] = [];
  /** Scoreboard entries for works and for everything else. */
  endpointEntry = 0;
  otherEntry = 0;
  heapContext = 0;
  handlerAddress = 0;
  handlerLength = 0;
  /** Depth of the exception handler's call, 0 if none runs. */
  handlerDepth = 0;
  /** What a fault left, until ERROR_BARRIER. */
  error = 0;
  /** REQ_RESOURCE's mask. */
  resources = 0;
  progress = 0;
  /** Address of the instruction being executed. */
  lastAddress = 0;
  /** Grows with every instruction done and every step of a work. */
  activity = 0;
  /** Grows with every instruction done. */
  retired = 0;
  state: number = STREAM_STATE.RUNNING;
  /** Why the instruction at hand has to wait; it is tried again when woken. */
  blocked: Blocked | undefined;
  #woken = false;
  readonly #tracer: Tracer | undefined;
  readonly #decoded: DecodeCache;
  /** The instruction at hand has been told to the tracer already. */
  #traced = false;

  constructor(host: StreamHost, ringBase: number, ringSize: number, ringPosition: number) {
    this.host = host;
    this.#tracer = host.units.tracer;
    this.#decoded = host.instructions;
    this.registers = new Uint32Array(this.#decoded.commands.registers);
    this.ringBase = ringBase;
    this.ringSize = ringSize;
    this.ringPosition = ringPosition;
    this.scoreboard = new Scoreboard(() => {
      const kind = this.blocked?.kind;
      if (kind === 'scoreboard' || kind === 'full') this.wake();
    });
    this.shortage = new HeapShortage(this);
  }

  /** Nothing to execute and nothing outstanding. */
  get empty(): boolean {
    return this.depth === 0 && this.ringPosition >= this.host.ringInsert() && this.scoreboard.empty;
  }

  /** It may get on: no fault has stopped it. */
  get running(): boolean {
    return this.state === STREAM_STATE.RUNNING;
  }

  /** The address of the instruction at hand. */
  get address(): number {
    return this.depth === 0 ? this.ringBase + (this.ringPosition % this.ringSize) : this.pc;
  }

  /** A sync object was written: runs the instruction at hand again if it waits for one. */
  wakeSync(): void {
    if (this.blocked?.kind === 'sync') this.wake();
  }

  /** The same for a stream's progress counter. */
  wakeProgress(): void {
    if (this.blocked?.kind === 'progress') this.wake();
  }

  /** Somebody has said that it can go on, and it has not looked yet. */
  get woken(): boolean {
    return this.#woken;
  }

  /** Lets the stream look again at whatever it waits for. */
  wake(): void {
    this.#woken = true;
    this.host.schedule();
  }

  /** The host has taken note of a fault. */
  acknowledgeFault(): void {
    if (this.state !== STREAM_STATE.FAULTED) return;
    this.state = STREAM_STATE.RUNNING;
    this.host.schedule();
  }

  /** Does a piece: some instructions, and a step of each endpoint's work. False if nothing could be done. */
  step(): boolean {
    const ran = this.#instructions();
    const worked = this.#works();
    return ran || worked;
  }

  #instructions(): boolean {
    let count = 0;
    while (count < INSTRUCTIONS && this.state === STREAM_STATE.RUNNING && (!this.blocked || this.#woken)) {
      this.blocked = undefined;
      this.#woken = false;
      const done = this.#instruction();
      if (done === 0) break;
      count += done;
    }
    return count > 0;
  }

  /** Runs an instruction, or the moves that stand one behind another here. Returns how many: 0 if there is none. */
  #instruction(): number {
    while (this.depth > 0 && this.pc >= this.end) this.#return();
    // Bytes that follow here, before the call's end, the insert position or the ring's.
    let room = this.end - this.pc;
    if (this.depth === 0) {
      room = this.host.ringInsert() - this.ringPosition;
      if (room <= 0) return 0;
      room = Math.min(room, this.ringSize - (this.ringPosition % this.ringSize));
    }
    const at = this.address;
    this.lastAddress = at;
    try {
      const physical = this.host.memory.translate(at, 'read');
      const moves = runMoves(this.host.dram.u32, physical, room, this.registers);
      if (moves > 0) {
        this.#trace(at, moves);
        this.#advance(moves * CS_INSTRUCTION_SIZE);
        this.lastAddress = at + (moves - 1) * CS_INSTRUCTION_SIZE;
        this.activity += moves;
        this.retired += moves;
        return moves;
      }
      if (!this.#traced) this.#trace(at, 1);
      const instruction = this.#decoded.fetch(this.host.dram.view, physical);
      if (!instruction) {
        const opcode = CsBase.fields.opcode.read(this.host.dram.view, physical);
        throw new GpuFault(EXCEPTION.CS_INSTR_INVALID, at, `opcode ${opcode} is none`);
      }
      this.#advance(CS_INSTRUCTION_SIZE);
      const done = instruction.execute(this, instruction.operands);
      if (done) {
        this.activity++;
        this.retired++;
      } else this.#advance(-CS_INSTRUCTION_SIZE);
      this.#traced = !done;
      return 1;
    } catch (error) {
      this.#die(error, at);
      return 0;
    }
  }

  #trace(at: number, count: number): void {
    this.#tracer?.instructions(this.host.name, this.host.memory, at, count, this.depth);
  }

  /** An instruction is about to start a work. */
  traceRun(name: CsName, request: RunRequest<any>): void {
    this.#tracer?.run(name, request, this.depth);
  }

  #advance(bytes: number): void {
    if (this.depth === 0) this.ringPosition += bytes;
    else this.pc += bytes;
  }

  /** Moves by `count` instructions from the next one. */
  branch(count: number): void {
    if (count === 0) return;
    this.#advance(count * CS_INSTRUCTION_SIZE);
    if (this.depth > 0) return;
    const insert = this.host.ringInsert();
    if (this.ringPosition < 0 || this.ringPosition > insert || insert - this.ringPosition > this.ringSize) {
      throw new GpuFault(EXCEPTION.CS_INSTR_INVALID, this.ringPosition, 'the branch leaves what the ring buffer holds');
    }
  }

  call(address: number, length: number): void {
    this.checkTarget(address, length);
    const depth = this.handlerDepth > 0 ? this.depth - 1 : this.depth;
    const most = this.#decoded.commands.callDepth;
    if (depth >= most) {
      throw new GpuFault(EXCEPTION.CS_CALL_STACK_OVERFLOW, address, `more than ${most} calls inside one another`);
    }
    this.#enter(address, length);
  }

  jump(address: number, length: number): void {
    this.checkTarget(address, length);
    if (this.depth === 0)
      throw new GpuFault(EXCEPTION.CS_INSTR_INVALID, address, 'a ring buffer cannot be left by JUMP');
    this.pc = address;
    this.end = address + length;
  }

  /** Interrupts the stream with its exception handler. */
  enterHandler(): void {
    this.blocked = undefined;
    this.#traced = false;
    this.#enter(this.handlerAddress, this.handlerLength);
    this.handlerDepth = this.depth;
    this.host.schedule();
  }

  /** Throws if no instructions can be at `address`, `length` bytes of them. */
  checkTarget(address: number, length: number): void {
    if (address % CS_INSTRUCTION_SIZE !== 0 || length % CS_INSTRUCTION_SIZE !== 0) {
      throw new GpuFault(
        EXCEPTION.CS_INSTR_INVALID,
        address,
        `no instructions can begin at 0x${address.toString(16)} and be ${length} bytes long`,
      );
    }
  }

  #enter(address: number, length: number): void {
    this.returnPc[this.depth] = this.pc;
    this.returnEnd[this.depth] = this.end;
    this.depth++;
    this.pc = address;
    this.end = address + length;
  }

  #return(): void {
    const handlerEnds = this.depth === this.handlerDepth;
    this.depth--;
    this.pc = this.returnPc[this.depth]!;
    this.end = this.returnEnd[this.depth]!;
    if (!handlerEnds) return;
    this.handlerDepth = 0;
    for (const stream of [this, ...this.host.heapStreams(this.heapContext)]) stream.shortage.handled();
  }

  /** Steps the first work of each endpoint. */
  #works(): boolean {
    let worked = false;
    for (const endpoint of ENDPOINTS) {
      const job = this.endpoints.head(endpoint);
      if (!job || this.state === STREAM_STATE.DEAD || job.waiting || this.shortage.stops(job)) continue;
      worked = true;
      this.activity++;
      this.#work(job);
    }
    return worked;
  }

  #work(job: Job): void {
    try {
      const work = job.work ?? this.#begin(job);
      const state = work.step();
      this.#lookAtProgress(job);
      if (state === 'oom') this.shortage.begin(job);
      else if (state === 'waiting') job.waiting = true;
      else {
        this.shortage.progressed(job);
        if (state === 'done') this.finish(job);
      }
    } catch (error) {
      this.fail(job, error);
    }
  }

  #begin(job: Job): Work {
    const work = job.start(this.host.units, job.request);
    job.work = work;
    work.onWake = () => {
      job.waiting = false;
      this.host.schedule();
    };
    return work;
  }

  #lookAtProgress(job: Job): void {
    if (job.work?.progress === job.progress) return;
    job.progress = job.work?.progress;
    this.host.workProgressed();
  }

  /** Whether a work of this stream is with other threads. */
  get elsewhere(): boolean {
    return ENDPOINTS.some((endpoint) => this.endpoints.head(endpoint)?.waiting === true);
  }

  /** Works that other threads are at get on between steps. */
  lookAtProgress(): void {
    for (const endpoint of ENDPOINTS) {
      const job = this.endpoints.head(endpoint);
      if (job) this.#lookAtProgress(job);
    }
  }

  /** The stream will not go on: its works are told. */
  abandon(): void {
    this.endpoints.clear();
  }

  /** A work is done. */
  finish(job: Job): void {
    this.endpoints.remove(job);
    if (job.progressIncrement) this.addProgress();
    this.#end(job);
    this.host.workProgressed();
    this.host.schedule();
  }

  /** A work has failed: a fault of the stream. */
  fail(job: Job, error: unknown): void {
    this.endpoints.remove(job);
    const fault = this.#asFault(error);
    const code = fault instanceof PageFault ? EXCEPTION.IMPRECISE_FAULT : fault.code;
    this.#log(`${job.name} at 0x${job.address.toString(16)}: ${fault.message}`, code);
    if (code === EXCEPTION.CSF_FW_INTERNAL_ERROR) {
      this.#stop(code, fault.address);
      return;
    }
    this.raise(code, fault.address);
    this.#end(job);
    this.host.workProgressed();
  }

  /** Ends the job's scoreboard item; what was deferred until then may fail in its turn. */
  #end(job: Job): void {
    try {
      this.scoreboard.end(job.item);
    } catch (error) {
      this.#die(error, this.address);
    }
  }

  /** Leaves an error and stops the stream until the host has taken note. */
  raise(code: number, info: number): void {
    this.error = 1;
    if (this.state !== STREAM_STATE.RUNNING) return;
    this.state = STREAM_STATE.FAULTED;
    this.host.reportFault(code, 0, info);
  }

  /** It goes out of step, and only a reset of the GPU helps. */
  lose(): void {
    if (this.state !== STREAM_STATE.DEAD) this.#stop(EXCEPTION.CS_UNRECOVERABLE, this.address);
  }

  addProgress(): void {
    this.progress++;
    this.host.progressed();
  }

  /** An instruction cannot be done at all. */
  #die(error: unknown, at: number): void {
    const fault = this.#asFault(error);
    const code = fault instanceof PageFault ? EXCEPTION.CS_BUS_FAULT : fault.code;
    this.#log(`at 0x${at.toString(16)} (${this.#text(at)}): ${fault.message}`, code);
    this.#stop(code, fault.address);
  }

  #stop(code: number, info: number): void {
    this.error = 1;
    this.state = STREAM_STATE.DEAD;
    this.endpoints.clear();
    this.scoreboard.clear();
    this.shortage.clear();
    this.host.reportFatal(code, 0, info);
  }

  /** What is no GpuFault is a bug of the model: loud, and the end of the stream, but not of the machine. */
  #asFault(error: unknown): GpuFault {
    if (error instanceof GpuFault) return error;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new GpuFault(EXCEPTION.CSF_FW_INTERNAL_ERROR, 0, `the model is at fault: ${text}`);
  }

  #text(at: number): string {
    try {
      return this.#decoded.commands.print(this.host.dram.view, this.host.memory.translate(at, 'read'));
    } catch (error) {
      if (error instanceof PageFault) return 'unreadable';
      throw error;
    }
  }

  #log(message: string, code: number): void {
    this.host.log('error', 'mali-csu', `${this.host.name}: ${exceptionName(code)} ${message}`);
  }
}
