/**
 * FairPolicy: clients get equal shares of the GPU, however many groups each of them has.
 *
 * Every client has a virtual time: what its groups have had of the GPU, divided by their weight. At the end of each slice the slots go,
 * one by one, to whoever is furthest behind, counting what it has just been given; within a client its groups take turns. So one with a
 * single group beside others with ten gets as much as they do. Weights follow the priority; realtime groups come before all others, as
 * under panthor's policy. A group of higher priority than one in a slot does not wait for the end of the slice, as long as its client has had
 * no more than that one's: so a client that asks for little is served soon, and one that always has work gets its share and no more. Where it has come to
 * rest it keeps its slot for a while, as it would be let in again at once: to change groups takes longer than a small job. Who comes, or comes back, begins where those are
 * who have had least of all that competed last: he does not catch up on what he has slept, and they do not pay for what they have had while nobody else wanted it. The idea is that of Linux' CFS
 * (`kernel/sched/fair.c`) and of its successor in the DRM scheduler's fair policy.
 */
import { GROUP_PRIORITIES, GROUP_PRIORITY } from '../../abi/panthor.ts';
import type { Group } from './group.ts';
import type { Policy, TickChoice, TickInput } from './policy.ts';
import { TICK_PERIOD } from './tick.ts';

/** By priority, low to realtime. */
const WEIGHTS = [1, 2, 4, 8] as const;
/** What a slot is worth until the next tick, in nanoseconds of an undivided GPU: of no matter as long as all count the same. */
const TURN = 1e6;
/** Nanoseconds after its last job for which a group that is at rest may keep a slot that others want, and the part of the slots that such groups may have. */
const KEEP = 100e6;
const KEPT_PART = 1 / 4;

const weightOf = ({ priority }: Group): number => WEIGHTS[priority] ?? 1;

export class FairPolicy implements Policy {
  /** Virtual times of clients. */
  readonly #times = new WeakMap<object, number>();
  /** When a group was last given a slot. */
  readonly #turns = new WeakMap<Group, number>();
  #turn = 0;
  /** Nobody who comes is further behind than this. */
  #floor = 0;
  /** Since the last tick: clients that have competed, and groups that were at work in slots from the first. */
  #competing: ReadonlySet<object> = new Set();
  #working: ReadonlySet<Group> = new Set();
  #last: number | undefined;

  choose(input: TickInput): TickChoice {
    this.#charge(input);
    this.#raiseFloor();
    const residents = input.current.flat();
    const wants = (group: Group): boolean => group.canRun && !group.idle;
    const candidates = new Set<Group>(residents.filter(wants));
    for (const row of input.runnable) for (const group of row) if (wants(group)) candidates.add(group);
    this.#competing = new Set(Array.from(candidates, ({ client }) => client));

    const next: Group[] = [];
    const vms = new Set<unknown>();
    const fits = (group: Group): boolean =>
      next.length < input.slots && (vms.has(group.vm) || vms.size < input.addressSpaces);
    const given = new Map<object, number>();
    const behind = (group: Group): number => this.#timeOf(group.client) + (given.get(group.client) ?? 0);
    const take = (group: Group): void => {
      next.push(group);
      vms.add(group.vm);
      candidates.delete(group);
      given.set(group.client, (given.get(group.client) ?? 0) + TURN / weightOf(group));
    };
    const realtime = ({ priority }: Group): boolean => priority === GROUP_PRIORITY.REALTIME;
    for (const group of [...candidates].filter(realtime)) if (fits(group)) take(group);
    const kept = this.#kept(residents, [...candidates], input);
    for (const group of kept) {
      if (!fits(group)) continue;
      next.push(group);
      vms.add(group.vm);
    }
    const keeping = new Set(next.filter((group) => group.idle));
    if (!input.full) {
      const staying = residents.filter((group) => candidates.has(group));
      const first = (a: Group, b: Group): number => weightOf(b) - weightOf(a) || behind(a) - behind(b);
      const seated = new Set(residents);
      const hurried = [...candidates].filter((group) => !seated.has(group) && this.hurries(group, staying));
      if (hurried.length > 0) staying.sort(first);
      for (const group of hurried.sort(first)) {
        if (!fits(group)) continue;
        // Whoever makes room is of the lowest priority that there is, and has had most.
        if (next.length + staying.length >= input.slots && staying.length > 0) {
          if (!this.#goesBefore(group, staying.at(-1)!)) break;
          staying.pop();
        }
        take(group);
      }
      for (const group of staying) if (fits(group)) take(group);
    }
    for (;;) {
      let best: Group | undefined;
      for (const group of candidates) {
        if (!fits(group)) continue;
        const ahead = best ? behind(group) - behind(best) : -1;
        if (ahead < 0 || (ahead === 0 && this.#turnOf(group) < this.#turnOf(best!))) best = group;
      }
      if (!best) break;
      take(best);
    }
    const wanted = next.length;
    const working = next.filter((group) => !keeping.has(group));
    if (input.full) for (const group of working) this.#turns.set(group, ++this.#turn);
    // The firmware gives the first their turns first.
    next.sort((a, b) => weightOf(b) - weightOf(a));
    const chosen = new Set(next);
    this.#working = new Set(working);
    for (let priority = GROUP_PRIORITIES - 1; priority >= 0; priority--) {
      for (const group of [...input.current[priority]!, ...input.idle[priority]!]) {
        if (!group.canRun || chosen.has(group) || !group.idle || !fits(group)) continue;
        chosen.add(group);
        next.push(group);
        vms.add(group.vm);
      }
    }
    return {
      next,
      leave: residents.filter((group) => !chosen.has(group)),
      idleCount: next.length - wanted,
      takingTurns: working.length > 1 || candidates.size > 0,
    };
  }

  hurries(group: Group, residents: readonly Group[]): boolean {
    if (group.priority === GROUP_PRIORITY.REALTIME) return true;
    return residents.some((other) => other.canRun && !other.idle && this.#goesBefore(group, other));
  }

  keepsSlot(group: Group, residents: readonly Group[], now: number): boolean {
    return now - group.lastWork < KEEP && this.hurries(group, residents);
  }

  /** Groups at rest that keep their slots: of the highest priority first, then those that have had work last. */
  #kept(residents: readonly Group[], candidates: readonly Group[], { now, slots }: TickInput): Group[] {
    const kept = residents.filter((group) => group.canRun && group.idle && this.keepsSlot(group, candidates, now));
    kept.sort((a, b) => weightOf(b) - weightOf(a) || b.lastWork - a.lastWork);
    return kept.slice(0, Math.floor(slots * KEPT_PART));
  }

  #goesBefore(group: Group, other: Group): boolean {
    return weightOf(group) > weightOf(other) && this.#timeOf(group.client) <= this.#timeOf(other.client);
  }

  /**
   * The time since the last tick goes to those who were at work in slots, in equal parts. While nobody takes turns ticks are rare: who has begun since the
   * last one, nobody knows when, pays for a slice at most.
   */
  #charge({ now, current }: TickInput): void {
    const passed = now - (this.#last ?? now);
    this.#last = now;
    const busy = current.flat().filter((group) => !group.idle);
    for (const group of busy) {
      const { client } = group;
      const worked = this.#working.has(group) ? passed : Math.min(passed, TICK_PERIOD);
      this.#times.set(client, this.#timeOf(client) + worked / busy.length / weightOf(group));
    }
  }

  #raiseFloor(): void {
    let least = Number.POSITIVE_INFINITY;
    for (const client of this.#competing) least = Math.min(least, this.#timeOf(client));
    if (least < Number.POSITIVE_INFINITY) this.#floor = Math.max(this.#floor, least);
  }

  #timeOf(client: object): number {
    return Math.max(this.#floor, this.#times.get(client) ?? 0);
  }

  #turnOf(group: Group): number {
    return this.#turns.get(group) ?? 0;
  }
}
