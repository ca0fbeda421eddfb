/**
 * Texture and image instructions: their operands taken out of staging registers and handed to the texture unit, its
 * results put back.
 *
 * Staging registers hold only what the instruction uses, in a fixed order: x, y, z, layer, depth reference, packed offsets,
 * level or bias, the two words of a gradient descriptor. Texture and sampler are named by the 64-bit source: two handles
 * (sampler, texture), or with narrow indices one word with both in 16 bits each.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_tex_valhall), `valhall/ISA.xml`.
 */
import { unfoldTable } from '../../abi/gpu/shader-descriptors.ts';
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
    texture: unfoldTable(textureTable) * 2 ** 24 + texture,
    sampler: unfoldTable(samplerTable) * 2 ** 24 + sampler,
  };
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

/** Writes the channels that the mask keeps, one after the other, as 32- or 16-bit values. */
function maskedWriter(
  i: Instruction,
  register: number,
  mask: number,
  bits: 16 | 32,
  request: TextureRequest,
  from: Vectors,
): (w: WarpState) => void {
  const kept = [0, 1, 2, 3].filter((c) => mask & (1 << c));
  if (register + registerCount({ type: request.type, bits }, kept.length) > 64) {
    throw new EncodingError(`${i.spec.name}: registers end beyond r63`);
  }
  const rows = kept.map((c) => from.i32.subarray(c * LANES, (c + 1) * LANES));
  return (w) => {
    if (bits === 32 && w.mask === ALL_LANES) {
      for (let k = 0; k < rows.length; k++) w.ri[register + k]!.set(rows[k]!);
      return;
    }
    for (let k = 0; k < kept.length; k++) {
      const base = kept[k]! * LANES;
      for (let n = 0; n < LANES; n++) {
        if (!(w.mask & (1 << n))) continue;
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

function newRequest(i: Instruction, operation: TextureRequest['operation']): TextureRequest {
  const m = i.modifiers;
  return {
    operation,
    name: i.spec.name,
    dimension: m.dimension as TextureDimension,
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
    lodMode: (m.lodMode ?? 'zero') as LodMode,
    component: Math.max(0, COMPONENTS.indexOf(m.component ?? '')),
    integerCoordinates: operation === 'fetch' || m.integer_coordinates === 'integer_coordinates',
    derivatives: m.derivative_enable === 'derivative_enable',
    forceDelta: m.force_delta_enable === 'force_delta_enable',
    lodBiasDisable: m.lod_bias_disable === 'lod_bias_disable',
    lodClampDisable: m.lod_clamp_disable === 'lod_clamp_disable',
    deltas: [],
    skip: m.skip === 'skip',
    type: TYPES[m.registerType ?? 'auto'] ?? 'raw',
    result: 'float',
    writeMask: 15,
  };
}

function texture(i: Instruction, operation: TextureRequest['operation']): Exec {
  const m = i.modifiers;
  const [written, read] = i.staging;
  const request = newRequest(i, operation);
  const loadHandles = handleLoader(i, request.texture, request.sampler);
  request.writeMask = [...m.writeMask!].reduce((mask, c) => mask | (1 << CHANNELS.indexOf(c)), 0);

  // Which staging register each operand is in, in the fixed order.
  let next = read!.register;
  const end = next + read!.count;
  const take = (present: boolean): number => (present ? next++ : -1);
  const coordinates = COORDINATES[request.dimension];
  const derivatives = operation === 'gradient' && request.derivatives;
  const x = take(!derivatives);
  const y = take(!derivatives && coordinates > 1);
  const z = take(!derivatives && coordinates > 2);
  const deltas = derivatives ? Array.from({ length: coordinates * 2 }, () => take(true)) : [];
  const array = take(m.array_enable === 'array_enable');
  const shadow = take(m.shadow === 'shadow');
  const offset = take(m.texel_offset === 'texel_offset');
  const lod = take(m.lodMode === 'explicit' || m.lodMode === 'computed_bias');
  const gradient = take(m.lodMode === 'grdesc');
  const gradient2 = take(m.lodMode === 'grdesc');
  if (next > end)
    throw new EncodingError(`${i.spec.name}: ${read!.count} staging registers where ${next - read!.register} are read`);

  const bits = m.registerWidth === '16' ? 16 : 32;
  const mask = operation === 'gradient' ? request.writeMask & 3 : request.writeMask;
  const out = new Vectors(4, true);
  const write = maskedWriter(i, written!.register, mask, operation === 'gradient' ? 32 : bits, request, out);
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
    request.gradient = gradient < 0 ? undefined : [w.ri[gradient]!, w.ri[gradient2]!];
    if (derivatives) request.deltas = deltas.map((r) => w.rf[r]!);
    w.run.textures.execute(w.run.environment, w, w.mask, request, out);
    write(w);
  };
}

// Images.

const signed16 = (x: number): number => (x << 16) >> 16;

/** Texel coordinates of 16 bits, two to a source. */
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
        request.x[n] = signed16(a[n]!);
        request.y[n] = a[n]! >> 16;
        request.z[n] = signed16(b[n]!);
        request.w[n] = b[n]! >> 16;
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
  TEX_SINGLE: (i) => texture(i, 'single'),
  TEX_FETCH: (i) => texture(i, 'fetch'),
  TEX_GATHER: (i) => texture(i, 'gather'),
  TEX_GRADIENT: (i) => texture(i, 'gradient'),
  LEA_TEX: texelAddress,
  LEA_TEX_IMM: texelAddress,
  LD_TEX: loadTexel,
  LD_TEX_IMM: loadTexel,
  TEX_DUAL: notModelled,
};
