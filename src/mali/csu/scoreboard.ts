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
  readonly waiters: Deferred[];
}

interface Deferred {
  remaining: number;
  readonly item: Outstanding;
  readonly run: () => void;
}

const LIMIT = 256;

export class Scoreboard {
  readonly #counts = new Uint16Array(CS_SCOREBOARDS);
  readonly #items = new Set<Outstanding>();
  readonly #drained: () => void;

  /** `drained` is called when an entry's count has become smaller. */
  constructor(drained: () => void) {
    this.#drained = drained;
  }

  get full(): boolean {
    return this.#items.size >= LIMIT;
  }

  get empty(): boolean {
    return this.#items.size === 0;
  }

  /** Bitmap of the entries that are not empty. */
  get busy(): number {
    let mask = 0;
    for (let entry = 0; entry < CS_SCOREBOARDS; entry++) if (this.#counts[entry]! > 0) mask |= 1 << entry;
    return mask;
  }

  begin(entry: number): Outstanding {
    const item = { entry, waiters: [] };
    this.#items.add(item);
    this.#counts[entry]!++;
    return item;
  }

  /** Ends an operation, and runs what was deferred until then. Unknown ones (of a stopped stream) are ignored. */
  end(item: Outstanding): void {
    if (!this.#items.delete(item)) return;
    this.#counts[item.entry]!--;
    for (const waiter of item.waiters) {
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
    const before = [...this.#items].filter((item) => (mask >> item.entry) & 1);
    const deferred: Deferred = { remaining: before.length, item: this.begin(slot), run };
    for (const item of before) item.waiters.push(deferred);
  }

  /** Forgets everything. */
  clear(): void {
    this.#items.clear();
    this.#counts.fill(0);
  }
}
