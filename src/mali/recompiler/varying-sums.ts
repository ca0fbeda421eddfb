/**
 * What recompiled fragment shaders sum up of vertices' varyings that lie in DRAM (varying.ts): each channel's first corner, and
 * from there the steps to the two others by the quad's weights, multiply-adds that are rounded once each, as shader/varying.ts has it.
 */
import { PRIMITIVE } from '../engine/quads.ts';
import type { Around } from './access.ts';
import { type Lanes, PAIR_VECTORS } from './lanes.ts';
import type { QuadFeed } from './quad-feed.ts';
import type { WeightCode } from './weights.ts';

const VERTICES = 3;

export class VaryingSums {
  readonly #a: Around;
  readonly #feed: QuadFeed | undefined;
  readonly #weights: () => WeightCode;
  /** Pushes the scratch address of vector k's primitive. */
  readonly #of: (k: number) => void;
  /** Locals: by vector and channel, what a load has summed up; its corners; the primitive. */
  readonly #values: number[][] = [];
  readonly #corners: readonly number[];
  readonly #primitive: number;

  constructor(around: Around, feed: QuadFeed | undefined, weights: () => WeightCode, of: (k: number) => void) {
    this.#a = around;
    this.#feed = feed;
    this.#weights = weights;
    this.#of = of;
    this.#corners = around.code.locals('v128', VERTICES);
    this.#primitive = around.code.local('i32');
  }

  /** Pushes what a vertex has at byte `at` of its varyings, in all lanes. */
  #corner(vertex: number, at: number, half: boolean, widen: boolean): void {
    const { code, lanes, dram } = this.#a;
    const load = (): void => {
      code.get(this.#primitive).memory('i32_load', vertex);
      code.memory(half ? 'v128_load16_splat' : 'v128_load32_splat', at, dram);
    };
    if (!half || !widen) load();
    else {
      lanes.widenLow(load)(0);
      lanes.release();
    }
  }

  /** The local of what vector k has in a channel. */
  value(k: number, channel: number): number {
    this.#values[k] ??= [];
    this.#values[k][channel] ??= this.#a.code.local('v128');
    return this.#values[k][channel];
  }

  /** Fills values with the provoking vertices', by the places of channels in their varyings. */
  provoked(at: readonly number[], half: boolean): void {
    const { code, lanes } = this.#a;
    for (let k = 0; k < lanes.vectors; k++) {
      this.#of(k);
      code.set(this.#primitive);
      for (const [c, place] of at.entries()) {
        this.#corner(PRIMITIVE.provoking, place, half, false);
        code.set(this.value(k, c));
      }
    }
  }

  /** Fills values with weighted sums. Two quads of one primitive, as most are that follow one another, share its corners. */
  weighted(at: readonly number[], half: boolean): void {
    const { code, lanes } = this.#a;
    const each = Array.from({ length: lanes.vectors }, (_, k) => k);
    const apart = (): void => {
      for (const k of each) this.#shared([k], at, half);
    };
    if (!this.#feed || lanes.vectors !== PAIR_VECTORS) {
      apart();
      return;
    }
    this.#of(0);
    this.#of(1);
    code.op('i32_eq').if();
    this.#shared(each, at, half);
    code.else();
    apart();
    code.end();
  }

  /** Fills the values of vectors whose quads are of the first one's primitive. */
  #shared(vectors: readonly number[], at: readonly number[], half: boolean): void {
    const { code } = this.#a;
    this.#of(vectors[0]!);
    code.set(this.#primitive);
    for (const [c, place] of at.entries()) {
      for (const [v, local] of this.#corners.entries()) {
        this.#corner(PRIMITIVE.vertices + 4 * v, place, half, true);
        code.set(local);
      }
      const [first, ...others] = this.#corners;
      for (const other of others) code.get(other).get(first!).op('f32x4_sub').set(other);
      for (const k of vectors) {
        this.push(k, (v) => {
          code.get(this.#corners[v]!);
        });
        code.set(this.value(k, c));
      }
    }
  }

  /** Pushes a vector's sum of what `part` pushes: for 0 the first vertex's, for the others the step from it to theirs. */
  push(k: number, part: (vertex: 0 | 1 | 2) => void): void {
    const { lanes } = this.#a;
    const [second, third] = this.#weights().weights.map((weight) => lanes.local(weight)) as [Lanes, Lanes];
    lanes.fma(
      () => part(2),
      third,
      lanes.fma(
        () => part(1),
        second,
        () => part(0),
      ),
    )(k);
  }
}
