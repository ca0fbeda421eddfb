/**
 * GpuTime: time as the GPU has it, which is not the host's where the host is slower than silicon.
 *
 * While the GPU is at rest its time goes as the board's does. While it has work that it does not get done in one slice,
 * its time goes on only by what it does: INSTRUCTION nanoseconds for each instruction of a command stream, and for units'
 * works the processor time that the host has given them. So a host that is busy with other things makes the GPU's time
 * slower, not its jobs late. CYCLE_COUNT counts this time.
 */
import { type Clock, Laps } from '../board/clock.ts';

/** What a command-stream instruction takes: 16 cycles of 200 MHz. No figure is published; this model needs about as long. */
const INSTRUCTION = 80;
/** Nanoseconds of unfinished work after which its account is settled. */
const SETTLE = 20e6;
/** Nanoseconds after which work begins with a look at what the host has given so far: a system call. */
const STALE = 1e9;

export class GpuTime {
  readonly #clock: Clock;
  readonly #laps: Laps;
  /** Nanoseconds that the board is ahead. */
  #lag = 0;
  /** Since when there has been work whose account is open; undefined: the GPU is at rest. */
  #from: number | undefined;
  /** The work has begun in the slice at hand. If it ends there too, it has taken as long as it has. */
  #fresh = false;
  /** What streams may have taken since then, and whether units had a part in it. */
  #credit = 0;
  #works = false;
  /** Whether what the host has given is known for the time since then. */
  #measured = false;
  /** When that was looked at last. */
  #looked = 0;
  /** Nanoseconds that all instructions of command streams so far may have taken. */
  streams = 0;
  /** Called when somebody asks: what has been done so far in the slice at hand is to be told by `done`. */
  onAsk: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#laps = new Laps(clock);
  }

  /** Nanoseconds since the machine was switched on, less those that the GPU could not use. Monotonic. */
  now(): number {
    this.onAsk();
    const now = this.#clock.now();
    if (this.#from !== undefined) this.#settle(now, true);
    return now - this.#lag;
  }

  /** A slice of work begins. */
  begin(now: number): void {
    if (this.#from !== undefined) return;
    if (now - this.#looked > STALE) this.#given(now);
    this.#from = now;
    this.#fresh = true;
  }

  /** Streams have executed so many instructions; `works`: units had a part in it. */
  done(instructions: number, works: boolean): void {
    this.#credit += instructions * INSTRUCTION;
    this.streams += instructions * INSTRUCTION;
    this.#works ||= works;
  }

  /** The slice ends; `more`: there is more to do, in slices that follow at once. */
  end(now: number, more: boolean): void {
    if (this.#from === undefined) return;
    if (more && now - this.#from < SETTLE) this.#fresh = false;
    else this.#settle(now, more);
  }

  /** The GPU stands still in the midst of its work. */
  stop(): void {
    if (this.#from !== undefined) this.#settle(this.#clock.now(), false);
  }

  #settle(now: number, more: boolean): void {
    const wall = now - this.#from!;
    let taken = this.#works || this.#fresh ? wall : Math.min(wall, this.#credit);
    // The host may have stopped the process before anything was measured: it gave no more than since the last look.
    const long = wall > SETTLE;
    if (more || this.#measured || long) {
      const given = this.#given(now);
      if (this.#measured || long) taken = Math.min(taken, given);
    }
    this.#lag += wall - taken;
    this.#from = more ? now : undefined;
    this.#measured = more;
    this.#fresh = false;
    this.#credit = 0;
    this.#works = false;
  }

  /** Nanoseconds that the host has given since it was asked last. */
  #given(now: number): number {
    this.#looked = now;
    return this.#laps.lap();
  }
}
