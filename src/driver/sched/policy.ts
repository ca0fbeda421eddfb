/**
 * Policy: who runs next, as a module that can be exchanged. It decides; the scheduler moves groups in and out of slots.
 *
 * A policy may keep accounts from tick to tick. It sees groups and time, never hardware.
 */

import { FairPolicy } from './fair.ts';
import type { Group } from './group.ts';
import { type ByPriority, choose, hurries, keepsSlot } from './tick.ts';

export interface TickInput {
  /** Nanoseconds; never goes back. */
  readonly now: number;
  /** Groups in slots, each row by falling slot priority. */
  readonly current: ByPriority<readonly Group[]>;
  readonly runnable: ByPriority<ReadonlySet<Group>>;
  readonly idle: ByPriority<ReadonlySet<Group>>;
  readonly slots: number;
  readonly addressSpaces: number;
  /** The time slice is over. */
  readonly full: boolean;
}

export interface TickChoice {
  /** Groups that will be in slots; the first have the highest slot priority. */
  readonly next: readonly Group[];
  /** Groups that leave their slots. */
  readonly leave: readonly Group[];
  /** Groups in slots that have nothing to do and would leave if somebody came. */
  readonly idleCount: number;
  /** Groups take turns: another tick will be due. */
  readonly takingTurns: boolean;
}

export interface Policy {
  choose(input: TickInput): TickChoice;
  /** Whether a group that has just got work need not wait until the slice of those in the slots is over, though all slots are taken. */
  hurries(group: Group, residents: readonly Group[]): boolean;
  /** Whether a group in a slot that has come to rest keeps it for now, though others wait for one. */
  keepsSlot(group: Group, residents: readonly Group[], now: number): boolean;
}

/** Policies by name: what each is, and one for a scheduler of its own. */
export const POLICIES = {
  panthor: {
    says: 'groups of one priority take turns, higher priorities come first',
    make: (): Policy => ({ choose, hurries, keepsSlot }),
  },
  fair: {
    says: 'clients get equal shares of the GPU, weighted by priority, however many groups they have; who has had less and is of higher priority does not wait',
    make: (): Policy => new FairPolicy(),
  },
} as const satisfies Record<string, { says: string; make: () => Policy }>;
export type PolicyName = keyof typeof POLICIES;
export const POLICY_NAMES = Object.keys(POLICIES) as PolicyName[];
