/**
 * What the texture unit reads from memory on architecture 10: texture, plane and sampler descriptors, 32 bytes each.
 *
 * A texture's `surfaces` is a table of planes: level fastest, then sample 0, then array layer (six faces to a cube).
 * A plane says where the texels of one level and layer lie and how they are packed.
 * Source: Mesa 25.0 `src/panfrost/lib/genxml/v10.xml` (Texture, Plane, Sampler), `pan_texture.c`.
 */
import { namePixelFormat, nameSwizzle } from '../formats.ts';
import { address, bool, float, layout, log2, minusOne, named, shown, sint, uint, word } from '../layout.ts';
import { FUNC } from './raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from './shader-descriptors.ts';

export const TEXTURE_DIMENSION = { CUBE: 0, D1: 1, D2: 2, D3: 3 } as const;

/** LODs are unsigned fixed point with 8 fraction bits. */
export const LOD_FRACTION_BITS = 8;

/** A texture's swizzle: three bits for each of R, G, B and A: a channel 0…3, or a constant. */
export const SWIZZLE_BITS = 3;
export const SWIZZLE_ZERO = 4;
export const SWIZZLE_ONE = 5;

export const Texture = layout('Texture', 32, {
  type: named(uint(word(0, 0), 4), DESCRIPTOR_TYPE),
  dimension: named(uint(word(0, 4), 2), TEXTURE_DIMENSION),
  sampleCornerPosition: bool(word(0, 8)),
  normalizeCoordinates: bool(word(0, 9)),
  format: shown(uint(word(0, 10), 22), namePixelFormat),
  width: minusOne(word(1, 0), 16),
  height: minusOne(word(1, 16), 16),
  swizzle: shown(uint(word(2, 0), 12), nameSwizzle),
  texelInterleave: bool(word(2, 12)),
  levels: minusOne(word(2, 16), 5),
  minimumLevel: uint(word(2, 24), 5),
  minimumLod: uint(word(3, 0), 13),
  sampleCount: log2(word(3, 13), 3),
  maximumLod: uint(word(3, 16), 13),
  surfaces: address(word(4)),
  arraySize: minusOne(word(6, 0), 16),
  depth: minusOne(word(7, 0), 16),
});

export const PLANE_TYPE = {
  NULL: 0,
  GENERIC: 1,
  ASTC_2D: 4,
  ASTC_3D: 5,
  AFBC: 6,
  CHROMA_2P: 8,
  AFRC: 10,
  AFRC_CHROMA_2P: 11,
} as const;

export const CLUMP_ORDERING = { TILED_U_INTERLEAVED: 1, LINEAR: 2 } as const;

/** How many bytes a clump has and how its bits are spread: the memory side of a format. */
export const CLUMP_FORMAT = {
  RAW8: 0,
  RAW16: 1,
  RAW32: 2,
  RAW64: 3,
  RAW128: 4,
  RAW24: 8,
  RAW48: 9,
  RAW96: 10,
  D32X32: 16,
  X32D32: 17,
  X32S8X24: 18,
  X24S8X32: 19,
  X24S8: 20,
  S8X24: 21,
  S8: 22,
  L4A4: 24,
  L8A8: 25,
  A8: 26,
  ETC2_RGB8: 32,
  ETC2_R11_UNORM: 33,
  ETC2_R11_SNORM: 34,
  ETC2_RG11_UNORM: 35,
  ETC2_RG11_SNORM: 36,
  ETC2_RGBA8: 37,
  ETC2_RGB8A1: 38,
  BC1_UNORM: 48,
  BC2_UNORM: 49,
  BC3_UNORM: 50,
  BC4_UNORM: 51,
  BC4_SNORM: 52,
  BC5_UNORM: 53,
  BC5_SNORM: 54,
  BC6H_UF16: 55,
  BC6H_SF16: 56,
  BC7_UNORM: 57,
  Y8_UV8_422: 64,
  Y10_UV10_422: 65,
  Y16_UV16_422: 67,
  Y8_UV8_420: 72,
  Y10_UV10_420: 73,
  Y16_UV16_420: 75,
  YUV420_10X6: 76,
  RAW10: 120,
  RAW12: 121,
  R8G8B8G8: 124,
  G8R8G8B8: 125,
} as const;

export const AFBC_SUPERBLOCK = { S16X16: 0, S32X8: 1, S64X4: 2 } as const;

/** A plane. The `afbc…`, `astc…` and `chroma…` fields mean something for planes of that type alone. */
export const Plane = layout('Plane', 32, {
  type: named(uint(word(0, 0), 4), DESCRIPTOR_TYPE),
  planeType: named(uint(word(0, 4), 4), PLANE_TYPE),
  clumpOrdering: named(uint(word(0, 8), 4), CLUMP_ORDERING),
  clumpFormat: named(uint(word(0, 24), 8), CLUMP_FORMAT),
  afbcSuperblockSize: named(uint(word(0, 8), 3), AFBC_SUPERBLOCK),
  afbcYtr: bool(word(0, 16)),
  afbcSplitBlock: bool(word(0, 17)),
  afbcAlphaHint: bool(word(0, 18)),
  afbcTiledHeader: bool(word(0, 19)),
  afbcPrefetch: bool(word(0, 20)),
  afbcCompressionMode: uint(word(0, 26), 6),
  astcDecodeHdr: bool(word(0, 24)),
  astcDecodeWide: bool(word(0, 25)),
  astc2dBlockWidth: uint(word(0, 26), 3),
  astc2dBlockHeight: uint(word(0, 29), 3),
  astc3dBlockWidth: uint(word(0, 26), 2),
  astc3dBlockHeight: uint(word(0, 28), 2),
  astc3dBlockDepth: uint(word(0, 30), 2),
  /** Bytes of the whole surface. */
  size: uint(word(1), 32),
  pointer: address(word(2)),
  /** Bytes between rows of texels, of 16x16 tiles, or of superblocks. */
  rowStride: uint(word(4), 32),
  /** AFBC: bytes of the header area. */
  afbcHeaderStride: uint(word(5), 32),
  chromaWidth: minusOne(word(5, 0), 16),
  chromaHeight: minusOne(word(5, 16), 16),
  chromaSecondaryPointer: address(word(6)),
  /** Bytes between slices of a 3D texture or between samples. */
  sliceStride: sint(word(6), 32),
  width: minusOne(word(7, 0), 16),
  height: minusOne(word(7, 16), 16),
});

export const WRAP = {
  REPEAT: 8,
  CLAMP_TO_EDGE: 9,
  CLAMP_TO_BORDER: 11,
  MIRRORED_REPEAT: 12,
  MIRRORED_CLAMP_TO_EDGE: 13,
  MIRRORED_CLAMP_TO_BORDER: 15,
} as const;
export const MIPMAP_MODE = { NEAREST: 0, NONE: 1, TRILINEAR: 3 } as const;
export const REDUCTION = { AVERAGE: 0, MINIMUM: 2, MAXIMUM: 3 } as const;
export const LOD_ALGORITHM = { ISOTROPIC: 0, ANISOTROPIC: 3 } as const;

export const Sampler = layout('Sampler', 32, {
  type: named(uint(word(0, 0), 4), DESCRIPTOR_TYPE),
  reductionMode: named(uint(word(0, 4), 2), REDUCTION),
  wrapR: named(uint(word(0, 8), 4), WRAP),
  wrapT: named(uint(word(0, 12), 4), WRAP),
  wrapS: named(uint(word(0, 16), 4), WRAP),
  roundToNearestEven: bool(word(0, 21)),
  srgbOverride: bool(word(0, 22)),
  seamlessCubeMap: bool(word(0, 23)),
  clampIntegerCoordinates: bool(word(0, 24)),
  normalizedCoordinates: bool(word(0, 25)),
  clampIntegerArrayIndices: bool(word(0, 26)),
  minifyNearest: bool(word(0, 27)),
  magnifyNearest: bool(word(0, 28)),
  magnifyCutoff: bool(word(0, 29)),
  mipmapMode: named(uint(word(0, 30), 2), MIPMAP_MODE),
  minimumLod: uint(word(1, 0), 13),
  compareFunction: named(uint(word(1, 13), 3), FUNC),
  maximumLod: uint(word(1, 16), 13),
  /** Signed fixed point with 8 fraction bits. */
  lodBias: sint(word(2, 0), 16),
  maximumAnisotropy: minusOne(word(2, 16), 5),
  lodAlgorithm: named(uint(word(2, 24), 2), LOD_ALGORITHM),
  borderR: float(word(4)),
  borderG: float(word(5)),
  borderB: float(word(6)),
  borderA: float(word(7)),
});

/** A cube coordinate's first word: s without its upper three bits, and the face above them (+x, -x, +y, -y, +z, -z). */
export const CUBE_S_BITS = 29;

/** TEX_GRADIENT's first result word: level of detail, signed 8.8, in the low half. The second is this GPU's own: zero. */
export const GRADIENT_LOD_MASK = 0xffff;
