/**
 * Pixel formats and their modifiers as DRM names them. Source: Linux `include/uapi/drm/drm_fourcc.h`.
 *
 * A format is a little-endian word per pixel; `channels` gives, for each of its components, the first bit and the width.
 */

/** Four characters as one 32-bit code. */
export const fourcc = (code: string): number =>
  (code.charCodeAt(0) | (code.charCodeAt(1) << 8) | (code.charCodeAt(2) << 16) | (code.charCodeAt(3) << 24)) >>> 0;

/** The characters of a code, for the log; a byte that is no printable character shows as `?`. */
export const fourccName = (code: number): string =>
  [0, 8, 16, 24]
    .map((shift) => (code >>> shift) & 0xff)
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'))
    .join('');

type Channel = readonly [bit: number, width: number];

export interface PixelFormat {
  readonly code: number;
  /** The name without DRM_FORMAT_. */
  readonly name: string;
  readonly bytesPerPixel: number;
  /** Significant colour bits, the `depth` of the oldest framebuffer ioctl; 0 where it has none. */
  readonly depth: number;
  readonly red: Channel;
  readonly green: Channel;
  readonly blue: Channel;
  /** Absent: every pixel is opaque. */
  readonly alpha: Channel | undefined;
}

const format = (
  name: string,
  code: string,
  bytesPerPixel: number,
  depth: number,
  red: Channel,
  green: Channel,
  blue: Channel,
  alpha?: Channel,
): PixelFormat => ({ name, code: fourcc(code), bytesPerPixel, depth, red, green, blue, alpha });

export const XRGB8888 = format('XRGB8888', 'XR24', 4, 24, [16, 8], [8, 8], [0, 8]);
export const ARGB8888 = format('ARGB8888', 'AR24', 4, 32, [16, 8], [8, 8], [0, 8], [24, 8]);
export const XBGR8888 = format('XBGR8888', 'XB24', 4, 0, [0, 8], [8, 8], [16, 8]);
export const ABGR8888 = format('ABGR8888', 'AB24', 4, 0, [0, 8], [8, 8], [16, 8], [24, 8]);
export const XRGB2101010 = format('XRGB2101010', 'XR30', 4, 30, [20, 10], [10, 10], [0, 10]);
export const XBGR2101010 = format('XBGR2101010', 'XB30', 4, 0, [0, 10], [10, 10], [20, 10]);
export const RGB565 = format('RGB565', 'RG16', 2, 16, [11, 5], [5, 6], [0, 5]);

export const PIXEL_FORMATS: ReadonlyMap<number, PixelFormat> = new Map(
  [XRGB8888, ARGB8888, XBGR8888, ABGR8888, XRGB2101010, XBGR2101010, RGB565].map((entry) => [entry.code, entry]),
);

/** The format that ADDFB's bits per pixel and depth mean, after `drm_mode_legacy_fb_format`. */
export const legacyFormat = (bpp: number, depth: number): PixelFormat | undefined =>
  [XRGB8888, ARGB8888, XRGB2101010, RGB565].find((entry) => entry.bytesPerPixel * 8 === bpp && entry.depth === depth);

/** Rows of pixels one after the other. */
export const MOD_LINEAR = 0n;
/** "Whatever the driver thinks fit": never a layout of its own. */
export const MOD_INVALID = 0x00ff_ffff_ffff_ffffn;
