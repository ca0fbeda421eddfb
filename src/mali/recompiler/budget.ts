/**
 * Budget: what is kept because it is dear to make, but can be made again. Programs are the guests', and a guest may bring ever new
 * ones: when more is held than there is room for, all holders drop what they have.
 */

/** Somebody who holds something, until told not to. */
export interface Holder {
  drop(): void;
}

export class Budget {
  readonly #most: number;
  /** Holders, each once. Whoever is gone, as the units of a memory that is, is not kept alive. */
  readonly #holders: WeakRef<Holder>[] = [];
  #known = new WeakSet<Holder>();
  #held = 0;

  /** `most`: bytes, roughly. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes that are held. */
  get held(): number {
    return this.#held;
  }

  /** Somebody comes to hold so many bytes more; others have dropped theirs when it answers, if there was no room. */
  hold(holder: Holder, bytes: number): void {
    if (this.#held + bytes > this.#most) {
      for (const other of this.#holders.splice(0)) other.deref()?.drop();
      this.#known = new WeakSet();
      this.#held = 0;
    }
    this.#held += bytes;
    if (this.#known.has(holder)) return;
    this.#known.add(holder);
    this.#holders.push(new WeakRef(holder));
  }
}
