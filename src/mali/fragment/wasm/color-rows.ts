/**
 * Emitted WebAssembly that makes rows of memory's pixels of the tile buffer's colours, and averages samples before: as
 * fragment/color-rows.ts does it, four pixels at a time.
 */
import type { TileLayout } from '../../../abi/formats.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { BAYER, CHANNELS, SWIZZLE_ONE } from '../color-rows.ts';
import type { Target } from '../framebuffer.ts';
import { TILE, TILE_PIXELS } from '../raster.ts';
import { functions } from './modules.ts';
import { SrgbCode } from './srgb.ts';
import { PIECES, type Turn } from './tile.ts';

const VECTOR = 16;
const PIXELS = 4;
/** Sixteenths: dither thresholds, and one half. */
const SIXTEENTHS = 4;
const HALF = 8;

/** Where a channel lies in a word of the tile buffer. */
function placeOf(layout: TileLayout, channel: number): { shift: number; whole: number; fraction: number } {
  let shift = 0;
  for (let i = 0; i < channel; i++) shift += layout.integer[i]! + layout.fraction[i]!;
  return { shift, whole: layout.integer[channel]!, fraction: layout.fraction[channel]! };
}

/** The function for a target, or undefined where script is to do it: where channels change their number of bits. */
export function colorRows(target: Target): Turn | undefined {
  const { bytes, bits, from = [] } = target.format!;
  if (!bits) return raw(target.words * 4, bytes);
  const layout = target.internal.tile!;
  const swizzle = from.map((channel) => target.swizzle[channel]!);
  const same = swizzle.every((source, i) => {
    if (source >= CHANNELS) return true;
    const { whole } = placeOf(layout, source);
    return whole === bits[i] || whole === 0;
  });
  if (!same) return undefined;
  const key = `colour ${layout.name} ${bits} ${bytes} ${swizzle} ${target.dither}`;
  return functions<{ writeback_colour: Turn }>(key, (m) => emitBits(m, layout, bits, bytes, swizzle, target.dither))
    .writeback_colour;
}

/** Pixels of `bytes` bytes out of `stride`. */
const raw = (stride: number, bytes: number): Turn =>
  functions<{ writeback_raw: Turn }>(`raw ${stride} ${bytes}`, (m) => emitRaw(m, stride, bytes)).writeback_raw;

function emitRaw(m: ModuleBuilder, stride: number, bytes: number): void {
  const f = m.function('writeback_raw', ['i32', 'i32'], [], true);
  const end = f.local('i32');
  f.get(0)
    .i32(TILE_PIXELS * stride)
    .op('i32_add')
    .set(end);
  const again = f.loop();
  let at = 0;
  for (const [size, load, store] of PIECES) {
    for (; bytes - at >= size; at += size) f.get(1).get(0).memory(load, at).memory(store, at);
  }
  f.get(1).i32(bytes).op('i32_add').set(1);
  f.get(0).i32(stride).op('i32_add').tee(0).get(end).op('i32_lt_u').brIf(again).end();
}

function emitBits(
  m: ModuleBuilder,
  layout: TileLayout,
  bits: readonly number[],
  bytes: number,
  swizzle: readonly number[],
  dither: boolean,
): void {
  const f = m.function('writeback_colour', ['i32', 'i32'], [], true);
  const word = f.local('v128');
  const value = f.local('v128');
  const end = f.local('i32');
  const thresholds = [0, 1, 2, 3].map((row) => {
    const local = f.local('v128');
    if (dither) f.v128(...BAYER.subarray(4 * row, 4 * row + 4)).set(local);
    else f.v128(HALF).set(local);
    return local;
  });
  f.get(0)
    .i32(TILE_PIXELS * 4)
    .op('i32_add')
    .set(end);
  const again = f.loop();
  // Four rows at a time: thresholds repeat after them.
  for (const [row, threshold] of thresholds.entries()) {
    for (let x = 0; x < TILE; x += PIXELS) {
      const pixel = row * TILE + x;
      f.get(0)
        .memory('v128_load', pixel * 4)
        .set(word);
      f.v128(0, 0, 0, 0).set(value);
      let at = 0;
      for (const [i, source] of swizzle.entries()) {
        channel(f, layout, source, bits[i]!, word, threshold);
        f.i32(at).op('i32x4_shl').get(value).op('v128_or').set(value);
        at += bits[i]!;
      }
      store(f, value, bytes, pixel);
    }
  }
  f.get(1)
    .i32(4 * TILE * bytes)
    .op('i32_add')
    .set(1);
  f.get(0)
    .i32(4 * TILE * 4)
    .op('i32_add')
    .tee(0)
    .get(end)
    .op('i32_lt_u')
    .brIf(again)
    .end();
}

/** Pushes what a channel of memory holds. */
function channel(f: Code, layout: TileLayout, source: number, bits: number, word: number, threshold: number): void {
  const splat = (x: number) => f.i32(x).op('i32x4_splat');
  const all = 2 ** bits - 1;
  const place = source < CHANNELS ? placeOf(layout, source) : undefined;
  // A channel that the tile buffer does not have is one.
  if (!place || place.whole === 0) {
    splat(place || source === SWIZZLE_ONE ? all : 0);
    return;
  }
  const { shift, whole, fraction } = place;
  f.get(word).i32(shift).op('i32x4_shr_u');
  splat(2 ** (whole + fraction) - 1).op('v128_and');
  if (fraction === 0) return;
  f.i32(SIXTEENTHS).op('i32x4_shl').get(threshold).i32(fraction).op('i32x4_shl').op('i32x4_add');
  f.i32(SIXTEENTHS + fraction).op('i32x4_shr_u');
  splat(all).op('i32x4_min_u');
}

/** Stores four pixels of the tile, the lower `bytes` bytes of each word. */
function store(f: Code, value: number, bytes: number, pixel: number): void {
  const at = pixel * bytes;
  f.get(1).get(value);
  if (bytes === 4) f.memory('v128_store', at);
  else if (bytes === 3) {
    // The next pixels overwrite what is too much.
    f.get(value).shuffle(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3).memory('v128_store', at);
  } else {
    f.get(value).op('i16x8_narrow_i32x4_u');
    if (bytes === 2) f.lane('i64x2_extract_lane', 0).memory('i64_store', at);
    else f.get(value).op('i8x16_narrow_i16x8_u').lane('i32x4_extract_lane', 0).memory('i32_store', at);
  }
}

/** Replaces sample 0 of 256 pixels by the average of all samples. */
export type Average = (plane: number) => void;

/** The function for a layout, or undefined where script is to do it: sRGB of other than one byte. */
export function averageOf(layout: TileLayout, samples: number, srgb: boolean): Average | undefined {
  const bytes = [0, 1, 2].every((i) => layout.integer[i] === 8 && layout.fraction[i] === 0);
  if (srgb && !bytes) return undefined;
  return functions<{ writeback_average: Average }>(`average ${layout.name} ${samples} ${srgb}`, (m) =>
    emitAverage(m, layout, samples, srgb),
  ).writeback_average;
}

function emitAverage(m: ModuleBuilder, layout: TileLayout, samples: number, srgb: boolean): void {
  const f = m.function('writeback_average', ['i32'], [], true);
  const [sum, out] = [f.local('v128'), f.local('v128')];
  const end = f.local('i32');
  const code = srgb ? new SrgbCode(f) : undefined;
  f.get(0)
    .i32(TILE_PIXELS * 4)
    .op('i32_add')
    .set(end);
  const again = f.loop();
  f.v128(0, 0, 0, 0).set(out);
  for (let i = 0; i < CHANNELS; i++) {
    const { shift, whole, fraction } = placeOf(layout, i);
    if (whole + fraction === 0) continue;
    const linear = i < 3 ? code : undefined;
    f.v128(0, 0, 0, 0).set(sum);
    for (let s = 0; s < samples; s++) {
      f.get(sum)
        .get(0)
        .memory('v128_load', s * TILE_PIXELS * 4);
      f.i32(shift).op('i32x4_shr_u');
      f.i32(2 ** (whole + fraction) - 1)
        .op('i32x4_splat')
        .op('v128_and');
      linear?.toLinear();
      f.op(linear ? 'f32x4_add' : 'i32x4_add').set(sum);
    }
    f.get(sum);
    if (linear) {
      f.f32(1 / samples)
        .op('f32x4_splat')
        .op('f32x4_mul');
      linear.toByte();
    } else {
      // Samples are a power of two; halves round up.
      f.i32(samples >> 1)
        .op('i32x4_splat')
        .op('i32x4_add')
        .i32(Math.log2(samples))
        .op('i32x4_shr_u');
    }
    f.i32(shift).op('i32x4_shl').get(out).op('v128_or').set(out);
  }
  f.get(0).get(out).memory('v128_store');
  f.get(0).i32(VECTOR).op('i32_add').tee(0).get(end).op('i32_lt_u').brIf(again).end();
}
