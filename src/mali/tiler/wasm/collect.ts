/**
 * Emitted code for the index stream: fetches indices, assembles points, lines and triangles, and fills the batch with them and
 * the vertices that they share, until it is full.
 *
 *     collect(state) → COLLECT
 *
 * The script beside it is index-stream.ts with assemble.ts and batch.ts; records and order are theirs. All state is in
 * scratch memory (state.ts), so that a draw can stop anywhere.
 */
import { DRAW_MODE } from '../../../abi/gpu/raster-descriptors.ts';
import type { PhysicalMemory } from '../../../board/dram.ts';
import { DRAM, functions } from '../../fragment/wasm/modules.ts';
import type { Callable, Code, ModuleBuilder } from '../../wasm/builder.ts';
import type { MemoryOpName } from '../../wasm/opcodes.ts';
import { type Arity, arityOf } from '../assemble.ts';
import { BUCKET_SHIFT, MULTIPLIER } from '../batch.ts';
import { BUCKETS, COLLECT, MAX_BATCH_PRIMITIVES, SLOTS_BYTES, TILER } from '../state.ts';

export type Collect = (state: number) => number;

/** The function for a draw mode, a number of bytes an index (0: vertices are numbered), and a convention. */
export function collector(dram: PhysicalMemory, mode: number, bytes: number, first: boolean): Collect {
  const key = `collect ${mode} ${bytes} ${first ? 1 : 0}`;
  return functions<{ collect: Collect }>(key, (m) => emitCollect(m, mode, bytes, first), dram).collect;
}

/** Leaves in `place` where the bucket of a vertex is (locals), or the empty one where it belongs; and in `known` what is in it. */
function emitProbe(f: Code, index: number, instance: number, place: number, known: number): void {
  const bucket = f.local('i32');
  const vertex = f.local('i32');
  f.get(index).get(instance).i32(MULTIPLIER).op('i32_mul').op('i32_xor').i32(MULTIPLIER).op('i32_mul');
  f.i32(BUCKET_SHIFT).op('i32_shr_u').set(bucket);
  const found = f.block();
  const again = f.loop();
  f.get(0).get(bucket).i32(1).op('i32_shl').op('i32_add').tee(place).memory('i32_load16_u', TILER.buckets).tee(known);
  f.op('i32_eqz').brIf(found);
  f.get(0).get(known).i32(1).op('i32_sub').i32(2).op('i32_shl').op('i32_add').tee(vertex);
  f.memory('i32_load', TILER.index).get(index).op('i32_eq');
  f.get(vertex).memory('i32_load', TILER.instance).get(instance).op('i32_eq').op('i32_and').brIf(found);
  f.get(bucket)
    .i32(1)
    .op('i32_add')
    .i32(BUCKETS - 1)
    .op('i32_and')
    .set(bucket)
    .br(again);
  f.end().end();
}

/** known(state, index, instance) → the vertex's slot + 1; 0: it has none. */
function emitKnown(m: ModuleBuilder): Callable {
  const f = m.function('tiler_known', ['i32', 'i32', 'i32'], ['i32']);
  const known = f.local('i32');
  emitProbe(f, 1, 2, f.local('i32'), known);
  f.get(known);
  return f;
}

/** Makes the vertex that is said by two locals the one of slot `TILER.vertices`, which goes up. Leaves its number in a third. */
function emitVertex(f: Code, slot: number, place: number, index: number, instance: number): void {
  f.get(0).memory('i32_load', TILER.vertices).tee(slot).i32(2).op('i32_shl').get(0).op('i32_add').tee(place);
  f.get(index).memory('i32_store', TILER.index);
  f.get(place).get(instance).memory('i32_store', TILER.instance);
  f.get(0).get(slot).i32(1).op('i32_add').memory('i32_store', TILER.vertices);
}

/** slot(state, index, instance) → slot of the vertex, a new one if it has none. */
function emitSlot(m: ModuleBuilder): Callable {
  const f = m.function('tiler_slot', ['i32', 'i32', 'i32'], ['i32']);
  const at = f.local('i32');
  const known = f.local('i32');
  const place = f.local('i32');
  emitProbe(f, 1, 2, at, known);
  f.get(known).if();
  f.get(known).i32(1).op('i32_sub').op('return').end();
  emitVertex(f, known, place, 1, 2);
  f.get(at).get(known).i32(1).op('i32_add').memory('i32_store16', TILER.buckets);
  f.get(known);
  return f;
}

/** Where the slots of the next primitive go, and its id and provoking vertex; counts it. Leaves the place in `at`. */
function emitPrimitive(f: Code, at: number, id: number, provoking: () => void): void {
  f.get(0)
    .get(0)
    .memory('i32_load', TILER.primitives)
    .tee(at)
    .i32(1)
    .op('i32_add')
    .memory('i32_store', TILER.primitives);
  f.get(0).get(at).i32(2).op('i32_shl').op('i32_add').get(id).memory('i32_store', TILER.ids);
  f.get(0).get(at).i32(Math.log2(SLOTS_BYTES)).op('i32_shl').op('i32_add').tee(at);
  provoking();
  f.memory('i32_store16', TILER.slots + 6);
}

/** add(state, a, b, c, instance, provoking, id) → whether the batch had room for the primitive, which has the first `arity` of them. */
function emitAdd(m: ModuleBuilder, arity: Arity, known: Callable, slot: Callable): Callable {
  const f = m.function('tiler_add', Array(7).fill('i32'), ['i32']);
  const at = f.local('i32');
  f.get(0).memory('i32_load', TILER.primitives).i32(MAX_BATCH_PRIMITIVES).op('i32_eq').if();
  f.i32(0).op('return').end();
  // Who needs so few of them has room in any case.
  f.get(0).memory('i32_load', TILER.vertices).tee(at).i32(arity).op('i32_add');
  f.get(0).memory('i32_load', TILER.capacity).op('i32_gt_u').unlikely().if();
  f.get(at);
  for (let n = 1; n <= arity; n++) {
    f.get(0).get(n).get(4).call(known).op('i32_eqz').op('i32_add');
  }
  f.get(0).memory('i32_load', TILER.capacity).op('i32_gt_u').if();
  f.i32(0).op('return').end();
  f.end();
  emitPrimitive(f, at, 6, () => f.get(5));
  for (let n = 1; n <= arity; n++) {
    f.get(at)
      .get(0)
      .get(n)
      .get(4)
      .call(slot)
      .memory('i32_store16', TILER.slots + 2 * (n - 1));
  }
  f.i32(1);
  return f;
}

/** State that is kept in locals, and stored again at the end. */
const KEPT = [
  'streamInstance',
  'next',
  'id',
  'seen',
  'start',
  'previous',
  'before',
  'held',
  'heldA',
  'heldB',
  'heldC',
  'heldProvoking',
  'heldInstance',
  'budget',
] as const;
type Kept = Record<(typeof KEPT)[number], number>;

function emitCollect(m: ModuleBuilder, mode: number, bytes: number, first: boolean): void {
  const slot = emitSlot(m);
  const arity = arityOf(mode);
  const load: MemoryOpName = bytes === 1 ? 'i32_load8_u' : bytes === 2 ? 'i32_load16_u' : 'i32_load';
  const add = emitAdd(m, arity, emitKnown(m), slot);
  const f = m.function('collect', ['i32'], ['i32'], true);
  const s = Object.fromEntries(KEPT.map((name) => [name, f.local('i32')])) as Kept;
  const result = f.local('i32');
  const index = f.local('i32');
  for (const name of KEPT) f.get(0).memory('i32_load', TILER[name]).set(s[name]);
  const addHeld = (): Code =>
    f.get(0).get(s.heldA).get(s.heldB).get(s.heldC).get(s.heldInstance).get(s.heldProvoking).get(s.id).call(add);
  const increment = (local: number): Code => f.get(local).i32(1).op('i32_add').set(local);

  // An empty batch has room for any primitive.
  f.get(s.held).if();
  addHeld().op('drop').i32(0).set(s.held);
  increment(s.id);
  f.end();
  const done = f.block();
  const again = f.loop();
  f.i32(COLLECT.FULL).set(result);
  f.get(s.streamInstance).get(0).memory('i32_load', TILER.instances).op('i32_ge_u').brIf(done);
  f.get(s.next).get(0).memory('i32_load', TILER.count).op('i32_eq').if();
  f.get(s.streamInstance).set(s.heldInstance);
  increment(s.streamInstance).i32(0).set(s.next);
  finish();
  f.br(again);
  f.end();
  f.get(s.next).op('i32_eqz').if();
  f.i32(0).set(s.id).end();
  f.get(s.budget).i32(1).op('i32_lt_s').if();
  f.i32(-1).set(s.budget).i32(COLLECT.SLICE).set(result).br(done);
  f.end();
  if (mode === DRAW_MODE.TRIANGLES) triangle();
  fetch();
  f.get(s.budget).i32(1).op('i32_sub').set(s.budget);
  increment(s.next);
  f.get(index).get(0).memory('i32_load', TILER.restart).op('i32_eq');
  f.get(0).memory('i32_load', TILER.restarts).op('i32_and').if();
  f.get(s.streamInstance).set(s.heldInstance);
  finish();
  f.br(again);
  f.end();
  f.get(s.streamInstance).set(s.heldInstance);
  assemble();
  // Primitives that have no area count, too.
  const degenerate = f.block();
  if (arity === 3) {
    f.get(s.heldA).get(s.heldB).op('i32_eq').brIf(degenerate);
    f.get(s.heldB).get(s.heldC).op('i32_eq').brIf(degenerate);
    f.get(s.heldA).get(s.heldC).op('i32_eq').brIf(degenerate);
  }
  addHeld().op('i32_eqz').if();
  f.i32(1).set(s.held).br(done);
  f.end();
  f.end();
  increment(s.id).br(again);
  f.end();
  f.end();
  for (const name of KEPT) f.get(0).get(s[name]).memory('i32_store', TILER[name]);
  f.get(result);

  /** Takes all of a triangle at once, if its indices can be read and the batch has room in any case. */
  function triangle(): void {
    const at = f.local('i32');
    const indices = f.locals('i32', 3);
    const known = f.local('i32');
    const place = f.local('i32');
    const other = f.block();
    f.get(s.seen).i32(3).op('i32_rem_u').brIf(other);
    f.get(0).memory('i32_load', TILER.count).get(s.next).op('i32_sub').i32(3).op('i32_lt_u').brIf(other);
    f.get(0).memory('i32_load', TILER.primitives).i32(MAX_BATCH_PRIMITIVES).op('i32_eq').brIf(other);
    f.get(0).memory('i32_load', TILER.vertices).i32(3).op('i32_add');
    f.get(0).memory('i32_load', TILER.capacity).op('i32_gt_u').brIf(other);
    if (bytes === 0) for (const [n, to] of indices.entries()) f.get(s.next).i32(n).op('i32_add').set(to);
    else {
      f.get(0).memory('i32_load', TILER.given).brIf(other);
      f.get(s.next).get(0).memory('i32_load', TILER.available).op('i32_ge_u').brIf(other);
      f.get(0).memory('i32_load', TILER.available).get(s.next).op('i32_sub').i32(3).op('i32_lt_u').brIf(other);
      f.get(s.next).get(0).memory('i32_load', TILER.windowFirst).op('i32_sub').tee(at);
      f.get(0).memory('i32_load', TILER.windowCount).op('i32_ge_u').brIf(other);
      f.get(0).memory('i32_load', TILER.windowCount).get(at).op('i32_sub').i32(3).op('i32_lt_u').brIf(other);
      f.get(at).i32(bytes).op('i32_mul').get(0).memory('i32_load', TILER.window).op('i32_add').set(at);
      for (const [n, to] of indices.entries()) {
        f.get(at)
          .memory(load, n * bytes, DRAM)
          .set(to);
      }
      for (const [n, index] of indices.entries()) {
        f.get(index).get(0).memory('i32_load', TILER.restart).op('i32_eq');
        if (n > 0) f.op('i32_or');
      }
      f.get(0).memory('i32_load', TILER.restarts).op('i32_and').brIf(other);
    }
    f.get(s.budget).i32(3).op('i32_sub').set(s.budget);
    f.get(s.next).i32(3).op('i32_add').set(s.next);
    f.get(s.seen).i32(3).op('i32_add').set(s.seen);
    const [a, b, c] = indices as [number, number, number];
    const none = f.block();
    if (bytes > 0) {
      f.get(a).get(b).op('i32_eq').get(b).get(c).op('i32_eq').op('i32_or').get(a).get(c).op('i32_eq').op('i32_or');
      f.brIf(none);
    }
    emitPrimitive(f, at, s.id, () => f.i32(first ? 0 : 2));
    for (const [n, index] of indices.entries()) {
      f.get(at);
      // A number comes once: its vertex need not be looked up, nor be found.
      if (bytes === 0) {
        emitVertex(f, known, place, index, s.streamInstance);
        f.get(known);
      } else f.get(0).get(index).get(s.streamInstance).call(slot);
      f.memory('i32_store16', TILER.slots + 2 * n);
    }
    f.end();
    increment(s.id).br(again);
    f.end();
  }

  /** The stream's next index, or leaves for want of it. */
  function fetch(): void {
    if (bytes === 0) {
      f.get(s.next).set(index);
      return;
    }
    const fetched = f.block();
    f.i32(0).set(index);
    f.get(s.next).get(0).memory('i32_load', TILER.available).op('i32_ge_u').brIf(fetched);
    f.get(0).memory('i32_load', TILER.given).if();
    f.get(0).i32(0).memory('i32_store', TILER.given);
    f.get(0).memory('i32_load', TILER.value).set(index).br(fetched);
    f.end();
    f.get(s.next).get(0).memory('i32_load', TILER.windowFirst).op('i32_sub').tee(index);
    f.get(0).memory('i32_load', TILER.windowCount).op('i32_ge_u').if();
    f.i32(COLLECT.INDEX).set(result).br(done);
    f.end();
    f.get(index).i32(bytes).op('i32_mul').get(0).memory('i32_load', TILER.window).op('i32_add');
    f.memory(load, 0, DRAM).set(index);
    f.end();
  }

  /** The stream ends or restarts: a loop gets its last line. */
  function finish(): void {
    if (mode !== DRAW_MODE.LINE_LOOP) {
      f.i32(0).set(s.seen);
      return;
    }
    f.get(s.seen).i32(0).set(s.seen).i32(1).op('i32_gt_u').if();
    f.get(s.previous).set(s.heldA).get(s.start).set(s.heldB);
    f.i32(first ? 0 : 1).set(s.heldProvoking);
    addHeld().op('i32_eqz').if();
    f.i32(1).set(s.held).br(done);
    f.end();
    increment(s.id);
    f.end();
  }

  /** Takes the index; goes on only with a primitive, in held*. */
  function assemble(): void {
    const older = f.local('i32');
    const old = f.local('i32');
    const n = f.local('i32');
    f.get(s.before).set(older).get(s.previous).tee(old).set(s.before).get(index).set(s.previous);
    f.get(s.seen).tee(n).op('i32_eqz').if();
    f.get(index).set(s.start).end();
    increment(s.seen);
    const take = (a: number, b: number, provoking: number): void => {
      f.get(a).set(s.heldA).get(b).set(s.heldB).get(index).set(s.heldC).i32(provoking).set(s.heldProvoking);
    };
    switch (mode) {
      case DRAW_MODE.POINTS:
        f.get(index).set(s.heldA).i32(0).set(s.heldProvoking);
        return;
      case DRAW_MODE.LINES:
      case DRAW_MODE.LINE_STRIP:
      case DRAW_MODE.LINE_LOOP:
        f.get(n);
        if (mode === DRAW_MODE.LINES) f.i32(1).op('i32_and');
        f.op('i32_eqz').brIf(again);
        f.get(old).set(s.heldA).get(index).set(s.heldB);
        f.i32(first ? 0 : 1).set(s.heldProvoking);
        return;
    }
    if (mode === DRAW_MODE.TRIANGLES) {
      f.get(n).i32(3).op('i32_rem_u').i32(2).op('i32_ne').brIf(again);
      take(older, old, first ? 0 : 2);
      return;
    }
    f.get(n).i32(2).op('i32_lt_u').brIf(again);
    if (mode === DRAW_MODE.TRIANGLE_FAN) {
      take(s.start, old, first ? 1 : 2);
      return;
    }
    f.get(n).i32(1).op('i32_and').if();
    take(old, older, first ? 1 : 2);
    f.else();
    take(older, old, first ? 0 : 2);
    f.end();
  }
}
