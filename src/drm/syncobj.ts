/**
 * Syncobj: a box that holds a fence, by which clients tell jobs what to wait for and learn what is done.
 * After Linux `drivers/gpu/drm/drm_syncobj.c`.
 *
 * Binary use replaces the fence (`replaceFence`); timeline use adds points to a chain (`addPoint`). Waiting has two
 * stages: until something that reaches the point has been submitted (`onAvailable`), then until that fence signals.
 */
import { count } from '../board/census.ts';
import type { Clock } from '../board/clock.ts';
import { DrmError, must } from './error.ts';
import { type Fence, signaledFence } from './fence.ts';
import { FenceChain, findPoint, findPoints, mergeFences } from './fence-chain.ts';
import type { DrmFile } from './file.ts';

/**
 * Points of one timeline that may be pending at a time (half of it, which is as many as a queue takes jobs, when the rest was done only
 * lately): a program may submit as fast as it can and wait at the end alone.
 */
export const MOST_PENDING_POINTS = 1 << 15;

interface Watch {
  readonly point: bigint;
  readonly fn: (fence: Fence) => void;
}

export class Syncobj {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #fence: Fence | undefined;
  /** No more nodes than this are in the chain. */
  #length = 0;
  readonly #watches = new Set<Watch>();
  #references = 1;
  readonly #releasers = new Set<() => void>();

  /** The creator holds the first reference. */
  constructor(clock: Pick<Clock, 'monotonic'>, fence?: Fence) {
    this.#clock = clock;
    this.#fence = fence;
    count(clock, 'syncobjs', 1);
  }

  /** What it holds now. */
  get fence(): Fence | undefined {
    return this.#fence;
  }

  /** Puts a fence in, or takes it out. Earlier points are forgotten. */
  replaceFence(fence: Fence | undefined): void {
    this.#fence = fence;
    this.#length = 1;
    this.#notify();
  }

  /** Puts a fence in that has signalled already. */
  signal(): void {
    this.replaceFence(signaledFence(this.#clock));
  }

  /**
   * Adds a point to the timeline, done when `fence` and all points before are. Points ought to rise; one that does not
   * starts the count anew, as in the kernel. Throws ENOMEM when too many are pending (`checkRoom` asks beforehand).
   */
  addPoint(fence: Fence, point: bigint): void {
    this.checkRoom();
    const plain = fence instanceof FenceChain ? mergeFences(this.#clock, [fence]) : fence;
    this.#fence = new FenceChain(this.#clock, this.#fence, plain, point);
    this.#length++;
    this.#notify();
  }

  /** Throws ENOMEM when the timeline takes no further point. */
  checkRoom(): void {
    if (this.#length < MOST_PENDING_POINTS || !(this.#fence instanceof FenceChain)) return;
    let count = 0;
    for (const _ of this.#fence.nodes()) count++;
    // Counting has to be rare, or a client makes it all that we do.
    must(count <= MOST_PENDING_POINTS / 2, 'ENOMEM', () => `${count} points of the timeline are pending`);
    this.#length = count;
  }

  /** The fence that ends with `point` (0: whatever it holds). Undefined when that has not been submitted. */
  find(point: bigint): Fence | undefined {
    return findPoint(this.#fence, point);
  }

  /** Calls `fn` with the fence for `point`, now or once it has been submitted. Returns what takes it back. */
  onAvailable(point: bigint, fn: (fence: Fence) => void): () => void {
    const fence = this.find(point);
    if (fence) {
      fn(fence);
      return () => {};
    }
    const watch = { point, fn };
    this.#watches.add(watch);
    return () => this.#watches.delete(watch);
  }

  /** QUERY: the last point that is done, or that was submitted. 0 for a syncobj that is no timeline. */
  query(which: 'signaled' | 'submitted'): bigint {
    const head = this.#fence;
    if (!(head instanceof FenceChain)) return 0n;
    if (which === 'submitted' || head.signaled) return head.point;
    let oldest: FenceChain = head;
    for (const node of head.nodes()) {
      if (!(node instanceof FenceChain) || node.context !== head.context) break;
      oldest = node;
    }
    return oldest.previousPoint;
  }

  get(): this {
    if (this.#references === 0) throw new Error('syncobj: it is gone');
    this.#references++;
    return this;
  }

  /** Drops one reference. The last one ends what waits for a submission that can no longer come. */
  put(): void {
    if (this.#references === 0) throw new Error('syncobj: one reference too many was dropped');
    if (--this.#references > 0) return;
    count(this.#clock, 'syncobjs', -1);
    this.#fence = undefined;
    for (const fn of [...this.#releasers]) fn();
    this.#releasers.clear();
  }

  /** Calls `fn` when the last reference is dropped. Returns what takes it back. */
  onRelease(fn: () => void): () => void {
    const own = (): void => fn();
    this.#releasers.add(own);
    return () => this.#releasers.delete(own);
  }

  #notify(): void {
    for (const watch of [...this.#watches]) {
      const fence = this.find(watch.point);
      if (fence && this.#watches.delete(watch)) watch.fn(fence);
    }
  }
}

/**
 * The fence that a job has to wait for: `point` of the syncobj behind a handle (0: a binary one). Throws ENOENT without
 * such a syncobj, EINVAL when nothing has been submitted to it that reaches the point.
 */
export function findFence(file: DrmFile<any>, handle: number, point = 0n): Fence {
  const fence = file.syncobj(handle).find(point);
  if (!fence) throw new DrmError('EINVAL', `syncobj ${handle}: nothing was submitted that reaches point ${point}`);
  return fence;
}

/** The fence that ends each of these points, as `find`. Those of one syncobj are found in one walk, of which they may be many. */
export function findAll(syncobjs: readonly Syncobj[], points: readonly bigint[]): (Fence | undefined)[] {
  if (syncobjs.length === 1) return [syncobjs[0]!.find(points[0]!)];
  const found: (Fence | undefined)[] = [];
  for (const [syncobj, places] of Map.groupBy(syncobjs.keys(), (i) => syncobjs[i]!)) {
    places.sort((a, b) => (points[a]! > points[b]! ? -1 : points[a]! < points[b]! ? 1 : 0));
    const fences = findPoints(
      syncobj.fence,
      places.map((i) => points[i]!),
    );
    for (const [n, i] of places.entries()) found[i] = fences[n];
  }
  return found;
}
