/**
 * GpuBoard: the virtual Mali on a board, with its interrupt lines and its threads, and nobody who drives it: what a driver in
 * this process (machine.ts) or one in another machine (host/vm/) finds.
 */
import { BOARD_GPU, coreRange, GPU_PRODUCTS, type GpuName } from '../abi/gpu/products.ts';
import { GPU_OPERATING_POINTS } from '../abi/rock5b.ts';
import type { Clock } from '../board/clock.ts';
import type { PageRun, PhysicalMemory } from '../board/dram.ts';
import { GatedBus } from '../board/gated-bus.ts';
import { IrqLine } from '../board/irq.ts';
import type { Log } from '../board/log.ts';
import { Supply } from '../board/supply.ts';
import { CYCLE_HZ, PA_BITS } from '../mali/control.ts';
import { Decoder, type DecoderOptions } from '../mali/decode/decoder.ts';
import { defaultEngine, type Engine } from '../mali/engine/engine.ts';
import { type FaultSwitch, Faults } from '../mali/faults.ts';
import { MaliGpu } from '../mali/index.ts';
import { maliUnits } from '../mali/units.ts';
import { defaultWorkers } from '../mali/workers/count.ts';
import { WorkerPool } from '../mali/workers/pool.ts';

export interface GpuBoardOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Who runs shaders; by default recompiled code, or what TYR_ENGINE says. */
  readonly engine?: Engine | undefined;
  /** Threads beside the main one that draw; 0: none. By default what TYR_WORKERS says, or 0. */
  readonly workers?: number | undefined;
  /** A folder for compiled code of the threads, which then start faster. */
  readonly codeCache?: string | undefined;
  /** Print what command streams execute, and all that it points to. */
  readonly decode?: DecoderOptions | undefined;
  /** Whether these threads note what they spend their time with. */
  readonly profile?: boolean | undefined;
  /** Which Mali it is; by default the Rock 5B's G610. */
  readonly gpu?: GpuName | undefined;
  /** What is to fail in the GPU, and when. */
  readonly faults?: readonly FaultSwitch[] | undefined;
}

export class GpuBoard {
  readonly gpu: MaliGpu;
  /** Its registers behind its power domain, and what switches that: for a driver in this process. */
  readonly bus: GatedBus;
  readonly supply: Supply;
  readonly irqs: { readonly job: IrqLine; readonly mmu: IrqLine; readonly gpu: IrqLine };
  /** The GPU's threads, if it has any. */
  readonly workers: WorkerPool | undefined;

  /** `userPage`: the page by which clients see LATEST_FLUSH_ID, where there is one. */
  constructor(dram: PhysicalMemory, options: GpuBoardOptions, userPage?: PageRun) {
    const { clock, log, codeCache, profile } = options;
    this.irqs = {
      job: new IrqLine('job', clock),
      mmu: new IrqLine('mmu', clock),
      gpu: new IrqLine('gpu', clock),
    };
    const engine = options.engine ?? defaultEngine();
    const count = options.workers ?? defaultWorkers();
    const product = GPU_PRODUCTS[options.gpu ?? BOARD_GPU];
    const cores = coreRange(product);
    const pool =
      count > 0
        ? new WorkerPool({ dram, engine, count, outputBits: PA_BITS, cores, log, codeCache, profile })
        : undefined;
    const { commands } = product.architecture;
    const tracer = options.decode && new Decoder({ commands, ...options.decode });
    const units = { ...maliUnits(dram, engine, pool), tracer };
    const faults = new Faults(clock, log, options.faults);
    this.gpu = new MaliGpu({ product, dram, userPage, clock, log, irqs: this.irqs, units, agents: pool, faults });
    this.workers = pool;
    this.bus = new GatedBus(this.gpu, 'gpu', log);
    this.supply = gpuSupply(this.gpu, this.bus);
  }

  close(): void {
    this.workers?.close();
  }
}

/** RK3588's clock, regulator and power domain of the GPU. Without power the GPU loses its state. */
export function gpuSupply(gpu: MaliGpu, bus: GatedBus): Supply {
  const power = (on: boolean): void => {
    gpu.power(on);
    bus.open = on;
  };
  return new Supply(GPU_OPERATING_POINTS, CYCLE_HZ, power, (hertz) => gpu.setClock(hertz));
}
