/**
 * Store: finished pieces of the userland, each a folder named after what it was made from.
 *
 * A piece is built in a folder beside its final name and renamed when it is whole, so a folder that exists is a folder
 * that is complete: an interrupted setup starts again at the first piece that is missing, and a second run only looks
 * whether the names are there. The key is a hash of everything the piece depends on, so a changed recipe or a changed
 * shim source is another name, and two checkouts with different sources share one cache.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { takeLock } from './lock.ts';
import { asProblem } from './problem.ts';
import type { Progress } from './progress.ts';

/** How a piece is made: `build` fills `folder`, which is empty. It may use `scratch`, which survives an interruption. */
export interface Piece {
  /** Short name, the beginning of the folder's: 'guest-arm64'. */
  name: string;
  /** Headline for the progress display. */
  title: string;
  /** Everything that the result depends on; must survive JSON. */
  inputs: unknown;
  build(folder: string, scratch: string): Promise<void>;
}

const DAY = 86_400_000;
/** Pieces that nobody made anew for this long are removed once a newer one of the same name is made. */
const KEEP = 14 * DAY;

export class Store {
  readonly folder: string;
  readonly #progress: Progress;
  readonly #lockFile: string;
  #unlock: (() => void) | undefined;

  /** `lockFile`: pieces that take long to build have a lock of their own, so that others need not wait for them. */
  constructor(folder: string, progress: Progress, lockFile = 'lock') {
    this.folder = folder;
    this.#progress = progress;
    this.#lockFile = lockFile;
  }

  /** Where the piece is or will be. */
  path(piece: Pick<Piece, 'name' | 'inputs'>): string {
    const key = createHash('sha256').update(JSON.stringify(piece.inputs)).digest('hex').slice(0, 12);
    return join(this.folder, `${piece.name}-${key}`);
  }

  has(piece: Pick<Piece, 'name' | 'inputs'>): boolean {
    return existsSync(this.path(piece));
  }

  /** The piece's folder, built first where it is missing. Throws Problem when the host lacks something. */
  async ensure(piece: Piece): Promise<string> {
    const path = this.path(piece);
    if (existsSync(path)) return path;
    try {
      await this.#lock();
      if (existsSync(path)) return path;
      await this.#build(piece, path);
      return path;
    } catch (error) {
      throw asProblem(error, this.folder) ?? error;
    }
  }

  /** Does something in a finished piece that is to be done once: `isDone` tells whether it has been. */
  async once(title: string, isDone: () => boolean, work: () => Promise<void>): Promise<void> {
    if (isDone()) return;
    try {
      await this.#lock();
      if (isDone()) return;
      this.#progress.begin(title);
      try {
        await work();
      } finally {
        this.#progress.end();
      }
    } catch (error) {
      throw asProblem(error, this.folder) ?? error;
    }
  }

  /** A folder that is nobody's piece: made where it is missing, and this setup's alone until it is released. */
  async lockedFolder(name: string): Promise<string> {
    try {
      await this.#lock();
      const path = join(this.folder, name);
      await mkdir(path, { recursive: true });
      return path;
    } catch (error) {
      throw asProblem(error, this.folder) ?? error;
    }
  }

  /** All that is in the folder, finished or begun: folders by the names of their pieces. */
  async contents(): Promise<{ name: string; path: string; complete: boolean }[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names.sort().flatMap((entry) => {
      const [, name, rest] = /^(.+)-[0-9a-f]{12}(\.partial|\.scratch)?$/.exec(entry) ?? [];
      return name === undefined ? [] : [{ name, path: join(this.folder, entry), complete: rest === undefined }];
    });
  }

  /** Removes all folders of the pieces with this name. Returns how many these were. */
  async remove(name: string): Promise<number> {
    try {
      await this.#lock();
      const found = (await this.contents()).filter((entry) => entry.name === name);
      for (const { path, complete } of found) {
        // A folder under its final name is complete, so it loses that name first.
        const going = complete ? `${path}.partial` : path;
        if (complete) {
          await rm(going, { recursive: true, force: true });
          await rename(path, going);
        }
        await rm(going, { recursive: true, force: true });
      }
      return found.length;
    } catch (error) {
      throw asProblem(error, this.folder) ?? error;
    }
  }

  /** Lets other setups go on. The store stays usable. */
  release(): void {
    this.#unlock?.();
    this.#unlock = undefined;
  }

  async #lock(): Promise<void> {
    if (this.#unlock) return;
    await mkdir(this.folder, { recursive: true });
    this.#unlock = await takeLock(join(this.folder, this.#lockFile), () =>
      this.#progress.note('another setup is at work in this cache; waiting for it'),
    );
  }

  async #build(piece: Piece, path: string): Promise<void> {
    const partial = `${path}.partial`;
    const scratch = `${path}.scratch`;
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial);
    await mkdir(scratch, { recursive: true });
    this.#progress.begin(piece.title);
    try {
      await piece.build(partial, scratch);
      // Its age counts from now on, whatever the packages in it say.
      const now = new Date();
      await utimes(partial, now, now);
      await rename(partial, path);
    } finally {
      this.#progress.end();
    }
    await rm(scratch, { recursive: true, force: true });
    await this.#prune(piece.name, path);
  }

  /** Removes what earlier recipes of the same piece left long ago. */
  async #prune(name: string, keep: string): Promise<void> {
    const now = (await stat(keep)).mtimeMs;
    for (const { name: other, path } of await this.contents()) {
      if (path === keep || other !== name) continue;
      if (now - (await stat(path)).mtimeMs > KEEP) await rm(path, { recursive: true, force: true });
    }
  }
}
