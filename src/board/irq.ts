/**
 * IrqLine: a level-triggered interrupt line from a device to its driver.
 *
 * While the line is high and the handler is attached, the handler is called again and again, never from inside the
 * device's or the driver's own call but by itself, through the clock. It lowers the line by clearing its cause.
 *
 * An interrupt controller outside this process (a virtual machine's) has a way of its own to see to it that a handler runs
 * as long as the line is high: it observes the line.
 */
import type { Clock } from './clock.ts';

export class IrqLine {
  readonly name: string;
  readonly #clock: Clock;
  #high = false;
  #pending = false;
  #handler: (() => void) | undefined;
  #observer: ((high: boolean) => void) | undefined;

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#clock = clock;
  }

  get high(): boolean {
    return this.#high;
  }

  /** Device side: drives the line. */
  set(high: boolean): void {
    const changed = this.#high !== high;
    this.#high = high;
    if (high) this.#schedule();
    if (changed) this.#observer?.(high);
  }

  /** Driver side: at most one handler. */
  attach(handler: () => void): void {
    if (this.#handler) throw new Error(`${this.name}: a handler is attached already`);
    this.#handler = handler;
    if (this.#high) this.#schedule();
  }

  /** Calls `observer` at each change of the line, inside the device's own call: it only takes note. At most one. */
  observe(observer: (high: boolean) => void): void {
    if (this.#observer) throw new Error(`${this.name}: somebody observes this line already`);
    this.#observer = observer;
  }

  detach(): void {
    this.#handler = undefined;
  }

  #schedule(): void {
    if (this.#pending || !this.#handler) return;
    this.#pending = true;
    this.#clock.soon(() => {
      this.#pending = false;
      if (!this.#high || !this.#handler) return;
      this.#handler();
      if (this.#high) this.#schedule();
    });
  }
}
