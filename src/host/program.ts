/**
 * Program: a client program of the machine as a process group of its own, so that ending it ends its children too.
 *
 * Stopping is polite first: SIGTERM to the group, SIGKILL after a grace. Whatever happens, `ended` settles only when the
 * program is gone, and its group has been killed by then. A guard, a shell that waits for our end, kills the group if we
 * ourselves are killed without a chance to do it, and removes what we would have removed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { SHIM_ENVIRONMENT } from '../abi/shim.ts';
import type { Clock, Timer } from '../board/clock.ts';
import { Problem } from './userland/problem.ts';
import type { Start } from './userland/start.ts';

export interface ProgramOptions {
  clock: Clock;
  /** Where standard output goes; `(text) => …` collects it. Default: this process's own. */
  stdout?: 'inherit' | 'stderr' | ((text: string) => void);
  stderr?: 'inherit' | ((text: string) => void);
  /** Default 'silent': open, but nothing ever comes. A program that reads end-of-file as "quit" goes on. */
  stdin?: 'inherit' | 'silent';
  cwd?: string;
  /** Nanoseconds between SIGTERM and SIGKILL. */
  grace?: number;
  /** A folder that is to go when this process is killed. */
  folder?: string;
}

const GRACE = 2e9;

export class Program {
  /** As a shell reports it: the exit code, or 128 + the signal's number. */
  readonly ended: Promise<number>;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #guard: ChildProcess;
  readonly #clock: Clock;
  readonly #grace: number;
  #running = true;
  #killing: Timer | undefined;
  #givingWay: Timer | undefined;

  private constructor(child: ChildProcess, options: ProgramOptions) {
    this.#child = child;
    this.#clock = options.clock;
    this.#grace = options.grace ?? GRACE;
    this.pid = child.pid!;
    this.#giveWay();
    this.#guard = guard(this.pid, options.folder);
    const collect = (stream: NodeJS.ReadableStream | null, sink: unknown) => {
      if (typeof sink === 'function') stream?.setEncoding('utf8').on('data', (text) => sink(text));
    };
    collect(child.stdout, options.stdout);
    collect(child.stderr, options.stderr);
    child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        this.#running = false;
        this.#killing?.cancel();
        this.#givingWay?.cancel();
        this.#signal('SIGKILL'); // children that outlived it
        this.#guard.kill('SIGKILL');
        child.stdin?.destroy();
      });
      child.once('close', (code, signal) => resolve(signal ? 128 + constants.signals[signal] : (code ?? 1)));
    });
  }

  /** Starts it. Rejects with a Problem if the system cannot. */
  static start(start: Start, options: ProgramOptions): Promise<Program> {
    const output = { inherit: 1, stderr: 2 } as const;
    const { stdout = 'inherit', stderr = 'inherit', stdin = 'silent' } = options;
    const child = spawn(start.file, start.args, {
      env: start.env,
      cwd: options.cwd,
      detached: true,
      stdio: [
        stdin === 'inherit' ? 0 : 'pipe',
        typeof stdout === 'function' ? 'pipe' : output[stdout],
        typeof stderr === 'function' ? 'pipe' : 2,
      ],
    });
    return new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new Problem(`${start.file} cannot be started: ${error.message}`)));
      child.once('spawn', () => resolve(new Program(child, options)));
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** Asks the whole group to end, and makes it end after the grace. */
  stop(): void {
    if (!this.#running || this.#killing) return;
    this.#signal('SIGTERM');
    // Who stands still would not hear it.
    this.#signal('SIGCONT');
    this.#killing = this.#clock.after(this.#grace, () => this.kill());
  }

  /** The whole group stands still, until `thaw`. */
  freeze(): void {
    if (this.#running) this.#signal('SIGSTOP');
  }

  thaw(): void {
    if (this.#running) this.#signal('SIGCONT');
  }

  /** Ends the whole group at once. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  /** Again and again, until the kernel has taken it. */
  #giveWay(): void {
    if (!giveWay(this.pid)) this.#givingWay = this.#clock.after(NICE_INTERVAL, () => this.#giveWay());
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      // ESRCH: the group is gone.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') this.#child.kill(signal);
    }
  }
}

/**
 * How far programs stand behind the machine where both want a processor. A real GPU needs none of theirs: what it has begun ends the
 * sooner, and whoever waits for it goes on. They stand behind all others of the host as well, so it is not much: a third of an equal share.
 */
const NICE = 5;

/** The largest nice value: who has it stands back most. */
const NICEST = 19;

/** Nanoseconds between two changes of autogroups' nice values, all over the host, that the kernel grants to those without CAP_SYS_ADMIN. */
const NICE_INTERVAL = 100e6;

/**
 * Lets a session give way. Where the kernel shares processors between sessions (sched(7), the autogroup feature) its number counts, elsewhere
 * the program's own, which its children inherit. A host that allows neither shares alike. False: it should be asked again after a while.
 */
function giveWay(session: number): boolean {
  const behind = (own: number): number => Math.min(own + NICE, NICEST);
  return [
    () => setPriority(session, behind(getPriority())),
    () => {
      const own = /nice (-?\d+)/.exec(readFileSync('/proc/self/autogroup', 'latin1'));
      if (own) writeFileSync(`/proc/${session}/autogroup`, String(behind(Number(own[1]))));
    },
  ].every((set) => {
    try {
      set();
      return true;
    } catch (error) {
      // EAGAIN: somebody's value was changed a moment ago. All else says that it has ended already, or that there is no such thing here.
      return (error as NodeJS.ErrnoException).code !== 'EAGAIN';
    }
  });
}

/**
 * As soon as this process is gone, since then the pipe that the guard reads from ends: kills the process group `pid` and all whose
 * environment names `folder` as their machine's, and removes that.
 */
const GUARD = `
read -r _ && exit
kill -s KILL -- "-$0"
[ -n "$1" ] || exit
for file in $(grep -lxzsF -e "${SHIM_ENVIRONMENT}=$1" /proc/[0-9]*/environ); do
  pid="\${file#/proc/}"
  kill -s KILL "\${pid%/environ}"
done
rm -rf -- "$1"
`;

function guard(pid: number, folder = ''): ChildProcess {
  const child = spawn('/bin/sh', ['-c', GUARD, String(pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.once('error', () => {}); // no shell: then the group takes its chances
  child.stdin.on('error', () => {});
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return child;
}
