/**
 * InputDevice: one input device as the kernel's input core keeps it: what it can tell, what it told last, who listens.
 *
 * `event` takes what the hardware says, one value at a time. What changes nothing is left out; the rest is collected until
 * SYN_REPORT, and then goes to all clients (client.ts), or to the one that has grabbed the device. Held keys are repeated by
 * software. After Linux `drivers/input/input.c`, and `input-mt.c` for slots.
 */
import { ABS, EV, EV_CODES, isFingerAxis, PROP_CODES, REP, SYN } from '../abi/input/codes.ts';
import { EV_VERSION, EVDEV_MINOR_BASE, type InputAbsinfo, type InputId } from '../abi/input/evdev.ts';
import type { Infer } from '../abi/layout.ts';
import type { Clock, Timer } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import { Bits } from './bits.ts';
import { EvdevClient } from './client.ts';

export type AbsInfo = Infer<typeof InputAbsinfo>;

/** What a device is, as data. */
export interface DeviceDescription {
  readonly name: string;
  /** Where it is plugged in. */
  readonly phys: string;
  readonly id: Infer<typeof InputId>;
  /** INPUT_PROP_*. */
  readonly props?: readonly number[];
  /** The codes that it has of each type. */
  readonly keys?: readonly number[];
  readonly rel?: readonly number[];
  readonly msc?: readonly number[];
  readonly leds?: readonly number[];
  /** Its axes; what is not said is 0. */
  readonly abs?: Readonly<Record<number, Partial<AbsInfo>>>;
  /** Fingers that it can tell apart. */
  readonly slots?: number;
  /** Milliseconds until a held key is repeated, and between two repetitions. */
  readonly repeat?: readonly [delay: number, period: number];
  /** What udev would find out about it (systemd `src/udev/udev-builtin-input_id.c`), without ID_INPUT_. */
  readonly kinds: readonly string[];
}

/** One change: a type, a code and a value. */
export interface InputValue {
  readonly type: number;
  readonly code: number;
  readonly value: number;
}

/** What a held key's repetitions end with (`input_value_sync`). */
const SYNC: InputValue = { type: EV.SYN, code: SYN.REPORT, value: 1 };
const MILLISECOND = 1e6;
/** The value of a key event that is a repetition. */
const REPEATED = 2;
/** No finger. */
const NOBODY = -1;

export class InputDevice {
  readonly description: DeviceDescription;
  /** Its place among the machine's input devices: event0, event1, … */
  readonly index: number;
  readonly clock: Clock;
  readonly log: Log;
  /** EV_* types that it has. */
  readonly types: Bits;
  readonly props: Bits;
  readonly clients = new Set<EvdevClient>();
  /** Who alone hears of it. */
  grab: EvdevClient | undefined;
  /** Events that a client can keep: eight reports, at least 64 (evdev_compute_buffer_size). */
  readonly queueLength: number;
  readonly #codes = new Map<number, Bits>();
  /** What is pressed, lit and so on, by type. */
  readonly #states = new Map<number, Bits>();
  readonly #axes: AbsInfo[] | undefined;
  /** Of each finger, its value of each ABS_MT_* axis. */
  readonly #slots: Int32Array[];
  /** The finger that is spoken of; what clients know of it is ABS_MT_SLOT's value. */
  #slot = 0;
  readonly #repeat = [0, 0];
  #repeating: Timer | undefined;
  #pending: InputValue[] = [];
  #gone = false;

  constructor(description: DeviceDescription, index: number, clock: Clock, log: Log) {
    const { keys, rel, abs, msc, leds, repeat, slots = 0, props = [] } = description;
    this.description = description;
    this.index = index;
    this.clock = clock;
    this.log = log;
    this.types = new Bits(EV_CODES[EV.SYN]!, [EV.SYN]);
    this.props = new Bits(PROP_CODES, props);
    const axes = abs && Object.keys(abs).map(Number);
    for (const [type, codes] of [
      [EV.KEY, keys],
      [EV.REL, rel],
      [EV.ABS, axes],
      [EV.MSC, msc],
      [EV.LED, leds],
    ] as const) {
      if (codes) this.types.set(type, true);
      this.#codes.set(type, new Bits(EV_CODES[type]!, codes));
    }
    for (const type of [EV.KEY, EV.LED, EV.SND, EV.SW]) this.#states.set(type, new Bits(EV_CODES[type]!));
    if (abs) {
      const none = { value: 0, minimum: 0, maximum: 0, fuzz: 0, flat: 0, resolution: 0 };
      this.#axes = Array.from({ length: EV_CODES[EV.ABS]! }, (_, code) => ({ ...none, ...abs[code] }));
    }
    this.#slots = Array.from({ length: slots }, () => {
      const values = new Int32Array(EV_CODES[EV.ABS]!);
      values[ABS.MT_TRACKING_ID] = NOBODY;
      return values;
    });
    if (repeat) {
      this.types.set(EV.REP, true);
      this.#repeat = [...repeat];
    }
    this.queueLength = this.#computeQueueLength();
  }

  get name(): string {
    return `event${this.index}`;
  }

  /** Its node's minor number. */
  get minor(): number {
    return EVDEV_MINOR_BASE + this.index;
  }

  get version(): number {
    return EV_VERSION;
  }

  /** The codes that it has of a type; of EV_SYN, its types. */
  codes(type: number): Bits | undefined {
    if (type === EV.SYN) return this.types;
    return this.#codes.get(type) ?? (EV_CODES[type] === undefined ? undefined : new Bits(EV_CODES[type]!));
  }

  /** What is on, for EV_KEY, EV_LED, EV_SND and EV_SW. */
  state(type: number): Bits {
    return this.#states.get(type)!;
  }

  /** An axis, or undefined if the device has no axes at all. It may be changed (EVIOCSABS). */
  axis(code: number): AbsInfo | undefined {
    return this.#axes?.[code];
  }

  /** Every finger's value of an ABS_MT_* axis, or undefined if it tells no fingers apart. */
  fingers(code: number): number[] | undefined {
    return this.#slots.length > 0 ? this.#slots.map((values) => values[code]!) : undefined;
  }

  get repeat(): readonly number[] {
    return this.#repeat;
  }

  #computeQueueLength(): number {
    const slots = this.#slots.length;
    let events = slots + 1 + 7;
    for (const code of this.#codes.get(EV.ABS)!)
      events += slots > 0 && (isFingerAxis(code) || code === ABS.MT_SLOT) ? slots : 1;
    for (const _ of this.#codes.get(EV.REL)!) events++;
    return 2 ** Math.ceil(Math.log2(Math.max(events * 8, 64)));
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** A new reader. */
  open(pid: number): EvdevClient {
    const client = new EvdevClient(this, pid);
    this.clients.add(client);
    return client;
  }

  /** The hardware says this, or a client that writes. What the device does not have is left out. */
  event(type: number, code: number, value: number): void {
    if (this.#gone || !this.types.has(type)) return;
    const passes = this.#change(type, code, value);
    if (passes === 'nobody') return;
    if (passes === 'slot') this.#pending.push({ type: EV.ABS, code: ABS.MT_SLOT, value: this.#slot });
    this.#pending.push({ type, code, value });
    const report = type === EV.SYN && code === SYN.REPORT;
    if (report) {
      if (this.#pending.length >= 2) this.#pass(this.#pending);
      this.#pending = [];
    } else if (this.#pending.length >= this.queueLength - 2) {
      this.#pending.push(SYNC);
      this.#pass(this.#pending);
      this.#pending = [];
    }
  }

  /** Ends a report. */
  sync(): void {
    this.event(EV.SYN, SYN.REPORT, 0);
  }

  /** It is unplugged: what is pressed is let go first. */
  unplug(): void {
    if (this.#gone) return;
    const pressed = [...this.state(EV.KEY)];
    for (const code of pressed) this.event(EV.KEY, code, 0);
    if (pressed.length > 0) this.sync();
    this.#repeating?.cancel();
    this.#gone = true;
    for (const client of [...this.clients]) client.hangUp();
  }

  /** Keeps what has changed; says who hears of it (input_get_disposition). */
  #change(type: number, code: number, value: number): 'nobody' | 'clients' | 'slot' {
    const has = this.#codes.get(type)?.has(code) ?? false;
    switch (type) {
      case EV.SYN:
        return code <= SYN.MT_REPORT ? 'clients' : 'nobody';
      case EV.KEY:
        if (has && value === REPEATED) return 'clients';
        return has && this.#flip(type, code, value) ? 'clients' : 'nobody';
      case EV.LED:
        return has && this.#flip(type, code, value) ? 'clients' : 'nobody';
      case EV.ABS:
        return has ? this.#place(code, value) : 'nobody';
      case EV.REL:
        return has && value !== 0 ? 'clients' : 'nobody';
      case EV.MSC:
        return has ? 'clients' : 'nobody';
      case EV.REP:
        if (code > REP.PERIOD || value < 0 || this.#repeat[code] === value) return 'nobody';
        this.#repeat[code] = value;
        return 'clients';
      default:
        return 'nobody';
    }
  }

  #flip(type: number, code: number, value: number): boolean {
    const state = this.state(type);
    if (state.has(code) === (value !== 0)) return false;
    state.set(code, value !== 0);
    return true;
  }

  #place(code: number, value: number): 'nobody' | 'clients' | 'slot' {
    const axes = this.#axes!;
    if (code === ABS.MT_SLOT) {
      if (value >= 0 && value < this.#slots.length) this.#slot = value;
      return 'nobody';
    }
    const finger = isFingerAxis(code) && this.#slots.length > 0;
    if (finger) {
      const values = this.#slots[this.#slot]!;
      if (values[code] === value) return 'nobody';
      values[code] = value;
      if (axes[ABS.MT_SLOT]!.value === this.#slot) return 'clients';
      axes[ABS.MT_SLOT]!.value = this.#slot;
      return 'slot';
    }
    if (axes[code]!.value === value) return 'nobody';
    axes[code]!.value = value;
    return 'clients';
  }

  #pass(values: readonly InputValue[]): void {
    const { clock } = this;
    const times = { monotonic: clock.monotonic(), realtime: clock.realtime(), boottime: clock.boottime() };
    for (const client of this.grab ? [this.grab] : this.clients) client.pass(values, times);
    if (!this.types.has(EV.REP)) return;
    for (const { type, code, value } of values) {
      if (type !== EV.KEY || value === REPEATED) continue;
      this.#repeating?.cancel();
      this.#repeating = undefined;
      if (value !== 0) this.#repeatLater(code, this.#repeat[REP.DELAY]!);
    }
  }

  /** Repeats a key after so many milliseconds, for as long as it is held. A delay or period of 0: never. */
  #repeatLater(code: number, delay: number): void {
    if (delay === 0 || this.#repeat[REP.PERIOD] === 0) return;
    this.#repeating = this.clock.after(delay * MILLISECOND, () => {
      this.#repeating = undefined;
      if (!this.state(EV.KEY).has(code)) return;
      this.#pass([{ type: EV.KEY, code, value: REPEATED }, SYNC]);
      this.#repeatLater(code, this.#repeat[REP.PERIOD]!);
    });
  }
}
