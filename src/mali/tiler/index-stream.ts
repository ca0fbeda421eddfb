/**
 * IndexStream: a draw's indices, assembled to primitives that fill batch after batch.
 *
 * Primitives are collected by emitted code (wasm/collect.ts); script only tells it where in DRAM the next indices lie, or loads one
 * that no extent holds whole, so that a fault is what the memory says. On the interpreter's engine they are collected here.
 */
import { pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import type { VirtualMemory } from '../contract.ts';
import type { Engine } from '../engine/names.ts';
import { scratch } from '../engine/scratch.ts';
import { Assembler } from './assemble.ts';
import type { Batch } from './batch.ts';
import type { TilerDraw } from './draw.ts';
import { ExtentCache } from './extents.ts';
import { COLLECT, TILER } from './state.ts';
import { type Collect, collector } from './wasm/collect.ts';

const LARGEST = 2 ** 32 - 1;

export class IndexStream {
  readonly #draw: TilerDraw;
  readonly #batch: Batch;
  readonly #assembler: Assembler;
  readonly #restart: number;
  readonly #indices: number;
  readonly #available: number;
  readonly #emitted: Collect | undefined;
  readonly #extents: ExtentCache;
  #generation = -1;
  #instance = 0;
  #next = 0;
  #id = 0;
  /** The assembler's primitive, of this instance, waits for the next batch; -1: none does. */
  #held = -1;

  constructor(draw: TilerDraw, batch: Batch, engine: Engine) {
    this.#draw = draw;
    this.#batch = batch;
    const { registers, flags, context, indexBytes: bytes, memory } = draw;
    const first = context.firstProvokingVertex;
    this.#assembler = new Assembler(flags.drawMode, first);
    this.#restart = flags.primitiveRestart && bytes > 0 ? 2 ** (bytes * 8) - 1 : -1;
    this.#indices = pairOf(registers, R.indices) + registers[R.indexOffset]! * bytes;
    this.#available = Math.floor(registers[R.indexArraySize]! / Math.max(1, bytes)) - registers[R.indexOffset]!;
    this.#extents = new ExtentCache(memory, 'read');
    if (engine === 'interpreter') return;
    this.#emitted = collector(memory.dram, flags.drawMode, bytes, first);
    const at = batch.at / 4;
    const words = scratch.u32;
    words.fill(0, at + TILER.streamInstance / 4, at + TILER.due / 4);
    words[at + TILER.count / 4] = registers[R.indexCount]!;
    words[at + TILER.instances / 4] = registers[R.instanceCount]!;
    words[at + TILER.available / 4] = Math.max(0, this.#available);
    words[at + TILER.restarts / 4] = this.#restart < 0 ? 0 : 1;
    words[at + TILER.restart / 4] = this.#restart;
  }

  /** Fills the batch. True: it is full, or the stream is at its end; false: the slice is over. */
  collect(): boolean {
    return this.#emitted ? this.#collectEmitted(this.#emitted) : this.#collect();
  }

  #collectEmitted(collect: Collect): boolean {
    const { memory } = this.#draw;
    const words = scratch.i32;
    const at = this.#batch.at / 4;
    if (this.#generation !== memory.generation) {
      this.#generation = memory.generation;
      words[at + TILER.windowCount / 4] = 0;
    }
    words[at + TILER.budget / 4] = this.#draw.budget;
    for (;;) {
      const code = collect(this.#batch.at);
      if (code === COLLECT.INDEX) {
        this.#window();
        continue;
      }
      this.#draw.budget = words[at + TILER.budget / 4]!;
      return code === COLLECT.FULL;
    }
  }

  /** Finds where the indices from the next one on can be read, or reads that one. */
  #window(): void {
    const words = scratch.u32;
    const at = this.#batch.at / 4;
    const { indexBytes: bytes, memory } = this.#draw;
    const next = words[at + TILER.next / 4]!;
    const start = this.#indices;
    const extent = this.#extents.at(start + next * bytes);
    if (extent) {
      const first = Math.max(0, Math.ceil((extent.start - start) / bytes));
      const end = Math.floor((extent.start + extent.size - start) / bytes);
      if (first <= next && next < end) {
        words[at + TILER.windowFirst / 4] = first;
        words[at + TILER.windowCount / 4] = Math.min(end, LARGEST) - first;
        words[at + TILER.window / 4] = extent.physical + (start + first * bytes - extent.start);
        return;
      }
    }
    words[at + TILER.value / 4] = loadIndex(memory, start + next * bytes, bytes);
    words[at + TILER.given / 4] = 1;
  }

  #collect(): boolean {
    const draw = this.#draw;
    const { registers, memory, indexBytes: bytes } = draw;
    const assembler = this.#assembler;
    const count = registers[R.indexCount]!;
    const instances = registers[R.instanceCount]!;
    if (this.#held >= 0) {
      // An empty batch has room for any primitive.
      const instance = this.#held;
      this.#held = -1;
      this.#add(instance);
    }
    while (this.#instance < instances) {
      const instance = this.#instance;
      if (this.#next === count) {
        this.#instance++;
        this.#next = 0;
        if (assembler.finish() && !this.#add(instance)) return true;
        continue;
      }
      if (this.#next === 0) this.#id = 0;
      if (--draw.budget < 0) return false;
      const i = this.#next++;
      const index = bytes === 0 ? i : i < this.#available ? loadIndex(memory, this.#indices + i * bytes, bytes) : 0;
      if (index === this.#restart ? !assembler.finish() : !assembler.push(index)) continue;
      if (!this.#add(instance)) return true;
    }
    return true;
  }

  /** Adds the assembler's primitive to the batch. False: it has no room, the primitive is held. */
  #add(instance: number): boolean {
    const { arity } = this.#draw;
    const { a, b, c, provoking } = this.#assembler;
    // Primitives that have no area count, too.
    const degenerate = arity === 3 && (a === b || b === c || a === c);
    if (!degenerate && !this.#batch.add(arity, a, b, c, instance, provoking, this.#id)) {
      this.#held = instance;
      return false;
    }
    this.#id++;
    return true;
  }
}

function loadIndex(memory: VirtualMemory, at: number, bytes: number): number {
  return bytes === 1 ? memory.load8(at) : bytes === 2 ? memory.load16(at) : memory.load32(at);
}
