/**
 * Synchronisation objects that command streams write and wait for: a sequence number, and an error status that a faulty
 * stream leaves for those who wait.
 *
 * Source: Linux `drivers/gpu/drm/panthor/panthor_sched.c` (panthor_syncobj_32b, panthor_syncobj_64b).
 */
import { struct, u32, u64 } from '../layout.ts';

export const SyncObject32 = struct('SyncObject32', { seqno: u32(), status: u32() });
export const SyncObject64 = struct('SyncObject64', { seqno: u64(), status: u32(), pad: u32() });
