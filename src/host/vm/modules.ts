/**
 * Kernel modules: which files hold what a list of modules needs, in the order in which they are loaded.
 *
 * What a module depends on stands in its own `.modinfo` section (Linux `scripts/mod/modpost.c`), so no `depmod` has to have
 * run. What the kernel has built in stands in `modules.builtin`.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { Problem } from '../userland/problem.ts';

export interface KernelModule {
  readonly name: string;
  readonly data: Uint8Array;
}

const FILE = /^(.*)\.ko(\.gz|\.xz|\.zst)?$/;
/** In file names `-` and `_` are the same. */
const plain = (name: string): string => name.replaceAll('-', '_');

export class ModuleTree {
  readonly #folder: string;
  readonly #files = new Map<string, string>();
  readonly #builtin = new Set<string>();
  readonly #unxz: (file: string) => Promise<Uint8Array>;

  private constructor(folder: string, unxz: (file: string) => Promise<Uint8Array>) {
    this.#folder = folder;
    this.#unxz = unxz;
  }

  /** `folder`: what is /lib/modules/VERSION on the machine. `unxz` unpacks a file. Throws Problem where there is no folder. */
  static async open(folder: string, unxz: (file: string) => Promise<Uint8Array>): Promise<ModuleTree> {
    const tree = new ModuleTree(folder, unxz);
    let entries: string[];
    try {
      entries = await readdir(folder, { recursive: true });
    } catch (error) {
      throw new Problem(`the modules cannot be read: ${(error as Error).message}`);
    }
    for (const entry of entries) {
      const name = FILE.exec(basename(entry))?.[1];
      if (name !== undefined) tree.#files.set(plain(name), join(folder, entry));
    }
    const builtin = await readFile(join(folder, 'modules.builtin'), 'utf8').catch(() => '');
    for (const line of builtin.split('\n')) {
      const name = FILE.exec(basename(line))?.[1];
      if (name !== undefined) tree.#builtin.add(plain(name));
    }
    return tree;
  }

  /** Is it there, as a file or built in? */
  has(name: string): boolean {
    return this.#files.has(plain(name)) || this.#builtin.has(plain(name));
  }

  /** These modules and all that they depend on, dependencies first. Throws Problem for one that the kernel has not. */
  async closure(names: readonly string[]): Promise<KernelModule[]> {
    const done = new Map<string, KernelModule>();
    const visit = async (name: string, path: readonly string[]): Promise<void> => {
      if (done.has(name) || this.#builtin.has(name) || path.includes(name)) return;
      const file = this.#files.get(name);
      if (file === undefined) {
        const why = path.length > 0 ? `, which ${path.at(-1)} needs` : '';
        throw new Problem(`${this.#folder} has no module ${name}${why}, and the kernel has it not built in`);
      }
      const data = await this.#read(file);
      for (const needed of dependencies(data)) await visit(plain(needed), [...path, name]);
      done.set(name, { name, data });
    };
    for (const name of names) await visit(plain(name), []);
    return [...done.values()];
  }

  async #read(file: string): Promise<Uint8Array> {
    if (file.endsWith('.xz')) return this.#unxz(file);
    const data = await readFile(file);
    if (file.endsWith('.gz')) return gunzipSync(data);
    return file.endsWith('.zst') ? zstdDecompressSync(data) : data;
  }
}

/** What `depends=` of a module's `.modinfo` names. */
function dependencies(module: Uint8Array): string[] {
  const text = Buffer.from(module.buffer, module.byteOffset, module.length);
  const key = Buffer.from('\0depends=');
  const at = text.indexOf(key);
  if (at < 0) return [];
  const list = text.toString('latin1', at + key.length, text.indexOf(0, at + key.length));
  return list.split(',').filter(Boolean);
}

/**
 * Puts the modules `wanted`, and those of `others` that there are, with what they need, unpacked, and the list of what is built
 * in, from one folder into another.
 */
export async function keepModules(
  from: string,
  to: string,
  wanted: readonly string[],
  others: readonly string[],
  unxz: (file: string) => Promise<Uint8Array>,
): Promise<void> {
  const tree = await ModuleTree.open(from, unxz);
  await mkdir(to, { recursive: true });
  const kept = [...wanted, ...others.filter((name) => tree.has(name))];
  for (const { name, data } of await tree.closure(kept)) await writeFile(join(to, `${name}.ko`), data);
  await writeFile(join(to, 'modules.builtin'), await readFile(join(from, 'modules.builtin')));
}
