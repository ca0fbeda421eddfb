/**
 * What piglit's programs print: lines `PIGLIT: {JSON}` with a result and those of subtests, and before each file of a
 * shader_runner that has several a line `PIGLIT TEST: N - NAME` (tests/util/piglit-util.c, framework/test/piglit_test.py).
 */
import type { Event, Reader, Verdict } from '../suite.ts';

const WORDS: Readonly<Record<string, Verdict>> = { pass: 'pass', fail: 'fail', skip: 'skip', warn: 'warn' };

const verdict = (word: unknown): Verdict => WORDS[String(word)] ?? 'fail';

/** What `PIGLIT: ` is followed by. A program that dies in the middle of a line leaves no JSON. */
interface Told {
  result?: string;
  subtest?: Record<string, string>;
  'enumerate subtests'?: string[];
}

function told(line: string): Told | undefined {
  if (!line.startsWith('PIGLIT: ')) return undefined;
  try {
    return JSON.parse(line.slice(8));
  } catch {
    return undefined;
  }
}

/** Signals end a process with codes from here on. */
const SIGNALLED = 128;

/** A program with one test. */
export class TestReader implements Reader {
  #result: Verdict | undefined;
  readonly #subtests: Record<string, Verdict> = {};

  line(text: string, stream: 'stdout' | 'stderr'): Event[] {
    if (stream === 'stderr') return [];
    const { result, subtest, 'enumerate subtests': names } = told(text) ?? {};
    // A subtest that was announced and of which nothing is heard has not run.
    for (const name of names ?? []) this.#subtests[name] ??= 'skip';
    for (const [name, word] of Object.entries(subtest ?? {})) this.#subtests[name] = verdict(word);
    if (result !== undefined) this.#result = verdict(result);
    return [];
  }

  end(code: number): Event[] {
    if (this.#result === undefined || code > SIGNALLED) return [];
    // A pass with an exit code is a warning to piglit's runner as well.
    const own = this.#result === 'pass' && code !== 0 ? 'warn' : this.#result;
    return [{ kind: 'end', index: 0, verdict: own, subtests: this.#subtests }];
  }
}

/**
 * shader_runner with several files. It names each on both streams; standard error has no buffer, so that says when one begins.
 * It ends itself at the first that it cannot run; the rest is for another process.
 */
export class ShaderReader implements Reader {
  /** The file that it was heard to begin, and the one that its results are of. */
  #begun = -1;
  #reported = -1;
  #ended = -1;
  #last: Verdict | undefined;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  line(text: string, stream: 'stdout' | 'stderr'): Event[] {
    const number = /^PIGLIT TEST: (\d+) - /.exec(text)?.[1];
    if (number !== undefined) {
      const index = Number(number) - 1;
      if (stream === 'stdout') {
        this.#reported = index;
        return [];
      }
      this.#begun = index;
      return [{ kind: 'begin', index }];
    }
    if (stream === 'stderr') return [];
    const { result, subtest } = told(text) ?? {};
    if (result !== undefined) this.#last = verdict(result);
    const [word] = Object.values(subtest ?? {});
    if (word === undefined || this.#reported <= this.#ended) return [];
    this.#ended = this.#reported;
    return [{ kind: 'end', index: this.#ended, verdict: verdict(word) }];
  }

  end(code: number): Event[] {
    if (this.#last === undefined || code > SIGNALLED) return [];
    // The one that it was in, or for which it found no context and named none.
    const index = this.#begun > this.#ended ? this.#begun : this.#ended + 1;
    return index < this.#count ? [{ kind: 'end', index, verdict: this.#last }] : [];
  }
}
