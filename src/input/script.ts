/**
 * Input scripts: a person's doings, written down with their times, so that a test drives a program as he would.
 *
 * A line is a time and a command (command.ts): seconds since the program was started, by the board's clock, or after a plus
 * since the time of the line before. Empty lines, and those that begin with #, say nothing. A command that is late, because
 * the one before took longer, follows at once.
 *
 *     # open the menu and quit
 *     2.5   move 0.5 0.1
 *     +0.1  click
 *     4     type quit\n
 */
import type { Clock, Timer } from '../board/clock.ts';
import { CommandError, parseCommand, type Step } from './command.ts';
import type { InputPort } from './port.ts';

export interface ScriptLine {
  /** Its number in the file, from 1. */
  readonly line: number;
  /** Nanoseconds since the program's start. */
  readonly at: number;
  readonly steps: readonly Step[];
}

const SECOND = 1e9;

/** Throws CommandError with the line's number. */
export function parseScript(text: string): ScriptLine[] {
  const lines: ScriptLine[] = [];
  let last = 0;
  for (const [i, row] of text.split('\n').entries()) {
    const plain = row.trimStart();
    if (plain.trim() === '' || plain.startsWith('#')) continue;
    try {
      const [, plus, time, command] = /^(\+?)(\d+(?:\.\d*)?|\.\d+)\s+(.*)$/s.exec(plain) ?? [];
      if (time === undefined || command === undefined) throw new CommandError('not a time and a command');
      const at = Number(time) * SECOND + (plus ? last : 0);
      if (at < last) throw new CommandError(`${time} is before the time of the line above`);
      last = at;
      lines.push({ line: i + 1, at, steps: parseCommand(wordsOf(command)) });
    } catch (error) {
      if (error instanceof CommandError) throw new CommandError(`line ${i + 1}: ${error.message}`);
      throw error;
    }
  }
  return lines;
}

/** What `type` writes is all that follows one space; of other commands, words. */
function wordsOf(command: string): string[] {
  const typed = /^type (.*)$/s.exec(command);
  return typed ? ['type', typed[1]!.replace(/\r$/, '')] : command.trim().split(/\s+/);
}

/** Somebody at work: what is to be done is done in order, in its time, unless he is stopped. */
export class Player {
  readonly #clock: Clock;
  readonly #port: InputPort;
  #timer: Timer | undefined;
  #stopped = false;
  #go: (() => void) | undefined;

  constructor(clock: Clock, port: InputPort) {
    this.#clock = clock;
    this.#port = port;
  }

  /** Does these things. True when all is done, false if it was stopped before the last of them. */
  play(steps: readonly Step[]): Promise<boolean> {
    return new Promise((resolve) => {
      let next = 0;
      // In the timer's own call: when the machine has been busy for long, a key has to come up before it is repeated.
      const go = (): void => {
        while (!this.#stopped && next < steps.length) {
          const { act, pause } = steps[next++]!;
          act(this.#port);
          if (pause > 0) {
            this.#later(pause, go);
            return;
          }
        }
        // What is left at most is the rest after it.
        resolve(next === steps.length);
      };
      go();
    });
  }

  /** Plays a script, whose times begin now. Resolves with how many of its lines were played to their end. */
  async playScript(script: readonly ScriptLine[]): Promise<number> {
    const begin = this.#clock.now();
    let played = 0;
    for (const { at, steps } of script) {
      const early = begin + at - this.#clock.now();
      if (early > 0) await new Promise<void>((resolve) => this.#later(early, resolve));
      if (!(await this.play(steps))) break;
      played++;
    }
    return played;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#go?.();
  }

  #later(time: number, go: () => void): void {
    this.#go = go;
    if (this.#stopped) go();
    else this.#timer = this.#clock.after(time, go);
  }
}
