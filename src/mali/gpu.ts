/**
 * MaliGpu: the whole virtual GPU as its register window: the control block, the interrupts, the MMU, the MCU with its
 * doorbells, and the page that user space may read.
 *
 * Only addresses are decoded here. Reading and writing registers is all that a driver can do, beside DRAM and the three
 * interrupt lines.
 */
import { Pte } from '../abi/gpu/lpae.ts';
import { BOARD_GPU, GPU_PRODUCTS, type GpuProduct } from '../abi/gpu/products.ts';
import { DOORBELL_BASE, DOORBELL_STRIDE, GPU, JOB, LATEST_FLUSH_ID, MMU, REGISTER_WINDOW } from '../abi/gpu/regs.ts';
import type { Clock } from '../board/clock.ts';
import type { PageRun, PhysicalMemory } from '../board/dram.ts';
import type { IrqLine } from '../board/irq.ts';
import type { Log } from '../board/log.ts';
import type { Mmio } from '../board/mmio.ts';
import type { Units } from './contract.ts';
import { GpuControlBlock } from './control.ts';
import { Counters, type Counts } from './counters.ts';
import { Faults } from './faults.ts';
import { InterruptBlock } from './irq.ts';
import { Mcu } from './mcu/index.ts';
import type { Agents } from './mmu/agents.ts';
import { isMmuOffset, Mmu } from './mmu/index.ts';

export interface MaliParts {
  /** Which of them it is; by default the Rock 5B's. */
  readonly product?: GpuProduct | undefined;
  readonly dram: PhysicalMemory;
  /** The page that shows LATEST_FLUSH_ID to clients, where the bus can give one to them; the register is there in any case. */
  readonly userPage?: PageRun | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly irqs: { readonly job: IrqLine; readonly mmu: IrqLine; readonly gpu: IrqLine };
  /** What RUN_* instructions start. */
  readonly units: Units;
  /** Who translates addresses on other threads. */
  readonly agents?: Agents | undefined;
  /** Switches of what is to fail; by default nothing does. */
  readonly faults?: Faults | undefined;
}

/** What the page shows without power, as panthor's own does (`panthor_device.c`, pm.dummy_latest_flush). */
const FLUSH_ID_ASLEEP = 1;

export class MaliGpu implements Mmio {
  /** Switches by which parts of it fail. */
  readonly faults: Faults;
  readonly #jobIrq: InterruptBlock;
  readonly #mmuIrq: InterruptBlock;
  readonly #gpuIrq: InterruptBlock;
  readonly #counters: Counters;
  readonly #control: GpuControlBlock;
  readonly #mmu: Mmu;
  readonly #mcu: Mcu;
  readonly #dram: PhysicalMemory;
  readonly #userPage: PageRun | undefined;
  #powered = true;

  constructor(parts: MaliParts) {
    const { dram, clock, log, irqs, units, agents, product = GPU_PRODUCTS[BOARD_GPU] } = parts;
    this.#dram = dram;
    const faults = parts.faults ?? new Faults(clock, log);
    this.faults = faults;
    this.#jobIrq = new InterruptBlock(irqs.job, JOB);
    this.#mmuIrq = new InterruptBlock(irqs.mmu, MMU);
    this.#gpuIrq = new InterruptBlock(irqs.gpu, GPU);
    this.#counters = new Counters(dram, (slot) => this.#mmu.translation(slot));
    this.#control = new GpuControlBlock(clock, log, this.#gpuIrq, faults, product);
    const paBits = GPU.MMU_FEATURES.get(this.#control.read(GPU.MMU_FEATURES.offset), 'paBits');
    const present = this.#control.read(GPU.AS_PRESENT.offset);
    this.#mmu = new Mmu(dram, log, this.#mmuIrq, present, paBits, agents, faults);
    const { commands } = product.architecture;
    this.#mcu = new Mcu({
      dram,
      clock,
      log,
      control: this.#control,
      mmu: this.#mmu,
      irq: this.#jobIrq,
      units,
      faults,
      commands,
    });
    this.#userPage = parts.userPage;
    this.#control.onReset = (done) => {
      this.#mcu.reset();
      this.#mmu.reset(done);
    };
    this.#control.onFlush = (id) => this.#showFlushId(id);
    this.#showFlushId(this.#control.flushId);
  }

  read32(offset: number): number {
    if (offset >= REGISTER_WINDOW) return 0;
    this.#counters.read(offset);
    if (offset === LATEST_FLUSH_ID.offset) return this.#control.flushId;
    if (isMmuOffset(offset)) return this.#mmu.read(offset) >>> 0;
    return (this.#jobIrq.read(offset) ?? this.#mcu.read(offset) ?? this.#control.read(offset)) >>> 0;
  }

  write32(offset: number, value: number): void {
    if (offset >= REGISTER_WINDOW) return;
    this.#write(offset, value >>> 0);
    this.#counters.wrote(offset, value >>> 0);
  }

  #write(offset: number, word: number): void {
    if (offset >= DOORBELL_BASE) {
      if ((offset - DOORBELL_BASE) % DOORBELL_STRIDE === 0) {
        this.#mcu.ring((offset - DOORBELL_BASE) / DOORBELL_STRIDE);
      }
      return;
    }
    if (isMmuOffset(offset)) this.#mmu.write(offset, word);
    else if (!this.#jobIrq.write(offset, word) && !this.#mcu.write(offset, word)) this.#control.write(offset, word);
  }

  /** What the driver has asked of it since power-on, by name (counters.ts). Workers' walks of page tables are not among it. */
  get counts(): Counts {
    return {
      ...this.#counters.values,
      'interrupts job': this.#jobIrq.raised,
      'interrupts mmu': this.#mmuIrq.raised,
      'interrupts gpu': this.#gpuIrq.raised,
      'page-table bytes walked': this.#mmu.walks.entries * Pte.size,
    };
  }

  /** Counts from now on, too, how many bytes of page tables the host writes. */
  watchTables(): void {
    this.#counters.watchTables();
  }

  userPage(offset: number): PageRun | undefined {
    return offset === LATEST_FLUSH_ID.offset ? this.#userPage : undefined;
  }

  /** It gets its power back, or loses it, and with it its state; to clients the page of LATEST_FLUSH_ID shows a flush of long ago then. */
  power(on: boolean): void {
    if (!on) this.reset();
    this.#powered = on;
    this.#showFlushId(this.#control.flushId);
  }

  /** The clock's rate has changed. */
  setClock(hertz: number): void {
    this.#control.setRate(hertz);
  }

  /** The bus's reset line: everything is as at power-on, and nothing is announced. */
  reset(): void {
    this.#control.powerOn();
    this.#mcu.reset();
    this.#mmu.reset(() => {});
  }

  /**
   * Calls `observer` when the GPU begins to have more to do than it gets done in a slice of a few milliseconds, and when it has
   * it done. At most one.
   */
  observeBusy(observer: (busy: boolean) => void): void {
    this.#mcu.frontEnd.onBusy = observer;
  }

  /**
   * What it has done since it was switched on: nanoseconds that instructions of command streams take on silicon, and how many
   * pieces of works have come to their end.
   */
  get done(): { readonly streams: number; readonly pieces: number } {
    const { frontEnd } = this.#mcu;
    frontEnd.lookAtProgress();
    return { streams: this.#control.time.streams, pieces: frontEnd.pieces };
  }

  /** Nanoseconds of the host's in which command streams or their works had something to do. */
  get worked(): number {
    return this.#mcu.frontEnd.worked;
  }

  /** Physical memory has come or gone. */
  memoryChanged(): void {
    this.#mmu.memoryChanged();
  }

  #showFlushId(id: number): void {
    if (this.#userPage) this.#dram.view.setUint32(this.#userPage.physical, this.#powered ? id : FLUSH_ID_ASLEEP, true);
  }
}
