/**
 * Binding: finds the emitted sampler for a texture and a sampler, and puts what it must know of them into scratch memory.
 *
 * A binding holds physical addresses, so in another generation of the address space it must be looked at anew (`stays`). It is made
 * only where every page of every level may be read and the level lies in one piece, layers at equal distances.
 */
import { CLUMP_ORDERING, PLANE_TYPE, Plane } from '../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, AFBC_TILE, afbcBodyBytes } from '../../board/image/afbc.ts';
import { U_TILE, U_TILE_PIXELS } from '../../board/image/u-interleaved.ts';
import type { VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place as TablePlace } from '../engine/table.ts';
import type { TextureCall, TextureKind } from '../shader/contract.ts';
import { flatBodies } from './afbc-flat.ts';
import { decodeBlock } from './block-cache.ts';
import { CUBE_FACES } from './cube.ts';
import { type EmittedSampler, emitSampler } from './emit.ts';
import type { TexelLayout } from './emit-address.ts';
import { flatRowStride } from './emit-afbc-flat.ts';
import { FRACTION_BITS } from './emit-axis.ts';
import { BLOCK_TILE } from './emit-blocks.ts';
import { AXIS, LEVEL, RECORD, setInteger, setSingle } from './emit-code.ts';
import type { SamplerState } from './emit-filter.ts';
import type { YuvLayout } from './emit-yuv.ts';
import { LOD_ONE } from './lod.ts';
import { lastLod, type Sampler } from './sampler.ts';
import { samplerState } from './state.ts';
import type { Texture } from './texture.ts';

type PlaneValues = Infer<typeof Plane>;
const ONE = 1 << FRACTION_BITS;

export interface Binding extends TextureCall {
  readonly run: EmittedSampler;
  readonly laid: Laid;
  /** Keeps `slot` this sampler's. */
  readonly place: TablePlace;
}

/** Where a texture lies for instructions of a kind, whatever the sampler. */
export interface Laid {
  /** Planes of the first layer, level by level. */
  readonly planes: readonly PlaneValues[];
  /** By level. */
  readonly places: readonly Place[];
  /** Superblocks' bodies lie in order (afbc-flat.ts). */
  readonly flat: boolean;
  /** Whether what it has seen besides descriptors is still so; undefined: there is nothing. */
  readonly holds: (() => boolean) | undefined;
  /** Whether all that it reads still lies where it did, in another generation of translations. */
  stays(): boolean;
}

const WASM_PAGE = 65536;
/** A texel is loaded in whole words, and sometimes with its neighbour, which may reach beyond it. */
const OVERREACH = 8;

const modules = new Map<string, WebAssembly.Module>();
const instances = new WeakMap<PhysicalMemory, Map<string, EmittedSampler>>();

/** Samplers kept before all are forgotten, and places in the table that they leave to others: states are the guests'. */
const MOST_SAMPLERS = 4096;
const PLACES_LEFT = 16384;

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
  if (modules.size >= MOST_SAMPLERS) modules.clear();
  modules.set(moduleKey, module);
  const { exports } = new WebAssembly.Instance(module, {
    e: { scratch: scratch.memory, dram: dram.memory, decode: decodeBlock(dram) },
  });
  const run = exports.sample as EmittedSampler;
  if (known.size >= MOST_SAMPLERS) known.clear();
  known.set(key, run);
  return run;
}

/** Planes of a texture that are looked at before its sampler is emitted. */
const MOST_PLANES = 4096;

const layersOf = (texture: Texture, kind: TextureKind): number =>
  kind.array ? texture.layers : kind.dimension === 'cube' ? CUBE_FACES : 1;

/** Plane descriptors that a binding depends on, one after the other. */
export const planeCount = (texture: Texture, kind: TextureKind): number =>
  texture.descriptor.levels * layersOf(texture, kind) * (texture.yuv?.format.planes ?? 1);

/**
 * The emitted sampler for these, or undefined where the script has to do it. Throws nothing and latches no fault. `laid`: where the
 * texture lies for instructions of this kind, if that is known from another sampler and still so.
 */
export function bind(
  memory: VirtualMemory,
  texture: Texture,
  sampler: Sampler | undefined,
  kind: TextureKind,
  laid?: Laid,
): Binding | undefined {
  const planes = laid?.planes ?? planesOf(memory, texture, kind);
  const state = planes && samplerState(texture, sampler, planes, kind);
  const where = state && (laid ?? lay(memory, texture, planes, kind, state));
  if (!where || functionTable.room < PLACES_LEFT) return undefined;
  const run = samplerOf(where.flat ? { ...state, layout: { ...state.layout, kind: 'flat' } } : state, memory.dram);
  const place = functionTable.place(run);
  const binding = {
    run,
    place,
    slot: place.slot,
    record: 0,
    laid: where,
    result: kind.operation === 'gradient' ? 'uint' : !texture.integer ? 'float' : texture.signed ? 'sint' : 'uint',
  } satisfies Binding;
  binding.record = scratch.owned(binding, RECORD.levels + texture.descriptor.levels * LEVEL.bytes);
  writeRecord(binding.record, texture, sampler, kind, where.places);
  return binding;
}

/** The planes of the first layer, level by level; undefined where they are not in one piece with all others. */
function planesOf(memory: VirtualMemory, texture: Texture, kind: TextureKind): PlaneValues[] | undefined {
  const { levels, surfaces } = texture.descriptor;
  const count = planeCount(texture, kind);
  if (count > MOST_PLANES || inOnePiece(memory, surfaces, count * Plane.size) === undefined) return undefined;
  return Array.from({ length: levels }, (_, level) => planeAt(memory, texture, level));
}

const planeAt = (memory: VirtualMemory, { descriptor }: Texture, n: number): PlaneValues =>
  memory.descriptor(Plane, descriptor.surfaces + n * Plane.size);

/** Finds a texture's levels and layers. Of the state it asks for what no sampler changes. */
function lay(
  memory: VirtualMemory,
  texture: Texture,
  planes: readonly PlaneValues[],
  kind: TextureKind,
  state: SamplerState,
): Laid | undefined {
  const { levels } = texture.descriptor;
  const layers = layersOf(texture, kind);
  const pieces = new Pieces(memory);
  const places: Place[] = [];
  for (const [level, values] of planes.entries()) {
    const place = placeOf(pieces, texture, values, level, state);
    if (!place) return undefined;
    places.push(place);
    if (state.yuv) {
      place.chroma = chromaOf(pieces, texture, values, planeAt(memory, texture, 1), state.yuv);
      if (!place.chroma) return undefined;
    }
    if (!state.layered && state.cube === 'none') continue;
    // Layers lie at equal distances, and are all alike.
    let distance = 0;
    for (let layer = 1; layer < layers; layer++) {
      const other = planeAt(memory, texture, layer * levels + level);
      const there = placeOf(pieces, texture, other, level, state);
      if (!there || !alike(values, other)) return undefined;
      if (layer === 1) distance = there.physical - place.physical;
      if (there.physical !== place.physical + layer * distance) return undefined;
      place.size = Math.min(place.size, there.size);
    }
    place.layerStride = distance;
    place.layers = layers;
  }
  const stays = () => pieces.stay();
  if (state.layout.kind !== 'afbc') return { planes, places, flat: false, holds: undefined, stays };
  const levelsOf = headersOf(memory.dram, texture, places, state.layout);
  const firsts = levelsOf();
  if (firsts) flatten(places, firsts, state.layout.bytes);
  // What is not flat may be so next time.
  const holds = () => firsts !== undefined && levelsOf()?.every((first, n) => first === firsts[n]) === true;
  return { planes, places, flat: firsts !== undefined, holds, stays };
}

const SHAPE = (Object.keys(Plane.fields) as (keyof PlaneValues)[]).filter(
  (name) => name !== 'pointer' && name !== 'size',
);

/** Whether two planes are the same but for where they lie. */
const alike = (a: PlaneValues, b: PlaneValues): boolean => SHAPE.every((name) => a[name] === b[name]);

/** What finds each level's first body, if all levels are flat, and all layers like the first: it looks at all headers. */
function headersOf(
  dram: PhysicalMemory,
  texture: Texture,
  places: readonly Place[],
  { superblock, bytes, tiledHeaders: tiled }: TexelLayout,
): () => number[] | undefined {
  const levels = places.map(({ physical, rowStride, size, layers, layerStride }, level) => {
    const across = Math.ceil(texture.width(level) / superblock);
    const down = Math.ceil(texture.height(level) / (AFBC_PIXELS / superblock));
    const headers = Array.from({ length: layers }, (_, layer) => {
      return { physical: physical + layer * layerStride, across, down, rowStride, tiled };
    });
    return { headers, size };
  });
  return () => {
    const firsts: number[] = [];
    for (const { headers, size } of levels) {
      let first: number | undefined;
      for (const layer of headers) {
        const bodies = flatBodies(dram, layer, afbcBodyBytes(bytes), size);
        if (bodies === undefined || (first ?? bodies) !== bodies) return undefined;
        first = bodies;
      }
      firsts.push(first!);
    }
    return firsts;
  };
}

/** Makes places of levels those of their bodies. */
function flatten(places: readonly Place[], firsts: readonly number[], bytes: number): void {
  for (const [level, place] of places.entries()) {
    place.physical += firsts[level]!;
    place.rowStride = flatRowStride(place.rowStride, bytes);
  }
}

interface Place {
  physical: number;
  rowStride: number;
  readonly sliceStride: number;
  /** Of a surface of superblocks, the least of all layers. */
  size: number;
  layers: number;
  layerStride: number;
  chroma?: Chroma | undefined;
}

/** The planes of chroma: physical addresses; `second` only of separate ones. */
interface Chroma {
  readonly first: number;
  readonly second: number;
  readonly rowStride: number;
  readonly lastX: number;
  readonly lastY: number;
}

/** Where chroma lies, if it is rows of bytes that can be read directly; undefined also where the script must find a fault. */
function chromaOf(
  pieces: Pieces,
  texture: Texture,
  luma: PlaneValues,
  plane: PlaneValues,
  { rows, separate }: YuvLayout,
): Chroma | undefined {
  const { clump } = texture.yuv!.format;
  if (plane.planeType !== (separate ? PLANE_TYPE.CHROMA_2P : PLANE_TYPE.GENERIC)) return undefined;
  if (luma.clumpFormat !== clump || plane.clumpFormat !== clump) return undefined;
  if (plane.clumpOrdering !== CLUMP_ORDERING.LINEAR) return undefined;
  const lastX = Math.ceil(texture.width(0) / 2) - 1;
  const lastY = Math.ceil(texture.height(0) / rows) - 1;
  const size = lastY * plane.rowStride + (lastX + 1) * (separate ? 1 : 2);
  const first = pieces.find(plane.pointer, size);
  const second = separate ? pieces.find(plane.chromaSecondaryPointer, size) : 0;
  if (first === undefined || second === undefined) return undefined;
  if (Math.max(first, second) + size + OVERREACH > pieces.memory.dram.size) return undefined;
  return { first, second, rowStride: plane.rowStride, lastX, lastY };
}

function placeOf(
  pieces: Pieces,
  texture: Texture,
  { pointer, rowStride, sliceStride, size: surfaceSize }: PlaneValues,
  level: number,
  { layout, axes, samples }: SamplerState,
): Place | undefined {
  const height = axes > 1 ? texture.height(level) : 1;
  const slices = axes === 3 ? texture.depth(level) : samples ? texture.descriptor.sampleCount : 1;
  if (slices > 1 && sliceStride < 0) return undefined;
  const used = bytesOf(layout, texture.width(level), height, rowStride) + (slices - 1) * sliceStride;
  const body = layout.kind === 'afbc' ? surfaceSize : 0;
  if (layout.kind === 'afbc' && body < afbcBodyBytes(layout.bytes)) return undefined;
  const size = Math.max(used, body);
  const physical = pieces.find(pointer, size);
  if (physical === undefined || physical + size + OVERREACH > pieces.memory.dram.size) return undefined;
  return { physical, rowStride, sliceStride, size: body, layers: 1, layerStride: 0 };
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
    case 'blocks': {
      const { tiled, bytes: size, width: w, height: h } = layout.block!;
      const unit = tiled ? BLOCK_TILE : 1;
      return rows(h * unit) + Math.ceil(width / (w * unit)) * unit ** 2 * size;
    }
    case 'flat':
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
interface Known {
  generation: number;
  readonly pieces: Map<number, readonly [size: number, physical: number]>;
}
const known = new WeakMap<VirtualMemory, Known>();

/** What a binding reads, piece by piece: addresses, sizes and physical addresses one after the other. */
class Pieces {
  readonly memory: VirtualMemory;
  readonly #found: number[] = [];

  constructor(memory: VirtualMemory) {
    this.memory = memory;
  }

  /** As `inOnePiece`. */
  find(va: number, size: number): number | undefined {
    const physical = inOnePiece(this.memory, va, size);
    if (physical !== undefined) this.#found.push(va, size, physical);
    return physical;
  }

  /** Whether all of them are still where they were found. */
  stay(): boolean {
    const found = this.#found;
    for (let i = 0; i < found.length; i += 3) {
      if (inOnePiece(this.memory, found[i]!, found[i + 1]!) !== found[i + 2]) return false;
    }
    return true;
  }
}

/** The physical address of [va, va + size) if all of it may be read and lies in one piece. */
function inOnePiece(memory: VirtualMemory, va: number, size: number): number | undefined {
  let of = known.get(memory);
  if (!of) {
    of = { generation: -1, pieces: new Map() };
    known.set(memory, of);
  }
  if (of.generation !== memory.generation) {
    of.generation = memory.generation;
    of.pieces.clear();
  }
  const piece = of.pieces.get(va);
  if (piece && piece[0] >= size) return piece[1];
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
  if (physical !== undefined) of.pieces.set(va, [size, physical]);
  return physical;
}

/** What levels of detail may not be above, beside the sampler's bound. */
function boundOf(texture: Texture, { operation }: TextureKind): number {
  const { levels, maximumLod } = texture.descriptor;
  if (operation === 'gradient') return maximumLod;
  return operation === 'fetch' ? (levels - 1) * LOD_ONE : lastLod(texture);
}

function writeRecord(
  at: number,
  texture: Texture,
  sampler: Sampler | undefined,
  kind: TextureKind,
  places: readonly Place[],
): void {
  const { arraySize, sampleCount } = texture.descriptor;
  setInteger(at + RECORD.lastLod, boundOf(texture, kind));
  setInteger(at + RECORD.layers, texture.layers);
  setSingle(at + RECORD.lastLayer, arraySize - 1);
  setInteger(at + RECORD.slices, sampleCount);
  setInteger(at + RECORD.failed, 0);
  const normalized = sampler?.descriptor.normalizedCoordinates ?? false;
  const sizes = (level: number): number[] => [texture.width(level), texture.height(level), texture.depth(level)];
  if (sampler) {
    const { minimumLod, maximumLod, borderR, borderG, borderB, borderA } = sampler.descriptor;
    setInteger(at + RECORD.bias, sampler.bias);
    setSingle(at + RECORD.anisotropy, sampler.descriptor.maximumAnisotropy);
    setInteger(at + RECORD.minimumLod, Math.max(minimumLod, texture.descriptor.minimumLod));
    setInteger(at + RECORD.maximumLod, maximumLod);
    for (const [axis, size] of sizes(0).entries()) {
      // Points of a cube go from -1 to 1; those of its faces as layers do not.
      setSingle(
        at + RECORD.scale + 16 * axis,
        kind.dimension === 'cube' ? texture.width(0) / 2 : normalized ? size : 1,
      );
    }
    for (const [n, border] of [borderR, borderG, borderB, borderA].entries()) {
      setSingle(at + RECORD.border + 16 * n, border);
    }
  }
  places.forEach(({ physical, rowStride, sliceStride, layerStride, size, chroma }, level) => {
    const record = at + RECORD.levels + level * LEVEL.bytes;
    setInteger(record + LEVEL.base, physical);
    setInteger(record + LEVEL.rowStride, rowStride);
    setInteger(record + LEVEL.layerStride, layerStride);
    setInteger(record + LEVEL.sliceStride, sliceStride);
    setInteger(record + LEVEL.size, size);
    if (chroma) {
      setInteger(record + LEVEL.chroma, chroma.first);
      setInteger(record + LEVEL.chromaSecond, chroma.second);
      setInteger(record + LEVEL.chromaStride, chroma.rowStride);
      setInteger(record + LEVEL.chromaLastX, chroma.lastX);
      setInteger(record + LEVEL.chromaLastY, chroma.lastY);
    }
    for (const [axis, texels] of sizes(level).entries()) {
      const on = record + LEVEL.axes + axis * AXIS.bytes;
      const scale = normalized ? texels : 1;
      setInteger(on + AXIS.count, texels);
      setInteger(on + AXIS.last, texels - 1);
      setSingle(on + AXIS.size, texels);
      setSingle(on + AXIS.scale256, scale * ONE);
      setSingle(on + AXIS.size256, texels * ONE);
      setSingle(on + AXIS.last256, (texels - 1) * ONE);
    }
  });
}
