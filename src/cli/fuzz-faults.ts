/**
 * `tyr fuzz faults`: faults in the GPU, one after another on a machine that is awake all the time and on one whose GPU falls asleep
 * whenever it can, each at an occasion that its seed says. After each of them
 * a fresh client has to get its work done, and nothing may stay behind.
 */
import { FAULTS, type FaultKind } from '../mali/faults.ts';
import { bootedMachine } from '../testing/machine/board.ts';
import {
  type FaultyMachine,
  recoveryRound,
  SCENES,
  SLEEP_KINDS,
  sleepRound,
  WORKING_KINDS,
} from '../testing/machine/recovery.ts';
import { progressBar } from './progress-bar.ts';

export interface FaultFuzzOptions {
  readonly seconds?: number;
  readonly count?: number;
  readonly seed: number;
}

const SECONDS = 60;
/** Occasions until a fault strikes, where work alone leads to them. */
const OCCASIONS = 3;

/** What a seed stands for: a fault on a machine that is awake all the time, or on one whose GPU falls asleep and wakes. */
async function play(awake: FaultyMachine, sleepy: FaultyMachine, seed: number): Promise<[FaultKind, number]> {
  const all = WORKING_KINDS.length + SLEEP_KINDS.length;
  const turn = seed % all;
  const occasion = 1 + (Math.floor(seed / all) % OCCASIONS);
  const napping = SLEEP_KINDS[turn - WORKING_KINDS.length];
  if (napping) return [napping, await sleepRound(sleepy, napping, occasion)];
  const kind = WORKING_KINDS[turn]!;
  const single = SCENES[kind].after !== undefined || kind === 'ping-missed';
  await recoveryRound(awake, kind, single ? 1 : occasion);
  return [kind, 1];
}

export async function fuzzFaults({ seconds, count, seed }: FaultFuzzOptions): Promise<number> {
  const most = count ?? Number.POSITIVE_INFINITY;
  const time = seconds ?? (count === undefined ? SECONDS : Number.POSITIVE_INFINITY);
  const progress = progressBar();
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1000;
  const struck = new Map<FaultKind, number>();
  const machines = [await bootedMachine(), await bootedMachine({ powered: true })] as const;
  progress.begin('fuzzing faults');
  let tried = 0;
  try {
    for (; tried < most && elapsed() < time; tried++) {
      try {
        const [kind, times] = await play(...machines, seed + tried);
        struck.set(kind, (struck.get(kind) ?? 0) + times);
      } catch (error) {
        console.log(`seed ${seed + tried}: ${error instanceof Error ? error.stack : error}`);
        return 1;
      }
      // What was told of earlier rounds is of no use to a later one's report.
      for (const { lines, dumps } of machines) {
        lines.length = 0;
        dumps.length = 0;
      }
      progress.update(Math.min(1, Math.max(elapsed() / time, (tried + 1) / most)), `${tried + 1} faults`);
    }
  } finally {
    progress.end();
  }
  for (const [kind, times] of struck) console.log(`${kind}, in the ${FAULTS[kind].layer}: ${times} times`);
  const resets = machines.reduce((sum, { device }) => sum + device.stats.resets, 0);
  console.log(
    `${tried} rounds, ${resets} resets, in ${elapsed().toFixed(1)} s, seeds ${seed} to ${seed + tried - 1}, no finding`,
  );
  return 0;
}
