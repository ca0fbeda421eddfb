/** For tests of arithmetic: exact numbers as integers, rounded by hand. */
import type { Rounding } from '../../mali/shader/float.ts';

/** Exact values are counted in units of 2^-UNIT. */
export const UNIT = 320;
const view = new DataView(new ArrayBuffer(8));
/** A finite number as an integer multiple of 2^-UNIT. */
export function exact(x: number): bigint {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const e = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = e === 0 ? fraction : fraction | 0x10000000000000n;
  const shift = Math.max(e, 1) - 1075 + UNIT;
  const magnitude = shift >= 0 ? mantissa << BigInt(shift) : mantissa >> BigInt(-shift);
  return bits >> 63n ? -magnitude : magnitude;
}
/** Rounds an exact value to `precision` bits above 2^minimum, to nearest even or in a direction. */
export function roundExact(
  value: bigint,
  precision: number,
  minimum: number,
  max: number,
  mode: Rounding = 'rte',
): number {
  if (value === 0n) return 0;
  const negative = value < 0n;
  const magnitude = negative ? -value : value;
  const length = magnitude.toString(2).length;
  const lowest = Math.max(length - precision, minimum + UNIT);
  const unit = 1n << BigInt(lowest);
  let quotient = magnitude / unit;
  const rest = magnitude % unit;
  const away = mode === 'rtp' ? !negative : mode === 'rtn' && negative;
  if (mode === 'rte') {
    if (rest * 2n > unit || (rest * 2n === unit && quotient & 1n)) quotient++;
  } else if (rest > 0n && away) quotient++;
  const result = Number(quotient) * 2 ** (lowest - UNIT);
  const limited = result <= max ? result : mode === 'rte' || away ? Number.POSITIVE_INFINITY : max;
  return negative ? -limited : limited;
}
