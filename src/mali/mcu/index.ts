/**
 * The MCU: the microcontroller that runs the command-stream firmware.
 *
 * The model does not execute the firmware's code; it does what the firmware does. Booting it checks what the hardware
 * would need (power, a vector table at address 0 whose stack and reset vector are mapped as they should be, a shared section
 * large enough) and then lays out the interface there (interface.ts). From then on doorbells make it look at requests:
 * the global ones (global.ts), those of group slots (group-slot.ts) and of streams (stream-slot.ts). The command streams
 * themselves are in csu/.
 *
 * It lives in address space 0. If something it needs is not mapped there it stops with status FATAL, as firmware does.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_fw.c`. That any doorbell makes it look at all waits for sync objects:
 * Arm's own driver, `mali_kbase_csf.c` (kbase_csf_event_signal).
 */
import type { CommandSet } from '../../abi/gpu/cs.ts';
import { FW_SHARED_START, VectorTable } from '../../abi/gpu/firmware.ts';
import { GROUPS, INTERFACE_SIZE, INTERFACE_VERSION } from '../../abi/gpu/firmware-places.ts';
import { GPU_IRQ, JOB_IRQ_GLOBAL, MCU, MCU_CONTROL, MCU_STATUS } from '../../abi/gpu/regs.ts';
import { SuspendHeader } from '../../abi/gpu/suspend.ts';
import type { Clock } from '../../board/clock.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Log } from '../../board/log.ts';
import { PageFault, type Units } from '../contract.ts';
import type { GpuControlBlock } from '../control.ts';
import { DecodeCache } from '../csu/decode-cache.ts';
import { FrontEnd } from '../csu/front-end.ts';
import type { Faults } from '../faults.ts';
import type { InterruptBlock } from '../irq.ts';
import type { Mmu } from '../mmu/index.ts';
import type { GpuMemory } from '../mmu/memory.ts';
import { GlobalInterface } from './global.ts';
import { GroupSlot, type Kept } from './group-slot.ts';
import { writeControl } from './interface.ts';

export interface McuParts {
  readonly dram: PhysicalMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly control: GpuControlBlock;
  readonly mmu: Mmu;
  readonly irq: InterruptBlock;
  readonly units: Units;
  readonly faults: Faults;
  /** What command streams are made of. */
  readonly commands: CommandSet;
}

export class Mcu {
  readonly dram: PhysicalMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly control: GpuControlBlock;
  readonly mmu: Mmu;
  readonly units: Units;
  readonly faults: Faults;
  readonly frontEnd: FrontEnd;
  /** Instructions of command streams, taken apart. */
  readonly instructions: DecodeCache;
  /** Address space 0. */
  readonly memory: GpuMemory;
  readonly groups: readonly GroupSlot[];
  /** What the endpoints hold of suspended groups, by the address of the suspend buffer: for as long as that is mapped. */
  readonly kept = new Map<number, Kept>();
  /** Cycles after which a group that gets nothing done is reported; 0 is never. */
  progressLimit = 0;
  readonly #irq: InterruptBlock;
  readonly #global: GlobalInterface;
  #mode: number = MCU_CONTROL.DISABLE;
  #status: number = MCU_STATUS.DISABLED;
  #generation = 0;
  /** Doorbells that were rung and not answered yet, one bit each from the lowest word on. */
  #rung = new Uint32Array(DOORBELLS / 32);
  /** Those that are being answered. */
  #served = new Uint32Array(DOORBELLS / 32);
  #answering = false;
  /** It stands still, and so do its streams, until it is stopped. */
  #hung = false;

  constructor(parts: McuParts) {
    this.dram = parts.dram;
    this.clock = parts.clock;
    this.log = parts.log;
    this.control = parts.control;
    this.mmu = parts.mmu;
    this.units = parts.units;
    this.faults = parts.faults;
    this.instructions = new DecodeCache(parts.commands);
    this.#irq = parts.irq;
    this.frontEnd = new FrontEnd(parts.clock, parts.control.time, (fn) => this.guard(fn));
    this.memory = parts.mmu.view(0);
    this.groups = Array.from({ length: GROUPS }, (_, index) => new GroupSlot(this, index));
    this.#global = new GlobalInterface(this);
    this.mmu.onUnlock = () => this.frontEnd.schedule();
    this.mmu.onFlush = (slot, start, size) => {
      if (slot === this.memory.source?.slot) this.#sweep(start, size);
    };
  }

  read(offset: number): number | undefined {
    if (offset === MCU.CONTROL.offset) return this.#mode;
    if (offset === MCU.STATUS.offset) return this.#status;
    return undefined;
  }

  write(offset: number, value: number): boolean {
    if (offset !== MCU.CONTROL.offset) return offset === MCU.STATUS.offset;
    this.#mode = value;
    if (value === MCU_CONTROL.DISABLE) this.#stop(MCU_STATUS.DISABLED);
    else if (this.#status === MCU_STATUS.DISABLED) this.clock.soon(() => this.#boot());
    return true;
  }

  /** A doorbell page was written: 0 is the global one, others belong to streams. The firmware looks a little later. */
  ring(doorbell: number): void {
    if (doorbell >= DOORBELLS) return;
    this.#rung[doorbell >>> 5]! |= 1 << (doorbell & 31);
    if (this.#answering) return;
    this.#answering = true;
    this.clock.soon(this.#answer);
  }

  #isServed(doorbell: number): boolean {
    return ((this.#served[doorbell >>> 5]! >>> (doorbell & 31)) & 1) !== 0;
  }

  readonly #answer = (): void => {
    this.#answering = false;
    [this.#rung, this.#served] = [this.#served, this.#rung];
    if (this.#status === MCU_STATUS.ENABLED && !this.#fails()) this.guard(this.#serve);
    this.#served.fill(0);
  };

  /** Whether a fault keeps it from answering doorbells. */
  #fails(): boolean {
    if (this.#hung) return true;
    if (this.faults.strikes('firmware-hang')) {
      this.#hung = true;
      return true;
    }
    if (!this.faults.strikes('firmware-panic')) return false;
    this.guard(() => this.#global.tellPanic());
    this.#fatal('firmware panic: halted for a core dump');
    return true;
  }

  readonly #serve = (): void => {
    if (this.#isServed(GLOBAL_DOORBELL)) this.#global.process();
    for (const group of this.groups) {
      if (!group.running) continue;
      for (const stream of group.streams) if (stream.started && this.#isServed(stream.doorbell)) stream.kick();
    }
    // Whoever has written a sync object by the CPU rings any doorbell, and all waits are looked at again.
    this.frontEnd.syncWritten();
  };

  #boot(): void {
    if (this.#mode === MCU_CONTROL.DISABLE || this.#status !== MCU_STATUS.DISABLED) return;
    const obstacle = this.faults.strikes('boot-failed') ? 'a fault was asked for' : this.#obstacle();
    if (obstacle !== undefined) {
      this.#fatal(`cannot boot: ${obstacle}`);
      return;
    }
    this.guard(() => {
      this.#sweep(0, Number.POSITIVE_INFINITY);
      writeControl(this.memory, this.instructions.commands);
      this.#setStatus(MCU_STATUS.ENABLED);
      const { major, minor, patch } = INTERFACE_VERSION;
      this.log('debug', 'mali-mcu', `firmware interface v${major}.${minor}.${patch} is up`);
      this.interruptGlobal();
    });
  }

  /** What keeps the microcontroller from starting. */
  #obstacle(): string | undefined {
    const { memory } = this;
    if (this.control.l2.ready === 0) return 'the L2 cache has no power';
    if (!memory.probe(VECTORS, VectorTable.size, 'read')) return 'no vector table is mapped at address 0';
    const { stack, reset } = memory.decode(VectorTable, VECTORS);
    if (stack < STACK_MIN || !memory.probe(stack - STACK_MIN, STACK_MIN, 'write')) {
      return `the initial stack pointer 0x${stack.toString(16)} is not mapped for writing`;
    }
    // Cortex-M code is Thumb code: the lowest bit of a vector says so.
    if (reset % 2 !== 1 || !memory.probe(reset - 1, 2, 'execute')) {
      return `the reset vector 0x${reset.toString(16)} is not mapped for execution`;
    }
    for (const access of ['read', 'write'] as const) {
      if (!memory.probe(FW_SHARED_START, INTERFACE_SIZE, access)) {
        return `the shared section has not ${INTERFACE_SIZE} bytes mapped for reading and writing at 0x${FW_SHARED_START.toString(16)}`;
      }
    }
    return undefined;
  }

  /** GLB_REQ.HALT: the firmware stops by itself. */
  halt(): void {
    this.#stop(MCU_STATUS.HALT);
  }

  #fatal(reason: string): void {
    this.log('error', 'mali-mcu', reason);
    this.#stop(MCU_STATUS.FATAL);
  }

  #stop(status: number): void {
    this.#hung = false;
    // Nothing may be written to memory any more.
    this.frontEnd.clear();
    for (const group of this.groups) group.drop();
    this.#global.stop();
    this.#rung.fill(0);
    this.control.tiler.reset();
    this.control.shader.reset();
    this.#setStatus(status);
  }

  #setStatus(status: number): void {
    if (this.#status === status) return;
    this.#status = status;
    this.control.irq.raise(GPU_IRQ.MCU_STATUS_CHANGED);
  }

  /** Runs a piece of firmware; memory that it needs and is not mapped is its end. */
  guard(fn: () => void): void {
    if (this.#hung) return;
    try {
      fn();
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      this.#fatal(`firmware stopped: ${error.message}`);
    }
  }

  /** Raises a group slot's interrupt. */
  interrupt(group: number): void {
    this.#irq.raise(1 << group);
    this.frontEnd.interrupted();
  }

  interruptGlobal(): void {
    this.#irq.raise(JOB_IRQ_GLOBAL);
    this.frontEnd.interrupted();
  }

  checkIdle(): void {
    this.#global.checkIdle();
  }

  /** Gives the tiler and the shader cores of `mask` power, and no others. */
  powerCores(mask: number): void {
    const { shader, tiler } = this.control;
    shader.off(shader.present & ~mask);
    shader.on(mask);
    tiler.on(tiler.present);
  }

  nextGeneration(): number {
    this.#generation = (this.#generation + 1) >>> 0;
    return this.#generation;
  }

  keep(buffer: number, kept: Kept): void {
    this.forget(buffer);
    this.kept.set(buffer, kept);
  }

  /** Forgets the groups whose suspend buffers in this range of its own memory are gone: the host has dropped them. */
  #sweep(start: number, size: number): void {
    for (const buffer of this.kept.keys()) {
      const inside = buffer >= start && buffer < start + size;
      if (inside && !this.memory.probe(buffer, SuspendHeader.size, 'read')) this.forget(buffer);
    }
  }

  /** Drops what was kept for a suspend buffer; works in flight are told. */
  forget(buffer: number): void {
    for (const stream of this.kept.get(buffer)?.streams ?? []) stream?.abandon();
    this.kept.delete(buffer);
  }

  /** Power-on state. Suspended groups' works stay, as their suspend buffers do. */
  reset(): void {
    this.#mode = MCU_CONTROL.DISABLE;
    this.#stop(MCU_STATUS.DISABLED);
    this.#irq.reset();
  }
}

/** Doorbell pages; the first is the global interface's. */
const DOORBELLS = 64;
const GLOBAL_DOORBELL = 0;
const VECTORS = 0;
/** The stack grows down from its initial pointer. */
const STACK_MIN = 4;
