/** The rasteriser: every sample once, and the right numbers at it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { TIE_BREAK_RULE } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { CENTER, Coverage, type SamplePattern, Triangle, tieBreakOf } from './raster.ts';

type Point = readonly [x: number, y: number, z?: number, inverseW?: number];

function triangle(points: readonly Point[], rule: number = TIE_BREAK_RULE.MINUS_180_IN_0_OUT): Triangle | undefined {
  const corner = ([x, y, z = 0, inverseW = 1]: Point, i: number) => ({
    x: Math.round(x * 256),
    y: Math.round(y * 256),
    z,
    inverseW,
    weight1: i === 1 ? 1 : 0,
    weight2: i === 2 ? 1 : 0,
  });
  const [corner0, corner1, corner2] = points.map(corner);
  const t = new Triangle(scratch.alloc(PRIMITIVE.size));
  scratch.u16.set([0, 0, 31, 31], (t.at + PRIMITIVE.minX) / 2);
  return t.set({ corner0, corner1, corner2 } as Infer<typeof PrimitiveRecord>, tieBreakOf(rule)) ? t : undefined;
}

/** Adds a triangle's samples to counts of a 32×32 window. */
function cover(t: Triangle | undefined, counts: Uint8Array, pattern: SamplePattern = CENTER): void {
  const coverage = new Coverage();
  for (const top of [0, 16]) {
    for (const left of [0, 16]) {
      t?.cover(left, top, pattern, coverage);
      for (let i = 0; i < (t ? coverage.count * 4 : 0); i++) {
        const x = left + coverage.x[i >> 2]! + (i & 1);
        const y = top + coverage.y[i >> 2]! + ((i >> 1) & 1);
        for (let s = 0; s < pattern.count; s++) {
          if (coverage.mask[i]! & (1 << s)) counts[(y * 32 + x) * pattern.count + s]!++;
        }
      }
    }
  }
}

test('a triangle owns the samples on its top and left edges only', () => {
  // Pixel centres 2.5…5.5 lie exactly on the edges.
  const counts = new Uint8Array(32 * 32);
  cover(
    triangle([
      [2.5, 2.5],
      [6.5, 2.5],
      [2.5, 6.5],
    ]),
    counts,
  );
  assert.equal(counts[2 * 32 + 2], 1, 'top left corner');
  assert.equal(counts[2 * 32 + 5], 1, 'top edge');
  assert.equal(counts[5 * 32 + 2], 1, 'left edge');
  assert.equal(counts[2 * 32 + 6], 0, 'right end of the hypotenuse');
  assert.equal(counts[6 * 32 + 2], 0, 'lower end');
  assert.equal(counts[4 * 32 + 4], 0, 'on the hypotenuse');
});

/** Which edges of a square have the pixel centres on them, by the names of the rules: -180 is top, -90 left, 0 bottom, 90 right. */
const OWNED: Record<keyof typeof TIE_BREAK_RULE, string> = {
  T0_IN_180_OUT: 'bottom right',
  T0_OUT_180_IN: 'top right',
  MINUS_180_IN_0_OUT: 'top left',
  MINUS_180_OUT_0_IN: 'left bottom',
  T90_IN_270_OUT: 'top right',
  T90_OUT_270_IN: 'top left',
  MINUS_90_IN_90_OUT: 'left bottom',
  MINUS_90_OUT_90_IN: 'bottom right',
};

for (const [name, owned] of Object.entries(OWNED)) {
  const rule = TIE_BREAK_RULE[name as keyof typeof TIE_BREAK_RULE];
  test(`the tie-break rule ${name} gives a square its edges ${owned}`, () => {
    for (const turned of [false, true]) {
      const counts = new Uint8Array(32 * 32);
      const corners: Point[] = [
        [2.5, 2.5],
        [8.5, 2.5],
        [8.5, 8.5],
        [2.5, 8.5],
      ];
      for (const [a, b, c] of [
        [0, 1, 2],
        [0, 2, 3],
      ] as const) {
        const points = [corners[a]!, corners[b]!, corners[c]!];
        cover(triangle(turned ? points.reverse() : points, rule), counts);
      }
      const at = (x: number, y: number) => counts[y * 32 + x]!;
      const edges = { top: at(5, 2), left: at(2, 5), bottom: at(5, 8), right: at(8, 5) };
      const found = Object.entries(edges).flatMap(([edge, count]) => (count === 1 ? [edge] : []));
      assert.equal(found.join(' '), owned);
      assert.equal(at(5, 5), 1, 'the edge that the triangles share');
    }
  });
}

test('triangles that share edges cover each sample exactly once, in either winding, by every rule', () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const pattern: SamplePattern = { count: 4, x: Int32Array.of(96, 224, 32, 160), y: Int32Array.of(32, 96, 160, 224) };
  for (let round = 0; round < 40; round++) {
    // A fan around a point inside the window, corners on half pixels as often as not.
    const place = () => (round % 2 ? random() * 32 : Math.floor(random() * 64) / 2);
    const middle: Point = [place(), place()];
    const ring: Point[] = [
      [-1, -1],
      [place(), -1],
      [33, -1],
      [33, place()],
      [33, 33],
      [place(), 33],
      [-1, 33],
      [-1, place()],
    ];
    for (const samples of [CENTER, pattern]) {
      const rule = round % 8;
      const counts = new Uint8Array(32 * 32 * samples.count);
      ring.forEach((from, i) => {
        const to = ring[(i + 1) % ring.length]!;
        cover(triangle(round % 3 ? [middle, from, to] : [middle, to, from], rule), counts, samples);
      });
      assert.ok(
        counts.every((n) => n === 1),
        `round ${round}: some sample is covered ${counts.find((n) => n !== 1)} times`,
      );
    }
  }
});

test('an area of zero covers nothing', () => {
  assert.equal(
    triangle([
      [1, 1],
      [5, 5],
      [9, 9],
    ]),
    undefined,
  );
});

test('depth is linear in the window and exact where it is constant', () => {
  const flat = triangle([
    [0, 0, 0.7],
    [30, 3, 0.7],
    [5, 29, 0.7],
  ])!;
  assert.equal(flat.depth(4711, 1234), Math.fround(0.7));
  const sloped = triangle([
    [0, 0, 0],
    [32, 0, 1],
    [0, 32, 0.5],
  ])!;
  assert.ok(Math.abs(sloped.depth(16 * 256, 8 * 256) - 0.625) < 1e-7);
  assert.ok(Math.abs(sloped.slope - 1 / 32) < 1e-12);
});

test('the third vertex has a weight of its own: no small one is what two others leave of 1', () => {
  // A row of pixel centres runs along a third of the way from one edge to the third vertex: singles that are thirds of 1 do not add up.
  const t = triangle([
    [0, 0.5, 0, 1],
    [96, 0.5, 0, 1],
    [0, 96.5, 0, 1],
  ])!;
  const out = new Float64Array(2);
  for (let x = 0; x < 48; x++) {
    t.weights((x + 0.5) * 256, 32.5 * 256, out);
    assert.equal(out[1], Math.fround(1 / 3), `pixel ${x}`);
  }
});

test('weights are perspective-correct', () => {
  // An edge from w = 1 to w = 4 of clip space: half way in the window is a fifth of the way in space.
  const t = triangle([
    [0, 0, 0, 1],
    [32, 0, 0, 0.25],
    [0, 32, 0, 1],
  ])!;
  const out = new Float64Array(2);
  t.weights(16 * 256, 0, out);
  assert.ok(Math.abs(out[0]! - 0.2) < 1e-6, `${out[0]}`);
  assert.equal(out[1], 0);
  assert.ok(Math.abs(t.inverseW(16 * 256, 0) - 0.625) < 1e-6);
});
