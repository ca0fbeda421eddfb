/** The evdev core as its readers see it. What is right stands in Linux `drivers/input/{input,evdev,input-mt}.c`. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ABS, BTN, EV, EV_CODES, LED, REL, REP, SYN } from '../abi/input/codes.ts';
import {
  CLOCK,
  EVIOC,
  EVIOC_GABS,
  EVIOC_GBIT,
  EVIOC_READ,
  EVIOC_SABS,
  InputAbsinfo,
  InputEvent,
} from '../abi/input/evdev.ts';
import { KEY } from '../abi/input/keys.ts';
import { DIRECTION, type IoctlDef, IoctlNumber } from '../abi/ioctl.ts';
import { packAll, viewOf } from '../abi/layout.ts';
import { TEST_EPOCH, TEST_SLEPT, TestClock } from '../board/clock.ts';
import { recorder } from '../board/log.ts';
import type { EvdevClient } from './client.ts';
import type { InputDevice } from './device.ts';
import { EvdevError } from './error.ts';
import { Input } from './index.ts';
import { evdevIoctl } from './ioctl.ts';

let clock: TestClock;
let input: Input;
let lines: string[];

beforeEach(() => {
  clock = new TestClock();
  const record = recorder();
  lines = record.lines;
  input = new Input(clock, record.log, { widthMm: 271, heightMm: 203 });
});

const PID = 7;
const REPORT = [EV.SYN, SYN.REPORT, 0];

/** All that waits: types, codes and values. */
function read(client: EvdevClient, events = 1000): number[][] {
  if (!client.readable) return [];
  const bytes = client.read(events * InputEvent.size);
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / InputEvent.size }, (_, i) => {
    const { type, code, value } = InputEvent.read(view, i * InputEvent.size);
    return [type, code, value];
  });
}

const errno = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof EvdevError) return error.errno;
    throw error;
  }
  return '0';
};

/** The caller's memory: one block, from address 0x1000 on. */
const block = new Uint8Array(256);
const memory = {
  read: (address: bigint, size: number) => block.slice(Number(address) - 0x1000, Number(address) - 0x1000 + size),
  write: (address: bigint, data: Uint8Array) => block.set(data, Number(address) - 0x1000),
};

const call = <F extends Record<string, any>>(client: EvdevClient, def: IoctlDef<F>, values: object = {}) =>
  evdevIoctl(client, def.request, def.arg!.pack(values as never), memory);

/** An ioctl of any size: its number and its argument. */
function ask(client: EvdevClient, nr: number, arg: Uint8Array, direction: 'r' | 'w' = 'r') {
  const word = IoctlNumber.pack({ nr, type: 'E'.charCodeAt(0), size: arg.length, direction: DIRECTION[direction] });
  return evdevIoctl(client, viewOf(word).getUint32(0, true), arg, memory);
}

const bits = (bytes: Uint8Array): number[] => {
  const members: number[] = [];
  for (let i = 0; i < bytes.length * 8; i++) if (bytes[i >> 3]! & (1 << (i & 7))) members.push(i);
  return members;
};

test('every reader gets every report, whole and once; what changes nothing is told to nobody', () => {
  const [a, b] = [input.keyboard.open(PID), input.keyboard.open(PID)];
  input.key(KEY.A, true);
  input.key(KEY.A, true);
  input.key(KEY.A, false);
  const typed = [[EV.KEY, KEY.A, 1], REPORT, [EV.KEY, KEY.A, 0], REPORT];
  assert.deepEqual(read(a), typed);
  assert.deepEqual(read(b, 1), typed.slice(0, 1));
  assert.deepEqual(read(b), typed.slice(1));
  input.keyboard.event(EV.KEY, KEY.B, 1);
  assert.equal(a.readable, false, 'half a report is none');
  assert.equal(
    errno(() => a.read(1000)),
    'EAGAIN',
  );
  assert.equal(
    errno(() => a.read(InputEvent.size - 1)),
    'EINVAL',
  );
  input.keyboard.sync();
  assert.deepEqual(read(a), [[EV.KEY, KEY.B, 1], REPORT]);
  const late = input.keyboard.open(PID);
  assert.equal(late.readable, false, 'who comes late does not hear of what was');
});

test('a reader that is too slow finds SYN_DROPPED and the newest event, then whole reports again', () => {
  const slow = input.keyboard.open(PID);
  for (let i = 0; i < 31; i++) input.key(KEY.A, i % 2 === 0);
  assert.equal(read(slow).length, 62, '63 events fit');
  for (let i = 0; i < 31; i++) input.key(KEY.A, i % 2 === 1);
  input.key(KEY.B, true);
  input.key(KEY.C, true);
  assert.deepEqual(read(slow), [[EV.SYN, SYN.DROPPED, 0], REPORT, [EV.KEY, KEY.C, 1], REPORT]);
  assert.deepEqual(bits(ask(slow, EVIOC_READ.GKEY, new Uint8Array(96)).arg), [KEY.C, KEY.B]);
});

test('the longest reports, of many fingers, fit eight times', () => {
  const screen = input.touchscreen.open(PID);
  for (let round = 0; round < 8; round++)
    for (let finger = 0; finger < 10; finger++) input.touch(finger, (round + 1) / 10, finger / 10);
  assert.ok(read(screen).every(([type, code]) => type !== EV.SYN || code === SYN.REPORT));
});

test('events are stamped by the reader’s clock; another clock drops what waits', () => {
  const stamp = (client: EvdevClient): bigint => {
    const { sec, usec } = InputEvent.read(viewOf(client.read(InputEvent.size)), 0);
    return (sec * 1_000_000n + usec) * 1000n;
  };
  clock.advance(1_234_567_000);
  const clients = [CLOCK.REALTIME, CLOCK.MONOTONIC, CLOCK.BOOTTIME].map((value) => {
    const client = input.keyboard.open(PID);
    call(client, EVIOC.SCLOCKID, { value });
    return client;
  });
  input.key(KEY.A, true);
  assert.deepEqual(clients.map(stamp), [TEST_EPOCH + 1_234_567_000n, 1_234_567_000n, TEST_SLEPT + 1_234_567_000n]);
  assert.equal(
    errno(() => call(clients[0]!, EVIOC.SCLOCKID, { value: 2 })),
    'EINVAL',
  );
  const [real] = clients;
  call(real!, EVIOC.SCLOCKID, { value: CLOCK.MONOTONIC });
  assert.equal(real!.readable, false);
  input.key(KEY.A, false);
  assert.deepEqual(read(real!), [[EV.SYN, SYN.DROPPED, 0], [EV.KEY, KEY.A, 0], REPORT]);
});

test('who has grabbed a device hears of it alone, until the file is closed', () => {
  const [one, other] = [input.mouse.open(PID), input.mouse.open(PID)];
  call(one, EVIOC.GRAB, { value: 1 });
  assert.equal(
    errno(() => call(other, EVIOC.GRAB, { value: 1 })),
    'EBUSY',
  );
  assert.equal(
    errno(() => call(other, EVIOC.GRAB, { value: 0 })),
    'EINVAL',
  );
  input.moveBy(3, -4);
  assert.deepEqual(read(one), [[EV.REL, REL.X, 3], [EV.REL, REL.Y, -4], REPORT]);
  assert.deepEqual(read(other), []);
  one.close();
  input.moveBy(1, 0);
  assert.deepEqual(read(other), [[EV.REL, REL.X, 1], REPORT]);
});

test('a revoked file is dead, and its grab is gone', () => {
  const [one, other] = [input.mouse.open(PID), input.mouse.open(PID)];
  let hungUp = 0;
  one.onHangUp = () => hungUp++;
  call(one, EVIOC.GRAB, { value: 1 });
  assert.equal(
    errno(() => call(one, EVIOC.REVOKE, { value: 1 })),
    'EINVAL',
  );
  call(one, EVIOC.REVOKE, { value: 0 });
  assert.equal(hungUp, 1);
  input.moveBy(1, 0);
  assert.deepEqual(read(other), [[EV.REL, REL.X, 1], REPORT]);
  for (const run of [() => one.read(240), () => one.write(new Uint8Array(24)), () => call(one, EVIOC.GVERSION)])
    assert.equal(errno(run), 'ENODEV');
});

test('a held key repeats after its delay, at its period, until any key is let go', () => {
  const keyboard = input.keyboard.open(PID);
  const repeated = (code: number) => [
    [EV.KEY, code, 2],
    [EV.SYN, SYN.REPORT, 1],
  ];
  assert.deepEqual(call(keyboard, EVIOC.GREP).arg, EVIOC.GREP.arg!.pack({ values: [250, 33] } as never));
  input.key(KEY.A, true);
  read(keyboard);
  clock.advance(249e6);
  assert.deepEqual(read(keyboard), []);
  clock.advance(1e6 + 33e6);
  assert.deepEqual(read(keyboard), [...repeated(KEY.A), ...repeated(KEY.A)]);
  input.key(KEY.B, true);
  read(keyboard);
  clock.advance(250e6);
  assert.deepEqual(read(keyboard), repeated(KEY.B), 'the last key repeats');
  input.key(KEY.A, false);
  read(keyboard);
  clock.advance(1e9);
  assert.deepEqual(read(keyboard), []);
  call(keyboard, EVIOC.SREP, { values: [0, 0] });
  input.key(KEY.C, true);
  clock.advance(1e9);
  assert.deepEqual(read(keyboard), [[EV.REP, REP.DELAY, 0], [EV.REP, REP.PERIOD, 0], [EV.KEY, KEY.C, 1], REPORT]);
  const mouse = input.mouse.open(PID);
  assert.equal(
    errno(() => call(mouse, EVIOC.GREP)),
    'ENOSYS',
  );
});

test('a reader may light the keyboard, and all readers hear of it', () => {
  const [one, other] = [input.keyboard.open(PID), input.keyboard.open(PID)];
  const events = packAll(InputEvent, [
    { type: EV.LED, code: LED.CAPSL, value: 1 },
    { type: EV.LED, code: LED.CAPSL, value: 1 },
    { type: EV.LED, code: LED.KANA, value: 1 },
    { type: EV.SYN, code: SYN.REPORT, value: 0 },
  ]);
  const torn = new Uint8Array(events.length + 5);
  torn.set(events);
  assert.equal(one.write(torn), events.length);
  assert.equal(
    errno(() => one.write(new Uint8Array(23))),
    'EINVAL',
  );
  assert.deepEqual(read(other), [[EV.LED, LED.CAPSL, 1], REPORT]);
  assert.deepEqual(bits(ask(one, EVIOC_READ.GLED, new Uint8Array(8)).arg), [LED.CAPSL]);
});

test('who asks for the state is not told of it again', () => {
  const client = input.tablet.open(PID);
  input.button(BTN.LEFT, true);
  input.moveTo(1, 0);
  assert.deepEqual(bits(ask(client, EVIOC_READ.GKEY, new Uint8Array(96)).arg), [BTN.LEFT]);
  assert.deepEqual(read(client), [REPORT, [EV.ABS, ABS.X, 0x7fff], REPORT], 'a leading report is kept');
});

test('a mask leaves out what its reader does not want', () => {
  const client = input.tablet.open(PID);
  const set = (type: number, members: number[], size = 8): void => {
    block.fill(0);
    for (const each of members) block[each >> 3]! |= 1 << (each & 7);
    call(client, EVIOC.SMASK, { type, codes_size: size, codes_ptr: 0x1000n });
  };
  set(EV.ABS, [ABS.X]);
  input.moveTo(0.5, 0.5);
  assert.deepEqual(
    read(client).map(([, code]) => code),
    [ABS.X, SYN.REPORT],
  );
  set(EV.SYN, [EV.SYN, EV.KEY]);
  input.moveTo(0, 0);
  assert.deepEqual(read(client), []);
  input.button(BTN.RIGHT, true);
  assert.deepEqual(read(client), [[EV.KEY, BTN.RIGHT, 1], REPORT]);
  call(client, EVIOC.GMASK, { type: EV.ABS, codes_size: 16, codes_ptr: 0x1000n });
  assert.deepEqual(bits(block.slice(0, 16)), [ABS.X]);
  call(client, EVIOC.GMASK, { type: EV.REL, codes_size: 16, codes_ptr: 0x1000n });
  assert.deepEqual(
    block.slice(0, 16),
    Uint8Array.from({ length: 16 }, (_, i) => (i < 8 ? 0xff : 0)),
  );
  assert.equal(
    errno(() => set(EV.KEY, [], 7)),
    'EINVAL',
  );
  set(0x13, []); // no such type: accepted
});

test('devices say what they are, as much of it as is asked for', () => {
  const [keyboard, screen, pad] = [input.keyboard.open(PID), input.touchscreen.open(PID), input.gamepad.open(PID)];
  const name = ask(keyboard, EVIOC_READ.GNAME, new Uint8Array(256));
  assert.equal(name.value, 'Tyr keyboard'.length + 1);
  assert.equal(new TextDecoder().decode(name.arg), 'Tyr keyboard\0');
  assert.equal(new TextDecoder().decode(ask(keyboard, EVIOC_READ.GNAME, new Uint8Array(3)).arg), 'Tyr');
  assert.equal(
    errno(() => ask(keyboard, EVIOC_READ.GUNIQ, new Uint8Array(8))),
    'ENOENT',
  );
  assert.deepEqual(bits(ask(keyboard, EVIOC_GBIT, new Uint8Array(8)).arg), [EV.SYN, EV.KEY, EV.LED, EV.REP]);
  assert.equal(ask(keyboard, EVIOC_GBIT + EV.KEY, new Uint8Array(200)).value, EV_CODES[EV.KEY]! / 8);
  assert.equal(
    errno(() => ask(keyboard, EVIOC_GBIT + EV.REP, new Uint8Array(8))),
    'EINVAL',
  );
  assert.equal(
    errno(() => ask(keyboard, EVIOC_GABS, new Uint8Array(24))),
    'EINVAL',
  );
  assert.deepEqual(bits(ask(screen, EVIOC_READ.GPROP, new Uint8Array(8)).arg), [1]);
  const stick = ask(pad, EVIOC_GABS + ABS.RX, new Uint8Array(24));
  assert.deepEqual(InputAbsinfo.read(viewOf(stick.arg), 0), {
    value: 0,
    minimum: -32768,
    maximum: 32767,
    fuzz: 16,
    flat: 128,
    resolution: 0,
  });
  const flat = InputAbsinfo.pack({ minimum: -10, maximum: 10 });
  ask(pad, EVIOC_SABS + ABS.RX, flat, 'w');
  assert.deepEqual(ask(pad, EVIOC_GABS + ABS.RX, new Uint8Array(24)).arg, flat);
  assert.equal(
    errno(() => ask(screen, EVIOC_SABS + ABS.MT_SLOT, flat, 'w')),
    'EINVAL',
  );
});

test('places on the screen are told in units per millimetre, by pointer and fingers alike', () => {
  const resolution = (device: InputDevice, code: number): number =>
    InputAbsinfo.read(viewOf(ask(device.open(PID), EVIOC_GABS + code, new Uint8Array(24)).arg), 0).resolution;
  for (const device of [input.tablet, input.touchscreen])
    assert.deepEqual([resolution(device, ABS.X), resolution(device, ABS.Y)], [121, 161]);
  assert.equal(resolution(input.touchscreen, ABS.MT_POSITION_X), 121);
  assert.equal(resolution(input.touchscreen, ABS.MT_POSITION_Y), 161);
  assert.equal(resolution(input.gamepad, ABS.X), 0);
});

test('a game pad has no force feedback, and says so', () => {
  const pad = input.gamepad.open(PID);
  assert.equal(
    errno(() => call(pad, EVIOC.SFF)),
    'ENOSYS',
  );
  assert.equal(
    errno(() => call(pad, EVIOC.RMFF)),
    'ENOSYS',
  );
  assert.deepEqual(call(pad, EVIOC.GEFFECTS).arg, new Uint8Array(4));
  assert.equal(
    errno(() => ask(pad, 0x05, new Uint8Array(4))),
    'EINVAL',
  );
});

test('fingers have slots of their own; the first one is the pointer of programs that know one', () => {
  const client = input.touchscreen.open(PID);
  const spot = (part: number): number => Math.round(part * 0x7fff);
  input.touch(100, 0.25, 0.5);
  assert.deepEqual(read(client), [
    [EV.ABS, ABS.MT_TRACKING_ID, 0],
    [EV.ABS, ABS.MT_POSITION_X, spot(0.25)],
    [EV.ABS, ABS.MT_POSITION_Y, spot(0.5)],
    [EV.KEY, BTN.TOUCH, 1],
    [EV.ABS, ABS.X, spot(0.25)],
    [EV.ABS, ABS.Y, spot(0.5)],
    REPORT,
  ]);
  input.touch(-5, 1, 1);
  assert.deepEqual(read(client), [
    [EV.ABS, ABS.MT_SLOT, 1],
    [EV.ABS, ABS.MT_TRACKING_ID, 1],
    [EV.ABS, ABS.MT_POSITION_X, 0x7fff],
    [EV.ABS, ABS.MT_POSITION_Y, 0x7fff],
    REPORT,
  ]);
  const slots = new Uint8Array(4 + 4 * 12);
  viewOf(slots).setUint32(0, ABS.MT_TRACKING_ID, true);
  const { arg } = ask(client, EVIOC_READ.GMTSLOTS, slots);
  assert.deepEqual([...new Int32Array(arg.buffer, 4, 10)], [0, 1, -1, -1, -1, -1, -1, -1, -1, -1]);
  input.release(100);
  assert.deepEqual(read(client), [
    [EV.ABS, ABS.MT_SLOT, 0],
    [EV.ABS, ABS.MT_TRACKING_ID, -1],
    [EV.ABS, ABS.X, 0x7fff],
    [EV.ABS, ABS.Y, 0x7fff],
    REPORT,
  ]);
  input.release(-5);
  assert.deepEqual(read(client).slice(-2), [[EV.KEY, BTN.TOUCH, 0], REPORT]);
  for (let finger = 0; finger < 11; finger++) input.touch(finger, 0, 0);
  assert.ok(lines.at(-1)?.includes('one too many'));
});

test('the wheel tells of parts of detents, and of whole ones when they are full', () => {
  const client = input.tablet.open(PID);
  input.scroll(0, 0.5);
  input.scroll(0, 0.5);
  input.scroll(-2, 0);
  assert.deepEqual(read(client), [
    [EV.REL, REL.WHEEL_HI_RES, -60],
    REPORT,
    [EV.REL, REL.WHEEL, -1],
    [EV.REL, REL.WHEEL_HI_RES, -60],
    REPORT,
    [EV.REL, REL.HWHEEL, -2],
    [EV.REL, REL.HWHEEL_HI_RES, -240],
    REPORT,
  ]);
});

test('buttons are the pointer’s that was moved last, and come up where they went down', () => {
  const [tablet, mouse] = [input.tablet.open(PID), input.mouse.open(PID)];
  input.button(BTN.LEFT, true);
  input.moveBy(0.5, 0);
  input.moveBy(0.5, 0);
  input.button(BTN.LEFT, false);
  input.button(BTN.LEFT, true);
  assert.deepEqual(read(tablet), [[EV.KEY, BTN.LEFT, 1], REPORT, [EV.KEY, BTN.LEFT, 0], REPORT]);
  assert.deepEqual(read(mouse), [[EV.REL, REL.X, 1], REPORT, [EV.KEY, BTN.LEFT, 1], REPORT]);
});

test('the game pad’s axes go to their ends, and no further', () => {
  const pad = input.gamepad.open(PID);
  input.axis(ABS.X, -1);
  input.axis(ABS.X, 7);
  input.axis(ABS.RZ, 0.5);
  input.axis(ABS.HAT0Y, -1);
  input.padButton(BTN.SOUTH, true);
  assert.deepEqual(
    read(pad).filter(([type]) => type !== EV.SYN),
    [
      [EV.ABS, ABS.X, -32768],
      [EV.ABS, ABS.X, 32767],
      [EV.ABS, ABS.RZ, 128],
      [EV.ABS, ABS.HAT0Y, -1],
      [EV.KEY, BTN.SOUTH, 1],
    ],
  );
});

test('what no device has is told to the log and to no client', () => {
  const all = input.devices.map((device) => device.open(PID));
  input.key(BTN.LEFT, true);
  input.key(-1, true);
  input.button(KEY.A, true);
  input.axis(ABS.MT_SLOT, 1);
  input.axis(ABS.X, Number.NaN);
  input.padButton(1e9, true);
  input.moveTo(Number.NaN, 0);
  input.moveBy(0, Number.POSITIVE_INFINITY);
  input.touch(Number.NaN, 0, 0);
  input.release(3);
  assert.equal(lines.length, 9);
  assert.deepEqual(
    all.filter((client) => client.readable),
    [],
  );
});

test('when the machine goes, keys come up and every file ends', () => {
  const client = input.keyboard.open(PID);
  let ended = 0;
  client.onHangUp = () => ended++;
  input.key(KEY.A, true);
  input.close();
  assert.equal(ended, 1);
  assert.equal(input.keyboard.state(EV.KEY).empty, true);
  assert.equal(
    errno(() => client.read(240)),
    'ENODEV',
  );
  client.close();
  assert.equal(input.files, 0);
});
