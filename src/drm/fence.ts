/**
 * Fence: a promise that some work will have been done, which signals exactly once, with or without an error.
 * After Linux `drivers/dma-buf/dma-fence.c`; fences made of other fences stand in `fence-chain.ts`.
 *
 * Callbacks run before the outermost `signal` returns, one after the other. A fence that is signalled from inside a
 * callback has its own callbacks run after those that are waiting already, so that a long row of fences, each of which
 * signals the next, needs no stack.
 */
import { ERRNO, type Errno } from '../abi/errno.ts';
import type { Clock } from '../board/clock.ts';

let contexts = 0;

/** A new fence context: fences of one context signal in the order of their sequence numbers. */
export const fenceContext = (): number => ++contexts;

type Callback = (fence: Fence) => void;

/** A callback on a fence; without one, it was called or taken back. */
interface Hook {
  readonly fence: Fence;
  fn: Callback | undefined;
}

/** Callbacks that are due, while a `signal` runs them. */
const due: Hook[] = [];
let running = false;

/** Runs what is due. A callback that throws does not keep the others from running; its error passes on at the end. */
function runDue(): void {
  if (running) return;
  running = true;
  let errors: unknown[] | undefined;
  for (let i = 0; i < due.length; i++) {
    const hook = due[i]!;
    const { fn } = hook;
    // Whoever ran before may have taken it back.
    if (!fn) continue;
    hook.fn = undefined;
    try {
      fn(hook.fence);
    } catch (error) {
      errors ??= [];
      errors.push(error);
    }
  }
  due.length = 0;
  running = false;
  if (errors?.length === 1) throw errors[0];
  if (errors) throw new AggregateError(errors, 'fence: several callbacks failed');
}

export class Fence {
  readonly context: number;
  readonly seqno: number;
  /** Names for SYNC_IOC_FILE_INFO: who signals it. */
  readonly driver: string;
  readonly timeline: string;
  /** Where its time stamp comes from. */
  readonly clock: Pick<Clock, 'monotonic'>;
  #signaled = false;
  #error: Errno | undefined;
  #timestamp = 0n;
  #deadline: bigint | undefined;
  /** Nobody waits for most fences, and one alone for nearly all others. */
  #hook: Hook | undefined;
  #more: Set<Hook> | undefined;

  constructor(
    clock: Pick<Clock, 'monotonic'>,
    driver: string,
    timeline: string,
    context: number = fenceContext(),
    seqno = 1,
  ) {
    this.clock = clock;
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

  /** The earliest CLOCK_MONOTONIC time by which someone would like it to have signalled: a hint. */
  get deadline(): bigint | undefined {
    return this.#deadline;
  }

  setDeadline(deadline: bigint): void {
    if (this.#signaled || (this.#deadline !== undefined && this.#deadline <= deadline)) return;
    this.#deadline = deadline;
  }

  /**
   * Signals it and runs the callbacks (see above for when). A second call changes nothing. `timestamp` is for work that
   * was done earlier than now.
   */
  signal(error?: Errno, timestamp?: bigint): void {
    if (this.#signaled) return;
    this.#signaled = true;
    this.#error = error;
    this.#timestamp = timestamp ?? this.clock.monotonic();
    if (this.waiters === 0) return;
    if (this.#hook) due.push(this.#hook);
    // One by one: arguments of a call are only so many.
    for (const hook of this.#more ?? []) due.push(hook);
    this.#hook = undefined;
    this.#more = undefined;
    runDue();
  }

  /** Calls `fn` when it signals, or now if it has. Returns what takes the callback back. */
  onSignal(fn: Callback): () => void {
    if (this.#signaled) {
      fn(this);
      return nothing;
    }
    const hook: Hook = { fence: this, fn };
    if (this.waiters === 0) this.#hook = hook;
    else {
      this.#more ??= new Set();
      this.#more.add(hook);
    }
    return () => {
      hook.fn = undefined;
      if (this.#hook === hook) this.#hook = undefined;
      else this.#more?.delete(hook);
    };
  }

  /** How many callbacks wait for it. */
  protected get waiters(): number {
    return (this.#hook ? 1 : 0) + (this.#more?.size ?? 0);
  }
}

const nothing = (): void => {};

/** A fence that has just signalled, or did at `timestamp`. */
export function signaledFence(
  clock: Pick<Clock, 'monotonic'>,
  driver = 'tyr',
  timeline = 'stub',
  timestamp?: bigint,
): Fence {
  const fence = new Fence(clock, driver, timeline);
  fence.signal(undefined, timestamp);
  return fence;
}

/** The neutral fence: it signalled at the beginning of time. */
export const SIGNALED: Fence = signaledFence({ monotonic: () => 0n });

/** 1: signalled; 0: not yet; a negative errno: signalled with an error. The uAPI's form. */
export const fenceStatus = (fence: Fence): number => {
  if (!fence.signaled) return 0;
  return fence.error ? -ERRNO[fence.error] : 1;
};
