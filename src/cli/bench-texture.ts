/**
 * `tyr bench texture`: what a sample costs, in nanoseconds of this thread's CPU time, by layout, filter and format.
 *
 * An emitted loop stands for the shader: warps of four quads go over a picture that a texture of 512 texels covers nearly one to one,
 * turned a little, and call the emitted sampler by its number as recompiled shaders do. Coordinates are computed in the loop.
 */
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import { DESCRIPTOR_TYPE } from '../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  MIPMAP_MODE,
  PLANE_TYPE,
  Plane,
  Sampler as SamplerDescriptor,
  TEXTURE_DIMENSION,
  Texture as TextureDescriptor,
  WRAP,
} from '../abi/gpu/texture-descriptors.ts';
import type { Dram } from '../board/dram.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, afbcBodyBytes, afbcEncode } from '../board/image/afbc.ts';
import { Problem } from '../host/userland/problem.ts';
import { scratch } from '../mali/engine/scratch.ts';
import { functionTable, TABLE_IMPORT } from '../mali/engine/table.ts';
import { kindOf } from '../mali/shader/texture-ops.ts';
import { bind } from '../mali/texture/bind.ts';
import { SAMPLER_TYPE } from '../mali/texture/emit.ts';
import { OPERAND, OPERANDS_AT } from '../mali/texture/operands.ts';
import { Sampler } from '../mali/texture/sampler.ts';
import { Texture } from '../mali/texture/texture.ts';
import { ModuleBuilder } from '../mali/wasm/builder.ts';
import { place } from './bench-place.ts';
import type { Bench, Result } from './bench-programs.ts';

const SIZE = 512;
const TILE = 16;
const SAMPLES_A_WARP = 16;
const ALL_LANES = 0xffff;
/** Sixteen blocks of eight bytes: as many texels as a tile of any other format. */
const ETC2_TILE_BYTES = 128;
/** Warps of a picture. */
const WARPS = (SIZE * SIZE) / SAMPLES_A_WARP;
/** Room for one texture. */
const ROOM = 2 ** 23;
/** How long a case is measured, in milliseconds, after a warm-up that lets V8 optimise. */
const TIME = 300;
const WARM_UP = 200;

interface Case {
  readonly name: string;
  readonly layout: 'linear' | 'tiled' | 'afbc' | 'etc2';
  readonly filter: 'nearest' | 'bilinear' | 'trilinear';
  readonly repeat?: boolean;
  readonly srgb?: boolean;
}
const CASES: readonly Case[] = [
  { name: 'bilinear_linear', layout: 'linear', filter: 'bilinear' },
  { name: 'bilinear_tiled', layout: 'tiled', filter: 'bilinear' },
  { name: 'bilinear_tiled_repeat', layout: 'tiled', filter: 'bilinear', repeat: true },
  { name: 'bilinear_afbc', layout: 'afbc', filter: 'bilinear' },
  { name: 'bilinear_afbc_srgb', layout: 'afbc', filter: 'bilinear', srgb: true },
  { name: 'bilinear_etc2', layout: 'etc2', filter: 'bilinear' },
  { name: 'trilinear_tiled', layout: 'tiled', filter: 'trilinear' },
  { name: 'trilinear_afbc', layout: 'afbc', filter: 'trilinear' },
  { name: 'nearest_linear', layout: 'linear', filter: 'nearest' },
  { name: 'nearest_tiled', layout: 'tiled', filter: 'nearest' },
  { name: 'nearest_afbc', layout: 'afbc', filter: 'nearest' },
];

/** Texels of noise in AFBC superblocks that are plain. Answers the row stride and where it ends. */
function writeAfbc(dram: Dram, at: number, width: number, bytes: number): { rowStride: number; end: number } {
  const across = Math.ceil(width / TILE);
  const rowStride = across * AFBC_HEADER_BYTES;
  const body = afbcBodyBytes(bytes);
  const headers = Math.ceil((rowStride * across) / 64) * 64;
  const pixels = new Uint8Array(AFBC_PIXELS * bytes);
  for (let i = 0; i < across * across; i++) {
    for (let n = 0; n < pixels.length; n++) pixels[n] = (n * 7 + i * 13) & 255;
    const header = dram.u8.subarray(at + i * AFBC_HEADER_BYTES, at + (i + 1) * AFBC_HEADER_BYTES);
    const from = headers + i * body;
    afbcEncode(pixels, bytes, header, dram.u8.subarray(at + from, at + from + body), from, TILE);
  }
  return { rowStride, end: at + headers + across * across * body };
}

function write(dram: Dram, at: number, { layout, filter, repeat, srgb }: Case): void {
  const { view } = dram;
  const levels = filter === 'trilinear' ? 10 : 1;
  // Descriptors of the case before may have said other things.
  dram.u8.fill(0, at, at + PAGE_SIZE);
  TextureDescriptor.write(view, at, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension: TEXTURE_DIMENSION.D2,
    format: (187 << 12) | (srgb ? 1 << 20 : 0),
    width: SIZE,
    height: SIZE,
    swizzle: 0o3210,
    levels,
    maximumLod: 0x1fff,
    sampleCount: 1,
    arraySize: 1,
    depth: 1,
    surfaces: at + 128,
  });
  const wrap = repeat ? WRAP.REPEAT : WRAP.CLAMP_TO_EDGE;
  SamplerDescriptor.write(view, at + 32, {
    type: DESCRIPTOR_TYPE.SAMPLER,
    wrapS: wrap,
    wrapT: wrap,
    wrapR: wrap,
    normalizedCoordinates: true,
    roundToNearestEven: true,
    minifyNearest: filter === 'nearest',
    magnifyNearest: filter === 'nearest',
    mipmapMode: filter === 'trilinear' ? MIPMAP_MODE.TRILINEAR : MIPMAP_MODE.NONE,
    maximumLod: 0x1fff,
    maximumAnisotropy: 1,
  });
  let texels = at + PAGE_SIZE;
  for (let level = 0; level < levels; level++) {
    const size = SIZE >> level;
    const plane = {
      type: DESCRIPTOR_TYPE.PLANE,
      planeType: layout === 'afbc' ? PLANE_TYPE.AFBC : PLANE_TYPE.GENERIC,
      pointer: texels,
    };
    if (layout === 'afbc') {
      const { rowStride, end } = writeAfbc(dram, texels, size, 4);
      Plane.write(view, at + 128 + level * Plane.size, {
        ...plane,
        afbcCompressionMode: 10,
        rowStride,
        size: end - texels,
      });
      texels = end;
    } else if (layout === 'etc2') {
      const tiles = Math.ceil(size / TILE);
      const rowStride = tiles * ETC2_TILE_BYTES;
      for (let n = 0; n < tiles * rowStride; n++) view.setUint8(texels + n, (n * 167 + (n >> 5)) & 255);
      Plane.write(view, at + 128 + level * Plane.size, {
        ...plane,
        clumpOrdering: CLUMP_ORDERING.TILED_U_INTERLEAVED,
        clumpFormat: CLUMP_FORMAT.ETC2_RGB8,
        rowStride,
      });
      texels += tiles * rowStride;
    } else {
      const tiled = layout === 'tiled';
      const rowStride = (tiled ? Math.ceil(size / TILE) * TILE * TILE : size) * 4;
      Plane.write(view, at + 128 + level * Plane.size, {
        ...plane,
        clumpOrdering: tiled ? CLUMP_ORDERING.TILED_U_INTERLEAVED : CLUMP_ORDERING.LINEAR,
        clumpFormat: CLUMP_FORMAT.RAW32,
        rowStride,
      });
      texels += rowStride * (tiled ? Math.ceil(size / TILE) : size);
    }
  }
}

/** loop(slot, binding): calls the sampler for all warps of a picture. */
function loopOf(): (slot: number, binding: number) => void {
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  m.importTable(...TABLE_IMPORT);
  const f = m.function('loop', ['i32', 'i32'], [], true);
  const type = m.functionType(SAMPLER_TYPE.params, SAMPLER_TYPE.results);
  const [warp, px, py] = [f.local('i32'), f.local('v128'), f.local('v128')];
  const turn = 0.06;
  const again = f.loop();
  for (let quad = 0; quad < 4; quad++) {
    // Sixteen pixels are eight by two; warps go along rows.
    f.get(warp)
      .i32(SIZE / 8 - 1)
      .op('i32_and')
      .i32(8)
      .op('i32_mul')
      .i32(quad * 2)
      .op('i32_add')
      .op('i32x4_splat')
      .v128(0, 1, 0, 1)
      .op('i32x4_add')
      .op('f32x4_convert_i32x4_s')
      .set(px);
    f.get(warp)
      .i32(Math.log2(SIZE / 8))
      .op('i32_shr_u')
      .i32(2)
      .op('i32_mul')
      .op('i32x4_splat')
      .v128(0, 0, 1, 1)
      .op('i32x4_add')
      .op('f32x4_convert_i32x4_s')
      .set(py);
    for (const [at, a, b] of [
      [OPERAND.x, 1, turn],
      [OPERAND.y, -turn, 1],
    ] as const) {
      f.i32(OPERANDS_AT);
      f.get(px)
        .f32x4(...Array(4).fill(a / SIZE))
        .op('f32x4_mul');
      f.get(py)
        .f32x4(...Array(4).fill(b / SIZE))
        .op('f32x4_mul')
        .op('f32x4_add');
      f.memory('v128_store', at + quad * 16);
    }
  }
  f.get(1).i32(OPERANDS_AT).i32(ALL_LANES).get(0).callIndirect(type).op('drop');
  f.get(warp).i32(1).op('i32_add').tee(warp).i32(WARPS).op('i32_lt_u').brIf(again);
  f.end();
  const imports = { gpu: { scratch: scratch.memory, table: functionTable.table } };
  return new WebAssembly.Instance(new WebAssembly.Module(m.build()), imports).exports.loop as ReturnType<typeof loopOf>;
}

/** Runs `once` for some time; answers milliseconds of CPU time a run. */
function measure(once: () => void): number {
  const until = (end: number): number => {
    let runs = 0;
    for (; performance.now() < end; runs++) once();
    return runs;
  };
  until(performance.now() + WARM_UP);
  const before = process.cpuUsage();
  const runs = until(performance.now() + TIME);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / runs;
}

export const texture: Bench = async (_userland, { vs, engine }) => {
  if (vs) throw new Problem(`there is nothing in texture that ${vs} could do`);
  if (engine === 'interpreter') throw new Problem('texture measures emitted samplers; the interpreter has none');
  const { dram, memory, at } = place(ROOM);
  const loop = loopOf();
  const kind = kindOf({
    operation: 'single',
    dimension: '2d',
    array: false,
    shadow: false,
    offset: false,
    lodMode: 'computed',
    component: 0,
    integerCoordinates: false,
    derivatives: false,
    lodBiasDisable: false,
    lodClampDisable: false,
  });
  return CASES.map((of): Result => {
    write(dram, at, of);
    const binding = bind(memory, new Texture(memory, at), new Sampler(memory, at + 32), kind);
    if (!binding) throw new Error(`texture: no sampler is emitted for ${of.name}`);
    const milliseconds = measure(() => loop(binding.slot, binding.record));
    return { metric: of.name, value: (milliseconds * 1e6) / (SIZE * SIZE), unit: 'ns' };
  });
};
