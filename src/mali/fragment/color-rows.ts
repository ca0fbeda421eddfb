/**
 * Rows of pixels as memory has them, made of the tile buffer's colours: swizzled, dithered, packed; and samples averaged before. This is the
 * script; wasm/color-rows.ts emits the same for most formats.
 */
import type { TileLayout } from '../../abi/formats.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { GpuFault } from '../contract.ts';
import { linearToSrgb, srgbToLinear } from '../format.ts';
import type { Target } from './framebuffer.ts';
import { TILE_PIXELS } from './raster.ts';
import { linearOf, srgbByte } from './wasm/srgb.ts';

/** Ordered dither: thresholds in sixteenths, by the lowest two bits of y and x. Tiles begin where both are zero. */
export const BAYER = Uint8Array.of(0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5);
/** What a swizzle says besides a channel: zero or one. */
export const SWIZZLE_ONE = 5;
export const CHANNELS = 4;

/** Whether what is written depends on where the pixel lies. */
export const dithers = ({ dither, internal }: Target): boolean =>
  dither && internal.tile?.fraction.some((n) => n > 0) === true;

export const isPlain8888 = ({ internal, format }: Target): boolean =>
  format?.bytes === 4 &&
  format.bits?.length === 4 &&
  format.bits.every((n) => n === 8) &&
  internal.tile?.integer.every((n) => n === 8) === true;

/** The layout whose samples can be averaged. Throws GpuFault for formats that hold bits as they are. */
export function averagedLayout({ internal, index }: Target): TileLayout {
  if (internal.tile) return internal.tile;
  throw new GpuFault(
    EXCEPTION.DATA_INVALID_FAULT,
    0,
    `Render Target ${index}: averaging samples of internal format ${internal.name} is not implemented`,
  );
}

/** Replaces sample 0 by the average of all samples. */
export function averageSamples(target: Target, samples: number, words: Uint32Array): void {
  const layout = averagedLayout(target);
  for (let p = 0; p < TILE_PIXELS; p++) {
    let out = 0;
    let shift = 0;
    for (let i = 0; i < CHANNELS; i++) {
      const bits = layout.integer[i]! + layout.fraction[i]!;
      const max = 2 ** bits - 1;
      const linear = target.srgb && i < 3;
      let sum = 0;
      for (let s = 0; s < samples; s++) {
        const raw = (words[s * TILE_PIXELS + p]! >>> shift) & max;
        if (!linear) sum += raw;
        else sum = Math.fround(sum + (max === 255 ? linearOf(raw) : srgbToLinear(raw / max)));
      }
      const mean = sum / samples;
      let value = Math.round(mean);
      if (linear) value = max === 255 ? srgbByte(mean) : Math.round(linearToSrgb(mean) * max);
      out |= value << shift;
      shift += bits;
    }
    words[p] = out;
  }
}

/** Makes rows of the 256 samples from word `from` on. */
export function makeColorRows(target: Target, words: Uint32Array, from: number, rows: Uint8Array): void {
  const format = target.format!;
  if (!format.bits) copyRaw(words, from, target.words, format.bytes, rows);
  else convertBits(words, from, target, rows);
}

function copyRaw(words: Uint32Array, from: number, wordsEach: number, bytes: number, rows: Uint8Array): void {
  for (let p = 0; p < TILE_PIXELS; p++) {
    for (let i = 0; i < bytes; i++) {
      rows[p * bytes + i] = words[from + p * wordsEach + (i >> 2)]! >>> ((i & 3) * 8);
    }
  }
}

function convertBits(words: Uint32Array, from: number, target: Target, rows: Uint8Array): void {
  const { bits = [], from: order = [], bytes } = target.format!;
  const layout = target.internal.tile!;
  for (let p = 0; p < TILE_PIXELS; p++) {
    const word = words[from + p]!;
    const threshold = BAYER[((p >> 4) & 3) * 4 + (p & 3)]! / 16;
    let low = 0;
    let shift = 0;
    for (let i = 0; i < bits.length; i++) {
      const source = target.swizzle[order[i]!]!;
      let value = source === SWIZZLE_ONE ? 2 ** bits[i]! - 1 : 0;
      if (source < CHANNELS) value = channelOf(layout, source, word, bits[i]!, target.dither, threshold);
      low |= value << shift;
      shift += bits[i]!;
    }
    for (let i = 0; i < bytes; i++) rows[p * bytes + i] = low >>> (i * 8);
  }
}

/** A channel of a tile-buffer word in `bits` bits of memory. */
function channelOf(
  layout: TileLayout,
  channel: number,
  word: number,
  bits: number,
  dither: boolean,
  threshold: number,
): number {
  let shift = 0;
  for (let i = 0; i < channel; i++) shift += layout.integer[i]! + layout.fraction[i]!;
  const whole = layout.integer[channel]!;
  const fraction = layout.fraction[channel]!;
  const raw = (word >>> shift) & (2 ** (whole + fraction) - 1);
  const max = 2 ** whole - 1;
  const value = Math.min(max, Math.floor(raw / 2 ** fraction + (dither ? threshold : 0.5)));
  const exact = fraction === 0 ? raw : value;
  return whole === bits ? exact : max === 0 ? 2 ** bits - 1 : Math.round((exact / max) * (2 ** bits - 1));
}
