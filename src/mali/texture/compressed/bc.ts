/**
 * BC1 to BC5 decoders. BC1 to BC3 give RGBA8 texels in rows; BC4 and BC5 channels of 16 bits, as finely as their palettes
 * are.
 * Source: Khronos Data Format Specification 1.3 chapters 18 (S3TC) and 19 (RGTC).
 */
import { BC_PART_BITS, bc2Alpha, bcChannel, bcColour } from '../../../abi/blocks/bc.ts';
import { type Block, signExtend } from '../../../abi/blocks/bits.ts';
import { pair16, replicate, rgba8 } from './texel.ts';

const TEXELS = 16;
const OPAQUE = 255;

const COLOUR_FIRST = bcColour(0);
const COLOUR_SECOND = bcColour(BC_PART_BITS);
const CHANNEL_FIRST = bcChannel(0);
const CHANNEL_SECOND = bcChannel(BC_PART_BITS);

/** Four colours, RGBA each. */
const colours = new Int32Array(16);
const palette = new Float64Array(8);

/** Fills `colours`. `three`: a first endpoint that is not above the second leaves three colours, and transparent black. */
function setColours(block: Block, part: ReturnType<typeof bcColour>, three: boolean): void {
  const short = three && part.whole[0]!(block) <= part.whole[1]!(block);
  for (let c = 0; c < 3; c++) {
    const a = replicate(part.endpoints[0]![c]!(block), part.bits[c]!, 8);
    const b = replicate(part.endpoints[1]![c]!(block), part.bits[c]!, 8);
    colours[c] = a;
    colours[4 + c] = b;
    colours[8 + c] = Math.round(short ? (a + b) / 2 : (2 * a + b) / 3);
    colours[12 + c] = short ? 0 : Math.round((a + 2 * b) / 3);
  }
  for (let i = 0; i < 4; i++) colours[i * 4 + 3] = short && i === 3 ? 0 : OPAQUE;
}

const colour = (index: number, alpha: number): number =>
  rgba8(colours[index * 4]!, colours[index * 4 + 1]!, colours[index * 4 + 2]!, alpha);

export function decodeBc1(block: Block, out: Uint32Array): void {
  setColours(block, COLOUR_FIRST, true);
  for (let i = 0; i < TEXELS; i++) {
    const index = COLOUR_FIRST.index(block, i);
    out[i] = colour(index, colours[index * 4 + 3]!);
  }
}

export function decodeBc2(block: Block, out: Uint32Array): void {
  setColours(block, COLOUR_SECOND, false);
  for (let i = 0; i < TEXELS; i++) out[i] = colour(COLOUR_SECOND.index(block, i), replicate(bc2Alpha(block, i), 4, 8));
}

export function decodeBc3(block: Block, out: Uint32Array): void {
  setColours(block, COLOUR_SECOND, false);
  setPalette(CHANNEL_FIRST.endpoints[0]!(block), CHANNEL_FIRST.endpoints[1]!(block), 0, OPAQUE);
  for (let i = 0; i < TEXELS; i++) {
    out[i] = colour(COLOUR_SECOND.index(block, i), Math.round(palette[CHANNEL_FIRST.index(block, i)]!));
  }
}

/** Eight values between the endpoints; or six, and the lowest and highest, where the first is not above the second. */
function setPalette(a: number, b: number, lowest: number, highest: number): void {
  palette[0] = a;
  palette[1] = b;
  const steps = a > b ? 7 : 5;
  for (let i = 1; i < steps; i++) palette[i + 1] = ((steps - i) * a + i * b) / steps;
  if (steps === 5) {
    palette[6] = lowest;
    palette[7] = highest;
  }
}

/** Fills `palette` with values from -1 or 0 to 1. */
function setUnitPalette(block: Block, part: ReturnType<typeof bcChannel>, signed: boolean): void {
  const limit = signed ? 127 : 255;
  const endpoint = (i: 0 | 1): number => {
    const raw = part.endpoints[i](block);
    return signed ? Math.max(-limit, signExtend(raw, 8)) : raw;
  };
  setPalette(endpoint(0), endpoint(1), signed ? -limit : 0, limit);
  for (let i = 0; i < palette.length; i++) palette[i]! /= limit;
}

const channels =
  (parts: readonly ReturnType<typeof bcChannel>[], signed: boolean) =>
  (block: Block, out: Uint32Array): void => {
    const scale = signed ? 0x7fff : 0xffff;
    parts.forEach((part, channel) => {
      setUnitPalette(block, part, signed);
      for (let i = 0; i < TEXELS; i++) {
        const value = Math.round(palette[part.index(block, i)]! * scale);
        out[i] = channel === 0 ? pair16(value, 0) : pair16(out[i]!, value);
      }
    });
  };

export const decodeBc4 = channels([CHANNEL_FIRST], false);
export const decodeBc4Signed = channels([CHANNEL_FIRST], true);
export const decodeBc5 = channels([CHANNEL_FIRST, CHANNEL_SECOND], false);
export const decodeBc5Signed = channels([CHANNEL_FIRST, CHANNEL_SECOND], true);
