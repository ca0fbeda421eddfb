/**
 * Emitted WebAssembly for the fragment front end of a draw: through a tile's bin, primitive after primitive of the same draw,
 * coverage (raster.ts), masks and early tests (depth.ts), and what is left is appended to the list of quads.
 *
 * One module for each state, shared between draws of equal state.
 */
import { LIST_QUADS, PRIMITIVE } from '../../engine/quads.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { type SamplePattern, TILE, TILE_QUADS } from '../raster.ts';
import { type FrontEndState, TestCode, testKey } from './depth.ts';
import { Append, FRONT, ROOM } from './list.ts';
import { functions } from './modules.ts';
import { CoverCode } from './raster.ts';

/** Pixels in width and height together under which edges are not asked where a rectangle lies. */
const SMALL = 10;

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
  const [place, end, limit, draw, left, top, p, coverage, full] = [i(), i(), i(), i(), i(), i(), i(), i(), i()];
  const [x0, y0, x1, y1, inside, count] = [i(), i(), i(), i(), i(), i()];
  for (const [local, offset] of [
    [place, FRONT.place],
    [end, FRONT.end],
    [limit, FRONT.limit],
    [draw, FRONT.draw],
    [left, FRONT.left],
    [top, FRONT.top],
    [coverage, FRONT.coverage],
    [full, FRONT.full],
  ] as const) {
    f.get(args).memory('i32_load', offset).set(local);
  }
  const quad = { x: i(), y: i(), at: i(), samples: f.local('v128') };
  const append = listed ? new Append(f, p, args, quad) : undefined;
  const tested = i();
  const locals = { ...quad, args, triangle: p, left, top, tested, count, passed: i(), any: f.local('v128'), full };
  const cover = new CoverCode(f, raster, { triangle: p, coverage, left, top, x0, y0, x1, y1, count });
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
  // What its bounds leave of the tile.
  for (const [local, bound, edge, offset, compare] of [
    [x0, PRIMITIVE.minX, left, 0, 'i32_gt_s'],
    [y0, PRIMITIVE.minY, top, 0, 'i32_gt_s'],
    [x1, PRIMITIVE.maxX, left, TILE - 1, 'i32_lt_s'],
    [y1, PRIMITIVE.maxY, top, TILE - 1, 'i32_lt_s'],
  ] as const) {
    f.get(p).memory('i32_load', bound).tee(local).get(edge).i32(offset).op('i32_add').tee(count);
    f.get(local).get(count).op(compare).op('select').set(local);
  }
  f.get(x0).get(x1).op('i32_gt_s').brIf(next);
  f.get(y0).get(y1).op('i32_gt_s').brIf(next);
  // What is small is not worth the question.
  f.i32(0).set(inside);
  f.get(x1).get(x0).op('i32_sub').get(y1).get(y0).op('i32_sub').op('i32_add').i32(SMALL).op('i32_ge_s').if();
  emitRelation(f, p, x0, y0, x1, y1, inside, next);
  f.end();
  f.get(coverage).set(tested);
  f.get(inside).if();
  // All of the tile: its quads have been listed once and for all.
  f.get(x1).get(x0).op('i32_sub').get(y1).get(y0).op('i32_sub').op('i32_add');
  f.i32(2 * (TILE - 1))
    .op('i32_eq')
    .if();
  f.get(full).set(tested).i32(TILE_QUADS).set(count);
  f.else();
  cover.emit('within');
  f.end();
  f.else();
  f.get(p).memory('i32_load', PRIMITIVE.narrow).if();
  cover.emit('narrow');
  f.else();
  cover.emit('wide');
  f.end();
  f.get(count).op('i32_eqz').brIf(next);
  f.end();
  if (backTests) {
    f.get(p).memory('i32_load', PRIMITIVE.flags).if();
    backTests.emit();
    f.else();
    tests.emit();
    f.end();
  } else tests.emit();
  f.br(next).end().end();
  f.get(args).get(place).memory('i32_store', FRONT.place);
  f.get(args).get(limit).memory('i32_store', FRONT.limit);
  f.get(args).get(locals.passed).memory('i32_store', FRONT.passed);
  f.get(args).get(locals.any).op('v128_any_true').memory('i32_store', FRONT.tested);
  append?.finish();
}

/** Where what is left of the tile lies: branches to `outside`, or says whether it is all inside. */
function emitRelation(
  f: Code,
  p: number,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  inside: number,
  outside: ReturnType<Code['block']>,
): void {
  const [a, b, c, fx0, fx1, fy0, fy1] = f.locals('f64', 7);
  for (const [to, from, add] of [
    [fx0, x0, 0],
    [fx1, x1, 1],
    [fy0, y0, 0],
    [fy1, y1, 1],
  ] as const) {
    f.get(from).i32(add).op('i32_add').i32(8).op('i32_shl').op('f64_convert_i32_s').set(to);
  }
  f.i32(1).set(inside);
  for (let e = 0; e < 3; e++) {
    f.get(p)
      .memory('f64_load', PRIMITIVE.a + e * 8)
      .set(a);
    f.get(p)
      .memory('f64_load', PRIMITIVE.b + e * 8)
      .set(b);
    f.get(p)
      .memory('f64_load', PRIMITIVE.limit + e * 8)
      .set(c);
    const corner = (px: number, ox: number, py: number, oy: number) => {
      f.get(a).get(px).get(ox).get(a).f64(0).op('f64_gt').op('select').op('f64_mul');
      f.get(b).get(py).get(oy).get(b).f64(0).op('f64_gt').op('select').op('f64_mul');
      f.op('f64_add').get(c).op('f64_add').f64(0).op('f64_lt');
    };
    corner(fx1, fx0, fy1, fy0);
    f.brIf(outside);
    corner(fx0, fx1, fy0, fy1);
    f.op('i32_eqz').get(inside).op('i32_and').set(inside);
  }
}
