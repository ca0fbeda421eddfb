/**
 * HostedMachine: a machine with a server before it, on which programs are run, one after another or side by side.
 *
 * The machine's folder (its sockets, what stands for /dev and /sys, the guests' XDG_RUNTIME_DIR) lives in the user's
 * runtime folder and goes with the machine. No program outlives it.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { GpuName } from '../abi/gpu/products.ts';
import { SHIM_GUEST } from '../abi/shim.ts';
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import type { PolicyName } from '../driver/index.ts';
import { DrmError, must } from '../drm/error.ts';
import type { InputPort } from '../input/port.ts';
import { Recorder } from '../input/recorder.ts';
import { DRAM_SIZE, DRAM_UNIT, Machine } from '../machine/machine.ts';
import { machineStatus } from '../machine/status.ts';
import type { DecoderOptions } from '../mali/decode/decoder.ts';
import type { Engine } from '../mali/engine/names.ts';
import type { FaultSwitch } from '../mali/faults.ts';
import { workersForPrograms } from '../mali/workers/count.ts';
import { Control } from './control.ts';
import { DumpFolder } from './dump-folder.ts';
import { MemfdBacking } from './memfd-backing.ts';
import { Program, type ProgramOptions } from './program.ts';
import { runtimeFolder } from './runtime-folder.ts';
import type { ScreenAddress } from './screen/address.ts';
import type { Screen } from './screen/screen.ts';
import { GuestServer } from './server.ts';
import { decoding } from './shader-folder.ts';
import { codeFolder, dumpFolder } from './userland/cache-folder.ts';
import { guardedStart, type WriteGuard } from './userland/landlock.ts';
import { mesaEnvironment } from './userland/mesa.ts';
import type { Namespaces } from './userland/namespaces.ts';
import { type Native, programStart } from './userland/start.ts';
import type { Userland } from './userland/userland.ts';

export interface HostingOptions {
  userland: Userland;
  clock: Clock;
  log: Log;
  /** The CSF firmware image; by default Tyr's own. */
  firmware?: Uint8Array | undefined;
  /** Who runs shaders; by default as MachineOptions.engine says. */
  engine?: Engine | undefined;
  /** Threads beside the main one that draw; by default one for each core but one, or what TYR_WORKERS says. */
  workers?: number | undefined;
  /** Workers note what they spend their time with. */
  profile?: boolean | undefined;
  /** Takes as text what the GPU's command streams execute, and all that it points to. */
  decode?: DecoderOptions | undefined;
  /** A folder for the shader programs that it is given to run; by default the one that TYR_SHADERS names, or none. */
  shaders?: string | undefined;
  /** By which policy groups take turns on the GPU. */
  scheduler?: PolicyName | undefined;
  /** Which Mali the GPU is. */
  gpu?: GpuName | undefined;
  /** What is to fail in the GPU, and when. */
  faults?: readonly FaultSwitch[] | undefined;
  mode?: string | undefined;
  /** The display has no other mode than `mode`. */
  soleMode?: boolean | undefined;
  refresh?: 'mode' | 'unlimited' | undefined;
  /** Takes what people do, as lines of an input script. */
  record?: ((line: string) => void) | undefined;
}

export interface Command {
  program: string;
  /** Runs it by the host's own architecture: on another Mesa, by the libraries of packages. */
  native?: Native | undefined;
  args?: string[] | undefined;
  /** Laid over the caller's environment. */
  env?: Record<string, string> | undefined;
  /** The guest's home. Default: one in the cache. */
  home?: string | undefined;
  /** Gives a program of the guest a root of its own. Without, it finds the guest's files by looking paths up. */
  namespaces?: Namespaces | undefined;
  /** Keeps a program of the guest that has no root of its own from writing where it should not. */
  writeGuard?: WriteGuard | undefined;
}

const SECOND = 1e9;
/** Nanoseconds in which the display has to have shown what is under way before it sleeps. */
const DARKENING = 5 * SECOND;
/** Nanoseconds in which the machine forgets a program that has ended, and how often it is asked. */
const FORGETTING = 2 * SECOND;
const ASKING = 5e6;

export class HostedMachine {
  readonly machine: Machine;
  /** Where what people do comes in. */
  readonly input: InputPort;
  readonly #recorder: Recorder | undefined;
  readonly #server: GuestServer;
  readonly #control: Control;
  readonly #directory: string;
  readonly #options: HostingOptions;
  readonly #programs = new Set<Program>();
  #screen: Screen | undefined;
  #asleep = false;
  // For an end by a bug of our own, or by process.exit, that never comes to `close`.
  readonly #emergency = (): void => {
    this.#kill();
    remove(this.#directory);
  };

  private constructor(
    machine: Machine,
    server: GuestServer,
    control: Control,
    directory: string,
    recorder: Recorder | undefined,
    options: HostingOptions,
  ) {
    this.machine = machine;
    this.input = recorder ?? machine.input;
    this.#recorder = recorder;
    this.#server = server;
    this.#control = control;
    this.#directory = directory;
    this.#options = options;
    process.on('exit', this.#emergency);
  }

  /** Switches a machine on. Throws Problem when this host lacks what it takes. */
  static async start(options: HostingOptions): Promise<HostedMachine> {
    const { clock, log, userland, workers = workersForPrograms(), mode, soleMode, refresh } = options;
    const directory = await runtimeFolder();
    let machine: Machine | undefined;
    let server: GuestServer | undefined;
    try {
      const backing = new MemfdBacking();
      const dumps = new DumpFolder(dumpFolder(userland.cache), log);
      machine = await Machine.boot({
        clock,
        backing,
        log,
        mode,
        soleMode,
        refresh,
        firmware: options.firmware,
        engine: options.engine,
        workers,
        codeCache: codeFolder(userland.cache),
        profile: options.profile,
        decode: decoding(options.decode, options.log, options.shaders),
        faults: options.faults,
        scheduler: options.scheduler,
        gpu: options.gpu,
        coreDump: (dump) => dumps.keep(dump),
        dramSize: dramSize(),
      });
      const { nodes, inputNodes } = machine;
      const working = () => clock.working === true;
      server = new GuestServer({ nodes, inputNodes, backing, log, directory, working });
      clock.attend?.(server);
      const running = machine;
      const recorder = options.record && new Recorder(clock, machine.input, options.record);
      let suspend: (seconds: number) => Promise<void> = async () => {};
      const control = await Control.listen({
        directory,
        clock,
        input: recorder ?? machine.input,
        log,
        status: () => machineStatus(running, clock.now()),
        suspend: (seconds) => suspend(seconds),
        profile: (bits) => {
          must(running.gpu, 'ENODEV', 'this machine has no GPU');
          running.gpu.profiling = bits;
        },
      });
      const host = new HostedMachine(machine, server, control, directory, recorder, options);
      suspend = (seconds) => host.suspend(seconds);
      return host;
    } catch (error) {
      server?.close();
      machine?.close();
      remove(directory);
      throw error;
    }
  }

  /** Starts a program on it. Throws Problem if there is no such program. */
  async run(command: Command, options: Omit<ProgramOptions, 'clock' | 'folder'>): Promise<Program> {
    const { program, native, args = [], env, home, namespaces, writeGuard } = command;
    const { userland, clock } = this.#options;
    const own = {
      ...guestFolders(home ?? join(userland.cache, 'home'), this.#directory),
      ...this.#server.environment,
      ...(native?.mesa && (await mesaEnvironment(native.mesa, join(this.#directory, 'mesa')))),
      ...env,
    };
    const ownRoot = namespaces && { namespaces, machine: this.#directory, cwd: options.cwd ?? process.cwd() };
    const found = programStart(userland, program, args, own, process.env, native, ownRoot);
    const isGuests = found.env[SHIM_GUEST] !== undefined;
    const start = writeGuard && isGuests ? guardedStart(writeGuard, [own.HOME!, this.#directory], found) : found;
    const started = await Program.start(start, { ...options, clock, folder: this.#directory });
    this.#recorder?.begin();
    this.#programs.add(started);
    void started.ended.then(() => this.#programs.delete(started));
    return started;
  }

  /** Puts it to sleep: its programs stand still, and the GPU is switched off with what it was at saved. Throws DrmError. */
  async suspend(seconds: number): Promise<void> {
    const { clock, log } = this.#options;
    must(!this.#asleep, 'EBUSY', 'the machine sleeps already');
    this.#asleep = true;
    const programs = [...this.#programs];
    let wake: (() => Promise<void>) | undefined;
    try {
      log('info', 'PM', 'suspend entry');
      for (const program of programs) program.freeze();
      // The display first: what it is about to show, the GPU may still be drawing.
      wake = await this.#darken();
      await this.machine.gpu?.sleep();
      await new Promise<void>((resolve) => void clock.after(seconds * SECOND, resolve));
    } finally {
      if (this.machine.gpu && !this.machine.gpu.gone) this.machine.gpu.wakeUp();
      if (!this.machine.display.device.gone) await wake?.();
      for (const program of programs) program.thaw();
      log('info', 'PM', 'suspend exit');
      this.#asleep = false;
    }
  }

  /** Puts the display to sleep. Throws EBUSY if a picture that is under way does not come. */
  #darken(): Promise<() => Promise<void>> {
    const sleeping = this.machine.display.sleep();
    let late = false;
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(DARKENING, () => {
        late = true;
        reject(new DrmError('EBUSY', 'a picture that is to be shown does not come, so the display cannot sleep'));
      });
      sleeping
        .then((wakeUp) => {
          // It was given up meanwhile: nobody else would bring the picture back.
          if (late) return wakeUp();
          resolve(wakeUp);
        })
        .catch(reject)
        .finally(() => timer.cancel());
    });
  }

  /** Shows the machine's screen to viewers from now on, under a title. Once. */
  async showScreen(title: string): Promise<ScreenAddress> {
    const { clock, log } = this.#options;
    const { Screen } = await import('./screen/screen.ts');
    const { display, dram } = this.machine;
    this.#screen = new Screen({
      machine: { display, dram, input: this.input },
      clock,
      log,
      directory: this.#directory,
      title,
    });
    return this.#screen.address;
  }

  /** What the machine still has of programs after their end, by kind: nothing, or there is a bug in Tyr. */
  async leftBehind(): Promise<Record<string, number>> {
    const { clock } = this.#options;
    const end = clock.now() + FORGETTING;
    for (;;) {
      const { channels, descriptors } = this.#server.usage;
      const left = Object.entries({ ...this.machine.usage, channels, descriptors }).filter(([, count]) => count !== 0);
      if (left.length === 0 || clock.now() >= end) return Object.fromEntries(left);
      await new Promise<void>((resolve) => void clock.after(ASKING, resolve));
    }
  }

  /** Switches it off, and ends programs that still run. */
  close(): void {
    this.#kill();
    process.off('exit', this.#emergency);
    void this.#screen?.close();
    this.#control.close();
    this.#server.close();
    this.machine.close();
    remove(this.#directory);
  }

  #kill(): void {
    for (const program of this.#programs) program.kill();
  }
}

function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** Bytes of DRAM: as much as a machine can have, but not so much that programs which fill it would stifle the host. */
function dramSize(): number {
  const most = Math.floor((totalmem() * 0.75) / DRAM_UNIT) * DRAM_UNIT;
  return Math.min(DRAM_SIZE, most);
}

/** The guest's own folders: a home that stays (caches of shaders and fonts), and a runtime folder that does not. */
function guestFolders(home: string, directory: string): Record<string, string> {
  const runtime = join(directory, 'runtime');
  mkdirSync(home, { recursive: true });
  mkdirSync(runtime, { mode: 0o700, recursive: true });
  return { HOME: home, XDG_RUNTIME_DIR: runtime };
}
