/**
 * The texture unit: answers the shader cores' texture instructions, lane by lane.
 *
 * Level of detail is one number a quad, from the differences of its coordinates; helper lanes exist for that. The unit
 * knows the descriptors that a shader run has met; a new run reads them afresh.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_tex_valhall), `valhall/ISA.xml`;
 * OpenGL ES 3.2 chapter 8.14 (level of detail, anisotropy).
 */
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { DESCRIPTOR_TYPE, handleIndex, handleTable } from '../../abi/gpu/shader-descriptors.ts';
import {
  CUBE_S_BITS,
  GRADIENT_LOD_MASK,
  Sampler as SamplerDescriptor,
  TEXTURE_DIMENSION,
  Texture as TextureDescriptor,
} from '../../abi/gpu/texture-descriptors.ts';
import { GpuFault } from '../contract.ts';
import type { Engine } from '../engine/engine.ts';
import { bitsToFloat } from '../format.ts';
import { roundEven } from '../pack.ts';
import {
  type ImageLoad,
  type ImagePlane,
  type ImageRequest,
  LANES,
  type LaneType,
  type LaneVectors,
  QUADS,
  type ShaderEnvironment,
  type TextureCall,
  type TextureDimension,
  type TextureKind,
  type TextureRequest,
  type TextureUnit,
  type Warp,
} from '../shader/contract.ts';
import { kindOf } from '../shader/texture-ops.ts';
import { placeOf, samplesOf } from './anisotropy.ts';
import type { Named } from './bound.ts';
import { CUBE_FACES, FACES, ontoFace } from './cube.ts';
import { Bindings, EmittedSamplers, type FindNamed } from './emitted.ts';
import { lodOfSquare } from './lod.ts';
import { isAnisotropic, type Place, Sampler } from './sampler.ts';
import { type Colour, Texture } from './texture.ts';

const LANES_PER_QUAD = LANES / QUADS;
const S_MASK = (1 << CUBE_S_BITS) - 1;
const DIMENSIONS: Readonly<Record<TextureDimension, number>> = {
  '1d': TEXTURE_DIMENSION.D1,
  '2d': TEXTURE_DIMENSION.D2,
  '3d': TEXTURE_DIMENSION.D3,
  cube: TEXTURE_DIMENSION.CUBE,
};
/** The descriptors that one shader run has used. */
interface Known {
  readonly unit: TextureUnit;
  readonly textures: Map<number, Texture | undefined>;
  readonly samplers: Map<number, Sampler | undefined>;
  readonly bindings: Bindings;
}

const { fround } = Math;
const square = (x: number): number => fround(x * x);
/** The squared length of a vector of singles, summed in singles. */
const squareOf = (x: number, y: number, z: number): number => fround(fround(square(x) + square(y)) + square(z));
const signed16 = (x: number): number => (x << 16) >> 16;
const signed8 = (x: number, byte: number): number => (x << (24 - byte * 8)) >> 24;

/** Anisotropic footprint: how many samples, and how far apart in normalized coordinates. */
interface Footprint {
  lod: number;
  samples: number;
  du: number;
  dv: number;
}

export class TexturePipe implements TextureUnit {
  readonly #emitted: EmittedSamplers | undefined;
  readonly #colour: Colour = new Float64Array(4);
  readonly #sum: Colour = new Float64Array(4);
  readonly #x = new Float32Array(LANES);
  readonly #xBits = new Int32Array(this.#x.buffer);
  readonly #y = new Float32Array(LANES);
  readonly #yBits = new Int32Array(this.#y.buffer);
  readonly #z = new Float32Array(LANES);
  readonly #zBits = new Int32Array(this.#z.buffer);
  readonly #face = new Int32Array(LANES);
  readonly #footprints: Footprint[] = Array.from({ length: QUADS }, () => ({ lod: 0, samples: 1, du: 0, dv: 0 }));
  readonly #place: Place = {
    u: 0,
    v: 0,
    w: 0,
    layer: 0,
    dx: 0,
    dy: 0,
    dz: 0,
    cube: false,
    reference: undefined,
  };
  constructor(engine: Engine) {
    const find: FindNamed = (environment, texture, sampler) => this.#named(environment, texture, sampler);
    this.#emitted = engine === 'wasm' ? new EmittedSamplers(find) : undefined;
  }

  execute(environment: ShaderEnvironment, warp: Warp, mask: number, request: TextureRequest, out: LaneVectors): void {
    const { bindings } = this.#descriptors(environment);
    if (request.skip) {
      const effective = mask & ~warp.discarded;
      if (effective === 0) return;
      shareHandles(request, mask & warp.discarded, 31 - Math.clz32(effective & -effective));
    }
    if (this.#emitted?.execute(bindings, environment, mask, request, out)) return;
    this.#loadCoordinates(request);
    switch (request.kind.operation) {
      case 'fetch':
        this.#fetch(environment, mask, request, out);
        break;
      case 'gradient':
        this.#gradient(environment, mask, request, out);
        break;
      default:
        this.#sample(environment, mask, request, out);
    }
  }

  call(environment: ShaderEnvironment, kind: TextureKind, texture: number, sampler: number): TextureCall | undefined {
    const { bindings } = this.#descriptors(environment);
    return this.#emitted?.binding(bindings, environment, kind, texture, sampler);
  }

  #descriptors(environment: ShaderEnvironment): Known {
    if (environment.textures?.unit === this) return environment.textures as Known;
    const known: Known = { unit: this, textures: new Map(), samplers: new Map(), bindings: new Bindings() };
    environment.textures = known;
    return known;
  }

  /** What handles name, as memory says it; opened when somebody wants to. */
  #named(environment: ShaderEnvironment, texture: number, sampler: number | undefined): Named | undefined {
    const { memory, resources } = environment;
    const address = (handle: number): number => resources.descriptor(handleTable(handle), handleIndex(handle));
    const at = address(texture);
    const samplerAt = sampler === undefined ? 0 : address(sampler);
    if (at === 0 || (sampler !== undefined && samplerAt === 0)) return undefined;
    return {
      source: memory.descriptor(TextureDescriptor, at),
      sampler: samplerAt === 0 ? undefined : memory.descriptor(SamplerDescriptor, samplerAt),
      open: () => [
        this.#texture(environment, texture),
        sampler === undefined ? undefined : this.#sampler(environment, sampler),
      ],
    };
  }

  /** The texture of a handle, or undefined where there is no descriptor: its texels are zero. */
  #texture(environment: ShaderEnvironment, handle: number): Texture | undefined {
    const { textures } = this.#descriptors(environment);
    const known = textures.get(handle);
    if (known || textures.has(handle)) return known;
    const address = addressOf(environment, TextureDescriptor, handle);
    const texture = address ? new Texture(environment.memory, address) : undefined;
    textures.set(handle, texture);
    return texture;
  }

  #sampler(environment: ShaderEnvironment, handle: number): Sampler | undefined {
    const { samplers } = this.#descriptors(environment);
    const known = samplers.get(handle);
    if (known || samplers.has(handle)) return known;
    const address = addressOf(environment, SamplerDescriptor, handle);
    const sampler = address ? new Sampler(environment.memory, address) : undefined;
    samplers.set(handle, sampler);
    return sampler;
  }

  /** Copies coordinates, and takes cube coordinates apart: s, t in 0…1, face. */
  #loadCoordinates(request: TextureRequest): void {
    this.#x.set(request.x);
    if (request.y) this.#y.set(request.y);
    else this.#y.fill(0);
    if (request.z) this.#z.set(request.z);
    else this.#z.fill(0);
    if (request.kind.dimension !== 'cube') {
      this.#face.fill(0);
      return;
    }
    for (let lane = 0; lane < LANES; lane++) {
      const word = this.#xBits[lane]!;
      this.#face[lane] = Math.min(word >>> CUBE_S_BITS, CUBE_FACES - 1);
      // The upper three bits of a float from 2^-63 up to below 2 are 001; s is such a float, or zero.
      const s = word & S_MASK;
      this.#xBits[lane] = s === 0 ? 0 : s | (1 << CUBE_S_BITS);
    }
  }

  #check(texture: Texture, request: TextureRequest, lane: number): void {
    const wanted = DIMENSIONS[request.kind.dimension];
    const { dimension } = texture.descriptor;
    // A cube's faces may be read as layers of a 2D array.
    const faces = dimension === TEXTURE_DIMENSION.CUBE && wanted === TEXTURE_DIMENSION.D2;
    if (dimension !== wanted && !faces) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        request.texture[lane]! >>> 0,
        `${request.name}: the instruction's dimension is ${request.kind.dimension}, the texture's has number ${dimension}`,
      );
    }
  }

  #setPlace(texture: Texture, request: TextureRequest, lane: number): Place {
    const place = this.#place;
    place.u = this.#x[lane]!;
    place.v = this.#y[lane]!;
    place.w = this.#z[lane]!;
    const layer = request.array ? layerOf(request.array[lane]!, texture.descriptor.arraySize) : 0;
    place.cube = request.kind.dimension === 'cube';
    place.layer = place.cube ? layer * CUBE_FACES + this.#face[lane]! : layer;
    const offset = request.offset?.[lane] ?? 0;
    place.dx = signed8(offset, 0);
    place.dy = signed8(offset, 1);
    place.dz = signed8(offset, 2);
    const reference = request.shadow?.[lane];
    const clamped = reference !== undefined && texture.clampsReference;
    place.reference = clamped ? Math.min(Math.max(reference, 0), 1) : reference;
    return place;
  }

  #sample(environment: ShaderEnvironment, mask: number, request: TextureRequest, out: LaneVectors): void {
    for (let quad = 0; quad < QUADS; quad++) {
      const lanes = (mask >>> (quad * LANES_PER_QUAD)) & 15;
      if (lanes === 0) continue;
      let footprint: Footprint | undefined;
      for (let lane = quad * LANES_PER_QUAD; lane < (quad + 1) * LANES_PER_QUAD; lane++) {
        if (((mask >>> lane) & 1) === 0) continue;
        const texture = this.#texture(environment, request.texture[lane]!);
        const sampler = this.#sampler(environment, request.sampler[lane]!);
        const colour = this.#colour;
        if (!texture || !sampler) colour.fill(0);
        else {
          this.#check(texture, request, lane);
          const place = this.#setPlace(texture, request, lane);
          if (request.kind.operation === 'gather') sampler.gather(texture, place, request.kind.component, colour);
          else {
            if (request.kind.lodMode === 'computed' || request.kind.lodMode === 'computed_bias') {
              footprint ??= this.#footprint(texture, sampler, request.kind.dimension, quad, mask);
            }
            this.#filtered(texture, sampler, place, request, lane, footprint, colour);
          }
        }
        store(out, lane, colour, texture);
        request.result = resultOf(texture);
      }
    }
  }

  #filtered(
    texture: Texture,
    sampler: Sampler,
    place: Place,
    request: TextureRequest,
    lane: number,
    footprint: Footprint | undefined,
    out: Colour,
  ): void {
    const word = request.lod?.[lane] ?? 0;
    let lod = 0;
    switch (request.kind.lodMode) {
      case 'explicit':
        lod = signed16(word);
        break;
      case 'grdesc':
        lod = signed16(request.gradient?.[0][lane] ?? 0);
        break;
      case 'computed':
        lod = footprint!.lod;
        break;
      case 'computed_bias':
        lod = footprint!.lod + signed16(word);
        break;
    }
    if (request.kind.lodMode !== 'zero') lod += sampler.bias;
    lod = sampler.clampLod(texture, lod);
    const samples = footprint?.samples ?? 1;
    if (samples === 1) {
      sampler.sample(texture, place, lod, out);
      return;
    }
    const sum = this.#sum;
    const { u, v } = place;
    for (let i = 0; i < samples; i++) {
      const at = placeOf(i, samples);
      place.u = fround(u + fround(footprint!.du * at));
      place.v = fround(v + fround(footprint!.dv * at));
      sampler.sample(texture, place, lod, out);
      for (let c = 0; c < 4; c++) sum[c] = i === 0 ? out[c]! : fround(sum[c]! + out[c]!);
    }
    for (let c = 0; c < 4; c++) out[c] = fround(sum[c]! / samples);
  }

  /** The quad's footprint from the differences between its lanes. Of a lane that does not run there is no difference. */
  #footprint(
    texture: Texture,
    sampler: Sampler,
    dimension: TextureDimension,
    quad: number,
    running: number,
  ): Footprint {
    const first = quad * LANES_PER_QUAD;
    const [right, below] = [first + 1, first + 2];
    const both = (lane: number): boolean => ((running >>> first) & 1 & (running >>> lane)) === 1;
    const difference = (of: Float32Array, lane: number): number => (both(lane) ? fround(of[lane]! - of[first]!) : 0);
    const footprint = this.#footprints[quad]!;
    footprint.samples = 1;
    if (dimension === 'cube') {
      const point = (lane: number): [number, number, number] =>
        FACES[this.#face[lane]!]!(fround(this.#x[lane]! * 2 - 1), fround(this.#y[lane]! * 2 - 1));
      const half = texture.width(0) / 2;
      const seenFrom = (face: number): number => {
        const origin = ontoFace(face, point(first));
        const length = (lane: number): number => {
          if (!both(lane)) return 0;
          const [x, y, z] = ontoFace(face, point(lane)).map((end, axis) => fround(fround(end - origin[axis]!) * half));
          return squareOf(x!, y!, z!);
        };
        return lodOfSquare(Math.max(length(right), length(below)));
      };
      footprint.lod = seenFrom(this.#face[first]!);
      for (let lane = right; lane < first + LANES_PER_QUAD; lane++) {
        const face = this.#face[lane]!;
        if (((running >>> lane) & 1) === 0 || face === this.#face[first]!) continue;
        footprint.lod = Math.min(footprint.lod, seenFrom(face));
      }
      return footprint;
    }
    const normalized = sampler.descriptor.normalizedCoordinates;
    const w = normalized ? texture.width(0) : 1;
    const h = normalized ? texture.height(0) : 1;
    const d = normalized ? texture.depth(0) : 1;
    const ux = difference(this.#x, right);
    const vx = difference(this.#y, right);
    const uy = difference(this.#x, below);
    const vy = difference(this.#y, below);
    const wx = dimension === '3d' ? difference(this.#z, right) : 0;
    const wy = dimension === '3d' ? difference(this.#z, below) : 0;
    const px = squareOf(fround(ux * w), fround(vx * h), fround(wx * d));
    const py = squareOf(fround(uy * w), fround(vy * h), fround(wy * d));
    const long = Math.max(px, py);
    if (isAnisotropic(texture, sampler.descriptor)) {
      footprint.samples = samplesOf(long, Math.min(px, py), sampler.descriptor.maximumAnisotropy);
      footprint.du = px >= py ? ux : uy;
      footprint.dv = px >= py ? vx : vy;
    }
    footprint.lod = lodOfSquare(fround(long / footprint.samples ** 2));
    return footprint;
  }

  /** TEX_GRADIENT: the level of detail as signed 8.8, for a later sample or for textureQueryLod. */
  #gradient(environment: ShaderEnvironment, mask: number, request: TextureRequest, out: LaneVectors): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (((mask >>> lane) & 1) === 0) continue;
      const texture = this.#texture(environment, request.texture[lane]!);
      const sampler = this.#sampler(environment, request.sampler[lane]!);
      let lod = 0;
      if (texture && sampler) {
        this.#check(texture, request, lane);
        lod = request.kind.derivatives
          ? this.#lodOfDerivatives(texture, sampler, request, lane)
          : this.#footprint(texture, sampler, request.kind.dimension, lane >>> 2, mask).lod;
        if (!request.kind.lodBiasDisable) lod += sampler.bias;
        if (!request.kind.lodClampDisable)
          lod = Math.min(sampler.clampLod(texture, lod), texture.descriptor.maximumLod);
      }
      request.result = 'uint';
      const fixed = Math.max(-0x8000, Math.min(0x7fff, lod));
      out.u32[lane] = fixed & GRADIENT_LOD_MASK;
      out.u32[LANES + lane] = 0;
    }
  }

  #lodOfDerivatives(texture: Texture, sampler: Sampler, { deltas }: TextureRequest, lane: number): number {
    const pair = (axis: number): [number, number] => [deltas[axis * 2]?.[lane] ?? 0, deltas[axis * 2 + 1]?.[lane] ?? 0];
    const normalized = sampler.descriptor.normalizedCoordinates;
    const sizes = [texture.width(0), texture.height(0), texture.depth(0)];
    let x = 0;
    let y = 0;
    for (let axis = 0; axis < 3; axis++) {
      const [ddx, ddy] = pair(axis);
      const size = normalized ? sizes[axis]! : 1;
      x = fround(x + square(fround(ddx * size)));
      y = fround(y + square(fround(ddy * size)));
    }
    return lodOfSquare(Math.max(x, y));
  }

  #fetch(environment: ShaderEnvironment, mask: number, request: TextureRequest, out: LaneVectors): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (((mask >>> lane) & 1) === 0) continue;
      const texture = this.#texture(environment, request.texture[lane]!);
      const colour = this.#colour;
      colour.fill(0);
      if (texture) {
        this.#check(texture, request, lane);
        const offset = request.offset?.[lane] ?? 0;
        const level = offset >>> 24;
        const volume = request.kind.dimension === '3d';
        const x = this.#xBits[lane]! + signed8(offset, 0);
        const y = this.#yBits[lane]! + (request.kind.dimension === '1d' ? 0 : signed8(offset, 1));
        const slice = volume ? this.#zBits[lane]! + signed8(offset, 2) : (offset >>> 16) & 0xff;
        const layer = (request.array?.[lane] ?? 0) >>> 0;
        if (inside(texture, level, layer, x, y, slice, volume)) {
          texture.texel(level, layer, x, y, slice, true, colour);
          texture.swizzle(colour);
        }
      }
      store(out, lane, colour, texture);
      request.result = resultOf(texture);
    }
  }

  texelAddress(
    environment: ShaderEnvironment,
    _warp: Warp,
    mask: number,
    request: ImageRequest,
    out: LaneVectors,
  ): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (((mask >>> lane) & 1) === 0) continue;
      const texture = this.#texture(environment, request.texture[lane]!);
      let address = 0;
      const at = texture && imageTexel(texture, request, lane);
      if (texture && at) {
        address = texture.surface(0, at.layer).address(at.x, at.y, at.slice);
        if (address === 0) {
          throw new GpuFault(
            EXCEPTION.DATA_INVALID_FAULT,
            0,
            `${request.name}: texels of a compressed plane have no address`,
          );
        }
      }
      out.u32[lane] = address % 2 ** 32;
      out.u32[LANES + lane] = Math.floor(address / 2 ** 32);
      out.u32[2 * LANES + lane] = texture?.descriptor.format ?? 0;
    }
  }

  image(environment: ShaderEnvironment, handle: number, xy: number, zw: number): ImagePlane | undefined {
    const texture = this.#texture(environment, handle);
    if (!texture) return undefined;
    const { dimension, format } = texture.descriptor;
    const volume = dimension === TEXTURE_DIMENSION.D3;
    const layer = zw >>> 16;
    if (!inside(texture, 0, layer, xy & 0xffff, xy >>> 16, zw & 0xffff, volume)) return undefined;
    const place = texture.surface(0, layer).texels;
    return (
      place && {
        format,
        lastX: texture.width(0) - 1,
        lastY: texture.height(0) - 1,
        lastZ: slicesOf(texture, 0, volume) - 1,
        lastLayer: texture.layers - 1,
        place,
      }
    );
  }

  imageLoad(environment: ShaderEnvironment, handle: number): ImageLoad | undefined {
    const texture = this.#texture(environment, handle);
    if (!texture) return undefined;
    const { dimension, sampleCount } = texture.descriptor;
    const samples = sampleCount > 1 && dimension !== TEXTURE_DIMENSION.D3;
    const call = this.call(environment, imageKind(dimension, samples), handle, 0);
    const slices = dimension === TEXTURE_DIMENSION.D3 ? 0 : samples ? 0xff00 : 0xffff;
    return call && { call, flat: dimension === TEXTURE_DIMENSION.D1, slices };
  }

  loadTexel(
    environment: ShaderEnvironment,
    _warp: Warp,
    mask: number,
    request: ImageRequest,
    _type: LaneType,
    out: LaneVectors,
  ): void {
    for (let lane = 0; lane < LANES; lane++) {
      if (((mask >>> lane) & 1) === 0) continue;
      const texture = this.#texture(environment, request.texture[lane]!);
      const colour = this.#colour;
      colour.fill(0);
      const at = texture && imageTexel(texture, request, lane);
      if (texture && at) {
        texture.texel(0, at.layer, at.x, at.y, at.slice, true, colour);
        texture.swizzle(colour);
      }
      store(out, lane, colour, texture);
    }
  }
}

/** The kind of TEX_FETCH that loads an image's texels: a cube's faces are layers. */
const imageKind = (dimension: number, samples: boolean): TextureKind =>
  kindOf({
    operation: 'fetch',
    dimension: dimension === TEXTURE_DIMENSION.D1 ? '1d' : dimension === TEXTURE_DIMENSION.D3 ? '3d' : '2d',
    array: true,
    shadow: false,
    offset: samples,
    lodMode: 'zero',
    component: 0,
    integerCoordinates: true,
    derivatives: false,
    lodBiasDisable: false,
    lodClampDisable: false,
  });

/** Where a handle's descriptor is, or 0 if there is none, or a null one. */
function addressOf(
  { resources, memory }: ShaderEnvironment,
  layout: typeof TextureDescriptor | typeof SamplerDescriptor,
  handle: number,
): number {
  const address = resources.descriptor(handleTable(handle), handleIndex(handle));
  if (!address) return 0;
  const { type } =
    layout === SamplerDescriptor
      ? memory.descriptor(SamplerDescriptor, address)
      : memory.descriptor(TextureDescriptor, address);
  return type === DESCRIPTOR_TYPE.NULL ? 0 : address;
}

/** Lanes without effect sample what a lane with one names: theirs may be nonsense. */
function shareHandles({ texture, sampler }: TextureRequest, lanes: number, from: number): void {
  for (let lane = 0; lane < LANES; lane++) {
    if (((lanes >>> lane) & 1) === 0) continue;
    texture[lane] = texture[from]!;
    sampler[lane] = sampler[from]!;
  }
}

/** Slices of a volume's level, or samples. */
const slicesOf = (texture: Texture, level: number, volume: boolean): number =>
  volume ? texture.depth(level) : texture.descriptor.sampleCount;

function inside(
  texture: Texture,
  level: number,
  layer: number,
  x: number,
  y: number,
  slice: number,
  volume: boolean,
): boolean {
  if (level >= texture.descriptor.levels || layer >= texture.layers) return false;
  const slices = slicesOf(texture, level, volume);
  return x >= 0 && x < texture.width(level) && y >= 0 && y < texture.height(level) && slice >= 0 && slice < slices;
}

/** The layer that the bits of a float name: the nearest one there is. */
function layerOf(bits: number, layers: number): number {
  const layer = bitsToFloat(bits);
  return layer > 0 ? roundEven(Math.min(layer, layers - 1)) : 0;
}

/** Image coordinates: x, y, then z of a volume, or the sample, then the layer (of a cube: face). Undefined when out of bounds. */
function imageTexel(
  texture: Texture,
  { x, y, z, w }: ImageRequest,
  lane: number,
): { x: number; y: number; layer: number; slice: number } | undefined {
  const at = { x: x[lane]!, y: y[lane]!, layer: w[lane]!, slice: z[lane]! };
  const volume = texture.descriptor.dimension === TEXTURE_DIMENSION.D3;
  return inside(texture, 0, at.layer, at.x, at.y, at.slice, volume) ? at : undefined;
}

function resultOf(texture: Texture | undefined): TextureRequest['result'] {
  if (!texture?.integer) return 'float';
  return texture.signed ? 'sint' : 'uint';
}

/** Stores four channels of a lane: floats, or integers for integer formats. */
function store(out: LaneVectors, lane: number, colour: Colour, texture: Texture | undefined): void {
  if (texture?.integer) {
    for (let c = 0; c < 4; c++) out.u32[c * LANES + lane] = colour[c]!;
  } else {
    for (let c = 0; c < 4; c++) out.f32[c * LANES + lane] = colour[c]!;
  }
}
