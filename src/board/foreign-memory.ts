/**
 * ForeignMemory: physical memory that somebody else owns and hands out, such as a virtual machine's RAM: ranges of physical
 * addresses, each with a part of a file behind it, which come and go.
 *
 * As with `Dram` (dram.ts), a physical address is an offset into one shared WebAssembly.Memory, so whoever works on it does
 * it in the same way and at the same speed. Between the ranges there is nothing: an access is a bus fault.
 */
import { PAGE, PhysicalMemory } from './dram.ts';
import { MemoryRanges } from './ranges.ts';

/** Puts parts of files at physical addresses. Implemented by the host floor with mmap(MAP_FIXED). */
export interface Mapper {
  /** Called once: the memory whose pages will be replaced. */
  attach(memory: WebAssembly.Memory): void;
  /** Maps `size` bytes of a file from `offset` on at `physical`; the file stays the caller's. Throws where it cannot. */
  map(fd: number, offset: number, physical: number, size: number): void;
  /** Puts zeroed pages of nobody's back. */
  unmap(physical: number, size: number): void;
}

const WASM_PAGE = 65536;

export class ForeignMemory extends PhysicalMemory {
  declare readonly ranges: MemoryRanges;
  readonly #mapper: Mapper;

  /** Physical addresses are below `size`, a multiple of 64 KiB. Pages that nobody hands out cost the host nothing. */
  constructor(size: number, mapper: Mapper) {
    const pages = size / WASM_PAGE;
    super(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), new MemoryRanges());
    this.#mapper = mapper;
    mapper.attach(this.memory);
  }

  /**
   * There is memory in [physical, physical + size) from now on: that part of the file. All in whole pages. Throws RangeError
   * for what lies beyond the end of physical addresses, overlaps what is there, or is no whole pages.
   */
  add(physical: number, size: number, fd: number, offset: number): void {
    this.#check(physical, size);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % PAGE !== 0) {
      throw new RangeError(`board: a file has no page at ${offset}`);
    }
    this.ranges.add(physical, size);
    try {
      this.#mapper.map(fd, offset, physical, size);
    } catch (error) {
      this.ranges.remove(physical, size);
      throw error;
    }
  }

  /** Nothing is in [physical, physical + size) any more. Whoever still reads or writes there reaches pages of nobody's. */
  remove(physical: number, size: number): void {
    this.#check(physical, size);
    this.ranges.remove(physical, size);
    this.#mapper.unmap(physical, size);
  }

  #check(physical: number, size: number): void {
    const pages = (n: number): boolean => Number.isSafeInteger(n) && n >= 0 && n % PAGE === 0;
    if (!pages(physical) || !pages(size) || size === 0 || physical + size > this.size) {
      throw new RangeError(`board: no memory can be at 0x${physical.toString(16)}, ${size} bytes`);
    }
  }
}
