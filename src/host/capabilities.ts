/**
 * What a guest process may do: as the host's superuser, and with a file.
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { CAPABILITY_BIT } from '../abi/linux.ts';

/**
 * As Linux `capable()` would say: it has the capability, over the same users as the machine (root of a container's own
 * user namespace is root of nothing else). False too for a process that is gone, or that we may not look at.
 */
export function capable(pid: number, capability: keyof typeof CAPABILITY_BIT): boolean {
  if (pid <= 0) return false;
  try {
    const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    if (set === undefined || !(BigInt(`0x${set}`) & (1n << BigInt(CAPABILITY_BIT[capability])))) return false;
    return readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync('/proc/self/ns/user');
  } catch {
    return false;
  }
}

/** Whether a process may read and write this file: by its mode, or as the superuser. */
export function mayUse(pid: number, path: string): boolean {
  const { uid, gid, mode } = statSync(path);
  let user: number | undefined;
  let groups: number[] = [];
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    user = Number(/^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1]);
    groups = (/^Groups:(.*)$/m.exec(status)?.[1] ?? '').trim().split(/\s+/).filter(Boolean).map(Number);
    groups.push(Number(/^Gid:\s*\d+\s+(\d+)/m.exec(status)?.[1]));
  } catch {
    // A process that we cannot look at is anyone.
  }
  const bits = user === uid ? mode >> 6 : groups.includes(gid) ? mode >> 3 : mode;
  return (bits & 6) === 6 || capable(pid, 'DAC_OVERRIDE');
}
