/**
 * A queue that was suspended while it waited for a syncobj in memory: is the wait over?
 *
 * The firmware only knows of groups in its slots; for the others the driver reads the object through the VM's own tables.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c` (panthor_queue_eval_syncwait).
 */
import { Syncobj64 } from '../../abi/panthor.ts';
import type { Dram } from '../../board/dram.ts';
import type { PageTable } from '../mmu/page-table.ts';
import type { Queue } from './queue.ts';

/** True if the condition holds, or if the object is not mapped any more: the GPU shall meet that fault itself. */
export function syncWaitOver(dram: Dram, table: PageTable, queue: Queue): boolean {
  const { syncWait } = queue;
  if (!syncWait) return true;
  const physical = table.translate(syncWait.va);
  const size = syncWait.wide ? 8 : 4;
  if (physical === undefined || physical + size > dram.size) return true;
  const value = syncWait.wide
    ? Syncobj64.fields.seqno.read(dram.view, physical)
    : BigInt(dram.view.getUint32(physical, true));
  return syncWait.greater ? value > syncWait.reference : value <= syncWait.reference;
}
