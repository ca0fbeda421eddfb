/**
 * What the lowering of every instruction starts from: its sources as lane values, with the parts, signs and flushing that the
 * instruction asks for, and its results as register words. Semantics: shader/operand.ts.
 */
import { CONSTANTS, HALVES, SPECIALS } from '../../abi/isa/encoding.ts';
import { LANES } from '../shader/contract.ts';
import type { Instruction, Source } from '../shader/decode.ts';
import { runWord } from '../shader/specials.ts';
import { THREAD_LOCAL_TAG } from '../shader/warp.ts';
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
  /** All ones in the lanes that run the instruction. */
  active(): Lanes;
  /** A word of the address behind the instruction in work. */
  programCounter(word: number): Lanes;
}

const NUMBERS: readonly number[] = Array.from({ length: LANES }, (_, lane) => lane);
const all = (word: number): readonly number[] => NUMBERS.map(() => word);

/** Words of a special that is the same in all warps and at all addresses, lane by lane; undefined: it is another one. */
function fixedSpecial(page: number, index: number): readonly number[] | undefined {
  const upper = (index & 1) === 1;
  switch (SPECIALS[page]?.[index >>> 1]) {
    case 'lane_id':
      return upper ? all(0) : NUMBERS;
    case 'core_id':
      return all(0);
    case 'thread_local_pointer':
      return all(upper ? THREAD_LOCAL_TAG : 0);
    default:
      return undefined;
  }
}

const isProgramCounter = (page: number, index: number): boolean => SPECIALS[page]?.[index >>> 1] === 'program_counter';

/** Whether an instruction's sources can be read here: some specials are the interpreter's. */
export const readable = (i: Instruction): boolean =>
  i.sources.every(
    ({ kind, index }) =>
      kind !== 'special' ||
      runWord(i.page, index) !== undefined ||
      fixedSpecial(i.page, index) !== undefined ||
      isProgramCounter(i.page, index),
  );

/** Whether a sum is rounded in another direction than to the nearest: few shaders ask for that, and the interpreter does it. */
export const isDirectedSum = ({ spec: { base }, modifiers: { round } }: Instruction): boolean =>
  (base === 'FADD' || base === 'FMA') && round !== 'rte';

export class Lowering {
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
      case 'special': {
        const own = runWord(this.i.page, source.index + word);
        if (isProgramCounter(this.i.page, source.index)) return this.o.programCounter((source.index + word) & 1);
        return own === undefined ? this.l.each(fixedSpecial(this.i.page, source.index + word)!) : this.o.uniform(own);
      }
      case 'constant':
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

  /** Two halves of a source as singles; the same value where both are one half of the register. */
  halves(n: number): { low: Lanes; high: Lanes } {
    const { l } = this;
    const { negate, absolute, select } = this.i.sources[n]!;
    const word = this.raw(n);
    const fromHigh = ['h10', 'h11', 'h1'].includes(select);
    const toLow = ['h00', 'h10', 'h0'].includes(select);
    const signs = (value: Lanes): Lanes => {
      let x = value;
      if (absolute) x = l.abs(x);
      if (negate) x = l.neg(x);
      return this.o.flush16 ? l.flush16(x) : x;
    };
    const low = signs(fromHigh ? l.widenHigh(word) : l.widenLow(word));
    if (fromHigh === toLow) return { low, high: signs(toLow ? l.widenLow(word) : l.widenHigh(word)) };
    const both = low.constant === undefined ? l.keep(low) : low;
    return { low: both, high: both };
  }

  /**
   * Rounds two singles to halves, as results: clamped, subnormals flushed where the program says so. `exact`: they are halves
   * already, and need no rounding.
   */
  toHalves(low: Lanes, high: Lanes, exact = false): Lanes {
    const { l } = this;
    const finish = (x: Lanes): Lanes => {
      const clamped = l.clamp(x, this.i.modifiers.clamp);
      // Arithmetic on halves stays far below what singles can hold.
      const bits = exact ? l.halves.pack(clamped) : l.halves.narrow(clamped, true);
      if (!this.o.flush16) return bits;
      const half = l.keep(bits);
      const small = l.op('i32x4_eq', l.and(half, l.words(0x7c00)), l.words(0));
      const flushed = l.choose(small, l.and(half, l.words(0x8000)), half);
      flushed.single = l.flush16(bits.single!);
      return flushed;
    };
    return low === high ? l.twice(finish(low)) : l.pair(finish(low), finish(high));
  }

  /** A half of a source's word as a single, if it is known without widening: the one that a move puts first or second. */
  knownHalf(n: number, second: boolean): Lanes | undefined {
    const { select } = this.i.sources[n]!;
    if (select.startsWith('b')) return undefined;
    const places = select.startsWith('h') ? select.slice(1) : '01';
    const high = (second ? (places[1] ?? places[0]) : places[0]) === '1';
    return this.l.halves.known(this.raw(n), high);
  }

  singleResult(value: Lanes): Lanes[] {
    const { l } = this;
    const clamped = l.clamp(value, this.i.modifiers.clamp);
    const flushes = this.o.flush32 && this.i.destHalves === HALVES.BOTH;
    return this.flushedSingle(flushes ? l.flush32(clamped) : clamped);
  }

  /** A single as a result that is flushed already. A half of a register takes a half, which is put into both, and one of them is kept. */
  flushedSingle(value: Lanes): Lanes[] {
    if (this.i.destHalves === HALVES.BOTH) return [value];
    return [this.l.twice(this.l.narrow(value))];
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

/** Masks for both halves of a register, each as wide as the single that stands for the half. */
export type WideMasks = Record<'low' | 'high', Lanes>;

/** Where halves are zero or not, if they are known as singles. */
export function zeroTest(x: Lowering, n: number, operation: 'i32x4_eq' | 'i32x4_ne'): WideMasks | undefined {
  const [low, high] = [x.knownHalf(n, false), x.knownHalf(n, true)];
  const { l } = x;
  return low && high && { low: l.op(operation, low, l.words(0)), high: l.op(operation, high, l.words(0)) };
}

/** Halves that move stay what they are known to be. */
export function moved(x: Lowering, value: Lanes, low: Lanes | undefined, high: Lanes | undefined): Lanes {
  if ((low || high) && x.i.sources.every(({ not }) => !not)) value.halves = { low, high };
  return value;
}

/** A selection of source `yes` or `no` is known as halves where its masks and both sources are. */
export function chosen(x: Lowering, word: Lanes, masks: WideMasks | undefined, yes: number, no: number): Lanes {
  if (!masks) return word;
  const half = (mask: Lanes, upper: boolean): Lanes | undefined => {
    const [a, b] = [x.knownHalf(yes, upper), x.knownHalf(no, upper)];
    return a && b && x.l.choose(mask, a, b);
  };
  return moved(x, word, half(masks.low, false), half(masks.high, true));
}

export type Lower = (x: Lowering) => Lanes[] | undefined;

/** Lowerings by the instruction's name, or its name without the number type. */
export type Lowerings = Readonly<Record<string, Lower>>;

export const SHAPE: Record<number, 'i32x4' | 'i16x8' | 'i8x16'> = { 32: 'i32x4', 16: 'i16x8', 8: 'i8x16' };
/** An operation on elements of `size` bits. */
export const on = (size: number, operation: string): OpName => `${SHAPE[size]!}_${operation}` as OpName;
