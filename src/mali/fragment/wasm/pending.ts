/**
 * Emitted WebAssembly for forward pixel kill: draws whose tests come before shading list their quads one draw behind the other, and
 * those that a later draw covers for good are taken out before any is shaded.
 *
 * A list holds segments, a draw each, in drawing order. Whoever may kill leaves its quad's number at each pixel that it covers with all
 * samples; what lies there by a lower number is hidden. Descriptors say who may kill and be killed (raster-descriptors.ts: Draw).
 */
import { QUAD_LIST } from '../../engine/quads.ts';
import type { Code } from '../../wasm/builder.ts';
import { TILE_QUADS } from '../raster.ts';
import { emitPadding } from './list.ts';

/** A segment: byte offsets in its record. The draw's number; its quads in the list, `first` a multiple of four. */
export const SEGMENT = { number: 0, first: 4, end: 8, size: 16 } as const;
/** Segments that a list has at most. */
export const SEGMENTS = 64;

/** What the draw's record says (tour.ts: DRAW.kill). */
export const KILL = {
  /** Its quads may wait for those of later draws. */
  WAITS: 1,
  /** It hides what lies below it. */
  HIDES: 2,
} as const;

const PLACE_BYTES = 8;
/** Of a tile's pixels, quad by quad: one more than the number of the last quad that hides others, 16 bits each. */
export const HIDERS_BYTES = TILE_QUADS * PLACE_BYTES;

/** Pushes the number of a quad's place in the tile. */
function pushPlace(f: Code, list: number, quad: number): Code {
  f.get(list).get(quad).op('i32_add').memory('i32_load8_u', QUAD_LIST.y).i32(2).op('i32_shl');
  f.get(list).get(quad).op('i32_add').memory('i32_load8_u', QUAD_LIST.x).i32(1).op('i32_shr_u');
  return f.op('i32_add');
}

const pushMasks = (f: Code, list: number, quad: number): Code =>
  f.get(list).get(quad).i32(3).op('i32_shl').op('i32_add');

/**
 * Notes who hides: list, its quads `first` to `end`, scratch address of HIDERS_BYTES, all of a pixel's samples in both halves of a
 * word, and whether they may hide each other. Answers whether anything that was noted before is hidden.
 */
export function emitHide(f: Code): void {
  const [list, quad, end, hiders, full, own] = [0, 1, 2, 3, 4, 5];
  const [at, number] = f.locals('i32', 2);
  const [covers, before, hidden, all] = f.locals('v128', 4);
  f.get(full).op('i32x4_splat').set(all);
  f.get(quad).i32(1).op('i32_add').set(number);
  const done = f.block();
  const next = f.loop();
  f.get(quad).get(end).op('i32_ge_u').brIf(done);
  pushMasks(f, list, quad).memory('v128_load64_zero', QUAD_LIST.mask).get(all).op('i16x8_eq').set(covers);
  pushPlace(f, list, quad).i32(Math.log2(PLACE_BYTES)).op('i32_shl').get(hiders).op('i32_add').tee(at);
  f.memory('v128_load64_zero').set(before);
  f.get(covers).get(before).op('v128_and').get(hidden).op('v128_or').set(hidden);
  f.get(quad).i32(1).op('i32_add').set(quad);
  f.get(at).get(number).op('i16x8_splat').get(before).get(covers).op('v128_bitselect').storeHalf(0);
  f.get(number).get(own).op('i32_add').set(number);
  f.br(next).end().end();
  f.get(hidden).op('v128_any_true');
}

/** Takes out what is hidden: the list, scratch addresses of its segments and of HIDERS_BYTES, how many segments there are. */
export function emitTakeOut(f: Code): void {
  const [list, segment, hiders, count] = [0, 1, 2, 3];
  const [last, quad, end, out, place, primitive] = f.locals('i32', 6);
  const [used, bit] = f.locals('i64', 2);
  const left = f.local('v128');
  f.get(segment).get(count).i32(SEGMENT.size).op('i32_mul').op('i32_add').set(last);
  const done = f.block();
  const segments = f.loop();
  f.get(segment).get(last).op('i32_ge_u').brIf(done);
  f.get(segment).memory('i32_load', SEGMENT.first).tee(quad).set(out);
  f.get(segment).memory('i32_load', SEGMENT.end).set(end);
  f.i64(0n).set(used);
  const over = f.block();
  const quads = f.loop();
  f.get(quad).get(end).op('i32_ge_u').brIf(over);
  const skip = f.block();
  pushPlace(f, list, quad).set(place);
  pushMasks(f, list, quad).memory('v128_load64_zero', QUAD_LIST.mask);
  f.get(hiders).get(place).i32(Math.log2(PLACE_BYTES)).op('i32_shl').op('i32_add').memory('v128_load64_zero');
  f.get(quad).i32(1).op('i32_add').op('i16x8_splat').op('i16x8_gt_s').op('v128_andnot').tee(left);
  f.op('v128_any_true').op('i32_eqz').brIf(skip);
  f.get(list).get(quad).i32(2).op('i32_shl').op('i32_add').memory('i32_load', QUAD_LIST.primitive).set(primitive);
  // A place of the tile comes once in a warp. What is written lies before the quad at hand, as its own warp has its place once.
  f.i64(1n).get(place).op('i64_extend_i32_u').op('i64_shl').tee(bit).get(used).op('i64_and').i64(0n).op('i64_ne');
  f.unlikely().if();
  const pad = f.loop();
  emitPadding(f, list, out, primitive);
  f.get(out).i32(3).op('i32_and').brIf(pad).end();
  f.i64(0n).set(used);
  f.end();
  pushMasks(f, list, out).get(left).storeHalf(0, QUAD_LIST.mask);
  f.get(list).get(out).i32(2).op('i32_shl').op('i32_add').get(primitive).memory('i32_store', QUAD_LIST.primitive);
  for (const axis of [QUAD_LIST.x, QUAD_LIST.y]) {
    f.get(list).get(out).op('i32_add').get(list).get(quad).op('i32_add').memory('i32_load8_u', axis);
    f.memory('i32_store8', axis);
  }
  f.get(out).i32(1).op('i32_add').set(out);
  // A full warp has no open places.
  f.get(used).get(bit).op('i64_or').i64(0n).get(out).i32(3).op('i32_and').op('select').set(used);
  f.end();
  f.get(quad).i32(1).op('i32_add').set(quad).br(quads);
  f.end().end();
  const full = f.block();
  const fill = f.loop();
  f.get(out).i32(3).op('i32_and').op('i32_eqz').brIf(full);
  emitPadding(f, list, out, primitive);
  f.br(fill).end().end();
  f.get(segment).get(out).memory('i32_store', SEGMENT.end);
  f.get(segment).i32(SEGMENT.size).op('i32_add').set(segment).br(segments);
  f.end().end();
}
