/**
 * The userland: everything that lives on this host so that Debian's unmodified arm64 programs can run on the machine.
 *
 *   guest     a folder with Debian's arm64 packages: Mesa, kmscube and friends, tcc
 *   tools     qemu-aarch64 and tcc for the host (only where the host is not arm64 itself)
 *   shim      libtyr-drm.so and the test clients, once for the guest and once for the host's own programs
 *
 * All of it is built from Debian packages and from shim/ into the user's cache folder, piece by piece (store.ts), without
 * root. `ensureUserland` is the one way in; when nothing is missing it costs a few file look-ups.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Apt, keepLinksInside, makeRoot, unpack } from './apt.ts';
import { cacheFolder } from './cache-folder.ts';
import {
  ARCHITECTURES,
  type Architecture,
  addOlderHeaders,
  type Compiler,
  cFiles,
  guestCompiler,
  hostCompiler,
} from './compiler.ts';
import type { GuestChoice } from './guests.ts';
import { findMirror, type Mirror } from './mirror.ts';
import { Problem } from './problem.ts';
import { type Progress, portion, quiet, type Report } from './progress.ts';
import {
  BUSYBOX_FILE,
  BUSYBOX_PACKAGE,
  FIRMWARE_COMPONENT,
  FIRMWARE_FILE,
  FIRMWARE_PACKAGE,
  GUEST_ETC,
  GUEST_FOLDERS,
  GUEST_PACKAGES,
  KERNEL_GIVEN,
  NATIVE_PACKAGES,
  ROOT_PACKAGES,
  SUITE,
  TOOL_EXCLUDE,
  TOOL_PACKAGES,
  VM_EXCLUDE,
  VM_GIVEN,
  VM_OVERLAY,
  VM_PACKAGES,
} from './recipe.ts';
import type { RootTools } from './root-tools.ts';
import { isSetUp, setUp } from './set-up.ts';
import { guestStart, type Root } from './start.ts';
import { type Piece, Store } from './store.ts';

/** One architecture's side of the shim. */
export interface ShimBuild {
  architecture: Architecture;
  /** libtyr-drm.so, absolute. */
  library: string;
  /** The same for programs that run in a root without an emulator (shim/rooted/). */
  rooted: string;
  /** Absolute paths of the test clients, by their source's name without .c. */
  clients: Record<string, string>;
}

export interface Userland {
  /** The cache folder that holds it all. */
  cache: string;
  /** The guest's root folder. */
  root: string;
  /** qemu-aarch64, or undefined where the host runs arm64 programs itself. */
  qemu: string | undefined;
  guest: ShimBuild;
  /** The same for the host's own programs. On an arm64 host it is `guest`. */
  host: ShimBuild;
}

export interface UserlandOptions {
  progress?: Progress;
  /** Default: $XDG_CACHE_HOME/tyr, or ~/.cache/tyr. */
  cache?: string;
  /** Folder with the shim's sources; test clients in its folder `test`. Default: the repository's. */
  shimSources?: string;
  /** Packages besides the base's. */
  guest?: GuestChoice | undefined;
  /** Debian's; default: the recipe's. */
  suite?: string | undefined;
}

/** A root folder with programs of its own, so that the common guest does not grow. */
export interface OwnRoot {
  /** Beginning of the folder's name: 'piglit'. */
  name: string;
  /** Headline for the progress display. */
  title: string;
  /** Debian packages, which bring what they depend on. */
  packages: string[];
  /** tar patterns of what to leave out of them. */
  exclude: string[];
}

const LIBRARY = 'libtyr-drm.so';
const QEMU = 'usr/bin/qemu-aarch64';
/** The guest's architecture. */
export const GUEST = ARCHITECTURES.find((a) => a.debian === 'arm64')!;

/** The host's architecture by Node's name for it. Throws Problem where Tyr has no host tools for it. */
export function hostArchitecture(): Architecture {
  const debian = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
  const found = ARCHITECTURES.find((a) => a.debian === debian);
  if (found && process.platform === 'linux') return found;
  throw new Problem(`Tyr runs on Linux on amd64 and arm64, not on ${process.platform} on ${process.arch}`);
}

/** Changes when the way a piece is put together changes while its packages do not. */
const FORM = 4;

/** What is built, in order. Pure description: no file is touched until a piece is ensured. */
export class Plan {
  readonly host = hostArchitecture();
  readonly native = this.host === GUEST;
  readonly #progress: Progress;
  readonly #suite: string;
  #mirror: Promise<Mirror> | undefined;

  constructor(progress: Progress, suite = SUITE) {
    this.#progress = progress;
    this.#suite = suite;
  }

  /** Backports are laid over the release that they are for. */
  get #suites(): { suite: string; overlay?: string } {
    const base = /^(.+)-backports$/.exec(this.#suite)?.[1];
    return base === undefined ? { suite: this.#suite } : { suite: base, overlay: this.#suite };
  }

  /** Debian's arm64 packages: the base's, and those of the choice. */
  guest(choice?: GuestChoice): Piece {
    const name = choice ? `guest.${choice.name}` : 'guest';
    const title = choice ? `arm64 guest ${choice.name}` : 'arm64 guest userland';
    const packages = [...new Set([...GUEST_PACKAGES, ...(choice?.packages ?? [])])];
    return this.#packages(name, title, GUEST, ['main'], packages, [], async (root) => {
      await addOlderHeaders(root);
      await finishGuest(root);
    });
  }

  /** A root with other programs. Fetched when asked for. */
  ownRoot({ name, title, packages, exclude }: OwnRoot, architecture: Architecture): Piece {
    return this.#packages(name, title, architecture, ['main'], packages, exclude, (root) => finishGuest(root));
  }

  tools(): Piece {
    return this.#packages(
      'tools',
      'qemu-user and host compiler',
      this.host,
      ['main'],
      TOOL_PACKAGES,
      TOOL_EXCLUDE,
      addOlderHeaders,
    );
  }

  /** What gives a guest a root of its own (root/). */
  rootTools(): Piece {
    return this.#packages('root', "what makes the guest's root", this.host, ['main'], ROOT_PACKAGES, []);
  }

  /** The guest's programs and Mesa for the host's own architecture. Fetched when asked for. */
  natives(choice?: GuestChoice): Piece {
    const name = choice ? `native.${choice.name}` : 'native';
    const title = choice
      ? `${this.host.debian} guest ${choice.name}`
      : "programs of the host's architecture with llvmpipe";
    const packages = [...new Set([...NATIVE_PACKAGES, ...(choice?.packages ?? [])])];
    return this.#packages(name, title, this.host, ['main'], packages, [], (root) => finishGuest(root, ['lib64']));
  }

  /** What builds Mesa for the host's own architecture. Fetched when asked for. */
  mesaTools(packages: string[]): Piece {
    const title = 'compiler, meson and headers that build Mesa';
    // The linker looks for the dynamic loader in lib64.
    const finish = (root: string) => keepProgramsOnly(root, ['lib64']);
    return this.#packages('mesa-tools', title, this.host, ['main'], packages, [], finish);
  }

  /** Fetches a source package of the suite: its files, below `scratch`. */
  async source(name: string, scratch: string, report: Report): Promise<string[]> {
    this.#mirror ??= findMirror(scratch);
    const mirror = await this.#mirror;
    const folder = join(scratch, 'apt');
    const options = { folder, architecture: this.host.debian, mirror, ...this.#suites, components: ['main'] };
    return new Apt({ ...options, sources: true }).source(name, report);
  }

  /** mali_csffw.bin as Debian ships it. Not part of the userland: fetched when asked for. */
  firmware(): Piece {
    const title = 'Mali firmware image of architecture 10.8';
    return this.#packages('firmware', title, GUEST, [FIRMWARE_COMPONENT], [FIRMWARE_PACKAGE], [], async (root) => {
      const image = await readFile(join(root, FIRMWARE_FILE));
      for (const name of await readdir(root)) await rm(join(root, name), { recursive: true });
      await writeFile(join(root, basename(FIRMWARE_FILE)), image);
    });
  }

  /** QEMU's emulator of whole arm64 computers. Fetched when asked for. */
  emulator(): Piece {
    const title = 'QEMU with vfio-user devices';
    const more = { overlay: VM_OVERLAY, given: VM_GIVEN };
    return this.#packages('vm', title, this.host, ['main'], VM_PACKAGES, VM_EXCLUDE, undefined, more);
  }

  busybox(): Piece {
    const title = 'busybox for the initial RAM disk';
    return this.#packages('busybox', title, GUEST, ['main'], [BUSYBOX_PACKAGE], [], async (root) => {
      const program = await readFile(join(root, BUSYBOX_FILE));
      for (const name of await readdir(root)) await rm(join(root, name), { recursive: true });
      await writeFile(join(root, 'busybox'), program, { mode: 0o755 });
    });
  }

  /**
   * A kernel of Debian's with the modules `wanted` and what they need: `vmlinuz`, and `modules`. `keep` moves these modules from
   * the first folder to the second.
   */
  kernel(
    name: string,
    suite: string,
    wanted: readonly string[],
    keep: (from: string, to: string) => Promise<void>,
  ): Piece {
    const finish = async (root: string): Promise<void> => {
      const entries = await readdir(root, { recursive: true });
      const image = entries.find((entry) => /(^|\/)vmlinuz(-[^/]*)?$/.test(entry));
      const modules = entries.find((entry) => /^usr\/lib\/modules\/[^/]+\/kernel$/.test(entry));
      if (image === undefined || modules === undefined) throw new Problem(`${name} of ${suite} holds no kernel`);
      const whole = await readFile(join(root, image));
      await mkdir(join(root, '.kept'));
      await keep(join(root, dirname(modules)), join(root, '.kept'));
      for (const entry of await readdir(root)) {
        if (entry !== '.kept') await rm(join(root, entry), { recursive: true });
      }
      await rename(join(root, '.kept'), join(root, 'modules'));
      await writeFile(join(root, 'vmlinuz'), whole);
      await writeFile(join(root, 'version'), basename(dirname(modules)));
    };
    const more = { overlay: suite === SUITE ? undefined : suite, given: KERNEL_GIVEN };
    const piece = this.#packages('kernel', `${name} of ${suite}`, GUEST, ['main'], [name], [], finish, more);
    return { ...piece, inputs: [piece.inputs, wanted] };
  }

  async shim(compiler: Compiler, sources: string, inputs: string): Promise<Piece> {
    const { debian } = compiler.architecture;
    return {
      name: `shim-${debian}`,
      title: `libtyr-drm.so and test clients for ${debian}`,
      inputs: [FORM, inputs, await sourceHash(sources)],
      build: async (folder) => {
        const shim = await cFiles(sources);
        if (shim.length === 0) throw new Problem(`${sources} has no C sources; the clone of Tyr is incomplete`);
        await compiler.build('library', shim, join(folder, LIBRARY), [`-I${sources}`]);
        await mkdir(join(folder, 'rooted'));
        const rooted = [...shim, ...(await cFiles(join(sources, 'rooted')))];
        await compiler.build('library', rooted, join(folder, 'rooted', LIBRARY), [`-I${sources}`]);
        await mkdir(join(folder, 'test'));
        for (const client of await cFiles(join(sources, 'test'))) {
          await compiler.build('program', [client], join(folder, 'test', basename(client, '.c')), [`-I${sources}`]);
        }
      },
    };
  }

  #packages(
    name: string,
    title: string,
    architecture: Architecture,
    components: string[],
    packages: string[],
    exclude: string[],
    finish: (root: string) => Promise<void> = async () => {},
    more: { overlay?: string | undefined; given?: string[] } = {},
  ): Piece {
    return {
      name: `${name}-${architecture.debian}`,
      title,
      inputs: [FORM, this.#suite, components, packages, exclude, GUEST_ETC, ...(more.given ? [more] : [])],
      build: async (root, scratch) => {
        this.#mirror ??= findMirror(scratch);
        const mirror = await this.#mirror;
        const folder = join(scratch, 'apt');
        const apt = new Apt({
          folder,
          architecture: architecture.debian,
          mirror,
          ...this.#suites,
          components,
          ...more,
        });
        const debs = await apt.download(packages, portion(this.#progress, 0, 0.6), (amount) => {
          if (amount.packages === 0) return; // an earlier setup, interrupted, has fetched them all
          const disk = amount.disk === undefined ? '' : `, ${amount.disk} on disk`;
          const fetched = `${amount.packages} packages, ${Math.ceil(amount.download / 1e6)} MB to fetch${disk}`;
          this.#progress.note(`${title}: ${fetched}`);
        });
        await makeRoot(root);
        await unpack(debs, root, portion(this.#progress, 0.6, 1), exclude);
        await keepLinksInside(root);
        await finish(root);
      },
    };
  }
}

/** Leaves a guest the folders that are its own, and gives it the files that programs expect. */
async function finishGuest(root: string, more: string[] = []): Promise<void> {
  await keepProgramsOnly(root, more);
  await mkdir(join(root, 'etc'), { recursive: true });
  for (const [name, text] of Object.entries(GUEST_ETC)) await writeFile(join(root, 'etc', name), text);
}

/** Removes what would hide the host's folders from programs that run in this root. */
async function keepProgramsOnly(root: string, more: string[] = []): Promise<void> {
  for (const name of await readdir(root)) {
    if (![...GUEST_FOLDERS, ...more].includes(name)) await rm(join(root, name), { recursive: true });
  }
}

/** Makes sure that the whole userland is there. Throws Problem when this host lacks what it takes. */
export async function ensureUserland(options: UserlandOptions = {}): Promise<Userland> {
  const progress = options.progress ?? quiet;
  const cache = options.cache ?? cacheFolder();
  const sources = options.shimSources ?? fileURLToPath(new URL('../../../shim', import.meta.url));
  const plan = new Plan(progress, options.suite);
  const store = new Store(cache, progress);
  try {
    const root = await store.ensure(plan.guest(options.guest));
    const tools = plan.native ? undefined : await store.ensure(plan.tools());
    const qemu = tools && join(tools, QEMU);
    await makeSetUp(store, progress, options.guest?.name ?? 'the guest', { root, qemu });
    const run = (program: string, args: string[]) => guestStart({ root, qemu }, join(root, program), args, process.env);
    const guestTcc = guestCompiler(GUEST, root, run, plan.native);
    const guest = await shimBuild(store, await plan.shim(guestTcc, sources, root), GUEST);
    const host = tools
      ? await shimBuild(store, await plan.shim(hostCompiler(plan.host, tools), sources, tools), plan.host)
      : guest;
    return { cache, root, qemu, guest, host };
  } finally {
    store.release();
  }
}

/** Makes sure that a root is set up. */
function makeSetUp(store: Store, progress: Progress, name: string, where: Root): Promise<void> {
  const report = portion(progress, 0, 1);
  return store.once(
    `what the packages of ${name} set up`,
    () => isSetUp(where),
    () => setUp(where, report),
  );
}

/** The root folder of such programs, of the guest's or of the host's architecture: fetched first where it is missing. */
export async function ensureOwnRoot(
  recipe: OwnRoot,
  architecture: Architecture,
  options: UserlandOptions = {},
): Promise<string> {
  const progress = options.progress ?? quiet;
  const store = new Store(options.cache ?? cacheFolder(), progress);
  try {
    const plan = new Plan(progress);
    const root = await store.ensure(plan.ownRoot(recipe, architecture));
    const emulated = architecture !== plan.host;
    const qemu = emulated ? join(await store.ensure(plan.tools()), QEMU) : undefined;
    await makeSetUp(store, progress, recipe.name, { root, qemu, architecture });
    return root;
  } finally {
    store.release();
  }
}

/** The image that Debian ships as arch10.8/mali_csffw.bin: its path, fetched first where it is missing. */
export async function ensureRealFirmware(options: UserlandOptions = {}): Promise<string> {
  const progress = options.progress ?? quiet;
  const store = new Store(options.cache ?? cacheFolder(), progress);
  try {
    return join(await store.ensure(new Plan(progress).firmware()), basename(FIRMWARE_FILE));
  } finally {
    store.release();
  }
}

export interface VmPieces {
  /** Root folder of QEMU's packages, and the program in it. */
  emulator: { root: string; program: string; architecture: Architecture };
  /** A static arm64 busybox. */
  busybox: string;
}

/** What a virtual machine is started with, fetched first where it is missing. */
export async function ensureVm(options: UserlandOptions = {}): Promise<VmPieces> {
  const progress = options.progress ?? quiet;
  const store = new Store(options.cache ?? cacheFolder(), progress);
  const plan = new Plan(progress);
  try {
    const root = await store.ensure(plan.emulator());
    const busybox = join(await store.ensure(plan.busybox()), 'busybox');
    return { emulator: { root, program: join(root, 'usr/bin/qemu-system-aarch64'), architecture: plan.host }, busybox };
  } finally {
    store.release();
  }
}

/** A kernel's folder, fetched first where it is missing: see Plan.kernel. */
export async function ensureKernel(
  name: string,
  suite: string,
  wanted: readonly string[],
  keep: (from: string, to: string) => Promise<void>,
  options: UserlandOptions = {},
): Promise<{ image: string; modules: string; version: string }> {
  const progress = options.progress ?? quiet;
  const store = new Store(options.cache ?? cacheFolder(), progress);
  try {
    const folder = await store.ensure(new Plan(progress).kernel(name, suite, wanted, keep));
    const version = await readFile(join(folder, 'version'), 'utf8');
    return { image: join(folder, 'vmlinuz'), modules: join(folder, 'modules'), version };
  } finally {
    store.release();
  }
}

/** The root folder of the programs of the host's own architecture: fetched first where it is missing. */
export async function ensureNatives(
  options: UserlandOptions = {},
): Promise<{ root: string; architecture: Architecture }> {
  const progress = options.progress ?? quiet;
  const store = new Store(options.cache ?? cacheFolder(), progress);
  const plan = new Plan(progress, options.suite);
  try {
    const root = await store.ensure(plan.natives(options.guest));
    const name = options.guest?.name ?? 'the programs of the host';
    await makeSetUp(store, progress, name, { root, qemu: undefined, architecture: plan.host });
    return { root, architecture: plan.host };
  } finally {
    store.release();
  }
}

/** Programs of ROOT_PACKAGES: fetched first where they are missing. */
export async function ensureRootTools(options: UserlandOptions = {}): Promise<RootTools> {
  const progress = options.progress ?? quiet;
  const store = new Store(options.cache ?? cacheFolder(), progress);
  const plan = new Plan(progress);
  try {
    const folder = await realpath(await store.ensure(plan.rootTools()));
    const libraries = join('usr/lib', plan.host.triplet);
    return { folder, loader: join(libraries, plan.host.loader), libraries };
  } finally {
    store.release();
  }
}

/** Which pieces of Debian packages are there already, for `tyr doctor`. */
export function presentPieces(
  cache = cacheFolder(),
): { title: string; path: string; present: boolean; optional: boolean }[] {
  const plan = new Plan(quiet);
  const store = new Store(cache, quiet);
  const needed = plan.native ? [plan.guest()] : [plan.guest(), plan.tools()];
  return [...needed, plan.firmware()].map((piece, i) => ({
    title: piece.title,
    path: store.path(piece),
    present: store.has(piece),
    optional: i === needed.length,
  }));
}

async function shimBuild(store: Store, piece: Piece, architecture: Architecture): Promise<ShimBuild> {
  const folder = await store.ensure(piece);
  const clients: Record<string, string> = {};
  for (const name of await readdir(join(folder, 'test'))) clients[name] = join(folder, 'test', name);
  return { architecture, library: join(folder, LIBRARY), rooted: join(folder, 'rooted', LIBRARY), clients };
}

/** A hash of all C files and headers under a folder. */
async function sourceHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const files = (await readdir(folder, { recursive: true }).catch(() => [])).filter((name) => /\.[ch]$/.test(name));
  for (const name of files.sort()) hash.update(`${name}\0`).update(await readFile(join(folder, name)));
  return hash.digest('hex');
}
