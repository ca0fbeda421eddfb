/**
 * Emitted code for what of a primitive is rastered, as corners: triangles that cross a plane, lines and points. What shape.ts and
 * clip.ts do by script, to the same bits.
 *
 *     shape(state, p0, p1, p2) → triangles that it is made of
 *
 * Corners are six doubles each, at `TILER.corners`; a triangle's are a fan, a line's or point's four are two triangles. Positions
 * are given as vectors, so that what a client changes meanwhile is not seen by halves.
 */
import type { Callable, Code, ModuleBuilder } from '../../wasm/builder.ts';
import { CORNER, GUARD_BAND, MINIMUM_W } from '../clip.ts';
import { MAX_POINT, MAX_SIZE, SUBPIXEL } from '../shape.ts';
import { TILER } from '../state.ts';
import type { BinForm } from './bin.ts';

export const CORNER_BYTES = CORNER * 8;
const [X, Y, Z, W, WEIGHT1, WEIGHT2] = [0, 8, 16, 24, 32, 40] as const;
const VECTORS = [X, Z, WEIGHT1] as const;

/** The function for primitives of a form. */
export function emitShape(m: ModuleBuilder, form: BinForm): Callable {
  switch (form.arity) {
    case 1:
      return emitPoint(m, form);
    case 2:
      return emitLine(m, form, emitPolygon(m));
    default:
      return emitTriangle(m, form, emitPolygon(m));
  }
}

/** Local `to`: the address of corner `n` (a local) from local `from` on. */
const corner = (f: Code, from: number, n: number): Code =>
  f.get(from).get(n).i32(CORNER_BYTES).op('i32_mul').op('i32_add');

/** plane(from, to, count, axis, sign) → corners that are left of a polygon. `sign` 0: the plane of the least w. */
function emitPlane(m: ModuleBuilder): Callable {
  const f = m.function('tiler_plane', ['i32', 'i32', 'i32', 'i32', 'f64'], ['i32']);
  const [from, to, count, axis, sign] = [0, 1, 2, 3, 4] as const;
  const [i, j, here, there, out] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const [first, next] = [f.local('f64'), f.local('f64')];
  const t = f.local('v128');
  const distance = (at: number): void => {
    f.get(at).memory('f64_load', W);
    f.f64(1).f64(GUARD_BAND).get(sign).f64(0).op('f64_eq').op('select').op('f64_mul');
    f.f64(-MINIMUM_W).get(sign).get(at).get(axis).op('i32_add').memory('f64_load').op('f64_mul');
    f.get(sign).f64(0).op('f64_eq').op('select').op('f64_add');
  };
  f.get(from).set(here);
  distance(here);
  f.set(first).get(to).set(out);
  const done = f.block();
  const again = f.loop();
  f.get(i).get(count).op('i32_ge_u').brIf(done);
  f.get(i).i32(1).op('i32_add').set(j);
  f.i32(0).get(j).get(j).get(count).op('i32_eq').op('select').set(j);
  corner(f, from, j).set(there);
  distance(there);
  f.set(next);
  f.get(first).f64(0).op('f64_ge').if();
  for (const at of VECTORS) f.get(out).get(here).memory('v128_load', at).memory('v128_store', at);
  f.get(out).i32(CORNER_BYTES).op('i32_add').set(out).end();
  f.get(first).f64(0).op('f64_ge').get(next).f64(0).op('f64_ge').op('i32_ne').if();
  f.get(first).get(first).get(next).op('f64_sub').op('f64_div').op('f64x2_splat').set(t);
  for (const at of VECTORS) {
    f.get(out).get(here).memory('v128_load', at).get(there).memory('v128_load', at);
    f.get(here).memory('v128_load', at).op('f64x2_sub').get(t).op('f64x2_mul').op('f64x2_add');
    f.memory('v128_store', at);
  }
  f.get(out).i32(CORNER_BYTES).op('i32_add').set(out).end();
  f.get(next).set(first).get(there).set(here);
  f.get(i).i32(1).op('i32_add').set(i).br(again);
  f.end().end();
  f.get(out).get(to).op('i32_sub').i32(CORNER_BYTES).op('i32_div_u');
  return f;
}

/** polygon(state, p0, p1, p2) → corners of the visible part of a triangle; 0: there is none. */
function emitPolygon(m: ModuleBuilder): Callable {
  const plane = emitPlane(m);
  const f = m.function('tiler_polygon', ['i32', 'v128', 'v128', 'v128'], ['i32']);
  const [count, at, end] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const [v, w] = [f.local('v128'), f.local('v128')];
  const other = f.local('i32');
  const invisible = f.block();
  for (const p of [1, 2, 3]) {
    // Numbers that are none, and w without end.
    f.get(p).get(p).op('f32x4_sub').f32x4(0, 0, 0, 0).op('f32x4_eq');
    f.get(p).f32x4(1, 1, 1, 0).op('f32x4_ne').v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
    f.op('i32x4_all_true').op('i32_eqz').brIf(invisible);
  }
  for (const p of [1, 2, 3]) {
    const to = TILER.corners + (p - 1) * CORNER_BYTES;
    f.get(0)
      .get(p)
      .op('f64x2_promote_low_f32x4')
      .memory('v128_store', to + X);
    f.get(0)
      .get(p)
      .get(p)
      .shuffle32(2, 3, 2, 3)
      .op('f64x2_promote_low_f32x4')
      .memory('v128_store', to + Z);
    f.get(0)
      .f64(p === 2 ? 1 : 0)
      .memory('f64_store', to + WEIGHT1);
    f.get(0)
      .f64(p === 3 ? 1 : 0)
      .memory('f64_store', to + WEIGHT2);
  }
  const simple = f.block();
  f.i32(3).set(count);
  for (const p of [1, 2, 3]) {
    // Before the eye, and inside of the guard band.
    f.get(p).op('f32x4_abs').f32x4(GUARD_BAND, GUARD_BAND, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    f.op('f32x4_le').get(p).f32x4(0, 0, 0, 0).op('f32x4_gt').v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
    f.op('i32x4_all_true');
    if (p > 1) f.op('i32_and');
  }
  f.brIf(simple);
  f.get(0).i32(TILER.corners).op('i32_add').set(at);
  f.get(0).i32(TILER.otherCorners).op('i32_add').set(other);
  f.get(at)
    .i32(3 * CORNER_BYTES)
    .op('i32_add')
    .set(end);
  const multiply = f.loop();
  f.f64(1).get(at).memory('f64_load', W).op('f64_div').op('f64x2_splat').set(w);
  f.get(at).get(at).memory('v128_load', X).get(w).op('f64x2_mul').memory('v128_store', X);
  f.get(at).get(at).memory('f64_load', Z).get(w).lane('f64x2_extract_lane', 0).op('f64_mul').memory('f64_store', Z);
  f.get(at).get(w).lane('f64x2_extract_lane', 0).memory('f64_store', W);
  f.get(at).i32(CORNER_BYTES).op('i32_add').tee(at).get(end).op('i32_lt_u').brIf(multiply);
  f.end();
  f.get(0).i32(TILER.corners).op('i32_add').set(at);
  const planes = [
    [X, 0],
    [X, 1],
    [X, -1],
    [Y, 1],
    [Y, -1],
  ] as const;
  for (const [n, [axis, sign]] of planes.entries()) {
    const [from, to] = n % 2 === 0 ? [at, other] : [other, at];
    f.get(from).get(to).get(count).i32(axis).f64(sign).call(plane).tee(count).i32(3).op('i32_lt_u').brIf(invisible);
  }
  // An odd number of planes leaves the corners in the other place.
  corner(f, other, count).set(end);
  const divide = f.loop();
  f.f64(1).get(other).memory('f64_load', W).op('f64_div').op('f64x2_splat').set(w);
  f.get(at);
  f.f64(GUARD_BAND).op('f64x2_splat').f64(-GUARD_BAND).op('f64x2_splat');
  f.get(other).memory('v128_load', X).get(w).op('f64x2_mul').op('f64x2_max').op('f64x2_min').memory('v128_store', X);
  f.get(other).memory('v128_load', Z).get(w).op('f64x2_mul').set(v);
  f.get(at).get(v).get(w).lane('f64x2_extract_lane', 0).lane('f64x2_replace_lane', 1).memory('v128_store', Z);
  f.get(at).get(other).memory('v128_load', WEIGHT1).memory('v128_store', WEIGHT1);
  f.get(at).i32(CORNER_BYTES).op('i32_add').set(at);
  f.get(other).i32(CORNER_BYTES).op('i32_add').tee(other).get(end).op('i32_lt_u').brIf(divide);
  f.end().end();
  f.get(count).op('return').end();
  f.i32(0);
  return f;
}

/** Coordinates of the corner that a local addresses, in whole 1/256 pixel. */
export function emitSnap(f: Code, at: number): Code {
  f.get(at).memory('v128_load', X).f64(SUBPIXEL).op('f64x2_splat').op('f64x2_mul');
  return f.f64(0.5).op('f64x2_splat').op('f64x2_add').op('f64x2_floor');
}

function emitTriangle(m: ModuleBuilder, form: BinForm, polygon: Callable): Callable {
  const { frontFaceCcw, cullFrontFace, cullBackFace } = form;
  const f = m.function('tiler_triangle', ['i32', 'v128', 'v128', 'v128'], ['i32']);
  const [count, i, at, back] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const [here, there, first] = [f.local('v128'), f.local('v128'), f.local('v128')];
  const area = f.local('f64');
  const gone = f.block();
  f.get(0).get(1).get(2).get(3).call(polygon).tee(count).i32(3).op('i32_lt_u').brIf(gone);
  f.get(0).i32(TILER.corners).op('i32_add').set(at);
  emitSnap(f, at).tee(first).set(here);
  // Twice the area: positive is clockwise on a screen with y down.
  const next = f.loop();
  f.get(i).i32(1).op('i32_add').tee(i).get(count).op('i32_eq').if();
  f.get(first).set(there);
  f.else();
  f.get(at).i32(CORNER_BYTES).op('i32_add').set(at);
  emitSnap(f, at).set(there).end();
  f.get(area);
  f.get(here).lane('f64x2_extract_lane', 0).get(there).lane('f64x2_extract_lane', 1).op('f64_mul');
  f.get(there).lane('f64x2_extract_lane', 0).get(here).lane('f64x2_extract_lane', 1).op('f64_mul');
  f.op('f64_sub').op('f64_add').set(area);
  f.get(there).set(here).get(i).get(count).op('i32_lt_u').brIf(next);
  f.end();
  f.get(area).f64(0).op('f64_lt').get(area).f64(0).op('f64_gt').op('i32_or').op('i32_eqz').brIf(gone);
  f.get(area)
    .f64(0)
    .op(frontFaceCcw ? 'f64_gt' : 'f64_lt')
    .set(back);
  if (cullFrontFace) f.get(back).op('i32_eqz').brIf(gone);
  if (cullBackFace) f.get(back).brIf(gone);
  f.get(0).get(back).memory('i32_store', TILER.back);
  f.get(count).i32(2).op('i32_sub').op('return');
  f.end().i32(0);
  return f;
}

function emitLine(m: ModuleBuilder, { rectangularLines }: BinForm, polygon: Callable): Callable {
  const f = m.function('tiler_line', ['i32', 'v128', 'v128', 'v128'], ['i32']);
  const [count, i, at, low, high] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const ends = [0, 1].map(() => VECTORS.map(() => f.local('v128')));
  const [distance, half] = [f.local('v128'), f.local('v128')];
  const gone = f.block();
  f.get(0).get(1).get(2).get(2).call(polygon).tee(count).op('i32_eqz').brIf(gone);
  f.get(0).i32(TILER.corners).op('i32_add').tee(at).tee(low).set(high);
  // A clipped degenerate triangle runs along the line and back: its two most distant corners are the ends.
  const next = f.loop();
  const way = (corner: number): Code =>
    f.get(corner).memory('f64_load', WEIGHT1).get(corner).memory('f64_load', WEIGHT2).op('f64_add');
  for (const [best, name] of [
    [low, 'f64_lt'],
    [high, 'f64_gt'],
  ] as const) {
    f.get(at).get(best);
    way(at);
    way(best).op(name).op('select').set(best);
  }
  f.get(at).i32(CORNER_BYTES).op('i32_add').set(at);
  f.get(i).i32(1).op('i32_add').tee(i).get(count).op('i32_lt_u').brIf(next).end();
  for (const [n, from] of [low, high].entries()) {
    for (const [k, at] of VECTORS.entries()) f.get(from).memory('v128_load', at).set(ends[n]![k]!);
    // Both vertices beside the first are the other end.
    const weights = ends[n]![2]!;
    f.f64(0).op('f64x2_splat').get(weights).lane('f64x2_extract_lane', 0);
    f.get(weights).lane('f64x2_extract_lane', 1).op('f64_add').lane('f64x2_replace_lane', 0).set(weights);
  }
  f.get(ends[1]![0]!).get(ends[0]![0]!).op('f64x2_sub').set(distance);
  const along = (lane: number): Code => f.get(distance).lane('f64x2_extract_lane', lane);
  along(0).op('f64_abs').f64(0).op('f64_gt');
  along(1).op('f64_abs').f64(0).op('f64_gt').op('i32_or').op('i32_eqz').brIf(gone);
  const width = (): Code => f.get(0).memory('f64_load', TILER.half);
  if (rectangularLines) {
    // Moved across the line.
    const scale = f.local('f64');
    width();
    along(0);
    along(0).op('f64_mul');
    along(1);
    along(1).op('f64_mul').op('f64_add').op('f64_sqrt').op('f64_div').set(scale);
    along(1).op('f64_neg').get(scale).op('f64_mul').op('f64x2_splat');
    along(0).get(scale).op('f64_mul').lane('f64x2_replace_lane', 1).set(half);
  } else {
    // Moved up and down if it is more wide than high, else left and right.
    const zero = f.local('v128');
    f.get(zero);
    width().lane('f64x2_replace_lane', 1).get(zero);
    width().lane('f64x2_replace_lane', 0);
    along(0).op('f64_abs');
    along(1).op('f64_abs').op('f64_ge').op('select').set(half);
  }
  for (const n of [0, 1] as const) {
    for (const side of [0, 1] as const) {
      const to = TILER.corners + (n * 2 + side) * CORNER_BYTES;
      f.get(0)
        .get(ends[n]![0]!)
        .get(half)
        .op(side === 0 ? 'f64x2_sub' : 'f64x2_add')
        .memory('v128_store', to + X);
      f.get(0)
        .get(ends[n]![1]!)
        .memory('v128_store', to + Z);
      f.get(0)
        .get(ends[n]![2]!)
        .memory('v128_store', to + WEIGHT1);
    }
  }
  f.get(0).i32(0).memory('i32_store', TILER.back);
  f.i32(2).op('return');
  f.end().i32(0);
  return f;
}

/** Gets the point's size in 16 bits as its second parameter, if the form has sizes. */
function emitPoint(m: ModuleBuilder, { sizes }: BinForm): Callable {
  const f = m.function('tiler_point', ['i32', 'v128', 'v128', 'v128'], ['i32']);
  const bits = f.local('i32');
  const [size, half] = [f.local('f64'), f.local('f64')];
  const gone = f.block();
  // Far points, and numbers that are none.
  f.get(1).op('f32x4_abs').f32x4(MAX_POINT, MAX_POINT, 3.4028234663852886e38, Number.POSITIVE_INFINITY).op('f32x4_le');
  f.get(1).f32x4(0, 0, 0, 0).op('f32x4_gt').v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
  f.op('i32x4_all_true').op('i32_eqz').brIf(gone);
  if (sizes) {
    f.get(2).lane('i32x4_extract_lane', 0).tee(bits).i32(0x8000).op('i32_and').brIf(gone);
    // A half's bits where a single has them are too small by 2^112; its infinity is beyond the limit, too.
    f.get(bits).i32(13).op('i32_shl').op('f32_reinterpret_i32').op('f64_promote_f32');
    f.f64(2 ** 112)
      .op('f64_mul')
      .set(size);
    f.get(bits).i32(0x7c00).op('i32_gt_u').brIf(gone);
    f.get(size).f64(MAX_SIZE).op('f64_min').f64(0.5).op('f64_mul').set(half);
  } else f.get(0).memory('f64_load', TILER.half).set(half);
  f.get(half).f64(0).op('f64_gt').op('i32_eqz').brIf(gone);
  for (let n = 0; n < 4; n++) {
    const [right, low] = [n & 1, n >> 1];
    const to = TILER.corners + n * CORNER_BYTES;
    f.get(0);
    f.get(1).op('f64x2_promote_low_f32x4').get(half).op('f64x2_splat');
    f.f64(right ? 1 : -1).op('f64x2_splat');
    f.f64(low ? 1 : -1).lane('f64x2_replace_lane', 1);
    f.op('f64x2_mul')
      .op('f64x2_add')
      .memory('v128_store', to + X);
    f.get(0)
      .get(1)
      .get(1)
      .shuffle32(2, 3, 2, 3)
      .op('f64x2_promote_low_f32x4')
      .memory('v128_store', to + Z);
    f.get(0)
      .f64(right)
      .memory('f64_store', to + WEIGHT1);
    f.get(0)
      .f64(low)
      .memory('f64_store', to + WEIGHT2);
  }
  f.get(0).i32(0).memory('i32_store', TILER.back);
  f.i32(2).op('return');
  f.end().i32(0);
  return f;
}
