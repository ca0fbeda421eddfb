/**
 * The evdev interface of `/dev/input/event*`: events, ioctls and their structs.
 * Source: Linux `include/uapi/linux/input.h`, `drivers/input/evdev.c`; device numbers `drivers/input/evdev.c`,
 * `include/uapi/linux/major.h`.
 */
import { ior, iow } from '../ioctl.ts';
import { array, bytes, layout, s32, s64, struct, u8, u16, u32, u64 } from '../layout.ts';

/** Character devices 13:64 (event0) to 13:95. */
export const INPUT_MAJOR = 13;
export const EVDEV_MINOR_BASE = 64;
export const EVDEV_MINORS = 32;

/** Where an input device hangs, BUS_*. */
export const BUS = { USB: 0x03, VIRTUAL: 0x06 } as const;

export const EV_VERSION = 0x010001;

/** One event, as 64-bit programs read and write it. Time is of the clock that the reader has chosen. */
export const InputEvent = struct('input_event', {
  sec: s64(),
  usec: s64(),
  type: u16(),
  code: u16(),
  value: s32(),
});

export const InputId = struct('input_id', { bustype: u16(), vendor: u16(), product: u16(), version: u16() });

/** `resolution`: units per millimetre, of rotations per radian. */
export const InputAbsinfo = struct('input_absinfo', {
  value: s32(),
  minimum: s32(),
  maximum: s32(),
  fuzz: s32(),
  flat: s32(),
  resolution: s32(),
});

export const InputKeymapEntry = struct('input_keymap_entry', {
  flags: u8(),
  len: u8(),
  index: u16(),
  keycode: u32(),
  scancode: bytes(32),
});

/** `codes_ptr`: a bit for each code, where the caller has it. */
export const InputMask = struct('input_mask', { type: u32(), codes_size: u32(), codes_ptr: u64() });

/** struct ff_effect: its size is all that a device without force feedback asks. */
export const FfEffect = layout('ff_effect', 48, { type: u16(0), id: u16(16) }, 8);

const Int = struct('int', { value: s32() });
const Pair = struct('unsigned int[2]', { values: array(u32(), 2) });

export const EVIOC_TYPE = 'E';
const TYPE = EVIOC_TYPE;

/** Ioctls whose whole number is known. */
export const EVIOC = {
  GVERSION: ior('EVIOCGVERSION', TYPE, 0x01, Int),
  GID: ior('EVIOCGID', TYPE, 0x02, InputId),
  GREP: ior('EVIOCGREP', TYPE, 0x03, Pair),
  SREP: iow('EVIOCSREP', TYPE, 0x03, Pair),
  GKEYCODE: ior('EVIOCGKEYCODE', TYPE, 0x04, Pair),
  GKEYCODE_V2: ior('EVIOCGKEYCODE_V2', TYPE, 0x04, InputKeymapEntry),
  SKEYCODE: iow('EVIOCSKEYCODE', TYPE, 0x04, Pair),
  SKEYCODE_V2: iow('EVIOCSKEYCODE_V2', TYPE, 0x04, InputKeymapEntry),
  SFF: iow('EVIOCSFF', TYPE, 0x80, FfEffect),
  RMFF: iow('EVIOCRMFF', TYPE, 0x81, Int),
  GEFFECTS: ior('EVIOCGEFFECTS', TYPE, 0x84, Int),
  GRAB: iow('EVIOCGRAB', TYPE, 0x90, Int),
  REVOKE: iow('EVIOCREVOKE', TYPE, 0x91, Int),
  GMASK: ior('EVIOCGMASK', TYPE, 0x92, InputMask),
  SMASK: iow('EVIOCSMASK', TYPE, 0x93, InputMask),
  SCLOCKID: iow('EVIOCSCLOCKID', TYPE, 0xa0, Int),
} as const;

/** Ioctls that read as many bytes as their number says, by the number's last part. */
export const EVIOC_READ = {
  GNAME: 0x06,
  GPHYS: 0x07,
  GUNIQ: 0x08,
  GPROP: 0x09,
  GMTSLOTS: 0x0a,
  GKEY: 0x18,
  GLED: 0x19,
  GSND: 0x1a,
  GSW: 0x1b,
} as const;
/** The first of as many numbers as there are types or axes: EVIOCGBIT(type), EVIOCGABS(axis) read, EVIOCSABS(axis) writes. */
export const EVIOC_GBIT = 0x20;
export const EVIOC_GABS = 0x40;
export const EVIOC_SABS = 0xc0;

/** Clocks that a reader may choose (`include/uapi/linux/time.h`). */
export const CLOCK = { REALTIME: 0, MONOTONIC: 1, BOOTTIME: 7 } as const;
