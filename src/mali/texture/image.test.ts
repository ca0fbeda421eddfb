import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PIXEL_FORMATS } from '../../abi/formats.ts';
import { DESCRIPTOR_TYPE, Resource } from '../../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  PLANE_TYPE,
  Plane,
  TEXTURE_DIMENSION,
  Texture,
} from '../../abi/gpu/texture-descriptors.ts';
import { Random } from '../../testing/mali/random.ts';
import { execute, FlatMemory, register } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import { leftOver } from '../engine/left-over.ts';
import { ENGINES } from '../engine/names.ts';
import { LANES } from '../shader/contract.ts';
import { TexturePipe } from './unit.ts';

const R32UI = 133 << 12;
const TABLE = 0xa100;
const PLANES = 0xa200;
const TEXELS = 0x20000;
const LAYER_BYTES = 0x1000;
const [WIDTH, HEIGHT] = [8, 4];

interface Image {
  readonly dimension: number;
  readonly width?: number;
  readonly height?: number;
  readonly depth?: number;
  readonly layers?: number;
  readonly samples?: number;
}

/** An image of words in rows: layers, slices or samples lie LAYER_BYTES apart. */
function imageOf({ dimension, width = WIDTH, height = HEIGHT, depth = 1, layers = 1, samples = 1 }: Image): FlatMemory {
  const memory = new FlatMemory();
  memory.encode(Resource, 0xa000, { address: TABLE, containsDescriptors: true, size: 32 });
  memory.encode(Texture, TABLE, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension,
    format: R32UI,
    width,
    height,
    swizzle: 0o3210,
    levels: 1,
    sampleCount: samples,
    arraySize: layers,
    depth,
    surfaces: PLANES,
  });
  const faces = dimension === TEXTURE_DIMENSION.CUBE ? 6 : 1;
  for (let layer = 0; layer < layers * faces; layer++) {
    memory.encode(Plane, PLANES + layer * Plane.size, {
      type: DESCRIPTOR_TYPE.PLANE,
      planeType: PLANE_TYPE.GENERIC,
      clumpOrdering: CLUMP_ORDERING.LINEAR,
      clumpFormat: CLUMP_FORMAT.RAW32,
      pointer: TEXELS + layer * LAYER_BYTES,
      rowStride: width * 4,
      sliceStride: LAYER_BYTES,
    });
  }
  return memory;
}

const pair = (low: number, high: number): number => ((low & 0xffff) | (high << 16)) >>> 0;
const { D1, D2, D3, CUBE } = TEXTURE_DIMENSION;

/** Images, and texels of them: the coordinates' two words, and where the word is; undefined: nowhere. */
const CASES: [string, Image, [number, number, number | undefined][]][] = [
  [
    '1D',
    { dimension: D1, height: 1 },
    [
      [5, 0, 20],
      [WIDTH, 0, undefined],
      [-1, 0, undefined],
      [0x10005, 0, undefined],
    ],
  ],
  ['1D, as long as can be', { dimension: D1, width: 65536, height: 1 }, [[50000, 0, 200000]]],
  [
    '1D array',
    { dimension: D1, height: 1, layers: 3 },
    [
      [5, pair(0, 2), 2 * LAYER_BYTES + 20],
      [5, pair(0, 3), undefined],
    ],
  ],
  [
    '2D',
    { dimension: D2 },
    [
      [pair(3, 2), 0, 2 * 32 + 12],
      [pair(3, HEIGHT), 0, undefined],
      [pair(-1, 2), 0, undefined],
    ],
  ],
  [
    '2D array',
    { dimension: D2, layers: 3 },
    [
      [pair(3, 2), pair(0, 1), LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), pair(0, 2), 2 * LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), pair(0, 3), undefined],
      [pair(3, 2), pair(0, -1), undefined],
    ],
  ],
  [
    '2D of samples',
    { dimension: D2, samples: 4 },
    [
      [pair(3, 2), 3, 3 * LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), 4, undefined],
    ],
  ],
  [
    '2D array of samples',
    // A layer's samples lie where the next layers begin.
    { dimension: D2, samples: 4, layers: 3 },
    [
      [pair(3, 2), pair(1, 2), 3 * LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), pair(4, 2), undefined],
      [pair(3, 2), pair(2, 3), undefined],
    ],
  ],
  [
    '3D',
    { dimension: D3, depth: 3 },
    [
      [pair(3, 2), 2, 2 * LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), 3, undefined],
      [pair(3, 2), pair(2, 1), undefined],
    ],
  ],
  [
    'cube',
    { dimension: CUBE, height: WIDTH },
    [
      [pair(3, 2), pair(0, 5), 5 * LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), pair(0, 6), undefined],
    ],
  ],
  [
    'array of cubes',
    { dimension: CUBE, height: WIDTH, layers: 2 },
    [
      [pair(3, 2), pair(0, 9), 9 * LAYER_BYTES + 2 * 32 + 12],
      [pair(3, 2), pair(0, 12), undefined],
    ],
  ],
];

for (const engine of ENGINES) {
  for (const [what, image, texels] of CASES) {
    test(`images: loads, addresses and stores find the texel of the coordinates: ${what} (${engine})`, () => {
      for (const [xy, zw, at] of texels) {
        const memory = imageOf(image);
        if (at !== undefined) memory.store32(TEXELS + at, 77);
        const coordinates = { 0: Array<number>(LANES).fill(xy), 1: Array<number>(LANES).fill(zw) };
        const run = execute(
          `LD_TEX_IMM.u32.slot0.wait0 @r4, r0, r1, index:0, table:0
          LEA_TEX_IMM.slot0.wait0 @r8:r9:r10, r0, r1, table:0, index:0
          ST_CVT.slot0.u32.wait0 @r3, r8, r10, offset:0
          NOP.end`,
          {
            memory,
            pointers: { resources: 0xa001 },
            textures: new TexturePipe(engine),
            executor: executorOf(engine),
            registers: { ...coordinates, 3: Array<number>(LANES).fill(99) },
          },
        );
        const where = `coordinates ${xy.toString(16)}, ${zw.toString(16)}`;
        assert.equal(register(run, 4)[0], at === undefined ? 0 : 77, where);
        assert.equal(register(run, 8)[0], at === undefined ? 0 : TEXELS + at, where);
        if (at !== undefined) assert.equal(memory.load32(TEXELS + at), 99, where);
      }
    });
  }
}

/** What an instruction leaves in some registers, on each engine. */
function onBoth(
  line: string,
  memory: FlatMemory,
  registers: Readonly<Record<number, readonly number[]>>,
  results: readonly number[],
): number[][][] {
  return ENGINES.map((engine) => {
    const run = execute(`${line}\nNOP.end`, {
      memory,
      pointers: { resources: 0xa001 },
      textures: new TexturePipe(engine),
      executor: executorOf(engine),
      registers,
    });
    return results.map((r) => register(run, r));
  });
}

/** Images of texels of other sizes, in rows and in tiles: [clump format, bytes]. */
const CLUMPS: [number, number][] = [
  [CLUMP_FORMAT.RAW8, 1],
  [CLUMP_FORMAT.RAW16, 2],
  [CLUMP_FORMAT.RAW24, 3],
  [CLUMP_FORMAT.RAW32, 4],
  [CLUMP_FORMAT.RAW48, 6],
  [CLUMP_FORMAT.RAW64, 8],
  [CLUMP_FORMAT.RAW96, 12],
  [CLUMP_FORMAT.RAW128, 16],
];

test('addresses found by emitted code are those that script finds, in rows and in tiles', () => {
  const random = new Random(3);
  const [width, height, layers, depth] = [100, 70, 3, 5];
  for (const [clumpFormat, bytes] of CLUMPS) {
    for (const clumpOrdering of [CLUMP_ORDERING.LINEAR, CLUMP_ORDERING.TILED_U_INTERLEAVED]) {
      for (const dimension of [D2, D3]) {
        const memory = imageOf({ dimension, width, height, layers, depth });
        const tiled = clumpOrdering === CLUMP_ORDERING.TILED_U_INTERLEAVED;
        for (let layer = 0; layer < layers; layer++) {
          memory.encode(Plane, PLANES + layer * Plane.size, {
            type: DESCRIPTOR_TYPE.PLANE,
            planeType: PLANE_TYPE.GENERIC,
            clumpOrdering,
            clumpFormat,
            // Sums of the lower words carry.
            pointer: 0x1fffff000 + 0x1000000 * layer,
            rowStride: (tiled ? 16 * 112 : width) * bytes,
            sliceStride: 0x20000,
          });
        }
        const lanes = (one: () => number): number[] => Array.from({ length: LANES }, one);
        const some = (size: number): number => (random.chance(90) ? random.below(size) : random.below(65536));
        for (let round = 0; round < 4; round++) {
          // All in one layer but for the last round.
          const layer = random.below(layers);
          const slice = (): number => (dimension === D3 ? some(depth) : random.chance(95) ? 0 : 1);
          const registers = {
            0: lanes(() => pair(some(width), some(height))),
            1: lanes(() => pair(slice(), round < 3 ? layer : some(layers))),
          };
          const before = leftOver().LEA_TEX_IMM ?? 0;
          const line = 'LEA_TEX_IMM.slot0.wait0 @r8:r9:r10, r0, r1, table:0, index:0';
          const [emitted, interpreted] = onBoth(line, memory, registers, [8, 9, 10]);
          assert.deepEqual(emitted, interpreted, `${bytes} bytes, tiled: ${tiled}, dimension ${dimension}`);
          if (round < 3) assert.equal(leftOver().LEA_TEX_IMM ?? 0, before, 'the interpreter was asked');
        }
      }
    }
  }
});

/** Images of every kind, for loads: the dimension, how many layers, slices and samples, and whether their texels lie in tiles. */
const KINDS: (Image & { tiled: boolean })[] = [
  { dimension: D1, height: 1, layers: 1, tiled: false },
  { dimension: D1, height: 1, layers: 3, tiled: false },
  { dimension: D2, tiled: false },
  { dimension: D2, tiled: true },
  { dimension: D2, layers: 3, tiled: true },
  { dimension: D2, layers: 2, samples: 4, tiled: true },
  { dimension: D3, depth: 3, tiled: false },
  { dimension: D3, depth: 3, tiled: true },
  { dimension: CUBE, height: WIDTH, tiled: true },
  { dimension: CUBE, height: WIDTH, layers: 2, tiled: false },
];
/** Formats, and the clumps that hold their texels. */
const LOADED: [string, number][] = [
  ['R8UI', CLUMP_FORMAT.RAW8],
  ['R16I', CLUMP_FORMAT.RAW16],
  ['RGBA8 UNORM', CLUMP_FORMAT.RAW32],
  ['RGBA8 SNORM', CLUMP_FORMAT.RAW32],
  ['RGB10 A2UI', CLUMP_FORMAT.RAW32],
  ['RG32I', CLUMP_FORMAT.RAW64],
  ['RGBA16 UNORM', CLUMP_FORMAT.RAW64],
  ['RGBA32UI', CLUMP_FORMAT.RAW128],
];

test('texels loaded by emitted code are those that script loads', () => {
  const random = new Random(4);
  const indexOf = (name: string): number => [...PIXEL_FORMATS.values()].find((format) => format.name === name)!.index;
  for (const kind of KINDS) {
    for (const [name, clumpFormat] of LOADED) {
      const memory = imageOf(kind);
      memory.write(
        TEXELS,
        Uint8Array.from({ length: 0x30000 }, () => random.below(256)),
      );
      const texture = memory.decode(Texture, TABLE);
      memory.encode(Texture, TABLE, { ...texture, format: indexOf(name) << 12 });
      const { layers = 1, depth = 1, samples = 1, height = HEIGHT, width = WIDTH, dimension, tiled } = kind;
      const planes = layers * (dimension === CUBE ? 6 : 1);
      for (let layer = 0; layer < planes; layer++) {
        const at = PLANES + layer * Plane.size;
        const plane = memory.decode(Plane, at);
        const clumpOrdering = tiled ? CLUMP_ORDERING.TILED_U_INTERLEAVED : CLUMP_ORDERING.LINEAR;
        const pointer = TEXELS + layer * 4 * LAYER_BYTES;
        memory.encode(Plane, at, { ...plane, clumpOrdering, clumpFormat, pointer, rowStride: 0x1000 });
      }
      // Integers as halves may be NaNs, whose bits are fixed nowhere.
      for (const to of ['u32.v4', 'f32.v3', name.endsWith('NORM') ? 'f16.v3' : 's32', 's16.v4', 'u16', 'auto.v2']) {
        const some = (size: number): number => (random.chance(85) ? random.below(size) : random.below(size + 3));
        const slices = dimension === D3 ? depth : samples;
        const lanes = (one: () => number): number[] => Array.from({ length: LANES }, one);
        const registers = {
          0: lanes(() => pair(some(width), some(height))),
          1: lanes(() => (random.chance(3) ? pair(256, 0) : pair(some(slices), some(planes)))),
          // Halves that nobody loads stay what they are.
          5: lanes(() => random.word()),
        };
        const before = leftOver().LD_TEX_IMM ?? 0;
        const line = `LD_TEX_IMM.${to}.slot0.wait0 @r4:r5:r6:r7, r0, r1, index:0, table:0`;
        const [emitted, interpreted] = onBoth(line, memory, registers, [4, 5, 6, 7]);
        assert.deepEqual(emitted, interpreted, `${JSON.stringify(kind)} ${name} ${to}`);
        assert.equal(leftOver().LD_TEX_IMM ?? 0, before, `the interpreter was asked: ${JSON.stringify(kind)} ${name}`);
      }
    }
  }
});
