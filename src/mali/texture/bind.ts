/**
 * Binding: finds the emitted sampler for a texture and a sampler, and puts what it must know of them into scratch memory.
 *
 * A binding holds physical addresses, so it is good for one generation of the address space alone. It is made only where every
 * page of every level may be read and the level lies in one piece; whatever else a texture can be (compressed, integers,
 * borders …) is the script sampler's.
 */
import { AFBC_MODES, type Channel, CLUMP_FORMATS, ONE } from '../../abi/formats.ts';
import {
  CLUMP_ORDERING,
  LOD_ALGORITHM,
  MIPMAP_MODE,
  PLANE_TYPE,
  Plane,
  REDUCTION,
  SWIZZLE_ONE,
  SWIZZLE_ZERO,
  TEXTURE_DIMENSION,
  WRAP,
} from '../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, AFBC_TILE, afbcBodyBytes } from '../../board/image/afbc.ts';
import { U_TILE, U_TILE_PIXELS } from '../../board/image/u-interleaved.ts';
import type { VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import type { TextureCall, TextureKind } from '../shader/contract.ts';
import { BLOCK_CODECS } from './compressed/codec.ts';
import { type EmittedSampler, emitSampler } from './emit.ts';
import { LEVEL, RECORD, type TexelLayout } from './emit-address.ts';
import { type SamplerState, wrapIsEmitted } from './emit-filter.ts';
import type { ChannelSource } from './emit-texel.ts';
import { LOD_ONE } from './lod.ts';
import type { Sampler } from './sampler.ts';
import { AFBC_WIDTH } from './surface.ts';
import type { Texture } from './texture.ts';

export interface Binding extends TextureCall {
  readonly run: EmittedSampler;
}

const WASM_PAGE = 65536;
/** A texel is loaded in whole words, which may reach beyond it. */
const OVERREACH = 3;

const modules = new Map<string, WebAssembly.Module>();
const instances = new WeakMap<PhysicalMemory, Map<string, EmittedSampler>>();

/** The sampler of a state: its code is shared by all machines, an instance belongs to one DRAM. */
function samplerOf(state: SamplerState, dram: PhysicalMemory): EmittedSampler {
  const key = JSON.stringify(state);
  let known = instances.get(dram);
  if (!known) {
    known = new Map();
    instances.set(dram, known);
  }
  const made = known.get(key);
  if (made) return made;
  const pages = dram.size / WASM_PAGE;
  const moduleKey = `${pages} ${key}`;
  const module = modules.get(moduleKey) ?? new WebAssembly.Module(emitSampler(state, pages));
  modules.set(moduleKey, module);
  const { exports } = new WebAssembly.Instance(module, { e: { scratch: scratch.memory, dram: dram.memory } });
  const run = exports.sample as EmittedSampler;
  known.set(key, run);
  return run;
}

/** The emitted sampler for these, or undefined where the script has to do it. Throws nothing and latches no fault. */
export function bind(
  memory: VirtualMemory,
  texture: Texture,
  sampler: Sampler | undefined,
  kind: TextureKind,
): Binding | undefined {
  const { levels, surfaces } = texture.descriptor;
  const { operation, dimension, array, offset } = kind;
  const fetch = operation === 'fetch';
  if (dimension !== '2d' || array) return undefined;
  if (!fetch && (operation !== 'single' || offset)) return undefined;
  const filters = fetch ? fetchState(texture, kind) : sampler && filterState(texture, sampler, kind);
  if (!filters || !inOnePiece(memory, surfaces, levels * Plane.size)) return undefined;
  const planes = Array.from({ length: levels }, (_, level) => memory.decode(Plane, surfaces + level * Plane.size));
  const texels = texelState(texture, sampler, planes, kind);
  if (!texels) return undefined;
  const places: Place[] = [];
  for (const [level, plane] of planes.entries()) {
    const place = placeOf(memory, texture, plane, level, texels);
    if (!place) return undefined;
    places.push(place);
  }
  const run = samplerOf({ ...filters, ...texels }, memory.dram);
  const binding = {
    run,
    slot: functionTable.slotOf(run),
    record: 0,
    result: !texture.integer ? 'float' : texture.signed ? 'sint' : 'uint',
  } satisfies Binding;
  binding.record = scratch.owned(binding, RECORD.levels + levels * LEVEL.bytes);
  writeRecord(binding.record, texture, sampler, places);
  return binding;
}

type FilterState = Pick<SamplerState, 'lod' | 'magnify' | 'minify' | 'cutoff' | 'mipmap' | 'normalized' | 'wrap'>;
type TexelState = Pick<SamplerState, 'layout' | 'channels' | 'compare' | 'integer'>;

function filterState(texture: Texture, sampler: Sampler, { lodMode }: TextureKind): FilterState | undefined {
  const s = sampler.descriptor;
  const { dimension, levels } = texture.descriptor;
  if (dimension !== TEXTURE_DIMENSION.D2 || !wrapIsEmitted(s.wrapS) || !wrapIsEmitted(s.wrapT)) return undefined;
  const clamped = s.wrapS === WRAP.CLAMP_TO_EDGE && s.wrapT === WRAP.CLAMP_TO_EDGE;
  if (!s.normalizedCoordinates && !clamped) return undefined;
  if (s.reductionMode !== REDUCTION.AVERAGE) return undefined;
  const computed = lodMode === 'computed' || lodMode === 'computed_bias';
  if (computed && s.lodAlgorithm === LOD_ALGORITHM.ANISOTROPIC && s.maximumAnisotropy > 1) return undefined;
  // Integers are not mixed.
  const magnify = s.magnifyNearest || texture.integer ? 'nearest' : 'linear';
  const minify = s.minifyNearest || texture.integer ? 'nearest' : 'linear';
  const mixes = s.mipmapMode === MIPMAP_MODE.TRILINEAR && !texture.integer;
  const plain = levels === 1 || s.mipmapMode === MIPMAP_MODE.NONE;
  const lods = {
    zero: 'zero',
    computed: 'footprint',
    computed_bias: 'biased',
    explicit: 'given',
    grdesc: 'given',
  } as const;
  return {
    lod: plain && magnify === minify ? 'none' : lods[lodMode],
    magnify,
    minify,
    cutoff: s.magnifyCutoff ? LOD_ONE / 2 : 0,
    mipmap: plain ? 'none' : mixes ? 'linear' : 'nearest',
    normalized: s.normalizedCoordinates,
    wrap: [s.wrapS, s.wrapT],
  };
}

function fetchState(texture: Texture, { offset }: TextureKind): FilterState | undefined {
  const { dimension, sampleCount } = texture.descriptor;
  if (dimension !== TEXTURE_DIMENSION.D2 || sampleCount !== 1) return undefined;
  const edge = WRAP.CLAMP_TO_EDGE;
  const filters = { magnify: 'fetch', minify: 'fetch', mipmap: 'none' } as const;
  return { lod: offset ? 'fetched' : 'first', ...filters, cutoff: 0, normalized: false, wrap: [edge, edge] };
}

function texelState(
  texture: Texture,
  sampler: Sampler | undefined,
  planes: readonly Infer<typeof Plane>[],
  { shadow }: TextureKind,
): TexelState | undefined {
  const [layout, ...others] = planes.map(layoutOf);
  if (!layout || texture.yuv || (texture.integer && (layout.select || shadow))) return undefined;
  const key = JSON.stringify(layout);
  if (others.some((other) => JSON.stringify(other) !== key)) return undefined;
  const linear = texture.srgb && !sampler?.descriptor.srgbOverride;
  const sources = [0, 1, 2, 3].map((i) => sourceOf(texture, i, layout.select, linear && i < 3));
  if (sources.includes(undefined)) return undefined;
  const rgba = sources as ChannelSource[];
  const compared: ChannelSource[] = [{ kind: 'compared' }, constant(0), constant(0), constant(1)];
  const channels = [0, 1, 2, 3].map((i): ChannelSource => {
    const from = texture.shows(i);
    if (from === SWIZZLE_ZERO) return constant(0);
    if (from === SWIZZLE_ONE) return constant(1);
    return (shadow ? compared : rgba)[Math.min(from, 3)]!;
  });
  return {
    layout: layout.texels,
    integer: texture.integer,
    channels,
    compare: shadow && sampler ? { func: sampler.descriptor.compareFunction, channel: rgba[0]! } : undefined,
  };
}

/** How a plane's texels lie, and what is to be picked out of them; undefined where emitted code does not know them. */
function layoutOf(plane: Infer<typeof Plane>): { texels: TexelLayout; select: Channel | undefined } | undefined {
  const none = { superblock: 0, tiledHeaders: false };
  if (plane.planeType === PLANE_TYPE.AFBC) {
    const mode = AFBC_MODES.get(plane.afbcCompressionMode);
    const superblock = AFBC_WIDTH[plane.afbcSuperblockSize];
    // One colour is kept in eight bytes.
    if (!mode || !superblock || mode.bytes > 8 || plane.rowStride % AFBC_HEADER_BYTES !== 0) return undefined;
    const texels = { kind: 'afbc', bytes: mode.bytes, superblock, tiledHeaders: plane.afbcTiledHeader } as const;
    return { texels, select: mode.select };
  }
  const clump = CLUMP_FORMATS.get(plane.clumpFormat);
  if (plane.planeType !== PLANE_TYPE.GENERIC || clump?.width !== 1 || BLOCK_CODECS.has(plane.clumpFormat)) {
    return undefined;
  }
  const { bytes, select } = clump;
  switch (plane.clumpOrdering) {
    case CLUMP_ORDERING.LINEAR:
      return { texels: { kind: 'linear', bytes, ...none }, select };
    case CLUMP_ORDERING.TILED_U_INTERLEAVED:
      return { texels: { kind: 'tiled', bytes, ...none }, select };
    default:
      return undefined;
  }
}

const constant = (value: number): ChannelSource => ({ kind: 'constant', value });

/** Where R, G, B or A of a texel lies; undefined where no emitted code decodes it. */
function sourceOf(texture: Texture, i: number, select: Channel | undefined, srgb: boolean): ChannelSource | undefined {
  const from = texture.order[i]!;
  if (from >= 4) return constant(from === ONE ? 1 : 0);
  const channel = select && from === 0 ? select : texture.format.channels[from];
  if (!channel || (select && from !== 0)) return undefined;
  const { type, at, bits } = channel;
  if ((at & 31) + bits > 32) return undefined;
  if (type === 'float') return srgb ? undefined : { kind: 'float', at, bits };
  if (type === 'uint' || type === 'sint') return texture.format.kind === type ? { kind: type, at, bits } : undefined;
  if (type !== 'unorm' || bits > 24 || (srgb && bits !== 8)) return undefined;
  return { kind: srgb ? 'srgb' : 'unorm', at, bits };
}

interface Place {
  readonly physical: number;
  readonly rowStride: number;
  readonly size: number;
}

function placeOf(
  memory: VirtualMemory,
  texture: Texture,
  { pointer, rowStride, size: surfaceSize }: Infer<typeof Plane>,
  level: number,
  { layout }: TexelState,
): Place | undefined {
  const used = bytesOf(layout, texture.width(level), texture.height(level), rowStride);
  const body = layout.kind === 'afbc' ? surfaceSize : 0;
  if (layout.kind === 'afbc' && body < afbcBodyBytes(layout.bytes)) return undefined;
  const size = Math.max(used, body);
  const physical = inOnePiece(memory, pointer, size);
  if (physical === undefined || physical + size + OVERREACH > memory.dram.size) return undefined;
  return { physical, rowStride, size: body };
}

/** Bytes from a level's address to its last texel's end, or to its last header's. */
function bytesOf(layout: TexelLayout, width: number, height: number, rowStride: number): number {
  const rows = (unit: number): number => (Math.ceil(height / unit) - 1) * rowStride;
  const { bytes, superblock } = layout;
  switch (layout.kind) {
    case 'linear':
      return rows(1) + width * bytes;
    case 'tiled':
      return rows(U_TILE) + Math.ceil(width / U_TILE) * U_TILE_PIXELS * bytes;
    case 'afbc': {
      const across = Math.ceil(width / superblock);
      const blockHeight = AFBC_PIXELS / superblock;
      if (!layout.tiledHeaders) return rows(blockHeight) + across * AFBC_HEADER_BYTES;
      const tiles = Math.ceil(across / AFBC_TILE) * AFBC_TILE * AFBC_TILE;
      return rows(blockHeight * AFBC_TILE) + tiles * AFBC_HEADER_BYTES;
    }
  }
}

/** Pieces that have been looked up in a generation of an address space: sizes and physical addresses. */
interface Pieces {
  generation: number;
  readonly known: Map<number, readonly [size: number, physical: number]>;
}
const pieces = new WeakMap<VirtualMemory, Pieces>();

/** The physical address of [va, va + size) if all of it may be read and lies in one piece. */
function inOnePiece(memory: VirtualMemory, va: number, size: number): number | undefined {
  let of = pieces.get(memory);
  if (!of) {
    of = { generation: -1, known: new Map() };
    pieces.set(memory, of);
  }
  if (of.generation !== memory.generation) {
    of.generation = memory.generation;
    of.known.clear();
  }
  const known = of.known.get(va);
  if (known && known[0] >= size) return known[1];
  if (size > memory.dram.size) return undefined;
  let physical: number | undefined;
  for (let at = va; at < va + size; ) {
    const extent = memory.extent(at, 'read');
    if (!extent) return undefined;
    const here = extent.physical + (at - extent.start);
    physical ??= here;
    if (here !== physical + (at - va)) return undefined;
    at = extent.start + extent.size;
  }
  if (physical !== undefined) of.known.set(va, [size, physical]);
  return physical;
}

function writeRecord(at: number, texture: Texture, sampler: Sampler | undefined, places: readonly Place[]): void {
  const { i32, f32 } = scratch;
  const { levels } = texture.descriptor;
  i32[(at + RECORD.lastLod) / 4] = (levels - 1) * LOD_ONE;
  if (sampler) {
    const { minimumLod, maximumLod, normalizedCoordinates } = sampler.descriptor;
    i32[(at + RECORD.bias) / 4] = sampler.bias;
    i32[(at + RECORD.minimumLod) / 4] = Math.max(minimumLod, texture.descriptor.minimumLod);
    i32[(at + RECORD.maximumLod) / 4] = Math.min(maximumLod, texture.descriptor.maximumLod);
    f32[(at + RECORD.scaleX) / 4] = normalizedCoordinates ? texture.width(0) : 1;
    f32[(at + RECORD.scaleY) / 4] = normalizedCoordinates ? texture.height(0) : 1;
  }
  i32[(at + RECORD.failed) / 4] = 0;
  places.forEach(({ physical, rowStride, size }, level) => {
    const record = at + RECORD.levels + level * LEVEL.bytes;
    i32[(record + LEVEL.base) / 4] = physical;
    i32[(record + LEVEL.rowStride) / 4] = rowStride;
    i32[(record + LEVEL.size) / 4] = size;
    i32[(record + LEVEL.width) / 4] = texture.width(level);
    i32[(record + LEVEL.height) / 4] = texture.height(level);
    f32[(record + LEVEL.widthFloat) / 4] = texture.width(level);
    f32[(record + LEVEL.heightFloat) / 4] = texture.height(level);
  });
}
