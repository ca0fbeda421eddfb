/**
 * Sampler: wrap modes, filters and comparison of one sampler descriptor, applied to a Texture at a level of detail.
 *
 * Everything is computed in singles, step by step (`fround`), so that emitted samplers (emit.ts) can do the same.
 * A coordinate goes: wrap → texel index or border; filter weights are the fraction of the coordinate. Where the footprint on a
 * seamless cube map reaches beyond a face, it takes the next face's texels; the missing one at a corner is the average of
 * the others.
 * Source: OpenGL ES 3.2 chapter 8.14; Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml` (Sampler), `pan_cmdstream.c`.
 */
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import {
  LOD_ALGORITHM,
  MIPMAP_MODE,
  REDUCTION,
  Sampler as SamplerDescriptor,
  TEXTURE_DIMENSION,
  WRAP,
} from '../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { compare } from '../engine/compare.ts';
import { roundEven } from '../pack.ts';
import { acrossEdge, CUBE_FACES, type CubeTexel } from './cube.ts';
import { LOD_ONE } from './lod.ts';
import { BYTES_STEP, type Colour, type Texture } from './texture.ts';

/** A texel index for a coordinate outside: the border colour. */
export const BORDER = -1;
const CUTOFF = LOD_ONE / 2;
/** Filter weights are in 256ths of a texel. */
const WEIGHT_ONE = 256;
const { fround } = Math;

/** Where to sample: coordinates in texels of level 0's space are `u * width(level)`; layer counts faces for cubes. */
export interface Place {
  u: number;
  v: number;
  w: number;
  layer: number;
  /** Offsets in texels. */
  dx: number;
  dy: number;
  dz: number;
  cube: boolean;
  /** Depth reference, or undefined for no comparison. */
  reference: number | undefined;
}

const mirror = (i: number, size: number): number => {
  const period = 2 * size;
  const at = ((i % period) + period) % period;
  return at < size ? at : period - 1 - at;
};

/** The texel that index `i` of a row of `size` means, or BORDER. */
export function wrap(mode: number, i: number, size: number): number {
  switch (mode) {
    case WRAP.REPEAT:
      return ((i % size) + size) % size;
    case WRAP.MIRRORED_REPEAT:
      return mirror(i, size);
    case WRAP.CLAMP_TO_BORDER:
      return i < 0 || i >= size ? BORDER : i;
    case WRAP.MIRRORED_CLAMP_TO_EDGE:
      return Math.min(i < 0 ? -1 - i : i, size - 1);
    case WRAP.MIRRORED_CLAMP_TO_BORDER: {
      const at = i < 0 ? -1 - i : i;
      return at >= size ? BORDER : at;
    }
    default:
      return Math.max(0, Math.min(i, size - 1));
  }
}

const hasBorder = (mode: number): boolean => mode === WRAP.CLAMP_TO_BORDER || mode === WRAP.MIRRORED_CLAMP_TO_BORDER;

/** Whether a sampler averages several samples of a texture (anisotropy.ts). Integers are not averaged. */
export const isAnisotropic = ({ integer }: Texture, sampler: Infer<typeof SamplerDescriptor>): boolean =>
  sampler.lodAlgorithm === LOD_ALGORITHM.ANISOTROPIC && sampler.maximumAnisotropy > 1 && !integer;

/** The level of detail at which a texture has its last texels. */
export const lastLod = ({ descriptor: { levels, maximumLod } }: Texture): number =>
  Math.min((levels - 1) * LOD_ONE, maximumLod);

/** A filter has a footprint of one texel, of two by two with weights, or of two by two that all count. */
type Filter = 'nearest' | 'linear' | 'gather';

/** The texels of a footprint of two by two: low and high along x and y. */
const CORNERS = 4;

/** Infinite and not-a-number coordinates land at 0 instead of nowhere. */
const finite = (x: number): number => (Number.isFinite(x) ? x : 0);

// What a call works with, for all samplers: no two calls are under way at once.
const border = new Float32Array(4);
const borderUnsigned = new Uint32Array(border.buffer);
const borderSigned = new Int32Array(border.buffer);
const texelOfFootprint: Colour = new Float64Array(4);
const otherLevel: Colour = new Float64Array(4);
const otherRow: Colour = new Float64Array(4);
const otherSlice: Colour = new Float64Array(4);
/** Texels of the footprint along each axis: low, high, and the weight of high. */
const footprint = [new Float64Array(3), new Float64Array(3), new Float64Array(3)] as const;

export class Sampler {
  readonly descriptor: Infer<typeof SamplerDescriptor>;

  constructor(memory: VirtualMemory, address: number) {
    this.descriptor = memory.descriptor(SamplerDescriptor, address);
    if (this.descriptor.type !== DESCRIPTOR_TYPE.SAMPLER) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        address,
        `sampler descriptor at 0x${address.toString(16)}: it is a descriptor of type ${this.descriptor.type}`,
      );
    }
  }

  /** The border colour as it is, or its bits as the integers that integer textures take them for. */
  #showBorder({ integer, signed }: Texture, out: Colour): void {
    const { borderR, borderG, borderB, borderA } = this.descriptor;
    border.set([borderR, borderG, borderB, borderA]);
    out.set(integer ? (signed ? borderSigned : borderUnsigned) : border);
  }

  /** What it adds to levels of detail (lod.ts). */
  get bias(): number {
    return this.descriptor.lodBias;
  }

  /**
   * Clamps a level of detail to what the sampler allows, and to no less than the texture does. That alone decides between the two
   * filters: a texture of a single level is minified, too, and has nothing but level 0 (`lastLod`) for that.
   */
  clampLod(texture: Texture, lod: number): number {
    const { minimumLod, maximumLod } = this.descriptor;
    return Math.min(Math.max(lod, minimumLod, texture.descriptor.minimumLod), maximumLod);
  }

  /** A filtered colour at level of detail `lod` (already clamped), swizzled. */
  sample(texture: Texture, place: Place, lod: number, out: Colour): void {
    const { magnifyCutoff, magnifyNearest, minifyNearest, mipmapMode } = this.descriptor;
    const magnify = lod <= (magnifyCutoff ? CUTOFF : 0);
    const nearest = (magnify ? magnifyNearest : minifyNearest) || texture.integer;
    const last = texture.descriptor.levels - 1;
    const base = Math.max(0, Math.min(lod, lastLod(texture))) / LOD_ONE;
    if (magnify || mipmapMode === MIPMAP_MODE.NONE) this.#filter(texture, place, 0, nearest, out);
    else if (mipmapMode === MIPMAP_MODE.TRILINEAR && !texture.integer) {
      const level = Math.floor(base);
      const fraction = base - level;
      this.#filter(texture, place, level, nearest, out);
      if (fraction > 0 && level < last) {
        const other = otherLevel;
        this.#filter(texture, place, level + 1, nearest, other);
        for (let i = 0; i < 4; i++) out[i] = this.#reduce(out[i]!, other[i]!, fraction);
      }
    } else this.#filter(texture, place, Math.min(last, Math.ceil(base + 0.5) - 1), nearest, out);
    texture.swizzle(out);
  }

  #reduce(a: number, b: number, weight: number): number {
    switch (this.descriptor.reductionMode) {
      case REDUCTION.MINIMUM:
        return weight > 0 ? Math.min(a, b) : a;
      case REDUCTION.MAXIMUM:
        return weight > 0 ? Math.max(a, b) : a;
      default:
        return fround(a + fround(fround(b - a) * weight));
    }
  }

  /**
   * Filters work in 1/256 texel, which coordinates are rounded to first, by the sampler's bit to the nearest one or down, so that one
   * just below a texel may be in it. The whole part is the texel, or the lower one, and the rest the weight of the higher one. `mode`
   * undefined: texels are numbered on beyond the edge.
   */
  #setAxis(
    axis: number,
    coordinate: number,
    offset: number,
    size: number,
    mode: number | undefined,
    filter: Filter,
  ): void {
    const nearest = filter === 'nearest';
    const out = footprint[axis]!;
    const zero = nearest ? 0 : -WEIGHT_ONE / 2;
    const scaled = fround(this.#scaled(coordinate, size * WEIGHT_ONE, mode) + zero);
    const moved = this.#bounded(scaled, offset * WEIGHT_ONE, zero, size, mode, filter);
    const fixed = this.descriptor.roundToNearestEven ? roundEven(moved) : Math.floor(moved);
    const low = Math.floor(fixed / WEIGHT_ONE);
    if (nearest) {
      const i = wrap(mode ?? WRAP.CLAMP_TO_EDGE, low, size);
      out[0] = i;
      out[1] = i;
      out[2] = 0;
      return;
    }
    out[0] = mode === undefined ? low : wrap(mode, low, size);
    out[1] = mode === undefined ? low + 1 : wrap(mode, low + 1, size);
    out[2] = fixed - low * WEIGHT_ONE;
  }

  /**
   * Repeated coordinates are brought into the period before they are scaled, as long as they have all their fraction bits.
   * `size`: what 1 becomes.
   */
  #scaled(coordinate: number, size: number, mode: number | undefined): number {
    if (!this.descriptor.normalizedCoordinates) return fround(coordinate * WEIGHT_ONE);
    if (mode === WRAP.REPEAT) return fround(fround(coordinate - Math.floor(coordinate)) * size);
    if (mode === WRAP.MIRRORED_REPEAT)
      return fround(fround(coordinate - 2 * Math.floor(fround(coordinate * 0.5))) * size);
    return fround(coordinate * size);
  }

  /**
   * Adds the offset, and brings the place to where its texels are the same, not too far out: beyond a border both texels of a
   * footprint lie in it, and those of a gather beyond the lower edge on it. What is not a number counts as far below, or in a period
   * as coordinate 0.
   */
  #bounded(
    scaled: number,
    offset: number,
    zero: number,
    size: number,
    mode: number | undefined,
    filter: Filter,
  ): number {
    if (mode === WRAP.REPEAT || mode === WRAP.MIRRORED_REPEAT) {
      const within = Number.isNaN(scaled) ? zero : Math.max(scaled, zero);
      const inside = this.descriptor.normalizedCoordinates ? within : finite(scaled);
      return fround(inside + offset);
    }
    const place = fround(scaled + offset);
    const end = size * WEIGHT_ONE;
    // A filter on a seamless cube reaches one texel beyond the edge, a nearest one does not.
    const seamless = mode === undefined && filter !== 'nearest';
    const gathers = filter === 'gather';
    const clamped = mode === WRAP.CLAMP_TO_EDGE || mode === undefined;
    const mirrors = mode === WRAP.MIRRORED_CLAMP_TO_EDGE || mode === WRAP.MIRRORED_CLAMP_TO_BORDER;
    const least = seamless
      ? zero
      : clamped
        ? gathers
          ? -WEIGHT_ONE
          : 0
        : mirrors
          ? -2 * WEIGHT_ONE - end
          : -2 * WEIGHT_ONE;
    const most = seamless ? fround(end + zero) : clamped ? end - WEIGHT_ONE : end;
    return place > least ? Math.min(place, most) : least;
  }

  #setAxes(texture: Texture, place: Place, level: number, filter: Filter): void {
    const { wrapS, wrapT, wrapR } = this.descriptor;
    const { dimension } = texture.descriptor;
    const seamless = this.#seamless(place);
    const flat = dimension === TEXTURE_DIMENSION.D1;
    this.#setAxis(0, place.u, place.dx, texture.width(level), seamless ? undefined : wrapS, filter);
    if (flat) footprint[1].fill(0);
    else this.#setAxis(1, place.v, place.dy, texture.height(level), seamless ? undefined : wrapT, filter);
    if (dimension === TEXTURE_DIMENSION.D3) this.#setAxis(2, place.w, place.dz, texture.depth(level), wrapR, filter);
    else footprint[2].fill(0);
  }

  /** One texel of the footprint, or the border, compared with the reference where there is one. */
  #fetch(texture: Texture, place: Place, level: number, x: number, y: number, z: number, out: Colour): void {
    if (x === BORDER || y === BORDER || z === BORDER) {
      this.#showBorder(texture, out);
    } else texture.texel(level, place.layer, x, y, z, !this.descriptor.srgbOverride, out);
    if (place.reference !== undefined) {
      out[0] = compare(this.descriptor.compareFunction, out[0]!, place.reference) ? 1 : 0;
      out[1] = 0;
      out[2] = 0;
      out[3] = 1;
    }
  }

  #filter(texture: Texture, place: Place, level: number, nearest: boolean, out: Colour): void {
    this.#setAxes(texture, place, level, nearest ? 'nearest' : 'linear');
    const [ax, ay, az] = footprint;
    if (nearest) {
      this.#fetch(texture, place, level, ax[0]!, ay[0]!, az[0]!, out);
      return;
    }
    if (this.#seamless(place)) {
      this.#filterCube(texture, place, level, out);
      return;
    }
    this.#filterFlat(texture, place, level, az[0]!, out);
    const wz = az[2]!;
    if (texture.descriptor.dimension !== TEXTURE_DIMENSION.D3 || wz === 0) return;
    const other = otherSlice;
    this.#filterFlat(texture, place, level, az[1]!, other);
    for (let c = 0; c < 4; c++) out[c] = this.#reduce(out[c]!, other[c]!, wz / WEIGHT_ONE);
  }

  /** The footprint of up to two by two texels in one layer or slice. Texels of no weight do not count, whatever they are. */
  #filterFlat(texture: Texture, place: Place, level: number, z: number, out: Colour): void {
    const [ax, ay] = footprint;
    if (this.#mixesBytes(texture, place)) {
      this.#filterBytes(texture, place, level, z, out);
      return;
    }
    const wx = ax[2]! / WEIGHT_ONE;
    const wy = ay[2]! / WEIGHT_ONE;
    this.#filterRow(texture, place, level, ay[0]!, z, wx, out);
    if (wy === 0) return;
    const other = otherRow;
    this.#filterRow(texture, place, level, ay[1]!, z, wx, other);
    for (let c = 0; c < 4; c++) out[c] = this.#reduce(out[c]!, other[c]!, wy);
  }

  /** Whether the texels of a footprint are mixed as bytes: nothing happens to them before. */
  #mixesBytes(texture: Texture, { reference }: Place): boolean {
    const { reductionMode, srgbOverride, wrapS, wrapT, wrapR } = this.descriptor;
    if (!texture.isBytes || (texture.srgb && !srgbOverride) || reference !== undefined) return false;
    const { dimension } = texture.descriptor;
    const border =
      hasBorder(wrapS) ||
      (dimension !== TEXTURE_DIMENSION.D1 && hasBorder(wrapT)) ||
      (dimension === TEXTURE_DIMENSION.D3 && hasBorder(wrapR));
    return reductionMode === REDUCTION.AVERAGE && !border;
  }

  /** Two by two texels of bytes: a sum of whole numbers, scaled once. */
  #filterBytes(texture: Texture, place: Place, level: number, z: number, out: Colour): void {
    const [ax, ay] = footprint;
    const texel = texelOfFootprint;
    out.fill(0);
    for (let n = 0; n < CORNERS; n++) {
      const wx = n & 1 ? ax[2]! : WEIGHT_ONE - ax[2]!;
      const wy = n >> 1 ? ay[2]! : WEIGHT_ONE - ay[2]!;
      if (wx * wy === 0) continue;
      this.#fetch(texture, place, level, ax[n & 1]!, ay[n >> 1]!, z, texel);
      for (let c = 0; c < out.length; c++) out[c]! += Math.round(texel[c]! * 255) * wx * wy;
    }
    for (let c = 0; c < out.length; c++) out[c] = fround(out[c]! * BYTES_STEP);
  }

  #filterRow(texture: Texture, place: Place, level: number, y: number, z: number, wx: number, out: Colour): void {
    const [ax] = footprint;
    this.#fetch(texture, place, level, ax[0]!, y, z, out);
    if (wx === 0) return;
    const texel = texelOfFootprint;
    this.#fetch(texture, place, level, ax[1]!, y, z, texel);
    for (let c = 0; c < 4; c++) out[c] = this.#reduce(out[c]!, texel[c]!, wx);
  }

  #seamless(place: Place): boolean {
    return place.cube && this.descriptor.seamlessCubeMap;
  }

  readonly #corners: readonly Colour[] = Array.from({ length: CORNERS }, () => new Float64Array(4));
  readonly #cubeTexel: CubeTexel = { face: 0, x: 0, y: 0 };

  /** The footprint on a seamless cube: corner n is low or high along x by n's bit 0, along y by bit 1. */
  #cubeCorners(texture: Texture, place: Place, level: number): readonly Colour[] {
    const [ax, ay] = footprint;
    const { layer } = place;
    const face = layer % CUBE_FACES;
    const size = texture.width(level);
    const at = this.#cubeTexel;
    let missing = -1;
    for (let n = 0; n < CORNERS; n++) {
      at.face = face;
      at.x = ax[n & 1]!;
      at.y = ay[n >> 1]!;
      if (!acrossEdge(at, size)) {
        missing = n;
        continue;
      }
      place.layer = layer - face + at.face;
      this.#fetch(texture, place, level, at.x, at.y, 0, this.#corners[n]!);
    }
    place.layer = layer;
    if (missing >= 0) {
      const out = this.#corners[missing]!.fill(0);
      for (let n = 0; n < CORNERS; n++) {
        if (n !== missing) for (let c = 0; c < out.length; c++) out[c] = fround(out[c]! + this.#corners[n]![c]!);
      }
      for (let c = 0; c < out.length; c++) out[c] = fround(out[c]! / (CORNERS - 1));
    }
    return this.#corners;
  }

  /** Texels of no weight do not count. */
  #mix(a: number, b: number, weight: number): number {
    return weight === 0 ? a : this.#reduce(a, b, weight);
  }

  #filterCube(texture: Texture, place: Place, level: number, out: Colour): void {
    const corners = this.#cubeCorners(texture, place, level);
    const wx = footprint[0][2]! / WEIGHT_ONE;
    const wy = footprint[1][2]! / WEIGHT_ONE;
    for (let c = 0; c < out.length; c++) {
      const low = this.#mix(corners[0]![c]!, corners[1]![c]!, wx);
      const high = this.#mix(corners[2]![c]!, corners[3]![c]!, wx);
      out[c] = this.#mix(low, high, wy);
    }
  }

  /**
   * The four texels of a bilinear footprint at level 0, one swizzled channel of each: low and high along x of the lower row,
   * then of the higher one (Mesa turns that into the APIs' order: `nir_lower_tex`'s lower_tg4_broadcom_swizzle).
   */
  gather(texture: Texture, place: Place, component: number, out: Colour): void {
    this.#setAxes(texture, place, 0, 'gather');
    const [ax, ay, az] = footprint;
    const cube = this.#seamless(place) ? this.#cubeCorners(texture, place, 0) : undefined;
    for (let n = 0; n < CORNERS; n++) {
      const texel = cube?.[n] ?? texelOfFootprint;
      if (!cube) this.#fetch(texture, place, 0, ax[n & 1]!, ay[n >> 1]!, az[0]!, texel);
      if (place.reference === undefined) texture.swizzle(texel);
      out[n] = texel[place.reference === undefined ? component : 0]!;
    }
  }
}
