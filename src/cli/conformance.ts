/**
 * `tyr conformance`: a suite that others wrote, on machines of its own, held against what is known of it; and the joining
 * of several runs' results.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Expectations, expectationsFile } from '../conformance/expectations.ts';
import { Journal } from '../conformance/journal.ts';
import { closing, markdown, putIntoPage, report, writeReports } from '../conformance/report.ts';
import { askOnce, runCases } from '../conformance/runner.ts';
import { selected, spread } from '../conformance/selection.ts';
import { deal, parseShard, shardOf } from '../conformance/shard.ts';
import { type Case, isGood, type Suite } from '../conformance/suite.ts';
import { suiteOf } from '../conformance/suites.ts';
import { nativeMesa } from '../host/userland/mesa-build.ts';
import { Problem } from '../host/userland/problem.ts';
import { defaultEngine, type Engine } from '../mali/engine/engine.ts';
import { interruptible } from './interrupts.ts';
import { progressBar } from './progress-bar.ts';

export interface ConformanceOptions {
  filter?: string;
  /** A file with the names of tests, a line each. */
  tests?: string;
  mesa?: string;
  /** On the Mesa that `tyr mesa build` has built. */
  native?: boolean;
  deqp?: string;
  shard?: string;
  /** Tests of each group at most. */
  perGroup?: number;
  engine?: Engine;
  out?: string;
  jobs?: number;
  limit?: number;
  selection?: boolean;
  list?: boolean;
  page?: string;
}

const EXPECTATIONS = fileURLToPath(new URL('../../conformance', import.meta.url));
const ENTRY = { script: fileURLToPath(new URL('main.ts', import.meta.url)), args: ['conformance-worker'] };

export async function conformance(name: string, folders: string[], options: ConformanceOptions): Promise<number> {
  if (name === 'merge') return merge(folders, options);
  if (folders.length > 0) throw new Problem(`what is ${folders[0]}? Only merge takes folders`);
  const suite = suiteOf(name);
  const shard = options.shard === undefined ? shardOf(process.env) : parseShard(options.shard);
  const filter = pattern(options.filter);
  const progress = progressBar();
  const prepared = await suite.prepare({
    progress,
    mesa: options.mesa ?? (options.native ? nativeMesa() : undefined),
    deqp: options.deqp,
    ask: (userland, command) => askOnce(ENTRY, name, userland, command),
  });
  const expectations = Expectations.read(expectationsFile(EXPECTATIONS, name, prepared.mesa));
  const listed = options.tests === undefined ? prepared.cases : named(prepared.cases, options.tests);
  const wanted = options.selection ? selected(listed, suite.selection) : listed;
  const runnable = wanted.filter(({ name: test }) => expectations.of(test)?.kind !== 'skip');
  const meant = runnable.filter(({ name: test }) => filter.test(test));
  const { perGroup } = options;
  const cases = deal(perGroup === undefined ? meant : spread(meant, perGroup), shard);
  if (options.list) {
    for (const { name: test } of cases) console.log(test);
    return 0;
  }
  if (cases.length === 0)
    throw new Problem(`no test of ${name} is meant by --filter ${options.filter} --shard ${options.shard}`);
  const engine = options.engine ?? defaultEngine();
  const out = options.out ?? `conformance-${name}`;
  const journal = Journal.open(out, { suite: name, mesa: prepared.mesa, gpu: prepared.gpu, engine });
  const left = cases.filter((one) => !journal.has(one.name));
  if (left.length < cases.length) progress.note(`${cases.length - left.length} tests stand in ${out} already`);
  const bar = new RunBar(suite, left);
  const { interrupted } = await interruptible((signal) =>
    runCases({
      suite,
      prepared,
      cases: left,
      entry: ENTRY,
      jobs: Math.min(options.jobs ?? availableParallelism(), left.length),
      setup: { engine },
      limit: options.limit ?? suite.limit,
      signal,
      onResult: (result) => {
        journal.add(result);
        bar.add(result.name, !isGood(result.verdict));
      },
    }),
  );
  bar.end();
  const chosen = new Set(cases.map((one) => one.name));
  const results = journal.results.filter((result) => chosen.has(result.name));
  const whole = report(journal.head, suite.title, results, expectations);
  writeReports(out, whole);
  if (options.page !== undefined) putIntoPage(options.page, name, markdown(whole));
  console.log(closing(whole));
  if (interrupted !== undefined) {
    progress.note(`stopped; the same command goes on after ${results.length} of ${cases.length} tests`);
    return interrupted;
  }
  return whole.remarkable.some(({ news }) => news !== undefined) ? 1 : 0;
}

/** Joins the results of several folders, and reports on all of them. */
function merge(folders: string[], { out, page }: ConformanceOptions): number {
  if (folders.length === 0) throw new Problem('merge takes the folders that are to be joined');
  const joined = Journal.join(folders);
  const { head, results } = joined;
  const suite = suiteOf(head.suite);
  const expectations = Expectations.read(expectationsFile(EXPECTATIONS, head.suite, head.mesa));
  const whole = report(head, suite.title, results, expectations);
  const folder = out ?? `conformance-${head.suite}`;
  mkdirSync(folder, { recursive: true });
  const journal = Journal.open(folder, head);
  for (const result of results) if (!journal.has(result.name)) journal.add(result);
  writeReports(folder, whole);
  if (page !== undefined) putIntoPage(page, head.suite, markdown(whole));
  console.log(closing(whole));
  return whole.remarkable.some(({ news }) => news !== undefined) ? 1 : 0;
}

/** The tests that a file names, in its order. Throws Problem for a name that the suite does not have. */
function named(cases: readonly Case[], file: string): Case[] {
  const known = new Map(cases.map((one) => [one.name, one]));
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Problem(`--tests: ${(error as Error).message}`);
  }
  const names = new Set(text.split('\n').filter((line) => line !== ''));
  return [...names].map((name) => {
    const one = known.get(name);
    if (!one) throw new Problem(`${file}: there is no test ${name}`);
    return one;
  });
}

function pattern(text: string | undefined): RegExp {
  try {
    return new RegExp(text ?? '');
  } catch (error) {
    throw new Problem(`--filter ${text}: ${(error as Error).message}`);
  }
}

const SECOND = 1000;

/** How far a run is, how fast it goes and how long it will take. Tests that are skipped unstarted are not counted. */
class RunBar {
  readonly #progress = progressBar();
  readonly #total: number;
  readonly #begin = performance.now();
  #skipped: number;
  readonly #done = new Set<string>();
  readonly #bad = new Set<string>();

  constructor(suite: Suite, cases: readonly Case[]) {
    this.#skipped = cases.filter(({ skip }) => skip !== undefined).length;
    this.#total = cases.length - this.#skipped;
    this.#progress.begin(suite.title);
  }

  add(name: string, bad: boolean): void {
    if (this.#skipped > 0) {
      this.#skipped--;
      return;
    }
    this.#done.add(name);
    this.#bad[bad ? 'add' : 'delete'](name);
    const done = this.#done.size;
    const rate = done / ((performance.now() - this.#begin) / SECOND);
    const seconds = Math.ceil((this.#total - done) / rate);
    const left = seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
    const bad_ = this.#bad.size > 0 ? `, ${this.#bad.size} not good` : '';
    this.#progress.update(
      done / this.#total,
      `${done} of ${this.#total}${bad_}, ${rate.toFixed(1)} a second, ${left} left`,
    );
  }

  end(): void {
    this.#progress.end();
  }
}
