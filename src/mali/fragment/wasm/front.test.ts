/** Emitted front ends against the script: random primitives in a bin, random states, the same lists, depths and stencils. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRIMITIVE_KIND, PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import {
  DepthStencil,
  Draw,
  FramebufferParameters,
  FUNC,
  OCCLUSION_MODE,
  PIXEL_KILL,
  Z_INTERNAL_FORMAT,
} from '../../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../../abi/gpu/shader-descriptors.ts';
import { type Infer, type Layout, viewOf } from '../../../abi/layout.ts';
import { Dram } from '../../../board/dram.ts';
import { Random } from '../../../testing/mali/random.ts';
import { FlatMemory } from '../../../testing/mali/shader-rig.ts';
import type { Engine } from '../../engine/engine.ts';
import { PRIMITIVE, QUAD_LIST } from '../../engine/quads.ts';
import { scratch } from '../../engine/scratch.ts';
import { DrawState } from '../draw-state.ts';
import { drawSetup } from '../draw-table.ts';
import type { Framebuffer } from '../framebuffer.ts';
import { Front } from '../front.ts';
import { CENTER, MAX_CORNER, type SamplePattern } from '../raster.ts';
import { Setup } from '../setup.ts';
import { TileBuffer } from '../tile-buffer.ts';
import { FRONT } from './list.ts';

const source = new Random(1);
const random = (n: number): number => source.below(n);
const pick = <T>(list: readonly T[]): T => source.pick(list);
const flag = () => source.chance(50);
const filled = <F extends Record<string, any>>(layout: Layout<F>, values: object): any =>
  layout.read(viewOf(layout.pack(values as any)), 0);

const PATTERN: SamplePattern = { count: 4, x: Int32Array.of(96, 224, 32, 160), y: Int32Array.of(32, 96, 160, 224) };
const memory = new FlatMemory(new Dram(1 << 20));
const depthStencilAt = 8192;
const PRIMITIVES = 40;
const primitives = scratch.alloc(PRIMITIVE.size * PRIMITIVES);
const bin = scratch.alloc(PRIMITIVES * 4);

function framebuffer(samples: number, raster: SamplePattern): Framebuffer {
  return {
    address: 0,
    parameters: filled(FramebufferParameters, {
      width: 64,
      height: 64,
      sampleCount: samples,
      zInternalFormat: pick(Object.values(Z_INTERNAL_FORMAT)),
    }),
    samples,
    raster,
    pattern: samples === 1 ? CENTER : PATTERN,
    targets: [],
    depth: undefined,
    stencil: undefined,
    writeCleanDepth: false,
  };
}

function randomRecord(): Infer<typeof PrimitiveRecord> {
  const reach = pick([600, 2048, 8192, 2 ** 18, MAX_CORNER - 2048]);
  const grid = pick([1, 128]);
  const corner = () => ({
    x: Math.floor((random(2 * reach) - reach) / grid) * grid + 2048,
    y: Math.floor((random(2 * reach) - reach) / grid) * grid + 2048,
    z: Math.fround(random(1000) / 900 - 0.05),
    inverseW: Math.fround((1 + random(100)) / 50),
    weight1: random(2),
    weight2: random(2),
  });
  return filled(PrimitiveRecord, {
    corner0: corner(),
    corner1: corner(),
    corner2: corner(),
    kind: PRIMITIVE_KIND.TRIANGLE,
    backFacing: random(2),
    id: random(1000),
    minX: random(3) === 0 ? random(12) : 0,
    minY: random(3) === 0 ? random(12) : 0,
    maxX: random(3) === 0 ? random(30) : 63,
    maxY: random(3) === 0 ? random(30) : 63,
  });
}

function randomState(): Record<string, number | boolean> {
  const values: Record<string, number | boolean> = { depthClampMode: 1 + random(2), depthSource: random(3) };
  for (const face of ['front', 'back']) {
    values[`${face}CompareFunction`] = random(8);
    for (const op of ['StencilFail', 'DepthFail', 'DepthPass']) values[face + op] = random(8);
    for (const part of ['WriteMask', 'ValueMask', 'ReferenceValue']) values[face + part] = random(256);
  }
  for (const name of ['depthWriteEnable', 'depthCullEnable', 'stencilTestEnable', 'depthBiasEnable']) {
    values[name] = flag();
  }
  return {
    ...values,
    type: DESCRIPTOR_TYPE.DEPTH_STENCIL,
    depthFunction: random(8),
    depthFactor: random(3) / 100,
    depthUnits: random(3),
  };
}

/** All that the front ends of draws, each of which goes over the whole bin, leave of a tile. */
function work(engine: Engine, frame: Framebuffer, draws: readonly Infer<typeof Draw>[], count: number): unknown[] {
  const tile = new TileBuffer(frame, engine);
  let filler = 5;
  for (let i = 0; i < tile.depth.length; i++) {
    filler = (Math.imul(filler, 1664525) + 1013904223) >>> 0;
    tile.depth[i] = frame.parameters.zInternalFormat === Z_INTERNAL_FORMAT.D32 ? filler / 2 ** 32 : filler >>> 9;
    tile.stencil[i] = filler >>> 24;
  }
  const args = scratch.alloc(FRONT.size);
  const list = scratch.alloc(QUAD_LIST.size);
  const words = scratch.u32;
  const put = (offset: number, value: number) => {
    words[(args + offset) / 4] = value;
  };
  put(FRONT.end, bin + count * 4);
  put(FRONT.draw, 7);
  put(FRONT.left, 16);
  put(FRONT.top, 0);
  put(FRONT.list, list);
  put(FRONT.farthest, tile.farthestAt);
  put(FRONT.depth, tile.depthAt);
  put(FRONT.stencil, tile.stencilAt);
  const seen: unknown[] = [];
  for (const draw of draws) {
    const state = new DrawState(memory, draw, frame, tile);
    const front = new Front(state, engine);
    put(FRONT.place, bin);
    while (words[(args + FRONT.place) / 4]! < bin + count * 4) {
      put(FRONT.limit, 30);
      front.run(args);
      const quads = words[(args + FRONT.count) / 4]!;
      assert.equal(quads % 4, 0);
      for (let quad = 0; quad < quads; quad++) {
        const masks = [...scratch.u16.subarray((list + quad * 8) / 2, (list + quad * 8) / 2 + 4)];
        const primitive = words[(list + QUAD_LIST.primitive) / 4 + quad]! - primitives;
        seen.push([masks, primitive, scratch.u8[list + QUAD_LIST.x + quad], scratch.u8[list + QUAD_LIST.y + quad]]);
      }
      seen.push(words[(args + FRONT.place) / 4]! - bin);
      checkPlaces(list, quads);
    }
    const counted = draw.occlusionQuery !== OCCLUSION_MODE.DISABLED;
    seen.push(counted ? state.passed : 0);
  }
  seen.push(tile.dirtyDepth, [...tile.depth], [...tile.stencil]);
  return seen;
}

/** No place comes twice in a warp. */
function checkPlaces(list: number, quads: number): void {
  for (let warp = 0; warp < quads; warp += 4) {
    const places = new Set<number>();
    for (let q = warp; q < warp + 4; q++) {
      if (scratch.u32[(list + q * 8) / 4] === 0 && scratch.u32[(list + q * 8) / 4 + 1] === 0) continue;
      const place = scratch.u8[list + QUAD_LIST.y + q]! * 16 + scratch.u8[list + QUAD_LIST.x + q]!;
      assert.ok(!places.has(place), `quad ${q}`);
      places.add(place);
    }
  }
}

test('the same quads are listed, and depth and stencil written', () => {
  let listed = 0;
  for (let n = 0; n < 500; n++) {
    const [samples, raster] = pick([
      [1, CENTER],
      [4, PATTERN],
      [4, CENTER],
      [1, PATTERN],
    ] as const);
    const frame = framebuffer(samples, raster);
    memory.write(depthStencilAt, DepthStencil.pack(randomState() as any));
    const late = random(4) === 0;
    const draw = filled(Draw, {
      depthStencil: depthStencilAt,
      multisampleEnable: raster.count > 1,
      sampleMask: pick([0xffff, 0xffff, 0x5]),
      minimumZ: 0.25,
      maximumZ: 0.75,
      pixelKillOperation: late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY,
      cleanFragmentWrite: flag(),
      occlusionQuery: pick([OCCLUSION_MODE.DISABLED, OCCLUSION_MODE.COUNTER]),
      shader: { shader: random(5) === 0 ? 0 : 4096 },
    });
    const setup = drawSetup(memory, frame, draw, { minX: 0, minY: 0, maxX: 63, maxY: 63 }, 7);
    const maker = new Setup(memory);
    let count = 0;
    for (const end = 1 + random(PRIMITIVES); count < end; ) {
      const at = primitives + count * PRIMITIVE.size;
      if (maker.set(at, randomRecord(), setup)) scratch.u32[bin / 4 + count++] = at;
    }
    const expected = work('interpreter', frame, [draw], count);
    assert.deepEqual(work('wasm', frame, [draw], count), expected, `case ${n}`);
    if (expected.length > 20) listed++;
  }
  assert.ok(listed > 100, `${listed} cases list something`);
});

test('draws of every depth function after one another, steep triangles: the same depths', () => {
  const frame = framebuffer(1, CENTER);
  for (let n = 0; n < 100; n++) {
    const draws = Array.from({ length: 4 }, (_, d) => {
      const at = depthStencilAt + 256 * d;
      const state = { type: DESCRIPTOR_TYPE.DEPTH_STENCIL, depthClampMode: 1, depthSource: 2 };
      const depthFunction = pick([FUNC.LESS, FUNC.LEQUAL, FUNC.LESS, random(8)]);
      const own = { depthFunction, depthWriteEnable: random(4) > 0, depthCullEnable: flag() };
      memory.write(at, DepthStencil.pack({ ...state, ...own }));
      return filled(Draw, { depthStencil: at, sampleMask: 0xffff, maximumZ: 1, shader: { shader: 4096 } });
    });
    const setup = drawSetup(memory, frame, draws[0], { minX: 0, minY: 0, maxX: 63, maxY: 63 }, 7);
    const maker = new Setup(memory);
    let count = 0;
    for (let p = 0; p < 6; p++) {
      // Around the tile's middle.
      const corner = (x: number, y: number) => ({
        x: 24 * 256 + x * (2000 + random(8000)),
        y: 8 * 256 + y * (2000 + random(8000)),
        z: Math.fround(random(100) / 100),
        inverseW: 1,
        weight1: 0,
        weight2: 0,
      });
      const corners = { corner0: corner(-1, -1), corner1: corner(2, -1), corner2: corner(-1, 2) };
      const record = filled(PrimitiveRecord, { ...corners, kind: PRIMITIVE_KIND.TRIANGLE, maxX: 63, maxY: 63 });
      const at = primitives + count * PRIMITIVE.size;
      if (maker.set(at, record, setup)) scratch.u32[bin / 4 + count++] = at;
    }
    assert.deepEqual(work('wasm', frame, draws, count), work('interpreter', frame, draws, count), `case ${n}`);
  }
});

test('a front end leaves primitives of another draw alone', () => {
  const frame = framebuffer(1, CENTER);
  memory.write(depthStencilAt, DepthStencil.pack({ type: DESCRIPTOR_TYPE.DEPTH_STENCIL, depthFunction: 7 }));
  const draw = filled(Draw, { depthStencil: depthStencilAt, sampleMask: 0xffff, shader: { shader: 4096 } });
  const setup = drawSetup(memory, frame, draw, { minX: 0, minY: 0, maxX: 63, maxY: 63 }, 7);
  const corner = (x: number, y: number) => ({ x, y, z: 0, inverseW: 1, weight1: 0, weight2: 0 });
  const record = filled(PrimitiveRecord, {
    corner0: corner(0, 0),
    corner1: corner(1 << 15, 0),
    corner2: corner(0, 1 << 15),
    kind: PRIMITIVE_KIND.TRIANGLE,
    maxX: 63,
    maxY: 63,
  });
  for (const engine of ['wasm', 'interpreter'] as const) {
    for (let i = 0; i < 3; i++) {
      const at = primitives + i * PRIMITIVE.size;
      new Setup(memory).set(at, record, { ...setup, number: i < 2 ? 7 : 8 });
      scratch.u32[bin / 4 + i] = at;
    }
    const tile = new TileBuffer(frame, engine);
    const args = scratch.alloc(FRONT.size);
    const list = scratch.alloc(QUAD_LIST.size);
    scratch.u32.set([bin, bin + 12, 10, 7, 16, 0, list], args / 4);
    scratch.u32[(args + FRONT.farthest) / 4] = tile.farthestAt;
    new Front(new DrawState(memory, draw, frame, tile), engine).run(args);
    assert.equal(scratch.u32[(args + FRONT.place) / 4], bin + 8, engine);
    assert.equal(scratch.u32[(args + FRONT.count) / 4], 128, engine);
  }
});
