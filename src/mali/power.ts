/**
 * PowerDomain: the cores of one kind (L2 slices, tiler, shader cores) and which of them have power.
 *
 * Switching takes no time here: PWRTRANS, the cores between two states, is empty, unless a switch got stuck (faults.ts).
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
  readonly #stuck: () => boolean;
  #ready = 0;
  /** Cores whose switch does not come to its end. */
  #transition = 0;

  /** `changed` is called when a switch has been asked for and done, `stuck` asked whether one stays on its way. */
  constructor(registers: PowerRegisters, present: number, changed: () => void, stuck: () => boolean = () => false) {
    this.present = present;
    this.#registers = registers;
    this.#changed = changed;
    this.#stuck = stuck;
  }

  get ready(): number {
    return this.#ready;
  }

  on(cores: number): void {
    this.#switch(cores & this.present & ~this.#ready);
  }

  off(cores: number): void {
    this.#switch(cores & this.#ready);
  }

  /** Turns these cores' state round. */
  #switch(cores: number): void {
    const moving = cores & ~this.#transition;
    if (moving !== 0 && this.#stuck()) {
      this.#transition |= moving;
      this.#ready &= ~moving;
      return;
    }
    this.#ready ^= moving;
    this.#changed();
  }

  reset(): void {
    this.#ready = 0;
    this.#transition = 0;
  }

  /** What is read at `offset`, or undefined if that is no register of this domain's. High halves are zero. */
  read(offset: number): number | undefined {
    const { present, ready, active, transition } = this.#registers;
    if (offset === present.offset) return this.present;
    if (offset === ready.offset || offset === active.offset) return this.#ready;
    if (offset === transition.offset) return this.#transition;
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
