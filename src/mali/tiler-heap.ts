/**
 * TilerHeap: how the tiler gets memory for binned geometry.
 *
 * The heap descriptor (TILER_CONTEXT.heap) holds the chunk in use and what is free of it. When that chunk is full, the
 * next one comes from its header's link (chunks that the host linked at creation), else from the heap context's free list
 * (chunks that FINISH_FRAGMENT gave back), else from the host: `alloc` answers undefined, the tiler's Work answers 'oom',
 * and the command-stream unit asks the host and calls `grow`. A chunk that was left goes to the end of the tiler context's
 * completed list, which the stream hands to FINISH_FRAGMENT when the pass has been drawn.
 *
 * If the host has no chunk either, the stream's exception handler renders what has been binned: `retire` puts the
 * chunk in use on the completed list too, the handler's fragment job consumes the polygon list, its FINISH_FRAGMENT frees
 * all chunks, and it clears the context's polygon list. So after 'oom' a tiler finds in its context either the polygon
 * list that it left, and more room, or none, and goes on with an empty one from the primitive where it stopped; nothing it
 * allocated before may be used then.
 *
 * All state is in GPU memory; nothing is cached here, so several heaps of one context may be at work in turns. GPU memory
 * is hostile: a descriptor that makes no sense is DATA_INVALID_FAULT.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_heap.c`, Mesa 25.0 `src/gallium/drivers/panfrost/pan_csf.c`.
 */
import { EXCEPTION } from '../abi/gpu/regs.ts';
import {
  chunkAddress,
  chunkRef,
  chunkSize,
  HeapChunkHeader,
  HeapContext,
  TilerContextHeap,
  TilerHeapDescriptor,
} from '../abi/gpu/tiler-heap.ts';
import { GpuFault, type VirtualMemory } from './contract.ts';

const BASE = TilerHeapDescriptor.offset.base;
const BOTTOM = TilerHeapDescriptor.offset.bottom;
const TOP = TilerHeapDescriptor.offset.top;
const SIZE = TilerHeapDescriptor.offset.size;
const NEXT = HeapChunkHeader.offset.next;
const FIRST_FREE = HeapContext.offset.firstFree;
const LAST_FREE = HeapContext.offset.lastFree;
const COMPLETED_TOP = TilerContextHeap.offset.completedTop;
const COMPLETED_BOTTOM = TilerContextHeap.offset.completedBottom;

export class TilerHeap {
  readonly #memory: VirtualMemory;
  readonly #context: number;
  readonly #heapContext: number;
  readonly #descriptor: number;

  /** `tilerContext`: address of the TILER_CONTEXT; `heapContext`: what HEAP_SET named, 0 if nothing. */
  constructor(memory: VirtualMemory, tilerContext: number, heapContext: number) {
    this.#memory = memory;
    this.#context = tilerContext;
    this.#heapContext = heapContext;
    this.#descriptor = memory.load64(tilerContext + TilerContextHeap.offset.heap);
    if (this.#descriptor === 0) {
      throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, tilerContext, 'TILER_CONTEXT names no heap');
    }
  }

  /** Bytes of the chunk in use. */
  get chunkBytes(): number {
    return this.#memory.load32(this.#descriptor + SIZE);
  }

  /**
   * The address of `size` bytes, aligned to `align` (a power of two); undefined if a chunk must come from the host first.
   * Bytes are as the last user left them. Throws DATA_INVALID_FAULT for a size that no chunk of this heap can hold.
   */
  alloc(size: number, align: number): number | undefined {
    const memory = this.#memory;
    for (;;) {
      const top = memory.load64(this.#descriptor + TOP);
      const at = Math.ceil(memory.load64(this.#descriptor + BOTTOM) / align) * align;
      if (at + size <= top) {
        memory.store64(this.#descriptor + BOTTOM, at + size);
        return at;
      }
      const whole = memory.load32(this.#descriptor + SIZE);
      if (Math.ceil(HeapChunkHeader.size / align) * align + size > whole) {
        throw new GpuFault(
          EXCEPTION.DATA_INVALID_FAULT,
          this.#descriptor,
          `the tiler needs ${size} bytes at once, a chunk of this heap has ${whole}`,
        );
      }
      const next = this.#takeFree();
      if (next === 0) return undefined;
      this.#enter(next);
    }
  }

  /** Adds a chunk that the host has given (a chunk reference) and makes it the one in use. */
  grow(chunk: number): void {
    this.#memory.store64(chunkAddress(chunk) + NEXT, 0);
    this.#enter(chunk);
  }

  /** Puts the chunk in use on the completed list; the next allocation needs another one. */
  retire(): void {
    const base = this.#memory.load64(this.#descriptor + BASE);
    if (base === 0) return;
    this.#complete(chunkRef(base, this.#memory.load32(this.#descriptor + SIZE)));
    this.#memory.store64(this.#descriptor + BASE, 0);
    this.#memory.store64(this.#descriptor + BOTTOM, 0);
    this.#memory.store64(this.#descriptor + TOP, 0);
  }

  /** A chunk from the header of the one in use, or from the free list, or 0. */
  #takeFree(): number {
    const memory = this.#memory;
    const base = memory.load64(this.#descriptor + BASE);
    if (base !== 0) {
      const linked = memory.load64(base + NEXT);
      if (linked !== 0) return linked;
    }
    if (this.#heapContext === 0) return 0;
    const free = memory.load64(this.#heapContext + FIRST_FREE);
    if (free === 0) return 0;
    const next = memory.load64(chunkAddress(free) + NEXT);
    memory.store64(this.#heapContext + FIRST_FREE, next);
    if (next === 0) memory.store64(this.#heapContext + LAST_FREE, 0);
    memory.store64(chunkAddress(free) + NEXT, 0);
    return free;
  }

  #enter(chunk: number): void {
    const base = chunkAddress(chunk);
    const size = chunkSize(chunk);
    if (base === 0 || size <= HeapChunkHeader.size) {
      throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, base, `0x${chunk.toString(16)} is no tiler heap chunk`);
    }
    const memory = this.#memory;
    this.retire();
    memory.store32(this.#descriptor + SIZE, size);
    memory.store64(this.#descriptor + BASE, base);
    memory.store64(this.#descriptor + BOTTOM, base + HeapChunkHeader.size);
    memory.store64(this.#descriptor + TOP, base + size);
  }

  #complete(chunk: number): void {
    const memory = this.#memory;
    memory.store64(chunkAddress(chunk) + NEXT, 0);
    const last = memory.load64(this.#context + COMPLETED_BOTTOM);
    if (last === 0) memory.store64(this.#context + COMPLETED_TOP, chunk);
    else memory.store64(chunkAddress(last) + NEXT, chunk);
    memory.store64(this.#context + COMPLETED_BOTTOM, chunk);
  }
}

/** FINISH_FRAGMENT's part: appends the list of chunks from `first` to `last` to the context's free list. */
export function releaseChunks(memory: VirtualMemory, heapContext: number, first: number, last: number): void {
  if (first === 0 || last === 0) return;
  memory.store64(chunkAddress(last) + NEXT, 0);
  const tail = memory.load64(heapContext + LAST_FREE);
  if (tail === 0) memory.store64(heapContext + FIRST_FREE, first);
  else memory.store64(chunkAddress(tail) + NEXT, first);
  memory.store64(heapContext + LAST_FREE, last);
}
