/**
 * InputPort: where a person's hands meet the machine, whoever carries them: a viewer's page, VNC, a script.
 *
 * Codes are Linux's (`include/uapi/linux/input-event-codes.h`; src/abi/input/codes.ts has them). Each call is a whole event for
 * those who read: its SYN_REPORT comes with it. Callers may be hostile, so nothing throws: what a device does not have (an
 * unknown code, a number that is none) changes nothing and is told to the log. To press what is pressed, or to let go what
 * is not, does nothing.
 */
export interface InputPort {
  /** A key of the keyboard, KEY_*. */
  key(code: number, down: boolean): void;
  /** A button of the pointer, BTN_LEFT and the like. */
  button(code: number, down: boolean): void;
  /** Moves the absolute pointer to a place on the screen: 0..1 from left to right and from top to bottom, clamped. */
  moveTo(x: number, y: number): void;
  /** Moves the relative mouse, in its counts: right and down are positive. Parts of counts are kept for the next call. */
  moveBy(dx: number, dy: number): void;
  /** Turns the wheels, in detents: right and down (towards the person) are positive. Parts of detents are allowed. */
  scroll(dx: number, dy: number): void;
  /** Puts a finger down, or moves it. `id`: any integer by which the caller knows it. Places as with moveTo. */
  touch(id: number, x: number, y: number): void;
  /** Lifts that finger. */
  release(id: number): void;
  /** An axis of the game pad, ABS_*: -1..1 from left or top, 0..1 for its triggers (ABS_Z, ABS_RZ). Clamped. */
  axis(code: number, value: number): void;
  /** A button of the game pad, BTN_SOUTH and the like. */
  padButton(code: number, down: boolean): void;
}
