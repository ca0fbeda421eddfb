/**
 * Suite: what the runner has to know of a test suite that others wrote. A suite is data and three small functions: which
 * cases there are, which command runs some of them, and what a line of its output says. All else (batches, limits,
 * machines, faults, reports) is the runner's and the same for all suites.
 */
import type { Command } from '../host/hosted-machine.ts';
import type { Progress } from '../host/userland/progress.ts';
import type { Userland } from '../host/userland/userland.ts';
import type { Tolerance } from './pictures.ts';

/** What came of a case. The last five are the runner's own findings and outweigh what the suite says. */
export const VERDICTS = [
  'pass',
  'skip',
  'warn',
  'fail',
  /** The program ended without a word about the case, or by a signal. */
  'crash',
  /** Nothing was heard of the case for its time limit. */
  'hang',
  /** The GPU faulted, or its driver gave a job up, while the case ran. */
  'fault',
  /** The machine still had something of the program after its end. */
  'leak',
  /** The machine itself came to an end. */
  'machine',
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Verdicts that nobody objects to. */
export const isGood = (verdict: Verdict): boolean => verdict === 'pass' || verdict === 'skip' || verdict === 'warn';

/** One test. Names are those that Mesa's CI lists use. */
export interface Case {
  readonly name: string;
  /** The part of the suite that it belongs to, a row of the table. */
  readonly group: string;
  /** Cases of the same batch can run in one process, one after another; undefined: this one runs alone. */
  readonly batch: string | undefined;
  /** Why it need not run: the GPU, by its own word, lacks what it takes. */
  readonly skip: string | undefined;
  /** How the suite names it to its program. */
  readonly args: readonly string[];
}

export interface Picture {
  readonly name: string;
  /** Base64 of a PNG. */
  readonly png: string;
}

/** What the suite's output says: a case begins, or it has ended. `index` counts within the batch. */
export type Event =
  | { readonly kind: 'begin'; readonly index: number }
  | {
      readonly kind: 'end';
      readonly index: number;
      readonly verdict: Verdict;
      /** What the suite says of it, and how long it took by its own clock. */
      readonly note?: string | undefined;
      readonly seconds?: number | undefined;
      readonly subtests?: Readonly<Record<string, Verdict>>;
      readonly pictures?: readonly Picture[] | undefined;
    };

/** Reads what one process prints. */
export interface Reader {
  /** A line of standard output, or of standard error. What is buffered on one of them may come long after the other. */
  line(text: string, stream: 'stdout' | 'stderr'): readonly Event[];
  /** The process has ended; `code` is 128 + N after signal N. What it has not told of stays without verdict. */
  end(code: number): readonly Event[];
}

/** What a suite is given. */
export interface SuiteOptions {
  readonly progress: Progress;
  /** Folder of a Mesa (host/userland/mesa.ts) to run on; undefined: the suite's own, Debian's. */
  readonly mesa: string | undefined;
  /** Folder of a dEQP that the user has built. */
  readonly deqp: string | undefined;
  /** Runs a program on a machine and gives what it printed. */
  ask(userland: Userland, command: Command): Promise<{ readonly code: number; readonly output: string }>;
}

/** What the screen shows of a case, and what it is held against. */
export interface Shot {
  /** It is of this page flip, from 1; the program is ended then. */
  readonly flip: number;
  /** The same moment, drawn by the processor: by a program that leaves the GPU alone. */
  readonly reference: { readonly flip: number; readonly command: Command };
  readonly tolerance: Tolerance;
}

/** A suite that is ready to run. */
export interface Prepared {
  readonly userland: Userland;
  /** The Mesa that it runs on, as it names itself: '25.0.7-2+deb13u1'. */
  readonly mesa: string;
  /** What the suite's own programs call the GPU, where they tell it. */
  readonly gpu?: string | undefined;
  readonly cases: readonly Case[];
  command(cases: readonly Case[]): Command;
  /** For a case that is judged by what the screen shows; undefined: the suite's own output judges. */
  shot?(one: Case): Shot | undefined;
}

export interface Suite {
  readonly name: string;
  readonly title: string;
  /** Cases in one process at most. */
  readonly batchSize: number;
  /** Seconds in which a case has to end. */
  readonly limit: number;
  /** The display that its machines have, where that matters: its only mode. */
  readonly mode?: string;
  /** Of how many cases its selection takes one; the default is the rule of selection.ts. */
  readonly selection?: { readonly shared: number; readonly alone: number };
  /**
   * A case that fails in company runs once more alone, as what brings a process down does: for its pictures, which it shows only there;
   * or because that is what counts, where the suite's program leaves state behind that the next case finds.
   */
  readonly failuresAlone?: 'for pictures' | 'count';
  prepare(options: SuiteOptions): Promise<Prepared>;
  /** For the output of one process that runs these cases. */
  reader(cases: readonly Case[]): Reader;
}
