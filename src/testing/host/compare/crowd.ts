/**
 * A crowd in both worlds: 16 processes with four groups each, all of which always have work, and one client of high priority beside them
 * (`shim/test/crowd.c`). How equal the processes' shares are, and how much later the client is served than where it is alone.
 *
 * Each world's times are its own: a virtual kernel's stands still while the GPU takes longer than silicon would (host/vm/pacer.ts), Tyr's is the
 * host's. So figures of one world can be compared with each other, and those of both only as ratios.
 */
import { jain } from '../../machine/fairness.ts';
import { runPrograms } from './programs.ts';
import { NODE, WORLDS, type World, type WorldOptions } from './worlds.ts';

const PROCESSES = 16;
const GROUPS = 4;
const SAMPLES = 100;

export interface CrowdOutcome {
  /** Jobs of each process. */
  readonly shares: readonly number[];
  /** Medians in microseconds, of one that rests between two jobs, and of one that does not. */
  readonly idle: number;
  readonly idleAgain: number;
  readonly loaded: number;
  readonly loadedAgain: number;
}

/** `seconds`: for how long shares are counted, by each world's clock. */
export async function runCrowd(
  seconds: number,
  options: WorldOptions,
  worlds: readonly World[] = WORLDS,
): Promise<Partial<Record<World, CrowdOutcome>>> {
  const command = `${NODE} ${PROCESSES} ${GROUPS} ${seconds} ${SAMPLES}`;
  const { outcomes } = await runPrograms([({ client }) => `${client('crowd')} ${command}`], worlds, options);
  const found: Partial<Record<World, CrowdOutcome>> = {};
  for (const world of worlds) {
    const [outcome] = outcomes[world]!;
    if (outcome!.exitCode !== 0)
      throw new Error(`host: the crowd under ${world} ended with ${outcome!.exitCode}: ${outcome!.stderr}`);
    found[world] = parseCrowd(outcome!.stdout);
  }
  return found;
}

export function parseCrowd(text: string): CrowdOutcome {
  const values = new Map<string, number[]>();
  for (const line of text.split('\n')) {
    const [name = '', value] = line.split(' ');
    values.set(name, [...(values.get(name) ?? []), Number(value)]);
  }
  const median = (name: string): number => {
    const list = (values.get(name) ?? []).sort((a, b) => a - b);
    return list[Math.floor(list.length / 2)]! / 1000;
  };
  return {
    shares: values.get('share') ?? [],
    idle: median('idle'),
    idleAgain: median('idle-again'),
    loaded: median('loaded'),
    loadedAgain: median('loaded-again'),
  };
}

const factor = (value: number): string => value.toPrecision(3);

/** As a table in Markdown. */
export function crowdTable(found: Partial<Record<World, CrowdOutcome>>): string {
  const worlds = WORLDS.filter((world) => found[world]);
  const row = (title: string, cell: (outcome: CrowdOutcome) => string): string =>
    `| ${[title, ...worlds.map((world) => cell(found[world]!))].join(' | ')} |`;
  const sum = ({ shares }: CrowdOutcome): number => shares.reduce((a, b) => a + b, 0);
  return [
    `| ${['', ...worlds].join(' | ')} |`,
    `|---|${worlds.map(() => '---:|').join('')}`,
    row(`jobs of ${PROCESSES} processes with ${GROUPS} groups each`, (outcome) => String(sum(outcome))),
    row('least share of the most', ({ shares }) => factor(Math.min(...shares) / Math.max(...shares))),
    row('Jain’s index', ({ shares }) => jain(shares).toFixed(4)),
    row('high priority, a job now and then: alone, µs', ({ idle }) => factor(idle)),
    row('… beside the crowd, µs', ({ loaded }) => factor(loaded)),
    row('… ratio', ({ idle, loaded }) => factor(loaded / idle)),
    row('high priority, one job after the other: alone, µs', ({ idleAgain }) => factor(idleAgain)),
    row('… beside the crowd, µs', ({ loadedAgain }) => factor(loadedAgain)),
    row('… ratio', ({ idleAgain, loadedAgain }) => factor(loadedAgain / idleAgain)),
  ].join('\n');
}
