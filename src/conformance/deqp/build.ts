/**
 * A dEQP that the user has built from Khronos' source: where its program and the list of its cases lie.
 *
 * `--deqp` names a build folder of CMake's, an installed tree (`/deqp` of Mesa's CI), or the folder with the program itself. The
 * lists are part of the source; a build folder's CMakeCache.txt says where that is (cmake(1), CMAKE_HOME_DIRECTORY).
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Problem } from '../../host/userland/problem.ts';
import type { Module } from './modules.ts';

export interface Build {
  /** Absolute path of the program. Its data lie beside it. */
  readonly program: string;
  /** Names of the cases, in the list's order. */
  readonly cases: readonly string[];
}

/** Finds what a module needs in a folder. Throws Problem, which names what is missing and how it comes to be. */
export async function findBuild(folder: string | undefined, module: Module): Promise<Build> {
  if (folder === undefined) {
    throw new Problem(
      `${module.name} is built from Khronos' source (github.com/KhronosGroup/VK-GL-CTS); name the build folder with --deqp`,
    );
  }
  const root = resolve(folder);
  const program = [join(root, module.folder, module.name), join(root, module.name)].find((file) => existsSync(file));
  if (program === undefined) {
    throw new Problem(
      `there is no ${module.name} in ${root}, nor in ${module.folder} below it; \`make ${module.name}\` builds it`,
    );
  }
  const source = await sourceOf(root);
  const places = [
    join(root, 'mustpass', module.list),
    join(dirname(program), module.list),
    ...(source ? [join(source, module.sourceList)] : []),
  ];
  const list = places.find((file) => existsSync(file));
  if (list === undefined) {
    throw new Problem(`${module.name} of ${root} has no list of cases; looked for: ${places.join(', ')}`);
  }
  return { program, cases: await readList(list) };
}

async function sourceOf(root: string): Promise<string | undefined> {
  const cache = await readFile(join(root, 'CMakeCache.txt'), 'utf8').catch(() => '');
  return /^CMAKE_HOME_DIRECTORY:INTERNAL=(.+)$/m.exec(cache)?.[1];
}

/** A list names cases, one a line, or files with more of them; lines that begin with # say nothing. */
async function readList(file: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim());
  const names: string[] = [];
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue;
    if (!line.endsWith('.txt')) names.push(line);
    else for (const name of await readList(join(dirname(file), line))) names.push(name);
  }
  return names;
}
