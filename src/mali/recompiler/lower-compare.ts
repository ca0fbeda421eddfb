/**
 * Comparisons and selections as lane operations, and what lanes of a warp learn of one another.
 * Semantics: shader/alu-compare.ts.
 */
import { INACTIVE_VALUES, MODIFIER } from '../../abi/isa/encoding.ts';
import { elementOf } from '../shader/alu-integer.ts';
import type { Instruction } from '../shader/decode.ts';
import type { OpName } from '../wasm/opcodes.ts';
import type { LaneCode, Lanes } from './lanes.ts';
import { chosen, type Lower, type Lowering, type Lowerings, on, type WideMasks, zeroTest } from './lowering.ts';

/** A mask of the elements for which an integer comparison holds. */
function integerTest(x: Lowering, condition: string, size: number, signed: boolean, a: Lanes, b: Lanes): Lanes {
  if (condition === 'eq' || condition === 'ne') return x.l.op(on(size, condition), a, b);
  if (condition === 'gtlt') return x.l.op(on(size, 'ne'), a, b);
  if (condition === 'total') return x.l.words(-1);
  return x.l.op(on(size, `${condition}_${signed ? 's' : 'u'}`), a, b);
}

function floatTest(x: Lowering, condition: string, first: Lanes, second: Lanes): Lanes {
  const { l } = x;
  const [a, b] = [l.keep(first), l.keep(second)];
  if (condition === 'gtlt') return l.or(l.op('f32x4_gt', a, b), l.op('f32x4_lt', a, b));
  if (condition === 'total') return l.and(l.op('f32x4_eq', a, a), l.op('f32x4_eq', b, b));
  return l.op(`f32x4_${condition}` as OpName, a, b);
}

/** Both masks in one word. */
const narrowed = (l: LaneCode, { low, high }: WideMasks): Lanes => l.choose(l.words(0xffff), low, high);

/** A mask completed with what the third source says of its elements. */
const completed = ({ l, i }: Lowering, mask: Lanes, before: () => Lanes, third: Lanes): Lanes => {
  if (i.spec.base.endsWith('_AND')) return l.and(mask, before());
  return third.constant === 0 ? mask : l.or(mask, before());
};

/** Singles of what a comparison of halves answers. */
const ANSWERS: Record<string, number> = { m1: 0xffffe000, f1: 0x3f800000, i1: 0x33800000, u1: 0x33800000 };

/** A mask of `size`-bit elements completed with the third source, as the result type wants it. */
function outcome(x: Lowering, mask: Lanes, size: number): Lanes[] | undefined {
  const { l, i } = x;
  const third = x.raw(2);
  const both = completed(x, mask, () => l.op(on(size, 'ne'), third, l.words(0)), third);
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
  const masks = {
    low: l.keep(floatTest(x, condition, a.low, b.low)),
    high: l.keep(floatTest(x, condition, a.high, b.high)),
  };
  const words = outcome(x, narrowed(l, masks), 16);
  const answer = l.words(ANSWERS[x.i.modifiers.resultType!]!);
  const third = x.raw(2);
  const single = (mask: Lanes, upper: boolean): Lanes | undefined => {
    const half = x.knownHalf(2, upper);
    return (
      half &&
      l.and(
        completed(x, mask, () => l.op('i32x4_ne', half, l.words(0)), third),
        answer,
      )
    );
  };
  if (words) words[0]!.halves = { low: single(masks.low, false), high: single(masks.high, true) };
  return words;
};

const select: Lower = (x) => {
  const { l, i } = x;
  const { type } = i.spec;
  const condition = i.modifiers.condition!;
  const [a, b, yes, no] = [0, 1, 2, 3].map((n) => x.raw(n)) as [Lanes, Lanes, Lanes, Lanes];
  let mask: Lanes;
  let masks: WideMasks | undefined;
  if (type === 'v2f16') {
    const [p, q] = [l.keep(a), l.keep(b)];
    const low = l.keep(floatTest(x, condition, l.widenLow(p), l.widenLow(q)));
    const high = l.keep(floatTest(x, condition, l.widenHigh(p), l.widenHigh(q)));
    masks = { low, high };
    mask = narrowed(l, masks);
  } else {
    const { size, signed } = elementOf(type === 'f32' ? 's32' : type);
    mask = type === 'f32' ? floatTest(x, condition, a, b) : integerTest(x, condition, size, signed, a, b);
    if (size === 32) {
      mask = l.keep(mask);
      // Two constants are hardly ever halves.
      if (yes.constant === undefined || no.constant === undefined) masks = { low: mask, high: mask };
    } else if (size === 16 && b.constant === 0 && (condition === 'eq' || condition === 'ne')) {
      masks = zeroTest(x, 0, `i32x4_${condition}`);
    }
  }
  return [chosen(x, l.choose(mask, yes, no), masks, 2, 3)];
};

/** ICMP_MULTI: `u1` compares the lower words of 64-bit numbers, the others the upper ones, and fall back on that. */
const multiCompare: Lower = (x) => {
  const { l, i } = x;
  const { signed } = elementOf(i.spec.type);
  const condition = i.modifiers.condition!;
  const type = i.modifiers.resultType!;
  const [a, b] = [l.keep(x.integer(0, 32, signed)), l.keep(x.integer(1, 32, signed))];
  let mask = integerTest(x, condition, 32, signed, a, b);
  if (type !== 'u1') {
    const before = l.op('i32x4_ne', x.raw(2), l.words(0));
    mask = l.choose(l.op('i32x4_eq', a, b), before, condition === 'eq' ? l.words(0) : mask);
  }
  if (type === 'm1') return [mask];
  return [l.and(mask, l.words(type === 'f1' ? 0x3f800000 : 1))];
};

// Other lanes.

const subgroupOf = (i: Instruction): number =>
  2 ** ((MODIFIER.subgroup.values ?? []).indexOf(i.modifiers.subgroup as never) + 1);

/** Whether an instruction reads other vectors than the one that it writes. */
export const crosses = ({ spec }: Instruction): boolean => spec.base === 'CLPER' || spec.base === 'WMASK';

/** The vectors in which lanes of vector k's subgroups lie. */
function around(size: number, k: number): number[] {
  const count = Math.max(1, size / 4);
  const first = k - (k % count);
  return Array.from({ length: count }, (_, n) => first + n);
}

const numbers = (k: number): number[] => [0, 1, 2, 3].map((lane) => 4 * k + lane);

const permute: Lower = (x) => {
  const { l, i } = x;
  const size = subgroupOf(i);
  const operation = i.modifiers.laneOp!;
  // The interpreter refuses them.
  if (operation === 'accumulate' || operation === 'shift') return undefined;
  const inactive = l.words(INACTIVE_VALUES[(MODIFIER.inactive.values ?? []).indexOf(i.modifiers.inactive as never)]!);
  const own = Array.from({ length: l.vectors }, (_, k) => l.words(...numbers(k)));
  const group = l.words(size - 1);
  const wanted = l.keep((k) => {
    const given = x.integer(1, 8, false);
    const within = l.and(operation === 'xor' ? l.xor(own[k]!, given) : given, group);
    l.mix(group, within, own[k]!)(k);
  });
  // Four bytes a lane. A swizzle gives zero for bytes that are not in its vector.
  const bytes = l.keep(l.op('i32x4_add', l.op('i32x4_mul', wanted, l.words(0x04040404)), l.words(0x03020100)));
  const firsts = Array.from({ length: l.vectors }, (_, k) => l.words(16 * k * 0x01010101));
  const words = i.spec.type.endsWith('64') ? [0, 1] : [0];
  return words.map((word): Lanes => {
    const value = l.choose(x.o.active(), x.raw(0, word), inactive);
    return (k) => {
      for (const [n, other] of around(size, k).entries()) {
        value(other);
        bytes(k);
        if (other > 0) {
          firsts[other]!(k);
          l.code.op('i8x16_sub');
        }
        l.code.op('i8x16_swizzle');
        if (n > 0) l.code.op('v128_or');
      }
    };
  });
};

/** WMASK: for each lane, which active lanes of its subgroup have a source that is not zero. */
const warpMask: Lower = (x) => {
  const { l, i } = x;
  const size = subgroupOf(i);
  const test = l.and(l.op('i32x4_ne', x.raw(0), l.words(0)), x.o.active());
  const bits = l.keep((k) => {
    l.bitmask(test, around(size, k));
    l.code.op('i32x4_splat');
  });
  if (size > 2) return [bits];
  return [l.choose(l.words(-1, -1, 0, 0), l.and(bits, l.words(3)), l.shift('i32x4_shr_u', bits, 2))];
};

/** The lanes for which DISCARD's comparison holds; undefined: sources that are the interpreter's. */
export const discards = (x: Lowering): Lanes => floatTest(x, x.i.modifiers.condition!, x.single(0), x.single(1));

export const COMPARE: Lowerings = {
  ICMP_OR: integerCompare,
  ICMP_AND: integerCompare,
  ICMP_MULTI: multiCompare,
  FCMP_OR: floatCompare,
  FCMP_AND: floatCompare,
  CSEL: select,
  CLPER: permute,
  WMASK: warpMask,
};
