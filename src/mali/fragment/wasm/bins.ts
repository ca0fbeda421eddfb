/**
 * Emitted WebAssembly for bins: counts primitives in tiles, makes places of the counts, puts the primitives' addresses there, and
 * lists the tiles. What bins.ts does by script, to the same words.
 */
import { PRIMITIVE } from '../../engine/quads.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { SUBPIXEL, TILE } from '../raster.ts';
import { functions } from './modules.ts';

/** What the functions are told: byte offsets in scratch memory. */
export const BINS = {
  /** Tiles: first column and row, number of columns and rows. */
  column: 0,
  row: 4,
  columns: 8,
  rows: 12,
  /** Scratch addresses: a word for each tile, the entries, the items. */
  ends: 16,
  entries: 20,
  items: 24,
  /** Tiles that may still be counted; below zero: there were more, and counting has stopped. */
  budget: 28,
  size: 32,
} as const;

/** Clean tiles that one item may stand for, and where their number stands in it. */
export const MAX_RUN = 255;
export const RUN_SHIFT = 16;
/** A primitive of more tiles than this touches none that lies beyond one of its edges. */
export const EXACT_TILES = 4;

export interface BinsCode {
  /** Counts, or puts in their places, the primitives between two addresses. */
  readonly bins_count: (args: number, from: number, to: number) => void;
  readonly bins_place: (args: number, from: number, to: number) => void;
  /** Turns counts of all tiles into places; answers their sum. */
  readonly bins_sum: (args: number) => number;
  /** Lists tiles; answers the number of items. `alone`: clean ones one by one. */
  readonly bins_list: (args: number, alone: number) => number;
}

export const binsCode = (): BinsCode => functions<BinsCode>('bins', emit);

function emit(m: ModuleBuilder): void {
  emitPass(m.function('bins_count', ['i32', 'i32', 'i32'], [], true), false);
  emitPass(m.function('bins_place', ['i32', 'i32', 'i32'], [], true), true);
  emitSum(m.function('bins_sum', ['i32'], ['i32'], true));
  emitList(m.function('bins_list', ['i32', 'i32'], ['i32'], true));
}

const ARGS = 0;

function word(f: Code, offset: number): number {
  const local = f.local('i32');
  f.get(ARGS).memory('i32_load', offset).set(local);
  return local;
}

function emitPass(f: Code, place: boolean): void {
  const [p, to] = [1, 2];
  const column = word(f, BINS.column);
  const row = word(f, BINS.row);
  const columns = word(f, BINS.columns);
  const rows = word(f, BINS.rows);
  const ends = word(f, BINS.ends);
  const entries = word(f, BINS.entries);
  const [left, top, right, bottom, x, y, at, n] = f.locals('i32', 8);
  /** A tile is touched: the one whose word is at `at`. */
  const touch = () => {
    f.get(at).memory('i32_load').set(n);
    if (place) f.get(entries).get(n).i32(2).op('i32_shl').op('i32_add').get(p).memory('i32_store');
    f.get(at).get(n).i32(1).op('i32_add').memory('i32_store');
  };
  const done = f.block();
  const next = f.loop();
  f.get(p).get(to).op('i32_ge_u').brIf(done);
  for (const [local, bound, first] of [
    [left, PRIMITIVE.minX, column],
    [top, PRIMITIVE.minY, row],
  ] as const) {
    f.get(p).memory('i32_load16_u', bound).i32(Math.log2(TILE)).op('i32_shr_s').get(first).op('i32_sub').tee(local);
    f.i32(0).get(local).i32(0).op('i32_gt_s').op('select').set(local);
  }
  for (const [local, bound, first, size] of [
    [right, PRIMITIVE.maxX, column, columns],
    [bottom, PRIMITIVE.maxY, row, rows],
  ] as const) {
    f.get(p).memory('i32_load16_u', bound).i32(Math.log2(TILE)).op('i32_shr_s').get(first).op('i32_sub').tee(local);
    f.get(size).i32(1).op('i32_sub').tee(n);
    f.get(local).get(n).op('i32_lt_s').op('select').set(local);
  }
  const finished = f.block();
  const exact = f.block();
  f.get(left).get(right).op('i32_gt_s').brIf(finished);
  f.get(top).get(bottom).op('i32_gt_s').brIf(finished);
  f.get(right).get(left).op('i32_sub').i32(1).op('i32_add');
  f.get(bottom).get(top).op('i32_sub').i32(1).op('i32_add').op('i32_mul').set(n);
  if (!place) {
    f.get(ARGS).get(ARGS).memory('i32_load', BINS.budget).get(n).op('i32_sub').tee(at).memory('i32_store', BINS.budget);
    f.get(at).i32(0).op('i32_lt_s').brIf(done);
  }
  f.get(n).i32(EXACT_TILES).op('i32_gt_s').brIf(exact);
  const tiles = (begin: () => void, body: () => void, step: () => void) => {
    f.get(top).set(y);
    const out = f.block();
    const rowLoop = f.loop();
    f.get(y).get(bottom).op('i32_gt_s').brIf(out);
    f.get(left).set(x);
    f.get(ends).get(y).get(columns).op('i32_mul').get(left).op('i32_add').i32(2).op('i32_shl').op('i32_add').set(at);
    begin();
    const rowDone = f.block();
    const tileLoop = f.loop();
    f.get(x).get(right).op('i32_gt_s').brIf(rowDone);
    body();
    step();
    f.get(x).i32(1).op('i32_add').set(x);
    f.get(at).i32(4).op('i32_add').set(at).br(tileLoop);
    f.end().end();
    f.get(y).i32(1).op('i32_add').set(y).br(rowLoop);
    f.end().end();
  };
  const nothing = () => {};
  tiles(nothing, touch, nothing);
  f.br(finished).end();
  emitExact(f, { p, column, row, left, x, y, n }, tiles, touch);
  f.end();
  f.get(p).i32(PRIMITIVE.size).op('i32_add').set(p).br(next);
  f.end().end();
}

/** Tiles but those beyond an edge: an edge function's largest value in a tile, from tile to tile. */
function emitExact(
  f: Code,
  l: { p: number; column: number; row: number; left: number; x: number; y: number; n: number },
  tiles: (begin: () => void, body: () => void, step: () => void) => void,
  touch: () => void,
): void {
  const side = TILE * SUBPIXEL;
  const d = () => f.local('f64');
  const edges = [0, 1, 2].map(() => ({ a: d(), b: d(), base: d(), here: d(), step: d() }));
  for (const [i, { a, b, base, step }] of edges.entries()) {
    for (const [local, offset] of [
      [a, PRIMITIVE.a],
      [b, PRIMITIVE.b],
    ] as const) {
      f.get(l.p)
        .memory('i32_load', offset + i * 4)
        .op('f64_convert_i32_s')
        .set(local);
    }
    f.get(l.p)
      .memory('f64_load', PRIMITIVE.limit + i * 8)
      .set(base);
    f.get(a).f64(side).op('f64_mul').set(step);
    f.get(base).get(step).f64(0).op('f64_max').op('f64_add');
    f.get(b).f64(side).op('f64_mul').f64(0).op('f64_max').op('f64_add').set(base);
  }
  const position = (tile: number, first: number) =>
    f.get(tile).get(first).op('i32_add').op('f64_convert_i32_s').f64(side).op('f64_mul').op('f64_mul');
  tiles(
    () => {
      for (const { a, b, base, here } of edges) {
        f.get(base).get(a);
        position(l.left, l.column).op('f64_add').get(b);
        position(l.y, l.row).op('f64_add').set(here);
      }
    },
    () => {
      for (const [i, { here }] of edges.entries()) {
        f.get(here).f64(0).op('f64_ge');
        if (i > 0) f.op('i32_and');
      }
      f.if();
      touch();
      f.end();
    },
    () => {
      for (const { here, step } of edges) f.get(here).get(step).op('f64_add').set(here);
    },
  );
}

function emitSum(f: Code): void {
  const at = word(f, BINS.ends);
  const [end, total, n] = [f.local('i32'), f.local('i32'), f.local('i32')];
  f.get(at);
  f.get(ARGS).memory('i32_load', BINS.columns).get(ARGS).memory('i32_load', BINS.rows).op('i32_mul');
  f.i32(2).op('i32_shl').op('i32_add').set(end);
  const done = f.block();
  const next = f.loop();
  f.get(at).get(end).op('i32_ge_u').brIf(done);
  f.get(at).memory('i32_load').set(n);
  f.get(at).get(total).memory('i32_store');
  f.get(total).get(n).op('i32_add').set(total);
  f.get(at).i32(4).op('i32_add').set(at).br(next);
  f.end().end().get(total);
}

function emitList(f: Code): void {
  const alone = 1;
  const ends = word(f, BINS.ends);
  const items = word(f, BINS.items);
  const columns = word(f, BINS.columns);
  const [tile, tiles, x, n, begin, end, open, last] = f.locals('i32', 8);
  f.get(columns).get(ARGS).memory('i32_load', BINS.rows).op('i32_mul').set(tiles);
  const done = f.block();
  const next = f.loop();
  f.get(tile).get(tiles).op('i32_ge_u').brIf(done);
  f.get(begin).set(last);
  f.get(ends)
    .get(tile)
    .i32(2)
    .op('i32_shl')
    .op('i32_add')
    .memory('i32_load')
    .tee(begin)
    .get(last)
    .op('i32_ne')
    .set(end);
  f.get(x).get(columns).op('i32_eq').if();
  f.i32(0).set(x).i32(0).set(open).end();
  f.get(x).i32(1).op('i32_add').set(x);
  const put = (run: number) => {
    f.get(items).get(n).i32(2).op('i32_shl').op('i32_add').tee(last);
    f.get(tile);
    if (run > 0) f.i32(run << RUN_SHIFT).op('i32_or');
    f.memory('i32_store');
    f.get(n).i32(1).op('i32_add').set(n);
  };
  f.get(end).get(alone).op('i32_or').if();
  put(0);
  f.i32(0).set(open);
  f.else();
  const fresh = f.block();
  const joined = f.block();
  // An open run, and room in it.
  f.get(open).op('i32_eqz').brIf(joined);
  f.get(open).memory('i32_load').i32(RUN_SHIFT).op('i32_shr_u').i32(MAX_RUN).op('i32_ge_u').brIf(joined);
  f.get(open);
  f.get(open)
    .memory('i32_load')
    .i32(1 << RUN_SHIFT)
    .op('i32_add')
    .memory('i32_store');
  f.br(fresh).end();
  put(1);
  f.get(last).set(open);
  f.end().end();
  f.get(tile).i32(1).op('i32_add').set(tile).br(next);
  f.end().end().get(n);
}
