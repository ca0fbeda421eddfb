/**
 * Textures for fuzzed shaders: random descriptors of textures, planes and samplers whose texels lie in the data, and their
 * handles.
 *
 * No texture has floats in memory: a filtered NaN's bits are fixed nowhere, and results may be looked at as bits.
 */

import { DESCRIPTOR_TYPE, resourceHandle } from '../../../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  LOD_ALGORITHM,
  MIPMAP_MODE,
  PLANE_TYPE,
  Plane,
  REDUCTION,
  Sampler,
  TEXTURE_DIMENSION,
  Texture,
  WRAP,
} from '../../../abi/gpu/texture-descriptors.ts';
import { viewOf } from '../../../abi/layout.ts';
import type { Random } from '../random.ts';

/** The table that they are in, and how many of each: textures, then samplers. */
export const TEXTURE_TABLE = 1;
export const TEXTURES = 8;
const SAMPLERS = 6;
/** Dimensions of textures by number: two-dimensional ones, then one of each other. */
const FLAT = 5;
const OTHERS = ['1d', '3d', 'cube'];
const NUMBERS: Readonly<Record<string, number>> = {
  '1d': TEXTURE_DIMENSION.D1,
  '3d': TEXTURE_DIMENSION.D3,
  cube: TEXTURE_DIMENSION.CUBE,
};
const LEVELS = 4;
const LAYERS = 6;
export const TEXTURE_TABLE_BYTES = (TEXTURES + SAMPLERS) * Texture.size;
/** The planes lie behind the table. */
export const TEXTURE_BYTES = TEXTURE_TABLE_BYTES + TEXTURES * LEVELS * LAYERS * Plane.size;
/** Tables that inputs choose of. */
export const TEXTURE_TABLES = 3;
/** Uniforms that hold handles of each dimension: the first words of pairs with narrow ones, then pairs of wide ones. */
const HANDLES = 40;
export const DIMENSIONS = ['2d', ...OTHERS];
export const handlePair = (dimension: string, wide: boolean): number =>
  HANDLES + 2 * DIMENSIONS.indexOf(dimension) + (wide ? 2 * DIMENSIONS.length : 0);
/** The register pair that starts with narrow handles, not always the same in all lanes. */
export const HANDLE_REGISTER = 46;

/** Pixel formats: index, component order, clump format, bytes of a texel. */
const FORMATS = [
  [187, 0, CLUMP_FORMAT.RAW32, 4],
  [187, 4, CLUMP_FORMAT.RAW32, 4],
  [179, 0, CLUMP_FORMAT.RAW24, 3],
  [163, 0, CLUMP_FORMAT.RAW8, 1],
  [187, 229, CLUMP_FORMAT.A8, 1],
  [64, 0, CLUMP_FORMAT.RAW16, 2],
  [155, 0, CLUMP_FORMAT.RAW32, 4],
  [204, 0, CLUMP_FORMAT.RAW32, 4],
  [77, 0, CLUMP_FORMAT.RAW32, 4],
] as const;

const narrow = (texture: number, sampler: number): number =>
  ((TEXTURE_TABLE << 27) | (texture << 16) | (TEXTURE_TABLE << 11) | (TEXTURES + sampler)) >>> 0;
const wide = (index: number): number => resourceHandle(TEXTURE_TABLE, index);

/** Textures and samplers, and the few pairs of them that inputs choose of: each pair is a sampler to be emitted. */
export interface Textures {
  /** The table, and the planes behind it. */
  readonly bytes: Uint8Array;
  /** By dimension: a texture, and a sampler. */
  readonly pairs: Readonly<Record<string, readonly (readonly [texture: number, sampler: number])[]>>;
}

/** How many pairs there are of flat textures. */
const FLAT_PAIRS = 4;

/** Narrow handles of a flat texture and a sampler, now and then of none. */
export const handleOf = (random: Random, { pairs }: Textures, dimension = '2d'): number =>
  random.chance(2) ? random.word() : narrow(...random.pick(pairs[dimension]!));

/** The same for code that has it as a constant: always with the first sampler, so that few are emitted. */
export const constantHandle = (random: Random): number => narrow(random.below(FLAT), 0);

/** Puts handles where instructions look for them. */
export function setHandles(random: Random, textures: Textures, uniforms: Uint32Array): void {
  for (const dimension of DIMENSIONS) {
    uniforms[handlePair(dimension, false)] = handleOf(random, textures, dimension);
    const at = handlePair(dimension, true);
    const [texture, sampler] = random.pick(textures.pairs[dimension]!);
    uniforms[at] = wide(TEXTURES + sampler);
    uniforms[at + 1] = wide(texture);
  }
}

/** Textures whose table is at `at`. `data`: where texels may lie, and how many bytes. */
export function textures(random: Random, at: number, data: number, size: number): Textures {
  const pair = (texture: number): readonly [number, number] => [texture, random.below(SAMPLERS)];
  const flat = random.below(FLAT);
  const others = OTHERS.map((name, n) => [name, [pair(FLAT + n)]] as const);
  const pairs = [['2d', Array.from({ length: FLAT_PAIRS }, (_, n) => pair((flat + n) % FLAT))] as const, ...others];
  return { bytes: textureBytes(random, at, data, size), pairs: Object.fromEntries(pairs) };
}

/** Table and planes. `at`: their address; `data`: where texels may lie, and how many bytes. */
function textureBytes(random: Random, at: number, data: number, size: number): Uint8Array {
  const bytes = new Uint8Array(TEXTURE_BYTES);
  const view = viewOf(bytes);
  for (let n = 0; n < TEXTURES; n++) oneTexture(random, view, n, at, data, size);
  const wraps = Object.values(WRAP);
  for (let n = 0; n < SAMPLERS; n++) {
    Sampler.write(view, (TEXTURES + n) * Sampler.size, {
      type: random.chance(2) ? random.below(16) : DESCRIPTOR_TYPE.SAMPLER,
      wrapS: random.pick(wraps),
      wrapT: random.pick(wraps),
      wrapR: random.pick(wraps),
      normalizedCoordinates: random.chance(85),
      roundToNearestEven: random.chance(70),
      minifyNearest: random.chance(40),
      magnifyNearest: random.chance(40),
      magnifyCutoff: random.chance(50),
      seamlessCubeMap: random.chance(60),
      mipmapMode: random.pick(Object.values(MIPMAP_MODE)),
      reductionMode: random.chance(90) ? REDUCTION.AVERAGE : random.pick(Object.values(REDUCTION)),
      srgbOverride: random.chance(20),
      minimumLod: random.chance(80) ? 0 : random.below(0x200),
      maximumLod: random.chance(80) ? 0x1fff : random.below(0x400),
      lodBias: random.chance(60) ? 0 : random.below(0x400) - 0x200,
      lodAlgorithm: random.chance(80) ? LOD_ALGORITHM.ISOTROPIC : LOD_ALGORITHM.ANISOTROPIC,
      maximumAnisotropy: random.chance(60) ? 1 : 1 + random.below(16),
      compareFunction: random.below(8),
      borderR: random.below(3) / 2,
      borderA: 1,
    });
  }
  return bytes;
}

function oneTexture(random: Random, view: DataView<any>, n: number, at: number, data: number, size: number): void {
  const [index, order, clump, bytes] = random.pick(FORMATS);
  const dimension = NUMBERS[OTHERS[n - FLAT] ?? ''] ?? TEXTURE_DIMENSION.D2;
  const cube = dimension === TEXTURE_DIMENSION.CUBE;
  const edge = (): number => (random.chance(50) ? 1 << random.below(6) : 1 + random.below(40));
  const width = edge();
  const height = cube ? width : dimension === TEXTURE_DIMENSION.D1 ? 1 : edge();
  const levels = Math.min(1 + random.below(LEVELS), 1 + Math.floor(Math.log2(Math.max(width, height))));
  const layers = cube ? 1 : 1 + (random.chance(60) ? 0 : random.below(LAYERS));
  const first = TEXTURE_TABLE_BYTES + n * LEVELS * LAYERS * Plane.size;
  Texture.write(view, n * Texture.size, {
    type: random.chance(2) ? random.below(16) : DESCRIPTOR_TYPE.TEXTURE,
    dimension,
    format: order | (index << 12) | (index === 187 && random.chance(30) ? 1 << 20 : 0),
    width,
    height,
    swizzle: random.chance(60) ? 0o3210 : random.below(6) | (random.below(6) << 3) | (random.below(6) << 6) | (3 << 9),
    levels,
    minimumLod: random.chance(90) ? 0 : random.below(0x200),
    maximumLod: random.chance(90) ? 0x1fff : random.below(0x400),
    sampleCount: dimension === TEXTURE_DIMENSION.D2 && random.chance(10) ? 4 : 1,
    arraySize: layers,
    depth: dimension === TEXTURE_DIMENSION.D3 ? 1 + random.below(6) : 1,
    surfaces: at + first,
  });
  const tiled = random.chance(50);
  const start = random.below(64);
  let offset = start;
  // Layers follow one another, each with all its levels; sometimes they all lie at one place.
  for (let layer = 0; layer < layers * (cube ? 6 : 1); layer++) {
    for (let level = 0; level < levels; level++) {
      const [w, h] = [Math.max(1, width >> level), Math.max(1, height >> level)];
      const rowStride = (tiled ? Math.ceil(w / 16) * 256 : w) * bytes;
      const sliceStride = rowStride * (tiled ? Math.ceil(h / 16) : h);
      Plane.write(view, first + (layer * levels + level) * Plane.size, {
        type: DESCRIPTOR_TYPE.PLANE,
        planeType: random.chance(1) ? random.below(16) : PLANE_TYPE.GENERIC,
        clumpOrdering: tiled ? CLUMP_ORDERING.TILED_U_INTERLEAVED : CLUMP_ORDERING.LINEAR,
        clumpFormat: clump,
        pointer: data + (offset % size),
        rowStride,
        sliceStride: sliceStride & 0xfff,
        width: w,
        height: h,
      });
      offset += sliceStride;
    }
  }
}
