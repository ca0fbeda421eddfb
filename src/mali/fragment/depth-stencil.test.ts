/** Depth and stencil against their definitions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DepthStencil, FUNC, STENCIL_OP, Z_INTERNAL_FORMAT } from '../../abi/gpu/raster-descriptors.ts';
import { type Infer, viewOf } from '../../abi/layout.ts';
import { compare } from '../engine/compare.ts';
import { biasedDepth, DepthBias, DepthStencilTest, operate, quantize } from './depth-stencil.ts';

function make(values: Partial<Infer<typeof DepthStencil>>, format: number = Z_INTERNAL_FORMAT.D24) {
  const state = DepthStencil.read(viewOf(DepthStencil.pack({ depthClampMode: 1, depthSource: 2, ...values })), 0);
  const depth = new Float32Array(4);
  const stencil = new Uint8Array(4);
  return { test: new DepthStencilTest(state, format, 0, 1, depth, stencil), depth, stencil };
}

test('comparisons take the new value on the left', () => {
  const expected: Record<keyof typeof FUNC, [boolean, boolean, boolean]> = {
    NEVER: [false, false, false],
    LESS: [true, false, false],
    EQUAL: [false, true, false],
    LEQUAL: [true, true, false],
    GREATER: [false, false, true],
    NOT_EQUAL: [true, false, true],
    GEQUAL: [false, true, true],
    ALWAYS: [true, true, true],
  };
  for (const [name, results] of Object.entries(expected)) {
    const func = FUNC[name as keyof typeof FUNC];
    assert.deepEqual([compare(func, 1, 2), compare(func, 2, 2), compare(func, 3, 2)], results, name);
  }
});

test('stencil operations wrap and saturate at eight bits', () => {
  assert.equal(operate(STENCIL_OP.INCR_WRAP, 255, 9), 0);
  assert.equal(operate(STENCIL_OP.INCR_SAT, 255, 9), 255);
  assert.equal(operate(STENCIL_OP.DECR_WRAP, 0, 9), 255);
  assert.equal(operate(STENCIL_OP.DECR_SAT, 0, 9), 0);
  assert.equal(operate(STENCIL_OP.INVERT, 0x0f, 9), 0xf0);
  assert.equal(operate(STENCIL_OP.REPLACE, 1, 9), 9);
  assert.equal(operate(STENCIL_OP.ZERO, 1, 9), 0);
  assert.equal(operate(STENCIL_OP.KEEP, 1, 9), 1);
});

test('depth formats limit and round', () => {
  assert.equal(quantize(Z_INTERNAL_FORMAT.D24, 1), 0xffffff);
  assert.equal(quantize(Z_INTERNAL_FORMAT.D24, -3), 0);
  assert.equal(quantize(Z_INTERNAL_FORMAT.D16, 0.5), 0x8000);
  assert.equal(quantize(Z_INTERNAL_FORMAT.D32, 0.1), Math.fround(0.1));
});

test('a sample that passes writes depth, one that fails does not', () => {
  const { test: t, depth } = make({ depthFunction: FUNC.LESS, depthWriteEnable: true });
  depth[0] = quantize(Z_INTERNAL_FORMAT.D24, 0.5);
  assert.equal(t.test(0, t.final(0.25), false, -1, true), true);
  assert.equal(depth[0], quantize(Z_INTERNAL_FORMAT.D24, 0.25));
  assert.equal(t.test(0, t.final(0.3), false, -1, true), false);
  assert.equal(depth[0], quantize(Z_INTERNAL_FORMAT.D24, 0.25));
});

test('stencil: fail, depth fail and pass do their own operations through the write mask, front and back apart', () => {
  const {
    test: t,
    stencil,
    depth,
  } = make({
    stencilTestEnable: true,
    depthFunction: FUNC.LESS,
    frontCompareFunction: FUNC.EQUAL,
    frontStencilFail: STENCIL_OP.ZERO,
    frontDepthFail: STENCIL_OP.INVERT,
    frontDepthPass: STENCIL_OP.REPLACE,
    frontReferenceValue: 0x15,
    frontValueMask: 0x0f,
    frontWriteMask: 0xf0,
    backCompareFunction: FUNC.ALWAYS,
    backDepthPass: STENCIL_OP.INCR_SAT,
    backValueMask: 0xff,
    backWriteMask: 0xff,
  });
  depth[0] = quantize(Z_INTERNAL_FORMAT.D24, 0.5);
  stencil[0] = 0x25;
  assert.equal(t.test(0, t.final(0.1), false, -1, true), true);
  assert.equal(stencil[0], 0x15, 'pass: reference in the written bits');
  assert.equal(t.test(0, t.final(0.9), false, -1, true), false);
  assert.equal(stencil[0], 0xe5, 'depth fails: inverted in the written bits');
  stencil[0] = 0x96;
  assert.equal(t.test(0, t.final(0.1), false, -1, true), false);
  assert.equal(stencil[0], 0x06, 'stencil fails: zero in the written bits');
  assert.equal(t.test(0, t.final(0.1), true, -1, true), true);
  assert.equal(stencil[0], 0x07, 'back face');
});

test('without update nothing changes', () => {
  const { test: t, depth } = make({ depthFunction: FUNC.ALWAYS, depthWriteEnable: true });
  assert.equal(t.test(0, 7, false, -1, false), true);
  assert.equal(depth[0], 0);
});

const bias = (values: Partial<Infer<typeof DepthStencil>>, format: number) =>
  new DepthBias(DepthStencil.read(viewOf(DepthStencil.pack(values)), 0), format);

test('depth bias has a slope and a constant part, and a clamp of either sign', () => {
  const biased = (values: Partial<Infer<typeof DepthStencil>>) => bias(values, Z_INTERNAL_FORMAT.D24).of(0.25, 1);
  assert.equal(biased({ depthFactor: 2 }), 0.5);
  assert.equal(biased({ depthUnits: 2 }), 2 ** -23);
  assert.equal(biased({ depthFactor: 2, depthBiasClamp: 0.125 }), 0.125);
  assert.equal(biased({ depthFactor: -2, depthBiasClamp: -0.125 }), -0.125);
});

test('a unit is 2^-n of n fixed bits, and the last bit of the farthest depth where depths are floats', () => {
  const unit = (format: number, farthest: number) => bias({ depthUnits: 1 }, format).of(0, farthest);
  assert.equal(unit(Z_INTERNAL_FORMAT.D16, 0.7), 2 ** -16);
  assert.equal(unit(Z_INTERNAL_FORMAT.D24, 0.7), 2 ** -24);
  assert.equal(unit(Z_INTERNAL_FORMAT.D32, 1), 2 ** -23);
  assert.equal(unit(Z_INTERNAL_FORMAT.D32, 0.7), 2 ** -24);
  assert.equal(unit(Z_INTERNAL_FORMAT.D32, 2 ** -10), 2 ** -33);
  assert.equal(unit(Z_INTERNAL_FORMAT.D32, 0), 0);
});

test('a depth of 24 bits is the nearest integer, and one unit of Vulkan’s leads to the next, up and down', () => {
  const format = Z_INTERNAL_FORMAT.D24;
  for (let i = 1; i < 40000; i++) {
    const z = Math.fround(i / 40001);
    assert.equal(quantize(format, z), Math.floor(z * 0xffffff + 0.5), `${z}`);
    const at = (units: number) => quantize(format, biasedDepth(z, bias({ depthUnits: units }, format).of(0, z)));
    assert.deepEqual([at(-1), at(1)], [at(0) - 1, at(0) + 1], `${z}`);
  }
});

test('what OpenGL’s driver makes of one unit leads every depth to another, up and down', () => {
  const formats = { D16: 2, D24: 2, D32: 1 } as const;
  for (const [name, depthUnits] of Object.entries(formats)) {
    const format = Z_INTERNAL_FORMAT[name as keyof typeof formats];
    for (let i = 1; i < 1000; i++) {
      const z = Math.fround(i % 2 ? i / 1000 : i / 1024);
      const at = (units: number) => quantize(format, biasedDepth(z, bias({ depthUnits: units }, format).of(0, z)));
      assert.ok(at(-depthUnits) < at(0) && at(0) < at(depthUnits), `${name}, ${z}`);
    }
  }
});
