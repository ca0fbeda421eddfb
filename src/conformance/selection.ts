/**
 * The selection: the fixed part of a suite that the test run runs. The rule: of the tests that the GPU's Mesa can run, those
 * that share a process, in the order of the suite's list, every `STEP`th. So each group is there with its share, and a new test of a
 * suite moves few others in or out.
 */
import type { Case } from './suite.ts';

const STEP = 50;

export function selected(cases: readonly Case[]): Case[] {
  const cheap = cases.filter(({ batch, skip }) => batch !== undefined && skip === undefined);
  return cheap.filter((_, index) => index % STEP === 0);
}
