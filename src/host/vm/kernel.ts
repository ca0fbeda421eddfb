/** Which kernel a virtual machine boots: one of Debian's, by its package, or the user's own. */
import { spawn } from 'node:child_process';
import { Problem } from '../userland/problem.ts';
import { KERNEL_PACKAGE } from '../userland/recipe.ts';
import { guestStart } from '../userland/start.ts';
import { ensureKernel, type Userland, type UserlandOptions, type VmPieces } from '../userland/userland.ts';
import { checkKernelImage } from './image.ts';
import { type KernelModule, keepModules, ModuleTree } from './modules.ts';

export const DRIVERS = ['panthor', 'tyr', 'none'] as const;
export type DriverName = (typeof DRIVERS)[number];

/** What the machine needs before a program can run: its buses, ports and files. */
const BASE = ['virtio_mmio', '9pnet_virtio', '9p', 'virtio_console'];

/** What stands in the device tree beside the GPU: its supply. */
const SUPPLY = 'fixed';

export interface KernelChoice {
  /** PACKAGE or PACKAGE/SUITE of Debian's; by default the recipe's. */
  readonly package?: string | undefined;
  /** A kernel image of the user's own, and the folder of its modules (none: all that is needed is built in). */
  readonly image?: string | undefined;
  readonly modules?: string | undefined;
  readonly driver: DriverName;
}

export interface ChosenKernel {
  readonly image: string;
  readonly modules: KernelModule[];
  readonly driver: KernelModule[];
}

/** Fetches it where it is missing. Throws Problem for a kernel that lacks what is needed. */
export async function chooseKernel(
  choice: KernelChoice,
  userland: Userland,
  pieces: VmPieces,
  options: UserlandOptions,
): Promise<ChosenKernel> {
  const unxz = (file: string): Promise<Uint8Array> => unpacked(userland, pieces, file);
  const driver = choice.driver === 'none' ? [] : [SUPPLY, choice.driver];
  let { image, modules } = choice;
  if (image === undefined) {
    const [name, suite = 'trixie'] = (choice.package ?? KERNEL_PACKAGE).split('/');
    // One piece for all drivers: those that this kernel has.
    const wanted = [...BASE, SUPPLY, 'panthor'];
    const keep = (from: string, to: string): Promise<void> => keepModules(from, to, wanted, ['tyr'], unxz);
    ({ image, modules } = await ensureKernel(name!, suite, wanted, keep, options));
  } else await checkKernelImage(image);
  if (modules === undefined) return { image, modules: [], driver: [] };
  const tree = await ModuleTree.open(modules, unxz);
  const base = await tree.closure(BASE);
  const known = new Set(base.map(({ name }) => name));
  const more = (await tree.closure(driver)).filter(({ name }) => !known.has(name));
  return { image, modules: base, driver: more };
}

/** What an .xz file holds, by the guest's busybox: not every host has a program for it. */
function unpacked(userland: Userland, { busybox }: VmPieces, file: string): Promise<Uint8Array> {
  const start = guestStart(userland, busybox, ['xzcat', file], {}, 'busybox');
  // Without an emulator arm64 is the host's own, and busybox needs no loader.
  const [program, args] = userland.qemu ? [start.file, start.args] : [busybox, ['xzcat', file]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const parts: Buffer[] = [];
    let said = '';
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.stderr.on('data', (part: Buffer) => {
      said += part.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(parts));
      else reject(new Problem(`${file} cannot be unpacked: ${said.trim()}`));
    });
  });
}
