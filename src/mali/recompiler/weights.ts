/**
 * Weights of a quad's vertices at its pixels' centres, perspective-correct, and how far its primitive's varyings can be read here: the
 * script of the same is fragment/interpolation.ts, and the numbers are the same bits.
 *
 * Planes are doubles (engine/quads.ts: PRIMITIVE). They are evaluated once, at the centre of the quad's first pixel; from there on all is singles,
 * so a quad costs one division.
 */
import { PRIMITIVE } from '../engine/quads.ts';
import type { LaneCode, Lanes } from './lanes.ts';

const VERTICES = 3;
/** Pixels to 1/256 pixel, and the centre. */
const SUBPIXEL_SHIFT = 8;
const SUBPIXEL = 256;
const CENTER = 128;
const PLANE_BYTES = 24;

export class WeightCode {
  /** By vertex and vector. */
  readonly weights: readonly number[][];
  readonly #l: LaneCode;
  readonly #place: number;
  readonly #slopes: number;
  readonly #moved: number;
  readonly #planes: readonly number[];

  constructor(lanes: LaneCode) {
    this.#l = lanes;
    const { code } = lanes;
    this.weights = Array.from({ length: VERTICES }, () => code.locals('v128', lanes.vectors));
    this.#place = code.local('v128');
    this.#slopes = code.local('v128');
    this.#moved = code.local('v128');
    this.#planes = code.locals('v128', VERTICES);
  }

  /** Pushes 1/w of vector k: the first plane alone. */
  inverseW(k: number, primitive: () => void, x: Lanes, y: Lanes): void {
    this.#origin(k, primitive, x, y);
    this.#plane(k, 0, this.#planes[0]!, primitive);
    this.#l.code.get(this.#planes[0]!);
  }

  /** Computes vector k's. `primitive` pushes the scratch address of its quad's; x and y: its pixels in the window. */
  emit(k: number, primitive: () => void, x: Lanes, y: Lanes): void {
    const { code } = this.#l;
    this.#origin(k, primitive, x, y);
    for (const [n, plane] of this.#planes.entries()) this.#plane(k, n, plane, primitive);
    const [inverse, first, second] = this.#planes as [number, number, number];
    const [w0, w1, w2] = this.weights.map((vectors) => vectors[k]!) as [number, number, number];
    this.#l.single(1)(k);
    code.get(inverse).op('f32x4_div').set(inverse);
    code.get(first).get(inverse).op('f32x4_mul').set(w0);
    code.get(second).get(inverse).op('f32x4_mul').set(w1);
    this.#l.single(1)(k);
    code.get(w0).op('f32x4_sub').get(w1).op('f32x4_sub').set(w2);
  }

  /** x and y of the first pixel's centre from the planes' origin, as doubles. */
  #origin(k: number, primitive: () => void, x: Lanes, y: Lanes): void {
    const { code } = this.#l;
    x(k);
    y(k);
    code.shuffle32(0, 4, 0, 4).i32(SUBPIXEL_SHIFT).op('i32x4_shl');
    this.#l.words(CENTER)(k);
    code.op('v128_or').op('f64x2_convert_low_i32x4_s');
    primitive();
    code.memory('v128_load', PRIMITIVE.originX).op('f64x2_sub').set(this.#place);
  }

  /** Plane n at the four pixels: (value + x slope + y slope) in doubles, then a pixel's steps in singles. */
  #plane(k: number, n: number, to: number, primitive: () => void): void {
    const { code } = this.#l;
    const at = PRIMITIVE.planes + n * PLANE_BYTES;
    primitive();
    code
      .memory('v128_load', at + 8)
      .tee(this.#slopes)
      .get(this.#place)
      .op('f64x2_mul')
      .set(this.#moved);
    primitive();
    code.memory('f64_load', at).get(this.#moved).lane('f64x2_extract_lane', 0).op('f64_add');
    code.get(this.#moved).lane('f64x2_extract_lane', 1).op('f64_add').op('f32_demote_f64').op('f32x4_splat');
    code.get(this.#slopes).op('f32x4_demote_f64x2_zero').tee(this.#slopes).get(this.#slopes).shuffle32(0, 0, 0, 0);
    this.#steps([0, SUBPIXEL, 0, SUBPIXEL])(k);
    code.op('f32x4_mul').op('f32x4_add');
    code.get(this.#slopes).get(this.#slopes).shuffle32(1, 1, 1, 1);
    this.#steps([0, 0, SUBPIXEL, SUBPIXEL])(k);
    code.op('f32x4_mul').op('f32x4_add').set(to);
  }

  #steps(singles: readonly number[]): Lanes {
    const view = new DataView(new ArrayBuffer(4));
    return this.#l.words(
      ...singles.map((x) => {
        view.setFloat32(0, x);
        return view.getInt32(0);
      }),
    );
  }
}
