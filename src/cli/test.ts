/**
 * `tyr test`: the one test command. Sets up what the guest tests need, then runs the checks (types, format and lint,
 * floors) and every *.test.ts under src/ with node:test, those of GPU and machine on both engines. What shader programs the
 * machines were given meanwhile goes through text and back. It closes with `N passed, N failed`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { SHADERS_VARIABLE, shadersOf } from '../host/shader-folder.ts';
import { command } from '../host/userland/command.ts';
import { Problem } from '../host/userland/problem.ts';
import { ensureRealFirmware, ensureUserland } from '../host/userland/userland.ts';
import { lostInText } from '../mali/shader/round-trip.ts';
import { progressBar } from './progress-bar.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** Milliseconds after which a test file counts as hung, and one that runs a desktop's programs: a minute's work on an idle host. */
const HUNG = 10 * 60_000;
const DESKTOP_HUNG = 45 * 60_000;

/** The checks that need no run: each a program of node_modules with its arguments. */
const CHECKS: [title: string, program: string, args: string[]][] = [
  ['type check', 'typescript/bin/tsc', []],
  ["type check of the screen's page", 'typescript/bin/tsc', ['-p', 'src/host/screen/page']],
  ['format and lint', '@biomejs/biome/bin/biome', ['check', '--no-errors-on-unmatched']],
  ['floors', 'dependency-cruiser/bin/dependency-cruise.mjs', ['--config', '.dependency-cruiser.mjs', 'src']],
];

/** Test files in which it may matter who runs shaders. */
const ON_BOTH_ENGINES = /^src\/(mali|machine)\//;

interface Tally {
  passed: number;
  failed: number;
}

interface TestOptions {
  workers?: number;
  /** Also the tests that boot virtual machines. */
  vm?: boolean;
  /** Also the tests that open a browser or play with large guests. */
  desktop?: boolean;
}

export async function test(patterns: string[], options: TestOptions = {}): Promise<number> {
  const { workers, vm, desktop } = options;
  if (workers !== undefined) process.env.TYR_WORKERS = String(workers);
  const progress = progressBar();
  await ensureUserland({ progress });
  await ensureRealFirmware({ progress });
  const checks = patterns.length === 0 ? await runChecks() : { passed: 0, failed: 0 };
  const files = (await testFiles(vm ?? false, desktop ?? false)).filter(
    (file) => patterns.length === 0 || patterns.some((p) => file.includes(p)),
  );
  if (files.length === 0) throw new Problem(`no test file's path contains ${patterns.join(' or ')}`);
  const isDesktop = (file: string): boolean => file.endsWith('.test-desktop.ts');
  const shaders = mkdtempSync(join(tmpdir(), 'tyr-shaders-'));
  process.env[SHADERS_VARIABLE] = shaders;
  const tallies = [checks, await runTests(files.filter((file) => !isDesktop(file)))];
  // One at a time: each has programs that take all processors.
  const limits = { concurrency: 1, timeout: DESKTOP_HUNG };
  tallies.push(await runTests(files.filter(isDesktop), limits));
  const again = files.filter((file) => ON_BOTH_ENGINES.test(file));
  if (again.length > 0 && process.env.TYR_ENGINE === undefined) {
    console.log('once more, shaders by the interpreter:');
    process.env.TYR_ENGINE = 'interpreter';
    tallies.push(await runTests(again));
  }
  tallies.push(checkShaders(shaders, patterns.length === 0));
  rmSync(shaders, { recursive: true, force: true });
  if (!vm && patterns.length === 0) console.log('no virtual machine was booted: ./tyr test --vm does that as well');
  if (!desktop && patterns.length === 0)
    console.log(
      'no browser was opened, no desktop, no race: ./tyr test --desktop does that as well (it needs a Chromium on this host)',
    );
  const [passed, failed] = (['passed', 'failed'] as const).map((of) => tallies.reduce((sum, t) => sum + t[of], 0));
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Holds the programs that guest tests' machines were given to what `tyr asm` makes of `tyr disasm`'s text. */
function checkShaders(folder: string, must: boolean): Tally {
  let count = 0;
  const lost: string[] = [];
  for (const { name, code } of shadersOf(folder)) {
    count++;
    lost.push(...lostInText(code).map((what) => `  ${name}, ${what}`));
  }
  if (count === 0 && !must) return { passed: 0, failed: 0 };
  const title = `each of the ${count} shaders that guest tests met, disassembled and assembled to the same bytes`;
  const passed = count > 0 && lost.length === 0;
  console.log(passed ? `✔ ${title}` : `✖ ${[title, ...lost].join('\n')}`);
  return passed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** `vm`: also those that boot virtual machines; `desktop`: also those that open a browser or play with large guests. */
async function testFiles(vm: boolean, desktop: boolean): Promise<string[]> {
  const files = await Array.fromAsync(
    glob(
      ['src/**/*.test.ts', ...(vm ? ['src/**/*.test-vm.ts'] : []), ...(desktop ? ['src/**/*.test-desktop.ts'] : [])],
      { cwd: REPOSITORY },
    ),
  );
  return files.sort();
}

async function runChecks(): Promise<Tally> {
  const tally = { passed: 0, failed: 0 };
  for (const [title, program, args] of CHECKS) {
    const file = fileURLToPath(new URL(`../../node_modules/${program}`, import.meta.url));
    const { code, stdout, stderr } = await command(process.execPath, [file, ...args], { cwd: REPOSITORY });
    if (code === 0) tally.passed++;
    else tally.failed++;
    console.log(code === 0 ? `✔ ${title}` : `✖ ${title}\n${stdout}${stderr}`);
  }
  return tally;
}

/** Runs test files, each in a process of its own, as many at a time as there are processors. */
async function runTests(
  files: string[],
  limits = { concurrency: availableParallelism(), timeout: HUNG },
): Promise<Tally> {
  if (files.length === 0) return { passed: 0, failed: 0 };
  return new Promise((resolve, reject) => {
    const stream = run({ files, cwd: REPOSITORY, ...limits });
    let counts: { tests: number; passed: number; skipped: number; todo: number } | undefined;
    // A summary without a file is that of the whole run.
    stream.on('test:summary', (summary) => {
      if (summary.file === undefined) counts = summary.counts;
    });
    stream.on('error', reject);
    stream
      .compose(new spec())
      .on('end', () => {
        if (!counts) return reject(new Error('node:test ended without a summary'));
        resolve({ passed: counts.passed, failed: counts.tests - counts.passed - counts.skipped - counts.todo });
      })
      .pipe(process.stdout, { end: false });
  });
}
