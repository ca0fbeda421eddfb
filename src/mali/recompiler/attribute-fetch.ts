/**
 * Fetch functions: the elements that four lanes read of an attribute's buffer, as registers hold them.
 *
 *     fetch(record, vertex, instance) → registers…, lanes that fit
 *
 * One is emitted for each form of descriptor (how elements are counted, the pixel format) and of result (type, width,
 * channels), and shared by all that are alike; where the buffer lies stands in a record in scratch memory (frame.ts: ATTRIBUTE).
 * A lane fits if its element lies in the record's window of DRAM, or beyond the buffer, where it reads as zero; what does
 * not fit has read nothing. Results are those of shader/attribute.ts: a quotient of numbers that singles hold is the same
 * whether it is rounded to a single at once or by way of a double.
 */
import { type Channel, ONE } from '../../abi/formats.ts';
import { ATTRIBUTE_FREQUENCY, ATTRIBUTE_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { type Attribute, type TexelFormat, texelFormat } from '../shader/attribute.ts';
import type { LaneType } from '../shader/contract.ts';
import { type RegisterFormat, registerCount } from '../shader/vector.ts';
import { type Code, ModuleBuilder } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { ATTRIBUTE } from './frame.ts';
import { LaneCode, type Lanes } from './lanes.ts';

/** Types of a fetch function whose results take so many registers. */
export const fetchType = (registers: number): { params: ValueType[]; results: ValueType[] } => ({
  params: ['i32', 'v128', 'v128'],
  results: Array.from({ length: registers + 1 }, () => 'v128'),
});

/** Pages of 64 KiB that a 32-bit memory can have. */
const MAX_PAGES = 65536;
/** Numbers of so many bits are singles. */
const EXACT = 24;

/** What a fetch function is made of. */
interface Form {
  readonly attributeType: number;
  readonly instanced: boolean;
  readonly offset: boolean;
  readonly texel: TexelFormat;
  readonly to: RegisterFormat;
  readonly channels: number;
}

type Wanted = 'float' | 'sint' | 'uint';

const wantedOf = ({ texel: { format }, to }: Form): Wanted => {
  if (to.type !== 'raw') return to.type;
  return format.kind === 'uint' || format.kind === 'sint' ? format.kind : 'float';
};

/** Whether a channel has an emitted form. */
function emitted({ type, bits, at }: Channel, bytes: number, wanted: Wanted): boolean {
  if (bits === 0 || type === 'mantissa' || type === 'exponent') return false;
  if ((type === 'unorm' || type === 'snorm' || type === 'fixed') && bits > EXACT && wanted !== 'float') return false;
  // A channel lies in one word, or is a byte or two of its own.
  if (bytes % 4 === 0) return (at & 31) + bits <= 32;
  return bytes < 3 || (at % 8 === 0 && (bits === 8 || bits === 16));
}

class Fetch {
  readonly #form: Form;
  readonly #code: Code;
  readonly #lanes: LaneCode;
  readonly #dram: number;
  readonly #at: number;
  readonly #inside: number;
  /** Raw words by place and width. */
  readonly #words = new Map<string, number>();

  constructor(form: Form, code: Code, dram: number) {
    this.#form = form;
    this.#code = code;
    this.#dram = dram;
    this.#lanes = new LaneCode(code, false);
    this.#at = code.local('v128');
    this.#inside = code.local('v128');
  }

  emit(): void {
    const code = this.#code;
    const { texel, to, channels } = this.#form;
    const fits = code.local('v128');
    this.#element();
    code.set(this.#at);
    // Elements of the window, counted from its first one.
    this.#field(ATTRIBUTE.low);
    const from = code.local('v128');
    code.set(from);
    code.get(this.#at).get(from).op('i32x4_sub').tee(from);
    this.#field(ATTRIBUTE.windowLast);
    code.op('i32x4_le_u').tee(this.#inside);
    code.get(this.#at);
    this.#field(ATTRIBUTE.first);
    code.op('i32x4_sub');
    this.#field(ATTRIBUTE.last);
    code.op('i32x4_gt_u').op('v128_or').set(fits);
    code.get(from).get(this.#inside).op('v128_and');
    this.#field(ATTRIBUTE.stride);
    code.op('i32x4_mul');
    this.#field(ATTRIBUTE.physical);
    code.op('i32x4_add').set(this.#at);
    const wanted = wantedOf(this.#form);
    const values = Array.from({ length: channels }, (_, c) => this.#channel(texel.from[c]!, wanted));
    if (to.bits === 32) for (const value of values) value(0);
    else {
      for (let c = 0; c < channels; c += 2) {
        const low = this.#narrow(values[c]!, wanted);
        const high = values[c + 1];
        if (high) this.#lanes.pair(low, this.#narrow(high, wanted))(0);
        else low(0);
      }
    }
    code.get(fits);
  }

  #field(at: number): void {
    this.#code.get(0).memory('v128_load32_splat', at);
  }

  /** Pushes which element each lane wants. */
  #element(): void {
    const code = this.#code;
    const { attributeType, instanced, offset } = this.#form;
    code.get(instanced ? 2 : 1);
    if (offset) {
      this.#field(ATTRIBUTE.offset);
      code.op('i32x4_add');
    }
    if (attributeType === ATTRIBUTE_TYPE.LINEAR) return;
    if (attributeType === ATTRIBUTE_TYPE.POT_DIVISOR) {
      code.get(0).memory('i32_load', ATTRIBUTE.divisorR).op('i32x4_shr_u');
      return;
    }
    // (index + E) × factor >> (32 + R): E × factor is added behind the product, where there is room for its carry.
    const index = code.local('v128');
    const factor = code.local('v128');
    const more = code.local('v128');
    code.set(index);
    this.#field(ATTRIBUTE.divisorD);
    code.set(factor);
    code.i32(0).get(0).memory('i32_load', ATTRIBUTE.divisorE).op('i32_sub').op('i32x4_splat');
    code.get(factor).op('v128_and').op('i64x2_extend_low_i32x4_u').set(more);
    for (const name of ['i64x2_extmul_low_i32x4_u', 'i64x2_extmul_high_i32x4_u'] as const) {
      code.get(index).get(factor).op(name).get(more).op('i64x2_add');
      code.get(0).memory('i32_load', ATTRIBUTE.divisorR).i32(32).op('i32_add').op('i64x2_shr_u');
    }
    code.shuffle32(0, 2, 4, 6);
  }

  /** Loads `bits` at byte `offset` of each lane's element, zero outside of the window; answers the local. */
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
  #channel(source: number, wanted: Wanted): Lanes {
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

  #narrow(value: Lanes, wanted: Wanted): Lanes {
    const l = this.#lanes;
    if (wanted === 'float') return l.narrow(value);
    if (wanted === 'uint') return l.op('i32x4_min_u', value, l.words(0xffff));
    const short = l.op('i32x4_max_s', l.op('i32x4_min_s', value, l.words(0x7fff)), l.words(-0x8000));
    return l.and(short, l.words(0xffff));
  }
}

/** Forms kept before all are forgotten, and places in the table that they leave to others: forms are the guests'. */
const MOST_FORMS = 4096;
const PLACES_LEFT = 16384;
const modules = new Map<string, WebAssembly.Module | undefined>();
const instances = new WeakMap<PhysicalMemory, Map<number, FetchSlot>>();

function compile(form: Form, key: string): WebAssembly.Module | undefined {
  const { texel, to, channels } = form;
  const { format, from } = texel;
  const wanted = wantedOf(form);
  if (format.kind !== 'float' && format.kind !== 'uint' && format.kind !== 'sint') return undefined;
  for (let c = 0; c < channels; c++) {
    const channel = format.channels[from[c]!];
    if (channel && !emitted(channel, format.bytes, wanted)) return undefined;
  }
  const { params, results } = fetchType(registerCount(to, channels));
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  const dram = m.importMemory('gpu', 'dram', 1, MAX_PAGES);
  const code = m.function(`fetch_${key.replaceAll(/\W/g, '_')}`, params, results);
  m.exportFunction('fetch', code);
  new Fetch(form, code, dram).emit();
  return new WebAssembly.Module(m.build());
}

/** A fetch function's place in the table, and the bytes of an element. */
export interface FetchSlot {
  readonly place: Place;
  readonly bytes: number;
}

const COUNTED: ReadonlySet<number> = new Set([
  ATTRIBUTE_TYPE.LINEAR,
  ATTRIBUTE_TYPE.POT_DIVISOR,
  ATTRIBUTE_TYPE.NPOT_DIVISOR,
]);

const TYPES: readonly LaneType[] = ['raw', 'float', 'sint', 'uint'];

/**
 * The fetch function of an attribute; undefined: it has no emitted form. Whoever writes its number down holds its place. Throws as
 * texelFormat does.
 */
export function fetchSlot(
  dram: PhysicalMemory,
  attribute: Attribute,
  to: RegisterFormat,
  channels: number,
): FetchSlot | undefined {
  const { attributeType, frequency, offsetEnable, format } = attribute;
  const state = (attributeType * 4 + frequency) * 2 + (offsetEnable ? 1 : 0);
  const number = (format * 256 + state) * 256 + (TYPES.indexOf(to.type) * 2 + (to.bits === 16 ? 1 : 0)) * 8 + channels;
  let slots = instances.get(dram);
  if (!slots) {
    slots = new Map();
    instances.set(dram, slots);
  }
  const known = slots.get(number);
  if (known) return known;
  const key = `${attributeType},${frequency},${offsetEnable ? 1 : 0},${format},${to.type},${to.bits},${channels}`;
  const texel = texelFormat(format, 'LD_ATTR', 0);
  if (!COUNTED.has(attributeType) || functionTable.room < PLACES_LEFT) return undefined;
  // A constant.
  if (texel.format.bytes === 0) return undefined;
  if (!modules.has(key)) {
    if (modules.size >= MOST_FORMS) modules.clear();
    const instanced = frequency === ATTRIBUTE_FREQUENCY.INSTANCE;
    modules.set(key, compile({ attributeType, instanced, offset: offsetEnable, texel, to, channels }, key));
  }
  const module = modules.get(key);
  if (!module) return undefined;
  if (slots.size >= MOST_FORMS) slots.clear();
  const imports = { gpu: { scratch: scratch.memory, dram: dram.memory } };
  const { fetch } = new WebAssembly.Instance(module, imports).exports;
  const made = { place: functionTable.place(fetch as CallableFunction), bytes: texel.format.bytes };
  slots.set(number, made);
  return made;
}
