/** Blend equations as Mesa encodes the APIs' factors, against the APIs' formula. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLEND_A as A, BLEND_B as B, BLEND_C as C } from '../../abi/gpu/raster-descriptors.ts';
import { blendBits } from '../../testing/mali/stage-bench.ts';
import { BlendEquation, blendFunction } from './blend.ts';

const source = [0.2, 0.4, 0.6, 0.75];
const dest = [0.5, 0.25, 0.125, 0.5];

function apply(rgb: number, alpha: number, mask = 15, constant = 0): number[] {
  const out = Float64Array.from(dest);
  new BlendEquation(rgb, alpha, mask, constant).apply(Float64Array.from(source), out);
  return [...out];
}

const near = (actual: number[], expected: number[]): void => {
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${actual} ≠ ${expected}`);
  });
};

const replace = blendBits({ a: A.SRC, b: B.SRC, c: C.ZERO });
const over = blendBits({ a: A.DEST, b: B.SRC_MINUS_DEST, c: C.SRC_ALPHA });

test('replace writes the source, in unmasked channels only', () => {
  near(apply(replace, replace), source);
  near(apply(replace, replace, 0b0101), [0.2, 0.25, 0.6, 0.5]);
  near(apply(replace, replace, 0b1000), [0.5, 0.25, 0.125, 0.75]);
});

test('source alpha, one minus source alpha', () => {
  near(
    apply(over, over),
    source.map((s, i) => s * 0.75 + dest[i]! * 0.25),
  );
});

test('one, one minus source alpha', () => {
  const bits = blendBits({ a: A.SRC, b: B.DEST, c: C.SRC_ALPHA, invertC: true });
  near(
    apply(bits, bits),
    source.map((s, i) => s + dest[i]! * 0.25),
  );
});

test('subtraction both ways', () => {
  const subtract = blendBits({ a: A.SRC, b: B.DEST, negateB: true, c: C.ZERO, invertC: true });
  const reverse = blendBits({ a: A.SRC, negateA: true, b: B.DEST, c: C.ZERO, invertC: true });
  near(
    apply(subtract, subtract),
    source.map((s, i) => s - dest[i]!),
  );
  near(
    apply(reverse, reverse),
    source.map((s, i) => dest[i]! - s),
  );
});

test('constant, destination alpha, destination colour and twice the source', () => {
  const constant = blendBits({ a: A.ZERO, b: B.SRC, c: C.CONSTANT });
  near(
    apply(constant, constant, 15, 0x8000),
    source.map((s) => (s * 0x8000) / 0xffff),
  );
  const destAlpha = blendBits({ a: A.ZERO, b: B.SRC, c: C.DEST_ALPHA });
  near(
    apply(destAlpha, destAlpha),
    source.map((s) => s * 0.5),
  );
  const multiply = blendBits({ a: A.ZERO, b: B.SRC, c: C.DEST });
  near(
    apply(multiply, multiply),
    source.map((s, i) => s * dest[i]!),
  );
  const twice = blendBits({ a: A.ZERO, b: B.DEST, c: C.SRC_X_2 });
  near(
    apply(twice, twice),
    source.map((s, i) => 2 * s * dest[i]!),
  );
});

test('an operand that does not exist is a fault that names it', () => {
  assert.throws(() => blendFunction(blendBits({ a: 0, b: B.SRC, c: C.SRC })), /Blend: operand A/);
});
