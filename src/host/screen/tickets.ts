/** Tickets: names that are good once, and for a moment, in place of a secret. */
import { randomBytes } from 'node:crypto';

/** Milliseconds for which a ticket is good: a browser may take long to start. */
const GOOD_FOR = 60_000;
const MOST = 64;

export class Tickets {
  /** By ticket: until when it is good. The oldest is the first. */
  readonly #tickets = new Map<string, number>();

  issue(): string {
    for (const [ticket] of this.#tickets) if (this.#tickets.size >= MOST) this.#tickets.delete(ticket);
    const ticket = randomBytes(18).toString('base64url');
    this.#tickets.set(ticket, performance.now() + GOOD_FOR);
    return ticket;
  }

  /** Whether it is good; never again after this. */
  redeem(ticket: string): boolean {
    const until = this.#tickets.get(ticket) ?? 0;
    this.#tickets.delete(ticket);
    return performance.now() < until;
  }
}
