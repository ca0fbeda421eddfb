/**
 * The machine's input devices, as data: what a person at a desk has before him, and a screen that can be touched.
 *
 * Each has what programs look for: libinput and udev tell kinds of devices apart by their codes (systemd
 * `src/udev/udev-builtin-input_id.c`), SDL finds a game pad's buttons by them (`SDL_sysjoystick.c`). Vendor 0 is nobody.
 */
import { ABS, BTN, INPUT_PROP, LED, REL } from '../abi/input/codes.ts';
import { BUS } from '../abi/input/evdev.ts';
import { KEY } from '../abi/input/keys.ts';
import type { DeviceDescription } from './device.ts';

/** Axes of places on the screen go from 0 to here, as on a USB tablet. */
export const PLACE_MAX = 0x7fff;
/** Half the range of a stick, below and above its middle. */
export const STICK = { min: -0x8000, max: 0x7fff } as const;
export const TRIGGER_MAX = 255;
/** Fingers at a time. */
export const FINGERS = 10;

const MOUSE_BUTTONS = [BTN.LEFT, BTN.RIGHT, BTN.MIDDLE, BTN.SIDE, BTN.EXTRA, BTN.FORWARD, BTN.BACK, BTN.TASK];
const WHEELS = [REL.WHEEL, REL.HWHEEL, REL.WHEEL_HI_RES, REL.HWHEEL_HI_RES];
const PLACE = { minimum: 0, maximum: PLACE_MAX };
const STICK_AXIS = { minimum: STICK.min, maximum: STICK.max, fuzz: 16, flat: 128 };
const TRIGGER_AXIS = { minimum: 0, maximum: TRIGGER_MAX };
const HAT_AXIS = { minimum: -1, maximum: 1 };

const id = (product: number) => ({ bustype: BUS.VIRTUAL, vendor: 0, product, version: 1 });

/** A PC's keyboard, whose keys repeat after 250 ms every 33 ms, as Linux has it (`input_enable_softrepeat`). */
export const KEYBOARD: DeviceDescription = {
  name: 'Tyr keyboard',
  phys: 'tyr/input0',
  id: id(1),
  keys: Object.values(KEY),
  leds: [LED.NUML, LED.CAPSL, LED.SCROLLL],
  repeat: [250, 33],
  kinds: ['KEY', 'KEYBOARD'],
};

/** A screen's size in millimetres. */
export interface ScreenSize {
  readonly widthMm: number;
  readonly heightMm: number;
}

/** An axis of places along so many millimetres: its resolution is in units per millimetre (`include/uapi/linux/input.h`, input_absinfo). */
const place = (mm: number) => ({ ...PLACE, resolution: Math.round(PLACE_MAX / mm) });

/** A pointer that says where on the screen it is. */
export const tablet = ({ widthMm, heightMm }: ScreenSize): DeviceDescription => ({
  name: 'Tyr absolute pointer',
  phys: 'tyr/input1',
  id: id(2),
  keys: MOUSE_BUTTONS,
  rel: WHEELS,
  abs: { [ABS.X]: place(widthMm), [ABS.Y]: place(heightMm) },
  kinds: ['MOUSE'],
});

export const MOUSE: DeviceDescription = {
  name: 'Tyr mouse',
  phys: 'tyr/input2',
  id: id(3),
  keys: MOUSE_BUTTONS,
  rel: [REL.X, REL.Y, ...WHEELS],
  kinds: ['MOUSE'],
};

export const touchscreen = ({ widthMm, heightMm }: ScreenSize): DeviceDescription => ({
  name: 'Tyr touchscreen',
  phys: 'tyr/input3',
  id: id(4),
  props: [INPUT_PROP.DIRECT],
  keys: [BTN.TOUCH],
  abs: {
    [ABS.X]: place(widthMm),
    [ABS.Y]: place(heightMm),
    [ABS.MT_SLOT]: { minimum: 0, maximum: FINGERS - 1 },
    [ABS.MT_POSITION_X]: place(widthMm),
    [ABS.MT_POSITION_Y]: place(heightMm),
    [ABS.MT_TRACKING_ID]: { minimum: 0, maximum: 0xffff },
  },
  slots: FINGERS,
  kinds: ['TOUCHSCREEN'],
});

/** A game pad as Linux wants them (`Documentation/input/gamepad.rst`): two sticks, two triggers, a cross. */
export const GAMEPAD: DeviceDescription = {
  name: 'Tyr game pad',
  phys: 'tyr/input4',
  id: id(5),
  keys: [
    BTN.SOUTH,
    BTN.EAST,
    BTN.NORTH,
    BTN.WEST,
    BTN.TL,
    BTN.TR,
    BTN.SELECT,
    BTN.START,
    BTN.MODE,
    BTN.THUMBL,
    BTN.THUMBR,
  ],
  abs: {
    [ABS.X]: STICK_AXIS,
    [ABS.Y]: STICK_AXIS,
    [ABS.RX]: STICK_AXIS,
    [ABS.RY]: STICK_AXIS,
    [ABS.Z]: TRIGGER_AXIS,
    [ABS.RZ]: TRIGGER_AXIS,
    [ABS.HAT0X]: HAT_AXIS,
    [ABS.HAT0Y]: HAT_AXIS,
  },
  kinds: ['JOYSTICK'],
};
