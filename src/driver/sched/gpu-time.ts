/**
 * GpuTime: how long jobs have had the GPU, by the GPU's own clock.
 *
 * A job is late when the GPU has had its time, not when the host has. On silicon the two hardly differ; a GPU that is
 * emulated, or gated, counts fewer cycles than its clock's rate promises, and the time of jobs goes slower with it. The cycle
 * counter is read only while jobs are in flight for longer than BEAT; between two readings time is taken to go as the board's.
 */
import type { Clock, Timer } from '../../board/clock.ts';
import { MILLISECOND, SECOND } from '../async.ts';

/** Nanoseconds from one look at the counter to the next. */
const BEAT = 100 * MILLISECOND;
/** A deadline that is so near has come. */
const NEAR = MILLISECOND;

/** What GpuTime reads of the GPU. */
export interface CycleCounter {
  /** Cycles since the GPU was reset. */
  readonly cycleCount: number;
  /** Cycles of a second, as the clock's rate is now. */
  readonly cycleRate: number;
}

export class GpuTime {
  readonly #clock: Clock;
  readonly #counter: CycleCounter;
  #time = 0;
  /** At the last reading: the board's time, and cycles. */
  #board: number;
  #cycles = 0;

  constructor(clock: Clock, counter: CycleCounter) {
    this.#clock = clock;
    this.#counter = counter;
    this.#board = clock.now();
    this.#cycles = counter.cycleCount;
  }

  /** Nanoseconds of the GPU's time; too many by what the GPU has lost since the last reading. */
  now(): number {
    return this.#time + this.#clock.now() - this.#board;
  }

  /**
   * Calls `late` when `left` nanoseconds of the GPU's time have gone by, and `beat` now and then until then.
   */
  after(left: number, late: () => void, beat: () => void): Timer {
    const end = this.now() + left;
    let timer: Timer;
    const wait = (time: number): void => {
      timer = this.#clock.after(Math.min(time, BEAT), () => {
        this.#read();
        const rest = end - this.now();
        if (rest < NEAR) return late();
        wait(rest);
        beat();
      });
    };
    wait(left);
    return { cancel: () => timer.cancel() };
  }

  /** The clock is about to change its rate: what it has counted so far is taken down. */
  rateChanges(): void {
    this.#read();
  }

  #read(): void {
    const { cycleCount, cycleRate } = this.#counter;
    const board = this.#clock.now();
    const passed = board - this.#board;
    const cycles = cycleCount - this.#cycles;
    // A counter that has gone back was reset.
    this.#time += cycles < 0 ? passed : Math.min(passed, (cycles * SECOND) / cycleRate);
    this.#board = board;
    this.#cycles = cycleCount;
  }
}
