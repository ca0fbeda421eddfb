/** `tyr run`: one program on one machine, with its log, its frame rate, and what it left on the screen. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { PNG } from 'pngjs';
import type { GpuName } from '../abi/gpu/products.ts';
import { HostClock } from '../board/clock.ts';
import type { Picture } from '../display/index.ts';
import type { PolicyName } from '../driver/index.ts';
import { type LaunchResult, launch } from '../host/launch.ts';
import type { ScreenAddress } from '../host/screen/address.ts';
import { ARCHITECTURES } from '../host/userland/compiler.ts';
import { type GuestRoot, guestRoot, ownRootRefused, type RootChoice } from '../host/userland/guest-root.ts';
import { commandOf } from '../host/userland/guests.ts';
import { inspectMesa } from '../host/userland/mesa.ts';
import { nativeMesa } from '../host/userland/mesa-build.ts';
import { mesaWorld, packagesWorld, type World } from '../host/userland/mesa-world.ts';
import { isWithin } from '../host/userland/namespaces.ts';
import { LLVMPIPE } from '../host/userland/natives.ts';
import { Problem } from '../host/userland/problem.ts';
import { ensureNatives, ensureUserland, GUEST, hostArchitecture } from '../host/userland/userland.ts';
import type { Engine } from '../mali/engine/names.ts';
import type { FaultSwitch } from '../mali/faults.ts';
import { readScript } from './input.ts';
import { interruptible } from './interrupts.ts';
import { kernelLog } from './log.ts';
import { leftText, Profile } from './profile.ts';
import { progressBar } from './progress-bar.ts';
import { screenLine } from './screen.ts';
import { openWindow } from './window.ts';

export interface RunOptions {
  frames?: number;
  screenshot?: string;
  timeout?: number;
  json?: boolean;
  mode?: string;
  refresh?: 'mode' | 'unlimited';
  env?: Record<string, string>;
  firmware?: string;
  engine?: Engine;
  workers?: number;
  stdin?: boolean;
  /** False: nobody can look on. */
  screen?: boolean;
  /** Open the screen's page as a window. */
  window?: boolean;
  /** A file with an input script. */
  input?: string;
  /** A file for what people do, as such a script. */
  recordInput?: string;
  verbose?: boolean;
  /** Say at the end what the run was bound by. */
  profile?: boolean;
  /** A file for what the GPU's command streams execute. */
  decode?: string;
  /** A folder for the shader programs that the GPU is given. */
  shaders?: string;
  /** By which policy groups take turns on the GPU. */
  scheduler?: PolicyName;
  /** Which Mali the GPU is. */
  gpu?: GpuName;
  /** What is to fail in the GPU, and when. */
  fault?: FaultSwitch[];
  /** Folder of a Mesa that the program is to run on. */
  mesa?: string;
  /** On the Mesa that `tyr mesa build` has built, as a program of the host's own architecture. */
  native?: boolean;
  /** By Mesa's software renderer, as a program of the host's own architecture: what a GPU's picture is compared with. */
  llvmpipe?: boolean;
  /** A guest by its name, or by the packages that it has besides the base's. */
  guest?: string;
  packages?: string[];
  /** The Debian suite of all packages. */
  suite?: string;
  /** How the guest finds its files: see RootChoice, with the next two. */
  root?: RootChoice['root'];
  home?: string;
  share?: string[];
}

/** timeout(1)'s exit code. */
const TIMED_OUT = 124;

export async function run(named: string, given: string[], options: RunOptions): Promise<number> {
  const { frames, timeout, json, mode, refresh, firmware, engine, workers, verbose } = options;
  const script = options.input === undefined ? undefined : await readScript(options.input);
  const { userland, world, args, env, root } = await prepare(named, given, options);
  const { program } = world;
  const image = firmware === undefined ? undefined : await readImage(firmware);
  const clock = new HostClock();
  const output = json ? process.stderr : process.stdout;
  if (root && (verbose || !root.namespaces)) output.write(`guest root: ${root.how}\n`);
  const programOutput = new ProgramOutput();
  const profile = options.profile ? new Profile() : undefined;
  const decoded = options.decode === undefined ? undefined : new LineFile(options.decode);
  const doings = options.recordInput === undefined ? undefined : new LineFile(options.recordInput);
  const { value: result, interrupted } = await interruptible((signal) =>
    launch({
      userland,
      program,
      native: world.native,
      namespaces: root?.namespaces,
      writeGuard: root?.writeGuard,
      home: root?.home,
      args,
      clock,
      log: kernelLog(clock, (line) => output.write(line), verbose ?? false),
      stdin: options.stdin || process.stdin.isTTY ? 'inherit' : 'silent',
      stdout: json ? 'stderr' : programOutput.sink,
      screenshot: options.screenshot !== undefined,
      input: script,
      signal,
      frames,
      timeout,
      mode,
      refresh,
      env,
      firmware: image,
      engine,
      workers,
      profile: options.profile,
      faults: options.fault,
      scheduler: options.scheduler,
      gpu: options.gpu,
      onScreen:
        options.screen === false ? undefined : (address) => showScreen(address, options.window ?? false, output),
      record: doings && ((line) => doings.line(line)),
      decode: decoded && { write: (line) => decoded.line(line) },
      shaders: options.shaders,
      onStart: profile && ((pid) => profile.start(pid)),
    }),
  );
  decoded?.close();
  doings?.close();
  root?.release();
  const bound = await profile?.stop(result.workers, result.profiles);
  if (result.screenshot && options.screenshot !== undefined) await writePng(options.screenshot, result.screenshot);
  const exitCode = interrupted ?? (result.ended === 'timeout' ? TIMED_OUT : result.exitCode);
  const { seconds, fps, jobs, gpuSeconds, cpuSeconds, faults, gpu, gpuOpens } = result;
  output.write(`${programOutput.rest}${named}: ${summary(result)}\n`);
  const unasked = options.llvmpipe ? usedGpu(result) : unusedGpu(result);
  if (unasked !== undefined) output.write(`WARNING: ${unasked}\n`);
  const leaks = Object.entries(result.leaks).map(([kind, count]) => `${count} ${kind}`);
  if (leaks.length > 0) {
    output.write(`WARNING: the machine still holds ${leaks.join(', ')} of ${named}: this is a bug in Tyr.\n`);
  }
  if (bound !== undefined) output.write(bound + leftText(result.left));
  if (json)
    console.log(
      JSON.stringify({
        exitCode,
        frames: result.frames,
        seconds,
        fps,
        jobs,
        gpuSeconds,
        cpuSeconds,
        faults,
        gpu,
        gpuOpens,
      }),
    );
  return exitCode;
}

/** Tells where the screen is seen, and opens it there if that is wanted. */
function showScreen(address: ScreenAddress, window: boolean, output: NodeJS.WritableStream): void {
  output.write(`${screenLine(address)}\n`);
  if (!window) return;
  const complain = (sentence: string): void => void output.write(`WARNING: no window: ${sentence}\n`);
  openWindow(address, complain).then(
    (sentence) => sentence && complain(sentence),
    (error: Error) => complain(error.message),
  );
}

/** Sets up what a command line needs: which guest or packages, which Mesa, and what runs the program. */
async function prepare(named: string, given: string[], options: RunOptions) {
  const progress = progressBar();
  const { suite, native, llvmpipe = false } = options;
  const { guest, program, args, env, ownRoot } = commandOf(named, given, options);
  const host = hostArchitecture();
  const folder = options.mesa ?? (native ? nativeMesa(suite) : undefined);
  const mesa = folder === undefined ? undefined : await inspectMesa(folder, ARCHITECTURES);
  const own = host !== GUEST && (llvmpipe || mesa?.architecture === host);
  if (ownRoot) {
    const refusal = await ownRootRefused(options.root, own);
    if (refusal !== undefined) throw new Problem(`${named} needs a root of its own: ${refusal}`);
  }
  // Programs of the host's own architecture need no other guest than the one that the shim is built with.
  const userland = await ensureUserland({ progress, suite: own ? undefined : suite, guest: own ? undefined : guest });
  const packages = async () => (await ensureNatives({ progress, suite, guest })).root;
  const packagesFirst = native === true || guest !== undefined;
  const world: World = mesa
    ? await mesaWorld(mesa, program, host, { packages, packagesFirst })
    : own
      ? packagesWorld(await packages(), program)
      : { program, native: undefined };
  // Programs of packages have theirs; this host's own have its root.
  const packaged = world.native?.root !== undefined && isWithin(world.program, world.native.root);
  const root =
    own && !packaged
      ? await hostsRoot(options)
      : await guestRoot({ ...options, native: own, ...(ownRoot && { root: 'namespaces' }) }, progress);
  const oneUser = root?.namespaces?.users.refused;
  if (ownRoot === 'users' && oneUser !== undefined) {
    root!.release();
    throw new Problem(`${named} needs other users in its root: ${oneUser}`);
  }
  return { userland, world, args, env: { ...env, ...(llvmpipe && LLVMPIPE), ...options.env }, root };
}

/** Programs that are this host's own have its root. */
async function hostsRoot({ root, home, share }: RunOptions): Promise<GuestRoot | undefined> {
  if (root === 'namespaces' || share !== undefined)
    throw new Problem("a root of its own, and shared folders, are for programs of packages, not for this host's own");
  return home === undefined ? undefined : guestRoot({ root: 'lookup', home });
}

/** A sentence where the GPU had no part in a run: a Mesa that does not find its driver draws by the processor, and says nothing. */
export function unusedGpu({ gpu, gpuOpens, frames, jobs }: LaunchResult): string | undefined {
  if (gpu === null) return 'this machine has no GPU (the log above says why).';
  if (gpuOpens === 0) return 'no program opened the GPU.';
  if (frames > 0 && jobs === 0) return 'no program gave the GPU work: the frames were drawn without it.';
  return undefined;
}

/** A sentence where the GPU had a part in a run that was to do without it. */
export function usedGpu({ jobs }: LaunchResult): string | undefined {
  return jobs > 0 ? `the GPU has done ${jobs} jobs: what was drawn is not all llvmpipe's.` : undefined;
}

/** One line: how much was drawn, how fast, and how it ended. */
export function summary({
  ended,
  exitCode,
  frames,
  seconds,
  fps,
  jobs,
  gpuSeconds,
  cpuSeconds,
  faults,
}: LaunchResult): string {
  const many = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const endings = {
    itself: exitCode === 0 ? '' : `, exit code ${exitCode}`,
    frames: '',
    timeout: ', ended by the time limit',
    aborted: ', interrupted',
  };
  const rate = fps > 0 ? ` (${fps.toFixed(2)} frames per second)` : '';
  const time = `${seconds.toFixed(2)} s`;
  const own = `${cpuSeconds.toFixed(2)} s of CPU time`;
  return `${many(frames, 'frame')} in ${time}${rate} with ${own}, ${many(jobs, 'GPU job')} in ${gpuSeconds.toFixed(2)} s, ${many(faults, 'fault')}${endings[ended]}`;
}

/** The program's standard output on its way to ours. A terminal is passed on as it is, so that the program sees one. */
class ProgramOutput {
  /** The newline that the program still owes: one that is ended in the middle of a line leaves it open. */
  rest = '';

  get sink(): 'inherit' | ((text: string) => void) {
    if (process.stdout.isTTY) return 'inherit';
    return (text) => {
      this.rest = text.endsWith('\n') ? '' : '\n';
      process.stdout.write(text);
    };
  }
}

/** Collected text; written when it is this long. */
const CHUNK = 1 << 16;

/** A file that is written line by line. */
class LineFile {
  readonly #file: string;
  readonly #descriptor: number;
  #text = '';
  #failed: Problem | undefined;

  /** Throws Problem if the file cannot be written. */
  constructor(file: string) {
    this.#file = file;
    this.#descriptor = this.#do(() => openSync(file, 'w'));
  }

  /** It comes from the midst of the GPU's work, which the disk's faults are no matter of: they are told when the file is closed. */
  line(text: string): void {
    if (this.#failed) return;
    this.#text += `${text}\n`;
    if (this.#text.length < CHUNK) return;
    try {
      this.#flush();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#failed = error;
    }
  }

  /** Throws Problem if a line has not been written. */
  close(): void {
    if (!this.#failed) this.#flush();
    this.#do(() => closeSync(this.#descriptor));
    if (this.#failed) throw this.#failed;
  }

  #flush(): void {
    const text = this.#text;
    this.#text = '';
    this.#do(() => writeFileSync(this.#descriptor, text));
  }

  #do<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new Problem(`${this.#file} cannot be written: ${(error as Error).message}`);
    }
  }
}

async function readImage(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new Problem(`the firmware image cannot be read: ${(error as Error).message}`);
  }
}

export async function writePng(file: string, { width, height, data }: Picture): Promise<void> {
  const png = new PNG({ width, height });
  png.data.set(data);
  try {
    await writeFile(file, PNG.sync.write(png, { colorType: 2, inputHasAlpha: true }));
  } catch (error) {
    throw new Problem(`the screenshot cannot be written: ${(error as Error).message}`);
  }
}
