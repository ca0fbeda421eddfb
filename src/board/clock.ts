/**
 * Clock: the only source of time and of deferred work on the board.
 *
 * Everything runs on one thread. A part that wants to go on later asks the clock: `soon` after the current call has
 * returned, `after` when time has passed. Tests use TestClock, which moves only when told to.
 */
import { uptime } from 'node:os';
import { Timers } from './timers.ts';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Nanoseconds since the machine was switched on. Monotonic. */
  now(): number;
  /** Nanoseconds of CLOCK_MONOTONIC as the guest's programs see it; DRM time stamps and deadlines are in this scale. */
  monotonic(): bigint;
  /** The same moment by CLOCK_REALTIME and CLOCK_BOOTTIME, as input events may be stamped. */
  realtime(): bigint;
  boottime(): bigint;
  /** Runs `fn` once, `delay` nanoseconds from now. */
  after(delay: number, fn: () => void): Timer;
  /** Runs `fn` once after the current call chain, before any timer; calls keep their order. */
  soon(fn: () => void): void;
  /** Runs `fn` once nothing is left of what `soon` was asked for, nor of what follows from that; before any timer. */
  settled(fn: () => void): void;
  /** As `soon`, but lets pending input (clients, timers) be served first: for long work in slices. */
  yield(fn: () => void): void;
  /** Does somebody outside wait to be served, so that a slice of long work should end soon? Without it, nobody ever does. */
  pressed?(): boolean;
  /**
   * Between two steps of long work: serves those outside who can be served there. Cheap where there are none. True: some
   * were, and anything may have changed.
   */
  serve?(): boolean;
  /** The same between two turns of long work, and for all outside: system calls. */
  receive?(): boolean;
  /** Nanoseconds for which those outside have been served. Without it, none. */
  readonly served?: number;
  /** From now on there is somebody outside. */
  attend?(company: Company): void;
  /** Is there yielded work that has not been done? */
  readonly working?: boolean;
  /** Nanoseconds of processor time, of all threads, that the host has given the machine. Without it, all that it asks for. */
  effort?(): number;
}

/** How long the machine was at work: laps of the clock, less what the host was busy with other things. */
export class Laps {
  readonly #clock: Clock;
  #now: number;
  #effort: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = clock.now();
    this.#effort = clock.effort?.();
  }

  /** Nanoseconds since the last call, not more than the host has given the machine meanwhile. */
  lap(): number {
    const now = this.#clock.now();
    const effort = this.#clock.effort?.();
    const time = now - this.#now;
    const given = effort === undefined ? time : effort - this.#effort!;
    this.#now = now;
    this.#effort = effort;
    return Math.min(time, given);
  }
}

/** Those outside whom long work keeps waiting. All of it is asked often. */
export interface Company {
  waiting(): boolean;
  /** As Clock.serve, Clock.receive and Clock.served. */
  serve(): boolean;
  receive(): boolean;
  readonly served: number;
}

const NOBODY: Company = { waiting: () => false, serve: () => false, receive: () => false, served: 0 };

/** Nanoseconds: when a TestClock's machine was switched on, and for how long it had slept. */
export const TEST_EPOCH = 1_000_000_000n * 1_000_000_000n;
export const TEST_SLEPT = 60n * 1_000_000_000n;

/** Time that stands still until `advance`. Deferred work runs inside `run` and `advance`. */
export class TestClock implements Clock {
  #now = 0;
  #queue: (() => void)[] = [];
  #calm: (() => void)[] = [];
  #timers: { at: number; order: number; fn: () => void }[] = [];
  #order = 0;

  now(): number {
    return this.#now;
  }

  monotonic(): bigint {
    return BigInt(Math.floor(this.#now));
  }

  realtime(): bigint {
    return TEST_EPOCH + this.monotonic();
  }

  boottime(): bigint {
    return TEST_SLEPT + this.monotonic();
  }

  after(delay: number, fn: () => void): Timer {
    const timer = { at: this.#now + delay, order: this.#order++, fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  soon(fn: () => void): void {
    this.#queue.push(fn);
  }

  settled(fn: () => void): void {
    this.#calm.push(fn);
  }

  yield(fn: () => void): void {
    this.#queue.push(fn);
  }

  /** Runs deferred work until none is left. `limit` guards against work that re-arms itself for ever. */
  run(limit = 10_000_000): void {
    while (this.#queue.length + this.#calm.length > 0) {
      if (limit-- === 0) throw new Error('TestClock: deferred work does not come to an end');
      (this.#queue.shift() ?? this.#calm.shift())!();
    }
  }

  /** Moves time on by `delay` nanoseconds and fires what falls due, in order. */
  advance(delay: number): void {
    const end = this.#now + delay;
    this.run();
    for (;;) {
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.fn();
      this.run();
    }
    this.#now = end;
  }
}

const NANOSECONDS = 1e6;
const SECOND = 1e9;
/** Milliseconds by which Date may differ from the time that has passed, and nanoseconds by which uptime may. */
const DATE_ERROR = 2;
const UPTIME_ERROR = SECOND;
const MICROSECONDS = 1e3;
/** Milliseconds for which work lets others go first. */
const PATIENCE = 1;

const DONE = Promise.resolve();

/** Real time on the host's event loop. */
export class HostClock implements Clock {
  readonly #start = performance.now();
  readonly #timers = new Timers(
    () => this.now(),
    (delay, fn) => {
      const handle = setTimeout(fn, delay / NANOSECONDS);
      return { cancel: () => clearTimeout(handle) };
    },
  );
  #company = NOBODY;
  /** When yielded work was done last. */
  #worked = 0;
  #pending = 0;
  readonly #patience: number;

  /** `patience`: milliseconds for which work lets others go first. */
  constructor(patience = PATIENCE) {
    this.#patience = patience;
  }

  now(): number {
    return (performance.now() - this.#start) * NANOSECONDS;
  }

  monotonic(): bigint {
    return process.hrtime.bigint();
  }

  realtime(): bigint {
    // What the host's clock was set to since this process began shows in Date alone, which counts milliseconds.
    const fine = performance.timeOrigin + performance.now();
    const told = Date.now();
    return BigInt(Math.round((Math.abs(fine - told) < DATE_ERROR ? fine : told) * 1000)) * 1000n;
  }

  boottime(): bigint {
    // CLOCK_MONOTONIC stands still while the host sleeps; uptime is told in hundredths of seconds.
    const slept = Math.round(uptime() * SECOND) - Number(this.monotonic());
    return this.monotonic() + (Math.abs(slept) < UPTIME_ERROR ? 0n : BigInt(slept));
  }

  after(delay: number, fn: () => void): Timer {
    return this.#timers.after(delay, fn);
  }

  /** As queueMicrotask, which costs several times as much. */
  soon(fn: () => void): void {
    void DONE.then(fn);
  }

  /** Node runs its next ticks when its promises have nothing left to do. */
  settled(fn: () => void): void {
    void DONE.then(() => process.nextTick(fn));
  }

  /**
   * Who can be served at once is. Of others, one round of the event loop finds out that somebody waits, and only the next
   * one serves him: so work lets one more round go by; but not when it has waited for long already.
   */
  yield(fn: () => void): void {
    this.#pending++;
    const work = (): void => {
      this.#pending--;
      fn();
      this.#worked = performance.now();
    };
    setImmediate(() => {
      this.#company.serve();
      if (this.#company.waiting() && performance.now() - this.#worked < this.#patience) setImmediate(work);
      else work();
    });
  }

  pressed(): boolean {
    return this.#company.waiting();
  }

  serve(): boolean {
    return this.#company.serve();
  }

  receive(): boolean {
    return this.#company.receive();
  }

  get served(): number {
    return this.#company.served;
  }

  attend(company: Company): void {
    this.#company = company;
  }

  get working(): boolean {
    return this.#pending > 0;
  }

  effort(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) * MICROSECONDS;
  }
}
