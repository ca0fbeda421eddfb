/**
 * Faults: switches by which parts of the GPU fail, as those of silicon do now and then, so that a driver's recovery can be seen.
 *
 * A fault is one entry of FAULTS: where it sits, at what occasion it can strike, and what it does then. A switch says when:
 * `KIND@N` at the N-th occasion from now on, `KIND@2s` or `KIND@500ms` at the first one after so much of the board's time, `KIND` at
 * the next; a `+` behind it strikes at all later occasions too, so that even a reset does not help. The parts ask at each occasion
 * (`strikes`) and know nothing of what was wished.
 * Source of what silicon and firmware do: the time-outs that Linux `drivers/gpu/drm/panthor/` has (panthor_gpu.c, panthor_mmu.c,
 * panthor_fw.c, panthor_sched.c), GLB_HALT_STATUS of Arm's `mali_kbase_csf_registers.h`.
 */
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';

interface Fault {
  /** The part of the GPU that fails. */
  readonly layer: 'control block' | 'power' | 'MMU' | 'microcontroller' | 'firmware' | 'group slot' | 'command stream';
  /** What counts as an occasion. */
  readonly occasion: string;
  /** What happens then. */
  readonly effect: string;
}

export const FAULTS = {
  'reset-stuck': { layer: 'control block', occasion: 'a GPU_COMMAND RESET', effect: 'nothing is reset, nothing told' },
  'flush-stuck': {
    layer: 'control block',
    occasion: 'a GPU_COMMAND FLUSH_CACHES',
    effect: 'the flush does not come to its end',
  },
  'power-stuck': {
    layer: 'power',
    occasion: 'a switch of the L2 cache, on or off',
    effect: 'it stays in transition until the GPU is reset',
  },
  'as-stuck': {
    layer: 'MMU',
    occasion: 'an AS_COMMAND other than NOP',
    effect: 'it is not done, and AS_STATUS shows it until the GPU is reset',
  },
  'boot-failed': { layer: 'microcontroller', occasion: 'a boot', effect: 'it stops at once: MCU_STATUS is FATAL' },
  'firmware-hang': {
    layer: 'microcontroller',
    occasion: 'a doorbell',
    effect: 'firmware and command streams stand still until they are booted anew',
  },
  'firmware-panic': {
    layer: 'microcontroller',
    occasion: 'a doorbell',
    effect: 'the firmware halts for a core dump: GLB_HALT_STATUS tells of a panic, MCU_STATUS is FATAL',
  },
  'ping-missed': { layer: 'firmware', occasion: 'a PING', effect: 'it is not acknowledged' },
  'halt-ignored': { layer: 'firmware', occasion: 'a HALT', effect: 'the firmware goes on' },
  'suspend-ignored': { layer: 'group slot', occasion: 'a SUSPEND of a group', effect: 'it is neither done nor told' },
  'group-stuck': {
    layer: 'group slot',
    occasion: 'a request of a group slot',
    effect: 'the slot answers none any more until the firmware is booted anew',
  },
  'stream-lost': {
    layer: 'command stream',
    occasion: 'a turn of a command stream',
    effect: 'it ends with CS_FATAL, CS_UNRECOVERABLE',
  },
} as const satisfies Record<string, Fault>;
export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** When a fault strikes. */
export interface FaultSwitch {
  readonly kind: FaultKind;
  /** At which occasion, counted from 1, after `delay`. */
  readonly occasion: number;
  /** Nanoseconds of the board's time that have to pass first. */
  readonly delay: number;
  /** At all later occasions too. */
  readonly lasting: boolean;
}

const UNITS: Readonly<Record<string, number>> = { s: 1e9, ms: 1e6 };

/** Reads `KIND`, `KIND@N`, `KIND@2s`, each with a `+` behind it or not. Throws RangeError with a sentence. */
export function parseFault(text: string): FaultSwitch {
  const [, name = '', number, unit, plus] = /^([a-z-]+)(?:@(\d+(?:\.\d+)?)(s|ms)?)?(\+)?$/.exec(text) ?? [];
  if (!(name in FAULTS)) throw new RangeError(`'${text}' names none of the faults ${FAULT_KINDS.join(', ')}`);
  const value = Number(number ?? 1);
  if (unit === undefined && !(Number.isSafeInteger(value) && value > 0))
    throw new RangeError(`'${text}': after @ comes the number of an occasion, from 1, or a time such as 2s or 500ms`);
  return {
    kind: name as FaultKind,
    occasion: unit === undefined ? value : 1,
    delay: unit === undefined ? 0 : value * UNITS[unit]!,
    lasting: plus !== undefined,
  };
}

interface Armed extends FaultSwitch {
  /** The board's time from which on occasions count. */
  readonly from: number;
  /** Occasions until it strikes. */
  left: number;
}

export class Faults {
  readonly #clock: Clock;
  readonly #log: Log;
  #armed: Armed[] = [];
  readonly #struck = new Map<FaultKind, number>();

  constructor(clock: Clock, log: Log, switches: readonly FaultSwitch[] = []) {
    this.#clock = clock;
    this.#log = log;
    for (const each of switches) this.arm(each);
  }

  /** Turns a switch; its occasions count from now on. */
  arm(fault: FaultSwitch): void {
    this.#armed.push({ ...fault, from: this.#clock.now() + fault.delay, left: fault.occasion });
  }

  /** Turns all switches off. What a fault has left behind stays until the part is reset. */
  disarm(): void {
    this.#armed = [];
  }

  /** How often faults of this kind have struck. */
  count(kind: FaultKind): number {
    return this.#struck.get(kind) ?? 0;
  }

  /** Told by the part that can fail at each of its occasions: true if it does so now. */
  strikes(kind: FaultKind): boolean {
    if (this.#armed.length === 0) return false;
    let strikes = false;
    for (const fault of this.#armed) {
      if (fault.kind !== kind || this.#clock.now() < fault.from) continue;
      if (--fault.left <= 0) strikes = true;
    }
    if (!strikes) return false;
    this.#armed = this.#armed.filter((fault) => fault.kind !== kind || fault.lasting || fault.left > 0);
    this.#struck.set(kind, this.count(kind) + 1);
    const { layer, occasion, effect } = FAULTS[kind];
    this.#log('warn', 'mali-fault', `${kind} in the ${layer}, at ${occasion}: ${effect}`);
    return true;
  }
}
