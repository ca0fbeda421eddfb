/**
 * Mmu: the GPU's address-space slots: which address space sits in which, and how tables change under a running GPU.
 *
 * There are more VMs than slots. Slot 0 is the microcontroller's; the others go to VMs whose groups run, and stay with
 * an idle VM until somebody else needs one. A change of the tables of a resident address space locks the region, writes
 * the entries, flushes the GPU's caches and unlocks: no unit sees half of it. All commands take turns: silicon takes one
 * at a time, shows its end in AS_STATUS and by an interrupt, and needs microseconds; one that has to wait for units at work
 * in the address space (up to a millisecond on the model) lets everybody else go on meanwhile.
 *
 * A page fault is fatal to the work in that address space: it is logged, the slot is switched off so that nothing else
 * gets through, and the scheduler throws the faulty groups out.
 * After Linux `drivers/gpu/drm/panthor/panthor_mmu.c`, `drivers/gpu/drm/tyr/mmu/`.
 */

import { PTE_ATTR, PTE_SH } from '../../abi/gpu/lpae.ts';
import {
  AS,
  AS_ACCESS,
  AS_BASE,
  AS_COMMAND,
  AS_FAULT_MASK,
  AS_INA_BITS_BASE,
  AS_LOCK_MIN_LOG2,
  AS_MODE,
  AS_PTW_MEMATTR,
  AS_STRIDE,
  exceptionName,
  MAX_AS,
  MEMATTR,
  MMU,
  MMU_IRQ_COMPLETE_SHIFT,
} from '../../abi/gpu/regs.ts';
import type { Clock } from '../../board/clock.ts';
import type { IrqLine } from '../../board/irq.ts';
import { type Mmio, readReg, writeReg } from '../../board/mmio.ts';
import { DrmError } from '../../drm/error.ts';
import { MICROSECOND, Mutex, SECOND, WaitQueue } from '../async.ts';
import type { GpuControl } from '../gpu.ts';
import { HardwareError } from '../hardware-error.ts';
import { IrqBlock } from '../irq.ts';
import { hex, type Logger } from '../log.ts';
import { SlotManager } from '../slot.ts';
import type { AddressSpace } from './address-space.ts';

export const MCU_SLOT = 0;
const STATUS_INTERVAL = 10 * MICROSECOND;
/** Linux waits 100 ms; the model's units are threads, which a busy host may keep from their check points for longer. */
const STATUS_TIMEOUT = 5 * SECOND;
/** How long what lost its mapping is held if the GPU did not take note: until the reset, or so long. */
const RESET_TIMEOUT = 10 * SECOND;

/** What the MMU tells the rest of the driver. */
export interface MmuEvents {
  /** A page fault has switched this address space off. */
  fault(space: AddressSpace): void;
  /** A command never ended: only a reset helps. */
  stuck(message: string): void;
}

export class Mmu {
  readonly #mmio: Mmio;
  readonly #clock: Clock;
  readonly #gpu: GpuControl;
  readonly #log: Logger;
  readonly #coherent: boolean;
  readonly #events: MmuEvents;
  readonly #irq: IrqBlock;
  readonly #mcu = new SlotManager<AddressSpace>([MCU_SLOT]);
  readonly #slots: SlotManager<AddressSpace>;
  readonly #turns = new Mutex();
  /** Commands come to their end. */
  readonly #ends: WaitQueue;
  /** Slots that a fault has switched off, and those of them that the GPU knows of. */
  readonly #off = new Set<number>();
  readonly #silent = new Set<number>();
  /** A reset is under way: no commands. */
  #down = false;
  /** Resets are over. */
  readonly #resets: WaitQueue;
  #resetCount = 0;
  /** Ends the turn that a reset has taken. */
  #endReset: (() => void) | undefined;

  constructor(
    mmio: Mmio,
    line: IrqLine,
    clock: Clock,
    gpu: GpuControl,
    log: Logger,
    coherent: boolean,
    events: MmuEvents,
  ) {
    this.#mmio = mmio;
    this.#clock = clock;
    this.#gpu = gpu;
    this.#log = log;
    this.#coherent = coherent;
    this.#events = events;
    this.#ends = new WaitQueue(clock);
    this.#resets = new WaitQueue(clock);
    const present = gpu.properties.asPresent;
    const usable = Array.from({ length: MAX_AS }, (_, slot) => slot).filter(
      (slot) => slot !== MCU_SLOT && (present & (1 << slot)) !== 0,
    );
    if (usable.length === 0)
      throw new HardwareError(`AS_PRESENT ${hex(present)}: not enough address spaces, at least 2 needed`);
    this.#slots = new SlotManager(usable);
    this.#irq = new IrqBlock(mmio, line, MMU, (status) => this.#interrupt(status));
    this.#irq.resume();
  }

  /** How many VMs can run at once. */
  get slotCount(): number {
    return this.#slots.count;
  }

  /** Slots that VMs sit in, running or not. */
  get residents(): number {
    return [...this.#slots.residents()].length;
  }

  /** The slot where `space` is resident. */
  slotOf(space: AddressSpace): number | undefined {
    return this.#managerOf(space).slotOf(space);
  }

  /** Adds a user and makes `space` resident. Throws DrmError EBUSY if all slots are in use, ETIMEDOUT if the GPU hangs. */
  activate(space: AddressSpace): Promise<number> {
    return this.#seat(space, this.#managerOf(space));
  }

  /** Drops a user; without users the address space may lose its slot. */
  idle(space: AddressSpace): void {
    if (space.users === 0) throw new Error(`mmu: ${space.name} has no user to drop`);
    if (--space.users === 0) this.#managerOf(space).idle(space);
  }

  /** Changes the tables of `space` inside [va, va + size). What `change` throws comes through, after the unlock. */
  async update(space: AddressSpace, va: number, size: number, change: () => void): Promise<void> {
    let noted = true;
    try {
      await this.#turns.run(async () => {
        const slot = this.#down ? undefined : this.slotOf(space);
        if (slot === undefined || this.#off.has(slot)) {
          if (slot !== undefined) noted = await this.#switchOff(slot);
          change();
          if (noted) space.table.release();
          return;
        }
        const locked = await this.#try(() => this.#lock(slot, va, size));
        try {
          change();
        } finally {
          const flushed = await this.#try(() => this.#gpu.flushCaches());
          noted = locked && flushed && (await this.#try(() => this.#command(slot, AS_COMMAND.UNLOCK)));
          if (noted) space.table.release();
        }
      });
    } finally {
      if (!noted) {
        await this.#untilReset();
        space.table.release();
      }
    }
  }

  /** The GPU has not taken note: units may go on through what is no longer mapped, so its pages are still theirs. */
  async #untilReset(): Promise<void> {
    const count = this.#resetCount;
    await this.#resets.wait(() => this.#resetCount !== count, RESET_TIMEOUT);
  }

  /** Keeps the GPU out of `space`, which stays in its slot: its tables cannot be trusted any more. */
  shutOff(space: AddressSpace): Promise<void> {
    return this.#turns.run(async () => {
      const slot = this.slotOf(space);
      if (slot === undefined || this.#down) return;
      this.#off.add(slot);
      await this.#switchOff(slot);
    });
  }

  /** Takes `space` out of its slot for good. */
  async evict(space: AddressSpace): Promise<void> {
    let noted = true;
    await this.#turns.run(async () => {
      const slot = this.#managerOf(space).evict(space);
      if (slot === undefined || this.#down) return;
      noted = await this.#switchOff(slot);
      this.#off.delete(slot);
      this.#silent.delete(slot);
    });
    if (!noted) await this.#untilReset();
  }

  /** Waits for commands under way; no tables change and no pages are given back until `postReset`. */
  preReset(): Promise<void> {
    this.#irq.suspend();
    this.#down = true;
    this.#ends.wake();
    if (this.#endReset) return Promise.resolve();
    return new Promise((begin) => {
      void this.#turns.run(
        () =>
          new Promise<void>((end) => {
            this.#endReset = end;
            begin();
          }),
      );
    });
  }

  /** The GPU has forgotten its slots. */
  postReset(): void {
    this.#vacate();
    this.#down = false;
    this.#irq.resume();
    this.#resetOver();
  }

  #vacate(): void {
    for (const manager of [this.#mcu, this.#slots]) {
      for (const [, space] of [...manager.residents()]) {
        manager.evict(space);
        space.users = 0;
        space.faulted = false;
      }
    }
    this.#off.clear();
    this.#silent.clear();
  }

  /** Before the GPU loses its power: it forgets its slots, and tables change in memory alone until `resume`. */
  suspend(): Promise<void> {
    return this.#turns.run(() => {
      this.#irq.suspend();
      this.#down = true;
      this.#vacate();
    });
  }

  /** The GPU has power again. */
  resume(): void {
    this.#down = false;
    this.#irq.resume();
  }

  /** The GPU is given up: there are no commands any more. */
  unplug(): void {
    this.#irq.detach();
    this.#down = true;
    this.#resetOver();
  }

  #resetOver(): void {
    this.#resetCount++;
    this.#resets.wake();
    this.#ends.wake();
    this.#endReset?.();
    this.#endReset = undefined;
  }

  /** Slot 0 is the firmware's for good. */
  #managerOf(space: AddressSpace): SlotManager<AddressSpace> {
    return space.mcu ? this.#mcu : this.#slots;
  }

  #seat(space: AddressSpace, manager: SlotManager<AddressSpace>): Promise<number> {
    return this.#turns.run(async () => {
      const seat = manager.activate(space);
      if (!seat) throw new DrmError('EBUSY', 'all address-space slots are in use');
      const { slot, fresh, evicted } = seat;
      try {
        if (evicted) {
          this.#mask(slot);
          await this.#gpu.flushCaches();
        }
        if (fresh || this.#off.has(slot)) {
          if (this.#off.delete(slot)) this.#irq.clear(faultBit(slot));
          this.#silent.delete(slot);
          space.faulted = false;
          await this.#enable(slot, space);
        }
      } catch (error) {
        if (space.users === 0) manager.evict(space);
        throw error;
      }
      space.users++;
      return slot;
    });
  }

  async #enable(slot: number, space: AddressSpace): Promise<void> {
    this.#irq.enable(faultBit(slot));
    writeReg(this.#mmio, AS.TRANSTAB, space.table.root, registers(slot));
    this.#writeMemattr(slot, memattr(this.#coherent));
    const config = AS.TRANSCFG.encode({
      mode: AS_MODE.AARCH64_4K,
      inaBits: AS_INA_BITS_BASE - this.#gpu.vaBits,
      ptwMemattr: AS_PTW_MEMATTR.WRITE_BACK,
      ptwReadAllocate: 1,
      ptwShareability: this.#coherent ? PTE_SH.OUTER : PTE_SH.NON_SHAREABLE,
    });
    writeReg(this.#mmio, AS.TRANSCFG, config, registers(slot));
    await this.#command(slot, AS_COMMAND.UPDATE);
  }

  async #disable(slot: number): Promise<void> {
    this.#mask(slot);
    await this.#gpu.flushCaches();
    writeReg(this.#mmio, AS.TRANSTAB, 0, registers(slot));
    this.#writeMemattr(slot, []);
    writeReg(this.#mmio, AS.TRANSCFG, AS.TRANSCFG.encode({ mode: AS_MODE.UNMAPPED }), registers(slot));
    await this.#command(slot, AS_COMMAND.UPDATE);
  }

  /** Lets nothing through a slot any more. False if the GPU did not take note. */
  async #switchOff(slot: number): Promise<boolean> {
    if (this.#silent.has(slot)) return true;
    if (!(await this.#try(() => this.#disable(slot)))) return false;
    this.#silent.add(slot);
    return true;
  }

  #mask(slot: number): void {
    this.#irq.disable(faultBit(slot));
  }

  async #lock(slot: number, va: number, size: number): Promise<void> {
    const { base, log2 } = lockRegion(va, size);
    const region = base + AS.LOCKADDR.encode({ sizeLog2MinusOne: log2 - 1 });
    writeReg(this.#mmio, AS.LOCKADDR, region, registers(slot));
    await this.#command(slot, AS_COMMAND.LOCK);
  }

  async #command(slot: number, command: number): Promise<void> {
    const ready = (): boolean =>
      AS.STATUS.get(readReg(this.#mmio, AS.STATUS, registers(slot)), 'active') === 0 || this.#down;
    if (!ready()) await this.#ready(ready, slot);
    writeReg(this.#mmio, AS.COMMAND, command, registers(slot));
    if (!ready()) await this.#ready(ready, slot);
  }

  /** Waits for the interrupt that tells the command's end, and looks by itself now and then, as Linux does. */
  async #ready(ready: () => boolean, slot: number): Promise<void> {
    const end = this.#clock.now() + STATUS_TIMEOUT;
    const bit = completeBit(slot);
    this.#irq.clear(bit);
    this.#irq.enable(bit);
    try {
      for (let pause = STATUS_INTERVAL; ; pause *= 2) {
        const left = end - this.#clock.now();
        if (await this.#ends.wait(ready, Math.max(0, Math.min(pause, left)))) return;
        if (left <= 0) throw new DrmError('ETIMEDOUT', `AS_ACTIVE bit stuck in AS${slot}`);
      }
    } finally {
      this.#irq.disable(bit);
    }
  }

  /** Runs a hardware step; a hang asks for a reset and returns false. */
  async #try(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      if (!(error instanceof DrmError)) throw error;
      this.#events.stuck(error.message);
      return false;
    }
  }

  /** 64 bits that do not fit a number: one byte for each attribute index. */
  #writeMemattr(slot: number, attributes: readonly number[]): void {
    const bytes = new Uint8Array(8);
    bytes.set(attributes);
    const words = new Uint32Array(bytes.buffer);
    const at = registers(slot) + AS.MEMATTR.offset;
    this.#mmio.write32(at, words[0]!);
    this.#mmio.write32(at + 4, words[1]!);
  }

  #interrupt(status: number): void {
    const ends = (status & ~AS_FAULT_MASK) >>> 0;
    if (ends !== 0) {
      this.#irq.clear(ends);
      this.#ends.wake();
    }
    const faults = status & AS_FAULT_MASK;
    for (let slot = 0; slot < MAX_AS; slot++) if (faults & faultBit(slot)) this.#fault(slot);
  }

  #fault(slot: number): void {
    const status = readReg(this.#mmio, AS.FAULTSTATUS, registers(slot));
    const address = readReg(this.#mmio, AS.FAULTADDRESS, registers(slot));
    const { exceptionType, accessType, sourceId } = AS.FAULTSTATUS.decode(status);
    const access = Object.entries(AS_ACCESS).find(([, value]) => value === accessType)?.[0] ?? 'UNKNOWN';
    this.#log(
      'error',
      `Unhandled Page fault in AS${slot} at VA 0x${address.toString(16).toUpperCase().padStart(16, '0')}\n` +
        `raw fault status: ${hex(status)}\n` +
        `exception type ${hex(exceptionType)}: ${exceptionName(exceptionType)}\n` +
        `access type ${hex(accessType)}: ${access}\n` +
        `source id ${hex(sourceId)}`,
    );
    this.#mask(slot);
    this.#irq.clear(faultBit(slot));
    this.#off.add(slot);
    const space = slot === MCU_SLOT ? this.#mcu.owner(slot) : this.#slots.owner(slot);
    if (space) {
      space.faulted = true;
      this.#events.fault(space);
    }
    // Whatever still runs there must not get through.
    void this.#turns.run(async () => {
      if (this.#off.has(slot) && !this.#down) await this.#switchOff(slot);
    });
  }
}

const registers = (slot: number): number => AS_BASE + slot * AS_STRIDE;
const faultBit = (slot: number): number => 1 << slot;
const completeBit = (slot: number): number => 1 << (MMU_IRQ_COMPLETE_SHIFT + slot);

/** The smallest naturally aligned power of two that holds [va, va + size). */
export function lockRegion(va: number, size: number): { base: number; log2: number } {
  let log2: number = AS_LOCK_MIN_LOG2;
  const last = va + size - 1;
  while (Math.floor(va / 2 ** log2) !== Math.floor(last / 2 ** log2)) log2++;
  return { base: Math.floor(va / 2 ** log2) * 2 ** log2, log2 };
}

/** AS_MEMATTR, byte by byte: what the attribute indices of page-table entries mean. */
function memattr(coherent: boolean): number[] {
  const bytes = new Array<number>(8).fill(MEMATTR.NON_CACHEABLE | MEMATTR.INNER_ALLOC_EXPLICIT | MEMATTR.MIDGARD_INNER);
  bytes[PTE_ATTR.CACHED] =
    MEMATTR.WRITE_BACK |
    MEMATTR.INNER_ALLOC_WRITE |
    MEMATTR.INNER_ALLOC_READ |
    (coherent ? MEMATTR.CPU_INNER : MEMATTR.MIDGARD_INNER);
  return bytes;
}
