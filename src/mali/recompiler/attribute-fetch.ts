/**
 * Fetch functions: the elements that four lanes read of an attribute's buffer, as registers hold them.
 *
 *     fetch(record, vertex, instance) → registers…, lanes that fit
 *
 * One is emitted for each form of descriptor (how elements are counted, the pixel format) and of result (type, width,
 * channels), and shared by all that are alike; where the buffer lies stands in a record in scratch memory (frame.ts: ATTRIBUTE).
 * A lane fits if its element lies in the record's window of DRAM, or beyond the buffer, where it reads as zero; what does
 * not fit has read nothing. What is loaded is converted as texels are (texel-load.ts).
 *
 * LEA_ATTR has a function of the same kind, whose results are the element's address, or zeros beyond the buffer.
 */
import { ATTRIBUTE_FREQUENCY, ATTRIBUTE_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { Place } from '../engine/table.ts';
import { type Attribute, texelFormat } from '../shader/attribute.ts';
import { type RegisterFormat, registerCount } from '../shader/vector.ts';
import type { Code } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { Forms } from './forms.ts';
import { ATTRIBUTE } from './frame.ts';
import { formNumber, isEmitted, type LoadForm, TexelLoad } from './texel-load.ts';

/** Types of a fetch function whose results take so many registers. */
export const fetchType = (registers: number): { params: ValueType[]; results: ValueType[] } => ({
  params: ['i32', 'v128', 'v128'],
  results: Array.from({ length: registers + 1 }, () => 'v128'),
});

/** Registers that an address takes. */
export const ADDRESS_REGISTERS = 2;

/** How an attribute's elements are counted. */
interface Counting {
  readonly attributeType: number;
  readonly instanced: boolean;
  readonly offset: boolean;
}

/** `load`: what is loaded; undefined: the address is asked for. */
class Fetch {
  readonly #counting: Counting;
  readonly #code: Code;
  readonly #load: LoadForm | undefined;
  readonly #dram: number;

  constructor(counting: Counting, load: LoadForm | undefined, code: Code, dram: number) {
    this.#counting = counting;
    this.#load = load;
    this.#code = code;
    this.#dram = dram;
  }

  emit(): void {
    const code = this.#code;
    const at = code.local('v128');
    this.#element();
    code.set(at);
    if (this.#load) this.#elements(this.#load, at);
    else this.#addresses(at);
  }

  /** Pushes what lanes load, and which of them fit. */
  #elements(load: LoadForm, at: number): void {
    const code = this.#code;
    const fits = code.local('v128');
    const inside = code.local('v128');
    // Elements of the window, counted from its first one.
    this.#field(ATTRIBUTE.low);
    const from = code.local('v128');
    code.set(from);
    code.get(at).get(from).op('i32x4_sub').tee(from);
    this.#field(ATTRIBUTE.windowLast);
    code.op('i32x4_le_u').tee(inside);
    this.#inBuffer(at);
    code.op('v128_not').op('v128_or').set(fits);
    code.get(from).get(inside).op('v128_and');
    this.#field(ATTRIBUTE.stride);
    code.op('i32x4_mul');
    this.#field(ATTRIBUTE.physical);
    code.op('i32x4_add').set(at);
    new TexelLoad(load, code, this.#dram, at, inside).emit();
    code.get(fits);
  }

  /** Pushes both words of the elements' addresses, 0 beyond the buffer: all lanes fit. */
  #addresses(at: number): void {
    const code = this.#code;
    const inside = code.local('v128');
    const low = code.local('v128');
    this.#inBuffer(at);
    code.set(inside);
    code.get(at);
    this.#field(ATTRIBUTE.stride);
    code.op('i32x4_mul').tee(at);
    this.#field(ATTRIBUTE.baseLow);
    code.op('i32x4_add').tee(low).get(inside).op('v128_and');
    this.#field(ATTRIBUTE.baseHigh);
    // A comparison gives -1 for true: the carry.
    code.get(low).get(at).op('i32x4_lt_u').op('i32x4_sub').get(inside).op('v128_and');
    code.i32(-1).op('i32x4_splat');
  }

  /** Pushes which lanes' elements lie in the buffer. */
  #inBuffer(at: number): void {
    const code = this.#code;
    code.get(at);
    this.#field(ATTRIBUTE.first);
    code.op('i32x4_sub');
    this.#field(ATTRIBUTE.last);
    code.op('i32x4_le_u');
  }

  #field(at: number): void {
    this.#code.get(0).memory('v128_load32_splat', at);
  }

  /** Pushes which element each lane wants. */
  #element(): void {
    const code = this.#code;
    const { attributeType, instanced, offset } = this.#counting;
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
const forms = new Forms();

/**
 * The fetch function of an attribute, or with no channels the one that tells addresses; undefined: it has no emitted form. Throws as
 * texelFormat does.
 */
export function fetchSlot(
  dram: PhysicalMemory,
  attribute: Attribute,
  to: RegisterFormat,
  channels: number,
): FetchSlot | undefined {
  const { attributeType, frequency, offsetEnable, format } = attribute;
  const texel = texelFormat(format, 'LD_ATTR', 0);
  const state = (attributeType * 4 + frequency) * 2 + (offsetEnable ? 1 : 0);
  // Addresses do not depend on the format.
  const number = ((channels > 0 ? format : 0) * 256 + state) * 64 + formNumber(to, channels);
  const place = forms.place(dram, number, () => {
    const load = channels > 0 ? { texel, to, channels } : undefined;
    if (!COUNTED.has(attributeType) || (load && !isEmitted(load))) return undefined;
    const instanced = frequency === ATTRIBUTE_FREQUENCY.INSTANCE;
    return {
      name: `fetch_${attributeType}_${frequency}_${offsetEnable ? 1 : 0}_${format}_${to.type}${to.bits}_${channels}`,
      ...fetchType(load ? registerCount(to, channels) : ADDRESS_REGISTERS),
      emit: (code, memory) => new Fetch({ attributeType, instanced, offset: offsetEnable }, load, code, memory).emit(),
    };
  });
  return place && { place, bytes: texel.format.bytes };
}
