/**
 * PowerDomain: the cores of one kind (L2 slices, tiler, shader cores) and which of them have power.
 *
 * Switching takes no time here: PWRTRANS, the cores between two states, is always empty.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_gpu.c` (panthor_gpu_block_power_on).
 */
import type { Register } from '../abi/register.ts';

interface PowerRegisters {
  readonly present: Register<any>;
  readonly ready: Register<any>;
  readonly on: Register<any>;
  readonly off: Register<any>;
  readonly transition: Register<any>;
  readonly active: Register<any>;
}

export class PowerDomain {
  readonly present: number;
  readonly #registers: PowerRegisters;
  readonly #changed: () => void;
  #ready = 0;

  /** `changed` is called when a switch has been asked for and done. */
  constructor(registers: PowerRegisters, present: number, changed: () => void) {
    this.present = present;
    this.#registers = registers;
    this.#changed = changed;
  }

  get ready(): number {
    return this.#ready;
  }

  on(cores: number): void {
    this.#ready |= cores & this.present;
    this.#changed();
  }

  off(cores: number): void {
    this.#ready &= ~cores;
    this.#changed();
  }

  reset(): void {
    this.#ready = 0;
  }

  /** The low half of the register at `offset` (high halves are zero), or undefined if it is none of this domain's. */
  read(offset: number): number | undefined {
    const { present, ready, transition, active } = this.#registers;
    if (offset === present.offset) return this.present;
    if (offset === ready.offset || offset === active.offset) return this.#ready;
    if (offset === transition.offset) return 0;
    return undefined;
  }

  write(offset: number, value: number): boolean {
    const { on, off } = this.#registers;
    if (offset === on.offset) this.on(value);
    else if (offset === off.offset) this.off(value);
    else return false;
    return true;
  }
}
