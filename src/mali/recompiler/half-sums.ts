/**
 * Multiply-add of halves in singles, as if rounded once.
 *
 * A product of halves is exact as a single, and the sum with a third is rounded to a single, then to a half. Rounding twice goes
 * wrong only where the first result lies in the middle between two halves: such a sum is rounded to odd instead, by a function of the
 * module, since hardly any comes there. Twelve bits of it are zero; so are those of sums that are halves, as of flat colours, which
 * a second look lets pass.
 */
import type { Code } from '../wasm/builder.ts';
import { LaneCode, type Lanes } from './lanes.ts';

const SIGN = 0x80000000;

/** Bits of a single that are zero in the middle between two halves. */
const BELOW_MIDDLE = 0xfff;

/** p + c, and locals: their sum, the halves that it is rounded to, these as singles, and which may lie in a middle. */
interface Sum {
  readonly p: Lanes;
  readonly c: Lanes;
  readonly sum: number;
  readonly packed: number;
  readonly single: number;
  readonly middle: number;
}

type Factors = readonly [a: Lanes, b: Lanes, c: Lanes];

/**
 * a × b + c of halves (as singles), of the lower and the upper half of a register, for `HalfCode.narrow`. `whole`: the sums are wanted
 * as singles too.
 */
export function fmaHalves(l: LaneCode, factors: readonly Factors[], whole: boolean): Lanes[] {
  const { code } = l;
  const sums: Sum[] = [];
  const rounds = l.halves.converts && !whole;
  const results = factors.map(([a, b, c]) => {
    const product = l.op('f32x4_mul', a, b);
    // A product of halves is exact.
    if (c.constant === SIGN) return product;
    if (c.constant === 0) return l.op('f32x4_add', product, c);
    const [whole, packed, single, middle] = [l.temporary(), l.temporary(), l.temporary(), l.temporary()];
    const sum = { p: l.keep(product), c: l.keep(c), sum: whole, packed, single, middle };
    sums.push(sum);
    return of(sum);
  });
  const demote = 'f16x8_demote_f32x4_zero';
  const promote = 'f32x4_promote_low_f16x8';
  let known = -1;
  let region = -1;
  /** Computes vector k of all sums, unless it has been on the way here. */
  const compute = (k: number): void => {
    if (known === k && code.isOpen(region)) return;
    known = k;
    region = code.region;
    for (const [n, sum] of sums.entries()) {
      add(sum, k);
      if (n > 0) code.op('v128_or');
    }
    // Of masks a bit a lane is known sooner than whether any bit is set.
    code.op('i32x4_bitmask').unlikely().if();
    if (l.halves.converts) {
      for (const [n, { sum, single, middle }] of sums.entries()) {
        code.get(sum);
        if (rounds) code.get(single);
        else code.get(sum).op(demote).op(promote);
        code.op('f32x4_ne').get(middle).op('v128_and');
        if (n > 0) code.op('v128_or');
      }
      code.op('i32x4_bitmask').unlikely().if();
    }
    for (const { p, c, sum, packed, single } of sums) {
      p(k);
      c(k);
      code.call(code.helper('sum_to_odd', ['v128', 'v128'], ['v128'], sumToOdd));
      if (rounds) code.op(demote).tee(packed).op(promote).set(single);
      else code.set(sum);
    }
    if (l.halves.converts) code.end();
    code.end();
  };
  /** Computes a sum as if nothing stood in the way; pushes the lanes where it may be in the middle between two halves. */
  function add({ p, c, sum, packed, single, middle }: Sum, k: number): void {
    p(k);
    c(k);
    code.op('f32x4_add').tee(sum);
    if (rounds) code.op(demote).tee(packed).op(promote).set(single).get(sum);
    l.words(BELOW_MIDDLE)(k);
    code.op('v128_and');
    l.words(0)(k);
    code.op('i32x4_eq').tee(middle);
  }
  function of({ sum, packed, single }: Sum): Lanes {
    const local =
      (at: number): Lanes =>
      (k) => {
        compute(k);
        code.get(at);
      };
    const result = local(sum);
    if (rounds) {
      const bits = local(packed);
      result.half = l.op('i32x4_extend_low_i16x8_u', bits);
      result.half.packed = bits;
      result.half.single = local(single);
    }
    return result;
  }
  return results;
}

/** (p, c) → their sum rounded to odd: towards zero, and the last bit set where it is not exact. Its error tells both. */
function sumToOdd(code: Code): void {
  const l = new LaneCode(code, false, 1);
  const [p, c] = [l.local([0]), l.local([1])];
  const sum = l.keep(l.op('f32x4_add', p, c));
  const back = l.keep(l.op('f32x4_sub', sum, p));
  const lost = l.op('f32x4_sub', p, l.op('f32x4_sub', sum, back));
  const error = l.keep(l.op('f32x4_add', lost, l.op('f32x4_sub', c, back)));
  // Neither infinities nor NaNs have an error that is above zero.
  const inexact = l.keep(l.op('f32x4_gt', l.abs(error), l.words(0)));
  const away = l.and(l.signs(l.xor(error, sum)), inexact);
  l.or(l.op('i32x4_add', sum, away), l.and(inexact, l.words(1)))(0);
}
