/**
 * Which part of a suite this run is: `--shard I/N`, or what the job's environment says. Cases are dealt like cards, so that
 * each part has some of every group.
 *
 * GitLab CI: CI_NODE_INDEX from 1, CI_NODE_TOTAL. Kubernetes: JOB_COMPLETION_INDEX from 0; it does not tell how many there
 * are, so the job's template has to set JOB_COMPLETIONS. Slurm: SLURM_ARRAY_TASK_ID, _MIN and _COUNT.
 */
import { Problem } from '../host/userland/problem.ts';

export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly total: number;
}

export const WHOLE: Shard = { index: 1, total: 1 };

/** Reads `I/N`. Throws Problem for what is none. */
export function parseShard(text: string): Shard {
  const [, index, total] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { index: Number(index), total: Number(total) };
  if (shard.index >= 1 && shard.index <= shard.total) return shard;
  throw new Problem(`--shard ${text}: it has to read like 2/5, the second of five`);
}

/** The part that the environment names, all of it where it names none. Throws Problem for half of a name. */
export function shardOf(env: NodeJS.ProcessEnv): Shard {
  const number = (name: string): number => {
    const value = env[name];
    if (value === undefined || !/^\d+$/.test(value)) {
      throw new Problem(`the environment says which part of the tests this is, but ${name} is no number; use --shard`);
    }
    return Number(value);
  };
  const part = (index: number, total: number) => parseShard(`${index}/${total}`);
  if (env.CI_NODE_INDEX !== undefined) return part(number('CI_NODE_INDEX'), number('CI_NODE_TOTAL'));
  if (env.JOB_COMPLETION_INDEX !== undefined)
    return part(number('JOB_COMPLETION_INDEX') + 1, number('JOB_COMPLETIONS'));
  if (env.SLURM_ARRAY_TASK_ID !== undefined) {
    const first = number('SLURM_ARRAY_TASK_MIN');
    return part(number('SLURM_ARRAY_TASK_ID') - first + 1, number('SLURM_ARRAY_TASK_COUNT'));
  }
  return WHOLE;
}

/** The shard's part of a list. */
export function deal<T>(list: readonly T[], { index, total }: Shard): T[] {
  return list.filter((_, i) => i % total === index - 1);
}
