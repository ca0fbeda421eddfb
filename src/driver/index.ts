/**
 * Tyr: the driver of a Mali GPU with a command-stream frontend. uAPI `panthor` 1.9.
 *
 * `probe` brings a GPU up, in this order: identify it (gpu.ts), reset it and power its L2 cache, set the address spaces up
 * (mmu/), load and boot the firmware (fw/), start the scheduler (sched/). It returns a DRM device whose ioctls stand in
 * query.ts, gem.ts, vm-ioctls.ts and group-ioctls.ts. All contact with the GPU is registers, memory and three interrupt
 * lines: the driver runs as it is on whatever answers there.
 */
import { PANTHOR_NAME, PANTHOR_VERSION } from '../abi/panthor.ts';
import { alive } from '../board/census.ts';
import type { Clock } from '../board/clock.ts';
import type { Dram } from '../board/dram.ts';
import type { IrqLine } from '../board/irq.ts';
import type { Log } from '../board/log.ts';
import type { Mmio } from '../board/mmio.ts';
import type { Supply } from '../board/supply.ts';
import { coreDebugFiles } from '../drm/debugfs.ts';
import {
  type DebugFile,
  type DeviceAttribute,
  type DeviceContext,
  DrmDevice,
  type DrmDriver,
  type NodeKind,
} from '../drm/device.ts';
import { Pace } from './async.ts';
import { attributes, setProfiling } from './attributes.ts';
import { type CoreDump, CoreDumps } from './core-dump.ts';
import { debugFiles } from './debugfs.ts';
import { Devfreq } from './devfreq.ts';
import { showFdinfo } from './fdinfo.ts';
import { type File, TyrFile } from './file.ts';
import { Firmware } from './fw/index.ts';
import { checkExportable, gemIoctls, mmapDevicePage } from './gem.ts';
import { GpuControl } from './gpu.ts';
import { groupIoctls } from './group-ioctls.ts';
import { describeFailure } from './hardware-error.ts';
import type { Logger } from './log.ts';
import { Mmu } from './mmu/index.ts';
import { PowerControl } from './power.ts';
import { queryIoctls } from './query.ts';
import { ResetControl } from './reset.ts';
import type { Group } from './sched/group.ts';
import { POLICIES, type PolicyName } from './sched/policy.ts';
import { Scheduler } from './sched/scheduler.ts';
import { type ClientUse, clientUse, type GpuStatus } from './status.ts';
import type { Tyr } from './tyr.ts';
import { vmIoctls } from './vm-ioctls.ts';

export type { CoreDump, DumpCause } from './core-dump.ts';
export { FirmwareError } from './fw/container.ts';
export { buildImage, tyrFirmware } from './fw/image.ts';
export { HardwareError, isForeign } from './hardware-error.ts';
export { POLICIES, POLICY_NAMES, type PolicyName } from './sched/policy.ts';
export type { ClientUse, GpuStatus, GroupStatus, QueueStatus, VmStatus } from './status.ts';

/** What the board gives the driver. */
export interface GpuResources {
  readonly mmio: Mmio;
  readonly irqs: { readonly job: IrqLine; readonly mmu: IrqLine; readonly gpu: IrqLine };
  readonly dram: Dram;
  readonly clock: Clock;
  readonly log: Log;
  /** The image that stands at `arm/mali/archX.Y/mali_csffw.bin`, if there is one. */
  readonly firmware: Uint8Array | undefined;
  /** The bus keeps CPU and GPU caches in step (dma-coherent). By default it does not, as on RK3588. */
  readonly coherent?: boolean;
  /** Hz of the system counter, by default RK3588's 24 MHz. */
  readonly timerFrequency?: number;
  /** Hz of the GPU's clock, by default the virtual board's 200 MHz. */
  readonly coreFrequency?: number;
  /** The device's name on its bus. */
  readonly unique?: string;
  /** The GPU's clock and power, where the board switches them. */
  readonly supply?: Supply | undefined;
  /** By which policy groups take turns, by default panthor's. */
  readonly scheduler?: PolicyName | undefined;
  /** Keeps what the driver has taken down where something went wrong. */
  readonly coreDump?: ((dump: CoreDump) => void) | undefined;
}

const TIMER_FREQUENCY = 24_000_000;
const CORE_FREQUENCY = 200_000_000;
const LOG_NAME = 'panthor';

/** Hardware slots that clients' VMs and groups sit in. */
interface TyrSeats {
  readonly addressSpaces: number;
  readonly groupSlots: number;
}

export interface TyrUsage extends TyrSeats {
  readonly vms: number;
  readonly groups: number;
  /** Tiler heaps. */
  readonly heaps: number;
}

/** A GPU that is up and running. */
export class TyrDevice extends DrmDevice<TyrFile> {
  /** Nodes under /dev/dri. */
  readonly nodes: readonly NodeKind[] = ['primary', 'render'];
  readonly gpuName: string;
  /** Jobs that ran to their end, faults that the GPU reported, and its resets, since the start. */
  readonly stats: Readonly<Scheduler['stats']>;
  override readonly attributes: readonly DeviceAttribute[];
  override readonly debugFiles: readonly DebugFile[];
  readonly #unplug: () => Promise<void>;
  readonly #tyr: Tyr;

  constructor(driver: DrmDriver<TyrFile>, context: DeviceContext, tyr: Tyr, unplug: () => Promise<void>) {
    super(driver, context);
    this.gpuName = tyr.gpu.name;
    this.stats = tyr.scheduler.stats;
    this.#tyr = tyr;
    this.#unplug = unplug;
    this.attributes = attributes(tyr, driver.unique ?? driver.name);
    this.debugFiles = [...coreDebugFiles(this), ...debugFiles(tyr, this.files)];
  }

  /** A bit for each shader core. */
  get shaderPresent(): bigint {
    return BigInt(this.#tyr.gpu.properties.shaderPresent);
  }

  /** What clients have of the hardware and of the driver right now. Ends in zeros some time after the last client's. */
  get usage(): TyrUsage {
    const { dram } = this.context;
    let heaps = 0;
    for (const file of this.files) for (const vm of file.private.vms.values()) heaps += vm.heaps?.size ?? 0;
    return { vms: alive(dram, 'vms'), groups: alive(dram, 'groups'), heaps, ...this.#seats };
  }

  get #seats(): TyrSeats {
    const { mmu, scheduler } = this.#tyr;
    return {
      addressSpaces: mmu.residents,
      groupSlots: scheduler.slots.filter((slot) => slot.group).length,
    };
  }

  get status(): GpuStatus {
    const { gpu, mmu, scheduler, profiling } = this.#tyr;
    const { addressSpaces, groupSlots } = this.#seats;
    return {
      name: this.gpuName,
      power: this.#tyr.power.state,
      frequency: gpu.cycleRate,
      maxFrequency: gpu.maxRate,
      governor: this.#tyr.devfreq?.governor ?? 'none',
      profiling,
      ...this.stats,
      groupSlots: [groupSlots, scheduler.slots.length],
      addressSpaces: [addressSpaces, mmu.slotCount],
    };
  }

  /** What an open file of this device has of driver and GPU. */
  clientUse(file: File): ClientUse {
    return clientUse(file);
  }

  /** Puts the GPU to sleep, whatever it has to do, until `wakeUp`. Throws EOPNOTSUPP on a board that cannot. */
  sleep(): Promise<void> {
    return this.#tyr.power.force();
  }

  wakeUp(): void {
    this.#tyr.power.release();
  }

  /** PROFILING bits: what of jobs is measured from now on. Throws EINVAL for others. */
  set profiling(bits: number) {
    setProfiling(this.#tyr, bits);
    this.onAttributes();
  }

  get profiling(): number {
    return this.#tyr.profiling;
  }

  /** Ends everything: clients get ENODEV, timers and interrupts are off. */
  override unplug(): void {
    if (this.gone) return;
    super.unplug();
    void this.#unplug();
  }
}

/** Brings the GPU up. Throws HardwareError if there is none, or if its firmware is missing, bad or does not boot. */
export async function probe(board: GpuResources): Promise<TyrDevice> {
  const { mmio, irqs, dram, clock } = board;
  const log: Logger = (level, message) => board.log(level, LOG_NAME, message);
  const undo: (() => unknown)[] = [];
  const coherent = board.coherent ?? false;
  const timerFrequency = board.timerFrequency ?? TIMER_FREQUENCY;
  const reset = new ResetControl(clock, log);
  const dumps = new CoreDumps(board.coreDump);
  const power = new PowerControl(clock, log, board.supply);
  const needReset = (reason: string): void => reset.schedule(reason);
  let scheduler: Scheduler | undefined;
  let device: TyrDevice | undefined;
  board.supply?.on();
  undo.push(() => board.supply?.off());
  try {
    const { supply } = board;
    const rate = supply ? () => supply.rate : () => board.coreFrequency ?? CORE_FREQUENCY;
    const gpu = new GpuControl(mmio, irqs.gpu, clock, log, coherent, rate, supply?.points.at(-1)?.hertz);
    undo.push(() => gpu.unplug());
    await gpu.reset('soft');
    await gpu.powerOnL2();
    const mmu = new Mmu(mmio, irqs.mmu, clock, gpu, log, coherent, {
      fault: (space) => scheduler?.addressSpaceFault(space),
      stuck: needReset,
    });
    undo.push(() => mmu.unplug());
    const hw = { mmio, line: irqs.job, clock, dram, log, gpu, mmu, timerFrequency, hung: needReset };
    const firmware = await Firmware.start(hw, board.firmware);
    undo.push(() => firmware.unplug());
    scheduler = new Scheduler({
      clock,
      dram,
      log,
      gpu,
      mmu,
      firmware,
      reset: needReset,
      policy: POLICIES[board.scheduler ?? 'panthor'].make(),
      wake: () => power.wake(),
      used: () => {
        power.touch();
        devfreq?.record(parts.scheduler.busy || parts.scheduler.hasWork);
      },
      dump: (cause, reason) => dumps.make(cause, reason),
    });
    const devfreq =
      supply &&
      new Devfreq({
        clock,
        supply,
        beforeChange: () => power.awake && parts.scheduler.time.rateChanges(),
        changed: () => device?.onAttributes(),
      });
    undo.push(() => devfreq?.suspend());
    power.onChange = (active) => (active ? devfreq?.resume() : devfreq?.suspend());
    const parts = { gpu, mmu, firmware, scheduler, power, devfreq };
    const context: DeviceContext = { clock, dram, log: board.log };
    const tyr: Tyr = {
      ...parts,
      context,
      mmio,
      log,
      timerFrequency,
      profiling: 0,
      vmResources: {
        mmu,
        dram,
        clock,
        cacheLine: gpu.cacheLine,
        pace: new Pace(clock),
        settle: () => parts.scheduler.settle(),
      },
      destroyGroup(group: Group) {
        for (const entity of group.entities) entity.kill();
        parts.scheduler.destroy(group);
      },
    };
    const unplug = async (): Promise<void> => {
      // Whoever is at the GPU comes to his end first: two that take groups out of their slots would meet there.
      const ends = [reset.disable(), power.disable()];
      dumps.disable();
      await Promise.all(ends);
      await parts.scheduler.unplug();
      for (const step of undo.reverse()) await step();
    };
    const made = new TyrDevice(tyrDriver(tyr, board.unique), context, tyr, unplug);
    device = made;
    const awake = (): boolean => power.awake;
    const giveUp = (): void => made.unplug();
    dumps.enable({ ...parts, mmio, dram, log, awake, now: () => clock.now() });
    reset.enable({ ...parts, awake, dump: (reason) => dumps.make('reset', reason), giveUp });
    power.enable({ ...parts, reset, giveUp });
    return made;
  } catch (error) {
    log('error', describeFailure(error, 'probe failed'));
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

function tyrDriver(tyr: Tyr, unique: string | undefined): DrmDriver<TyrFile> {
  return {
    name: PANTHOR_NAME,
    description: 'Panthor DRM driver',
    date: '20230801',
    version: PANTHOR_VERSION,
    ...(unique === undefined ? {} : { unique }),
    features: { render: true, modeset: false, syncobj: true },
    ioctls: [...queryIoctls, ...gemIoctls, ...vmIoctls, ...groupIoctls],
    open: () => new TyrFile(tyr),
    close: (file) => file.private.close(),
    exportObject: (object) => checkExportable(object),
    mmap: mmapDevicePage,
    showFdinfo: (file) => showFdinfo(file),
  };
}
