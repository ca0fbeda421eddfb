/**
 * Watch: looks into the mailboxes of channels that have just asked for something, since they will soon ask again.
 *
 * Waking a thread that sleeps costs more than most ioctls, on both sides. So for a moment after a request the machine's
 * thread looks on without sleeping, and goes round its event loop now and then; work in slices, between whose steps requests are
 * served too, and workers' messages take their turns meanwhile. Then it tells the guests that it no longer looks, looks a last
 * time, and sleeps until a packet wakes it. A guest that has no other processor than this thread's gets it in between.
 */

import * as sys from './syscalls.ts';

export interface Watched {
  /** Is there something to serve? */
  readonly waiting: boolean;
  /** Serves it. */
  look(): void;
  watch(on: boolean): void;
}

/** The time in milliseconds, and what lets other threads run that wait for this processor. */
export interface Host {
  now(): number;
  giveWay(): void;
}

const HOST: Host = { now: () => performance.now(), giveWay: sys.yieldProcessor };

/** Channels that are watched at once: as many threads as a host has cores for at the same time. */
const MOST = 8;

/** Milliseconds between two rounds of the event loop while nobody asks. */
const ROUND = 0.05;

/** Milliseconds: who gave way for as long has not been alone on his processor. */
const CONTESTED = 0.1;

export class Watch {
  /** Milliseconds after the last request. */
  readonly #patience: number;
  readonly #working: () => boolean;
  readonly #host: Host;
  /** The one that asked last is the last. */
  readonly #watched: Watched[] = [];
  /** Milliseconds for which mailboxes have been served. */
  served = 0;
  #end = 0;
  #going = false;

  /** `working` says whether this thread has other work to do. */
  constructor(patience: number, working: () => boolean, host: Host = HOST) {
    this.#patience = patience;
    this.#working = working;
    this.#host = host;
  }

  get waiting(): boolean {
    for (const channel of this.#watched) if (channel.waiting) return true;
    return false;
  }

  /** Serves who waits. False: nobody did. */
  serve(): boolean {
    if (!this.waiting) return false;
    this.#look();
    return true;
  }

  /** A channel has asked for something. */
  touch(channel: Watched): void {
    this.#end = this.#host.now() + this.#patience;
    const watched = this.#watched;
    if (watched.at(-1) !== channel) {
      const at = watched.indexOf(channel);
      if (at >= 0) watched.splice(at, 1);
      else {
        if (watched.length === MOST) watched.shift()!.watch(false);
        channel.watch(true);
      }
      watched.push(channel);
    }
    if (this.#going) return;
    this.#going = true;
    setImmediate(this.#turn);
  }

  forget(channel: Watched): void {
    const at = this.#watched.indexOf(channel);
    if (at >= 0) this.#watched.splice(at, 1);
  }

  readonly #turn = (): void => {
    // Who works goes round anyway.
    if (this.#working()) this.#end = this.#host.now() + this.#patience;
    else this.#await();
    this.serve();
    if (this.#watched.length > 0 && this.#host.now() < this.#end) {
      setImmediate(this.#turn);
      return;
    }
    this.#going = false;
    const last = this.#watched.splice(0);
    for (const channel of last) channel.watch(false);
    for (const channel of last) if (channel.waiting) channel.look();
  };

  /** Looks for a moment without going round the event loop, whose rounds take time and memory. */
  #await(): void {
    const end = Math.min(this.#host.now() + ROUND, this.#end);
    while (!this.waiting && this.#host.now() < end) if (!this.#giveWay()) this.#end = 0;
  }

  /** Lets others have the processor. False: it was somebody else's than a guest's, and who sleeps gets it back sooner. */
  #giveWay(): boolean {
    const begin = this.#host.now();
    this.#host.giveWay();
    return this.#host.now() - begin < CONTESTED || this.waiting;
  }

  #look(): void {
    const watched = this.#watched;
    const begin = this.#host.now();
    // Serving moves what is served, or takes it away.
    for (let i = watched.length - 1; i >= 0; i--) if (watched[i]?.waiting) watched[i]!.look();
    this.served += this.#host.now() - begin;
  }
}
