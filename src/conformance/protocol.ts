/** What the runner and its workers say to each other. */
import type { Command } from '../host/hosted-machine.ts';
import type { Userland } from '../host/userland/userland.ts';
import type { Engine } from '../mali/engine/names.ts';
import type { Case, Picture, Shot, Verdict } from './suite.ts';

/** How a worker's machine is made; its first message. */
export interface Setup {
  readonly suite: string;
  readonly userland: Userland;
  readonly engine: Engine | undefined;
}

export interface Batch {
  readonly cases: readonly Case[];
  readonly command: Command;
  /** Seconds in which a case has to end. */
  readonly limit: number;
  /** What the screen is to show of its one case. */
  readonly shot?: Shot | undefined;
}

export interface Result {
  readonly name: string;
  readonly group: string;
  readonly verdict: Verdict;
  readonly seconds: number;
  readonly subtests?: Readonly<Record<string, Verdict>> | undefined;
  /** Why it was skipped, or what the machine still had of it. */
  readonly note?: string | undefined;
  /** The last lines that the program printed, where it was not good. */
  readonly output?: string | undefined;
  /** What the machine complained of meanwhile. */
  readonly log?: readonly string[] | undefined;
  readonly pictures?: readonly Picture[] | undefined;
}

/** From the runner: a setup once, then one batch, or a question, at a time. */
export type Request = { readonly setup: Setup } | { readonly batch: Batch } | { readonly ask: Command };

/** From the worker: a case has begun, ended; the process has ended, and what it has not come to is left. */
export type Answer =
  | { readonly kind: 'begin'; readonly index: number }
  | { readonly kind: 'result'; readonly index: number; readonly result: Result }
  | { readonly kind: 'done'; readonly leaks: Readonly<Record<string, number>> }
  | { readonly kind: 'told'; readonly code: number; readonly output: string };
