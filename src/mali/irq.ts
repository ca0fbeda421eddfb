/**
 * InterruptBlock: the four registers by which each of the GPU's three interrupt lines is seen, masked and cleared.
 *
 * RAWSTAT holds every cause, STATUS those that MASK lets through; the line is high while STATUS is not zero.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_device.h` (PANTHOR_IRQ_HANDLER).
 */
import type { Register } from '../abi/register.ts';
import type { IrqLine } from '../board/irq.ts';

interface InterruptRegisters {
  readonly IRQ_RAWSTAT: Register;
  readonly IRQ_CLEAR: Register;
  readonly IRQ_MASK: Register;
  readonly IRQ_STATUS: Register;
}

export class InterruptBlock {
  readonly #line: IrqLine;
  readonly #registers: InterruptRegisters;
  #raw = 0;
  #mask = 0;
  /** How often the line has gone high. */
  raised = 0;

  constructor(line: IrqLine, registers: InterruptRegisters) {
    this.#line = line;
    this.#registers = registers;
  }

  get raw(): number {
    return this.#raw >>> 0;
  }

  /** Adds causes. */
  raise(bits: number): void {
    this.#raw |= bits;
    this.#drive();
  }

  /** Lowers causes that the block itself withdraws. */
  clear(bits: number): void {
    this.#raw &= ~bits;
    this.#drive();
  }

  reset(): void {
    this.#raw = 0;
    this.#mask = 0;
    this.#drive();
  }

  /** The register at `offset`, or undefined if it is none of this block's. */
  read(offset: number): number | undefined {
    switch (offset) {
      case this.#registers.IRQ_RAWSTAT.offset:
        return this.#raw >>> 0;
      case this.#registers.IRQ_CLEAR.offset:
        return 0;
      case this.#registers.IRQ_MASK.offset:
        return this.#mask >>> 0;
      case this.#registers.IRQ_STATUS.offset:
        return (this.#raw & this.#mask) >>> 0;
      default:
        return undefined;
    }
  }

  /** Whether `offset` is one of this block's registers. A write to RAWSTAT raises causes. */
  write(offset: number, value: number): boolean {
    switch (offset) {
      case this.#registers.IRQ_RAWSTAT.offset:
        this.raise(value);
        return true;
      case this.#registers.IRQ_CLEAR.offset:
        this.clear(value);
        return true;
      case this.#registers.IRQ_MASK.offset:
        this.#mask = value;
        this.#drive();
        return true;
      case this.#registers.IRQ_STATUS.offset:
        return true;
      default:
        return false;
    }
  }

  #drive(): void {
    const high = (this.#raw & this.#mask) !== 0;
    if (high && !this.#line.high) this.raised++;
    this.#line.set(high);
  }
}
