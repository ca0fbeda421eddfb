/**
 * SlotManager: who sits in the hardware's few slots: address spaces for VMs, CSG slots for groups.
 *
 * An object holds a Seat. An active seat keeps its slot; an idle one keeps it until somebody else needs it, so that an
 * object which comes back soon finds its slot as it left it. This is bookkeeping alone: the caller does to the hardware
 * what the answer says. After Linux `drivers/gpu/drm/tyr/slot.rs`.
 */

/** Where an object sits. An idle seat may have been given away: its number then differs from the slot's. */
export type Seat =
  | { readonly state: 'none' }
  | { readonly state: 'active' | 'idle'; readonly slot: number; readonly use: number };

export const NO_SEAT: Seat = { state: 'none' };

export interface Seated {
  seat: Seat;
}

/** The outcome of `activate`: the slot, whether it has to be programmed, and who had to leave it. */
export interface Activation<T> {
  readonly slot: number;
  readonly fresh: boolean;
  readonly evicted: T | undefined;
}

interface Occupied<T> {
  readonly owner: T;
  readonly active: boolean;
  /** Number of the activation; the smallest is the oldest. */
  readonly use: number;
}

export class SlotManager<T extends Seated> {
  readonly #slots: (Occupied<T> | undefined)[];
  readonly #usable: readonly number[];
  #use = 0;

  /** `usable` are the slot numbers that may be given out. */
  constructor(usable: readonly number[]) {
    if (usable.length === 0) throw new RangeError('a slot manager needs a slot');
    this.#usable = usable;
    this.#slots = new Array(Math.max(...usable) + 1).fill(undefined);
  }

  get count(): number {
    return this.#usable.length;
  }

  /** The slot where `owner` is resident, active or idle. */
  slotOf(owner: T): number | undefined {
    const { seat } = owner;
    if (seat.state === 'none') return undefined;
    if (this.#slots[seat.slot]?.owner === owner && this.#slots[seat.slot]?.use === seat.use) return seat.slot;
    if (seat.state === 'active') throw new Error(`slot ${seat.slot} was taken from an active owner`);
    owner.seat = NO_SEAT;
    return undefined;
  }

  /** Who is resident in `slot`. */
  owner(slot: number): T | undefined {
    return this.#slots[slot]?.owner;
  }

  /** All residents, by slot. */
  *residents(): IterableIterator<readonly [slot: number, owner: T]> {
    for (const [slot, occupied] of this.#slots.entries()) if (occupied) yield [slot, occupied.owner];
  }

  /** Gives `owner` an active seat: its own, a free one, or that of the oldest idle owner. Undefined if all are active. */
  activate(owner: T): Activation<T> | undefined {
    const known = this.slotOf(owner);
    if (known !== undefined) {
      this.#seat(owner, known);
      return { slot: known, fresh: false, evicted: undefined };
    }
    let slot: number | undefined;
    let oldest = Number.POSITIVE_INFINITY;
    for (const candidate of this.#usable) {
      const occupied = this.#slots[candidate];
      if (!occupied) {
        slot = candidate;
        break;
      }
      if (!occupied.active && occupied.use < oldest) {
        oldest = occupied.use;
        slot = candidate;
      }
    }
    if (slot === undefined) return undefined;
    const evicted = this.#slots[slot]?.owner;
    if (evicted) evicted.seat = NO_SEAT;
    this.#seat(owner, slot);
    return { slot, fresh: true, evicted };
  }

  /** The owner does not need its slot for now. */
  idle(owner: T): void {
    const slot = this.slotOf(owner);
    if (slot === undefined || owner.seat.state !== 'active') return;
    const { use } = owner.seat;
    owner.seat = { state: 'idle', slot, use };
    this.#slots[slot] = { owner, active: false, use };
  }

  /** Frees the owner's slot, active or idle. Returns it. */
  evict(owner: T): number | undefined {
    const slot = this.slotOf(owner);
    if (slot !== undefined) this.#slots[slot] = undefined;
    owner.seat = NO_SEAT;
    return slot;
  }

  #seat(owner: T, slot: number): void {
    const use = ++this.#use;
    this.#slots[slot] = { owner, active: true, use };
    owner.seat = { state: 'active', slot, use };
  }
}
