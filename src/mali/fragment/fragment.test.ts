/** Draws and fragment jobs together: what arrives in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDVS_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import { DrawRecord, PolygonBlock, PolygonList, PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import {
  BLEND_A,
  BLEND_B,
  BLEND_C,
  BLEND_MODE,
  BLOCK_FORMAT,
  DEPTH_SOURCE,
  DRAW_MODE,
  Draw,
  FIFO_FORMAT,
  FRAME_SHADER_MODE,
  FUNC,
  MSAA,
  OCCLUSION_MODE,
  PIXEL_KILL,
  SAMPLE_PATTERN,
  SamplePosition,
  STENCIL_OP,
  TilerContext,
  Z_INTERNAL_FORMAT,
  ZS_FORMAT,
} from '../../abi/gpu/raster-descriptors.ts';
import { PIXEL_CURRENT, PIXEL_DEPTH, PIXEL_STENCIL } from '../../abi/gpu/shader-descriptors.ts';
import { FRAGMENT_PRELOAD } from '../../abi/isa/preload.ts';
import { afbcDecode } from '../../board/image/afbc.ts';
import { readImage } from '../../board/image/image.ts';
import { Bench, blendBits, finish, laneVectors, RGBA8_TILE, shade } from '../../testing/mali/stage-bench.ts';
import { GpuFault, type Work } from '../contract.ts';
import { defaultEngine } from '../engine/engine.ts';
import { LANES, type TileRequest, type Warp } from '../shader/contract.ts';
import { TilerHeap } from '../tiler-heap.ts';
import { shaderCores } from '../units.ts';
import { bitCount } from './early-tests.ts';
import { PrimitiveStore } from './primitive-store.ts';

const RED = [1, 0, 0, 1] as const;
const GREEN = [0, 1, 0, 1] as const;
const red = 0xff0000ff;
const green = 0xff00ff00;
const grey = 0xff808080;

const fullscreen = (w: number, h: number, z = 0, front = true): number[][] => {
  const corners = [
    [0, 0, z, 1],
    [2 * w, 0, z, 1],
    [0, 2 * h, z, 1],
  ];
  return front ? corners : corners.reverse();
};

function bench(width = 40, height = 24): Bench {
  const b = new Bench(width, height);
  b.fragments.set(
    1,
    shade(() => RED),
  );
  b.fragments.set(
    2,
    shade(() => GREEN),
  );
  return b;
}

const count = (pixels: Uint32Array, colour: number): number => pixels.filter((p) => p === colour >>> 0).length;

test('a framebuffer that nothing is drawn to gets its clear colour, edges included', () => {
  const b = bench(37, 21);
  const pixels = b.render(b.rgba8({ clear0: grey }));
  assert.equal(count(pixels, grey), 37 * 21);
});

test('a target that asks for no clean pixels keeps its memory where nothing is drawn', () => {
  const b = bench(48, 16);
  const target = b.rgba8({ clear0: grey, cleanPixelWriteEnable: false });
  b.triangles([
    [20, 4],
    [28, 4],
    [20, 12],
  ]);
  const pixels = b.render(target);
  assert.equal(pixels[0], 0);
  assert.equal(pixels[5 * 48 + 21], red);
  assert.equal(pixels[5 * 48 + 17], grey, 'the rest of the touched tile is written');
});

test('a triangle covers the pixels whose centres lie in it', () => {
  const b = bench();
  b.triangles([
    [4, 4],
    [20, 4],
    [4, 20],
  ]);
  const pixels = b.render(b.rgba8({ clear0: grey }));
  for (let y = 0; y < 24; y++) {
    for (let x = 0; x < 40; x++) {
      const inside = x >= 4 && y >= 4 && x + 0.5 + y + 0.5 < 24;
      assert.equal(pixels[y * 40 + x]! >>> 0, inside ? red : grey, `pixel ${x}, ${y}`);
    }
  }
});

test('scissor, culling and winding', () => {
  const b = bench();
  b.scissor(8, 8, 15, 11);
  b.triangles(fullscreen(40, 24));
  const pixels = b.render(b.rgba8({ clear0: grey }));
  assert.equal(count(pixels, red), 8 * 4);
  assert.equal(pixels[8 * 40 + 8]! >>> 0, red);
  // Clockwise on a screen with y down is the back face if the front is counterclockwise.
  for (const frontFaceCcw of [false, true]) {
    for (const clockwise of [false, true]) {
      const c = bench();
      c.state({ frontFaceCcw, cullBackFace: true });
      c.triangles(fullscreen(40, 24, 0, clockwise));
      assert.equal(count(c.render(), red) > 0, clockwise !== frontFaceCcw, `${frontFaceCcw} ${clockwise}`);
    }
  }
});

test('depth test: the nearer triangle wins whatever the order, and depth is written back', () => {
  for (const order of [
    [0.25, 0.75],
    [0.75, 0.25],
  ]) {
    const b = bench();
    b.depthStencil({ depthFunction: FUNC.LESS, depthWriteEnable: true });
    for (const z of order) {
      b.state({}, z === 0.25 ? 1 : 2);
      b.triangles(fullscreen(40, 24, z));
    }
    const zs = {
      zsWriteFormat: ZS_FORMAT.D24S8,
      zsBlockFormat: BLOCK_FORMAT.LINEAR,
      zsWritebackBase: b.alloc(40 * 24 * 4),
      zsWritebackRowStride: 160,
      zsCleanPixelWriteEnable: true,
    };
    const pixels = b.render(b.rgba8(), { zClear: 1, sClear: 0x5a, zWriteEnable: true }, zs);
    assert.equal(count(pixels, red), 40 * 24);
    assert.equal(b.memory.load32(zs.zsWritebackBase), 0x5a400000);
  }
});

test('depth of tiles that nothing touches is the clear value, before and after drawn ones', () => {
  const b = bench(48, 16);
  b.depthStencil({ depthFunction: FUNC.LESS, depthWriteEnable: true });
  b.triangles([
    [16, 0, 0.5],
    [32, 0, 0.5],
    [16, 16, 0.5],
  ]);
  const base = b.alloc(3 * 512);
  const zs = {
    zsWriteFormat: ZS_FORMAT.D16,
    zsBlockFormat: BLOCK_FORMAT.TILED_U_INTERLEAVED,
    zsWritebackBase: base,
    zsWritebackRowStride: 3 * 512,
    zsCleanPixelWriteEnable: true,
  };
  b.render(b.rgba8(), { zClear: 1, zInternalFormat: 0, zWriteEnable: true }, zs);
  assert.deepEqual(
    [0, 512, 512 + 2 * 0xaa, 1024, 1534].map((at) => b.memory.load16(base + at)),
    [0xffff, 0x8000, 0xffff, 0xffff, 0xffff],
  );
});

test('depths outside the range are dropped where depth culling is on, and clamped where it is off', () => {
  const b = bench();
  b.depthStencil({ depthFunction: FUNC.ALWAYS, depthCullEnable: true });
  b.triangles([
    [0, 0, -1],
    [80, 0, 3],
    [0, 48, -1],
  ]);
  const kept = count(b.render(), red);
  assert.ok(kept > 0 && kept < 40 * 24, `${kept}`);
  const c = bench();
  c.triangles([
    [0, 0, -1],
    [80, 0, 3],
    [0, 48, -1],
  ]);
  assert.equal(count(c.render(), red), 40 * 24);
  const d = bench();
  d.triangles(
    [
      [0, 0, 2],
      [80, 0, 3],
      [0, 48, 2],
    ],
    { highDepthCull: true },
  );
  assert.equal(count(d.render(), red), 0, 'the tiler drops what is beyond the range altogether');
});

test('a discarded fragment leaves no colour and no depth when tests come late', () => {
  const b = bench();
  b.fragments.set(
    1,
    shade(() => RED, { discard: (x) => x < 10 }),
  );
  b.depthStencil({ depthFunction: FUNC.LESS, depthWriteEnable: true });
  b.state({ pixelKillOperation: PIXEL_KILL.FORCE_EARLY, zsUpdateOperation: PIXEL_KILL.FORCE_LATE });
  b.triangles(fullscreen(40, 24, 0.25));
  b.state({}, 2);
  b.triangles(fullscreen(40, 24, 0.5));
  const pixels = b.render(b.rgba8(), { zClear: 1 });
  assert.equal(count(pixels, green), 10 * 24);
  assert.equal(count(pixels, red), 30 * 24);
});

test('tests that come early take the triangle’s depth and are not undone by a discard, also where the shader is said to give depth', () => {
  for (const operation of [PIXEL_KILL.FORCE_EARLY, PIXEL_KILL.STRONG_EARLY, PIXEL_KILL.WEAK_EARLY]) {
    const b = bench();
    b.fragments.set(
      1,
      shade(() => RED, { discard: (x) => x < 10 }),
    );
    b.depthStencil({ depthFunction: FUNC.LESS, depthWriteEnable: true, depthSource: DEPTH_SOURCE.SHADER });
    b.state({ pixelKillOperation: operation, zsUpdateOperation: operation, shaderModifiesCoverage: true });
    b.triangles(fullscreen(40, 24, 0.25));
    b.state({}, 2);
    b.triangles(fullscreen(40, 24, 0.5));
    const pixels = b.render(b.rgba8(), { zClear: 1 });
    assert.deepEqual([count(pixels, green), count(pixels, red)], [0, 30 * 24], `operation ${operation}`);
  }
});

test('fixed-function blending reads the descriptor in memory', () => {
  const b = bench(16, 16);
  const over = blendBits({ a: BLEND_A.DEST, b: BLEND_B.SRC_MINUS_DEST, c: BLEND_C.SRC_ALPHA });
  b.blend([{ mode: BLEND_MODE.FIXED_FUNCTION, rgb: over, alpha: over, loadDestination: true }]);
  b.fragments.set(
    1,
    shade(() => [1, 0, 0, 0.5], { mode: BLEND_MODE.FIXED_FUNCTION }),
  );
  b.triangles(fullscreen(16, 16));
  const pixels = b.render(b.rgba8({ clear0: green }));
  const [r, g, , a] = new Uint8Array(pixels.buffer);
  assert.deepEqual([r, g, a], [128, 128, 191]);
});

test('varyings arrive perspective-correct, flat ones from the provoking vertex', () => {
  for (const first of [false, true]) {
    const b = bench(32, 32);
    b.put(TilerContext, b.context, { ...b.memory.decode(TilerContext, b.context), firstProvokingVertex: first });
    b.registers[IDVS_REGISTERS.varyingAllocation] = 16;
    const seen: { value: number; flat: number; x: number; y: number }[] = [];
    b.fragments.set(1, (stage, warp, mask) => {
      const weights = new Float32Array(2 * LANES);
      stage.barycentrics(warp, mask, 'center', new Int32Array(LANES), weights);
      const { packets, slots, count: n, provoking } = stage.primitives[0]!;
      const value = (v: number) => {
        const view = new DataView(new ArrayBuffer(4));
        view.setUint32(0, b.memory.load32(packets[v]! + 1024 + slots[v]! * stage.attributeStride));
        return view.getFloat32(0);
      };
      for (let lane = 0; lane < LANES; lane++) {
        if (!(mask & ~warp.discarded & (1 << lane))) continue;
        let sum = value(0);
        for (let v = 1; v < n; v++) sum += weights[(v - 1) * LANES + lane]! * (value(v) - value(0));
        const at = warp.u32[59 * LANES + lane]!;
        seen.push({ value: sum, flat: value(provoking), x: at & 0xffff, y: at >>> 16 });
      }
    });
    // Varying 0 at the left edge, 1 at x = 64 where w is 4.
    b.triangles(
      [
        [0, 0, 0, 1, 0],
        [64, 0, 0, 0.25, 1],
        [0, 64, 0, 1, 0.5],
      ],
      { secondaryShader: true },
    );
    b.render();
    assert.ok(seen.length === 32 * 32);
    const at = seen.find(({ x, y }) => x === 31 && y === 0)!;
    // Window weights a of vertex 1 and b of vertex 2 at the pixel's centre, then divided by w.
    const [w1, w2] = [31.5 / 64, 0.5 / 64];
    const expected = (w1 * 0.25 * 1 + w2 * 0.5) / (w1 * 0.25 + (1 - w1));
    assert.ok(Math.abs(at.value - expected) < 1e-6, `${at.value} ≠ ${expected}`);
    assert.equal(at.flat, first ? 0 : 0.5);
  }
});

test('vertices behind the eye: the visible part has the right pixels and varyings', () => {
  // In clip space: a ground plane from in front of the eye to behind it. Row y shows depth w = 16 / (y - 16).
  const b = bench(32, 32);
  b.registers[IDVS_REGISTERS.varyingAllocation] = 16;
  const project = (x: number, w: number) => [16 + (x * 16) / w, 16 + 16 / w, 0, 1 / w, w];
  const seen = new Map<number, number>();
  b.fragments.set(1, (stage, warp, mask) => {
    const out = laneVectors();
    stage.special(warp, mask, 'w', 'center', new Int32Array(LANES), out);
    for (let lane = 0; lane < LANES; lane++) {
      if (mask & ~warp.discarded & (1 << lane)) seen.set(warp.u32[59 * LANES + lane]! >>> 16, out.f32[lane]!);
    }
  });
  b.triangles([project(-50, 8), project(50, 8), project(0, -8)], { secondaryShader: true });
  b.render();
  // w = 8 is row 18; everything below it shows the plane.
  assert.equal(Math.min(...seen.keys()), 18);
  assert.equal(Math.max(...seen.keys()), 31);
  for (const [y, inverseW] of seen)
    assert.ok(Math.abs(inverseW - (y + 0.5 - 16) / 16) < 0.002, `row ${y}: ${inverseW}`);
});

test('lines are connected and as wide as asked, points square with a coordinate', () => {
  const b = bench(32, 32);
  const ends = [
    [2.5, 3.5, 0, 1],
    [20.5, 9.5, 0, 1],
    [24.5, 28.5, 0, 1],
  ];
  b.triangles(ends, { drawMode: DRAW_MODE.LINE_STRIP });
  const pixels = b.render();
  for (let x = 2; x < 20; x++) {
    const column = Array.from({ length: 32 }, (_, y) => pixels[y * 32 + x]! >>> 0 === red).filter(Boolean);
    assert.equal(column.length, 1, `column ${x}`);
  }
  for (let y = 10; y < 28; y++) assert.equal(count(pixels.subarray(y * 32, y * 32 + 32), red), 1, `row ${y}`);

  const c = bench(32, 32);
  c.float(IDVS_REGISTERS.primitiveSize, 4);
  const coordinates: number[][] = [];
  c.fragments.set(1, (stage, warp, mask) => {
    const out = laneVectors();
    stage.special(warp, mask, 'point', 'center', new Int32Array(LANES), out);
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & ~warp.discarded & (1 << lane))) continue;
      coordinates.push([warp.u32[59 * LANES + lane]!, out.f32[lane]!, out.f32[LANES + lane]!]);
    }
  });
  c.triangles([[10, 12, 0, 1]], { drawMode: DRAW_MODE.POINTS });
  c.render();
  assert.equal(coordinates.length, 16);
  assert.deepEqual(coordinates.find(([at]) => at === (8 | (10 << 16)))!.slice(1), [0.125, 0.125]);
  assert.deepEqual(coordinates.find(([at]) => at === (11 | (13 << 16)))!.slice(1), [0.875, 0.875]);
});

test('the largest point is 4095.9375 pixels wide, whatever the shader says', () => {
  const b = bench(64, 8);
  b.float(IDVS_REGISTERS.primitiveSize, 10000);
  b.triangles([[-2000, 4, 0, 1]], { drawMode: DRAW_MODE.POINTS });
  const pixels = b.render();
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 64; x++) assert.equal(pixels[y * 64 + x]! >>> 0 === red, x < 48, `${x}, ${y}`);
  }
});

test('a line of several samples is a rectangle, one of a single sample a run of rows or columns', () => {
  const ends = [
    [8, 8, 0, 1],
    [24, 24, 0, 1],
  ];
  for (const [state, rectangle] of [
    [{}, false],
    [{ multisampleEnable: true, singleSampledLines: true }, false],
    [{ multisampleEnable: true }, true],
  ] as const) {
    const b = bench(32, 32);
    b.state(state);
    b.float(IDVS_REGISTERS.primitiveSize, 8);
    b.triangles(ends, { drawMode: DRAW_MODE.LINES });
    const pixels = b.render();
    const row = pixels.subarray(16 * 32, 17 * 32);
    // As far as 4 above, or as 4 to the side: 5.7 along the row.
    assert.equal(row.indexOf(red >>> 0), rectangle ? 11 : 12, JSON.stringify(state));
    // Beside its end, where no column or row of the line's is.
    assert.equal(pixels[10 * 32 + 6]! >>> 0 === red >>> 0, rectangle, JSON.stringify(state));
  }
});

test('indexed strips with restart, instances and a base vertex', () => {
  const b = bench(32, 32);
  const quad = (x: number) => [
    [x, 0],
    [x, 8],
    [x + 8, 0],
    [x + 8, 8],
  ];
  const vertices = [[99, 99], ...quad(0), ...quad(16)];
  b.vertex = (index, instance) => {
    const [x, y] = vertices[index]!;
    return { position: [x!, y! + instance * 16, 0, 1] };
  };
  b.registers[IDVS_REGISTERS.vertexOffset] = 1;
  b.indices([0, 1, 2, 3, 0xffff, 4, 5, 6, 7]);
  b.draw(9, { drawMode: DRAW_MODE.TRIANGLE_STRIP, indexType: 2, primitiveRestart: true }, 2);
  const pixels = b.render();
  assert.equal(count(pixels, red), 4 * 64);
  for (const [x, y] of [
    [0, 0],
    [16, 0],
    [0, 16],
    [16, 16],
  ])
    assert.equal(pixels[y! * 32 + x!]! >>> 0, red);
});

test('more vertices than a packet holds, and a fan', () => {
  const b = bench(64, 64);
  const n = 200;
  b.vertex = (i) => {
    const angle = (2 * Math.PI * (i - 1)) / (n - 2);
    return i === 0
      ? { position: [32, 32, 0, 1] }
      : { position: [32 + 30 * Math.cos(angle), 32 + 30 * Math.sin(angle), 0, 1] };
  };
  b.draw(n, { drawMode: DRAW_MODE.TRIANGLE_FAN });
  const pixels = b.render();
  const area = count(pixels, red);
  assert.ok(Math.abs(area - Math.PI * 900) < 40, `${area}`);
});

test('occlusion queries count samples, or say that there was one', () => {
  const b = bench();
  const at = b.alloc(64);
  b.memory.store64(at, 5);
  b.pair(IDVS_REGISTERS.occlusion, at);
  b.state({ occlusionQuery: OCCLUSION_MODE.COUNTER });
  b.scissor(0, 0, 9, 9);
  b.triangles(fullscreen(40, 24));
  b.pair(IDVS_REGISTERS.occlusion, at + 8);
  b.state({ occlusionQuery: OCCLUSION_MODE.PREDICATE });
  b.triangles(fullscreen(40, 24));
  b.render();
  assert.equal(b.memory.load64(at), 105);
  assert.equal(b.memory.load64(at + 8), 1);
});

test('draws that are the same to their stages count for one query, and others for their own', () => {
  const b = bench();
  const at = b.alloc(64);
  b.state({ occlusionQuery: OCCLUSION_MODE.COUNTER });
  for (const query of [at, at + 8, at, at]) {
    b.pair(IDVS_REGISTERS.occlusion, query);
    b.triangles(fullscreen(40, 24));
  }
  b.render();
  assert.equal(b.memory.load64(at), 3 * 40 * 24);
  assert.equal(b.memory.load64(at + 8), 40 * 24);
});

test('multisampling: edges are averaged, or every sample is stored', () => {
  const positions = [
    [96, 32],
    [224, 96],
    [32, 160],
    [160, 224],
  ];
  const make = () => {
    const b = bench(16, 16);
    const table = b.alloc(256);
    positions.forEach(([x, y], i) => {
      b.put(SamplePosition, table + i * 4, { x: x!, y: y! });
    });
    b.state({ multisampleEnable: true });
    // The left half of pixel column 8: samples at x 96 and 32 of 256.
    b.triangles([
      [-100, -100],
      [8.5, -100],
      [8.5, 200],
      [-100, -100],
      [8.5, 200],
      [-100, 200],
    ]);
    return { b, fb: { sampleCount: 4, samplePattern: SAMPLE_PATTERN.ROTATED_4X_GRID, sampleLocations: table } };
  };
  const { b, fb } = make();
  const pixels = b.render(b.rgba8({ writebackMsaa: MSAA.AVERAGE }), fb);
  assert.equal(pixels[7]! & 0xff, 255);
  assert.equal(pixels[8]! & 0xff, 128);
  assert.equal(pixels[9]! & 0xff, 0);

  const { b: c, fb: layered } = make();
  const base = c.alloc(4 * 1024);
  c.render(c.rgba8({ writebackMsaa: MSAA.LAYERED, base, surfaceStride: 1024 }), layered);
  assert.deepEqual(
    [0, 1, 2, 3].map((s) => c.memory.load8(base + s * 1024 + 8 * 4)),
    [255, 0, 255, 0],
  );
});

test('threads of one sample load and store that sample, named as the first one or by its number', () => {
  for (const samples of [2, 4, 8, 16]) {
    const b = bench(16, 16);
    const access = (warp: Warp, named: boolean): TileRequest => {
      const lanes = (word: (lane: number) => number): Int32Array =>
        Int32Array.from({ length: LANES }, (_, lane) => word(lane));
      const id = warp.u32[61 * LANES]! >>> 16;
      return {
        indices: lanes(() => (named ? id : 0) | (PIXEL_CURRENT << 24)),
        coverage: lanes((lane) => warp.u32[60 * LANES + lane]!),
        conversion: lanes(() => RGBA8_TILE),
        values: laneVectors(),
        type: 'float',
        bits: 32,
        channels: 4,
        depthStencil: false,
      };
    };
    const own: number[][] = [];
    b.fragments.set(1, (stage, warp, mask) => {
      const request = access(warp, false);
      request.values.f32.fill((warp.u32[61 * LANES]! >>> 16) / 255);
      stage.storeTile(warp, mask, request);
    });
    b.fragments.set(2, (stage, warp, mask) => {
      for (const byNumber of [false, true]) {
        const request = access(warp, byNumber);
        stage.loadTile(warp, mask, request);
        own.push([warp.u32[61 * LANES]! >>> 16, Math.round(request.values.f32[31 - Math.clz32(mask)]! * 255)]);
      }
    });
    b.state({ multisampleEnable: true, evaluatePerSample: true });
    b.triangles(fullscreen(16, 16));
    b.state({ multisampleEnable: true, evaluatePerSample: true }, 2);
    b.triangles(fullscreen(16, 16));
    b.render(b.rgba8({ writebackMsaa: MSAA.AVERAGE }), { sampleCount: samples, sampleLocations: b.alloc(256) });
    assert.equal(new Set(own.map(([id]) => id)).size, samples);
    for (const [id, value] of own) assert.equal(value, id, `sample ${id} of ${samples}`);
  }
});

test('depth and stencil of each sample are loaded as numbers, whatever the tile buffer keeps', () => {
  for (const [format, depth] of [
    [Z_INTERNAL_FORMAT.D16, Math.fround(0x4000 / 0xffff)],
    [Z_INTERNAL_FORMAT.D24, Math.fround(0x400000 / 0xffffff)],
    [Z_INTERNAL_FORMAT.D32, 0.25],
  ] as const) {
    for (const samples of [1, 4]) {
      const b = bench(16, 16);
      const seen: number[][] = [];
      const request = (renderTarget: number, sample: number, type: 'float' | 'uint', channels = 1): TileRequest => ({
        indices: new Int32Array(LANES).fill(sample | (renderTarget << 8) | (PIXEL_CURRENT << 24)),
        coverage: new Int32Array(LANES),
        conversion: new Int32Array(LANES),
        values: laneVectors(),
        type,
        bits: 32,
        channels,
        depthStencil: true,
      });
      b.fragments.set(2, (stage, warp, mask) => {
        const lane = 31 - Math.clz32(mask);
        const z = request(PIXEL_DEPTH, samples - 1, 'float');
        stage.loadTile(warp, mask, z);
        const s = request(PIXEL_STENCIL, samples - 1, 'uint');
        stage.loadTile(warp, mask, s);
        seen.push([warp.u32[59 * LANES + lane]! & 0xffff, z.values.f32[lane]!, s.values.u32[lane]!]);
        assert.throws(
          () => stage.loadTile(warp, mask, request(PIXEL_STENCIL, 0, 'float')),
          /float of render target 254/,
        );
        assert.throws(() => stage.loadTile(warp, mask, request(0, 0, 'uint')), /uint of render target 0/);
        assert.throws(() => stage.loadTile(warp, mask, request(PIXEL_DEPTH, samples, 'float')), /sample \d of/);
        assert.throws(() => stage.loadTile(warp, mask, request(PIXEL_DEPTH, 0, 'float', 4)), /4 channels/);
      });
      // The left half is written, the right one has its clear values.
      b.depthStencil({
        depthWriteEnable: true,
        stencilTestEnable: true,
        frontDepthPass: STENCIL_OP.REPLACE,
        frontReferenceValue: 0x5a,
        frontWriteMask: 0xff,
        frontValueMask: 0xff,
        frontCompareFunction: FUNC.ALWAYS,
        backDepthPass: STENCIL_OP.REPLACE,
        backReferenceValue: 0x5a,
        backWriteMask: 0xff,
        backValueMask: 0xff,
        backCompareFunction: FUNC.ALWAYS,
      });
      b.state({ multisampleEnable: samples > 1 });
      b.scissor(0, 0, 7, 15);
      b.triangles(fullscreen(16, 16, 0.25));
      b.depthStencil({});
      b.state({ multisampleEnable: samples > 1 }, 2);
      b.scissor(0, 0, 15, 15);
      b.triangles(fullscreen(16, 16));
      const target = b.rgba8(samples > 1 ? { writebackMsaa: MSAA.AVERAGE } : {});
      const msaa = samples > 1 ? { sampleCount: samples, sampleLocations: b.alloc(256) } : {};
      b.render(target, { zInternalFormat: format, zClear: 1, sClear: 0xc3, ...msaa });
      assert.ok(seen.length >= 16);
      for (const [x, z, s] of seen) {
        assert.deepEqual([z, s], x! < 8 ? [depth, 0x5a] : [1, 0xc3], `${samples} samples, ${x}`);
      }
    }
  }
});

test('rastering at more samples than are kept shows the shader how much of a pixel is covered', () => {
  const b = bench(16, 16);
  const seen = new Map<number, number>();
  const paint = shade(() => RED);
  b.fragments.set(1, (stage, warp, mask) => {
    for (let lane = 0; lane < LANES; lane++) {
      if (mask & ~warp.discarded & (1 << lane)) {
        seen.set(warp.u32[59 * LANES + lane]!, bitCount(warp.u32[61 * LANES + lane]! & 0xffff));
      }
    }
    paint(stage, warp, mask);
  });
  b.state({ multisampleEnable: true });
  b.triangles([
    [4.5, 0],
    [4.5, 16],
    [-100, 8],
  ]);
  const pixels = b.render(b.rgba8(), { samplePattern: SAMPLE_PATTERN.D3D_16X_GRID });
  assert.equal(seen.get(3 | (8 << 16)), 16);
  const half = seen.get(4 | (8 << 16))!;
  assert.ok(half > 4 && half < 12, `${half} samples of the pixel that is half covered`);
  assert.deepEqual([pixels[8 * 16 + 3], pixels[8 * 16 + 4], pixels[8 * 16 + 5]], [red, red, 0]);
});

test('render targets beyond the draw’s blend descriptors are off', () => {
  const b = bench();
  let descriptor = -1;
  b.fragments.set(1, (stage) => {
    descriptor = stage.blendDescriptors[2]! & 3;
  });
  b.triangles(fullscreen(40, 24));
  b.render();
  assert.equal(descriptor, BLEND_MODE.OFF);
});

test('wide AFBC superblocks take two tiles each, and what was in memory where only one is drawn', () => {
  const b = bench(48, 32);
  const rowStride = 2 * 16;
  const bodyOffset = 128;
  const base = b.alloc(bodyOffset + 2 * 4 * 1024);
  const target = b.rgba8({
    writebackBlockFormat: BLOCK_FORMAT.AFBC,
    afbcWideBlock: true,
    afbcCompressionMode: 10,
    base,
    rowStride,
    afbcBodyOffset: bodyOffset,
    clear0: grey,
  });
  const left = [
    [0, 0],
    [10, 0],
    [0, 10],
  ];
  const pixel = (x: number, y: number): number => {
    const header = base + (Math.floor(y / 8) * 2 + Math.floor(x / 32)) * 16;
    const pixels = new Uint8Array(1024);
    afbcDecode(b.memory.read(header, 16), 4, (offset, size) => b.memory.read(base + offset, size), pixels, 32);
    return new DataView(pixels.buffer).getUint32(((y % 8) * 32 + (x % 32)) * 4, true);
  };
  b.triangles(left);
  b.render(target);
  assert.deepEqual(
    [pixel(1, 1), pixel(12, 1), pixel(20, 1), pixel(33, 30), pixel(31, 31)],
    [red, grey, grey, grey, grey],
  );
  // The next pass touches the right tile of the first pair alone.
  b.memory.store64(b.context, 0);
  b.triangles(left.map(([x, y]) => [x! + 16, y!]));
  b.render({ ...target, cleanPixelWriteEnable: false, clear0: 0 });
  assert.deepEqual([pixel(1, 1), pixel(12, 1), pixel(17, 1), pixel(31, 1), pixel(33, 1)], [red, grey, red, 0, grey]);
});

test('what does not fit into memory at once is drawn part by part, and a tile in several goes', () => {
  const b = new Bench(64, 48, 4 << 20);
  const over = blendBits({ a: BLEND_A.DEST, b: BLEND_B.SRC_MINUS_DEST, c: BLEND_C.SRC_ALPHA });
  b.blend([{ mode: BLEND_MODE.FIXED_FUNCTION, rgb: over, alpha: over, loadDestination: true }]);
  b.fragments.set(
    1,
    shade(
      (lane, _stage, warp) => {
        const id = warp.u32[FRAGMENT_PRELOAD.PRIMITIVE_ID * LANES + lane]!;
        return [(id % 7) / 6, (id % 5) / 4, (id % 3) / 2, 0.5];
      },
      { mode: BLEND_MODE.FIXED_FUNCTION },
    ),
  );
  let seed = 9;
  const random = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed / 2 ** 32) * n;
  };
  b.triangles(Array.from({ length: 900 }, () => [random(64), random(48), random(1)]));
  const pixels = (limit?: number) => {
    const target = b.rgba8();
    finish(b.fragment(b.framebuffer({}, [target]), limit));
    return b.pixels(target);
  };
  const all = pixels();
  assert.ok(new Set(all).size > 100);
  assert.deepEqual(pixels(40), all);
});

test('of large jobs only so many are at it at once; others wait, and draw the same', () => {
  const b = new Bench(64, 48, 4 << 20);
  b.fragments.set(
    1,
    shade((lane, _stage, warp) => {
      const id = warp.u32[FRAGMENT_PRELOAD.PRIMITIVE_ID * LANES + lane]!;
      return [(id % 7) / 6, (id % 5) / 4, (id % 3) / 2, 1];
    }),
  );
  b.triangles(
    Array.from({ length: 3 * 2500 }, (_, i) => {
      const [n, corner] = [Math.floor(i / 3), i % 3];
      return [((n * 7) % 61) + (corner === 1 ? 3 : 0), ((n * 11) % 45) + (corner === 2 ? 3 : 0), 0, 1];
    }),
  );
  const target = b.rgba8();
  const job = () => b.fragment(b.framebuffer({}, [target]));
  finish(job());
  const pixels = b.pixels(target);
  assert.ok(new Set(pixels).size > 50);
  const others = Array.from({ length: 6 }, () => new PrimitiveStore());
  for (const store of others) assert.ok(store.enlarge());
  b.memory.write(target.base!, new Uint8Array(64 * 48 * 4));
  const work = job();
  let progress = -1;
  for (let n = 0; n < 100; n++) {
    assert.equal(work.step(), 'more');
    assert.ok(work.progress! > progress, 'who waits is not taken for hanging');
    progress = work.progress!;
  }
  assert.ok(b.pixels(target).every((pixel) => pixel === 0));
  others[3]!.close();
  finish(work);
  assert.deepEqual(b.pixels(target), pixels);
  // It has made room again.
  assert.ok(new PrimitiveStore().enlarge());
});

test('works tell how far they have come', () => {
  const b = new Bench(64, 64, 4 << 20);
  b.fragments.set(
    1,
    shade(() => RED),
  );
  b.vertex = (i) => ({ position: [i % 3 === 1 ? 128 : 0, i % 3 === 2 ? 128 : 0, 0, 1] });
  const progress = (work: Work): number[] => {
    const seen = [work.progress!];
    for (let state = work.step(); state !== 'done'; state = work.step()) {
      assert.equal(state, 'more');
      seen.push(work.progress!);
    }
    return [...seen, work.progress!];
  };
  for (const work of [b.idvs(6000), b.fragment(b.framebuffer({}, [b.rgba8()]))]) {
    const seen = progress(work);
    assert.ok(seen.length > 4, `${seen.length} steps`);
    // Each slice gets on.
    for (let i = 2; i < seen.length - 1; i++) assert.ok(seen[i]! > seen[i - 1]!, `${seen[i - 1]}, ${seen[i]}`);
  }
});

test('a work whose shaders take longer than a slice each gets on by quads, also within a tile', () => {
  const b = new Bench(16, 16, 1 << 20);
  const long = ['IADD_IMM.i32 r4, 0x0, #9000', 'IADD_IMM.i32 r4, r4, #0xffffffff', 'BRANCHZ r4, offset:-2', 'NOP.end'];
  b.state({}, b.program(long.join('\n')));
  b.triangles(fullscreen(16, 16));
  const { openFragment } = shaderCores(defaultEngine());
  const work = b.fragment(b.framebuffer({}, [b.rgba8()]), undefined, openFragment);
  const seen = new Set<number>();
  let slices = 0;
  for (; work.step() !== 'done'; slices++) seen.add(work.progress!);
  // Sixteen warps, which are shaded pair by pair of quads or at once.
  assert.ok(seen.size > 12, `${seen.size} pieces in ${slices} slices`);
});

test('layers: each framebuffer draws the primitives of its own', () => {
  const b = bench(16, 16);
  b.put(TilerContext, b.context, { ...b.memory.decode(TilerContext, b.context), layerCount: 2 });
  b.vertex = (i) => {
    const layer = i < 3 ? 0 : 1;
    const [x, y] = fullscreen(16, 16)[i % 3]!;
    return { position: [layer === 1 && i === 4 ? 16 : x!, y!, 0, 1], layer };
  };
  b.draw(6, { positionFifoFormat: 2, layerIndexEnable: true });
  assert.equal(count(b.render(b.rgba8(), { internalLayerIndex: 0 }), red), 256);
  const second = count(b.render(b.rgba8(), { internalLayerIndex: 1 }), red);
  assert.ok(second > 0 && second < 256);
});

test('multiview: each layer of the view mask has positions and varyings of its own, whichever layer the shader names', () => {
  const layers = [1, 2, 4];
  for (const extended of [false, true]) {
    const b = bench(16, 16);
    b.put(TilerContext, b.context, { ...b.memory.decode(TilerContext, b.context), layerCount: 6 });
    b.registers[IDVS_REGISTERS.varyingAllocation] = 4;
    b.fragments.set(
      1,
      shade((_lane, stage) => {
        const { packets, slots, provoking } = stage.primitives[0]!;
        const word = new DataView(new ArrayBuffer(4));
        word.setUint32(0, b.memory.load32(packets[provoking]! + 1024 + slots[provoking]! * stage.attributeStride));
        return [word.getFloat32(0), 0, 0, 1];
      }),
    );
    // More triangles than a batch has vertices for; of all but the last one the first corner is all of it.
    const triangles = 400;
    b.vertex = (i, _instance, view) => {
      const last = i >= 3 * (triangles - 1);
      const [x, y] = last ? fullscreen(8, 16)[i % 3]! : [0, 0];
      const nth = layers.indexOf(view);
      return { position: [x! + 4 * nth, y!, 0, 1], varyings: [last ? (nth + 1) / 5 : 1], layer: 1 };
    };
    b.scissor(0, 0, 7, 15);
    b.draw(3 * triangles, {
      viewMask: layers.reduce((mask, layer) => mask | (1 << layer), 0),
      secondaryShader: true,
      layerIndexEnable: true,
      positionFifoFormat: extended ? FIFO_FORMAT.EXTENDED : FIFO_FORMAT.BASIC,
    });
    for (let layer = 0; layer < 6; layer++) {
      const view = layers.indexOf(layer);
      const pixels = b.render(b.rgba8(), { internalLayerIndex: layer });
      const drawn = view < 0 ? 0 : 8 - 4 * view;
      const colour = (0xff000000 | ((view + 1) * 51)) >>> 0;
      const at = `layer ${layer}, ${extended ? 'extended' : 'basic'}`;
      for (let x = 0; x < 16; x++) {
        const want = drawn > 0 && x >= 4 * view && x < 8 ? colour : 0;
        for (let y = 0; y < 16; y++) assert.equal(pixels[y * 16 + x], want, `${at}, ${x}, ${y}`);
      }
    }
  }
});

for (const [name, block] of [
  ['u-interleaved', BLOCK_FORMAT.TILED_U_INTERLEAVED],
  ['afbc', BLOCK_FORMAT.AFBC],
  ['afbc-tiled', BLOCK_FORMAT.AFBC_TILED],
] as const) {
  test(`write-back to ${name}: what a reader of that layout sees is what was drawn`, () => {
    const make = () => {
      const b = bench(48, 40);
      b.triangles([
        [3, 5],
        [45, 9],
        [10, 37],
      ]);
      return b;
    };
    const a = make();
    const expected = a.render(a.rgba8({ clear0: 0xff332211 }));
    const b = make();
    const headers = block === BLOCK_FORMAT.AFBC ? 3 * 3 * 16 : 64 * 16;
    const rowStride = block === BLOCK_FORMAT.TILED_U_INTERLEAVED ? 3 * 1024 : block === BLOCK_FORMAT.AFBC ? 48 : 1024;
    const bodyOffset = block === BLOCK_FORMAT.TILED_U_INTERLEAVED ? 0 : Math.ceil(headers / 4096) * 4096;
    const base = b.alloc(128 * 1024);
    b.render(
      b.rgba8({
        clear0: 0xff332211,
        base,
        rowStride,
        writebackBlockFormat: block,
        ...(bodyOffset ? { afbcBodyOffset: bodyOffset, afbcCompressionMode: 10 } : {}),
      }),
    );
    const out = new Uint8Array(48 * 40 * 4);
    readImage({ layout: name, width: 48, height: 40, bytes: 4, rowStride }, b.memory.read(base, 128 * 1024), out);
    assert.deepEqual(new Uint32Array(out.buffer), expected);
  });
}

test('a pre-frame shader loads what memory held, where a draw follows', () => {
  const b = bench(48, 16);
  const target = b.rgba8({ cleanPixelWriteEnable: false });
  for (let i = 0; i < 48 * 16; i++) b.memory.store32(target.base! + i * 4, 0x01020300 + (i & 0xff));
  let shaded = 0;
  b.fragments.set(
    3,
    shade((lane, stage, warp) => {
      shaded++;
      const weights = new Float32Array(2 * LANES);
      stage.barycentrics(warp, warp.live, 'center', new Int32Array(LANES), weights);
      // As an attribute of three vertices would come: the pixel's position.
      const x = Math.floor(weights[lane]! * 48);
      const y = Math.floor(weights[LANES + lane]! * 16);
      const word = b.memory.load32(target.base! + (y * 48 + x) * 4);
      return [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24].map((v) => v / 255) as any;
    }),
  );
  const dcds = b.alloc(3 * Draw.size);
  b.put(Draw, dcds, {
    sampleMask: 0xffff,
    cleanFragmentWrite: true,
    maximumZ: 1,
    depthStencil: b.registers[IDVS_REGISTERS.depthStencil]!,
    shader: { shader: 3 } as any,
  });
  b.triangles([
    [20, 4],
    [28, 4],
    [20, 12],
  ]);
  const pixels = b.render(target, { preFrame0: FRAME_SHADER_MODE.INTERSECT, frameShaderDcds: dcds });
  assert.ok(shaded >= 256 && shaded < 600, `only the touched tile is loaded (${shaded})`);
  assert.equal(pixels[5 * 48 + 21]! >>> 0, red);
  const at = 5 * 48 + 17;
  assert.equal(pixels[at]! >>> 0, 0x01020300 + (at & 0xff));
});

test('colour formats: 5:6:5 with swapped channels, and raw half floats', () => {
  const b = bench(16, 16);
  b.fragments.set(
    1,
    shade(() => [1, 0.5, 0, 1], { format: (227 << 12) | 16 }),
  );
  b.triangles(fullscreen(16, 16));
  const target = b.rgba8({ internalFormat: 5, writebackFormat: 21, swizzle: 2 | (1 << 3), rowStride: 32 });
  b.render(target);
  assert.equal(b.memory.load16(target.base!), (31 << 11) | (32 << 5));

  const c = bench(16, 16);
  c.fragments.set(
    1,
    shade(() => [1, -2, 0.5, 65504], { format: 223 << 12 }),
  );
  c.triangles(fullscreen(16, 16));
  const half = c.rgba8({ internalFormat: 35, writebackFormat: 5, base: c.alloc(4096), rowStride: 128 });
  c.render(half);
  assert.deepEqual(
    [0, 2, 4, 6].map((i) => c.memory.load16(half.base! + i)),
    [0x3c00, 0xc000, 0x3800, 0x7bff],
  );
});

test('a target narrower than its pixel format keeps what fits, pixel by pixel', () => {
  // RG16F in RAW16, RGBA32F in RAW64.
  for (const [format, internalFormat, writebackFormat, bytes, words] of [
    [207, 33, 1, 2, [0x3c00, 0x3c00]],
    [191, 35, 5, 8, [0x3f800000, 0x3f000000]],
  ] as const) {
    const b = bench(16, 16);
    b.fragments.set(
      1,
      shade(() => [1, 0.5, 0.25, 0.125], { format: format << 12 }),
    );
    b.triangles(fullscreen(16, 16));
    const target = b.rgba8({ internalFormat, writebackFormat, base: b.alloc(4096), rowStride: 16 * bytes });
    b.render(target);
    for (const pixel of [0, 1, 37, 255]) {
      const at = target.base! + pixel * bytes;
      const got =
        bytes === 2 ? [b.memory.load16(at), b.memory.load16(at)] : [b.memory.load32(at), b.memory.load32(at + 4)];
      assert.deepEqual(got, [...words], `format ${format}, pixel ${pixel}`);
    }
  }
});

test('numbers of single precision come out of the tile buffer as they went in, whichever NaN they are', () => {
  // RGBA32F in RAW128.
  const b = bench(16, 16);
  const sent = [0xfffefdfc, 0x7f800001, 0x3f800000, 0x80000001];
  const all = (word: number): Int32Array => new Int32Array(LANES).fill(word);
  const access = (warp: Warp): TileRequest => ({
    indices: all(PIXEL_CURRENT << 24),
    coverage: Int32Array.from({ length: LANES }, (_, lane) => warp.u32[60 * LANES + lane]!),
    conversion: all(191 << 12),
    values: laneVectors(),
    type: 'float',
    bits: 32,
    channels: 4,
    depthStencil: false,
  });
  const loaded: number[][] = [];
  b.fragments.set(1, (stage, warp, mask) => {
    const request = access(warp);
    for (const [i, word] of sent.entries()) request.values.u32.fill(word, i * LANES, (i + 1) * LANES);
    stage.storeTile(warp, mask, request);
  });
  b.fragments.set(2, (stage, warp, mask) => {
    const request = access(warp);
    stage.loadTile(warp, mask, request);
    const lane = 31 - Math.clz32(mask);
    loaded.push([0, 1, 2, 3].map((i) => request.values.u32[i * LANES + lane]!));
  });
  b.triangles(fullscreen(16, 16));
  b.state({}, 2);
  b.triangles(fullscreen(16, 16));
  const target = b.rgba8({ internalFormat: 36, writebackFormat: 7, base: b.alloc(4096), rowStride: 256 });
  b.render(target);
  assert.deepEqual(
    [0, 4, 8, 12].map((i) => b.memory.load32(target.base! + i)),
    sent,
  );
  assert.ok(loaded.length > 0);
  for (const words of loaded) assert.deepEqual(words, sent);
});

test('the heap: a tiler that runs out says so, and goes on in a new chunk', () => {
  const b = new Bench(32, 32, 16 << 10);
  b.fragments.set(
    1,
    shade(() => RED),
  );
  b.vertex = (i) => ({ position: fullscreen(32, 32)[i % 3] as any });
  const work = b.idvs(3 * 400);
  let ooms = 0;
  for (let state = work.step(); state !== 'done'; state = work.step()) {
    if (state !== 'oom') continue;
    ooms++;
    new TilerHeap(b.memory, b.context, 0).grow(b.chunk(16 << 10));
  }
  assert.ok(ooms > 2, `${ooms}`);
  assert.equal(count(b.render(), red), 1024);
  const list = b.memory.decode(PolygonList, b.memory.load64(b.context));
  assert.equal(list.blocks, Math.ceil(400 / 64));
});

test('the heap: when the list has been drawn and dropped, the tiler begins a new one with what was left', () => {
  const b = new Bench(64, 16, 16 << 10);
  b.fragments.set(
    1,
    shade(() => RED),
  );
  // 200 small triangles, each its own pixel.
  b.vertex = (i) => {
    const n = Math.floor(i / 3);
    const [x, y] = [n % 64, Math.floor(n / 64)];
    return { position: [x + (i % 3 === 1 ? 2 : 0), y + (i % 3 === 2 ? 1.5 : 0), 0, 1] };
  };
  const target = b.rgba8({ cleanPixelWriteEnable: false });
  const work = b.idvs(3 * 200);
  let drawn = 0;
  for (let state = work.step(); state !== 'done'; state = work.step()) {
    if (state !== 'oom') continue;
    drawn += count(b.render(b.rgba8()), red);
    b.memory.store64(b.context, 0);
    new TilerHeap(b.memory, b.context, 0).grow(b.chunk(16 << 10));
  }
  assert.ok(drawn > 0 && drawn < 200, `${drawn}`);
  assert.equal(drawn + count(b.render(target), red), 200, 'no primitive is lost or drawn twice');
});

// Hostile memory.

function drawn(): Bench {
  const b = bench();
  b.triangles(fullscreen(40, 24));
  return b;
}

const faults = (b: Bench, pattern: RegExp, target = b.rgba8(), parameters = {}): void => {
  assert.throws(
    () => b.render(target, parameters),
    (error) => error instanceof GpuFault && pattern.test(error.message),
  );
};

test('a damaged polygon list is a fault, not a crash or an endless loop', () => {
  const cases: [string, (b: Bench, list: number, block: number) => void, RegExp][] = [
    ['no list', (b, list) => b.memory.store32(list, 0), /no polygon list/],
    [
      'a block that links to itself',
      (b, _list, block) => b.memory.store64(block + PolygonBlock.offset.next, block),
      /damaged/,
    ],
    [
      'a count beyond the block',
      (b, _list, block) => b.memory.store32(block + PolygonBlock.offset.count, 1000),
      /damaged/,
    ],
    ['a block nowhere', (b, list) => b.memory.store64(list + PolygonList.offset.first, 2 ** 40), /no page/],
    [
      'a draw record that is none',
      (b, _list, block) => b.memory.store64(block + PolygonBlock.size, block),
      /no draw record/,
    ],
    [
      'a corner far outside',
      (b, _list, block) => b.memory.store32(block + PolygonBlock.size + PrimitiveRecord.offset.corner0, 0x7fffffff),
      /corner/,
    ],
    [
      'a depth/stencil descriptor that is none',
      (b, _list, block) => {
        const draw = b.memory.load64(block + PolygonBlock.size);
        b.memory.store64(draw + DrawRecord.offset.draw + Draw.offset.depthStencil, draw);
      },
      /descriptor type/,
    ],
  ];
  for (const [name, damage, pattern] of cases) {
    const b = drawn();
    const list = b.memory.load64(b.context);
    damage(b, list, b.memory.load64(list + PolygonList.offset.first));
    assert.throws(() => b.render(), pattern, name);
  }
});

test('what is not implemented names its descriptor, field and value', () => {
  faults(
    drawn(),
    /Render Target 0 .*writeback block format unknown value 7/,
    drawn().rgba8({ writebackBlockFormat: 7 }),
  );
  faults(drawn(), /Render Target 0 .*internal format 17/, drawn().rgba8({ internalFormat: 17 }));
  faults(drawn(), /YUV/, drawn().rgba8({ yuvEnable: true }));
  faults(drawn(), /sample count 4 with pattern D3D_8X_GRID/, undefined, { sampleCount: 4, samplePattern: 3 });
  const b = bench();
  b.fragments.set(
    1,
    shade(() => RED, { format: 32 << 12 }),
  );
  b.triangles(fullscreen(40, 24));
  faults(b, /memory format unknown format 32/);
  assert.throws(() => bench().idvs(3, { drawMode: DRAW_MODE.QUADS }), /draw mode QUADS/);
});

test('an unmapped target is a page fault at its address', () => {
  assert.throws(
    () => drawn().render(bench().rgba8({ base: 2 ** 40 })),
    (error) => error instanceof GpuFault && error.address === 2 ** 40,
  );
});

test('hostile positions draw nothing or something, and end', () => {
  const values = [0, -0, 1, -1, 1e30, -1e30, NaN, Number.POSITIVE_INFINITY, 1e-30, 65536, -65537, 3e38];
  const b = bench();
  let seed = 3;
  b.vertex = () => {
    const pick = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return values[(seed >> 8) % values.length]!;
    };
    return { position: [pick(), pick(), pick(), pick()] };
  };
  b.draw(900);
  b.draw(300, { drawMode: DRAW_MODE.LINE_LOOP });
  b.draw(300, { drawMode: DRAW_MODE.POINTS });
  b.render();
});
