/** Primitive assembly, batches, clipping and records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRIMITIVE_KIND, PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { DRAW_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { PACKET_VERTICES } from '../../abi/gpu/shader-descriptors.ts';
import { Assembler, arityOf } from './assemble.ts';
import { Batch } from './batch.ts';
import { Clipper, CORNER, GUARD_BAND } from './clip.ts';
import { PrimitiveWords } from './primitive-words.ts';

function assemble(mode: number, vertices: number, first: boolean): (readonly number[])[] {
  const assembler = new Assembler(mode, first);
  const arity = arityOf(mode);
  const out: number[][] = [];
  const take = () => {
    const abc = [assembler.a, assembler.b, assembler.c];
    out.push([...abc.slice(0, arity), abc[assembler.provoking]!]);
  };
  for (let i = 0; i < vertices; i++) if (assembler.push(i)) take();
  if (assembler.finish()) take();
  return out;
}

test('draw modes: vertices in order of their winding, and the provoking vertex at the end', () => {
  assert.deepEqual(assemble(DRAW_MODE.POINTS, 2, false), [
    [0, 0],
    [1, 1],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.LINES, 5, false), [
    [0, 1, 1],
    [2, 3, 3],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.LINE_LOOP, 3, true), [
    [0, 1, 0],
    [1, 2, 1],
    [2, 0, 2],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.TRIANGLES, 7, false), [
    [0, 1, 2, 2],
    [3, 4, 5, 5],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.TRIANGLE_STRIP, 5, false), [
    [0, 1, 2, 2],
    [2, 1, 3, 3],
    [2, 3, 4, 4],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.TRIANGLE_STRIP, 4, true), [
    [0, 1, 2, 0],
    [2, 1, 3, 1],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.TRIANGLE_FAN, 4, false), [
    [0, 1, 2, 2],
    [0, 2, 3, 3],
  ]);
  assert.deepEqual(assemble(DRAW_MODE.TRIANGLE_FAN, 4, true), [
    [0, 1, 2, 1],
    [0, 2, 3, 2],
  ]);
  assert.throws(() => arityOf(DRAW_MODE.POLYGON), /draw mode POLYGON/);
  assert.throws(() => arityOf(9), /unknown value 9/);
});

/** A window position from clip space, as the vertex shader writes it for a viewport of 200 × 200. */
const project = (x: number, y: number, z: number, w: number): number[] => [
  100 + (100 * x) / w,
  100 + (100 * y) / w,
  z / w,
  1 / w,
];

test('a triangle in front of the eye passes unchanged', () => {
  const clipper = new Clipper();
  const positions = Float32Array.from([10, 20, 0.5, 1, 30, 20, 0.25, 0.5, 10, 40, 0, 2]);
  assert.equal(clipper.triangle(positions, 0, 1, 2), 3);
  assert.deepEqual([...clipper.corners.subarray(CORNER, 2 * CORNER)], [30, 20, 0.25, 0.5, 1, 0]);
});

test('one that reaches behind the eye is cut where w is small, and its weights stay true', () => {
  const clipper = new Clipper();
  const space = [
    [-1, -1, 0, 2],
    [1, -1, 0, 2],
    [0, 1, 0, -2],
  ];
  const positions = Float32Array.from(space.flatMap(([x, y, z, w]) => project(x!, y!, z!, w!)));
  const count = clipper.triangle(positions, 0, 1, 2);
  assert.ok(count >= 3);
  for (let i = 0; i < count; i++) {
    const [x, y, , inverseW, w1, w2] = clipper.corners.subarray(i * CORNER, (i + 1) * CORNER) as unknown as number[];
    assert.ok(inverseW! > 0);
    assert.ok(Math.abs(x!) <= GUARD_BAND && Math.abs(y!) <= GUARD_BAND);
    // The weights give back the corner in clip space.
    const w = [1 - w1! - w2!, w1!, w2!].reduce((sum, weight, v) => sum + weight * space[v]![3]!, 0);
    const cx = [1 - w1! - w2!, w1!, w2!].reduce((sum, weight, v) => sum + weight * space[v]![0]!, 0);
    assert.ok(Math.abs(w * inverseW! - 1) < 1e-3, `${w} ${inverseW}`);
    assert.ok(Math.abs(100 + 100 * cx * inverseW! - x!) < 1e-3 * GUARD_BAND);
  }
});

test('one behind the eye, or with numbers that are none, is gone', () => {
  const clipper = new Clipper();
  const behind = Float32Array.from([...project(-1, 0, 0, -1), ...project(1, 0, 0, -2), ...project(0, 1, 0, -3)]);
  assert.equal(clipper.triangle(behind, 0, 1, 2), 0);
  const broken = Float32Array.from([Number.NaN, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1]);
  assert.equal(clipper.triangle(broken, 0, 1, 2), 0);
});

test('a line keeps its visible end and cuts the other', () => {
  const clipper = new Clipper();
  const positions = Float32Array.from([...project(0, 0, 0, 1), ...project(0.1, 0.1, 0, -1)]);
  assert.equal(clipper.line(positions, 0, 1), 2);
  const [x, y, , w, w1, w2] = clipper.corners as unknown as number[];
  assert.deepEqual(
    [x, y, w, w1, w2].map((n) => Math.round(n! * 1000) / 1000),
    [100, 100, 1, 0, 0],
  );
  assert.ok(Math.abs(clipper.corners[CORNER + 4]! - 0.5) < 1e-3);
  assert.equal(clipper.corners[CORNER + 5], 0);
  assert.ok(clipper.corners[CORNER + 3]! > 0);
});

test('a batch shares vertices by index and instance, and takes a primitive whole or not at all', () => {
  const batch = Batch.take(PACKET_VERTICES);
  assert.ok(batch.add(3, 5, 0xffffffff, 7, 0, 2, 40));
  assert.ok(batch.add(3, 7, 0xffffffff, 9, 0, 0, 41));
  assert.ok(batch.add(3, 5, 7, 9, 1, 0, 0));
  assert.equal(batch.vertices, 7);
  assert.deepEqual([...batch.slots.subarray(0, 12)], [0, 1, 2, 2, 2, 1, 3, 0, 4, 5, 6, 0]);
  assert.deepEqual([batch.index[1], batch.instance[1], batch.index[6], batch.instance[6]], [0xffffffff, 0, 9, 1]);
  assert.deepEqual([...batch.ids.subarray(0, 3)], [40, 41, 0]);
  for (let i = 0; batch.vertices < PACKET_VERTICES - 2; i++) assert.ok(batch.add(1, i * 256, 0, 0, 2, 0, i));
  assert.ok(!batch.add(3, 1, 2, 3, 3, 0, 0));
  assert.equal(batch.vertices, PACKET_VERTICES - 2);
  assert.ok(batch.add(3, 1, 2, 5, 0, 0, 0), 'one of its vertices is there');
  assert.ok(batch.add(3, 5, 7, 9, 1, 0, 0), 'all of them are');
  batch.clear();
  assert.ok(batch.add(3, 1, 2, 3, 3, 0, 0));
  assert.equal(batch.vertices, 3);
});

test('records made of words are those of the layout', () => {
  const words = new PrimitiveWords();
  const draw = 0x12_3456_7840;
  const packet = 0xfedc_ba98_7640;
  words.addresses(draw, packet, packet + 0x4000, packet - 0x4000);
  words.primitive(63, 1, 42, 2, PRIMITIVE_KIND.TRIANGLE, true, 200, 0xfffffffe);
  const corner0 = { x: -5, y: 65536 * 256, z: 0.25, inverseW: 2, weight1: 1, weight2: 0 };
  const corner1 = { x: 7, y: -65536 * 256, z: -1, inverseW: 0.5, weight1: 0, weight2: 1 };
  const corner2 = { x: 0, y: 9, z: 8, inverseW: 4, weight1: 0.125, weight2: 0.5 };
  for (const [n, c] of [corner0, corner1, corner2].entries()) {
    words.corner(n, c.x, c.y, c.z, c.inverseW, c.weight1, c.weight2);
  }
  words.bounds(1, 0xffff, 0xfffe, 3);
  const record = PrimitiveRecord.pack({
    ...{
      draw,
      packet0: packet,
      packet1: packet + 0x4000,
      packet2: packet - 0x4000,
      slot0: 63,
      slot1: 1,
      slot2: 42,
      provoking: 2,
    },
    ...{ kind: PRIMITIVE_KIND.TRIANGLE, backFacing: 1, layer: 200, id: 0xfffffffe, corner0, corner1, corner2 },
    ...{ minX: 1, minY: 0xffff, maxX: 0xfffe, maxY: 3 },
  });
  assert.deepEqual(new Uint8Array(words.u32.buffer), record);
});
