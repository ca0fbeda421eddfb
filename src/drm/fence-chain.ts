/**
 * Fences made of other fences: a chain (a point of a timeline and all points before it) and an array (several at once).
 * After Linux `drivers/dma-buf/dma-fence-{chain,array,unwrap}.c`.
 *
 * A composite fence hangs on nothing until someone waits for it, and lets go when the last waiter leaves: so composites
 * that a client makes and drops leave no trace on the fences inside. While waited for it hangs on one unfinished part at
 * a time. Chains are shortened on every walk: nodes whose own part is done are skipped for good.
 */
import type { Clock } from '../board/clock.ts';
import { Fence, fenceContext, SIGNALED, signaledFence } from './fence.ts';

abstract class CompositeFence extends Fence {
  #disarm: (() => void) | undefined;

  /** A part that has not signalled yet. */
  protected abstract pendingPart(): Fence | undefined;
  /** Called once when no part is pending any more. */
  protected abstract complete(): void;

  override get signaled(): boolean {
    if (super.signaled) return true;
    if (this.pendingPart()) return false;
    this.#release();
    this.complete();
    return true;
  }

  override onSignal(fn: (fence: Fence) => void): () => void {
    // The getter settles a composite whose parts are done.
    if (this.signaled) {
      fn(this);
      return () => {};
    }
    const off = super.onSignal(fn);
    if (!this.#disarm) this.#arm();
    return () => {
      off();
      if (this.waiters === 0) this.#release();
    };
  }

  #arm(): void {
    this.#disarm = undefined;
    const part = this.pendingPart();
    if (!part) this.complete();
    else this.#disarm = part.onSignal(() => this.#arm());
  }

  #release(): void {
    this.#disarm?.();
    this.#disarm = undefined;
  }
}

/** One point of a timeline. It signals when its own fence and everything before it in the chain has. */
export class FenceChain extends CompositeFence {
  readonly fence: Fence;
  /** The point, 0 ≤ point < 2^64; at least the previous node's where points came out of order. */
  readonly point: bigint;
  /** The point before this one in the same run of rising points, 0 for the first. */
  readonly previousPoint: bigint;
  #previous: Fence | undefined;

  /** `previous`: what the timeline held before. `fence` must not be a chain itself (see `flatten`). */
  constructor(clock: Pick<Clock, 'monotonic'>, previous: Fence | undefined, fence: Fence, point: bigint) {
    const chain = previous instanceof FenceChain ? previous : undefined;
    const rises = chain !== undefined && point > chain.point;
    super(clock, 'dma_fence_chain', 'unbound', rises ? chain.context : fenceContext());
    this.fence = fence;
    this.point = chain && chain.point > point ? chain.point : point;
    this.previousPoint = rises ? chain.point : 0n;
    this.#previous = previous;
  }

  /** The nearest node before this one whose own part is still pending. Forgets those between. */
  previous(): Fence | undefined {
    let node = this.#previous;
    while (node) {
      const own: Fence = node instanceof FenceChain ? node.fence : node;
      if (!own.signaled) break;
      node = node instanceof FenceChain ? node.#previous : undefined;
    }
    this.#previous = node;
    return node;
  }

  /** This node, then its pending predecessors, newest first. The last may be a fence that is no chain. */
  *nodes(): Generator<Fence> {
    for (let node: Fence | undefined = this; node; node = node instanceof FenceChain ? node.previous() : undefined) {
      yield node;
    }
  }

  protected override pendingPart(): Fence | undefined {
    if (!this.fence.signaled) return this.fence;
    const node = this.previous();
    return node instanceof FenceChain ? node.fence : node;
  }

  protected override complete(): void {
    this.#previous = undefined;
    this.signal();
  }

  /** Who has been told of one as early has told all before it. */
  override setDeadline(deadline: bigint): void {
    let node: Fence | undefined = this;
    while (node instanceof FenceChain) {
      if (node.deadline !== undefined && node.deadline <= deadline) return;
      node.#hasten(deadline);
      node.fence.setDeadline(deadline);
      node = node.previous();
    }
    node?.setDeadline(deadline);
  }

  #hasten(deadline: bigint): void {
    super.setDeadline(deadline);
  }
}

/** Several fences as one; it signals when all have, with the first error among them. */
export class FenceArray extends CompositeFence {
  readonly fences: readonly Fence[];
  /** Fences before this index have signalled. */
  #done = 0;

  constructor(clock: Pick<Clock, 'monotonic'>, fences: readonly Fence[]) {
    super(clock, 'dma_fence_array', 'unbound');
    this.fences = fences;
  }

  protected override pendingPart(): Fence | undefined {
    while (this.#done < this.fences.length && this.fences[this.#done]!.signaled) this.#done++;
    return this.fences[this.#done];
  }

  protected override complete(): void {
    this.signal(this.fences.find((fence) => fence.error !== undefined)?.error);
  }

  override setDeadline(deadline: bigint): void {
    super.setDeadline(deadline);
    for (const fence of this.fences) fence.setDeadline(deadline);
  }
}

/**
 * The fence that has to signal for `point` of what `head` stands for to be done. Point 0 is the head itself. Undefined
 * when the point has not been submitted: there is no head, or it is no timeline, or it has not come as far.
 */
export const findPoint = (head: Fence | undefined, point: bigint): Fence | undefined => findPoints(head, [point])[0];

/** The same for points none of which is above the one before it, in one walk. */
export function findPoints(head: Fence | undefined, points: readonly bigint[]): (Fence | undefined)[] {
  let node = head;
  return points.map((point) => {
    if (!head || point === 0n) return head;
    if (!(head instanceof FenceChain) || head.point < point) return undefined;
    while (node instanceof FenceChain && node.context === head.context && node.previousPoint >= point) {
      node = node.previous();
    }
    return node ?? SIGNALED;
  });
}

/** The plain fences inside `fence`. */
export function* leaves(fence: Fence): Generator<Fence> {
  if (fence instanceof FenceChain) {
    for (const node of fence.nodes()) yield* leaves(node instanceof FenceChain ? node.fence : node);
  } else if (fence instanceof FenceArray) {
    for (const part of fence.fences) yield* leaves(part);
  } else yield fence;
}

/**
 * One fence that stands for all of `fences`: of those inside that are still pending, the latest of each context. When
 * none is, a signalled one with the time of the last.
 */
export function mergeFences(clock: Pick<Clock, 'monotonic'>, fences: Iterable<Fence>): Fence {
  const latest = new Map<number, Fence>();
  let last = 0n;
  for (const fence of fences) {
    for (const leaf of leaves(fence)) {
      if (leaf.signaled) {
        if (leaf.timestamp > last) last = leaf.timestamp;
        continue;
      }
      const known = latest.get(leaf.context);
      if (!known || known.seqno < leaf.seqno) latest.set(leaf.context, leaf);
    }
  }
  const parts = [...latest.values()];
  if (parts.length === 0) return signaledFence(clock, 'tyr', 'stub', last);
  return parts.length === 1 ? parts[0]! : new FenceArray(clock, parts);
}
