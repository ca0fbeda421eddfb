/**
 * PooledWork: a job that workers may take part in, as its command stream sees it.
 *
 * The main thread claims tiles or workgroups like everybody else in the turns that the stream gives it: while a frame is drawn
 * its guest usually waits, so there is a core for it. It begins alone: a job that is done in a slice is not worth waking anybody.
 * Then it is handed out. When nothing is left, workers are at their last pieces, which take less time than a message: so the
 * main thread waits for them a little (as long as a small slice at most), and only then turns to others until it is told.
 */
import type { Claim, Work, WorkState } from '../contract.ts';
import type { GpuMemory } from '../mmu/memory.ts';
import { errorOf, type Failure } from './messages.ts';
import type { Shared } from './shared.ts';

/** What a work needs of the pool. */
export interface Hands {
  /** Hands the job out from piece `from` on. False: nobody can take it now. */
  handOut(work: PooledWork, from: number): boolean;
  wake(): void;
  /** The work is over, well or badly. */
  over(work: PooledWork): void;
  /** From now on it is a message that tells of the workers' end. */
  heed(work: PooledWork): void;
  /** It has ended; its record serves others as soon as no worker looks at it any more. */
  ended(work: PooledWork): void;
}

/** Milliseconds that the main thread waits for workers' last pieces. */
const PATIENCE = 0.2;

export class PooledWork implements Work {
  readonly memory: GpuMemory;
  /** Its record among the shared words, once it has been handed out. */
  index = -1;
  serial = 0;
  onWake?: () => void;
  readonly #shared: Shared;
  readonly #begin: (claim: Claim) => Work;
  readonly #hands: Hands;
  /** This thread's part, once it has begun. */
  #part: Work | undefined;
  #drawing = true;
  /** Pieces claimed before the job was handed out. */
  #claimed = 0;
  #out = false;
  #reported = 0;
  /** What a worker has found wrong first. */
  #failure: Failure | undefined;
  /** No worker is at it any more. */
  #ended = false;
  #progress = 0;

  constructor(shared: Shared, memory: GpuMemory, begin: (claim: Claim) => Work, hands: Hands) {
    this.#shared = shared;
    this.memory = memory;
    this.#begin = begin;
    this.#hands = hands;
  }

  get progress(): number {
    return this.#out && !this.#ended ? this.#shared.progress(this.index) : this.#progress;
  }

  /** Before the first step, or between two: lets workers take part. */
  share(): void {
    if (this.#out || !this.#hands.handOut(this, this.#claimed)) return;
    this.#out = true;
    this.#shared.addProgress(this.index, this.#progress);
  }

  step(): WorkState {
    if (this.#drawing) {
      this.#draw();
      if (this.#drawing) {
        this.share();
        return 'more';
      }
    }
    if (this.#out && !this.#ended && !this.#settle()) return 'waiting';
    this.#hands.over(this);
    const failure = this.#failure;
    if (!failure) return 'done';
    if (failure.kind === 'page') this.memory.latch(failure.code, failure.address, failure.access);
    throw errorOf(failure);
  }

  /** Waits for the workers' last pieces. False: a message will tell of their end. */
  #settle(): boolean {
    const shared = this.#shared;
    shared.release(this.index);
    const settled = shared.awaitEnd(this.index, PATIENCE) || this.#heed();
    // What is wrong comes by a message in any case.
    if (!settled || this.#missing) {
      this.#hands.heed(this);
      return false;
    }
    this.#finish();
    return true;
  }

  /** Asks for a message. True: all have parted before. */
  #heed(): boolean {
    this.#shared.heed(this.index);
    return this.#shared.ended(this.index);
  }

  /** A worker has found something wrong, and its message has not come yet. */
  get #missing(): boolean {
    return this.#failure === undefined && this.#shared.failed(this.index);
  }

  #finish(): void {
    this.#progress = this.#shared.progress(this.index);
    this.#ended = true;
    this.#hands.ended(this);
  }

  /** Whether nothing is left to do for who has not begun, or to be done at all. */
  get #idle(): boolean {
    if (!this.#out) return false;
    // Whose record it is when the workers have ended is not known.
    if (this.#ended) return this.#failure !== undefined || !this.#part;
    return this.#shared.stopped(this.index) || (this.#shared.exhausted(this.index) && !this.#part);
  }

  /** A slice of this thread's part. */
  #draw(): void {
    if (this.#idle) {
      this.#leave();
      return;
    }
    try {
      this.#part ??= this.#begin((pieces) => this.#claim(pieces));
      const done = this.#part.step() === 'done';
      const made = this.#part.progress! - this.#reported;
      this.#reported += made;
      const shared = this.#out && !this.#ended;
      if (shared) this.#shared.addProgress(this.index, made);
      else this.#progress += made;
      if (!done) return;
      if (shared) this.#shared.exhaust(this.index);
      this.#drawing = false;
    } catch (error) {
      // A page fault is latched already: its work ends now, and the workers stop by themselves.
      this.abandon();
      throw error;
    }
  }

  /** The next pieces; when the workers have ended there are none. */
  #claim(pieces: number): number {
    if (this.#out) return this.#ended ? Number.POSITIVE_INFINITY : this.#shared.claim(this.index, pieces);
    const first = this.#claimed;
    this.#claimed += pieces;
    return first;
  }

  #leave(): void {
    this.#drawing = false;
    this.#part?.abandon?.();
  }

  /** A worker has found something wrong. Whoever was released has seen memory that was no longer the job's. */
  fail(failure: Failure): void {
    if (!this.#ended) this.#failure ??= failure;
  }

  abandon(): void {
    this.#leave();
    this.#hands.over(this);
    if (this.#ended || !this.#out) return;
    this.#shared.stop(this.index);
    this.#finish();
    this.#hands.wake();
  }

  /** A message: some worker is no longer at it. */
  parted(): void {
    if (this.#ended || !this.#shared.ended(this.index) || this.#missing) return;
    this.#finish();
    this.onWake?.();
  }
}
