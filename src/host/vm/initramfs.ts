/**
 * Initial RAM disk: files as a cpio archive of the format "newc". Source: Linux
 * `Documentation/driver-api/early-userspace/buffer-format.rst`.
 */

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
const DIRECTORY = 0o040755;
const REGULAR = 0o100000;
const LINK = 0o120777;

type Entry =
  | { readonly kind: 'folder' }
  | { readonly kind: 'file'; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'link'; readonly target: string };

export class Initramfs {
  readonly #entries = new Map<string, Entry>();

  /** Paths have no leading slash; folders above a file are made with it. `mode`: permissions. */
  file(path: string, data: Uint8Array | string, mode = 0o644): this {
    this.#above(path);
    this.#entries.set(path, {
      kind: 'file',
      mode,
      data: typeof data === 'string' ? new TextEncoder().encode(data) : data,
    });
    return this;
  }

  folder(path: string): this {
    this.#above(path);
    this.#entries.set(path, { kind: 'folder' });
    return this;
  }

  link(path: string, target: string): this {
    this.#above(path);
    this.#entries.set(path, { kind: 'link', target });
    return this;
  }

  /** The archive. */
  pack(): Uint8Array {
    const parts: Uint8Array[] = [];
    let inode = 1;
    for (const [path, entry] of this.#entries) {
      if (entry.kind === 'file') parts.push(...record(path, REGULAR | entry.mode, inode++, entry.data));
      else if (entry.kind === 'link')
        parts.push(...record(path, LINK, inode++, new TextEncoder().encode(entry.target)));
      else parts.push(...record(path, DIRECTORY, inode++, NOTHING));
    }
    parts.push(...record(TRAILER, 0, 0, NOTHING));
    return Buffer.concat(parts);
  }

  #above(path: string): void {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (!this.#entries.has(folder)) this.#entries.set(folder, { kind: 'folder' });
    }
  }
}

const NOTHING = new Uint8Array();

/** Header and name, then the data, each filled up to a multiple of four bytes. */
function record(path: string, mode: number, inode: number, data: Uint8Array): Uint8Array[] {
  const name = new TextEncoder().encode(`${path}\0`);
  // inode, mode, user, group, links, time, size, four of device numbers, name's size, checksum
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const head = new TextEncoder().encode(MAGIC + fields.map((n) => n.toString(16).padStart(8, '0')).join(''));
  return [head, name, padding(head.length + name.length), data, padding(data.length)];
}

const padding = (size: number): Uint8Array => new Uint8Array(-size & 3);
