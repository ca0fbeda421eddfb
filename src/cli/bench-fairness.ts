/**
 * `tyr bench fairness`: what share of the GPU clients get that always have work, under each scheduling policy: 16 clients with four groups
 * each; one with a single group beside one with twelve; one of medium priority beside seven of low priority, with two groups each. And how
 * long a small job of high priority takes alone and beside those 16 clients. All in the machine's own time: a busy host changes nothing.
 */

import { GROUP_PRIORITY } from '../abi/panthor.ts';
import { POLICY_NAMES } from '../driver/index.ts';
import { Problem } from '../host/userland/problem.ts';
import { type Competitor, compete, jain, urgency } from '../testing/machine/fairness.ts';
import type { Bench, Result } from './bench-programs.ts';

const many = (count: number, one: Competitor): Competitor[] => Array.from({ length: count }, () => one);
/** Of the machine's time. Panthor's policy lets one group a slice go: 64 groups have all had their turns after 640 ms. */
const SECONDS = 1;
const ROUNDS = 6.4;
/** Jobs of high priority. */
const SAMPLES = 20;

export const fairness: Bench = async (_userland, { vs }) => {
  if (vs) throw new Problem(`there is nothing in fairness that ${vs} could do`);
  const results: Result[] = [];
  for (const policy of POLICY_NAMES) {
    const equal = await compete(policy, many(16, { groups: 4 }), ROUNDS);
    results.push(
      { metric: `${policy}_equal_least_of_most`, value: Math.min(...equal) / Math.max(...equal), unit: '' },
      { metric: `${policy}_equal_jain`, value: jain(equal), unit: '' },
    );
    const [few = 0, crowd = 0] = await compete(policy, [{ groups: 1 }, { groups: 12 }], SECONDS);
    results.push({ metric: `${policy}_one_beside_twelve`, value: few / crowd, unit: '' });
    const mixed = [{ groups: 2 }, ...many(7, { groups: 2, priority: GROUP_PRIORITY.LOW })];
    const [medium = 0, ...others] = await compete(policy, mixed, SECONDS);
    const mean = others.reduce((a, b) => a + b, 0) / others.length;
    results.push({
      metric: `${policy}_medium_of_low`,
      value: mean === 0 ? Number.POSITIVE_INFINITY : medium / mean,
      unit: '',
    });
    const { alone, beside } = await urgency(policy, many(16, { groups: 4 }), SAMPLES);
    results.push({ metric: `${policy}_high_priority_alone`, value: alone, unit: 'ms' });
    results.push({ metric: `${policy}_high_priority_beside_64`, value: beside, unit: 'ms' });
  }
  return results;
};
