/**
 * Samplers as emitted WebAssembly: made of what a texture and a sampler descriptor fix (`SamplerState`), shared by all that are equal.
 *
 * A sampler answers sixteen lanes, a quad at a time: a vector holds one number of four lanes. Levels' addresses and sizes come
 * from a record in scratch memory (emit-code.ts), texels from DRAM by physical address; the record's maker has translated and
 * bounded them, and wrapping keeps every index inside the level, whatever the coordinates are. All of it is one function, so that
 * nothing has to be passed on. The arithmetic is that of the script sampler (sampler.ts, unit.ts), operation by operation in
 * singles or integers, so that both give the same bits.
 * Source: OpenGL ES 3.2 chapter 8.14; WebAssembly core specification 3.0 (vector instructions).
 */
import { GRADIENT_LOD_MASK } from '../../abi/gpu/texture-descriptors.ts';
import { scratch } from '../engine/scratch.ts';
import { type Code, ModuleBuilder } from '../wasm/builder.ts';
import { blockFunction } from './block-cache.ts';
import { headerFunction } from './emit-afbc.ts';
import { type Helpers, LEVEL, RECORD, SamplerCode } from './emit-code.ts';
import { CubeEmitter } from './emit-cube.ts';
import { FilterEmitter, lerp, type SamplerState, type Spot } from './emit-filter.ts';
import { FootprintEmitter } from './emit-footprint.ts';
import { LOD_ONE } from './lod.ts';
import { CHANNEL_BYTES, OPERAND } from './operands.ts';

/**
 * Addresses in scratch memory: a binding's record, and a block of operands (operands.ts), into which the results go. `mask`: the
 * lanes that run. Answers 0, or 1 if the results are not to be used.
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
  const { kind, block: blocks } = state.layout;
  const decode = blocks && m.importFunction('e', 'decode', ['i32', 'i32', 'i32'], []);
  const header = kind === 'afbc' ? headerFunction(m, state.layout, dram) : undefined;
  const block = decode && blockFunction(m, blocks, dram, decode);
  const f = m.function('texture_sample', [...SAMPLER_TYPE.params], [...SAMPLER_TYPE.results]);
  m.exportFunction('sample', f);
  new SamplerEmitter(f, state, dram, { header, block }).emit();
  return m.build();
}

const RECORD_AT = 0;
const OPERANDS = 1;
const MASK = 2;

class SamplerEmitter {
  readonly #f: Code;
  readonly #c: SamplerCode;
  readonly #state: SamplerState;
  readonly #filter: FilterEmitter;
  readonly #lod: number;
  readonly #footprint: FootprintEmitter;
  readonly #cube: CubeEmitter;
  readonly #result: number[];

  constructor(f: Code, state: SamplerState, dram: number, helpers: Helpers) {
    this.#f = f;
    this.#state = state;
    this.#c = new SamplerCode(f, dram, RECORD_AT, helpers);
    this.#filter = new FilterEmitter(this.#c, state);
    this.#lod = f.local('i32');
    this.#result = f.locals('v128', 4);
    this.#cube = new CubeEmitter(this.#c);
    this.#footprint = new FootprintEmitter(this.#c, state, MASK, this.#lod);
  }

  emit(): void {
    const f = this.#f;
    const state = this.#state;
    const fails = state.layout.kind === 'afbc';
    if (fails) f.get(RECORD_AT).i32(0).memory('i32_store', RECORD.failed);
    this.#setLevel(() => f.i32(0));
    const again = f.loop();
    const next = f.block();
    f.get(MASK).i32(15).op('i32_and').op('i32_eqz').brIf(next);
    this.#quad();
    this.#result.forEach((local, n) => {
      f.get(OPERANDS)
        .get(local)
        .memory('v128_store', OPERAND.result + n * CHANNEL_BYTES);
    });
    f.end();
    f.get(OPERANDS).i32(QUAD_BYTES).op('i32_add').set(OPERANDS);
    f.get(MASK).i32(4).op('i32_shr_u').tee(MASK).brIf(again);
    f.end();
    if (fails) f.get(RECORD_AT).memory('i32_load', RECORD.failed);
    else f.i32(0);
  }

  /** The level becomes the one whose number is pushed. */
  #setLevel(push: () => void): void {
    push();
    this.#f
      .i32(LEVEL.bytes)
      .op('i32_mul')
      .get(RECORD_AT)
      .op('i32_add')
      .i32(RECORD.levels)
      .op('i32_add')
      .set(this.#c.level);
  }

  #operand(at: number): number {
    return this.#c.vector(() => this.#f.get(OPERANDS).memory('v128_load', at));
  }

  /** Samples a quad into the results. */
  #quad(): void {
    const f = this.#f;
    const { lod, axes, array, layered, offset, compare, magnify } = this.#state;
    const fetch = magnify === 'fetch';
    const x = this.#operand(OPERAND.x);
    const y = axes > 1 ? this.#operand(OPERAND.y) : 0;
    const z = axes > 2 ? this.#operand(OPERAND.z) : 0;
    const offsets = offset ? this.#operand(OPERAND.offset) : undefined;
    const signed = (byte: number): number | undefined =>
      offsets === undefined || byte >= axes
        ? undefined
        : this.#c.vector(() =>
            f
              .get(offsets)
              .i32(24 - 8 * byte)
              .op('i32x4_shl')
              .i32(24)
              .op('i32x4_shr_s'),
          );
    const shifts = [0, 1, 2].map(signed);
    if (fetch) {
      for (const [n, at] of [x, y, z].entries()) {
        if (shifts[n] !== undefined) f.get(at).get(shifts[n]).op('i32x4_add').set(at);
      }
    }
    const spot: Spot = {
      x,
      y,
      z,
      face: this.#state.cube === 'none' ? undefined : this.#cube.face(x),
      array: (fetch ? array : layered) ? this.#operand(OPERAND.array) : undefined,
      sample:
        fetch && offsets !== undefined && axes < 3
          ? this.#c.vector(() => {
              f.get(offsets).i32(16).op('i32x4_shr_u');
              this.#c.words(0xff).op('v128_and');
            })
          : undefined,
      reference: compare ? this.#operand(OPERAND.shadow) : 0,
      offsets: shifts,
    };
    switch (lod) {
      case 'none':
      case 'first':
        this.#filter.emit(magnify, spot, this.#result);
        break;
      case 'zero':
      case 'footprint':
        if (lod === 'zero') f.i32(0);
        else {
          this.#footprint.emit(spot);
          f.get(this.#lod).get(RECORD_AT).memory('i32_load', RECORD.bias).op('i32_add');
        }
        f.set(this.#lod);
        this.#bound(this.#lod, RECORD.minimumLod, true);
        this.#bound(this.#lod, RECORD.maximumLod, false);
        this.#spread(spot);
        break;
      case 'query':
        this.#footprint.emit(spot);
        this.#answer(this.#c.vector(() => f.get(this.#lod).op('i32x4_splat')));
        break;
      case 'derivatives':
        this.#answer(this.#footprint.ofDerivatives((n) => f.get(OPERANDS).memory('v128_load', n * CHANNEL_BYTES)));
        break;
      case 'fetched': {
        const levels = this.#c.vector(() => f.get(offsets!).i32(24).op('i32x4_shr_u'));
        this.#lanewise(levels, () => this.#fetchAt(spot));
        break;
      }
      default:
        this.#lanewise(this.#lodsOfLanes(spot), () => this.#spread(spot));
    }
  }

  /** `local` is brought to the right side of the record's field. */
  #bound(local: number, field: number, least: boolean): void {
    const f = this.#f;
    const limit = f.local('i32');
    f.get(local).get(RECORD_AT).memory('i32_load', field).tee(limit);
    f.get(local)
      .get(limit)
      .op(least ? 'i32_gt_s' : 'i32_lt_s')
      .op('select')
      .set(local);
  }

  /** Levels of detail become the result: signed numbers of 16 bits. */
  #answer(lods: number): void {
    const f = this.#f;
    const { bias, clamp } = this.#state.query!;
    f.get(lods);
    if (bias) this.#c.known(RECORD.bias).op('i32x4_add');
    if (clamp) {
      this.#c.known(RECORD.minimumLod).op('i32x4_max_s');
      this.#c.known(RECORD.maximumLod).op('i32x4_min_s');
    }
    this.#c.words(-0x8000).op('i32x4_max_s');
    this.#c.words(0x7fff).op('i32x4_min_s');
    this.#c.words(GRADIENT_LOD_MASK).op('v128_and').set(this.#result[0]!);
    for (const local of this.#result.slice(1)) this.#c.words(0).set(local);
  }

  /** Levels of detail that lanes bring, complete. */
  #lodsOfLanes(spot: Spot): number {
    const f = this.#f;
    const lods = f.local('v128');
    f.get(OPERANDS).memory('v128_load', OPERAND.lod).i32(16).op('i32x4_shl').i32(16).op('i32x4_shr_s').set(lods);
    if (this.#state.lod === 'biased') {
      this.#footprint.emit(spot);
      f.get(lods).get(this.#lod).op('i32x4_splat').op('i32x4_add').set(lods);
    }
    f.get(lods);
    this.#c.known(RECORD.bias).op('i32x4_add');
    this.#c.known(RECORD.minimumLod).op('i32x4_max_s');
    this.#c.known(RECORD.maximumLod).op('i32x4_min_s').set(lods);
    return lods;
  }

  /** Lanes with levels of their own: those that are equal are sampled together. */
  #lanewise(lods: number, sample: () => void): void {
    const f = this.#f;
    const rest = f.local('i32');
    const same = f.local('v128');
    const sum = this.#result.map(() => f.local('v128'));
    f.get(MASK).i32(15).op('i32_and').set(rest);
    const again = f.loop();
    for (const lane of [3, 2, 1, 0]) {
      f.get(lods).lane('i32x4_extract_lane', lane);
      if (lane < 3)
        f.get(this.#lod)
          .get(rest)
          .i32(1 << lane)
          .op('i32_and')
          .op('select');
      f.set(this.#lod);
    }
    f.get(lods).get(this.#lod).op('i32x4_splat').op('i32x4_eq').set(same);
    sample();
    this.#result.forEach((local, n) => {
      f.get(local).get(sum[n]!).get(same).op('v128_bitselect').set(sum[n]!);
    });
    f.get(rest).get(same).op('i32x4_bitmask').i32(-1).op('i32_xor').op('i32_and').tee(rest).brIf(again);
    f.end();
    this.#result.forEach((local, n) => {
      f.get(sum[n]!).set(local);
    });
  }

  /** Texels of the level whose number is the level of detail, if there is one. */
  #fetchAt(spot: Spot): void {
    const f = this.#f;
    for (const local of this.#result) this.#c.words(0).set(local);
    f.get(this.#lod).i32(LOD_SHIFT).op('i32_shl').get(RECORD_AT).memory('i32_load', RECORD.lastLod).op('i32_le_s').if();
    this.#setLevel(() => f.get(this.#lod));
    this.#filter.reset();
    this.#filter.emit('fetch', spot, this.#result);
    f.end();
  }

  /** Samples at the level of detail, at several places if the filter is anisotropic. */
  #spread(spot: Spot): void {
    if (this.#state.anisotropic) this.#footprint.average(spot, this.#result, (at) => this.#atLod(at));
    else this.#atLod(spot);
  }

  /** Samples at the level of detail: from the level that it means, or from the two next to it. */
  #atLod(spot: Spot): void {
    const f = this.#f;
    const { magnify, minify, mipmap, cutoff } = this.#state;
    const magnified = f.local('i32');
    f.get(this.#lod).i32(cutoff).op('i32_le_s').set(magnified);
    const filter = (): void => {
      if (magnify === minify) {
        this.#filter.emit(magnify, spot, this.#result);
        return;
      }
      f.get(magnified).if();
      this.#filter.emit(magnify, spot, this.#result);
      f.else();
      this.#filter.emit(minify, spot, this.#result);
      f.end();
    };
    if (mipmap === 'none') {
      filter();
      return;
    }
    const base = f.local('i32');
    f.get(this.#lod).set(base);
    this.#bound(base, RECORD.lastLod, false);
    // Magnified is the first level.
    f.get(base)
      .i32(0)
      .get(base)
      .i32(0)
      .op('i32_gt_s')
      .get(magnified)
      .op('i32_eqz')
      .op('i32_and')
      .op('select')
      .set(base);
    this.#setLevel(() => {
      // Halfway between two levels lies the finer one's.
      if (mipmap === 'nearest')
        f.get(base)
          .i32(LOD_ONE / 2 + LOD_ONE - 1)
          .op('i32_add')
          .i32(LOD_SHIFT)
          .op('i32_shr_u')
          .i32(1)
          .op('i32_sub');
      else f.get(base).i32(LOD_SHIFT).op('i32_shr_u');
    });
    this.#filter.reset();
    if (mipmap === 'nearest') filter();
    else this.#twoLevels(base, filter);
  }

  /** Filters the level, and with a weight the next one, by the same code. */
  #twoLevels(base: number, filter: () => void): void {
    const f = this.#f;
    const first = f.local('i32');
    const kept = this.#result.map(() => f.local('v128'));
    f.i32(1).set(first);
    f.get(base)
      .i32(LOD_ONE - 1)
      .op('i32_and')
      .set(base);
    const out = f.block();
    const again = f.loop();
    filter();
    f.get(first).if();
    f.get(base).op('i32_eqz').brIf(out);
    this.#result.forEach((local, n) => {
      f.get(local).set(kept[n]!);
    });
    f.get(this.#c.level).i32(LEVEL.bytes).op('i32_add').set(this.#c.level);
    this.#filter.reset();
    f.i32(0).set(first).br(again);
    f.end();
    f.end();
    const weight = this.#c.vector(() => {
      f.get(base).op('f32_convert_i32_s').op('f32x4_splat');
      this.#c.single(1 / LOD_ONE).op('f32x4_mul');
    });
    this.#result.forEach((local, n) => {
      if (!this.#filter.isConstant(n)) lerp(f, kept[n]!, local, weight, local);
    });
    f.end();
  }
}
