/** Emitted bins against the script: random primitives, the same bins and items. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRIMITIVE_KIND, PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import { TIE_BREAK_RULE } from '../../../abi/gpu/raster-descriptors.ts';
import { viewOf } from '../../../abi/layout.ts';
import { Dram } from '../../../board/dram.ts';
import { Random } from '../../../testing/mali/random.ts';
import { FlatMemory } from '../../../testing/mali/shader-rig.ts';
import type { Engine } from '../../engine/engine.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import { scratch } from '../../engine/scratch.ts';
import { Bins, type TileRect } from '../bins.ts';
import { PrimitiveStore } from '../primitive-store.ts';
import { CENTER, tieBreakOf } from '../raster.ts';
import { Setup } from '../setup.ts';

const source = new Random(5);
const random = (n: number): number => source.below(n);
const pick = <T>(list: readonly T[]): T => source.pick(list);

const setup = new Setup(new FlatMemory(new Dram(1 << 20)));
const draw = {
  number: 0,
  bounds: { minX: 0, minY: 0, maxX: 511, maxY: 511 },
  pattern: CENTER,
  tieBreak: tieBreakOf(TIE_BREAK_RULE.MINUS_180_IN_0_OUT),
  bias: undefined,
  attributeStride: 0,
  centers: false,
};

function randomPrimitives(store: PrimitiveStore, count: number): void {
  for (let n = 0; n < count; n++) {
    const reach = pick([1000, 10000, 100000, 2 ** 24]);
    const [x, y] = [random(512) * 256, random(512) * 256];
    const corner = () => ({ x: x + random(reach) - reach / 2, y: y + random(reach) - reach / 2 });
    const values = { corner0: corner(), corner1: corner(), corner2: corner(), maxX: 511, maxY: 511 };
    const bytes = PrimitiveRecord.pack({ ...values, kind: PRIMITIVE_KIND.TRIANGLE } as any);
    store.reserve();
    const record = PrimitiveRecord.read(viewOf(bytes), 0);
    if (setup.set(store.next, record, draw)) store.keep(store.next + PRIMITIVE.size);
  }
}

/** What an engine's bins hold, tile by tile, and the items. */
function sorted(engine: Engine, store: PrimitiveStore, rect: TileRect, alone: boolean): unknown {
  const bins = new Bins(engine);
  if (!bins.fill(store, rect)) return 'too many';
  bins.list(alone);
  const tiles = Array.from({ length: rect.columns * rect.rows }, (_, t) => [
    ...scratch.u32.subarray(bins.begin(t) / 4, bins.end(t) / 4),
  ]);
  const items = Array.from({ length: bins.items }, (_, i) => [bins.tile(i), bins.run(i)]);
  bins.close();
  return { tiles, items };
}

test('the same tiles are touched, in order, and the same runs are clean', () => {
  for (let n = 0; n < 60; n++) {
    const store = new PrimitiveStore();
    randomPrimitives(store, pick([0, 1, 5, 300]));
    const rect = pick([
      { column: 0, row: 0, columns: 32, rows: 32 },
      { column: 3, row: 7, columns: 9, rows: 1 },
      { column: 0, row: 0, columns: 600, rows: 2 },
      { column: 31, row: 31, columns: 1, rows: 1 },
    ]);
    const alone = random(4) === 0;
    assert.deepEqual(sorted('wasm', store, rect, alone), sorted('interpreter', store, rect, alone), `case ${n}`);
    store.close();
  }
});

test('a bin holds every primitive that covers a pixel of its tile', () => {
  const store = new PrimitiveStore();
  randomPrimitives(store, 200);
  const rect = { column: 0, row: 0, columns: 32, rows: 32 };
  const bins = new Bins('wasm');
  assert.ok(bins.fill(store, rect));
  const { f64, i32 } = scratch;
  let inside = 0;
  for (const [from, to] of store.pieces()) {
    for (let p = from; p < to; p += PRIMITIVE.size) {
      for (let n = 0; n < 500; n++) {
        const [x, y] = [random(512), random(512)];
        const edge = (i: number) =>
          i32[(p + PRIMITIVE.a) / 4 + i]! * (x * 256 + 128) +
          i32[(p + PRIMITIVE.b) / 4 + i]! * (y * 256 + 128) +
          f64[(p + PRIMITIVE.limit) / 8 + i]!;
        if (edge(0) < 0 || edge(1) < 0 || edge(2) < 0) continue;
        inside++;
        const tile = (y >> 4) * 32 + (x >> 4);
        const bin = scratch.u32.subarray(bins.begin(tile) / 4, bins.end(tile) / 4);
        assert.ok(bin.includes(p), `${x}, ${y}`);
      }
    }
  }
  assert.ok(inside > 1000, `${inside} pixels`);
  store.close();
  bins.close();
});

test('more tiles than a job may keep are too many, and found out at once', () => {
  const rect = { column: 0, row: 0, columns: 32, rows: 32 };
  for (const engine of ['wasm', 'interpreter'] as const) {
    const store = new PrimitiveStore();
    const corners = { corner0: { x: 0, y: 0 }, corner1: { x: 1 << 18, y: 0 }, corner2: { x: 0, y: 1 << 18 } };
    const bytes = PrimitiveRecord.pack({ ...corners, kind: PRIMITIVE_KIND.TRIANGLE, maxX: 511, maxY: 511 } as any);
    const record = PrimitiveRecord.read(viewOf(bytes), 0);
    for (let n = 0; n < 600; n++) {
      store.reserve();
      setup.set(store.next, record, draw);
      store.keep(store.next + PRIMITIVE.size);
    }
    const bins = new Bins(engine);
    assert.equal(bins.fill(store, rect), false, engine);
    assert.equal(bins.fill(store, { ...rect, rows: 16 }), true, engine);
    bins.close();
    store.close();
  }
});
