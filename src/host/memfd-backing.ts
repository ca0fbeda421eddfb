/**
 * MemfdBacking: puts sealed memfds behind the board's DRAM, so that guest processes map the very pages that the GPU works
 * on. A buffer's memfd is also its dma-buf descriptor: whoever has it can map it, nobody can shrink it (a shrunk file
 * would make the machine's own loads fault).
 *
 * A file is known by its inode for as long as the machine holds it: the same memory is the same MemfdFile.
 */
import { fstatSync, readlinkSync, statfsSync } from 'node:fs';
import * as linux from '../abi/linux.ts';
import { type Backing, type BackingFile, OutOfMemory, PAGE } from '../board/dram.ts';
import { DrmError, must } from '../drm/error.ts';
import * as sys from './syscalls.ts';

/** How many read-only descriptors are kept. */
const MOST_READABLES = 32;
let readables = 0;

export class MemfdFile implements BackingFile {
  readonly fd: number;
  readonly inode: bigint;
  readonly size: number;
  readonly #gone: () => void;
  /** Number of places in DRAM where it is mapped. */
  mappings = 0;
  #closed = false;
  /** A descriptor that cannot be written, kept for the next client that asks for one; -1: none. */
  #readable = -1;

  /** Takes over `fd`. */
  constructor(fd: number, inode: bigint, size: number, gone: () => void) {
    this.fd = fd;
    this.inode = inode;
    this.size = size;
    this.#gone = gone;
  }

  /**
   * A descriptor to send to a guest. The writable ones are copies of ours, which is kept: as in Linux, all of a dma-buf's
   * are of one open file.
   */
  descriptor(writable: boolean): { fd: number; kept: boolean } {
    return writable ? { fd: this.fd, kept: true } : { fd: this.#reopen(), kept: false };
  }

  /** The same for a buffer that is shared: some programs have one exported in every frame, so the other kind is kept, too. */
  exported(writable: boolean): { fd: number; kept: boolean } {
    if (writable || (this.#readable < 0 && readables >= MOST_READABLES)) return this.descriptor(writable);
    if (this.#readable < 0) {
      this.#readable = this.#reopen();
      readables++;
    }
    return { fd: this.#readable, kept: true };
  }

  #reopen(): number {
    return sys.reopen(this.fd, linux.O_RDONLY);
  }

  /** Drops one run's hold; the last one closes the machine's descriptor. */
  close(): void {
    if (this.#closed || this.mappings > 0) return;
    this.#closed = true;
    this.#gone();
    sys.close(this.fd);
    if (this.#readable < 0) return;
    sys.close(this.#readable);
    readables--;
  }
}

/** How many files the machine holds at most: what is left of the host's limits is for all else. */
function mostFiles(): number {
  const { openFiles, mappings } = sys.limits();
  // A mapping may split the one that it replaces a part of.
  return Math.max(64, Math.floor(Math.min(openFiles * 0.75, (mappings - 8192) / 2)));
}

export class MemfdBacking implements Backing {
  readonly #most: number;
  #base: bigint | undefined;
  readonly #files = new Map<string, MemfdFile>();
  readonly #mapped = new Map<number, MemfdFile>();

  /** `most`: how many files it may hold, by default as many as the host's limits allow. */
  constructor(most = mostFiles()) {
    this.#most = most;
  }

  /** Number of files that the machine holds. */
  get files(): number {
    return this.#files.size;
  }

  attach(memory: WebAssembly.Memory): void {
    if (this.#base !== undefined) throw new Error('host: one MemfdBacking serves one DRAM');
    this.#base = sys.addressOf(new Uint8Array(memory.buffer));
  }

  create(name: string, size: number): MemfdFile {
    if (this.#files.size >= this.#most)
      throw new OutOfMemory(size, `${this.#most} buffers are all that the host allows`);
    try {
      return this.#known(sys.sealedMemory(`tyr ${name}`, size), size);
    } catch (error) {
      if (error instanceof sys.SystemError) throw new OutOfMemory(size, error.message);
      throw error;
    }
  }

  map(file: BackingFile, physical: number): void {
    if (!(file instanceof MemfdFile)) throw new Error('host: this file is no memfd');
    if (this.#mapped.size >= this.#most) throw new OutOfMemory(file.size, 'the host allows no more mappings');
    sys.mapFixed(this.#address(physical), file.size, file.fd);
    file.mappings++;
    this.#mapped.set(physical, file);
  }

  unmap(physical: number, size: number): void {
    sys.mapAnonymous(this.#address(physical), size);
    const file = this.#mapped.get(physical);
    if (!file) throw new Error(`host: no file is mapped at physical address 0x${physical.toString(16)}`);
    this.#mapped.delete(physical);
    file.mappings--;
  }

  discard(physical: number, size: number): void {
    sys.discard(this.#address(physical), size);
  }

  /**
   * The file behind a descriptor that a client sent. Takes over `fd`. A memfd that we have not met becomes a new file
   * that nobody has mapped yet: close() it unless it gets mapped. Throws DrmError EINVAL for anything whose size or
   * access could change under the machine.
   */
  adopt(fd: number): MemfdFile {
    try {
      const file = this.find(fd);
      if (file) {
        sys.close(fd);
        return file;
      }
      must(this.#files.size < this.#most, 'ENFILE', () => `${this.#most} buffers are all that the host allows`);
      const seals = sys.sealsOf(fd);
      must(seals !== undefined && (seals & linux.F_SEAL_SHRINK) !== 0, 'EINVAL', 'not a sealed memfd');
      must(
        (seals & (linux.F_SEAL_WRITE | linux.F_SEAL_FUTURE_WRITE)) === 0,
        'EINVAL',
        'the memfd is sealed for writing',
      );
      must(statfsSync(`/proc/self/fd/${fd}`).type === linux.TMPFS_MAGIC, 'EINVAL', 'the memfd has huge pages');
      const { size } = fstatSync(fd);
      must(size > 0 && size % PAGE === 0, 'EINVAL', () => `a memfd of ${size} bytes is no whole pages`);
      return this.#known(this.#writable(fd), size);
    } catch (error) {
      sys.close(fd);
      throw error;
    }
  }

  /**
   * The descriptor itself, or another one of the same file that may be written: a dma-buf that was exported for reading
   * still is the GPU's to write, as in Linux. Takes over `fd`.
   */
  #writable(fd: number): number {
    if ((sys.openFlags(fd) & linux.O_ACCMODE) === linux.O_RDWR) return fd;
    let writable: number;
    try {
      writable = sys.reopen(fd, linux.O_RDWR);
    } catch (error) {
      if (!(error instanceof sys.SystemError)) throw error;
      throw new DrmError('EINVAL', `the memfd cannot be opened for writing: ${error.message}`);
    }
    sys.close(fd);
    return writable;
  }

  /** The file behind a descriptor, if the machine holds it. */
  find(fd: number): MemfdFile | undefined {
    return this.#files.get(sys.fileKey(fd));
  }

  #known(fd: number, size: number): MemfdFile {
    const key = sys.fileKey(fd);
    const file = new MemfdFile(fd, sys.inodeOf(fd), size, () => this.#files.delete(key));
    this.#files.set(key, file);
    return file;
  }

  #address(physical: number): bigint {
    if (this.#base === undefined) throw new Error('host: the backing is not attached to a DRAM');
    return this.#base + BigInt(physical);
  }
}

/** Is the descriptor an eventfd? */
export const isEventfd = (fd: number): boolean => readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]';
