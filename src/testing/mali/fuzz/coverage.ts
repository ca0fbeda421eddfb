/**
 * What the fuzzer has seen: how many programs that ran on both engines had each instruction where lanes may come, how many runs
 * of each kind there were, and how many of them a fault ended. What was never met has not been compared.
 */
import { INSTRUCTIONS } from '../../../abi/isa/instructions.ts';
import type { Input } from './input.ts';
import { modelled } from './instruction.ts';

export interface Coverage {
  readonly instructions: Map<string, number>;
  readonly runs: Map<string, number>;
  readonly faults: Map<string, number>;
}

export const newCoverage = (): Coverage => ({ instructions: new Map(), runs: new Map(), faults: new Map() });

export function kindOfRun({ threads, fragment, output }: Input): string {
  if (threads) return `${threads.kind} lists`;
  if (fragment) return fragment.list ? 'quad lists' : 'fragment warps';
  return output ? 'vertex warps' : 'compute warps';
}

/** Adds what one has seen to another. */
export function addCoverage(to: Coverage, from: Coverage): void {
  for (const name of ['instructions', 'runs', 'faults'] as const) {
    for (const [key, count] of from[name]) to[name].set(key, (to[name].get(key) ?? 0) + count);
  }
}

/** Instructions that the interpreter models and that were never met. */
export const neverMet = ({ instructions }: Coverage): string[] =>
  modelled(INSTRUCTIONS)
    .map(({ name }) => name)
    .filter((name) => !instructions.has(name));

/** Runs on both engines. */
export const comparisons = ({ runs }: Coverage): number => [...runs.values()].reduce((sum, n) => sum + n, 0);

/** Lines about it. */
export function coverageReport(coverage: Coverage): string[] {
  const { instructions, runs, faults } = coverage;
  const kinds = [...runs].sort().map(([kind, n]) => `${kind} ${n} (${faults.get(kind) ?? 0} faulted)`);
  const ran = `runs: ${kinds.join(', ')}`;
  // Pictures are not about instructions.
  if (instructions.size === 0) return [ran];
  const missing = neverMet(coverage);
  return [ran, `instructions met: ${instructions.size}; never met: ${missing.length ? missing.join(', ') : 'none'}`];
}
