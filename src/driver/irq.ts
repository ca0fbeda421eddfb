/**
 * IrqBlock: one of the GPU's three interrupt blocks (job, mmu, gpu): RAWSTAT, CLEAR, MASK and STATUS behind one line.
 *
 * The handler gets what is pending and unmasked, and clears what it has seen; as the line is level-triggered, whatever
 * it leaves brings it back. After Linux `drivers/gpu/drm/panthor/panthor_device.h` (PANTHOR_IRQ_HANDLER).
 */
import type { Register } from '../abi/register.ts';
import type { IrqLine } from '../board/irq.ts';
import type { Mmio } from '../board/mmio.ts';

export interface IrqRegisters {
  readonly IRQ_RAWSTAT: Register;
  readonly IRQ_CLEAR: Register;
  readonly IRQ_MASK: Register;
  readonly IRQ_STATUS: Register;
}

export class IrqBlock {
  readonly #mmio: Mmio;
  readonly #registers: IrqRegisters;
  readonly #line: IrqLine;
  #mask = 0;
  #suspended = true;

  constructor(mmio: Mmio, line: IrqLine, registers: IrqRegisters, handler: (status: number) => void) {
    this.#mmio = mmio;
    this.#line = line;
    this.#registers = registers;
    line.attach(() => {
      const status = mmio.read32(registers.IRQ_STATUS.offset) >>> 0;
      if (status !== 0) handler(status);
    });
  }

  /** Lets these events through. */
  enable(events: number): void {
    this.#mask = (this.#mask | events) >>> 0;
    this.#apply();
  }

  disable(events: number): void {
    this.#mask = (this.#mask & ~events) >>> 0;
    this.#apply();
  }

  clear(events: number): void {
    this.#mmio.write32(this.#registers.IRQ_CLEAR.offset, events >>> 0);
  }

  /** What has happened, masked or not. */
  raw(): number {
    return this.#mmio.read32(this.#registers.IRQ_RAWSTAT.offset) >>> 0;
  }

  suspend(): void {
    this.#suspended = true;
    this.#apply();
  }

  resume(): void {
    this.#suspended = false;
    this.#apply();
  }

  /** Takes the handler off the line for good. */
  detach(): void {
    this.suspend();
    this.#line.detach();
  }

  #apply(): void {
    this.#mmio.write32(this.#registers.IRQ_MASK.offset, this.#suspended ? 0 : this.#mask);
  }
}
