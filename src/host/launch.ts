/**
 * launch: one machine, one program on it, from power-on to power-off. What `tyr run`, `tyr bench` and the guest tests do.
 *
 * The program may end by itself, after so many page flips, after a time, or because the caller aborts; in every case its
 * whole process group is gone before the machine (hosted-machine.ts) is switched off.
 */
import type { Profiler } from 'node:inspector';
import { basename } from 'node:path';
import { type Clock, HostClock } from '../board/clock.ts';
import type { Picture } from '../display/index.ts';
import { Player, type ScriptLine } from '../input/script.ts';
import type { Machine } from '../machine/machine.ts';
import { type LeftOver, leftOver, sumOf } from '../mali/engine/left-over.ts';
import { treeSeconds, waitedSeconds } from './cpu-time.ts';
import { type Command, HostedMachine, type HostingOptions } from './hosted-machine.ts';
import type { Program, ProgramOptions } from './program.ts';
import type { ScreenAddress } from './screen/address.ts';

export interface LaunchOptions
  extends Omit<HostingOptions, 'clock'>,
    Command,
    Pick<ProgramOptions, 'stdin' | 'stdout' | 'stderr' | 'cwd' | 'grace'> {
  clock?: Clock;
  /** End the program after so many page flips. */
  frames?: number;
  /** End the program after so many seconds. */
  timeout?: number;
  /** Serve the screen to viewers; called with its address before the program starts. */
  onScreen?: ((address: ScreenAddress) => void) | undefined;
  /** What a person does, from the program's start on. */
  input?: readonly ScriptLine[] | undefined;
  /** Keep what the display shows at the end. */
  screenshot?: boolean;
  /** Called when the machine is on, before the program starts. */
  onMachine?: ((machine: Machine) => void) | undefined;
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
  /** Seconds in which the GPU had something to do. */
  gpuSeconds: number;
  /** CPU seconds of the program's processes. */
  cpuSeconds: number;
  /** Seconds that each worker has drawn. */
  workers: number[];
  /** What each of them has spent its time with, if it was to be noted. */
  profiles: Profiler.Profile[];
  /** What emitted code has left to script, on all threads if profiles were to be noted, else on the machine's own. */
  left: LeftOver;
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
  const host = await HostedMachine.start({ ...options, clock });
  const { machine } = host;
  options.onMachine?.(machine);
  const watch = new Watch(machine.display, clock, options);
  const player = new Player(clock, host.input);
  try {
    if (options.onScreen) options.onScreen(await host.showScreen(basename(options.program)));
    const begin = clock.now();
    const waitedBefore = waitedSeconds();
    const program = await host.run(options, options);
    watch.start(program);
    options.onStart?.(program.pid);
    const { input = [], log } = options;
    const playing = player.playScript(input);
    const exitCode = await program.ended;
    const seconds = (clock.now() - begin) / SECOND;
    player.stop();
    const left = input.length - (await playing);
    if (left > 0) log('warn', 'input', `the program ended before ${left} of the script's ${input.length} lines`);
    // The last flips may still be on their way from the socket.
    await new Promise<void>((resolve) => clock.yield(resolve));
    const leaks = await host.leftBehind();
    const { jobs, faults, gpuName, gpuOpens, gpuWorked } = machine.stats;
    const threads = (await machine.workers?.profiles()) ?? [];
    return {
      ended: watch.ended,
      exitCode: watch.ended === 'frames' ? 0 : exitCode,
      frames: watch.frames,
      seconds,
      fps: watch.fps,
      jobs,
      faults,
      gpuSeconds: gpuWorked / SECOND,
      cpuSeconds: watch.cpuSeconds ?? waitedSeconds() - waitedBefore,
      workers: machine.workers?.busySeconds ?? [],
      profiles: threads.map(({ profile }) => profile),
      left: sumOf([leftOver(), ...threads.map(({ left }) => left)]),
      gpu: gpuName ?? null,
      gpuOpens,
      leaks,
      screenshot: options.screenshot ? watch.screenshot() : undefined,
    };
  } finally {
    player.stop();
    watch.stop();
    host.close();
  }
}

/** Counts flips, keeps the last picture, and ends the program when its frames or its time are over. */
class Watch {
  ended: LaunchResult['ended'] = 'itself';
  frames = 0;
  /** Of a program that was ended. */
  cpuSeconds: number | undefined;
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
    this.cpuSeconds = treeSeconds(this.#program.pid);
    this.#program.stop();
  }
}
