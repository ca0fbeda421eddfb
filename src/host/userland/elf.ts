/**
 * What is read out of program files: which architecture they are of, and where they say that their libraries lie. Source: elf.h,
 * Linux fs/binfmt_script.c.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** e_machine of an ELF file, '#!' for a script, undefined for all else. */
export function elfMachine(path: string): number | '#!' | undefined {
  const head = Buffer.alloc(20);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } catch {
    return undefined; // a folder
  } finally {
    closeSync(fd);
  }
  if (head.toString('latin1', 0, 2) === '#!') return '#!';
  return head.toString('latin1', 0, 4) === '\x7fELF' ? head.readUInt16LE(18) : undefined;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
/** Bytes of a file that are read at first; its tables of segments lie there. */
const HEAD = 4096;
/** Longest list of folders that is read. */
const LONGEST = 4096;

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

/**
 * The folders in which a dynamic program or library has its own libraries looked for (DT_RPATH, DT_RUNPATH), as they stand there:
 * absolute, or beginning with $ORIGIN. None for any other file, and for one that is cut off.
 */
export function libraryFolders(path: string): string[] {
  const fd = openSync(path, 'r');
  try {
    return foldersOf((offset, size) => {
      const bytes = Buffer.alloc(size);
      return bytes.subarray(0, readSync(fd, bytes, 0, size, offset));
    });
  } finally {
    closeSync(fd);
  }
}

function foldersOf(read: (offset: number, size: number) => Buffer): string[] {
  const head = read(0, HEAD);
  // 64 bits, little-endian.
  if (head.length < 64 || head.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return [];
  const segments = segmentsOf(head);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) return [];
  const table = read(dynamic.offset, dynamic.size);
  const values = new Map<number, number>();
  for (let at = 0; at + 16 <= table.length; at += 16)
    values.set(Number(table.readBigUInt64LE(at)), Number(table.readBigUInt64LE(at + 8)));
  const strings = values.get(DT_STRTAB);
  const place = segments.find(
    ({ type, address, size }) =>
      type === PT_LOAD && strings !== undefined && address <= strings && strings < address + size,
  );
  if (strings === undefined || !place) return [];
  return [DT_RPATH, DT_RUNPATH].flatMap((tag) => {
    const value = values.get(tag);
    if (value === undefined) return [];
    const bytes = read(strings - place.address + place.offset + value, LONGEST);
    return bytes
      .toString('utf8', 0, Math.max(bytes.indexOf(0), 0))
      .split(':')
      .filter(Boolean);
  });
}

function segmentsOf(head: Buffer): Segment[] {
  const [first, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
  const segments: Segment[] = [];
  for (let at = first; segments.length < count && at + 56 <= head.length; at += size) {
    segments.push({
      type: head.readUInt32LE(at),
      offset: Number(head.readBigUInt64LE(at + 8)),
      address: Number(head.readBigUInt64LE(at + 16)),
      size: Number(head.readBigUInt64LE(at + 32)),
    });
  }
  return segments;
}
