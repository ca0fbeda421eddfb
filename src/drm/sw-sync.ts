/**
 * SwTimeline: a counter that a program moves on, and fences that signal when it has reached their value: what tests of fences need. Each
 * open file of debugfs' `sync/sw_sync` is one; when it is closed, fences that are left signal with ENOENT.
 * After Linux `drivers/dma-buf/sw_sync.c`.
 */
import { SW_SYNC_IOC } from '../abi/sw-sync.ts';
import type { Clock } from '../board/clock.ts';
import { type Log, silent } from '../board/log.ts';
import { DrmError, must } from './error.ts';
import { Fence, fenceContext } from './fence.ts';
import { type IoctlResult, ioctlOn, runOn } from './ioctl.ts';
import { SyncFile } from './sync-file.ts';
import { descriptorOf, type UserContext } from './user.ts';

/** Values of one timeline that have fences and are not reached. */
const MOST_POINTS = 65536;
const WRAP = 2 ** 32;

/** Whether a 32-bit value lies ahead of another, around the end of the numbers. */
const isLater = (value: number, than: number): boolean => (((value - than) % WRAP) | 0) > 0;

export class SwTimeline {
  readonly clock: Clock;
  readonly #context = fenceContext();
  /** Fences that have not signalled, by their value. */
  readonly #points = new Map<number, Fence>();
  #value = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The fence of a value; signalled if that is reached already. Throws ENOMEM. */
  fence(value: number): Fence {
    const known = this.#points.get(value);
    if (known) return known;
    const fence = new Fence(this.clock, 'sw_sync', 'sw_sync', this.#context, value);
    if (!isLater(value, this.#value)) fence.signal();
    else {
      must(this.#points.size < MOST_POINTS, 'ENOMEM', () => `${MOST_POINTS} fences of one timeline wait`);
      this.#points.set(value, fence);
    }
    return fence;
  }

  /** Moves on, and signals what has been reached, in order. */
  advance(by: number): void {
    // A step may be half of all numbers, not more: values ahead would look as if they lay behind.
    for (let left = by; ; ) {
      const step = Math.min(left, WRAP / 2 - 1);
      this.#value = (this.#value + step) % WRAP;
      const reached = [...this.#points].filter(([value]) => !isLater(value, this.#value));
      reached.sort(([a], [b]) => (isLater(a, b) ? 1 : -1));
      for (const [value, fence] of reached) {
        this.#points.delete(value);
        fence.signal();
      }
      left -= step;
      if (left <= 0) return;
    }
  }

  close(): void {
    for (const fence of this.#points.values()) fence.signal('ENOENT');
    this.#points.clear();
  }
}

const ioctls = [
  ioctlOn(SW_SYNC_IOC.CREATE_FENCE, (timeline: SwTimeline, arg, user) => {
    const syncFile = new SyncFile('', [timeline.fence(arg.value)]);
    const at = SW_SYNC_IOC.CREATE_FENCE.arg!.offset.fence as number;
    user.install({ kind: 'sync-file', syncFile }, at, { cloexec: true });
  }),

  ioctlOn(SW_SYNC_IOC.INC, (timeline: SwTimeline, arg) => timeline.advance(arg.value)),

  ioctlOn(SW_SYNC_IOC.GET_DEADLINE, (_timeline: SwTimeline, arg, user) => {
    must(arg.deadline_ns === 0n && arg.pad === 0, 'EINVAL', 'the place of the answer is not zero');
    const { fence } = descriptorOf(user, arg.fence_fd, 'sync-file', 'EINVAL').syncFile;
    must(fence.driver === 'sw_sync', 'EINVAL', 'the fence is no timeline’s');
    if (fence.deadline === undefined) throw new DrmError('ENOENT', 'the fence has no deadline');
    arg.deadline_ns = fence.deadline;
  }),
];

/** Runs one ioctl on an open file of `sync/sw_sync`. */
export function swSyncIoctl(
  timeline: SwTimeline,
  request: number,
  arg: Uint8Array,
  user: UserContext,
  log: Log = silent,
): IoctlResult | Promise<IoctlResult> {
  return runOn(ioctls, timeline, 'sw_sync', request, arg, user, log);
}
