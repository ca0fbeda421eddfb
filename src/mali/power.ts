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

  /** What is read at `offset`, or undefined if that is no register of this domain's. High halves are zero. */
  read(offset: number): number | undefined {
    const { present, ready, active } = this.#registers;
    if (offset === present.offset) return this.present;
    if (offset === ready.offset || offset === active.offset) return this.#ready;
    const registers = Object.values<{ readonly offset: number }>({ ...this.#registers });
    return registers.some((register) => offset === register.offset || offset === register.offset + 4) ? 0 : undefined;
  }

  write(offset: number, value: number): boolean {
    const { on, off } = this.#registers;
    if (offset === on.offset) this.on(value);
    else if (offset === off.offset) this.off(value);
    else return false;
    return true;
  }
}
