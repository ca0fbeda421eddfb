/**
 * By what a program runs on a Mesa of the caller's: by this host's own libraries, or by those of packages in the cache.
 *
 * A Mesa that was built on this host belongs to this host's libraries, and so do the programs that are installed here: together
 * they run as if Tyr were a board. A Mesa that was built against newer ones (`tyr mesa build` on an older host) asks for a C
 * library that this host has not; then the dynamic loader of the packages runs the program, the host's own, too. The packages
 * also bring programs that this host lacks. Whether a Mesa's libraries find all that they need is what the dynamic loader itself
 * says (LD_TRACE_LOADED_OBJECTS, ld.so(8)).
 */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { command } from './command.ts';
import type { Architecture } from './compiler.ts';
import type { Mesa } from './mesa.ts';
import { Problem } from './problem.ts';
import { guestStart, type Native } from './start.ts';

export interface World {
  /** Absolute path of the program, or what was asked for where it is the guest's. */
  program: string;
  native: Native | undefined;
}

/** Folders of a root's programs. */
const FOLDERS = ['usr/local/bin', 'usr/bin', 'usr/games', 'usr/sbin'];

export interface WorldOptions {
  /** Fetches the packages: their root folder. */
  packages: () => Promise<string>;
  /** A name is a program of the packages, whatever this host has. */
  packagesFirst?: boolean;
  /** The caller's PATH. */
  path?: string;
}

/**
 * Finds the program and what runs it. A path is a file of this host; a name is looked up in PATH, then among the packages. Throws
 * Problem.
 */
export async function mesaWorld(
  mesa: Mesa,
  program: string,
  host: Architecture,
  { packages, packagesFirst = false, path = process.env.PATH ?? '' }: WorldOptions,
): Promise<World> {
  // A Mesa of the guest's architecture takes the place of the guest's own.
  if (mesa.architecture !== host) return { program, native: { mesa } };
  const here = program.includes('/') ? resolve(program) : packagesFirst ? undefined : findIn(path.split(':'), program);
  if (program.includes('/') && !existsSync(here!)) throw new Problem(`there is no file ${here}`);
  const missing = here ? await whatIsMissing(mesa, hostLoader(host), []) : [];
  if (here && missing.length === 0) return { program: here, native: { mesa } };
  const root = await packages();
  const found =
    here ??
    findIn(
      FOLDERS.map((folder) => join(root, folder)),
      program,
    );
  if (!found) {
    throw new Problem(
      `neither this host (PATH) nor the packages in ${root} have a program ${program}; give a path to yours`,
    );
  }
  const { file, args } = guestStart({ root, qemu: undefined, architecture: host, folders: mesa.libraries }, '', [], {});
  const still = await whatIsMissing(mesa, file, args.slice(0, args.indexOf('--library-path') + 2));
  if (still.length === 0) return { program: found, native: { mesa, root } };
  const own = here ? `; by this host's libraries: ${missing.join(', ')}` : '';
  throw new Problem(
    `the Mesa in ${mesa.prefix} does not find all that it needs among the packages in ${root}: ${still.join(', ')}${own}; install what is missing, or build it with what is there (tyr mesa build)`,
  );
}

/** Finds a program of packages of the host's own architecture, which runs on their own Mesa. Throws Problem. */
export function packagesWorld(root: string, program: string): World {
  const found = findIn(
    FOLDERS.map((folder) => join(root, folder)),
    program,
  );
  if (found) return { program: found, native: { root } };
  throw new Problem(`the packages in ${root} have no program ${program}`);
}

/** The kernel's choice for programs of this host. */
function hostLoader({ loader }: Architecture): string {
  const found = ['/lib64', '/lib'].map((folder) => join(folder, loader)).find((file) => existsSync(file));
  if (found) return found;
  throw new Problem(`this host has no dynamic loader ${loader}`);
}

/** What the dynamic loader does not find for this Mesa, in its own words. */
async function whatIsMissing(mesa: Mesa, loader: string, options: string[]): Promise<string[]> {
  const missing = new Set<string>();
  const env = { ...process.env, LD_LIBRARY_PATH: mesa.libraries.join(':'), LD_TRACE_LOADED_OBJECTS: '1' };
  for (const library of [mesa.gallium, mesa.eglVendor, mesa.glx, mesa.vulkan]) {
    if (!library) continue;
    const { code, stdout, stderr } = await command(loader, [...options, library], { env });
    const told = `${stdout}\n${stderr}`.split('\n').filter((line) => /not found|error/i.test(line));
    for (const line of told) missing.add(line.trim());
    if (code !== 0 && told.length === 0) missing.add(`${library}: the loader ends with ${code}`);
  }
  return [...missing];
}

function findIn(folders: string[], name: string): string | undefined {
  return folders
    .map((folder) => resolve(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}
