/**
 * What an emitted sampler does for a quad: from operands in scratch memory to the results in four locals. emit.ts has the loop around it.
 */
import { GRADIENT_LOD_MASK } from '../../abi/gpu/texture-descriptors.ts';
import type { Code } from '../wasm/builder.ts';
import { type DramMemory, type Helpers, LEVEL, RECORD, SamplerCode } from './emit-code.ts';
import { CubeEmitter } from './emit-cube.ts';
import { FilterEmitter, type SamplerState, type Spot } from './emit-filter.ts';
import { FootprintEmitter } from './emit-footprint.ts';
import { LOD_ONE } from './lod.ts';
import { CHANNEL_BYTES, OPERAND } from './operands.ts';

/** The sampler's parameters, and its locals by these numbers. */
export const RECORD_AT = 0;
export const OPERANDS = 1;
export const MASK = 2;

export const QUAD_BYTES = 16;
const LOD_SHIFT = 8;

export class QuadEmitter {
  readonly #f: Code;
  readonly #c: SamplerCode;
  readonly #state: SamplerState;
  readonly #filter: FilterEmitter;
  readonly #quad: number;
  readonly #lod: number;
  readonly #footprint: FootprintEmitter;
  readonly #cube: CubeEmitter;
  readonly #result: readonly number[];
  /** Results of the lower of two levels. */
  readonly #lower: readonly number[];
  /** A local: the weight of the higher of two levels in 256ths. */
  readonly fraction: number;

  /** `quad`: of those that the loop takes at a time. */
  constructor(f: Code, state: SamplerState, dram: DramMemory, helpers: Helpers, quad: number) {
    this.#f = f;
    this.#state = state;
    this.#quad = quad;
    this.#c = new SamplerCode(f, quad, dram, RECORD_AT, helpers);
    this.#filter = new FilterEmitter(this.#c, state);
    this.#lod = f.local('i32');
    this.#result = f.locals('v128', 4);
    this.#lower = state.mipmap === 'linear' ? f.locals('v128', 4) : [];
    this.fraction = f.local('i32');
    this.#cube = new CubeEmitter(this.#c);
    this.#footprint = new FootprintEmitter(this.#c, state, { mask: MASK, quad, lod: this.#lod });
  }

  /** Before the loop: the first level is the one. */
  open(): void {
    this.#setLevel(() => this.#f.i32(0));
  }

  /** Samples, and stores the results. */
  emit(): void {
    this.sample(this.operands());
    this.store();
  }

  store(): void {
    this.#result.forEach((local, n) => {
      this.#f
        .get(OPERANDS)
        .get(local)
        .memory('v128_store', OPERAND.result + n * CHANNEL_BYTES + this.#quad * QUAD_BYTES)
        .seam();
    });
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

  #load(at: number): void {
    this.#f.get(OPERANDS).memory('v128_load', at + this.#quad * QUAD_BYTES);
  }

  /** As Texture.clampsReference has it. */
  #reference(clamps: boolean): number {
    const reference = this.#operand(OPERAND.shadow);
    if (!clamps) return reference;
    return this.#c.vector(() => {
      this.#f.get(reference);
      this.#c.single(0).op('f32x4_max');
      this.#c.single(1).op('f32x4_min');
    });
  }

  #operand(at: number): number {
    return this.#c.vector(() => this.#load(at));
  }

  operands(): Spot {
    const f = this.#f;
    const { axes, array, layered, offset, compare, magnify } = this.#state;
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
    return {
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
      reference: compare ? this.#reference(compare.clamps) : 0,
      offsets: shifts,
    };
  }

  /** Samples into the results. */
  sample(spot: Spot): void {
    const { lod, magnify } = this.#state;
    switch (lod) {
      case 'none':
      case 'first':
        this.#filter.emit(magnify, spot, this.#result);
        break;
      case 'zero':
      case 'footprint':
        this.#findLod(spot);
        this.#spread(spot);
        break;
      case 'query':
        this.#footprint.emit(spot);
        this.#answer(this.#c.vector(() => this.#f.get(this.#lod).op('i32x4_splat')));
        break;
      case 'derivatives':
        this.#answer(this.#footprint.ofDerivatives((n) => this.#load(n * CHANNEL_BYTES)));
        break;
      case 'fetched': {
        const levels = this.#c.vector(() => {
          this.#load(OPERAND.offset);
          this.#f.i32(24).op('i32x4_shr_u');
        });
        if (!this.#state.levels) {
          this.#fetchFirst(spot, levels);
          break;
        }
        this.#lanewise(levels, () => this.#fetchAt(spot));
        break;
      }
      default:
        this.#lanewise(this.#lodsOfLanes(spot), () => this.#spread(spot));
    }
  }

  /** The quad's level of detail: zero, or that of its footprint. */
  #findLod(spot: Spot): void {
    const f = this.#f;
    if (this.#state.lod === 'zero') f.i32(0);
    else {
      this.#footprint.emit(spot);
      f.get(this.#lod).get(RECORD_AT).memory('i32_load', RECORD.bias).op('i32_add');
    }
    f.set(this.#lod);
    this.#bound(this.#lod, RECORD.minimumLod, true);
    this.#bound(this.#lod, RECORD.maximumLod, false);
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
      this.#c.known(RECORD.lastLod).op('i32x4_min_s');
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
    this.#load(OPERAND.lod);
    f.i32(16).op('i32x4_shl').i32(16).op('i32x4_shr_s').set(lods);
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

  /** Texels of the only level, for lanes that ask for that. */
  #fetchFirst(spot: Spot, levels: number): void {
    const f = this.#f;
    this.#filter.emit('fetch', spot, this.#result);
    const first = this.#c.vector(() => {
      f.get(levels);
      this.#c.words(0).op('i32x4_eq');
    });
    for (const local of this.#result) f.get(local).get(first).op('v128_and').set(local).seam();
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
    const filter = this.#place(spot);
    if (this.#state.mipmap === 'linear') mixLevels(this.#f, [this], [filter]);
    else filter();
  }

  /** Finds the level of detail, and the level that it means; what filters it is answered. Straight where `isStraight`. */
  prepare(spot: Spot): () => void {
    this.#findLod(spot);
    return this.#place(spot);
  }

  #place(spot: Spot): () => void {
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
    if (mipmap === 'none') return filter;
    const base = this.fraction;
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
    if (mipmap === 'linear') {
      f.get(base)
        .i32(LOD_ONE - 1)
        .op('i32_and')
        .set(base);
    }
    f.seam();
    return filter;
  }

  /** The results are those of the lower level; the next one follows if it has a weight, else the same again. */
  nextLevel(): void {
    const f = this.#f;
    const { level } = this.#c;
    this.#result.forEach((local, n) => {
      f.get(local).set(this.#lower[n]!).seam();
    });
    f.get(level).i32(LEVEL.bytes).i32(0).get(this.fraction).op('select').op('i32_add').set(level);
    this.#filter.reset();
    f.seam();
  }

  /** The results become those of both levels. */
  mix(): void {
    const weight = this.#c.vector(() => {
      this.#f.get(this.fraction).op('f32_convert_i32_s').op('f32x4_splat');
      this.#c.single(1 / LOD_ONE).op('f32x4_mul');
    });
    this.#result.forEach((local, n) => {
      if (this.#filter.isConstant(n)) return;
      this.#filter.mix(this.#lower[n]!, local, weight);
      this.#f.get(this.#lower[n]!).set(local).seam();
    });
  }
}

/** Filters quads' levels, and with weights the next ones, by the same code. */
export function mixLevels(f: Code, quads: readonly QuadEmitter[], filters: readonly (() => void)[]): void {
  const first = f.local('i32');
  f.i32(1).set(first);
  const out = f.block();
  const again = f.loop();
  together(f, filters);
  f.get(first).if();
  quads.forEach(({ fraction }, n) => {
    f.get(fraction);
    if (n > 0) f.op('i32_or');
  });
  f.op('i32_eqz').brIf(out);
  for (const quad of quads) quad.nextLevel();
  f.i32(0).set(first).br(again);
  f.end();
  f.end();
  together(
    f,
    quads.map((quad) => () => quad.mix()),
  );
  f.end();
}

/** A quad's code as it is, several woven. */
export function together(f: Code, strands: readonly (() => void)[]): void {
  if (strands.length > 1) f.weave(strands);
  else strands[0]!();
}
