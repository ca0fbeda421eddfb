/**
 * Store functions: the texels that four lanes store, from what registers hold, converted to a pixel format.
 *
 *     store(physical addresses, lanes that store, registers…)
 *
 * One is emitted for each pixel format and form of data (type, width, channels), and shared by all that are alike; whoever calls it
 * has found where in DRAM the texels lie. Lanes store one after the other. Results are those of shader/attribute.ts (storeTexel): what is
 * rounded is a double, which holds the product of a single and a number of up to 24 bits.
 */
import type { Channel, PixelFormat } from '../../abi/formats.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Place } from '../engine/table.ts';
import { type TexelFormat, texelFormat } from '../shader/attribute.ts';
import { type RegisterFormat, registerCount } from '../shader/vector.ts';
import type { Code } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { Forms } from './forms.ts';
import { LaneCode, type Lanes, type NumberKind } from './lanes.ts';
import { formNumber, isColour, numbersOf } from './texel-load.ts';

/** Type of a store function whose data are so many registers. */
export const storeType = (registers: number): { params: ValueType[]; results: ValueType[] } => ({
  params: ['v128', 'i32', ...Array.from({ length: registers }, () => 'v128' as const)],
  results: [],
});

const PHYSICAL = 0;
const STORING = 1;
const DATA = 2;
/** A single times a number of so many bits is a double. */
const EXACT = 24;
const EXPONENT = 0x7f800000;
const QUIET = 0x400000;
const PLAIN_HALF = 0x7e00;
/** Bias of a single's exponent, and bits of its fraction. */
const BIAS = 127;
const FRACTION = 23;
/** Bias of the exponent of numbers without sign, which has five bits. */
const SHORT_BIAS = 15;

const FLOATS: readonly Channel['type'][] = ['unorm', 'snorm', 'float', 'ufloat'];

/** Whether a channel has an emitted form. */
function emitted({ type, bits, at }: Channel, kind: NumberKind): boolean {
  if (bits === 0 || (at & 31) + bits > 32) return false;
  if (kind !== 'float') return type === kind;
  return FLOATS.includes(type) && (bits <= EXACT || type === 'float');
}

class Store {
  readonly #texel: TexelFormat;
  readonly #from: RegisterFormat;
  readonly #channels: number;
  readonly #kind: NumberKind;
  readonly #code: Code;
  readonly #lanes: LaneCode;
  readonly #dram: number;

  constructor(texel: TexelFormat, from: RegisterFormat, channels: number, code: Code, dram: number) {
    this.#texel = texel;
    this.#from = from;
    this.#channels = channels;
    this.#kind = numbersOf(texel.format, from);
    this.#code = code;
    this.#lanes = new LaneCode(code, false, 1);
    this.#dram = dram;
  }

  emit(): void {
    const code = this.#code;
    const l = this.#lanes;
    const { format } = this.#texel;
    const words = Array.from({ length: Math.ceil(format.bytes / 4) }, (_, word) => {
      const parts = format.channels.flatMap((channel, place) =>
        channel.at >>> 5 === word ? [l.shift('i32x4_shl', this.#encode(channel, place), channel.at & 31)] : [],
      );
      const local = code.local('v128');
      parts.reduce((all, part) => l.or(all, part), parts.pop() ?? l.words(0))(0);
      code.set(local);
      return local;
    });
    for (let lane = 0; lane < 4; lane++) {
      code
        .get(STORING)
        .i32(1 << lane)
        .op('i32_and')
        .if();
      for (let at = 0; at < format.bytes; ) at += this.#put(words[at >>> 2]!, lane, at, format.bytes - at);
      code.end();
    }
  }

  /** Stores what is left of a word from byte `at` of the texel on, `rest` bytes at most; answers how many at once. */
  #put(word: number, lane: number, at: number, rest: number): number {
    const code = this.#code;
    const bytes = rest >= 4 && at % 4 === 0 ? 4 : rest >= 2 && at % 2 === 0 ? 2 : 1;
    code.get(PHYSICAL).lane('i32x4_extract_lane', lane).get(word).lane('i32x4_extract_lane', lane);
    if (at % 4) code.i32(8 * (at % 4)).op('i32_shr_u');
    code.memory(bytes === 4 ? 'i32_store' : bytes === 2 ? 'i32_store16' : 'i32_store8', at, this.#dram);
    return bytes;
  }

  /** What the data have for channel `place` of the memory's order: alpha is 1 where they have none, the others 0. */
  #value(place: number): Lanes {
    const l = this.#lanes;
    const c = this.#texel.from.indexOf(place);
    if (c < 0 || c >= this.#channels) {
      const one = this.#kind === 'float' ? l.single(1) : l.words(1);
      return c === 3 ? one : l.words(0);
    }
    const register = (n: number): Lanes => l.local([DATA + n]);
    if (this.#from.bits === 32) return register(c);
    const word = register(c >> 1);
    const high = c % 2 === 1;
    if (this.#kind === 'float') return high ? l.widenHigh(word) : l.widenLow(word);
    const signed = this.#kind === 'sint';
    if (high) return l.shift(signed ? 'i32x4_shr_s' : 'i32x4_shr_u', word, 16);
    return signed ? l.shift('i32x4_shr_s', l.shift('i32x4_shl', word, 16), 16) : l.and(word, l.words(0xffff));
  }

  /** A channel's bits at the end of each word. */
  #encode({ type, bits }: Channel, place: number): Lanes {
    const l = this.#lanes;
    const value = this.#value(place);
    const most = 2 ** bits - 1;
    switch (type) {
      case 'uint':
        return bits === 32 ? value : l.op('i32x4_min_u', value, l.words(most));
      case 'sint': {
        if (bits === 32) return value;
        const above = l.op('i32x4_max_s', value, l.words(-(2 ** (bits - 1))));
        return l.and(l.op('i32x4_min_s', above, l.words(most >>> 1)), l.words(most));
      }
      case 'unorm':
        return this.#rounded(l.clamp(value, 'clamp_0_1'), most);
      case 'snorm':
        return l.and(this.#rounded(l.clamp(value, 'clamp_m1_1'), most >>> 1), l.words(most));
      case 'ufloat':
        return this.#short(value, bits - 5);
      default:
        return this.#float(value, bits);
    }
  }

  /** The integer nearest to a product, ties to even. */
  #rounded(value: Lanes, factor: number): Lanes {
    const l = this.#lanes;
    const kept = l.keep(value);
    const half = (upper: boolean): Lanes => {
      const double = l.op('f64x2_promote_low_f32x4', l.part(kept, upper));
      return l.op('i32x4_trunc_sat_f64x2_s_zero', l.op('f64x2_nearest', l.op('f64x2_mul', double, l.double(factor))));
    };
    return l.joinHalves(half(false), half(true));
  }

  /** A float. NaNs that are halves or were, are the plain one; others are quiet, as all are that were a number to script. */
  #float(value: Lanes, bits: number): Lanes {
    const l = this.#lanes;
    const x = l.keep(value);
    const none = l.keep(l.op('f32x4_ne', x, x));
    if (bits === 16) return l.choose(none, l.words(PLAIN_HALF), l.narrow(x));
    return this.#from.bits === 16 ? l.choose(none, l.words(EXPONENT | QUIET), x) : l.or(x, l.and(none, l.words(QUIET)));
  }

  /** A number without sign below five bits of exponent, rounded down. */
  #short(value: Lanes, fraction: number): Lanes {
    const l = this.#lanes;
    const infinity = 31 << fraction;
    const x = l.keep(l.op('f32x4_pmax', l.single(0), value));
    // Below the smallest normal number it is an integer times the smallest of all.
    const small = l.op('i32x4_trunc_sat_f32x4_u', l.op('f32x4_mul', x, l.single(2 ** (SHORT_BIAS - 1 + fraction))));
    const moved = l.op(
      'i32x4_sub',
      l.shift('i32x4_shr_u', x, FRACTION - fraction),
      l.words((BIAS - SHORT_BIAS) << fraction),
    );
    const normal = l.op('i32x4_min_u', moved, l.words(infinity - 1));
    const isSmall = l.op('f32x4_lt', x, l.single(2 ** (1 - SHORT_BIAS)));
    const finite = l.choose(l.keep(isSmall), small, normal);
    const top = l.choose(l.keep(l.op('i32x4_eq', x, l.words(EXPONENT))), l.words(infinity), finite);
    const given = l.keep(value);
    return l.choose(l.keep(l.op('f32x4_ne', given, given)), l.words(infinity | 1), top);
  }
}

const forms = new Forms();

/** A store function's place in the table, and the bytes of a texel. */
export interface StoreSlot {
  readonly place: Place;
  readonly bytes: number;
}

/** The store function of a pixel format; undefined: it has no emitted form. Throws as texelFormat does. */
export function storeSlot(
  dram: PhysicalMemory,
  format: number,
  from: RegisterFormat,
  channels: number,
): StoreSlot | undefined {
  const texel = texelFormat(format, 'ST_CVT', 0);
  const place = forms.place(dram, format * 64 + formNumber(from, channels), () => {
    if (!isStored(texel.format, from)) return undefined;
    return {
      name: `store_${format}_${from.type}${from.bits}_${channels}`,
      ...storeType(registerCount(from, channels)),
      emit: (code, memory) => new Store(texel, from, channels, code, memory).emit(),
    };
  });
  return place && { place, bytes: texel.format.bytes };
}

/** Whether a format has an emitted form for such data. */
function isStored(format: PixelFormat, from: RegisterFormat): boolean {
  const kind = numbersOf(format, from);
  return isColour(format) && format.channels.every((channel) => emitted(channel, kind));
}
