/**
 * The ioctls of an input device's file, EVIOC*. After Linux `drivers/input/evdev.c`, evdev_do_ioctl: numbers that are known
 * as a whole, then those that read as many bytes as their number says, then those of a type or an axis.
 */
import { ABS, ABS_MAX, EV, EV_CODES, EV_MAX, isFingerAxis, REP } from '../abi/input/codes.ts';
import {
  EVIOC,
  EVIOC_GABS,
  EVIOC_GBIT,
  EVIOC_READ,
  EVIOC_SABS,
  EVIOC_TYPE,
  InputAbsinfo,
  InputMask,
} from '../abi/input/evdev.ts';
import { DIRECTION, type IoctlDef, IoctlNumber } from '../abi/ioctl.ts';
import { type Values, viewOf } from '../abi/layout.ts';
import { Bits } from './bits.ts';
import type { EvdevClient } from './client.ts';
import { EvdevError } from './error.ts';

/**
 * The memory of whoever calls. `read` may end the call by an exception of the host's, to run it again from its start: so it
 * comes before any effect.
 */
export interface CallerMemory {
  read(address: bigint, size: number): Uint8Array;
  write(address: bigint, data: Uint8Array): void;
}

/** The return value, and the bytes that go over the start of the argument: perhaps fewer than it has. */
export interface EvdevResult {
  readonly value: number;
  readonly arg: Uint8Array;
}

const NOTHING = new Uint8Array();
const done = (arg: Uint8Array = NOTHING, value = 0): EvdevResult => ({ value, arg });

/** So much of something as was asked for, and how much that is. */
const part = (bytes: Uint8Array, size: number): EvdevResult => {
  const some = bytes.slice(0, size);
  return done(some, some.length);
};

const text = (line: string): Uint8Array => new TextEncoder().encode(`${line}\0`);

const word = new DataView(new ArrayBuffer(4));
function decode(request: number): Values<typeof IoctlNumber.fields> {
  word.setUint32(0, request, true);
  return IoctlNumber.read(word, 0);
}

type Handler = (client: EvdevClient, arg: Uint8Array, memory: CallerMemory) => EvdevResult;

const noKeymap: Handler = () => {
  throw new EvdevError('EINVAL', 'the device has no table of scan codes');
};
const noForces: Handler = () => {
  throw new EvdevError('ENOSYS', 'the device has no force feedback');
};
const repeats = ({ device }: EvdevClient): void => {
  if (!device.types.has(EV.REP)) throw new EvdevError('ENOSYS', 'the device repeats no keys');
};
const argument = <F extends Record<string, any>>(def: IoctlDef<F>, arg: Uint8Array) => def.arg!.read(viewOf(arg), 0);

const WHOLE: readonly (readonly [IoctlDef, Handler])[] = [
  [EVIOC.GVERSION, ({ device }) => done(EVIOC.GVERSION.arg!.pack({ value: device.version }))],
  [EVIOC.GID, ({ device }) => done(EVIOC.GID.arg!.pack(device.description.id))],
  [
    EVIOC.GREP,
    (client) => {
      repeats(client);
      return done(EVIOC.GREP.arg!.pack({ values: [...client.device.repeat] }));
    },
  ],
  [
    EVIOC.SREP,
    (client, arg) => {
      repeats(client);
      const [delay, period] = argument(EVIOC.SREP, arg).values as number[];
      client.device.event(EV.REP, REP.DELAY, delay! | 0);
      client.device.event(EV.REP, REP.PERIOD, period! | 0);
      return done();
    },
  ],
  [EVIOC.GKEYCODE, noKeymap],
  [EVIOC.GKEYCODE_V2, noKeymap],
  [EVIOC.SKEYCODE, noKeymap],
  [EVIOC.SKEYCODE_V2, noKeymap],
  [EVIOC.SFF, noForces],
  [EVIOC.RMFF, noForces],
  [EVIOC.GEFFECTS, () => done(EVIOC.GEFFECTS.arg!.pack({ value: 0 }))],
  [EVIOC.GRAB, (client, arg) => grab(client, argument(EVIOC.GRAB, arg).value !== 0)],
  [
    EVIOC.REVOKE,
    (client, arg) => {
      if (argument(EVIOC.REVOKE, arg).value !== 0) throw new EvdevError('EINVAL', 'the argument is not 0');
      client.revoke();
      return done();
    },
  ],
  [EVIOC.GMASK, getMask],
  [EVIOC.SMASK, setMask],
  [
    EVIOC.SCLOCKID,
    (client, arg) => {
      client.chooseClock(argument(EVIOC.SCLOCKID, arg).value);
      return done();
    },
  ],
];

type Reader = (client: EvdevClient, size: number, arg: Uint8Array) => EvdevResult;

/** What is on; events about it that wait are not told a second time. */
const state =
  (type: number): Reader =>
  (client, size) => {
    client.flush(type);
    return part(client.device.state(type).bytes, size);
  };

const READERS: Readonly<Record<number, Reader>> = {
  [EVIOC_READ.GNAME]: ({ device }, size) => part(text(device.description.name), size),
  [EVIOC_READ.GPHYS]: ({ device }, size) => part(text(device.description.phys), size),
  [EVIOC_READ.GUNIQ]: () => {
    throw new EvdevError('ENOENT', 'the device has no number of its own');
  },
  [EVIOC_READ.GPROP]: ({ device }, size) => part(device.props.bytes, size),
  [EVIOC_READ.GMTSLOTS]: fingers,
  [EVIOC_READ.GKEY]: state(EV.KEY),
  [EVIOC_READ.GLED]: state(EV.LED),
  [EVIOC_READ.GSND]: state(EV.SND),
  [EVIOC_READ.GSW]: state(EV.SW),
};

/** Runs one ioctl. `arg`: the argument's bytes, as many as `request` says. Throws EvdevError. */
export function evdevIoctl(client: EvdevClient, request: number, arg: Uint8Array, memory: CallerMemory): EvdevResult {
  if (client.device.gone || client.revoked) throw new EvdevError('ENODEV', 'the device is gone, or the file revoked');
  const whole = WHOLE.find(([def]) => def.request === request >>> 0);
  if (whole) return whole[1](client, arg, memory);
  const { type, nr, size, direction } = decode(request);
  if (type === EVIOC_TYPE.charCodeAt(0)) {
    const { device } = client;
    if (direction === DIRECTION.r) {
      const reader = READERS[nr];
      if (reader) return reader(client, size, arg);
      const codes = (nr & ~EV_MAX) === EVIOC_GBIT ? device.codes(nr & EV_MAX) : undefined;
      if (codes) return part(codes.bytes, size);
      const axis = (nr & ~ABS_MAX) === EVIOC_GABS ? device.axis(nr & ABS_MAX) : undefined;
      if (axis) return done(InputAbsinfo.pack(axis).slice(0, size));
    }
    if (direction === DIRECTION.w && nr === EVIOC.SFF.nr) return noForces(client, arg, memory);
    if (direction === DIRECTION.w && (nr & ~ABS_MAX) === EVIOC_SABS) return setAxis(client, nr & ABS_MAX, arg);
  }
  throw new EvdevError('EINVAL', `ioctl 0x${(request >>> 0).toString(16)} is none of this device's`);
}

function grab(client: EvdevClient, on: boolean): EvdevResult {
  const { device } = client;
  if (on) {
    if (device.grab) throw new EvdevError('EBUSY', `pid ${device.grab.pid} has grabbed ${device.name}`);
    device.grab = client;
  } else {
    if (device.grab !== client) throw new EvdevError('EINVAL', 'the file has not grabbed the device');
    device.grab = undefined;
  }
  return done();
}

/** The argument says which axis, and gets its value of each finger. */
function fingers({ device }: EvdevClient, size: number, arg: Uint8Array): EvdevResult {
  if (size < 4) throw new EvdevError('EINVAL', `an argument of ${size} bytes`);
  const code = viewOf(arg).getUint32(0, true);
  const values = isFingerAxis(code) ? device.fingers(code) : undefined;
  if (!values) throw new EvdevError('EINVAL', `the device tells no ABS axis 0x${code.toString(16)} of fingers`);
  const out = arg.slice(0, Math.min(4 + values.length * 4, size - (size % 4)));
  const view = viewOf(out);
  for (let i = 0; 8 + i * 4 <= out.length; i++) view.setInt32(4 + i * 4, values[i]!, true);
  return done(out);
}

function setAxis({ device }: EvdevClient, code: number, arg: Uint8Array): EvdevResult {
  const axis = device.axis(code);
  if (!axis) throw new EvdevError('EINVAL', 'the device has no axes');
  if (code === ABS.MT_SLOT) throw new EvdevError('EINVAL', 'the number of fingers is what it is');
  const given = new Uint8Array(InputAbsinfo.size);
  given.set(arg.subarray(0, given.length));
  Object.assign(axis, InputAbsinfo.read(viewOf(given), 0));
  return done();
}

/** Bytes of a type's mask, 0 for types without codes. */
const maskSize = (type: number): number => Math.ceil((EV_CODES[type] ?? 0) / 64) * 8;

function setMask(client: EvdevClient, arg: Uint8Array, memory: CallerMemory): EvdevResult {
  const { type, codes_size, codes_ptr } = InputMask.read(viewOf(arg), 0);
  const size = maskSize(type);
  if (size === 0) return done();
  if (codes_size % 8 !== 0) throw new EvdevError('EINVAL', `a mask of ${codes_size} bytes`);
  const mask = new Bits(size * 8);
  mask.bytes.set(memory.read(codes_ptr, Math.min(size, codes_size)));
  client.setMask(type, mask);
  return done();
}

/** Most bytes of zeros that a mask may ask for beyond its end. */
const MOST_ZEROS = 1 << 16;

function getMask(client: EvdevClient, arg: Uint8Array, memory: CallerMemory): EvdevResult {
  const { type, codes_size, codes_ptr } = InputMask.read(viewOf(arg), 0);
  if (codes_size > MOST_ZEROS) throw new EvdevError('EINVAL', `a mask of ${codes_size} bytes`);
  const size = Math.min(maskSize(type), codes_size);
  const out = new Uint8Array(codes_size);
  const mask = client.mask(type);
  if (mask) out.set(mask.bytes.subarray(0, size));
  else out.fill(0xff, 0, size);
  memory.write(codes_ptr, out);
  return done();
}
