/**
 * Tiler heaps: memory that the tiler takes piece by piece while it bins, and gives back when the fragment job is done.
 *
 * A heap is a chain of chunks of one size and a context that the firmware keeps its state in. All contexts of a VM lie
 * in one buffer, one cache line apart. When the tiler runs out, the firmware asks, and the driver adds a chunk, or none if
 * the heap has reached its limit: the firmware then waits for fragment jobs, or renders what it has.
 * After Linux `drivers/gpu/drm/panthor/panthor_heap.c`.
 */
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import { chunkRef, HEAP_CONTEXT_SIZE, HeapChunkHeader } from '../abi/gpu/tiler-heap.ts';
import { HEAP_CHUNK_MAX, HEAP_CHUNK_MIN, MAX_HEAPS_PER_VM } from '../abi/panthor.ts';
import { DrmError, must } from '../drm/error.ts';
import { CACHED, type KernelBuffer } from './kernel-buffer.ts';

export interface HeapOptions {
  readonly initialChunks: number;
  /** Bytes. */
  readonly chunkSize: number;
  readonly maxChunks: number;
  /** Render passes in flight beyond which the heap does not grow. */
  readonly targetInFlight: number;
}

interface Heap {
  readonly options: HeapOptions;
  /** Newest first; each of the first ones links to the next. */
  readonly chunks: KernelBuffer[];
  /** Chunks that are being allocated. */
  growing: number;
}

/** Makes a buffer in the VM that a pool belongs to. */
export type Allocator = (size: number, label: string) => Promise<KernelBuffer>;

/** The link to a chunk, as headers and the firmware hold it. */
const link = (chunk: KernelBuffer): number => chunkRef(chunk.va, chunk.size);

export class HeapPool {
  readonly #allocate: Allocator;
  readonly #contexts: KernelBuffer;
  readonly #stride: number;
  readonly #heaps = new Map<number, Heap>();
  #destroyed = false;

  private constructor(allocate: Allocator, contexts: KernelBuffer, stride: number) {
    this.#allocate = allocate;
    this.#contexts = contexts;
    this.#stride = stride;
  }

  /** `cacheLine`: bytes of the GPU's. */
  static async create(allocate: Allocator, cacheLine: number): Promise<HeapPool> {
    const stride = Math.ceil(HEAP_CONTEXT_SIZE / cacheLine) * cacheLine;
    return new HeapPool(allocate, await allocate(MAX_HEAPS_PER_VM * stride, 'Heap pool'), stride);
  }

  /** How many heaps there are. */
  get size(): number {
    return this.#heaps.size;
  }

  /** Bytes of all chunks and contexts. */
  get bytes(): number {
    let bytes = this.#contexts.size;
    for (const { chunks } of this.#heaps.values()) for (const chunk of chunks) bytes += chunk.size;
    return bytes;
  }

  /** Attributes of the buffers that `Allocator` makes. */
  static readonly attributes = CACHED;

  /** Makes a heap; returns its id, and the addresses of its context and its first chunk. Throws EINVAL, ENOMEM. */
  async createHeap(options: HeapOptions): Promise<{ id: number; context: number; firstChunk: number }> {
    const { initialChunks, chunkSize, maxChunks } = options;
    must(initialChunks > 0, 'EINVAL', 'a heap starts with at least one chunk');
    must(initialChunks <= maxChunks, 'EINVAL', () => `${initialChunks} chunks are more than the most, ${maxChunks}`);
    must(
      chunkSize % PAGE_SIZE === 0 && chunkSize >= HEAP_CHUNK_MIN && chunkSize <= HEAP_CHUNK_MAX,
      'EINVAL',
      () => `chunk size ${chunkSize} is no multiple of 4 KiB from 128 KiB to 8 MiB`,
    );
    const heap: Heap = { options, chunks: [], growing: 0 };
    try {
      for (let i = 0; i < initialChunks; i++) await this.#addChunk(heap, true);
      must(!this.#destroyed, 'EINVAL', 'the VM is gone');
      let id = 0;
      while (this.#heaps.has(id)) id++;
      must(id < MAX_HEAPS_PER_VM, 'EBUSY', () => `the VM has ${MAX_HEAPS_PER_VM} heaps, the most`);
      this.#heaps.set(id, heap);
      const offset = id * this.#stride;
      new Uint8Array(this.#contexts.view.buffer, this.#contexts.view.byteOffset + offset, this.#stride).fill(0);
      return { id, context: this.#contexts.va + offset, firstChunk: heap.chunks[0]!.va };
    } catch (error) {
      await freeChunks(heap);
      throw error;
    }
  }

  /** Throws EINVAL if there is no such heap. */
  async destroyHeap(id: number): Promise<void> {
    const heap = this.#heaps.get(id);
    must(heap, 'EINVAL', () => `no heap ${id}`);
    this.#heaps.delete(id);
    await freeChunks(heap);
  }

  /**
   * Adds a chunk to the heap with this context. Returns the link to it for the firmware. Throws ENOMEM where the firmware
   * has to help itself, EINVAL if there is no such heap.
   */
  async grow(context: number, renderPassesInFlight: number): Promise<number> {
    const heap = this.#byContext(context);
    const { targetInFlight, maxChunks } = heap.options;
    must(renderPassesInFlight <= targetInFlight, 'ENOMEM', 'enough render passes are in flight');
    must(heap.chunks.length + heap.growing < maxChunks, 'ENOMEM', () => `the heap has its ${maxChunks} chunks`);
    const chunk = await this.#addChunk(heap, false);
    if (![...this.#heaps.values()].includes(heap)) {
      await freeChunks(heap);
      throw new DrmError('EINVAL', 'the heap was destroyed');
    }
    return link(chunk);
  }

  /** Takes back a chunk that the firmware could not be given. */
  async returnChunk(context: number, chunk: number): Promise<void> {
    const heap = this.#heaps.get((context - this.#contexts.va) / this.#stride);
    const index = heap?.chunks.findIndex((buffer) => link(buffer) === chunk) ?? -1;
    // The heap may have gone, and the chunk with it.
    if (index >= 0) await heap!.chunks.splice(index, 1)[0]!.destroy();
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    const heaps = [...this.#heaps.values()];
    this.#heaps.clear();
    for (const heap of heaps) await freeChunks(heap);
    await this.#contexts.destroy();
  }

  async #addChunk(heap: Heap, linked: boolean): Promise<KernelBuffer> {
    heap.growing++;
    try {
      const chunk = await this.#allocate(heap.options.chunkSize, 'Tiler heap chunk');
      const next = heap.chunks[0];
      HeapChunkHeader.write(chunk.view, 0, { next: linked && next ? link(next) : 0 });
      heap.chunks.unshift(chunk);
      return chunk;
    } finally {
      heap.growing--;
    }
  }

  #byContext(context: number): Heap {
    const heap = this.#heaps.get((context - this.#contexts.va) / this.#stride);
    must(heap, 'EINVAL', () => `no heap has its context at 0x${context.toString(16)}`);
    return heap;
  }
}

async function freeChunks(heap: Heap): Promise<void> {
  for (const chunk of heap.chunks.splice(0)) await chunk.destroy();
}
