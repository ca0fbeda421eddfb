/**
 * Emitted WebAssembly for what comes between raster and shading: sample masks, the depth range, and depth and stencil tests
 * where they come early. A part of front.ts, made for a state, so that nothing is asked for each quad.
 *
 * Depths are singles (depth-plane.ts says from where on), as are those that the tile buffer has. Quads that something is left of
 * are appended to the list.
 */
import type { Code, Label } from '../../wasm/builder.ts';
import type { SamplePattern } from '../raster.ts';
import { BlockTests } from './depth-block.ts';
import { QuadTests } from './depth-quad.ts';
import type { Append } from './list.ts';
import type { CoveredBlock, CoveredQuad, CoverVisitor } from './raster.ts';
import { type DepthLimit, faceKey, type StencilFace } from './tests.ts';

export interface FrontEndState {
  /** Samples that the tile keeps of a pixel, and where their depth is taken. */
  readonly samples: number;
  readonly pattern: SamplePattern;
  /** Rastered samples that count, and kept ones. */
  readonly before: number;
  readonly after: number;
  /** All rastered samples stand for the only kept one. */
  readonly merged: boolean;
  /** Any rastered sample stands for all kept ones. */
  readonly spread: boolean;
  /** Neither range nor tests. */
  readonly simple: boolean;
  readonly early: boolean;
  /** Samples that pass are counted. */
  readonly counted: boolean;
  readonly culls: boolean;
  readonly format: number;
  readonly func: number;
  readonly write: boolean;
  /** What limits depth: 0…1, the draw's range; or which end of it replaces depth. */
  readonly limit: DepthLimit;
  readonly stencil: StencilFace | undefined;
}

/** The same for equal states. */
export function testKey(state: FrontEndState): string {
  const { samples, pattern, before, after, merged, spread, simple, early, counted, culls, format, func, write, limit } =
    state;
  const own = `${samples} ${pattern.x} ${pattern.y} ${before} ${after} ${merged} ${spread} ${simple} ${early} ${counted}`;
  return `${own} ${culls} ${format} ${func} ${write} ${limit} ${state.stencil ? faceKey(state.stencil) : ''}`;
}

/** Locals of a front end that tests use and change. */
export interface TestLocals extends CoveredQuad {
  readonly args: number;
  readonly triangle: number;
  readonly left: number;
  readonly top: number;
  /** Samples that have passed; what was tested, in lanes. */
  readonly passed: number;
  readonly any: number;
}

/**
 * Tests what is covered and appends quads that something is left of to the list. What stays the same for all primitives is made
 * once, before their loop.
 */
export class TestCode implements CoverVisitor {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals;
  readonly #append: Append | undefined;
  readonly #rastered: number;
  readonly #remaining: number;
  readonly #alive: number;
  readonly #zero: number;
  /** Rastered samples that count; and where they are the kept ones, those of them that stay. */
  readonly #all: number;
  readonly #kept: number;
  readonly #before: number;
  readonly #everything: number;
  readonly #after: number;
  readonly #bits: number[];
  readonly #quads: QuadTests | undefined;
  readonly #blocks: BlockTests | undefined;

  /** `append`: undefined if nothing is listed. `rastered`: all samples of a pixel that raster knows. */
  constructor(f: Code, state: FrontEndState, locals: TestLocals, append: Append | undefined, rastered: number) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    this.#append = append;
    const v = () => f.local('v128');
    [this.#rastered, this.#remaining, this.#alive] = [v(), v(), v()];
    this.#zero = f.held(0);
    this.#all = state.before & state.after & rastered;
    this.#kept = f.held(this.#all);
    this.#before = f.held(state.before & rastered);
    this.#everything = f.held(2 ** state.samples - 1);
    this.#after = f.held(state.after);
    this.#bits = Array.from({ length: state.samples }, (_, s) => f.held(1 << s));
    if (state.simple) return;
    this.#quads = new QuadTests(f, state, { ...locals, alive: this.#alive });
    if (this.#single) this.#blocks = new BlockTests(f, state, locals, this.#quads, append);
  }

  /** Whether what raster says is listed as it is, less some samples. */
  get #plain(): boolean {
    return !this.#state.spread && !this.#state.merged;
  }

  /** Whether pixels have one sample, which counts if it is covered. */
  get #single(): boolean {
    const { samples, pattern } = this.#state;
    return this.#plain && samples === 1 && pattern.count === 1 && this.#all === 1;
  }

  /** Takes a primitive up. `large`: a local. */
  begin(large: number): void {
    this.#quads?.begin();
    this.#blocks?.begin(large);
  }

  block(block: CoveredBlock, done: Label): void {
    const f = this.#f;
    const { simple, early, counted } = this.#state;
    this.#quads?.block(block);
    this.#blocks?.emit(block, done);
    const { word, x, y } = block;
    if (!simple || word === undefined || !this.#append || !this.#plain || this.#all === 0 || (early && counted)) return;
    // Nothing is asked of what is covered.
    f.get(word).i64(-1n).op('i64_eq');
    this.#append.fresh().op('i32_and').if();
    this.#append.block(x, y, this.#all);
    f.br(done).end();
  }

  quad(next: Label, shift: number): void {
    const f = this.#f;
    const { samples } = this.#l;
    if (this.#plain) {
      if (!this.#quads || !this.#single) f.get(samples).get(this.#kept).op('v128_and').set(samples);
    } else {
      f.get(samples).get(this.#before).op('v128_and').tee(this.#rastered);
      if (this.#state.spread) f.get(this.#zero).op('i32x4_ne').get(this.#everything).op('v128_and');
      f.get(this.#after).op('v128_and').set(samples);
    }
    this.#samples(shift);
    if (!this.#append) return;
    if (this.#state.merged) {
      f.get(this.#rastered).get(samples).get(this.#zero).op('i32x4_ne').op('v128_and').set(samples);
    }
    this.#append.quad(next);
  }

  /** Tests the samples of a quad, or counts them. */
  #samples(shift: number): void {
    const f = this.#f;
    const { samples, passed } = this.#l;
    const { early, counted, samples: count } = this.#state;
    const [alive, remaining, zero] = [this.#alive, this.#remaining, this.#zero];
    const tests = this.#quads;
    if (!tests) {
      for (const bit of early && counted ? this.#bits : []) {
        f.get(passed).get(samples).get(bit).op('v128_and').get(zero).op('i32x4_ne');
        f.op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
      }
      return;
    }
    tests.quad(shift);
    if (count === 1) {
      f.get(samples);
      // A single sample is all that a mask can hold.
      if (!this.#single) f.get(zero).op('i32x4_gt_s');
      f.set(alive);
      tests.sample(0);
      f.get(alive).get(this.#bits[0]!).op('v128_and').set(samples);
      return;
    }
    f.get(zero).set(remaining);
    for (let s = 0; s < count; s++) {
      const bit = this.#bits[s]!;
      f.get(samples).get(bit).op('v128_and').get(zero).op('i32x4_ne').tee(alive).op('v128_any_true').if();
      tests.sample(s);
      f.get(remaining).get(alive).get(bit).op('v128_and').op('v128_or').set(remaining);
      f.end();
    }
    f.get(remaining).set(samples);
  }
}
