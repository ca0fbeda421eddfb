/**
 * BC6H decoders: 16 texels of four half floats in rows, two words each. A block without a mode is black; alpha is 1.
 * Source: Khronos Data Format Specification 1.3 chapter 20.2.
 */
import { type Block, bitsAt, signExtend } from '../../../abi/blocks/bits.ts';
import {
  BC6H_INDEX_BITS,
  BC6H_LONG_MODE_BITS,
  BC6H_MODES,
  BC6H_PARTITION_BITS,
  BC6H_SHORT_MODE_BITS,
  BPTC_ANCHORS,
  BPTC_PARTITIONS,
  BPTC_WEIGHTS,
} from '../../../abi/blocks/bptc.ts';
import { pair16 } from './texel.ts';

const TEXELS = 16;
const HALF_ONE = 0x3c00;
const HALF_SIGN = 0x8000;

/** Red, green and blue of four endpoints. */
const values = new Int32Array(12);

/** From `bits` bits to 17 bits with sign, or 16 without. */
function unquantize(value: number, bits: number, signed: boolean): number {
  if (!signed) {
    if (bits >= 15 || value === 0) return value;
    return value === (1 << bits) - 1 ? 0xffff : ((value << 16) + 0x8000) >> bits;
  }
  if (bits >= 16 || value === 0) return value;
  const magnitude = Math.abs(value);
  const wide = magnitude >= (1 << (bits - 1)) - 1 ? 0x7fff : ((magnitude << 15) + 0x4000) >> (bits - 1);
  return value < 0 ? -wide : wide;
}

/** The half float of an interpolated value: scaled so that the largest is the largest finite number. */
function toHalf(value: number, signed: boolean): number {
  if (!signed) return (value * 31) >> 6;
  return value < 0 ? HALF_SIGN | ((-value * 31) >> 5) : (value * 31) >> 5;
}

function decode(block: Block, signed: boolean, out: Uint32Array): void {
  const short = bitsAt(block, 0, BC6H_SHORT_MODE_BITS);
  const mode = BC6H_MODES.get(short < 2 ? short : bitsAt(block, 0, BC6H_LONG_MODE_BITS));
  if (!mode) {
    for (let i = 0; i < TEXELS; i++) {
      out[i * 2] = 0;
      out[i * 2 + 1] = pair16(0, HALF_ONE);
    }
    return;
  }
  let at = mode.modeBits;
  values.fill(0);
  for (const { value, low, width, reversed } of mode.runs) {
    let bits = bitsAt(block, at, width);
    at += width;
    if (reversed) {
      let turned = 0;
      for (let i = 0; i < width; i++) turned |= ((bits >>> i) & 1) << (width - 1 - i);
      bits = turned;
    }
    values[value]! |= bits << low;
  }
  const { subsets, endpointBits, transformed } = mode;
  const partition = subsets === 2 ? bitsAt(block, at, BC6H_PARTITION_BITS) : 0;
  if (subsets === 2) at += BC6H_PARTITION_BITS;

  for (let c = 0; c < 3; c++) {
    if (signed) values[c] = signExtend(values[c]!, endpointBits);
    const first = values[c]!;
    for (let e = 1; e < subsets * 2; e++) {
      const i = e * 3 + c;
      const width = mode.deltaBits[c]!;
      if (transformed) {
        const sum = first + signExtend(values[i]!, width);
        values[i] = signed ? signExtend(sum, endpointBits) : sum & ((1 << endpointBits) - 1);
      } else if (signed) values[i] = signExtend(values[i]!, width);
    }
  }
  for (let i = 0; i < subsets * 6; i++) values[i] = unquantize(values[i]!, endpointBits, signed);

  const indexBits = subsets === 2 ? BC6H_INDEX_BITS[2] : BC6H_INDEX_BITS[1];
  const weights = BPTC_WEIGHTS[indexBits]!;
  const belongs = BPTC_PARTITIONS[subsets]![partition]!;
  const anchor = BPTC_ANCHORS[subsets]![0]?.[partition] ?? 0;
  for (let i = 0; i < TEXELS; i++) {
    const width = i === 0 || i === anchor ? indexBits - 1 : indexBits;
    const weight = weights[bitsAt(block, at, width)]!;
    at += width;
    const from = belongs[i]! * 6;
    const channel = (c: number): number =>
      toHalf(((64 - weight) * values[from + c]! + weight * values[from + 3 + c]! + 32) >> 6, signed);
    out[i * 2] = pair16(channel(0), channel(1));
    out[i * 2 + 1] = pair16(channel(2), HALF_ONE);
  }
}

export const decodeBc6hUnsigned = (block: Block, out: Uint32Array): void => decode(block, false, out);
export const decodeBc6hSigned = (block: Block, out: Uint32Array): void => decode(block, true, out);
