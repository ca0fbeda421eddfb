/**
 * Texture and image instructions: their operands taken out of staging registers and handed to the texture unit, its
 * results put back.
 *
 * Staging registers hold only what the instruction uses, in a fixed order: x, y, z, layer, depth reference, packed offsets,
 * level or bias, the two words of a gradient descriptor. Texture and sampler are named by the 64-bit source: two handles
 * (sampler, texture), or with narrow indices one word with both in 16 bits each.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_tex_valhall), `valhall/ISA.xml`.
 */
import { resourceHandle, unfoldTable } from '../../abi/gpu/shader-descriptors.ts';
import { layout, uint, viewOf } from '../../abi/layout.ts';
import { handles } from './attribute.ts';
import type { Compilers, Exec } from './compile.ts';
import {
  ALL_LANES,
  type ImageRequest,
  LANES,
  type LaneType,
  type LodMode,
  type TextureDimension,
  type TextureKind,
  type TextureOperation,
  type TextureRequest,
} from './contract.ts';
import { EncodingError, type Instruction } from './decode.ts';
import { toHalf } from './float.ts';
import { rawBits } from './operand.ts';
import { channelCount, registerCount, registerFormat, Vectors, vectorWriter } from './vector.ts';
import type { WarpState } from './warp.ts';

/** Texture and sampler in one word. */
const NarrowHandle = layout('Narrow Handle', 4, {
  sampler: uint(0, 11),
  samplerTable: uint(11, 5),
  texture: uint(16, 11),
  textureTable: uint(27, 5),
});
const narrowBytes = viewOf(new Uint8Array(4));

/** Splits a narrow handle into the two wide ones. */
export function splitNarrow(word: number): { texture: number; sampler: number } {
  narrowBytes.setUint32(0, word >>> 0, true);
  const { sampler, samplerTable, texture, textureTable } = NarrowHandle.read(narrowBytes, 0);
  return {
    texture: resourceHandle(unfoldTable(textureTable), texture),
    sampler: resourceHandle(unfoldTable(samplerTable), sampler),
  };
}

/** The handles in the two words of a texture instruction's source. */
export function splitHandles(low: number, high: number, wide: boolean): { texture: number; sampler: number } {
  return wide ? { texture: high, sampler: low } : splitNarrow(low);
}

const TYPES: Record<string, LaneType> = { auto: 'raw', f: 'float', u: 'uint', s: 'sint' };
const COORDINATES: Record<TextureDimension, number> = { '1d': 1, '2d': 2, '3d': 3, cube: 2 };
const COMPONENTS = ['gather4_r', 'gather4_g', 'gather4_b', 'gather4_a'];
const CHANNELS = 'rgba';

/** Fills `texture` and `sampler` for the lanes from the 64-bit source. */
function handleLoader(i: Instruction, texture: Int32Array, sampler: Int32Array): (w: WarpState) => void {
  const low = rawBits(i.sources[0]!, i.page, 0);
  const high = rawBits(i.sources[0]!, i.page, 1);
  if (i.modifiers.wide_indices) {
    return (w) => {
      sampler.set(low(w));
      texture.set(high(w));
    };
  }
  let known = -1;
  let split = splitNarrow(0);
  return (w) => {
    const word = low(w);
    for (let n = 0; n < LANES; n++) {
      if (word[n] !== known) {
        known = word[n]!;
        split = splitNarrow(known);
      }
      texture[n] = split.texture;
      sampler[n] = split.sampler;
    }
  };
}

const kinds = new Map<string, TextureKind>();
/** The one object for equal kinds, so that they can be looked up by identity. */
export function kindOf(kind: TextureKind): TextureKind {
  const key = JSON.stringify(kind);
  const known = kinds.get(key);
  if (known) return known;
  kinds.set(key, kind);
  return kind;
}

/** Where a texture instruction's operands are, and what it asks for: all that does not change while it runs. */
export interface TextureForm {
  readonly kind: TextureKind;
  /** Registers of operands, -1 for what it does not have. */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly array: number;
  readonly shadow: number;
  readonly offset: number;
  readonly lod: number;
  /** The first of the two words of a gradient. */
  readonly gradient: number;
  /** 'gradient' with derivatives: the registers of its pairs. */
  readonly deltas: readonly number[];
  /** The first register of the results, their width, and the channels that are kept. */
  readonly result: number;
  readonly bits: 16 | 32;
  readonly channels: readonly number[];
  /** Lanes without effect do not say what is sampled (TextureRequest). */
  readonly skip: boolean;
  readonly type: LaneType;
}

const OPERATIONS: Readonly<Record<string, TextureOperation>> = {
  TEX_SINGLE: 'single',
  TEX_FETCH: 'fetch',
  TEX_GATHER: 'gather',
  TEX_GRADIENT: 'gradient',
};

/** Takes a texture instruction apart. Undefined: it is another one. Throws EncodingError. */
export function textureForm(i: Instruction): TextureForm | undefined {
  const operation = OPERATIONS[i.spec.name];
  const [written, read] = i.staging;
  if (!operation || !written || !read) return undefined;
  const m = i.modifiers;
  const dimension = m.dimension as TextureDimension;
  // Operands follow one another in a fixed order.
  let next = read.register;
  const end = next + read.count;
  const take = (present: boolean): number => (present ? next++ : -1);
  const coordinates = COORDINATES[dimension];
  const derivatives = operation === 'gradient' && m.derivative_enable === 'derivative_enable';
  const x = take(!derivatives);
  const y = take(!derivatives && coordinates > 1);
  const z = take(!derivatives && coordinates > 2);
  const deltas = derivatives ? Array.from({ length: coordinates * 2 }, () => take(true)) : [];
  const array = take(m.array_enable === 'array_enable');
  const shadow = take(m.shadow === 'shadow');
  const offset = take(m.texel_offset === 'texel_offset');
  const lod = take(m.lodMode === 'explicit' || m.lodMode === 'computed_bias');
  const gradient = take(m.lodMode === 'grdesc');
  take(m.lodMode === 'grdesc');
  if (next > end) {
    throw new EncodingError(`${i.spec.name}: ${read.count} staging registers where ${next - read.register} are read`);
  }
  const kept = [...m.writeMask!].map((c) => CHANNELS.indexOf(c));
  const channels = [0, 1, 2, 3].filter((c) => kept.includes(c) && (operation !== 'gradient' || c < 2));
  const bits = m.registerWidth === '16' && operation !== 'gradient' ? 16 : 32;
  const type = TYPES[m.registerType ?? 'auto'] ?? 'raw';
  if (written.register + registerCount({ type, bits }, channels.length) > 64) {
    throw new EncodingError(`${i.spec.name}: registers end beyond r63`);
  }
  const kind = kindOf({
    operation,
    dimension,
    array: array >= 0,
    shadow: shadow >= 0,
    offset: offset >= 0,
    lodMode: (m.lodMode ?? 'zero') as LodMode,
    component: Math.max(0, COMPONENTS.indexOf(m.component ?? '')),
    integerCoordinates: operation === 'fetch' || m.integer_coordinates === 'integer_coordinates',
    derivatives,
    lodBiasDisable: m.lod_bias_disable === 'lod_bias_disable',
    lodClampDisable: m.lod_clamp_disable === 'lod_clamp_disable',
  });
  const places = { x, y, z, array, shadow, offset, lod, gradient, deltas };
  return { kind, ...places, result: written.register, bits, channels, skip: m.skip === 'skip', type };
}

/** Writes the channels that are kept, one after the other, as 32- or 16-bit values. */
function maskedWriter(form: TextureForm, request: TextureRequest, from: Vectors): (w: WarpState) => void {
  const { result: register, bits, channels, skip } = form;
  const rows = channels.map((c) => from.i32.subarray(c * LANES, (c + 1) * LANES));
  return (w) => {
    // Where no lane has an effect nothing is sampled.
    const mask = skip && (w.mask & ~w.discarded) === 0 ? 0 : w.mask;
    if (bits === 32 && mask === ALL_LANES) {
      for (let k = 0; k < rows.length; k++) w.ri[register + k]!.set(rows[k]!);
      return;
    }
    for (let k = 0; k < channels.length; k++) {
      const base = channels[k]! * LANES;
      for (let n = 0; n < LANES; n++) {
        if (!(mask & (1 << n))) continue;
        if (bits === 32) w.ri[register + k]![n] = from.i32[base + n]!;
        else {
          const narrow = request.result === 'float' ? toHalf(from.f32[base + n]!) : from.i32[base + n]! & 0xffff;
          w.u16[((register + (k >> 1)) * LANES + n) * 2 + (k & 1)] = narrow;
        }
      }
    }
  };
}

const empty = new Float32Array(LANES);

function texture(i: Instruction): Exec {
  const form = textureForm(i)!;
  const { x, y, z, array, shadow, offset, lod, gradient, deltas } = form;
  const request: TextureRequest = {
    ...form,
    name: i.spec.name,
    texture: new Int32Array(LANES),
    sampler: new Int32Array(LANES),
    x: empty,
    y: undefined,
    z: undefined,
    array: undefined,
    shadow: undefined,
    offset: undefined,
    lod: undefined,
    gradient: undefined,
    deltas: [],
    result: 'float',
  };
  const loadHandles = handleLoader(i, request.texture, request.sampler);
  const out = new Vectors(4, true);
  const write = maskedWriter(form, request, out);
  const float = (w: WarpState, r: number): Float32Array | undefined => (r < 0 ? undefined : w.rf[r]);
  const integer = (w: WarpState, r: number): Int32Array | undefined => (r < 0 ? undefined : w.ri[r]);
  return (w) => {
    loadHandles(w);
    request.x = float(w, x) ?? empty;
    request.y = float(w, y);
    request.z = float(w, z);
    request.array = integer(w, array);
    request.shadow = float(w, shadow);
    request.offset = integer(w, offset);
    request.lod = integer(w, lod);
    request.gradient = gradient < 0 ? undefined : [w.ri[gradient]!, w.ri[gradient + 1]!];
    if (deltas.length > 0) request.deltas = deltas.map((r) => w.rf[r]!);
    w.run.textures.execute(w.run.environment, w, w.mask, request, out);
    write(w);
  };
}

// Images.

/** Texel coordinates of 16 bits without sign, two to a source. */
function imageRequest(i: Instruction): { request: ImageRequest; load: (w: WarpState) => void } {
  const xy = rawBits(i.sources[0]!, i.page);
  const zw = rawBits(i.sources[1]!, i.page);
  const handle = handles(i);
  const make = (): Int32Array => new Int32Array(LANES);
  const request = { name: i.spec.name, texture: make(), x: make(), y: make(), z: make(), w: make() };
  return {
    request,
    load: (warp) => {
      const [a, b] = [xy(warp), zw(warp)];
      request.texture.set(handle(warp));
      for (let n = 0; n < LANES; n++) {
        request.x[n] = a[n]! & 0xffff;
        request.y[n] = a[n]! >>> 16;
        request.z[n] = b[n]! & 0xffff;
        request.w[n] = b[n]! >>> 16;
      }
    },
  };
}

function texelAddress(i: Instruction): Exec {
  const { request, load } = imageRequest(i);
  const write = vectorWriter(i, i.staging[0]!.register, registerFormat('u32'), 3);
  const out = new Vectors();
  return (w) => {
    load(w);
    w.run.textures.texelAddress(w.run.environment, w, w.mask, request, out);
    write(w, out);
  };
}

function loadTexel(i: Instruction): Exec {
  const { request, load } = imageRequest(i);
  const format = registerFormat(i.modifiers.regfmt!);
  const write = vectorWriter(i, i.staging[0]!.register, format, channelCount(i.modifiers.vecsize!));
  const out = new Vectors();
  return (w) => {
    load(w);
    w.run.textures.loadTexel(w.run.environment, w, w.mask, request, format.type, out);
    write(w, out);
  };
}

const notModelled = (i: Instruction): never => {
  throw new EncodingError(`${i.spec.name} is not modelled`);
};

export const TEXTURE: Compilers = {
  TEX_SINGLE: texture,
  TEX_FETCH: texture,
  TEX_GATHER: texture,
  TEX_GRADIENT: texture,
  LEA_TEX: texelAddress,
  LEA_TEX_IMM: texelAddress,
  LD_TEX: loadTexel,
  LD_TEX_IMM: loadTexel,
  TEX_DUAL: notModelled,
};
