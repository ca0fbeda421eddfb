/**
 * PageTable: one address space's translation tables in DRAM, as the GPU's MMU walks them.
 *
 * Four levels of 4 KiB tables; a run that is aligned on both sides takes 2 MiB blocks. Tables that become empty are
 * unlinked at once but keep their page until `release`: the GPU may hold them in its walk caches until the caller has
 * flushed. After Linux `drivers/iommu/io-pgtable-arm.c`.
 */
import {
  BLOCK_SIZE_L2,
  ENTRIES,
  LEVELS,
  levelShift,
  PAGE_SIZE,
  PTE_AP,
  PTE_ATTR,
  PTE_SH,
  PTE_TYPE,
  Pte,
  tableIndex,
} from '../../abi/gpu/lpae.ts';
import type { Dram, PageRun } from '../../board/dram.ts';
import { DrmError } from '../../drm/error.ts';

/** How a range is mapped. */
export interface MapAttributes {
  readonly readOnly: boolean;
  readonly noExecute: boolean;
  /** Cached by the GPU; otherwise every access goes to memory. */
  readonly cached: boolean;
}

/** Tables of one address space: 64 MiB of them map 32 GiB in pages or 16 TiB in blocks. */
const MAX_TABLES = 16384;
const LEAF = LEVELS - 1;
const BLOCK_LEVEL = LEVELS - 2;

interface Table {
  readonly run: PageRun;
  /** Entries that are not invalid. */
  live: number;
}

export class PageTable {
  readonly #dram: Dram;
  readonly #tables = new Map<number, Table>();
  readonly #garbage: PageRun[] = [];
  /** Physical address of the first-level table: AS_TRANSTAB. */
  readonly root: number;

  constructor(dram: Dram) {
    this.#dram = dram;
    this.root = this.#allocTable();
  }

  /** Pages that the tables take. */
  get tables(): number {
    return this.#tables.size;
  }

  /**
   * Maps [va, va + size) to contiguous physical memory. All are multiples of 4 KiB, and nothing may be mapped there.
   * Throws DrmError ENOMEM or OutOfMemory with nothing mapped.
   */
  map(va: number, physical: number, size: number, attributes: MapAttributes): void {
    this.#map(va, size, attributes, (at) => physical + (at - va), BLOCK_SIZE_L2);
  }

  /** The same, but each 2 MiB of [va, va + size) show the same 2 MiB at `physical`, a multiple of that. */
  mapRepeated(va: number, physical: number, size: number, attributes: MapAttributes): void {
    const tables = Math.floor(size / 2 ** levelShift(BLOCK_LEVEL - 1));
    this.#checkRoom(tables);
    this.#map(va, size, attributes, (at) => physical + (at % BLOCK_SIZE_L2), 0);
  }

  /** `blockStride`: from one block's memory to the next one's. */
  #map(
    va: number,
    size: number,
    attributes: MapAttributes,
    memoryOf: (at: number) => number,
    blockStride: number,
  ): void {
    const end = va + size;
    let at = va;
    try {
      while (at < end) {
        const from = memoryOf(at);
        const blocks = at % BLOCK_SIZE_L2 === 0 && from % BLOCK_SIZE_L2 === 0 && end - at >= BLOCK_SIZE_L2;
        const level = blocks ? BLOCK_LEVEL : LEAF;
        const step = blocks ? BLOCK_SIZE_L2 : PAGE_SIZE;
        const table = this.#walk(at, level, true)!;
        const first = tableIndex(at, level);
        const count = Math.min(ENTRIES - first, Math.floor((end - at) / step));
        this.#fill(table, first, count, from, blocks, blocks ? blockStride : PAGE_SIZE, attributes);
        at += count * step;
      }
    } catch (error) {
      this.unmap(va, at - va);
      throw error;
    }
  }

  /** Unmaps what is mapped in [va, va + size), splitting blocks at its edges. Throws OutOfMemory if a split finds no page. */
  unmap(va: number, size: number): void {
    const end = va + size;
    for (let at = va; at < end; ) at = this.#clear(at, end);
  }

  /** Physical address of `va`, or undefined where nothing is mapped. */
  translate(va: number): number | undefined {
    let table = this.root;
    for (let level = 0; level < LEVELS; level++) {
      const entry = Pte.read(this.#dram.view, entryAt(table, va, level));
      if (entry.type === PTE_TYPE.INVALID) return undefined;
      if (level === LEAF || entry.type === PTE_TYPE.BLOCK) return entry.address + (va % 2 ** levelShift(level));
      table = entry.address;
    }
    return undefined;
  }

  /** Frees the pages of unlinked tables: the GPU's caches have been flushed, or never knew this address space. */
  release(): void {
    for (const run of this.#garbage.splice(0)) this.#dram.free(run);
  }

  /** Frees everything. The address space must not be in use. */
  destroy(): void {
    this.release();
    for (const { run } of this.#tables.values()) this.#dram.free(run);
    this.#tables.clear();
  }

  /** The table of `level` that resolves `va`. */
  #walk(va: number, level: number, create: boolean): number | undefined {
    const { view } = this.#dram;
    let table = this.root;
    for (let at = 0; at < level; at++) {
      const entry = entryAt(table, va, at);
      const type = Pte.fields.type.read(view, entry);
      if (type === PTE_TYPE.TABLE) {
        table = Pte.fields.address.read(view, entry);
        continue;
      }
      if (type !== PTE_TYPE.INVALID) throw new Error(`page table: 0x${va.toString(16)} is mapped by a block already`);
      if (!create) return undefined;
      const next = this.#allocTable();
      Pte.write(view, entry, { type: PTE_TYPE.TABLE, address: next });
      this.#tables.get(table)!.live++;
      table = next;
    }
    return table;
  }

  #fill(
    table: number,
    first: number,
    count: number,
    physical: number,
    blocks: boolean,
    stride: number,
    attributes: MapAttributes,
  ): void {
    const { view } = this.#dram;
    const leaf = Pte.pack({
      type: blocks ? PTE_TYPE.BLOCK : PTE_TYPE.PAGE,
      attrIndex: attributes.cached ? PTE_ATTR.CACHED : PTE_ATTR.NON_CACHED,
      ap: attributes.readOnly ? PTE_AP.UNPRIVILEGED_RO : PTE_AP.UNPRIVILEGED_RW,
      sh: attributes.cached ? PTE_SH.INNER : PTE_SH.OUTER,
      accessFlag: true,
      notGlobal: true,
      privilegedExecuteNever: attributes.noExecute,
      executeNever: attributes.noExecute,
      address: physical,
    });
    // Neighbours differ in their address alone, which DRAM's size keeps in the entry's low word.
    const words = new Uint32Array(leaf.buffer);
    const high = words[1]!;
    let low = words[0]!;
    for (let i = 0; i < count; i++) {
      const entry = table + (first + i) * Pte.size;
      if (Pte.fields.type.read(view, entry) !== PTE_TYPE.INVALID) {
        this.#tables.get(table)!.live += i;
        throw new Error(`page table: entry ${first + i} of table 0x${table.toString(16)} is in use`);
      }
      view.setUint32(entry, low, true);
      view.setUint32(entry + 4, high, true);
      low += stride;
    }
    this.#tables.get(table)!.live += count;
  }

  /** Clears from `at` up to `end` or the end of the table there; returns where to go on. */
  #clear(at: number, end: number): number {
    const { view } = this.#dram;
    const path: number[] = [this.root];
    for (let level = 0; level < LEAF; level++) {
      const table = path[level]!;
      const entry = entryAt(table, at, level);
      const span = 2 ** levelShift(level);
      const next = at - (at % span) + span;
      const type = Pte.fields.type.read(view, entry);
      if (type === PTE_TYPE.INVALID) return next;
      if (type === PTE_TYPE.BLOCK) {
        if (at % span === 0 && end >= next) return this.#clearBlocks(path, at, end, span);
        this.#split(entry, at - (at % span));
      }
      path.push(Pte.fields.address.read(view, entry));
    }
    const table = path[LEAF]!;
    const first = tableIndex(at, LEAF);
    const count = Math.min(ENTRIES - first, Math.ceil((end - at) / PAGE_SIZE));
    if (count === ENTRIES) {
      // The whole table goes: its entries need not be cleared one by one.
      this.#forget(path, at, this.#tables.get(table)!.live);
      return at + count * PAGE_SIZE;
    }
    let dropped = 0;
    for (let i = 0; i < count; i++) {
      const entry = table + (first + i) * Pte.size;
      if (Pte.fields.type.read(view, entry) !== PTE_TYPE.INVALID) dropped++;
      view.setBigUint64(entry, 0n, true);
    }
    this.#forget(path, at, dropped);
    return at + count * PAGE_SIZE;
  }

  /** Clears blocks in the last table of `path`, from `at` up to `end` or something else; returns where to go on. */
  #clearBlocks(path: readonly number[], at: number, end: number, span: number): number {
    const { view } = this.#dram;
    const level = path.length - 1;
    const first = tableIndex(at, level);
    const most = Math.min(ENTRIES - first, Math.floor((end - at) / span));
    let count = 0;
    while (count < most) {
      const entry = path[level]! + (first + count) * Pte.size;
      if (Pte.fields.type.read(view, entry) !== PTE_TYPE.BLOCK) break;
      view.setUint32(entry, 0, true);
      view.setUint32(entry + 4, 0, true);
      count++;
    }
    this.#forget(path, at, count);
    return at + count * span;
  }

  /** Counts entries out of the last table of `path`, and unlinks tables that have none left. */
  #forget(path: readonly number[], va: number, count: number): void {
    let gone = count;
    for (let level = path.length - 1; level > 0; level--) {
      const address = path[level]!;
      const table = this.#tables.get(address)!;
      table.live -= gone;
      if (table.live > 0) return;
      this.#tables.delete(address);
      this.#garbage.push(table.run);
      this.#dram.view.setBigUint64(entryAt(path[level - 1]!, va, level - 1), 0n, true);
      gone = 1;
    }
    this.#tables.get(this.root)!.live -= gone;
  }

  /** Puts a table of pages in a block's place. */
  #split(entry: number, va: number): void {
    const { view } = this.#dram;
    const block = Pte.read(view, entry);
    const table = this.#allocTable();
    for (let i = 0; i < ENTRIES; i++) {
      Pte.write(view, table + i * Pte.size, {
        ...block,
        type: PTE_TYPE.PAGE,
        address: block.address + i * PAGE_SIZE,
      });
    }
    this.#tables.get(table)!.live = ENTRIES;
    view.setBigUint64(entry, 0n, true);
    Pte.write(view, entry, { type: PTE_TYPE.TABLE, address: table });
    if (this.translate(va) !== block.address) throw new Error('page table: a split moved the block');
  }

  #checkRoom(more: number): void {
    if (this.#tables.size + more > MAX_TABLES)
      throw new DrmError('ENOMEM', `the page tables of one address space may take ${MAX_TABLES} pages, no more`);
  }

  #allocTable(): number {
    this.#checkRoom(1);
    const run = this.#dram.alloc(PAGE_SIZE);
    this.#tables.set(run.physical, { run, live: 0 });
    return run.physical;
  }
}

const entryAt = (table: number, va: number, level: number): number => table + tableIndex(va, level) * Pte.size;
