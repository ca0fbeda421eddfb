/**
 * The seams inside the virtual GPU: what its units ask of one another. Types only, and the fault that all of them throw.
 *
 * The command-stream unit (csu/) decodes RUN_* instructions and hands a snapshot of its registers to a unit, which
 * answers with a `Work` that is stepped in bounded slices. Units reach memory through `VirtualMemory`, the GPU's view
 * of one address space (mmu/), and by nothing else.
 */
import type { CsName, CsOperands } from '../abi/gpu/cs.ts';
import type { Layout, Values } from '../abi/layout.ts';
import type { PhysicalMemory } from '../board/dram.ts';

export type Access = 'read' | 'write' | 'execute' | 'atomic';

/** What stops a unit: an exception code of `abi/gpu/regs.ts`, the address it is about, and a sentence that names it. */
export class GpuFault extends Error {
  readonly code: number;
  readonly address: number;

  constructor(code: number, address: number, message: string) {
    super(message);
    this.name = 'GpuFault';
    this.code = code;
    this.address = address;
  }
}

/** A page fault: translation or permission. The MMU has latched it in its fault registers. */
export class PageFault extends GpuFault {
  readonly access: Access;

  constructor(code: number, address: number, access: Access, message: string) {
    super(code, address, message);
    this.name = 'PageFault';
    this.access = access;
  }
}

/** A run of virtual addresses that is one run of physical ones. Numbers in bytes. */
export interface Extent {
  readonly start: number;
  readonly size: number;
  /** Physical address of `start`. */
  readonly physical: number;
}

/**
 * One GPU address space as the units see it. Addresses are GPU virtual addresses in bytes; every access may throw
 * PageFault. Scalars need not be aligned. Implemented in mmu/, with a translation cache that AS commands flush.
 */
export interface VirtualMemory {
  /** Physical address (offset into DRAM) of `va`; good up to the next 4 KiB boundary. */
  translate(va: number, access: Access): number;
  /** Whether `access` to all of [va, va + size) would succeed. Latches no fault. */
  probe(va: number, size: number, access: Access): boolean;
  /**
   * Another number whenever translations have been dropped; no two address spaces ever have the same. What was learnt of
   * physical addresses is good as long as it stays.
   */
  readonly generation: number;
  /** The memory that physical addresses are offsets into. */
  readonly dram: PhysicalMemory;
  /** Pages around `va` that may be accessed so and lie behind one another; undefined where `va` itself may not. No fault. */
  extent(va: number, access: Access): Extent | undefined;
  load8(va: number): number;
  load16(va: number): number;
  load32(va: number): number;
  /** 64-bit value as a number; for addresses and counters below 2^53. */
  load64(va: number): number;
  loadBig64(va: number): bigint;
  store8(va: number, value: number): void;
  store16(va: number, value: number): void;
  store32(va: number, value: number): void;
  store64(va: number, value: number): void;
  storeBig64(va: number, value: bigint): void;
  /**
   * Replaces a word by what `change` makes of it and answers the old one: in one piece for all threads and guests where `va` is
   * aligned. `change` may be called more than once. Needs the right to read and write ('atomic').
   */
  update32(va: number, change: (old: number) => number): number;
  update64(va: number, change: (old: bigint) => bigint): bigint;
  /** Copies bytes out of or into the address space, page by page. */
  read(va: number, size: number): Uint8Array;
  write(va: number, data: Uint8Array): void;
  /** The same as `decode`, for what is read often and seldom changes: the same object as long as memory holds the same. */
  descriptor<F extends Record<string, any>>(layout: Layout<F>, va: number): Readonly<Values<F>>;
  /** Decodes a structure. */
  decode<F extends Record<string, any>>(layout: Layout<F>, va: number): Values<F>;
  encode<F extends Record<string, any>>(layout: Layout<F>, va: number, values: Partial<Values<F>>): void;
}

/**
 * How a slice of work ended. After 'oom' the tiler is stepped again when its heap has room; see TilerHeap. After 'waiting', as
 * another thread is at it, when the work calls `onWake`.
 */
export type WorkState = 'more' | 'done' | 'oom' | 'waiting';

/** Takes so many pieces of a job, tiles or workgroups, for one thread alone: answers the first one's number. They count from 0 on. */
export type Claim = (pieces: number) => number;

/** A job in progress. */
export interface Work {
  /** Does about a millisecond's worth. May throw GpuFault, after which the work is over. */
  step(): WorkState;
  /**
   * Grows whenever a piece has come to its end: a warp, a tile, a primitive. A work without it is one piece. What looks for
   * hangs goes by this, as time is not modelled.
   */
  readonly progress?: number;
  /** Set by whoever steps the work: it has answered 'waiting' and can be stepped again. Never called from inside a step. */
  onWake?: () => void;
  /** The work will not be stepped again, though it is not over: it gives back what it holds and touches memory no more. */
  abandon?(): void;
}

/** What a RUN_* instruction hands over: its address space, the 96 work registers as they were, its decoded operands. */
export interface RunRequest<Operands> {
  readonly memory: VirtualMemory;
  /** A copy: the stream may go on and change its own. */
  readonly registers: Uint32Array;
  readonly operands: Operands;
  /** Address of the heap context that HEAP_SET named, 0 if none: what TilerHeap needs. */
  readonly heapContext: number;
}

/** Who follows what command streams do, to print it. It changes nothing, and throws nothing, whatever it meets. */
export interface Tracer {
  /** A stream is about to execute `count` instructions from `address` on; `depth`: calls that are active. */
  instructions(stream: string, memory: VirtualMemory, address: number, count: number, depth: number): void;
  /** The last one of them starts a unit. */
  run(name: CsName, request: RunRequest<any>, depth: number): void;
}

/**
 * The units that RUN_* instructions start. Each answers at once with the work in progress; what is wrong with the request
 * may be thrown here or by the first step. Works of one kind from one stream are stepped one after the other, in order.
 */
export interface Units {
  compute(request: RunRequest<CsOperands<'RUN_COMPUTE'>>): Work;
  computeIndirect(request: RunRequest<CsOperands<'RUN_COMPUTE_INDIRECT'>>): Work;
  /** A draw: vertex shading and tiling. May answer 'oom' (TilerHeap). */
  idvs(request: RunRequest<CsOperands<'RUN_IDVS'>>): Work;
  /** Tiling of vertices that are shaded already. */
  tiling(request: RunRequest<CsOperands<'RUN_TILING'>>): Work;
  fullscreen(request: RunRequest<CsOperands<'RUN_FULLSCREEN'>>): Work;
  /** FINISH_TILING: what the tiler still holds goes to memory. The tiler context is the one of d40. */
  finishTiling(request: RunRequest<CsOperands<'FINISH_TILING'>>): Work;
  fragment(request: RunRequest<CsOperands<'RUN_FRAGMENT'>>): Work;
  /** Who is told of all that streams do, if anybody is. */
  readonly tracer?: Tracer | undefined;
}
