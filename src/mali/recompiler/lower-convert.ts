/**
 * Conversions between number types as lane operations.
 * Semantics: shader/alu-convert.ts.
 */
import type { Source } from '../shader/decode.ts';
import type { OpName } from '../wasm/opcodes.ts';
import type { Lanes } from './lanes.ts';
import type { Lower, Lowering, Lowerings } from './lowering.ts';

const modeOf = ({ i }: Lowering): string => i.modifiers.round ?? 'rte';

const ROUND: Record<string, OpName> = {
  rte: 'f32x4_nearest',
  rtp: 'f32x4_ceil',
  rtn: 'f32x4_floor',
  rtz: 'f32x4_trunc',
};
const rounded = (x: Lowering, value: Lanes): Lanes => x.l.op(ROUND[modeOf(x)]!, value);

const toInteger =
  (signed: boolean, half: boolean): Lower =>
  (x) => {
    const value = rounded(x, half ? x.halves(0).low : x.single(0));
    return [x.l.op(signed ? 'i32x4_trunc_sat_f32x4_s' : 'i32x4_trunc_sat_f32x4_u', value)];
  };

const toShorts =
  (low: number, high: number): Lower =>
  (x) => {
    const { l } = x;
    const halves = x.halves(0);
    const short = (half: Lanes): Lanes => {
      const word = l.op('i32x4_trunc_sat_f32x4_s', rounded(x, half));
      return l.op('i32x4_max_s', l.op('i32x4_min_s', word, l.words(high)), l.words(low));
    };
    return [l.pair(l.and(short(halves.low), l.words(0xffff)), short(halves.high))];
  };

/** The element at the end of each word, extended. */
function lowest(x: Lowering, word: Lanes, size: number, signed: boolean): Lanes {
  const up = x.l.shift('i32x4_shl', word, 32 - size);
  return x.l.shift(signed ? 'i32x4_shr_s' : 'i32x4_shr_u', up, 32 - size);
}

const extend =
  (size: 8 | 16, signed: boolean, float: boolean): Lower =>
  (x) => {
    const word = lowest(x, x.integer(0, size, signed), size, signed);
    return float ? x.singleResult(x.l.op('f32x4_convert_i32x4_s', word)) : [word];
  };

const fromInteger =
  (signed: boolean): Lower =>
  (x) => {
    const { l } = x;
    const s = signed ? 's' : 'u';
    const mode = modeOf(x);
    const value = x.integer(0, 32, signed);
    if (mode === 'rte') return x.singleResult(l.op(`f32x4_convert_i32x4_${s}`, value));
    const word = l.keep(value);
    const exact = (upper: boolean): Lanes => l.op(`f64x2_convert_low_i32x4_${s}`, l.part(word, upper));
    return x.singleResult(l.demote(exact(false), exact(true), mode));
  };

/** Two packed integers to two halves; their singles are exact. */
const packedToHalves =
  (size: 8 | 16, signed: boolean): Lower =>
  (x) => {
    const { l } = x;
    const packed = l.keep(x.integer(0, size, signed));
    const half = (word: Lanes): Lanes =>
      l.narrowTo(l.op('f32x4_convert_i32x4_s', lowest(x, word, size, signed)), modeOf(x));
    return [l.pair(half(packed), half(l.shift('i32x4_shr_u', packed, size)))];
  };

const bytesToShorts =
  (signed: boolean): Lower =>
  (x) => {
    const { l } = x;
    const packed = l.keep(x.integer(0, 8, signed));
    const short = (word: Lanes): Lanes => lowest(x, word, 8, signed);
    return [l.pair(l.and(short(packed), l.words(0xffff)), short(l.shift('i32x4_shr_u', packed, 8)))];
  };

/** Whether two sources of an instruction are the same number. */
const isSame = (a: Source, b: Source): boolean =>
  a.kind === b.kind &&
  a.index === b.index &&
  a.negate === b.negate &&
  a.absolute === b.absolute &&
  a.select === b.select;

const toHalves: Lower = (x) => {
  const { l } = x;
  const half = (value: Lanes): Lanes => l.narrowTo(l.clamp(value, x.i.modifiers.clamp), modeOf(x));
  const [a, b] = x.i.sources;
  if (isSame(a!, b!)) return [l.twice(half(x.single(0)))];
  return [l.pair(half(x.single(0)), half(x.single(1)))];
};

const roundHalves: Lower = (x) => {
  const { low, high } = x.halves(0);
  // A half without its fraction is a half.
  return [x.l.pair(x.l.halves.pack(rounded(x, low)), x.l.halves.pack(rounded(x, high)))];
};

export const CONVERT: Lowerings = {
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
  V2S16_TO_V2F16: packedToHalves(16, true),
  V2U16_TO_V2F16: packedToHalves(16, false),
  V2S8_TO_V2F16: packedToHalves(8, true),
  V2U8_TO_V2F16: packedToHalves(8, false),
  V2S8_TO_V2S16: bytesToShorts(true),
  V2U8_TO_V2U16: bytesToShorts(false),
  F32_TO_S32: toInteger(true, false),
  F32_TO_U32: toInteger(false, false),
  F16_TO_S32: toInteger(true, true),
  F16_TO_U32: toInteger(false, true),
  V2F16_TO_V2S16: toShorts(-0x8000, 0x7fff),
  V2F16_TO_V2U16: toShorts(0, 0xffff),
  F16_TO_F32: (x) => x.singleResult(x.halves(0).low),
  V2F32_TO_V2F16: toHalves,
  'FROUND.f32': (x) => x.singleResult(rounded(x, x.single(0))),
  'FROUND.v2f16': roundHalves,
};
