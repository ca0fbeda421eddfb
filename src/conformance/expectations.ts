/**
 * What a suite is known to give on a Mesa: conformance/SUITE-mesa-VERSION.toml. Each entry names tests, what comes of them,
 * whose it is and why. A failure that no entry names is new, and so is a pass where an entry says failure: both end a run
 * with 1, so that the files stay true.
 *
 *     [[known]]
 *     tests = ["spec@arb_foo@bar", "spec@arb_foo@baz@subtest *"]   # * stands for anything
 *     verdict = "fail"
 *     whose = "mesa"       # ours, mesa, suite, or hardware (the board has it too)
 *     reason = "one sentence"
 *
 * `[[unsteady]]` entries have no verdict: whatever comes of those tests is fine. `[[skip]]` entries are not run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { Problem } from '../host/userland/problem.ts';
import type { Result } from './protocol.ts';
import { isGood, VERDICTS, type Verdict } from './suite.ts';

export const WHOSE = ['ours', 'mesa', 'suite', 'hardware'] as const;
export type Whose = (typeof WHOSE)[number];

export interface Entry {
  readonly kind: 'known' | 'unsteady' | 'skip';
  readonly tests: readonly string[];
  readonly verdict: Verdict | undefined;
  readonly whose: Whose;
  readonly reason: string;
}

/** A test, or a subtest with its name behind the test's, and what came of it. */
export interface Unit {
  readonly name: string;
  readonly verdict: Verdict;
}

/** A unit, and what was expected of it. */
export interface Judged extends Unit {
  readonly result: Result;
  readonly entry: Entry | undefined;
  /** Undefined: as expected. */
  readonly news: 'failure' | 'pass' | 'another failure' | undefined;
}

/** `mesa` is its full version; a file is for its first two numbers. */
export function expectationsFile(folder: string, suite: string, mesa: string): string {
  return join(folder, `${suite}-mesa-${mesa.split('.').slice(0, 2).join('.')}.toml`);
}

export class Expectations {
  readonly entries: readonly Entry[];
  readonly #exact = new Map<string, Entry>();
  readonly #patterns: (readonly [RegExp, Entry])[] = [];

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
    for (const entry of entries) {
      for (const test of entry.tests) {
        if (test.includes('*')) this.#patterns.push([wildcard(test), entry]);
        else this.#exact.set(test, entry);
      }
    }
  }

  /** A file that is not there expects everything to pass. Throws Problem for one that says something senseless. */
  static read(file: string): Expectations {
    return new Expectations(existsSync(file) ? parseExpectations(readFileSync(file, 'utf8'), file) : []);
  }

  of(name: string): Entry | undefined {
    return this.#exact.get(name) ?? this.#patterns.find(([pattern]) => pattern.test(name))?.[1];
  }

  /** What to think of a result: the test, or its subtests where it has any that are named, or did badly. */
  judge(result: Result): Judged[] {
    return units(result).map((unit) => {
      const entry = this.of(unit.name) ?? (unit.name === result.name ? undefined : this.of(result.name));
      return { ...unit, result, entry, news: news(unit.verdict, entry) };
    });
  }
}

/** A test counts with its subtests: with those that are not good, and else as a whole. */
function units({ name, verdict, subtests = {} }: Result): Unit[] {
  const own = Object.entries(subtests).map(([sub, of]) => ({ name: `${name}@${sub}`, verdict: of }));
  const bad = own.filter((unit) => !isGood(unit.verdict));
  // A test that fails because a subtest does says nothing new.
  return verdict === 'fail' && bad.length > 0 ? own : [{ name, verdict }, ...own];
}

function news(verdict: Verdict, entry: Entry | undefined): Judged['news'] {
  if (entry?.kind === 'unsteady') return undefined;
  if (entry?.kind !== 'known') return isGood(verdict) ? undefined : 'failure';
  if (verdict === entry.verdict || verdict === 'skip') return undefined;
  return isGood(verdict) ? 'pass' : 'another failure';
}

function wildcard(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** Throws Problem, with the file's name, for what is no file of expectations. */
export function parseExpectations(text: string, file: string): Entry[] {
  const fail = (what: string): never => {
    throw new Problem(`${file}: ${what}`);
  };
  let table: Record<string, unknown> = {};
  try {
    table = parse(text);
  } catch (error) {
    fail((error as Error).message);
  }
  const entries: Entry[] = [];
  for (const [kind, list] of Object.entries(table)) {
    if (kind !== 'known' && kind !== 'unsteady' && kind !== 'skip') {
      fail(`there is no [[${kind}]]; there are [[known]], [[unsteady]] and [[skip]]`);
      continue;
    }
    for (const { tests, verdict, whose, reason, ...rest } of list as Record<string, unknown>[]) {
      const [unknown] = Object.keys(rest);
      if (unknown !== undefined) fail(`an entry has no ${unknown}`);
      if (!Array.isArray(tests) || tests.length === 0) fail(`a [[${kind}]] has no tests`);
      const [first] = tests as string[];
      if (typeof reason !== 'string' || reason === '') fail(`${first} has no reason`);
      if (!WHOSE.includes(whose as Whose)) fail(`${first}: whose is one of ${WHOSE.join(', ')}`);
      if ((kind === 'known') !== VERDICTS.includes(verdict as Verdict)) {
        fail(
          kind === 'known'
            ? `${first}: verdict is one of ${VERDICTS.join(', ')}`
            : `${first}: [[${kind}]] has no verdict`,
        );
      }
      entries.push({
        kind,
        tests: tests as string[],
        verdict: verdict as Verdict | undefined,
        whose: whose as Whose,
        reason: reason as string,
      });
    }
  }
  return entries;
}
