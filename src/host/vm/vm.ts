/**
 * vm: a virtual machine with a Linux kernel of its own, in QEMU, whose GPU is our virtual Mali: that kernel's driver drives it.
 *
 * Reading order: kernel.ts, image.ts and modules.ts (what is booted), initramfs.ts and init.ts (what runs first in it), device-tree.ts and
 * fdt.ts (what the kernel is told of the board), qemu.ts (how QEMU is started), channel.ts and qmp.ts (what it says), pins.ts (interrupts). The GPU
 * reaches it by ../vfio/.
 */

import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BOARD_GPU, firmwarePlace, GPU_PRODUCTS, type GpuName } from '../../abi/gpu/products.ts';
import { REGISTER_WINDOW } from '../../abi/gpu/regs.ts';
import type { Clock } from '../../board/clock.ts';
import { ForeignMemory } from '../../board/foreign-memory.ts';
import type { Log } from '../../board/log.ts';
import { GpuBoard } from '../../machine/gpu-board.ts';
import { DRAM_SIZE } from '../../machine/machine.ts';
import type { Engine } from '../../mali/engine/names.ts';
import type { FaultSwitch } from '../../mali/faults.ts';
import { workersForPrograms } from '../../mali/workers/count.ts';
import { ForeignMapper } from '../foreign-mapper.ts';
import { Program } from '../program.ts';
import { runtimeFolder } from '../runtime-folder.ts';
import { decoding } from '../shader-folder.ts';
import { codeFolder } from '../userland/cache-folder.ts';
import { Problem } from '../userland/problem.ts';
import type { Userland, VmPieces } from '../userland/userland.ts';
import { VfioServer } from '../vfio/server.ts';
import { VmChannel } from './channel.ts';
import { boardTree, GPU_SPI } from './device-tree.ts';
import { FairLimit, waitsOf } from './fair-limit.ts';
import { initScript, PORTS, programScript, SHARE_FOLDER, type Told } from './init.ts';
import { Initramfs } from './initramfs.ts';
import { readKernelLog } from './kernel-log.ts';
import type { KernelModule } from './modules.ts';
import { Pacer } from './pacer.ts';
import { InterruptPins } from './pins.ts';
import { dumpTree, qemuStart } from './qemu.ts';
import { Qmp } from './qmp.ts';

export interface VmOptions {
  readonly userland: Userland;
  readonly pieces: VmPieces;
  /** The kernel's image, and what is loaded before the GPU's driver and for it. */
  readonly kernel: {
    readonly image: string;
    readonly modules: readonly KernelModule[];
    readonly driver: readonly KernelModule[];
  };
  /** Whether a driver is expected to bring the GPU up. */
  readonly expectGpu: boolean;
  readonly firmware: Uint8Array;
  /** Program and arguments as the guest's shell finds them. */
  readonly words: readonly string[];
  /** A file of the host's that the guest has as /tyr/program. */
  readonly own?: Uint8Array | undefined;
  readonly env?: Record<string, string>;
  readonly clock: Clock;
  readonly log: Log;
  /** Megabytes, processors. */
  readonly memory: number;
  readonly cpus: number;
  /** A folder of the host's that the guest has as /share, to write too. */
  readonly share?: string | undefined;
  /** More of the kernel's command line. */
  readonly append?: string | undefined;
  readonly engine?: Engine | undefined;
  readonly workers?: number | undefined;
  /** Which Mali the GPU is; by default the Rock 5B's. */
  readonly gpu?: GpuName | undefined;
  /** The program is to have a terminal: what it writes goes to stdout, as it is. */
  readonly terminal?: boolean;
  readonly stdout: (bytes: Uint8Array) => void;
  readonly stderr: (bytes: Uint8Array) => void;
  /** Called with where the program's input is to be written, once it can be. */
  readonly stdin?: (write: (bytes: Uint8Array) => void, end: () => void) => void;
  /** What the kernel writes on its serial console. */
  readonly console?: ((text: string) => void) | undefined;
  /** Called when the board is there, before the guest starts. */
  readonly onBoard?: ((board: GpuBoard) => void) | undefined;
  /** Switches that are turned when the driver is up (at once, where none is expected): their occasions count from there. */
  readonly faults?: readonly FaultSwitch[] | undefined;
  /** Ends the machine after so many seconds in which the host has let it run. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal;
}

export interface VmResult {
  readonly ended: 'itself' | 'timeout' | 'aborted';
  /** The program's. */
  readonly exitCode: number;
  readonly seconds: number;
  /** From the start of QEMU until init ran, and until there was a render node; undefined: there was none. */
  readonly bootSeconds: number;
  readonly gpuSeconds: number | undefined;
  /** The kernel's release. */
  readonly kernel: string;
  /** The kernel's log. */
  readonly dmesg: string;
  /** What in it warns of something that this kernel does not always warn of. */
  readonly warnings: readonly string[];
  /** How often the kernel read and wrote the GPU's registers, and how often it was interrupted. */
  readonly reads: number;
  readonly writes: number;
  readonly interrupts: number;
  /** For how long the guest's time stood still, as the GPU needed longer than silicon would have. */
  readonly stoppedSeconds: number;
}

const SECOND = 1e9;
/** Bytes of the serial console that are kept for what is told of a failure. */
const KEPT = 4000;

export async function runVm(options: VmOptions): Promise<VmResult> {
  const directory = await runtimeFolder();
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const undo: (() => unknown)[] = [remove];
  let program: Program | undefined;
  const emergency = () => {
    program?.kill();
    remove();
  };
  process.on('exit', emergency);
  undo.push(() => process.off('exit', emergency));
  try {
    const { clock } = options;
    const memory = new ForeignMemory(DRAM_SIZE, new ForeignMapper());
    const { engine, workers = workersForPrograms(), log } = options;
    const codeCache = codeFolder(options.userland.cache);
    const decode = decoding(undefined, log);
    const board = new GpuBoard(memory, { clock, log, engine, workers, codeCache, decode, gpu: options.gpu });
    undo.push(() => board.close());
    options.onBoard?.(board);
    const path = (name: string): string => join(directory, name);
    const server = new VfioServer({
      path: path('gpu'),
      registers: board.gpu,
      size: REGISTER_WINDOW,
      // They have pins of their own.
      lines: [],
      memory,
      log,
    });
    undo.push(() => server.close());
    clock.attend?.(server);

    const guest = await Guest.listen(path, options);
    undo.push(() => guest.close());
    const { job, mmu, gpu } = board.irqs;
    const pins = await InterruptPins.listen(path('pins'), [
      { line: job, spi: GPU_SPI.job },
      { line: mmu, spi: GPU_SPI.mmu },
      { line: gpu, spi: GPU_SPI.gpu },
    ]);
    pins.onRefusal = (sentence) => log('error', 'vm', `QEMU refuses an interrupt: ${sentence}`);
    undo.push(() => pins.close());
    const begin = clock.now();
    const since = (): number => (clock.now() - begin) / SECOND;
    guest.since = since;
    const arm = (): void => {
      for (const fault of options.faults ?? []) board.gpu.faults.arm(fault);
    };
    if (options.expectGpu) guest.onGpu = arm;
    else arm();
    const start = qemuStart({
      emulator: options.pieces.emulator,
      kernel: options.kernel.image,
      ...(await files(path, options)),
      append: ['console=ttyAMA0 quiet log_buf_len=1M', options.append].filter(Boolean).join(' '),
      memory: options.memory,
      cpus: options.cpus,
      sockets: { gpu: path('gpu'), pins: pins.channel.path, ...guest.sockets },
      root: options.userland.root,
      share: options.share,
    });
    const pacer = new Pacer(board.gpu, clock, (run) => guest.qmp.command(run ? 'cont' : 'stop'));
    undo.push(() => pacer.close());
    let said = '';
    program = await Program.start(
      { ...start, env: process.env },
      {
        clock,
        stdout: 'stderr',
        stderr: (text) => {
          said += text;
        },
      },
    );
    pins.connect(guest.qmp).catch((error: Error) => {
      // Where QEMU has ended already, that is told below.
      if (!program?.running) return;
      guest.problem ??= error.message;
      program.stop();
    });
    let ended: VmResult['ended'] = 'itself';
    const end = (why: VmResult['ended']): void => {
      if (ended === 'itself') ended = why;
      program?.stop();
    };
    guest.onPanic = () => program?.stop();
    if (options.timeout !== undefined) {
      const waits = waitsOf([program.pid, process.pid]);
      const limit = new FairLimit(clock, options.timeout * SECOND, waits, () => end('timeout'));
      undo.push(() => limit.cancel());
    }
    const abort = (): void => end('aborted');
    options.signal?.addEventListener('abort', abort);
    undo.push(() => options.signal?.removeEventListener('abort', abort));
    if (options.signal?.aborted) abort();
    const code = await program.ended;
    const seconds = since();
    await guest.drained();
    const kernelLog = readKernelLog(guest.dmesg);
    if (ended === 'itself') {
      if (guest.problem !== undefined) throw new Problem(`the virtual machine says: ${guest.problem}`);
      if (guest.panicked) throw new Problem(`the virtual machine's kernel has panicked:\n${guest.tail}`);
      if (code !== 0) throw new Problem(`QEMU ended with ${code}: ${said.trim()}`);
      if (guest.exitCode === undefined)
        throw new Problem(`the virtual machine was switched off from within\n${guest.tail}`);
    }
    return {
      ended,
      exitCode: guest.exitCode ?? code,
      seconds,
      bootSeconds: guest.bootSeconds ?? seconds,
      gpuSeconds: guest.gpuSeconds,
      kernel: guest.kernel,
      dmesg: kernelLog.text,
      warnings: kernelLog.warnings,
      reads: server.reads,
      writes: server.writes,
      interrupts: pins.raised,
      stoppedSeconds: pacer.stopped / SECOND,
    };
  } finally {
    program?.kill();
    for (const step of undo.reverse()) await step();
  }
}

/** Writes what QEMU reads: the initial RAM disk and the device tree. */
async function files(path: (name: string) => string, options: VmOptions): Promise<{ initrd: string; tree: string }> {
  const { kernel, pieces, firmware, share } = options;
  const disk = new Initramfs()
    .file('bin/busybox', await readFile(pieces.busybox), 0o755)
    .file(`lib/firmware/${firmwarePlace(GPU_PRODUCTS[options.gpu ?? BOARD_GPU])}`, firmware)
    .file(
      'program',
      programScript(options.words, guestEnvironment(options), share === undefined ? '/root' : SHARE_FOLDER),
    );
  for (const folder of ['dev', 'proc', 'sys']) disk.folder(folder);
  for (const { name, data } of [...kernel.modules, ...kernel.driver]) disk.file(`modules/${name}.ko`, data);
  if (options.own) disk.file('own', options.own, 0o755);
  const names = (modules: readonly KernelModule[]): string[] => modules.map(({ name }) => name);
  const script = initScript({
    modules: names(kernel.modules),
    driver: names(kernel.driver),
    expectGpu: options.expectGpu,
    terminal: options.terminal ?? false,
    share: share !== undefined,
  });
  disk.file('init', script, 0o755);
  const [initrd, tree] = [path('initrd'), path('dtb')];
  await writeFile(initrd, disk.pack());
  await dumpTree(pieces.emulator, options, tree);
  await writeFile(tree, boardTree(await readFile(tree)));
  return { initrd, tree };
}

const guestEnvironment = ({ env, terminal }: VmOptions): Record<string, string> => ({
  PATH: '/usr/local/bin:/usr/bin:/bin:/usr/games:/usr/sbin:/sbin',
  HOME: '/root',
  XDG_RUNTIME_DIR: '/run',
  LANG: 'C.UTF-8',
  ...(terminal ? { TERM: process.env.TERM ?? 'vt100' } : {}),
  ...env,
});

/** What is heard of the machine within. */
class Guest {
  exitCode: number | undefined;
  problem: string | undefined;
  bootSeconds: number | undefined;
  gpuSeconds: number | undefined;
  kernel = '';
  /** With levels. */
  dmesg = '';
  /** The end of what the kernel wrote on its serial console. */
  tail = '';
  panicked = false;
  since: () => number = () => 0;
  onPanic: () => void = () => {};
  onGpu: () => void = () => {};
  readonly qmp: Qmp;
  readonly sockets: {
    qmp: string;
    serial: string;
    console: string | undefined;
    ports: Record<keyof typeof PORTS, string>;
  };
  readonly #channels: VmChannel[];
  #control = '';

  private constructor(qmp: Qmp, channels: VmChannel[], sockets: Guest['sockets']) {
    this.qmp = qmp;
    this.#channels = channels;
    this.sockets = sockets;
  }

  static async listen(path: (name: string) => string, options: VmOptions): Promise<Guest> {
    let guest: Guest;
    const listen = (name: string, data: (bytes: Buffer) => void) => VmChannel.listen(path(name), data);
    const qmp = await Qmp.listen(path('qmp'));
    const serial = await listen('serial', (bytes) => guest.#serial(bytes.toString('latin1'), options.console));
    const takers: Record<keyof typeof PORTS, (bytes: Buffer) => void> = {
      control: (bytes) => guest.#take(bytes.toString()),
      stdin: () => {},
      stdout: options.stdout,
      stderr: options.stderr,
      dmesg: (bytes) => {
        guest.dmesg += bytes.toString();
      },
    };
    const ports = {} as Record<keyof typeof PORTS, VmChannel>;
    for (const name of Object.keys(PORTS) as (keyof typeof PORTS)[]) ports[name] = await listen(name, takers[name]);
    const terminal = options.terminal ? await listen('console', options.stdout) : undefined;
    const input = terminal ?? ports.stdin;
    options.stdin?.(
      (bytes) => input.write(bytes),
      () => input.end(),
    );
    const paths = Object.fromEntries(Object.entries(ports).map(([name, channel]) => [name, channel.path]));
    const sockets = { qmp: qmp.channel.path, serial: serial.path, console: terminal?.path };
    const channels = [qmp.channel, serial, ...Object.values(ports), ...(terminal ? [terminal] : [])];
    guest = new Guest(qmp, channels, { ...sockets, ports: paths as Guest['sockets']['ports'] });
    return guest;
  }

  /** Resolves when all that was written has been heard. QEMU is gone. */
  async drained(): Promise<void> {
    await Promise.all(this.#channels.map((channel) => channel.drained()));
  }

  close(): void {
    this.qmp.close();
    for (const channel of this.#channels) channel.close();
  }

  #serial(text: string, console: VmOptions['console']): void {
    console?.(text);
    this.tail = (this.tail + text).slice(-KEPT);
    if (this.panicked || !this.tail.includes('Kernel panic - not syncing')) return;
    this.panicked = true;
    this.onPanic();
  }

  #take(text: string): void {
    const lines = (this.#control + text).split('\n');
    this.#control = lines.pop()!;
    for (const line of lines) {
      const [told, ...rest] = line.trim().split(' ');
      const what = rest.join(' ');
      switch (told as Told) {
        case 'booted':
          this.kernel = what;
          this.bootSeconds = this.since();
          break;
        case 'gpu':
          this.gpuSeconds = this.since();
          this.onGpu();
          break;
        case 'no-gpu':
          break;
        case 'exit':
          this.exitCode = Number(what);
          break;
        case 'problem':
          this.problem = what;
      }
    }
  }
}
