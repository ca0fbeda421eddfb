/**
 * Filters of emitted samplers: one function a kind of filter, from a level and four lanes' coordinates to R, G, B and A.
 *
 * A coordinate is scaled, wrapped into the level whatever it is, and so made columns and rows; emit-address.ts and emit-texel.ts
 * make texels of them. The arithmetic is sampler.ts's.
 * Source: OpenGL ES 3.2 chapter 8.14.
 */
import { FUNC } from '../../abi/gpu/raster-descriptors.ts';
import { WRAP } from '../../abi/gpu/texture-descriptors.ts';
import { FLOAT_COMPARE } from '../engine/compare.ts';
import type { Code, ModuleBuilder } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { AddressEmitter, LEVEL, type TexelLayout } from './emit-address.ts';
import { type ChannelSource, TexelEmitter } from './emit-texel.ts';

/**
 * Where the level of detail comes from: none is needed, it is zero, the quad's footprint, that and a bias of each lane, or
 * each lane. 'fetched', 'first': no sampling, coordinates are integers, and levels come with the offsets, or are zero.
 */
export type LodSource = 'none' | 'zero' | 'footprint' | 'biased' | 'given' | 'fetched' | 'first';
export type Filter = 'nearest' | 'linear' | 'fetch';

/** All that a sampler's code depends on. */
export interface SamplerState {
  readonly lod: LodSource;
  readonly magnify: Filter;
  readonly minify: Filter;
  /** Magnified is what has at most this level of detail. */
  readonly cutoff: number;
  readonly mipmap: 'none' | 'nearest' | 'linear';
  readonly normalized: boolean;
  /** Channels are integers. */
  readonly integer: boolean;
  readonly wrap: readonly [number, number];
  readonly layout: TexelLayout;
  /** What R, G, B and A of the result are, swizzles applied. */
  readonly channels: readonly ChannelSource[];
  /** Depth comparison: the function, and the channel that is compared. Then channels are 'compared' or constants. */
  readonly compare: { readonly func: number; readonly channel: ChannelSource } | undefined;
}

const WRAPS: readonly number[] = [WRAP.REPEAT, WRAP.MIRRORED_REPEAT, WRAP.CLAMP_TO_EDGE];
export const wrapIsEmitted = (mode: number): boolean => WRAPS.includes(mode);

export const VECTORS: ValueType[] = ['v128', 'v128', 'v128', 'v128'];

export function lerp(f: Code, a: number, b: number, weight: number, into: number): void {
  f.get(a).get(b).get(a).op('f32x4_sub').get(weight).op('f32x4_mul').op('f32x4_add').set(into);
}

/** The coordinate in texels; what is not finite is 0. */
function scaled(f: Code, state: SamplerState, axis: 0 | 1, size: number): number {
  const at = f.local('v128');
  const coordinate = axis ? FILTER.y : FILTER.x;
  if (!state.normalized) f.get(coordinate).set(at);
  else {
    f.get(coordinate);
    if (state.wrap[axis] === WRAP.REPEAT) f.get(coordinate).op('f32x4_floor').op('f32x4_sub');
    else if (state.wrap[axis] === WRAP.MIRRORED_REPEAT) {
      f.get(coordinate).f32x4(0.5).op('f32x4_mul').op('f32x4_floor').f32x4(2).op('f32x4_mul').op('f32x4_sub');
    }
    f.get(size).op('f32x4_mul').set(at);
  }
  f.get(at).get(at).op('f32x4_abs').f32x4(Number.POSITIVE_INFINITY).op('f32x4_lt').op('v128_and').set(at);
  return at;
}

/** Brings indices on the stack, whole floats, into the level. `count`: its texels along the axis; `size`: as a float. */
function wrapped(f: Code, mode: number, index: number, count: number): void {
  switch (mode) {
    case WRAP.REPEAT:
      // From -1 to count.
      f.get(index).get(index).i32(31).op('i32x4_shr_s').get(count).op('v128_and').op('i32x4_add').tee(index);
      f.get(index).get(count).op('i32x4_eq').op('v128_andnot').set(index);
      break;
    case WRAP.MIRRORED_REPEAT:
      // From -1 to twice count.
      f.get(count).i32(1).op('i32x4_shl').v128(1).op('i32x4_sub').get(index).op('i32x4_sub');
      f.get(index).op('i32x4_min_s').v128(0).op('i32x4_max_s').set(index);
      break;
    default:
      f.get(index).get(count).v128(1).op('i32x4_sub').op('i32x4_min_s').v128(0).op('i32x4_max_s').set(index);
  }
}

/** A whole float becomes an index; far outside is as good as just outside. */
function toIndex(f: Code, mode: number, size: number): void {
  if (mode === WRAP.CLAMP_TO_EDGE) f.f32x4(-2).op('f32x4_max').get(size).op('f32x4_min');
  f.op('i32x4_trunc_sat_f32x4_s');
}

/** Level, x, y, reference, record. */
const FILTER_PARAMETERS: ValueType[] = ['i32', 'v128', 'v128', 'v128', 'i32'];
const FILTER = { level: 0, x: 1, y: 2, reference: 3, record: 4 } as const;

/** Results of a filter, from texels that are compared or not. */
function texelOf(state: SamplerState): readonly ChannelSource[] {
  return state.compare ? [state.compare.channel] : state.channels;
}

/** Turns a decoded texel into 1 or 0. */
function compareTexel(f: Code, state: SamplerState, texel: number): void {
  const { func } = state.compare!;
  const op = FLOAT_COMPARE[func];
  if (op) f.get(texel).get(FILTER.reference).op(op).f32x4(1).op('v128_and').set(texel);
  else f.f32x4(func === FUNC.ALWAYS ? 1 : 0).set(texel);
}

/** Leaves R, G, B and A on the stack: what has been filtered, and constants. */
function results(f: Code, state: SamplerState, filtered: readonly number[]): void {
  state.channels.forEach((channel, c) => {
    if (channel.kind === 'constant') f.v128(constantWord(state, channel.value));
    else f.get(filtered[state.compare ? 0 : c]!);
  });
}

function splat(f: Code, field: number): number {
  const local = f.local('v128');
  f.get(FILTER.level).memory('v128_load32_splat', field).set(local);
  return local;
}

function nearest(m: ModuleBuilder, state: SamplerState, dram: number, header: Code | undefined): Code {
  const f = m.function('texture_nearest', FILTER_PARAMETERS, VECTORS);
  const addresses = new AddressEmitter(f, state.layout, FILTER.level, FILTER.record, header);
  const texels = new TexelEmitter(f, dram);
  const index = (axis: 0 | 1): number => {
    const size = splat(f, axis ? LEVEL.heightFloat : LEVEL.widthFloat);
    const count = splat(f, axis ? LEVEL.height : LEVEL.width);
    const at = f.local('v128');
    f.get(scaled(f, state, axis, size)).op('f32x4_floor');
    toIndex(f, state.wrap[axis], size);
    f.set(at);
    wrapped(f, state.wrap[axis], at, count);
    return at;
  };
  const words = texels.load(addresses.footprint([index(0)], [index(1)])[0]!);
  const values = texelOf(state).map((channel) => texels.decode(words, channel));
  if (state.compare) compareTexel(f, state, values[0]!);
  results(f, state, values);
  return f;
}

/** Texels by integers; zero where there are none. */
function fetch(m: ModuleBuilder, state: SamplerState, dram: number, header: Code | undefined): Code {
  const f = m.function('texture_fetch', FILTER_PARAMETERS, VECTORS);
  const addresses = new AddressEmitter(f, state.layout, FILTER.level, FILTER.record, header);
  const texels = new TexelEmitter(f, dram);
  const inside = f.local('v128');
  f.get(FILTER.x).get(splat(f, LEVEL.width)).op('i32x4_lt_u');
  f.get(FILTER.y).get(splat(f, LEVEL.height)).op('i32x4_lt_u').op('v128_and').set(inside);
  for (const at of [FILTER.x, FILTER.y]) f.get(at).get(inside).op('v128_and').set(at);
  const words = texels.load(addresses.footprint([FILTER.x], [FILTER.y])[0]!);
  const values = state.channels.map((channel) => texels.decode(words, channel));
  const shown = values.map((value, c) => {
    const channel = state.channels[c]!;
    if (channel.kind === 'constant') f.v128(constantWord(state, channel.value));
    else f.get(value);
    f.get(inside).op('v128_and').set(value);
    return value;
  });
  for (const value of shown) f.get(value);
  return f;
}

/** A constant in a colour of floats or of integers. */
function constantWord(state: SamplerState, value: number): number {
  return state.integer ? value : new Int32Array(Float32Array.of(value).buffer)[0]!;
}

function linear(m: ModuleBuilder, state: SamplerState, dram: number, header: Code | undefined): Code {
  const f = m.function('texture_linear', FILTER_PARAMETERS, VECTORS);
  const addresses = new AddressEmitter(f, state.layout, FILTER.level, FILTER.record, header);
  const texels = new TexelEmitter(f, dram);
  const footprintOf = (axis: 0 | 1): { weight: number; indices: readonly number[] } => {
    const size = splat(f, axis ? LEVEL.heightFloat : LEVEL.widthFloat);
    const count = splat(f, axis ? LEVEL.height : LEVEL.width);
    const [corner, low, high, weight] = [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')];
    f.get(scaled(f, state, axis, size))
      .f32x4(0.5)
      .op('f32x4_sub')
      .tee(corner)
      .get(corner)
      .op('f32x4_floor')
      .tee(low);
    f.op('f32x4_sub').set(weight).get(low);
    toIndex(f, state.wrap[axis], size);
    f.tee(low).v128(1).op('i32x4_add').set(high);
    const indices = [low, high];
    for (const at of indices) wrapped(f, state.wrap[axis], at, count);
    return { weight, indices };
  };
  const across = footprintOf(0);
  const down = footprintOf(1);
  const words = addresses.footprint(across.indices, down.indices).map((address) => texels.load(address));
  const wanted = texelOf(state);
  // A channel that shows twice is filtered once.
  const done = new Map<string, number>();
  const values = wanted.map((channel) => {
    const key = JSON.stringify(channel);
    const known = done.get(key);
    if (known !== undefined || channel.kind === 'constant') return known ?? 0;
    const four = words.map((texel) => {
      const value = texels.decode(texel, channel);
      if (state.compare) compareTexel(f, state, value);
      return value;
    });
    const [a, b, c, d] = four as [number, number, number, number];
    // What has no weight does not count, even if it is infinite.
    const mixed = (low: number, high: number, weight: number): void => {
      if (channel.kind !== 'float' || state.compare) {
        lerp(f, low, high, weight, low);
        return;
      }
      const keep = f.local('v128');
      f.get(low).set(keep);
      lerp(f, low, high, weight, low);
      f.get(keep).get(low).get(weight).f32x4(0).op('f32x4_eq').op('v128_bitselect').set(low);
    };
    mixed(a, b, across.weight);
    mixed(c, d, across.weight);
    mixed(a, c, down.weight);
    done.set(key, a);
    return a;
  });
  results(f, state, values);
  return f;
}

export const FILTERS = { nearest, linear, fetch } as const;
