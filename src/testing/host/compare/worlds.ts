/**
 * The two worlds in which the same things are done: Tyr's machine, and a virtual machine whose kernel drives the same GPU by the
 * driver written in C. What is done is a shell script for the guest tree that both share; it starts in a folder that the worlds have
 * a copy of each, and leaves there what it has to say.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostClock } from '../../../board/clock.ts';
import type { Log } from '../../../board/log.ts';
import type { PolicyName } from '../../../driver/index.ts';
import { launch } from '../../../host/launch.ts';
import type { Progress } from '../../../host/userland/progress.ts';
import { ensureRealFirmware, ensureUserland, ensureVm, type Userland } from '../../../host/userland/userland.ts';
import { chooseKernel } from '../../../host/vm/kernel.ts';
import { runVm } from '../../../host/vm/vm.ts';
import type { Counts } from '../../../mali/counters.ts';
import { parseFault } from '../../../mali/faults.ts';
import type { MaliGpu } from '../../../mali/index.ts';

export const WORLDS = ['tyr', 'panthor'] as const;
export type World = (typeof WORLDS)[number];

export interface WorldOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
  /** Seconds for all of it. */
  readonly timeout: number;
  /** Takes what either machine logs. */
  readonly log?: (world: World) => Log;
  readonly workers?: number | undefined;
  /** Who runs next under Tyr. */
  readonly scheduler?: PolicyName | undefined;
  /** Page tables are compared at each command to an address space (mali/counters.ts). */
  readonly watchTables?: boolean;
  /** Called with what the GPU has counted when a client makes a mark: the file `NAME-PID.mark` in its folder; `NAME-PID.seen` tells the client. */
  readonly onMark?: (world: World, name: string, counts: Counts) => void;
}

/** A mark's name is followed by its process. */
const MARK_END = /-\d+\.mark$/;
const FAULT = 'fault-';
/** Milliseconds. */
const MARK_BEAT = 15;

/** The GPU, as far as it is watched and made to fail. */
type Watched = Pick<MaliGpu, 'counts' | 'watchTables' | 'faults'>;

/** Looks for marks in a folder until it is told to end. A mark `fault-KIND` turns that switch of the GPU's (mali/faults.ts). */
class MarkWatch {
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #seen = new Set<string>();

  start(world: World, folder: string, gpu: Watched, { onMark, watchTables }: WorldOptions): void {
    if (watchTables) gpu.watchTables();
    this.#timer = setInterval(() => {
      for (const file of readdirSync(folder)) {
        if (!MARK_END.test(file) || this.#seen.has(file)) continue;
        this.#seen.add(file);
        const name = file.replace(MARK_END, '');
        if (name.startsWith(FAULT)) gpu.faults.arm(parseFault(name.slice(FAULT.length)));
        else onMark?.(world, name, gpu.counts);
        writeFileSync(join(folder, file.replace(/mark$/, 'seen')), '');
      }
    }, MARK_BEAT);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

/** Where a world's script runs: `folder` is the copy of the given one that it may change, `client` the path of a test client. */
export interface Stage {
  readonly world: World;
  readonly client: (name: string) => string;
}

export interface WorldResult {
  readonly exitCode: number;
  readonly ended: 'itself' | 'timeout' | 'aborted' | 'frames';
  /** The kernel's log, where there is one. */
  readonly dmesg: string;
  /** What the GPU's driver has logged, lines in their order. */
  readonly reports: string;
  /** What the kernel warns of, as it does not always. */
  readonly warnings: readonly string[];
  readonly seconds: number;
  /** A folder of the host's with what the script has left. */
  readonly folder: string;
}

/** Render node of the GPU in either world. */
export const NODE = '/dev/dri/renderD128';

const CLIENTS = 'clients';

/**
 * Runs a script in the worlds, one after the other, each in a copy of `folder`, and gives what came of it. The copies go when `use` has
 * ended. Throws Problem for what is missing on this host.
 */
export async function inWorlds<T>(
  worlds: readonly World[],
  folder: string,
  script: (stage: Stage) => string,
  options: WorldOptions,
  use: (results: Partial<Record<World, WorldResult>>) => Promise<T>,
): Promise<T> {
  const userland = await ensureUserland({ progress: options.progress });
  const scratch = await mkdtemp(join(tmpdir(), 'tyr-compare-'));
  try {
    const results: Partial<Record<World, WorldResult>> = {};
    for (const world of worlds) {
      const own = join(scratch, world);
      await mkdir(own);
      await cp(folder, own, { recursive: true });
      results[world] = await RUN[world](userland, own, script, options);
    }
    return await use(results);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

type Runner = (
  userland: Userland,
  folder: string,
  script: (stage: Stage) => string,
  options: WorldOptions,
) => Promise<WorldResult>;

const silent: Log = () => {};

const RUN: Readonly<Record<World, Runner>> = {
  async tyr(userland, folder, script, options) {
    const { timeout, signal, log, workers, scheduler } = options;
    const marks = new MarkWatch();
    const logged = log?.('tyr') ?? silent;
    const client = (name: string): string => userland.guest.clients[name]!;
    const words = script({ world: 'tyr', client });
    let said = '';
    let reports = '';
    const result = await launch({
      userland,
      program: 'sh',
      args: ['-c', words],
      cwd: folder,
      log: (level, device, message) => {
        reports += `${message}\n`;
        logged(level, device, message);
      },
      timeout,
      workers,
      scheduler,
      ...(signal ? { signal } : {}),
      onMachine: ({ meter }) => marks.start('tyr', folder, meter, options),
      stdout: (text) => {
        said += text;
      },
      stderr: (text) => void process.stderr.write(text),
    }).finally(() => marks.end());
    if (said !== '') process.stderr.write(said);
    const { exitCode, ended, seconds } = result;
    return { exitCode, ended, seconds, dmesg: '', reports, warnings: [], folder };
  },

  async panthor(userland, folder, script, options) {
    const { timeout, signal, log, workers, progress } = options;
    const marks = new MarkWatch();
    const pieces = await ensureVm({ progress });
    const kernel = await chooseKernel({ driver: 'panthor' }, userland, pieces, { progress });
    const firmware = new Uint8Array(await readFile(await ensureRealFirmware({ progress })));
    // The guest sees the tree and its share, and nothing else of the host.
    await mkdir(join(folder, CLIENTS), { recursive: true });
    for (const [name, path] of Object.entries(userland.guest.clients)) await cp(path, join(folder, CLIENTS, name));
    const client = (name: string): string => `/share/${CLIENTS}/${name}`;
    const result = await runVm({
      userland,
      pieces,
      kernel,
      expectGpu: true,
      firmware,
      words: ['sh', '-c', script({ world: 'panthor', client })],
      clock: new HostClock(),
      log: log?.('panthor') ?? silent,
      memory: 2048,
      cpus: 1,
      share: folder,
      timeout,
      workers,
      ...(signal ? { signal } : {}),
      onBoard: ({ gpu }) => marks.start('panthor', folder, gpu, options),
      stdout: (bytes) => void process.stderr.write(bytes),
      stderr: (bytes) => void process.stderr.write(bytes),
    }).finally(() => marks.end());
    await rm(join(folder, CLIENTS), { recursive: true, force: true });
    const { exitCode, ended, seconds, dmesg, warnings } = result;
    return { exitCode, ended, seconds, dmesg, reports: dmesg, warnings, folder };
  },
};
