/**
 * Pacer: lets the virtual machine's time stand still while the GPU is at work for longer than silicon would be.
 *
 * The virtual GPU is slower than silicon by far, and the kernel's driver has its timeouts; on a board they say that a job
 * hangs. So when the GPU has been busy for GRACE, the guest is stopped. It goes on when the GPU has its work done, and:
 * - for as long as the instructions of command streams that were executed meanwhile take on silicon (mali/time.ts), so that an
 *   endless stream is late at last;
 * - while no piece of a work (a warp, a tile, a primitive) has come to its end for STUCK: nobody can tell such a work from an
 *   endless shader, and it is the driver that has to.
 * While the guest is stopped its processors stand still, and its clocks with them.
 */
import type { Clock, Timer } from '../../board/clock.ts';

/** The GPU as the pacer sees it. */
export interface PacedGpu {
  observeBusy(observer: (busy: boolean) => void): void;
  readonly done: { readonly streams: number; readonly pieces: number };
}

/** Nanoseconds. */
const GRACE = 20e6;
const BEAT = 10e6;
const STUCK = 500e6;

export class Pacer {
  readonly #gpu: PacedGpu;
  readonly #clock: Clock;
  /** Stops or continues the guest. */
  readonly #switch: (run: boolean) => Promise<unknown>;
  #timer: Timer | undefined;
  #running = true;
  /** A switch is on its way. */
  #switching = false;
  #wanted = true;
  #allowance = 0;
  #streams = 0;
  #pieces = 0;
  /** When something was last seen to come to its end, and when the last beat was. */
  #moved = 0;
  #beat = 0;
  #since = 0;
  #closed = false;
  /** Nanoseconds for which the guest was stopped, and how often. */
  stopped = 0;
  stops = 0;

  constructor(gpu: PacedGpu, clock: Clock, change: (run: boolean) => Promise<unknown>) {
    this.#gpu = gpu;
    this.#clock = clock;
    this.#switch = change;
    gpu.observeBusy((busy) => {
      if (busy) this.#begin();
      else this.#end();
    });
  }

  /** The guest runs from now on, whatever the GPU does. */
  close(): void {
    this.#closed = true;
    this.#end();
  }

  #begin(): void {
    if (this.#closed || this.#timer) return;
    const { streams, pieces } = this.#gpu.done;
    this.#streams = streams;
    this.#pieces = pieces;
    this.#allowance = 0;
    this.#moved = this.#clock.now();
    this.#beat = this.#moved;
    this.#timer = this.#clock.after(GRACE, () => this.#tick());
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#want(true);
  }

  #tick(): void {
    const now = this.#clock.now();
    const { streams, pieces } = this.#gpu.done;
    this.#allowance += streams - this.#streams;
    if (this.#wanted) this.#allowance -= now - this.#beat;
    if (pieces !== this.#pieces) this.#moved = now;
    const stuck = now - this.#moved >= STUCK && streams === this.#streams;
    this.#streams = streams;
    this.#pieces = pieces;
    this.#beat = now;
    // What it had too much, as in its grace, is not held against it.
    this.#allowance = Math.max(this.#allowance, 0);
    this.#want(stuck || this.#allowance >= BEAT);
    this.#timer = this.#clock.after(BEAT, () => this.#tick());
  }

  #want(run: boolean): void {
    this.#wanted = run;
    if (this.#switching || this.#running === run) return;
    this.#switching = true;
    this.#running = run;
    const now = this.#clock.now();
    if (run) this.stopped += now - this.#since;
    else {
      this.#since = now;
      this.stops++;
    }
    const done = (): void => {
      this.#switching = false;
      this.#want(this.#wanted);
    };
    // QEMU is gone, or going: there is nothing to stop.
    this.#switch(run).then(done, () => {});
  }
}
