/** What a process is called and whose it is, as tools tell it of the files that it has open. */
import { readFileSync } from 'node:fs';
import type { Opener } from '../drm/file.ts';

/** The process behind a node's file; of one that is gone, or that nobody may look at, nothing is known but the node. */
export function openerOf(pid: number, minor: number): Opener {
  try {
    const command = readFileSync(`/proc/${pid}/comm`, 'utf8').replace(/\n$/, '');
    const uid = Number(/^Uid:\s*\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
    return { command, uid, minor };
  } catch {
    return { command: '', uid: 0, minor };
  }
}
