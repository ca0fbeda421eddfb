/**
 * Emitted WebAssembly for the fragment front end of a draw: through a tile's bin, primitive after primitive of the same draw,
 * coverage (raster.ts), masks and early tests (depth.ts), and what is left is appended to the list of quads.
 *
 * One module for each state, shared between draws of equal state.
 */
import { LIST_QUADS, PRIMITIVE } from '../../engine/quads.ts';
import type { Callable, Code, ModuleBuilder } from '../../wasm/builder.ts';
import { type SamplePattern, TILE } from '../raster.ts';
import { emitTests, type FrontEndState } from './depth.ts';
import { emitPad, FRONT, ROOM } from './list.ts';
import { functions } from './modules.ts';
import { emitCover } from './raster.ts';

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

const key = ({ raster, front, back, listed }: FrontState): string =>
  `${raster.x};${raster.y};${JSON.stringify(front)};${JSON.stringify(back)};${listed}`;

export const frontCode = (state: FrontState): FrontCode =>
  functions<{ front: FrontCode }>(`front ${key(state)}`, (m) => emit(m, state)).front;

function emit(m: ModuleBuilder, state: FrontState): void {
  const { front, back, raster, listed } = state;
  const narrow = emitCover(m, 'raster_narrow', raster, true);
  const wide = emitCover(m, 'raster_wide', raster, false);
  const tests = emitTests(m, 'front_tests', front, listed);
  const twoFaced = JSON.stringify(front) !== JSON.stringify(back);
  emitFront(m, narrow, wide, tests, twoFaced ? emitTests(m, 'back_tests', back, listed) : undefined, listed);
}

function emitFront(
  m: ModuleBuilder,
  narrow: Callable,
  wide: Callable,
  tests: Callable,
  backTests: Callable | undefined,
  listed: boolean,
): void {
  const f = m.function('front', ['i32'], [], true);
  const args = 0;
  const i = () => f.local('i32');
  const [place, end, limit, draw, left, top, p, coverage] = [i(), i(), i(), i(), i(), i(), i(), i()];
  const [x0, y0, x1, y1, inside, count] = [i(), i(), i(), i(), i(), i()];
  for (const [local, offset] of [
    [place, FRONT.place],
    [end, FRONT.end],
    [limit, FRONT.limit],
    [draw, FRONT.draw],
    [left, FRONT.left],
    [top, FRONT.top],
    [coverage, FRONT.coverage],
  ] as const) {
    f.get(args).memory('i32_load', offset).set(local);
  }
  const done = f.block();
  const next = f.loop();
  f.get(place).get(end).op('i32_ge_u').brIf(done);
  f.get(limit).op('i32_eqz').brIf(done);
  if (listed) {
    f.get(args)
      .memory('i32_load', FRONT.count)
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
  emitRelation(f, p, x0, y0, x1, y1, inside, next);
  const cover = (code: Callable) => {
    for (const local of [p, coverage, left, top, x0, y0, x1, y1, inside]) f.get(local);
    f.call(code);
  };
  f.get(p).memory('i32_load', PRIMITIVE.narrow).if('i32');
  cover(narrow);
  f.else();
  cover(wide);
  f.end();
  f.tee(count).op('i32_eqz').brIf(next);
  const test = (code: Callable) => f.get(p).get(args).get(count).call(code);
  if (!backTests) test(tests);
  else {
    f.get(p).memory('i32_load', PRIMITIVE.flags).if();
    test(backTests).else();
    test(tests).end();
  }
  f.br(next).end().end();
  f.get(args).get(place).memory('i32_store', FRONT.place);
  f.get(args).get(limit).memory('i32_store', FRONT.limit);
  if (listed) emitPad(f, args, p, count);
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
  const [a, b, c, fx0, fx1, fy0, fy1] = Array.from({ length: 7 }, () => f.local('f64')) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
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
