/**
 * Fence: a promise that some work will have been done, which signals exactly once, with or without an error.
 * After Linux `drivers/dma-buf/dma-fence.c`.
 */
import type { Errno } from '../abi/errno.ts';
import type { Clock } from '../board/clock.ts';

let contexts = 0;

/** A new fence context: fences of one context signal in the order of their sequence numbers. */
export const fenceContext = (): number => ++contexts;

export class Fence {
  readonly context: number;
  readonly seqno: number;
  /** Names for SYNC_IOC_FILE_INFO: who signals it. */
  readonly driver: string;
  readonly timeline: string;
  readonly #clock: Clock;
  #signaled = false;
  #error: Errno | undefined;
  #timestamp = 0n;
  #callbacks = new Set<(fence: Fence) => void>();

  constructor(clock: Clock, driver: string, timeline: string, context: number = fenceContext(), seqno = 1) {
    this.#clock = clock;
    this.driver = driver;
    this.timeline = timeline;
    this.context = context;
    this.seqno = seqno;
  }

  get signaled(): boolean {
    return this.#signaled;
  }

  /** The error that it signalled with, if any. */
  get error(): Errno | undefined {
    return this.#error;
  }

  /** CLOCK_MONOTONIC nanoseconds at which it signalled; 0 before. */
  get timestamp(): bigint {
    return this.#timestamp;
  }

  /** Signals it and runs the callbacks at once. A second call changes nothing. */
  signal(error?: Errno): void {
    if (this.#signaled) return;
    this.#signaled = true;
    this.#error = error;
    this.#timestamp = this.#clock.monotonic();
    const callbacks = this.#callbacks;
    this.#callbacks = new Set();
    for (const fn of callbacks) fn(this);
  }

  /** Calls `fn` when it signals, or now if it has. Returns what takes the callback back. */
  onSignal(fn: (fence: Fence) => void): () => void {
    if (this.#signaled) {
      fn(this);
      return () => {};
    }
    const own = (fence: Fence): void => fn(fence);
    this.#callbacks.add(own);
    return () => this.#callbacks.delete(own);
  }
}

/** A fence that has signalled: the neutral one. */
export function signaledFence(clock: Clock, driver = 'tyr', timeline = 'stub'): Fence {
  const fence = new Fence(clock, driver, timeline);
  fence.signal();
  return fence;
}
