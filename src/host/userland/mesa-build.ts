/**
 * `tyr mesa build`: a Mesa with the drivers for this GPU, for the host's own architecture, out of Debian's source package or of a
 * checkout.
 *
 * Debian builds Panfrost for Arm alone, and a host need not have compilers or headers. So all tools come from Debian packages in a
 * folder of the cache, and run there as a guest without an emulator does (start.ts, shim/rooted/): nothing is installed, nobody
 * has to be root. The source is the suite's, with Debian's patches, checked by apt; the result is a piece of the cache. A checkout
 * has a build folder of its own there, so that a second build compiles what has changed.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { SHIM_GUEST } from '../../abi/shim.ts';
import { cacheFolder } from './cache-folder.ts';
import { command } from './command.ts';
import { inspectMesa } from './mesa.ts';
import { MESA_BUILD_PACKAGES, MESA_MINUTES, MESA_OPTIONS, MESA_SETUP } from './mesa-recipe.ts';
import { Problem } from './problem.ts';
import { portion, quiet, type Report } from './progress.ts';
import { SUITE } from './recipe.ts';
import { guestStart, guestVariable } from './start.ts';
import { type Piece, Store } from './store.ts';
import { ensureUserland, hostArchitecture, Plan, type Userland, type UserlandOptions } from './userland.ts';

export interface MesaBuildOptions extends UserlandOptions {
  /** Debian suite whose source is built, and whose tools and libraries are taken. */
  suite?: string | undefined;
  /** A checkout of Mesa in place of Debian's source. */
  source?: string | undefined;
  /** Compilers at a time. */
  jobs?: number | undefined;
}

/** Builds what is missing. Returns the prefix. Throws Problem with the tool's own words where a build fails. */
export async function buildMesa(options: MesaBuildOptions = {}): Promise<string> {
  const { progress = quiet, cache = cacheFolder(), suite = SUITE } = options;
  const userland = await ensureUserland({ progress, cache });
  const plan = new Plan(progress, suite);
  const packages = new Store(cache, progress);
  const store = new Store(cache, progress, 'lock-mesa');
  try {
    const existing = options.source === undefined && store.path(mesaPiece(suite));
    if (existing && existsSync(existing)) return existing;
    progress.note(`building Mesa takes about ${MESA_MINUTES} minutes of processor time`);
    const tools = new Tools(userland, await packages.ensure(plan.mesaTools(MESA_BUILD_PACKAGES)), options.jobs);
    packages.release();
    if (options.source === undefined) {
      const piece = mesaPiece(suite, async (folder, scratch) => {
        const source = join(scratch, 'source');
        const prefix = store.path(piece);
        if (!existsSync(source)) await fetchSource(plan, tools, scratch, source, portion(progress, 0, 0.05));
        await tools.build(source, join(scratch, 'build'), prefix, scratch, portion(progress, 0.05, 1));
        // Meson installs for the folder that this one is going to be.
        const there = join(scratch, 'installed');
        await rm(there, { recursive: true, force: true });
        await tools.install(join(scratch, 'build'), there, scratch);
        for (const name of await readdir(join(there, prefix)))
          await rename(join(there, prefix, name), join(folder, name));
        await inspectMesa(folder, [userland.host.architecture]);
      });
      return await store.ensure(piece);
    }
    const source = resolve(options.source);
    const folder = await store.lockedFolder(
      `mesa-checkout-${createHash('sha256').update(source).digest('hex').slice(0, 12)}`,
    );
    const prefix = join(folder, 'prefix');
    progress.begin(`Mesa of ${source}`);
    try {
      await tools.build(source, join(folder, 'build'), prefix, folder, portion(progress, 0, 1));
      await tools.install(join(folder, 'build'), undefined, folder);
    } finally {
      progress.end();
    }
    await inspectMesa(prefix, [userland.host.architecture]);
    return prefix;
  } finally {
    packages.release();
    store.release();
  }
}

/** Where `buildMesa` has put a suite's Mesa. Throws Problem before it has. */
export function nativeMesa(suite = SUITE): string {
  const path = new Store(cacheFolder(), quiet).path(mesaPiece(suite));
  if (existsSync(path)) return path;
  throw new Problem(
    "there is no Mesa for this host's own programs yet; `tyr mesa build` makes one, --mesa names yours",
  );
}

const notHere = () => Promise.reject(new Error('buildMesa alone builds this piece'));

function mesaPiece(suite: string, build: Piece['build'] = notHere): Piece {
  const { debian } = hostArchitecture();
  return {
    name: `mesa.${suite}-${debian}`,
    title: `Mesa of ${suite} with Panfrost and PanVK for ${debian}`,
    inputs: [1, suite, MESA_OPTIONS, MESA_SETUP],
    build,
  };
}

/** Debian's source package, unpacked and patched into `source`. */
async function fetchSource(plan: Plan, tools: Tools, scratch: string, source: string, report: Report): Promise<void> {
  const files = await plan.source('mesa', scratch, report);
  const find = (pattern: RegExp) => {
    const found = files.find((file) => pattern.test(basename(file)));
    if (found) return found;
    throw new Problem(
      `Debian's source package of Mesa has another form than expected (${files.map((f) => basename(f)).join(', ')})`,
    );
  };
  const unpacked = join(scratch, 'unpacked');
  await rm(unpacked, { recursive: true, force: true });
  await mkdir(unpacked);
  await tools.run('tar', ['-xf', find(/\.orig\.tar\.\w+$/), '-C', unpacked], scratch);
  const [top] = await readdir(unpacked);
  const tree = join(unpacked, top!);
  await tools.run('tar', ['-xf', find(/\.debian\.tar\.\w+$/), '-C', tree], scratch);
  const series = await readFile(join(tree, 'debian/patches/series'), 'utf8').catch(() => '');
  for (const line of series.split('\n')) {
    const [patch] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (patch) await tools.run('patch', ['-s', '-p1', '-d', tree, '-i', join(tree, 'debian/patches', patch)], scratch);
  }
  await rename(tree, source);
}

/** The tree of tools, and how they are run. */
class Tools {
  readonly #userland: Userland;
  readonly #root: string;
  readonly #jobs: number;

  constructor(userland: Userland, root: string, jobs = availableParallelism()) {
    this.#userland = userland;
    this.#root = root;
    this.#jobs = jobs;
  }

  /** Runs a tool to its end; it sees its own tree, and the host's files everywhere else. */
  async run(tool: string, args: string[], home: string, output?: (line: string) => void): Promise<void> {
    const { architecture, rooted } = this.#userland.host;
    const root = { root: this.#root, qemu: undefined, architecture };
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: home,
      LC_ALL: 'C.UTF-8',
      NINJA_STATUS: '[%f/%t] ',
      LD_PRELOAD: rooted,
      [SHIM_GUEST]: guestVariable(root, dirname(rooted)),
    };
    // By the tree's shell, since some tools are scripts.
    const shell = join(this.#root, 'usr/bin/sh');
    const words = ['-c', 'exec "$0" "$@"', tool, ...args];
    const start = guestStart(root, shell, words, env, 'sh');
    const { code, stdout, stderr } = await command(start.file, start.args, {
      env: start.env,
      ...(output && { output }),
    });
    if (code === 0) return;
    const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-25).join('\n');
    throw new Problem(`${tool} ${args[0]} ended with ${code}:\n${said}`);
  }

  async build(source: string, folder: string, prefix: string, home: string, report: Report): Promise<void> {
    report(0, 'meson setup');
    if (!existsSync(join(folder, 'build.ninja'))) {
      const options = await chosenOptions(source);
      await rm(folder, { recursive: true, force: true });
      await this.run('meson', ['setup', folder, source, `--prefix=${prefix}`, ...MESA_SETUP, ...options], home);
    }
    await this.run('ninja', ['-C', folder, `-j${this.#jobs}`], home, (line) => {
      const [, done, all, what] = /^\[(\d+)\/(\d+)\] (.*)/.exec(line) ?? [];
      if (done) report(Number(done) / Number(all), `${done} of ${all}: ${basename(what ?? '')}`);
    });
  }

  /** Puts the result into its prefix, or below `destination`. */
  install(folder: string, destination: string | undefined, home: string): Promise<void> {
    const where = destination === undefined ? [] : ['--destdir', destination];
    return this.run('meson', ['install', '-C', folder, '--no-rebuild', '--quiet', ...where], home);
  }
}

/** meson's arguments for the options that this Mesa has. */
export async function chosenOptions(source: string): Promise<string[]> {
  const texts = ['meson.options', 'meson_options.txt'].map((name) =>
    readFile(join(source, name), 'utf8').catch(() => ''),
  );
  const names = [...(await Promise.all(texts)).join('\n').matchAll(/option\(\s*'([\w-]+)'/g)].map(([, name]) => name);
  if (!names.includes('gallium-drivers') || !names.includes('vulkan-drivers')) {
    throw new Problem(`${source} is no source of Mesa: it has no meson.options with its drivers`);
  }
  const build = await readFile(join(source, 'meson.build'), 'utf8');
  if (/with_driver_using_cl\s*=\s*\[[^\]]*panfrost/.test(build)) {
    throw new Problem(
      `Panfrost of this Mesa (${source}) needs an OpenCL compiler to be built, LLVM's clang with libclc, which tyr mesa build does not bring; build it by Mesa's own instructions, and name its folder with tyr run --mesa`,
    );
  }
  return Object.entries(MESA_OPTIONS)
    .filter(([name]) => names.includes(name))
    .map(([name, value]) => `-D${name}=${value}`);
}
