/**
 * Pixel formats of architecture 10 as data: the numbers in descriptors, what channels they have and where their bits lie.
 *
 * Three families. A *pixel format* (22 bits: component order, index, sRGB) is what attributes, textures and the shaders'
 * tile-buffer conversions name. A *clump format* is how a texture plane keeps its texels in memory. A render target has an
 * *internal* format (its tile buffer) and a *write-back* format (memory).
 * Bits are counted from the least significant of the little-endian texel, channels from the one stored first.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml`, `src/panfrost/lib/pan_format.{c,h}`, `pan_clear.c`.
 */
import { bool, layout, uint } from './layout.ts';

/** How a channel's bits are read. `ufloat`: no sign, 5 bits of exponent. `fixed`: signed 16.16. `exponent`: shared, for RGB. */
export type ChannelType = 'unorm' | 'snorm' | 'uint' | 'sint' | 'float' | 'ufloat' | 'fixed' | 'mantissa' | 'exponent';

export interface Channel {
  readonly type: ChannelType;
  /** First bit in the texel. */
  readonly at: number;
  readonly bits: number;
}

export interface PixelFormat {
  readonly name: string;
  /** Number in a pixel format's `index`. */
  readonly index: number;
  /** In memory order. A component order names them. */
  readonly channels: readonly Channel[];
  /** Bytes in a texel. */
  readonly bytes: number;
  /** Whether the value is one of the integers, one of depth or stencil, or colour. */
  readonly kind: 'float' | 'uint' | 'sint' | 'depth' | 'stencil' | 'constant' | 'tile';
}

/** Fields of a pixel format word. */
export const PixelFormatWord = layout('Pixel Format', 4, {
  order: uint(0, 12),
  index: uint(12, 8),
  srgb: bool(20),
  bigEndian: bool(21),
});

/** Where R, G, B and A come from. 0…3: channels of memory in order; ZERO and ONE: constants. */
export const ZERO = 4;
export const ONE = 5;
export interface ComponentOrder {
  readonly name: string;
  readonly from: readonly [number, number, number, number];
}
const order = (name: string, r: number, g: number, b: number, a: number): ComponentOrder => ({
  name,
  from: [r, g, b, a],
});

/** Component orders by number. A name lists what the channels of memory are: in BGRA the first one is blue. */
export const COMPONENT_ORDER: Readonly<Record<number, ComponentOrder>> = {
  0: order('RGBA', 0, 1, 2, 3),
  2: order('GRBA', 1, 0, 2, 3),
  4: order('BGRA', 2, 1, 0, 3),
  8: order('ARGB', 1, 2, 3, 0),
  10: order('AGRB', 2, 1, 3, 0),
  12: order('ABGR', 3, 2, 1, 0),
  16: order('RGB1', 0, 1, 2, ONE),
  18: order('GRB1', 1, 0, 2, ONE),
  20: order('BGR1', 2, 1, 0, ONE),
  24: order('1RGB', 1, 2, 3, ONE),
  26: order('1GRB', 2, 1, 3, ONE),
  28: order('1BGR', 3, 2, 1, ONE),
  226: order('RRRR', 0, 0, 0, 0),
  227: order('RRR1', 0, 0, 0, ONE),
  228: order('RRRA', 0, 0, 0, 3),
  229: order('000A', ZERO, ZERO, ZERO, 3),
  230: order('0001', ZERO, ZERO, ZERO, ONE),
  231: order('0000', ZERO, ZERO, ZERO, ZERO),
  240: order('R000', 0, ZERO, ZERO, ZERO),
  242: order('RBGA', 0, 2, 1, 3),
};

/** Numbers of pixel formats that code names. */
export const PIXEL_FORMAT = {
  SNAP_4: 94,
  CONSTANT: 95,
  R16_SNORM: 100,
  RG16_SNORM: 108,
  R16_UNORM: 164,
  RG16_UNORM: 172,
  RGBA8_UNORM: 187,
  RGBA16F: 223,
  RGBA8_TB: 237,
  RGB10_A2_TB: 238,
  RGB8_A2_AU: 241,
  RGB8_A2_PU: 242,
  RGBA4_AU: 232,
  RGBA4_PU: 233,
  R5G6B5_AU: 226,
  R5G6B5_PU: 227,
  RGB5_A1_AU: 224,
  RGB5_A1_PU: 225,
} as const;

const kindOf = (type: ChannelType): PixelFormat['kind'] => (type === 'uint' || type === 'sint' ? type : 'float');

function packed(name: string, index: number, types: readonly ChannelType[], bits: readonly number[]): PixelFormat {
  let at = 0;
  const channels = bits.map((n, i) => {
    const channel: Channel = { type: types[i] ?? types[0]!, at, bits: n };
    at += n;
    return channel;
  });
  return { name, index, channels, bytes: Math.ceil(at / 8), kind: kindOf(types[0]!) };
}

const LETTERS = ['R', 'RG', 'RGB', 'RGBA'];

/** Arrays of equal channels: [index of the R form for 8, 16, 32 bits …] as the datasheet spaces them. */
function arrays(): PixelFormat[] {
  const out: PixelFormat[] = [];
  // Index of each channel width of each channel count, per type: base + 8 × (count - 1) + log2(bits), a pattern that the
  // enumeration keeps throughout.
  const families: [ChannelType, string, number][] = [
    ['snorm', ' SNORM', 96],
    ['uint', 'UI', 128],
    ['unorm', ' UNORM', 160],
    ['sint', 'I', 192],
  ];
  for (const [type, suffix, base] of families) {
    for (let count = 1; count <= 4; count++) {
      for (const bits of [2, 4, 8, 16, 32]) {
        if (bits * count < 8) continue;
        if ((bits === 2 && count !== 4) || (bits === 4 && count !== 2 && count !== 4)) continue;
        const name = `${LETTERS[count - 1]}${bits}${suffix}`;
        out.push(packed(name, base + 8 * (count - 1) + Math.log2(bits), [type], Array<number>(count).fill(bits)));
      }
    }
  }
  for (let count = 1; count <= 4; count++) {
    const of = LETTERS[count - 1]!;
    out.push(packed(`${of}16F`, 192 + 8 * (count - 1) + 7, ['float'], Array<number>(count).fill(16)));
    out.push(packed(`${of}32F`, 160 + 8 * (count - 1) + 7, ['float'], Array<number>(count).fill(32)));
    out.push(packed(`${of}32 FIXED`, 81 + count - 1, ['fixed'], Array<number>(count).fill(32)));
  }
  return out;
}

/** Tile-buffer forms: whole bits first, then bits of fraction below them that only dithering uses. */
export interface TileLayout {
  readonly name: string;
  /** Bits of each of R, G, B, A in the 32-bit tile-buffer word, R lowest. */
  readonly integer: readonly [number, number, number, number];
  readonly fraction: readonly [number, number, number, number];
}

const formats: PixelFormat[] = [
  ...arrays(),
  packed('RGB565', 64, ['unorm'], [5, 6, 5]),
  packed('RGB5 A1 UNORM', 65, ['unorm'], [5, 5, 5, 1]),
  packed('A1 BGR5 UNORM', 66, ['unorm'], [1, 5, 5, 5]),
  packed('RGB10 A2 UNORM', 67, ['unorm'], [10, 10, 10, 2]),
  packed('A2 BGR10 UNORM', 68, ['unorm'], [2, 10, 10, 10]),
  packed('RGB10 A2 SNORM', 69, ['snorm'], [10, 10, 10, 2]),
  packed('A2 BGR10 SNORM', 70, ['snorm'], [2, 10, 10, 10]),
  packed('RGB10 A2UI', 71, ['uint'], [10, 10, 10, 2]),
  packed('A2 BGR10UI', 72, ['uint'], [2, 10, 10, 10]),
  packed('RGB10 A2I', 73, ['sint'], [10, 10, 10, 2]),
  packed('A2 BGR10I', 74, ['sint'], [2, 10, 10, 10]),
  { ...packed('Z16 UNORM', 75, ['unorm'], [16]), kind: 'depth' },
  { ...packed('Z32', 76, ['unorm'], [32]), kind: 'depth' },
  { ...packed('Z24X8 UNORM', 77, ['unorm'], [24]), bytes: 4, kind: 'depth' },
  { name: 'X8Z24', index: 78, channels: [{ type: 'unorm', at: 8, bits: 24 }], bytes: 4, kind: 'depth' },
  packed('R11F G11F B10F', 89, ['ufloat'], [11, 11, 10]),
  packed('B10F G11F R11F', 90, ['ufloat'], [10, 11, 11]),
  packed('R9F G9F B9F E5F', 91, ['mantissa', 'mantissa', 'mantissa', 'exponent'], [9, 9, 9, 5]),
  packed('E5F B9F G9F R9F', 92, ['exponent', 'mantissa', 'mantissa', 'mantissa'], [5, 9, 9, 9]),
  // Stencil is the second channel, below nothing: Mesa asks for it in the order GRBA.
  { ...packed('S8', 93, ['uint'], [0, 8]), kind: 'stencil' },
  { ...packed('Snap 4', 94, ['float'], [32, 32, 32, 32]) },
  { name: 'Constant', index: 95, channels: [], bytes: 0, kind: 'constant' },
];

const tile = (name: string, index: number): PixelFormat => ({ name, index, channels: [], bytes: 4, kind: 'tile' });
formats.push(
  tile('RGBA8 TB', 237),
  tile('RGB10 A2 TB', 238),
  tile('RGB8 A2 AU', 241),
  tile('RGB8 A2 PU', 242),
  tile('RGBA4 AU', 232),
  tile('RGBA4 PU', 233),
  tile('R5G6B5 AU', 226),
  tile('R5G6B5 PU', 227),
  tile('RGB5 A1 AU', 224),
  tile('RGB5 A1 PU', 225),
);

/** Pixel formats by index. YUV formats are named nowhere here: who meets one says so. */
export const PIXEL_FORMATS: ReadonlyMap<number, PixelFormat> = new Map(formats.map((format) => [format.index, format]));

/** "RGBA8 UNORM BGRA sRGB", for faults. */
export function namePixelFormat(word: number): string {
  const at = { order: word & 0xfff, index: (word >>> 12) & 0xff, srgb: (word >>> 20) & 1 };
  const format = PIXEL_FORMATS.get(at.index)?.name ?? `unknown format ${at.index}`;
  const order = COMPONENT_ORDER[at.order]?.name ?? `unknown order ${at.order}`;
  return `${format} ${order}${at.srgb ? ' sRGB' : ''}`;
}

// Texture planes.

/** Bits of a texel in memory, and where they stand in the texel that the pixel format describes. */
export interface Component extends Pick<Channel, 'bits'> {
  readonly from: number;
  readonly to: number;
}

/** How a plane of a texture stores its texels: `bytes` each, a channel per entry, or opaque words if there is none. */
export interface ClumpFormat {
  readonly name: string;
  readonly index: number;
  /** Bytes of a clump: of one texel, or of one block of a compressed format. */
  readonly bytes: number;
  /** Texels that a clump covers. */
  readonly width: number;
  readonly height: number;
  /** What is taken of it, if it is not the pixel format's texel as it stands: all else of that is zero. */
  readonly components?: readonly Component[];
}
const clump = (name: string, index: number, bytes: number, components?: readonly Component[]): ClumpFormat => ({
  name,
  index,
  bytes,
  width: 1,
  height: 1,
  ...(components ? { components } : {}),
});
/** Depth or stencil alone: the lowest bits of the formats that hold one of them. */
const only = (from: number, bits: number): readonly Component[] => [{ from, bits, to: 0 }];
/** Luminance is red, green and blue of RGBA8. */
const luminance = (bits: number): readonly Component[] => [0, 8, 16].map((to) => ({ from: 0, bits, to }));
const alpha = (from: number): Component => ({ from, bits: 8, to: 24 });
const block = (name: string, index: number, bytes: number): ClumpFormat => ({
  name,
  index,
  bytes,
  width: 4,
  height: 4,
});
export const CLUMP_FORMATS: ReadonlyMap<number, ClumpFormat> = new Map(
  [
    clump('RAW8', 0, 1),
    clump('RAW16', 1, 2),
    clump('RAW32', 2, 4),
    clump('RAW64', 3, 8),
    clump('RAW128', 4, 16),
    clump('RAW24', 8, 3),
    clump('RAW48', 9, 6),
    clump('RAW96', 10, 12),
    clump('D32X32', 16, 8, only(0, 32)),
    clump('X32D32', 17, 8, only(32, 32)),
    clump('X32S8X24', 18, 8, only(32, 8)),
    clump('X24S8X32', 19, 8, only(24, 8)),
    clump('X24S8', 20, 4, only(24, 8)),
    clump('S8X24', 21, 4, only(0, 8)),
    clump('S8', 22, 1, only(0, 8)),
    clump('L8A8', 25, 2, [...luminance(8), alpha(8)]),
    clump('A8', 26, 1, [alpha(0)]),
    block('ETC2 RGB8', 32, 8),
    block('ETC2 R11 UNORM', 33, 8),
    block('ETC2 R11 SNORM', 34, 8),
    block('ETC2 RG11 UNORM', 35, 16),
    block('ETC2 RG11 SNORM', 36, 16),
    block('ETC2 RGBA8', 37, 16),
    block('ETC2 RGB8A1', 38, 8),
    block('BC1 UNORM', 48, 8),
    block('BC2 UNORM', 49, 16),
    block('BC3 UNORM', 50, 16),
    block('BC4 UNORM', 51, 8),
    block('BC4 SNORM', 52, 8),
    block('BC5 UNORM', 53, 16),
    block('BC5 SNORM', 54, 16),
    block('BC6H UF16', 55, 16),
    block('BC6H SF16', 56, 16),
    block('BC7 UNORM', 57, 16),
  ].map((format) => [format.index, format]),
);

/** What AFBC keeps of a texel. `bytes`: of one texel as stored uncompressed. `components`: as with clumps. */
export interface AfbcMode {
  readonly name: string;
  readonly index: number;
  readonly bytes: number;
  readonly components?: readonly Component[];
}
const mode = (name: string, index: number, bytes: number, components?: readonly Component[]): AfbcMode => ({
  name,
  index,
  bytes,
  ...(components ? { components } : {}),
});
export const AFBC_MODES: ReadonlyMap<number, AfbcMode> = new Map(
  [
    mode('R8', 0, 1),
    // Those of 16 bits a channel are used by Mesa from 25.2 on.
    mode('R16', 1, 2),
    mode('R16G16', 8, 4),
    mode('R16G16B16', 16, 6),
    mode('R16G16B16A16', 17, 8),
    mode('R8G8', 3, 2),
    mode('R5G6B5', 4, 2),
    mode('R4G4B4A4', 5, 2),
    mode('R5G5B5A1', 6, 2),
    mode('R8G8B8', 9, 3),
    mode('R8G8B8A8', 10, 4),
    mode('R10G10B10A2', 11, 4),
    mode('R11G11B10', 12, 4),
    mode('S8', 14, 1),
    mode('X24S8', 15, 4, only(24, 8)),
  ].map((m) => [m.index, m]),
);

// Render targets.

/** The tile buffer's form. RAW forms hold the shader's bits as they are. */
export interface InternalFormat {
  readonly name: string;
  readonly index: number;
  /** Bytes of a pixel's sample in the tile buffer. */
  readonly bytes: number;
  /** Absent for RAW forms. */
  readonly tile?: TileLayout;
}
const blendable = (
  name: string,
  index: number,
  integer: TileLayout['integer'],
  fraction: TileLayout['fraction'],
): InternalFormat => ({ name, index, bytes: 4, tile: { name, integer, fraction } });
export const INTERNAL_FORMATS: ReadonlyMap<number, InternalFormat> = new Map(
  [
    blendable('R8G8B8A8', 1, [8, 8, 8, 8], [0, 0, 0, 0]),
    blendable('R10G10B10A2', 2, [10, 10, 10, 2], [0, 0, 0, 0]),
    blendable('R8G8B8A2', 3, [8, 8, 8, 2], [2, 2, 2, 0]),
    blendable('R4G4B4A4', 4, [4, 4, 4, 4], [4, 4, 4, 4]),
    blendable('R5G6B5A0', 5, [5, 6, 5, 0], [5, 4, 5, 2]),
    blendable('R5G5B5A1', 6, [5, 5, 5, 1], [5, 5, 5, 1]),
    { name: 'RAW8', index: 32, bytes: 1 },
    { name: 'RAW16', index: 33, bytes: 2 },
    { name: 'RAW32', index: 34, bytes: 4 },
    { name: 'RAW64', index: 35, bytes: 8 },
    { name: 'RAW128', index: 36, bytes: 16 },
  ].map((format) => [format.index, format]),
);

/**
 * The tile layout that a tile-buffer pixel format names, and whether its bits of fraction are kept: AU forms keep them for
 * dithering, PU forms round to whole bits.
 */
export const TILE_PIXEL_FORMATS: ReadonlyMap<number, { readonly internal: number; readonly fraction: boolean }> =
  new Map([
    [PIXEL_FORMAT.RGBA8_TB, { internal: 1, fraction: false }],
    [PIXEL_FORMAT.RGB10_A2_TB, { internal: 2, fraction: false }],
    [PIXEL_FORMAT.RGB8_A2_AU, { internal: 3, fraction: true }],
    [PIXEL_FORMAT.RGB8_A2_PU, { internal: 3, fraction: false }],
    [PIXEL_FORMAT.RGBA4_AU, { internal: 4, fraction: true }],
    [PIXEL_FORMAT.RGBA4_PU, { internal: 4, fraction: false }],
    [PIXEL_FORMAT.R5G6B5_AU, { internal: 5, fraction: true }],
    [PIXEL_FORMAT.R5G6B5_PU, { internal: 5, fraction: false }],
    [PIXEL_FORMAT.RGB5_A1_AU, { internal: 6, fraction: true }],
    [PIXEL_FORMAT.RGB5_A1_PU, { internal: 6, fraction: false }],
  ]);

/** How a render target lies in memory. */
export interface WritebackFormat {
  readonly name: string;
  readonly index: number;
  /** Bytes of a pixel. */
  readonly bytes: number;
  /** Bits of the channels in memory order, and which of R, G, B, A each holds; absent for RAW forms. */
  readonly bits?: readonly number[];
  readonly from?: readonly number[];
}
const raw = (bits: number, index: number): WritebackFormat => ({ name: `RAW${bits}`, index, bytes: bits / 8 });
const colour = (name: string, index: number, bits: readonly number[], from = [0, 1, 2, 3]): WritebackFormat => ({
  name,
  index,
  bytes: bits.reduce((sum, n) => sum + n, 0) / 8,
  bits,
  from: from.slice(0, bits.length),
});
export const WRITEBACK_FORMATS: ReadonlyMap<number, WritebackFormat> = new Map(
  [
    ...[8, 16, 24, 32, 48, 64, 96, 128].map((bits, index) => raw(bits, index)),
    colour('R8', 16, [8]),
    colour('R8G8', 17, [8, 8]),
    colour('R8G8B8', 18, [8, 8, 8]),
    colour('R8G8B8A8', 19, [8, 8, 8, 8]),
    colour('R4G4B4A4', 20, [4, 4, 4, 4]),
    colour('R5G6B5', 21, [5, 6, 5]),
    colour('R10G10B10A2', 24, [10, 10, 10, 2]),
    colour('A2B10G10R10', 25, [2, 10, 10, 10], [3, 2, 1, 0]),
    colour('R5G5B5A1', 28, [5, 5, 5, 1]),
    colour('A1B5G5R5', 29, [1, 5, 5, 5], [3, 2, 1, 0]),
  ].map((format) => [format.index, format]),
);

export const nameInternalFormat = (index: number): string =>
  INTERNAL_FORMATS.get(index)?.name ?? `unknown format ${index}`;
export const nameWritebackFormat = (index: number): string =>
  WRITEBACK_FORMATS.get(index)?.name ?? `unknown format ${index}`;

/** Of a swizzle, three bits a channel: `RGB1` and the like; `?` is a value that means nothing. */
export const nameSwizzle = (value: number): string =>
  Array.from({ length: 4 }, (_, n) => 'RGBA01'[(value >>> (n * 3)) & 7] ?? '?').join('');
