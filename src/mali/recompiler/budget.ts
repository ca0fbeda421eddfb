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
  readonly #holders = new Set<Holder>();
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
      for (const other of this.#holders) other.drop();
      this.#holders.clear();
      this.#held = 0;
    }
    this.#held += bytes;
    this.#holders.add(holder);
  }
}
