/**
 * Dram: the board's memory, one shared WebAssembly.Memory; a physical address is an offset into it.
 *
 * `PhysicalMemory` is the memory as whoever has a physical address sees it, on any thread: the bytes and nothing else.
 * `Dram` is that and the book of who has which pages; there is one of it, on the machine's main thread. Memory that somebody
 * else hands out is `ForeignMemory` (foreign-memory.ts).
 *
 * Pages are handed out in physically contiguous runs. A run can be backed by a host file (memfd) that is mapped over its
 * addresses, so that guest processes map the very same pages: that is the host floor's `Backing`. Without one, a run is
 * plain anonymous memory. Address 0 is never handed out.
 */

import type { MemoryRanges } from './ranges.ts';

export const PAGE = 4096;

/** A host object whose pages can stand behind a run of DRAM. Opaque here; the host floor knows its file descriptor. */
export interface BackingFile {
  readonly size: number;
  /** Drops the board's hold on it. Mappings that others have stay good. */
  close(): void;
}

/** Puts host files behind DRAM. Implemented by the host floor with memfd_create and mmap(MAP_FIXED). */
export interface Backing {
  /** Called once: the memory whose pages will be replaced. */
  attach(memory: WebAssembly.Memory): void;
  /** A new file of `size` bytes, all zero, that nobody can shrink. Throws OutOfMemory where the host has no more. */
  create(name: string, size: number): BackingFile;
  /** Maps `file` over [physical, physical + file.size). Throws OutOfMemory where the host can map no more. */
  map(file: BackingFile, physical: number): void;
  /** Puts zeroed anonymous pages back. */
  unmap(physical: number, size: number): void;
  /** Lets the host have the pages of anonymous memory until it is used again; what they hold is lost. */
  discard?(physical: number, size: number): void;
}

/** A run of physical pages in use. */
export interface PageRun {
  /** Physical address of the first byte, a multiple of 4096. */
  readonly physical: number;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  readonly file: BackingFile | undefined;
}

export class OutOfMemory extends Error {
  constructor(size: number, why = 'no such run of DRAM is free') {
    super(`board: ${size} bytes cannot be had: ${why}`);
  }
}

const WASM_PAGE = 65536;
/** Pages of a block that one entry of a page table can map, 2 MiB: runs of that many begin at a multiple of it where they can. */
const BLOCK = 512;
/** Runs from this size on go back to the host when they are free. */
const DISCARD = 65536;

/** All of memory, in the views that its readers and writers need. */
export class PhysicalMemory {
  readonly memory: WebAssembly.Memory;
  readonly size: number;
  readonly buffer: SharedArrayBuffer;
  readonly view: DataView<SharedArrayBuffer>;
  readonly u8: Uint8Array<SharedArrayBuffer>;
  readonly u16: Uint16Array<SharedArrayBuffer>;
  readonly u32: Uint32Array<SharedArrayBuffer>;
  readonly i32: Int32Array<SharedArrayBuffer>;
  readonly u64: BigUint64Array<SharedArrayBuffer>;
  readonly f32: Float32Array<SharedArrayBuffer>;
  /** Where there is memory; undefined: everywhere. */
  readonly ranges: MemoryRanges | undefined;

  /** `memory` (and `ranges`) are shared: a thread gets them from the one that made them. */
  constructor(memory: WebAssembly.Memory, ranges?: MemoryRanges) {
    this.memory = memory;
    this.ranges = ranges;
    this.buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.size = this.buffer.byteLength;
    this.view = new DataView(this.buffer);
    this.u8 = new Uint8Array(this.buffer);
    this.u16 = new Uint16Array(this.buffer);
    this.u32 = new Uint32Array(this.buffer);
    this.i32 = new Int32Array(this.buffer);
    this.u64 = new BigUint64Array(this.buffer);
    this.f32 = new Float32Array(this.buffer);
  }

  /** Bytes of memory from `physical` on without a hole; zero or less where there is none. */
  room(physical: number): number {
    return this.ranges ? this.ranges.room(physical) : this.size - physical;
  }

  /** Bytes of memory before `physical` without a hole. */
  roomBefore(physical: number): number {
    return this.ranges ? this.ranges.roomBefore(physical) : physical;
  }
}

export class Dram extends PhysicalMemory {
  readonly #backing: Backing | undefined;
  /** Free runs as [first page, page count], sorted, never adjacent. */
  #free: [number, number][];
  #used = 0;

  /** `size` in bytes, a multiple of 64 KiB, at most 4 GiB - 64 KiB. Untouched pages cost the host nothing. */
  constructor(size: number, backing?: Backing) {
    const pages = size / WASM_PAGE;
    super(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }));
    this.#backing = backing;
    backing?.attach(this.memory);
    this.#free = [[1, size / PAGE - 1]];
  }

  /** Bytes handed out. */
  get used(): number {
    return this.#used;
  }

  /** A zeroed run of at least `size` bytes, without a host file: page tables, firmware. Throws OutOfMemory. */
  alloc(size: number): PageRun {
    const count = Math.ceil(size / PAGE);
    const physical = this.#take(count) * PAGE;
    this.u8.fill(0, physical, physical + count * PAGE);
    return { physical, size: count * PAGE, file: undefined };
  }

  /** A zeroed run that guest processes can map: a buffer object. Throws OutOfMemory. */
  allocShared(name: string, size: number): PageRun {
    if (!this.#backing) return this.alloc(size);
    const bytes = Math.ceil(size / PAGE) * PAGE;
    return this.#mapped(this.#backing.create(name, bytes));
  }

  /** A run over a file that already exists (an imported dma-buf). The run owns the file from here on. */
  adopt(file: BackingFile): PageRun {
    if (!this.#backing) throw new Error('board: this DRAM has no backing to adopt files');
    if (file.size % PAGE !== 0 || file.size === 0) throw new RangeError(`board: ${file.size} bytes are no whole pages`);
    return this.#mapped(file);
  }

  /** Gives a run back. Its physical addresses may be handed out again at once. */
  free(run: PageRun): void {
    if (run.file) {
      this.#backing?.unmap(run.physical, run.size);
      run.file.close();
    } else if (run.size >= DISCARD) this.#backing?.discard?.(run.physical, run.size);
    this.#give(run.physical / PAGE, run.size / PAGE);
  }

  #mapped(file: BackingFile): PageRun {
    let page: number | undefined;
    try {
      page = this.#take(file.size / PAGE);
      this.#backing?.map(file, page * PAGE);
      return { physical: page * PAGE, size: file.size, file };
    } catch (error) {
      file.close();
      if (page !== undefined) this.#give(page, file.size / PAGE);
      throw error;
    }
  }

  #take(count: number): number {
    const page = (count >= BLOCK ? this.#find(count, BLOCK) : undefined) ?? this.#find(count, 1);
    if (page === undefined) throw new OutOfMemory(count * PAGE);
    this.#used += count * PAGE;
    return page;
  }

  /** Takes so many pages from the first free run that has them at a multiple of `align`. */
  #find(count: number, align: number): number | undefined {
    for (let i = 0; i < this.#free.length; i++) {
      const [first, length] = this.#free[i]!;
      const page = Math.ceil(first / align) * align;
      const [before, after] = [page - first, first + length - page - count];
      if (after < 0) continue;
      const rest: [number, number][] = [];
      if (before > 0) rest.push([first, before]);
      if (after > 0) rest.push([page + count, after]);
      this.#free.splice(i, 1, ...rest);
      return page;
    }
    return undefined;
  }

  #give(page: number, count: number): void {
    this.#used -= count * PAGE;
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.#free[mid]![0] < page) low = mid + 1;
      else high = mid;
    }
    const before = this.#free[low - 1];
    const after = this.#free[low];
    if ((before && before[0] + before[1] > page) || (after && page + count > after[0])) {
      throw new Error(`board: pages ${page}…${page + count - 1} were free already`);
    }
    const joinsBefore = before !== undefined && before[0] + before[1] === page;
    const joinsAfter = after !== undefined && page + count === after[0];
    if (joinsBefore && joinsAfter) {
      before[1] += count + after[1];
      this.#free.splice(low, 1);
    } else if (joinsBefore) before[1] += count;
    else if (joinsAfter) this.#free[low] = [page, count + after[1]];
    else this.#free.splice(low, 0, [page, count]);
  }
}
