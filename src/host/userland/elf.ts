/** What is read out of program files: which architecture they are of. Source: elf.h, Linux fs/binfmt_script.c. */
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
