/**
 * Firmware: the microcontroller and the conversation with it: load, boot, the global handshake, doorbells, the watchdog.
 *
 * The firmware schedules the command streams of the groups in its slots; the driver decides which groups those are.
 * It says that it runs by its first global interrupt. From then on a ping every 12 seconds tells whether it still does; that it has
 * stopped by itself the GPU tells at once.
 * After Linux `drivers/gpu/drm/panthor/panthor_fw.c`, which waits for the next ping there.
 */
import { FW_HALT, GLB_REQ, GlbTimer } from '../../abi/gpu/firmware.ts';
import { doorbell, JOB, JOB_IRQ_GLOBAL, MCU, MCU_CONTROL, MCU_STATUS } from '../../abi/gpu/regs.ts';
import { viewOf } from '../../abi/layout.ts';
import type { Clock, Timer } from '../../board/clock.ts';
import type { Dram } from '../../board/dram.ts';
import type { IrqLine } from '../../board/irq.ts';
import { type Mmio, readReg, writeReg } from '../../board/mmio.ts';
import { MICROSECOND, MILLISECOND, poll, SECOND, WaitQueue } from '../async.ts';
import type { GpuControl } from '../gpu.ts';
import { HardwareError } from '../hardware-error.ts';
import { IrqBlock } from '../irq.ts';
import { CACHED, KernelBuffer, UNCACHED } from '../kernel-buffer.ts';
import type { Logger } from '../log.ts';
import type { AddressSpace } from '../mmu/address-space.ts';
import type { Mmu } from '../mmu/index.ts';
import { FirmwareError, parseFirmware } from './container.ts';
import { differing, type FirmwareInterface, readInterface, toggle, update } from './interface.ts';
import { LoadedFirmware } from './loader.ts';

const BOOT_TIMEOUT = SECOND;
const STOP_TIMEOUT = 100 * MILLISECOND;
const HALT_TIMEOUT = SECOND;
const STOP_INTERVAL = 10 * MICROSECOND;
const PING_INTERVAL = 12 * SECOND;
export const ACK_TIMEOUT = 100 * MILLISECOND;
/** How long idle cores stay powered, and how long a group is idle before the firmware says so. Microseconds. */
const POWEROFF_HYSTERESIS = 10_000;
const IDLE_HYSTERESIS = 800;
/** GPU cycles without progress after which the firmware gives a stream up, in units of 1024. */
const PROGRESS_TIMEOUT = 5 * 500 * 1024;
const TIMER_UNIT = 1024;
/** The global interface's doorbell; group slot n has doorbell n + 1. */
export const GLOBAL_DOORBELL = 0;
/** The first interface with a firmware state field in place of the halt bit: of later architectures. */
const SUPPORTED_MAJOR = 1;

export interface FirmwareResources {
  readonly mmio: Mmio;
  readonly line: IrqLine;
  readonly clock: Clock;
  readonly dram: Dram;
  readonly log: Logger;
  readonly gpu: GpuControl;
  readonly mmu: Mmu;
  /** Hz of the system counter, which the firmware's timers count. */
  readonly timerFrequency: number;
  /** The firmware does not answer: only a reset helps. */
  readonly hung: (message: string) => void;
}

export class Firmware {
  readonly #hw: FirmwareResources;
  readonly #loaded: LoadedFirmware;
  readonly #irq: IrqBlock;
  readonly #acks: WaitQueue;
  #interface: FirmwareInterface | undefined;
  #booted = false;
  #ping: Timer | undefined;
  /** The firmware has halted by itself: it goes on from memory as it is. */
  #fast = false;
  /** Called with the job interrupts of a booted firmware: bit n is group slot n, the top bit the global interface. */
  onEvents: (events: number) => void = () => {};

  private constructor(hw: FirmwareResources, loaded: LoadedFirmware) {
    this.#hw = hw;
    this.#loaded = loaded;
    this.#acks = new WaitQueue(hw.clock);
    this.#irq = new IrqBlock(hw.mmio, hw.line, JOB, (status) => this.#interrupt(status));
    this.#irq.enable(0xffffffff);
    hw.gpu.onMcuStatus = () => this.#statusChanged();
  }

  /** Parses and loads an image and boots it. Throws FirmwareError for a bad image, Error if it does not boot. */
  static async start(hw: FirmwareResources, image: Uint8Array | undefined): Promise<Firmware> {
    const path = `arm/mali/arch${hw.gpu.architecture}/mali_csffw.bin`;
    if (!image) throw new FirmwareError('image', `failed to load '${path}'`);
    const parsed = parseFirmware(image);
    const { major, minor, patch } = parsed.interface;
    if (major !== SUPPORTED_MAJOR) {
      throw new FirmwareError(
        'header',
        `interface v${major}.${minor}.${patch} is of another architecture, '${path}' has v${SUPPORTED_MAJOR}.x`,
      );
    }
    for (const warning of parsed.warnings) hw.log('warn', warning);
    if (parsed.gitSha !== undefined) hw.log('info', `Firmware git sha: ${parsed.gitSha}`);
    const loaded = await LoadedFirmware.load(hw.mmu, hw.dram, parsed);
    const firmware = new Firmware(hw, loaded);
    try {
      await firmware.#boot();
      firmware.#interface = readInterface(loaded.shared);
    } catch (error) {
      await firmware.unplug();
      throw error;
    }
    const { version: v, features, instrFeatures } = firmware.interface;
    const hex = (value: number): string => (value === 0 ? '0' : `0x${value.toString(16)}`);
    hw.log(
      'info',
      `CSF FW using interface v${v.major}.${v.minor}.${v.patch}, Features ${hex(features)} ` +
        `Instrumentation features ${hex(instrFeatures)}`,
    );
    firmware.#initGlobal();
    return firmware;
  }

  get interface(): FirmwareInterface {
    if (!this.#interface) throw new Error('firmware: no interface before it has booted');
    return this.#interface;
  }

  ringDoorbell(id: number): void {
    this.#hw.mmio.write32(doorbell(id), 1);
  }

  /** Makes the firmware look at these group slots. */
  ringGroups(slots: number): void {
    toggle(this.interface, 'doorbellReq', 'doorbellAck', slots);
    this.ringDoorbell(GLOBAL_DOORBELL);
  }

  /** Waits until `condition` holds, asked anew at every job interrupt. False after `timeout`. */
  wait(condition: () => boolean, timeout: number = ACK_TIMEOUT): Promise<boolean> {
    return this.#acks.wait(condition, timeout);
  }

  /** What the microcontroller sees. */
  get space(): AddressSpace {
    return this.#loaded.space;
  }

  /** A queue's interface pages in the microcontroller's address space: input, then output. */
  allocQueueInterface(size: number): Promise<KernelBuffer> {
    return KernelBuffer.create(this.#hw.mmu, this.#hw.dram, this.#loaded.space, size, UNCACHED, 'Queue FW interface');
  }

  /** Where the firmware keeps a group's state while it is out of its slot. */
  allocSuspendBuffer(size: number): Promise<KernelBuffer> {
    return KernelBuffer.create(this.#hw.mmu, this.#hw.dram, this.#loaded.space, size, CACHED, 'FW suspend buffer');
  }

  /** The image's sections, and whether those that nobody may write are as they were loaded. */
  describeSections(): string[] {
    return this.#loaded.describe();
  }

  /** Before a reset: no interrupts, no pings, and the microcontroller stands still. */
  async preReset(): Promise<void> {
    this.#ping?.cancel();
    this.#fast = false;
    await this.#standStill();
  }

  /** After a reset: everything anew from the image. Throws if it does not boot. */
  async postReset(): Promise<void> {
    this.#fast = false;
    await this.resume();
  }

  /** Whether the next boot goes on from memory as it is. */
  get fast(): boolean {
    return this.#fast;
  }

  /** Nobody knows what memory holds: the next boot is from the image. */
  needsReload(): void {
    this.#fast = false;
  }

  /** Before the GPU loses its power: the firmware halts, and saves what it needs. */
  async suspend(): Promise<void> {
    this.#ping?.cancel();
    const { mmio, clock, log } = this.#hw;
    update(this.interface, GLB_REQ.HALT, GLB_REQ.HALT);
    this.ringDoorbell(GLOBAL_DOORBELL);
    const halted = (): boolean => readReg(mmio, MCU.STATUS) === MCU_STATUS.HALT;
    this.#fast = await poll(clock, halted, STOP_INTERVAL, HALT_TIMEOUT);
    if (!this.#fast) log('warn', 'Failed to cleanly suspend MCU');
    await this.#standStill();
  }

  /** Boots it, from memory as it is where it has halted by itself, else from the image. Throws if it does not boot. */
  async resume(): Promise<void> {
    if (this.#fast) update(this.interface, 0, GLB_REQ.HALT);
    else this.#loaded.reload();
    await this.#boot();
    this.#initGlobal();
  }

  async #standStill(): Promise<void> {
    this.#irq.suspend();
    this.#booted = false;
    await this.#stop();
  }

  async unplug(): Promise<void> {
    this.#ping?.cancel();
    this.#irq.detach();
    this.#hw.gpu.onMcuStatus = () => {};
    this.#booted = false;
    writeReg(this.#hw.mmio, MCU.CONTROL, MCU_CONTROL.DISABLE);
    await this.#hw.mmu.evict(this.#loaded.space);
    await this.#loaded.unload();
  }

  async #boot(): Promise<void> {
    const { mmio, mmu } = this.#hw;
    await mmu.activate(this.#loaded.space);
    this.#booted = false;
    this.#irq.clear(this.#irq.raw());
    this.#irq.resume();
    writeReg(mmio, MCU.CONTROL, MCU_CONTROL.AUTO);
    if (await this.#acks.wait(() => this.#booted, BOOT_TIMEOUT)) return;
    const status = readReg(mmio, MCU.STATUS);
    const name =
      Object.entries(MCU_STATUS)
        .find(([, value]) => value === status)?.[0]
        .toLowerCase() ?? 'unknown';
    throw new HardwareError(`Failed to boot MCU (status=${name})`);
  }

  async #stop(): Promise<void> {
    const { mmio, clock, log } = this.#hw;
    writeReg(mmio, MCU.CONTROL, MCU_CONTROL.DISABLE);
    const stopped = (): boolean => readReg(mmio, MCU.STATUS) === MCU_STATUS.DISABLED;
    if (!(await poll(clock, stopped, STOP_INTERVAL, STOP_TIMEOUT))) log('error', 'Failed to stop MCU');
  }

  #initGlobal(): void {
    const glb = this.interface;
    const { gpu } = this.#hw;
    glb.input.set('coreEnMask', gpu.properties.shaderPresent);
    glb.input.set('poweroffTimer', this.#timer(POWEROFF_HYSTERESIS));
    glb.input.set('progressTimer', PROGRESS_TIMEOUT);
    glb.input.set('idleTimer', this.#timer(IDLE_HYSTERESIS));
    const configs = GLB_REQ.CFG_ALLOC_EN | GLB_REQ.CFG_POWEROFF_TIMER | GLB_REQ.CFG_PROGRESS_TIMER;
    glb.input.set('ackIrqMask', configs | GLB_REQ.PING | GLB_REQ.IDLE_EN | GLB_REQ.IDLE);
    const enables = GLB_REQ.IDLE_EN | GLB_REQ.COUNTER_EN;
    update(glb, enables, enables);
    toggle(glb, 'req', 'ack', configs);
    this.ringDoorbell(GLOBAL_DOORBELL);
    this.#armPing();
  }

  /** `microseconds` in units of the firmware's timers. */
  #timer(microseconds: number): number {
    const value = Math.ceil((microseconds * this.#hw.timerFrequency) / (SECOND / 1000) / TIMER_UNIT);
    return viewOf(GlbTimer.pack({ value, gpuCounter: 0 })).getUint32(0, true);
  }

  #armPing(): void {
    this.#ping = this.#hw.clock.after(PING_INTERVAL, () => void this.#pingNow());
  }

  async #pingNow(): Promise<void> {
    const glb = this.interface;
    toggle(glb, 'req', 'ack', GLB_REQ.PING);
    this.ringDoorbell(GLOBAL_DOORBELL);
    const answered = await this.wait(() => !this.#booted || differing(glb, GLB_REQ.PING) === 0);
    if (!this.#booted) return;
    if (answered) this.#armPing();
    else this.#hw.hung('FW ping timeout, scheduling a reset');
  }

  /** A booted firmware does not stop of its own accord, unless it cannot go on. */
  #statusChanged(): void {
    if (!this.#booted || readReg(this.#hw.mmio, MCU.STATUS) !== MCU_STATUS.FATAL) return;
    const halted = this.#interface?.output.get('haltStatus') ?? FW_HALT.OK;
    const why = Object.entries(FW_HALT).find(([, value]) => value === halted)?.[0] ?? `0x${halted.toString(16)}`;
    this.#hw.hung(`FW stopped (halt status ${why}), scheduling a reset`);
  }

  #interrupt(status: number): void {
    this.#irq.clear(status);
    if (!this.#booted && (status & JOB_IRQ_GLOBAL) !== 0) this.#booted = true;
    this.#acks.wake();
    if (this.#booted && this.#interface) this.onEvents(status);
  }
}
