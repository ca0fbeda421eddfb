/**
 * Hands: what a viewer presses and moves, on its way to the machine's input port. It remembers what is down, so that
 * nothing stays down when the viewer goes.
 */
import { BTN } from '../../abi/input/codes.ts';
import { KEY } from '../../abi/input/keys.ts';
import { strokeOfKeysym } from '../../abi/input/keysyms.ts';
import { keyOfScanCode } from '../../abi/input/scan-codes.ts';
import { RFB_BUTTON } from '../../abi/rfb.ts';
import type { InputCall } from './messages.ts';

const BUTTONS: readonly (readonly [mask: number, code: number])[] = [
  [RFB_BUTTON.LEFT, BTN.LEFT],
  [RFB_BUTTON.MIDDLE, BTN.MIDDLE],
  [RFB_BUTTON.RIGHT, BTN.RIGHT],
  [RFB_BUTTON.BACK, BTN.SIDE],
  [RFB_BUTTON.FORWARD, BTN.EXTRA],
];
const WHEELS: readonly (readonly [mask: number, dx: number, dy: number])[] = [
  [RFB_BUTTON.WHEEL_UP, 0, -1],
  [RFB_BUTTON.WHEEL_DOWN, 0, 1],
  [RFB_BUTTON.WHEEL_LEFT, -1, 0],
  [RFB_BUTTON.WHEEL_RIGHT, 1, 0],
];
/** Fingers and buttons of one viewer that are remembered. */
const MOST_HELD = 64;

export class Hands {
  readonly #send: (calls: readonly InputCall[]) => void;
  readonly #keys = new Set<number>();
  /** Keys that went down by a keysym: which one it was. */
  readonly #strokes = new Map<number, number>();
  readonly #fingers = new Set<number>();
  readonly #padButtons = new Set<number>();
  readonly #axes = new Set<number>();
  #buttons = 0;
  #x = -1;
  #y = -1;

  constructor(send: (calls: readonly InputCall[]) => void) {
    this.#send = send;
  }

  /** A key by its place on the keyboard; where it has none, by what it writes. */
  scanCode(code: number, keysym: number, down: boolean): void {
    const key = keyOfScanCode(code);
    if (key === undefined) this.keysym(keysym, down);
    else this.#send([this.#key(key, down)]);
  }

  /** A key by what it writes, on a US keyboard: where its Shift is not as it has to be, it is made so meanwhile. */
  keysym(keysym: number, down: boolean): void {
    if (!down) {
      const key = this.#strokes.get(keysym) ?? strokeOfKeysym(keysym)?.key;
      this.#strokes.delete(keysym);
      if (key !== undefined) this.#send([this.#key(key, false)]);
      return;
    }
    const stroke = strokeOfKeysym(keysym);
    if (!stroke || this.#strokes.size >= MOST_HELD) return;
    const { key, shift } = stroke;
    this.#strokes.set(keysym, key);
    const held = [KEY.LEFTSHIFT, KEY.RIGHTSHIFT].filter((each) => this.#keys.has(each));
    if (shift === undefined || shift === held.length > 0) {
      this.#send([this.#key(key, true)]);
      return;
    }
    const others = shift ? [KEY.LEFTSHIFT] : held;
    const other = (pressed: boolean): InputCall[] => others.map((each) => ['key', each, pressed]);
    this.#send([...other(shift), this.#key(key, true), ...other(!shift)]);
  }

  /** The pointer's place, 0..1, and its buttons (RFB_BUTTON). */
  pointer(x: number, y: number, buttons: number): void {
    const calls: InputCall[] = [];
    if (x !== this.#x || y !== this.#y) calls.push(['moveTo', x, y]);
    this.#x = x;
    this.#y = y;
    const changed = buttons ^ this.#buttons;
    for (const [mask, code] of BUTTONS) if (changed & mask) calls.push(['button', code, (buttons & mask) !== 0]);
    for (const [mask, dx, dy] of WHEELS) if (changed & buttons & mask) calls.push(['scroll', dx, dy]);
    this.#buttons = buttons;
    if (calls.length > 0) this.#send(calls);
  }

  /** A finger's place, 0..1. */
  touch(id: number, x: number, y: number): void {
    if (this.#fingers.size >= MOST_HELD && !this.#fingers.has(id)) return;
    this.#fingers.add(id);
    this.#send([['touch', id, x, y]]);
  }

  release(id: number): void {
    if (this.#fingers.delete(id)) this.#send([['release', id]]);
  }

  /** The mouse, without a place. */
  moveBy(dx: number, dy: number): void {
    this.#send([['moveBy', dx, dy]]);
  }

  axis(code: number, value: number): void {
    if (this.#axes.size >= MOST_HELD && !this.#axes.has(code)) return;
    this.#axes.add(code);
    this.#send([['axis', code, value]]);
  }

  padButton(code: number, down: boolean): void {
    if (this.#padButtons.size >= MOST_HELD && !this.#padButtons.has(code)) return;
    if (down) this.#padButtons.add(code);
    else this.#padButtons.delete(code);
    this.#send([['padButton', code, down]]);
  }

  /** Lets go of everything. */
  letGo(): void {
    const calls: InputCall[] = [
      ...[...this.#keys].map((code): InputCall => ['key', code, false]),
      ...BUTTONS.filter(([mask]) => this.#buttons & mask).map(([, code]): InputCall => ['button', code, false]),
      ...[...this.#fingers].map((id): InputCall => ['release', id]),
      ...[...this.#padButtons].map((code): InputCall => ['padButton', code, false]),
      ...[...this.#axes].map((code): InputCall => ['axis', code, 0]),
    ];
    for (const held of [this.#keys, this.#strokes, this.#fingers, this.#padButtons, this.#axes]) held.clear();
    this.#buttons = 0;
    if (calls.length > 0) this.#send(calls);
  }

  #key(code: number, down: boolean): InputCall {
    if (down) this.#keys.add(code);
    else this.#keys.delete(code);
    return ['key', code, down];
  }
}
