/**
 * Samplers as emitted WebAssembly: made of what a texture and a sampler descriptor fix (`SamplerState`), shared by all that are equal.
 *
 * A sampler answers sixteen lanes, a quad at a time: a vector holds one number of four lanes. Levels' addresses and sizes come
 * from a record in scratch memory (`RECORD`), texels from DRAM by physical address; the record's maker has translated and
 * bounded them, and wrapping keeps every index inside the level, whatever the coordinates are. The arithmetic is that of the
 * script sampler (sampler.ts, unit.ts), operation by operation in singles, so that both give the same bits.
 * Source: OpenGL ES 3.2 chapter 8.14; WebAssembly core specification 3.0 (vector instructions).
 */
import { scratch } from '../engine/scratch.ts';
import { type Code, ModuleBuilder } from '../wasm/builder.ts';
import type { OpName } from '../wasm/opcodes.ts';
import { headerFunction, LEVEL, RECORD } from './emit-address.ts';
import { FILTERS, type Filter, lerp, type SamplerState, VECTORS } from './emit-filter.ts';
import { LOD_ENDLESS, LOD_ONE, LOG_BITS, LOG_TABLE_AT } from './lod.ts';
import { CHANNEL_BYTES, OPERAND } from './operands.ts';

/**
 * Addresses in scratch memory: a binding's record, and a block of operands (operands.ts), into which the results go. `mask`: the
 * lanes that want a result, and in the upper half those that run, which differences are taken between. Answers 0, or 1 if the results are not to be used.
 */
export type EmittedSampler = (record: number, operands: number, mask: number) => number;
/** Its type. */
export const SAMPLER_TYPE = { params: ['i32', 'i32', 'i32'], results: ['i32'] } as const;

const QUAD_BYTES = 16;
const LOD_SHIFT = 8;

/** The module's bytes; its memories are `e.scratch` and `e.dram`, of `dramPages`; it exports `sample`. */
export function emitSampler(state: SamplerState, dramPages: number): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  m.importMemory('e', 'scratch', scratch.pages, scratch.pages);
  const dram = m.importMemory('e', 'dram', dramPages, dramPages);
  const header = state.layout.kind === 'afbc' ? headerFunction(m, state.layout, dram) : undefined;
  const filters: Partial<Record<Filter, Code>> = {};
  const filter = (kind: Filter): Code => {
    filters[kind] ??= FILTERS[kind](m, state, dram, header);
    return filters[kind];
  };
  const magnify = filter(state.magnify);
  const minify = filter(state.minify);
  const f = m.function('texture_sample', [...SAMPLER_TYPE.params], [...SAMPLER_TYPE.results]);
  m.exportFunction('sample', f);
  sample(f, state, magnify, minify);
  return m.build();
}

/** The loop over quads. */
function sample(f: Code, state: SamplerState, magnify: Code, minify: Code): void {
  const [record, at, mask] = [0, 1, 2] as const;
  const wanted = f.local('i32');
  f.get(mask).i32(0xffff).op('i32_and').set(wanted);
  const fails = state.layout.kind === 'afbc';
  if (fails) f.get(record).i32(0).memory('i32_store', RECORD.failed);
  const again = f.loop();
  const next = f.block();
  f.get(wanted).i32(15).op('i32_and').op('i32_eqz').brIf(next);
  const [vx, vy, ref] = [f.local('v128'), f.local('v128'), f.local('v128')];
  f.get(at).memory('v128_load', OPERAND.x).set(vx);
  f.get(at).memory('v128_load', OPERAND.y).set(vy);
  if (state.compare) f.get(at).memory('v128_load', OPERAND.shadow).set(ref);
  const result = VECTORS.map((type) => f.local(type));
  const call = (to: Code, level: () => void, into: readonly number[]): void => {
    level();
    f.get(vx).get(vy).get(ref).get(record).call(to);
    for (const local of into.toReversed()) f.set(local);
  };
  const store = (): void =>
    result.forEach((local, c) => {
      f.get(at)
        .get(local)
        .memory('v128_store', OPERAND.result + c * CHANNEL_BYTES);
    });
  const first = (): void => {
    f.get(record).i32(RECORD.levels).op('i32_add');
  };
  const lod = f.local('i32');
  const atLod = (): void => {
    f.get(lod).i32(state.cutoff).op('i32_le_s').if();
    call(magnify, first, result);
    f.else();
    if (state.mipmap === 'none') call(minify, first, result);
    else mipmapped(f, state, record, lod, (level, into) => call(minify, level, into), result);
    f.end();
  };
  const fetchAt = (): void => {
    for (const local of result) f.v128(0).set(local);
    f.get(lod).i32(LOD_SHIFT).op('i32_shl').get(record).memory('i32_load', RECORD.lastLod).op('i32_le_s').if();
    call(
      magnify,
      () => f.get(lod).i32(LEVEL.bytes).op('i32_mul').get(record).op('i32_add').i32(RECORD.levels).op('i32_add'),
      result,
    );
    f.end();
  };
  if (state.lod === 'none' || state.lod === 'first') {
    call(magnify, first, result);
    store();
  } else if (state.lod === 'zero' || state.lod === 'footprint') {
    if (state.lod === 'zero') f.i32(0).set(lod);
    else {
      footprint(f, record, vx, vy, mask, lod);
      f.get(lod).get(record).memory('i32_load', RECORD.bias).op('i32_add').set(lod);
    }
    bound(f, lod, record, RECORD.minimumLod, 'i32_gt_s');
    bound(f, lod, record, RECORD.maximumLod, 'i32_lt_s');
    atLod();
    store();
  } else if (state.lod === 'fetched') {
    const levels = fetched(f, at, vx, vy);
    lanewise(f, levels, wanted, lod, fetchAt, result);
    store();
  } else {
    const lods = lodsOfLanes(f, state, { record, at, x: vx, y: vy, mask, lod });
    lanewise(f, lods, wanted, lod, atLod, result);
    store();
  }
  f.end();
  f.get(mask).i32(4).op('i32_shr_u').set(mask);
  f.get(at).i32(QUAD_BYTES).op('i32_add').set(at);
  f.get(wanted).i32(4).op('i32_shr_u').tee(wanted).brIf(again);
  f.end();
  if (fails) f.get(record).memory('i32_load', RECORD.failed);
  else f.i32(0);
}

/** `local` becomes the record's field unless it already is `better` than that. */
function bound(f: Code, local: number, record: number, field: number, better: OpName): void {
  const limit = f.local('i32');
  f.get(local)
    .get(record)
    .memory('i32_load', field)
    .tee(limit)
    .get(local)
    .get(limit)
    .op(better)
    .op('select')
    .set(local);
}

/** By the bits of a quad's lanes that run: all ones for the difference to lane 1 and to lane 2, if both ends run. */
const ENDS_AT = scratch.alloc(16 * 8);
for (let running = 0; running < 16; running++) {
  for (const lane of [1, 2]) {
    const both = 1 | (1 << lane);
    scratch.i32[ENDS_AT / 4 + running * 2 + lane - 1] = (running & both) === both ? -1 : 0;
  }
}

/** The level of detail from the differences between the lanes of x and y that run (unit.ts: #footprint, lod.ts). */
function footprint(f: Code, record: number, x: number, y: number, mask: number, lod: number): void {
  const squares = f.local('v128');
  for (const [operand, scale] of [
    [x, RECORD.scaleX],
    [y, RECORD.scaleY],
  ] as const) {
    const d = f.local('v128');
    f.get(operand).get(operand).shuffle32(1, 2, 1, 2).get(operand).get(operand).shuffle32(0, 0, 0, 0).op('f32x4_sub');
    f.get(record).memory('v128_load32_splat', scale).op('f32x4_mul').tee(d).get(d).op('f32x4_mul');
  }
  f.op('f32x4_add');
  f.get(mask)
    .i32(13)
    .op('i32_shr_u')
    .i32(15 << 3)
    .op('i32_and')
    .memory('v128_load64_zero', ENDS_AT);
  f.op('v128_and').tee(squares);
  // The greater one: none is negative, and the bits of a NaN are greater than those of any number.
  f.get(squares).get(squares).shuffle32(1, 0, 1, 0).op('i32x4_max_u');
  const bits = f.local('i32');
  const exponent = f.local('i32');
  f.lane('i32x4_extract_lane', 0).set(bits);
  f.get(bits).i32(23).op('i32_shr_u').i32(255).op('i32_and').tee(exponent);
  f.i32(127)
    .op('i32_sub')
    .i32(LOD_ONE / 2)
    .op('i32_mul');
  f.get(bits)
    .i32(0x7fffff)
    .op('i32_and')
    .i32(23 - LOG_BITS)
    .op('i32_shr_u')
    .memory('i32_load8_u', LOG_TABLE_AT);
  f.op('i32_add').set(lod);
  f.i32(LOD_ENDLESS).get(lod).get(exponent).i32(255).op('i32_eq').op('select').set(lod);
}

/** Levels of detail that lanes bring, complete. */
function lodsOfLanes(
  f: Code,
  state: SamplerState,
  { record, at, x, y, mask, lod }: Record<'record' | 'at' | 'x' | 'y' | 'mask' | 'lod', number>,
): number {
  const lods = f.local('v128');
  f.get(at).memory('v128_load', OPERAND.lod).i32(16).op('i32x4_shl').i32(16).op('i32x4_shr_s').set(lods);
  if (state.lod === 'biased') {
    footprint(f, record, x, y, mask, lod);
    f.get(lods).get(lod).op('i32x4_splat').op('i32x4_add').set(lods);
  }
  const field = (offset: number) => f.get(record).memory('v128_load32_splat', offset);
  f.get(lods);
  field(RECORD.bias).op('i32x4_add');
  field(RECORD.minimumLod).op('i32x4_max_s');
  field(RECORD.maximumLod).op('i32x4_min_s').set(lods);
  return lods;
}

/** Adds the offsets to integer coordinates and gives the levels; a sample that there is none of becomes a place outside. */
function fetched(f: Code, at: number, x: number, y: number): number {
  const [offsets, levels] = [f.local('v128'), f.local('v128')];
  f.get(at).memory('v128_load', OPERAND.offset).tee(offsets).i32(24).op('i32x4_shr_u').set(levels);
  f.get(x).get(offsets).i32(24).op('i32x4_shl').i32(24).op('i32x4_shr_s').op('i32x4_add');
  f.get(offsets).v128(0xff0000).op('v128_and').v128(0).op('i32x4_ne').op('v128_or').set(x);
  f.get(y).get(offsets).i32(16).op('i32x4_shl').i32(24).op('i32x4_shr_s').op('i32x4_add').set(y);
  return levels;
}

/** Lanes with levels of their own: those that are equal are sampled together. */
function lanewise(
  f: Code,
  lods: number,
  mask: number,
  lod: number,
  atLod: () => void,
  result: readonly number[],
): void {
  const rest = f.local('i32');
  const same = f.local('v128');
  const sum = result.map(() => f.local('v128'));
  f.get(mask).i32(15).op('i32_and').set(rest);
  const again = f.loop();
  for (const lane of [3, 2, 1, 0]) {
    f.get(lods).lane('i32x4_extract_lane', lane);
    if (lane < 3)
      f.get(lod)
        .get(rest)
        .i32(1 << lane)
        .op('i32_and')
        .op('select');
    f.set(lod);
  }
  f.get(lods).get(lod).op('i32x4_splat').op('i32x4_eq').set(same);
  atLod();
  result.forEach((local, c) => {
    f.get(local).get(sum[c]!).get(same).op('v128_bitselect').set(sum[c]!);
  });
  f.get(rest).get(same).op('i32x4_bitmask').i32(-1).op('i32_xor').op('i32_and').tee(rest).brIf(again);
  f.end();
  result.forEach((local, c) => {
    f.get(sum[c]!).set(local);
  });
}

/** The level that a level of detail means, or the two next to it. */
function mipmapped(
  f: Code,
  state: SamplerState,
  record: number,
  lod: number,
  call: (level: () => void, into: readonly number[]) => void,
  result: readonly number[],
): void {
  const base = f.local('i32');
  f.get(lod).set(base);
  bound(f, base, record, RECORD.lastLod, 'i32_lt_s');
  f.get(base).i32(0).get(base).i32(0).op('i32_gt_s').op('select').set(base);
  const level = f.local('i32');
  // Halfway between two levels lies the finer one's.
  if (state.mipmap === 'nearest')
    f.get(base)
      .i32(LOD_ONE / 2 + LOD_ONE - 1)
      .op('i32_add')
      .i32(8)
      .op('i32_shr_u')
      .i32(1)
      .op('i32_sub');
  else f.get(base).i32(8).op('i32_shr_u');
  f.i32(LEVEL.bytes).op('i32_mul').get(record).op('i32_add').i32(RECORD.levels).op('i32_add').set(level);
  call(() => f.get(level), result);
  if (state.mipmap === 'nearest') return;
  const weight = f.local('v128');
  const other = result.map(() => f.local('v128'));
  f.get(base)
    .i32(LOD_ONE - 1)
    .op('i32_and')
    .tee(base)
    .if();
  f.get(base)
    .op('f32_convert_i32_s')
    .f32(1 / LOD_ONE)
    .op('f32_mul')
    .op('f32x4_splat')
    .set(weight);
  call(() => f.get(level).i32(LEVEL.bytes).op('i32_add'), other);
  result.forEach((local, c) => {
    if (state.channels[c]!.kind !== 'constant') lerp(f, local, other[c]!, weight, local);
  });
  f.end();
}
