/**
 * FrontEnd: gives all command streams of the GPU their turns.
 *
 * While something can be done it does a slice (one turn for each stream, those of the highest priority first, a few milliseconds in all) and lets the rest of
 * the machine go on, earlier if a client waits to be served: one whose next frame is in the works sends some ten ioctls
 * while this one is drawn, each after the other's answer. When nothing can be done it rests until a doorbell, a sync object or a finished work wakes a stream.
 * An endless stream or shader therefore costs the others time, and blocks nobody.
 *
 * Who asks for the GPU, or waits to hear of a job's end, does not wait for the turns of all streams: if a client was served in a turn, or the host interrupted, the
 * slice pauses behind it until the driver has done all that follows. It goes on with the stream whose turn it was, after those before it that have come
 * since, or had come to rest and were woken: once, then it has its turn whatever they do. Timers wait for the whole slice's end, so between two of the driver's
 * time slices every stream has its turn.
 */
import type { Clock } from '../../board/clock.ts';
import type { GpuTime } from '../time.ts';
import type { CommandStream } from './stream.ts';

/** A stream and whether its group may run now. */
export interface Runner {
  readonly stream: CommandStream;
  /** The address-space slot that it works in. */
  readonly addressSpace: number | undefined;
  /** Of its group among those in slots: the higher has its turn first. */
  readonly priority: number;
  /** Its address space is being changed. */
  paused(): boolean;
  /** Whether it had nothing left to do at the end of its last turn; undefined before its first. The front end's own. */
  rested?: boolean | undefined;
  /** Called after each slice in which the stream had a turn. */
  settled(): void;
}

/** Nanoseconds that one stream may go on in its turn, and how often it may go round if time stands still. */
const TURN = 2e6;
const ROUNDS = 16;
/**
 * Nanoseconds after which it looks whether somebody waits, at least and at most: so many that looks take no more than their part of its time, as the last
 * one took. The first one comes after as many as clients were served for since the last slice, so that those who ask without end leave the GPU its half.
 */
const LOOK = 5e4;
const LATEST_LOOK = 4e5;
const LOOKS_PART = 1 / 50;

/** Whether it may have something to do that it had not in its last turn. */
const comesFirst = ({ rested, stream }: Runner): boolean => rested === undefined || (rested && stream.woken);

export class FrontEnd {
  readonly #clock: Clock;
  readonly #time: GpuTime;
  readonly #guard: (fn: () => void) => void;
  #runners: Runner[] = [];
  #scheduled = false;
  /** More was to be done when the last slice, or its part, ended. */
  #left = false;
  /** How long clients had been served when a slice, or its part, ended last. */
  #servedBefore = 0;
  /** Nanoseconds from one look to the next, and when the next one is due. */
  #look = LOOK;
  #lookAt = 0;

  /** Pieces of works that have come to their end. */
  pieces = 0;
  /** Called when it begins to have more to do than it got done in its slice, and when it has it done. */
  onBusy: ((busy: boolean) => void) | undefined;
  #busy = false;
  /** Nanoseconds until it was last at rest in which it had something to do, and since when it has again. */
  #worked = 0;
  #since: number | undefined;

  /** When whoever waits may be served again. */
  #due = 0;
  /** In the slice at hand, or its part, somebody was served or interrupted. */
  #stirred = false;
  /** Whose turn it was when the slice paused, and whether those before it alone had one since it had paused before. */
  #next: Runner | undefined;
  #owed = false;
  /** The stream that has its turn, and what it had done when the GPU's time was last told. */
  #stream: CommandStream | undefined;
  #activity = 0;
  #retired = 0;

  /** `guard` runs a slice; it ends the firmware if that cannot go on. */
  constructor(clock: Clock, time: GpuTime, guard: (fn: () => void) => void) {
    this.#clock = clock;
    this.#time = time;
    this.#guard = guard;
    time.onAsk = () => this.#account();
  }

  add(runner: Runner): void {
    runner.rested = undefined;
    this.#runners = [...this.#runners, runner];
    this.order();
    this.schedule();
  }

  /** Priorities may have changed. Those alike keep their order. */
  order(): void {
    this.#runners = this.#runners.toSorted((a, b) => b.priority - a.priority);
  }

  remove(runner: Runner): void {
    this.#runners = this.#runners.filter((other) => other !== runner);
  }

  clear(): void {
    this.#account();
    this.#stream = undefined;
    this.#runners = [];
    this.#next = undefined;
    this.#owed = false;
    this.#left = false;
    this.#time.stop();
    this.#told(false, this.#clock.now());
  }

  /** Nanoseconds of the host's in which streams or their works had something to do, and did not wait for others. */
  get worked(): number {
    return this.#worked + (this.#since === undefined ? 0 : this.#clock.now() - this.#since);
  }

  /** The host is interrupted. */
  interrupted(): void {
    this.#stirred = true;
  }

  /** Something can be done: a slice will follow. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.yield(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    this.#guard(this.#turns);
  };

  readonly #turns = (): void => {
    if (!this.#slice()) return;
    if (this.#next) {
      this.#scheduled = true;
      this.#clock.settled(this.#turn);
    } else this.schedule();
  };

  /** Works that other threads are at may have got on. */
  lookAtProgress(): void {
    for (const { stream } of this.#runners) stream.lookAtProgress();
  }

  /** A sync object was written somewhere: all that wait for one look again. */
  syncWritten(): void {
    for (const { stream } of this.#runners) stream.wakeSync();
  }

  /** Chunks of a tiler heap in this address space, or whole render passes, are done. */
  heapReleased(addressSpace: number | undefined, heapContext: number): void {
    for (const runner of this.#runners) {
      if (runner.addressSpace === addressSpace) runner.stream.shortage.released(heapContext);
    }
  }

  /** A slice, or a part of one. False: nothing more can be done. */
  #slice(): boolean {
    const begin = this.#clock.now();
    const turns = this.#runners;
    this.#time.begin(begin);
    this.#since ??= begin;
    this.#stirred = false;
    // One that has left meanwhile has had its turn.
    const first = this.#next ? Math.max(0, turns.indexOf(this.#next)) : 0;
    const owed = this.#owed;
    const served = (this.#clock.served ?? 0) - this.#servedBefore;
    if (!this.#next) this.#lookAt = begin + (this.#left ? Math.max(this.#look, served) : LOOK);
    this.#next = undefined;
    this.#owed = false;
    // Those before the first are looked at again.
    let more = first > 0;
    for (const [i, runner] of turns.entries()) {
      // An earlier turn may have stopped it.
      if (!this.#mayRun(runner)) continue;
      const { stream } = runner;
      if (i < first && !comesFirst(runner)) continue;
      if (this.#stirred && !(owed && i <= first)) {
        this.#next = turns[Math.max(i, first)];
        this.#owed = i <= first;
        more = true;
        break;
      }
      this.#stream = stream;
      this.#activity = stream.activity;
      this.#retired = stream.retired;
      let now = this.#clock.now();
      const end = now + TURN;
      let pressed = false;
      runner.rested = false;
      for (let round = 0; ; round++) {
        if (!stream.step()) {
          runner.rested = true;
          break;
        }
        now = this.#clock.now();
        if (now >= this.#due && this.#serve(now) && !this.#mayRun(runner)) break;
        pressed = this.#pressed(now);
        if (round === ROUNDS || now >= end || pressed) {
          more = true;
          break;
        }
      }
      this.#account();
      this.#stream = undefined;
      runner.settled();
      if (pressed && now >= this.#due) this.#served(now, this.#clock.receive?.());
    }
    const end = this.#clock.now();
    this.#time.end(end, more);
    this.#left = more;
    this.#servedBefore = this.#clock.served ?? 0;
    this.#told(more || this.#runners.some(({ stream }) => stream.elsewhere), end);
    return more;
  }

  /** Whether there is more to do at `now`. */
  #told(busy: boolean, now: number): void {
    if (!busy && this.#since !== undefined) {
      this.#worked += now - this.#since;
      this.#since = undefined;
    }
    if (busy === this.#busy) return;
    this.#busy = busy;
    this.onBusy?.(busy);
  }

  /** Tells the GPU's time what the stream at hand has done since it was last told. */
  #account(): void {
    const stream = this.#stream;
    if (!stream) return;
    const { activity, retired } = stream;
    const instructions = retired - this.#retired;
    this.#time.done(instructions, activity - this.#activity > instructions);
    this.#activity = activity;
    this.#retired = retired;
  }

  #mayRun(runner: Runner): boolean {
    return this.#runners.includes(runner) && !runner.paused();
  }

  /** Serves whoever can be served here, and then not before the GPU has had as much time as that took. */
  #serve(now: number): boolean {
    return this.#served(now, this.#clock.serve?.());
  }

  /** Since `now` somebody was served, or nobody. */
  #served(now: number, served = false): boolean {
    if (!served) return false;
    this.#stirred = true;
    const end = this.#clock.now();
    this.#due = 2 * end - now;
    return true;
  }

  #pressed(now: number): boolean {
    if (now < this.#lookAt) return false;
    const pressed = this.#clock.pressed?.() ?? false;
    const end = this.#clock.now();
    this.#look = Math.min(Math.max(LOOK, (end - now) / LOOKS_PART), LATEST_LOOK);
    this.#lookAt = end + this.#look;
    return pressed;
  }
}
