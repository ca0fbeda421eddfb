/** Programs in both worlds: the same commands in folders of their own, compared by exit code, output, and the files that they leave. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inWorlds, type Stage, type World, type WorldOptions, type WorldResult } from './worlds.ts';

/** A command of the guest's shell. */
export type ProgramOf = (stage: Stage) => string;

/** What came of a command. */
export interface ProgramOutcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Hashes of the files that it has left in its folder, by their paths. */
  readonly files: Readonly<Record<string, string>>;
}

export interface ProgramsOutcome {
  readonly outcomes: Partial<Record<World, ProgramOutcome[]>>;
  readonly results: Partial<Record<World, WorldResult>>;
}

/** Runs commands in the worlds, each in a folder of its own, in one machine each. `prepare`
 * fills the folder above theirs. */
export async function runPrograms(
  commands: readonly ProgramOf[],
  worlds: readonly World[],
  options: WorldOptions,
  prepare: (folder: string) => Promise<unknown> = async () => {},
): Promise<ProgramsOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'tyr-programs-'));
  try {
    await prepare(folder);
    for (const i of commands.keys()) await mkdir(join(folder, String(i)));
    const script = (stage: Stage): string =>
      commands
        .map((command, i) => `(cd ${i} && ${command(stage)}) >${i}.stdout 2>${i}.stderr; echo $? >${i}.code`)
        .join('\n');
    return await inWorlds(worlds, folder, script, options, async (results) => {
      const outcomes: Partial<Record<World, ProgramOutcome[]>> = {};
      for (const world of worlds) {
        const own = results[world]!.folder;
        outcomes[world] = await Promise.all(commands.map((_, i) => outcomeOf(own, i)));
      }
      return { outcomes, results };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function outcomeOf(folder: string, i: number): Promise<ProgramOutcome> {
  const text = (name: string): Promise<string> => readFile(join(folder, `${i}.${name}`), 'utf8').catch(() => '');
  const code = (await text('code')).trim();
  const files: Record<string, string> = {};
  for (const name of (await readdir(join(folder, String(i)), { recursive: true })).sort()) {
    const path = join(folder, String(i), name);
    if ((await stat(path)).isFile()) {
      files[name] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
        .slice(0, 16);
    }
  }
  const exitCode = code === '' ? undefined : Number(code);
  return { exitCode, stdout: await text('stdout'), stderr: await text('stderr'), files };
}

/** In what two outcomes differ, a sentence each. What goes to standard error is not compared: drivers and Mesa talk there. */
export function programDifferences(tyr: ProgramOutcome, panthor: ProgramOutcome): string[] {
  const found: string[] = [];
  const both = (what: string, a: unknown, b: unknown): void => {
    if (a !== b) found.push(`${what}\n    tyr:     ${a}\n    panthor: ${b}`);
  };
  both('exit code', tyr.exitCode, panthor.exitCode);
  const [ours, theirs] = [tyr.stdout.split('\n'), panthor.stdout.split('\n')];
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++)
    both(`line ${i + 1} of its output`, ours[i], theirs[i]);
  for (const name of new Set([...Object.keys(tyr.files), ...Object.keys(panthor.files)])) {
    both(`its file ${name}`, tyr.files[name] ?? 'is not there', panthor.files[name] ?? 'is not there');
  }
  return found;
}
