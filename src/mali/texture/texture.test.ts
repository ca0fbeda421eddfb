import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FUNC } from '../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  PLANE_TYPE,
  Plane,
  Sampler,
  TEXTURE_DIMENSION,
  Texture,
  WRAP,
} from '../../abi/gpu/texture-descriptors.ts';
import type { Layout, Values } from '../../abi/layout.ts';
import { Dram } from '../../board/dram.ts';
import { uInterleavedOffset } from '../../board/image/u-interleaved.ts';
import type { VirtualMemory } from '../contract.ts';
import { defaultEngine } from '../engine/engine.ts';
import type { LaneVectors, ShaderEnvironment, TextureKind, TextureRequest, Warp } from '../shader/contract.ts';
import { kindOf } from '../shader/texture-ops.ts';
import { TexturePipe } from './unit.ts';

const RGBA8 = 187 << 12;
const RGBA8_SRGB = RGBA8 | (1 << 20);
const R32UI = (128 + 5) << 12;
const R32F = (160 + 7) << 12;
const IDENTITY = 0 | (1 << 3) | (2 << 6) | (3 << 9);
const TEXTURE_AT = 0x100;
const SAMPLER_AT = 0x140;
const PLANES_AT = 0x200;
const TEXELS_AT = 0x1000;

/** Memory without translation, with one texture (handle 1) and one sampler (handle 2) in it. */
function scene(
  texture: Partial<Values<typeof Texture.fields>>,
  sampler: Partial<Values<typeof Sampler.fields>> = {},
  planes: Partial<Values<typeof Plane.fields>>[] = [{}],
) {
  const dram = new Dram(0x10000);
  const { view, u8: bytes } = dram;
  Texture.write(view, TEXTURE_AT, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension: TEXTURE_DIMENSION.D2,
    format: RGBA8,
    width: 2,
    height: 2,
    swizzle: IDENTITY,
    levels: 1,
    maximumLod: 0x1fff,
    sampleCount: 1,
    arraySize: 1,
    depth: 1,
    surfaces: PLANES_AT,
    ...texture,
  });
  Sampler.write(view, SAMPLER_AT, {
    type: DESCRIPTOR_TYPE.SAMPLER,
    wrapS: WRAP.CLAMP_TO_EDGE,
    wrapT: WRAP.CLAMP_TO_EDGE,
    wrapR: WRAP.CLAMP_TO_EDGE,
    normalizedCoordinates: true,
    roundToNearestEven: true,
    maximumLod: 0x1fff,
    maximumAnisotropy: 1,
    ...sampler,
  });
  planes.forEach((plane, i) => {
    Plane.write(view, PLANES_AT + i * Plane.size, {
      type: DESCRIPTOR_TYPE.PLANE,
      planeType: PLANE_TYPE.GENERIC,
      clumpOrdering: CLUMP_ORDERING.LINEAR,
      clumpFormat: CLUMP_FORMAT.RAW32,
      pointer: TEXELS_AT,
      rowStride: 8,
      ...plane,
    });
  });
  const memory = {
    dram,
    generation: 0,
    extent: () => ({ start: 0, size: dram.size, physical: 0 }),
    load8: (va: number) => view.getUint8(va),
    load16: (va: number) => view.getUint16(va, true),
    load32: (va: number) => view.getUint32(va, true),
    read: (va: number, size: number) => bytes.slice(va, va + size),
    decode: <F extends Record<string, any>>(layout: Layout<F>, va: number) => layout.read(view, va),
    descriptor: <F extends Record<string, any>>(layout: Layout<F>, va: number) => layout.read(view, va),
  } as unknown as VirtualMemory;
  const environment = {
    memory,
    resources: {
      address: 0,
      count: 1,
      descriptor: (_: number, index: number) => [0, TEXTURE_AT, SAMPLER_AT][index] ?? 0,
    },
    job: 0,
  } as unknown as ShaderEnvironment;
  return { view, environment };
}

const lanes = (fill: (lane: number) => number): Float32Array =>
  Float32Array.from({ length: 16 }, (_, lane) => fill(lane));
const words = (fill: (lane: number) => number): Int32Array => Int32Array.from({ length: 16 }, (_, lane) => fill(lane));
const integers = (fill: (lane: number) => number): Float32Array => new Float32Array(words(fill).buffer);

/** What a test says of an instruction; which operands there are follows from it. */
type Given = Partial<TextureRequest & Omit<TextureKind, 'array' | 'shadow' | 'offset'>>;

function run(environment: ShaderEnvironment, given: Given): LaneVectors {
  const { operation = 'single', dimension = '2d', lodMode = 'zero', component = 0, ...request } = given;
  const { derivatives = false, lodBiasDisable = false, lodClampDisable = false, ...operands } = request;
  const kind = kindOf({
    operation,
    dimension,
    array: operands.array !== undefined,
    shadow: operands.shadow !== undefined,
    offset: operands.offset !== undefined,
    lodMode,
    component,
    integerCoordinates: operation === 'fetch',
    derivatives,
    lodBiasDisable,
    lodClampDisable,
  });
  const f32 = new Float32Array(64);
  const out = { f32, i32: new Int32Array(f32.buffer), u32: new Uint32Array(f32.buffer) };
  new TexturePipe(defaultEngine()).execute(
    environment,
    { mask: 0xffff, live: 0xffff, discarded: 0 } as Warp,
    0xffff,
    {
      kind,
      name: 'TEX_SINGLE',
      texture: words(() => 1),
      sampler: words(() => 2),
      x: lanes(() => 0),
      y: lanes(() => 0),
      deltas: [],
      type: 'float',
      ...operands,
    } as TextureRequest,
    out,
  );
  return out;
}
const red = (out: LaneVectors, lane = 0): number => Math.round(out.f32[lane]! * 255);

/** Four texels with red 0, 85, 170, 255. */
function ramp(view: DataView): void {
  for (let i = 0; i < 4; i++) view.setUint32(TEXELS_AT + i * 4, 0xff000000 | (i * 85), true);
}

test('nearest filtering takes the texel that holds the coordinate', () => {
  const { view, environment } = scene({}, { magnifyNearest: true });
  ramp(view);
  const out = run(environment, { x: lanes((l) => (l & 1) * 0.5 + 0.1), y: lanes((l) => ((l >> 1) & 1) * 0.5 + 0.49) });
  assert.deepEqual(
    [0, 1, 2, 3].map((l) => red(out, l)),
    [0, 85, 170, 255],
  );
});

test('linear filtering weighs four texels, and the centre of a texel is that texel', () => {
  const { view, environment } = scene({});
  ramp(view);
  const out = run(environment, { x: lanes((l) => (l ? 0.25 : 0.5)), y: lanes((l) => (l ? 0.75 : 0.5)) });
  assert.equal(red(out, 0), Math.round((0 + 85 + 170 + 255) / 4));
  assert.equal(red(out, 1), 170);
});

test('wrap modes repeat, mirror, clamp and show the border', () => {
  const at = (wrapS: number): number[] => {
    const { view, environment } = scene({}, { magnifyNearest: true, wrapS, borderR: 0.2 });
    ramp(view);
    const out = run(environment, { x: lanes((l) => -0.25 + l * 0.5) });
    return [0, 1, 2, 3].map((l) => red(out, l));
  };
  assert.deepEqual(at(WRAP.REPEAT), [85, 0, 85, 0]);
  assert.deepEqual(at(WRAP.MIRRORED_REPEAT), [0, 0, 85, 85]);
  assert.deepEqual(at(WRAP.CLAMP_TO_EDGE), [0, 0, 85, 85]);
  assert.deepEqual(at(WRAP.CLAMP_TO_BORDER), [51, 0, 85, 51]);
  assert.deepEqual(at(WRAP.MIRRORED_CLAMP_TO_EDGE), [0, 0, 85, 85]);
});

test('u-interleaved planes are read in their order', () => {
  const { view, environment } = scene({ width: 32, height: 32, format: R32UI }, {}, [
    { clumpOrdering: CLUMP_ORDERING.TILED_U_INTERLEAVED, rowStride: 32 * 16 * 4 },
  ]);
  view.setUint32(TEXELS_AT + uInterleavedOffset(17, 18, 4, 32 * 16 * 4), 4000000000, true);
  const out = run(environment, {
    operation: 'fetch',
    name: 'TEX_FETCH',
    x: integers(() => 17),
    y: integers(() => 18),
    type: 'uint',
  });
  assert.deepEqual([out.u32[0], out.u32[16], out.u32[48]], [4000000000, 0, 1]);
});

test('texels outside, levels and layers that do not exist fetch zero', () => {
  const { view, environment } = scene({});
  view.setUint32(TEXELS_AT, 0xffffffff, true);
  const fetch = (request: Given) => run(environment, { operation: 'fetch', ...request }).f32[48];
  assert.equal(fetch({ x: integers(() => 0), y: integers(() => 0) }), 1);
  assert.equal(fetch({ x: integers(() => -1), y: integers(() => 0) }), 0);
  assert.equal(fetch({ x: integers(() => 0), y: integers(() => 2) }), 0);
  assert.equal(fetch({ x: integers(() => 0), y: integers(() => 0), offset: words(() => 1 << 24) }), 0);
  assert.equal(fetch({ x: integers(() => 0), y: integers(() => 0), array: words(() => 1) }), 0);
});

test('a handle without a descriptor, or with a null one, reads zero', () => {
  const { environment } = scene({});
  assert.equal(run(environment, { texture: words(() => 7) }).f32[48], 0);
  const null0 = scene({ type: DESCRIPTOR_TYPE.NULL });
  assert.equal(run(null0.environment, {}).f32[48], 0);
  assert.equal(run(null0.environment, { operation: 'fetch', x: integers(() => 0), y: integers(() => 0) }).f32[48], 0);
  assert.equal(run(scene({}, { type: DESCRIPTOR_TYPE.NULL }).environment, {}).f32[48], 0);
  assert.throws(() => run(scene({ type: DESCRIPTOR_TYPE.BUFFER }).environment, {}), /descriptor of type 9/);
});

test('sRGB texels are decoded unless the sampler says otherwise', () => {
  for (const [srgbOverride, expected] of [
    [false, 0.2158605],
    [true, 128 / 255],
  ] as const) {
    const { view, environment } = scene({ format: RGBA8_SRGB }, { srgbOverride, magnifyNearest: true });
    view.setUint32(TEXELS_AT, 0x80808080, true);
    const out = run(environment, {});
    assert.ok(Math.abs(out.f32[0]! - expected) < 1e-5, `${out.f32[0]}`);
    assert.ok(Math.abs(out.f32[48]! - 128 / 255) < 1e-5, 'alpha is linear');
  }
});

test('the swizzle picks channels and constants', () => {
  const { view, environment } = scene({ swizzle: 2 | (4 << 3) | (5 << 6) | (0 << 9) }, { magnifyNearest: true });
  view.setUint32(TEXELS_AT, 0x00ff0033, true);
  const out = run(environment, {});
  assert.deepEqual(
    [0, 16, 32, 48].map((i) => Math.round(out.f32[i]! * 255)),
    [255, 0, 255, 51],
  );
});

test('the level of detail follows the quad, and bias moves it', () => {
  const sizes = [4, 2, 1];
  const planes = sizes.map((size, i) => ({ pointer: TEXELS_AT + i * 0x100, rowStride: size * 4 }));
  const { view, environment } = scene(
    { width: 4, height: 4, levels: 3 },
    { minifyNearest: true, mipmapMode: 0 },
    planes,
  );
  for (let level = 0; level < 3; level++)
    for (let i = 0; i < 16; i++) view.setUint32(TEXELS_AT + level * 0x100 + i * 4, level * 100, true);
  // One texel of level 1 from lane to lane.
  const x = lanes((l) => (l & 1) * 0.5);
  const y = lanes((l) => ((l >> 1) & 1) * 0.5);
  assert.equal(red(run(environment, { x, y, lodMode: 'computed' })), 100);
  assert.equal(red(run(environment, { x, y, lodMode: 'computed_bias', lod: words(() => 0x100) })), 200);
  assert.equal(red(run(environment, { x, y, lodMode: 'zero' })), 0);
  assert.equal(red(run(environment, { x, y, lodMode: 'explicit', lod: words(() => 0x200) })), 200);
  const gradient = run(environment, { operation: 'gradient', x, y, derivatives: false, lodClampDisable: true });
  assert.equal(gradient.u32[0], 0x100);
});

test('coordinates are rounded to 256ths of a texel before one is chosen: to the nearest, or down', () => {
  const at = (x: number, sampler: object): number[] => {
    const { view, environment } = scene({}, { magnifyNearest: true, minifyNearest: true, ...sampler });
    store(view, TEXELS_AT, '1000000020000000');
    const { f32 } = run(environment, { x: lanes(() => x), y: lanes(() => 0.25) });
    return [Math.round(f32[0]! * 255)];
  };
  // Two texels, whose edge is at one half; up to 2^-9 texel below it, which is 2^-10 here, the nearest 256th is the edge.
  for (const [distance, rounded] of [
    [2 ** -11, 0x20],
    [2 ** -10, 0x20],
    [2 ** -9, 0x10],
  ] as const) {
    assert.equal(at(0.5 - distance, {})[0], rounded, `${distance}`);
    assert.equal(at(0.5 - distance, { roundToNearestEven: false })[0], 0x10, `${distance}`);
  }
  assert.equal(at(1 - 2 ** -20, { wrapS: WRAP.REPEAT })[0], 0x10);
  assert.equal(at(1 - 2 ** -20, { wrapS: WRAP.REPEAT, roundToNearestEven: false })[0], 0x20);
  assert.equal(at(1 - 2 ** -20, {})[0], 0x20);
  // A filter's weights, too: 3/4 of a 256th above the first texel's centre.
  const weighed = (roundToNearestEven: boolean): number => {
    const { view, environment } = scene({}, { roundToNearestEven });
    store(view, TEXELS_AT, '00000000ff000000');
    return run(environment, { x: lanes(() => 0.25 + 3 * 2 ** -11), y: lanes(() => 0.25) }).f32[0]!;
  };
  assert.ok(weighed(true) > weighed(false));
  assert.equal(weighed(false), 0);
});

test('a depth comparison yields the share of texels that pass', () => {
  const { view, environment } = scene({ format: R32F }, { compareFunction: FUNC.LESS });
  for (const [i, depth] of [0.1, 0.9, 0.1, 0.1].entries()) view.setFloat32(TEXELS_AT + i * 4, depth, true);
  assert.equal(run(environment, { x: lanes(() => 0.5), y: lanes(() => 0.5), shadow: lanes(() => 0.5) }).f32[0], 0.75);
});

test('a depth reference is clamped to what fixed point can hold, and to nothing where depths are floats', () => {
  const middle = { x: lanes(() => 0.25), y: lanes(() => 0.25) };
  const fixed = scene({ format: RGBA8 }, { compareFunction: FUNC.EQUAL });
  const float = scene({ format: R32F }, { compareFunction: FUNC.EQUAL });
  for (const [depth, given, meets] of [
    [1, 2, true],
    [0, -1, true],
    [1, -1, false],
  ] as const) {
    for (let i = 0; i < 4; i++) {
      fixed.view.setUint32(TEXELS_AT + i * 4, depth * 0xff, true);
      float.view.setFloat32(TEXELS_AT + i * 4, depth, true);
    }
    const shadow = lanes(() => given);
    assert.equal(run(fixed.environment, { ...middle, shadow }).f32[0], meets ? 1 : 0, `${given} and ${depth}`);
    assert.equal(run(float.environment, { ...middle, shadow }).f32[0], 0, `${given} and ${depth} as floats`);
  }
});

test('a texture of one level is minified by the filter for that, whatever its own bound is, unless the sampler forbids it', () => {
  const middle = { lodMode: 'explicit' as const, x: lanes(() => 0.5), y: lanes(() => 0.25) };
  const at = (maximumLod: number, lod: number): number => {
    const { view, environment } = scene({ maximumLod: 0 }, { magnifyNearest: true, maximumLod });
    ramp(view);
    return red(run(environment, { ...middle, lod: words(() => lod) }));
  };
  const [between, upper] = [43, 85];
  assert.equal(at(0x1fff, 0), upper, 'magnified');
  assert.equal(at(0x1fff, 0x280), between, 'minified');
  // How Mesa switches levels off.
  assert.equal(at(1, 0x280), between, 'minified without levels');
  assert.equal(at(0, 0x280), upper, 'what the sampler allows is magnified');
});

test('gather returns one channel of the footprint, lower left first', () => {
  const { view, environment } = scene({ format: R32F });
  for (let i = 0; i < 4; i++) view.setFloat32(TEXELS_AT + i * 4, i, true);
  const out = run(environment, { operation: 'gather', x: lanes(() => 0.5), y: lanes(() => 0.5) });
  assert.deepEqual(
    [0, 16, 32, 48].map((i) => out.f32[i]),
    [0, 1, 2, 3],
  );
});

test('a gather beyond an edge has the texels of the edge, or the border, in both rows', () => {
  const column = (wrapT: number, y: number): number[] => {
    const { view, environment } = scene({ format: R32F, width: 1, height: 4 }, { wrapT, borderR: 9 });
    for (let i = 0; i < 4; i++) view.setFloat32(TEXELS_AT + i * 8, i, true);
    const out = run(environment, { operation: 'gather', x: lanes(() => 0.5), y: lanes(() => y) });
    return [out.f32[0]!, out.f32[32]!];
  };
  const { CLAMP_TO_EDGE, CLAMP_TO_BORDER, MIRRORED_CLAMP_TO_BORDER, MIRRORED_CLAMP_TO_EDGE } = WRAP;
  const wanted: [number, number, number, number][] = [
    [CLAMP_TO_EDGE, -0.75, 0, 0],
    [CLAMP_TO_EDGE, 0.05, 0, 0],
    [CLAMP_TO_EDGE, 0.2, 0, 1],
    [CLAMP_TO_EDGE, 1.75, 3, 3],
    [CLAMP_TO_BORDER, -0.75, 9, 9],
    [CLAMP_TO_BORDER, 0.05, 9, 0],
    [CLAMP_TO_BORDER, 0.95, 3, 9],
    [CLAMP_TO_BORDER, 1.75, 9, 9],
    [MIRRORED_CLAMP_TO_BORDER, -1.75, 9, 9],
    [MIRRORED_CLAMP_TO_BORDER, -0.95, 9, 3],
    [MIRRORED_CLAMP_TO_BORDER, 1.75, 9, 9],
    [MIRRORED_CLAMP_TO_EDGE, -1.75, 3, 3],
    [MIRRORED_CLAMP_TO_EDGE, 1.75, 3, 3],
  ];
  for (const [mode, y, low, high] of wanted) assert.deepEqual(column(mode, y), [low, high], `mode ${mode} at ${y}`);
});

test('a cube coordinate names its face in the upper bits of s', () => {
  const planes = Array.from({ length: 6 }, (_, face) => ({ pointer: TEXELS_AT + face * 0x20 }));
  const { view, environment } = scene(
    { dimension: TEXTURE_DIMENSION.CUBE, format: R32F },
    { magnifyNearest: true },
    planes,
  );
  for (let face = 0; face < 6; face++) view.setFloat32(TEXELS_AT + face * 0x20 + 4, face, true);
  const s = new Int32Array(Float32Array.of(0.75).buffer)[0]! & 0x1fffffff;
  const out = run(environment, {
    dimension: 'cube',
    x: integers((l) => s | (Math.min(l, 5) << 29)),
    y: lanes(() => 0.25),
  });
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((l) => out.f32[l]),
    [0, 1, 2, 3, 4, 5],
  );
});

test('the level of detail at a corner of a cube is that of a face which goes on, whichever lane is on it', () => {
  const planes = Array.from({ length: 6 * 6 }, () => ({ pointer: TEXELS_AT }));
  const { environment } = scene({ dimension: TEXTURE_DIMENSION.CUBE, width: 32, height: 32, levels: 6 }, {}, planes);
  // Steps of 1 in x and z on the plane y = -1, from x = z = 0.5 on: 16 texels of level 0 each. Only the first is within face -y.
  const near = [0.5, 1.5];
  const points = [0, 1, 2, 3].map((i) => [near[i & 1]!, -1, near[i >> 1]!] as const);
  const places = points.map(([x, y, z]) => {
    const [face, major] = z > 1 ? [4, z] : x > 1 ? [0, x] : [3, 1];
    const [s, t] = face === 4 ? [x, -y] : face === 0 ? [-z, -y] : [x, -z];
    return { face, s: (s / major + 1) / 2, t: (t / major + 1) / 2 };
  });
  const bits = (s: number) => new Int32Array(Float32Array.of(s).buffer)[0]! & 0x1fffffff;
  for (const turn of [0, 1, 2, 3]) {
    // Seen from another lane's face steps are longer: up to 2.4 from that of z = 1.
    const of = (l: number) => places[(l & 3) ^ turn]!;
    const out = run(environment, {
      operation: 'gradient',
      dimension: 'cube',
      lodMode: 'computed',
      x: integers((l) => bits(of(l).s) | (of(l).face << 29)),
      y: lanes((l) => of(l).t),
    });
    assert.ok(Math.abs(out.u32[0]! / 256 - 4) < 0.01, `${out.u32[0]! / 256} is not 4`);
  }
});

test('a layer comes as a float and is the nearest there is', () => {
  const planes = Array.from({ length: 4 }, (_, layer) => ({ pointer: TEXELS_AT + layer * 0x20 }));
  const { view, environment } = scene({ arraySize: 4, format: R32F }, { magnifyNearest: true }, planes);
  for (let layer = 0; layer < 4; layer++) view.setFloat32(TEXELS_AT + layer * 0x20, layer, true);
  const wanted = [-7, 0.4, 0.6, 1.5, 2.5, 3.4, 1e30, Number.NaN];
  const layers = new Int32Array(lanes((l) => wanted[l] ?? 0).buffer);
  const out = run(environment, { array: layers, x: lanes(() => 0.1), y: lanes(() => 0.1) });
  assert.deepEqual([...out.f32.slice(0, wanted.length)], [0, 0, 1, 2, 2, 3, 3, 0]);
});

test('a seamless cube filters across the edges of its faces, and with three texels at a corner', () => {
  const planes = Array.from({ length: 6 }, (_, face) => ({ pointer: TEXELS_AT + face * 0x20 }));
  const cube = (seamlessCubeMap: boolean) => {
    const { view, environment } = scene(
      { dimension: TEXTURE_DIMENSION.CUBE, format: R32F },
      { seamlessCubeMap },
      planes,
    );
    for (let face = 0; face < 6; face++) {
      for (let i = 0; i < 4; i++) view.setFloat32(TEXELS_AT + face * 0x20 + i * 4, 10 ** face, true);
    }
    const bits = (s: number) => new Int32Array(Float32Array.of(s).buffer)[0]! & 0x1fffffff;
    // Face +x (0): its right edge meets -z (5), its top +y (2), its left +z (4).
    const places = [
      [0.5, 0.5],
      [1, 0.5],
      [0.5, 0],
      [0, 0.5],
      [1, 0],
    ];
    const out = run(environment, {
      dimension: 'cube',
      x: integers((l) => bits(places[l]?.[0] ?? 0)),
      y: lanes((l) => places[l]?.[1] ?? 0),
    });
    return [...out.f32.slice(0, places.length)];
  };
  const corner = (1 + 1e5 + 1e2 + (1 + 1e5 + 1e2) / 3) / 4;
  const [inside, right, top, left, last] = cube(true);
  assert.deepEqual([inside, right, top, left], [1, (1 + 1e5) / 2, (1 + 1e2) / 2, (1 + 1e4) / 2]);
  assert.ok(Math.abs(last! - corner) < 0.01);
  assert.deepEqual(cube(false), [1, 1, 1, 1, 1]);
});

test('stencil is read from its own planes, from planes that depth shares, and from AFBC', () => {
  const S8_GRBA = (93 << 12) | 2;
  const stencil = (plane: Partial<Values<typeof Plane.fields>>, word: number): number => {
    const { view, environment } = scene({ format: S8_GRBA }, {}, [plane]);
    view.setUint32(TEXELS_AT, word, true);
    // One colour, for AFBC.
    view.setUint32(TEXELS_AT + 8, plane.planeType === PLANE_TYPE.AFBC ? word : 0, true);
    if (plane.planeType === PLANE_TYPE.AFBC) view.setUint32(TEXELS_AT, 0, true);
    return run(environment, { operation: 'fetch', x: integers(() => 0), y: integers(() => 0) }).u32[0]!;
  };
  assert.equal(stencil({ clumpFormat: 22 }, 0x33), 0x33);
  assert.equal(stencil({ clumpFormat: 20 }, 0x33ffffff), 0x33);
  const afbc = { planeType: PLANE_TYPE.AFBC, afbcCompressionMode: 15, rowStride: 16, size: 0x1000 };
  assert.equal(stencil(afbc, 0x33ffffff), 0x33);
});

test('integer textures take the border colour for integers', () => {
  const border = new Float32Array(Uint32Array.of(7, 8, 9, 10).buffer);
  const { environment } = scene(
    { format: R32UI },
    { wrapS: WRAP.CLAMP_TO_BORDER, borderR: border[0]!, magnifyNearest: true },
  );
  const out = run(environment, { x: lanes(() => 2), y: lanes(() => 0.1) });
  assert.equal(out.u32[0], 7);
});

test('AFBC superblocks may be wide and low', () => {
  for (const [afbcSuperblockSize, width] of [
    [0, 16],
    [1, 32],
    [2, 64],
  ] as const) {
    const plane = { planeType: PLANE_TYPE.AFBC, afbcCompressionMode: 10, rowStride: 32, size: 0x1000 };
    const { view, environment } = scene({ width: 128, height: 32 }, {}, [{ ...plane, afbcSuperblockSize }]);
    // The second superblock of the second row is of one colour: it has no body.
    view.setUint32(TEXELS_AT + 32 + 16 + 8, 0xff0000ff, true);
    const at = (x: number, y: number): number =>
      red(run(environment, { operation: 'fetch', x: integers(() => x), y: integers(() => y) }));
    const height = 256 / width;
    assert.deepEqual(
      [at(width, height), at(2 * width - 1, 2 * height - 1), at(width - 1, height), at(width, height - 1)],
      [255, 255, 0, 0],
    );
  }
});

/** Bytes of a plane descriptor's `pointer` and on, in hexadecimal. */
function store(view: DataView, at: number, bytes: string): void {
  Buffer.from(bytes, 'hex').forEach((byte, i) => {
    view.setUint8(at + i, byte);
  });
}
const texels = (environment: ShaderEnvironment, request: Given): number[] => {
  const out = run(environment, { operation: 'fetch', name: 'TEX_FETCH', ...request });
  return [0, 16, 32, 48].map((i) => Math.round(out.f32[i]! * 255));
};

test('blocks of compressed planes are found in rows and in u-interleaved tiles of blocks', () => {
  // BC1: all red; 0xf800 twice, indices 0.
  const red = '00f800f800000000';
  for (const [clumpOrdering, rowStride, at] of [
    [CLUMP_ORDERING.LINEAR, 64, 3 * 64 + 5 * 8],
    // Block (5, 3) is in the second tile: y bits 1 1 and x xor y bits 1 0 give number 14.
    [CLUMP_ORDERING.TILED_U_INTERLEAVED, 256, (16 + 14) * 8],
  ] as const) {
    const { view, environment } = scene({ width: 32, height: 32 }, {}, [
      { clumpFormat: CLUMP_FORMAT.BC1_UNORM, clumpOrdering, rowStride },
    ]);
    store(view, TEXELS_AT + at, red);
    assert.deepEqual(texels(environment, { x: integers(() => 23), y: integers(() => 12) }), [255, 0, 0, 255]);
    assert.deepEqual(texels(environment, { x: integers(() => 24), y: integers(() => 12) }), [0, 0, 0, 255]);
  }
});

test('compressed texels are filtered like others, and decoded from sRGB', () => {
  const { view, environment } = scene({ width: 4, height: 4, format: RGBA8_SRGB }, {}, [
    { clumpFormat: CLUMP_FORMAT.BC1_UNORM },
  ]);
  // White and black, columns of each in turn.
  store(view, TEXELS_AT, 'ffff000044444444');
  const out = run(environment, { x: lanes(() => 0.5), y: lanes(() => 0.5) });
  assert.equal(out.f32[0], 0.5);
});

test('ASTC planes: block sizes of 2D and 3D, slices of blocks', () => {
  const RGBA16F = 223 << 12;
  const green = 'fcfdffffffffffff0000ffff0000ffff';
  const blue = 'fcfdffffffffffff00000000ffffffff';
  {
    const { view, environment } = scene({ width: 24, height: 10, format: RGBA16F }, {}, [
      { planeType: PLANE_TYPE.ASTC_2D, astcDecodeWide: true, astc2dBlockWidth: 7, astc2dBlockHeight: 6, rowStride: 64 },
    ]);
    store(view, TEXELS_AT, green);
    store(view, TEXELS_AT + 16, blue);
    assert.deepEqual(texels(environment, { x: integers(() => 11), y: integers(() => 9) }), [0, 255, 0, 255]);
    assert.deepEqual(texels(environment, { x: integers(() => 12), y: integers(() => 9) }), [0, 0, 255, 255]);
  }
  const { view, environment } = scene(
    { dimension: TEXTURE_DIMENSION.D3, width: 3, height: 3, depth: 6, format: RGBA8 },
    {},
    [
      {
        planeType: PLANE_TYPE.ASTC_3D,
        clumpFormat: 0,
        astc3dBlockWidth: 3,
        astc3dBlockHeight: 3,
        astc3dBlockDepth: 3,
        sliceStride: 0x40,
      },
    ],
  );
  store(view, TEXELS_AT, green);
  store(view, TEXELS_AT + 0x40, blue);
  const slice = (z: number) =>
    texels(environment, { dimension: '3d', x: integers(() => 2), y: integers(() => 2), z: integers(() => z) });
  assert.deepEqual(slice(2), [0, 255, 0, 255]);
  assert.deepEqual(slice(3), [0, 0, 255, 255]);
});

test('a plane whose blocks hold another format than the texture names is a fault', () => {
  const { environment } = scene({}, {}, [{ clumpFormat: CLUMP_FORMAT.BC6H_UF16 }]);
  assert.throws(() => run(environment, {}), /its blocks hold RGBA16F, the texture's format is RGBA8 UNORM/);
  const sizes = scene({}, {}, [{ planeType: PLANE_TYPE.ASTC_2D, clumpFormat: 0, astc2dBlockWidth: 3 }]).environment;
  assert.throws(() => run(sizes, {}), /ASTC block dimensions 3 and 0 are unknown/);
});

test('what is not implemented is a fault that names itself', () => {
  const { environment } = scene({}, {}, [{ planeType: PLANE_TYPE.AFRC }]);
  assert.throws(() => run(environment, {}), /plane type 10 \(AFRC\)/);
  assert.throws(() => run(scene({ format: 3 << 12 }).environment, {}), /format/);
  assert.throws(() => run(scene({ type: 9 }).environment, {}), /type 9/);
  assert.throws(() => run(scene({}).environment, { dimension: '3d' }), /dimension/);
  const texture = words((lane) => (lane === 0 ? 99 : 1));
  assert.throws(() => run(scene({}).environment, { dimension: '3d', texture }), { address: 1 }, 'of the lane at fault');
});

const yuvFormat = (index: number, swizzle: number, siting: number, swap = 0): number =>
  swizzle | (swap << 3) | (siting << 9) | (index << 12);

test('NV12: luma from one plane, chroma interpolated from another', () => {
  const NV12 = { planeType: PLANE_TYPE.GENERIC, clumpFormat: CLUMP_FORMAT.Y8_UV8_420 };
  for (const [swizzle, u, v] of [
    [0, 1, 2],
    [1, 2, 1],
  ] as const) {
    const { view, environment } = scene({ width: 4, height: 2, arraySize: 2, format: yuvFormat(38, swizzle, 3) }, {}, [
      { ...NV12, rowStride: 16 },
      { ...NV12, pointer: TEXELS_AT + 0x100, rowStride: 16 },
    ]);
    store(view, TEXELS_AT, '10203040');
    store(view, TEXELS_AT + 16, '50607080');
    // U 0, then 80; V 40, then 40.
    store(view, TEXELS_AT + 0x100, '00408040');
    const row = [0, 1, 2, 3].map((x) => texels(environment, { x: integers(() => x), y: integers(() => 1) }));
    assert.deepEqual(
      row.map((texel) => texel[0]),
      [0x50, 0x60, 0x70, 0x80],
    );
    // Chroma lies between the luma texels 0 and 1, 2 and 3.
    assert.deepEqual(
      row.map((texel) => texel[u]),
      [0, 0x20, 0x60, 0x80],
    );
    assert.deepEqual([row[3]![v], row[3]![3]], [0x40, 255]);
    // The second "layer" is the chroma plane of the first.
    assert.deepEqual(
      texels(environment, { x: integers(() => 0), y: integers(() => 0), array: words(() => 1) }),
      [0, 0, 0, 0],
    );
  }
});

test('YUV 4:2:0 in three planes, in ten bits, and packed pairs', () => {
  const at = (environment: ShaderEnvironment, x: number, y: number) =>
    texels(environment, { x: integers(() => x), y: integers(() => y) });
  {
    const { view, environment } = scene({ width: 2, height: 2, arraySize: 2, format: yuvFormat(39, 0, 3) }, {}, [
      { clumpFormat: CLUMP_FORMAT.Y8_UV8_420 },
      {
        planeType: PLANE_TYPE.CHROMA_2P,
        clumpFormat: CLUMP_FORMAT.Y8_UV8_420,
        pointer: TEXELS_AT + 0x100,
        chromaSecondaryPointer: TEXELS_AT + 0x200,
      },
    ]);
    view.setUint8(TEXELS_AT + 9, 1);
    view.setUint8(TEXELS_AT + 0x100, 2);
    view.setUint8(TEXELS_AT + 0x200, 3);
    assert.deepEqual(at(environment, 1, 1), [1, 2, 3, 255]);
  }
  {
    const clumpFormat = CLUMP_FORMAT.Y10_UV10_420;
    const { view, environment } = scene({ width: 4, height: 2, arraySize: 2, format: yuvFormat(47, 0, 0) }, {}, [
      { clumpFormat },
      { clumpFormat, pointer: TEXELS_AT + 0x100 },
    ]);
    // Luma 0, 1023, 0, 1023; U, V, U, V of 1023, 0, 0, 1023.
    store(view, TEXELS_AT, '00fc0fc0ff');
    store(view, TEXELS_AT + 0x100, 'ff0300c0ff');
    assert.deepEqual(at(environment, 1, 0), [255, 128, 128, 255]);
    assert.deepEqual(at(environment, 2, 0), [0, 0, 255, 255]);
  }
  // YUYV, UYVY, YVYU, VYUY: luma 0x10 and 0x20, U 0x30, V 0x40. Mesa looks for V, Y, U and V, U, Y.
  for (const [index, swizzle, swap, bytes, texel] of [
    [34, 3, 0, '10302040', [0x40, 0x10, 0x30]],
    [35, 2, 1, '30104020', [0x40, 0x10, 0x30]],
    [34, 5, 0, '10402030', [0x40, 0x30, 0x10]],
    [35, 4, 1, '40103020', [0x40, 0x30, 0x10]],
  ] as const) {
    const { view, environment } = scene({ format: yuvFormat(index, swizzle, 1, swap) }, {}, [
      { clumpFormat: CLUMP_FORMAT.Y8_UV8_422 },
    ]);
    store(view, TEXELS_AT, bytes);
    assert.deepEqual(at(environment, 0, 0), [...texel, 255]);
    const next = texel.map((value) => (value === 0x10 ? 0x20 : value));
    assert.deepEqual(at(environment, 1, 0), [...next, 255]);
  }
});

test('YUV textures that are not understood are faults', () => {
  const planes = [{ clumpFormat: CLUMP_FORMAT.Y8_UV8_420 }, { clumpFormat: CLUMP_FORMAT.Y8_UV8_420 }];
  const yuv =
    (format: number, of = planes) =>
    () =>
      run(scene({ arraySize: 2, format }, {}, of).environment, {});
  assert.doesNotThrow(yuv(yuvFormat(38, 0, 3)));
  assert.throws(yuv(yuvFormat(38, 0, 4)), /chroma siting 4 is not implemented in a texture of format Y8 UV8 420/);
  assert.throws(yuv(yuvFormat(38, 6, 3)), /swizzle 6 is not implemented/);
  assert.throws(yuv(yuvFormat(38, 0, 3, 1)), /swizzle 0 with swap is not implemented/);
  assert.throws(yuv(yuvFormat(39, 0, 3)), /plane 1 of type 1/);
  assert.throws(yuv(yuvFormat(36, 0, 3)), /clump format 72/);
  assert.throws(yuv(yuvFormat(32, 0, 3)), /format/);
});
