/**
 * Surface: one level and layer of a texture in memory; fetches the bits of one texel.
 *
 * Linear and u-interleaved planes are addressed texel by texel. AFBC planes are decoded a superblock at a time; the last
 * few are kept while a shader run lasts. Planes of compressed blocks are in compressed/.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_texture.c`, `pan_layout.c`.
 */
import { AFBC_MODES, CLUMP_FORMATS, type Component } from '../../abi/formats.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { AFBC_SUPERBLOCK, CLUMP_FORMAT, CLUMP_ORDERING, PLANE_TYPE, Plane } from '../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, AfbcError, afbcDecode, afbcHeaderIndex } from '../../board/image/afbc.ts';
import { U_TILE, U_TILE_PIXELS, uInterleavedOffset } from '../../board/image/u-interleaved.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { channelBits } from '../format.ts';
import type { TexelPlace } from '../shader/contract.ts';
import { astcCodec } from './compressed/astc/index.ts';
import { BLOCK_CODECS, type BlockCodec } from './compressed/codec.ts';
import { blockSurface } from './compressed/surface.ts';

/** The most bytes a texel has. */
const WORDS = 4;
const CACHED_SUPERBLOCKS = 1024;
/** Width of superblocks, in pixels. */
export const AFBC_WIDTH: Readonly<Record<number, number>> = {
  [AFBC_SUPERBLOCK.S16X16]: 16,
  [AFBC_SUPERBLOCK.S32X8]: 32,
  [AFBC_SUPERBLOCK.S64X4]: 64,
};

export interface Surface {
  /** Undefined: its texels have no addresses (AFBC, blocks). */
  readonly texels?: TexelPlace;
  /** Index of the pixel format that its texels come in, where the plane is compressed: the texture must name the same. */
  readonly interchange?: number;
  /** Address of a texel, or 0 if it has none of its own (AFBC, blocks). */
  address(x: number, y: number, slice: number): number;
  /** The texel that the pixel format describes, into `words`; coordinates are inside the surface. */
  fetch(x: number, y: number, slice: number, words: Uint32Array): void;
}

/** Opens the plane at `address`, of a texture that is sRGB or not. `slice` numbers in `fetch` are slices of a 3D texture, or samples. Throws GpuFault. */
export function openSurface(memory: VirtualMemory, address: number, srgb: boolean): Surface {
  const plane = memory.decode(Plane, address);
  switch (plane.planeType) {
    case PLANE_TYPE.NULL:
      return { address: () => 0, fetch: (_x, _y, _slice, words) => words.fill(0) };
    case PLANE_TYPE.GENERIC:
      return generic(memory, address, plane);
    case PLANE_TYPE.ASTC_2D:
    case PLANE_TYPE.ASTC_3D: {
      const codec = astcCodec(plane, srgb);
      if (typeof codec === 'string') throw invalid(address, codec);
      return blocks(memory, address, plane, codec);
    }
    case PLANE_TYPE.AFBC:
      return afbc(memory, address, plane);
    default:
      throw invalid(address, `plane type ${nameOf(PLANE_TYPE, plane.planeType)} is not implemented`);
  }
}

/** "24 (L4A4)" */
const nameOf = (values: Readonly<Record<string, number>>, value: number): string =>
  `${value} (${Object.entries(values).find(([, known]) => known === value)?.[0] ?? 'unknown'})`;

const invalid = (address: number, what: string): GpuFault =>
  new GpuFault(EXCEPTION.DATA_INVALID_FAULT, address, `plane descriptor at 0x${address.toString(16)}: ${what}`);

function generic(memory: VirtualMemory, at: number, plane: Infer<typeof Plane>): Surface {
  const clump = CLUMP_FORMATS.get(plane.clumpFormat);
  if (!clump) throw invalid(at, `clump format ${nameOf(CLUMP_FORMAT, plane.clumpFormat)} is not implemented`);
  const codec = BLOCK_CODECS.get(plane.clumpFormat);
  if (codec) return blocks(memory, at, plane, codec);
  if (clump.width !== 1) throw invalid(at, `clump format ${clump.name} is not implemented`);
  const { bytes, components } = clump;
  const { pointer, rowStride, sliceStride, clumpOrdering } = plane;
  const tiled = clumpOrdering === CLUMP_ORDERING.TILED_U_INTERLEAVED;
  if (!tiled && clumpOrdering !== CLUMP_ORDERING.LINEAR)
    throw invalid(at, `clump ordering ${clumpOrdering} is unknown`);
  const texel = (x: number, y: number): number =>
    tiled ? uInterleavedOffset(x, y, bytes, rowStride) : y * rowStride + x * bytes;
  const furthest = (x: number, y: number, slice: number): number =>
    slice * sliceStride +
    (tiled ? uInterleavedOffset(x | (U_TILE - 1), y, bytes, rowStride) + U_TILE_PIXELS * bytes : texel(x, y));
  const address = (x: number, y: number, slice: number): number => pointer + slice * sliceStride + texel(x, y);
  return {
    texels: { tiled, bytes, pointer, rowStride, sliceStride, furthest },
    address,
    fetch(x, y, slice, words) {
      loadTexel(memory, address(x, y, slice), bytes, words);
      if (components) rearrange(words, components);
    },
  };
}

function blocks(memory: VirtualMemory, at: number, plane: Infer<typeof Plane>, codec: BlockCodec): Surface {
  const surface = blockSurface(memory, plane, codec);
  if (!surface) throw invalid(at, `clump ordering ${plane.clumpOrdering} is unknown`);
  return surface;
}

/** Makes a texel in memory the one that the pixel format describes. */
function rearrange(words: Uint32Array, components: readonly Component[]): void {
  let texel = 0;
  // Of any length: no component goes beyond the first word.
  for (const { from, to, bits } of components) texel |= channelBits({ at: from, bits }, words) << to;
  words.fill(0);
  words[0] = texel;
}

/** Loads up to 16 bytes as little-endian words; the rest is zero. */
function loadTexel(memory: VirtualMemory, at: number, bytes: number, words: Uint32Array): void {
  if (bytes === 4) {
    words[0] = memory.load32(at);
    words.fill(0, 1, WORDS);
    return;
  }
  words.fill(0, 0, WORDS);
  const whole = bytes >>> 2;
  for (let i = 0; i < whole; i++) words[i] = memory.load32(at + i * 4);
  const rest = at + whole * 4;
  if (bytes & 2) words[whole] = memory.load16(rest);
  if (bytes & 1) words[whole]! |= memory.load8(rest + (bytes & 2)) << (8 * (bytes & 2));
}

/** A decoded superblock: its pixels in rows, and the same bytes as words. */
interface Superblock {
  readonly pixels: Uint8Array;
  readonly words: Uint32Array;
}

function afbc(memory: VirtualMemory, at: number, plane: Infer<typeof Plane>): Surface {
  const mode = AFBC_MODES.get(plane.afbcCompressionMode);
  if (!mode) throw invalid(at, `AFBC compression mode ${plane.afbcCompressionMode} is not implemented`);
  const width = AFBC_WIDTH[plane.afbcSuperblockSize];
  if (!width) throw invalid(at, `AFBC superblock size ${plane.afbcSuperblockSize} is unknown`);
  const height = AFBC_PIXELS / width;
  const { bytes, components } = mode;
  const { pointer, rowStride, sliceStride, afbcTiledHeader: tiled, size } = plane;
  const cache = new Map<number, Superblock>();
  // Neighbours come after one another.
  let lastX = -1;
  let lastY = -1;
  let lastSlice = -1;
  let last: Superblock = { pixels: new Uint8Array(0), words: new Uint32Array(0) };
  const superblock = (bx: number, by: number, slice: number): Superblock => {
    const base = pointer + slice * sliceStride;
    const header = base + afbcHeaderIndex(bx, by, rowStride, tiled) * AFBC_HEADER_BYTES;
    const known = cache.get(header);
    if (known) return known;
    const words = new Uint32Array((AFBC_PIXELS * bytes) / 4);
    const pixels = new Uint8Array(words.buffer);
    const read = (offset: number, length: number): Uint8Array => {
      if (offset + length > size) throw new AfbcError(`a body at ${offset} lies outside the surface of ${size} bytes`);
      return memory.read(base + offset, length);
    };
    try {
      afbcDecode(memory.read(header, AFBC_HEADER_BYTES), bytes, read, pixels, width);
    } catch (error) {
      if (error instanceof AfbcError) throw invalid(at, error.message);
      throw error;
    }
    if (cache.size === CACHED_SUPERBLOCKS) cache.delete(cache.keys().next().value as number);
    const made = { pixels, words };
    cache.set(header, made);
    return made;
  };
  return {
    address: () => 0,
    fetch(x, y, slice, words) {
      // Sides are powers of two.
      const bx = (x / width) | 0;
      const by = (y / height) | 0;
      if (bx !== lastX || by !== lastY || slice !== lastSlice) {
        last = superblock(bx, by, slice);
        lastX = bx;
        lastY = by;
        lastSlice = slice;
      }
      const pixel = (y & (height - 1)) * width + (x & (width - 1));
      words.fill(0, 0, WORDS);
      if (bytes === 4) words[0] = last.words[pixel]!;
      else {
        for (let i = 0; i < bytes; i++) words[i >>> 2]! |= last.pixels[pixel * bytes + i]! << ((i & 3) * 8);
      }
      if (components) rearrange(words, components);
    },
  };
}
