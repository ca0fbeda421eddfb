/**
 * The machine's control socket: what its user asks of it while it runs, such as `tyr input`. It lies in the machine's folder
 * and is its user's alone. A line of JSON each way: {"input": ["key", "a"]}, then {"done": true} once that is done, or
 * {"error": "why not"}. Whoever hangs up before stops what he has begun.
 * {"status": true} is answered with {"status": {…}}, {"profiling": 3} sets what of jobs is measured,
 * {"suspend": 10} puts the machine to sleep for ten seconds.
 */
import { chmodSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import { DrmError } from '../drm/error.ts';
import { CommandError, parseCommand } from '../input/command.ts';
import type { InputPort } from '../input/port.ts';
import { Player } from '../input/script.ts';
import type { MachineStatus } from '../machine/status.ts';
import { Problem } from './userland/problem.ts';

export const CONTROL_SOCKET = 'control';

/** Characters in one request, and connections at a time. */
const MOST_ASKED = 1 << 16;
const MOST_CONNECTIONS = 64;

interface Answer {
  readonly done?: true;
  readonly status?: MachineStatus;
  readonly error?: string;
}

export interface ControlOptions {
  /** The machine's folder. */
  readonly directory: string;
  readonly clock: Clock;
  readonly input: InputPort;
  readonly log: Log;
  /** How the machine stands. */
  readonly status: () => MachineStatus;
  /** Sets what of the GPU's jobs is measured. Throws DrmError. */
  readonly profile: (bits: number) => void;
  /** Puts the machine to sleep for some seconds; resolves when it is awake again. Throws DrmError. */
  readonly suspend: (seconds: number) => Promise<void>;
}

export class Control {
  readonly #options: ControlOptions;
  readonly #server: Server;
  readonly #connections = new Map<Socket, Player>();

  private constructor(options: ControlOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  static async listen(options: ControlOptions): Promise<Control> {
    const control = new Control(options);
    const path = join(options.directory, CONTROL_SOCKET);
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject);
      control.#server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    return control;
  }

  /** Whoever waits for what has been done is still told: it may be why the machine is switched off. */
  close(): void {
    this.#server.close();
    for (const [socket, player] of this.#connections) {
      player.stop();
      setImmediate(() => socket.destroySoon());
    }
  }

  #serve(socket: Socket): void {
    const { clock, input } = this.#options;
    const player = new Player(clock, input);
    this.#connections.set(socket, player);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#connections.delete(socket);
      player.stop();
    });
    let last = Promise.resolve();
    const tooLong = (): void => {
      this.#options.log('warn', 'host', 'a request on the control socket is too long; its connection is closed');
      socket.destroy();
    };
    eachLine(socket, tooLong, (line) => {
      last = last.then(async () => {
        const answer = await this.#answer(line, player);
        if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
      });
    });
  }

  async #answer(line: string, player: Player): Promise<Answer> {
    try {
      const asked = parseRequest(line);
      if (asked.status === true) return { status: this.#options.status() };
      if (typeof asked.profiling === 'number') {
        this.#options.profile(asked.profiling);
        return { done: true };
      }
      if (typeof asked.suspend === 'number' && asked.suspend >= 0) {
        await this.#options.suspend(asked.suspend);
        return { done: true };
      }
      return (await player.play(parseCommand(wordsOf(asked)))) ? { done: true } : { error: 'it was stopped' };
    } catch (error) {
      if (error instanceof CommandError || error instanceof DrmError) return { error: error.message };
      throw error;
    }
  }
}

/** Calls `line` for each line that comes, `tooLong` when one does not end. */
function eachLine(socket: Socket, tooLong: () => void, line: (text: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (text) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const part of parts) line(part);
    if (rest.length > MOST_ASKED) tooLong();
  });
}

function parseRequest(line: string): Record<string, unknown> {
  let asked: unknown;
  try {
    asked = JSON.parse(line);
  } catch {
    throw new CommandError('a request is a line of JSON');
  }
  if (typeof asked !== 'object' || asked === null) throw new CommandError('a request is a line of JSON, an object');
  return asked as Record<string, unknown>;
}

function wordsOf({ input: words }: Record<string, unknown>): string[] {
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
    throw new CommandError('a request reads {"input": [words]}');
  return words;
}

/** Asks the machine with this folder to do something, and waits until it is done. Throws a Problem that says why it is not. */
export async function sendInput(directory: string, words: readonly string[]): Promise<void> {
  await ask(directory, { input: words });
}

/** How the machine with this folder stands. Throws a Problem. */
export async function askStatus(directory: string): Promise<MachineStatus> {
  const { status } = await ask(directory, { status: true });
  if (!status) throw new Problem('the machine does not tell how it stands');
  return status;
}

/** Sets what of its GPU's jobs is measured: PROFILING bits. Throws a Problem. */
export async function setProfiling(directory: string, bits: number): Promise<void> {
  await ask(directory, { profiling: bits });
}

/** Puts the machine to sleep for some seconds, and waits until it is awake again. Throws a Problem. */
export async function suspend(directory: string, seconds: number): Promise<void> {
  await ask(directory, { suspend: seconds });
}

async function ask(directory: string, request: object): Promise<Answer> {
  const socket = connect(join(directory, CONTROL_SOCKET));
  try {
    const answer = await new Promise<Answer>((resolve, reject) => {
      socket.once('error', (error) => reject(new Problem(`the machine does not answer: ${error.message}`)));
      socket.once('close', () => reject(new Problem('the machine was switched off meanwhile')));
      eachLine(
        socket,
        () => reject(new Problem('the machine says too much')),
        (line) => resolve(JSON.parse(line)),
      );
      socket.write(`${JSON.stringify(request)}\n`);
    });
    if (answer.error !== undefined) throw new Problem(answer.error);
    return answer;
  } finally {
    socket.destroy();
  }
}
