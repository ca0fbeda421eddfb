/**
 * Load functions: the texels of a pixel format that four lanes load, as registers hold them.
 *
 *     load(physical addresses, lanes that load) → registers…
 *
 * One is emitted for each pixel format and form of result (type, width, channels), and shared by all that are alike; what other lanes get is a
 * texel of zeros. Attributes' elements are loaded by the same code (attribute-fetch.ts). Results are those of shader/attribute.ts
 * (loadTexel): a quotient of numbers that singles hold is the same whether it is rounded to a single at once or by way of a double.
 */
import { type Channel, ONE, type PixelFormat } from '../../abi/formats.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Place } from '../engine/table.ts';
import { type TexelFormat, texelFormat } from '../shader/attribute.ts';
import type { LaneType } from '../shader/contract.ts';
import { type RegisterFormat, registerCount } from '../shader/vector.ts';
import type { Code } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { Forms } from './forms.ts';
import { LaneCode, type Lanes, type NumberKind } from './lanes.ts';

/** Type of a load function whose results take so many registers. */
export const loadType = (registers: number): { params: ValueType[]; results: ValueType[] } => ({
  params: ['v128', 'v128'],
  results: Array.from({ length: registers }, () => 'v128'),
});

/** Numbers of so many bits are singles. */
const EXACT = 24;

/** What is loaded, and what registers hold of it. */
export interface LoadForm {
  readonly texel: TexelFormat;
  readonly to: RegisterFormat;
  readonly channels: number;
}

/** What numbers registers hold of a pixel format, or for it. */
export const numbersOf = (format: PixelFormat, { type }: RegisterFormat): NumberKind => {
  if (type !== 'raw') return type;
  return format.kind === 'uint' || format.kind === 'sint' ? format.kind : 'float';
};

/** Whether texels are colours, and have a place: a constant has none. */
export const isColour = ({ bytes, kind }: PixelFormat): boolean =>
  bytes > 0 && (kind === 'float' || kind === 'uint' || kind === 'sint');

/** Whether a channel has an emitted form. */
function emitted({ type, bits, at }: Channel, bytes: number, wanted: NumberKind): boolean {
  if (bits === 0 || type === 'mantissa' || type === 'exponent') return false;
  if ((type === 'unorm' || type === 'snorm' || type === 'fixed') && bits > EXACT && wanted !== 'float') return false;
  // A channel lies in one word, or is a byte or two of its own.
  if (bytes % 4 === 0) return (at & 31) + bits <= 32;
  return bytes < 3 || (at % 8 === 0 && (bits === 8 || bits === 16));
}

/** Whether a load has an emitted form. */
export function isEmitted(form: LoadForm): boolean {
  const { format, from } = form.texel;
  if (!isColour(format)) return false;
  const wanted = numbersOf(format, form.to);
  return from.slice(0, form.channels).every((source) => {
    const channel = format.channels[source];
    return !channel || emitted(channel, format.bytes, wanted);
  });
}

const TYPES: readonly LaneType[] = ['raw', 'float', 'sint', 'uint'];

/** A register format and a number of channels, below 64. */
export const formNumber = ({ type, bits }: RegisterFormat, channels: number): number =>
  (TYPES.indexOf(type) * 2 + (bits === 16 ? 1 : 0)) * 8 + channels;

export class TexelLoad {
  readonly #form: LoadForm;
  readonly #code: Code;
  readonly #lanes: LaneCode;
  readonly #dram: number;
  readonly #at: number;
  readonly #inside: number;
  /** Raw words by place and width. */
  readonly #words = new Map<string, number>();

  /** `at`, `inside`: locals of physical addresses that can be read in all lanes, and of masks of the lanes that load. */
  constructor(form: LoadForm, code: Code, dram: number, at: number, inside: number) {
    this.#form = form;
    this.#code = code;
    this.#dram = dram;
    this.#lanes = new LaneCode(code, false, 1);
    this.#at = at;
    this.#inside = inside;
  }

  /** Pushes the registers. */
  emit(): void {
    const { texel, to, channels } = this.#form;
    const wanted = numbersOf(texel.format, to);
    const values = Array.from({ length: channels }, (_, c) => this.#channel(texel.from[c]!, wanted));
    if (to.bits === 32) {
      for (const value of values) value(0);
      return;
    }
    for (let c = 0; c < channels; c += 2) {
      const low = this.#lanes.short(values[c]!, wanted);
      const high = values[c + 1];
      if (high) this.#lanes.pair(low, this.#lanes.short(high, wanted))(0);
      else low(0);
    }
  }

  /** Loads `bits` at byte `offset` of each lane's texel, zero where a lane loads none; answers the local. */
  #gather(offset: number, bits: 8 | 16 | 32): number {
    const key = `${offset},${bits}`;
    const known = this.#words.get(key);
    if (known !== undefined) return known;
    const code = this.#code;
    const out = code.local('v128');
    this.#words.set(key, out);
    const address = (lane: number): Code => code.get(this.#at).lane('i32x4_extract_lane', lane);
    if (bits === 32) {
      address(0).memory('v128_load32_splat', offset, this.#dram).set(out);
      for (let lane = 1; lane < 4; lane++) {
        address(lane).get(out).memoryLane(false, lane, offset, this.#dram).set(out);
      }
      code.get(out);
    } else {
      const name = bits === 16 ? 'i32_load16_u' : 'i32_load8_u';
      address(0).memory(name, offset, this.#dram).op('i32x4_splat');
      for (let lane = 1; lane < 4; lane++) {
        address(lane).memory(name, offset, this.#dram).lane('i32x4_replace_lane', lane);
      }
    }
    code.get(this.#inside).op('v128_and').set(out);
    return out;
  }

  /** The bits of a channel at the end of each word, or extended from their sign. */
  #raw({ at, bits }: Channel, signed: boolean): Lanes {
    const l = this.#lanes;
    const { bytes } = this.#form.texel.format;
    let local: number;
    let shift = 0;
    let width: number;
    if (bytes % 4 === 0) {
      local = this.#gather((at >>> 5) * 4, 32);
      shift = at & 31;
      width = 32;
    } else if (bytes < 3) {
      width = bytes * 8;
      local = this.#gather(0, width as 8 | 16);
      shift = at;
    } else {
      width = bits;
      local = this.#gather(at / 8, bits as 8 | 16);
    }
    const word: Lanes = () => this.#code.get(local);
    if (signed) return l.shift('i32x4_shr_s', l.shift('i32x4_shl', word, 32 - shift - bits), 32 - bits);
    const down = l.shift('i32x4_shr_u', word, shift);
    return shift + bits === width ? down : l.and(down, l.words(2 ** bits - 1));
  }

  /** What the component order's `source` says, as the registers want it. */
  #channel(source: number, wanted: NumberKind): Lanes {
    const l = this.#lanes;
    const channel = this.#form.texel.format.channels[source];
    if (source === ONE) return wanted === 'float' ? l.single(1) : l.words(1);
    if (!channel) return l.words(0);
    const { type } = channel;
    if (type === 'uint') {
      const raw = this.#raw(channel, false);
      if (wanted === 'float') return l.op('f32x4_convert_i32x4_u', raw);
      return wanted === 'sint' ? l.op('i32x4_min_u', raw, l.words(0x7fffffff)) : raw;
    }
    if (type === 'sint') {
      const raw = this.#raw(channel, true);
      if (wanted === 'float') return l.op('f32x4_convert_i32x4_s', raw);
      return wanted === 'uint' ? l.op('i32x4_max_s', raw, l.words(0)) : raw;
    }
    const value = this.#float(channel);
    if (wanted === 'sint') return l.op('i32x4_trunc_sat_f32x4_s', value);
    return wanted === 'uint' ? l.op('i32x4_trunc_sat_f32x4_u', value) : value;
  }

  #float(channel: Channel): Lanes {
    const l = this.#lanes;
    const { type, bits } = channel;
    const raw = this.#raw(channel, type === 'snorm' || type === 'fixed');
    switch (type) {
      case 'unorm': {
        const one = 2 ** bits - 1;
        if (bits <= EXACT) return l.op('f32x4_div', l.op('f32x4_convert_i32x4_u', raw), l.single(one));
        return this.#quotient(raw, 'f64x2_convert_low_i32x4_u', one);
      }
      case 'snorm': {
        const one = 2 ** (bits - 1) - 1;
        if (bits > EXACT) return this.#quotient(raw, 'f64x2_convert_low_i32x4_s', one);
        const value = l.op('f32x4_div', l.op('f32x4_convert_i32x4_s', raw), l.single(one));
        return l.op('f32x4_max', value, l.single(-1));
      }
      case 'fixed':
        return l.op('f32x4_mul', l.op('f32x4_convert_i32x4_s', raw), l.single(1 / 65536));
      case 'ufloat':
        // Five bits of exponent as a half has them, with fewer bits of fraction.
        return l.widenLow(l.shift('i32x4_shl', raw, 15 - bits));
      default:
        return bits === 16 ? l.widenLow(raw) : raw;
    }
  }

  /** A quotient of numbers that only doubles hold, at least -1. */
  #quotient(raw: Lanes, convert: 'f64x2_convert_low_i32x4_u' | 'f64x2_convert_low_i32x4_s', one: number): Lanes {
    const l = this.#lanes;
    const word = l.keep(raw);
    const half = (upper: boolean): Lanes => {
      const value = l.op('f64x2_div', l.op(convert, l.part(word, upper)), l.double(one));
      return l.op('f64x2_max', value, l.double(-1));
    };
    return l.demote(half(false), half(true), 'rte');
  }
}

const forms = new Forms();

/** A load function's place in the table, and the bytes of a texel. */
export interface LoadSlot {
  readonly place: Place;
  readonly bytes: number;
}

/** The load function of a pixel format; undefined: it has no emitted form. Throws as texelFormat does. */
export function loadSlot(
  dram: PhysicalMemory,
  format: number,
  to: RegisterFormat,
  channels: number,
): LoadSlot | undefined {
  const texel = texelFormat(format, 'LD_CVT', 0);
  const form = { texel, to, channels };
  const place = forms.place(dram, format * 64 + formNumber(to, channels), () => {
    if (!isEmitted(form)) return undefined;
    const name = `load_${format}_${to.type}${to.bits}_${channels}`;
    return {
      name,
      ...loadType(registerCount(to, channels)),
      emit: (code, memory) => new TexelLoad(form, code, memory, 0, 1).emit(),
    };
  });
  return place && { place, bytes: texel.format.bytes };
}
