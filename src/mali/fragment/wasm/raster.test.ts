/** Emitted raster and early tests against the script, with random triangles and states. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import { DepthStencil, Z_INTERNAL_FORMAT } from '../../../abi/gpu/raster-descriptors.ts';
import { type Infer, viewOf } from '../../../abi/layout.ts';
import { scratch } from '../../engine/scratch.ts';
import { DepthStencilTest } from '../depth-stencil.ts';
import { CENTER, Coverage, type SamplePattern, TILE_PIXELS, Triangle } from '../raster.ts';
import { frontEnd } from './depth.ts';

let seed = 1;
/** A number from 0 up to, not including, n. */
function random(n: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * n);
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;

const PATTERNS: readonly SamplePattern[] = [
  CENTER,
  { count: 4, x: Int32Array.of(96, 224, 32, 160), y: Int32Array.of(32, 96, 160, 224) },
];

function randomTriangle(): Infer<typeof PrimitiveRecord> | undefined {
  const reach = pick([600, 8192, 2 ** 18, 2 ** 24]);
  const grid = pick([1, 128]);
  const corner = () => ({
    x: Math.floor((random(2 * reach) - reach) / grid) * grid + 2048,
    y: Math.floor((random(2 * reach) - reach) / grid) * grid + 2048,
    z: Math.fround(random(1000) / 900 - 0.05),
    inverseW: Math.fround((1 + random(100)) / 50),
    weight0: random(2),
    weight1: random(2),
  });
  const record = { corner0: corner(), corner1: corner(), corner2: corner() } as Infer<typeof PrimitiveRecord>;
  return new Triangle('wasm').set(record) ? record : undefined;
}

/** Coverage without empty quads. */
function listed(c: Coverage): number[][] {
  const out: number[][] = [];
  for (let q = 0; q < c.count; q++) {
    const masks = [...c.mask.slice(q * 4, q * 4 + 4)];
    if (masks.some((m) => m !== 0)) out.push([c.x[q]!, c.y[q]!, ...masks]);
  }
  return out;
}

test('the same samples are covered, near the tile and far from it', () => {
  let covered = 0;
  for (let n = 0; n < 3000; n++) {
    const record = randomTriangle();
    if (!record) continue;
    const pattern = pick(PATTERNS);
    const [minX, minY] = [random(2) * random(24), random(2) * random(24)];
    const results = (['wasm', 'interpreter'] as const).map((engine) => {
      const t = new Triangle(engine);
      t.set(record);
      const c = new Coverage();
      t.cover(0, 16, minX, minY, 31 - minX, 31 - minY, pattern, c);
      return listed(c);
    });
    assert.deepEqual(results[0], results[1], `triangle ${n}`);
    if (results[0]!.length > 0) covered++;
  }
  assert.ok(covered > 300, `${covered} triangles cover something`);
});

test('early depth and stencil tests leave the same samples, depths and stencils', () => {
  const size = TILE_PIXELS * 4;
  const depthAt = scratch.alloc(size * 4);
  const stencilAt = scratch.alloc(size);
  const depth = new Float32Array(scratch.buffer, depthAt, size);
  const stencil = new Uint8Array(scratch.buffer, stencilAt, size);
  let some = 0;
  for (let n = 0; n < 2000; n++) {
    const record = randomTriangle();
    if (!record) continue;
    const format = pick(Object.values(Z_INTERNAL_FORMAT));
    const values: Record<string, number | boolean> = { depthClampMode: 1 + random(2), depthSource: random(3) };
    for (const face of ['front', 'back']) {
      values[`${face}CompareFunction`] = random(8);
      for (const op of ['StencilFail', 'DepthFail', 'DepthPass']) values[face + op] = random(8);
      for (const part of ['WriteMask', 'ValueMask', 'ReferenceValue']) values[face + part] = random(256);
    }
    for (const name of ['depthWriteEnable', 'depthCullEnable', 'stencilTestEnable']) values[name] = random(2) === 1;
    values.depthFunction = random(8);
    const state = DepthStencil.read(viewOf(DepthStencil.pack(values)), 0);
    const scripted = { depth: new Float32Array(size), stencil: new Uint8Array(size) };
    const tests = new DepthStencilTest(state, format, 0.25, 0.75, scripted.depth, scripted.stencil);
    const back = random(2) === 1;
    const pattern = pick(PATTERNS);
    const bias = pick([0, 0.01]);
    const t = new Triangle('wasm');
    t.set(record);
    const c = new Coverage();
    t.cover(0, 0, 0, 0, 15, 15, pattern, c);
    if (c.count === 0) continue;
    for (let i = 0; i < size; i++) {
      scripted.depth[i] = tests.final(random(1000) / 900);
      scripted.stencil[i] = random(256);
    }
    depth.set(scripted.depth);
    stencil.set(scripted.stencil);
    let passed = 0;
    const expected: number[][] = [];
    for (let q = 0; q < c.count; q++) {
      const quad = [c.x[q]!, c.y[q]!, 0, 0, 0, 0];
      for (let i = 0; i < 4; i++) {
        const [x, y] = [c.x[q]! + (i & 1), c.y[q]! + (i >> 1)];
        for (let s = 0; s < pattern.count; s++) {
          if (!(c.mask[q * 4 + i]! & (1 << s))) continue;
          const z = t.depth(x * 256 + pattern.x[s]!, y * 256 + pattern.y[s]!);
          if (!tests.inRange(Math.fround(z))) continue;
          if (!tests.test(s * TILE_PIXELS + y * 16 + x, tests.final(z + bias), back, -1, true)) continue;
          passed++;
          quad[2 + i]! |= 1 << s;
        }
      }
      if (quad.slice(2).some((m) => m !== 0)) expected.push(quad);
    }
    const run = frontEnd({
      samples: pattern.count,
      pattern,
      before: 0xffff,
      after: 2 ** pattern.count - 1,
      merged: false,
      spread: false,
      simple: false,
      early: true,
      ...tests.emitted(back),
    });
    const done = run(t.at, c.at, c.count, 0, 0, depthAt, stencilAt, bias, tests.low, tests.high);
    c.count = c.left;
    assert.deepEqual(listed(c), expected, `case ${n}`);
    assert.equal(done >> 1, passed, `case ${n}: count`);
    assert.deepEqual(depth.slice(), scripted.depth, `case ${n}: depth`);
    assert.deepEqual(stencil.slice(), scripted.stencil, `case ${n}: stencil`);
    if (passed > 0) some++;
  }
  assert.ok(some > 100, `${some} cases let something pass`);
});
