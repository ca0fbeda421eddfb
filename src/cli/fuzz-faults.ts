/**
 * `tyr fuzz faults`: faults in the GPU, one after another on one machine at work, each at an occasion that its seed says. After each of them
 * a fresh client has to get its work done, and nothing may stay behind.
 */
import { FAULTS, type FaultKind } from '../mali/faults.ts';
import { bootedMachine } from '../testing/machine/board.ts';
import { recoveryRound, SCENES, WORKING_KINDS } from '../testing/machine/recovery.ts';
import { progressBar } from './progress-bar.ts';

export interface FaultFuzzOptions {
  readonly seconds?: number;
  readonly count?: number;
  readonly seed: number;
}

const SECONDS = 60;
/** Occasions until a fault strikes, where work alone leads to them. */
const OCCASIONS = 3;

/** Which fault a seed stands for. */
function faultOf(seed: number): { kind: (typeof WORKING_KINDS)[number]; occasion: number } {
  const kind = WORKING_KINDS[seed % WORKING_KINDS.length]!;
  const single = SCENES[kind].after !== undefined || kind === 'ping-missed';
  return { kind, occasion: single ? 1 : 1 + (Math.floor(seed / WORKING_KINDS.length) % OCCASIONS) };
}

export async function fuzzFaults({ seconds, count, seed }: FaultFuzzOptions): Promise<number> {
  const most = count ?? Number.POSITIVE_INFINITY;
  const time = seconds ?? (count === undefined ? SECONDS : Number.POSITIVE_INFINITY);
  const progress = progressBar();
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1000;
  const struck = new Map<FaultKind, number>();
  const machine = await bootedMachine();
  progress.begin('fuzzing faults');
  let tried = 0;
  try {
    for (; tried < most && elapsed() < time; tried++) {
      const { kind, occasion } = faultOf(seed + tried);
      try {
        await recoveryRound(machine, kind, occasion);
      } catch (error) {
        console.log(`seed ${seed + tried}: ${error instanceof Error ? error.stack : error}`);
        return 1;
      }
      struck.set(kind, (struck.get(kind) ?? 0) + 1);
      // What was told of earlier rounds is of no use to a later one's report.
      machine.lines.length = 0;
      machine.dumps.length = 0;
      progress.update(Math.min(1, Math.max(elapsed() / time, (tried + 1) / most)), `${tried + 1} faults`);
    }
  } finally {
    progress.end();
  }
  for (const [kind, times] of struck) console.log(`${kind}, in the ${FAULTS[kind].layer}: ${times} times`);
  console.log(
    `${tried} faults, ${machine.device.stats.resets} resets, in ${elapsed().toFixed(1)} s, seeds ${seed} to ${seed + tried - 1}, no finding`,
  );
  return 0;
}
