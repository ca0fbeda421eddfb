/**
 * What a guest process may do as the host's superuser, as Linux `capable()` would say: it has the capability, over the
 * same users as the machine (root of a container's own user namespace is root of nothing else).
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { CAPABILITY_BIT } from '../abi/linux.ts';
import type { Capability } from '../drm/user.ts';

/** False too for a process that is gone, or that we may not look at. */
export function capable(pid: number, capability: Capability): boolean {
  if (pid <= 0) return false;
  try {
    const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    if (set === undefined || !(BigInt(`0x${set}`) & (1n << BigInt(CAPABILITY_BIT[capability])))) return false;
    return readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync('/proc/self/ns/user');
  } catch {
    return false;
  }
}
