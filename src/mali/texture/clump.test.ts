import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPONENT_ORDER, ONE } from '../../abi/formats.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  PLANE_TYPE,
  Plane,
  Sampler,
  TEXTURE_DIMENSION,
  Texture,
} from '../../abi/gpu/texture-descriptors.ts';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import { PLAIN_SAMPLE } from '../../testing/mali/texture-kind.ts';
import { LANES, type ShaderEnvironment, type TextureRequest, type Warp } from '../shader/contract.ts';
import { TexturePipe } from './unit.ts';

const [TEXTURE_AT, SAMPLER_AT, PLANE_AT, TEXEL_AT] = [0x1000, 0x1040, 0x1080, 0x2000];
const [RGBA8, RGBA8UI, R32F, S8] = [187, 155, 167, 93];

/** R, G, B, A of a texture of one texel: as numbers, of which those from 0 to 1 are in 255ths. */
function texel(engine: 'interpreter' | 'wasm', clumpFormat: number, format: number, order: number, bytes: number[]) {
  const memory = new FlatMemory();
  memory.bytes.set(bytes, TEXEL_AT);
  memory.encode(Texture, TEXTURE_AT, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension: TEXTURE_DIMENSION.D2,
    format: (format << 12) | order,
    width: 1,
    height: 1,
    swizzle: 0o3210,
    levels: 1,
    sampleCount: 1,
    arraySize: 1,
    depth: 1,
    surfaces: PLANE_AT,
  });
  memory.encode(Sampler, SAMPLER_AT, { type: DESCRIPTOR_TYPE.SAMPLER, magnifyNearest: true, maximumAnisotropy: 1 });
  memory.encode(Plane, PLANE_AT, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.GENERIC,
    clumpOrdering: CLUMP_ORDERING.LINEAR,
    clumpFormat,
    pointer: TEXEL_AT,
    rowStride: 16,
  });
  const environment = {
    memory,
    resources: { descriptor: (_: number, index: number) => [0, TEXTURE_AT, SAMPLER_AT][index] ?? 0 },
    job: 0,
  } as unknown as ShaderEnvironment;
  const f32 = new Float32Array(4 * LANES);
  const out = { f32, i32: new Int32Array(f32.buffer), u32: new Uint32Array(f32.buffer) };
  const request = {
    kind: PLAIN_SAMPLE,
    name: 'TEX_SINGLE',
    texture: new Int32Array(LANES).fill(1),
    sampler: new Int32Array(LANES).fill(2),
    x: new Float32Array(LANES),
    y: new Float32Array(LANES),
    deltas: [],
  } as unknown as TextureRequest;
  new TexturePipe(engine).execute(environment, { discarded: 0 } as Warp, 1, request, out);
  const scale = format === RGBA8 ? 255 : 1;
  return [0, 1, 2, 3].map((i) => (request.result === 'float' ? out.f32 : out.u32)[i * LANES]! * scale);
}

/** What memory holds, and what the channels of the pixel format are then. */
const CLUMPS = [
  ['RAW32', RGBA8, [10, 20, 30, 40], [10, 20, 30, 40]],
  // What memory does not hold is zero, whatever stands behind it.
  ['RAW8', RGBA8, [10, 20, 30, 40], [10, 0, 0, 0]],
  ['RAW16', RGBA8, [10, 20, 30, 40], [10, 20, 0, 0]],
  ['RAW24', RGBA8, [10, 20, 30, 40], [10, 20, 30, 0]],
  ['A8', RGBA8, [10, 20, 30, 40], [0, 0, 0, 10]],
  ['A8', RGBA8UI, [10, 20, 30, 40], [0, 0, 0, 10]],
  ['L8A8', RGBA8, [10, 20, 30, 40], [10, 10, 10, 20]],
  ['L8A8', RGBA8UI, [10, 20, 30, 40], [10, 10, 10, 20]],
  ['D32X32', R32F, [0, 0, 0x20, 0x41, 0, 0, 0xa0, 0x41], [10]],
  ['X32D32', R32F, [0, 0, 0x20, 0x41, 0, 0, 0xa0, 0x41], [20]],
  // Stencil is the second channel.
  ['X32S8X24', S8, [1, 2, 3, 4, 5, 6, 7, 8], [0, 5]],
  ['X24S8X32', S8, [1, 2, 3, 4, 5, 6, 7, 8], [0, 4]],
  ['X24S8', S8, [1, 2, 3, 4, 5], [0, 4]],
  ['S8X24', S8, [1, 2, 3, 4, 5], [0, 1]],
  ['S8', S8, [1, 2, 3, 4, 5], [0, 1]],
] as const;

for (const engine of ['interpreter', 'wasm'] as const) {
  test(`every clump format gives the channels that it holds to every component order (${engine})`, () => {
    for (const [clump, format, bytes, channels] of CLUMPS) {
      for (const [order, { name, from }] of Object.entries(COMPONENT_ORDER)) {
        const wanted = from.map((channel, i) => {
          if (channel === ONE) return format === RGBA8 ? 255 : 1;
          // Formats without alpha are opaque.
          return channels[channel] ?? (i === 3 && channel < 4 ? 1 : 0);
        });
        const got = texel(engine, CLUMP_FORMAT[clump], format, Number(order), [...bytes]);
        assert.deepEqual(got.map(Math.round), wanted, `${clump} of format ${format}, order ${name}`);
      }
    }
  });
}

test('a clump format that is not implemented is refused by name', () => {
  const read = () => texel('interpreter', CLUMP_FORMAT.L4A4, RGBA8, 0, [1]);
  assert.throws(read, /clump format 24 \(L4A4\) is not implemented/);
});
