/**
 * PooledWork: a job that workers are at, as its command stream sees it.
 *
 * The main thread claims tiles or workgroups like everybody else in the turns that the stream gives it: while a frame is drawn
 * its guest usually waits, so there is a core for it. When nothing is left the work waits for the workers' last pieces.
 */
import type { Work, WorkState } from '../contract.ts';
import type { GpuMemory } from '../mmu/memory.ts';
import { errorOf, type Failure } from './messages.ts';
import type { Shared } from './shared.ts';

export class PooledWork implements Work {
  readonly index: number;
  readonly serial: number;
  readonly memory: GpuMemory;
  onWake?: () => void;
  readonly #shared: Shared;
  readonly #begin: (claim: () => number) => Work;
  readonly #wakeWorkers: () => void;
  /** This thread's part, once it has begun. */
  #part: Work | undefined;
  #drawing = true;
  #reported = 0;
  /** What a worker has found wrong first. */
  #failure: Failure | undefined;
  /** No worker is at it any more. */
  #ended = false;
  #abandoned = false;
  #progress = 0;

  constructor(
    shared: Shared,
    index: number,
    serial: number,
    memory: GpuMemory,
    begin: (claim: () => number) => Work,
    wakeWorkers: () => void,
  ) {
    this.#shared = shared;
    this.index = index;
    this.serial = serial;
    this.memory = memory;
    this.#begin = begin;
    this.#wakeWorkers = wakeWorkers;
  }

  get progress(): number {
    return this.#ended ? this.#progress : this.#shared.progress(this.index);
  }

  step(): WorkState {
    if (this.#drawing) {
      this.#draw();
      if (this.#drawing) return 'more';
    }
    if (!this.#ended) return 'waiting';
    const failure = this.#failure;
    if (!failure) return 'done';
    if (failure.kind === 'page') this.memory.latch(failure.code, failure.address, failure.access);
    throw errorOf(failure);
  }

  /** A slice of this thread's part. */
  #draw(): void {
    const { index } = this;
    const shared = this.#shared;
    // Whose record it is when the workers have ended is not known.
    if (
      this.#ended ? this.#failure || !this.#part : shared.stopped(index) || (shared.exhausted(index) && !this.#part)
    ) {
      this.#leave();
      return;
    }
    try {
      this.#part ??= this.#begin(() => this.#claim());
      const done = this.#part.step() === 'done';
      const progress = this.#part.progress!;
      if (this.#ended) this.#progress += progress - this.#reported;
      else shared.addProgress(index, progress - this.#reported);
      this.#reported = progress;
      if (!done) return;
      if (!this.#ended) shared.exhaust(index);
      this.#drawing = false;
    } catch (error) {
      // A page fault is latched already: its work ends now, and the workers stop by themselves.
      this.abandon();
      throw error;
    }
  }

  /** The next piece; when the workers have ended there is none. */
  #claim(): number {
    return this.#ended ? Number.POSITIVE_INFINITY : this.#shared.claim(this.index);
  }

  #leave(): void {
    this.#drawing = false;
    this.#part?.abandon?.();
  }

  /** A worker has found something wrong. */
  fail(failure: Failure): void {
    this.#failure ??= failure;
  }

  abandon(): void {
    this.#abandoned = true;
    this.#leave();
    if (this.#ended) return;
    this.#shared.stop(this.index);
    this.#wakeWorkers();
  }

  /** No worker is at it any more. */
  end(): void {
    this.#progress = this.#shared.progress(this.index);
    this.#ended = true;
    this.#shared.endJob(this.index);
    if (!this.#abandoned) this.onWake?.();
  }
}
