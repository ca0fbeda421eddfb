/**
 * Emitted WebAssembly that draws tiles one after the other: clears the tile buffer, works off the bin, draw after draw by its
 * front end (front.ts) and its shader, and writes back, without script in between.
 *
 * What it has to know stands in records that script fills in: of a draw when it is met first (DRAW), of the job's images before the
 * first tile (OUTLET). Script is asked for whatever needs more than that (WHY), and may do a part itself, after which the next
 * call goes on behind it.
 */
import { AFBC_HEADER_BYTES, AFBC_TILE } from '../../../board/image/afbc.ts';
import { LIST_QUADS, PRIMITIVE } from '../../engine/quads.ts';
import { TABLE_IMPORT } from '../../engine/table.ts';
import { FRAME, STAGE, STATUS } from '../../recompiler/frame.ts';
import { CALLED } from '../../recompiler/outside.ts';
import type { Callable, Code, ModuleBuilder } from '../../wasm/builder.ts';
import { TILE, TILE_PIXELS } from '../raster.ts';
import { addSpread } from './afbc-fill.ts';
import { BINS, RUN_SHIFT } from './bins.ts';
import { FRONT, ROOM } from './list.ts';
import { functions } from './modules.ts';
import { emitHide, emitTakeOut, HIDERS_BYTES, KILL, SEGMENT, SEGMENTS } from './pending.ts';
import { fillLoop } from './tile.ts';

/** What a call is told, and tells: byte offsets in scratch memory, behind FRONT, whose list, depth, stencil and farthest are told too. */
export const TOUR = {
  /** Scratch address of the records of draws, DRAW_RECORDS of them: a draw's is the one of its number less multiples of that. */
  draws: FRONT.size,
  /** What records must be of; not 0. */
  time: FRONT.size + 4,
  /** Left of the slice: falls below zero where a rest is due. */
  budget: FRONT.size + 8,
  /** Warps, primitives in tiles and tiles, added up. */
  progress: FRONT.size + 12,
  /** Of the shader that is not done: a STATUS. */
  status: FRONT.size + 16,
  /** Scratch address of the tile's dirty bits (TileBuffer.dirtyAt). */
  dirty: FRONT.size + 20,
  /** Scratch address of BINS; the next item, and the one behind the last. */
  bins: FRONT.size + 24,
  item: FRONT.size + 28,
  last: FRONT.size + 32,
  /** 1: the tile of the item has been begun. */
  begun: FRONT.size + 36,
  /** 1: the tile buffer holds nothing but clear values. */
  clear: FRONT.size + 40,
  /** Pixels of the framebuffer. */
  width: FRONT.size + 44,
  height: FRONT.size + 48,
  /** Scratch addresses: FILL records, depth's first; OUTLET records; and how many there are. */
  fills: FRONT.size + 52,
  fillCount: FRONT.size + 56,
  outlets: FRONT.size + 60,
  outletCount: FRONT.size + 64,
  /** 1: script writes tiles back. */
  script: FRONT.size + 68,
  /** The draw that a record is wanted of. */
  number: FRONT.size + 72,
  /** Scratch addresses: the list's segments (pending.ts: SEGMENT), and HIDERS_BYTES. */
  segments: FRONT.size + 76,
  hiders: FRONT.size + 80,
  /** How many segments the list has, the next one to be shaded, and 1 where they are being shaded. */
  segmentCount: FRONT.size + 84,
  segment: FRONT.size + 88,
  shading: FRONT.size + 92,
  /** Not 0: the list has quads that others may hide but that hide none; what hides is noted; something is hidden. */
  open: FRONT.size + 96,
  noted: FRONT.size + 100,
  hidden: FRONT.size + 104,
  /** All samples of a pixel, in both halves. */
  full: FRONT.size + 108,
  size: FRONT.size + 112,
} as const;

/** What a cleared tile has in so many bytes (a multiple of 64) from a scratch address on: four words again and again. */
export const FILL = { at: 0, bytes: 4, words: 16, size: 32 } as const;

/** An image that tiles are written to: byte offsets in its record. All numbers of functions are the table's. */
export const OUTLET = {
  /** Bits of which one must be set in the tile's dirty bits, all ones: always; and in the word behind them, which is depth's. */
  colors: 0,
  depth: 4,
  /** What makes rows of the tile (MAKE): its function, and its arguments. */
  make: 8,
  slot: 12,
  a: 16,
  b: 20,
  c: 24,
  /** Scratch address of the rows. */
  rows: 28,
  /** A STORE: its function, and what it is told of the image. */
  store: 32,
  storeSlot: 36,
  /** Physical addresses of the first pixel (AFBC: body), and of the first header. */
  pixels: 40,
  headers: 44,
  /** Bytes from one row of pixels to the next, of u-interleaved ones of tiles; AFBC: headers from one row (of 8) to the next. */
  stride: 48,
  /** Bytes of a pixel; AFBC: of a body; and from the first header to the first body. */
  bytes: 52,
  bodyOffset: 56,
  /** U-interleaved: the function that makes a block of rows, and where. */
  turnSlot: 60,
  block: 64,
  size: 80,
} as const;
export const MAKE = { NOTHING: 0, TURN: 1, DEPTH: 2 } as const;
export const STORE = { LINEAR: 0, BLOCKS: 1, AFBC: 2, AFBC_TILED: 3 } as const;

/** A draw: byte offsets in its record. */
export const DRAW = {
  time: 0,
  number: 4,
  /** The front end's number in the table, and the shader's (0: nothing is ever listed). */
  front: 8,
  shader: 12,
  /** As ListCall has them (shader/contract.ts). */
  registers: 16,
  frame: 20,
  called: 24,
  fuel: 28,
  /** Scratch address of STAGE. */
  stage: 32,
  /** 1: it may make depths greater; 1: it dirties depth where it tests. */
  raises: 36,
  touches: 40,
  /** KILL bits (pending.ts). */
  kill: 44,
  /** The depth range: as in FRONT. */
  low: 48,
  size: 64,
} as const;
export const DRAW_RECORDS = 256;

/**
 * Why a call ended: the bin is done; a rest is due; the draw at FRONT.place has no record; its shader is not done; the item is of clean
 * tiles; or of one that nothing touches; script has to write the tile back; there
 * are no more items.
 */
export const WHY = {
  ...{ BIN: 0, REST: 1, DRAW: 2, SHADER: 3, CLEAN: 4, EMPTY: 5, WRITE: 6, END: 7 },
} as const;

/** Rough costs in warp instructions: of a tile, one that is clean, a call of a front end, a primitive that it takes up, a warp. */
export const COST = { tile: 100, cleanTile: 4, front: 50, primitive: 10, warp: 80 } as const;
/** Primitives that a front end takes up at a time. */
export const FRONT_LIMIT = 1024;

export interface TourCode {
  /** Draws the tiles of items: TOUR.item to TOUR.last. Answers a WHY. */
  readonly tile_tour: (args: number) => number;
  /** Works off the bin of one tile from FRONT.place on. Answers BIN, REST, DRAW or SHADER. */
  readonly tile_draws: (args: number) => number;
}

export const tourCode = (): TourCode => functions<TourCode>('tour', emit);

const PLACE_BYTES = 4;
const WARP_SHIFT = 2;
const AFBC_SHIFT = Math.log2(AFBC_TILE);
const ARGS = 0;

function emit(m: ModuleBuilder): void {
  m.importTable(...TABLE_IMPORT);
  const hide = m.function('list_hide', Array(6).fill('i32'), ['i32']);
  emitHide(hide);
  const takeOut = m.function('list_take_out', Array(4).fill('i32'), []);
  emitTakeOut(takeOut);
  const shade = m.function('list_shade', ['i32'], ['i32']);
  emitShade(m, shade, takeOut);
  const draws = m.function('tile_draws', ['i32'], ['i32'], true);
  emitDraws(m, draws, { hide, shade });
  const begin = m.function('tile_begin', ['i32'], ['i32']);
  emitBegin(begin);
  const write = m.function('tile_write', ['i32'], []);
  emitWrite(m, write);
  const f = m.function('tile_tour', ['i32'], ['i32'], true);
  const w = new Words(f);
  const why = f.local('i32');
  const next = f.loop();
  w.load(ARGS, TOUR.begun).op('i32_eqz').if();
  f.get(ARGS).call(begin).tee(why).if();
  f.get(why).op('return').end();
  f.end();
  f.get(ARGS).call(draws).tee(why).if();
  f.get(why).op('return').end();
  w.load(ARGS, TOUR.script).if();
  f.i32(WHY.WRITE).op('return').end();
  f.get(ARGS).call(write);
  w.add(ARGS, TOUR.progress, () => f.i32(1));
  w.add(ARGS, TOUR.budget, () => f.i32(-COST.tile));
  w.add(ARGS, TOUR.item, () => f.i32(1));
  w.zero(ARGS, TOUR.begun);
  f.br(next).end().op('unreachable');
}

/** Words of records: `at` is a local. */
class Words {
  readonly #f: Code;

  constructor(f: Code) {
    this.#f = f;
  }

  load(at: number, offset: number): Code {
    return this.#f.get(at).memory('i32_load', offset);
  }

  put(at: number, offset: number, push: () => void): void {
    this.#f.get(at);
    push();
    this.#f.memory('i32_store', offset);
  }

  zero(at: number, offset: number): void {
    this.put(at, offset, () => this.#f.i32(0));
  }

  add(at: number, offset: number, push: () => void): void {
    this.put(at, offset, () => {
      this.load(at, offset);
      push();
      this.#f.op('i32_add');
    });
  }
}

/** The item's tile is begun: 0; else what is answered instead. */
function emitBegin(f: Code): void {
  const w = new Words(f);
  const [item, bins, tile, first, end, columns] = f.locals('i32', 6);
  const leave = (why: number): void => {
    f.if();
    f.i32(why).op('return').end();
  };
  w.load(ARGS, TOUR.item).tee(item);
  w.load(ARGS, TOUR.last).op('i32_ge_u');
  leave(WHY.END);
  w.load(ARGS, TOUR.budget).i32(0).op('i32_lt_s');
  leave(WHY.REST);
  w.load(ARGS, TOUR.bins).set(bins);
  w.load(bins, BINS.items).get(item).i32(PLACE_BYTES).op('i32_mul').op('i32_add').memory('i32_load').tee(tile);
  f.i32(RUN_SHIFT).op('i32_shr_u');
  leave(WHY.CLEAN);
  // Its bin.
  w.load(bins, BINS.ends).get(tile).i32(PLACE_BYTES).op('i32_mul').op('i32_add').tee(end).memory('i32_load');
  f.get(tile).if('i32');
  f.get(end).i32(PLACE_BYTES).op('i32_sub').memory('i32_load').else().i32(0).end().tee(first);
  f.op('i32_eq');
  leave(WHY.EMPTY);
  const place = (push: () => void): void => {
    w.load(bins, BINS.entries);
    push();
    f.i32(PLACE_BYTES).op('i32_mul').op('i32_add');
  };
  w.put(ARGS, FRONT.place, () => place(() => f.get(first)));
  w.put(ARGS, FRONT.end, () => place(() => f.get(end).memory('i32_load')));
  // Its first pixel.
  w.load(bins, BINS.columns).set(columns);
  const pixel = (op: 'i32_rem_u' | 'i32_div_u', origin: number): void => {
    f.get(tile).get(columns).op(op);
    w.load(bins, origin).op('i32_add').i32(Math.log2(TILE)).op('i32_shl');
  };
  w.put(ARGS, FRONT.left, () => pixel('i32_rem_u', BINS.column));
  w.put(ARGS, FRONT.top, () => pixel('i32_div_u', BINS.row));
  w.load(ARGS, TOUR.clear).op('i32_eqz').if();
  emitClear(f, w);
  f.end();
  w.zero(ARGS, TOUR.clear);
  w.put(ARGS, TOUR.begun, () => f.i32(1));
  f.i32(0);
}

/** The tile buffer gets its clear values. */
function emitClear(f: Code, w: Words): void {
  const [fill, last, at, end] = f.locals('i32', 4);
  const value = f.local('v128');
  w.load(ARGS, TOUR.dirty).i64(0n).memory('i64_store');
  w.load(ARGS, FRONT.farthest);
  w.load(ARGS, TOUR.fills).memory('v128_load', FILL.words).memory('v128_store');
  w.load(ARGS, TOUR.fills).tee(fill);
  w.load(ARGS, TOUR.fillCount).i32(FILL.size).op('i32_mul').op('i32_add').set(last);
  const fills = f.loop();
  f.get(fill).memory('v128_load', FILL.words).set(value);
  w.load(fill, FILL.at).tee(at);
  w.load(fill, FILL.bytes).op('i32_add').set(end);
  fillLoop(f, value, at, end);
  f.get(fill).i32(FILL.size).op('i32_add').tee(fill).get(last).op('i32_lt_u').brIf(fills).end();
}

/** Writes the tile back that has been drawn. */
function emitWrite(m: ModuleBuilder, f: Code): void {
  const turn = m.functionType(['i32', 'i32'], []);
  const depth = m.functionType(['i32', 'i32', 'i32'], []);
  const copy = m.functionType(['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], []);
  const encode = m.functionType(['i32', 'i32', 'i32', 'i32'], []);
  const w = new Words(f);
  const [outlet, last, left, top, dirty] = f.locals('i32', 5);
  const [column, row, bytes, store, index] = f.locals('i32', 5);
  const number = (offset: number): Code => w.load(outlet, offset);
  const shift = Math.log2(TILE);
  w.load(ARGS, FRONT.left).tee(left).i32(shift).op('i32_shr_u').set(column);
  w.load(ARGS, FRONT.top).tee(top).i32(shift).op('i32_shr_u').set(row);
  w.load(ARGS, TOUR.dirty).set(dirty);
  w.load(ARGS, TOUR.outlets).tee(outlet);
  w.load(ARGS, TOUR.outletCount).i32(OUTLET.size).op('i32_mul').op('i32_add').set(last);
  const done = f.block();
  const next = f.loop();
  f.get(outlet).get(last).op('i32_ge_u').brIf(done);
  const out = f.block();
  // All ones: whatever the tile's bits are.
  number(OUTLET.colors).i32(-1).op('i32_eq');
  number(OUTLET.colors).get(dirty).memory('i32_load').op('i32_and');
  number(OUTLET.depth).get(dirty).memory('i32_load', 4).op('i32_and');
  f.op('i32_or').op('i32_or').op('i32_eqz').brIf(out);
  number(OUTLET.make).i32(MAKE.TURN).op('i32_eq').if();
  number(OUTLET.a);
  number(OUTLET.b);
  number(OUTLET.slot).callIndirect(turn).end();
  number(OUTLET.make).i32(MAKE.DEPTH).op('i32_eq').if();
  number(OUTLET.a);
  number(OUTLET.b);
  number(OUTLET.c);
  number(OUTLET.slot).callIndirect(depth).end();
  number(OUTLET.bytes).set(bytes);
  number(OUTLET.store).tee(store).i32(STORE.LINEAR).op('i32_eq').if();
  const within = (size: number, at: number): void => {
    // As much of the tile as the framebuffer has.
    w.load(ARGS, size).get(at).op('i32_sub').tee(index).i32(TILE);
    f.get(index).i32(TILE).op('i32_lt_u').op('select');
  };
  number(OUTLET.rows).get(bytes).i32(shift).op('i32_shl');
  number(OUTLET.pixels).get(top);
  number(OUTLET.stride).op('i32_mul').op('i32_add').get(left).get(bytes).op('i32_mul').op('i32_add');
  number(OUTLET.stride);
  within(TOUR.width, left);
  f.get(bytes).op('i32_mul');
  within(TOUR.height, top);
  number(OUTLET.storeSlot).callIndirect(copy).br(out).end();
  f.get(store).i32(STORE.BLOCKS).op('i32_eq').if();
  number(OUTLET.rows);
  number(OUTLET.block);
  number(OUTLET.turnSlot).callIndirect(turn);
  f.get(bytes).i32(Math.log2(TILE_PIXELS)).op('i32_shl').set(bytes);
  number(OUTLET.block).i32(0);
  number(OUTLET.pixels).get(row);
  number(OUTLET.stride).op('i32_mul').op('i32_add').get(column).get(bytes).op('i32_mul').op('i32_add');
  f.i32(0).get(bytes).i32(1);
  number(OUTLET.storeSlot).callIndirect(copy).br(out).end();
  f.get(store).i32(STORE.AFBC).op('i32_eq').if('i32');
  f.get(row);
  number(OUTLET.stride).op('i32_mul').get(column).op('i32_add').else();
  // The tile of 8×8, and the place in it.
  f.get(row).i32(AFBC_SHIFT).op('i32_shr_u');
  number(OUTLET.stride).op('i32_mul');
  f.get(column)
    .i32(AFBC_SHIFT)
    .op('i32_shr_u')
    .i32(2 * AFBC_SHIFT)
    .op('i32_shl')
    .op('i32_add');
  addSpread(f, column, 0);
  addSpread(f, row, 1);
  f.end().set(index);
  number(OUTLET.rows);
  number(OUTLET.headers).get(index).i32(AFBC_HEADER_BYTES).op('i32_mul').op('i32_add');
  number(OUTLET.pixels).get(index).get(bytes).op('i32_mul').op('i32_add');
  number(OUTLET.bodyOffset).get(index).get(bytes).op('i32_mul').op('i32_add');
  number(OUTLET.storeSlot).callIndirect(encode);
  f.end();
  f.get(outlet).i32(OUTLET.size).op('i32_add').set(outlet).br(next);
  f.end().end();
}

/** Pushes whether the record of draw `number` is none of it: locals. */
function emitRecord(f: Code, w: Words, number: number, record: number): void {
  f.get(number)
    .i32(DRAW_RECORDS - 1)
    .op('i32_and')
    .i32(DRAW.size)
    .op('i32_mul');
  w.load(ARGS, TOUR.draws).op('i32_add').set(record);
  w.load(record, DRAW.number).get(number).op('i32_ne');
  w.load(record, DRAW.time);
  w.load(ARGS, TOUR.time).op('i32_ne').op('i32_or');
}

/** A bin, from FRONT.place on. */
function emitDraws(
  m: ModuleBuilder,
  f: Code,
  { hide, shade }: { readonly hide: Callable; readonly shade: Callable },
): void {
  const front = m.functionType(['i32'], []);
  const w = new Words(f);
  const [place, record, number, stage, first, count] = f.locals('i32', 6);
  const [taken, kill, segment, why] = f.locals('i32', 4);
  const zero = f.held(0);
  const leave = (reason: number): void => {
    f.i32(reason).op('return');
  };
  /** Shades what has been listed. */
  const flush = (): void => {
    f.get(ARGS).call(shade).tee(why).if();
    f.get(why).op('return').end();
  };
  w.load(ARGS, TOUR.shading).if();
  flush();
  f.end();
  w.zero(ARGS, FRONT.count);
  w.zero(ARGS, FRONT.used);
  w.zero(ARGS, FRONT.used + 4);
  w.load(ARGS, FRONT.place).set(place);
  const next = f.loop();
  f.get(place);
  w.load(ARGS, FRONT.end).op('i32_ge_u').if();
  flush();
  leave(WHY.BIN);
  f.end();
  w.load(ARGS, TOUR.budget).i32(0).op('i32_lt_s').if();
  flush();
  leave(WHY.REST);
  f.end();
  // The draw's record.
  f.get(place).memory('i32_load').memory('i32_load', PRIMITIVE.draw).set(number);
  emitRecord(f, w, number, record);
  f.if();
  flush();
  w.put(ARGS, TOUR.number, () => f.get(number));
  leave(WHY.DRAW);
  f.end();
  // Its front end.
  w.load(record, DRAW.stage).set(stage);
  w.load(ARGS, FRONT.count).set(first);
  w.put(ARGS, FRONT.draw, () => f.get(number));
  w.put(ARGS, FRONT.limit, () => f.i32(FRONT_LIMIT));
  for (const offset of [FRONT.passed, FRONT.tested]) w.zero(ARGS, offset);
  f.get(ARGS).get(record).memory('v128_load', DRAW.low).memory('v128_store', FRONT.low);
  w.load(record, DRAW.raises).if();
  w.load(ARGS, FRONT.farthest);
  f.f32(Number.POSITIVE_INFINITY).op('f32x4_splat').memory('v128_store');
  f.end();
  f.get(ARGS);
  w.load(record, DRAW.front).callIndirect(front);
  // A stage counts 64 bits of samples.
  f.get(stage).get(stage).memory('i64_load', STAGE.passed);
  f.get(ARGS).memory('i64_load32_u', FRONT.passed).op('i64_add').memory('i64_store', STAGE.passed);
  w.load(ARGS, FRONT.tested);
  w.load(record, DRAW.touches).op('i32_and').if();
  w.load(ARGS, TOUR.dirty).i32(1).memory('i32_store', 4);
  f.end();
  w.load(ARGS, FRONT.place).get(place).op('i32_sub').i32(Math.log2(PLACE_BYTES)).op('i32_shr_u').set(taken);
  w.load(ARGS, FRONT.place).set(place);
  w.add(ARGS, TOUR.progress, () => f.get(taken));
  w.add(ARGS, TOUR.budget, () => f.i32(-COST.front).get(taken).i32(COST.primitive).op('i32_mul').op('i32_sub'));
  w.load(ARGS, FRONT.count).tee(count).get(first).op('i32_eq').brIf(next);
  // A segment of the list: the last one's end, or another one.
  w.load(ARGS, TOUR.segments);
  w.load(ARGS, TOUR.segmentCount).i32(SEGMENT.size).op('i32_mul').op('i32_add').tee(segment);
  f.i32(SEGMENT.size).op('i32_sub').memory('i32_load', SEGMENT.number).get(number).op('i32_eq');
  f.get(first).i32(0).op('i32_ne').op('i32_and').if();
  f.get(segment)
    .get(count)
    .memory('i32_store', SEGMENT.end - SEGMENT.size);
  f.else();
  w.put(segment, SEGMENT.number, () => f.get(number));
  w.put(segment, SEGMENT.first, () => f.get(first));
  w.put(segment, SEGMENT.end, () => f.get(count));
  w.add(ARGS, TOUR.segmentCount, () => f.i32(1));
  f.end();
  w.load(record, DRAW.kill).tee(kill).i32(KILL.HIDES).op('i32_and').if();
  w.load(ARGS, TOUR.noted).op('i32_eqz').if();
  w.put(ARGS, TOUR.noted, () => f.i32(1));
  for (let at = 0; at < HIDERS_BYTES; at += 16) w.load(ARGS, TOUR.hiders).get(zero).memory('v128_store', at);
  f.end();
  w.put(ARGS, TOUR.hidden, () => {
    w.load(ARGS, TOUR.hidden);
    w.load(ARGS, TOUR.open).op('i32_or');
    w.load(ARGS, FRONT.list).get(first).get(count);
    w.load(ARGS, TOUR.hiders);
    w.load(ARGS, TOUR.full).get(kill).i32(KILL.WAITS).op('i32_and').call(hide).op('i32_or');
  });
  f.else();
  w.put(ARGS, TOUR.open, () => f.i32(1));
  f.end();
  // It goes on with the next draw, if this one waits and there is room.
  f.get(kill).i32(KILL.WAITS).op('i32_and');
  f.get(count)
    .i32(LIST_QUADS - ROOM)
    .op('i32_le_u')
    .op('i32_and');
  w.load(ARGS, TOUR.segmentCount).i32(SEGMENTS).op('i32_lt_u').op('i32_and').brIf(next);
  flush();
  f.br(next).end();
  f.op('unreachable');
}

/** Shades the list, segment by segment; answers why it could not, or 0: it is empty. */
function emitShade(m: ModuleBuilder, f: Code, takeOut: Callable): void {
  const shader = m.functionType(['i32', 'i32'], ['i32']);
  const w = new Words(f);
  const [segment, number, record, stage, frame, warps, status] = f.locals('i32', 7);
  w.load(ARGS, TOUR.shading).op('i32_eqz').if();
  w.put(ARGS, TOUR.shading, () => f.i32(1));
  w.zero(ARGS, TOUR.segment);
  w.load(ARGS, TOUR.hidden).if();
  w.load(ARGS, FRONT.list);
  w.load(ARGS, TOUR.segments);
  w.load(ARGS, TOUR.hiders);
  w.load(ARGS, TOUR.segmentCount).call(takeOut).end();
  f.end();
  const done = f.block();
  const next = f.loop();
  w.load(ARGS, TOUR.segment);
  w.load(ARGS, TOUR.segmentCount).op('i32_ge_u').brIf(done);
  w.load(ARGS, TOUR.segments);
  w.load(ARGS, TOUR.segment).i32(SEGMENT.size).op('i32_mul').op('i32_add').set(segment);
  w.load(segment, SEGMENT.number).set(number);
  emitRecord(f, w, number, record);
  f.if();
  w.put(ARGS, TOUR.number, () => f.get(number));
  f.i32(WHY.DRAW).op('return').end();
  w.add(ARGS, TOUR.segment, () => f.i32(1));
  w.load(segment, SEGMENT.end);
  w.load(segment, SEGMENT.first).op('i32_sub').i32(WARP_SHIFT).op('i32_shr_u').tee(warps).op('i32_eqz').brIf(next);
  w.add(ARGS, TOUR.progress, () => f.get(warps));
  w.add(ARGS, TOUR.budget, () => f.get(warps).i32(-COST.warp).op('i32_mul'));
  w.load(record, DRAW.stage).set(stage);
  w.load(record, DRAW.frame).set(frame);
  w.put(stage, STAGE.list, () => w.load(ARGS, FRONT.list));
  w.put(stage, STAGE.left, () => w.load(ARGS, FRONT.left));
  w.put(stage, STAGE.top, () => w.load(ARGS, FRONT.top));
  w.put(stage, STAGE.warp, () => w.load(segment, SEGMENT.first).i32(WARP_SHIFT).op('i32_shr_u'));
  w.put(stage, STAGE.warps, () => w.load(segment, SEGMENT.end).i32(WARP_SHIFT).op('i32_shr_u'));
  w.zero(stage, STAGE.weighed);
  w.put(stage, STAGE.sample, () => f.i32(-1));
  w.put(frame, FRAME.fuel, () => w.load(record, DRAW.fuel));
  f.i32(CALLED);
  w.load(record, DRAW.called).memory('i32_store');
  w.load(record, DRAW.registers).get(frame);
  w.load(record, DRAW.shader).callIndirect(shader).set(status);
  f.i32(CALLED).i32(0).memory('i32_store');
  f.get(status).i32(STATUS.DONE).op('i32_eq').brIf(next);
  w.put(ARGS, TOUR.status, () => f.get(status));
  w.put(ARGS, FRONT.draw, () => f.get(number));
  f.i32(WHY.SHADER).op('return');
  f.end().end();
  for (const offset of [TOUR.shading, TOUR.segmentCount, TOUR.open, TOUR.noted, TOUR.hidden, FRONT.count]) {
    w.zero(ARGS, offset);
  }
  f.i32(0);
}
