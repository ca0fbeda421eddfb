/** ProgressBar: draws a setup's progress on standard error; a line now and then where that is no terminal. */
import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../host/userland/progress.ts';

/** Share of a step after which a log without a terminal gets another line, and milliseconds after which it does so anyway. */
const QUARTER = 0.25;
const SILENCE = 120_000;

export function progressBar(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? new Bar(stream) : new Lines(stream);
}

class Bar implements Progress {
  readonly #stream: NodeJS.WriteStream;
  #bar: SingleBar | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  begin(title: string): void {
    const format = `${title} {bar} {percentage}% {detail}`;
    this.#bar = new SingleBar({ format, stream: this.#stream, barsize: 24, hideCursor: true }, Presets.shades_classic);
    this.#bar.start(100, 0, { detail: '' });
  }

  update(fraction: number, detail: string): void {
    const width = Math.max(10, (this.#stream.columns ?? 80) - 70);
    this.#bar?.update(Math.floor(fraction * 100), { detail: detail.slice(0, width) });
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  note(line: string): void {
    // Where a bar stands, it is drawn again below.
    this.#stream.write(`${this.#bar ? '\r\x1b[K' : ''}tyr: ${line}\n`);
  }
}

class Lines implements Progress {
  readonly #stream: NodeJS.WritableStream;
  #title = '';
  #told = 0;
  #when = 0;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  begin(title: string): void {
    this.#title = title;
    this.#told = 0;
    this.#when = performance.now();
    this.note(title);
  }

  update(fraction: number, detail: string): void {
    const now = performance.now();
    if (fraction < this.#told + QUARTER && now < this.#when + SILENCE) return;
    this.#told = fraction - (fraction % QUARTER);
    this.#when = now;
    this.note(`${this.#title}: ${Math.floor(fraction * 100)}% (${detail})`);
  }

  end(): void {}

  note(line: string): void {
    this.#stream.write(`tyr: ${line}\n`);
  }
}
