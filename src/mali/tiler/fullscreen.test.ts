/** RUN_FULLSCREEN: rectangles among other draws, as they arrive in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULLSCREEN_REGISTERS, IDVS_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import { PolygonBlock, PolygonList, PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { Draw, PrimitiveFlags, TilerContext } from '../../abi/gpu/raster-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import { Bench, shade } from '../../testing/mali/stage-bench.ts';
import { TilerHeap } from '../tiler-heap.ts';
import { FullscreenWork } from './fullscreen.ts';

const DCD = 10;
const grey = 0xff808080;
const red = 0xff0000ff;
const green = 0xff00ff00;

function bench(width: number, height: number): Bench {
  const b = new Bench(width, height);
  for (const [program, colour] of [
    [1, [1, 0, 0, 1]],
    [2, [0, 1, 0, 1]],
  ] as const) {
    b.fragments.set(
      program,
      shade(() => colour),
    );
  }
  return b;
}

/** A rectangle that fragment program 2 colours. */
function fullscreen(b: Bench, viewMask = 0): FullscreenWork {
  const pair = (index: number): number => b.registers[index]! + b.registers[index + 1]! * 2 ** 32;
  const blend = pair(IDVS_REGISTERS.blend);
  const dcd = b.put(Draw, b.alloc(Draw.size), {
    sampleMask: 0xffff,
    maximumZ: 1,
    depthStencil: pair(IDVS_REGISTERS.depthStencil),
    blendCount: blend % 16,
    blend: blend - (blend % 16),
    shader: { shader: 2 } as any,
  });
  b.pair(DCD, dcd);
  b.registers[FULLSCREEN_REGISTERS.primitiveFlags] = viewOf(PrimitiveFlags.pack({ viewMask })).getUint32(0, true);
  return new FullscreenWork(b.request({ dcd: DCD, flagsOverride: 0 }));
}

test('it covers the framebuffer as far as the scissor lets it, in its place among other draws', () => {
  const b = bench(40, 24);
  b.triangles([
    [0, 0],
    [40, 0],
    [0, 24],
  ]);
  b.scissor(3, 2, 33, 20);
  assert.equal(fullscreen(b).step(), 'done');
  b.scissor(0, 0, 39, 23);
  b.triangles([
    [10, 10],
    [20, 10],
    [10, 20],
  ]);
  const pixels = b.render(b.rgba8({ clear0: grey }));
  const at = (x: number, y: number): number => pixels[y * 40 + x]! >>> 0;
  assert.deepEqual([at(1, 1), at(39, 23), at(3, 2), at(33, 20)], [red, grey, green, green]);
  assert.deepEqual([at(34, 20), at(33, 21), at(2, 5)], [grey, grey, red]);
  assert.equal(at(11, 11), red, 'drawn after it');
  assert.equal(pixels.filter((p) => p >>> 0 === green).length > 31 * 19 - 70, true);
});

/** Layer and pixels of the primitives in the context's list. */
function listed(b: Bench): [number, number, number, number, number][] {
  const list = b.memory.load64(b.context + TilerContext.offset.polygonList);
  if (list === 0) return [];
  const block = b.memory.load64(list + PolygonList.offset.first);
  return Array.from({ length: b.memory.load32(block + PolygonBlock.offset.count) }, (_, i) => {
    const at = block + PolygonBlock.size + i * PrimitiveRecord.size;
    const { layer, minX, minY, maxX, maxY } = b.memory.decode(PrimitiveRecord, at);
    return [layer, minX, minY, maxX, maxY];
  });
}

test('the view mask names layers, those that the context has', () => {
  const b = bench(40, 24);
  b.put(TilerContext, b.context, { ...b.memory.decode(TilerContext, b.context), layerCount: 3, layerOffset: 1 });
  assert.equal(fullscreen(b, 0b1011).step(), 'done');
  assert.deepEqual(listed(b), [
    [1, 0, 0, 39, 23],
    [2, 0, 0, 39, 23],
  ]);
});

test('a scissor that leaves nothing draws nothing', () => {
  const b = bench(40, 24);
  b.scissor(40, 0, 60, 23);
  assert.equal(fullscreen(b).step(), 'done');
  assert.deepEqual(listed(b), []);
});

test('it waits for room in the heap, and goes on where it was', () => {
  const b = bench(16, 16);
  const heap = new TilerHeap(b.memory, b.context, 0);
  while (heap.alloc(4096, 64) !== undefined);
  while (heap.alloc(64, 64) !== undefined);
  const work = fullscreen(b);
  assert.equal(work.step(), 'oom');
  heap.grow(b.chunk());
  assert.equal(work.step(), 'done');
  assert.deepEqual(listed(b), [[0, 0, 0, 15, 15]]);
});

test('hostile pointers are faults that name them', () => {
  const b = bench(16, 16);
  b.pair(DCD, 0x7fff_0000_0000);
  const work = new FullscreenWork(b.request({ dcd: DCD, flagsOverride: 0 }));
  assert.throws(() => work.step(), /no page at/);
  b.pair(FULLSCREEN_REGISTERS.tilerContext, 0);
  assert.throws(() => new FullscreenWork(b.request({ dcd: DCD, flagsOverride: 0 })), /no page at/);
});
