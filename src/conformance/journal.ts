/**
 * The journal of a run: results.jsonl in its folder, a line a case as soon as it has ended, so that a run which was stopped
 * goes on behind what stands there; the first line says what was run.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../host/userland/problem.ts';
import type { Result } from './protocol.ts';

export const JOURNAL = 'results.jsonl';

/** What was run: results of different heads do not belong together. */
export interface Head {
  readonly suite: string;
  readonly mesa: string;
  /** What the suite's own programs call the GPU, where they tell it. */
  readonly gpu?: string | undefined;
  readonly engine: string;
}

export class Journal {
  readonly head: Head;
  readonly #results = new Map<string, Result>();
  readonly #file: string | undefined;

  private constructor(head: Head, results: Iterable<Result>, file: string | undefined) {
    this.head = head;
    this.#file = file;
    for (const result of results) this.#results.set(result.name, result);
  }

  /** Opens or makes a folder's journal. Throws Problem if another run's results are in there. */
  static open(folder: string, head: Head): Journal {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, JOURNAL);
    if (!existsSync(file)) {
      writeFileSync(file, `${JSON.stringify(head)}\n`);
      return new Journal(head, [], file);
    }
    const earlier = read(file);
    if (JSON.stringify(earlier.head) !== JSON.stringify(head)) {
      throw new Problem(`${folder} has results of ${told(earlier.head)}; name another --out for ${told(head)}`);
    }
    // A line that was being written when the run was stopped has no end.
    writeFileSync(file, [head, ...earlier.results].map((line) => `${JSON.stringify(line)}\n`).join(''));
    return new Journal(head, earlier.results, file);
  }

  /** Several folders' journals as one, later ones first. Throws Problem where their heads differ. */
  static join(folders: readonly string[]): Journal {
    const all = folders.map((folder) => read(join(folder, JOURNAL)));
    const [first] = all;
    if (!first) throw new Problem('there is nothing to join');
    for (const { head } of all) {
      if (JSON.stringify(head) !== JSON.stringify(first.head)) {
        throw new Problem(`${told(head)} and ${told(first.head)} do not belong together`);
      }
    }
    return new Journal(
      first.head,
      all.flatMap(({ results }) => results),
      undefined,
    );
  }

  get results(): Result[] {
    return [...this.#results.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#results.has(name);
  }

  add(result: Result): void {
    this.#results.set(result.name, result);
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(result)}\n`);
  }
}

const told = ({ suite, mesa, gpu, engine }: Head): string =>
  `${suite} on Mesa ${mesa}${gpu === undefined ? '' : ` on ${gpu}`}, engine ${engine}`;

function read(file: string): { head: Head; results: Result[] } {
  if (!existsSync(file)) throw new Problem(`there are no results in ${file}`);
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.pop(); // empty, or a line that was never finished
  const [head, ...results] = lines.map((line) => JSON.parse(line));
  if (head?.suite === undefined) throw new Problem(`${file} is no journal of tyr conformance`);
  return { head, results };
}
