/**
 * The tiler heap: memory that the tiler fills with binned geometry, in chunks that the host adds when asked.
 *
 * The host allocates chunks and links the first ones by their headers. User space names the first chunk in a heap
 * descriptor, which the tiler keeps up to date, and a heap context (HEAP_SET) counts the render passes. What is inside the
 * context is the GPU's own affair; the host only zeroes it.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_heap.c`, Mesa 25.0 `src/panfrost/lib/genxml/v10.xml` (Tiler Heap, Tiler
 * Context). The fields of the context are ours.
 */
import { address, array, layout, struct, u32, uint } from '../layout.ts';

/**
 * A reference to a chunk, as headers and the host's answers hold it: its address in bits 12 to 63, its size in pages below.
 * Zero is none.
 */
export const chunkRef = (address: number, size: number): number => address + size / 4096;
export const chunkAddress = (ref: number): number => ref - (ref % 4096);
/** Bytes. */
export const chunkSize = (ref: number): number => (ref % 4096) * 4096;

/** First bytes of every chunk. */
export const HeapChunkHeader = struct('HeapChunkHeader', { next: address(0), reserved: array(u32(), 14) });

/** The heap context that HEAP_SET names: counters of HEAP_OPERATION, and the chunks that wait for use. */
export const HEAP_CONTEXT_SIZE = 32;
export const HeapContext = layout('HeapContext', HEAP_CONTEXT_SIZE, {
  /** Render passes that have begun and ended their vertex and tiling work. */
  vtStart: uint(0, 32),
  vtEnd: uint(32, 32),
  /** Render passes whose fragment work has ended. */
  fragEnd: uint(64, 32),
  /** Chunk references: ends of the list of free chunks, linked by their headers. */
  firstFree: address(128),
  lastFree: address(192),
});

/** TILER_HEAP descriptor: the chunk in use, of `size` bytes at `base`, with [bottom, top) free. */
export const TilerHeapDescriptor = layout('TilerHeap', 32, {
  type: uint(0, 4),
  bufferType: uint(4, 4),
  chunkSize: uint(8, 2),
  partitioning: uint(10, 2),
  size: uint(32, 32),
  base: address(64),
  bottom: address(128),
  top: address(192),
});

/** The fields of TILER_CONTEXT that tie it to its heap. */
export const TilerContextHeap = layout('TilerContext', 128, {
  heap: address(6 * 32),
  /** Chunk references: the chunks that this context has left behind full, first and last. */
  completedTop: address(10 * 32),
  completedBottom: address(12 * 32),
});
