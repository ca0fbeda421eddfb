/**
 * PolygonListWriter: appends primitives to the polygon list of a tiler context.
 *
 * The list's head and blocks come from the tiler heap. All state is in memory (TILER_CONTEXT.polygonList and the list
 * itself), so draws of several streams may follow one another, and a handler of out-of-memory that clears the field makes the
 * next primitive begin a new list. Format: abi/gpu/polygon-list.ts, which is ours.
 */
import {
  DrawRecord,
  MAX_BLOCK_PRIMITIVES,
  POLYGON_BLOCK_MAGIC,
  POLYGON_LIST_MAGIC,
  PolygonBlock,
  PolygonList,
  PrimitiveRecord,
} from '../../abi/gpu/polygon-list.ts';
import { TilerContext } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import type { TilerHeap } from '../tiler-heap.ts';
import { ExtentCache } from './extents.ts';

const ALIGN = 64;
/** What a translation is good for. */
const PAGE = 4096;
/** Primitives of a small block; what a heap's chunks have at least for larger ones. */
const SMALL_BLOCK = 64;
const LARGE_CHUNK = 8 * MAX_BLOCK_PRIMITIVES * PrimitiveRecord.size;
/** The head of an empty block. */
const headBytes = PolygonBlock.pack({ magic: POLYGON_BLOCK_MAGIC });
const head = new Uint32Array(headBytes.buffer);
const LIST_FIELD = TilerContext.offset.polygonList;

export class PolygonListWriter {
  readonly #memory: VirtualMemory;
  readonly #heap: TilerHeap;
  readonly #context: number;
  readonly #extents: ExtentCache;
  /** See `open`. */
  out = 0;
  room = 0;
  #opened = 0;
  #written = 0;

  constructor(memory: VirtualMemory, heap: TilerHeap, context: number) {
    this.#memory = memory;
    this.#heap = heap;
    this.#context = context;
    this.#extents = new ExtentCache(memory, 'write');
  }

  /** Address of the list, 0 if there is none. Changes when an out-of-memory handler has drawn and dropped it. */
  get list(): number {
    return this.#memory.load64(this.#context + LIST_FIELD);
  }

  /** Writes what a draw's primitives share. Undefined: no room, the heap must grow. */
  draw(record: Uint8Array): number | undefined {
    const at = this.#heap.alloc(DrawRecord.size, ALIGN);
    if (at === undefined) return undefined;
    this.#memory.write(at, record);
    return at;
  }

  /** Appends a primitive, the words of its PrimitiveRecord. False: no room, the heap must grow. */
  append(words: Uint32Array): boolean {
    const block = this.#block();
    if (block === 0) return false;
    const count = this.#count(block);
    this.#write(block + PolygonBlock.size + count * PrimitiveRecord.size, words);
    this.#memory.store32(block + PolygonBlock.offset.count, count + 1);
    return true;
  }

  /**
   * Finds where the next records may be written: `room` of them at `out` in DRAM, until `commit` says how many were. False:
   * no room, the heap must grow. `room` may be 0: `append` knows why.
   */
  open(): boolean {
    const block = this.#block();
    if (block === 0) return false;
    const count = this.#count(block);
    const at = block + PolygonBlock.size + count * PrimitiveRecord.size;
    const extent = this.#extents.at(at);
    this.room = 0;
    if (!extent) return true;
    const fit = Math.floor((extent.start + extent.size - at) / PrimitiveRecord.size);
    this.room = Math.min(fit, this.#capacity(block) - count);
    this.out = extent.physical + (at - extent.start);
    this.#opened = block;
    this.#written = count;
    return true;
  }

  /** So many records have been written since `open`, or the last `commit`. */
  commit(records: number): void {
    if (records === 0) return;
    this.#written += records;
    this.#memory.store32(this.#opened + PolygonBlock.offset.count, this.#written);
  }

  /** The block that has room for a primitive, 0: the heap must grow. */
  #block(): number {
    const memory = this.#memory;
    let list = this.list;
    if (list === 0) {
      const at = this.#heap.alloc(PolygonList.size, ALIGN);
      if (at === undefined) return 0;
      memory.write(at, PolygonList.pack({ magic: POLYGON_LIST_MAGIC }));
      memory.store64(this.#context + LIST_FIELD, at);
      list = at;
    }
    if (memory.load32(list) !== POLYGON_LIST_MAGIC) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        list,
        `TILER_CONTEXT.polygonList ${hex(list)} is no polygon list of this tiler`,
      );
    }
    const block = memory.load64(list + PolygonList.offset.last);
    if (block !== 0 && this.#count(block) < this.#capacity(block)) return block;
    const sequence = memory.load32(list + PolygonList.offset.blocks);
    // Lists of few primitives do with a small block, and so do heaps of small chunks.
    const large = sequence > 0 && this.#heap.chunkBytes >= LARGE_CHUNK;
    const capacity = large ? MAX_BLOCK_PRIMITIVES : SMALL_BLOCK;
    const at = this.#heap.alloc(PolygonBlock.size + capacity * PrimitiveRecord.size, ALIGN);
    if (at === undefined) return 0;
    head[PolygonBlock.offset.sequence / 4] = sequence;
    head[PolygonBlock.offset.capacity / 4] = capacity;
    memory.write(at, headBytes);
    if (block === 0) memory.store64(list + PolygonList.offset.first, at);
    else memory.store64(block + PolygonBlock.offset.next, at);
    memory.store64(list + PolygonList.offset.last, at);
    memory.store32(list + PolygonList.offset.blocks, sequence + 1);
    return at;
  }

  /** Words to one translated range; where that is not in one page, one by one. */
  #write(at: number, words: Uint32Array): void {
    const memory = this.#memory;
    if (at - Math.floor(at / PAGE) * PAGE + PrimitiveRecord.size > PAGE) {
      for (let i = 0; i < words.length; i++) memory.store32(at + i * 4, words[i]!);
      return;
    }
    const physical = memory.translate(at, 'write');
    const { view } = memory.dram;
    for (let i = 0; i < words.length; i++) view.setUint32(physical + i * 4, words[i]!, true);
  }

  /** How many primitives a block was made for; it is not taken at its word if that is more than a block can have. */
  #capacity(block: number): number {
    return Math.min(this.#memory.load32(block + PolygonBlock.offset.capacity), MAX_BLOCK_PRIMITIVES);
  }

  #count(block: number): number {
    if (this.#memory.load32(block) !== POLYGON_BLOCK_MAGIC) {
      throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, block, `${hex(block)} is no block of a polygon list`);
    }
    return this.#memory.load32(block + PolygonBlock.offset.count);
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;
