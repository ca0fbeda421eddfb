/**
 * `tyr fuzz ioctl` and `tyr fuzz kills`: clients that mean harm, and clients that are killed at work, on one machine that lives through all
 * of them. After each round nothing may be left of them, and an honest program's jobs have to come out right; at the end a fresh
 * kmscube draws.
 *
 * What a client of `ioctl` sends follows from its seed; when the machine answers, and what the others do meanwhile, does not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../host/userland/progress.ts';
import { HoldingUser } from '../testing/host/holding-user.ts';
import { LivingMachine } from '../testing/host/living-machine.ts';
import { until } from '../testing/host/until.ts';
import { chaoticLife } from '../testing/machine/assault.ts';
import { numbers } from '../testing/machine/chaos.ts';
import { progressBar } from './progress-bar.ts';

export interface ClientFuzzOptions {
  readonly seconds?: number;
  readonly count?: number;
  readonly seed: number;
}

/** Somebody who does harm: a round of it at a time. */
interface Harm {
  /** What is counted. */
  readonly unit: string;
  /** In a round at most. */
  readonly most: number;
  /** Does `count` of them, beginning with the seed; gives how many there were. */
  round(living: LivingMachine, seed: number, count: number): Promise<number>;
  /** What is worth to be told at the end. */
  report(): string;
}

/** What the log calls the process that random calls come from. */
const PID = 666;
/** How many live at the same time. */
const CLIENTS = 3;
const SECONDS = 60;
/** Lines of the log that are kept within a round. */
const LINES = 10_000;
/** What a bug of ours is told with. */
const FAULT = 'at fault';
/** Frames that the last kmscube draws. */
const FRAMES = 3;

/** Random ioctls at the door of the machine's drivers. */
function ioctlHarm(): Harm {
  const succeeded = new Set<string>();
  let waited = 0;
  const longest = 2000;
  return {
    unit: 'ioctls',
    most: CLIENTS * longest,
    async round({ machine, lines, backing }, seed, count) {
      const each = Math.ceil(count / CLIENTS);
      const called = (): void => {
        if (lines.length > LINES) lines.splice(0, lines.length, ...lines.filter((line) => line.includes(FAULT)));
      };
      const lives = await Promise.all(
        Array.from({ length: CLIENTS }, (_, i) =>
          chaoticLife(machine, seed + i, each, called, new HoldingUser(backing, PID)),
        ),
      );
      for (const life of lives) {
        waited += life.waited;
        for (const name of life.succeeded) succeeded.add(name);
      }
      return lives.reduce((sum, { sent }) => sum + sent, 0);
    },
    report: () => `${succeeded.size} different ones succeeded, ${waited} were waited for`,
  };
}

/** What a program of shim/test/mortal.c holds when it is killed. */
const SCENARIOS = ['idle', 'spin', 'block', 'all'] as const;

/** Programs of the host and the guest that are killed at any moment: on their way to the GPU, and with jobs in flight. */
function killHarm(): Harm {
  let cubes = 0;
  return {
    unit: 'kills',
    most: 24,
    async round(living, seed, count) {
      const random = numbers(seed);
      const one = async (): Promise<void> => {
        const kind = random(8);
        if (kind === 0) cubes++;
        const victim =
          kind === 0
            ? living.start('kmscube', ...(random(2) ? ['-A'] : []))
            : living.run(kind < 3 ? 'guest' : 'host', 'mortal', SCENARIOS[random(SCENARIOS.length)]!);
        // Half of them are busy for certain; the others die wherever they are.
        if (kind !== 0 && random(2)) await victim.said('holding');
        await sleep(random(kind === 0 ? 1500 : 150));
        victim.kill();
        await victim.ended;
      };
      let left = count;
      const worker = async (): Promise<void> => {
        while (left-- > 0) await one();
      };
      await Promise.all(Array.from({ length: CLIENTS }, worker));
      return count;
    },
    report: () => `${cubes} of them of kmscube`,
  };
}

export const CLIENT_HARMS = { ioctl: ioctlHarm, kills: killHarm };
export type ClientHarm = keyof typeof CLIENT_HARMS;

/** A kmscube that nobody harms draws its frames. */
async function freshCube(living: LivingMachine): Promise<void> {
  const cube = living.start('kmscube');
  const first = living.machine.display.frames;
  await until(
    () => living.machine.display.frames >= first + FRAMES,
    () => `kmscube draws nothing:\n${living.lines.slice(-20).join('\n')}`,
  );
  cube.kill();
  await cube.ended;
}

/** Rounds until time or number are over; gives how many there were of what is counted. */
async function rounds(
  living: LivingMachine,
  harm: Harm,
  { seconds, count, seed }: ClientFuzzOptions,
  progress: Progress,
): Promise<number> {
  const most = count ?? Number.POSITIVE_INFINITY;
  const time = seconds ?? (count === undefined ? SECONDS : Number.POSITIVE_INFINITY);
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1000;
  let done = 0;
  for (let round = 0; done < most && elapsed() < time; round++) {
    const first = seed + CLIENTS * round;
    try {
      done += await harm.round(living, first, Math.min(harm.most, most - done));
      await living.survivor().end();
      await living.clean();
    } catch (error) {
      throw new Error(`seed ${first}, after ${done} ${harm.unit}`, { cause: error });
    }
    living.lines.length = 0;
    progress.update(Math.min(1, Math.max(elapsed() / time, done / most)), `${done} ${harm.unit}`);
  }
  await freshCube(living);
  await living.clean();
  return done;
}

export async function fuzzClients(what: ClientHarm, options: ClientFuzzOptions): Promise<number> {
  const progress = progressBar();
  const harm = CLIENT_HARMS[what]();
  const begin = performance.now();
  const living = await LivingMachine.boot();
  progress.begin(`fuzzing by ${harm.unit}`);
  try {
    const done = await rounds(living, harm, options, progress);
    progress.end();
    const took = ((performance.now() - begin) / 1000).toFixed(0);
    console.log(
      `${done} ${harm.unit} from seed ${options.seed} in ${took} s, ${harm.report()}; ` +
        'nothing is left of them, and a fresh kmscube draws',
    );
    return 0;
  } catch (error) {
    progress.end();
    const { message, cause } = error as Error;
    console.log(`${message}: ${cause instanceof Error ? cause.stack : cause}\n${living.lines.slice(-30).join('\n')}`);
    return 1;
  } finally {
    living.close();
  }
}
