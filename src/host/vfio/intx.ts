/**
 * Intx: a device's interrupt lines as one INTx pin of VFIO's.
 *
 * Edges of an eventfd stand for a level: a high line is told once, and masked by that ("automasked"). The client unmasks it
 * when its guest has ended the interrupt; a line that is high still, or again, is told again then.
 */
import type { IrqLine } from '../../board/irq.ts';
import * as sys from '../syscalls.ts';

export class Intx {
  readonly #lines: readonly IrqLine[];
  readonly #changed: (high: boolean) => void;
  /** The client's eventfd; -1: none. */
  #trigger = -1;
  #masked = false;
  #high = false;
  /** How often the pin has been told. */
  raised = 0;

  /** `changed` hears of the pin's level, masked or not. */
  constructor(lines: readonly IrqLine[], changed: (high: boolean) => void) {
    this.#lines = lines;
    this.#changed = changed;
    for (const line of lines) line.observe(() => this.#look());
  }

  /** May it be raised at all? Asked each time. */
  enabled: () => boolean = () => true;

  /** From now on this eventfd (which is ours to close) is told; -1: nobody. */
  attach(eventfd: number): void {
    if (this.#trigger >= 0) sys.close(this.#trigger);
    this.#trigger = eventfd;
    this.#masked = false;
    this.poke();
  }

  mask(): void {
    this.#masked = true;
  }

  unmask(): void {
    this.#masked = false;
    this.poke();
  }

  /** Tells, whatever the lines say: the client tries its handler. */
  test(): void {
    if (this.#trigger >= 0) sys.signalEventfd(this.#trigger);
  }

  /** Tells if there is something to tell. */
  poke(): void {
    if (!this.#high || this.#masked || this.#trigger < 0 || !this.enabled()) return;
    this.#masked = true;
    this.raised++;
    sys.signalEventfd(this.#trigger);
  }

  #look(): void {
    const high = this.#lines.some((line) => line.high);
    if (high === this.#high) return;
    this.#high = high;
    this.#changed(high);
    this.poke();
  }
}
