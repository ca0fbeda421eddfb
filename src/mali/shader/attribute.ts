/**
 * Vertex attributes, and loads and stores with conversion: LD_ATTR, LEA_ATTR, LD_CVT, ST_CVT.
 *
 * An attribute descriptor says which buffer, how elements are counted (by vertex or instance, divided where it says so),
 * and the pixel format. The same descriptors serve fragment shaders' software varyings (varying.ts).
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml`, `src/panfrost/lib/pan_attributes.c` (the divisors),
 * `src/gallium/drivers/panfrost/pan_cmdstream.c` (panfrost_pack_attribute).
 */
import {
  COMPONENT_ORDER,
  namePixelFormat,
  ONE,
  PIXEL_FORMATS,
  type PixelFormat,
  PixelFormatWord,
} from '../../abi/formats.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import {
  ATTRIBUTE_FREQUENCY,
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  DESCRIPTOR_TYPE,
  handleIndex,
  handleTable,
  resourceHandle,
  unfoldTable,
} from '../../abi/gpu/shader-descriptors.ts';
import { type Infer, viewOf } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { type Unpack, unpacker } from '../format.ts';
import { pack } from '../pack.ts';
import type { Compilers, Exec } from './compile.ts';
import { LANES, type LaneType, type LaneVectors, type ShaderEnvironment } from './contract.ts';
import type { Instruction } from './decode.ts';
import { laneAddress } from './memory.ts';
import { type Ints, rawBits } from './operand.ts';
import { channelCount, putValue, registerFormat, Vectors, vectorReader, vectorWriter } from './vector.ts';
import type { WarpState } from './warp.ts';

/** The pixel format in a conversion descriptor. */
export const FORMAT_MASK = 0x3fffff;

const hex = (x: number): string => `0x${x.toString(16)}`;

/** A pixel format ready for reading. */
export interface TexelFormat {
  readonly format: PixelFormat;
  readonly from: readonly number[];
  readonly unpack: Unpack;
}
const texelFormats = new Map<number, TexelFormat>();

/** The format of a pixel format word; a GpuFault names it, and the instruction `name` at `pc`, where it is not modelled. */
export function texelFormat(word: number, name: string, pc: number): TexelFormat {
  const known = texelFormats.get(word);
  if (known) return known;
  const bytes = viewOf(new Uint8Array(4));
  bytes.setUint32(0, word, true);
  const fields = PixelFormatWord.read(bytes, 0);
  const format = PIXEL_FORMATS.get(fields.index);
  const order = COMPONENT_ORDER[fields.order];
  if (!format || format.kind === 'tile' || !order || fields.bigEndian || fields.srgb) {
    throw new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      0,
      `${name} at pc ${hex(pc)}: format ${namePixelFormat(word)} is not modelled here`,
    );
  }
  const made = { format, from: order.from, unpack: unpacker(format) };
  texelFormats.set(word, made);
  return made;
}

const words = new Uint32Array(5);
const values = new Float64Array(8);

/** Reads one texel and puts its channels where the component order says, for lane n. */
export function loadTexel(
  memory: VirtualMemory,
  address: number,
  { format, from, unpack }: TexelFormat,
  type: LaneType,
  channels: number,
  out: LaneVectors,
  n: number,
): void {
  if (address) {
    const { bytes } = format;
    let at = 0;
    for (; at + 4 <= bytes; at += 4) words[at >> 2] = memory.load32(address + at);
    if (at < bytes) {
      let rest = 0;
      for (let k = 0; at + k < bytes; k++) rest |= memory.load8(address + at + k) << (k * 8);
      words[at >> 2] = rest;
    }
    unpack(words, values);
  } else values.fill(0);
  const count = format.channels.length;
  for (let c = 0; c < channels; c++) {
    const source = from[c]!;
    const value = source < 4 ? (source < count ? values[source]! : 0) : source === ONE ? 1 : 0;
    putValue(out, c * LANES + n, value, type, format.kind);
  }
}

/**
 * Converts lane n's vector and stores it. Channels that the shader does not give are 0, alpha 1. A NaN that is a half, or was one
 * (`half`), becomes the plain one: what its bits come to hangs on how the host converts halves.
 */
export function storeTexel(
  memory: VirtualMemory,
  address: number,
  { format, from }: TexelFormat,
  type: LaneType,
  channels: number,
  half: boolean,
  data: LaneVectors,
  n: number,
): void {
  // A constant has no place.
  if (format.bytes === 0) return;
  const kind = type === 'raw' ? format.kind : type;
  for (let place = 0; place < format.channels.length; place++) {
    const c = from.indexOf(place);
    const at = c * LANES + n;
    let value = c === 3 ? 1 : 0;
    if (c >= 0 && c < channels)
      value = kind === 'uint' ? data.u32[at]! : kind === 'sint' ? data.i32[at]! : data.f32[at]!;
    if (Number.isNaN(value) && (half || format.channels[place]!.bits === 16)) value = Number.NaN;
    values[place] = value;
  }
  pack(format, values, words, 0);
  let at = 0;
  for (; at + 4 <= format.bytes; at += 4) memory.store32(address + at, words[at >> 2]!);
  for (; at < format.bytes; at++) memory.store8(address + at, (words[at >> 2]! >>> ((at & 3) * 8)) & 0xff);
}

export type Attribute = Infer<typeof AttributeDescriptor>;

/** The attribute descriptor that table and index name, cached for the environment. */
export function attributeOf(environment: ShaderEnvironment, table: number, index: number): Attribute | undefined {
  const cache = environment.attributes;
  const key = resourceHandle(table, index);
  if (cache.has(key)) return cache.get(key);
  const address = environment.resources.descriptor(table, index);
  let attribute: Attribute | undefined;
  if (address) {
    const found = environment.memory.descriptor(AttributeDescriptor, address);
    if (found.type !== DESCRIPTOR_TYPE.NULL) attribute = found;
    if (found.type !== DESCRIPTOR_TYPE.NULL && found.type !== DESCRIPTOR_TYPE.ATTRIBUTE) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        address,
        `descriptor at ${hex(address)}: type ${found.type} where an attribute is wanted`,
      );
    }
  }
  cache.set(key, attribute);
  return attribute;
}

/** Which element of the buffer an attribute reads. */
export function elementIndex(attribute: Attribute, vertex: number, instance: number, offset: number): number {
  let index = attribute.frequency === ATTRIBUTE_FREQUENCY.INSTANCE ? instance : vertex;
  if (attribute.offsetEnable) index = (index + offset) >>> 0;
  switch (attribute.attributeType) {
    case ATTRIBUTE_TYPE.LINEAR:
      return index;
    case ATTRIBUTE_TYPE.POT_DIVISOR:
      return index >>> attribute.divisorR;
    case ATTRIBUTE_TYPE.NPOT_DIVISOR: {
      // Division by multiplication: the divisor's reciprocal has its top bit left out; E rounds down by adding one first.
      const factor = BigInt(attribute.divisorD | 0x80000000) & 0xffffffffn;
      return Number((BigInt(index + attribute.divisorE) * factor) >> BigInt(32 + attribute.divisorR));
    }
    default:
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        0,
        `attribute descriptor: attribute type ${attribute.attributeType} is not modelled here`,
      );
  }
}

/** Address of an element of a plain attribute, or 0 if it does not lie in its buffer. */
export function elementAddress(
  environment: ShaderEnvironment,
  attribute: Attribute,
  index: number,
  bytes: number,
): number {
  const buffer = environment.resources.buffer(resourceHandle(attribute.table, attribute.bufferIndex));
  if (!buffer) return 0;
  const at = attribute.offset + index * attribute.stride;
  return at >= 0 && at + bytes <= buffer.size ? buffer.address + at : 0;
}

/** A handle per lane, from immediates or the third source. */
export function handles(i: Instruction): Ints {
  const third = i.sources[2];
  if (third) return rawBits(third, i.page);
  const all = new Int32Array(LANES).fill(resourceHandle(unfoldTable(i.immediates.table!), i.immediates.index!));
  return () => all;
}

function loadAttribute(i: Instruction): Exec {
  const vertex = rawBits(i.sources[0]!, i.page);
  const instance = rawBits(i.sources[1]!, i.page);
  const handle = handles(i);
  const format = registerFormat(i.modifiers.regfmt!);
  const channels = channelCount(i.modifiers.vecsize!);
  const write = vectorWriter(i, i.staging[0]!.register, format, channels);
  const out = new Vectors();
  return (w) => {
    const [v, s, h] = [vertex(w), instance(w), handle(w)];
    const { environment } = w.run;
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      const attribute = attributeOf(environment, handleTable(h[n]!), handleIndex(h[n]!));
      if (!attribute) {
        for (let c = 0; c < channels; c++) out.i32[c * LANES + n] = 0;
        continue;
      }
      const texel = texelFormat(attribute.format, i.spec.name, w.pc);
      const index = elementIndex(attribute, v[n]! >>> 0, s[n]! >>> 0, environment.attributeOffset);
      const address = elementAddress(environment, attribute, index, texel.format.bytes);
      loadTexel(environment.memory, address, texel, format.type, channels, out, n);
    }
    write(w, out);
  };
}

/** LEA_ATTR: address (two words) and the format, for ST_CVT. */
function leaAttribute(i: Instruction): Exec {
  const vertex = rawBits(i.sources[0]!, i.page);
  const instance = rawBits(i.sources[1]!, i.page);
  const handle = handles(i);
  const write = vectorWriter(i, i.staging[0]!.register, registerFormat('u32'), 3);
  const out = new Vectors();
  return (w) => {
    const [v, s, h] = [vertex(w), instance(w), handle(w)];
    const { environment } = w.run;
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      const attribute = attributeOf(environment, handleTable(h[n]!), handleIndex(h[n]!));
      let address = 0;
      if (attribute) {
        const texel = texelFormat(attribute.format, i.spec.name, w.pc);
        const index = elementIndex(attribute, v[n]! >>> 0, s[n]! >>> 0, environment.attributeOffset);
        address = elementAddress(environment, attribute, index, texel.format.bytes);
      }
      out.u32[n] = address % 2 ** 32;
      out.u32[LANES + n] = Math.floor(address / 2 ** 32);
      out.u32[2 * LANES + n] = attribute?.format ?? 0;
    }
    write(w, out);
  };
}

/** LD_CVT and ST_CVT: load or store a vector, converted from or to a pixel format. Address 0 is where nothing is. */
function converted(i: Instruction): Exec {
  const low = rawBits(i.sources[0]!, i.page, 0);
  const high = rawBits(i.sources[0]!, i.page, 1);
  const descriptor = rawBits(i.sources[1]!, i.page);
  const format = registerFormat(i.modifiers.regfmt!);
  const channels = channelCount(i.modifiers.vecsize!);
  const { register } = i.staging[0]!;
  const data = new Vectors();
  const offset = i.immediates.offset!;
  const nowhere = (xl: Int32Array, xh: Int32Array, n: number): boolean => xl[n] === 0 && xh[n] === 0;
  const formatOf = (w: WarpState, d: Int32Array, n: number): TexelFormat =>
    texelFormat(d[n]! & FORMAT_MASK, i.spec.name, w.pc);
  if (i.spec.name === 'LD_CVT') {
    const write = vectorWriter(i, register, format, channels);
    return (w) => {
      const [xl, xh, d] = [low(w), high(w), descriptor(w)];
      for (let n = 0; n < LANES; n++) {
        if (!(w.mask & (1 << n))) continue;
        const address = nowhere(xl, xh, n) ? 0 : laneAddress(w, n, xl[n]!, xh[n]!, offset);
        loadTexel(w.run.environment.memory, address, formatOf(w, d, n), format.type, channels, data, n);
      }
      write(w, data);
    };
  }
  const read = vectorReader(i, register, format, channels);
  return (w) => {
    const [xl, xh, d] = [low(w), high(w), descriptor(w)];
    read(w, data);
    const mask = w.mask & ~w.discarded;
    for (let n = 0; n < LANES; n++) {
      if (!(mask & (1 << n)) || nowhere(xl, xh, n)) continue;
      const address = laneAddress(w, n, xl[n]!, xh[n]!, offset);
      storeTexel(
        w.run.environment.memory,
        address,
        formatOf(w, d, n),
        format.type,
        channels,
        format.bits === 16,
        data,
        n,
      );
    }
  };
}

export const ATTRIBUTE: Compilers = {
  LD_ATTR: loadAttribute,
  LD_ATTR_IMM: loadAttribute,
  LEA_ATTR: leaAttribute,
  LEA_ATTR_IMM: leaAttribute,
  LD_CVT: converted,
  ST_CVT: converted,
};
