/**
 * `tyr bench submit`: what lies between a program's ioctl and the GPU's work, in process, with nothing of a guest.
 *
 * `job`: submit a stream that only stores a word, and wait for it, over and over. `frame`: the ioctls of one frame as Mesa
 * makes them for kmscube (submit, pass the fence from syncobj to sync file to dma-buf and back, wait, flip), around such a
 * stream. `switch`: 32 groups of 32 programs on 8 group slots, a few jobs each. Times are of the CPU, not of the clock on
 * the wall, so that a busy host does not change them much; from submit to signal, and what the GPU works, takes what it takes.
 *
 * Whose a job's CPU time is V8's sampler tells: the driver's and the DRM core's, the virtual GPU's with its firmware, or Node's and V8's own with the
 * bench's. Transport has no part in it.
 *
 * `beside`: the same job while 10 and then 10,000 buffers, VMs and groups (2,500 of these) of other clients are there and rest.
 */
import { type Profiler, Session } from 'node:inspector/promises';
import { getHeapStatistics } from 'node:v8';
import { DMA_BUF_IOCTL, DMA_BUF_SYNC } from '../abi/dma-buf.ts';
import { DRM_IOCTL, DRM_SYNCOBJ_FD } from '../abi/drm.ts';
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import type { IoctlDef } from '../abi/ioctl.ts';
import { FLIP } from '../abi/kms.ts';
import * as KMS from '../abi/kms-ioctls.ts';
import { GROUP_PRIORITY, MAX_VMS_PER_FILE, PANTHOR } from '../abi/panthor.ts';
import { HostClock } from '../board/clock.ts';
import type { BackingFile } from '../board/dram.ts';
import { silent } from '../board/log.ts';
import { dmaBufIoctl } from '../drm/dma-buf-ioctl.ts';
import { MemfdBacking } from '../host/memfd-backing.ts';
import { Problem } from '../host/userland/problem.ts';
import { Machine } from '../machine/machine.ts';
import { BenchFile, BenchProcess, Call } from './bench-client.ts';
import { groupOf, type Job, jobOf, openProgram, submitAndWait, waitFor } from './bench-jobs.ts';
import type { Bench, Result } from './bench-programs.ts';
import { type Share, sharesOf } from './profile.ts';

const SCREEN = { width: 640, height: 480 };
const DRAM = 2 ** 29;
const RESULT = 0x20000000n;
/** Seconds of CPU time for which each is done before it is measured: V8 optimises a function after some thousand calls, and then goes on to its callers. */
const WARM = 1;
/** How often each is done for the figures: CPU time has ticks of some milliseconds. */
const JOBS = 20_000;
const PARTS = 10;
/** Microseconds between two of the sampler's looks. */
const INTERVAL = 100;
/** Where the sampler's own time is spent. */
const SAMPLER = 'node:inspector';
const FRAMES = 5000;
const CLIENTS = 32;
const ROUNDS = 4;
/** How many groups, buffers and VMs rest while jobs are done. */
const RESTING = [10, 10_000] as const;
/** Groups have buffers in the firmware's own 64 MiB of addresses, here as under panthor, which has room for some 2,700. */
const MOST_GROUPS = 2500;

/** One program: a VM with a stream in it, a group, and a syncobj that its jobs signal. */
interface Program extends Job {
  readonly file: BenchFile;
}

async function open(machine: Machine, process: BenchProcess): Promise<Program> {
  const program = await openProgram(
    machine,
    process,
    [
      ['MOVE', { destination: 0, immediate: Number(RESULT) }],
      ['MOVE32', { destination: 2, immediate: 1 }],
      ['STORE_MULTIPLE', { address: 0, baseRegister: 2, mask: 1, offset: 0 }],
      ['WAIT', { waitMask: 0xff }],
    ],
    RESULT,
  );
  const { file, vmId } = program;
  const { groupHandle } = await file.do(PANTHOR.GROUP_CREATE, groupOf(process, vmId, GROUP_PRIORITY.MEDIUM));
  return { file, ...(await jobOf(program, groupHandle)) };
}

/** Groups, buffers and VMs of clients that do nothing, until there are so many of each. */
class Resting {
  readonly #machine: Machine;
  #file: BenchFile | undefined;
  #vms: number[] = [];
  count = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async until(count: number): Promise<void> {
    for (; this.count < count; this.count++) await this.#one();
  }

  async #one(): Promise<void> {
    if (!this.#file || this.#vms.length === MAX_VMS_PER_FILE) {
      this.#file = new BenchFile(new BenchProcess(), this.#machine.gpu!, 'render');
      this.#vms = [];
    }
    const vmId = (await this.#file.do(PANTHOR.VM_CREATE, { userVaRange: 2n ** 47n })).id;
    this.#vms.push(vmId);
    await this.#file.do(PANTHOR.BO_CREATE, { size: BigInt(PAGE_SIZE) });
    if (this.count < MOST_GROUPS)
      await this.#file.do(PANTHOR.GROUP_CREATE, groupOf(this.#file.process, vmId, GROUP_PRIORITY.MEDIUM));
  }
}

/** A program with a screen: two buffers of a display's, which the GPU's driver has as well. */
async function openFrames(machine: Machine, program: Program): Promise<() => Promise<void>> {
  const { file: gpu, syncobj, submit } = program;
  const { process } = gpu;
  const card = new BenchFile(process, machine.display.device, 'primary');
  const screens: { readonly handle: number; readonly fb_id: number }[] = [];
  for (let i = 0; i < 2; i++) {
    const { handle, pitch } = await card.do(KMS.MODE_CREATE_DUMB, { ...SCREEN, bpp: 32 });
    const { fb_id } = await card.do(KMS.MODE_ADDFB, { ...SCREEN, bpp: 32, depth: 24, pitch, handle });
    const { fd } = await card.do(DRM_IOCTL.PRIME_HANDLE_TO_FD, { handle });
    const own = (await gpu.do(DRM_IOCTL.PRIME_FD_TO_HANDLE, { fd })).handle;
    screens.push({ handle: own, fb_id });
  }
  const { crtcs, connectors } = machine.display.config;
  await card.do(KMS.MODE_SETCRTC, {
    crtc_id: crtcs[0]!.id,
    fb_id: screens[0]!.fb_id,
    mode_valid: 1,
    mode: connectors[0]!.options.modes[0]!,
    set_connectors_ptr: process.words(connectors[0]!.id),
    count_connectors: 1,
  });
  const other = (await gpu.do(DRM_IOCTL.SYNCOBJ_CREATE, {})).handle;
  const create = gpu.call(DRM_IOCTL.SYNCOBJ_CREATE, {});
  const destroy = gpu.call(DRM_IOCTL.SYNCOBJ_DESTROY, {});
  const offset = gpu.call(PANTHOR.BO_MMAP_OFFSET, {});
  const toFd = gpu.call(DRM_IOCTL.PRIME_HANDLE_TO_FD, {});
  const toFile = gpu.call(DRM_IOCTL.SYNCOBJ_HANDLE_TO_FD, { handle: syncobj, flags: DRM_SYNCOBJ_FD.SYNC_FILE });
  const fromFile = gpu.call(DRM_IOCTL.SYNCOBJ_FD_TO_HANDLE, { flags: DRM_SYNCOBJ_FD.SYNC_FILE });
  const transfer = gpu.call(DRM_IOCTL.SYNCOBJ_TRANSFER, { src_handle: syncobj, dst_handle: other });
  const timeline = waitFor(gpu, other, DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT);
  const flip = card.call(KMS.MODE_PAGE_FLIP, { crtc_id: crtcs[0]!.id, flags: FLIP.EVENT });
  let buffer: BackingFile | undefined;
  const onBuffer = (def: IoctlDef): Call =>
    new Call(process, def, { flags: DMA_BUF_SYNC.WRITE }, (request, arg) =>
      dmaBufIoctl(buffer!, request, arg, process),
    );
  const importFile = onBuffer(DMA_BUF_IOCTL.IMPORT_SYNC_FILE);
  const exportFile = onBuffer(DMA_BUF_IOCTL.EXPORT_SYNC_FILE);
  let flipped = (): void => {};
  card.file.sendEvent = () => flipped();
  let frame = 0;
  return async () => {
    const { handle, fb_id } = screens[++frame % 2]!;
    const shown = new Promise<void>((resolve) => {
      flipped = resolve;
    });
    create.run();
    for (let i = 0; i < 2; i++) {
      offset.set('handle', handle).run();
      toFd.set('handle', handle).run();
    }
    submit.run();
    transfer.run();
    buffer = process.buffer(toFd.get('fd'));
    toFile.run();
    importFile.set('fd', toFile.get('fd')).run();
    for (let i = 0; i < 4; i++) {
      exportFile.run();
      fromFile.set('handle', create.get('handle')).set('fd', exportFile.get('fd')).run();
    }
    destroy.set('handle', create.get('handle')).run();
    await timeline.run();
    await timeline.run();
    flip.set('fb_id', fb_id).run();
    await shown;
    process.closeAll();
  };
}

interface Spent {
  readonly seconds: number;
  /** CPU time of the thread in µs. */
  readonly cpu: number;
}

async function spent(times: number, one: () => Promise<unknown>): Promise<Spent> {
  const start = process.threadCpuUsage();
  const begin = performance.now();
  for (let i = 0; i < times; i++) await one();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.threadCpuUsage(start);
  return { seconds, cpu: user + system };
}

/** What each of many costs: CPU time of the thread and time on the wall in µs, and KiB that were allocated. */
async function cost(name: string, times: number, one: () => Promise<void>): Promise<Result[]> {
  for (const start = process.threadCpuUsage(); ; ) {
    const { user, system } = process.threadCpuUsage(start);
    if (user + system >= WARM * 1e6) break;
    await one();
  }
  const before = getHeapStatistics().total_allocated_bytes;
  const { seconds, cpu } = await spent(times, one);
  const allocated = getHeapStatistics().total_allocated_bytes - before;
  return [
    { metric: `${name}s_per_second`, value: times / seconds, unit: `${name}s/s` },
    { metric: `${name}_cpu`, value: cpu / times, unit: 'µs' },
    { metric: `${name}_allocated`, value: allocated / 1024 / times, unit: 'KiB' },
  ];
}

/** Whose time it is that is neither the driver's nor the virtual GPU's. */
const RUNTIME: readonly Share[] = ['garbage collection', 'other', 'transport', 'display'];

export interface Parts {
  readonly driver: number;
  readonly gpu: number;
  readonly runtime: number;
}

/** Parts of what a thread was busy with: the driver and the DRM core, the GPU, and what is left but for the sampler itself. They add up to 1. */
export function partsOf(profile: Pick<Profiler.Profile, 'nodes' | 'samples' | 'timeDeltas'>): Parts {
  const { nodes, samples = [], timeDeltas = [] } = profile;
  const sampler = new Set(nodes.filter(({ callFrame }) => callFrame.url === SAMPLER).map(({ id }) => id));
  // A sample's function ran until the next sample came.
  const times = timeDeltas.map((time, i) => (sampler.has(samples[i - 1]!) ? 0 : time));
  const shares = sharesOf({ nodes, samples, timeDeltas: times });
  const busy = 1 - shares.get('idle')!;
  const driver = shares.get('driver')! / busy;
  const runtime = RUNTIME.reduce((sum, name) => sum + shares.get(name)!, 0) / busy;
  return { driver, runtime, gpu: 1 - driver - runtime };
}

async function sampled(run: () => Promise<unknown>): Promise<Parts> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
  await session.post('Profiler.start');
  await run();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return partsOf(profile);
}

/**
 * From before the submit until the wait has returned, in µs, for how long the GPU had something to do for a job, and whose a job's CPU time is. The first three are told
 * by the clock on the wall, so the part of the jobs counts that was done soonest, when the host had least else to do.
 */
async function latencies(machine: Machine, program: Program): Promise<Result[]> {
  const times: number[] = [];
  const one = async (): Promise<void> => {
    const begin = performance.now();
    await submitAndWait(program);
    times.push((performance.now() - begin) * 1000);
  };
  const parts: (Spent & { readonly gpu: number })[] = [];
  for (let i = 0; i < PARTS; i++) {
    const worked = machine.stats.gpuWorked;
    const part = await spent(JOBS / PARTS, one);
    parts.push({ ...part, gpu: (machine.stats.gpuWorked - worked) / 1000 });
  }
  times.sort((a, b) => a - b);
  const { cpu, gpu } = parts.reduce((best, part) => (part.seconds < best.seconds ? part : best));
  const job = cpu / (JOBS / PARTS);
  const part = await sampled(() => spent(JOBS, () => submitAndWait(program)));
  return [
    { metric: 'submit_to_signal_p50', value: times[JOBS >> 1]!, unit: 'µs' },
    { metric: 'submit_to_signal_p99', value: times[Math.floor(JOBS * 0.99)]!, unit: 'µs' },
    { metric: 'job_gpu_time', value: gpu / (JOBS / PARTS), unit: 'µs' },
    { metric: 'job_least_cpu', value: job, unit: 'µs' },
    { metric: 'job_driver_cpu', value: job * part.driver, unit: 'µs' },
    { metric: 'job_gpu_cpu', value: job * part.gpu, unit: 'µs' },
    { metric: 'job_runtime_cpu', value: job * part.runtime, unit: 'µs' },
  ];
}

/** The job beside others that rest. What it was to make them is no part of it. */
async function beside(machine: Machine, program: Program): Promise<Result[]> {
  const resting = new Resting(machine);
  const results: Result[] = [];
  for (const count of RESTING) {
    await resting.until(count);
    const job = await cost(`job_beside_${count}`, JOBS, () => submitAndWait(program));
    results.push(...job.filter(({ metric }) => metric.endsWith('_cpu')));
  }
  return results;
}

/** All programs at once, each with jobs one after the other; more of them than there are group slots. */
async function switches(programs: readonly Program[]): Promise<Result[]> {
  const round = () => Promise.all(programs.map(submitAndWait));
  await round();
  const { seconds, cpu } = await spent(ROUNDS, round);
  const jobs = ROUNDS * programs.length;
  return [
    { metric: 'switched_jobs_per_second', value: jobs / seconds, unit: 'jobs/s' },
    { metric: 'switched_job_cpu', value: cpu / jobs, unit: 'µs' },
  ];
}

export const submit: Bench = async (_userland, { engine, vs }) => {
  if (vs) throw new Problem(`there is nothing in submit that ${vs} could do`);
  const options = { clock: new HostClock(), log: silent, backing: new MemfdBacking() };
  const machine = await Machine.boot({
    ...options,
    engine,
    dramSize: DRAM,
    mode: `${SCREEN.width}x${SCREEN.height}@60`,
    refresh: 'unlimited',
  });
  const program = await open(machine, new BenchProcess());
  const results = await cost('job', JOBS, () => submitAndWait(program));
  results.push(...(await latencies(machine, program)));
  results.push(...(await cost('frame', FRAMES, await openFrames(machine, program))));
  const programs: Program[] = [];
  for (let i = 0; i < CLIENTS; i++) programs.push(await open(machine, new BenchProcess()));
  results.push(...(await switches(programs)));
  results.push(...(await beside(machine, program)));
  machine.close();
  return results;
};
