/**
 * Submission: the jobs of one ioctl with what they wait for and what they signal.
 *
 * Within a submission a job may wait for what an earlier one signals, though nobody else sees that yet. Everything is
 * checked before the first job is made; then nothing can fail, the jobs are queued and their fences go into the syncobjs.
 * After Linux `drivers/gpu/drm/panthor/panthor_drv.c` (panthor_submit_ctx).
 */
import type { Infer } from '../abi/layout.ts';
import { SYNC_OP, SYNC_OP_FLAGS, type SyncOp } from '../abi/panthor.ts';
import { must } from '../drm/error.ts';
import type { Fence } from '../drm/fence.ts';
import type { JobOptions, SchedulerEntity, SchedulerJob } from '../drm/scheduler.ts';
import { findFence, type Syncobj } from '../drm/syncobj.ts';
import type { File } from './file.ts';

export type SyncOperation = Infer<typeof SyncOp.layout>;

interface Item {
  readonly entity: SchedulerEntity;
  readonly options: JobOptions;
  readonly syncs: readonly SyncOperation[];
  /** Fences, or the index of an earlier job of this submission. */
  readonly dependencies: (Fence | number)[];
}

interface Signal {
  readonly syncobj: Syncobj;
  /** 0 for a binary syncobj. */
  readonly point: bigint;
  /** The last job that signals it. */
  job: number;
}

const isSignal = (op: SyncOperation): boolean => (op.flags & SYNC_OP.SIGNAL) !== 0;
/** Nearly all syncobjs are binary: their handles serve as they are. */
const keyOf = (op: SyncOperation): number | string =>
  op.timelineValue === 0n ? op.handle : `${op.handle}:${op.timelineValue}`;

export class Submission {
  readonly #file: File;
  readonly #items: Item[] = [];

  constructor(file: File) {
    this.#file = file;
  }

  add(entity: SchedulerEntity, syncs: readonly SyncOperation[], options: JobOptions): void {
    this.#items.push({ entity, options, syncs, dependencies: [] });
  }

  /** Queues all jobs, in order. Throws DrmError with nothing done. */
  submit(): void {
    const signals = this.#resolve();
    const rooms = new Map<SchedulerEntity, number>();
    for (const { entity } of this.#items) {
      const room = rooms.get(entity) ?? entity.room;
      must(room > 0, 'ENOMEM', 'too many jobs wait in the queue');
      must(!entity.killed, 'ECANCELED', 'the queue takes no more jobs');
      rooms.set(entity, room - 1);
    }
    for (const { syncobj, point } of signals.values()) if (point > 0n) syncobj.checkRoom();
    const jobs: SchedulerJob[] = [];
    for (const { entity, options, dependencies } of this.#items) {
      const job = entity.job(options);
      for (const dependency of dependencies)
        job.addDependency(typeof dependency === 'number' ? jobs[dependency]!.finished : dependency);
      jobs.push(job);
    }
    for (const job of jobs) job.entity.push(job);
    for (const { syncobj, point, job } of signals.values()) {
      const { finished } = jobs[job]!;
      if (point > 0n) syncobj.addPoint(finished, point);
      else syncobj.replaceFence(finished);
    }
  }

  #resolve(): Map<number | string, Signal> {
    // Signals come first, then the waits of one job after another, as panthor looks at them.
    for (const { syncs } of this.#items) for (const op of syncs) if (isSignal(op)) check(op);
    const signals = new Map<number | string, Signal>();
    const found: Syncobj[] = [];
    for (const { syncs } of this.#items) {
      for (const op of syncs) {
        if (!isSignal(op)) continue;
        const syncobj = this.#file.syncobjs.get(op.handle);
        must(syncobj, 'EINVAL', () => `no syncobj ${op.handle} to signal`);
        found.push(syncobj);
      }
    }
    let next = 0;
    for (const [index, { syncs, dependencies }] of this.#items.entries()) {
      for (const op of syncs) {
        if (isSignal(op)) continue;
        check(op);
        const earlier = signals.get(keyOf(op));
        dependencies.push(earlier ? earlier.job : findFence(this.#file, op.handle, op.timelineValue));
      }
      for (const op of syncs) {
        if (!isSignal(op)) continue;
        const syncobj = found[next++]!;
        const key = keyOf(op);
        const signal = signals.get(key);
        if (signal) signal.job = index;
        else signals.set(key, { syncobj, point: op.timelineValue, job: index });
      }
    }
    return signals;
  }
}

function check(op: SyncOperation): void {
  must((op.flags & ~SYNC_OP_FLAGS) === 0, 'EINVAL', () => `unknown sync flags 0x${op.flags.toString(16)}`);
  const type = op.flags & SYNC_OP.HANDLE_TYPE_MASK;
  must(type === SYNC_OP.SYNCOBJ || type === SYNC_OP.TIMELINE_SYNCOBJ, 'EINVAL', () => `no sync handle type ${type}`);
  must(
    type === SYNC_OP.TIMELINE_SYNCOBJ || op.timelineValue === 0n,
    'EINVAL',
    'a binary syncobj has no timeline value',
  );
}
