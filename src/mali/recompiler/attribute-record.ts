/**
 * What recompiled attribute loads and address calculations remember of their buffers, found for them when they ask.
 *
 * Nothing is remembered where the interpreter's step would throw, or where something is so seldom that its step may do it: no
 * descriptor, no buffer, an element that does not lie in one extent of DRAM.
 */
import { handleIndex, handleTable, resourceHandle } from '../../abi/gpu/shader-descriptors.ts';
import { scratch } from '../engine/scratch.ts';
import { attributeOf, elementIndex } from '../shader/attribute.ts';
import { registerFormat } from '../shader/vector.ts';
import type { WarpState } from '../shader/warp.ts';
import { fetchSlot } from './attribute-fetch.ts';
import { ADDRESS, ATTRIBUTE, FRAME } from './frame.ts';
import { unlessFault } from './unless-fault.ts';

const HIGH = 2 ** 32;
/** Addresses up to here are whole numbers, also behind the end of their buffer. */
const LARGEST = 2 ** 52;

/** Register formats by number. */
const REGISTER_FORMATS = ['auto', 'f32', 'f16', 's32', 's16', 'u32', 'u16'] as const;

/**
 * Looks up where an attribute's elements lie around the one that a lane wants. 0: the interpreter's step is to do it. Faults are
 * its to tell: what is looked at here it looks at in the same order.
 */
export function fillAttribute(w: WarpState, shape: number, record: number, lane: number): number {
  return unlessFault(() => fill(w, shape, record, lane)) ?? 0;
}

/** The shape of an attribute of which the address is asked for: no channels. */
export const ADDRESS_SHAPE = 0;
/** A register format and a number of channels as one number. */
export const attributeShape = (format: string, channels: number): number =>
  REGISTER_FORMATS.indexOf(format as (typeof REGISTER_FORMATS)[number]) * 8 + channels;

export const formatOfShape = (shape: number): { register: string; channels: number } => ({
  register: REGISTER_FORMATS[shape >>> 3]!,
  channels: shape & 7,
});

function fill(w: WarpState, shape: number, record: number, lane: number): number {
  const words = scratch.u32;
  const { environment, epoch } = w.run;
  const at = record / 4;
  const frame = w.frame / 4 + lane;
  const handle = words[frame + FRAME.third / 4]!;
  const attribute = attributeOf(environment, handleTable(handle), handleIndex(handle));
  if (!attribute) return 0;
  const { memory } = environment;
  const { register, channels } = formatOfShape(shape);
  const form = fetchSlot(memory.dram, attribute, registerFormat(register), channels);
  if (!form) return 0;
  const buffer = environment.resources.buffer(resourceHandle(attribute.table, attribute.bufferIndex));
  if (!buffer || buffer.address > LARGEST) return 0;
  const { offset, stride } = attribute;
  const { place, bytes } = form;
  const size = Math.min(buffer.size, HIGH - 1);
  // Elements [first, last] lie in the buffer.
  const [first, last] = within(0, size);
  if (last < first) return 0;
  const [vertex, instance] = [words[frame + FRAME.low / 4]!, words[frame + FRAME.high / 4]!];
  const wanted = elementIndex(attribute, vertex, instance, environment.attributeOffset);
  if (channels === 0) {
    const base = buffer.address + offset;
    if (base < 0) return 0;
    words[at + ATTRIBUTE.baseLow / 4] = base % HIGH;
    words[at + ATTRIBUTE.baseHigh / 4] = Math.floor(base / HIGH);
    words[at + ATTRIBUTE.format / 4] = attribute.format;
  } else {
    const element = wanted < first || wanted > last ? first : wanted;
    const extent = memory.extent(buffer.address + offset + element * stride, 'read');
    if (!extent) return 0;
    const start = extent.start - buffer.address;
    const [low, high] = within(Math.max(0, start), Math.min(size, start + extent.size));
    if (element < low || element > high) return 0;
    words[at + ATTRIBUTE.low / 4] = low;
    words[at + ATTRIBUTE.windowLast / 4] = high - low;
    words[at + ATTRIBUTE.physical / 4] = extent.physical + (offset + low * stride - start);
  }
  words[at + ATTRIBUTE.time / 4] = epoch;
  words[at + ATTRIBUTE.handle / 4] = handle;
  w.run.hold(place);
  words[at + ATTRIBUTE.slot / 4] = place.slot;
  words[at + ATTRIBUTE.first / 4] = first;
  words[at + ATTRIBUTE.last / 4] = last - first;
  words[at + ATTRIBUTE.stride / 4] = stride;
  words[at + ATTRIBUTE.offset / 4] = environment.attributeOffset;
  words[at + ATTRIBUTE.divisorR / 4] = attribute.divisorR;
  words[at + ATTRIBUTE.divisorE / 4] = attribute.divisorE;
  words[at + ATTRIBUTE.divisorD / 4] = attribute.divisorD | 0x80000000;
  return 1;

  /** The first and last element that lies in bytes [from, to) of the buffer. */
  function within(from: number, to: number): [number, number] {
    const end = to - bytes - offset;
    if (stride === 0) return offset >= from && end >= 0 ? [0, HIGH - 1] : [1, 0];
    return [Math.max(0, Math.ceil((from - offset) / stride)), Math.min(HIGH - 1, Math.floor(end / stride))];
  }
}

/** Looks up the buffer that a lane's handle names. 0: the interpreter's step is to do it. */
export function fillAddress(w: WarpState, record: number, lane: number): number {
  const words = scratch.u32;
  const { environment, epoch } = w.run;
  const at = record / 4;
  const handle = words[(w.frame + FRAME.third) / 4 + lane]!;
  const buffer = environment.resources.buffer(handle);
  if (buffer && buffer.address > LARGEST) return 0;
  const address = buffer?.address ?? 0;
  const stride = buffer?.stride || 1;
  words[at + ADDRESS.time / 4] = epoch;
  words[at + ADDRESS.handle / 4] = handle;
  words[at + ADDRESS.low / 4] = address % HIGH;
  words[at + ADDRESS.high / 4] = Math.floor(address / HIGH);
  words[at + ADDRESS.stride / 4] = stride;
  words[at + ADDRESS.last / 4] = Math.floor((HIGH - 1) / stride);
  words[at + ADDRESS.present / 4] = buffer ? -1 : 0;
  return 1;
}
