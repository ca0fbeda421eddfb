/** Calls in both worlds: the same client makes the same ioctls, and what came of them is compared call by call. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CompiledSequence, compileCalls } from '../../machine/calls/compile.ts';
import { parseResults, programText } from '../../machine/calls/steps.ts';
import { NEVER, type Told, transcribe } from '../../machine/calls/transcript.ts';
import { knownDifference } from './known.ts';
import { inWorlds, NODE, WORLDS, type World, type WorldOptions, type WorldResult } from './worlds.ts';

/** Sequences that one process of the client makes. */
const BATCH = 100;

export interface CallsOutcome {
  readonly sequences: readonly CompiledSequence[];
  /** For each world what it told of each sequence's calls. */
  readonly told: Partial<Record<World, Told[][]>>;
  readonly results: Partial<Record<World, WorldResult>>;
}

/** Makes the calls of a text in the worlds. `privileged`: as the superuser, who may have groups of any priority. */
export async function runCalls(
  source: string,
  worlds: readonly World[],
  options: WorldOptions & { readonly privileged?: boolean },
): Promise<CallsOutcome> {
  const sequences = compileCalls(source);
  const batches: CompiledSequence[][] = [];
  for (let at = 0; at < sequences.length; at += BATCH) batches.push(sequences.slice(at, at + BATCH));
  const folder = await mkdtemp(join(tmpdir(), 'tyr-calls-'));
  try {
    for (const [i, batch] of batches.entries()) {
      await writeFile(join(folder, `${i}.calls`), programText(batch.flatMap(({ steps }) => steps)));
    }
    const flags = options.privileged ? '-p ' : '';
    return await inWorlds(
      worlds,
      folder,
      ({ client }) =>
        `i=0; while [ $i -lt ${batches.length} ]; do ` +
        `${client('calls')} ${flags}${NODE} $i.calls >/tmp/tyr-calls.$$; mv /tmp/tyr-calls.$$ $i.told; i=$((i + 1)); done`,
      options,
      async (results) => {
        const told: Partial<Record<World, Told[][]>> = {};
        for (const world of worlds) {
          const list: Told[][] = [];
          for (const [i, batch] of batches.entries()) {
            const text = await readFile(join(results[world]!.folder, `${i}.told`), 'utf8').catch(() => '');
            const each = parseResults(text);
            for (const [n, sequence] of batch.entries()) list.push(transcribe(sequence, each[n] ?? []));
          }
          told[world] = list;
        }
        return { sequences, told, results };
      },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface Difference {
  readonly sequence: string;
  readonly line: number;
  /** The call as it was written, without the name of what it brings. */
  readonly call: string;
  readonly tyr: string;
  readonly panthor: string;
  /** Its name in docs/differences.md, if it stands there. */
  readonly known: string | undefined;
}

/** Sequences that a world did not begin, as its time was over. */
export function unmade({ sequences, told }: CallsOutcome): number {
  return sequences.filter((_, i) => Object.values(told).some((world) => begun(world[i]!) === false)).length;
}

const begun = (told: readonly Told[]): boolean => told[0]?.text !== NEVER;

/** What differs; of each sequence the first difference that is not known (`first`), as others mostly follow from it. */
export function differences({ sequences, told }: CallsOutcome, first: boolean): Difference[] {
  return sequences.flatMap((sequence, i) => sequenceDifferences(sequence, told.tyr![i]!, told.panthor![i]!, first));
}

function sequenceDifferences(
  sequence: CompiledSequence,
  ours: readonly Told[],
  theirs: readonly Told[],
  first: boolean,
): Difference[] {
  const found: Difference[] = [];
  if (!begun(ours) || !begun(theirs)) return found;
  for (const [index, { call, text: tyr }] of ours.entries()) {
    const panthor = theirs[index]!.text;
    if (panthor === tyr) continue;
    const { number, text, name } = call.line;
    const written = name === undefined ? text : text.slice(text.indexOf('=') + 1).trim();
    const known = knownDifference({ call: written, tyr, panthor });
    found.push({ sequence: sequence.name, line: number, call: written, tyr, panthor, known: known?.name });
    if (known ? known.ends : first) break;
  }
  return found;
}

/**
 * Which of these sequences come out alike in both worlds if each world makes them several times: then what differed is chance, in
 * panthor as in Tyr (who of two interrupts is looked at first, say). Every run of the one is held against every run of the other.
 */
export async function differByChance(
  sequences: ReadonlyMap<string, string>,
  times: number,
  options: WorldOptions & { readonly privileged?: boolean },
): Promise<Set<string>> {
  const source = [...sequences].map(([name, text]) =>
    Array.from({ length: times }, (_, i) => text.replace(`sequence ${name}\n`, `sequence ${name}_${i}\n`)).join(''),
  );
  const { sequences: all, told } = await runCalls(source.join(''), WORLDS, options);
  const alike = new Set<string>();
  for (const [n, name] of [...sequences.keys()].entries()) {
    const runs = Array.from({ length: times }, (_, i) => n * times + i).filter(
      (at) => begun(told.tyr![at]!) && begun(told.panthor![at]!),
    );
    const same = (a: number, b: number): boolean =>
      sequenceDifferences(all[a]!, told.tyr![a]!, told.panthor![b]!, true).every(({ known }) => known !== undefined);
    if (runs.some((a) => runs.some((b) => same(a, b)))) alike.add(name);
  }
  return alike;
}
