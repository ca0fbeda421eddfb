/**
 * GpuMemory: one agent's view of an address space, with its translation cache.
 *
 * Every load and store of every unit comes through here, so the common case is one look into a direct-mapped cache (page
 * tag, physical page, permissions in three parallel arrays) and one access to DRAM's typed views; nothing is allocated.
 * What is not in the cache is walked (walk.ts); what cannot be walked, or may not be done, is latched as the address
 * space's fault and thrown. A view can be moved to another address-space slot: a group keeps its view when the host binds
 * its VM elsewhere.
 */

import { BLOCK_SIZE_L2, levelShift, PAGE_SIZE, Pte, ENTRIES as TABLE_ENTRIES } from '../../abi/gpu/lpae.ts';
import { AS_ACCESS, EXCEPTION, exceptionName } from '../../abi/gpu/regs.ts';
import type { Layout, Values } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { type Access, type Extent, PageFault, type VirtualMemory } from '../contract.ts';
import { DescriptorCache } from './descriptors.ts';
import { type Translation, UNMAPPED, type WalkResult, walk } from './walk.ts';

/** The address-space slot behind a view. */
export interface TranslationSource {
  readonly slot: number;
  readonly translation: Translation;
  /** Where entries of page tables are counted that are read for it. */
  readonly walks?: { entries: number };
  /** Latches a fault for the host. */
  fault(code: number, access: number, address: number): void;
}

const ENTRIES = 4096;
/**
 * The entry of a page. Clients align what they map to large powers of two, so the low bits alone would make neighbours in
 * use (a stream and its data, a vertex buffer and a texture) drive one another out at every access.
 */
const entryOf = (page: number): number => (page ^ (page >>> 12) ^ (page >>> 24)) & (ENTRIES - 1);
const READ = 1;
const WRITE = 2;
const EXECUTE = 4;
const NEED: Record<Access, number> = { read: READ, write: WRITE, execute: EXECUTE, atomic: READ | WRITE };
const ACCESS_TYPE: Record<Access, number> = {
  read: AS_ACCESS.READ,
  write: AS_ACCESS.WRITE,
  execute: AS_ACCESS.EXECUTE,
  atomic: AS_ACCESS.ATOMIC,
};

/** Pages that an extent of blocks reaches in either direction at most: finding it is a walk for each. */
const EXTENT_PAGES = 64;

/**
 * Extents that a view remembers, and the range of addresses that share a place for each kind of access: what one table of
 * the last level maps.
 */
const EXTENTS = 256;
const EXTENT_SPAN = TABLE_ENTRIES * PAGE_SIZE;

let generations = 0;
let views = 0;

export class GpuMemory implements VirtualMemory {
  /** A number that no other view of this thread has. */
  readonly id = ++views;
  readonly dram: PhysicalMemory;
  generation = ++generations;
  readonly #outputBits: number;
  readonly #tags = new Float64Array(ENTRIES).fill(-1);
  readonly #pages = new Uint32Array(ENTRIES);
  readonly #rights = new Uint8Array(ENTRIES);
  readonly #view: DataView;
  readonly #descriptors: DescriptorCache;
  /** Extents that were found, by where they were asked for; good for one generation. */
  readonly #extents: (Extent | undefined)[] = new Array(EXTENTS).fill(undefined);
  readonly #extentAges = new Float64Array(EXTENTS);
  readonly #extentAccesses: Access[] = new Array(EXTENTS).fill('read');
  readonly #walk: WalkResult = {
    code: 0,
    physical: 0,
    readable: false,
    writable: false,
    executable: false,
    level: 0,
    entry: -1,
  };
  #source: TranslationSource | undefined;

  constructor(dram: PhysicalMemory, outputBits: number) {
    this.dram = dram;
    this.#view = dram.view;
    this.#descriptors = new DescriptorCache(dram);
    this.#outputBits = outputBits;
  }

  /** The slot behind this view, if any. */
  get source(): TranslationSource | undefined {
    return this.#source;
  }

  /** Changes the slot; without one every access faults. Forgets all translations. */
  attach(source: TranslationSource | undefined): void {
    this.#source = source;
    this.flush();
  }

  /** Forgets the translations of [start, start + size), or all. */
  flush(start = 0, size = Number.POSITIVE_INFINITY): void {
    this.generation = ++generations;
    if (size > ENTRIES * PAGE_SIZE) {
      this.#tags.fill(-1);
      return;
    }
    const first = Math.floor(start / PAGE_SIZE);
    const last = Math.floor((start + size - 1) / PAGE_SIZE);
    for (let page = first; page <= last; page++) {
      const i = entryOf(page);
      if (this.#tags[i] === page) this.#tags[i] = -1;
    }
  }

  translate(va: number, access: Access): number {
    const page = Math.floor(va / PAGE_SIZE);
    return this.#locate(page, va - page * PAGE_SIZE, NEED[access], access);
  }

  /** Whether `access` to all of [va, va + size) would succeed; latches no fault. For checks at start-up. */
  probe(va: number, size: number, access: Access): boolean {
    const result = this.#walk;
    for (let at = va - (va % PAGE_SIZE); at < va + size; at += PAGE_SIZE) {
      this.#read(at, result);
      if (result.code !== EXCEPTION.OK || (rightsOf(result) & NEED[access]) !== NEED[access]) return false;
    }
    return true;
  }

  extent(va: number, access: Access): Extent | undefined {
    const slot = (Math.floor(va / EXTENT_SPAN) * 4 + (NEED[access] & 3)) & (EXTENTS - 1);
    const known = this.#extents[slot];
    if (known && this.#extentAges[slot] === this.generation && this.#extentAccesses[slot] === access) {
      if (va >= known.start && va < known.start + known.size) return known;
    }
    const found = this.#findExtent(va, access);
    this.#extents[slot] = found;
    this.#extentAges[slot] = this.generation;
    this.#extentAccesses[slot] = access;
    return found;
  }

  #findExtent(va: number, access: Access): Extent | undefined {
    const need = NEED[access];
    const page = Math.floor(va / PAGE_SIZE);
    const result = this.#walk;
    this.#read(page * PAGE_SIZE, result);
    if (result.code !== EXCEPTION.OK || (rightsOf(result) & need) !== need) return undefined;
    if (result.entry >= 0) {
      const unit = 2 ** levelShift(result.level);
      const start = va - (va % unit);
      const physical = result.physical - (page * PAGE_SIZE - start);
      // Of a block that memory does not hold whole, page by page.
      if (this.dram.room(physical) >= unit) return this.#run(start, physical, result.entry, unit);
    }
    const middle = result.physical;
    let first = page;
    while (
      first > 0 &&
      page - first < EXTENT_PAGES &&
      this.#page(first - 1, need) === middle - (page - first + 1) * PAGE_SIZE
    ) {
      first--;
    }
    let last = page;
    while (last - page < EXTENT_PAGES && this.#page(last + 1, need) === middle + (last - page + 1) * PAGE_SIZE) last++;
    return {
      start: first * PAGE_SIZE,
      size: (last - first + 1) * PAGE_SIZE,
      physical: middle - (page - first) * PAGE_SIZE,
    };
  }

  /**
   * The extent around a page or block of `unit` bytes, whose entry is known: as far as the entries on both sides, inside the table,
   * are the same but for an address that goes on. Blocks of 1 GiB are enough by themselves.
   */
  #run(start: number, physical: number, entry: number, unit: number): Extent {
    if (unit > BLOCK_SIZE_L2) return { start, size: unit, physical };
    const words = this.dram.u32;
    const own = entry / 4;
    const low = words[own]!;
    const high = words[own + 1]!;
    const index = (entry % PAGE_SIZE) / Pte.size;
    const least = Math.min(index, Math.floor(this.dram.roomBefore(physical) / unit));
    let before = 0;
    for (let at = own - 2; before < least; at -= 2) {
      if (words[at] !== low - (before + 1) * unit || words[at + 1] !== high) break;
      before++;
    }
    const most = Math.min(TABLE_ENTRIES - 1 - index, Math.floor(this.dram.room(physical) / unit) - 1);
    let after = 0;
    for (let at = own + 2; after < most; at += 2) {
      if (words[at] !== low + (after + 1) * unit || words[at + 1] !== high) break;
      after++;
    }
    return {
      start: start - before * unit,
      size: (before + 1 + after) * unit,
      physical: physical - before * unit,
    };
  }

  /** Physical address of a page, or -1 where it may not be accessed so. */
  #page(page: number, need: number): number {
    const i = entryOf(page);
    if (this.#tags[i] === page) return (this.#rights[i]! & need) === need ? this.#pages[i]! : -1;
    const result = this.#walk;
    this.#read(page * PAGE_SIZE, result);
    return result.code === EXCEPTION.OK && (rightsOf(result) & need) === need ? result.physical : -1;
  }

  /** Physical address of byte `offset` of a page. `%` on such numbers is slow, so callers split addresses by division. */
  #locate(page: number, offset: number, need: number, access: Access): number {
    const i = entryOf(page);
    if (this.#tags[i] === page && (this.#rights[i]! & need) === need) return this.#pages[i]! + offset;
    return this.#miss(page * PAGE_SIZE + offset, page, i, need, access);
  }

  /** Walks the tables for `va`. */
  #read(va: number, result: WalkResult): void {
    const source = this.#source;
    walk(this.dram, source?.translation ?? UNMAPPED, va, this.#outputBits, result);
    if (source?.walks) source.walks.entries += result.level + 1;
  }

  #miss(va: number, page: number, i: number, need: number, access: Access): number {
    const result = this.#walk;
    this.#read(va, result);
    if (result.code !== EXCEPTION.OK) this.#fault(result.code, va, access);
    const rights = rightsOf(result);
    if ((rights & need) !== need) this.#fault(EXCEPTION.PERM_FAULT_0 + result.level, va, access);
    this.#tags[i] = page;
    this.#pages[i] = result.physical;
    this.#rights[i] = rights;
    return result.physical + (va - page * PAGE_SIZE);
  }

  /** Shows the host a fault, of this view or of what looks through it on another thread. */
  latch(code: number, address: number, access: Access): void {
    this.#source?.fault(code, ACCESS_TYPE[access], address);
  }

  #fault(code: number, va: number, access: Access): never {
    const address = Math.max(va || 0, 0);
    this.latch(code, address, access);
    const where = this.#source ? `address space ${this.#source.slot}` : 'no address space';
    throw new PageFault(
      code,
      address,
      access,
      `${exceptionName(code)}: ${access} at 0x${address.toString(16)}, ${where}`,
    );
  }

  load8(va: number): number {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    return this.#view.getUint8(this.#locate(page, offset, READ, 'read'));
  }

  load16(va: number): number {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 2) return this.load8(va) + this.load8(va + 1) * 2 ** 8;
    return this.#view.getUint16(this.#locate(page, offset, READ, 'read'), true);
  }

  load32(va: number): number {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 4) return this.load16(va) + this.load16(va + 2) * 2 ** 16;
    return this.#view.getUint32(this.#locate(page, offset, READ, 'read'), true);
  }

  load64(va: number): number {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 8) return this.load32(va) + this.load32(va + 4) * 2 ** 32;
    const at = this.#locate(page, offset, READ, 'read');
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  loadBig64(va: number): bigint {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 8) return BigInt(this.load32(va)) + BigInt(this.load32(va + 4)) * 2n ** 32n;
    return this.#view.getBigUint64(this.#locate(page, offset, READ, 'read'), true);
  }

  store8(va: number, value: number): void {
    const page = Math.floor(va / PAGE_SIZE);
    this.#view.setUint8(this.#locate(page, va - page * PAGE_SIZE, WRITE, 'write'), value);
  }

  store16(va: number, value: number): void {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 2) {
      this.store8(va, value);
      this.store8(va + 1, value / 2 ** 8);
    } else this.#view.setUint16(this.#locate(page, offset, WRITE, 'write'), value, true);
  }

  store32(va: number, value: number): void {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 4) {
      this.store16(va, value);
      this.store16(va + 2, (value >>> 0) / 2 ** 16);
    } else this.#view.setUint32(this.#locate(page, offset, WRITE, 'write'), value, true);
  }

  store64(va: number, value: number): void {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    const high = Math.floor(value / 2 ** 32);
    if (offset > PAGE_SIZE - 8) {
      this.store32(va, value);
      this.store32(va + 4, high);
      return;
    }
    const at = this.#locate(page, offset, WRITE, 'write');
    this.#view.setUint32(at, value, true);
    this.#view.setUint32(at + 4, high, true);
  }

  storeBig64(va: number, value: bigint): void {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset > PAGE_SIZE - 8) {
      this.store32(va, Number(BigInt.asUintN(32, value)));
      this.store32(va + 4, Number(BigInt.asUintN(32, value / 2n ** 32n)));
    } else this.#view.setBigUint64(this.#locate(page, offset, WRITE, 'write'), value, true);
  }

  update32(va: number, change: (old: number) => number): number {
    const at = this.translate(va, 'atomic');
    if (va % 4 !== 0) {
      const old = this.load32(va);
      this.store32(va, change(old) >>> 0);
      return old;
    }
    const { u32 } = this.dram;
    for (let expected = u32[at / 4]!; ; ) {
      const old = Atomics.compareExchange(u32, at / 4, expected, change(expected));
      if (old === expected) return old;
      expected = old;
    }
  }

  update64(va: number, change: (old: bigint) => bigint): bigint {
    const at = this.translate(va, 'atomic');
    if (va % 8 !== 0) {
      const old = this.loadBig64(va);
      this.storeBig64(va, BigInt.asUintN(64, change(old)));
      return old;
    }
    const { u64 } = this.dram;
    for (let expected = u64[at / 8]!; ; ) {
      const old = Atomics.compareExchange(u64, at / 8, expected, BigInt.asUintN(64, change(expected)));
      if (old === expected) return old;
      expected = old;
    }
  }

  read(va: number, size: number): Uint8Array {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (size > 0 && offset + size <= PAGE_SIZE) {
      const physical = this.#locate(page, offset, READ, 'read');
      return this.dram.u8.slice(physical, physical + size);
    }
    const out = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      const at = va + done;
      const part = Math.min(size - done, PAGE_SIZE - (at % PAGE_SIZE));
      const physical = this.translate(at, 'read');
      out.set(this.dram.u8.subarray(physical, physical + part), done);
      done += part;
    }
    return out;
  }

  write(va: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const at = va + done;
      const part = Math.min(data.length - done, PAGE_SIZE - (at % PAGE_SIZE));
      const physical = this.translate(at, 'write');
      this.dram.u8.set(data.subarray(done, done + part), physical);
      done += part;
    }
  }

  decode<F extends Record<string, any>>(layout: Layout<F>, va: number): Values<F> {
    if (va - Math.floor(va / PAGE_SIZE) * PAGE_SIZE + layout.size <= PAGE_SIZE) {
      return layout.read(this.#view, this.translate(va, 'read'));
    }
    const copy = this.read(va, layout.size);
    return layout.read(new DataView(copy.buffer), 0);
  }

  descriptor<F extends Record<string, any>>(layout: Layout<F>, va: number): Readonly<Values<F>> {
    const page = Math.floor(va / PAGE_SIZE);
    const offset = va - page * PAGE_SIZE;
    if (offset + layout.size > PAGE_SIZE || ((va | layout.size) & 3) !== 0) return this.decode(layout, va);
    return this.#descriptors.read(layout, this.#locate(page, offset, READ, 'read'));
  }

  encode<F extends Record<string, any>>(layout: Layout<F>, va: number, values: Partial<Values<F>>): void {
    if ((va % PAGE_SIZE) + layout.size <= PAGE_SIZE) {
      layout.write(this.#view, this.translate(va, 'write'), values);
      return;
    }
    const copy = this.read(va, layout.size);
    layout.write(new DataView(copy.buffer), 0, values);
    this.write(va, copy);
  }
}

const rightsOf = (page: WalkResult): number =>
  (page.readable ? READ : 0) | (page.writable ? WRITE : 0) | (page.executable ? EXECUTE : 0);
