/**
 * Fairness: clients that always have work compete for the GPU's slots, in the machine's own time, so that a busy host changes nothing. Their
 * shares are counted in jobs, all of one length.
 */
import { GROUP_PRIORITY } from '../../abi/panthor.ts';
import type { PolicyName } from '../../driver/index.ts';
import { bootedMachine, settle } from './board.ts';
import { loop, store, Worker } from './worker.ts';

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

/** Nanoseconds of a step where it is asked how soon a job is done, and from the end of one such job to the next. */
const FINE = 2e5;
const REST = 4.6e6;

/**
 * How long a small job of a client of high priority takes from its submit to its end, in milliseconds of the machine's time (medians, in steps of
 * FINE): alone, and beside competitors who always have work; and at how many of these its group sat in a slot already.
 */
export async function urgency(
  scheduler: PolicyName,
  competitors: readonly Competitor[],
  samples: number,
): Promise<{ alone: number; beside: number; seated: number }> {
  const machine = await bootedMachine({ scheduler });
  const urgent = await Worker.create(machine);
  urgent.user.capabilities.add('SYS_NICE');
  const group = await urgent.createGroup(urgent.vm, 1, { priority: GROUP_PRIORITY.HIGH });
  const small = urgent.place(store(0, 1));
  const crowd = await Crowd.create(machine, competitors);
  const pass = async (time: number, until: () => boolean): Promise<number> => {
    const begin = machine.clock.now();
    while (!until() && machine.clock.now() < begin + time) {
      await crowd.feed();
      machine.clock.advance(FINE);
      await settle(machine.clock, 2);
    }
    return machine.clock.now() - begin;
  };
  let seated = 0;
  const median = async (): Promise<number> => {
    seated = 0;
    const times: number[] = [];
    for (let i = 0; i < samples; i++) {
      const before = done(machine, urgent);
      if (machine.device.clientUse(urgent.file).groups[0]!.slot !== null) seated++;
      await urgent.submit(group, small);
      times.push(await pass(1e9, () => done(machine, urgent) > before));
      await pass(REST, () => false);
    }
    return times.sort((a, b) => a - b)[samples >> 1]! / 1e6;
  };
  crowd.rests = true;
  const alone = await median();
  crowd.rests = false;
  await pass(1e8, () => false);
  const beside = await median();
  for (const { worker } of crowd.clients) worker.file.close();
  urgent.file.close();
  await settle(machine.clock);
  return { alone, beside, seated };
}

type Machine = Awaited<ReturnType<typeof bootedMachine>>;

const done = (machine: Machine, worker: Worker): number =>
  machine.device.clientUse(worker.file).groups.reduce((sum, { queues }) => sum + queues[0]!.done, 0);

/** Clients that always have work, as long as they do not rest. */
class Crowd {
  readonly clients: { worker: Worker; groups: number[]; job: { address: bigint; size: number } }[] = [];
  rests = false;
  readonly #machine: Machine;

  private constructor(machine: Machine) {
    this.#machine = machine;
  }

  static async create(machine: Machine, competitors: readonly Competitor[]): Promise<Crowd> {
    const crowd = new Crowd(machine);
    for (const { groups, priority = 1 } of competitors) {
      const worker = await Worker.create(machine);
      const handles: number[] = [];
      for (let i = 0; i < groups; i++) handles.push(await worker.createGroup(worker.vm, 1, { priority }));
      crowd.clients.push({ worker, groups: handles, job: worker.place(loop(LOOPS)) });
    }
    return crowd;
  }

  async feed(): Promise<void> {
    if (this.rests) return;
    for (const { worker, groups, job } of this.clients) {
      const use = this.#machine.device.clientUse(worker.file);
      for (const [i, group] of groups.entries())
        for (let n = use.groups[i]!.queues[0]!.inFlight; n < WAITING; n++) await worker.submit(group, job);
    }
  }
}

/** Jobs done by each client in `seconds` of the machine's time. */
export async function compete(
  scheduler: PolicyName,
  competitors: readonly Competitor[],
  seconds: number,
): Promise<number[]> {
  const machine = await bootedMachine({ scheduler });
  const crowd = await Crowd.create(machine, competitors);
  const { clients } = crowd;
  const run = async (time: number): Promise<void> => {
    const end = machine.clock.now() + time * 1e9;
    while (machine.clock.now() < end) {
      await crowd.feed();
      machine.clock.advance(STEP);
      await settle(machine.clock, 2);
    }
  };
  // Everybody has had a turn.
  await run(0.2);
  const before = clients.map(({ worker }) => done(machine, worker));
  await run(seconds);
  const shares = clients.map(({ worker }, i) => done(machine, worker) - before[i]!);
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
