/**
 * The selection: the fixed part of a suite that the test run runs. The rule: of the tests that this Mesa can run, in the order of
 * the suite's lists, every 40th of those that share a process, and every 487th of those that need one each, which costs some
 * seconds. So every group is there with its share. A prime: lists go through products of kinds, whose periods a round number shares,
 * and of 1,056 gathers every 500th were two of arrays of cubes, which emitted code does not sample.
 */
import type { Case } from './suite.ts';

export const RULE = { shared: 40, alone: 487 };

export function selected(cases: readonly Case[], { shared, alone } = RULE): Case[] {
  const can = cases.filter(({ skip }) => skip === undefined);
  const each = (list: readonly Case[], step: number) => list.filter((_, index) => index % step === step >> 1);
  return [
    ...each(
      can.filter(({ batch }) => batch !== undefined),
      shared,
    ),
    ...each(
      can.filter(({ batch }) => batch === undefined),
      alone,
    ),
  ];
}

/** At most `count` tests of each group that can run, evenly spread over it in the order of the suite's lists. */
export function spread(cases: readonly Case[], count: number): Case[] {
  const groups = Map.groupBy(
    cases.filter(({ skip }) => skip === undefined),
    ({ group }) => group,
  );
  const chosen = new Set<Case>();
  for (const group of groups.values()) {
    const wanted = Math.min(count, group.length);
    for (let i = 0; i < wanted; i++) chosen.add(group[Math.floor(((i + 0.5) * group.length) / wanted)]!);
  }
  return cases.filter((one) => chosen.has(one));
}
