/**
 * Operands as functions: a source becomes a function from the warp to sixteen values, a destination a pair of functions
 * around the loop that computes them. What an operand needs (a half of a register, a sign, a constant) is settled when the
 * instruction is compiled; a plain register costs nothing but the look-up of its view.
 */
import { CONSTANTS, HALVES } from '../../abi/isa/encoding.ts';
import { LANES } from './contract.ts';
import { EncodingError, type Instruction, type Source } from './decode.ts';
import { F16_TO_F32, fromBits, MIN_NORMAL_F16, MIN_NORMAL_F32, toHalf } from './float.ts';
import type { WarpState } from './warp.ts';

export type Ints = (w: WarpState) => Int32Array;
export type Floats = (w: WarpState) => Float32Array;

const ints = (): Int32Array => new Int32Array(LANES);
const asFloats = (a: Int32Array): Float32Array => new Float32Array(a.buffer, a.byteOffset, LANES);

/** The 32 bits of a source, `word` 0 or 1 of a pair, without any modifier. */
export function rawBits(source: Source, page: number, word = 0): Ints {
  const index = source.index + (source.kind === 'constant' ? 0 : word);
  switch (source.kind) {
    case 'register':
      return (w) => w.ri[index]!;
    case 'uniform':
      return (w) => w.run.uniform(index);
    case 'constant': {
      // Constants are extended with zeros.
      const value = ints().fill(word ? 0 : CONSTANTS[index]!);
      return () => value;
    }
    case 'special': {
      const value = ints();
      return (w) => {
        w.special(page, index, value);
        return value;
      };
    }
  }
}

function rawFloats(source: Source, page: number): Floats {
  const { index } = source;
  if (source.kind === 'register') return (w) => w.rf[index]!;
  if (source.kind === 'constant') {
    const value = new Float32Array(LANES).fill(fromBits(CONSTANTS[index]!));
    return () => value;
  }
  const bits = rawBits(source, page);
  const copy = ints();
  const view = asFloats(copy);
  return (w) => {
    copy.set(bits(w));
    return view;
  };
}

/** A 32-bit float source: half widened, absolute value, sign, and subnormals flushed where the program says so. */
export function floats(source: Source, page: number): Floats {
  const { negate, absolute, select } = source;
  const out = new Float32Array(LANES);
  let base: Floats;
  if (select === 'h0' || select === 'h1') {
    const bits = rawBits(source, page);
    const shift = select === 'h1' ? 16 : 0;
    base = (w) => {
      const a = bits(w);
      for (let i = 0; i < LANES; i++) out[i] = F16_TO_F32[(a[i]! >>> shift) & 0xffff]!;
      return out;
    };
  } else base = rawFloats(source, page);
  const constant = source.kind === 'constant' && (negate || absolute);
  if (constant) {
    let value = fromBits(CONSTANTS[source.index]!);
    if (select === 'h0' || select === 'h1') {
      value = F16_TO_F32[(CONSTANTS[source.index]! >>> (select === 'h1' ? 16 : 0)) & 0xffff]!;
    }
    if (absolute) value = Math.abs(value);
    if (negate) value = -value;
    const all = new Float32Array(LANES).fill(value);
    return () => all;
  }
  let signed = base;
  if (absolute) {
    const sign = negate ? -1 : 1;
    signed = (w) => {
      const a = base(w);
      for (let i = 0; i < LANES; i++) out[i] = Math.abs(a[i]!) * sign;
      return out;
    };
  } else if (negate) {
    signed = (w) => {
      const a = base(w);
      for (let i = 0; i < LANES; i++) out[i] = -a[i]!;
      return out;
    };
  }
  return (w) => {
    const a = signed(w);
    if (!w.flush32) return a;
    for (let i = 0; i < LANES; i++) {
      const x = a[i]!;
      out[i] = Math.abs(x) < MIN_NORMAL_F32 ? (Object.is(x, -0) || x < 0 ? -0 : 0) : x;
    }
    return out;
  };
}

/** Two halves of a source as floats, in `low` and `high` after a call of `load`. */
export interface HalfPair {
  readonly low: Float32Array;
  readonly high: Float32Array;
  load(w: WarpState): void;
}

const flushHalf = (x: number): number => (Math.abs(x) < MIN_NORMAL_F16 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : x);

/** A vector of two halves, swizzled, with sign modifiers. */
export function halves(source: Source, page: number): HalfPair {
  const bits = rawBits(source, page);
  const { negate, absolute, select } = source;
  const lowShift = select === 'h10' || select === 'h11' || select === 'h1' ? 16 : 0;
  const highShift = select === 'h00' || select === 'h10' || select === 'h0' ? 0 : 16;
  const low = new Float32Array(LANES);
  const high = new Float32Array(LANES);
  const plain = !negate && !absolute;
  return {
    low,
    high,
    load(w) {
      const a = bits(w);
      for (let i = 0; i < LANES; i++) {
        const x = a[i]!;
        low[i] = F16_TO_F32[(x >>> lowShift) & 0xffff]!;
        high[i] = F16_TO_F32[(x >>> highShift) & 0xffff]!;
      }
      if (!plain) {
        for (let i = 0; i < LANES; i++) {
          let a0 = low[i]!;
          let a1 = high[i]!;
          if (absolute) {
            a0 = Math.abs(a0);
            a1 = Math.abs(a1);
          }
          low[i] = negate ? -a0 : a0;
          high[i] = negate ? -a1 : a1;
        }
      }
      if (w.flush16) {
        for (let i = 0; i < LANES; i++) {
          low[i] = flushHalf(low[i]!);
          high[i] = flushHalf(high[i]!);
        }
      }
    },
  };
}

/** A vector of two halves as it lies in registers: of lane n, the first at 2 n + `low`, the second at 2 n + `high`. */
export interface PackedHalves {
  readonly low: 0 | 1;
  readonly high: 0 | 1;
  /** 32 halves, sign modifiers applied, subnormals flushed where the program says so. Not to be written. */
  load(w: WarpState): Float16Array;
}

export function packedHalves(source: Source, page: number): PackedHalves {
  const { negate, absolute, select, index } = source;
  const low = select === 'h10' || select === 'h11' || select === 'h1' ? 1 : 0;
  const high = select === 'h00' || select === 'h10' || select === 'h0' ? 0 : 1;
  const plain = !negate && !absolute;
  const out = new Float16Array(LANES * 2);
  const copy = new Int32Array(out.buffer);
  let base: (w: WarpState) => Float16Array;
  if (source.kind === 'register') base = (w) => w.rh[index]!;
  else if (source.kind === 'uniform') base = (w) => w.run.uniformHalves(index);
  else {
    const bits = rawBits(source, page);
    base = (w) => {
      copy.set(bits(w));
      return out;
    };
  }
  return {
    low,
    high,
    load(w) {
      const a = base(w);
      if (plain && !w.flush16) return a;
      for (let i = 0; i < LANES * 2; i++) {
        let x = a[i]!;
        if (absolute) x = Math.abs(x);
        if (negate) x = -x;
        out[i] = w.flush16 ? flushHalf(x) : x;
      }
      return out;
    },
  };
}

const extend = (value: number, bits: number, signed: boolean): number =>
  signed ? (value << (32 - bits)) >> (32 - bits) : value & (bits === 32 ? -1 : (1 << bits) - 1);

/** Digits of a selector's name: `b02` gives [0, 2]. */
const digits = (name: string): number[] => [...name.slice(1)].map(Number);

/** What a selector does to one 32-bit source, element size given; undefined: nothing. */
function selection(select: string, size: number, signed: boolean): ((x: number) => number) | undefined {
  if (select === '' || select === 'none' || select === 'w0') return undefined;
  const places = digits(select);
  const unit = select[0] === 'b' ? 8 : 16;
  const pick = (x: number, place: number): number => (x >>> (place * unit)) & (unit === 8 ? 0xff : 0xffff);
  if (size >= 32) {
    const place = places[0]!;
    return (x) => extend(pick(x, place), unit, signed);
  }
  if (size === 16) {
    const [a, b] = [places[0]!, places[1] ?? places[0]!];
    if (select === 'h01') return undefined;
    return (x) => (extend(pick(x, a), unit, signed) & 0xffff) | (extend(pick(x, b), unit, signed) << 16);
  }
  if (places.length === 1) return (x) => pick(x, places[0]!);
  if (places.length === 2) return (x) => pick(x, places[0]!) | (pick(x, places[1]!) << 8);
  if (select === 'b0123') return undefined;
  const [a, b, c, d] = places as [number, number, number, number];
  return (x) => pick(x, a) | (pick(x, b) << 8) | (pick(x, c) << 16) | (pick(x, d) << 24);
}

/**
 * An integer source: the selected part, extended or swizzled to elements of `size` bits that stay packed. 64-bit sources
 * give their lower word here.
 */
export function integers(source: Source, page: number, size: number, signed: boolean): Ints {
  const bits = rawBits(source, page);
  const pick = selection(source.select, size, signed);
  if (!pick && !source.not) return bits;
  const out = ints();
  if (source.kind === 'constant') {
    const value = CONSTANTS[source.index]!;
    const picked = pick ? pick(value) : value;
    out.fill(source.not ? ~picked : picked);
    return () => out;
  }
  return (w) => {
    const a = bits(w);
    if (pick) for (let i = 0; i < LANES; i++) out[i] = pick(a[i]!);
    if (source.not) for (let i = 0; i < LANES; i++) out[i] = ~(pick ? out[i]! : a[i]!);
    return out;
  };
}

/** The upper word of a 64-bit integer source: its own, or the extension of the selected part. */
export function upperWord(source: Source, page: number, signed: boolean): Ints {
  const out = ints();
  const { select } = source;
  if (source.spec.size === 64 && (select === '' || select === 'none')) {
    const bits = rawBits(source, page, 1);
    if (!source.not) return bits;
    return (w) => {
      const a = bits(w);
      for (let i = 0; i < LANES; i++) out[i] = ~a[i]!;
      return out;
    };
  }
  const low = integers(source, page, 64, signed);
  return (w) => {
    const a = low(w);
    for (let i = 0; i < LANES; i++) out[i] = signed ? a[i]! >> 31 : 0;
    return out;
  };
}

// Destinations.

/** Copies the lanes of `mask`. */
export function copyLanes(to: Int32Array | Float32Array, from: Int32Array | Float32Array, mask: number): void {
  for (let i = 0; i < LANES; i++) if (mask & (1 << i)) to[i] = from[i]!;
}

/** Copies the lanes of `mask` bit by bit, for values that are not floats. */
function mergeLanes(to: Int32Array, from: Int32Array, mask: number, keep: number): void {
  for (let i = 0; i < LANES; i++) if (mask & (1 << i)) to[i] = (to[i]! & keep) | (from[i]! & ~keep);
}

/** Where results go: compute into what `open` gives, then `close`. */
export interface Destination {
  /** Sixteen words to be written, all of them. They may be the register itself. */
  open(w: WarpState): Int32Array;
  close(w: WarpState): void;
}

export interface FloatDestination {
  open(w: WarpState): Float32Array;
  close(w: WarpState): void;
}

const KEEP: Record<number, number> = { [HALVES.LOW]: 0xffff0000 | 0, [HALVES.HIGH]: 0x0000ffff, [HALVES.BOTH]: 0 };

/** Register `register`, or the halves of it that the instruction writes. */
export function registerDestination(register: number, halves: number): Destination {
  const scratch = ints();
  const keep = KEEP[halves] ?? 0;
  if (keep === 0) {
    return {
      open: (w) => (w.full ? w.ri[register]! : scratch),
      close: (w) => {
        if (!w.full) copyLanes(w.ri[register]!, scratch, w.mask);
      },
    };
  }
  return {
    open: () => scratch,
    close: (w) => mergeLanes(w.ri[register]!, scratch, w.mask, keep),
  };
}

export const destination = (i: Instruction): Destination => registerDestination(i.dest, i.destHalves);

/** The upper register of a 64-bit destination. */
export function upperDestination(i: Instruction): Destination {
  if (i.dest & 1) throw new EncodingError(`${i.spec.name}: destination r${i.dest} is an odd pair`);
  return registerDestination(i.dest + 1, HALVES.BOTH);
}

/**
 * As `destination`, for singles; flushes subnormal results where the program says so. In a half of a register a single is rounded to a
 * half: Mesa 26.1 makes one of the other by FADD.f32 with -0.
 */
export function floatDestination(i: Instruction): FloatDestination {
  const inner = destination(i);
  const views = new Map<Int32Array, Float32Array>();
  const scratch = new Float32Array(LANES);
  const register = i.dest;
  const whole = i.destHalves === HALVES.BOTH;
  const flush = (a: Float32Array): void => {
    for (let n = 0; n < LANES; n++) {
      const x = a[n]!;
      if (x !== 0 && Math.abs(x) < MIN_NORMAL_F32) a[n] = x < 0 ? -0 : 0;
    }
  };
  if (whole) {
    return {
      open: (w) => (w.full ? w.rf[register]! : scratch),
      close: (w) => {
        if (w.flush32) flush(w.full ? w.rf[register]! : scratch);
        if (!w.full) copyLanes(w.rf[register]!, scratch, w.mask);
      },
    };
  }
  return {
    open: (w) => {
      const bits = inner.open(w);
      let view = views.get(bits);
      if (!view) {
        view = asFloats(bits);
        views.set(bits, view);
      }
      return view;
    },
    close: (w) => {
      const bits = inner.open(w);
      const values = views.get(bits)!;
      // In both halves; the one that is not written keeps what it was.
      for (let n = 0; n < LANES; n++) bits[n] = toHalf(values[n]!) * 0x10001;
      inner.close(w);
    },
  };
}

/** As `destination`, for pairs of halves (see PackedHalves); flushes subnormal results where the program says so. */
export interface HalvesDestination {
  open(w: WarpState): Float16Array;
  close(w: WarpState): void;
}

export function halvesDestination(i: Instruction): HalvesDestination {
  const inner = destination(i);
  const register = i.dest;
  const views = new Map<Int32Array, Float16Array>();
  let words: Int32Array | undefined;
  return {
    open: (w) => {
      words = inner.open(w);
      if (words === w.ri[register]) return w.rh[register]!;
      let view = views.get(words);
      if (!view) {
        view = new Float16Array(words.buffer, words.byteOffset, LANES * 2);
        views.set(words, view);
      }
      return view;
    },
    close: (w) => {
      if (w.flush16) for (let n = 0; n < LANES; n++) words![n] = flushPair(words![n]!);
      inner.close(w);
    },
  };
}

const HALF_EXPONENT = 0x7c00;
const HALF_SIGN = 0x8000;

function flushPair(word: number): number {
  let low = word & 0xffff;
  let high = word >>> 16;
  if ((low & HALF_EXPONENT) === 0) low &= HALF_SIGN;
  if ((high & HALF_EXPONENT) === 0) high &= HALF_SIGN;
  return low | (high << 16);
}
