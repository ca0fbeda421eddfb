/**
 * EvdevClient: one open file of an input device: its queue, its clock, its mask of events.
 *
 * Whole reports can be read, no halves. A reader that is too slow loses what waits: its queue then holds SYN_DROPPED and the
 * newest event, and it has to ask for the state. After Linux `drivers/input/evdev.c`, whose buffer is a ring; here it is an
 * array that is never longer than the ring would be.
 */
import { EV, EV_CODES, EV_MAX, SYN } from '../abi/input/codes.ts';
import { CLOCK, InputEvent } from '../abi/input/evdev.ts';
import { viewOf } from '../abi/layout.ts';
import type { Bits } from './bits.ts';
import type { InputDevice, InputValue } from './device.ts';
import { EvdevError } from './error.ts';

/** The same moment on each clock that a reader may have chosen, in nanoseconds. */
export interface Moment {
  readonly monotonic: bigint;
  readonly realtime: bigint;
  readonly boottime: bigint;
}

const CLOCKS = {
  [CLOCK.REALTIME]: 'realtime',
  [CLOCK.MONOTONIC]: 'monotonic',
  [CLOCK.BOOTTIME]: 'boottime',
} as const;

interface Queued extends InputValue {
  /** Nanoseconds. */
  readonly time: bigint;
}

const isReport = ({ type, code }: InputValue): boolean => type === EV.SYN && code === SYN.REPORT;

export class EvdevClient {
  readonly device: InputDevice;
  readonly pid: number;
  /** Called when there is something to read. The host floor wakes whoever polls. */
  onReadable: () => void = () => {};
  /** Called when nothing will come any more: the device is gone, or the file was revoked. */
  onHangUp: () => void = () => {};
  readonly #length: number;
  #queue: Queued[] = [];
  /** How many of them belong to whole reports. */
  #whole = 0;
  #clock: (typeof CLOCKS)[keyof typeof CLOCKS] = 'realtime';
  readonly #masks = new Map<number, Bits>();
  #revoked = false;

  constructor(device: InputDevice, pid: number) {
    this.device = device;
    this.pid = pid;
    this.#length = device.queueLength;
  }

  get readable(): boolean {
    return this.#whole > 0;
  }

  /** As many events as fit into `size` bytes. Throws EINVAL for less than one, EAGAIN if there is none, ENODEV at the end. */
  read(size: number): Uint8Array {
    if (size !== 0 && size < InputEvent.size) throw new EvdevError('EINVAL', `a read of ${size} bytes`);
    this.#stillThere();
    if (this.#whole === 0) throw new EvdevError('EAGAIN', 'no event waits');
    const count = Math.min(this.#whole, Math.floor(size / InputEvent.size));
    const bytes = new Uint8Array(count * InputEvent.size);
    const view = viewOf(bytes);
    for (let i = 0; i < count; i++) {
      const { time, ...value } = this.#queue[i]!;
      const microseconds = time / 1000n;
      const stamp = { sec: microseconds / 1_000_000n, usec: microseconds % 1_000_000n };
      InputEvent.write(view, i * InputEvent.size, { ...stamp, ...value });
    }
    this.#queue.splice(0, count);
    this.#whole -= count;
    return bytes;
  }

  /** Events of the client's own, such as lights to be lit. Returns how many bytes of them were taken. */
  write(bytes: Uint8Array): number {
    if (bytes.length !== 0 && bytes.length < InputEvent.size)
      throw new EvdevError('EINVAL', `a write of ${bytes.length} bytes`);
    this.#stillThere();
    const view = viewOf(bytes);
    let at = 0;
    for (; at + InputEvent.size <= bytes.length; at += InputEvent.size) {
      const { type, code, value } = InputEvent.read(view, at);
      this.device.event(type, code, value);
    }
    return at;
  }

  /** What the device tells. */
  pass(values: readonly InputValue[], moment: Moment): void {
    if (this.#revoked) return;
    const time = moment[this.#clock];
    let wake = false;
    for (const value of values) {
      if (this.#filtered(value)) continue;
      if (isReport(value)) {
        if (this.#whole === this.#queue.length) continue; // an empty one
        wake = true;
      }
      this.#push({ ...value, time });
    }
    if (wake) this.onReadable();
  }

  /** Stamps events by another clock from now on. What waits is dropped, as its stamps are of the old one. */
  chooseClock(id: number): void {
    const chosen = CLOCKS[id as keyof typeof CLOCKS];
    if (!chosen) throw new EvdevError('EINVAL', `events are not stamped by clock ${id}`);
    if (chosen === this.#clock) return;
    this.#clock = chosen;
    if (this.#queue.length === 0) return;
    this.#queue = [];
    this.#whole = 0;
    this.#drop();
  }

  /** What the client is told of this type by another way need not be told once more (__evdev_flush_queue). */
  flush(type: number): void {
    const kept: Queued[] = [];
    this.#whole = 0;
    let since = 1; // so that a leading report is kept
    for (const event of this.#queue) {
      const report = isReport(event);
      if (event.type === type || (report && since === 0)) continue;
      kept.push(event);
      since++;
      if (!report) continue;
      since = 0;
      this.#whole = kept.length;
    }
    this.#queue = kept;
  }

  /** The events of a type that it wants; of EV_SYN, the types. Undefined: all of them. */
  mask(type: number): Bits | undefined {
    return this.#masks.get(type);
  }

  setMask(type: number, mask: Bits): void {
    this.#masks.set(type, mask);
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  /** It gets no more events, and every call fails, whoever has the file. */
  revoke(): void {
    this.#revoked = true;
    this.release();
    this.onHangUp();
  }

  /** Gives the device up if it has it for itself. */
  release(): void {
    if (this.device.grab === this) this.device.grab = undefined;
  }

  /** The device is gone. */
  hangUp(): void {
    this.onHangUp();
  }

  /** The last descriptor of this file is closed. */
  close(): void {
    this.release();
    this.onReadable = () => {};
    this.onHangUp = () => {};
    this.device.clients.delete(this);
  }

  #stillThere(): void {
    if (this.device.gone || this.#revoked)
      throw new EvdevError('ENODEV', this.#revoked ? 'the file was revoked' : 'the device is gone');
  }

  #push(event: Queued): void {
    this.#queue.push(event);
    if (this.#queue.length >= this.#length) {
      const { time } = event;
      this.#queue = [{ type: EV.SYN, code: SYN.DROPPED, value: 0, time }, event];
      this.#whole = 0;
      this.device.log('debug', this.device.name, `pid ${this.pid} does not read its events: they are lost`);
    }
    if (isReport(event)) this.#whole = this.#queue.length;
  }

  /** Queues SYN_DROPPED. It can be read with the next report. */
  #drop(): void {
    const time = this.device.clock[this.#clock]();
    this.#queue.push({ type: EV.SYN, code: SYN.DROPPED, value: 0, time });
  }

  #filtered({ type, code }: InputValue): boolean {
    if (type === EV.SYN || type > EV_MAX) return false;
    if (this.#masks.get(EV.SYN)?.has(type) === false) return true;
    if (code >= (EV_CODES[type] ?? 0)) return false;
    return this.#masks.get(type)?.has(code) === false;
  }
}
