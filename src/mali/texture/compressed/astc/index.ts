/**
 * ASTC planes: which decoder a plane descriptor asks for.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_texture.c` (panfrost_emit_plane), `genxml/v10.xml` (Plane ASTC Overlay).
 */
import { ASTC_2D_DIMENSION, ASTC_3D_DIMENSION, ASTC_BLOCK_BYTES } from '../../../../abi/blocks/astc.ts';
import { PIXEL_FORMAT } from '../../../../abi/formats.ts';
import { PLANE_TYPE, type Plane } from '../../../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../../../abi/layout.ts';
import type { BlockCodec } from '../codec.ts';
import { AstcDecoder } from './decoder.ts';
import type { OutputKind } from './output.ts';

/** Decoders that have been asked for; they keep what they have worked out. */
const codecs = new Map<string, BlockCodec>();

/** The codec of an ASTC plane of a texture that is sRGB or not, or what is wrong with the plane. */
export function astcCodec(plane: Infer<typeof Plane>, srgb: boolean): BlockCodec | string {
  const deep = plane.planeType === PLANE_TYPE.ASTC_3D;
  const width = deep ? ASTC_3D_DIMENSION[plane.astc3dBlockWidth] : ASTC_2D_DIMENSION[plane.astc2dBlockWidth];
  const height = deep ? ASTC_3D_DIMENSION[plane.astc3dBlockHeight] : ASTC_2D_DIMENSION[plane.astc2dBlockHeight];
  const depth = deep ? ASTC_3D_DIMENSION[plane.astc3dBlockDepth] : 1;
  if (!width || !height || !depth) {
    return `ASTC block dimensions ${plane.astc2dBlockWidth} and ${plane.astc2dBlockHeight} are unknown`;
  }
  if (plane.astcDecodeHdr && !plane.astcDecodeWide) return 'ASTC is to be decoded as HDR, but not wide';
  const narrow = srgb ? 'srgb' : 'narrow';
  const kind: OutputKind = plane.astcDecodeHdr ? 'hdr' : plane.astcDecodeWide ? 'wide' : narrow;
  const name = `ASTC ${width}x${height}${deep ? `x${depth}` : ''} ${kind}`;
  let codec = codecs.get(name);
  if (!codec) {
    const decoder = new AstcDecoder(width, height, depth, kind);
    codec = {
      name,
      width,
      height,
      depth,
      bytes: ASTC_BLOCK_BYTES,
      interchange: plane.astcDecodeWide ? PIXEL_FORMAT.RGBA16F : PIXEL_FORMAT.RGBA8_UNORM,
      texelWords: plane.astcDecodeWide ? 2 : 1,
      decode: (block, texels) => decoder.decode(block, texels),
    };
    codecs.set(name, codec);
  }
  return codec;
}
