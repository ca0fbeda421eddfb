/**
 * Fairness: clients that always have work compete for the GPU's slots, in the machine's own time, so that a busy host changes nothing. Their
 * shares are counted in jobs, all of one length.
 */
import type { PolicyName } from '../../driver/index.ts';
import { bootedMachine, settle } from './board.ts';
import { loop, Worker } from './worker.ts';

/** What competes: how many groups each client has, and of what priority. */
export interface Competitor {
  readonly groups: number;
  /** GROUP_PRIORITY, by default medium. */
  readonly priority?: number;
}

/** Jobs that every group has in its ring at least. */
const WAITING = 3;
/** Loops of a job: a tenth of a millisecond of turns, so that a slice of 10 ms has many. */
const LOOPS = 400;
const STEP = 2.5e6;

/** Jobs done by each client in `seconds` of the machine's time. */
export async function compete(
  scheduler: PolicyName,
  competitors: readonly Competitor[],
  seconds: number,
): Promise<number[]> {
  const machine = await bootedMachine({ scheduler });
  const clients: { worker: Worker; groups: number[]; job: { address: bigint; size: number } }[] = [];
  for (const { groups, priority = 1 } of competitors) {
    const worker = await Worker.create(machine);
    const handles: number[] = [];
    for (let i = 0; i < groups; i++) handles.push(await worker.createGroup(worker.vm, 1, { priority }));
    clients.push({ worker, groups: handles, job: worker.place(loop(LOOPS)) });
  }
  const done = (worker: Worker): number =>
    machine.device.clientUse(worker.file).groups.reduce((sum, { queues }) => sum + queues[0]!.done, 0);
  const feed = async (): Promise<void> => {
    for (const { worker, groups, job } of clients) {
      const use = machine.device.clientUse(worker.file);
      for (const [i, group] of groups.entries())
        for (let n = use.groups[i]!.queues[0]!.inFlight; n < WAITING; n++) await worker.submit(group, job);
    }
  };
  const run = async (time: number): Promise<void> => {
    const end = machine.clock.now() + time * 1e9;
    while (machine.clock.now() < end) {
      await feed();
      machine.clock.advance(STEP);
      await settle(machine.clock, 2);
    }
  };
  // Everybody has had a turn.
  await run(0.2);
  const before = clients.map(({ worker }) => done(worker));
  await run(seconds);
  const shares = clients.map(({ worker }, i) => done(worker) - before[i]!);
  for (const { worker } of clients) worker.file.close();
  await settle(machine.clock);
  return shares;
}

/** Jain's index of shares: 1 if all are equal, 1/n if one has all. */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  const squares = shares.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 0 : (sum * sum) / (shares.length * squares);
}
