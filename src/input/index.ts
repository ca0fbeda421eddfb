/** The machine's input devices. So far no device is there: what arrives is told to the log, and reaches no guest. */
import type { Log } from '../board/log.ts';
import type { InputPort } from './port.ts';

export class Input implements InputPort {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  key(code: number, down: boolean): void {
    this.#nobody('key', code, down);
  }
  button(code: number, down: boolean): void {
    this.#nobody('button', code, down);
  }
  moveTo(x: number, y: number): void {
    this.#nobody('moveTo', x, y);
  }
  moveBy(dx: number, dy: number): void {
    this.#nobody('moveBy', dx, dy);
  }
  scroll(dx: number, dy: number): void {
    this.#nobody('scroll', dx, dy);
  }
  touch(id: number, x: number, y: number): void {
    this.#nobody('touch', id, x, y);
  }
  release(id: number): void {
    this.#nobody('release', id);
  }
  axis(code: number, value: number): void {
    this.#nobody('axis', code, value);
  }
  padButton(code: number, down: boolean): void {
    this.#nobody('padButton', code, down);
  }

  #nobody(what: string, ...values: unknown[]): void {
    this.#log('warn', 'input', `no device takes ${what} ${values.join(' ')}`);
  }
}
