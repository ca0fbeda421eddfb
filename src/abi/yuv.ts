/**
 * YUV texture formats of architecture 10: which planes they have, and how chroma lies among luma.
 *
 * Their texels come unconverted, as the shader knows the colour space, Y, U and V each in the channel that the format word's
 * swizzle tells. That word has the chroma's siting, too, instead of a component order.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml` (Format, YUV Swizzle, YUV Cr Siting), `src/panfrost/lib/pan_format.c`
 * (FMT_YUV), `src/util/format/u_format.yaml`, `src/compiler/nir/nir_lower_tex.c` (lower_yuv, lower_yu_yv, lower_yv_yu: in which
 * channels it looks for Y, U and V of each of these formats); Linux `include/uapi/drm/drm_fourcc.h` (NV12, NV15, NV16, NV20, YUYV).
 */
import { CLUMP_FORMAT } from './gpu/texture-descriptors.ts';
import { bool, layout, uint } from './layout.ts';

/** A pixel format word whose index is that of a YUV format. */
export const YuvFormatWord = layout('YUV Pixel Format', 4, {
  swizzle: uint(0, 3),
  swap: bool(3),
  siting: uint(9, 3),
  index: uint(12, 8),
});

export const YUV_SWIZZLE = { YUVA: 0, YVUA: 1, UYVA: 2, UVYA: 3, VUYA: 4, VYUA: 5, Y00A: 6, YXXA: 7 } as const;
/** For each swizzle of three components: the channels (red is 0) in which the format's first, second and third come. */
export const YUV_CHANNELS: ReadonlyMap<number, readonly [y: number, u: number, v: number]> = new Map([
  [YUV_SWIZZLE.YUVA, [0, 1, 2]],
  [YUV_SWIZZLE.YVUA, [0, 2, 1]],
  [YUV_SWIZZLE.UYVA, [1, 0, 2]],
  [YUV_SWIZZLE.UVYA, [1, 2, 0]],
  [YUV_SWIZZLE.VUYA, [2, 1, 0]],
  [YUV_SWIZZLE.VYUA, [2, 0, 1]],
]);

export const YUV_SITING = {
  CO_SITED: 0,
  CENTER_Y: 1,
  CENTER_X: 2,
  CENTER: 3,
  ONE_QUARTER: 4,
  THREE_QUARTERS: 5,
  REPLICATED: 7,
} as const;
/** Along which axes chroma is sited between luma texels; an axis that is not, has it on the even ones. */
export const YUV_CENTRED: ReadonlyMap<number, { readonly x: boolean; readonly y: boolean }> = new Map([
  [YUV_SITING.CO_SITED, { x: false, y: false }],
  [YUV_SITING.CENTER_Y, { x: false, y: true }],
  [YUV_SITING.CENTER_X, { x: true, y: false }],
  [YUV_SITING.CENTER, { x: true, y: true }],
]);

export interface YuvFormat {
  readonly name: string;
  /** Number in a pixel format's `index`. */
  readonly index: number;
  /** Plane descriptors of a level and layer: luma and chroma, or one of packed pairs. */
  readonly planes: 1 | 2;
  /** Whether the second descriptor is one of two separate planes of chroma. */
  readonly separate: boolean;
  /** Clump format of the plane descriptors. */
  readonly clump: number;
  readonly bits: 8 | 10;
  /** Luma rows to a row of chroma. There are always two luma columns to a column. */
  readonly rows: 1 | 2;
}

const CLUMP = CLUMP_FORMAT;
const format = (
  name: string,
  index: number,
  clump: number,
  bits: 8 | 10,
  rows: 1 | 2,
  rest: { planes?: 1; separate?: boolean } = {},
): [number, YuvFormat] => [index, { name, index, clump, bits, rows, planes: 2, separate: false, ...rest }];

/** The formats that Mesa uses on this architecture, by index. */
export const YUV_FORMATS: ReadonlyMap<number, YuvFormat> = new Map([
  format('YUYV8', 34, CLUMP.Y8_UV8_422, 8, 1, { planes: 1 }),
  format('VYUY8', 35, CLUMP.Y8_UV8_422, 8, 1, { planes: 1 }),
  format('Y8 UV8 422', 36, CLUMP.Y8_UV8_422, 8, 1),
  format('Y8 UV8 420', 38, CLUMP.Y8_UV8_420, 8, 2),
  format('Y8 U8 V8 420', 39, CLUMP.Y8_UV8_420, 8, 2, { separate: true }),
  format('Y10 UV10 422', 46, CLUMP.Y10_UV10_422, 10, 1),
  format('Y10 UV10 420', 47, CLUMP.Y10_UV10_420, 10, 2),
]);

/** Bytes of a packed pair of texels. */
export const YUV_PAIR_BYTES = 4;
/** Where in the four bytes of a packed pair the first luma (the second is two bytes on), U and V lie. */
export interface YuvPair {
  readonly index: number;
  readonly swap: boolean;
  readonly y: number;
  readonly u: number;
  readonly v: number;
}
/** The combinations of index and swap that Mesa uses. */
export const YUV_PAIRS: readonly YuvPair[] = [
  { index: 34, swap: false, y: 0, u: 1, v: 3 },
  { index: 35, swap: true, y: 1, u: 2, v: 0 },
];
/** Bytes from the first luma of a packed pair to the second. */
export const YUV_PAIR_STEP = 2;
