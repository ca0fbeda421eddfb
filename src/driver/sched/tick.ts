/**
 * Tick: who runs next under panthor's policy, which is the default.
 *
 * There are at most as many groups in slots as the firmware has slots, and as many VMs as there are address spaces. Higher
 * priorities first; within one priority the groups take turns: at each full tick the one with the highest slot priority
 * goes to the end of the row. Groups with nothing to do come last, and only to fill slots that nobody else wants. Between
 * full ticks nobody is thrown out but by a realtime group.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c` (tick_work).
 */
import { GROUP_PRIORITIES, GROUP_PRIORITY } from '../../abi/panthor.ts';
import { MILLISECOND } from '../async.ts';
import type { Group } from './group.ts';
import type { TickChoice, TickInput } from './policy.ts';

/** Nanoseconds of a time slice, after which groups that take turns give way to others. */
export const TICK_PERIOD = 10 * MILLISECOND;

/** Groups by priority. */
export type ByPriority<T> = readonly T[];
export const byPriority = <T>(make: () => T): ByPriority<T> => Array.from({ length: GROUP_PRIORITIES }, make);
const PRIORITIES = Array.from({ length: GROUP_PRIORITIES }, (_, i) => GROUP_PRIORITIES - 1 - i);

/** Realtime groups alone throw others out between full ticks. */
export const hurries = ({ priority }: Group): boolean => priority === GROUP_PRIORITY.REALTIME;

/** Who has nothing to do gives its slot to whoever has. */
export const keepsSlot = (): boolean => false;

export function choose(input: TickInput): TickChoice {
  const rows = byPriority<Group[]>(() => []);
  const chosen = new Set<Group>();
  const vms = new Set<unknown>();
  let idleCount = 0;
  let takingTurns = false;
  const pick = (from: Iterable<Group>, idleToo: boolean): void => {
    for (const group of from) {
      if (chosen.size === input.slots) return;
      if (chosen.has(group) || !group.canRun || (!idleToo && group.idle)) continue;
      if (!vms.has(group.vm) && vms.size === input.addressSpaces) continue;
      const row = rows[group.priority]!;
      if (group.idle) idleCount++;
      else if (row.length > 0) takingTurns = true;
      row.push(group);
      chosen.add(group);
      vms.add(group.vm);
    }
  };
  if (!input.full) {
    for (const priority of PRIORITIES) {
      pick(input.current[priority]!, false);
      if (priority === GROUP_PRIORITY.REALTIME) pick(input.runnable[priority]!, false);
    }
  }
  for (const priority of PRIORITIES) {
    const [first, ...others] = input.current[priority]!;
    pick(others, false);
    pick(input.runnable[priority]!, false);
    if (first) pick([first], false);
  }
  for (const priority of PRIORITIES) {
    pick(input.current[priority]!, true);
    pick(input.idle[priority]!, true);
  }
  return {
    next: PRIORITIES.flatMap((priority) => rows[priority]!),
    leave: input.current.flat().filter((group) => !chosen.has(group)),
    idleCount,
    takingTurns,
  };
}
