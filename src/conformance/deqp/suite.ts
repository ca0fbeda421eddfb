/**
 * dEQP, which its user builds (docs/conformance.md says how): a suite for each of its modules. A process runs many cases, named to
 * it on its command line, and writes its log to standard output, where reader.ts follows it.
 *
 * A program of the host's architecture runs on a Mesa of that architecture (`--mesa`, or the one that `tyr mesa build` has built), an
 * arm64 one in the guest.
 */
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ARCHITECTURES } from '../../host/userland/compiler.ts';
import { elfMachine } from '../../host/userland/elf.ts';
import { inspectMesa, type Mesa } from '../../host/userland/mesa.ts';
import { nativeMesa } from '../../host/userland/mesa-build.ts';
import { mesaWorld } from '../../host/userland/mesa-world.ts';
import { Problem } from '../../host/userland/problem.ts';
import type { Native } from '../../host/userland/start.ts';
import { ensureNatives, ensureUserland, type Userland } from '../../host/userland/userland.ts';
import type { Case, Prepared, Suite, SuiteOptions } from '../suite.ts';
import { findBuild } from './build.ts';
import { MODULES } from './modules.ts';
import { LogReader } from './reader.ts';

/**
 * The kernel takes no argument of more than 128 KB (MAX_ARG_STRLEN of linux/binfmts.h). Names of cases have up to 250 characters, so a
 * batch of this size fits.
 */
const BATCH = 400;

/** What Mesa's CI runs it with (deqp-*.toml of .gitlab-ci): a surface of 256 by 256 pixels in memory. */
const SURFACE = [
  '--deqp-surface-width=256',
  '--deqp-surface-height=256',
  '--deqp-surface-type=pbuffer',
  '--deqp-gl-config-name=rgba8888d24s8ms0',
  '--deqp-visibility=hidden',
];

/**
 * By a shell, whose pipe can be opened by its name, /dev/stdout: what Node gives a program for standard output is a socket, which cannot
 * (ENXIO of unix(7)). It ends as the program did, which a pipe's end would hide: with 139 where that crashed.
 */
const piped = (program: string): string =>
  `exec 4>&1; code=$({ { ${program} 3>&- 4>&-; echo $? >&3; } | cat >&4 3>&-; } 3>&1); exit $code`;
const PIPED = piped('"$0" "$@"');
/** With what the program complains of. */
const PIPED_ALL = piped('"$0" "$@" 2>&1');

/** The log by standard output, without what takes room; limits and crashes are the runner's. */
const LOG = [
  '--deqp-log-filename=/dev/stdout',
  '--deqp-log-shader-sources=disable',
  '--deqp-watchdog=disable',
  '--deqp-crashhandler=disable',
];

export const deqp: readonly Suite[] = MODULES.map((module) => ({
  name: module.name,
  title: module.title,
  batchSize: BATCH,
  limit: 60,
  failuresAlone: 'for pictures',

  async prepare({ progress, ask, mesa: prefix, deqp: folder }: SuiteOptions): Promise<Prepared> {
    const build = await findBuild(folder, module);
    const { userland, native, mesa, folders } = await place(build.program, prefix, progress);
    const libraries = [developmentNames(folders), native && !native.root ? process.env.LD_LIBRARY_PATH : undefined]
      .filter(Boolean)
      .join(':');
    const command = (names: readonly string[], pictures: boolean, how = PIPED) => ({
      program: native ? join(native.root ?? '/', 'usr/bin/sh') : 'sh',
      native,
      args: [
        '-c',
        how,
        build.program,
        `--deqp-caselist=${names.join('\n')}\n`,
        `--deqp-archive-dir=${dirname(build.program)}`,
        `--deqp-log-images=${pictures ? 'enable' : 'disable'}`,
        ...(module.surfaces ? SURFACE : []),
        ...LOG,
      ],
      // A shader that another run has compiled would hide what compiling it here comes to.
      env: { EGL_PLATFORM: 'surfaceless', LD_LIBRARY_PATH: libraries, MESA_SHADER_CACHE_DISABLE: 'true' },
    });
    const { about } = module;
    const { output } = about.length > 0 ? await ask(userland, command(about, false, PIPED_ALL)) : { output: '' };
    const gpu = about.length > 0 ? theGpu(output, module.name) : undefined;
    const version = /\bMesa (\d\S*?)(?=[\s<)]|$)/m.exec(output)?.[1] ?? mesa?.version;
    if (version === undefined) {
      throw new Problem(
        `${module.name} does not tell which Mesa it runs on; it said: ${output.slice(-500) || 'nothing'}`,
      );
    }
    return {
      userland,
      mesa: version,
      gpu,
      cases: build.cases.map(toCase),
      command: (cases) =>
        command(
          cases.map(({ name }) => name),
          cases.length === 1,
        ),
    };
  },

  reader: (cases) => new LogReader(cases),
}));

/** What dEQP opens (framework/egl/wrapper/eglwLibrary.cpp, targets of surfaceless), and the names that programs need. */
const NAMES = { 'libEGL.so': 'libEGL.so.1', 'libGLESv2.so': 'libGLESv2.so.2' };

/**
 * dEQP opens libraries by names that only packages for developers have. Gives a folder that has these names for what other programs
 * would find, for as long as this process lives.
 */
export function developmentNames(folders: readonly string[]): string {
  const links = mkdtempSync(join(tmpdir(), 'tyr-deqp-'));
  process.on('exit', () => rmSync(links, { recursive: true, force: true }));
  for (const [name, needed] of Object.entries(NAMES)) {
    const file = folders.map((folder) => join(folder, needed)).find((path) => existsSync(path));
    if (file !== undefined) symlinkSync(file, join(links, name));
  }
  return links;
}

/** GL_RENDERER, or Vulkan's deviceName. Throws Problem where that is not the virtual GPU: a loader takes whatever it finds. */
export function theGpu(output: string, name: string): string {
  const told =
    /^#beginTestCaseResult \S+\.info\.renderer$[\s\S]*?<Text[^>]*>([^<]*)/m.exec(output)?.[1] ??
    /\bdeviceName: ([^<\n]*)/.exec(output)?.[1];
  if (told?.includes('Mali')) return told.trim();
  throw new Problem(
    `${name} does not run on the virtual GPU but on ${told ?? `none: ${output.slice(-500) || 'it said nothing'}`}`,
  );
}

interface Place {
  readonly userland: Userland;
  readonly native: Native | undefined;
  readonly mesa: Mesa | undefined;
  /** Where its libraries are looked for. */
  readonly folders: readonly string[];
}

/** What runs the program, and which Mesa. A script is of the Mesa's architecture, and without one of the guest's. */
async function place(program: string, prefix: string | undefined, progress: SuiteOptions['progress']): Promise<Place> {
  const userland = await ensureUserland({ progress });
  const [guest, host] = [userland.guest.architecture, userland.host.architecture];
  let mesa = prefix === undefined ? undefined : await inspectMesa(prefix, ARCHITECTURES);
  const machine = elfMachine(program);
  const architecture =
    machine === '#!' ? (mesa?.architecture ?? guest) : [guest, host].find(({ elfMachine: own }) => own === machine);
  if (!architecture) throw new Problem(`${program} is no program for ${guest.debian} or ${host.debian}`);
  if (!mesa && architecture !== guest) mesa = await inspectMesa(nativeMesa(), ARCHITECTURES);
  const own = (root: string) => ['usr/lib', 'lib'].map((lib) => join(root, lib, architecture.triplet));
  if (!mesa) return { userland, native: undefined, mesa: undefined, folders: own(userland.root) };
  if (mesa.architecture !== architecture) {
    throw new Problem(
      `${program} is built for ${architecture.debian}, the Mesa in ${mesa.prefix} for ${mesa.architecture.debian}`,
    );
  }
  const packages = async () => (await ensureNatives({ progress })).root;
  const { native } = await mesaWorld(mesa, program, host, { packages });
  const root = native?.root ?? (architecture === guest ? userland.root : '/');
  return {
    userland,
    native,
    mesa,
    folders: [...mesa.libraries, ...own(root), ...['usr/lib64', 'usr/lib'].map((lib) => join(root, lib))],
  };
}

/** The first three parts of a name are its group, or those that it has before its last. */
function toCase(name: string): Case {
  const group = name.split('.').slice(0, -1).slice(0, 3).join('.');
  return { name, group, batch: group.split('.')[0], skip: undefined, args: [] };
}
