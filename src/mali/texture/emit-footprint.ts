/**
 * Footprints in emitted samplers: the level of detail from the differences between a quad's lanes that run (unit.ts: #footprint,
 * lod.ts), and the samples of anisotropic filters (anisotropy.ts).
 */
import { scratch } from '../engine/scratch.ts';
import type { Code } from '../wasm/builder.ts';
import { LEAST_SQUARE } from './anisotropy.ts';
import { RECORD, type SamplerCode } from './emit-code.ts';
import { CubeEmitter } from './emit-cube.ts';
import type { SamplerState, Spot } from './emit-filter.ts';
import { LOD_ENDLESS, LOD_ONE, LOG_BITS, LOG_TABLE_AT } from './lod.ts';

/** By the bits of a quad's lanes that run: all ones for the difference to lane 1 and to lane 2, if both ends run. */
const ENDS_AT = scratch.fixed('ends', 16 * 8);
for (let running = 0; running < 16; running++) {
  for (const lane of [1, 2]) {
    const both = 1 | (1 << lane);
    scratch.i32[ENDS_AT / 4 + running * 2 + lane - 1] = (running & both) === both ? -1 : 0;
  }
}

const LANES_PER_QUAD = 4;
/** The bits of 1 and of infinity. */
const ONE = 0x3f800000;
const INFINITE = 0x7f800000;
/** Axes that samples are spread along. */
const SPREAD = 2;

export class FootprintEmitter {
  readonly #f: Code;
  readonly #c: SamplerCode;
  readonly #state: SamplerState;
  /** Locals: bits of the lanes that run, and which quad of theirs this is; the level of detail. */
  readonly #mask: number;
  readonly #quad: number;
  readonly #lod: number;
  /** Of an anisotropic filter: samples, and the longer side along x and y. */
  readonly #samples: number;
  readonly #sides: readonly number[];

  constructor(
    c: SamplerCode,
    state: SamplerState,
    { mask, quad, lod }: { readonly mask: number; readonly quad: number; readonly lod: number },
  ) {
    this.#f = c.f;
    this.#c = c;
    this.#state = state;
    this.#mask = mask;
    this.#quad = quad;
    this.#lod = lod;
    this.#samples = c.f.local('i32');
    this.#sides = c.f.locals('v128', SPREAD);
  }

  /** Finds the level of detail, and how many samples there are where. */
  emit({ x, y, z, face }: Spot): void {
    const bits = this.#f.local('i32');
    if (face === undefined) this.#longest([x, y, z].slice(0, this.#state.axes), bits);
    else this.#ofFaces(x, y, face, bits);
    this.#logarithm(bits);
  }

  /** Of a cube: the least that it is on the plane of any face that a lane of the quad is on (cube.ts). */
  #ofFaces(s: number, t: number, face: number, bits: number): void {
    const f = this.#f;
    const cube = new CubeEmitter(this.#c);
    const points = cube.points(s, t, face);
    this.#longest(cube.ontoFirst(points, face), bits);
    f.get(face).get(face).get(face).shuffle32(0, 0, 0, 0).op('i32x4_ne').op('v128_any_true').unlikely().if();
    const [lanes, other] = [f.local('i32'), f.local('i32')];
    const turned = this.#c.vector(() => f.get(face));
    f.get(this.#mask)
      .i32(LANES_PER_QUAD * this.#quad)
      .op('i32_shr_u')
      .i32(2 ** LANES_PER_QUAD - 1)
      .op('i32_and')
      .set(lanes);
    const again = f.loop();
    f.get(turned).get(turned).shuffle32(1, 2, 3, 0).set(turned);
    f.get(lanes).i32(1).op('i32_shr_u').set(lanes);
    this.#longest(cube.ontoFirst(points, turned), other);
    f.get(other).get(bits);
    f.get(other).get(bits).op('i32_lt_u').get(lanes).op('i32_and').op('select').set(bits);
    f.get(lanes).i32(1).op('i32_gt_u').brIf(again);
    f.end();
    f.end();
  }

  /** The square of the longer of both differences, as bits; and what an anisotropic filter needs. */
  #longest(points: readonly number[], bits: number): void {
    const f = this.#f;
    const { anisotropic } = this.#state;
    const squares = f.local('v128');
    const differences: number[] = [];
    for (const [n, operand] of points.entries()) {
      f.get(operand).get(operand).shuffle32(1, 2, 1, 2).get(operand).get(operand).shuffle32(0, 0, 0, 0).op('f32x4_sub');
      if (anisotropic) differences.push(this.#c.vector(() => this.#ends().op('v128_and')));
      if (anisotropic) f.get(differences[n]!);
      const d = f.local('v128');
      this.#c
        .known(RECORD.scale + 16 * n)
        .op('f32x4_mul')
        .tee(d)
        .get(d)
        .op('f32x4_mul');
      if (n > 0) f.op('f32x4_add');
    }
    if (!anisotropic) this.#ends().op('v128_and');
    f.tee(squares);
    // The greater one: none is negative, and the bits of a NaN are greater than those of any number.
    f.get(squares).get(squares).shuffle32(1, 0, 1, 0).op('i32x4_max_u');
    f.lane('i32x4_extract_lane', 0).set(bits);
    if (anisotropic) this.#spread(squares, bits, differences);
  }

  /** Pushes all ones where there are differences. */
  #ends(): Code {
    const f = this.#f;
    const shift = 4 * this.#quad - 3;
    f.get(this.#mask)
      .i32(Math.abs(shift))
      .op(shift < 0 ? 'i32_shl' : 'i32_shr_u')
      .i32(15 << 3)
      .op('i32_and');
    return f.memory('v128_load64_zero', ENDS_AT);
  }

  #logarithm(bits: number): void {
    const f = this.#f;
    const exponent = f.local('i32');
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
    f.op('i32_add').set(this.#lod);
    f.i32(LOD_ENDLESS).get(this.#lod).get(exponent).i32(255).op('i32_eq').op('select').set(this.#lod);
  }

  /** Levels of detail of lanes that bring their derivatives: `load` pushes those by x, by y of the first axis, then of the next. */
  ofDerivatives(load: (n: number) => void): number {
    const f = this.#f;
    const squares = [0, 1].map((direction) =>
      this.#c.vector(() => {
        for (let axis = 0; axis < this.#state.axes; axis++) {
          const d = f.local('v128');
          load(2 * axis + direction);
          this.#c
            .known(RECORD.scale + 16 * axis)
            .op('f32x4_mul')
            .tee(d)
            .get(d)
            .op('f32x4_mul');
          if (axis > 0) f.op('f32x4_add');
        }
      }),
    );
    const longest = this.#c.vector(() => f.get(squares[0]!).get(squares[1]!).op('i32x4_max_u'));
    const lods = f.local('v128');
    const bits = f.local('i32');
    for (const lane of [0, 1, 2, 3]) {
      f.get(longest).lane('i32x4_extract_lane', lane).set(bits);
      this.#logarithm(bits);
      f.get(lods).get(this.#lod).lane('i32x4_replace_lane', lane).set(lods);
    }
    return lods;
  }

  /** How many samples, and along which side; the square becomes that of what each is to cover. */
  #spread(squares: number, bits: number, differences: readonly number[]): void {
    const f = this.#f;
    f.i32(1).set(this.#samples);
    for (const side of this.#sides) this.#c.words(0).set(side);
    f.get(bits).i32(ONE).op('i32_gt_u').get(bits).i32(INFINITE).op('i32_lt_u').op('i32_and').if();
    const count = f.local('f32');
    const lane = (n: number): Code => f.get(squares).lane('f32x4_extract_lane', n);
    f.get(bits).op('f32_reinterpret_i32');
    f.get(squares).get(squares).shuffle32(1, 0, 1, 0).get(squares).op('i32x4_min_u').lane('f32x4_extract_lane', 0);
    f.f32(LEAST_SQUARE).op('f32_max').op('f32_div').op('f32_sqrt').op('f32_ceil');
    f.get(this.#c.record).memory('f32_load', RECORD.anisotropy).op('f32_min').tee(count);
    f.op('i32_trunc_f32_s').set(this.#samples);
    f.get(bits).op('f32_reinterpret_i32').get(count).get(count).op('f32_mul').op('f32_div');
    f.op('i32_reinterpret_f32').set(bits);
    lane(0);
    lane(1).op('f32_ge').if();
    for (const [n, d] of differences.slice(0, SPREAD).entries()) {
      f.get(d).get(d).shuffle32(0, 0, 0, 0).set(this.#sides[n]!);
    }
    f.else();
    for (const [n, d] of differences.slice(0, SPREAD).entries()) {
      f.get(d).get(d).shuffle32(1, 1, 1, 1).set(this.#sides[n]!);
    }
    f.end();
    f.end();
  }

  /** Samples at each place of the footprint and averages what `sample` leaves in `result`. */
  average(spot: Spot, result: readonly number[], sample: (spot: Spot) => void): void {
    const f = this.#f;
    const i = f.local('i32');
    const count = f.local('f32');
    const sum = result.map(() => f.local('v128'));
    f.i32(0).set(i);
    f.get(this.#samples).op('f32_convert_i32_s').set(count);
    const again = f.loop();
    const along = this.#c.vector(() => {
      f.get(i).op('f32_convert_i32_s').f32(0.5).op('f32_add').get(count).op('f32_div').f32(0.5).op('f32_sub');
      f.op('f32x4_splat');
    });
    const moved = (coordinate: number, side: number): number =>
      this.#c.vector(() => f.get(coordinate).get(side).get(along).op('f32x4_mul').op('f32x4_add'));
    const [x, y] = [moved(spot.x, this.#sides[0]!), this.#state.axes > 1 ? moved(spot.y, this.#sides[1]!) : spot.y];
    sample({ ...spot, x, y });
    f.get(i).if();
    result.forEach((local, n) => {
      f.get(sum[n]!).get(local).op('f32x4_add').set(sum[n]!);
    });
    f.else();
    result.forEach((local, n) => {
      f.get(local).set(sum[n]!);
    });
    f.end();
    f.get(i).i32(1).op('i32_add').tee(i).get(this.#samples).op('i32_lt_u').brIf(again);
    f.end();
    result.forEach((local, n) => {
      f.get(sum[n]!).get(count).op('f32x4_splat').op('f32x4_div').set(local);
    });
  }
}
