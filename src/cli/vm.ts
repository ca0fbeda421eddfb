/** `tyr vm`: a Linux kernel of its own on a virtual machine whose GPU is the virtual Mali, and a program on it. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { GpuName } from '../abi/gpu/products.ts';
import { HostClock } from '../board/clock.ts';
import { guestOf } from '../host/userland/guests.ts';
import { Problem } from '../host/userland/problem.ts';
import { ensureRealFirmware, ensureUserland, ensureVm } from '../host/userland/userland.ts';
import { chooseKernel, type DriverName } from '../host/vm/kernel.ts';
import { MOST_MEMORY } from '../host/vm/qemu.ts';
import { runVm, type VmResult } from '../host/vm/vm.ts';
import type { Engine } from '../mali/engine/names.ts';
import type { FaultSwitch } from '../mali/faults.ts';
import { interruptible } from './interrupts.ts';
import { kernelLog } from './log.ts';
import { progressBar } from './progress-bar.ts';

export interface VmCommandOptions {
  driver: DriverName;
  package?: string;
  kernel?: string;
  modules?: string;
  /** Debian packages that the guest's tree has besides the base's. */
  packages?: string[];
  smp: number;
  memory: number;
  share?: string;
  append?: string;
  env?: Record<string, string>;
  firmware?: string;
  timeout?: number;
  dmesg?: string;
  json?: boolean;
  engine?: Engine;
  workers?: number;
  stdin?: boolean;
  fault?: FaultSwitch[];
  gpu?: GpuName;
  verbose?: boolean;
}

const TIMED_OUT = 124;
/** Megabytes below which no kernel of Debian's boots with its initial RAM disk. */
const LEAST_MEMORY = 192;
const MOST_PROCESSORS = 8;

export async function vm(program: string | undefined, args: string[], options: VmCommandOptions): Promise<number> {
  check(options);
  const progress = progressBar();
  const { packages } = options;
  const userland = await ensureUserland({ progress, ...(packages && { guest: guestOf(packages) }) });
  const pieces = await ensureVm({ progress });
  const { driver, json, verbose } = options;
  const choice = { driver, package: options.package, image: options.kernel, modules: options.modules };
  const kernel = await chooseKernel(choice, userland, pieces, { progress });
  const firmware = await contents('firmware image', options.firmware ?? (await ensureRealFirmware({ progress })));
  const share = options.share === undefined ? undefined : await folder(options.share);
  const own = program?.includes('/') && existsSync(program) ? await contents('program', program) : undefined;
  const words = [own ? '/tyr/program' : (program ?? 'sh'), ...args];
  const clock = new HostClock();
  const output = json ? process.stderr : process.stdout;
  const terminal = !json && process.stdin.isTTY === true && process.stdout.isTTY === true;
  const { value: result, interrupted } = await interruptible((signal) =>
    runVm({
      userland,
      pieces,
      kernel,
      expectGpu: driver !== 'none',
      firmware,
      words,
      own,
      env: options.env ?? {},
      clock,
      log: kernelLog(clock, (line) => output.write(line), verbose ?? false),
      memory: options.memory,
      cpus: options.smp,
      share,
      append: options.append,
      engine: options.engine,
      workers: options.workers,
      faults: options.fault,
      gpu: options.gpu,
      terminal,
      stdout: (bytes) => output.write(bytes),
      stderr: (bytes) => process.stderr.write(bytes),
      stdin: (write, end) => passOn(options, terminal, write, end),
      console: verbose ? (text) => process.stderr.write(text) : undefined,
      timeout: options.timeout,
      signal,
    }),
  ).finally(() => terminal && process.stdin.setRawMode(false));
  if (options.dmesg !== undefined) await writeFile(options.dmesg, result.dmesg);
  const exitCode = interrupted ?? (result.ended === 'timeout' ? TIMED_OUT : result.exitCode);
  output.write(`${basename(words[0]!)}: ${summary(result, driver)}\n`);
  const { warnings } = result;
  if (warnings.length > 0)
    output.write([`the kernel warns, as it does not always (${warnings.length}):`, ...warnings, ''].join('\n'));
  if (json) console.log(JSON.stringify(report(result, exitCode, driver)));
  return exitCode;
}

function check({ kernel, modules, package: name, memory, smp }: VmCommandOptions): void {
  if (kernel !== undefined && name !== undefined) throw new Problem('--kernel and --package each name a kernel');
  if (modules !== undefined && kernel === undefined) throw new Problem('--modules are those of a --kernel');
  if (memory < LEAST_MEMORY || memory > MOST_MEMORY) {
    throw new Problem(
      `--memory is between ${LEAST_MEMORY} and ${MOST_MEMORY} megabytes: the GPU reaches what is below 4 GiB`,
    );
  }
  if (smp > MOST_PROCESSORS) throw new Problem(`--smp is at most ${MOST_PROCESSORS}`);
}

/** This command's input to the guest: keys of a terminal one by one, or (with --stdin) all of it. */
function passOn(
  { stdin }: VmCommandOptions,
  terminal: boolean,
  write: (bytes: Uint8Array) => void,
  end: () => void,
): void {
  if (!terminal && !stdin) return;
  if (terminal) process.stdin.setRawMode(true);
  process.stdin.on('data', write);
  process.stdin.on('end', end);
}

async function contents(what: string, file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (error) {
    throw new Problem(`the ${what} cannot be read: ${(error as Error).message}`);
  }
}

async function folder(path: string): Promise<string> {
  await mkdir(path, { recursive: true }).catch(() => {});
  if (!(await stat(path).catch(() => undefined))?.isDirectory())
    throw new Problem(`there is no folder ${path} to share`);
  return resolve(path);
}

function summary(result: VmResult, driver: DriverName): string {
  const { ended, exitCode, kernel, seconds, bootSeconds, gpuSeconds, reads, writes, interrupts } = result;
  const endings = {
    itself: exitCode === 0 ? '' : `, exit code ${exitCode}`,
    timeout: ', ended by the time limit',
    aborted: ', interrupted',
  };
  const gpu = gpuSeconds === undefined ? 'without a render node' : `${driver} up after ${gpuSeconds.toFixed(1)} s`;
  const bus = `${reads} register reads, ${writes} writes, ${interrupts} interrupts`;
  return `Linux ${kernel} in ${bootSeconds.toFixed(1)} s, ${gpu}; ${seconds.toFixed(1)} s in all, ${bus}${endings[ended]}`;
}

const report = (result: VmResult, exitCode: number, driver: DriverName): object => ({
  exitCode,
  seconds: result.seconds,
  bootSeconds: result.bootSeconds,
  gpuSeconds: result.gpuSeconds ?? null,
  kernel: result.kernel,
  driver,
  registerReads: result.reads,
  registerWrites: result.writes,
  interrupts: result.interrupts,
  stoppedSeconds: result.stoppedSeconds,
  warnings: result.warnings,
});
