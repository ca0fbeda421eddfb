/**
 * Random attribute and buffer descriptors for fuzzed shaders: all formats and ways to count, in buffers in and around the
 * data, most of which can be read.
 */
import { COMPONENT_ORDER, PIXEL_FORMATS, PixelFormatWord } from '../../../abi/formats.ts';
import {
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  BUFFER_TYPE,
  BufferDescriptor,
  DESCRIPTOR_STRIDE,
  DESCRIPTOR_TYPE,
} from '../../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../../abi/layout.ts';
import type { Random } from '../random.ts';
import { ATTRIBUTE_COUNT, ATTRIBUTE_TABLE, ATTRIBUTE_TABLE_BYTES, BUFFER_COUNT, DATA_AT, DATA_SIZE } from './memory.ts';

/** Tables that inputs choose of. */
export const ATTRIBUTE_TABLES = 3;

const INDICES = [...PIXEL_FORMATS.keys()];
const ORDERS = Object.keys(COMPONENT_ORDER).map(Number);

function format(random: Random): number {
  const bytes = viewOf(new Uint8Array(4));
  PixelFormatWord.write(bytes, 0, {
    order: random.chance(60) ? 0 : random.pick(ORDERS),
    index: random.chance(99) ? random.pick(INDICES) : random.below(256),
    srgb: random.chance(1),
    bigEndian: random.chance(1),
  });
  return bytes.getUint32(0, true) & 0x3fffff;
}

function attribute(random: Random, view: DataView, at: number): void {
  const kind = random.below(100);
  AttributeDescriptor.write(view, at, {
    type: random.chance(99) ? DESCRIPTOR_TYPE.ATTRIBUTE : random.below(3),
    attributeType:
      kind < 60
        ? ATTRIBUTE_TYPE.LINEAR
        : kind < 75
          ? ATTRIBUTE_TYPE.POT_DIVISOR
          : kind < 90
            ? ATTRIBUTE_TYPE.NPOT_DIVISOR
            : kind < 98
              ? ATTRIBUTE_TYPE.VERTEX_PACKET
              : ATTRIBUTE_TYPE.PRIMITIVE_INDEX,
    offsetEnable: random.chance(30),
    format: format(random),
    table: random.chance(97) ? ATTRIBUTE_TABLE : 0,
    frequency: random.below(2),
    divisorR: random.below(random.chance(90) ? 4 : 32),
    divisorE: random.below(2),
    divisorD: random.word(),
    offset: random.chance(90) ? random.below(32) : random.below(5000) - 2000,
    bufferIndex: ATTRIBUTE_COUNT + random.below(random.chance(97) ? BUFFER_COUNT : BUFFER_COUNT + 1),
    stride: random.chance(10) ? random.below(70) : random.pick([0, 4, 8, 12, 16, 32]),
  });
}

function buffer(random: Random, view: DataView, at: number): void {
  const structured = random.chance(50);
  const offset = random.below(DATA_SIZE - 512);
  BufferDescriptor.write(view, at, {
    type: random.chance(98) ? DESCRIPTOR_TYPE.BUFFER : 0,
    bufferType: structured ? BUFFER_TYPE.STRUCTURE : BUFFER_TYPE.SIMPLE,
    size: random.chance(85) ? DATA_SIZE - offset : random.below(2 * DATA_SIZE),
    address: DATA_AT + offset,
    stride: structured ? random.pick([0, 4, 12, 48, 0x10000]) : 0,
  });
}

/** The bytes of a table of attributes and buffers. */
export function attributeTable(random: Random): Uint8Array {
  const bytes = new Uint8Array(ATTRIBUTE_TABLE_BYTES);
  const view = viewOf(bytes);
  for (let n = 0; n < ATTRIBUTE_COUNT; n++) attribute(random, view, n * DESCRIPTOR_STRIDE);
  for (let n = 0; n < BUFFER_COUNT; n++) buffer(random, view, (ATTRIBUTE_COUNT + n) * DESCRIPTOR_STRIDE);
  return bytes;
}
