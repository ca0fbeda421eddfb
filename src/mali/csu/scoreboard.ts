/**
 * Scoreboard: what a stream has begun and not finished.
 *
 * Each of the eight entries counts outstanding operations: works of endpoints, and deferred operations that wait for
 * them. An operation that is deferred until a mask of entries has drained waits for those outstanding at that moment, not
 * for later ones; it then runs, and its own entry drains. The number of outstanding operations is bounded; the stream
 * stalls at the bound.
 */
import { CS_SCOREBOARDS } from '../../abi/gpu/cs.ts';

/** An operation that has begun. */
export interface Outstanding {
  readonly entry: number;
  /** What is deferred until it has ended, if anything is. */
  waiters: Deferred[] | undefined;
}

interface Deferred {
  remaining: number;
  readonly item: Outstanding;
  readonly run: () => void;
}

const LIMIT = 256;
const NONE: readonly Deferred[] = [];

export class Scoreboard {
  readonly #counts = new Uint16Array(CS_SCOREBOARDS);
  #busy = 0;
  /** A plain list, mostly of a few: a Set that changes for ever keeps what it held alive for long (V8 links its tables). */
  readonly #items: Outstanding[] = [];
  readonly #drained: () => void;

  /** `drained` is called when an entry's count has become smaller. */
  constructor(drained: () => void) {
    this.#drained = drained;
  }

  get full(): boolean {
    return this.#items.length >= LIMIT;
  }

  get empty(): boolean {
    return this.#items.length === 0;
  }

  /** Bitmap of the entries that are not empty. */
  get busy(): number {
    return this.#busy;
  }

  begin(entry: number): Outstanding {
    const item: Outstanding = { entry, waiters: undefined };
    this.#items.push(item);
    this.#counts[entry]!++;
    this.#busy |= 1 << entry;
    return item;
  }

  /** Ends an operation, and runs what was deferred until then. Unknown ones (of a stopped stream) are ignored. */
  end(item: Outstanding): void {
    const place = this.#items.indexOf(item);
    if (place < 0) return;
    this.#items.splice(place, 1);
    if (--this.#counts[item.entry]! === 0) this.#busy &= ~(1 << item.entry);
    const waiters = item.waiters ?? NONE;
    item.waiters = undefined;
    for (const waiter of waiters) {
      if (--waiter.remaining > 0) continue;
      waiter.run();
      this.end(waiter.item);
    }
    this.#drained();
  }

  /** Runs `run` when the entries of `mask` have drained: at once if they are empty, else counted in `slot`. */
  defer(mask: number, slot: number, run: () => void): void {
    if ((this.busy & mask) === 0) {
      run();
      return;
    }
    const before = this.#items.filter((item) => (mask >> item.entry) & 1);
    const deferred: Deferred = { remaining: before.length, item: this.begin(slot), run };
    for (const item of before) {
      if (item.waiters) item.waiters.push(deferred);
      else item.waiters = [deferred];
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#items.length = 0;
    this.#counts.fill(0);
    this.#busy = 0;
  }
}
