/**
 * What a worker knows of a job: its own view of the job's memory, and its part: the tiles or workgroups that it claims.
 *
 * A view stays from job to job, as what was decoded through it (shaders, textures) does. Before each slice it takes over what the
 * host has done to the address space since the last one.
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Claim, Work } from '../contract.ts';
import { GpuMemory, type TranslationSource } from '../mmu/memory.ts';
import type { Translation } from '../mmu/walk.ts';
import type { Shared } from './shared.ts';

/** Faults are the main thread's to latch, when it hears of them. */
class Source implements TranslationSource {
  readonly slot: number;
  readonly translation: Translation;

  constructor(slot: number, translation: Translation) {
    this.slot = slot;
    this.translation = translation;
  }

  fault(): void {}
}

/** A view of the main thread's, as this worker sees it. */
export class View {
  readonly memory: GpuMemory;
  #slot = -1;
  #epoch = -1;
  #locked = false;

  constructor(dram: PhysicalMemory, outputBits: number) {
    this.memory = new GpuMemory(dram, outputBits);
  }

  /** Takes the slot over as it is now; the worker has entered it. False: it is locked. */
  adopt(shared: Shared, worker: number, slot: number): boolean {
    for (;;) {
      const epoch = shared.epoch(slot);
      if (slot === this.#slot && epoch === this.#epoch) return !this.#locked;
      const space = shared.space(slot, epoch);
      if (!space) continue;
      this.memory.attach(new Source(slot, space.translation));
      this.#slot = slot;
      this.#epoch = epoch;
      this.#locked = space.locked;
      shared.acknowledge(worker, slot, epoch);
      return !space.locked;
    }
  }
}

/** Milliseconds that a worker goes on without a check point; it ends sooner if one is asked for. */
const SLICE = 0.5;

/** What a slice of a job has come to. */
export type SliceEnd = 'more' | 'done' | 'blocked';

/** Makes a thread's part of a job, from the job's shared words and what it sees of memory. */
export type MakePart = (job: number, memory: GpuMemory, claim: Claim) => Work;

export class WorkerJob {
  readonly index: number;
  readonly serial: number;
  readonly #shared: Shared;
  readonly #worker: number;
  readonly #view: View;
  readonly #make: MakePart;
  #part: Work | undefined;
  #progress = 0;
  #engaged = false;

  constructor(shared: Shared, worker: number, index: number, serial: number, view: View, make: MakePart) {
    this.#shared = shared;
    this.#worker = worker;
    this.index = index;
    this.serial = serial;
    this.#view = view;
    this.#make = make;
  }

  /** Half a millisecond's worth. What is wrong with the job is thrown. */
  slice(): SliceEnd {
    const { index } = this;
    const shared = this.#shared;
    const worker = this.#worker;
    const slot = shared.slot(index);
    if (slot === undefined) return 'blocked';
    shared.enter(worker, slot);
    try {
      if (!this.#view.adopt(shared, worker, slot)) return 'blocked';
      // The job may have lost the slot, or been stopped, before this worker was seen in it: what has been taken over may then
      // be another's.
      if (shared.stopped(index)) return 'more';
      if (shared.slot(index) !== slot) return 'blocked';
      this.#part ??= this.#make(index, this.#view.memory, this.#claim);
      const end = performance.now() + SLICE;
      let state = this.#part.step();
      while (state !== 'done' && performance.now() < end && !this.#called) {
        state = this.#part.step();
      }
      const progress = this.#part.progress!;
      if (progress !== this.#progress) shared.addProgress(index, progress - this.#progress);
      this.#progress = progress;
      return state === 'done' ? 'done' : 'more';
    } finally {
      shared.leave(worker);
    }
  }

  /** The next pieces; none if the job has ended before the first. */
  readonly #claim: Claim = (pieces) => {
    this.#engaged ||= this.#shared.engage(this.index, this.#worker);
    return this.#engaged ? this.#shared.claim(this.index, pieces) : Number.POSITIVE_INFINITY;
  };

  /** Whether the main thread wants the slice to end. */
  get #called(): boolean {
    const shared = this.#shared;
    return shared.asked(this.#worker) || shared.stopped(this.index) || shared.released(this.index, this.#worker);
  }

  /** Whether this worker has begun its part. */
  get begun(): boolean {
    return this.#part !== undefined;
  }

  /** The job is over before its part is. Touches no memory of the job's. */
  abandon(): void {
    this.#part?.abandon?.();
  }
}
