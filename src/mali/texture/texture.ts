/**
 * Texture: a texture descriptor made ready to be asked for texels: sizes of its levels, its surfaces, its format.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml`, `pan_texture.c`.
 */
import {
  COMPONENT_ORDER,
  namePixelFormat,
  ONE,
  PIXEL_FORMATS,
  type PixelFormat,
  PixelFormatWord,
  ZERO,
} from '../../abi/formats.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import {
  Plane,
  SWIZZLE_BITS,
  SWIZZLE_ONE,
  SWIZZLE_ZERO,
  TEXTURE_DIMENSION,
  Texture as TextureDescriptor,
} from '../../abi/gpu/texture-descriptors.ts';
import { type Infer, viewOf } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { srgbToLinear, type Unpack, unpacker } from '../format.ts';
import { CUBE_FACES } from './cube.ts';
import { openSurface, type Surface } from './surface.ts';
import { openYuvSurface, type YuvSurface, type YuvTexture, yuvTexture } from './yuv.ts';

/** What the channels of a YUV texel are to the rest of the unit: they come as floats. */
const YUV_CHANNELS: PixelFormat = { name: 'YUV', index: 0, channels: [], bytes: 0, kind: 'float' };

/** What a byte is multiplied by to be a normalized number, and what a sum of two by two bytes in 1/65536 is. */
export const UNORM8_STEP = Math.fround(1 / 255);
export const BYTES_STEP = UNORM8_STEP / 65536;

/** Values of a byte: as a normalized number, and linear if it is an sRGB colour. Behind them stand 0 and 1. */
const UNORM8 = Float32Array.from({ length: 258 }, (_, i) => (i < 256 ? i * UNORM8_STEP : i - 256));
export const SRGB8 = Float32Array.from(UNORM8, (value, i) => (i < 256 ? srgbToLinear(i / 255) : value));
const CONSTANT_0 = 256;

/** A texel or a filtered colour: R, G, B, A. Floats are singles; integers of integer formats may need all 32 bits. */
export type Colour = Float64Array;

// What a call works with, for all textures: no two calls are under way at once.
const texelWords = new Uint32Array(4);
const texelChannels = new Float64Array(4);
const formatWord = viewOf(new Uint8Array(4));

export class Texture {
  readonly descriptor: Infer<typeof TextureDescriptor>;
  /** The descriptor as memory gave it: the same object as long as it says the same. */
  readonly source: object;
  /** What the channels are: floats, or integers that must not be filtered. */
  readonly integer: boolean;
  readonly signed: boolean;
  readonly layers: number;
  readonly #memory: VirtualMemory;
  readonly #surfaces: (Surface | undefined)[] = [];
  readonly yuv: YuvTexture | undefined;
  readonly #yuvSurfaces: (YuvSurface | undefined)[] = [];
  readonly format: PixelFormat;
  readonly #unpack: Unpack;
  readonly order: readonly number[];
  readonly #swizzle: readonly number[];
  readonly srgb: boolean;
  /** Texels are bytes from 0 to 1, the most usual case: where each of R, G, B, A lies in the word, or behind it a constant. */
  readonly #bytes: readonly number[] | undefined;

  constructor(memory: VirtualMemory, address: number) {
    const descriptor = memory.descriptor(TextureDescriptor, address);
    const invalid = (what: string): GpuFault =>
      new GpuFault(EXCEPTION.DATA_INVALID_FAULT, address, `texture descriptor at 0x${address.toString(16)}: ${what}`);
    if (descriptor.type !== DESCRIPTOR_TYPE.TEXTURE) throw invalid(`it is a descriptor of type ${descriptor.type}`);
    formatWord.setUint32(0, descriptor.format, true);
    const { order, index, srgb, bigEndian } = PixelFormatWord.read(formatWord, 0);
    const yuv = yuvTexture(descriptor.format);
    const format = yuv ? YUV_CHANNELS : PIXEL_FORMATS.get(index);
    const components = COMPONENT_ORDER[yuv ? 0 : order];
    if (!format || !components || bigEndian || format.kind === 'tile' || format.kind === 'constant') {
      throw invalid(`format ${namePixelFormat(descriptor.format)} is not implemented`);
    }
    // A layer of two planes counts as two.
    const arraySize = yuv ? Math.ceil(descriptor.arraySize / yuv.format.planes) : descriptor.arraySize;
    this.source = descriptor;
    this.descriptor = { ...descriptor, arraySize };
    this.yuv = yuv;
    this.integer = format.kind === 'uint' || format.kind === 'sint' || format.kind === 'stencil';
    this.signed = format.kind === 'sint';
    this.layers = arraySize * (descriptor.dimension === TEXTURE_DIMENSION.CUBE ? CUBE_FACES : 1);
    this.#memory = memory;
    this.format = format;
    this.#unpack = unpacker(format);
    // A channel that the format does not have reads as 0, alpha as 1.
    const present = (from: number, alpha: boolean): number =>
      from < 4 && from >= format.channels.length ? (alpha ? ONE : ZERO) : from;
    this.order = components.from.map((from, i) => present(from, i === 3));
    this.#swizzle = [0, 1, 2, 3].map((i) => (descriptor.swizzle >>> (i * SWIZZLE_BITS)) & ((1 << SWIZZLE_BITS) - 1));
    this.srgb = srgb;
    const bytewise = format.channels.every(({ type, bits, at }) => type === 'unorm' && bits === 8 && at < 32);
    if (bytewise && !yuv) {
      this.#bytes = this.order.map((from) =>
        from < 4 ? format.channels[from]!.at : from === ONE ? CONSTANT_0 + 1 : CONSTANT_0,
      );
    }
  }

  /** What is compared is fixed point from 0 to 1, so a reference is clamped to that first (OpenGL 3.3, section 3.8.16; Vulkan's Dref). */
  get clampsReference(): boolean {
    return this.yuv === undefined && this.format.channels[this.order[0]!]?.type === 'unorm';
  }

  /** Whether all channels of a texel are bytes from 0 to 1 in one word. */
  get isBytes(): boolean {
    return this.#bytes !== undefined;
  }

  /** Texels of a level along x, y and z. */
  width(level: number): number {
    return Math.max(1, this.descriptor.width >>> level);
  }
  height(level: number): number {
    return Math.max(1, this.descriptor.height >>> level);
  }
  depth(level: number): number {
    return Math.max(1, this.descriptor.depth >>> level);
  }

  /** The surface of a level and layer (for cubes: layer × 6 + face). Both must be inside the texture. */
  surface(level: number, layer: number): Surface {
    if (this.yuv) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        this.descriptor.surfaces,
        `texels of format ${this.yuv.format.name} are spread over planes and have no address`,
      );
    }
    const index = layer * this.descriptor.levels + level;
    let surface = this.#surfaces[index];
    if (!surface) {
      const at = this.descriptor.surfaces + index * Plane.size;
      surface = openSurface(this.#memory, at, this.srgb);
      if (surface.interchange !== undefined && surface.interchange !== this.format.index) {
        throw new GpuFault(
          EXCEPTION.DATA_INVALID_FAULT,
          at,
          `plane descriptor at 0x${at.toString(16)}: its blocks hold ${PIXEL_FORMATS.get(surface.interchange)?.name}, ` +
            `the texture's format is ${this.format.name}`,
        );
      }
      this.#surfaces[index] = surface;
    }
    return surface;
  }

  #yuvSurface(yuv: YuvTexture, level: number, layer: number): YuvSurface {
    const index = layer * this.descriptor.levels + level;
    let surface = this.#yuvSurfaces[index];
    if (!surface) {
      const at = this.descriptor.surfaces + index * yuv.format.planes * Plane.size;
      surface = openYuvSurface(this.#memory, at, yuv, this.width(level), this.height(level));
      this.#yuvSurfaces[index] = surface;
    }
    return surface;
  }

  /**
   * One texel, before the swizzle. `slice` is z of a 3D texture or the sample. `linear`: whether sRGB is decoded. All
   * coordinates are inside the level.
   */
  texel(level: number, layer: number, x: number, y: number, slice: number, linear: boolean, out: Colour): void {
    if (this.yuv) {
      this.#yuvSurface(this.yuv, level, layer).texel(x, y, out);
      return;
    }
    const surface = this.surface(level, layer);
    surface.fetch(x, y, slice, texelWords);
    if (this.#bytes) {
      const word = texelWords[0]!;
      const colours = this.srgb && linear ? SRGB8 : UNORM8;
      const [r, g, b, a] = this.#bytes as readonly [number, number, number, number];
      out[0] = colours[r < CONSTANT_0 ? (word >>> r) & 255 : r]!;
      out[1] = colours[g < CONSTANT_0 ? (word >>> g) & 255 : g]!;
      out[2] = colours[b < CONSTANT_0 ? (word >>> b) & 255 : b]!;
      out[3] = UNORM8[a < CONSTANT_0 ? (word >>> a) & 255 : a]!;
      return;
    }
    const channels = texelChannels;
    this.#unpack(texelWords, channels);
    for (let i = 0; i < 4; i++) {
      const from = this.order[i]!;
      out[i] = from < 4 ? channels[from]! : from === ONE ? 1 : 0;
    }
    if (this.srgb && linear) for (let i = 0; i < 3; i++) out[i] = srgbToLinear(out[i]!);
    if (!this.integer) for (let i = 0; i < 4; i++) out[i] = Math.fround(out[i]!);
  }

  /** Applies the descriptor's swizzle in place. */
  swizzle(colour: Colour): void {
    const [r, g, b, a] = colour;
    const pick = (i: number): number => {
      const from = this.#swizzle[i]!;
      if (from === SWIZZLE_ZERO) return 0;
      if (from === SWIZZLE_ONE) return 1;
      return from === 0 ? r! : from === 1 ? g! : from === 2 ? b! : a!;
    };
    const x = pick(0);
    const y = pick(1);
    const z = pick(2);
    const w = pick(3);
    colour[0] = x;
    colour[1] = y;
    colour[2] = z;
    colour[3] = w;
  }

  /** What swizzled channel `i` shows: one of R, G, B, A, or SWIZZLE_ZERO, SWIZZLE_ONE. */
  shows(i: number): number {
    return this.#swizzle[i]!;
  }
}
