/**
 * A worker of the runner: a process with one machine that stays on, on which it runs one batch at a time. It hears requests
 * from its parent, and answers case by case, so that what it had begun is known if it comes to an end itself.
 */
import { HostClock, type Timer } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { type Command, HostedMachine } from '../host/hosted-machine.ts';
import type { Program } from '../host/program.ts';
import { compare, type Held, isPlain, shown, type Tolerance } from './pictures.ts';
import type { Answer, Batch, Request, Setup } from './protocol.ts';
import { type Event, isGood, type Reader, type Shot, type Verdict } from './suite.ts';
import { suiteOf } from './suites.ts';

const SECOND = 1e9;
/** Characters of a program's output, and lines of the machine's log, that a result keeps. */
const OUTPUT = 4000;
const LINES = 20;
/** How many more limits a case gets as long as the GPU works. */
const PATIENCE = 4;
/** Nanoseconds between SIGTERM and SIGKILL; programs of suites have nothing to put in order. */
const GRACE = 0.5 * SECOND;

export function work(parent: NodeJS.Process): void {
  const answer = (message: Answer) => void parent.send?.(message);
  let worker: Worker | undefined;
  let queue = Promise.resolve();
  parent.on('message', (request: Request) => {
    // A bug of ours ends the worker, which the runner sees.
    queue = queue.then(async () => {
      if ('setup' in request) worker = new Worker(request.setup, answer);
      else if ('batch' in request) await worker!.run(request.batch);
      else await worker!.ask(request.ask);
    });
  });
  parent.on('disconnect', () => process.exit(0));
}

class Worker {
  readonly #setup: Setup;
  readonly #answer: (message: Answer) => void;
  readonly #clock = new HostClock();
  #host: HostedMachine | undefined;
  #lines: string[] = [];
  readonly #log: Log = (level, device, message) => {
    if (level !== 'error' && level !== 'warn') return;
    if (this.#lines.length < LINES) this.#lines.push(`${level} ${device}: ${message}`);
  };

  constructor(setup: Setup, answer: (message: Answer) => void) {
    this.#setup = setup;
    this.#answer = answer;
  }

  async #machine(): Promise<HostedMachine> {
    const { userland, engine } = this.#setup;
    const { mode } = suiteOf(this.#setup.suite);
    const display = mode === undefined ? {} : ({ mode, soleMode: true, refresh: 'unlimited' } as const);
    const common = { userland, engine, clock: this.#clock, log: this.#log, workers: 0 };
    this.#host ??= await HostedMachine.start({ ...common, ...display });
    return this.#host;
  }

  async ask(command: Command): Promise<void> {
    let output = '';
    const stdout = (text: string) => {
      output += text;
    };
    const host = await this.#machine();
    const program = await host.run(command, { stdout, stderr: () => {} });
    this.#answer({ kind: 'told', code: await program.ended, output });
  }

  async run(batch: Batch): Promise<void> {
    this.#lines = [];
    const host = await this.#machine();
    const run = new Run(
      batch,
      suiteOf(this.#setup.suite).reader(batch.cases),
      host,
      this.#clock,
      () => this.#lines.splice(0),
      this.#answer,
    );
    await run.toEnd();
    const leaks = await host.leftBehind();
    if (Object.keys(leaks).length > 0) {
      host.close();
      this.#host = undefined;
    }
    this.#answer({ kind: 'done', leaks });
  }
}

interface Taken {
  readonly picture: Picture | undefined;
  /** The program's, if it came to its end before the picture. */
  readonly code: number;
  readonly output: string;
}

/** What the screen shows at a program's page flip; the program is ended with it, or at its limit. */
async function pictureOf(
  host: HostedMachine,
  clock: HostClock,
  { command, flip }: Shot['reference'],
  limit: number,
): Promise<Taken> {
  let output = '';
  const hear = (text: string) => {
    output = (output + text).slice(-OUTPUT);
  };
  const program = await host.run(command, { stdout: hear, stderr: hear, grace: GRACE });
  const watch = watchFlips(host, flip, () => program.stop());
  const timer = clock.after(limit * SECOND, () => program.stop());
  const code = await program.ended;
  timer.cancel();
  return { picture: watch.end(), code, output };
}

/** Takes the picture of a page flip, counted from now on. */
function watchFlips(host: HostedMachine, flip: number, taken: () => void): { end(): Picture | undefined } {
  const { display } = host.machine;
  let flips = 0;
  let picture: Picture | undefined;
  const forget = display.onFlip(() => {
    if (++flips !== flip) return;
    picture = display.screenshot();
    taken();
  });
  return {
    end() {
      forget();
      return picture;
    },
  };
}

/** What a suite may say of a case beside its verdict. */
type Details = Partial<Pick<Event & { kind: 'end' }, 'subtests' | 'pictures' | 'seconds'>>;

/** What is known of a case of a batch. */
interface Course {
  /** Nanoseconds. */
  begin: number;
  end: number;
  faulted: boolean;
  log: string[];
  /** The end of what the program printed about it. */
  output: string;
  told: boolean;
}

/** One batch in one process. */
export class Run {
  readonly #batch: Batch;
  readonly #host: HostedMachine;
  readonly #clock: HostClock;
  readonly #lines: () => string[];
  readonly #answer: (message: Answer) => void;
  readonly #reader: Reader;
  readonly #courses: Course[];
  #program: Program | undefined;
  #limit: Timer | undefined;
  /** The case that is running, and whether the program itself said so. */
  #current = 0;
  #begun = false;
  /** The machine's faults before it. */
  #faults: number;
  readonly #rest = { stdout: '', stderr: '' };
  /** Lines of standard output since the last end of a case. */
  #printed = '';
  /** The process was ended before its time. */
  #stopped: Verdict | undefined;

  constructor(
    batch: Batch,
    reader: Reader,
    host: HostedMachine,
    clock: HostClock,
    lines: () => string[],
    answer: (message: Answer) => void,
  ) {
    this.#batch = batch;
    this.#host = host;
    this.#faults = host.machine.stats.faults;
    this.#clock = clock;
    this.#lines = lines;
    this.#answer = answer;
    this.#reader = reader;
    this.#courses = batch.cases.map(() => ({ begin: 0, end: 0, faulted: false, log: [], output: '', told: false }));
  }

  async toEnd(): Promise<void> {
    const { shot, limit } = this.#batch;
    const before = this.#host.machine.stats.jobs;
    const expected = shot && (await pictureOf(this.#host, this.#clock, shot.reference, limit));
    const jobs = this.#host.machine.stats.jobs;
    this.#begin(0);
    const watch = shot && watchFlips(this.#host, shot.flip, () => this.#program?.stop());
    this.#program = await this.#host.run(this.#batch.command, {
      stdout: (text) => this.#hear(text, 'stdout'),
      stderr: (text) => this.#hear(text, 'stderr'),
      grace: GRACE,
    });
    const code = await this.#program.ended;
    this.#limit?.cancel();
    const byItself = this.#stopped === undefined;
    this.#leave();
    for (const stream of ['stderr', 'stdout'] as const) this.#hear('\n', stream);
    if (byItself) for (const event of this.#reader.end(code)) this.#meet(event);
    const picture = watch?.end();
    if (shot && picture && byItself) {
      const drawn = this.#host.machine.stats.jobs - jobs;
      this.#judge(shot, picture, expected!, jobs - before, drawn);
    }
    // What was begun and of which nothing was said came to its end with the process.
    const alone = this.#batch.cases.length === 1;
    if (this.#courses[this.#current]!.told || !(this.#begun || alone)) return;
    this.#tell(this.#current, this.#stopped ?? 'crash', `the program ended with ${code}`);
  }

  /** Holds what the GPU drew against the reference; `theirs` and `ours` are the jobs that the GPU did for each. */
  #judge({ tolerance }: Shot, got: Picture, expected: Taken, theirs: number, ours: number): void {
    const { alike, note } = this.#held(tolerance, got, expected, theirs, ours);
    const pictures = alike ? undefined : shown(got, expected.picture);
    this.#tell(0, alike ? 'pass' : 'fail', note, { pictures });
  }

  #held(tolerance: Tolerance, got: Picture, { picture, code, output }: Taken, theirs: number, ours: number): Held {
    const no = (note: string) => ({ alike: false, note });
    if (!picture) {
      const last = output.trim().split('\n').at(-1);
      return no(`there is nothing to hold it against: the reference's program ended with ${code}: ${last}`);
    }
    if (theirs > 0) return no(`the reference is not all the processor's: the GPU did ${theirs} jobs for it`);
    if (ours === 0) return no('the GPU had no part in the picture');
    if (isPlain(picture)) return no('the reference shows nothing but one colour');
    return compare(got, picture, tolerance);
  }

  #hear(text: string, stream: 'stdout' | 'stderr'): void {
    const lines = (this.#rest[stream] + text).split('\n');
    this.#rest[stream] = lines.pop()!;
    for (const line of lines) {
      if (stream === 'stdout') this.#printed = `${this.#printed}${line}\n`.slice(-OUTPUT);
      for (const event of this.#reader.line(line, stream)) this.#meet(event);
      const course = this.#courses[this.#current]!;
      if (stream === 'stderr' && line) course.output = `${course.output}${line}\n`.slice(-OUTPUT);
    }
  }

  #meet(event: Event): void {
    if (event.kind === 'end') {
      if (event.index === this.#current) this.#leave();
      this.#tell(event.index, event.verdict, event.note, event);
      return;
    }
    if (this.#stopped !== undefined) return;
    const first = !this.#begun;
    this.#begun = true;
    if (event.index !== this.#current) {
      if (!first) this.#leave();
      // After a fault the process has lost its context: what is left is for another one.
      if (this.#stopped !== undefined) return;
      this.#begin(event.index);
    }
    this.#answer(event);
  }

  #begin(index: number): void {
    this.#current = index;
    const course = this.#courses[index]!;
    course.begin = this.#clock.now();
    course.end = 0; // the first is taken to be at work until the program names another, and may come later
    this.#watch(this.#host.machine.stats.gpuWorked, PATIENCE);
  }

  /**
   * A case hangs if it does not end within its limit, unless the GPU has worked for it meanwhile; then it gets more of them. A job
   * that would never end is the driver's to give up, which is a fault.
   */
  #watch(worked: number, more: number): void {
    this.#limit?.cancel();
    this.#limit = this.#clock.after(this.#batch.limit * SECOND, () => {
      const now = this.#host.machine.stats.gpuWorked;
      if (now > worked && more > 0) this.#watch(now, more - 1);
      else this.#stop('hang');
    });
  }

  /** The case that is running is over. */
  #leave(): void {
    const course = this.#courses[this.#current]!;
    if (course.end !== 0) return;
    course.end = this.#clock.now();
    course.log = this.#lines();
    // Since the last one's end: programs that keep back what they print tell of a begin late.
    const { faults } = this.#host.machine.stats;
    course.faulted = faults > this.#faults;
    this.#faults = faults;
    if (course.faulted) this.#stop('fault');
  }

  #stop(verdict: Verdict): void {
    this.#stopped ??= verdict;
    this.#program?.stop();
  }

  #tell(index: number, said: Verdict, note: string | undefined, { subtests, pictures, seconds }: Details = {}): void {
    const course = this.#courses[index]!;
    if (course.told) return;
    course.told = true;
    const { name, group } = this.#batch.cases[index]!;
    const verdict = course.faulted ? 'fault' : said;
    const good = isGood(verdict);
    const output = course.output + this.#printed;
    this.#printed = '';
    this.#answer({
      kind: 'result',
      index,
      result: {
        name,
        group,
        verdict,
        seconds: Math.round((seconds ?? (course.end - course.begin) / SECOND) * 100) / 100,
        subtests: subtests && Object.keys(subtests).length > 0 ? subtests : undefined,
        note: course.faulted && isGood(said) ? `the suite says ${said}` : note,
        output: good ? undefined : output,
        log: course.log.length > 0 ? course.log : undefined,
        pictures,
      },
    });
  }
}
