/** `tyr compare`: the same calls, or the same programs, under Tyr and under a real kernel's panthor on the same GPU. */
import { appendFileSync, existsSync } from 'node:fs';
import { appendFile, chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../board/log.ts';
import type { PolicyName } from '../driver/index.ts';
import { Problem } from '../host/userland/problem.ts';
import { quoted } from '../host/vm/init.ts';
import {
  type CallsOutcome,
  type Difference,
  differByChance,
  differences,
  runCalls,
  unmade,
} from '../testing/host/compare/calls.ts';
import { countsTable, countWorks } from '../testing/host/compare/counters.ts';
import { crowdTable, runCrowd } from '../testing/host/compare/crowd.ts';
import { faultDifferences, unexpectedWarnings } from '../testing/host/compare/faults.ts';
import { programDifferences, runPrograms } from '../testing/host/compare/programs.ts';
import { WORLDS, type World } from '../testing/host/compare/worlds.ts';
import { generateCalls } from '../testing/machine/calls/generate.ts';
import { CallsError } from '../testing/machine/calls/language.ts';
import { progressBar } from './progress-bar.ts';

export interface CompareOptions {
  /** In one of them alone, and print what came of each call. */
  only?: World;
  timeout: number;
  privileged?: boolean;
  /** So many random sequences, from this seed on. */
  generate?: number;
  seed: number;
  /** What either driver asks of the GPU, as a table. */
  counters?: boolean;
  /** A crowd of clients and one of high priority, as a table: shares counted for so many seconds. */
  crowd?: number;
  /** Who runs next under Tyr. */
  scheduler?: PolicyName;
  /** Where to write the kernel's log. */
  dmesg?: string;
  /** Where to write what either world's machine logs: Tyr's, and the GPU beside the kernel. */
  log?: string;
}

export async function compare(files: string[], options: CompareOptions): Promise<number> {
  const { generate: count, seed, dmesg } = options;
  for (const file of [dmesg, options.log]) if (file !== undefined) await writeFile(file, '');
  if (count === undefined && files.length === 0 && !options.counters && options.crowd === undefined)
    throw new Problem('what is to be compared? Files of calls, a program, --generate, --counters or --crowd');
  if (options.crowd !== undefined) {
    const worlds = options.only ? [options.only] : WORLDS;
    console.log(crowdTable(await runCrowd(options.crowd, worldOptions(options), worlds)));
    return 0;
  }
  if (options.counters) {
    console.log(countsTable(await countWorks(worldOptions(options))));
    return 0;
  }
  const [first, ...rest] = files;
  if (first?.endsWith(PROGRAMS)) return compareList(first, options);
  if (first !== undefined && !first.endsWith(CALLS)) return compareProgram(first, rest, options);
  let worst = count === undefined ? 0 : await compareRandom(seed, count, options);
  for (const file of files) worst = Math.max(worst, await compareCalls(file, options));
  return worst;
}

/** What of the options concerns the worlds. */
function worldOptions({ timeout, privileged, scheduler, log: file }: CompareOptions): Parameters<typeof runCalls>[2] {
  const log =
    (world: World): Log =>
    (level, device, message) => {
      if (file !== undefined && level !== 'debug') appendFileSync(file, `${world}: ${level} ${device}: ${message}\n`);
    };
  return { timeout, scheduler, privileged: privileged ?? false, progress: progressBar(), log };
}

async function keepLog({ results }: CallsOutcome, { dmesg }: CompareOptions): Promise<void> {
  if (dmesg !== undefined) await appendFile(dmesg, results.panthor?.dmesg ?? '');
}

/** A program of the guest's, or an arm64 one of this host's by its path. */
async function compareProgram(program: string, args: string[], options: CompareOptions): Promise<number> {
  const own = program.includes('/') && existsSync(program);
  const words = [own ? '../program' : program, ...args];
  const prepare = async (folder: string): Promise<void> => {
    if (!own) return;
    await copyFile(program, join(folder, 'program'));
    await chmod(join(folder, 'program'), 0o755);
  };
  return comparePrograms([{ name: program, command: words.map(quoted).join(' ') }], options, prepare);
}

/** A file of commands of the guest's shell, a line each. */
async function compareList(file: string, options: CompareOptions): Promise<number> {
  const lines = (await contents(file)).split('\n').map((line) => line.trim());
  const commands = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (commands.length === 0) throw new Problem(`${file} names no program`);
  return comparePrograms(
    commands.map((command) => ({ name: command, command })),
    options,
  );
}

async function comparePrograms(
  programs: readonly { readonly name: string; readonly command: string }[],
  options: CompareOptions,
  prepare?: (folder: string) => Promise<void>,
): Promise<number> {
  const worlds = options.only ? [options.only] : WORLDS;
  const commands = programs.map(
    ({ command }) =>
      () =>
        command,
  );
  const { outcomes, results } = await runPrograms(commands, worlds, worldOptions(options), prepare);
  if (options.dmesg !== undefined) await appendFile(options.dmesg, results.panthor?.dmesg ?? '');
  if (options.only) {
    let worst = 0;
    for (const { exitCode, stdout, stderr, files } of outcomes[options.only]!) {
      process.stdout.write(stdout);
      process.stderr.write(stderr);
      for (const [name, hash] of Object.entries(files)) console.log(`${name}: ${hash}`);
      worst = Math.max(worst, exitCode ?? 1);
    }
    return worst;
  }
  let all = 0;
  for (const [i, { name }] of programs.entries()) {
    const found = programDifferences(outcomes.tyr![i]!, outcomes.panthor![i]!);
    for (const difference of found) console.log(difference);
    const { exitCode, files } = outcomes.tyr![i]!;
    const left = Object.keys(files).length;
    console.log(
      `${name}: exit code ${exitCode}, ${left} files, ${found.length === 0 ? 'no difference' : `${found.length} differ`}`,
    );
    all += found.length;
  }
  return all + tellReports(results) === 0 ? 0 : 1;
}

/** Faults that only one driver reports, and what the kernel warns of besides: how many of both. */
function tellReports({ tyr, panthor }: CallsOutcome['results']): number {
  const faults = faultDifferences(tyr!.reports, panthor!.reports);
  for (const fault of faults) console.log(`reported otherwise: ${fault}`);
  const warnings = unexpectedWarnings(panthor!.warnings);
  if (warnings.length > 0)
    console.log([`the kernel warns, as it does not always (${warnings.length}):`, ...warnings].join('\n'));
  return faults.length + warnings.length;
}

async function contents(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: Error) => {
    throw new Problem(`${file} cannot be read: ${error.message}`);
  });
}

async function compareCalls(file: string, options: CompareOptions): Promise<number> {
  const source = await contents(file);
  const worlds = options.only ? [options.only] : WORLDS;
  const outcome = await runCalls(source, worlds, worldOptions(options)).catch((error: unknown) => {
    if (error instanceof CallsError) throw new Problem(`${file}: ${error.message}`);
    throw error;
  });
  await keepLog(outcome, options);
  if (options.only) {
    for (const [i, told] of outcome.told[options.only]!.entries()) {
      if (outcome.sequences[i]!.name) console.log(`sequence ${outcome.sequences[i]!.name}`);
      for (const { call, text } of told) console.log(`${call.line.number}: ${call.line.text}\n    ${text}`);
    }
    return 0;
  }
  const missed = unmade(outcome);
  if (missed > 0)
    throw new Problem(
      `${file}: ${missed} sequences were not begun within ${options.timeout} s, or after a client had died`,
    );
  const all = differences(outcome, false);
  const found = all.filter(({ known }) => known === undefined);
  for (const { sequence, line, call, tyr, panthor } of found) {
    const where = `${file}:${line}${sequence && ` (sequence ${sequence})`}`;
    console.log(`${where}: ${call}\n    tyr:     ${tyr}\n    panthor: ${panthor}`);
  }
  const calls = outcome.sequences.reduce((sum, sequence) => sum + sequence.calls.length, 0);
  console.log(`${file}: ${calls} calls, ${summary(found.length, all)}`);
  return found.length + tellReports(outcome.results) === 0 ? 0 : 1;
}

/** How many differ, and how many besides in a known way. */
function summary(found: number, all: readonly Difference[]): string {
  const known = new Map<string, number>();
  for (const { known: name } of all) if (name !== undefined) known.set(name, (known.get(name) ?? 0) + 1);
  const names = [...known].map(([name, count]) => `${count} × ${name}`).join(', ');
  const differ = found === 0 ? 'no difference' : `${found} differ${found === 1 ? 's' : ''}`;
  return names === '' ? differ : `${differ} but for what docs/differences.md tells (${names})`;
}

/** What files of calls, and of commands, end in. */
const CALLS = '.calls';
const PROGRAMS = '.programs';

/** How many sequences there are in one run of both worlds. */
const ROUND = 2000;

/** How often a sequence that differs is made again in either world. */
const AGAIN = 20;

/**
 * Random sequences. Of each the first difference counts, since others follow from it; equal ones are told once. What does not
 * differ every time is told as chance.
 */
async function compareRandom(seed: number, count: number, options: CompareOptions): Promise<number> {
  const kinds = new Map<string, { seeds: number[]; difference: Difference }>();
  const all: Difference[] = [];
  let calls = 0;
  let missed = 0;
  let seconds = 0;
  for (let first = seed; first < seed + count; first += ROUND) {
    const seeds = Array.from({ length: Math.min(ROUND, seed + count - first) }, (_, i) => first + i);
    const source = seeds.map(generateCalls).join('');
    const outcome = await runCalls(source, WORLDS, worldOptions(options));
    await keepLog(outcome, options);
    for (const sequence of outcome.sequences) calls += sequence.calls.length;
    for (const result of Object.values(outcome.results)) seconds += result.seconds;
    missed += unmade(outcome);
    for (const difference of differences(outcome, true)) {
      const { call, tyr, panthor, sequence } = difference;
      all.push(difference);
      if (difference.known !== undefined) continue;
      const verb = call.split(' ')[0]!;
      const kind = `${verb}\n    tyr:     ${tyr}\n    panthor: ${panthor}`;
      const known = kinds.get(kind);
      if (known) known.seeds.push(Number(sequence));
      else kinds.set(kind, { seeds: [Number(sequence)], difference });
    }
  }
  let found = 0;
  const suspects = [...kinds.values()].flatMap(({ seeds }) => seeds);
  const again = new Map(suspects.map((each) => [String(each), generateCalls(each)]));
  const chance = suspects.length === 0 ? new Set() : await differByChance(again, AGAIN, worldOptions(options));
  for (const [kind, { seeds, difference }] of [...kinds].sort(([, a], [, b]) => b.seeds.length - a.seeds.length)) {
    const lasting = seeds.filter((each) => !chance.has(String(each)));
    found += lasting.length;
    if (lasting.length === 0) console.log('By chance: made again, both worlds give what the other gave here.');
    const those = seeds.length > 5 ? `${seeds.slice(0, 5).join(', ')}, …` : seeds.join(', ');
    console.log(`${seeds.length} × ${kind}\n    as in    ${difference.call}\n    seeds    ${those}`);
  }
  if (missed > 0)
    console.log(`${missed} sequences were not begun within ${options.timeout} s, or after a client had died`);
  const did = `${count - missed} sequences (${calls} calls) from seed ${seed} in ${seconds.toFixed(0)} s`;
  const lucky = chance.size === 0 ? '' : `, ${chance.size} by chance`;
  console.log(`${did}, ${summary(found, all)}${lucky}`);
  return found === 0 ? 0 : 1;
}
