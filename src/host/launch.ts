/**
 * launch: one machine, one program on it, from power-on to power-off. What `tyr run`, `tyr bench` and the guest tests do.
 *
 * The machine's folder (its socket, what stands for /dev/dri and /sys, the guest's XDG_RUNTIME_DIR) lives in the user's
 * runtime folder and goes with the machine. The program may end by itself, after so many page flips, after a time, or
 * because the caller aborts; in every case its whole process group is gone before the machine is switched off.
 */
import { mkdirSync, rmSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { type Clock, HostClock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { DRAM_SIZE, DRAM_UNIT, Machine } from '../machine/machine.ts';
import type { Engine } from '../mali/engine/names.ts';
import { workersForPrograms } from '../mali/workers/count.ts';
import { MemfdBacking } from './memfd-backing.ts';
import { Program, type ProgramOptions } from './program.ts';
import { runtimeFolder } from './runtime-folder.ts';
import { GuestServer } from './server.ts';
import { codeFolder } from './userland/cache-folder.ts';
import { mesaEnvironment } from './userland/mesa.ts';
import { type Native, programStart } from './userland/start.ts';
import type { Userland } from './userland/userland.ts';

export interface LaunchOptions extends Pick<ProgramOptions, 'stdin' | 'stdout' | 'stderr' | 'cwd' | 'grace'> {
  userland: Userland;
  program: string;
  /** Runs it by the host's own architecture: on another Mesa, by the libraries of packages. */
  native?: Native | undefined;
  args?: string[];
  /** Laid over the caller's environment. */
  env?: Record<string, string>;
  log: Log;
  clock?: Clock;
  /** The CSF firmware image; by default Tyr's own. */
  firmware?: Uint8Array;
  /** Who runs shaders; by default as MachineOptions.engine says. */
  engine?: Engine | undefined;
  /** Threads beside the main one that draw; by default one for each core but one, or what TYR_WORKERS says. */
  workers?: number | undefined;
  /** Workers note what they spend their time with. */
  profile?: boolean | undefined;
  mode?: string;
  /** The display has no other mode than `mode`. */
  soleMode?: boolean;
  refresh?: 'mode' | 'unlimited';
  /** End the program after so many page flips. */
  frames?: number;
  /** End the program after so many seconds. */
  timeout?: number;
  /** Keep what the display shows at the end. */
  screenshot?: boolean;
  /** Called when the program has started; `pid` leads its process group and its session. */
  onStart?: ((pid: number) => void) | undefined;
  /** Called after each page flip; `frame` counts from 1. `screenshot` shows what is on the screen now. */
  onFrame?: (frame: number, screenshot: () => Picture) => void;
  /** Ends the program early. */
  signal?: AbortSignal;
}

export interface LaunchResult {
  /** Why the program ended: by itself, after its frames, at the time limit, or by the caller. */
  ended: 'itself' | 'frames' | 'timeout' | 'aborted';
  /** The program's; 128 + N after signal N. 0 after `frames`. */
  exitCode: number;
  /** Page flips. */
  frames: number;
  /** From the program's start to its end. */
  seconds: number;
  /** Page flips per second between the first and the last one; 0 before the second. */
  fps: number;
  /** GPU jobs that completed. */
  jobs: number;
  /** GPU faults. */
  faults: number;
  /** Seconds that each worker has drawn. */
  workers: number[];
  /** What each of them has spent its time with, if it was to be noted. */
  profiles: Profiler.Profile[];
  /** The GPU's name, null where the machine came up without one. */
  gpu: string | null;
  /** How often a program has opened the GPU's nodes. */
  gpuOpens: number;
  /** What the machine still had of the program after its end, by kind: nothing, or there is a bug in Tyr. */
  leaks: Record<string, number>;
  screenshot: Picture | undefined;
}

const SECOND = 1e9;

export async function launch(options: LaunchOptions): Promise<LaunchResult> {
  const clock = options.clock ?? new HostClock();
  const { log, mode, soleMode, refresh, userland } = options;
  const directory = await runtimeFolder();
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const undo: (() => unknown)[] = [remove];
  let program: Program | undefined;
  // For an end by a bug of our own, or by process.exit, that never comes to `finally`.
  const emergency = () => {
    program?.kill();
    remove();
  };
  process.on('exit', emergency);
  undo.push(() => process.off('exit', emergency));
  try {
    const backing = new MemfdBacking();
    const { firmware, engine, workers = workersForPrograms() } = options;
    const codeCache = codeFolder(userland.cache);
    const display = { mode, soleMode, refresh };
    const machine = await Machine.boot({
      clock,
      backing,
      log,
      ...display,
      firmware,
      engine,
      workers,
      codeCache,
      profile: options.profile,
      dramSize: dramSize(),
    });
    undo.push(() => machine.close());
    const server = new GuestServer({
      nodes: machine.nodes,
      inputNodes: machine.inputNodes,
      backing,
      log,
      directory,
      working: () => clock.working === true,
    });
    undo.push(() => server.close());
    clock.attend?.(server);

    const own = {
      ...guestFolders(userland.cache, directory),
      ...server.environment,
      ...(options.native?.mesa && (await mesaEnvironment(options.native.mesa, join(directory, 'mesa')))),
      ...options.env,
    };
    const start = programStart(userland, options.program, options.args ?? [], own, process.env, options.native);
    const watch = new Watch(machine.display, clock, options);
    undo.push(() => watch.stop());
    const begin = clock.now();
    program = await Program.start(start, { ...options, clock });
    watch.start(program);
    options.onStart?.(program.pid);
    const exitCode = await program.ended;
    const seconds = (clock.now() - begin) / SECOND;
    // The last flips may still be on their way from the socket.
    await new Promise<void>((resolve) => clock.yield(resolve));
    const leaks = await leftBehind(machine, server, clock);
    const { jobs, faults, gpuName, gpuOpens } = machine.stats;
    return {
      ended: watch.ended,
      exitCode: watch.ended === 'frames' ? 0 : exitCode,
      frames: watch.frames,
      seconds,
      fps: watch.fps,
      jobs,
      faults,
      workers: machine.workers?.busySeconds ?? [],
      profiles: (await machine.workers?.profiles()) ?? [],
      gpu: gpuName ?? null,
      gpuOpens,
      leaks,
      screenshot: options.screenshot ? watch.screenshot() : undefined,
    };
  } finally {
    program?.kill();
    for (const step of undo.reverse()) await step();
  }
}

/** Nanoseconds in which the machine forgets a program that has ended, and how often it is asked. */
const FORGETTING = 2 * SECOND;
const ASKING = 5e6;

async function leftBehind(machine: Machine, server: GuestServer, clock: Clock): Promise<Record<string, number>> {
  const end = clock.now() + FORGETTING;
  for (;;) {
    const { channels, descriptors } = server.usage;
    const left = Object.entries({ ...machine.usage, channels, descriptors }).filter(([, count]) => count !== 0);
    if (left.length === 0 || clock.now() >= end) return Object.fromEntries(left);
    await new Promise<void>((resolve) => void clock.after(ASKING, resolve));
  }
}

/** Counts flips, keeps the last picture, and ends the program when its frames or its time are over. */
class Watch {
  ended: LaunchResult['ended'] = 'itself';
  frames = 0;
  readonly #display: Machine['display'];
  readonly #clock: Clock;
  readonly #options: LaunchOptions;
  readonly #undo: (() => void)[] = [];
  #program: Program | undefined;
  #first = 0;
  #last = 0;
  /** The picture that stays: of the last counted frame, or of the moment before the screen went dark. */
  #kept: Picture | undefined;

  constructor(display: Machine['display'], clock: Clock, options: LaunchOptions) {
    this.#display = display;
    this.#clock = clock;
    this.#options = options;
  }

  /** Page flips per second. */
  get fps(): number {
    return this.frames < 2 ? 0 : ((this.frames - 1) * SECOND) / (this.#last - this.#first);
  }

  start(program: Program): void {
    this.#program = program;
    const { timeout, signal, screenshot } = this.#options;
    this.#undo.push(this.#display.onFlip(() => this.#flip()));
    if (screenshot) this.#undo.push(this.#display.onDark(() => this.#dark()));
    if (timeout !== undefined) {
      const timer = this.#clock.after(timeout * SECOND, () => this.#end('timeout'));
      this.#undo.push(() => timer.cancel());
    }
    if (signal) {
      const abort = () => this.#end('aborted');
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      this.#undo.push(() => signal.removeEventListener('abort', abort));
    }
  }

  stop(): void {
    for (const step of this.#undo.splice(0)) step();
  }

  /** What the display shows at the end. */
  screenshot(): Picture {
    return this.#kept ?? this.#display.screenshot();
  }

  #flip(): void {
    if (this.ended === 'frames') return;
    this.#last = this.#clock.now();
    if (this.frames === 0) this.#first = this.#last;
    this.frames++;
    this.#kept = undefined;
    this.#options.onFrame?.(this.frames, () => this.#display.screenshot());
    if (this.frames === this.#options.frames) {
      if (this.#options.screenshot) this.#kept = this.#display.screenshot();
      this.#end('frames');
    }
  }

  #dark(): void {
    if (this.ended !== 'frames') this.#kept = this.#display.screenshot();
  }

  #end(why: LaunchResult['ended']): void {
    if (this.ended !== 'itself' || !this.#program?.running) return;
    this.ended = why;
    this.#program.stop();
  }
}

/** Bytes of DRAM: as much as a machine can have, but not so much that programs which fill it would stifle the host. */
function dramSize(): number {
  const most = Math.floor((totalmem() * 0.75) / DRAM_UNIT) * DRAM_UNIT;
  return Math.min(DRAM_SIZE, most);
}

/** The guest's own folders: a home that stays (caches of shaders and fonts), and a runtime folder that does not. */
function guestFolders(cache: string, directory: string): Record<string, string> {
  const home = join(cache, 'home');
  const runtime = join(directory, 'runtime');
  mkdirSync(home, { recursive: true });
  mkdirSync(runtime, { mode: 0o700 });
  return { HOME: home, XDG_RUNTIME_DIR: runtime };
}
