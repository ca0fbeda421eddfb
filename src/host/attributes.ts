/**
 * Attributes: files of a device in the guests' /sys that say something new each time, or take something.
 *
 * A guest opens them as the files that they are, so the machine writes them anew when what they show has changed. What is written the shim
 * brings to the machine (`write`), so that it fails where it is refused. Programs whose writes the shim does not see (of the C library's
 * own streams, or static ones) change the file itself: it is watched, a refusal is told in the log, and the file shows again what holds.
 */
import {
  chmodSync,
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { O_ACCMODE, O_RDONLY } from '../abi/linux.ts';
import type { Log } from '../board/log.ts';
import type { DeviceAttribute } from '../drm/device.ts';
import { DrmError, must } from '../drm/error.ts';
import { openFlags } from './syscalls.ts';

/** Bytes of a file that a kernel hands to an attribute: a page (Linux Documentation/filesystems/sysfs.rst). */
const MOST = 4096;

/** Files that can be written, which the shim knows by it: set-group-ID without execution. */
const WRITABLE = 0o2644;

interface Shown {
  readonly attribute: DeviceAttribute;
  readonly path: string;
  text: string;
}

export class Attributes {
  readonly #log: Log;
  readonly #shown: Shown[] = [];
  readonly #watchers: FSWatcher[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Shows an attribute as the file `path`. */
  add(path: string, attribute: DeviceAttribute): void {
    mkdirSync(dirname(path), { recursive: true });
    const shown: Shown = { attribute, path, text: `${attribute.show()}\n` };
    writeFileSync(path, shown.text);
    chmodSync(path, attribute.store ? WRITABLE : 0o444);
    this.#shown.push(shown);
    if (!attribute.store) return;
    const watcher = watch(path, { persistent: false }, () => this.#written(shown));
    watcher.on('error', () => watcher.close());
    this.#watchers.push(watcher);
  }

  /** Takes what a guest writes to an open file of an attribute. Throws DrmError for what is refused, and for what is none. */
  write(fd: number, text: string): void {
    const { dev, ino } = fstatSync(fd);
    const shown = this.#shown.find(({ path, attribute }) => {
      if (!attribute.store) return false;
      const own = statSync(path);
      return own.ino === ino && own.dev === dev;
    });
    must(shown, 'ENODEV', 'no file of a device');
    must((openFlags(fd) & O_ACCMODE) !== O_RDONLY, 'EBADF', 'the file is open to be read');
    try {
      shown.attribute.store!(text.trimEnd());
    } finally {
      // Whoever opened it may have emptied it.
      this.#show(shown, `${shown.attribute.show()}\n`);
    }
    this.refresh();
  }

  /** Writes anew what has changed. */
  refresh(): void {
    for (const shown of this.#shown) {
      const text = `${shown.attribute.show()}\n`;
      if (text !== shown.text) this.#show(shown, text);
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  #show(shown: Shown, text: string): void {
    shown.text = text;
    chmodSync(shown.path, 0o644);
    writeFileSync(shown.path, text);
    chmodSync(shown.path, shown.attribute.store ? WRITABLE : 0o444);
  }

  #written(shown: Shown): void {
    let text: string;
    try {
      text = readStart(shown.path);
    } catch {
      return;
    }
    // Empty: whoever writes has only begun.
    if (text === '' || text === shown.text) return;
    try {
      shown.attribute.store!(text.trimEnd());
    } catch (error) {
      if (!(error instanceof DrmError)) throw error;
      this.#log('warn', 'host', `${shown.attribute.path}: ${error.message} (${error.errno})`);
    }
    this.#show(shown, `${shown.attribute.show()}\n`);
    this.refresh();
  }
}

/** As much of a file as counts, whatever a guest has made of it. */
function readStart(path: string): string {
  const bytes = Buffer.alloc(MOST);
  // A pipe in its place keeps nobody waiting.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    return bytes.toString('utf8', 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
