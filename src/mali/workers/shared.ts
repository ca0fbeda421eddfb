/**
 * What the main thread and the workers know of one another: words in a shared buffer, in layouts that only this file knows.
 *
 * - An address space: what its slot translates by, whether it is locked, and an epoch that every change moves on by two; while it
 *   is odd, the words are being written.
 * - A worker: the slot in which it is at work, and for each slot the last epoch that it has taken over. It names its slot
 *   first and looks at the epoch then, and whoever changes a slot moves the epoch on first and looks at the workers then: so
 *   either the worker works by the new translation, or the change knows that it must wait for the worker's next check point.
 *   Last it looks whether the job still has the slot: a job loses its slot before another address space gets it.
 * - A job: a RUN_FRAGMENT or RUN_COMPUTE with its registers, the slot that it may work in, and the next tile or workgroup that
 *   nobody has claimed. Workers are invited, join, engage and part. Who has not engaged when nothing is left is not waited for:
 *   a thread that meets a program for the first time may need a tenth of a second before its first tile. The main
 *   thread looks at the words, as messages take long; only where it says that it heeds them, the last to part sends one.
 */
import type { Translation } from '../mmu/walk.ts';

export const MAX_WORKERS = 31;
const SLOTS = 16;
export const JOBS = 128;
/** What a job is. */
export const KIND = { FRAGMENT: 0, COMPUTE: 1 } as const;
/** Operands of the instruction that are kept. */
const OPERANDS = 4;
/** Work registers of a command stream. */
const REGISTERS = 96;

/** Words of an address-space slot. */
const SPACE = {
  epoch: 0,
  locked: 1,
  mode: 2,
  tableLow: 3,
  tableHigh: 4,
  inputBits: 5,
  flags: 6,
  attributes: 7,
  size: 16,
} as const;
const FLAG = { accessFlagFaults: 1, writeExecuteNever: 2 } as const;
/** Words of a worker: they lie in cache lines of their own. */
const WORKER = { wake: 0, running: 1, asked: 2, busy: 3, epochs: 16, size: 32 } as const;
/** Words of a job. */
const JOB = {
  serial: 0,
  stop: 1,
  space: 2,
  view: 3,
  next: 4,
  progress: 5,
  left: 6,
  exhausted: 7,
  kind: 8,
  operands: 9,
  heeded: 13,
  failed: 14,
  registers: 16,
  /** A byte for each worker: its PART. */
  parts: 112,
  size: 128,
} as const;
/**
 * A worker's part in a job: it may join; it has, and prepares; it may claim pieces, and nobody ends the job without it; it has
 * prepared in vain, as the job has ended without it.
 */
const PART = { NONE: 0, INVITED: 1, JOINED: 2, ENGAGED: 3, RELEASED: 4 } as const;
const POOL = { closing: 0, serial: 1, telling: 2, size: 16 } as const;

const SPACES_AT = POOL.size;
const WORKERS_AT = SPACES_AT + SLOTS * SPACE.size;
const JOBS_AT = WORKERS_AT + MAX_WORKERS * WORKER.size;
const WORDS = JOBS_AT + JOBS * JOB.size;

/** In place of a slot: none. */
const NONE = -1;

export class Shared {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer = new SharedArrayBuffer(WORDS * 4)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  // The pool.

  get closing(): boolean {
    return Atomics.load(this.#words, POOL.closing) !== 0;
  }

  close(): void {
    Atomics.store(this.#words, POOL.closing, 1);
  }

  /** Workers are to say what they have spent their time with. */
  get telling(): boolean {
    return Atomics.load(this.#words, POOL.telling) !== 0;
  }

  tell(): void {
    Atomics.store(this.#words, POOL.telling, 1);
  }

  // Address spaces.

  epoch(slot: number): number {
    return Atomics.load(this.#words, SPACES_AT + slot * SPACE.size + SPACE.epoch);
  }

  /** Main thread: nobody begins with an older translation of the slot from here on. */
  setSpace(slot: number, translation: Translation, locked: boolean): void {
    const words = this.#words;
    const at = SPACES_AT + slot * SPACE.size;
    Atomics.add(words, at + SPACE.epoch, 1);
    Atomics.store(words, at + SPACE.locked, locked ? 1 : 0);
    Atomics.store(words, at + SPACE.mode, translation.mode);
    Atomics.store(words, at + SPACE.tableLow, translation.table % 2 ** 32);
    Atomics.store(words, at + SPACE.tableHigh, Math.floor(translation.table / 2 ** 32));
    Atomics.store(words, at + SPACE.inputBits, translation.inputBits);
    const { accessFlagFaults, writeExecuteNever, attributes } = translation;
    const flags = (accessFlagFaults ? FLAG.accessFlagFaults : 0) | (writeExecuteNever ? FLAG.writeExecuteNever : 0);
    Atomics.store(words, at + SPACE.flags, flags);
    for (let i = 0; i < 8; i++) Atomics.store(words, at + SPACE.attributes + i, attributes[i] ?? 0);
    Atomics.add(words, at + SPACE.epoch, 1);
  }

  /**
   * Worker: what `epoch` stands for; `locked`: nobody may work in the slot. Undefined if a newer epoch has begun meanwhile.
   */
  space(slot: number, epoch: number): { translation: Translation; locked: boolean } | undefined {
    if (epoch % 2 !== 0) return undefined;
    const at = SPACES_AT + slot * SPACE.size;
    const word = (i: number): number => Atomics.load(this.#words, at + i);
    const flags = word(SPACE.flags);
    const translation: Translation = {
      mode: word(SPACE.mode),
      table: (word(SPACE.tableLow) >>> 0) + (word(SPACE.tableHigh) >>> 0) * 2 ** 32,
      inputBits: word(SPACE.inputBits),
      accessFlagFaults: (flags & FLAG.accessFlagFaults) !== 0,
      writeExecuteNever: (flags & FLAG.writeExecuteNever) !== 0,
      attributes: Array.from({ length: 8 }, (_, i) => word(SPACE.attributes + i)),
    };
    const locked = word(SPACE.locked) !== 0;
    return this.epoch(slot) === epoch ? { translation, locked } : undefined;
  }

  isLocked(slot: number): boolean {
    return Atomics.load(this.#words, SPACES_AT + slot * SPACE.size + SPACE.locked) !== 0;
  }

  // Workers.

  /** A number that every `wake` changes. */
  wakes(worker: number): number {
    return Atomics.load(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.wake);
  }

  wake(worker: number): void {
    const at = WORKERS_AT + worker * WORKER.size + WORKER.wake;
    Atomics.add(this.#words, at, 1);
    Atomics.notify(this.#words, at);
  }

  /** Worker: sleeps until somebody has called `wake` since `wakes` was `seen`. */
  sleep(worker: number, seen: number): void {
    Atomics.wait(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.wake, seen);
  }

  /** Worker: will work in `slot`. Only then may it look at the slot's epoch. */
  enter(worker: number, slot: number): void {
    Atomics.store(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.running, slot + 1);
  }

  /** Worker: has taken the slot's epoch over. */
  acknowledge(worker: number, slot: number, epoch: number): void {
    Atomics.store(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.epochs + slot, epoch);
  }

  /** Worker: uses no translation. */
  leave(worker: number): void {
    Atomics.store(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.running, 0);
  }

  /** Worker: whether the main thread waits for its check point. */
  asked(worker: number): boolean {
    return Atomics.load(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.asked) !== 0;
  }

  /** Whether the main thread has asked to hear of the worker's check point; asks no more. */
  takeAsked(worker: number): boolean {
    const at = WORKERS_AT + worker * WORKER.size + WORKER.asked;
    return Atomics.load(this.#words, at) !== 0 && Atomics.exchange(this.#words, at, 0) !== 0;
  }

  /** Main thread: whether the worker may use a translation of the slot from before its present epoch. If so it will say when not. */
  behind(worker: number, slot: number): boolean {
    if (!this.#behind(worker, slot)) return false;
    Atomics.store(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.asked, 1);
    return this.#behind(worker, slot);
  }

  #behind(worker: number, slot: number): boolean {
    const at = WORKERS_AT + worker * WORKER.size;
    if (Atomics.load(this.#words, at + WORKER.running) !== slot + 1) return false;
    return Atomics.load(this.#words, at + WORKER.epochs + slot) !== this.epoch(slot);
  }

  /** Microseconds that the worker has been at work. */
  busy(worker: number): number {
    return Atomics.load(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.busy) >>> 0;
  }

  addBusy(worker: number, microseconds: number): void {
    Atomics.add(this.#words, WORKERS_AT + worker * WORKER.size + WORKER.busy, microseconds);
  }

  // Jobs.

  /** Main thread: begins a job in a free record, to which it invites `workers`; pieces before `next` are taken. */
  beginJob(
    job: number,
    kind: number,
    view: number,
    slot: number | undefined,
    registers: Uint32Array,
    operands: readonly number[],
    next: number,
    workers: readonly number[],
  ): number {
    const words = this.#words;
    const base = JOBS_AT + job * JOB.size;
    const serial = Atomics.add(words, POOL.serial, 1) + 1;
    words.fill(0, base, base + JOB.size);
    words[base + JOB.space] = slot ?? NONE;
    words[base + JOB.view] = view;
    words[base + JOB.kind] = kind;
    words[base + JOB.next] = next;
    for (let i = 0; i < OPERANDS; i++) words[base + JOB.operands + i] = operands[i] ?? 0;
    words.set(new Int32Array(registers.buffer, registers.byteOffset, REGISTERS), base + JOB.registers);
    words[base + JOB.serial] = serial;
    words[base + JOB.left] = workers.length;
    // Last: who sees it may read the others.
    for (const worker of workers) Atomics.store(this.#bytes, partAt(job, worker), PART.INVITED);
    return serial;
  }

  /** The job's number, which no other job ever had. */
  serial(job: number): number {
    return Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.serial);
  }

  registers(job: number): Uint32Array {
    const base = JOBS_AT + job * JOB.size + JOB.registers;
    return new Uint32Array(this.#words.slice(base, base + REGISTERS).buffer);
  }

  kind(job: number): number {
    return this.#words[JOBS_AT + job * JOB.size + JOB.kind]!;
  }

  operand(job: number, i: number): number {
    return this.#words[JOBS_AT + job * JOB.size + JOB.operands + i]!;
  }

  view(job: number): number {
    return this.#words[JOBS_AT + job * JOB.size + JOB.view]!;
  }

  /** The slot that the job may work in; undefined: none, it has to wait. */
  slot(job: number): number | undefined {
    const slot = Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.space);
    return slot === NONE ? undefined : slot;
  }

  setSlot(job: number, slot: number | undefined): void {
    Atomics.store(this.#words, JOBS_AT + job * JOB.size + JOB.space, slot ?? NONE);
  }

  stop(job: number): void {
    Atomics.store(this.#words, JOBS_AT + job * JOB.size + JOB.stop, 1);
  }

  stopped(job: number): boolean {
    return Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.stop) !== 0;
  }

  /** The next tiles or workgroups that nobody has: the first one's number. */
  claim(job: number, pieces: number): number {
    return Atomics.add(this.#words, JOBS_AT + job * JOB.size + JOB.next, pieces) >>> 0;
  }

  /** All has been claimed: who has not begun need not. */
  exhaust(job: number): void {
    Atomics.store(this.#words, JOBS_AT + job * JOB.size + JOB.exhausted, 1);
  }

  exhausted(job: number): boolean {
    return Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.exhausted) !== 0;
  }

  progress(job: number): number {
    return Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.progress);
  }

  addProgress(job: number, pieces: number): void {
    Atomics.add(this.#words, JOBS_AT + job * JOB.size + JOB.progress, pieces);
  }

  /** Worker: takes part, if it is invited. Only then may it read the job's words. */
  join(job: number, worker: number): boolean {
    const at = partAt(job, worker);
    if (Atomics.load(this.#bytes, at) !== PART.INVITED) return false;
    return Atomics.compareExchange(this.#bytes, at, PART.INVITED, PART.JOINED) === PART.INVITED;
  }

  /** Whether a worker is invited or has joined. */
  takesPart(job: number, worker: number): boolean {
    return Atomics.load(this.#bytes, partAt(job, worker)) !== PART.NONE;
  }

  /** Worker: something is wrong with the job; before it parts, as the main thread then waits for its message. */
  fail(job: number): void {
    Atomics.store(this.#words, JOBS_AT + job * JOB.size + JOB.failed, 1);
  }

  failed(job: number): boolean {
    return Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.failed) !== 0;
  }

  /** Worker: is ready to claim pieces. False: the job has ended, or will, without it. */
  engage(job: number, worker: number): boolean {
    return Atomics.compareExchange(this.#bytes, partAt(job, worker), PART.JOINED, PART.ENGAGED) === PART.JOINED;
  }

  /** Worker: whether the job has ended without it. */
  released(job: number, worker: number): boolean {
    return Atomics.load(this.#bytes, partAt(job, worker)) === PART.RELEASED;
  }

  /** A worker is no longer at the job, whatever its part was. True: it was the last engaged, and a message is asked for. */
  part(job: number, worker: number): boolean {
    const at = JOBS_AT + job * JOB.size;
    const before = Atomics.exchange(this.#bytes, partAt(job, worker), PART.NONE);
    if (before === PART.NONE) return false;
    const asked = before !== PART.RELEASED && Atomics.load(this.#words, at + JOB.heeded) !== 0 && this.ended(job);
    // From here on the record may be another job's: a message about this one is ignored then.
    Atomics.sub(this.#words, at + JOB.left, 1);
    Atomics.notify(this.#words, at + JOB.left);
    return asked;
  }

  /** Main thread: who has not engaged yet need not. */
  release(job: number): void {
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const at = partAt(job, worker);
      if (Atomics.load(this.#bytes, at) === PART.NONE) continue;
      if (Atomics.compareExchange(this.#bytes, at, PART.INVITED, PART.NONE) === PART.INVITED) {
        Atomics.sub(this.#words, JOBS_AT + job * JOB.size + JOB.left, 1);
      } else Atomics.compareExchange(this.#bytes, at, PART.JOINED, PART.RELEASED);
    }
  }

  /** Whether nobody has the job's record in use any more. */
  free(job: number): boolean {
    return Atomics.load(this.#words, JOBS_AT + job * JOB.size + JOB.left) === 0;
  }

  /** Whether nobody is at the job any more who may have claimed of it; after `release` nobody will. */
  ended(job: number): boolean {
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const part = Atomics.load(this.#bytes, partAt(job, worker));
      if (part !== PART.NONE && part !== PART.RELEASED) return false;
    }
    return true;
  }

  /** Main thread: waits so many milliseconds at most until the job has ended; whether it has. */
  awaitEnd(job: number, milliseconds: number): boolean {
    const at = JOBS_AT + job * JOB.size + JOB.left;
    const end = performance.now() + milliseconds;
    for (;;) {
      const left = Atomics.load(this.#words, at);
      if (this.ended(job)) return true;
      const rest = end - performance.now();
      if (rest <= 0) return false;
      Atomics.wait(this.#words, at, left, rest);
    }
  }

  /** Main thread: wants a message when the job has ended. It must look once more whether that is so already. */
  heed(job: number): void {
    Atomics.store(this.#words, JOBS_AT + job * JOB.size + JOB.heeded, 1);
  }
}

const partAt = (job: number, worker: number): number => (JOBS_AT + job * JOB.size + JOB.parts) * 4 + worker;
