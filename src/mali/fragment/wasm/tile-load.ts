/**
 * Emitted WebAssembly that loads the colours of a quad from the tile buffer, for LD_TILE: as singles, or as integers of 32 bits.
 * The same as TileCodec.load, which is its definition.
 */
import type { Channel, ChannelType } from '../../../abi/formats.ts';
import type { Code } from '../../wasm/builder.ts';
import { HALF_CONVERSIONS } from '../../wasm/half-conversions.ts';
import { TILE } from '../raster.ts';
import { FixedBlend, type FixedCode } from './fixed-blend.ts';
import { functions } from './modules.ts';
import { pushQuad } from './quad-rows.ts';

/** Where one of R, G, B, A comes from: bits of the pixel, or the same for all, as the bits of its number. */
export type LoadedChannel = Channel | { readonly constant: number };

/** A blendable tile layout; or a pixel format: its channels, and the words from one pixel to the next. */
export type TileLoadCode = FixedCode | { readonly channels: readonly LoadedChannel[]; readonly stride: number };

/** Parameters and results of the function: address of the quad's first pixel; R, G, B, A. */
export const LOAD_QUAD = [['i32'], ['v128', 'v128', 'v128', 'v128']] as const;

const WORD = 32;
const NAN = 0x7fc00000;
/** What is kept of five bits of exponent, and what it lacks to be a single's: 2^(127 - 15). */
const EXPONENT = 31;
const EXPONENT_BITS = 5;
const EXPONENT_SCALE = 2 ** 112;
const SINGLE_FRACTION = 23;
const HALF_FRACTION = 10;
const MOST_NORMALISED = 16;

/** Whether a channel has emitted code. */
export function loadable({ type, bits, at }: Channel): boolean {
  if ((at % WORD) + bits > WORD || bits === 0) return false;
  const most: Partial<Record<ChannelType, boolean>> = {
    unorm: bits <= MOST_NORMALISED,
    snorm: bits <= MOST_NORMALISED,
    float: bits === WORD || bits === 1 + EXPONENT_BITS + HALF_FRACTION,
    ufloat: true,
    uint: true,
    sint: true,
  };
  return most[type] ?? false;
}

/** The function of a code, which emitted code alone can call. */
export const tileLoad = (code: TileLoadCode): CallableFunction =>
  functions<{ load_quad: CallableFunction }>(`load ${JSON.stringify(code)}`, (m) => {
    const f = m.function('load_quad', [...LOAD_QUAD[0]], [...LOAD_QUAD[1]], true);
    if ('stride' in code) loadPixels(f, code.channels, code.stride);
    else {
      const fixed = new FixedBlend(f, { ...code, equation: undefined, channels: 4, alphaToOne: false, samples: 1 });
      for (const local of fixed.load(0)) f.get(local);
    }
  }).load_quad;

function loadPixels(f: Code, channels: readonly LoadedChannel[], stride: number): void {
  const words = new Map<number, number>();
  for (const channel of channels) {
    if (!('at' in channel)) continue;
    const index = channel.at >>> 5;
    if (!words.has(index)) words.set(index, gather(f, index * 4, stride * 4));
  }
  for (const channel of channels) {
    if ('at' in channel) decode(f, channel, words.get(channel.at >>> 5)!);
    else f.v128(channel.constant);
  }
}

/** A local of a word of each of the quad's pixels. */
function gather(f: Code, offset: number, bytes: number): number {
  const local = f.local('v128');
  const row = TILE * bytes;
  if (bytes === 4) {
    pushQuad(f, 0, offset, row).set(local);
    return local;
  }
  f.get(0).memory('v128_load32_zero', offset).set(local);
  for (const lane of [1, 2, 3]) {
    f.get(0).get(local);
    f.memoryLane(false, lane, offset + (lane & 1) * bytes + (lane >> 1) * row).set(local);
  }
  return local;
}

/** Pushes a channel of the pixels whose words are in a local. */
function decode(f: Code, { type, at, bits }: Channel, word: number): void {
  const shift = at % WORD;
  const signed = type === 'snorm' || type === 'sint';
  f.get(word);
  if (shift + bits < WORD) f.i32(WORD - shift - bits).op('i32x4_shl');
  if (bits < WORD) f.i32(WORD - bits).op(signed ? 'i32x4_shr_s' : 'i32x4_shr_u');
  switch (type) {
    case 'unorm':
      f.op('f32x4_convert_i32x4_s');
      f.f32(2 ** bits - 1).op('f32x4_splat');
      f.op('f32x4_div');
      break;
    case 'snorm':
      f.op('f32x4_convert_i32x4_s');
      f.f32(2 ** (bits - 1) - 1).op('f32x4_splat');
      f.op('f32x4_div').f32(-1).op('f32x4_splat').op('f32x4_max');
      break;
    case 'float':
      if (bits === WORD) break;
      half(f);
      oneNan(f);
      break;
    case 'ufloat':
      smallFloat(f, bits - EXPONENT_BITS);
      oneNan(f);
      break;
    default:
      break;
  }
}

/** A half's bits as a single. */
function half(f: Code): void {
  const word = f.local('v128');
  f.set(word);
  if (HALF_CONVERSIONS) {
    f.get(word).get(word).op('i16x8_narrow_i32x4_u').op('f32x4_promote_low_f16x8');
    return;
  }
  f.get(word).v128(0x7fff).op('v128_and');
  smallFloat(f, HALF_FRACTION);
  f.get(word).v128(0x8000).op('v128_and').i32(16).op('i32x4_shl').op('v128_or');
}

/** A number without sign, of five bits of exponent above `fraction` bits; the product brings the exponent right, also of subnormals. */
function smallFloat(f: Code, fraction: number): void {
  const word = f.local('v128');
  f.set(word);
  f.get(word)
    .i32(SINGLE_FRACTION - fraction)
    .op('i32x4_shl');
  f.f32(EXPONENT_SCALE).op('f32x4_splat').op('f32x4_mul');
  f.get(word).i32(fraction).op('i32x4_shr_u').v128(EXPONENT).op('i32x4_eq');
  f.v128(0x7f800000).op('v128_and').op('v128_or');
}

/** Of other sizes than single one NaN stands for all. */
function oneNan(f: Code): void {
  const value = f.local('v128');
  f.set(value).v128(NAN).get(value).get(value).get(value).op('f32x4_ne').op('v128_bitselect');
}
