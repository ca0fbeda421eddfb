/**
 * EDID 1.4 base block: what a monitor says about itself. Source: VESA Enhanced EDID 1.4, table 3.1 and section 3.10.
 */
import { MODE_FLAG } from '../kms.ts';
import { array, bytes, struct, u8, u16, u32 } from '../layout.ts';
import type { Timing } from './timings.ts';

export const EDID_HEADER = Uint8Array.of(0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00);

export const EdidBlock = struct('EdidBlock', {
  header: bytes(8),
  manufacturer: bytes(2),
  product: u16(),
  serial: u32(),
  week: u8(),
  /** Years since 1990. */
  year: u8(),
  version: u8(),
  revision: u8(),
  input: u8(),
  /** Centimetres. */
  width: u8(),
  height: u8(),
  /** Gamma times 100, minus 100. */
  gamma: u8(),
  features: u8(),
  chromaticity: bytes(10),
  established: array(u8(), 3),
  standard: array(u8(), 16),
  descriptors: array(bytes(18), 4),
  extensions: u8(),
  /** Makes the sum of all bytes a multiple of 256. */
  checksum: u8(),
});

/** `input`: digital, 8 bits per colour, HDMI-a. */
export const EDID_INPUT_HDMI_8BIT = 0xa2;
/** `features`: sRGB is the default, the first detailed timing is the preferred mode and the native one. */
export const EDID_FEATURES = 0x06;
/** sRGB primaries and white point. */
export const EDID_SRGB = Uint8Array.of(0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54);
/** Bits of `established`: 800×600 in byte 0, 1024×768 in byte 1, both at 60 Hz. */
export const EDID_ESTABLISHED = { '800x600': [0, 1 << 0], '1024x768': [1, 1 << 3] } as const;
/** A standard timing that says nothing. */
export const EDID_NO_STANDARD = 0x01;

/** Three letters, five bits each, high byte first. */
export function edidManufacturer(letters: string): Uint8Array {
  const [a, b, c] = [0, 1, 2].map((i) => letters.charCodeAt(i) - 0x40) as [number, number, number];
  const word = (a << 10) | (b << 5) | c;
  return Uint8Array.of(word >>> 8, word & 0xff);
}

const DESCRIPTOR_NAME = 0xfc;
const DESCRIPTOR_DUMMY = 0x10;

function textDescriptor(tag: number, text: string): Uint8Array {
  const out = new Uint8Array(18).fill(0x20);
  out.set([0, 0, 0, tag, 0]);
  const line = `${text.slice(0, 13)}${text.length < 13 ? '\n' : ''}`;
  out.set(new TextEncoder().encode(line), 5);
  return out;
}

/** The monitor's name: 13 characters. */
export const nameDescriptor = (name: string): Uint8Array => textDescriptor(DESCRIPTOR_NAME, name);

export function dummyDescriptor(): Uint8Array {
  const out = new Uint8Array(18);
  out[3] = DESCRIPTOR_DUMMY;
  return out;
}

/** A detailed timing: clock in 10 kHz, sizes with their high bits gathered in bytes of their own. Size in millimetres. */
export function timingDescriptor(timing: Timing, widthMm: number, heightMm: number): Uint8Array {
  const [hact, hstart, hend, htotal] = timing.horizontal;
  const [vact, vstart, vend, vtotal] = timing.vertical;
  const [hblank, hfront, hsync] = [htotal - hact, hstart - hact, hend - hstart];
  const [vblank, vfront, vsync] = [vtotal - vact, vstart - vact, vend - vstart];
  const clock = Math.round(timing.clock / 10);
  const positiveH = timing.flags & MODE_FLAG.PHSYNC ? 1 << 1 : 0;
  const positiveV = timing.flags & MODE_FLAG.PVSYNC ? 1 << 2 : 0;
  const separateSync = 0b11 << 3;
  return Uint8Array.of(
    clock & 0xff,
    clock >>> 8,
    hact & 0xff,
    hblank & 0xff,
    ((hact >>> 8) << 4) | (hblank >>> 8),
    vact & 0xff,
    vblank & 0xff,
    ((vact >>> 8) << 4) | (vblank >>> 8),
    hfront & 0xff,
    hsync & 0xff,
    ((vfront & 0xf) << 4) | (vsync & 0xf),
    ((hfront >>> 8) << 6) | ((hsync >>> 8) << 4) | ((vfront >>> 4) << 2) | (vsync >>> 4),
    widthMm & 0xff,
    heightMm & 0xff,
    ((widthMm >>> 8) << 4) | (heightMm >>> 8),
    0,
    0,
    separateSync | positiveV | positiveH,
  );
}
