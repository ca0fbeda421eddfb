/**
 * Machine: one Rock 5B-like computer, wired up and running: DRAM, the virtual Mali, its driver Tyr, and the display.
 *
 * Nothing here decides anything; it connects the GPU's registers and interrupt lines to the driver and names the device
 * nodes under which Linux programs find the two DRM devices. A GPU that cannot be brought up leaves a machine with a
 * display alone, as a kernel would.
 */

import { alive } from '../board/census.ts';
import type { Clock } from '../board/clock.ts';
import { type Backing, Dram, PAGE } from '../board/dram.ts';
import { Display } from '../display/index.ts';
import { type CoreDump, isForeign, type PolicyName, probe, type TyrDevice, tyrFirmware } from '../driver/index.ts';
import type { DrmDevice, NodeKind } from '../drm/device.ts';
import type { InputDevice } from '../input/device.ts';
import { Input } from '../input/index.ts';
import type { Faults } from '../mali/faults.ts';
import type { MaliGpu } from '../mali/index.ts';
import type { WorkerPool } from '../mali/workers/pool.ts';
import { GpuBoard, type GpuBoardOptions } from './gpu-board.ts';

/** Just below the 4 GiB that a 32-bit WebAssembly.Memory can have. Untouched pages cost the host nothing. */
export const DRAM_SIZE = 0xffff0000;
/** DRAM is a multiple of this. */
export const DRAM_UNIT = 0x10000;

export interface MachineOptions extends GpuBoardOptions {
  /** Host files behind buffer objects; without it no other process can map them. */
  readonly backing?: Backing;
  /** Bytes of DRAM, a multiple of 64 KiB. */
  readonly dramSize?: number;
  /** By which policy the GPU's driver lets groups take turns, by default panthor's. */
  readonly scheduler?: PolicyName | undefined;
  /** Keeps what the GPU's driver has taken down where something went wrong. */
  readonly coreDump?: ((dump: CoreDump) => void) | undefined;
  /** The CSF firmware image; by default the project's own. */
  readonly firmware?: Uint8Array | undefined;
  /** The connector's preferred mode, as WIDTHxHEIGHT@HZ. */
  readonly mode?: string | undefined;
  /** The connector has no other mode. */
  readonly soleMode?: boolean | undefined;
  /** 'unlimited': frames come onto the screen as fast as they are drawn. */
  readonly refresh?: 'mode' | 'unlimited' | undefined;
}

/** A node under /dev/dri; `minor` is its device number's second half. */
export interface DeviceNode {
  readonly path: string;
  readonly minor: number;
  readonly kind: NodeKind;
  readonly device: DrmDevice<any>;
}

/** A node under /dev/input. */
export interface InputNode {
  readonly path: string;
  readonly minor: number;
  readonly device: InputDevice;
}

export interface MachineStats {
  readonly gpuName: string | undefined;
  /** How often a client has opened the GPU. */
  readonly gpuOpens: number;
  readonly frames: number;
  readonly jobs: number;
  readonly faults: number;
  /** Nanoseconds of the host's in which the GPU has had something to do. */
  readonly gpuWorked: number;
}

/** What clients have of a machine: all zeros when nobody has anything, a little after the last one has gone. */
export interface MachineUsage {
  /** Open files of devices. */
  readonly files: number;
  /** Buffer objects, whoever holds them. */
  readonly buffers: number;
  /** Bytes of DRAM, page tables and the like included. */
  readonly memory: number;
  readonly vms: number;
  readonly groups: number;
  /** Tiler heaps. */
  readonly heaps: number;
  readonly syncobjs: number;
  /** Jobs, binds among them, whose fences have not signalled. */
  readonly jobs: number;
  /** Ioctls that wait. */
  readonly waits: number;
  readonly framebuffers: number;
  readonly blobs: number;
  /** Commits on their way to the screen. */
  readonly commits: number;
  /** Hardware slots that VMs and groups sit in. */
  readonly addressSpaces: number;
  readonly groupSlots: number;
}

export class Machine {
  readonly dram: Dram;
  readonly display: Display;
  /** What a person presses, moves and touches goes in here. */
  readonly input: Input;
  /** The GPU's driver, if it could bring the GPU up. */
  readonly gpu: TyrDevice | undefined;
  readonly nodes: readonly DeviceNode[];
  readonly inputNodes: readonly InputNode[];
  /** The GPU's threads, if it has any. */
  readonly workers: WorkerPool | undefined;
  /** Switches by which parts of the GPU fail. */
  readonly faults: Faults;
  /** The GPU itself, as far as somebody watches it and makes it fail. */
  readonly meter: Pick<MaliGpu, 'counts' | 'watchTables' | 'faults'>;
  readonly #clock: Clock;
  readonly #mali: MaliGpu;
  /** Bytes of DRAM that the machine needs for itself. */
  readonly #ownMemory: number;

  private constructor(
    clock: Clock,
    dram: Dram,
    display: Display,
    input: Input,
    gpu: TyrDevice | undefined,
    board: GpuBoard,
  ) {
    this.#clock = clock;
    this.workers = board.workers;
    this.#mali = board.gpu;
    this.faults = board.gpu.faults;
    this.meter = board.gpu;
    this.#ownMemory = dram.used;
    this.dram = dram;
    this.display = display;
    this.input = input;
    this.gpu = gpu;
    const nodes: DeviceNode[] = [{ path: '/dev/dri/card0', minor: 0, kind: 'primary', device: display.device }];
    if (gpu) {
      nodes.push({ path: '/dev/dri/card1', minor: 1, kind: 'primary', device: gpu });
      nodes.push({ path: '/dev/dri/renderD128', minor: 128, kind: 'render', device: gpu });
    }
    this.nodes = nodes;
    this.inputNodes = input.devices.map((device) => ({
      path: `/dev/input/${device.name}`,
      minor: device.minor,
      device,
    }));
  }

  /** Switches a machine on. Why a GPU did not come up stands in the log; what is a bug of its driver's is thrown. */
  static async boot(options: MachineOptions): Promise<Machine> {
    const { clock, log } = options;
    const dram = new Dram(options.dramSize ?? DRAM_SIZE, options.backing);
    const board = new GpuBoard(dram, options, dram.allocShared('mali-user-page', PAGE));
    const { bus: mmio, irqs, supply } = board;
    const { mode, soleMode, refresh, coreDump, scheduler } = options;
    const display = new Display({ clock, dram, log }, { mode, soleMode, refresh });
    const firmware = options.firmware ?? tyrFirmware();
    const unique = 'fb000000.gpu';
    const gpu = await probe({ mmio, irqs, dram, clock, log, firmware, unique, supply, coreDump, scheduler }).catch(
      (error) => {
        if (!isForeign(error)) throw error;
        return undefined;
      },
    );
    const input = new Input(clock, log, display.physicalSize);
    return new Machine(clock, dram, display, input, gpu, board);
  }

  get stats(): MachineStats {
    return {
      gpuName: this.gpu?.gpuName,
      gpuOpens: this.gpu?.opens ?? 0,
      frames: this.display.frames,
      jobs: this.gpu?.stats.jobs ?? 0,
      faults: this.gpu?.stats.faults ?? 0,
      gpuWorked: this.#mali.worked,
    };
  }

  get usage(): MachineUsage {
    const devices = new Set(this.nodes.map(({ device }) => device));
    let files = this.input.files;
    for (const device of devices) files += device.files.size;
    const noGpu = { vms: 0, groups: 0, heaps: 0, addressSpaces: 0, groupSlots: 0 };
    return {
      files,
      buffers: alive(this.dram, 'buffers'),
      memory: this.dram.used - this.#ownMemory,
      syncobjs: alive(this.#clock, 'syncobjs'),
      jobs: alive(this.#clock, 'jobs'),
      waits: alive(this.#clock, 'waits'),
      ...this.display.config.usage,
      ...(this.gpu?.usage ?? noGpu),
    };
  }

  /** Switches it off. Clients that are still there get ENODEV. */
  close(): void {
    for (const { device } of this.nodes) {
      for (const file of [...device.files]) file.close();
      device.unplug();
    }
    this.input.close();
    this.workers?.close();
  }
}
