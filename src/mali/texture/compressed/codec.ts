/**
 * Block codecs: which decoder a plane's clump format stands for, and in which pixel format its texels come out.
 *
 * On architecture 10 a texture descriptor names only that interchange format; the compression is the plane's affair.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_format.c` (FMTC), `pan_texture.c` (special_clump_formats).
 */
import type { Block } from '../../../abi/blocks/bits.ts';
import { CLUMP_FORMATS, PIXEL_FORMAT } from '../../../abi/formats.ts';
import { CLUMP_FORMAT } from '../../../abi/gpu/texture-descriptors.ts';
import { decodeBc1, decodeBc2, decodeBc3, decodeBc4, decodeBc4Signed, decodeBc5, decodeBc5Signed } from './bc.ts';
import { decodeBc6hSigned, decodeBc6hUnsigned } from './bc6h.ts';
import { decodeBc7 } from './bc7.ts';
import {
  decodeEacR11,
  decodeEacR11Signed,
  decodeEacRg11,
  decodeEacRg11Signed,
  decodeEtc2Rgb8,
  decodeEtc2Rgb8A1,
  decodeEtc2Rgba8,
} from './etc2.ts';

export interface BlockCodec {
  readonly name: string;
  /** Texels of a block along x, y and z. */
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** Bytes of a block: 8 or 16. */
  readonly bytes: number;
  /** Index of the pixel format that decoded texels have. */
  readonly interchange: number;
  /** Words of a decoded texel. */
  readonly texelWords: 1 | 2;
  /** Writes all texels of a block, rows of x within layers of z. */
  decode(block: Block, texels: Uint32Array): void;
}

const BYTES_PER_WORD = 4;

function codec(clump: number, interchange: number, bytes: number, decode: BlockCodec['decode']): [number, BlockCodec] {
  const { name, width, height, bytes: blockBytes } = CLUMP_FORMATS.get(clump)!;
  const texelWords = bytes > BYTES_PER_WORD ? 2 : 1;
  return [clump, { name, width, height, depth: 1, bytes: blockBytes, interchange, texelWords, decode }];
}

const C = CLUMP_FORMAT;
const F = PIXEL_FORMAT;

/** Codecs of 4×4 blocks by clump format. */
export const BLOCK_CODECS: ReadonlyMap<number, BlockCodec> = new Map([
  codec(C.ETC2_RGB8, F.RGBA8_UNORM, 4, decodeEtc2Rgb8),
  codec(C.ETC2_RGB8A1, F.RGBA8_UNORM, 4, decodeEtc2Rgb8A1),
  codec(C.ETC2_RGBA8, F.RGBA8_UNORM, 4, decodeEtc2Rgba8),
  codec(C.ETC2_R11_UNORM, F.R16_UNORM, 2, decodeEacR11),
  codec(C.ETC2_R11_SNORM, F.R16_SNORM, 2, decodeEacR11Signed),
  codec(C.ETC2_RG11_UNORM, F.RG16_UNORM, 4, decodeEacRg11),
  codec(C.ETC2_RG11_SNORM, F.RG16_SNORM, 4, decodeEacRg11Signed),
  codec(C.BC1_UNORM, F.RGBA8_UNORM, 4, decodeBc1),
  codec(C.BC2_UNORM, F.RGBA8_UNORM, 4, decodeBc2),
  codec(C.BC3_UNORM, F.RGBA8_UNORM, 4, decodeBc3),
  codec(C.BC4_UNORM, F.R16_UNORM, 2, decodeBc4),
  codec(C.BC4_SNORM, F.R16_SNORM, 2, decodeBc4Signed),
  codec(C.BC5_UNORM, F.RG16_UNORM, 4, decodeBc5),
  codec(C.BC5_SNORM, F.RG16_SNORM, 4, decodeBc5Signed),
  codec(C.BC6H_UF16, F.RGBA16F, 8, decodeBc6hUnsigned),
  codec(C.BC6H_SF16, F.RGBA16F, 8, decodeBc6hSigned),
  codec(C.BC7_UNORM, F.RGBA8_UNORM, 4, decodeBc7),
]);
