import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASTC_2D_DIMENSION } from '../../abi/blocks/astc.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  CUBE_S_BITS,
  LOD_ALGORITHM,
  MIPMAP_MODE,
  PLANE_TYPE,
  Plane,
  Sampler as SamplerDescriptor,
  TEXTURE_DIMENSION,
  Texture as TextureDescriptor,
  WRAP,
} from '../../abi/gpu/texture-descriptors.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, AFBC_TILE, afbcBodyBytes, afbcEncode } from '../../board/image/afbc.ts';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import type { VirtualMemory } from '../contract.ts';
import {
  LANES,
  type LaneVectors,
  type LodMode,
  type ShaderEnvironment,
  type TextureKind,
  type TextureRequest,
  type Warp,
} from '../shader/contract.ts';
import { kindOf } from '../shader/texture-ops.ts';
import { bind } from './bind.ts';
import { BLOCK_CODECS } from './compressed/codec.ts';
import { CUBE_FACES } from './cube.ts';
import { Sampler } from './sampler.ts';
import { Texture } from './texture.ts';
import { TexturePipe } from './unit.ts';

const TEXTURE_AT = 0x1100;
const SAMPLER_AT = 0x1140;
const PLANES_AT = 0x1200;
const TEXELS_AT = 0x3000;
const TEXELS_END = 0xf0000;

/** In place of a clump format. */
const ASTC = -1;
/** The pixel format of stencil alone. */
const STENCIL = 93;
/** Pixel format index, component orders that suit it, clump format, bytes of a texel, its AFBC mode if any, whether it may be sRGB. */
const FORMATS = [
  { name: 'RGBA8', index: 187, orders: [0, 4, 16, 20], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: 10, srgb: true },
  { name: 'RGB8', index: 179, orders: [0, 20], clump: CLUMP_FORMAT.RAW24, bytes: 3, afbc: 9, srgb: true },
  { name: 'RG8', index: 171, orders: [0, 228], clump: CLUMP_FORMAT.RAW16, bytes: 2, afbc: 3, srgb: false },
  { name: 'R8', index: 163, orders: [0, 226, 227], clump: CLUMP_FORMAT.RAW8, bytes: 1, afbc: 0, srgb: false },
  { name: 'RGB565', index: 64, orders: [0, 4, 20], clump: CLUMP_FORMAT.RAW16, bytes: 2, afbc: 4, srgb: false },
  { name: 'RGB10 A2', index: 67, orders: [0, 4], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: 11, srgb: false },
  { name: 'RG16', index: 172, orders: [0], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: 8, srgb: false },
  { name: 'RGBA16F', index: 223, orders: [0], clump: CLUMP_FORMAT.RAW64, bytes: 8, afbc: 17, srgb: false },
  { name: 'RGBA8UI', index: 155, orders: [0, 4, 16], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'RG16I', index: 204, orders: [0], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'RGBA32UI', index: 157, orders: [0], clump: CLUMP_FORMAT.RAW128, bytes: 16, afbc: -1, srgb: false },
  { name: 'R32F', index: 167, orders: [0, 227], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'Z16', index: 75, orders: [0, 226], clump: CLUMP_FORMAT.RAW16, bytes: 2, afbc: -1, srgb: false },
  { name: 'RGBA8 SNORM', index: 123, orders: [0], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'RG16 SNORM', index: 108, orders: [0], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'RGB5 A1', index: 65, orders: [0, 4], clump: CLUMP_FORMAT.RAW16, bytes: 2, afbc: -1, srgb: false },
  { name: 'RGBA4', index: 186, orders: [0, 4], clump: CLUMP_FORMAT.RAW16, bytes: 2, afbc: -1, srgb: false },
  { name: 'R11F G11F B10F', index: 89, orders: [0], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'R9F G9F B9F E5F', index: 91, orders: [20], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
  { name: 'ETC2 RGB8', index: 187, orders: [0], clump: CLUMP_FORMAT.ETC2_RGB8, bytes: 8, afbc: -1, srgb: true },
  { name: 'ETC2 RGBA8', index: 187, orders: [0], clump: CLUMP_FORMAT.ETC2_RGBA8, bytes: 16, afbc: -1, srgb: true },
  { name: 'BC1', index: 187, orders: [0], clump: CLUMP_FORMAT.BC1_UNORM, bytes: 8, afbc: -1, srgb: true },
  { name: 'BC3', index: 187, orders: [0], clump: CLUMP_FORMAT.BC3_UNORM, bytes: 16, afbc: -1, srgb: true },
  { name: 'ASTC 6x5', index: 223, orders: [0], clump: ASTC, bytes: 16, afbc: -1, srgb: false, side: [6, 5] },
  { name: 'ASTC 12x8', index: 187, orders: [0], clump: ASTC, bytes: 16, afbc: -1, srgb: true, side: [12, 8] },
  { name: 'BC5', index: 172, orders: [0], clump: CLUMP_FORMAT.BC5_UNORM, bytes: 16, afbc: -1, srgb: false },
  { name: 'A8', index: 187, orders: [229, 0, 227], clump: CLUMP_FORMAT.A8, bytes: 1, afbc: -1, srgb: true },
  { name: 'A8UI', index: 155, orders: [229, 8], clump: CLUMP_FORMAT.A8, bytes: 1, afbc: -1, srgb: false },
  { name: 'L8A8', index: 187, orders: [0, 228], clump: CLUMP_FORMAT.L8A8, bytes: 2, afbc: -1, srgb: true },
  { name: 'X32D32', index: 167, orders: [0, 226], clump: CLUMP_FORMAT.X32D32, bytes: 8, afbc: -1, srgb: false },
  { name: 'RGBA8 of one byte', index: 187, orders: [0], clump: CLUMP_FORMAT.RAW8, bytes: 1, afbc: 0, srgb: true },
  { name: 'S8', index: STENCIL, orders: [2, 0], clump: CLUMP_FORMAT.S8, bytes: 1, afbc: 14, srgb: false },
  { name: 'S8X24', index: STENCIL, orders: [2], clump: CLUMP_FORMAT.S8X24, bytes: 4, afbc: -1, srgb: false },
  { name: 'X24S8', index: STENCIL, orders: [2, 0], clump: CLUMP_FORMAT.X24S8, bytes: 4, afbc: 15, srgb: false },
  { name: 'X32S8X24', index: STENCIL, orders: [2], clump: CLUMP_FORMAT.X32S8X24, bytes: 8, afbc: -1, srgb: false },
  { name: 'Z24X8', index: 77, orders: [0, 226], clump: CLUMP_FORMAT.RAW32, bytes: 4, afbc: -1, srgb: false },
] as const;
const WRAPS = [...Object.values(WRAP), WRAP.REPEAT, WRAP.CLAMP_TO_EDGE];
const SIMPLE_WRAPS = [WRAP.CLAMP_TO_EDGE, WRAP.CLAMP_TO_EDGE, WRAP.CLAMP_TO_BORDER];
/** Dimensions of textures: as an instruction and as a descriptor names them, and the axes that they have. */
const DIMENSIONS = [
  ['2d', TEXTURE_DIMENSION.D2, 2],
  ['2d', TEXTURE_DIMENSION.D2, 2],
  ['1d', TEXTURE_DIMENSION.D1, 1],
  ['3d', TEXTURE_DIMENSION.D3, 3],
  ['cube', TEXTURE_DIMENSION.CUBE, 2],
  ['2d', TEXTURE_DIMENSION.CUBE, 2],
] as const;
const MIPMAPS = [MIPMAP_MODE.NEAREST, MIPMAP_MODE.NONE, MIPMAP_MODE.TRILINEAR];
const LODS: readonly LodMode[] = ['zero', 'computed', 'explicit', 'computed_bias', 'grdesc'];
/** Coordinates that are easily got wrong. */
const ODD = [0, -0, 1, -1, 0.5, 1e-45, -1e-45, 1e30, -1e30, 3e9, Number.POSITIVE_INFINITY, Number.NaN, 0.99999994, 2];

/** Numbers from 0 up to below 1, the same for a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Writes an AFBC level of random superblocks, some of one colour and now and then a bad one; answers where it ends. */
function afbcLevel(
  memory: FlatMemory,
  next: () => number,
  { afbc, bytes }: { afbc: number; bytes: number },
  from: number,
  plane: number,
  width: number,
  height: number,
  spoiled: boolean,
  tiles: boolean,
): number {
  const at = Math.ceil(from / 64) * 64;
  const shape = Math.floor(next() * 3);
  // All levels of a texture are alike.
  const { afbcSuperblockSize, afbcTiledHeader } = plane
    ? Plane.read(memory.view, PLANES_AT)
    : { afbcSuperblockSize: shape, afbcTiledHeader: tiles && next() < 0.5 };
  const across = 16 << afbcSuperblockSize;
  const down = AFBC_PIXELS / across;
  const units = afbcTiledHeader ? AFBC_TILE : 1;
  const [w, h] = [Math.ceil(width / across / units), Math.ceil(height / down / units)];
  const rowStride = w * units ** 2 * AFBC_HEADER_BYTES;
  const headers = rowStride * h;
  const size = headers + w * h * units ** 2 * afbcBodyBytes(bytes);
  Plane.write(memory.view, PLANES_AT + plane * Plane.size, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.AFBC,
    afbcCompressionMode: afbc,
    afbcSuperblockSize,
    afbcTiledHeader,
    pointer: at,
    rowStride,
    size,
  });
  const pixels = new Uint8Array(afbcBodyBytes(bytes));
  const [lean, bad] = [spoiled && next() < 0.4, spoiled && next() < 0.6];
  for (let i = 0; i < w * h * units ** 2; i++) {
    const plain = next() < 0.7;
    pixels.forEach((_, n) => {
      pixels[n] = plain || n < bytes ? next() * 256 : pixels[n - bytes]!;
    });
    const header = memory.bytes.subarray(at + i * AFBC_HEADER_BYTES, at + (i + 1) * AFBC_HEADER_BYTES);
    const body = headers + i * pixels.length;
    afbcEncode(pixels, bytes, header, memory.bytes.subarray(at + body, at + body + pixels.length), body, across);
    // Others than this board's GPU may leave bodies out, or pack them.
    if (lean && !plain) memory.view.setUint32(at + i * AFBC_HEADER_BYTES, 0, true);
    if (bad && next() < 0.02)
      memory.view.setUint32(at + i * AFBC_HEADER_BYTES + (next() < 0.5 ? 0 : 4), next() * 2 ** 32, true);
  }
  return at + size;
}

/** What a plane says of ASTC blocks: those of the other format are halves. */
const astcPlane = ({ index, side }: { index: number; side: readonly [number, number] }) => {
  const number = (n: number): number =>
    Number(Object.keys(ASTC_2D_DIMENSION).find((key) => ASTC_2D_DIMENSION[Number(key)] === n));
  const [astc2dBlockWidth, astc2dBlockHeight] = side.map(number);
  return { planeType: PLANE_TYPE.ASTC_2D, astcDecodeWide: index === 223, astc2dBlockWidth, astc2dBlockHeight };
};

/** Coordinates from 0 to below 2 with the number of a face in their upper bits, which are that of most lanes. */
function onFace(next: () => number, s: Float32Array): Float32Array {
  const face = Math.floor(next() * CUBE_FACES);
  const words = new Uint32Array(Float32Array.from(s, (x) => Math.min(Math.abs(x), 1.5) || 0).buffer);
  for (const [lane, word] of words.entries()) {
    const own = next() < 0.8 ? face : Math.floor(next() * 8);
    words[lane] = (word & (2 ** CUBE_S_BITS - 1)) | (own << CUBE_S_BITS);
  }
  return new Float32Array(words.buffer);
}

interface Scene {
  readonly memory: FlatMemory;
  readonly environment: ShaderEnvironment;
  readonly request: TextureRequest;
  readonly warp: Warp;
  readonly what: string;
}

function scene(next: () => number): Scene {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  const coin = (share = 0.5): boolean => next() < share;
  const memory = new FlatMemory();
  for (let i = TEXELS_AT / 4; i < TEXELS_END / 4; i++) memory.dram.u32[i] = next() * 2 ** 32;
  const format = pick(FORMATS);
  const layout = format.afbc < 0 || coin(0.6) ? (coin() ? 'linear' : 'tiled') : 'afbc';
  const [dimension, number, axes] = layout === 'afbc' ? (coin(0.7) ? DIMENSIONS[0] : DIMENSIONS[4]) : pick(DIMENSIONS);
  const size = (): number => (coin() ? 2 ** Math.floor(next() * 7) : 1 + Math.floor(next() * 70));
  const faced = number === TEXTURE_DIMENSION.CUBE;
  const width = faced ? 1 + Math.floor(next() * 24) : axes === 3 ? 1 + Math.floor(next() * 20) : size();
  const cube = dimension === 'cube';
  const height = faced ? width : axes === 1 ? 1 : axes === 3 ? 1 + Math.floor(next() * 20) : size();
  const depth = axes === 3 ? 1 + Math.floor(next() * 8) : 1;
  const levels = coin(0.3) ? 1 : 1 + Math.floor(Math.log2(Math.max(width, height)));
  const arrays = axes < 3 && coin(0.3);
  const faces = faced ? CUBE_FACES : 1;
  const layers = faces * (arrays && width * height < 1000 ? 1 + Math.floor(next() * 4) : 1);
  const tiled = layout === 'tiled';
  const integer = format.name.endsWith('I') || format.index === STENCIL;
  const fetch = !cube && coin(0.25);
  const shadow = !integer && !fetch && coin(0.2);
  const gather = !fetch && !cube && coin(0.2);
  const gradient = !fetch && !gather && coin(0.15);
  const derivatives = gradient && !cube && coin();
  const samples = fetch && axes === 2 && layout !== 'afbc' && width * height < 1000 && coin(0.3) ? 4 : 1;
  const normalized = coin(0.9);
  const edge = (): number => pick(normalized ? WRAPS : SIMPLE_WRAPS);
  const swizzle = coin() ? 0o3210 : [0, 1, 2, 3].reduce((sum, i) => sum | (Math.floor(next() * 6) << (3 * i)), 0);
  TextureDescriptor.write(memory.view, TEXTURE_AT, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension: number,
    format: pick(format.orders) | (format.index << 12) | (format.srgb && coin() ? 1 << 20 : 0),
    width,
    height,
    swizzle,
    levels,
    minimumLod: coin(0.8) ? 0 : Math.floor(next() * 0x200),
    maximumLod: coin(0.8) ? 0x1fff : Math.floor(next() * 0x400),
    sampleCount: samples,
    arraySize: layers / faces,
    depth,
    surfaces: PLANES_AT,
  });
  SamplerDescriptor.write(memory.view, SAMPLER_AT, {
    type: DESCRIPTOR_TYPE.SAMPLER,
    wrapS: edge(),
    wrapT: edge(),
    wrapR: edge(),
    borderR: next(),
    borderG: coin() ? 1 : next(),
    borderB: 0,
    borderA: next(),
    normalizedCoordinates: normalized,
    roundToNearestEven: coin(0.8),
    seamlessCubeMap: coin(0.7),
    minifyNearest: coin(),
    magnifyNearest: coin(),
    magnifyCutoff: coin(),
    mipmapMode: pick(MIPMAPS),
    srgbOverride: coin(0.2),
    minimumLod: coin(0.8) ? 0 : Math.floor(next() * 0x200),
    maximumLod: coin(0.8) ? 0x1fff : Math.floor(next() * 0x400),
    lodBias: coin() ? 0 : Math.floor(next() * 0x400) - 0x200,
    lodAlgorithm: coin(0.3) ? LOD_ALGORITHM.ANISOTROPIC : LOD_ALGORITHM.ISOTROPIC,
    maximumAnisotropy: 1 + Math.floor(next() * 16),
    compareFunction: Math.floor(next() * 8),
  });
  let at = TEXELS_AT + Math.floor(next() * 64);
  // Tiles of headers take much room.
  const spoiled = coin();
  const tiles = layers === 1 || levels * layers <= 6;
  const paddings = Array.from({ length: levels }, () => 16 * Math.floor(next() * 3));
  for (let n = 0; n < levels * layers; n++) {
    const level = n % levels;
    const [w, h, d] = [width, height, depth].map((texels) => Math.max(1, texels >> level)) as [number, number, number];
    if (layout === 'afbc') {
      at = afbcLevel(memory, next, format, at, n, w, h, spoiled, tiles);
      continue;
    }
    // Of a compressed format, blocks stand where texels do, and tiles are of 4×4 blocks.
    const sides = 'side' in format ? format.side : BLOCK_CODECS.has(format.clump) ? [4, 4] : [1, 1];
    const tile = sides[0] > 1 ? 4 : 16;
    const [columns, rows] = [Math.ceil(w / sides[0]), Math.ceil(h / sides[1])];
    const across = tiled ? Math.ceil(columns / tile) * tile ** 2 : columns;
    const rowStride = across * format.bytes + paddings[level]!;
    const sliceStride = rowStride * (tiled ? Math.ceil(rows / tile) : rows);
    Plane.write(memory.view, PLANES_AT + n * Plane.size, {
      type: DESCRIPTOR_TYPE.PLANE,
      planeType: PLANE_TYPE.GENERIC,
      clumpOrdering: tiled ? CLUMP_ORDERING.TILED_U_INTERLEAVED : CLUMP_ORDERING.LINEAR,
      ...(format.clump === ASTC ? astcPlane(format) : { clumpFormat: format.clump }),
      pointer: at,
      rowStride,
      sliceStride,
    });
    at += sliceStride * (axes === 3 ? d : samples);
  }
  // Few do not fit.
  if (at >= TEXELS_END) return scene(next);
  const environment = {
    memory: memory as VirtualMemory,
    resources: { descriptor: (_: number, index: number) => [0, TEXTURE_AT, SAMPLER_AT][index] ?? 0 },
    job: 0,
  } as unknown as ShaderEnvironment;
  const step = 2 ** (next() * 12 - 9) / (normalized ? 1 : 1 / width);
  const [left, top] = [next() * 4 - 2, next() * 4 - 2];
  const coordinates = (start: number, bit: number): Float32Array =>
    Float32Array.from({ length: LANES }, (_, lane) =>
      coin(0.05) ? pick(ODD) : start + step * (((lane >> bit) & 1) + (lane >> 2) + next() * 0.3),
    );
  const lods = (): Int32Array => Int32Array.from({ length: LANES }, () => next() * 2 ** 32);
  const texels = (count: number): Float32Array =>
    new Float32Array(Int32Array.from({ length: LANES }, () => Math.floor(next() * 1.2 * count) - 2).buffer);
  const fetched = Math.floor(next() * levels);
  const offsets = (): Int32Array =>
    Int32Array.from({ length: LANES }, () => {
      const [x, y] = [next() * 6 - 3, next() * 6 - 3];
      const level = coin(0.8) ? fetched : Math.floor(next() * 9);
      const z = axes === 3 ? next() * 6 - 3 : coin(samples > 1 ? 0.5 : 0.05) ? next() * 5 : 0;
      return (x & 255) | ((y & 255) << 8) | ((z & 255) << 16) | (level << 24);
    });
  const offset = coin(fetch ? 0.5 : 0.2) ? offsets() : undefined;
  const layer = (): Int32Array =>
    fetch
      ? Int32Array.from({ length: LANES }, () => next() * (layers + 1))
      : new Int32Array(Float32Array.from({ length: LANES }, () => next() * (layers / faces + 1) - 0.7).buffer);
  const coordinate = (count: number, start: number, bit: number): Float32Array =>
    fetch ? texels(count) : coordinates(start, bit);
  const kind = kindOf({
    operation: fetch ? 'fetch' : gather ? 'gather' : gradient ? 'gradient' : 'single',
    dimension,
    array: arrays,
    shadow,
    offset: offset !== undefined,
    lodMode: pick(LODS),
    component: gather ? Math.floor(next() * 4) : 0,
    integerCoordinates: fetch,
    derivatives,
    lodBiasDisable: gradient && coin(),
    lodClampDisable: gradient && coin(),
  });
  const request = {
    kind,
    name: 'TEX_SINGLE',
    texture: new Int32Array(LANES).fill(1),
    sampler: new Int32Array(LANES).fill(2),
    x: cube ? onFace(next, coordinates(left / 4, 0)) : coordinate(width, left, 0),
    y: axes > 1 ? coordinate(height, top, 1) : undefined,
    z: axes > 2 ? coordinate(depth, top, 0) : undefined,
    array: arrays ? layer() : undefined,
    offset,
    // Also beyond what fixed point can hold.
    shadow: shadow ? Float32Array.from({ length: LANES }, () => next() * 2 - 0.5) : undefined,
    lod:
      kind.lodMode === 'grdesc'
        ? undefined
        : coin()
          ? lods().map((word) => word % 0x400)
          : lods().fill(Math.floor(next() * 0x500)),
    gradient: [lods(), lods()],
    deltas: derivatives ? Array.from({ length: 2 * axes }, () => coordinates(next() - 0.5, 0)) : [],
    skip: coin(),
  } as unknown as TextureRequest;
  const mask = coin() ? 0xffff : Math.floor(next() * 0x10000);
  const warp = { mask, live: mask, discarded: coin() ? 0 : Math.floor(next() * 0x10000) & mask } as Warp;
  return {
    memory,
    environment,
    request,
    warp,
    what: `${format.name} ${layout} ${dimension} ${width}x${height}x${depth}, ${levels} levels, ${layers} layers`,
  };
}

function vectors(): LaneVectors {
  const f32 = new Float32Array(4 * LANES);
  return { f32, i32: new Int32Array(f32.buffer), u32: new Uint32Array(f32.buffer) };
}

const script = new TexturePipe('interpreter');
const emitted = new TexturePipe('wasm');

/** Runs a scene by script and by emitted code, which there must be, and compares all that is wanted. */
function compare({ memory, environment, request, warp, what }: Scene, seed: number): void {
  const [a, b] = [vectors(), vectors()];
  const [texture, sampler] = [new Texture(memory, TEXTURE_AT), new Sampler(memory, SAMPLER_AT)];
  assert.ok(bind(memory, texture, sampler, request.kind), `seed ${seed}: there is an emitted sampler for ${what}`);
  const results: string[] = [];
  const faults = [script, emitted].map((pipe, i) => {
    try {
      pipe.execute({ ...environment }, warp, warp.mask, request, i ? b : a);
      results[i] = request.result;
      return '';
    } catch (error) {
      return String(error);
    }
  });
  assert.equal(faults[1], faults[0], `seed ${seed}: ${what}`);
  assert.equal(results[1], results[0], `seed ${seed}: ${what}`);
  if (faults[0]) return;
  const lanes = request.skip && (warp.mask & ~warp.discarded) === 0 ? 0 : warp.mask;
  for (let i = 0; i < 4 * LANES; i++) {
    if (((lanes >> (i % LANES)) & 1) === 0) continue;
    const where = `seed ${seed}: ${what}, ${request.kind.operation} ${request.kind.lodMode}, channel ${i >> 4} of lane ${i % LANES}`;
    const same = request.result === 'float' ? Object.is(a.f32[i], b.f32[i]) : a.u32[i] === b.u32[i];
    assert.ok(same, `${where}: ${a.f32[i]} by script, ${b.f32[i]} emitted`);
  }
}

test('emitted samplers and the script sampler give the same bits', () => {
  for (let seed = 1; seed <= 400; seed++) compare(scene(random(seed)), seed);
});

test('so they do of depth compared with channels that memory has or has not', () => {
  let compared = 0;
  for (let seed = 1; compared < 80; seed++) {
    const made = scene(random(seed));
    if (!made.request.kind.shadow || !/^(A8|L8A8|Z16) /.test(made.what)) continue;
    compare(made, seed);
    compared++;
  }
});

test('so they do of levels of detail where a quad lies on several faces of a cube', () => {
  let compared = 0;
  for (let seed = 1; compared < 15; seed++) {
    const made = scene(random(seed));
    const { operation, dimension, lodMode } = made.request.kind;
    if (operation !== 'gradient' || dimension !== 'cube' || lodMode !== 'computed') continue;
    compare(made, seed);
    compared++;
  }
});

test('so they do of luma and chroma in planes', () => {
  let compared = 0;
  for (let seed = 1; compared < 60; seed++) {
    const next = random(seed);
    const made = scene(next);
    const { memory, request } = made;
    const { dimension, array } = request.kind;
    if (dimension !== '2d' || array) continue;
    compared++;
    const texture = TextureDescriptor.read(memory.view, TEXTURE_AT);
    const [format, clumpFormat, rows, separate] = [
      [36, CLUMP_FORMAT.Y8_UV8_422, 1, false],
      [38, CLUMP_FORMAT.Y8_UV8_420, 2, false],
      [39, CLUMP_FORMAT.Y8_UV8_420, 2, true],
    ][Math.floor(next() * 3)] as [number, number, number, boolean];
    const siting = [0, 1, 2, 3, 7][Math.floor(next() * 5)]!;
    TextureDescriptor.write(memory.view, TEXTURE_AT, {
      ...texture,
      format: (format << 12) | (siting << 9) | (next() < 0.5 ? 1 : 0),
      arraySize: 2,
      levels: 1,
      sampleCount: 1,
    });
    const luma = {
      type: DESCRIPTOR_TYPE.PLANE,
      planeType: PLANE_TYPE.GENERIC,
      clumpOrdering: CLUMP_ORDERING.LINEAR,
      clumpFormat,
      pointer: TEXELS_AT + 7,
      rowStride: texture.width + 5,
    };
    Plane.write(memory.view, PLANES_AT, luma);
    Plane.write(memory.view, PLANES_AT + Plane.size, {
      ...luma,
      planeType: separate ? PLANE_TYPE.CHROMA_2P : PLANE_TYPE.GENERIC,
      pointer: TEXELS_AT + 0x10000,
      rowStride: texture.width + 2 * rows,
      ...(separate ? { chromaSecondaryPointer: TEXELS_AT + 0x20001 } : {}),
    });
    compare({ ...made, what: `YUV format ${format}, siting ${siting}, ${texture.width}x${texture.height}` }, seed);
  }
});

/** A scene of a flat texture that is sampled plainly. */
function plainScene(): Scene {
  const plain = ({ operation, dimension, array, shadow }: TextureKind): boolean =>
    operation === 'single' && dimension === '2d' && !array && !shadow;
  for (let seed = 1; ; seed++) {
    const made = scene(random(seed));
    if (plain(made.request.kind)) return { ...made, request: { ...made.request, offset: undefined } };
  }
}

test('blocks of a footprint that share a place in the table of decoded blocks do not take it from each other', () => {
  const made = plainScene();
  const { memory, request } = made;
  const [width, height] = [16, 8];
  TextureDescriptor.write(memory.view, TEXTURE_AT, {
    ...TextureDescriptor.read(memory.view, TEXTURE_AT),
    ...{ format: 187 << 12, swizzle: 0o3210, width, height, depth: 1, levels: 1, arraySize: 1, sampleCount: 1 },
  });
  SamplerDescriptor.write(memory.view, SAMPLER_AT, {
    ...SamplerDescriptor.read(memory.view, SAMPLER_AT),
    ...{ wrapS: WRAP.CLAMP_TO_EDGE, wrapT: WRAP.CLAMP_TO_EDGE, normalizedCoordinates: true },
    ...{ minifyNearest: false, magnifyNearest: false, maximumAnisotropy: 1 },
  });
  Plane.write(memory.view, PLANES_AT, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.GENERIC,
    clumpOrdering: CLUMP_ORDERING.LINEAR,
    clumpFormat: CLUMP_FORMAT.BC1_UNORM,
    pointer: TEXELS_AT,
    // A multiple of what any table holds.
    rowStride: 1 << 19,
  });
  const at = { x: Float32Array.from({ length: LANES }, (_, n) => n / LANES), y: new Float32Array(LANES).fill(0.5) };
  compare({ ...made, request: { ...request, ...at }, what: 'a footprint across two rows of blocks' }, 0);
});

test('of a tile at the end of memory nothing is loaded beyond', () => {
  const made = plainScene();
  const { memory, request } = made;
  const [side, tile, rowStride] = [32, 1024, 2 * 1024 + 16];
  TextureDescriptor.write(memory.view, TEXTURE_AT, {
    ...TextureDescriptor.read(memory.view, TEXTURE_AT),
    ...{
      format: 187 << 12,
      swizzle: 0o3210,
      width: side,
      height: side,
      depth: 1,
      levels: 1,
      arraySize: 1,
      sampleCount: 1,
    },
  });
  SamplerDescriptor.write(memory.view, SAMPLER_AT, {
    ...SamplerDescriptor.read(memory.view, SAMPLER_AT),
    ...{ wrapS: WRAP.CLAMP_TO_EDGE, wrapT: WRAP.CLAMP_TO_EDGE, normalizedCoordinates: true },
    ...{ minifyNearest: true, magnifyNearest: true, maximumAnisotropy: 1 },
  });
  // The last texels lie in a window of their own: counted from the first one, rows of tiles do not begin with a whole one.
  const bytes = rowStride + 2 * tile;
  Plane.write(memory.view, PLANES_AT, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.GENERIC,
    clumpOrdering: CLUMP_ORDERING.TILED_U_INTERLEAVED,
    clumpFormat: CLUMP_FORMAT.RAW32,
    pointer: memory.dram.size - bytes - 16,
    rowStride,
  });
  for (let y = 16; y < side; y++) {
    for (let x = 16; x < side; x++) {
      const at = {
        x: new Float32Array(LANES).fill((x + 0.5) / side),
        y: new Float32Array(LANES).fill((y + 0.5) / side),
      };
      compare({ ...made, request: { ...request, ...at }, what: `texel ${x}, ${y}` }, 0);
    }
  }
});

test('what was learnt of physical addresses is forgotten when translations are dropped', () => {
  const { memory, environment } = scene(random(1));
  TextureDescriptor.write(memory.view, TEXTURE_AT, {
    ...TextureDescriptor.read(memory.view, TEXTURE_AT),
    format: 187 << 12,
    swizzle: 0o3210,
    width: 1,
    height: 1,
    levels: 1,
  });
  Plane.write(memory.view, PLANES_AT, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.GENERIC,
    clumpOrdering: CLUMP_ORDERING.LINEAR,
    clumpFormat: CLUMP_FORMAT.RAW32,
    pointer: 0x10000,
    rowStride: 4,
  });
  memory.view.setUint32(0x10000, 0xff);
  memory.view.setUint32(0x20000, 0xff000000);
  // The page of the texel, and where it is; undefined: nowhere.
  let page: number | undefined = 0x10000;
  let generation = 1;
  const moving = Object.create(memory, {
    generation: { get: () => generation },
    extent: {
      value: (va: number) => (va === 0x10000 ? page && { start: va, size: 0x1000, physical: page } : memory.extent(va)),
    },
  }) as VirtualMemory;
  moving.load32 = (va: number) => {
    if (page === undefined) throw new Error(`fault at ${va}`);
    return memory.load32(page);
  };
  const there = { ...environment, memory: moving };
  const pipe = new TexturePipe('wasm');
  const zero = new Float32Array(LANES);
  const fetch = (): number[] => {
    const out = vectors();
    const lanes = new Int32Array(LANES).fill(1);
    const kind = { operation: 'fetch', dimension: '2d', lodMode: 'zero' } as TextureKind;
    const request = { kind, texture: lanes, sampler: lanes, x: zero, y: zero, deltas: [] };
    const warp = { discarded: 0 } as Warp;
    pipe.execute(there, warp, 1, request as unknown as TextureRequest, out);
    return [out.f32[0]!, out.f32[3 * LANES]!];
  };
  assert.deepEqual(fetch(), [0, 1]);
  page = 0x20000;
  generation++;
  assert.deepEqual(fetch(), [1, 0]);
  page = undefined;
  generation++;
  assert.throws(fetch, /fault at 65536/);
});

test('so they do of coordinates in large textures, whose 256ths are no whole numbers up to 2^22 any more', () => {
  let compared = 0;
  for (let seed = 1; compared < 12; seed++) {
    const next = random(seed);
    const made = scene(next);
    const { memory, request } = made;
    const { operation, dimension, array, derivatives } = request.kind;
    const plane = Plane.read(memory.view, PLANES_AT);
    if (operation !== 'single' || dimension !== '2d' || array || derivatives) continue;
    if (plane.planeType !== PLANE_TYPE.GENERIC || plane.clumpOrdering !== CLUMP_ORDERING.LINEAR) continue;
    if (!/^(R8|RGBA8|RG8) /.test(made.what)) continue;
    compared++;
    const width = 8193 + Math.floor(next() * 30000);
    const texture = TextureDescriptor.read(memory.view, TEXTURE_AT);
    TextureDescriptor.write(memory.view, TEXTURE_AT, { ...texture, width, height: 1, levels: 1 });
    Plane.write(memory.view, PLANES_AT, { ...plane, pointer: TEXELS_AT, rowStride: 4 * width });
    const { normalizedCoordinates } = SamplerDescriptor.read(memory.view, SAMPLER_AT);
    const x = Float32Array.from({ length: LANES }, () => (next() * 3 - 1) * (normalizedCoordinates ? 1 : width));
    compare({ ...made, request: { ...request, x }, what: `${made.what}, made ${width} texels wide` }, seed);
  }
});
