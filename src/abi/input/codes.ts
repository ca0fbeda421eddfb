/**
 * What input events are about: types, and the codes of each type. Keys have a file of their own, keys.ts.
 * Source: Linux `include/uapi/linux/input-event-codes.h`.
 */

/** Types of events, and how many there can be. */
export const EV = {
  SYN: 0,
  KEY: 1,
  REL: 2,
  ABS: 3,
  MSC: 4,
  SW: 5,
  LED: 17,
  SND: 18,
  REP: 20,
  FF: 21,
  PWR: 22,
  FF_STATUS: 23,
} as const;

export const SYN = {
  REPORT: 0,
  CONFIG: 1,
  MT_REPORT: 2,
  DROPPED: 3,
} as const;

/** Buttons, which are EV_KEY too: of mice, joysticks, game pads, and what touches. */
export const BTN = {
  MISC: 0x100,
  '0': 0x100,
  '1': 0x101,
  '2': 0x102,
  '3': 0x103,
  '4': 0x104,
  '5': 0x105,
  '6': 0x106,
  '7': 0x107,
  '8': 0x108,
  '9': 0x109,
  MOUSE: 0x110,
  LEFT: 0x110,
  RIGHT: 0x111,
  MIDDLE: 0x112,
  SIDE: 0x113,
  EXTRA: 0x114,
  FORWARD: 0x115,
  BACK: 0x116,
  TASK: 0x117,
  JOYSTICK: 0x120,
  TRIGGER: 0x120,
  THUMB: 0x121,
  THUMB2: 0x122,
  TOP: 0x123,
  TOP2: 0x124,
  PINKIE: 0x125,
  BASE: 0x126,
  BASE2: 0x127,
  BASE3: 0x128,
  BASE4: 0x129,
  BASE5: 0x12a,
  BASE6: 0x12b,
  DEAD: 0x12f,
  GAMEPAD: 0x130,
  SOUTH: 0x130,
  A: 0x130,
  EAST: 0x131,
  B: 0x131,
  C: 0x132,
  NORTH: 0x133,
  X: 0x133,
  WEST: 0x134,
  Y: 0x134,
  Z: 0x135,
  TL: 0x136,
  TR: 0x137,
  TL2: 0x138,
  TR2: 0x139,
  SELECT: 0x13a,
  START: 0x13b,
  MODE: 0x13c,
  THUMBL: 0x13d,
  THUMBR: 0x13e,
  DIGI: 0x140,
  TOOL_PEN: 0x140,
  TOOL_RUBBER: 0x141,
  TOOL_BRUSH: 0x142,
  TOOL_PENCIL: 0x143,
  TOOL_AIRBRUSH: 0x144,
  TOOL_FINGER: 0x145,
  TOOL_MOUSE: 0x146,
  TOOL_LENS: 0x147,
  TOOL_QUINTTAP: 0x148,
  STYLUS3: 0x149,
  TOUCH: 0x14a,
  STYLUS: 0x14b,
  STYLUS2: 0x14c,
  TOOL_DOUBLETAP: 0x14d,
  TOOL_TRIPLETAP: 0x14e,
  TOOL_QUADTAP: 0x14f,
  WHEEL: 0x150,
  GEAR_DOWN: 0x150,
  GEAR_UP: 0x151,
  DPAD_UP: 0x220,
  DPAD_DOWN: 0x221,
  DPAD_LEFT: 0x222,
  DPAD_RIGHT: 0x223,
} as const;

export const REL = {
  X: 0,
  Y: 1,
  Z: 2,
  RX: 3,
  RY: 4,
  RZ: 5,
  HWHEEL: 6,
  DIAL: 7,
  WHEEL: 8,
  MISC: 9,
  WHEEL_HI_RES: 11,
  HWHEEL_HI_RES: 12,
} as const;

export const ABS = {
  X: 0x0,
  Y: 0x1,
  Z: 0x2,
  RX: 0x3,
  RY: 0x4,
  RZ: 0x5,
  THROTTLE: 0x6,
  RUDDER: 0x7,
  WHEEL: 0x8,
  GAS: 0x9,
  BRAKE: 0xa,
  HAT0X: 0x10,
  HAT0Y: 0x11,
  HAT1X: 0x12,
  HAT1Y: 0x13,
  HAT2X: 0x14,
  HAT2Y: 0x15,
  HAT3X: 0x16,
  HAT3Y: 0x17,
  PRESSURE: 0x18,
  DISTANCE: 0x19,
  TILT_X: 0x1a,
  TILT_Y: 0x1b,
  TOOL_WIDTH: 0x1c,
  VOLUME: 0x20,
  PROFILE: 0x21,
  MISC: 0x28,
  MT_SLOT: 0x2f,
  MT_TOUCH_MAJOR: 0x30,
  MT_TOUCH_MINOR: 0x31,
  MT_WIDTH_MAJOR: 0x32,
  MT_WIDTH_MINOR: 0x33,
  MT_ORIENTATION: 0x34,
  MT_POSITION_X: 0x35,
  MT_POSITION_Y: 0x36,
  MT_TOOL_TYPE: 0x37,
  MT_BLOB_ID: 0x38,
  MT_TRACKING_ID: 0x39,
  MT_PRESSURE: 0x3a,
  MT_DISTANCE: 0x3b,
  MT_TOOL_X: 0x3c,
  MT_TOOL_Y: 0x3d,
} as const;

export const MSC = {
  SERIAL: 0,
  PULSELED: 1,
  GESTURE: 2,
  RAW: 3,
  SCAN: 4,
  TIMESTAMP: 5,
} as const;

export const LED = {
  NUML: 0,
  CAPSL: 1,
  SCROLLL: 2,
  COMPOSE: 3,
  KANA: 4,
  SLEEP: 5,
  SUSPEND: 6,
  MUTE: 7,
  MISC: 8,
  MAIL: 9,
  CHARGING: 10,
} as const;

export const REP = {
  DELAY: 0,
  PERIOD: 1,
} as const;

export const INPUT_PROP = {
  POINTER: 0,
  DIRECT: 1,
  BUTTONPAD: 2,
  SEMI_MT: 3,
  TOPBUTTONPAD: 4,
  POINTING_STICK: 5,
  ACCELEROMETER: 6,
} as const;

/**
 * How many codes each type has (`*_CNT`), for types that have any: EV_KEY 0x300 and so on. That of EV_SYN is how many types
 * there are, as EVIOCGBIT(0) and event masks take it.
 */
export const EV_CODES: Readonly<Record<number, number>> = {
  [EV.SYN]: 0x20,
  [EV.KEY]: 0x300,
  [EV.REL]: 0x10,
  [EV.ABS]: 0x40,
  [EV.MSC]: 0x08,
  [EV.SW]: 0x11,
  [EV.LED]: 0x10,
  [EV.SND]: 0x08,
  [EV.FF]: 0x80,
};
export const EV_MAX = 0x1f;
export const ABS_MAX = 0x3f;
/** How many properties a device can have, INPUT_PROP_CNT. */
export const PROP_CODES = 0x20;

/** ABS_MT_* codes that each finger has of its own (`include/linux/input/mt.h`, input_is_mt_value). */
export const isFingerAxis = (code: number): boolean => code >= ABS.MT_TOUCH_MAJOR && code <= ABS.MT_TOOL_Y;
