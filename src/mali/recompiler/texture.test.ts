import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESCRIPTOR_TYPE, Resource } from '../../abi/gpu/shader-descriptors.ts';
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
import { execute, FlatMemory, f32, register } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import { ENGINES } from '../engine/names.ts';
import { LANES } from '../shader/contract.ts';
import { F16_TO_F32, toHalf } from '../shader/float.ts';
import { TexturePipe } from '../texture/unit.ts';

const TABLE = 0xa100;
const PLANE = 0xa200;
const TEXELS = 0x20000;
const RGBA32F = (160 + 31) << 12;
/** The texture is entry 0 of table 0, the sampler entry 1. */
const HANDLE = 1;
const KEPT = 0xabcd1234;

/** A row of texels of four singles, one for each lane. */
function row(texel: (lane: number, channel: number) => number): FlatMemory {
  const memory = new FlatMemory();
  memory.encode(Resource, 0xa000, { address: TABLE, containsDescriptors: true, size: 64 });
  memory.encode(Texture, TABLE, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension: TEXTURE_DIMENSION.D2,
    format: RGBA32F,
    width: LANES,
    height: 1,
    swizzle: 0o3210,
    levels: 1,
    maximumLod: 0x1fff,
    sampleCount: 1,
    arraySize: 1,
    depth: 1,
    surfaces: PLANE,
  });
  memory.encode(Sampler, TABLE + Texture.size, {
    type: DESCRIPTOR_TYPE.SAMPLER,
    wrapS: WRAP.CLAMP_TO_EDGE,
    wrapT: WRAP.CLAMP_TO_EDGE,
    wrapR: WRAP.CLAMP_TO_EDGE,
    normalizedCoordinates: true,
    minifyNearest: true,
    magnifyNearest: true,
    maximumLod: 0x1fff,
    maximumAnisotropy: 1,
  });
  memory.encode(Plane, PLANE, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.GENERIC,
    clumpOrdering: CLUMP_ORDERING.LINEAR,
    clumpFormat: CLUMP_FORMAT.RAW128,
    pointer: TEXELS,
    rowStride: LANES * 16,
  });
  for (let lane = 0; lane < LANES; lane++) {
    for (let c = 0; c < 4; c++) memory.view.setFloat32(TEXELS + lane * 16 + c * 4, texel(lane, c), true);
  }
  return memory;
}

/** Values that halves hold, lie between, or lie beyond. */
const VALUES = [
  1 + 2 ** -11,
  1 + 3 * 2 ** -11,
  65519,
  65520,
  -1e6,
  2 ** -25,
  1.5 * 2 ** -25,
  -0,
  0.1,
  -2 / 3,
  6e-5,
  1e-9,
];
const value = (lane: number, channel: number): number => VALUES[(lane * 5 + channel * 3) % VALUES.length]!;
const half = (lane: number, channel: number): number => toHalf(Math.fround(value(lane, channel)));

for (const engine of ENGINES) {
  const sample = (instructions: string, more: Parameters<typeof execute>[1] = {}) =>
    execute(`${instructions}\nNOP.end`, {
      memory: row(value),
      pointers: { resources: 0xa001 },
      textures: new TexturePipe(engine),
      executor: executorOf(engine),
      ...more,
      registers: {
        0: Array.from({ length: LANES }, (_, lane) => f32((lane + 0.5) / LANES)),
        1: Array(LANES).fill(f32(0.5)),
        4: Array(LANES).fill(HANDLE),
        8: Array(LANES).fill(KEPT),
        9: Array(LANES).fill(KEPT),
        ...more.registers,
      },
    });

  test(`results of 16 bits are the nearest halves, two to a register (${engine})`, () => {
    const run = sample('TEX_SINGLE.slot0.auto.16.rgb.2d.zero.wait0 @r8:r9, @r0:r1, r4');
    const [low, high] = [register(run, 8), register(run, 9)];
    for (let lane = 0; lane < LANES; lane++) {
      const where = `lane ${lane}: ${[0, 1, 2].map((c) => value(lane, c))}`;
      assert.equal(low[lane]!.toString(16), ((half(lane, 0) | (half(lane, 1) << 16)) >>> 0).toString(16), where);
      assert.equal(high[lane]!.toString(16), ((half(lane, 2) | (KEPT & 0xffff0000)) >>> 0).toString(16), where);
    }
  });

  test(`what comes next computes with the halves, not with what they were rounded from (${engine})`, () => {
    const run = sample(
      'TEX_SINGLE.slot0.auto.16.rg.2d.zero.wait0 @r8, @r0:r1, r4\nF16_TO_F32 r9, r8\nF16_TO_F32 r10, r8.h1\nMOV.i32 r11, r8',
    );
    for (let lane = 0; lane < LANES; lane++) {
      for (const c of [0, 1]) {
        const [got, want] = [run.warp.f32[(9 + c) * LANES + lane], F16_TO_F32[half(lane, c)]];
        assert.ok(Object.is(got, want), `${value(lane, c)} as a half: ${got}, not ${want}`);
      }
      assert.equal(register(run, 11)[lane], register(run, 8)[lane]);
    }
  });

  test(`a handle that code loads as a constant names in each run what it names there, and may name nothing (${engine})`, () => {
    const memory = row(value);
    const texture = 'TEX_SINGLE.slot0.auto.32.r.2d.zero.wait0';
    const lines = [`${texture} @r8, @r0:r1, r4`, 'MOV.i32 r6, r4', `${texture} @r9, @r0:r1, r6`];
    for (const first of [0, 1, LANES]) {
      // Fewer texels each time; at last there are no descriptors.
      memory.encode(Plane, PLANE, { ...memory.decode(Plane, PLANE), pointer: TEXELS + first * 16 });
      memory.encode(Resource, 0xa000, { address: TABLE, containsDescriptors: true, size: first === LANES ? 0 : 64 });
      const registers = { 4: Array(LANES).fill(0) };
      const run = sample(['IADD_IMM.i32 r4, 0x0, #1', ...lines].join('\n'), { memory, registers });
      for (let lane = 0; lane < LANES - (first % LANES); lane++) {
        const want = first === LANES ? 0 : Math.fround(value(lane + first, 0));
        const got = [8, 9].map((r) => run.warp.f32[r * LANES + lane]);
        assert.deepEqual(got, [want, want], `lane ${lane} from ${first}`);
      }
    }
  });

  test(`lanes without effect sample what the others name, and nothing where there are no others (${engine})`, () => {
    // Helpers' handles name no texture.
    const handles = Array.from({ length: LANES }, (_, lane) => (lane < 4 ? HANDLE : 0x7fff0000));
    const options = { registers: { 4: handles }, helpers: 0xfff0 };
    const run = sample('TEX_SINGLE.slot0.skip.auto.32.r.2d.zero.wait0 @r8, @r0:r1, r4', options);
    for (let lane = 0; lane < LANES; lane++) {
      assert.equal(run.warp.f32[8 * LANES + lane], Math.fround(value(lane, 0)), `lane ${lane}`);
    }
    const none = sample('TEX_SINGLE.slot0.skip.auto.32.r.2d.zero.wait0 @r8, @r0:r1, r4', {
      ...options,
      helpers: 0xffff,
    });
    assert.deepEqual(register(none, 8), Array(LANES).fill(KEPT));
  });
}
