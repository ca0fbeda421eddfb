/**
 * Emitted depth tests of whole blocks, before shading: a part of depth.ts, for pixels of one sample.
 *
 * What depths a primitive can have in a block is known from the plane at its quads, since all steps from there on are monotonic,
 * rounding included. So a block may lie in the draw's range as a whole, and behind all that the tile has there. One that is
 * covered without a gap is tested row by row, eight pixels at a time.
 */
import { FUNC } from '../../../abi/gpu/raster-descriptors.ts';
import { FLOAT_COMPARE } from '../../engine/compare.ts';
import type { Code, Label } from '../../wasm/builder.ts';
import type { OpName } from '../../wasm/opcodes.ts';
import { TILE } from '../raster.ts';
import type { FrontEndState, TestLocals } from './depth.ts';
import type { QuadTests } from './depth-quad.ts';
import { type Append, FRONT } from './list.ts';
import type { CoveredBlock } from './raster.ts';

/** Planes that are known to have no NaN in a tile: value and slopes, together. */
const TAME = 2 ** 60;
const ROW_BYTES = TILE * 4;

export class BlockTests {
  readonly #f: Code;
  readonly #state: FrontEndState;
  readonly #l: TestLocals;
  readonly #quads: QuadTests;
  readonly #append: Append | undefined;
  readonly #farthest: number;
  /** Whether blocks are asked, for this primitive. */
  readonly #asked: number;
  /** Least and greatest step of the four pixels, in all lanes. */
  readonly #least: number;
  readonly #most: number;
  /** Steps of two neighbours' upper pixels, and of their lower ones. */
  readonly #upper: number;
  readonly #lower: number;

  constructor(f: Code, state: FrontEndState, locals: TestLocals, quads: QuadTests, append: Append | undefined) {
    this.#f = f;
    this.#state = state;
    this.#l = locals;
    this.#quads = quads;
    this.#append = append;
    this.#farthest = f.local('i32');
    f.get(locals.args).memory('i32_load', FRONT.farthest).set(this.#farthest);
    this.#asked = f.local('i32');
    [this.#least, this.#most, this.#upper, this.#lower] = f.locals('v128', 4);
  }

  /** Whether all that the draw asks is whether depth lies in its range. */
  get #rangeAlone(): boolean {
    const { early, func, write, stencil, counted } = this.#state;
    return !early || (func === FUNC.ALWAYS && !write && !stencil && !counted);
  }

  /** Whether a depth that is too great fails. */
  get #nearest(): boolean {
    const { func, stencil } = this.#state;
    return (func === FUNC.LESS || func === FUNC.LEQUAL) && !stencil;
  }

  /** Whether blocks can be told anything. */
  get #useful(): boolean {
    return this.#rangeAlone || !this.#state.stencil;
  }

  /** Takes a primitive up. */
  begin(large: number): void {
    if (!this.#useful) return;
    const f = this.#f;
    const { z0, dzdx, dzdy, steps } = this.#quads;
    const step = steps[0]!;
    f.i32(0).set(this.#asked).get(large).if();
    for (const [n, local] of [z0, dzdx, dzdy].entries()) {
      f.get(local).op('f64_abs');
      if (n > 0) f.op('f64_add');
    }
    f.f64(TAME).op('f64_lt').set(this.#asked);
    this.#fold('f32x4_pmin', [step]).set(this.#least);
    this.#fold('f32x4_pmax', [step]).set(this.#most);
    f.get(step).get(step).shuffle32(0, 1, 0, 1).set(this.#upper);
    f.get(step).get(step).shuffle32(2, 3, 2, 3).set(this.#lower);
    f.end();
  }

  /** Pushes the least or greatest of all lanes of some vectors, in all lanes. */
  #fold(op: OpName, vectors: readonly number[]): Code {
    const f = this.#f;
    const one = f.local('v128');
    for (const [n, vector] of vectors.entries()) {
      f.get(vector);
      if (n > 0) f.op(op);
    }
    f.tee(one).get(one).get(one).shuffle32(2, 3, 0, 1).op(op).tee(one);
    return f.get(one).get(one).shuffle32(1, 0, 3, 2).op(op);
  }

  /** Asks the block; leaves by `done` if nothing is left to do for its quads. */
  emit(block: CoveredBlock, done: Label): void {
    if (!this.#useful) return;
    const f = this.#f;
    const { low, high, bias, rounding, rows } = this.#quads;
    const { any } = this.#l;
    const { early, culls, func, write } = this.#state;
    const word = block.word!;
    const [near, far, at] = [f.local('v128'), f.local('v128'), f.local('i32')];
    const unknown = f.block();
    f.get(this.#asked).op('i32_eqz').brIf(unknown);
    this.#fold('f32x4_pmin', rows).get(this.#least).op('f32x4_add').set(near);
    this.#fold('f32x4_pmax', rows).get(this.#most).op('f32x4_add').set(far);
    if (culls) {
      f.get(near).get(low).op('f32x4_ge').get(far).get(high).op('f32x4_le').op('v128_and');
      f.op('i32x4_bitmask').op('i32_eqz').brIf(unknown);
    }
    if (this.#rangeAlone) {
      f.get(word).i64(-1n).op('i64_ne').brIf(unknown);
      if (early) f.get(any).get(f.held(-1)).op('v128_or').set(any);
      if (this.#append) {
        this.#append.fresh().op('i32_eqz').brIf(unknown);
        this.#append.block(block.x, block.y, 1);
      }
      f.br(done).end();
      return;
    }
    for (const z of [near, far]) {
      f.get(z).get(bias).op('f32x4_add').set(z);
      rounding.round(z);
    }
    if (this.#nearest) {
      // Behind all that is there.
      f.get(block.y).i32(1).op('i32_shl').get(block.x).op('i32_add').i32(1).op('i32_shr_u');
      f.get(this.#farthest).op('i32_add').set(at);
      f.get(near)
        .get(at)
        .memory('v128_load32_splat')
        .op(func === FUNC.LESS ? 'f32x4_ge' : 'f32x4_gt');
      f.op('i32x4_bitmask').if();
      f.get(any).get(f.held(-1)).op('v128_or').set(any).br(done);
      f.end();
    }
    f.get(word).i64(-1n).op('i64_ne').brIf(unknown);
    if (this.#nearest && write) {
      // Nothing stays that is farther than the primitive.
      f.get(at).get(far).get(at).memory('v128_load32_zero').op('f32x4_pmin').lane('f32x4_extract_lane', 0);
      f.memory('f32_store');
    }
    if (this.#append) this.#append.fresh().op('i32_eqz').brIf(unknown);
    f.get(any).get(f.held(-1)).op('v128_or').set(any);
    this.#rows(block);
    f.br(done).end();
  }

  /** Tests all pixels of the block. */
  #rows({ x, y }: CoveredBlock): void {
    const f = this.#f;
    const { rows, depth } = this.#quads;
    const { left, line, at } = { left: f.local('i32'), line: f.local('i32'), at: f.local('i32') };
    f.get(y).i32(Math.log2(TILE)).op('i32_shl').get(x).op('i32_add').i32(2).op('i32_shl').get(depth).op('i32_add');
    f.set(at);
    for (const [n, row] of rows.entries()) {
      f.get(y)
        .i32(n * 2)
        .op('i32_add')
        .set(line);
      for (const half of [0, 1] as const) {
        f.get(x)
          .i32(half * 4)
          .op('i32_add')
          .set(left);
        this.#pair(row, half, at, n * 2 * ROW_BYTES + half * 16, left, line);
      }
    }
  }

  /** Tests the four pixels side by side of two quads in two rows. */
  #pair(row: number, half: 0 | 1, at: number, offset: number, x: number, y: number): void {
    const f = this.#f;
    const { bias, rounding } = this.#quads;
    const { func, write, counted } = this.#state;
    const { passed } = this.#l;
    const [base, z, stored] = f.locals('v128', 3);
    const passes = f.locals('v128', 2);
    f.get(row).get(row);
    if (half === 0) f.shuffle32(0, 0, 1, 1);
    else f.shuffle32(2, 2, 3, 3);
    f.set(base);
    for (const [n, step] of [this.#upper, this.#lower].entries()) {
      const pass = passes[n]!;
      f.get(base).get(step).op('f32x4_add').get(bias).op('f32x4_add').set(z);
      rounding.round(z);
      f.get(at)
        .memory('v128_load', offset + n * ROW_BYTES)
        .set(stored);
      if (func === FUNC.NEVER) f.get(f.held(0));
      else if (func === FUNC.ALWAYS) f.get(f.held(-1));
      else f.get(z).get(stored).op(FLOAT_COMPARE[func]!);
      f.set(pass);
      if (write && func !== FUNC.NEVER) {
        f.get(at).get(z).get(stored).get(pass).op('v128_bitselect');
        f.memory('v128_store', offset + n * ROW_BYTES);
      }
      if (counted) f.get(passed).get(pass).op('i32x4_bitmask').op('i32_popcnt').op('i32_add').set(passed);
    }
    this.#append?.pair(x, y, passes[0]!, passes[1]!);
  }
}
