/**
 * YUV surfaces: luma at every texel, chroma at every second one, brought to each texel by linear interpolation.
 *
 * A surface is described by two planes, luma and chroma, or by one whose texels are packed in pairs. Chroma comes as pairs
 * of U and V, or from two places (a plane of type CHROMA_2P). Chroma is interpolated before any filter of the sampler sees
 * the texel, whatever that filter is: how the hardware orders these two steps is not published.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_texture.c` (panfrost_emit_surface, panfrost_clump_format), `pan_format.c`.
 */
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { CLUMP_ORDERING, PLANE_TYPE, Plane } from '../../abi/gpu/texture-descriptors.ts';
import { type Infer, viewOf } from '../../abi/layout.ts';
import {
  YUV_CENTRED,
  YUV_CHANNELS,
  YUV_FORMATS,
  YUV_PAIR_BYTES,
  YUV_PAIR_STEP,
  YUV_PAIRS,
  YUV_SITING,
  type YuvFormat,
  YuvFormatWord,
} from '../../abi/yuv.ts';
import { uInterleavedOffset } from '../../board/image/u-interleaved.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import type { Colour } from './texture.ts';

type PlaneValues = Infer<typeof Plane>;
/** A sample of a plane, as an integer: of luma, or chroma `which` (0: the first in memory). */
type Luma = (x: number, y: number) => number;
type Chroma = (x: number, y: number, which: number) => number;

export interface YuvSurface {
  /** Y, U and V of a texel inside the surface, each in its channel, and 1. */
  texel(x: number, y: number, out: Colour): void;
}

/** What a texture's format word says, if it is that of a YUV format. */
export interface YuvTexture {
  readonly format: YuvFormat;
  readonly word: Infer<typeof YuvFormatWord>;
}

export function yuvTexture(formatWord: number): YuvTexture | undefined {
  const bytes = new DataView(new ArrayBuffer(YuvFormatWord.size));
  bytes.setUint32(0, formatWord, true);
  const word = YuvFormatWord.read(viewOf(new Uint8Array(bytes.buffer)), 0);
  const format = YUV_FORMATS.get(word.index);
  return format && { format, word };
}

/** Opens the planes at `address`. `width` and `height`: texels of the level. Throws GpuFault. */
export function openYuvSurface(
  memory: VirtualMemory,
  address: number,
  { format, word }: YuvTexture,
  width: number,
  height: number,
): YuvSurface {
  const invalid = (what: string): GpuFault =>
    new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      address,
      `plane descriptor at 0x${address.toString(16)}: ${what} in a texture of format ${format.name}`,
    );
  const plane = (i: number, type: number): PlaneValues => {
    const values = memory.decode(Plane, address + i * Plane.size);
    if (values.planeType !== type) throw invalid(`plane ${i} of type ${values.planeType}`);
    if (values.clumpFormat !== format.clump) throw invalid(`clump format ${values.clumpFormat}`);
    return values;
  };
  const replicated = word.siting === YUV_SITING.REPLICATED;
  const centred = YUV_CENTRED.get(word.siting);
  if (!centred && !replicated) throw invalid(`chroma siting ${word.siting} is not implemented`);

  const misplaced = invalid(`swizzle ${word.swizzle}${word.swap ? ' with swap' : ''} is not implemented`);
  const channels = YUV_CHANNELS.get(word.swizzle);
  if (!channels) throw misplaced;

  let luma: Luma;
  let chroma: Chroma;
  if (format.planes === 1) {
    const pair = YUV_PAIRS.find(({ index, swap }) => index === word.index && swap === word.swap);
    if (!pair) throw misplaced;
    const { pointer, rowStride, clumpOrdering } = plane(0, PLANE_TYPE.GENERIC);
    if (clumpOrdering !== CLUMP_ORDERING.LINEAR) throw invalid(`clump ordering ${clumpOrdering} is not implemented`);
    const at = (x: number, y: number): number => pointer + y * rowStride + x * YUV_PAIR_BYTES;
    luma = (x, y) => memory.load8(at(x >>> 1, y) + pair.y + (x & 1) * YUV_PAIR_STEP);
    chroma = (x, y, which) => memory.load8(at(x, y) + (which ? pair.v : pair.u));
  } else {
    if (word.swap) throw misplaced;
    const first = plane(0, PLANE_TYPE.GENERIC);
    luma = planeReader(memory, first, first.pointer, format, 1, invalid);
    const second = plane(1, format.separate ? PLANE_TYPE.CHROMA_2P : PLANE_TYPE.GENERIC);
    if (format.separate) {
      const u = planeReader(memory, second, second.pointer, format, 1, invalid);
      const v = planeReader(memory, second, second.chromaSecondaryPointer, format, 1, invalid);
      chroma = (x, y, which) => (which ? v(x, y) : u(x, y));
    } else {
      const uv = planeReader(memory, second, second.pointer, format, 2, invalid);
      chroma = (x, y, which) => uv(x * 2 + which, y);
    }
  }
  return surface(luma, chroma, channels, format, centred, width, height);
}

/** Reads integers out of a plane whose texels have `channels` of them; x counts channels. */
function planeReader(
  memory: VirtualMemory,
  { rowStride, clumpOrdering }: PlaneValues,
  pointer: number,
  { bits }: YuvFormat,
  channels: 1 | 2,
  invalid: (what: string) => GpuFault,
): Luma {
  if (clumpOrdering === CLUMP_ORDERING.LINEAR) {
    if (bits === 8) return (x, y) => memory.load8(pointer + y * rowStride + x);
    // Ten bits after ten bits; none crosses more than two bytes.
    const mask = (1 << bits) - 1;
    return (x, y) => {
      const bit = x * bits;
      return (memory.load16(pointer + y * rowStride + Math.floor(bit / 8)) >>> (bit % 8)) & mask;
    };
  }
  if (clumpOrdering === CLUMP_ORDERING.TILED_U_INTERLEAVED && bits === 8) {
    return (x, y) => {
      const texel = Math.floor(x / channels);
      return memory.load8(pointer + uInterleavedOffset(texel, y, channels, rowStride) + (x % channels));
    };
  }
  throw invalid(`clump ordering ${clumpOrdering} is not implemented`);
}

function surface(
  luma: Luma,
  chroma: Chroma,
  [yAt, ...uvAt]: readonly [y: number, u: number, v: number],
  { bits, rows }: YuvFormat,
  centred: { readonly x: boolean; readonly y: boolean } | undefined,
  width: number,
  height: number,
): YuvSurface {
  const scale = Math.fround(1 / (2 ** bits - 1));
  const lastX = Math.ceil(width / 2) - 1;
  const lastY = Math.ceil(height / rows) - 1;
  /** Where luma texel `at` lies among chroma samples. */
  const place = (at: number, step: number, centre: boolean): number => {
    if (step === 1) return at;
    if (!centred) return at >>> 1;
    return centre ? at / 2 - 0.25 : at / 2;
  };
  return {
    texel(x, y, out) {
      const cx = place(x, 2, centred?.x ?? false);
      const cy = place(y, rows, centred?.y ?? false);
      const x0 = Math.floor(cx);
      const y0 = Math.floor(cy);
      out[yAt] = Math.fround(luma(x, y) * scale);
      for (let which = 0; which < 2; which++) {
        let sum = 0;
        for (let j = 0; j < 2; j++) {
          const wy = j ? cy - y0 : 1 - (cy - y0);
          if (wy === 0) continue;
          for (let i = 0; i < 2; i++) {
            const wx = i ? cx - x0 : 1 - (cx - x0);
            if (wx === 0) continue;
            const sx = Math.max(0, Math.min(x0 + i, lastX));
            const sy = Math.max(0, Math.min(y0 + j, lastY));
            sum += chroma(sx, sy, which) * wx * wy;
          }
        }
        // A sum of whole sixteenths.
        out[uvAt[which]!] = Math.fround(sum * scale);
      }
      out[3] = 1;
    },
  };
}
