/**
 * Emitted WebAssembly for the fragment front end of a draw: through a tile's bin, primitive after primitive of the same draw,
 * coverage (raster.ts), masks and early tests (depth.ts), and what is left is appended to the list of quads.
 *
 * One module for each state, shared between draws of equal state.
 */
import { LIST_QUADS, PRIMITIVE } from '../../engine/quads.ts';
import type { Code, Label, ModuleBuilder } from '../../wasm/builder.ts';
import { type SamplePattern, TILE } from '../raster.ts';
import { type FrontEndState, TestCode, testKey } from './depth.ts';
import { Append, FRONT, ROOM } from './list.ts';
import { functions } from './modules.ts';
import { CoverCode, type CoverLocals } from './raster.ts';

/** Less than any pixel. */
const NOWHERE = -(2 ** 31);

/** Works off a bin from FRONT.place on. Rests when the draw changes, the list has no room, or the bin or the limit ends. */
export type FrontCode = (args: number) => void;

export interface FrontState {
  /** Samples at which the draw is rastered. */
  readonly raster: SamplePattern;
  readonly front: FrontEndState;
  readonly back: FrontEndState;
  /** Whether quads are listed. */
  readonly listed: boolean;
}

/** Asked for at each draw, so it is put together by hand. */
const key = ({ raster, front, back, listed }: FrontState): string =>
  `${raster.x};${raster.y};${listed};${testKey(front)};${front.stencil || back.stencil ? testKey(back) : ''}`;

export const frontCode = (state: FrontState): FrontCode =>
  functions<{ front: FrontCode }>(`front ${key(state)}`, (m) => emit(m, state)).front;

function emit(m: ModuleBuilder, { front, back, raster, listed }: FrontState): void {
  const f = m.function('front', ['i32'], [], true);
  const args = 0;
  const i = () => f.local('i32');
  const [place, end, limit, draw, left, top, p] = [i(), i(), i(), i(), i(), i(), i()];
  const box = { x0: i(), y0: i(), x1: i(), y1: i() };
  for (const [local, offset] of [
    [place, FRONT.place],
    [end, FRONT.end],
    [limit, FRONT.limit],
    [draw, FRONT.draw],
    [left, FRONT.left],
    [top, FRONT.top],
  ] as const) {
    f.get(args).memory('i32_load', offset).set(local);
  }
  const quad = { pixel: i(), samples: f.local('v128') };
  const append = listed ? new Append(f, p, args, quad) : undefined;
  const locals = { ...quad, args, triangle: p, left, top, passed: i(), any: f.local('v128') };
  const cover = new CoverCode(f, raster, { triangle: p, left, top, ...box }, quad);
  const bounds = new Bounds(f, { triangle: p, left, top, ...box });
  const rastered = 2 ** raster.count - 1;
  const tests = new TestCode(f, front, locals, append, rastered);
  const twoFaced = JSON.stringify(front) !== JSON.stringify(back);
  const backTests = twoFaced ? new TestCode(f, back, locals, append, rastered) : undefined;
  const done = f.block();
  const next = f.loop();
  f.get(place).get(end).op('i32_ge_u').brIf(done);
  f.get(limit).op('i32_eqz').brIf(done);
  if (append) {
    f.get(append.count)
      .i32(LIST_QUADS - ROOM)
      .op('i32_gt_u')
      .brIf(done);
  }
  f.get(place).memory('i32_load').tee(p).memory('i32_load', PRIMITIVE.draw).get(draw).op('i32_ne').brIf(done);
  f.get(place).i32(4).op('i32_add').set(place);
  f.get(limit).i32(-1).op('i32_add').set(limit);
  bounds.emit(next);
  cover.begin();
  const covered = (code: TestCode) => {
    code.begin(cover.large);
    append?.begin();
    cover.emit(code);
  };
  if (backTests) {
    f.get(p).memory('i32_load', PRIMITIVE.flags).if();
    covered(backTests);
    f.else();
    covered(tests);
    f.end();
  } else covered(tests);
  f.br(next).end().end();
  f.get(args).get(place).memory('i32_store', FRONT.place);
  f.get(args).get(limit).memory('i32_store', FRONT.limit);
  f.get(args).get(locals.passed).memory('i32_store', FRONT.passed);
  f.get(args).get(locals.any).op('v128_any_true').memory('i32_store', FRONT.tested);
  append?.finish();
}

/** What a primitive's bounds leave of the tile. */
class Bounds {
  readonly #f: Code;
  readonly #l: CoverLocals;
  readonly #tile: number;
  readonly #box: number;
  /** Least of the first pixel, most of the last one. */
  readonly #least: number;
  readonly #most: number;

  constructor(f: Code, locals: CoverLocals) {
    this.#f = f;
    this.#l = locals;
    this.#tile = f.local('v128');
    this.#box = f.local('v128');
    this.#least = f.held(0, 0, NOWHERE, NOWHERE);
    this.#most = f.held(-1 - NOWHERE, -1 - NOWHERE, TILE - 1, TILE - 1);
    f.get(locals.left).op('i32x4_splat').get(locals.top).lane('i32x4_replace_lane', 1);
    f.get(locals.top).lane('i32x4_replace_lane', 3).set(this.#tile);
  }

  /** Leaves by `outside` if nothing is left. */
  emit(outside: Label): void {
    const f = this.#f;
    const { triangle, x0, y0, x1, y1 } = this.#l;
    f.get(triangle).memory('v128_load64_zero', PRIMITIVE.minX).op('i32x4_extend_low_i16x8_u');
    f.get(this.#tile)
      .op('i32x4_sub')
      .get(this.#least)
      .op('i32x4_max_s')
      .get(this.#most)
      .op('i32x4_min_s')
      .tee(this.#box);
    f.get(this.#box).get(this.#box).shuffle32(2, 3, 2, 3).op('i32x4_gt_s').op('i32x4_bitmask').brIf(outside);
    for (const [lane, local] of [x0, y0, x1, y1].entries()) {
      f.get(this.#box).lane('i32x4_extract_lane', lane).set(local);
    }
  }
}
