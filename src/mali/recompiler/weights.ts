/**
 * Weights of a quad's vertices at its pixels' centres, perspective-correct: the script of the same is fragment/interpolation.ts, and the
 * numbers are the same bits.
 *
 * Planes are doubles (engine/quads.ts: PRIMITIVE), two of them side by side. They are evaluated once, at the centre of the quad's first
 * pixel; from there on all is singles, whose steps to the four pixels come with the primitive.
 */
import { PRIMITIVE, planeAt } from '../engine/quads.ts';
import type { Code } from '../wasm/builder.ts';
import type { LaneCode } from './lanes.ts';

/** Of vertices 1 and 2: sums begin at the first, so nobody asks for its weight. */
const WEIGHTS = 2;
const PARTS = 3;
const VECTOR_BYTES = 16;

/** Pushes a coordinate of the centre of a quad's first pixel in the window, in 1/256 pixel, as a double. */
export type PushPlace = () => void;

/** What pushes the numbers that weights are made of: the quad's place from the planes' origin, and the primitive's. */
export interface WeightSource {
  dx(): void;
  dy(): void;
  /** Part n (value, x slope, y slope) of the first two planes, and of the third. */
  pair(n: number): void;
  third(n: number): void;
  /** What a plane changes by from the quad's place to its pixels. */
  step(plane: number): void;
}

/** All of it from memory. `primitive` pushes the scratch address of the quad's. */
export function fromMemory(code: Code, primitive: () => void, x: PushPlace, y: PushPlace): WeightSource {
  const load = (name: 'f64_load' | 'v128_load', offset: number): void => {
    primitive();
    code.memory(name, offset);
  };
  const distance = (push: PushPlace, origin: number) => (): void => {
    push();
    load('f64_load', origin);
    code.op('f64_sub');
  };
  return {
    dx: distance(x, PRIMITIVE.originX),
    dy: distance(y, PRIMITIVE.originY),
    pair: (n) => load('v128_load', planeAt(0, n)),
    third: (n) => load('f64_load', planeAt(2, n)),
    step: (plane) => load('v128_load', PRIMITIVE.steps + plane * VECTOR_BYTES),
  };
}

/**
 * The same for one primitive after the other: `set` fetches what is a primitive's own. Places are counted from `centers`, locals with
 * the centre of the tile's first pixel, `within` it. All of them are whole numbers of 1/256 pixel, so the order of sums does not matter.
 */
export function fromLocals(
  code: Code,
  centers: readonly [x: number, y: number],
  within: readonly [x: PushPlace, y: PushPlace],
): { readonly source: WeightSource; set(primitive: number): void } {
  const [pairs, steps] = [code.locals('v128', PARTS), code.locals('v128', PARTS)];
  const thirds = code.locals('f64', PARTS);
  const offsets = code.locals('f64', 2);
  const distance = (axis: 0 | 1) => (): void => {
    within[axis]();
    code.get(offsets[axis]).op('f64_add');
  };
  return {
    source: {
      dx: distance(0),
      dy: distance(1),
      pair: (n) => code.get(pairs[n]!),
      third: (n) => code.get(thirds[n]!),
      step: (plane) => code.get(steps[plane]!),
    },
    set(primitive) {
      const memory = fromMemory(
        code,
        () => code.get(primitive),
        () => code.get(centers[0]),
        () => code.get(centers[1]),
      );
      memory.dx();
      code.set(offsets[0]);
      memory.dy();
      code.set(offsets[1]);
      for (let n = 0; n < PARTS; n++) {
        memory.pair(n);
        code.set(pairs[n]!);
        memory.third(n);
        code.set(thirds[n]!);
        memory.step(n);
        code.set(steps[n]!);
      }
    },
  };
}

export class WeightCode {
  /** Of vertices 1 and 2, by vector. */
  readonly weights: readonly number[][];
  readonly #l: LaneCode;
  readonly #dx: number;
  readonly #dy: number;
  readonly #pair: number;
  readonly #inverse: number;

  constructor(lanes: LaneCode) {
    this.#l = lanes;
    const { code } = lanes;
    this.weights = Array.from({ length: WEIGHTS }, () => code.locals('v128', lanes.vectors));
    this.#dx = code.local('f64');
    this.#dy = code.local('f64');
    this.#pair = code.local('v128');
    this.#inverse = code.local('v128');
  }

  /** Pushes 1/w of a quad: the first plane alone. `primitive` pushes the scratch address of the quad's. */
  inverseW(primitive: () => void, x: PushPlace, y: PushPlace): void {
    const source = fromMemory(this.#l.code, primitive, x, y);
    this.#place(source);
    this.#single((n) => {
      primitive();
      this.#l.code.memory('f64_load', planeAt(0, n));
    });
    this.#step(0, source);
  }

  /** Computes vector k's weights. */
  emit(k: number, source: WeightSource): void {
    const { code } = this.#l;
    const inverse = this.#inverse;
    this.#place(source);
    source.pair(0);
    source.pair(1);
    code.get(this.#dx).op('f64x2_splat').op('f64x2_mul').op('f64x2_add');
    source.pair(2);
    code.get(this.#dy).op('f64x2_splat').op('f64x2_mul').op('f64x2_add').op('f32x4_demote_f64x2_zero').set(this.#pair);
    const [w1, w2] = this.weights.map((vectors) => vectors[k]!) as [number, number];
    this.#l.single(1)(k);
    code.get(this.#pair).get(this.#pair).shuffle32(0, 0, 0, 0);
    this.#step(0, source);
    code.op('f32x4_div').set(inverse);
    code.get(this.#pair).get(this.#pair).shuffle32(1, 1, 1, 1);
    this.#step(1, source);
    code.get(inverse).op('f32x4_mul').set(w1);
    this.#single((n) => source.third(n));
    this.#step(2, source);
    code.get(inverse).op('f32x4_mul').set(w2);
  }

  /** The quad's place from the planes' origin. */
  #place(source: WeightSource): void {
    source.dx();
    this.#l.code.set(this.#dx);
    source.dy();
    this.#l.code.set(this.#dy);
  }

  /** Pushes one plane, of which `part` pushes a part, at the quad's place, in all lanes. */
  #single(part: (n: number) => void): void {
    const { code } = this.#l;
    part(0);
    part(1);
    code.get(this.#dx).op('f64_mul').op('f64_add');
    part(2);
    code.get(this.#dy).op('f64_mul').op('f64_add').op('f32_demote_f64').op('f32x4_splat');
  }

  /** Adds what the plane changes by from the quad's place to its pixels. */
  #step(plane: number, source: WeightSource): void {
    source.step(plane);
    this.#l.code.op('f32x4_add');
  }
}
