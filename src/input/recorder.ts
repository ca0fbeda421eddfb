/**
 * Recorder: writes down what a person does, whoever carries it, as an input script (script.ts) that does it again. What changes
 * nothing, since no device has it, is passed on and not written.
 */
import type { Clock } from '../board/clock.ts';
import { AXES, BUTTONS, KEYS, PAD_BUTTONS } from './names.ts';
import type { InputPort } from './port.ts';

const SECOND = 1e9;
/** Decimals of a place: finer than the absolute pointer's own steps. */
const PLACE = 5;

/** Codes by the names that commands take. */
const called = (names: ReadonlyMap<string, number>): ReadonlyMap<number, string> =>
  new Map([...names].reverse().map(([name, code]) => [code, name]));
const KEY_NAMES = called(KEYS);
const BUTTON_NAMES = called(BUTTONS);
const PAD_NAMES = called(PAD_BUTTONS);
const AXIS_NAMES = called(AXES);

const how = (down: boolean): string => (down ? 'down' : 'up');
const within = (value: number, least: number): string => `${+Math.min(1, Math.max(least, value)).toFixed(PLACE)}`;

export class Recorder implements InputPort {
  readonly #clock: Clock;
  readonly #port: InputPort;
  readonly #write: (line: string) => void;
  #begin: number;
  #begun = false;

  /** `write` takes the script's lines, without their ends. */
  constructor(clock: Clock, port: InputPort, write: (line: string) => void) {
    this.#clock = clock;
    this.#port = port;
    this.#write = write;
    this.#begin = clock.now();
  }

  /** A program starts: times count from the first one's start. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#begin = this.#clock.now();
  }

  key(code: number, down: boolean): void {
    this.#named('key', KEY_NAMES, code, how(down));
    this.#port.key(code, down);
  }

  button(code: number, down: boolean): void {
    this.#named('button', BUTTON_NAMES, code, how(down));
    this.#port.button(code, down);
  }

  moveTo(x: number, y: number): void {
    this.#note([x, y], `move ${within(x, 0)} ${within(y, 0)}`);
    this.#port.moveTo(x, y);
  }

  moveBy(dx: number, dy: number): void {
    this.#note([dx, dy], `moveby ${dx} ${dy}`);
    this.#port.moveBy(dx, dy);
  }

  scroll(dx: number, dy: number): void {
    this.#note([dx, dy], `scroll ${dx} ${dy}`);
    this.#port.scroll(dx, dy);
  }

  touch(id: number, x: number, y: number): void {
    this.#note([id, x, y], `touch ${id} ${within(x, 0)} ${within(y, 0)}`);
    this.#port.touch(id, x, y);
  }

  release(id: number): void {
    this.#note([id], `release ${id}`);
    this.#port.release(id);
  }

  axis(code: number, value: number): void {
    if (Number.isFinite(value)) this.#named('axis', AXIS_NAMES, code, within(value, -1));
    this.#port.axis(code, value);
  }

  padButton(code: number, down: boolean): void {
    this.#named('pad', PAD_NAMES, code, how(down));
    this.#port.padButton(code, down);
  }

  #named(command: string, names: ReadonlyMap<number, string>, code: number, rest: string): void {
    const name = names.get(code);
    if (name !== undefined) this.#line(`${command} ${name} ${rest}`);
  }

  #note(numbers: readonly number[], command: string): void {
    if (numbers.every(Number.isFinite)) this.#line(command);
  }

  #line(command: string): void {
    const seconds = Math.max(0, this.#clock.now() - this.#begin) / SECOND;
    this.#write(`${seconds.toFixed(3)} ${command}`);
  }
}
