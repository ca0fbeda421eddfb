/**
 * DumpFolder: where the driver's core dumps are kept, a file each, the newest of them. Nobody reads them but people.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../board/log.ts';
import type { CoreDump } from '../driver/index.ts';

/** Files that stay. */
const KEPT = 32;
const NAME = /^gpu-.*\.txt$/;

export class DumpFolder {
  readonly #folder: string;
  readonly #log: Log;
  #made = 0;

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Writes a dump, and tells where it is. A folder that cannot be written costs the dump, nothing else. */
  keep({ cause, text }: CoreDump): void {
    const time = new Date().toISOString().replace(/[:.]/g, '-');
    // Names sort by time; several of one run may have the same.
    const name = `gpu-${time}-${process.pid}-${String(this.#made++).padStart(3, '0')}-${cause}.txt`;
    const path = join(this.#folder, name);
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(path, text, { mode: 0o600 });
      const old = readdirSync(this.#folder)
        .filter((each) => NAME.test(each))
        .sort()
        .slice(0, -KEPT);
      for (const each of old) rmSync(join(this.#folder, each), { force: true });
      this.#log('warn', 'panthor', `core dump: ${path}`);
    } catch (error) {
      this.#log('warn', 'panthor', `a core dump cannot be kept: ${(error as Error).message}`);
    }
  }
}
