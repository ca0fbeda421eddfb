/**
 * Attributes: files of a device in the guests' /sys that say something new each time, or take something.
 *
 * A guest opens them as the files that they are, so the machine writes them anew when what they show has changed, and watches those
 * that can be written. What is refused is told in the log, and the file shows again what holds; a kernel would have
 * let the write itself fail.
 */
import {
  chmodSync,
  closeSync,
  constants,
  type FSWatcher,
  mkdirSync,
  openSync,
  readSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Log } from '../board/log.ts';
import type { DeviceAttribute } from '../drm/device.ts';
import { DrmError } from '../drm/error.ts';

/** Bytes of a file that a kernel hands to an attribute: a page (Linux Documentation/filesystems/sysfs.rst). */
const MOST = 4096;

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
    chmodSync(path, attribute.store ? 0o644 : 0o444);
    this.#shown.push(shown);
    if (!attribute.store) return;
    const watcher = watch(path, { persistent: false }, () => this.#written(shown));
    watcher.on('error', () => watcher.close());
    this.#watchers.push(watcher);
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
    if (!shown.attribute.store) chmodSync(shown.path, 0o444);
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
