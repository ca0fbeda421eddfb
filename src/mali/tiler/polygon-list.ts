/**
 * PolygonListWriter: appends primitives to the polygon list of a tiler context.
 *
 * The list's head and blocks come from the tiler heap. All state is in memory (TILER_CONTEXT.polygonList and the list
 * itself), so draws of several streams may follow one another, and a handler of out-of-memory that clears the field makes the
 * next primitive begin a new list. Format: abi/gpu/polygon-list.ts, which is ours.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
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
/** Primitives of a small block; what a heap's chunks have at least for larger ones. */
const SMALL_BLOCK = 64;
const LARGE_CHUNK = 8 * MAX_BLOCK_PRIMITIVES * PrimitiveRecord.size;
/** Heads of an empty list and of an empty block. */
const listHead = PolygonList.pack({ magic: POLYGON_LIST_MAGIC });
const blockHead = PolygonBlock.pack({ magic: POLYGON_BLOCK_MAGIC });
const blockWords = new Uint32Array(blockHead.buffer);
const WORD = 4;
const LAST = PolygonList.offset.last / WORD;
/** Words at the beginning of a head in which its fields are. */
const HEAD_WORDS = 8;
/** The head that is being looked at. */
const words = new Uint32Array(HEAD_WORDS);
const LIST_FIELD = TilerContext.offset.polygonList;

export class PolygonListWriter {
  readonly #memory: VirtualMemory;
  readonly #heap: TilerHeap;
  readonly #context: number;
  readonly #extents: ExtentCache;
  /** Of the block that `#block` has answered. */
  #count = 0;
  #capacity = 0;
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
    this.#write(block + PolygonBlock.size + this.#count * PrimitiveRecord.size, words);
    this.#memory.store32(block + PolygonBlock.offset.count, this.#count + 1);
    return true;
  }

  /**
   * Finds where the next records may be written: `room` of them at `out` in DRAM, until `commit` says how many were. False:
   * no room, the heap must grow. `room` may be 0: `append` knows why.
   */
  open(): boolean {
    const block = this.#block();
    if (block === 0) return false;
    const at = block + PolygonBlock.size + this.#count * PrimitiveRecord.size;
    const extent = this.#extents.at(at);
    this.room = 0;
    if (!extent) return true;
    const fit = Math.floor((extent.start + extent.size - at) / PrimitiveRecord.size);
    this.room = Math.min(fit, this.#capacity - this.#count);
    this.out = extent.physical + (at - extent.start);
    this.#opened = block;
    this.#written = this.#count;
    return true;
  }

  /** So many records have been written since `open`, or the last `commit`. */
  commit(records: number): void {
    if (records === 0) return;
    this.#written += records;
    this.#memory.store32(this.#opened + PolygonBlock.offset.count, this.#written);
  }

  /** The block that has room for a primitive, its count and capacity known; 0: the heap must grow. */
  #block(): number {
    const memory = this.#memory;
    let list = this.list;
    if (list === 0) {
      const at = this.#heap.alloc(PolygonList.size, ALIGN);
      if (at === undefined) return 0;
      memory.write(at, listHead);
      memory.store64(this.#context + LIST_FIELD, at);
      list = at;
    }
    const head = this.#head(list);
    if (head[PolygonList.offset.magic / WORD] !== POLYGON_LIST_MAGIC) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        list,
        `TILER_CONTEXT.polygonList ${hex(list)} is no polygon list of this tiler`,
      );
    }
    const sequence = head[PolygonList.offset.blocks / WORD]!;
    const block = head[LAST]! + head[LAST + 1]! * 2 ** 32;
    if (block !== 0) {
      this.#enter(block);
      if (this.#count < this.#capacity) return block;
    }
    // Lists of few primitives do with a small block, and so do heaps of small chunks.
    const large = sequence > 0 && this.#heap.chunkBytes >= LARGE_CHUNK;
    const capacity = large ? MAX_BLOCK_PRIMITIVES : SMALL_BLOCK;
    const at = this.#heap.alloc(PolygonBlock.size + capacity * PrimitiveRecord.size, ALIGN);
    if (at === undefined) return 0;
    blockWords[PolygonBlock.offset.sequence / WORD] = sequence;
    blockWords[PolygonBlock.offset.capacity / WORD] = capacity;
    memory.write(at, blockHead);
    if (block === 0) memory.store64(list + PolygonList.offset.first, at);
    else memory.store64(block + PolygonBlock.offset.next, at);
    memory.store64(list + PolygonList.offset.last, at);
    memory.store32(list + PolygonList.offset.blocks, sequence + 1);
    this.#count = 0;
    this.#capacity = capacity;
    return at;
  }

  /** Finds out how many primitives a block has and was made for, at most as many as a block can have. */
  #enter(block: number): void {
    const head = this.#head(block);
    if (head[PolygonBlock.offset.magic / WORD] !== POLYGON_BLOCK_MAGIC) {
      throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, block, `${hex(block)} is no block of a polygon list`);
    }
    this.#count = head[PolygonBlock.offset.count / WORD]!;
    this.#capacity = Math.min(head[PolygonBlock.offset.capacity / WORD]!, MAX_BLOCK_PRIMITIVES);
  }

  /** The words of a list's or block's head; good until the next call. */
  #head(at: number): Uint32Array {
    const physical = at % WORD === 0 ? this.#extents.within(at, HEAD_WORDS * WORD) : -1;
    if (physical < 0) {
      for (let n = 0; n < HEAD_WORDS; n++) words[n] = this.#memory.load32(at + n * WORD);
      return words;
    }
    const { u32 } = this.#memory.dram;
    for (let n = 0; n < HEAD_WORDS; n++) words[n] = u32[physical / WORD + n]!;
    return words;
  }

  /** Words to one translated range; where that is not in one page, one by one. */
  #write(at: number, words: Uint32Array): void {
    const memory = this.#memory;
    if (at - Math.floor(at / PAGE_SIZE) * PAGE_SIZE + PrimitiveRecord.size > PAGE_SIZE) {
      for (let i = 0; i < words.length; i++) memory.store32(at + i * 4, words[i]!);
      return;
    }
    const physical = memory.translate(at, 'write');
    const { view } = memory.dram;
    for (let i = 0; i < words.length; i++) view.setUint32(physical + i * 4, words[i]!, true);
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;
