/** What people call keys, buttons and axes: Linux's names in small letters, without KEY_, BTN_ and ABS_, and some that are shorter. */
import { ABS, BTN } from '../abi/input/codes.ts';
import { KEY } from '../abi/input/keys.ts';

type Names = ReadonlyMap<string, number>;

const names = (codes: Readonly<Record<string, number>>, aliases: Readonly<Record<string, number>>): Names =>
  new Map([
    ...Object.entries(codes).map(([name, code]) => [name.toLowerCase(), code] as const),
    ...Object.entries(aliases),
  ]);

export const KEYS = names(KEY, {
  ctrl: KEY.LEFTCTRL,
  shift: KEY.LEFTSHIFT,
  alt: KEY.LEFTALT,
  altgr: KEY.RIGHTALT,
  meta: KEY.LEFTMETA,
  super: KEY.LEFTMETA,
  escape: KEY.ESC,
  return: KEY.ENTER,
  print: KEY.SYSRQ,
});

const { LEFT, RIGHT, MIDDLE, SIDE, EXTRA, FORWARD, BACK, TASK } = BTN;
export const BUTTONS = names({ LEFT, RIGHT, MIDDLE, SIDE, EXTRA, FORWARD, BACK, TASK }, {});

const { SOUTH, EAST, NORTH, WEST, TL, TR, SELECT, START, MODE, THUMBL, THUMBR } = BTN;
export const PAD_BUTTONS = names(
  { SOUTH, EAST, NORTH, WEST, TL, TR, SELECT, START, MODE, THUMBL, THUMBR },
  { a: SOUTH, b: EAST, x: NORTH, y: WEST },
);

const { X, Y, Z, RX, RY, RZ, HAT0X, HAT0Y } = ABS;
export const AXES = names({ X, Y, Z, RX, RY, RZ, HAT0X, HAT0Y }, {});
