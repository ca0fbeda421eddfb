/**
 * The C compiler of the setup: Debian's tcc, taken out of a userland folder, for the guest and for the host.
 *
 * No compiler has to be installed. The guest's runs under qemu-user (or as it is, on an arm64 host) and finds its headers
 * by itself; the host's runs by the dynamic loader that was unpacked with it and is told every path, because the paths
 * that are built into it belong to the host. What it builds for the host is linked against the host's own C library, so
 * that it asks for no newer symbols than that one has.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import { Problem } from './problem.ts';

/** What a Debian architecture calls its library folder, its dynamic loader, and its ELF machine (elf.h). */
export interface Architecture {
  debian: string;
  triplet: string;
  loader: string;
  elfMachine: number;
}

export const ARCHITECTURES: Architecture[] = [
  { debian: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1', elfMachine: 183 },
  { debian: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2', elfMachine: 62 },
];

export interface Compiler {
  readonly architecture: Architecture;
  /** Compiles `sources` into one shared library or program. Throws with the compiler's words when it cannot. */
  build(kind: 'library' | 'program', sources: string[], output: string, flags?: string[]): Promise<void>;
}

/** <asm/sigcontext.h> of Linux 7 for arm64 says __u128, which <linux/types.h> has only for compilers that know __int128; tcc knows this one. */
const wideNames = ({ debian }: Architecture): string[] => (debian === 'arm64' ? ['-D__u128=__uint128_t'] : []);

async function compile(file: string, args: string[], env: NodeJS.ProcessEnv, output: string): Promise<void> {
  const { code, stdout, stderr } = await command(file, args, { env });
  if (code !== 0) throw new Error(`tcc could not build ${output}:\n${(stdout + stderr).trim()}`);
}

/** The guest's own tcc. `run` says how a program of the guest's root is started here. */
export function guestCompiler(
  architecture: Architecture,
  root: string,
  run: (program: string, args: string[]) => { file: string; args: string[]; env: NodeJS.ProcessEnv },
  native: boolean,
): Compiler {
  // Without qemu nothing translates the absolute paths that are built into tcc.
  if (native) return hostCompiler(architecture, root, join(root, 'usr/lib', architecture.triplet));
  return {
    architecture,
    async build(kind, sources, output, flags = []) {
      const shape = kind === 'library' ? ['-shared'] : [];
      const { file, args, env } = run('/usr/bin/tcc', [
        ...shape,
        ...wideNames(architecture),
        ...flags,
        ...sources,
        '-o',
        output,
      ]);
      await compile(file, args, env, output);
    },
  };
}

/** Folder, inside a root with tcc, of the headers that `addOlderHeaders` writes. */
const OLDER_HEADERS = 'usr/include/tyr';

/**
 * The suite's C library headers rename strtol and scanf to C23 versions that an older C library of the host lacks. This
 * puts a <features.h> beside them that asks for the names that every glibc has (glibc include/features.h).
 */
export async function addOlderHeaders(root: string): Promise<void> {
  await mkdir(join(root, OLDER_HEADERS), { recursive: true });
  const lines = ['#include_next <features.h>'];
  for (const name of ['__GLIBC_USE_ISOC23', '__GLIBC_USE_C23_STRTOL'])
    lines.push(`#undef ${name}`, `#define ${name} 0`);
  await writeFile(join(root, OLDER_HEADERS, 'features.h'), `${lines.join('\n')}\n`);
}

/**
 * tcc unpacked in `root`, run by `root`'s own loader. `libraries` is the folder with the libc.so.6 to link against;
 * without it, the host's own.
 */
export function hostCompiler(architecture: Architecture, root: string, libraries?: string): Compiler {
  const { triplet } = architecture;
  const own = join(root, 'usr/lib', triplet);
  const libc = libraries ?? hostLibraries(triplet);
  const include = [
    join(root, OLDER_HEADERS),
    join(own, 'tcc/include'),
    join(root, 'usr/include', triplet),
    join(root, 'usr/include'),
  ];
  return {
    architecture,
    async build(kind, sources, output, flags = []) {
      const shape = kind === 'library' ? ['-shared'] : [join(own, 'crt1.o')];
      const args = [
        '-nostdinc',
        '-nostdlib',
        ...include.map((folder) => `-I${folder}`),
        ...shape,
        join(own, 'crti.o'),
        ...wideNames(architecture),
        ...flags,
        ...sources,
        ...['libc.so.6', 'libdl.so.2', 'libpthread.so.0']
          .map((name) => join(libc, name))
          .filter((name) => existsSync(name)),
        join(own, 'libc_nonshared.a'),
        join(own, 'tcc/libtcc1.a'),
        join(own, 'crtn.o'),
        '-o',
        output,
      ];
      const loader = join(own, architecture.loader);
      await compile(loader, ['--library-path', own, join(root, 'usr/bin/tcc'), ...args], process.env, output);
    },
  };
}

/** The folder of the host's own libc.so.6. */
function hostLibraries(triplet: string): string {
  const folder = [`/lib/${triplet}`, `/usr/lib/${triplet}`, '/lib64', '/usr/lib64', '/lib', '/usr/lib'].find((name) =>
    existsSync(join(name, 'libc.so.6')),
  );
  if (folder) return folder;
  throw new Problem("this host's C library is no glibc (no libc.so.6 was found); run Tyr on Debian or Ubuntu");
}

/** The .c files of a folder, sorted; none if there is no such folder. */
export async function cFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => name.endsWith('.c'))
    .sort()
    .map((name) => join(folder, name));
}
