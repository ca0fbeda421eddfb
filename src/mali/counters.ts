/**
 * Counters: what a driver asks of the GPU, counted by the GPU itself: the one measure of drivers that neither emulation nor a busy host
 * distorts.
 *
 * Register accesses are counted always, as they cost nothing beside what they do. How many bytes of page tables the host has written
 * nobody tells the GPU; it can be watched: at each command to an address space all its tables are compared with what they were at the
 * last one.
 */
import { ENTRIES, LEVELS, PAGE_SIZE, PTE_TYPE, Pte } from '../abi/gpu/lpae.ts';
import {
  AS,
  AS_BASE,
  AS_COMMAND,
  AS_STRIDE,
  DOORBELL_BASE,
  GPU,
  GPU_COMMAND,
  JOB,
  LATEST_FLUSH_ID,
  MAX_AS,
  MCU,
  MMU,
} from '../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../board/dram.ts';

/** Blocks of registers, by the offset at which each begins. */
const BLOCKS = [
  ['gpu', 0],
  ['mcu', MCU.CONTROL.offset],
  ['job', JOB.IRQ_RAWSTAT.offset],
  ['mmu', MMU.IRQ_RAWSTAT.offset],
  ['flush-id', LATEST_FLUSH_ID.offset],
  ['doorbells', DOORBELL_BASE],
] as const;
const STARTS = BLOCKS.map(([, start]) => start);

export type Counts = Readonly<Record<string, number>>;

/** Index of the block that a register belongs to. */
function blockOf(offset: number): number {
  let block = STARTS.length - 1;
  while (offset < STARTS[block]!) block--;
  return block;
}

const AS_COMMANDS = Object.fromEntries(Object.entries(AS_COMMAND).map(([name, value]) => [value, name.toLowerCase()]));

export class Counters {
  readonly #reads = new Float64Array(BLOCKS.length);
  readonly #writes = new Float64Array(BLOCKS.length);
  readonly #counts = new Map<string, number>();
  readonly #tables: TableWatch;
  readonly #translation: (slot: number) => { readonly table: number } | undefined;
  #watching = false;

  /** `translation`: what an address space's slot looks through. */
  constructor(dram: PhysicalMemory, translation: (slot: number) => { readonly table: number } | undefined) {
    this.#tables = new TableWatch(dram);
    this.#translation = translation;
  }

  /** From now on page tables are compared at each command to an address space, which takes time. */
  watchTables(): void {
    this.#watching = true;
  }

  /** What was counted since power-on, by name: `reads mmu`, `writes doorbells`, `as flush_mem`, `page-table bytes written` */
  get values(): Counts {
    const counts: Record<string, number> = {};
    for (const [i, [block]] of BLOCKS.entries()) {
      counts[`reads ${block}`] = this.#reads[i]!;
      counts[`writes ${block}`] = this.#writes[i]!;
    }
    return { ...counts, ...Object.fromEntries(this.#counts) };
  }

  read(offset: number): void {
    this.#reads[blockOf(offset)]!++;
  }

  /** To be called after the register has taken the value. */
  wrote(offset: number, value: number): void {
    this.#writes[blockOf(offset)]!++;
    if (offset === GPU.COMMAND.offset) {
      const { type } = GPU.COMMAND.decode(value);
      if (type === GPU_COMMAND.RESET) this.#add('resets');
      if (type === GPU_COMMAND.FLUSH_CACHES) this.#add('cache flushes');
    }
    if (offset < AS_BASE || offset >= AS_BASE + MAX_AS * AS_STRIDE) return;
    if ((offset - AS_BASE) % AS_STRIDE !== AS.COMMAND.offset) return;
    this.#add(`as ${AS_COMMANDS[value] ?? 'unknown'}`);
    if (!this.#watching) return;
    const table = this.#translation(Math.floor((offset - AS_BASE) / AS_STRIDE))?.table;
    if (table !== undefined && table > 0) this.#add('page-table bytes written', this.#tables.changed(table));
  }

  #add(name: string, amount = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + amount);
  }
}

/** Page tables as they were when they were last looked at. */
class TableWatch {
  readonly #dram: PhysicalMemory;
  /** By the physical address of the root: tables by their physical addresses. */
  readonly #known = new Map<number, Map<number, BigUint64Array>>();

  constructor(dram: PhysicalMemory) {
    this.#dram = dram;
  }

  /** Bytes of entries that differ from those at the last look; entries that are new count where they are not zero. */
  changed(root: number): number {
    const before = this.#known.get(root) ?? new Map<number, BigUint64Array>();
    const after = new Map<number, BigUint64Array>();
    const bytes = this.#look(root, 0, before, after);
    this.#known.set(root, after);
    return bytes;
  }

  #look(
    table: number,
    level: number,
    before: ReadonlyMap<number, BigUint64Array>,
    after: Map<number, BigUint64Array>,
  ): number {
    if (after.has(table) || this.#dram.room(table) < PAGE_SIZE) return 0;
    const { view } = this.#dram;
    const old = before.get(table);
    const entries = new BigUint64Array(ENTRIES);
    after.set(table, entries);
    let bytes = 0;
    for (let i = 0; i < ENTRIES; i++) {
      const at = table + i * Pte.size;
      const entry = view.getBigUint64(at, true);
      entries[i] = entry;
      if (entry !== (old?.[i] ?? 0n)) bytes += Pte.size;
      if (entry !== 0n && level < LEVELS - 1 && Pte.fields.type.read(view, at) === PTE_TYPE.TABLE)
        bytes += this.#look(Pte.fields.address.read(view, at), level + 1, before, after);
    }
    return bytes;
  }
}
