/**
 * What tests of the whole machine need: a board with the GPU and its driver on a clock that they move, and a client that
 * speaks the panthor uAPI straight to the device, as a program would through ioctls.
 */
import { DRM_IOCTL } from '../../abi/drm.ts';
import { assembleCs, type CsLine } from '../../abi/gpu/cs.ts';
import type { GpuName, GpuProduct } from '../../abi/gpu/products.ts';
import type { IoctlDef } from '../../abi/ioctl.ts';
import { type Infer, type Layout, packAll, type Values } from '../../abi/layout.ts';
import {
  PANTHOR,
  QueueCreate,
  QueueSubmit,
  SYNC_OP,
  SyncOp,
  VM_BIND_OP,
  VM_BIND_OP_TYPE,
  VM_BIND_OP_TYPE_SCALE,
  VmBindOp,
} from '../../abi/panthor.ts';
import { type Clock, HostClock, type Timer } from '../../board/clock.ts';
import { Dram } from '../../board/dram.ts';
import { GatedBus } from '../../board/gated-bus.ts';
import { IrqLine } from '../../board/irq.ts';
import { recorder } from '../../board/log.ts';
import type { Mmio } from '../../board/mmio.ts';
import { bitCount } from '../../driver/group-ioctls.ts';
import {
  type CoreDump,
  type GpuResources,
  type PolicyName,
  probe,
  type TyrDevice,
  tyrFirmware,
} from '../../driver/index.ts';
import type { DrmFile } from '../../drm/file.ts';
import { gpuSupply } from '../../machine/gpu-board.ts';
import { Machine } from '../../machine/machine.ts';
import type { Units } from '../../mali/contract.ts';
import type { Engine } from '../../mali/engine/names.ts';
import { MaliGpu } from '../../mali/index.ts';
import { FakeBacking, FakeUser, type Outcome, start } from '../drm/client.ts';

/**
 * Time that a test moves, for work that never ends: what has yielded goes on at the next step, not at once, so a command
 * stream that loops for ever costs one slice a step.
 */
export class SteppedClock implements Clock {
  #now = 0;
  #soon: (() => void)[] = [];
  #calm: (() => void)[] = [];
  #yielded: (() => void)[] = [];
  readonly #timers = new Set<{ readonly at: number; readonly fn: () => void }>();

  now(): number {
    return this.#now;
  }

  monotonic(): bigint {
    return BigInt(Math.floor(this.#now));
  }

  realtime(): bigint {
    return this.monotonic();
  }

  boottime(): bigint {
    return this.monotonic();
  }

  after(delay: number, fn: () => void): Timer {
    const timer = { at: this.#now + delay, fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  soon(fn: () => void): void {
    this.#soon.push(fn);
  }

  settled(fn: () => void): void {
    this.#calm.push(fn);
  }

  yield(fn: () => void): void {
    this.#yielded.push(fn);
  }

  /** Runs what has been put off, and one slice of what has yielded. */
  run(): void {
    this.#drain();
    for (const fn of this.#yielded.splice(0)) {
      fn();
      this.#drain();
    }
  }

  /** Moves time on by `delay` nanoseconds and fires what falls due, in order. */
  advance(delay: number): void {
    const end = this.#now + delay;
    this.run();
    for (;;) {
      let due: { readonly at: number; readonly fn: () => void } | undefined;
      for (const timer of this.#timers) if (timer.at <= end && (!due || timer.at < due.at)) due = timer;
      if (!due) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.fn();
      this.#drain();
    }
    this.#now = end;
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  #drain(): void {
    const next = (): (() => void) | undefined => this.#soon.shift() ?? this.#calm.shift();
    for (let fn = next(); fn; fn = next()) fn();
  }
}

/** A clock that a test may have to move. */
export type MovedClock = Pick<SteppedClock, 'now' | 'monotonic' | 'advance'>;

/** The host's own time, which moves by itself. It knows the timers that are set. */
export class LiveClock extends HostClock {
  readonly #timers = new Set<Timer>();

  get timers(): number {
    return this.#timers.size;
  }

  advance(): void {}

  override after(delay: number, fn: () => void): Timer {
    const timer = super.after(delay, () => {
      this.#timers.delete(own);
      fn();
    });
    const own: Timer = {
      cancel: () => {
        this.#timers.delete(own);
        timer.cancel();
      },
    };
    this.#timers.add(own);
    return own;
  }
}

/** Units that no test of mere command streams needs, and nobody who traces. */
const noUnits = new Proxy({ tracer: undefined } as unknown as Units, {
  get: (some, name) =>
    name in some
      ? undefined
      : () => {
          throw new Error(`this test has no ${String(name)} unit`);
        },
});

export interface TestMachine {
  readonly clock: SteppedClock;
  readonly dram: Dram;
  readonly lines: string[];
  readonly gpu: MaliGpu;
  readonly resources: GpuResources;
  readonly backing: FakeBacking;
  /** The GPU's registers behind its power domain, on a board that is `powered`. */
  readonly bus: GatedBus;
  /** What the driver has taken down so far. */
  readonly dumps: CoreDump[];
}

export interface TestOptions {
  readonly dramSize?: number;
  readonly units?: Units;
  /** Which Mali it is; by default the Rock 5B's. */
  readonly product?: GpuProduct;
  readonly firmware?: Uint8Array | undefined;
  /** By which policy groups take turns. */
  readonly scheduler?: PolicyName;
  /** The board switches the GPU's clock and power. */
  readonly powered?: boolean;
  /** What the driver finds in place of the GPU's registers. */
  readonly wrap?: (gpu: Mmio) => Mmio;
}

/** A board with a GPU; nobody drives it yet. */
export function testMachine(options: TestOptions = {}): TestMachine {
  const clock = new SteppedClock();
  const { log, lines } = recorder();
  const backing = new FakeBacking();
  const dram = new Dram(options.dramSize ?? 2 ** 28, backing);
  const irqs = {
    job: new IrqLine('job', clock),
    mmu: new IrqLine('mmu', clock),
    gpu: new IrqLine('gpu', clock),
  };
  const userPage = dram.allocShared('mali-user-page', 4096);
  const { product } = options;
  const gpu = new MaliGpu({ product, dram, userPage, clock, log, irqs, units: options.units ?? noUnits });
  const bus = new GatedBus(gpu, 'gpu', log);
  const supply = options.powered ? gpuSupply(gpu, bus) : undefined;
  const registers = supply ? bus : gpu;
  const dumps: CoreDump[] = [];
  const coreDump = (dump: CoreDump): void => void dumps.push(dump);
  const firmware = 'firmware' in options ? options.firmware : tyrFirmware();
  return {
    clock,
    dram,
    lines,
    gpu,
    backing,
    dumps,
    bus,
    resources: {
      mmio: options.wrap?.(registers) ?? registers,
      irqs,
      dram,
      clock,
      log,
      firmware,
      coreDump,
      supply,
      scheduler: options.scheduler,
    },
  };
}

/** Moves the clock on, by ever longer steps, until `promise` is settled; gives up after `limit` nanoseconds. */
export async function until<T>(clock: MovedClock, promise: T | Promise<T>, limit = 60e9, firstStep = 1e4): Promise<T> {
  let settled = false;
  const end = Promise.resolve(promise).finally(() => {
    settled = true;
  });
  end.catch(() => {});
  const stop = clock.now() + limit;
  for (let step = firstStep; !settled; step = Math.min(step * 1.05, 1e8)) {
    await breathe();
    if (settled) break;
    if (clock.now() > stop) throw new Error(`nothing has come after ${limit / 1e9} s`);
    clock.advance(step);
  }
  return end;
}

/** Lets promises go on, and work that the clock has put off, but not the time. */
export async function settle(clock: SteppedClock, rounds = 50): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    clock.run();
    await breathe();
  }
}

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function bootedMachine(options: TestOptions = {}): Promise<TestMachine & { device: TyrDevice }> {
  const machine = testMachine(options);
  const device = await until(machine.clock, probe(machine.resources));
  return { ...machine, device };
}

/** A sync operation: a handle of a syncobj, signalled or waited for; a point makes it a timeline one. */
export interface Sync {
  readonly handle: number;
  readonly signal?: boolean;
  readonly point?: bigint;
}

export interface Mapping {
  readonly handle?: number;
  readonly offset?: bigint;
  readonly va: bigint;
  readonly size: bigint;
  readonly flags?: number;
}

/** What a client needs to know of its machine. */
export interface ClientMachine {
  readonly clock: MovedClock;
  readonly dram: Dram;
  readonly lines: readonly string[];
  readonly device: TyrDevice;
}

export interface LiveMachine extends ClientMachine {
  readonly machine: Machine;
  readonly clock: LiveClock;
  readonly lines: string[];
}

/** The whole machine, display and shader cores included, in the host's own time. */
export async function liveMachine(
  dramSize = 2 ** 28,
  workers?: number,
  backing = new FakeBacking(),
  engine?: Engine,
  gpu?: GpuName,
): Promise<LiveMachine> {
  const clock = new LiveClock();
  const { log, lines } = recorder();
  const machine = await Machine.boot({ clock, log, dramSize, backing, refresh: 'unlimited', workers, engine, gpu });
  await machine.workers?.ready();
  if (!machine.gpu) throw new Error(`no GPU came up:\n${lines.join('\n')}`);
  return { machine, clock, dram: machine.dram, lines, device: machine.gpu };
}

/** One program with one open render node. */
export class Client {
  readonly machine: ClientMachine;
  readonly file: DrmFile<any>;
  readonly user = new FakeUser();

  constructor(machine: ClientMachine) {
    this.machine = machine;
    this.file = machine.device.open('render', this.user.pid);
  }

  /** Runs an ioctl to its end. */
  run<F extends Record<string, any>>(def: IoctlDef<F>, values: Partial<Values<F>>): Promise<Outcome<Values<F>>> {
    return until(this.machine.clock, Promise.resolve(start(this.file, def, values, this.user)));
  }

  /** The same for one that must succeed. */
  async do<F extends Record<string, any>>(def: IoctlDef<F>, values: Partial<Values<F>>): Promise<Values<F>> {
    const { value, arg } = await this.run(def, values);
    if (value !== 0) throw new Error(`${def.name}: ${value}\n${this.machine.lines.slice(-3).join('\n')}`);
    return arg;
  }

  /** Puts objects into the client's memory, as the uAPI's arrays want them. */
  objects<L extends Layout<any>>(
    layout: L,
    values: readonly Partial<Infer<L>>[],
  ): { stride: number; count: number; array: bigint } {
    return { stride: layout.size, count: values.length, array: this.user.put(packAll(layout, values)) };
  }

  syncs(list: readonly Sync[]): { stride: number; count: number; array: bigint } {
    return this.objects(
      SyncOp.layout,
      list.map(({ handle, signal, point }) => ({
        flags: (signal ? SYNC_OP.SIGNAL : 0) + (point === undefined ? SYNC_OP.SYNCOBJ : SYNC_OP.TIMELINE_SYNCOBJ),
        handle,
        timelineValue: point ?? 0n,
      })),
    );
  }

  async createVm(): Promise<number> {
    return (await this.do(PANTHOR.VM_CREATE, { userVaRange: 2n ** 47n })).id;
  }

  async createBuffer(size: number, flags = 0): Promise<number> {
    return (await this.do(PANTHOR.BO_CREATE, { size: BigInt(size), flags })).handle;
  }

  /** The bytes of a buffer, as the client's mapping would show them. */
  memory(handle: number): DataView {
    const { run } = this.file.object(handle);
    return new DataView(this.machine.dram.buffer, run.physical, run.size);
  }

  bindOps(operations: readonly (Mapping & { type?: number; syncs?: readonly Sync[] })[]): {
    stride: number;
    count: number;
    array: bigint;
  } {
    return this.objects(
      VmBindOp.layout,
      operations.map((op) => ({
        flags: (op.flags ?? 0) + (op.type ?? 0) * VM_BIND_OP_TYPE_SCALE,
        boHandle: op.handle ?? 0,
        boOffset: op.offset ?? 0n,
        va: op.va,
        size: op.size,
        syncs: this.syncs(op.syncs ?? []),
      })),
    );
  }

  async bind(vmId: number, mapping: Mapping): Promise<void> {
    await this.do(PANTHOR.VM_BIND, { vmId, ops: this.bindOps([mapping]) });
  }

  async unbind(vmId: number, range: { va: bigint; size: bigint }): Promise<void> {
    await this.do(PANTHOR.VM_BIND, { vmId, ops: this.bindOps([{ type: VM_BIND_OP_TYPE.UNMAP, ...range }]) });
  }

  async closeBuffer(handle: number): Promise<void> {
    await this.do(DRM_IOCTL.GEM_CLOSE, { handle });
  }

  async createGroup(vmId: number, queues = 1, values: object = {}): Promise<number> {
    const cores = this.machine.device.shaderPresent;
    const args = {
      queues: this.objects(QueueCreate.layout, Array(queues).fill({ priority: 1, ringbufSize: 4096 })),
      maxComputeCores: bitCount(cores),
      maxFragmentCores: bitCount(cores),
      maxTilerCores: 1,
      priority: 1,
      computeCoreMask: cores,
      fragmentCoreMask: cores,
      tilerCoreMask: 1n,
      vmId,
      ...values,
    };
    return (await this.do(PANTHOR.GROUP_CREATE, args)).groupHandle;
  }

  async destroyGroup(groupHandle: number): Promise<void> {
    await this.do(PANTHOR.GROUP_DESTROY, { groupHandle });
  }

  async destroySyncobj(handle: number): Promise<void> {
    await this.do(DRM_IOCTL.SYNCOBJ_DESTROY, { handle });
  }

  async createSyncobj(): Promise<number> {
    return (await this.do(DRM_IOCTL.SYNCOBJ_CREATE, {})).handle;
  }

  /** Submits one stream; returns the ioctl's value. */
  async submit(
    groupHandle: number,
    job: { queue?: number; address: bigint; size: number; syncs?: readonly Sync[]; latestFlush?: number },
  ): Promise<number> {
    const submits = this.objects(QueueSubmit.layout, [
      {
        queueIndex: job.queue ?? 0,
        streamAddr: job.address,
        streamSize: job.size,
        latestFlush: job.latestFlush ?? 0,
        syncs: this.syncs(job.syncs ?? []),
      },
    ]);
    return (await this.run(PANTHOR.GROUP_SUBMIT, { groupHandle, queueSubmits: submits })).value;
  }

  /** Waits for a binary syncobj for `seconds`; returns the ioctl's value. */
  async wait(handle: number, seconds = 30): Promise<number> {
    const deadline = this.machine.clock.monotonic() + BigInt(seconds * 1e9);
    const values = { handles: this.user.putU32(handle), timeout_nsec: deadline, count_handles: 1, flags: 0 };
    const wait = start(this.file, DRM_IOCTL.SYNCOBJ_WAIT, values as object, this.user);
    return (await until(this.machine.clock, wait, (seconds + 60) * 1e9)).value;
  }

  /** Writes a program into a buffer, at byte `at`; returns its size. */
  program(handle: number, program: readonly CsLine[], at = 0): number {
    const bytes = assembleCs(program);
    const memory = this.memory(handle);
    new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength).set(bytes, at);
    return bytes.length;
  }
}

/** How data and command streams are mapped. */
export const DATA_FLAGS = VM_BIND_OP.MAP_NOEXEC;
