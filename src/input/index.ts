/**
 * Input: the machine's input devices behind one port.
 *
 * devices.ts says what there is; device.ts is the kernel's input core, client.ts and ioctl.ts its evdev interface. Here a
 * person's doings become events: which device, which codes, in which order, each closed by SYN_REPORT.
 */
import { ABS, BTN, EV, REL } from '../abi/input/codes.ts';
import type { Clock } from '../board/clock.ts';
import type { Log } from '../board/log.ts';
import { InputDevice } from './device.ts';
import {
  FINGERS,
  GAMEPAD,
  KEYBOARD,
  MOUSE,
  PLACE_MAX,
  type ScreenSize,
  STICK,
  TRIGGER_MAX,
  tablet,
  touchscreen,
} from './devices.ts';
import type { InputPort } from './port.ts';

/** The unit of REL_WHEEL_HI_RES: so many to a detent. */
const DETENT = 120;
/** Numbers of touches go round at this (`include/linux/input/mt.h`, TRKID_MAX). */
const TRACKING_IDS = 0x10000;
/** Beyond this an axis that turns or moves takes no more at once. */
const MOST = 1e6;

const place = (part: number): number => Math.round(clamp(part, 0, 1) * PLACE_MAX);
const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most);

/** What is moved in parts is kept until it is a whole one. */
class Whole {
  #rest = 0;

  take(amount: number): number {
    this.#rest += clamp(amount, -MOST, MOST);
    const whole = Math.trunc(this.#rest);
    this.#rest -= whole;
    return whole + 0;
  }
}

/** A wheel that tells both of detents and of their parts. */
class Wheel {
  readonly #parts = new Whole();
  readonly #detents = new Whole();

  turn(device: InputDevice, code: number, fine: number, detents: number): void {
    const parts = this.#parts.take(detents * DETENT);
    device.event(EV.REL, code, this.#detents.take(parts / DETENT));
    device.event(EV.REL, fine, parts);
  }
}

export class Input implements InputPort {
  readonly keyboard: InputDevice;
  readonly tablet: InputDevice;
  readonly mouse: InputDevice;
  readonly touchscreen: InputDevice;
  readonly gamepad: InputDevice;
  /** All of them, by the numbers of their nodes. */
  readonly devices: readonly InputDevice[];
  readonly #log: Log;
  /** Which of the two pointers was moved last: its buttons are pressed, and its wheels turned. */
  #pointer: InputDevice;
  /** Where each button is held. */
  readonly #held = new Map<number, InputDevice>();
  readonly #moved = { x: new Whole(), y: new Whole() };
  readonly #wheels = { x: new Wheel(), y: new Wheel() };
  /** The slot of each finger, and the number of its touch. */
  readonly #fingers = new Map<number, { readonly slot: number; readonly tracking: number }>();
  #touches = 0;

  /** `screen`: what pointer and fingers are on. */
  constructor(clock: Clock, log: Log, screen: ScreenSize) {
    this.#log = log;
    const descriptions = [KEYBOARD, tablet(screen), MOUSE, touchscreen(screen), GAMEPAD];
    this.devices = descriptions.map((each, index) => new InputDevice(each, index, clock, log));
    [this.keyboard, this.tablet, this.mouse, this.touchscreen, this.gamepad] = this.devices as [
      InputDevice,
      InputDevice,
      InputDevice,
      InputDevice,
      InputDevice,
    ];
    this.#pointer = this.tablet;
  }

  /** Files that clients have open. */
  get files(): number {
    return this.devices.reduce((sum, { clients }) => sum + clients.size, 0);
  }

  key(code: number, down: boolean): void {
    this.#press(this.keyboard, code, down);
  }

  button(code: number, down: boolean): void {
    const device = this.#held.get(code) ?? this.#pointer;
    if (!this.#press(device, code, down)) return;
    if (down) this.#held.set(code, device);
    else this.#held.delete(code);
  }

  moveTo(x: number, y: number): void {
    if (!this.#numbers('place', x, y)) return;
    this.#pointer = this.tablet;
    this.tablet.event(EV.ABS, ABS.X, place(x));
    this.tablet.event(EV.ABS, ABS.Y, place(y));
    this.tablet.sync();
  }

  moveBy(dx: number, dy: number): void {
    if (!this.#numbers('way', dx, dy)) return;
    this.#pointer = this.mouse;
    this.mouse.event(EV.REL, REL.X, this.#moved.x.take(dx));
    this.mouse.event(EV.REL, REL.Y, this.#moved.y.take(dy));
    this.mouse.sync();
  }

  scroll(dx: number, dy: number): void {
    if (!this.#numbers('turn', dx, dy)) return;
    // Up, away from the person, is positive here.
    this.#wheels.y.turn(this.#pointer, REL.WHEEL, REL.WHEEL_HI_RES, -dy);
    this.#wheels.x.turn(this.#pointer, REL.HWHEEL, REL.HWHEEL_HI_RES, dx);
    this.#pointer.sync();
  }

  touch(id: number, x: number, y: number): void {
    if (!this.#numbers('touch', id, x, y)) return;
    let finger = this.#fingers.get(id);
    if (!finger) {
      const taken = new Set([...this.#fingers.values()].map(({ slot }) => slot));
      const slot = Array.from({ length: FINGERS }, (_, i) => i).find((i) => !taken.has(i));
      if (slot === undefined) {
        this.#log('warn', 'input', `the touchscreen tells ${FINGERS} fingers apart: finger ${id} is one too many`);
        return;
      }
      finger = { slot, tracking: this.#touches++ % TRACKING_IDS };
      this.#fingers.set(id, finger);
    }
    const screen = this.touchscreen;
    screen.event(EV.ABS, ABS.MT_SLOT, finger.slot);
    screen.event(EV.ABS, ABS.MT_TRACKING_ID, finger.tracking);
    screen.event(EV.ABS, ABS.MT_POSITION_X, place(x));
    screen.event(EV.ABS, ABS.MT_POSITION_Y, place(y));
    this.#emulatePointer();
    screen.sync();
  }

  release(id: number): void {
    const finger = this.#fingers.get(id);
    if (!finger) return;
    this.#fingers.delete(id);
    this.touchscreen.event(EV.ABS, ABS.MT_SLOT, finger.slot);
    this.touchscreen.event(EV.ABS, ABS.MT_TRACKING_ID, -1);
    this.#emulatePointer();
    this.touchscreen.sync();
  }

  axis(code: number, value: number): void {
    if (!this.#numbers('axis', code, value)) return;
    if (!this.gamepad.codes(EV.ABS)!.has(code)) {
      this.#lacks(this.gamepad, 'axis', code);
      return;
    }
    this.gamepad.event(EV.ABS, code, position(code, value));
    this.gamepad.sync();
  }

  padButton(code: number, down: boolean): void {
    this.#press(this.gamepad, code, down);
  }

  /** The machine is switched off: keys come up, files end. */
  close(): void {
    for (const device of this.devices) device.unplug();
  }

  #press(device: InputDevice, code: number, down: boolean): boolean {
    if (!device.codes(EV.KEY)!.has(code)) {
      this.#lacks(device, 'key or button', code);
      return false;
    }
    device.event(EV.KEY, code, down ? 1 : 0);
    device.sync();
    return true;
  }

  /** The finger that has touched the longest is what programs for one finger see (input_mt_report_pointer_emulation). */
  #emulatePointer(): void {
    const screen = this.touchscreen;
    const [oldest] = this.#fingers.values();
    screen.event(EV.KEY, BTN.TOUCH, oldest ? 1 : 0);
    if (!oldest) return;
    screen.event(EV.ABS, ABS.X, screen.fingers(ABS.MT_POSITION_X)![oldest.slot]!);
    screen.event(EV.ABS, ABS.Y, screen.fingers(ABS.MT_POSITION_Y)![oldest.slot]!);
  }

  #numbers(what: string, ...values: number[]): boolean {
    const good = values.every((value) => Number.isFinite(value));
    if (!good) this.#log('warn', 'input', `no ${what} is made of ${values.join(', ')}`);
    return good;
  }

  #lacks(device: InputDevice, what: string, code: number): void {
    this.#log('warn', 'input', `${device.description.name} has no ${what} ${code}`);
  }
}

/** Where an axis of the game pad is, for -1..1. */
function position(code: number, value: number): number {
  const part = clamp(value, -1, 1);
  if (code === ABS.Z || code === ABS.RZ) return Math.round(Math.max(part, 0) * TRIGGER_MAX);
  if (code === ABS.HAT0X || code === ABS.HAT0Y) return Math.round(part);
  return Math.round(part < 0 ? -part * STICK.min : part * STICK.max);
}
