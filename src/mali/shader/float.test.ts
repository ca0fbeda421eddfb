import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exact, roundExact, UNIT } from '../../testing/mali/exact.ts';
import {
  COSINES,
  clampTo,
  exp2,
  F16_TO_F32,
  fma16,
  fma32,
  fmaScale32,
  fmaTo,
  fromBits,
  log2Ratio,
  power2,
  reducedExponent,
  reducedMantissa,
  roundHalf,
  roundInteger,
  roundTo16,
  roundTo32,
  SINES,
  toHalf,
  toInteger,
} from './float.ts';

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
}

test('single fused multiply-add rounds once, as exact arithmetic does', () => {
  const random = generator(1);
  for (let n = 0; n < 20000; n++) {
    // Exponents near one another, so that cancellation and ties happen.
    const bits = () => ((random() >>> 9) & (n % 3 ? 0x7fffff : 0x7ff000)) | ((100 + (random() >>> 27)) << 23);
    const [a, b, c] = [fromBits(bits()), fromBits(bits() | (random() & 0x80000000)), fromBits(bits())];
    const want = roundExact(((exact(a) * exact(b)) >> BigInt(UNIT)) + exact(c), 24, -149, 3.4028234663852886e38);
    assert.equal(fma32(a, b, c) + 0, want + 0, `${a} × ${b} + ${c}`);
  }
});

test('fused multiply-add in a direction is what exact arithmetic gives, also where the double loses bits', () => {
  const random = generator(5);
  for (const mode of ['rtp', 'rtn', 'rtz'] as const) {
    for (let n = 0; n < 4000; n++) {
      const bits = () =>
        ((random() >>> 9) & (n % 3 ? 0x7fffff : 0x7ff000)) |
        (((n % 2 ? 60 : 115) + (random() >>> (n % 2 ? 25 : 28))) << 23);
      const [a, b, c] = [fromBits(bits()), fromBits(bits() | (random() & 0x80000000)), fromBits(bits())];
      const want = roundExact(
        ((exact(a) * exact(b)) >> BigInt(UNIT)) + exact(c),
        24,
        -149,
        3.4028234663852886e38,
        mode,
      );
      assert.equal(fmaTo(a, b, c, mode, false) + 0, want + 0, `${a} × ${b} + ${c} ${mode}`);
      const [x, y, z] = [random(), random(), random()].map((r) => F16_TO_F32[(r >>> 16) & 0xbfff]!) as [
        number,
        number,
        number,
      ];
      const half = roundExact(((exact(x) * exact(y)) >> BigInt(UNIT)) + exact(z), 11, -24, 65504, mode);
      assert.equal(fmaTo(x, y, z, mode, true) + 0, half + 0, `halves ${x} × ${y} + ${z} ${mode}`);
    }
    const cancelled = fmaTo(1, 1, -1, mode, false);
    assert.ok(Object.is(cancelled, mode === 'rtn' ? -0 : 0), mode);
    assert.ok(Object.is(fmaTo(0, 1, 0, mode, false), 0), mode);
  }
  assert.equal(fmaTo(3e38, 2, 0, 'rtz', false), 3.4028234663852886e38);
  assert.equal(fmaTo(3e38, -2, 0, 'rtp', false), -3.4028234663852886e38);
  assert.equal(fmaTo(60000, 2, 0, 'rtn', true), 65504);
  assert.equal(fmaTo(Number.POSITIVE_INFINITY, 1, 0, 'rtz', false), Number.POSITIVE_INFINITY);
});

test('single fused multiply-add is right where rounding twice is not', () => {
  // 1 + 2^-24 + tiny: a tie in the double, broken by what the double lost.
  const a = fromBits(0x3f800001);
  assert.equal(fma32(2 ** -24, 1, 1), 1);
  assert.equal(fma32(a * 2 ** -24, 1, 1), fromBits(0x3f800001));
  const tiny = 2 ** -100;
  assert.equal(fma32(2 ** -12 + 2 ** -35, 2 ** -12, 1), fromBits(0x3f800001));
  assert.equal(fma32(tiny, tiny, 1), 1);
  assert.equal(fma32(2 ** 127, 2, -(2 ** 127)), 2 ** 127);
  assert.equal(fma32(2 ** 127, 2, 0), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(fma32(Number.POSITIVE_INFINITY, 0, 1)));
});

test('half fused multiply-add rounds once over random halves', () => {
  const random = generator(3);
  for (let n = 0; n < 20000; n++) {
    const pick = () => F16_TO_F32[(random() >>> 8) & 0x7bff]! * (random() & 0x10000 ? 1 : -1);
    const [a, b, c] = [pick(), pick(), pick()];
    const want = roundExact(((exact(a) * exact(b)) >> BigInt(UNIT)) + exact(c), 11, -24, 65504);
    assert.equal(roundHalf(fma16(a, b, c)) + 0, want + 0, `${a} × ${b} + ${c}`);
  }
});

test('scaled multiply-add rounds after scaling', () => {
  assert.equal(fmaScale32(1.5, 2, 1, 4), 64);
  assert.equal(fmaScale32(fromBits(0x3f800001), 1, 0, -149), 2 ** -149);
  assert.equal(fmaScale32(1, 1, 0, 300), Number.POSITIVE_INFINITY);
  assert.equal(fmaScale32(1, 1, 0, -300), 0);
});

test('halves: every one survives, and rounding goes to even', () => {
  for (let bits = 0; bits < 65536; bits++) {
    const x = F16_TO_F32[bits]!;
    if (!Number.isNaN(x)) assert.equal(toHalf(x), bits);
  }
  assert.equal(toHalf(1 + 2 ** -11), 0x3c00);
  assert.equal(toHalf(1 + 3 * 2 ** -11), 0x3c02);
  assert.equal(toHalf(65519.996), 0x7bff);
  assert.equal(toHalf(65520), 0x7c00);
});

test('directed rounding', () => {
  const x = 1 + 2 ** -30;
  assert.equal(roundTo32(x, 'rtp'), fromBits(0x3f800001));
  assert.equal(roundTo32(x, 'rtn'), 1);
  assert.equal(roundTo32(-x, 'rtz'), -1);
  assert.equal(roundTo32(-x, 'rtn'), -fromBits(0x3f800001));
  assert.equal(roundTo32(1e39, 'rtz'), 3.4028234663852886e38);
  assert.equal(roundTo16(65519, 'rtz'), 65504);
  assert.equal(roundTo16(1 + 2 ** -20, 'rtp'), 1 + 2 ** -10);
});

test('rounding to integers keeps the sign of zero and saturates', () => {
  assert.deepEqual(
    [2.5, 3.5, -2.5, -0.5, 0.5].map((x) => roundInteger(x, 'rte')),
    [2, 4, -2, -0, 0],
  );
  assert.equal(toInteger(Number.NaN, 'rtz', -10, 10), 0);
  assert.equal(toInteger(1e20, 'rtz', -0x80000000, 0x7fffffff), 0x7fffffff);
  assert.equal(toInteger(-1.5, 'rtz', 0, 255), 0);
});

test('clamps take NaN to their lower bound and -0 to +0', () => {
  assert.ok(Object.is(clampTo(-0, 'clamp_0_1'), 0));
  assert.equal(clampTo(Number.NaN, 'clamp_0_1'), 0);
  assert.equal(clampTo(Number.NaN, 'clamp_m1_1'), -1);
  assert.ok(Object.is(clampTo(-0, 'clamp_m1_1'), -0));
  assert.equal(clampTo(7, 'clamp_0_1'), 1);
});

test('reductions put mantissas where the approximations want them', () => {
  for (const x of [1, 0.75, 1.4999, 1.5, 3, 1e-40, 1e30]) {
    const single = Math.fround(x);
    const log = reducedMantissa(single, 'log');
    assert.ok(log >= 0.75 && log < 1.5, `${x}: ${log}`);
    assert.equal(log * 2 ** reducedExponent(single, 'log'), single);
    const root = reducedMantissa(single, 'sqrt');
    assert.ok(root >= 0.25 && root < 1);
    assert.equal(root * 4 ** reducedExponent(single, 'sqrt'), single);
    const plain = reducedMantissa(single, 'plain');
    assert.ok(plain >= 0.5 && plain < 1);
  }
});

test('transcendental functions err by far less than a unit of a single', () => {
  const close = (value: number, want: number, what: string) =>
    assert.ok(Math.abs(value - want) <= Math.abs(want) * 2 ** -34, `${what}: ${value}, not ${want}`);
  for (let x = -150; x < 130; x += 0.00731) close(exp2(x), 2 ** x, `2^${x}`);
  for (let t = -0.25; t < 0.5; t += 0.000031)
    close(log2Ratio(t), Math.log1p(t) / (t * Math.LN2), `log2(1 + ${t}) / ${t}`);
  assert.equal(log2Ratio(0), Math.LOG2E);
  for (let e = -150; e <= 150; e++) assert.equal(exp2(e), power2(e));
  assert.ok(Number.isNaN(exp2(Number.NaN)));
  assert.equal(Math.fround(exp2(Number.POSITIVE_INFINITY)), Number.POSITIVE_INFINITY);
  assert.equal(Math.fround(exp2(Number.NEGATIVE_INFINITY)), 0);
  for (let n = 0; n < 64; n++) {
    const near = (value: number, want: number) => assert.ok(Math.abs(value - want) < 2 ** -25, `${n}: ${value}`);
    near(SINES[n]!, Math.sin((n * Math.PI) / 32));
    near(COSINES[n]!, Math.cos((n * Math.PI) / 32));
  }
  assert.ok(Object.is(SINES[32], 0) && Object.is(COSINES[48], 0));
});
