/**
 * Synchronisation objects in memory: a sequence number and an error status behind it.
 *
 * Source: Linux `drivers/gpu/drm/panthor/panthor_sched.c` (panthor_syncobj_32b, panthor_syncobj_64b), Mesa 25.0
 * `src/panfrost/lib/genxml/v10.xml` (CS SYNC_ADD32 and on).
 */
import { CS_CONDITION } from '../../abi/gpu/cs.ts';
import { SyncObject32, SyncObject64 } from '../../abi/gpu/sync.ts';
import type { VirtualMemory } from '../contract.ts';

/** What a SYNC_WAIT waits for. */
export interface SyncWait {
  readonly address: number;
  readonly wide: boolean;
  readonly condition: number;
  readonly value: bigint;
}

const STATUS_32 = SyncObject32.offset.status;
const STATUS_64 = SyncObject64.offset.status;
export const SYNC_ERROR = 1;

export const loadSync = (memory: VirtualMemory, address: number, wide: boolean): bigint =>
  wide ? memory.loadBig64(address) : BigInt(memory.load32(address));

/** Adds to or sets the sequence number; with `error`, marks the object as failed. */
export function writeSync(
  memory: VirtualMemory,
  address: number,
  wide: boolean,
  add: boolean,
  data: bigint,
  error: boolean,
): void {
  if (wide) memory.update64(address, (old) => (add ? old + data : data));
  else {
    const word = Number(BigInt.asUintN(32, data));
    memory.update32(address, (old) => (add ? old + word : word));
  }
  if (error) memory.store32(address + (wide ? STATUS_64 : STATUS_32), SYNC_ERROR);
}

/** Whether the wait is over. */
export function syncReached(memory: VirtualMemory, wait: SyncWait): boolean {
  const value = loadSync(memory, wait.address, wait.wide);
  return wait.condition === CS_CONDITION.gt ? value > wait.value : value <= wait.value;
}

/** Whether the object carries an error. */
export const syncFailed = (memory: VirtualMemory, address: number, wide: boolean): boolean =>
  memory.load32(address + (wide ? STATUS_64 : STATUS_32)) !== 0;
