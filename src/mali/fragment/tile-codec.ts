/**
 * TileCodec: colours in and out of the tile buffer, as a conversion descriptor names it.
 *
 * Blendable formats are four fixed-point numbers in a word, with bits of fraction below those that memory keeps (for
 * dithering); these are computed in singles, as emitted code does (wasm/blend.ts). All others hold the bits of the pixel format as memory will have them.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_clear.c` (tile-buffer layouts), `pan_format.c` (AU and PU forms).
 */
import {
  type Channel,
  COMPONENT_ORDER,
  INTERNAL_FORMATS,
  type InternalFormat,
  namePixelFormat,
  ONE,
  PIXEL_FORMATS,
  type PixelFormat,
  PixelFormatWord,
  TILE_PIXEL_FORMATS,
  type TileLayout,
} from '../../abi/formats.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { GpuFault } from '../contract.ts';
import { linearToSrgb, srgbToLinear, unpacker } from '../format.ts';
import { floatToBits, pack, roundEven } from '../pack.ts';
import { BYTE, type FixedCode } from './wasm/fixed-blend.ts';
import type { StoredChannel } from './wasm/pixel-store.ts';
import { linearOf, srgbByte } from './wasm/srgb.ts';
import { type LoadedChannel, loadable } from './wasm/tile-load.ts';

/** Kind of number that a codec's values are. */
export type CodecKind = 'float' | 'uint' | 'sint';

export interface TileCodec {
  readonly kind: CodecKind;
  /** Whether values are limited to 0…1. */
  readonly unorm: boolean;
  /** What emitted code is made from, where it can do the same: a blendable layout, or channels that are only stored. */
  readonly fixed: FixedCode | undefined;
  readonly stored: readonly StoredChannel[] | undefined;
  /** The same for loads of a pixel format: where R, G, B and A come from. */
  readonly loaded: readonly LoadedChannel[] | undefined;
  /** What has single precision in memory goes to registers and back bit by bit, also what is no number. */
  readonly singles: { readonly load: readonly Single[]; readonly store: readonly Single[] };
  /** RGBA of the sample at `words[at]`. */
  load(words: Uint32Array, at: number, rgba: Float64Array): void;
  store(rgba: Float64Array, words: Uint32Array, at: number): void;
}

/** One of R, G, B, A, and the pixel's word that it is a number of single precision in. */
export interface Single {
  readonly component: number;
  readonly word: number;
}
const NO_SINGLES: TileCodec['singles'] = { load: [], store: [] };

/** The most words that a pixel has. */
const WORDS = 4;

const codecs = new Map<number, TileCodec>();

/** The codec of a pixel format word. Throws DATA_INVALID_FAULT for what the tile buffer cannot hold. */
export function tileCodec(word: number): TileCodec {
  let codec = codecs.get(word);
  if (!codec) {
    codec = make(word);
    codecs.set(word, codec);
  }
  return codec;
}

function make(word: number): TileCodec {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word, true);
  const { order, index, srgb, bigEndian } = PixelFormatWord.read(view, 0);
  const invalid = () =>
    new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      0,
      `Internal Conversion: memory format ${namePixelFormat(word)} is not implemented in the tile buffer`,
    );
  const from = COMPONENT_ORDER[order]?.from;
  const format = PIXEL_FORMATS.get(index);
  if (!from || !format || bigEndian || format.kind === 'constant') throw invalid();
  const tile = TILE_PIXEL_FORMATS.get(index);
  if (tile) return tileLayoutCodec(INTERNAL_FORMATS.get(tile.internal)!.tile!, tile.fraction, srgb, from[3] === ONE);
  return pixelCodec(format, from, srgb);
}

/**
 * The codec of a pixel format word for a render target of an internal format: of a wider format the target keeps what fits, the
 * rest reads as zero bits. Undefined where the tile buffer's form is another. Throws as tileCodec does.
 */
export function targetCodec(word: number, internal: Pick<InternalFormat, 'index' | 'bytes'>): TileCodec | undefined {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word, true);
  const index = PixelFormatWord.fields.index.read(view, 0);
  const tile = TILE_PIXEL_FORMATS.get(index);
  if (tile) return tile.internal === internal.index ? tileCodec(word) : undefined;
  const codec = tileCodec(word);
  return (PIXEL_FORMATS.get(index)?.bytes ?? 0) <= internal.bytes ? codec : narrowed(codec, internal.bytes * 8);
}

/** The lowest `bits` of what a codec stores. */
function narrowed(codec: TileCodec, bits: number): TileCodec {
  const pixel = new Uint32Array(WORDS);
  const masks = Array.from({ length: Math.ceil(bits / 32) }, (_, word) => {
    const own = Math.min(32, bits - word * 32);
    return own === 32 ? 0xffffffff : 2 ** own - 1;
  });
  const kept = codec.stored?.filter((channel) => channel.at < bits);
  const loaded = codec.loaded?.map((c) => ('at' in c && c.at >= bits ? { constant: 0 } : c));
  const cut = loaded?.some((c) => 'at' in c && c.at + c.bits > bits);
  const whole = kept?.every((channel) => channel.at + channel.bits <= bits) && kept.length > 0;
  return {
    kind: codec.kind,
    unorm: codec.unorm,
    fixed: undefined,
    stored: whole ? kept : undefined,
    loaded: cut ? undefined : loaded,
    singles: {
      load: codec.singles.load.filter(({ word }) => (word + 1) * 32 <= bits),
      store: codec.singles.store.filter(({ word }) => (word + 1) * 32 <= bits),
    },
    load(words, at, rgba) {
      pixel.fill(0);
      for (const [i, mask] of masks.entries()) pixel[i] = words[at + i]! & mask;
      codec.load(pixel, 0, rgba);
    },
    store(rgba, words, at) {
      codec.store(rgba, pixel, 0);
      for (const [i, mask] of masks.entries()) words[at + i] = pixel[i]! & mask;
    },
  };
}

/** Fixed point. `opaque`: alpha reads as one. */
function tileLayoutCodec(layout: TileLayout, fraction: boolean, srgb: boolean, opaque: boolean): TileCodec {
  const shift: number[] = [];
  const mask: number[] = [];
  const scale: number[] = [];
  const bytes = layout.integer.every((n) => n === 8);
  if (!srgb && bytes) return rgba8Codec(layout, fraction, opaque);
  let at = 0;
  for (let i = 0; i < 4; i++) {
    const whole = layout.integer[i]!;
    const bits = whole + layout.fraction[i]!;
    shift.push(at);
    mask.push(2 ** bits - 1);
    // Largest value: all whole bits set, fraction zero.
    scale.push((2 ** whole - 1) * 2 ** layout.fraction[i]!);
    at += bits;
  }
  return {
    kind: 'float',
    unorm: true,
    fixed: !srgb || bytes ? { layout, fraction, opaque, bytes: false, srgb } : undefined,
    stored: undefined,
    loaded: undefined,
    singles: NO_SINGLES,
    load(words, where, rgba) {
      const word = words[where]!;
      for (let i = 0; i < 4; i++) {
        const raw = (word >>> shift[i]!) & mask[i]!;
        const value = scale[i] === 0 ? 1 : Math.fround(raw / scale[i]!);
        if (!srgb || i === 3) rgba[i] = value;
        else rgba[i] = bytes ? linearOf(raw) : srgbToLinear(value);
      }
      if (opaque) rgba[3] = 1;
    },
    store(rgba, words, where) {
      let word = 0;
      for (let i = 0; i < 4; i++) {
        let value = Math.fround(rgba[i]!);
        value = value > 0 ? Math.min(value, 1) : 0;
        if (srgb && i < 3) {
          if (bytes) {
            word |= srgbByte(value) << shift[i]!;
            continue;
          }
          value = linearToSrgb(value);
        }
        const unit = 2 ** layout.fraction[i]!;
        const scaled = Math.fround(value * scale[i]!);
        const raw = fraction ? roundEven(scaled) : roundEven(scaled / unit) * unit;
        word |= raw << shift[i]!;
      }
      words[where] = word;
    },
  };
}

/** In singles, step by step: emitted code does the same. */
const byte = (x: number): number => (x > 0 ? (x < 1 ? Math.fround(Math.fround(x * 255) + 0.5) | 0 : 255) : 0);

/** The most common layout, written out. */
function rgba8Codec(layout: TileLayout, fraction: boolean, opaque: boolean): TileCodec {
  return {
    kind: 'float',
    unorm: true,
    fixed: { layout, fraction, opaque, bytes: true, srgb: false },
    stored: undefined,
    loaded: undefined,
    singles: NO_SINGLES,
    load(words, at, rgba) {
      const word = words[at]!;
      rgba[0] = Math.fround((word & 255) * BYTE);
      rgba[1] = Math.fround(((word >>> 8) & 255) * BYTE);
      rgba[2] = Math.fround(((word >>> 16) & 255) * BYTE);
      rgba[3] = opaque ? 1 : Math.fround((word >>> 24) * BYTE);
    },
    store(rgba, words, at) {
      words[at] = byte(rgba[0]!) | (byte(rgba[1]!) << 8) | (byte(rgba[2]!) << 16) | (byte(rgba[3]!) << 24);
    },
  };
}

/** Where R, G, B and A come from; undefined where emitted code has no such channels. */
function loadedChannels(format: PixelFormat, from: readonly number[], singles: boolean): LoadedChannel[] | undefined {
  const constant = (value: number): LoadedChannel => ({ constant: singles ? floatToBits(value) : value });
  const all = from.map((source) => format.channels[source] ?? constant(source === ONE ? 1 : 0));
  return all.every((channel) => !('at' in channel) || loadable(channel)) ? all : undefined;
}

const single = (channel: Channel | undefined, component: number): Single[] =>
  channel?.type === 'float' && channel.bits === 32 ? [{ component, word: channel.at >>> 5 }] : [];

/** The bits of a pixel format. */
function pixelCodec(format: PixelFormat, from: readonly number[], srgb: boolean): TileCodec {
  const unpack = unpacker(format);
  const words32 = (format.bytes + 3) >>> 2;
  const channels = new Float64Array(4);
  const scratch = new Uint32Array(4);
  // Which of R, G, B, A a channel of memory stores.
  const to = format.channels.map((_, channel) => Math.max(0, from.indexOf(channel)));
  const kind: CodecKind =
    format.kind === 'uint' || format.kind === 'stencil' ? 'uint' : format.kind === 'sint' ? 'sint' : 'float';
  const unorm = format.channels.every(({ type }) => type === 'unorm');
  return {
    kind,
    unorm,
    fixed: undefined,
    stored: srgb ? undefined : format.channels.map((channel, i) => ({ ...channel, source: to[i]! })),
    loaded: srgb ? undefined : loadedChannels(format, from, kind === 'float'),
    singles: {
      load: from.flatMap((source, component) => single(format.channels[source], component)),
      store: format.channels.flatMap((channel, i) => single(channel, to[i]!)),
    },
    load(words, at, rgba) {
      for (let i = 0; i < words32; i++) scratch[i] = words[at + i]!;
      channels.fill(0);
      unpack(scratch, channels);
      for (let i = 0; i < 4; i++) {
        const source = from[i]!;
        const read = source < 4 ? channels[source]! : source === ONE ? 1 : 0;
        // Of other sizes than single one NaN stands for all.
        const value = Number.isNaN(read) ? Number.NaN : read;
        rgba[i] = srgb && i < 3 ? srgbToLinear(value) : value;
      }
    },
    store(rgba, words, at) {
      for (let channel = 0; channel < to.length; channel++) {
        const i = to[channel]!;
        const value = rgba[i]!;
        if (srgb && i < 3) channels[channel] = linearToSrgb(Math.min(Math.max(value, 0), 1));
        // Of other sizes than single one NaN stands for all.
        else channels[channel] = Number.isNaN(value) ? Number.NaN : value;
      }
      pack(format, channels, words, at);
    },
  };
}
