/**
 * SamplerState of a texture, a sampler and a kind of instruction: what the emitted code for them depends on, or undefined where
 * the script sampler has to do it.
 */
import { AFBC_MODES, type Channel, CLUMP_FORMATS, type Component, ONE } from '../../abi/formats.ts';
import {
  CLUMP_ORDERING,
  MIPMAP_MODE,
  PLANE_TYPE,
  type Plane,
  REDUCTION,
  SWIZZLE_ONE,
  SWIZZLE_ZERO,
  TEXTURE_DIMENSION,
  WRAP,
} from '../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { YUV_CENTRED, YUV_SITING, YUV_SWIZZLE } from '../../abi/yuv.ts';
import { AFBC_HEADER_BYTES } from '../../board/image/afbc.ts';
import type { LodMode, TextureKind } from '../shader/contract.ts';
import { blockShape } from './block-cache.ts';
import { astcCodec } from './compressed/astc/index.ts';
import { BLOCK_CODECS, type BlockCodec } from './compressed/codec.ts';
import { CUBE_FACES } from './cube.ts';
import type { TexelLayout } from './emit-address.ts';
import { hasBorder, LARGE } from './emit-axis.ts';
import { MOST_TEXELS } from './emit-blocks.ts';
import type { LodSource, SamplerState } from './emit-filter.ts';
import type { ChannelSource } from './emit-texel.ts';
import type { YuvLayout } from './emit-yuv.ts';
import { LOD_ONE } from './lod.ts';
import { isAnisotropic, type Sampler } from './sampler.ts';
import { AFBC_WIDTH } from './surface.ts';
import type { Texture } from './texture.ts';
import type { YuvTexture } from './yuv.ts';

type PlaneValues = Infer<typeof Plane>;
type FilterState = Pick<
  SamplerState,
  | 'lod'
  | 'query'
  | 'anisotropic'
  | 'magnify'
  | 'minify'
  | 'cutoff'
  | 'mipmap'
  | 'normalized'
  | 'rounds'
  | 'wrap'
  | 'offset'
>;
type TexelState = Pick<SamplerState, 'layout' | 'yuv' | 'channels' | 'borders' | 'compare' | 'integer' | 'bytes'>;

const AXES: Readonly<Record<number, 1 | 2 | 3>> = {
  [TEXTURE_DIMENSION.D1]: 1,
  [TEXTURE_DIMENSION.D2]: 2,
  [TEXTURE_DIMENSION.D3]: 3,
  [TEXTURE_DIMENSION.CUBE]: 2,
};
const NAMES: Readonly<Record<string, number>> = {
  '1d': TEXTURE_DIMENSION.D1,
  '2d': TEXTURE_DIMENSION.D2,
  '3d': TEXTURE_DIMENSION.D3,
  cube: TEXTURE_DIMENSION.CUBE,
};

/** `planes`: those of the first layer, level by level. */
export function samplerState(
  texture: Texture,
  sampler: Sampler | undefined,
  planes: readonly PlaneValues[],
  kind: TextureKind,
): SamplerState | undefined {
  const { dimension, levels, sampleCount } = texture.descriptor;
  const fetch = kind.operation === 'fetch';
  const axes = AXES[NAMES[kind.dimension] ?? -1];
  // Faces of a cube can be fetched as layers.
  const faces = dimension === TEXTURE_DIMENSION.CUBE && kind.dimension === '2d';
  if (!axes || (dimension !== NAMES[kind.dimension] && !faces)) return undefined;
  const onCube = kind.dimension === 'cube';
  const gradient = kind.operation === 'gradient';
  // Gathering across edges is seldom; of faces nothing is fetched.
  if (onCube && kind.operation !== 'single' && (!gradient || kind.derivatives)) return undefined;
  const filters = gradient
    ? sampler && gradientState(texture, sampler, kind)
    : fetch
      ? fetchState(kind)
      : sampler && filterState(texture, sampler, axes, kind);
  const texels = filters && texelState(texture, sampler, planes, filters.wrap, kind);
  if (!texels) return undefined;
  const layered = kind.array && texture.layers > (onCube ? CUBE_FACES : 1);
  const cube = !onCube ? 'none' : sampler?.descriptor.seamlessCubeMap ? 'seamless' : 'faces';
  const samples = fetch && axes < 3 && sampleCount > 1;
  if ((layered || samples || axes === 3 || onCube) && texels.yuv) return undefined;
  if ((samples || axes === 3) && texels.layout.kind === 'afbc') return undefined;
  const large = Math.max(texture.width(0), texture.height(0), texture.depth(0)) > LARGE;
  return { ...filters, ...texels, large, levels: levels > 1, axes, cube, array: kind.array, layered, samples };
}

const LODS: Readonly<Record<LodMode, LodSource>> = {
  zero: 'zero',
  computed: 'footprint',
  computed_bias: 'biased',
  explicit: 'given',
  grdesc: 'given',
};

function filterState(
  texture: Texture,
  { descriptor: s }: Sampler,
  axes: number,
  { operation, lodMode, offset, dimension }: TextureKind,
): FilterState | undefined {
  const { levels } = texture.descriptor;
  const seamless = dimension === 'cube' && s.seamlessCubeMap;
  const wrap = [s.wrapS, s.wrapT, s.wrapR].slice(0, axes).map((mode) => (seamless ? WRAP.CLAMP_TO_EDGE : mode));
  const known = Object.values<number>(WRAP);
  if (wrap.some((mode) => !known.includes(mode))) return undefined;
  const simple = wrap.every((mode) => mode === WRAP.CLAMP_TO_EDGE || mode === WRAP.CLAMP_TO_BORDER);
  if (!s.normalizedCoordinates && !simple) return undefined;
  const computed = lodMode === 'computed' || lodMode === 'computed_bias';
  const anisotropic = operation === 'single' && computed && dimension !== 'cube' && isAnisotropic(texture, s);
  const shared = {
    anisotropic,
    normalized: s.normalizedCoordinates,
    rounds: s.roundToNearestEven,
    wrap,
    offset,
    cutoff: s.magnifyCutoff ? LOD_ONE / 2 : 0,
  };
  if (operation === 'gather') {
    return { ...shared, lod: 'none', magnify: 'gather', minify: 'gather', mipmap: 'none' };
  }
  if (operation !== 'single' || s.reductionMode !== REDUCTION.AVERAGE) return undefined;
  // Integers are not mixed.
  const magnify = s.magnifyNearest || texture.integer ? 'nearest' : 'linear';
  const minify = s.minifyNearest || texture.integer ? 'nearest' : 'linear';
  const mixes = s.mipmapMode === MIPMAP_MODE.TRILINEAR && !texture.integer;
  const plain = levels === 1 || s.mipmapMode === MIPMAP_MODE.NONE;
  return {
    ...shared,
    lod: plain && magnify === minify && !anisotropic ? 'none' : LODS[lodMode],
    magnify,
    minify,
    mipmap: plain ? 'none' : mixes ? 'linear' : 'nearest',
  };
}

function gradientState(
  texture: Texture,
  { descriptor: s }: Sampler,
  { derivatives, dimension, lodBiasDisable, lodClampDisable }: TextureKind,
): FilterState {
  const filters = {
    magnify: 'nearest',
    minify: 'nearest',
    mipmap: 'none',
    cutoff: 0,
    wrap: [],
    offset: false,
  } as const;
  return {
    ...filters,
    lod: derivatives ? 'derivatives' : 'query',
    query: { bias: !lodBiasDisable, clamp: !lodClampDisable },
    anisotropic: !derivatives && dimension !== 'cube' && isAnisotropic(texture, s),
    normalized: s.normalizedCoordinates,
    rounds: false,
  };
}

function fetchState({ offset }: TextureKind): FilterState {
  const filters = { magnify: 'fetch', minify: 'fetch', mipmap: 'none' } as const;
  return {
    lod: offset ? 'fetched' : 'first',
    anisotropic: false,
    ...filters,
    cutoff: 0,
    normalized: false,
    rounds: false,
    wrap: [],
    offset,
  };
}

function texelState(
  texture: Texture,
  sampler: Sampler | undefined,
  planes: readonly PlaneValues[],
  wrap: readonly number[],
  { shadow: compares, operation, component, dimension }: TextureKind,
): TexelState | undefined {
  const { yuv } = texture;
  const [layout, ...others] = planes.map(yuv ? lumaOf : (plane) => layoutOf(plane, texture.srgb));
  const chroma = yuv && yuvLayout(yuv, planes.length);
  const shadow = compares && operation !== 'fetch' && sampler !== undefined;
  if (!layout || (yuv && !chroma) || (texture.integer && shadow)) return undefined;
  if (layout.interchange !== undefined) {
    const { width, height } = texture.descriptor;
    if (layout.interchange !== texture.format.index || Math.max(width, height) > MOST_TEXELS) return undefined;
  }
  if (!others.every((other) => other !== undefined && sameLayout(other, layout))) return undefined;
  const linear = texture.srgb && !sampler?.descriptor.srgbOverride;
  const sources: readonly (ChannelSource | undefined)[] = yuv
    ? YUV_SOURCES
    : [0, 1, 2, 3].map((i) => sourceOf(texture, i, layout, linear && i < 3));
  if (sources.includes(undefined)) return undefined;
  const rgba = sources as ChannelSource[];
  const compared: ChannelSource[] = [{ kind: 'compared' }, constant(0), constant(0), constant(1)];
  const border = wrap.some(hasBorder);
  const seamless = dimension === 'cube' && sampler?.descriptor.seamlessCubeMap === true;
  const shown = [0, 1, 2, 3].map((i): [ChannelSource, number | undefined] => {
    const from = texture.shows(i);
    if (from === SWIZZLE_ZERO) return [constant(0), undefined];
    if (from === SWIZZLE_ONE) return [constant(1), undefined];
    const channel = Math.min(from, 3);
    return shadow ? [compared[channel]!, undefined] : [rgba[channel]!, channel];
  });
  const all = operation === 'gather' ? gathered(shown, shadow, component) : shown;
  return {
    layout: layout.texels,
    yuv: chroma,
    integer: texture.integer,
    channels: all.map(([channel]) => channel),
    borders: border ? all.map(([, from]) => from) : undefined,
    compare: shadow
      ? { func: sampler.descriptor.compareFunction, channel: rgba[0]!, clamps: texture.clampsReference }
      : undefined,
    bytes: texture.isBytes && !linear && !shadow && !border && !seamless,
  };
}

/** The one channel that is gathered. */
function gathered(
  shown: readonly [ChannelSource, number | undefined][],
  shadow: boolean,
  component: number,
): readonly [ChannelSource, number | undefined][] {
  const one: [ChannelSource, number | undefined] = shadow ? [{ kind: 'compared' }, undefined] : shown[component]!;
  return [one];
}

const WORD_BYTES = 4;

interface Layout {
  readonly texels: TexelLayout;
  /** What is taken of a texel in memory, if not all of it as it stands. */
  readonly components?: readonly Component[] | undefined;
  /** The pixel format that it must be read as. */
  readonly interchange?: number;
}

/** Components are the same where they are those of one mode or clump format. */
const sameLayout = (a: Layout, b: Layout): boolean =>
  a.components === b.components &&
  a.interchange === b.interchange &&
  a.texels.kind === b.texels.kind &&
  a.texels.bytes === b.texels.bytes &&
  a.texels.superblock === b.texels.superblock &&
  a.texels.tiledHeaders === b.texels.tiledHeaders &&
  // Blocks are seldom, and have fields of their own.
  JSON.stringify(a.texels.block) === JSON.stringify(b.texels.block);

/** How a plane's texels lie, and what is to be picked out of them; undefined where emitted code does not know them. */
function layoutOf(plane: PlaneValues, srgb: boolean): Layout | undefined {
  const none = { superblock: 0, tiledHeaders: false };
  if (plane.planeType === PLANE_TYPE.AFBC) {
    const mode = AFBC_MODES.get(plane.afbcCompressionMode);
    const superblock = AFBC_WIDTH[plane.afbcSuperblockSize];
    // One colour is kept in eight bytes.
    if (!mode || !superblock || mode.bytes > 8 || plane.rowStride % AFBC_HEADER_BYTES !== 0) return undefined;
    const texels = { kind: 'afbc', bytes: mode.bytes, superblock, tiledHeaders: plane.afbcTiledHeader } as const;
    return { texels, components: mode.components };
  }
  if (plane.planeType === PLANE_TYPE.ASTC_2D) {
    const codec = astcCodec(plane, srgb);
    return typeof codec === 'string' ? undefined : blocksOf(plane, codec);
  }
  const clump = CLUMP_FORMATS.get(plane.clumpFormat);
  if (plane.planeType !== PLANE_TYPE.GENERIC || !clump) return undefined;
  const codec = BLOCK_CODECS.get(plane.clumpFormat);
  if (codec) return blocksOf(plane, codec);
  if (clump.width !== 1) return undefined;
  const { bytes, components } = clump;
  switch (plane.clumpOrdering) {
    case CLUMP_ORDERING.LINEAR:
      return { texels: { kind: 'linear', bytes, ...none }, components };
    case CLUMP_ORDERING.TILED_U_INTERLEAVED:
      return { texels: { kind: 'tiled', bytes, ...none }, components };
    default:
      return undefined;
  }
}

function blocksOf({ clumpOrdering }: PlaneValues, codec: BlockCodec): Layout | undefined {
  const shape = blockShape(codec);
  const tiled = clumpOrdering === CLUMP_ORDERING.TILED_U_INTERLEAVED;
  if (!shape || (!tiled && clumpOrdering !== CLUMP_ORDERING.LINEAR)) return undefined;
  const bytes = shape.words * WORD_BYTES;
  const texels = { kind: 'blocks', bytes, superblock: 0, tiledHeaders: false, block: { ...shape, tiled } } as const;
  return { texels, interchange: codec.interchange };
}

const constant = (value: number): ChannelSource => ({ kind: 'constant', value });
const YUV_SOURCES: readonly ChannelSource[] = [
  ...[0, 1, 2].map((component) => ({ kind: 'yuv', component }) as const),
  constant(1),
];

/** The layout of a YUV texture's luma: rows of bytes. */
function lumaOf({ planeType, clumpOrdering }: PlaneValues): ReturnType<typeof layoutOf> {
  if (planeType !== PLANE_TYPE.GENERIC || clumpOrdering !== CLUMP_ORDERING.LINEAR) return undefined;
  return { texels: { kind: 'linear', bytes: 1, superblock: 0, tiledHeaders: false } };
}

/** How chroma lies in planes of bytes; undefined where no emitted code knows it. */
function yuvLayout({ format, word }: YuvTexture, levels: number): YuvLayout | undefined {
  const replicated = word.siting === YUV_SITING.REPLICATED;
  const centred = YUV_CENTRED.get(word.siting);
  const swapped = word.swizzle === YUV_SWIZZLE.YVUA;
  if (levels !== 1 || format.planes !== 2 || format.bits !== 8 || word.swap) return undefined;
  if ((!centred && !replicated) || (!swapped && word.swizzle !== YUV_SWIZZLE.YUVA)) return undefined;
  const { x, y } = centred ?? { x: false, y: false };
  return { replicated, centredX: x, centredY: y, rows: format.rows, swapped, separate: format.separate };
}

/** The first bit of a channel in memory; 'nowhere' if memory has nothing of it, which is zero; undefined if it has a part. */
function placeOf({ at, bits }: Channel, { texels, components }: Layout): number | 'nowhere' | undefined {
  const all = components ?? [{ from: 0, to: 0, bits: 8 * texels.bytes }];
  const whole = all.find((part) => part.to <= at && at + bits <= part.to + part.bits);
  if (whole) return at - whole.to + whole.from;
  return all.some((part) => part.to < at + bits && at < part.to + part.bits) ? undefined : 'nowhere';
}

/** Where R, G, B or A of a texel lies; undefined where no emitted code decodes it. */
function sourceOf(texture: Texture, i: number, layout: Layout, srgb: boolean): ChannelSource | undefined {
  const from = texture.order[i]!;
  if (from >= 4) return constant(from === ONE ? 1 : 0);
  const { channels } = texture.format;
  const channel = channels[from];
  if (!channel) return undefined;
  // Stencil alone has no depth.
  if (channel.bits === 0) return constant(0);
  const { type, bits } = channel;
  const at = placeOf(channel, layout);
  if (at === undefined || (srgb && (type !== 'unorm' || bits !== 8))) return undefined;
  if (type === 'mantissa' || type === 'exponent') {
    const exponent = channels.find((other) => other.type === 'exponent');
    const moved = [channel, exponent].some((other) => other && placeOf(other, layout) !== other.at);
    return type === 'exponent' || moved
      ? undefined
      : exponent && { kind: type, at: channel.at, bits, exponent: exponent.at };
  }
  if (at === 'nowhere') return constant(0);
  if ((at & 31) + bits > 32) return undefined;
  switch (type) {
    case 'unorm':
      return bits <= 24 ? { kind: srgb ? 'srgb' : 'unorm', at, bits } : undefined;
    case 'snorm':
      return bits <= 16 ? { kind: 'snorm', at, bits } : undefined;
    default:
      return { kind: type, at, bits };
  }
}
