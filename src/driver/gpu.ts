/**
 * GpuControl: the GPU as a whole: what it is, reset, power of the L2 cache, cache flushes, counters.
 *
 * The firmware powers tiler and shader cores by itself; the driver only switches the L2 on, after it has told the GPU
 * which coherency protocol the bus speaks. After Linux `drivers/gpu/drm/panthor/panthor_{gpu,hw}.c`.
 */
import { CACHE, CACHE_SHIFT, COHERENCY, exceptionName, GPU, GPU_COMMAND, GPU_IRQ, GPU_RESET } from '../abi/gpu/regs.ts';
import type { Clock } from '../board/clock.ts';
import type { IrqLine } from '../board/irq.ts';
import { type Mmio, readReg, writeReg } from '../board/mmio.ts';
import { DrmError } from '../drm/error.ts';
import { MICROSECOND, MILLISECOND, Mutex, poll, WaitQueue } from './async.ts';
import { gpuName, hardwareOf } from './hardware.ts';
import { HardwareError } from './hardware-error.ts';
import { IrqBlock } from './irq.ts';
import { hex, type Logger } from './log.ts';

/** What the identification registers say. */
export interface GpuProperties {
  readonly gpuId: number;
  readonly gpuRev: number;
  readonly csfId: number;
  readonly l2Features: number;
  readonly tilerFeatures: number;
  readonly memFeatures: number;
  readonly mmuFeatures: number;
  readonly threadFeatures: number;
  readonly maxThreads: number;
  readonly threadMaxWorkgroupSize: number;
  readonly threadMaxBarrierSize: number;
  readonly coherencyFeatures: number;
  readonly textureFeatures: readonly number[];
  readonly asPresent: number;
  /** A COHERENCY protocol. */
  readonly selectedCoherency: number;
  readonly shaderPresent: number;
  readonly l2Present: number;
  readonly tilerPresent: number;
  readonly coreFeatures: number;
  readonly gpuFeatures: number;
}

/** Events that every part of the driver may wait for. */
const EVENTS =
  GPU_IRQ.FAULT |
  GPU_IRQ.PROTM_FAULT |
  GPU_IRQ.RESET_COMPLETED |
  GPU_IRQ.CLEAN_CACHES_COMPLETED |
  GPU_IRQ.MCU_STATUS_CHANGED;
const REQUEST_TIMEOUT = 100 * MILLISECOND;
const POWER_TIMEOUT = 20 * MILLISECOND;
/** The L2 slices that are used: one core group. */
const FIRST_CORE_GROUP = 1;
const POWER_INTERVAL = 100 * MICROSECOND;

/** A soft reset lets bus transfers under way come to their end, a hard one does not wait. */
export type ResetKind = 'soft' | 'hard';
const RESETS = { soft: GPU_RESET.SOFT, hard: GPU_RESET.HARD } as const;

export class GpuControl {
  readonly properties: GpuProperties;
  readonly #mmio: Mmio;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #irq: IrqBlock;
  readonly #acks: WaitQueue;
  readonly #rate: () => number;
  readonly #maxRate: number | undefined;
  /** Requests that the GPU has not answered yet, as GPU_IRQ bits. */
  #pending = 0;
  /** Called when the microcontroller has changed its state. */
  onMcuStatus: () => void = () => {};
  readonly #flushes = new Mutex();
  /** The flush that has not begun yet. */
  #queuedFlush: Promise<void> | undefined;

  /** Throws if there is no GPU that this driver knows. `coherent`: the bus keeps GPU and CPU caches in step. */
  constructor(
    mmio: Mmio,
    line: IrqLine,
    clock: Clock,
    log: Logger,
    coherent: boolean,
    rate: () => number,
    maxRate?: number,
  ) {
    this.#rate = rate;
    this.#maxRate = maxRate;
    this.#mmio = mmio;
    this.#clock = clock;
    this.#log = log;
    this.#acks = new WaitQueue(clock);
    this.properties = identify(mmio, coherent);
    this.#irq = new IrqBlock(mmio, line, GPU, (status) => this.#interrupt(status));
    this.#announce();
    this.#irq.clear(this.#irq.raw());
    this.#irq.enable(EVENTS);
    this.#irq.resume();
  }

  /** `mali-g610` or the like. */
  get name(): string {
    const { gpuId, shaderPresent, gpuFeatures } = this.properties;
    return gpuName(gpuId, shaderPresent, gpuFeatures);
  }

  /** Architecture as firmware folders spell it: `10.8`. */
  get architecture(): string {
    const { archMajor, archMinor } = GPU.GPU_ID.decode(this.properties.gpuId);
    return `${archMajor}.${archMinor}`;
  }

  /** Bytes of a GPU cache line. */
  get cacheLine(): number {
    return 2 ** GPU.L2_FEATURES.get(this.properties.l2Features, 'lineSize');
  }

  get vaBits(): number {
    return GPU.MMU_FEATURES.get(this.properties.mmuFeatures, 'vaBits');
  }

  get timestamp(): number {
    return readReg(this.#mmio, GPU.TIMESTAMP);
  }

  get timestampOffset(): number {
    return readReg(this.#mmio, GPU.TIMESTAMP_OFFSET);
  }

  get cycleCount(): number {
    return readReg(this.#mmio, GPU.CYCLE_COUNT);
  }

  /** Hz of the clock that CYCLE_COUNT counts. */
  get cycleRate(): number {
    return this.#rate();
  }

  /** Hz of that clock at its fastest. */
  get maxRate(): number {
    return this.#maxRate ?? this.cycleRate;
  }

  /** Puts the whole GPU back to its state at power-on. Throws if it does not answer. */
  async reset(kind: ResetKind): Promise<void> {
    this.#irq.clear(GPU_IRQ.RESET_COMPLETED);
    this.#pending = GPU_IRQ.RESET_COMPLETED;
    this.#command(GPU_COMMAND.RESET, RESETS[kind]);
    if (!(await this.#answered(GPU_IRQ.RESET_COMPLETED)))
      throw new HardwareError(`${kind === 'soft' ? 'Soft' : 'Hard'} reset timeout`);
    this.#pending = 0;
    // The reset has cleared the mask as well.
    this.#irq.resume();
  }

  /** Powers the L2 cache of the first core group. Throws if it does not come up. */
  async powerOnL2(): Promise<void> {
    writeReg(this.#mmio, GPU.COHERENCY_ENABLE, this.properties.selectedCoherency);
    const mask = FIRST_CORE_GROUP;
    const settled = (): boolean => (readReg(this.#mmio, GPU.L2_PWRTRANS) & mask) === 0;
    if (!(await poll(this.#clock, settled, POWER_INTERVAL, POWER_TIMEOUT)))
      throw new HardwareError(`timeout waiting on L2:${hex(mask)} power transition`);
    writeReg(this.#mmio, GPU.L2_PWRON, mask);
    const ready = (): boolean => (readReg(this.#mmio, GPU.L2_READY) & mask) === mask;
    if (!(await poll(this.#clock, ready, POWER_INTERVAL, POWER_TIMEOUT)))
      throw new HardwareError(`timeout waiting on L2:${hex(mask)} readiness`);
  }

  /** Before the GPU loses its power. `clean`: all that was in its caches is in memory. */
  async suspend(clean: boolean): Promise<void> {
    if (clean) await this.#powerOffL2();
    else await this.reset('soft');
    this.#irq.suspend();
    this.#pending = 0;
  }

  /** The GPU has power again. */
  async resume(): Promise<void> {
    this.#irq.resume();
    await this.powerOnL2();
  }

  async #powerOffL2(): Promise<void> {
    const mask = FIRST_CORE_GROUP;
    writeReg(this.#mmio, GPU.L2_PWROFF, mask);
    const off = (): boolean =>
      ((readReg(this.#mmio, GPU.L2_PWRTRANS) | readReg(this.#mmio, GPU.L2_READY)) & mask) === 0;
    if (!(await poll(this.#clock, off, POWER_INTERVAL, POWER_TIMEOUT)))
      throw new HardwareError(`timeout waiting on L2:${hex(mask)} power transition`);
  }

  /**
   * Cleans and invalidates the GPU's read-write caches and invalidates its read-only ones. Calls that come before a flush
   * has begun share it. Throws if the GPU does not answer.
   */
  flushCaches(): Promise<void> {
    this.#queuedFlush ??= this.#flushes.run(() => {
      this.#queuedFlush = undefined;
      return this.#flushNow();
    });
    return this.#queuedFlush;
  }

  unplug(): void {
    this.#irq.detach();
    this.#pending = 0;
    this.#acks.wake();
  }

  async #flushNow(): Promise<void> {
    this.#pending |= GPU_IRQ.CLEAN_CACHES_COMPLETED;
    const readWrite = CACHE.CLEAN | CACHE.INVALIDATE;
    const caches =
      readWrite * 2 ** CACHE_SHIFT.L2 + readWrite * 2 ** CACHE_SHIFT.LSC + CACHE.INVALIDATE * 2 ** CACHE_SHIFT.OTHER;
    this.#command(GPU_COMMAND.FLUSH_CACHES, caches);
    const answered = await this.#answered(GPU_IRQ.CLEAN_CACHES_COMPLETED);
    this.#pending &= ~GPU_IRQ.CLEAN_CACHES_COMPLETED;
    if (!answered) throw new DrmError('ETIMEDOUT', 'Flush caches timeout');
  }

  async #answered(request: number): Promise<boolean> {
    if (await this.#acks.wait(() => (this.#pending & request) === 0, REQUEST_TIMEOUT)) return true;
    return (this.#irq.raw() & request) !== 0;
  }

  #command(type: number, payload: number): void {
    writeReg(this.#mmio, GPU.COMMAND, GPU.COMMAND.encode({ type, payload }));
  }

  #interrupt(status: number): void {
    this.#irq.clear(status);
    if (status & GPU_IRQ.FAULT) {
      const fault = readReg(this.#mmio, GPU.FAULT_STATUS);
      const name = exceptionName(GPU.FAULT_STATUS.get(fault, 'exceptionType'));
      const address = readReg(this.#mmio, GPU.FAULT_ADDRESS);
      this.#log('warn', `GPU Fault ${hex(fault, 8)} (${name}) at ${hex(address, 16)}`);
    }
    if (status & GPU_IRQ.PROTM_FAULT) this.#log('warn', 'GPU Fault in protected mode');
    if (status & GPU_IRQ.MCU_STATUS_CHANGED) this.onMcuStatus();
    this.#pending &= ~status;
    this.#acks.wake();
  }

  #announce(): void {
    const p = this.properties;
    const id = GPU.GPU_ID.decode(p.gpuId);
    const version = `major ${hex(id.verMajor)} minor ${hex(id.verMinor)} status ${hex(id.verStatus)}`;
    this.#log('info', `${this.name} id ${hex(Math.floor(p.gpuId / 0x10000))} ${version}`);
    this.#log(
      'info',
      `Features: L2:${hex(p.l2Features)} Tiler:${hex(p.tilerFeatures)} Mem:${hex(p.memFeatures)} ` +
        `MMU:${hex(p.mmuFeatures)} AS:${hex(p.asPresent)}`,
    );
    this.#log(
      'info',
      `shader_present=${hex(p.shaderPresent)} l2_present=${hex(p.l2Present)} tiler_present=${hex(p.tilerPresent)}`,
    );
  }
}

function identify(mmio: Mmio, coherent: boolean): GpuProperties {
  const gpuId = readReg(mmio, GPU.GPU_ID);
  if (gpuId === 0) throw new HardwareError('no GPU answers: GPU_ID reads as zero');
  hardwareOf(gpuId);
  const coherencyFeatures = readReg(mmio, GPU.COHERENCY_FEATURES);
  if (coherent && GPU.COHERENCY_FEATURES.get(coherencyFeatures, 'aceLite') === 0)
    throw new HardwareError('the bus is coherent, but the GPU does not speak ACE-Lite');
  return {
    gpuId,
    gpuRev: readReg(mmio, GPU.REVIDR),
    csfId: readReg(mmio, GPU.CSF_ID),
    l2Features: readReg(mmio, GPU.L2_FEATURES),
    tilerFeatures: readReg(mmio, GPU.TILER_FEATURES),
    memFeatures: readReg(mmio, GPU.MEM_FEATURES),
    mmuFeatures: readReg(mmio, GPU.MMU_FEATURES),
    threadFeatures: readReg(mmio, GPU.THREAD_FEATURES),
    maxThreads: readReg(mmio, GPU.THREAD_MAX_THREADS),
    threadMaxWorkgroupSize: readReg(mmio, GPU.THREAD_MAX_WORKGROUP_SIZE),
    threadMaxBarrierSize: readReg(mmio, GPU.THREAD_MAX_BARRIER_SIZE),
    coherencyFeatures,
    textureFeatures: [
      GPU.TEXTURE_FEATURES_0,
      GPU.TEXTURE_FEATURES_1,
      GPU.TEXTURE_FEATURES_2,
      GPU.TEXTURE_FEATURES_3,
    ].map((register) => readReg(mmio, register)),
    asPresent: readReg(mmio, GPU.AS_PRESENT),
    selectedCoherency: coherent ? COHERENCY.ACE_LITE : COHERENCY.NONE,
    shaderPresent: readReg(mmio, GPU.SHADER_PRESENT),
    l2Present: readReg(mmio, GPU.L2_PRESENT),
    tilerPresent: readReg(mmio, GPU.TILER_PRESENT),
    coreFeatures: readReg(mmio, GPU.CORE_FEATURES),
    gpuFeatures: readReg(mmio, GPU.FEATURES),
  };
}
