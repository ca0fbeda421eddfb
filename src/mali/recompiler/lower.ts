/**
 * From decoded instructions to lane operations: arithmetic, comparisons, conversions and selections.
 *
 * `lower` answers with the words of the destination registers, or with undefined for an instruction that has no lane
 * operations here: the program then calls the interpreter's own step for it, on the same registers (emit.ts). Both ways
 * compute the same. Semantics: shader/alu-*.ts and the sources that they name.
 */
import { CONSTANTS, HALVES } from '../../abi/isa/encoding.ts';
import { elementOf } from '../shader/alu-integer.ts';
import type { Instruction, Source } from '../shader/decode.ts';
import type { OpName } from '../wasm/opcodes.ts';
import type { LaneCode, Lanes } from './lanes.ts';

/** What an operand needs to know of the program around it. */
export interface Operands {
  readonly lanes: LaneCode;
  readonly flush32: boolean;
  readonly flush16: boolean;
  register(index: number): Lanes;
  /** A word of the fast-access uniforms. */
  uniform(index: number): Lanes;
}

/** Whether an instruction's sources can be read here: specials are the interpreter's. */
const readable = (i: Instruction): boolean => i.sources.every(({ kind }) => kind !== 'special');

class Lowering {
  readonly o: Operands;
  readonly l: LaneCode;
  readonly i: Instruction;

  constructor(o: Operands, i: Instruction) {
    this.o = o;
    this.l = o.lanes;
    this.i = i;
  }

  /** The word of a source without modifiers; `word` 1: the upper one of a pair. */
  raw(n: number, word = 0): Lanes {
    const source = this.i.sources[n]!;
    switch (source.kind) {
      case 'register':
        return this.o.register(source.index + word);
      case 'uniform':
        return this.o.uniform(source.index + word);
      default:
        return this.l.words(word ? 0 : CONSTANTS[source.index]!);
    }
  }

  single(n: number): Lanes {
    const { l } = this;
    const { negate, absolute, select } = this.i.sources[n]!;
    let value = this.raw(n);
    if (select === 'h0') value = l.widenLow(value);
    else if (select === 'h1') value = l.widenHigh(value);
    if (absolute) value = l.abs(value);
    if (negate) value = l.neg(value);
    // A constant is taken as it stands, once it has a sign modifier (shader/operand.ts).
    const exempt = this.i.sources[n]!.kind === 'constant' && (negate || absolute);
    return this.o.flush32 && !exempt ? l.flush32(value) : value;
  }

  /** Two halves of a source as singles. */
  halves(n: number): { low: Lanes; high: Lanes } {
    const { l } = this;
    const { negate, absolute, select } = this.i.sources[n]!;
    const word = l.keep(this.raw(n));
    const fromHigh = ['h10', 'h11', 'h1'].includes(select);
    const toLow = ['h00', 'h10', 'h0'].includes(select);
    const signs = (value: Lanes): Lanes => {
      let x = value;
      if (absolute) x = l.abs(x);
      if (negate) x = l.neg(x);
      return this.o.flush16 ? l.flush16(x) : x;
    };
    return {
      low: signs(fromHigh ? l.widenHigh(word) : l.widenLow(word)),
      high: signs(toLow ? l.widenLow(word) : l.widenHigh(word)),
    };
  }

  /** Rounds two singles to halves, as results: clamped, subnormals flushed where the program says so. */
  toHalves(low: Lanes, high: Lanes): Lanes {
    const { l } = this;
    const finish = (x: Lanes): Lanes => {
      const bits = l.narrow(l.clamp(x, this.i.modifiers.clamp));
      if (!this.o.flush16) return bits;
      const half = l.keep(bits);
      const small = l.op('i32x4_eq', l.and(half, l.words(0x7c00)), l.words(0));
      return l.choose(small, l.and(half, l.words(0x8000)), half);
    };
    return l.pair(finish(low), finish(high));
  }

  singleResult(value: Lanes): Lanes[] {
    const clamped = this.l.clamp(value, this.i.modifiers.clamp);
    // Halves of a register take no singles; flushing is left out there, as in shader/operand.ts.
    return [this.o.flush32 && this.i.destHalves === HALVES.BOTH ? this.l.flush32(clamped) : clamped];
  }

  /** An integer source with its selected part extended, or packed elements of `size` bits swizzled. */
  integer(n: number, size: number, signed: boolean): Lanes {
    const value = this.#selected(this.raw(n), this.i.sources[n]!, size, signed);
    return this.i.sources[n]!.not ? this.l.not(value) : value;
  }

  #selected(word: Lanes, { select }: Source, size: number, signed: boolean): Lanes {
    const { l } = this;
    if (select === '' || select === 'none' || select === 'w0') return word;
    const places = [...select.slice(1)].map(Number);
    const bytes = select[0] === 'b';
    if (size >= 32) {
      const width = bytes ? 8 : 16;
      const up = 32 - width - places[0]! * width;
      return l.shift(signed ? 'i32x4_shr_s' : 'i32x4_shr_u', l.shift('i32x4_shl', word, up), 32 - width);
    }
    // Byte j of each 32-bit word.
    const spread = (of: (j: number) => number): Lanes =>
      l.shuffle(word, ...Array.from({ length: 16 }, (_, at) => (at & ~3) + of(at & 3)));
    if (size === 16) {
      const [a, b] = [places[0]!, places[1] ?? places[0]!];
      if (!bytes) return select === 'h01' ? word : spread((j) => (j < 2 ? a * 2 + j : b * 2 + j - 2));
      const upper = spread((j) => (j < 2 ? a : b));
      // Each half holds its byte twice; the upper copy is shifted down.
      if (signed) return l.shift('i16x8_shr_s', upper, 8);
      return l.and(upper, l.words(0x00ff00ff));
    }
    if (select === 'b0123') return word;
    if (places.length === 4) return spread((j) => places[j]!);
    if (places.length === 1)
      return l.and(
        spread(() => places[0]!),
        l.words(0xff),
      );
    return l.and(
      spread((j) => places[j] ?? 0),
      l.words(0xffff),
    );
  }

  upper(n: number, signed: boolean): Lanes {
    const { l } = this;
    const source = this.i.sources[n]!;
    if (source.spec.size === 64 && (source.select === '' || source.select === 'none')) {
      return source.not ? l.not(this.raw(n, 1)) : this.raw(n, 1);
    }
    return signed ? l.shift('i32x4_shr_s', this.integer(n, 64, true), 31) : l.words(0);
  }
}

type Lower = (x: Lowering) => Lanes[] | undefined;

const SHAPE: Record<number, 'i32x4' | 'i16x8' | 'i8x16'> = { 32: 'i32x4', 16: 'i16x8', 8: 'i8x16' };

/** Sums and differences, cut or saturated. */
const sum =
  (base: 'add' | 'sub'): Lower =>
  (x) => {
    const { size, signed } = elementOf(x.i.spec.type);
    const saturate = x.i.modifiers.saturate !== '';
    if (size === 64) return saturate ? undefined : wideSum(x, base, signed);
    const [a, b] = [x.integer(0, size, signed), x.integer(1, size, signed)];
    if (!saturate) return [x.l.op(`${SHAPE[size]!}_${base}` as OpName, a, b)];
    if (size === 32) return undefined;
    return [x.l.op(`${SHAPE[size]!}_${base}_sat_${signed ? 's' : 'u'}` as OpName, a, b)];
  };

function wideSum(x: Lowering, base: 'add' | 'sub', signed: boolean): Lanes[] {
  const { l } = x;
  const [a, b] = [l.keep(x.integer(0, 64, signed)), l.keep(x.integer(1, 64, signed))];
  const [ah, bh] = [x.upper(0, signed), x.upper(1, signed)];
  if (base === 'add') {
    const low = l.keep(l.op('i32x4_add', a, b));
    // A comparison gives -1 for true.
    const carry = l.op('i32x4_lt_u', low, a);
    return [low, l.op('i32x4_sub', l.op('i32x4_add', ah, bh), carry)];
  }
  const borrow = l.op('i32x4_lt_u', a, b);
  return [l.op('i32x4_sub', a, b), l.op('i32x4_add', l.op('i32x4_sub', ah, bh), borrow)];
}

const shiftAdd: Lower = (x) => {
  const { l } = x;
  const signed = x.i.spec.type === 's64';
  const shift = x.i.immediates.shift!;
  const a = l.keep(x.raw(0));
  const b = l.keep(x.integer(1, 64, signed));
  const bh = x.upper(1, signed);
  const low = l.keep(l.op('i32x4_add', a, l.shift('i32x4_shl', b, shift)));
  const high = shift ? l.or(l.shift('i32x4_shl', bh, shift), l.shift('i32x4_shr_u', b, 32 - shift)) : bh;
  return [low, l.op('i32x4_sub', l.op('i32x4_add', x.raw(0, 1), high), l.op('i32x4_lt_u', low, a))];
};

const multiply: Lower = (x) => {
  const { size, signed } = elementOf(x.i.spec.type);
  if (x.i.modifiers.saturate || size === 8) return undefined;
  return [x.l.op(size === 32 ? 'i32x4_mul' : 'i16x8_mul', x.integer(0, size, signed), x.integer(1, size, signed))];
};

const LOGIC: Record<string, OpName> = { AND: 'v128_and', OR: 'v128_or', XOR: 'v128_xor' };

/** A shift by an amount that is known, or of whole words. */
const shiftLogic: Lower = (x) => {
  const { l, i } = x;
  const left = i.spec.base.startsWith('L');
  const { size } = elementOf(i.spec.type);
  if (size === 64) return undefined;
  const signed = i.modifiers.signed === 'signed';
  const value = x.integer(0, size, signed);
  const by = i.sources[1]!;
  const other = x.integer(2, 32, false);
  let shifted: Lanes;
  if (by.kind === 'constant') {
    const place = /^b(\d)/.exec(by.select);
    const amount = (CONSTANTS[by.index]! >>> (place ? Number(place[1]) * 8 : 0)) & 0xff & (size - 1);
    const name = `${SHAPE[size]!}_${left ? 'shl' : signed ? 'shr_s' : 'shr_u'}` as OpName;
    shifted =
      amount === 0
        ? value
        : (k) => {
            value(k);
            l.code.i32(amount).op(name);
          };
  } else if (size === 32) {
    shifted = l.shiftBy(left ? 'i32_shl' : signed ? 'i32_shr_s' : 'i32_shr_u', value, x.integer(1, 8, false));
  } else return undefined;
  const result = l.op(LOGIC[i.spec.base.slice(7)]!, shifted, other);
  return [i.modifiers.not_result ? l.not(result) : result];
};

const mux: Lower = (x) => {
  const { l, i } = x;
  const { size } = elementOf(i.spec.type);
  const [a, b] = [x.integer(0, size, false), x.integer(1, size, false)];
  const m = l.keep(x.integer(2, size, false));
  const shape = SHAPE[size]!;
  const zero = l.words(0);
  let mask: Lanes;
  if (i.modifiers.mux === 'bit') mask = m;
  else if (i.modifiers.mux === 'neg') mask = l.op(`${shape}_lt_s` as OpName, m, zero);
  else if (i.modifiers.mux === 'int_zero') mask = l.op(`${shape}_eq` as OpName, m, zero);
  else {
    const magnitude = size === 32 ? 0x7fffffff : size === 16 ? 0x7fff7fff : 0x7f7f7f7f;
    mask = l.op(`${shape}_eq` as OpName, l.and(m, l.words(magnitude)), zero);
  }
  return [l.choose(mask, a, b)];
};

// Comparisons.

/** A mask of the elements for which an integer comparison holds. */
function integerTest(x: Lowering, condition: string, size: number, signed: boolean, a: Lanes, b: Lanes): Lanes {
  const shape = SHAPE[size]!;
  const s = signed ? 's' : 'u';
  if (condition === 'eq' || condition === 'ne') return x.l.op(`${shape}_${condition}` as OpName, a, b);
  if (condition === 'gtlt') return x.l.op(`${shape}_ne` as OpName, a, b);
  if (condition === 'total') return x.l.words(-1);
  return x.l.op(`${shape}_${condition}_${s}` as OpName, a, b);
}

function floatTest(x: Lowering, condition: string, first: Lanes, second: Lanes): Lanes {
  const { l } = x;
  const [a, b] = [l.keep(first), l.keep(second)];
  if (condition === 'gtlt') return l.or(l.op('f32x4_gt', a, b), l.op('f32x4_lt', a, b));
  if (condition === 'total') return l.and(l.op('f32x4_eq', a, a), l.op('f32x4_eq', b, b));
  return l.op(`f32x4_${condition}` as OpName, a, b);
}

/** A mask of `size`-bit elements completed with the third source, as the result type wants it. */
function outcome(x: Lowering, mask: Lanes, size: number): Lanes[] | undefined {
  const { l, i } = x;
  const zero = l.words(0);
  const before = l.op(`${SHAPE[size]!}_ne` as OpName, x.raw(2), zero);
  const both = i.spec.base.endsWith('_AND') ? l.and(mask, before) : l.or(mask, before);
  const type = i.modifiers.resultType!;
  if (type === 'm1') return [both];
  if (type === 'f1') {
    if (size === 8) return undefined;
    return [l.and(both, l.words(size === 32 ? 0x3f800000 : 0x3c003c00))];
  }
  return [l.and(both, l.words(size === 32 ? 1 : size === 16 ? 0x00010001 : 0x01010101))];
}

const integerCompare: Lower = (x) => {
  const { size, signed } = elementOf(x.i.spec.type);
  const mask = integerTest(
    x,
    x.i.modifiers.condition!,
    size,
    signed,
    x.integer(0, size, signed),
    x.integer(1, size, signed),
  );
  return outcome(x, mask, size);
};

const floatCompare: Lower = (x) => {
  const condition = x.i.modifiers.condition!;
  if (x.i.spec.type === 'f32') return outcome(x, floatTest(x, condition, x.single(0), x.single(1)), 32);
  const { l } = x;
  const [a, b] = [x.halves(0), x.halves(1)];
  const low = l.and(floatTest(x, condition, a.low, b.low), l.words(0xffff));
  const high = l.and(floatTest(x, condition, a.high, b.high), l.words(0xffff0000));
  return outcome(x, l.or(low, high), 16);
};

const select: Lower = (x) => {
  const { l, i } = x;
  const { type } = i.spec;
  const condition = i.modifiers.condition!;
  const [a, b, yes, no] = [0, 1, 2, 3].map((n) => x.raw(n)) as [Lanes, Lanes, Lanes, Lanes];
  let mask: Lanes;
  if (type === 'f32') mask = floatTest(x, condition, a, b);
  else if (type === 'v2f16') {
    const [p, q] = [l.keep(a), l.keep(b)];
    const low = floatTest(x, condition, l.widenLow(p), l.widenLow(q));
    const high = floatTest(x, condition, l.widenHigh(p), l.widenHigh(q));
    mask = l.or(l.and(low, l.words(0xffff)), l.and(high, l.words(0xffff0000)));
  } else {
    const { size, signed } = elementOf(type);
    mask = integerTest(x, condition, size, signed, a, b);
  }
  return [l.choose(mask, yes, no)];
};

// Floats.

const perHalf =
  (fn: (l: LaneCode, ...args: Lanes[]) => Lanes): Lower =>
  (x) => {
    const sources = x.i.sources.map((_, n) => x.halves(n));
    const low = fn(x.l, ...sources.map((s) => s.low));
    const high = fn(x.l, ...sources.map((s) => s.high));
    return [x.toHalves(low, high)];
  };
const perSingle =
  (fn: (l: LaneCode, ...args: Lanes[]) => Lanes): Lower =>
  (x) =>
    x.singleResult(fn(x.l, ...x.i.sources.map((_, n) => x.single(n))));

const ROUND: Record<string, OpName> = {
  rte: 'f32x4_nearest',
  rtp: 'f32x4_ceil',
  rtn: 'f32x4_floor',
  rtz: 'f32x4_trunc',
};

const toInteger =
  (signed: boolean, half: boolean): Lower =>
  (x) => {
    const value = half ? x.halves(0).low : x.single(0);
    const rounded = x.l.op(ROUND[x.i.modifiers.round ?? 'rte']!, value);
    return [x.l.op(signed ? 'i32x4_trunc_sat_f32x4_s' : 'i32x4_trunc_sat_f32x4_u', rounded)];
  };

/** A selected byte or half, extended to a word. */
function extended(x: Lowering, size: 8 | 16, signed: boolean): Lanes {
  const up = x.l.shift('i32x4_shl', x.integer(0, size, signed), 32 - size);
  return x.l.shift(signed ? 'i32x4_shr_s' : 'i32x4_shr_u', up, 32 - size);
}
const extend =
  (size: 8 | 16, signed: boolean, float: boolean): Lower =>
  (x) => {
    const word = extended(x, size, signed);
    return float ? x.singleResult(x.l.op('f32x4_convert_i32x4_s', word)) : [word];
  };

const fromInteger =
  (signed: boolean): Lower =>
  (x) => {
    if ((x.i.modifiers.round ?? 'rte') !== 'rte') return undefined;
    const name = signed ? 'f32x4_convert_i32x4_s' : 'f32x4_convert_i32x4_u';
    return x.singleResult(x.l.op(name, x.integer(0, 32, signed)));
  };

const addImmediate: Lower = (x) => {
  const { size } = elementOf(x.i.spec.type);
  return [x.l.op(`${SHAPE[size]!}_add` as OpName, x.raw(0), x.l.words(x.i.immediates.constant!))];
};

const TABLE: Record<string, Lower> = {
  'MOV.i32': (x) => [x.raw(0)],
  'NOT_OLD.i32': (x) => [x.l.not(x.raw(0))],
  MUX: mux,
  IADD: sum('add'),
  ISUB: sum('sub'),
  SHADDX: shiftAdd,
  IMUL: multiply,
  IADD_IMM: addImmediate,
  LSHIFT_AND: shiftLogic,
  LSHIFT_OR: shiftLogic,
  LSHIFT_XOR: shiftLogic,
  RSHIFT_AND: shiftLogic,
  RSHIFT_OR: shiftLogic,
  RSHIFT_XOR: shiftLogic,
  'MKVEC.v2i16': (x) => [x.l.pair(x.l.and(x.integer(0, 16, false), x.l.words(0xffff)), x.integer(1, 16, false))],
  ICMP_OR: integerCompare,
  ICMP_AND: integerCompare,
  FCMP_OR: floatCompare,
  FCMP_AND: floatCompare,
  CSEL: select,
  'FADD.f32': perSingle((l, a, b) => l.op('f32x4_add', a!, b!)),
  'FMA.f32': perSingle((l, a, b, c) => l.fma(a!, b!, c!)),
  'FMIN.f32': perSingle((l, a, b) => l.least('f32x4_min', a!, b!)),
  'FMAX.f32': perSingle((l, a, b) => l.least('f32x4_max', a!, b!)),
  'FADD.v2f16': perHalf((l, a, b) => l.op('f32x4_add', a!, b!)),
  'FMA.v2f16': perHalf((l, a, b, c) => l.fmaHalf(a!, b!, c!)),
  'FMIN.v2f16': perHalf((l, a, b) => l.least('f32x4_min', a!, b!)),
  'FMAX.v2f16': perHalf((l, a, b) => l.least('f32x4_max', a!, b!)),
  'FADD_IMM.f32': (x) => x.singleResult(x.l.op('f32x4_add', x.single(0), x.l.words(x.i.immediates.constant!))),
  'FRCP.f32': perSingle((l, a) => l.op('f32x4_div', l.single(1), a!)),
  'FRSQ.f32': perSingle((l, a) => l.inverseRoot(a!)),
  'FROUND.f32': (x) => x.singleResult(x.l.op(ROUND[x.i.modifiers.round ?? 'rte']!, x.single(0))),
  S32_TO_F32: fromInteger(true),
  U32_TO_F32: fromInteger(false),
  S16_TO_S32: extend(16, true, false),
  U16_TO_U32: extend(16, false, false),
  S8_TO_S32: extend(8, true, false),
  U8_TO_U32: extend(8, false, false),
  S16_TO_F32: extend(16, true, true),
  U16_TO_F32: extend(16, false, true),
  S8_TO_F32: extend(8, true, true),
  U8_TO_F32: extend(8, false, true),
  F32_TO_S32: toInteger(true, false),
  F32_TO_U32: toInteger(false, false),
  F16_TO_S32: toInteger(true, true),
  F16_TO_U32: toInteger(false, true),
  F16_TO_F32: (x) => x.singleResult(x.halves(0).low),
  V2F32_TO_V2F16: (x) =>
    x.i.modifiers.round === 'rte'
      ? [
          x.l.pair(
            x.l.narrow(x.l.clamp(x.single(0), x.i.modifiers.clamp)),
            x.l.narrow(x.l.clamp(x.single(1), x.i.modifiers.clamp)),
          ),
        ]
      : undefined,
};

/** The words of the destination's registers, one or two; undefined: the instruction has no lane operations here. */
export function lower(o: Operands, i: Instruction): Lanes[] | undefined {
  const make = TABLE[i.spec.name] ?? TABLE[i.spec.base];
  return make && readable(i) ? make(new Lowering(o, i)) : undefined;
}
