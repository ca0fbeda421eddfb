/**
 * Arithmetic instructions by formulas: each in all lanes at once, every lane with operands of its own (special values and random
 * ones), and each lane's result against a plain formula over exact integers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exact, roundExact, UNIT } from '../../testing/mali/exact.ts';
import { execute, f16x2, f32, register } from '../../testing/mali/shader-rig.ts';
import { LANES } from './contract.ts';
import type { Rounding } from './float.ts';

/** Warps of operands for each instruction. */
const WARPS = 4;

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

const view = new DataView(new ArrayBuffer(4));
const single = (bits: number): number => {
  view.setUint32(0, bits);
  return view.getFloat32(0);
};
const half = (bits: number): number => {
  view.setUint16(0, bits);
  return view.getFloat16(0);
};
const f16 = (x: number): number => f16x2(x, 0) & 0xffff;
/** Any NaN: which one is not said. */
const NAN = 'NaN';
type Bits = number | typeof NAN;

const SPECIAL32 = [
  0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 1, 0x807fffff, 0x00800000, 0x7f7fffff,
];
const SPECIAL16 = [0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0xfe01, 1, 0x83ff, 0x0400, 0x7bff];
const SPECIAL_INT = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x80008000, 0x7fff7fff,
];

type Draw = (random: () => number) => number;
const pick = (from: readonly number[], random: () => number): number => from[random() % from.length]!;
/** Singles: special ones, any bits, and ones of like size, so that sums cancel. */
const singles: Draw = (random) => {
  const kind = random() % 4;
  if (kind === 0) return pick(SPECIAL32, random);
  if (kind === 1) return random();
  return ((random() & 0x80ffffff) + (f32(1) - 0x800000 * (random() % 3))) >>> 0;
};
const aHalf: Draw = (random) => {
  const kind = random() % 4;
  if (kind === 0) return pick(SPECIAL16, random);
  if (kind === 1) return random() & 0xffff;
  return (random() & 0x83ff) + f16(1) - 0x400 * (random() % 3);
};
const halves: Draw = (random) => (aHalf(random) | (aHalf(random) << 16)) >>> 0;
const integers: Draw = (random) => (random() % 3 === 0 ? pick(SPECIAL_INT, random) : random());
/** Of the size that shifts, exponents and conversions find worth while. */
const small: Draw = (random) => (random() % 80) - 40;

/** Runs `text`, whose sources are r1, r2 … and whose result is r0, in all lanes. `want`: what a lane with these operands has. */
function check(text: string, draws: readonly Draw[], want: (...operands: number[]) => Bits | readonly Bits[]): void {
  const random = generator(text.length * 7919 + text.charCodeAt(0));
  for (let warp = 0; warp < WARPS; warp++) {
    const operands = draws.map((draw) => Array.from({ length: LANES }, () => draw(random) >>> 0));
    const registers = Object.fromEntries(operands.map((lanes, i) => [i + 1, lanes]));
    const results = register(execute(`${text}\nNOP.end`, { registers }), 0);
    for (const [lane, got] of results.entries()) {
      const given = operands.map((lanes) => lanes[lane]!);
      const expected = want(...given);
      const told = () =>
        `${text}, lane ${lane}: ${given.map(hex).join(', ')} gave ${hex(got)}, not ${JSON.stringify(expected)}`;
      if (typeof expected !== 'object') {
        if (expected === NAN) assert.ok(Number.isNaN(single(got)), told());
        else assert.equal(hex(got), hex(expected), told());
        continue;
      }
      for (const [i, part] of expected.entries()) {
        const piece = (got >>> (16 * i)) & 0xffff;
        if (part === NAN) assert.ok(Number.isNaN(half(piece)), told());
        else assert.equal(hex(piece), hex(part & 0xffff), told());
      }
    }
  }
}
const hex = (x: number): string => `0x${(x >>> 0).toString(16)}`;

/** What makes one float of others, with its bits. */
interface Format {
  of(bits: number): number;
  to(x: number): Bits;
  /** An exact value, rounded. `zero`: what a sum of exactly nothing is. */
  round(value: bigint, zero: number, mode?: Rounding): Bits;
}
const format = (
  of: (bits: number) => number,
  bits: (x: number) => number,
  precision: number,
  least: number,
  most: number,
): Format => ({
  of,
  to: (x) => (Number.isNaN(x) ? NAN : bits(x)),
  round(value, zero, mode) {
    const rounded = roundExact(value, precision, least, most, mode);
    return bits(value === 0n ? zero : rounded === 0 && value < 0n ? -0 : rounded);
  },
});
const SINGLE = format(single, f32, 24, -149, 3.4028234663852886e38);
const HALF = format(half, f16, 11, -24, 65504);

/** a × b + c, rounded once. */
function sum(f: Format, a: number, b: number, c: number, mode?: Rounding): Bits {
  const rough = a * b + c;
  if (!Number.isFinite(a) || !Number.isFinite(b) || !Number.isFinite(c)) return f.to(rough);
  const product = (exact(a) * exact(b)) >> BigInt(UNIT);
  const negative = a * b < 0 || Object.is(a * b, -0);
  const both = negative && (c < 0 || Object.is(c, -0));
  const neither = !negative && (c > 0 || Object.is(c, 0));
  const zero = both || (mode === 'rtn' && !neither) ? -0 : 0;
  return f.round(product + exact(c), zero, mode);
}
const low = (bits: number): number => bits & 0xffff;
const high = (bits: number): number => bits >>> 16;
/** The same for both halves. */
const both =
  (fn: (...operands: number[]) => Bits) =>
  (...words: number[]): readonly Bits[] => [fn(...words.map(low)), fn(...words.map(high))];

const MODES: readonly (readonly [name: string, mode: Rounding])[] = [
  ['', 'rte'],
  ['.rtp', 'rtp'],
  ['.rtn', 'rtn'],
  ['.rtz', 'rtz'],
];

test('sums and fused multiply-adds of singles and halves, in every direction', () => {
  for (const [name, mode] of MODES) {
    check(`FADD.f32${name} r0, r1, r2`, [singles, singles], (a, b) => sum(SINGLE, single(a), 1, single(b), mode));
    check(`FADD.f32${name} r0, r1.neg, r2.abs`, [singles, singles], (a, b) =>
      sum(SINGLE, -single(a), 1, Math.abs(single(b)), mode),
    );
    check(`FMA.f32${name} r0, r1, r2, r3`, [singles, singles, singles], (a, b, c) =>
      sum(SINGLE, single(a), single(b), single(c), mode),
    );
    check(
      `FADD.v2f16${name} r0, r1, r2`,
      [halves, halves],
      both((a, b) => sum(HALF, half(a), 1, half(b), mode)),
    );
    check(
      `FMA.v2f16${name} r0, r1, r2, r3.neg`,
      [halves, halves, halves],
      both((a, b, c) => sum(HALF, half(a), half(b), -half(c), mode)),
    );
  }
  check('FADD.f32 r0, r1, r2.h1', [singles, halves], (a, b) => sum(SINGLE, single(a), 1, half(high(b))));
});

test('the lesser and the greater: NaN gives way, and -0 is less than +0', () => {
  const least = (a: number, b: number): number => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b));
  const most = (a: number, b: number): number => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b));
  for (const [name, fn] of [
    ['FMIN', least],
    ['FMAX', most],
  ] as const) {
    check(`${name}.f32 r0, r1, r2`, [singles, singles], (a, b) => SINGLE.to(fn(single(a), single(b))));
    check(
      `${name}.v2f16 r0, r1, r2`,
      [halves, halves],
      both((a, b) => HALF.to(fn(half(a), half(b)))),
    );
  }
});

/** To an integer in a direction; NaN is nothing, and what does not fit the nearest that does. */
function integer(x: number, mode: Rounding, least: number, most: number): number {
  if (Number.isNaN(x)) return 0;
  const floor = Math.floor(x);
  const rest = x - floor;
  const up =
    mode === 'rtp'
      ? rest > 0
      : mode === 'rtz'
        ? rest > 0 && x < 0
        : mode === 'rte' && (rest > 0.5 || (rest === 0.5 && floor % 2 !== 0));
  return Math.min(Math.max(up ? floor + 1 : floor, least), most);
}

test('conversions between floats and integers, in every direction', () => {
  const values: Draw = (random) => (random() % 2 ? singles(random) : f32(((random() % 2 ** 18) - 2 ** 17) / 4));
  for (const [name, mode] of MODES) {
    check(`F32_TO_S32${name} r0, r1`, [values], (a) => integer(single(a), mode, -(2 ** 31), 2 ** 31 - 1));
    check(`F32_TO_U32${name} r0, r1`, [values], (a) => integer(single(a), mode, 0, 2 ** 32 - 1));
    check(
      `V2F16_TO_V2S16${name} r0, r1`,
      [halves],
      both((a) => integer(half(a), mode, -(2 ** 15), 2 ** 15 - 1)),
    );
    check(
      `V2F16_TO_V2U16${name} r0, r1`,
      [halves],
      both((a) => integer(half(a), mode, 0, 2 ** 16 - 1)),
    );
    check(`F16_TO_S32${name} r0, r1.h10`, [halves], (a) => integer(half(high(a)), mode, -(2 ** 31), 2 ** 31 - 1));
    check(`S32_TO_F32${name} r0, r1`, [integers], (a) => SINGLE.round(BigInt(a | 0) << BigInt(UNIT), 0, mode));
    check(`U32_TO_F32${name} r0, r1`, [integers], (a) => SINGLE.round(BigInt(a) << BigInt(UNIT), 0, mode));
    check(
      `V2S16_TO_V2F16${name} r0, r1`,
      [integers],
      both((a) => HALF.round(BigInt((a << 16) >> 16) << BigInt(UNIT), 0, mode)),
    );
    check(
      `V2U16_TO_V2F16${name} r0, r1`,
      [integers],
      both((a) => HALF.round(BigInt(a) << BigInt(UNIT), 0, mode)),
    );
    const rounded = (x: number): number => {
      const whole = Number.isFinite(x) && Math.abs(x) < 2 ** 24 ? integer(x, mode, -(2 ** 25), 2 ** 25) : x;
      return whole === 0 && (x < 0 || Object.is(x, -0)) ? -0 : whole;
    };
    check(`FROUND.f32${name} r0, r1`, [values], (a) => SINGLE.to(rounded(single(a))));
    check(
      `FROUND.v2f16${name} r0, r1`,
      [halves],
      both((a) => HALF.to(rounded(half(a)))),
    );
    const narrow = (bits: number): Bits => {
      const x = single(bits);
      return Number.isFinite(x) ? HALF.round(exact(x), x, mode) : HALF.to(x);
    };
    check(`V2F32_TO_V2F16${name} r0, r1, r2`, [singles, singles], (a, b) => [narrow(a), narrow(b)]);
  }
  // Arithmetic on singles rounds its result to a half where it writes one; the other half stays.
  const narrowed = (bits: number): Bits => HALF.round(exact(single(bits)), single(bits), 'rte');
  const finite: Draw = (random) => (f32(1) + ((random() & 0x87ffffff) | 0)) >>> 0;
  for (const [part, place] of [
    ['h0', 0],
    ['h1', 1],
  ] as const) {
    const beside = (bits: Bits, old: number): readonly Bits[] =>
      place === 0 ? [bits, old >>> 16] : [old & 0xffff, bits];
    check(`FADD.f32 r1.${part}, r2, 0x0.neg\nMOV.i32 r0, r1`, [integers, finite], (old, a) => beside(narrowed(a), old));
    check(`FMAX.f32 r1.${part}, r2, r2\nMOV.i32 r0, r1`, [integers, finite], (old, a) => beside(narrowed(a), old));
    check(`S32_TO_F32 r1.${part}, r2\nMOV.i32 r0, r1`, [integers, small], (old, a) => beside(f16(a | 0), old));
  }
  check('F16_TO_F32 r0, r1.h1', [halves], (a) => SINGLE.to(half(high(a))));
  check('S8_TO_S32 r0, r1.b2', [integers], (a) => (a << 8) >> 24);
  check('U8_TO_F32 r0, r1.b1', [integers], (a) => f32((a >>> 8) & 0xff));
  check('S16_TO_F32 r0, r1.h10', [integers], (a) => f32(a >> 16));
});

test('exponents are added with one rounding', () => {
  check('LDEXP.f32 r0, r1, r2', [singles, small], (a, b) => {
    const x = single(a);
    const by = b | 0;
    if (!Number.isFinite(x) || x === 0) return SINGLE.to(x);
    return SINGLE.round(by < 0 ? exact(x) >> BigInt(-by) : exact(x) << BigInt(by), x);
  });
});

/** A lane's elements, signed or not, and a lane of elements. */
const elements = (bits: number, width: number, signed: boolean): bigint[] =>
  Array.from({ length: 32 / width }, (_, i) => {
    const x = BigInt(bits >>> 0) >> BigInt(i * width);
    return signed ? BigInt.asIntN(width, x) : BigInt.asUintN(width, x);
  });
const packed = (values: readonly bigint[], width: number): number =>
  Number(values.reduce((word, x, i) => word | (BigInt.asUintN(width, x) << BigInt(i * width)), 0n));
const WIDTHS = [32, 16, 8];
const typeName = (width: number, letter: string): string =>
  width === 32 ? `${letter}32` : `v${32 / width}${letter}${width}`;

/** An instruction of integers in all widths; `fn` makes an element of elements. */
function eachWidth(
  text: (type: string) => string,
  letter: 'u' | 's' | 'i',
  operands: number,
  fn: (width: number, ...elements: bigint[]) => bigint,
  widths = WIDTHS,
): void {
  for (const width of widths) {
    check(
      text(typeName(width, letter)),
      Array.from({ length: operands }, () => integers),
      (...words) => {
        const lanes = words.map((word) => elements(word, width, letter === 's'));
        return packed(
          lanes[0]!.map((_, i) => fn(width, ...lanes.map((lane) => lane[i]!))),
          width,
        );
      },
    );
  }
}

test('sums, differences, halved sums and products of integers in every width', () => {
  for (const letter of ['u', 's'] as const) {
    const [least, most] =
      letter === 's'
        ? [(w: number) => -(2n ** BigInt(w - 1)), (w: number) => 2n ** BigInt(w - 1) - 1n]
        : [() => 0n, (w: number) => 2n ** BigInt(w) - 1n];
    const held = (w: number, x: bigint): bigint => (x < least(w) ? least(w) : x > most(w) ? most(w) : x);
    eachWidth(
      (t) => `IADD.${t} r0, r1, r2`,
      letter,
      2,
      (_, a, b) => a! + b!,
    );
    eachWidth(
      (t) => `IADD.${t}.saturate r0, r1, r2`,
      letter,
      2,
      (w, a, b) => held(w, a! + b!),
    );
    eachWidth(
      (t) => `ISUB.${t} r0, r1, r2`,
      letter,
      2,
      (_, a, b) => a! - b!,
    );
    eachWidth(
      (t) => `ISUB.${t}.saturate r0, r1, r2`,
      letter,
      2,
      (w, a, b) => held(w, a! - b!),
    );
    eachWidth(
      (t) => `HADD.${t} r0, r1, r2`,
      letter,
      2,
      (_, a, b) => (a! + b!) >> 1n,
    );
    eachWidth(
      (t) => `HADD.${t}.rhadd r0, r1, r2`,
      letter,
      2,
      (_, a, b) => (a! + b! + 1n) >> 1n,
    );
  }
  eachWidth(
    (t) => `IMUL.${t} r0, r1, r2`,
    'i',
    2,
    (_, a, b) => a! * b!,
  );
  eachWidth(
    (t) => `IABS.${t} r0, r1`,
    's',
    1,
    (_, a) => (a! < 0n ? -a! : a!),
  );
  eachWidth(
    (t) => `CLZ.${t} r0, r1`,
    'u',
    1,
    (w, a) => BigInt(w - (a === 0n ? 0 : a!.toString(2).length)),
  );
});

test('shifts with logic in every width, each lane by its own amount', () => {
  for (const [logic, fn] of [
    ['AND', (a: bigint, b: bigint) => a & b],
    ['OR', (a: bigint, b: bigint) => a | b],
    ['XOR', (a: bigint, b: bigint) => a ^ b],
  ] as const) {
    for (const width of WIDTHS) {
      const lanes = width === 32 ? 'b00' : width === 16 ? 'b00' : 'b0000';
      for (const [name, signed, shifted] of [
        [`LSHIFT_${logic}`, false, (x: bigint, by: bigint) => x << by],
        [`RSHIFT_${logic}`, false, (x: bigint, by: bigint) => x >> by],
        [`RSHIFT_${logic}`, true, (x: bigint, by: bigint) => x >> by],
      ] as const) {
        const text = `${name}.${typeName(width, 'i')}${signed ? '.signed' : ''} r0, r1, r2.${lanes}, r3`;
        check(text, [integers, integers, integers], (a, b, c) => {
          const by = BigInt((b & 0xff) % width);
          const other = elements(c, width, false);
          return packed(
            elements(a, width, signed).map((x, i) => fn(BigInt.asUintN(width, shifted(x, by)), other[i]!)),
            width,
          );
        });
      }
    }
  }
});

test('comparisons of integers and floats, and selection by them', () => {
  const CONDITIONS = {
    eq: (a: number | bigint, b: number | bigint) => a === b,
    ne: (a: number | bigint, b: number | bigint) => a !== b,
    gt: (a: number | bigint, b: number | bigint) => a > b,
    ge: (a: number | bigint, b: number | bigint) => a >= b,
    lt: (a: number | bigint, b: number | bigint) => a < b,
    le: (a: number | bigint, b: number | bigint) => a <= b,
  };
  const words = [integers, integers, integers] as const;
  /** Operands of which many are equal. */
  const alike: Draw = (random) => pick(SPECIAL32, random);
  for (const [name, holds] of Object.entries(CONDITIONS)) {
    for (const letter of ['u', 's'] as const) {
      eachWidth(
        (t) => `ICMP_OR.${t}.${name}.m1 r0, r1, r2, 0x0`,
        letter,
        2,
        (_, a, b) => (holds(a!, b!) ? -1n : 0n),
      );
      eachWidth(
        (t) => `ICMP_AND.${t}.${name}.i1 r0, r1, r2, 0xffffffff`,
        letter,
        2,
        (_, a, b) => (holds(a!, b!) ? 1n : 0n),
      );
      const signed = (x: number): number => (letter === 's' ? x | 0 : x);
      check(`CSEL.${letter}32.${name} r0, r1, r2, r3, r4`, [...words, integers], (a, b, c, d) =>
        holds(signed(a), signed(b)) ? c : d,
      );
    }
    for (const draw of [singles, alike]) {
      check(`FCMP_OR.f32.${name}.m1 r0, r1, r2, 0x0`, [draw, draw], (a, b) =>
        holds(single(a), single(b)) ? 0xffffffff : 0,
      );
      check(`CSEL.f32.${name} r0, r1, r2, r3, r4`, [draw, draw, integers, integers], (a, b, c, d) =>
        holds(single(a), single(b)) ? c : d,
      );
    }
    check(
      `FCMP_OR.v2f16.${name}.f1 r0, r1, r2, 0x0`,
      [halves, halves],
      both((a, b) => (holds(half(a), half(b)) ? f16(1) : 0)),
    );
  }
});

test('bits: counts, reversal, choice', () => {
  check('POPCOUNT.i32 r0, r1', [integers], (a) => a.toString(2).replaceAll('0', '').length);
  check('BITREV.i32 r0, r1', [integers], (a) =>
    Number.parseInt([...a.toString(2).padStart(32, '0')].reverse().join(''), 2),
  );
  check('MUX.i32 r0, r1, r2, r3', [integers, integers, (random) => random() % 2], (a, b, c) => (c === 0 ? a : b));
  check('MUX.i32.bit r0, r1, r2, r3', [integers, integers, integers], (a, b, c) => (a & c) | (b & ~c));
  check('MKVEC.v2i16 r0, r1.h10, r2.h00', [integers, integers], (a, b) => (high(a) | (low(b) << 16)) >>> 0);
});
