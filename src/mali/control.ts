/**
 * GPU_CONTROL: what the GPU is, reset, power, caches and counters.
 *
 * Its identity is a product's (abi/gpu/products.ts). Caches are not modelled (all agents see DRAM at once), so a
 * flush only answers and counts: LATEST_FLUSH_ID, which user space reads to skip flushes that have happened, moves on.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_gpu.c`.
 */
import { type GpuProduct, gpuIdOf } from '../abi/gpu/products.ts';
import { CACHE, CACHE_SHIFT, GPU, GPU_COMMAND, GPU_IRQ, GPU_RESET, JOB, MCU, MMU } from '../abi/gpu/regs.ts';
import type { Register } from '../abi/register.ts';
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import type { Faults } from './faults.ts';
import type { InterruptBlock } from './irq.ts';
import { PowerDomain } from './power.ts';
import { GpuTime } from './time.ts';

/** Physical addresses are below 2 to this. */
export const PA_BITS = 40;
/** Threads of a workgroup. */
export const MAX_WORKGROUP = 1024;

/** What never changes: [register, value]. */
const identityOf = (product: GpuProduct): readonly (readonly [Register<any>, number])[] => [
  [GPU.GPU_ID, gpuIdOf(product)],
  [GPU.L2_FEATURES, product.l2Features],
  [GPU.CORE_FEATURES, GPU.CORE_FEATURES.encode({ coreVariant: product.coreVariant })],
  /** Bins of 512 bytes, 8 levels. */
  [GPU.TILER_FEATURES, GPU.TILER_FEATURES.encode({ binSize: 9, maxActiveLevels: 8 })],
  [GPU.MEM_FEATURES, GPU.MEM_FEATURES.encode({ coherentCoreGroup: 1, l2Slices: product.l2Slices })],
  [GPU.MMU_FEATURES, GPU.MMU_FEATURES.encode({ vaBits: 48, paBits: PA_BITS })],
  [GPU.AS_PRESENT, 0xff],
  [GPU.CSF_ID, GPU.CSF_ID.encode({ csHwMajor: 1, csHwMinor: 0, csHwRev: 10, mcuMajor: 1, mcuMinor: 1, mcuRev: 2 })],
  [GPU.THREAD_MAX_THREADS, product.maxThreads],
  [GPU.THREAD_MAX_WORKGROUP_SIZE, MAX_WORKGROUP],
  [GPU.THREAD_MAX_BARRIER_SIZE, MAX_WORKGROUP],
  [GPU.THREAD_FEATURES, GPU.THREAD_FEATURES.encode({ maxRegisters: product.threadRegisters, maxTaskQueue: 4 })],
  /**
   * Compressed formats by number: ETC2 and EAC (1…4, 17…19), BC1 to BC7 (7…16), ASTC 2D and 3D, LDR and HDR (20…23), AFBC (24),
   * ASTC decoded to 8 bits (30, 31). All of them are in texture/. AFRC (25) is not, so no product here has it.
   */
  [GPU.TEXTURE_FEATURES_0, 0xc1ffff9e],
  [GPU.TEXTURE_FEATURES_1, 0],
  [GPU.TEXTURE_FEATURES_2, 0],
  [GPU.TEXTURE_FEATURES_3, 0],
  [GPU.COHERENCY_FEATURES, GPU.COHERENCY_FEATURES.encode({ aceLite: 0, ace: 0 })],
  [GPU.REVIDR, 0],
  // Neither rays nor, as works are done in no time, anything that is ever seen busy; what goes wrong is told by other blocks.
  [GPU.FEATURES, 0],
  [GPU.STATUS, 0],
  [GPU.FAULT_STATUS, 0],
  [GPU.FAULT_ADDRESS, 0],
  // Only ever written.
  [GPU.COMMAND, 0],
];
/** Unknown registers that are told; whoever reads more of them reads at random. */
const MOST_TOLD = 64;

const TILER_PRESENT = 1;
const L2_PRESENT = 1;
/** Rate of the system counter behind TIMESTAMP. */
export const TIMESTAMP_HZ = 24_000_000;
/** Hz of the GPU's clock as the boot loader leaves it. Source: Linux `rk3588-base.dtsi`, assigned-clock-rates of the GPU. */
export const CYCLE_HZ = 200_000_000;
const NS = 1e9;

export class GpuControlBlock {
  readonly irq: InterruptBlock;
  readonly l2: PowerDomain;
  readonly tiler: PowerDomain;
  readonly shader: PowerDomain;
  /** What CYCLE_COUNT counts. */
  readonly time: GpuTime;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #faults: Faults;
  readonly #fixed = new Map<number, number>();
  /** Registers that keep what is written and do nothing else. */
  readonly #plain = new Map<number, number>();
  /** Registers that nobody here knows and whose reading has been told. */
  readonly #told = new Set<number>();
  /** Hz of the GPU's clock, and what had been counted, and when, at its last change. */
  #rate = CYCLE_HZ;
  #cycleOrigin: number;
  #cycleBase = 0;
  #flushId = 1;
  /** Called for a reset; it is announced when `done` is called. */
  onReset: (done: () => void) => void = (done) => done();
  /** Called when LATEST_FLUSH_ID has changed. */
  onFlush: (id: number) => void = () => {};

  constructor(clock: Clock, log: Log, irq: InterruptBlock, faults: Faults, product: GpuProduct) {
    this.#clock = clock;
    this.#log = log;
    this.#faults = faults;
    this.irq = irq;
    this.time = new GpuTime(clock);
    this.#cycleOrigin = this.time.now();
    const changed = (): void => irq.raise(GPU_IRQ.POWER_CHANGED_SINGLE | GPU_IRQ.POWER_CHANGED_ALL);
    this.l2 = new PowerDomain(
      {
        present: GPU.L2_PRESENT,
        ready: GPU.L2_READY,
        on: GPU.L2_PWRON,
        off: GPU.L2_PWROFF,
        transition: GPU.L2_PWRTRANS,
        active: GPU.L2_PWRACTIVE,
      },
      L2_PRESENT,
      changed,
      () => faults.strikes('power-stuck'),
    );
    this.tiler = new PowerDomain(
      {
        present: GPU.TILER_PRESENT,
        ready: GPU.TILER_READY,
        on: GPU.TILER_PWRON,
        off: GPU.TILER_PWROFF,
        transition: GPU.TILER_PWRTRANS,
        active: GPU.TILER_PWRACTIVE,
      },
      TILER_PRESENT,
      changed,
    );
    this.shader = new PowerDomain(
      {
        present: GPU.SHADER_PRESENT,
        ready: GPU.SHADER_READY,
        on: GPU.SHADER_PWRON,
        off: GPU.SHADER_PWROFF,
        transition: GPU.SHADER_PWRTRANS,
        active: GPU.SHADER_PWRACTIVE,
      },
      product.shaderPresent,
      changed,
    );
    for (const [register, value] of identityOf(product)) {
      this.#fixed.set(register.offset, value);
      if (register.width === 64) this.#fixed.set(register.offset + 4, 0);
    }
    for (const register of [
      GPU.L2_CONFIG,
      GPU.PWR_KEY,
      GPU.PWR_OVERRIDE0,
      GPU.PWR_OVERRIDE1,
      GPU.COHERENCY_ENABLE,
      GPU.ASN_HASH_0,
      GPU.ASN_HASH_1,
      GPU.ASN_HASH_2,
    ]) {
      this.#plain.set(register.offset, 0);
    }
    this.#plain.set(GPU.TIMESTAMP_OFFSET.offset, 0);
    this.#plain.set(GPU.TIMESTAMP_OFFSET.offset + 4, 0);
  }

  /** Ticks of the 24 MHz system counter, with the host's offset. */
  get timestamp(): number {
    const offset =
      this.#plain.get(GPU.TIMESTAMP_OFFSET.offset)! + this.#plain.get(GPU.TIMESTAMP_OFFSET.offset + 4)! * 2 ** 32;
    return Math.floor((this.#clock.now() * TIMESTAMP_HZ) / NS) + offset;
  }

  /** Cycles since the last reset. */
  get cycleCount(): number {
    return this.#cycleBase + Math.floor(((this.time.now() - this.#cycleOrigin) * this.#rate) / NS);
  }

  /** Hz of the clock that CYCLE_COUNT counts. */
  get rate(): number {
    return this.#rate;
  }

  setRate(hertz: number): void {
    this.#cycleBase = this.cycleCount;
    this.#cycleOrigin = this.time.now();
    this.#rate = hertz;
  }

  get flushId(): number {
    return this.#flushId;
  }

  /** Cleans and invalidates caches, by a register command or a FLUSH_CACHE2. */
  flushCaches(): void {
    // Zero means "always flush" to the instruction, so it is no flush's id.
    this.#flushId = this.#flushId === 0xffffffff ? 1 : this.#flushId + 1;
    this.onFlush(this.#flushId);
  }

  read(offset: number): number {
    const known =
      this.#fixed.get(offset) ??
      this.#plain.get(offset) ??
      this.irq.read(offset) ??
      this.l2.read(offset) ??
      this.tiler.read(offset) ??
      this.shader.read(offset);
    if (known !== undefined) return known;
    switch (offset) {
      case GPU.TIMESTAMP.offset:
        return this.timestamp % 2 ** 32;
      case GPU.TIMESTAMP.offset + 4:
        return Math.floor(this.timestamp / 2 ** 32);
      case GPU.CYCLE_COUNT.offset:
        return this.cycleCount % 2 ** 32;
      case GPU.CYCLE_COUNT.offset + 4:
        return Math.floor(this.cycleCount / 2 ** 32);
      default:
        this.#tell(offset);
        return 0;
    }
  }

  /** Once for each register: a driver reads what is not modelled. */
  #tell(offset: number): void {
    if (this.#told.has(offset) || this.#told.size >= MOST_TOLD) return;
    this.#told.add(offset);
    this.#log('warn', 'mali', `register ${nameAt(offset)} at 0x${offset.toString(16)} is not modelled and reads 0`);
  }

  write(offset: number, value: number): void {
    if (offset === GPU.COMMAND.offset) this.#command(value);
    else if (this.#plain.has(offset)) this.#plain.set(offset, value);
    else if (!this.irq.write(offset, value) && !this.l2.write(offset, value) && !this.tiler.write(offset, value)) {
      this.shader.write(offset, value);
    }
  }

  #command(value: number): void {
    const { type, payload } = GPU.COMMAND.decode(value);
    switch (type) {
      case GPU_COMMAND.NOP:
        return;
      case GPU_COMMAND.RESET:
        if (payload !== GPU_RESET.SOFT && payload !== GPU_RESET.HARD) break;
        if (!this.#faults.strikes('reset-stuck')) this.#reset();
        return;
      case GPU_COMMAND.TIMER:
        // The counters always run.
        return;
      case GPU_COMMAND.FLUSH_CACHES: {
        const all = CACHE.CLEAN | CACHE.INVALIDATE;
        const caches = (all << CACHE_SHIFT.L2) | (all << CACHE_SHIFT.LSC) | (all << CACHE_SHIFT.OTHER);
        if ((payload & ~caches) !== 0) break;
        if (this.#faults.strikes('flush-stuck')) return;
        this.flushCaches();
        this.irq.raise(GPU_IRQ.CLEAN_CACHES_COMPLETED);
        return;
      }
    }
    this.#log('error', 'mali', `GPU_COMMAND ${type} with payload 0x${payload.toString(16)} is none`);
  }

  /** Power-on state, interrupts masked. */
  powerOn(): void {
    this.#clear();
    this.irq.reset();
  }

  #clear(): void {
    this.l2.reset();
    this.tiler.reset();
    this.shader.reset();
    // The mask of this block stays: the host waits for RESET_COMPLETED.
    this.irq.clear(this.irq.raw);
    for (const offset of this.#plain.keys()) this.#plain.set(offset, 0);
    this.#cycleOrigin = this.time.now();
    this.#cycleBase = 0;
  }

  #reset(): void {
    this.#clear();
    this.onReset(() => this.irq.raise(GPU_IRQ.RESET_COMPLETED));
  }
}

/** The name of the register at an offset from the beginning of the register window. */
function nameAt(offset: number): string {
  for (const register of Object.values<Register<any>>({ ...GPU, ...MCU, ...JOB, ...MMU })) {
    if (register.offset === offset) return register.width === 64 ? `${register.name}_LO` : register.name;
    if (register.width === 64 && register.offset + 4 === offset) return `${register.name}_HI`;
  }
  return 'without a name';
}
