/**
 * Filters of emitted samplers: from a level and four lanes' coordinates to R, G, B and A.
 *
 * Texels of bytes are mixed as integers, two channels a word, and scaled once at the end; all else channel by channel in singles.
 * The arithmetic is sampler.ts's.
 * Source: OpenGL ES 3.2 chapter 8.14.
 */
import { FUNC } from '../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../engine/compare.ts';
import type { Code } from '../wasm/builder.ts';
import { CUBE_FACES } from './cube.ts';
import { AddressEmitter, type TexelLayout } from './emit-address.ts';
import { AxisEmitter, type Footprint, SEAMLESS, type Texels } from './emit-axis.ts';
import { BytesEmitter } from './emit-bytes.ts';
import { AXIS, LEVEL, RECORD, type SamplerCode } from './emit-code.ts';
import { CubeEmitter } from './emit-cube.ts';
import { type ChannelSource, TexelEmitter } from './emit-texel.ts';
import { YuvEmitter, type YuvLayout } from './emit-yuv.ts';

/**
 * Where the level of detail comes from: none is needed, it is zero, the quad's footprint, that and a bias of each lane, or
 * each lane. 'query', 'derivatives': it is the result, from the quad's footprint or from what lanes bring. 'fetched', 'first': no sampling, coordinates are integers, and levels come with the offsets, or are zero.
 */
export type LodSource =
  | 'none'
  | 'zero'
  | 'footprint'
  | 'biased'
  | 'given'
  | 'query'
  | 'derivatives'
  | 'fetched'
  | 'first';
export type Filter = 'nearest' | 'linear' | 'gather' | 'fetch';

/** All that a sampler's code depends on. */
export interface SamplerState {
  readonly lod: LodSource;
  /** Of a level of detail that is the result: whether the sampler's bias and bounds count. */
  readonly query?: { readonly bias: boolean; readonly clamp: boolean };
  /** Several samples are averaged where a footprint is longer than wide. */
  readonly anisotropic: boolean;
  readonly magnify: Filter;
  readonly minify: Filter;
  /** Magnified is what has at most this level of detail. */
  readonly cutoff: number;
  readonly mipmap: 'none' | 'nearest' | 'linear';
  /** There are several levels. */
  readonly levels: boolean;
  /** Axes that coordinates go along: x, y, and z of a volume. */
  readonly axes: 1 | 2 | 3;
  /** Coordinates name a face of a cube; a linear filter reaches across its edges, or does not. */
  readonly cube: 'none' | 'faces' | 'seamless';
  /** The instruction names a layer. */
  readonly array: boolean;
  /** There are layers, and samples, to choose from. */
  readonly layered: boolean;
  readonly samples: boolean;
  readonly offset: boolean;
  readonly normalized: boolean;
  /** Coordinates are rounded to the nearest 256th of a texel, else down. */
  readonly rounds: boolean;
  /** A level is larger than LARGE (emit-axis.ts). */
  readonly large: boolean;
  /** Channels are integers. */
  readonly integer: boolean;
  /** Texels of bytes are mixed as integers. */
  readonly bytes: boolean;
  readonly wrap: readonly number[];
  readonly layout: TexelLayout;
  /** Texels are YUV: the layout is luma's, this is how chroma lies. */
  readonly yuv: YuvLayout | undefined;
  /** What R, G, B and A of the result are, swizzles applied; of a gather, the one channel. */
  readonly channels: readonly ChannelSource[];
  /** Which of the border's R, G, B and A each of them shows; undefined where there is none. */
  readonly borders: readonly (number | undefined)[] | undefined;
  /**
   * Depth comparison: the function, the channel that is compared, and whether the reference is clamped to 0…1. Then channels are
   * 'compared' or constants.
   */
  readonly compare: { readonly func: number; readonly channel: ChannelSource; readonly clamps: boolean } | undefined;
}

/** Locals of a quad's operands. */
export interface Spot {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Of a cube. */
  readonly face: number | undefined;
  /** Floats that name layers; of a fetch, integers. */
  readonly array: number | undefined;
  /** Of a fetch: which sample. */
  readonly sample: number | undefined;
  readonly reference: number;
  /** Offsets by axis, integers. */
  readonly offsets: readonly (number | undefined)[];
}

export const lerp = (f: Code, a: number, b: number, weight: number, into: number): void => {
  f.get(a).get(b).get(a).op('f32x4_sub').get(weight).op('f32x4_mul').op('f32x4_add').set(into);
};

/** A channel of a texel, decoded, in a local of its own. */
type Texel = (channel: ChannelSource) => number;

export class FilterEmitter {
  readonly #c: SamplerCode;
  readonly f: Code;
  readonly #state: SamplerState;
  readonly #addresses: AddressEmitter;
  readonly #texels: TexelEmitter;
  readonly #cube: CubeEmitter;

  constructor(c: SamplerCode, state: SamplerState) {
    this.#c = c;
    this.f = c.f;
    this.#state = state;
    this.#addresses = new AddressEmitter(c, state.layout);
    this.#texels = new TexelEmitter(c);
    this.#cube = new CubeEmitter(c);
  }

  /** The level is another one now. */
  reset(): void {
    this.#addresses.reset();
  }

  /** Emits a filter; its results go to four locals. */
  emit(kind: Filter, spot: Spot, result: readonly number[]): void {
    if (kind === 'fetch') this.#fetch(spot, result);
    else if (kind === 'nearest') this.#nearest(spot, result);
    else if (kind === 'gather') this.#gather(spot, result);
    else if (this.#state.cube === 'seamless') this.#seamless(spot, result);
    else this.#linear(spot, result);
  }

  #footprints(spot: Spot, filter: 'nearest' | 'linear' | 'gather'): Footprint[] {
    const { axes, wrap, cube } = this.#state;
    return [spot.x, spot.y, spot.z].slice(0, axes).map((coordinate, axis) => {
      const mode = cube === 'seamless' && filter !== 'nearest' ? SEAMLESS : wrap[axis]!;
      const emitter = new AxisEmitter(this.#c, axis, mode, this.#state, coordinate, spot.offsets[axis]);
      return filter === 'nearest' ? emitter.nearest() : emitter.linear(filter === 'gather');
    });
  }

  /** Bytes from the level to the layer that a float names, and to a face in it. */
  #layer({ array, face }: Spot): number | undefined {
    const named = this.#state.layered && array !== undefined;
    if (!named && face === undefined) return undefined;
    return this.#c.vector(() => {
      if (named) {
        this.#c.single(0);
        this.f.get(array).op('f32x4_nearest').op('f32x4_pmax');
        this.#c.known(RECORD.lastLayer).op('f32x4_pmin').op('i32x4_relaxed_trunc_f32x4_s');
      }
      if (face !== undefined) {
        if (named) this.#c.words(CUBE_FACES).op('i32x4_mul');
        this.f.get(face);
        if (named) this.f.op('i32x4_add');
      }
      this.#c.field(LEVEL.layerStride).op('i32x4_mul');
    });
  }

  /** Bytes from the level to a slice, in the layer. */
  #slice(slice: number, layer: number | undefined): number {
    return this.#c.vector(() => {
      this.f.get(slice);
      this.#c.field(LEVEL.sliceStride).op('i32x4_mul');
      if (layer !== undefined) this.f.get(layer).op('i32x4_add');
    });
  }

  /** Rows of a texture: that of a one-dimensional one is the first. */
  #rows(footprint: Footprint | undefined): readonly Texels[] {
    return footprint?.texels ?? [{ index: this.#c.vector(() => this.#c.words(0)), outside: undefined }];
  }

  /** The texels of these columns and rows, row by row. */
  #load(columns: readonly number[], rows: readonly number[], plane: number | undefined): Texel[] {
    const { yuv } = this.#state;
    const addresses = this.#addresses.footprint(columns, rows, plane);
    return addresses.map((address, n) => {
      const words = this.#texels.load(address);
      // Decoded blocks are there until others are looked up.
      for (let word = 0; word < (this.#state.layout.block?.words ?? 0); word++) words(word);
      if (!yuv) return (channel) => this.#texels.decode(words, channel);
      const [x, y] = [columns[n % columns.length]!, rows[Math.floor(n / columns.length)]];
      const component = new YuvEmitter(this.#c, yuv).texel(x, y, () => words(0));
      return (channel) => (channel.kind === 'yuv' ? component(channel.component) : this.#texels.decode(words, channel));
    });
  }

  /** Lanes that show the border, if any may. */
  #outside(...texels: readonly (Texels | undefined)[]): number | undefined {
    const some = texels.flatMap((texel) => (texel?.outside === undefined ? [] : [texel.outside]));
    if (some.length < 2) return some[0];
    return this.#c.vector(() => {
      for (const [n, local] of some.entries()) {
        this.f.get(local);
        if (n > 0) this.f.op('v128_or');
      }
    });
  }

  /** Channels that are looked at: the compared one, or those of the result. */
  get #wanted(): readonly ChannelSource[] {
    const { compare, channels } = this.#state;
    return compare ? [compare.channel] : channels;
  }

  /** A channel of a texel or of the border, compared if there is a comparison; in a local of its own. */
  #value(texel: Texel, n: number, outside: number | undefined, spot: Spot): number {
    const { compare, borders } = this.#state;
    const channel = this.#wanted[n]!;
    const value = texel(channel);
    if (channel.kind === 'constant') this.#c.words(constantWord(this.#state, channel.value)).set(value);
    const border = compare ? 0 : borders?.[n];
    if (outside !== undefined && border !== undefined) {
      this.#c.known(RECORD.border + 16 * border);
      this.f.get(value).get(outside).op('v128_bitselect').set(value);
    }
    if (compare) this.#compare(value, compare.func, spot.reference);
    return value;
  }

  /** Turns a decoded texel into 1 or 0. */
  #compare(texel: number, func: number, reference: number): void {
    const op = FLOAT_COMPARE[func];
    if (op) {
      this.f.get(texel).get(reference).op(op);
      this.#c.single(1).op('v128_and').set(texel);
    } else this.#c.single(func === FUNC.ALWAYS ? 1 : 0).set(texel);
  }

  /** Whether channel n of the result is the same whatever the texels are. */
  isConstant(n: number): boolean {
    const { channels, borders } = this.#state;
    return channels[n]!.kind === 'constant' && borders?.[n] === undefined;
  }

  /** Puts R, G, B and A into their locals: what has been filtered, and constants. */
  #results(filtered: (n: number) => number, result: readonly number[]): void {
    const { channels, compare } = this.#state;
    channels.forEach((channel, n) => {
      if (channel.kind === 'constant' && this.isConstant(n)) this.#c.words(constantWord(this.#state, channel.value));
      else this.f.get(filtered(compare ? 0 : n));
      this.f.set(result[n]!);
    });
  }

  #nearest(spot: Spot, result: readonly number[]): void {
    const [x, y, z] = this.#footprints(spot, 'nearest');
    const layer = this.#layer(spot);
    const plane = z ? this.#slice(z.texels[0]!.index, layer) : layer;
    const [column] = x!.texels;
    const [row] = this.#rows(y);
    const [texel] = this.#load([column!.index], [row!.index], plane);
    const outside = this.#outside(column, row, z?.texels[0]);
    const values = new Map<number, number>();
    this.#results((n) => {
      const value = values.get(n) ?? this.#value(texel!, n, outside, spot);
      values.set(n, value);
      return value;
    }, result);
  }

  /** Texels by integers; zero where there are none. */
  #fetch(spot: Spot, result: readonly number[]): void {
    const { f } = this;
    const { axes } = this.#state;
    const coordinates = [spot.x, spot.y, spot.z].slice(0, axes);
    const inside = this.#c.vector(() => {
      for (const [axis, at] of coordinates.entries()) {
        f.get(at);
        this.#c.field(LEVEL.axes + axis * AXIS.bytes + AXIS.count).op('i32x4_lt_u');
        if (axis > 0) f.op('v128_and');
      }
      for (const [of, count] of [
        [spot.array, RECORD.layers],
        [spot.sample, RECORD.slices],
      ] as const) {
        if (of === undefined) continue;
        f.get(of);
        this.#c.known(count).op('i32x4_lt_u').op('v128_and');
      }
    });
    const within = (at: number): number => this.#c.vector(() => f.get(at).get(inside).op('v128_and'));
    let plane: number | undefined;
    if (spot.array !== undefined && this.#state.layered) {
      const layer = within(spot.array);
      plane = this.#c.vector(() => {
        f.get(layer);
        this.#c.field(LEVEL.layerStride).op('i32x4_mul');
      });
    }
    if (axes === 3) plane = this.#slice(within(spot.z), plane);
    else if (spot.sample !== undefined && this.#state.samples) plane = this.#slice(within(spot.sample), plane);
    const row = axes > 1 ? within(spot.y) : this.#c.vector(() => this.#c.words(0));
    const [texel] = this.#load([within(spot.x)], [row], plane);
    const values = new Map<number, number>();
    this.#results((n) => {
      const value = values.get(n) ?? texel!(this.#state.channels[n]!);
      values.set(n, value);
      return value;
    }, result);
    for (const local of result) f.get(local).get(inside).op('v128_and').set(local);
  }

  #linear(spot: Spot, result: readonly number[]): void {
    const { f } = this;
    const [x, y, z] = this.#footprints(spot, 'linear');
    const layer = this.#layer(spot);
    if (!z) {
      this.#flat(spot, x!, y, layer, undefined, result);
      return;
    }
    // The higher slice is mixed in where it has a weight.
    const weight = this.#float(z.weight!);
    this.#flat(spot, x!, y, this.#slice(z.texels[0]!.index, layer), z.texels[0], result);
    const other = result.map(() => f.local('v128'));
    this.#flat(spot, x!, y, this.#slice(z.texels[1]!.index, layer), z.texels[1], other);
    for (const [n, local] of result.entries()) {
      if (!this.isConstant(n)) this.mix(local, other[n]!, weight);
    }
  }

  /** The footprint on a seamless cube, whose texels may lie on other faces. */
  #seamless(spot: Spot, result: readonly number[]): void {
    const { f } = this;
    const [x, y] = this.#footprints(spot, 'linear');
    const { corners, beyond } = this.#cube.corners(x!, y!, spot.face!);
    const texels = corners.map((corner) => {
      const plane = this.#layer({ ...spot, face: corner.face });
      return this.#load([corner.x], [corner.y], plane)[0]!;
    });
    const [across, down] = [this.#float(x!.weight!), this.#float(y!.weight!)];
    const done = new Map<number, number>();
    this.#results((n) => {
      const known = done.get(n);
      if (known !== undefined) return known;
      const values = texels.map((texel) => this.#value(texel, n, undefined, spot));
      f.get(beyond).if();
      this.#cube.fill(values, corners);
      f.end();
      this.mix(values[0]!, values[1]!, across);
      this.mix(values[2]!, values[3]!, across);
      this.mix(values[0]!, values[2]!, down);
      done.set(n, values[0]!);
      return values[0]!;
    }, result);
  }

  /** A weight in 256ths as a single. */
  #float(weight: number): number {
    return this.#c.vector(() => {
      this.f.get(weight).op('f32x4_convert_i32x4_s');
      this.#c.single(1 / 256).op('f32x4_mul');
    });
  }

  /** Mixes `high` into `low`. What has no weight does not count, even if it is infinite. */
  mix(low: number, high: number, weight: number): void {
    const { f } = this;
    const { channels, borders, compare } = this.#state;
    const endless = !compare && (borders || channels.some(({ kind }) => kind === 'float' || kind === 'ufloat'));
    if (!endless) {
      lerp(f, low, high, weight, low);
      return;
    }
    const keep = this.#c.vector(() => f.get(low));
    lerp(f, low, high, weight, low);
    f.get(keep).get(low).get(weight);
    this.#c.single(0).op('f32x4_eq').op('v128_bitselect').set(low);
  }

  /** The footprint of two by two in one layer or slice. */
  #flat(
    spot: Spot,
    x: Footprint,
    y: Footprint | undefined,
    plane: number | undefined,
    slice: Texels | undefined,
    result: readonly number[],
  ): void {
    const { bytes, wrap, layout, axes } = this.#state;
    if (bytes) {
      const emitter = new BytesEmitter(this.#c, this.#addresses, this.#texels, { layout, wrap, axes });
      const mixed = emitter.mix(x, y, plane, this.#state.channels);
      this.#results((n) => mixed[n]!, result);
      return;
    }
    const rows = this.#rows(y);
    const texels = this.#load(
      x.texels.map(({ index }) => index),
      rows.map(({ index }) => index),
      plane,
    );
    const outside = rows.flatMap((row) => x.texels.map((column) => this.#outside(column, row, slice)));
    const across = this.#float(x.weight!);
    const down = y && this.#float(y.weight!);
    // A channel that shows twice is filtered once.
    const done = new Map<string, number>();
    this.#results((n) => {
      const key = JSON.stringify([this.#wanted[n], this.#state.borders?.[n]]);
      const known = done.get(key);
      if (known !== undefined) return known;
      const values = texels.map((texel, i) => this.#value(texel, n, outside[i], spot));
      this.mix(values[0]!, values[1]!, across);
      if (down !== undefined) {
        this.mix(values[2]!, values[3]!, across);
        this.mix(values[0]!, values[2]!, down);
      }
      done.set(key, values[0]!);
      return values[0]!;
    }, result);
  }

  /** One channel of each texel of the footprint: low and high along x of the lower row, then of the higher one. */
  #gather(spot: Spot, result: readonly number[]): void {
    const [x, y, z] = this.#footprints(spot, 'gather');
    const layer = this.#layer(spot);
    const plane = z ? this.#slice(z.texels[0]!.index, layer) : layer;
    const rows = this.#rows(y);
    const texels = this.#load(
      x!.texels.map(({ index }) => index),
      rows.map(({ index }) => index),
      plane,
    );
    const corners = rows.flatMap((row) => x!.texels.map((column) => this.#outside(column, row, z?.texels[0])));
    for (const [n, local] of result.entries()) {
      const corner = n % texels.length;
      const [channel] = this.#state.channels;
      if (channel!.kind === 'constant' && this.isConstant(0)) {
        this.#c.words(constantWord(this.#state, channel!.value)).set(local);
        continue;
      }
      this.f.get(this.#value(texels[corner]!, 0, corners[corner], spot)).set(local);
    }
  }
}

/** A constant in a colour of floats or of integers. */
function constantWord(state: SamplerState, value: number): number {
  return state.integer ? value : new Int32Array(Float32Array.of(value).buffer)[0]!;
}
