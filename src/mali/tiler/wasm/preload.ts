/**
 * Emitted code that lists the registers which vertices of a batch start with (abi/isa/preload.ts, engine/threads.ts): of all
 * of them for their positions, then of those that visible primitives have for their varyings.
 */
import { VERTEX_PRELOAD as PRELOAD } from '../../../abi/isa/preload.ts';
import { COLUMN_BYTES, THREAD_PRELOADS } from '../../engine/threads.ts';
import { functions } from '../../fragment/wasm/modules.ts';
import { LANES } from '../../shader/contract.ts';
import type { ModuleBuilder } from '../../wasm/builder.ts';
import { MARK, TILER } from '../state.ts';

interface Preload {
  /** Lists all vertices, each of so many entries in the position FIFO. */
  readonly list_all: (
    batch: number,
    entries: number,
    vertexOffset: number,
    instanceOffset: number,
    drawId: number,
  ) => void;
  /** Lists vertices that are wanted and not shaded yet, with places for varyings in so many views, and marks them. Answers how many. */
  readonly list_wanted: (
    batch: number,
    places: number,
    vertexOffset: number,
    instanceOffset: number,
    drawId: number,
  ) => number;
}

const { first, count: COLUMNS } = THREAD_PRELOADS.vertex;
const WARP_BYTES = COLUMNS * COLUMN_BYTES;
/** Where a register of the list's first thread is in a batch. */
const column = (register: number): number => TILER.list + (register - first) * COLUMN_BYTES;

let known: Preload | undefined;

export const preloader = (): Preload => {
  known ??= functions<Preload>('vertex preload', emit);
  return known;
};

function emit(m: ModuleBuilder): void {
  emitAll(m);
  emitWanted(m);
}

function emitAll(m: ModuleBuilder): void {
  const f = m.function('list_all', Array(5).fill('i32'), [], true);
  const [batch, entries, vertexOffset, instanceOffset, drawId] = [0, 1, 2, 3, 4] as const;
  const [v, mask, count, more, four] = f.locals('v128', 5);
  const [left, list] = f.locals('i32', 2);
  f.get(batch).memory('i32_load', TILER.vertices).tee(left).op('i32x4_splat').set(count);
  // Four positions stand together, then what else four vertices have.
  f.get(entries).i32(1).op('i32_sub').op('i32x4_splat').set(more);
  f.v128(4, 4, 4, 4).set(four).v128(0, 1, 2, 3).set(v);
  f.get(batch).set(list);
  const done = f.block();
  const next = f.loop();
  f.get(left).i32(0).op('i32_le_s').brIf(done);
  for (let k = 0; k < LANES / 4; k++) {
    f.get(v).get(count).op('i32x4_lt_u').set(mask);
    // Lanes without a vertex have zeros, as in all other registers.
    const register = (number: number, push: () => void): void => {
      f.get(list);
      push();
      f.get(mask)
        .op('v128_and')
        .memory('v128_store', column(number) + 16 * k);
    };
    register(PRELOAD.LINEAR_ID, () =>
      f.get(v).get(v).v128(-4).op('v128_and').get(more).op('i32x4_mul').op('i32x4_add'),
    );
    register(PRELOAD.VERTEX_ID, () => {
      f.get(batch).memory('v128_load', TILER.index + 16 * k);
      f.get(vertexOffset).op('i32x4_splat').op('i32x4_add');
    });
    register(PRELOAD.INSTANCE_ID, () => {
      f.get(batch).memory('v128_load', TILER.instance + 16 * k);
      f.get(instanceOffset).op('i32x4_splat').op('i32x4_add');
    });
    register(PRELOAD.DRAW_ID, () => f.get(drawId).op('i32x4_splat'));
    f.get(v).get(four).op('i32x4_add').set(v);
  }
  f.get(batch)
    .i32(LANES * 4)
    .op('i32_add')
    .set(batch);
  f.get(list).i32(WARP_BYTES).op('i32_add').set(list);
  f.get(left).i32(LANES).op('i32_sub').set(left).br(next);
  f.end().end();
}

function emitWanted(m: ModuleBuilder): void {
  const f = m.function('list_wanted', Array(5).fill('i32'), ['i32'], true);
  const [batch, places, vertexOffset, instanceOffset, drawId] = [0, 1, 2, 3, 4] as const;
  const [v, vertices, count, list, at] = f.locals('i32', 5);
  f.get(batch).memory('i32_load', TILER.vertices).set(vertices);
  f.get(batch).set(list);
  const done = f.block();
  const next = f.loop();
  f.get(v).get(vertices).op('i32_ge_u').brIf(done);
  f.get(batch).get(v).op('i32_add').tee(at).memory('i32_load8_u', TILER.marks).i32(MARK.WANTED).op('i32_eq').if();
  f.get(at)
    .i32(MARK.WANTED | MARK.SHADED)
    .memory('i32_store8', TILER.marks);
  f.get(batch).get(v).i32(2).op('i32_shl').op('i32_add').set(at);
  f.get(list).get(v).get(v).i32(-4).op('i32_and').get(places).i32(1).op('i32_sub').op('i32_mul').op('i32_add');
  f.memory('i32_store', column(PRELOAD.LINEAR_ID));
  f.get(list).get(at).memory('i32_load', TILER.index).get(vertexOffset).op('i32_add');
  f.memory('i32_store', column(PRELOAD.VERTEX_ID));
  f.get(list).get(at).memory('i32_load', TILER.instance).get(instanceOffset).op('i32_add');
  f.memory('i32_store', column(PRELOAD.INSTANCE_ID));
  f.get(list).get(drawId).memory('i32_store', column(PRELOAD.DRAW_ID));
  advance();
  f.end();
  f.get(v).i32(1).op('i32_add').set(v).br(next);
  f.end().end();
  f.get(count).set(v);
  // Zeros for the last warp's other lanes.
  const padded = f.block();
  const pad = f.loop();
  f.get(count)
    .i32(LANES - 1)
    .op('i32_and')
    .op('i32_eqz')
    .brIf(padded);
  for (let c = 0; c < COLUMNS; c++)
    f.get(list)
      .i32(0)
      .memory('i32_store', column(first + c));
  advance();
  f.br(pad).end().end();
  f.get(v);

  /** To the next lane, or the next warp's first one. */
  function advance(): void {
    f.get(list).i32(4).op('i32_add').set(list);
    f.get(count)
      .i32(1)
      .op('i32_add')
      .tee(count)
      .i32(LANES - 1)
      .op('i32_and')
      .op('i32_eqz')
      .if();
    f.get(list)
      .i32(WARP_BYTES - COLUMN_BYTES)
      .op('i32_add')
      .set(list)
      .end();
  }
}
