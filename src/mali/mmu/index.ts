/**
 * The MMU: its interrupts and its address-space slots.
 *
 * The host writes a slot's TRANSTAB, TRANSCFG and MEMATTR and makes them count with the command UPDATE. It brackets
 * changes of the tables with LOCK and UNLOCK (or FLUSH_*), which drop cached translations. While a region is locked,
 * accesses to it wait on silicon; here all works of the address space wait (`locked`), which nobody can tell apart but by
 * timing. A command is complete at once, unless other threads translate through the slot (agents.ts): then AS_STATUS shows it
 * until each of them has passed a check point. A fault is latched in FAULTSTATUS and FAULTADDRESS until its interrupt has
 * been cleared.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_mmu.c`, `panthor_mmu_regs.h`.
 */
import {
  AS,
  AS_BASE,
  AS_COMMAND,
  AS_MODE,
  AS_STRIDE,
  MAX_AS,
  MMU,
  MMU_IRQ_COMPLETE_SHIFT,
} from '../../abi/gpu/regs.ts';
import type { Register } from '../../abi/register.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Log } from '../../board/log.ts';
import type { Faults } from '../faults.ts';
import type { InterruptBlock } from '../irq.ts';
import { type Agents, nobody } from './agents.ts';
import { GpuMemory, type TranslationSource } from './memory.ts';
import { type Translation, translationOf, UNMAPPED } from './walk.ts';

/** Size of the lock region that LOCKADDR encodes. */
const lockRegion = (lockaddr: number): { start: number; size: number } => {
  const size = 2 ** (AS.LOCKADDR.get(lockaddr, 'sizeLog2MinusOne') + 1);
  return { start: lockaddr - (lockaddr % size), size };
};

/** One slot: its registers, what UPDATE made of them, and the views that look through it. */
class AddressSpace implements TranslationSource {
  readonly slot: number;
  readonly walks: { entries: number };
  readonly #mmu: Mmu;
  readonly #registers = new Uint32Array(AS_STRIDE / 4);
  readonly #views = new Set<GpuMemory>();
  translation: Translation = UNMAPPED;
  locked = false;
  /** A command that is not complete. */
  active = false;
  /** It never will be. */
  stuck = false;

  constructor(mmu: Mmu, slot: number) {
    this.#mmu = mmu;
    this.slot = slot;
    this.walks = mmu.walks;
  }

  #value(register: Register<any>): number {
    const i = register.offset / 4;
    return register.width === 32 ? this.#registers[i]! : this.#registers[i]! + this.#registers[i + 1]! * 2 ** 32;
  }

  #setValue(register: Register<any>, value: number): void {
    const i = register.offset / 4;
    this.#registers[i] = value % 2 ** 32;
    if (register.width === 64) this.#registers[i + 1] = Math.floor(value / 2 ** 32);
  }

  read(offset: number): number {
    if (offset === AS.STATUS.offset) return AS.STATUS.encode({ active: this.#mmu.settled(this) ? 0 : 1 });
    if (offset === AS.COMMAND.offset) return 0;
    return this.#registers[offset / 4]!;
  }

  write(offset: number, value: number): void {
    if (offset === AS.COMMAND.offset) this.#mmu.command(this, value);
    else if (offset !== AS.STATUS.offset) this.#registers[offset / 4] = value;
  }

  fault(code: number, access: number, address: number): void {
    if (this.#mmu.faulted(this.slot)) return;
    this.#setValue(AS.FAULTSTATUS, AS.FAULTSTATUS.encode({ exceptionType: code, accessType: access }));
    this.#setValue(AS.FAULTADDRESS, address);
    this.#mmu.raiseFault(this.slot);
  }

  update(): void {
    const transcfg = this.#value(AS.TRANSCFG);
    const memattr = AS.MEMATTR.offset / 4;
    const attributes = [...new Uint8Array(this.#registers.buffer, memattr * 4, 8)];
    const translation = translationOf(this.#value(AS.TRANSTAB), transcfg, attributes);
    this.translation = translation;
    this.flush();
    if (!(Object.values(AS_MODE) as number[]).includes(translation.mode) || translation.mode === AS_MODE.AARCH64_64K) {
      this.#mmu.log(
        'error',
        'mali-mmu',
        `address space ${this.slot}: translation mode ${translation.mode} is not modelled, nothing is mapped`,
      );
    }
  }

  lock(): void {
    this.locked = true;
    this.flushRegion();
  }

  flush(): void {
    for (const view of this.#views) view.flush();
  }

  flushRegion(): void {
    const { start, size } = lockRegion(this.#value(AS.LOCKADDR));
    for (const view of this.#views) view.flush(start, size);
    this.#mmu.onFlush(this.slot, start, size);
  }

  join(view: GpuMemory): void {
    this.#views.add(view);
    view.attach(this);
    this.#mmu.agents.moved(view, this.slot);
  }

  leave(view: GpuMemory): void {
    this.#views.delete(view);
    if (view.source !== this) return;
    view.attach(undefined);
    this.#mmu.agents.moved(view, undefined);
  }

  reset(): void {
    this.#registers.fill(0);
    this.translation = UNMAPPED;
    this.locked = false;
    this.active = false;
    this.stuck = false;
    this.flush();
  }
}

/** Views of groups off the GPU that are kept for their return. */
const IDLE_VIEWS = 32;

export class Mmu {
  readonly log: Log;
  /** Entries of page tables that this thread has read. */
  readonly walks = { entries: 0 };
  readonly #dram: PhysicalMemory;
  readonly #irq: InterruptBlock;
  readonly #paBits: number;
  readonly #slots: AddressSpace[];
  readonly #faults: Faults | undefined;
  /** Who else translates. */
  readonly agents: Agents;
  /** What to do when a reset has reached all of them. */
  #onReset: (() => void) | undefined;
  /** Views that nobody uses, the one given back last at the end, and the table that each looked through. */
  readonly #idle: { readonly table: number; readonly view: GpuMemory }[] = [];
  /** Called when an address space has become accessible again. */
  onUnlock: (slot: number) => void = () => {};
  /** Called when translations of a range have been dropped. */
  onFlush: (slot: number, start: number, size: number) => void = () => {};

  /** `present`: bitmap of the slots that exist. */
  constructor(
    dram: PhysicalMemory,
    log: Log,
    irq: InterruptBlock,
    present: number,
    paBits: number,
    agents: Agents = nobody(),
    faults?: Faults,
  ) {
    this.#faults = faults;
    this.agents = agents;
    agents.onCheckPoint = () => this.#look();
    this.#dram = dram;
    this.log = log;
    this.#irq = irq;
    this.#paBits = paBits;
    this.#slots = [];
    for (let slot = 0; slot < MAX_AS && (present >> slot) & 1; slot++) this.#slots.push(new AddressSpace(this, slot));
  }

  /** What a slot looks through. */
  translation(slot: number): Translation | undefined {
    return this.#slots[slot]?.translation;
  }

  get slotCount(): number {
    return this.#slots.length;
  }

  /** A view of slot `slot`, with a translation cache of its own. Without a slot all accesses fault. */
  view(slot?: number): GpuMemory {
    const view = new GpuMemory(this.#dram, this.#paBits);
    if (slot !== undefined) this.bind(view, slot);
    return view;
  }

  /**
   * A view of slot `slot` for one group's turn. If a group has looked through the same tables before, it is that group's: what
   * hangs on a view (decoded shader code, which is compared with memory at each run) so outlives suspend, resume and start.
   */
  take(slot: number): GpuMemory {
    const table = this.#slots[slot]?.translation.table;
    const i = this.#idle.findLastIndex((idle) => idle.table === table);
    const view = i < 0 ? new GpuMemory(this.#dram, this.#paBits) : this.#idle.splice(i, 1)[0]!.view;
    this.bind(view, slot);
    return view;
  }

  /** Gives a view back that was taken. Nothing may use it any more. */
  give(view: GpuMemory): void {
    const table = view.source?.translation.table;
    this.bind(view, undefined);
    if (table === undefined) return;
    this.#idle.push({ table, view });
    if (this.#idle.length > IDLE_VIEWS) this.#idle.shift();
  }

  /** Puts a view on a slot; undefined takes it off. A slot that does not exist leaves it without one. */
  bind(view: GpuMemory, slot: number | undefined): void {
    const old = view.source;
    if (old && old.slot !== slot) this.#slots[old.slot]?.leave(view);
    if (slot !== undefined) this.#slots[slot]?.join(view);
  }

  isLocked(slot: number): boolean {
    return this.#slots[slot]?.locked ?? false;
  }

  /** Whether a fault of this slot waits to be cleared. */
  faulted(slot: number): boolean {
    return (this.#irq.raw & (1 << slot)) !== 0;
  }

  raiseFault(slot: number): void {
    this.#irq.raise(1 << slot);
  }

  command(as: AddressSpace, command: number): void {
    if (command === AS_COMMAND.NOP || as.stuck) return;
    if (this.#faults?.strikes('as-stuck')) {
      as.active = true;
      as.stuck = true;
      return;
    }
    switch (command) {
      case AS_COMMAND.UPDATE:
        as.update();
        break;
      case AS_COMMAND.LOCK:
        as.lock();
        break;
      case AS_COMMAND.UNLOCK:
      case AS_COMMAND.FLUSH_PT:
      case AS_COMMAND.FLUSH_MEM:
        as.flushRegion();
        as.locked = false;
        break;
      default:
        this.log('error', 'mali-mmu', `address space ${as.slot}: AS_COMMAND ${command} is none`);
        return;
    }
    this.agents.changed(as.slot, as.translation, as.locked);
    as.active = true;
    this.settled(as);
  }

  /** Whether no command of this slot is under way any more. */
  settled(as: AddressSpace): boolean {
    if (!as.active) return true;
    if (as.stuck) return false;
    if (this.agents.busy(as.slot)) return false;
    as.active = false;
    this.#irq.raise(1 << (MMU_IRQ_COMPLETE_SHIFT + as.slot));
    if (!as.locked) this.onUnlock(as.slot);
    return true;
  }

  /** Somebody has passed a check point. */
  #look(): void {
    for (const slot of this.#slots) this.settled(slot);
    const done = this.#onReset;
    if (!done || this.#slots.some(({ slot }) => this.agents.busy(slot))) return;
    this.#onReset = undefined;
    done();
  }

  read(offset: number): number {
    return this.#irq.read(offset) ?? this.#at(offset)?.read((offset - AS_BASE) % AS_STRIDE) ?? 0;
  }

  write(offset: number, value: number): void {
    if (!this.#irq.write(offset, value)) this.#at(offset)?.write((offset - AS_BASE) % AS_STRIDE, value);
  }

  /** Power-on state. `done` is called when nobody can use an old translation any more. */
  reset(done: () => void): void {
    this.#irq.reset();
    for (const slot of this.#slots) {
      slot.reset();
      this.agents.changed(slot.slot, slot.translation, slot.locked);
    }
    this.#onReset = done;
    this.#look();
  }

  /** Physical memory has come or gone: translations are looked up anew. */
  memoryChanged(): void {
    for (const slot of this.#slots) {
      slot.flush();
      this.agents.changed(slot.slot, slot.translation, slot.locked);
    }
  }

  #at(offset: number): AddressSpace | undefined {
    return offset < AS_BASE ? undefined : this.#slots[Math.floor((offset - AS_BASE) / AS_STRIDE)];
  }
}

/** Registers that the MMU answers for, as byte offsets of the window. */
export const isMmuOffset = (offset: number): boolean =>
  offset >= MMU.IRQ_RAWSTAT.offset && offset < AS_BASE + MAX_AS * AS_STRIDE;
