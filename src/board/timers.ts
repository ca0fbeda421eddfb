/**
 * Timers: many alarms on one of the host's.
 *
 * Nearly every timer of a machine is a limit that is never reached: a job's time, an ioctl's deadline, an answer that comes
 * at once. Setting and cancelling one has to cost next to nothing, so they stand in a heap of their own, and the host's
 * timer is set for the earliest alone. A cancelled one stays in the heap until its time or until half of the heap is such;
 * the host's timer then goes off once for nothing.
 */
import type { Timer } from './clock.ts';

class Alarm implements Timer {
  /** Nanoseconds of the clock. */
  readonly at: number;
  /** Alarms of one time go off in the order in which they were set. */
  readonly order: number;
  fn: (() => void) | undefined;
  readonly #owner: Timers;

  constructor(owner: Timers, at: number, order: number, fn: () => void) {
    this.#owner = owner;
    this.at = at;
    this.order = order;
    this.fn = fn;
  }

  cancel(): void {
    if (!this.fn) return;
    this.fn = undefined;
    this.#owner.cancelled();
  }
}

const before = (a: Alarm, b: Alarm): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Cancelled alarms that are worth a sweep. */
const SWEEP = 64;

/** What the host offers: calls `fn` after some nanoseconds. */
export type HostTimer = (delay: number, fn: () => void) => Timer;

export class Timers {
  readonly #now: () => number;
  readonly #host: HostTimer;
  #heap: Alarm[] = [];
  #order = 0;
  #dead = 0;
  #armed: Timer | undefined;
  #armedAt = Number.POSITIVE_INFINITY;

  constructor(now: () => number, host: HostTimer) {
    this.#now = now;
    this.#host = host;
  }

  /** How many are set and not cancelled. */
  get size(): number {
    return this.#heap.length - this.#dead;
  }

  after(delay: number, fn: () => void): Timer {
    const alarm = new Alarm(this, this.#now() + delay, this.#order++, fn);
    this.#push(alarm);
    this.#arm();
    return alarm;
  }

  /** An alarm was cancelled. Without any left, the host's timer goes too, so that it keeps no process alive. */
  cancelled(): void {
    this.#dead++;
    if (this.#dead === this.#heap.length) {
      this.#heap.length = 0;
      this.#dead = 0;
      this.#disarm();
    } else if (this.#dead > SWEEP && this.#dead * 2 > this.#heap.length) this.#sweep();
  }

  #sweep(): void {
    const alive = this.#heap.filter((alarm) => alarm.fn);
    this.#heap = [];
    this.#dead = 0;
    for (const alarm of alive) this.#push(alarm);
  }

  #arm(): void {
    const first = this.#heap[0];
    if (!first || first.at >= this.#armedAt) return;
    this.#armed?.cancel();
    this.#armedAt = first.at;
    this.#armed = this.#host(Math.max(0, first.at - this.#now()), () => this.#goOff());
  }

  #disarm(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
    this.#armedAt = Number.POSITIVE_INFINITY;
  }

  /** Calls all that are due. What they throw passes on, and does not keep the others from being called. */
  #goOff(): void {
    this.#disarm();
    const now = this.#now();
    try {
      for (;;) {
        const first = this.#heap[0];
        if (!first || (first.fn && first.at > now)) break;
        this.#pop();
        const { fn } = first;
        if (!fn) {
          this.#dead--;
          continue;
        }
        first.fn = undefined;
        fn();
      }
    } finally {
      this.#arm();
    }
  }

  #push(alarm: Alarm): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(alarm);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(alarm, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = alarm;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}
