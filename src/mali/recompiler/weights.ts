/**
 * Weights of a quad's vertices at its pixels' centres, perspective-correct, and how far its primitive's varyings can be read here: the
 * script of the same is fragment/interpolation.ts, and the numbers are the same bits.
 *
 * Planes are doubles (engine/quads.ts: PRIMITIVE), two of them side by side. They are evaluated once, at the centre of the quad's first
 * pixel; from there on all is singles, whose steps to the four pixels come with the primitive.
 */
import { PRIMITIVE, planeAt } from '../engine/quads.ts';
import type { LaneCode } from './lanes.ts';

const VERTICES = 3;
const VECTOR_BYTES = 16;

/** Pushes a coordinate of the centre of a quad's first pixel in the window, in 1/256 pixel, as a double. */
export type PushPlace = () => void;

export class WeightCode {
  /** By vertex and vector. */
  readonly weights: readonly number[][];
  readonly #l: LaneCode;
  readonly #dx: number;
  readonly #dy: number;
  readonly #pair: number;
  readonly #inverse: number;

  constructor(lanes: LaneCode) {
    this.#l = lanes;
    const { code } = lanes;
    this.weights = Array.from({ length: VERTICES }, () => code.locals('v128', lanes.vectors));
    this.#dx = code.local('f64');
    this.#dy = code.local('f64');
    this.#pair = code.local('v128');
    this.#inverse = code.local('v128');
  }

  /** Pushes 1/w of a quad: the first plane alone. `primitive` pushes the scratch address of the quad's. */
  inverseW(primitive: () => void, x: PushPlace, y: PushPlace): void {
    this.#place(primitive, x, y);
    this.#single(0, primitive);
    this.#step(0, primitive);
  }

  /** Computes vector k's weights. */
  emit(k: number, primitive: () => void, x: PushPlace, y: PushPlace): void {
    const { code } = this.#l;
    const inverse = this.#inverse;
    this.#place(primitive, x, y);
    const part = (n: number): void => {
      primitive();
      code.memory('v128_load', planeAt(0, n));
    };
    part(0);
    part(1);
    code.get(this.#dx).op('f64x2_splat').op('f64x2_mul').op('f64x2_add');
    part(2);
    code.get(this.#dy).op('f64x2_splat').op('f64x2_mul').op('f64x2_add').op('f32x4_demote_f64x2_zero').set(this.#pair);
    const [w0, w1, w2] = this.weights.map((vectors) => vectors[k]!) as [number, number, number];
    this.#l.single(1)(k);
    code.get(this.#pair).get(this.#pair).shuffle32(0, 0, 0, 0);
    this.#step(0, primitive);
    code.op('f32x4_div').set(inverse);
    code.get(this.#pair).get(this.#pair).shuffle32(1, 1, 1, 1);
    this.#step(1, primitive);
    code.get(inverse).op('f32x4_mul').set(w0);
    this.#single(2, primitive);
    this.#step(2, primitive);
    code.get(inverse).op('f32x4_mul').set(w1);
    this.#l.single(1)(k);
    code.get(w0).op('f32x4_sub').get(w1).op('f32x4_sub').set(w2);
  }

  /** The quad's place from the planes' origin. */
  #place(primitive: () => void, x: PushPlace, y: PushPlace): void {
    const { code } = this.#l;
    for (const [push, origin, local] of [
      [x, PRIMITIVE.originX, this.#dx],
      [y, PRIMITIVE.originY, this.#dy],
    ] as const) {
      push();
      primitive();
      code.memory('f64_load', origin).op('f64_sub').set(local);
    }
  }

  /** Pushes one plane at the quad's place, in all lanes. */
  #single(n: number, primitive: () => void): void {
    const { code } = this.#l;
    const part = (k: number): void => {
      primitive();
      code.memory('f64_load', planeAt(n, k));
    };
    part(0);
    part(1);
    code.get(this.#dx).op('f64_mul').op('f64_add');
    part(2);
    code.get(this.#dy).op('f64_mul').op('f64_add').op('f32_demote_f64').op('f32x4_splat');
  }

  /** Adds what the plane changes by from the quad's place to its pixels. */
  #step(n: number, primitive: () => void): void {
    primitive();
    this.#l.code.memory('v128_load', PRIMITIVE.steps + n * VECTOR_BYTES).op('f32x4_add');
  }
}
