/**
 * A surface of compressed blocks: finds the block of a texel, decodes it when it is first asked for, and keeps the last few.
 *
 * Blocks lie in rows, or in u-interleaved tiles of 4×4 blocks whatever their size. A slice of a 3D texture is a layer of
 * blocks. Kept blocks sit in a small table by their position, so a bilinear footprint at the corner of four finds all.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_texture.c`, `pan_layout.c` (panfrost_u_interleaved_tile_size).
 */
import { CLUMP_ORDERING, type Plane } from '../../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../../abi/layout.ts';
import { uInterleavedBlockOffset } from '../../../board/image/u-interleaved.ts';
import type { VirtualMemory } from '../../contract.ts';
import type { Surface } from '../surface.ts';
import type { BlockCodec } from './codec.ts';

const MAX_WORDS = 4;
/** Kept blocks: 8×8 of a flat surface, 4×4×4 of a deep one. */
const KEPT = 64;
const FLAT_BITS = 3;
const DEEP_BITS = 2;

/** Opens a plane whose blocks `codec` decodes. Undefined if its ordering is unknown. */
export function blockSurface(
  memory: VirtualMemory,
  plane: Infer<typeof Plane>,
  codec: BlockCodec,
): Surface | undefined {
  const { width, height, depth, bytes, texelWords } = codec;
  const { pointer, rowStride, sliceStride, clumpOrdering } = plane;
  const tiled = clumpOrdering === CLUMP_ORDERING.TILED_U_INTERLEAVED;
  if (!tiled && clumpOrdering !== CLUMP_ORDERING.LINEAR) return undefined;
  const bits = depth > 1 ? DEEP_BITS : FLAT_BITS;
  const mask = (1 << bits) - 1;
  const block = new Uint32Array(MAX_WORDS);
  const words = bytes / block.BYTES_PER_ELEMENT;
  const kept: Uint32Array[] = [];
  const keptAt = new Float64Array(KEPT).fill(-1);

  const texels = (bx: number, by: number, bz: number): Uint32Array => {
    const offset = tiled ? uInterleavedBlockOffset(bx, by, bytes, rowStride) : by * rowStride + bx * bytes;
    const address = pointer + bz * sliceStride + offset;
    const slot = (bx & mask) | ((by & mask) << bits) | (depth > 1 ? (bz & mask) << (2 * bits) : 0);
    let decoded = kept[slot];
    if (decoded && keptAt[slot] === address) return decoded;
    for (let i = 0; i < words; i++) block[i] = memory.load32(address + i * block.BYTES_PER_ELEMENT);
    if (!decoded) {
      decoded = new Uint32Array(width * height * depth * texelWords);
      kept[slot] = decoded;
    }
    codec.decode(block, decoded);
    keptAt[slot] = address;
    return decoded;
  };

  return {
    interchange: codec.interchange,
    address: () => 0,
    fetch(x, y, slice, out) {
      const bx = Math.floor(x / width);
      const by = Math.floor(y / height);
      const bz = depth > 1 ? Math.floor(slice / depth) : slice;
      const decoded = texels(bx, by, bz);
      const z = depth > 1 ? slice - bz * depth : 0;
      const at = ((z * height + (y - by * height)) * width + (x - bx * width)) * texelWords;
      out[0] = decoded[at]!;
      if (texelWords > 1) out[1] = decoded[at + 1]!;
    },
  };
}
