/**
 * Folders of a root in which only some of its programs look for libraries: those that programs and libraries name themselves
 * (DT_RPATH, DT_RUNPATH), as piglit's do `/usr/lib/TRIPLET/piglit/lib`.
 *
 * A dynamic loader that runs on this host takes such a path for one of this host's (ld.so(8)), and a child's program may name
 * others than its parent's. So the folders of all files of a root are gathered, once a root, and every program of it is told them,
 * behind the common ones: a library that lies in two places is the common one. What begins with $ORIGIN the loader finds by
 * itself.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { libraryFolders } from './elf.ts';

/** Where a root's programs and libraries lie. */
const LOOKED_INTO = ['usr/bin', 'usr/games', 'usr/lib', 'usr/libexec', 'usr/local', 'usr/sbin'];
/** Where the answer is kept, in the root, since looking at all files takes seconds. */
const KEPT = 'etc/tyr-library-folders';

const known = new Map<string, string[]>();

/** Absolute paths of such folders as this host has them, without those in `common`. A root without files has none. */
export function ownFolders(root: string, common: readonly string[]): string[] {
  const all = known.get(root) ?? kept(root) ?? gather(root);
  known.set(root, all);
  return all.filter((folder) => !common.includes(folder));
}

function kept(root: string): string[] | undefined {
  try {
    return readFileSync(join(root, KEPT), 'utf8').split('\n').filter(Boolean);
  } catch {
    return undefined;
  }
}

function gather(root: string): string[] {
  const named = new Set<string>();
  const look = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) look(path);
      else if (entry.isFile() && isLoaded(path)) for (const each of libraryFolders(path)) named.add(each);
    }
  };
  const there = LOOKED_INTO.map((name) => join(root, name)).filter(isFolder);
  for (const folder of there) look(folder);
  const folders = [...named]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(root, folder).replace(/\/$/, ''))
    .filter(isFolder)
    .sort();
  if (there.length > 0) keep(root, folders);
  return folders;
}

/** Programs and libraries: the rest of a root, most of its files, need not be opened. */
function isLoaded(path: string): boolean {
  return /\.so(\.|$)/.test(path) || (statSync(path).mode & 0o111) !== 0;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function keep(root: string, folders: readonly string[]): void {
  const file = join(root, KEPT);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, folders.map((folder) => `${folder}\n`).join(''));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // Not this user's cache: the next run looks again.
  }
}
