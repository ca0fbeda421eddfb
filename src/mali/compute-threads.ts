/**
 * Emitted code for the registers that compute threads start with (abi/isa/preload.ts): columns of a list (engine/threads.ts), or of a
 * register file, as both hold a register's sixteen lanes behind one another.
 *
 * The place of the first thread is divided out; from there on numbers are counted up, four threads at a time where rows of workgroups
 * are so many or a multiple.
 */
import { COMPUTE_PRELOAD as R } from '../abi/isa/preload.ts';
import { COLUMN_BYTES, THREAD_PRELOADS } from './engine/threads.ts';
import { functions } from './fragment/wasm/modules.ts';
import type { Code, ModuleBuilder } from './wasm/builder.ts';

/**
 * Fills the columns at scratch address `at` for `count` threads, and those of the warps that follow, from number `thread` on, the first
 * of a warp, counted from workgroup `group`. Sizes of a workgroup, counts of workgroups along x and y, and what is added to workgroup
 * ids. Lanes behind the last thread may be written.
 */
export type FillThreads = (
  at: number,
  thread: number,
  count: number,
  group: number,
  sizeX: number,
  sizeY: number,
  sizeZ: number,
  countX: number,
  countY: number,
  offsetX: number,
  offsetY: number,
  offsetZ: number,
) => void;

export const fillThreads = (): FillThreads =>
  functions<{ compute_threads: FillThreads }>('compute threads', emit).compute_threads;

const AXES = [0, 1, 2] as const;
const WORD = 4;
const FOUR = 4;

function emit(m: ModuleBuilder): void {
  const f = m.function('compute_threads', Array(12).fill('i32'), [], true);
  const [at, thread, count, group, sizeX, sizeY, sizeZ, countX, countY, offsetX] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  ] as const;
  const locals = (): [number, number, number] => [f.local('i32'), f.local('i32'), f.local('i32')];
  const local = locals();
  const groups = locals();
  const size = [sizeX, sizeY, sizeZ] as const;
  const threads = f.local('i32');
  const rest = f.local('i32');
  f.get(sizeX).get(sizeY).op('i32_mul').get(sizeZ).op('i32_mul').set(threads);
  f.get(group).get(thread).get(threads).op('i32_div_u').op('i32_add').set(group);
  divide(f, () => f.get(thread).get(threads).op('i32_rem_u'), sizeX, sizeY, rest, local);
  divide(f, () => f.get(group), countX, countY, rest, groups);
  const end = f.local('i32');
  f.get(at).i32(COLUMN_BYTES).op('i32_add').set(end);
  f.get(sizeX)
    .i32(FOUR - 1)
    .op('i32_and')
    .op('i32_eqz')
    .if();
  countUp(true);
  f.else();
  countUp(false);
  f.end();

  function countUp(four: boolean): void {
    const step = four ? FOUR : 1;
    const again = f.loop();
    const column = (register: number, push: () => Code): void => {
      f.get(at);
      push();
      const offset = (register - THREAD_PRELOADS.compute.first) * COLUMN_BYTES;
      if (!four) f.memory('i32_store', offset);
      else f.memory('v128_store', offset);
    };
    /** The same for all threads of a step, or what is one more in each. */
    const alike = (push: () => Code): Code => (four ? push().op('i32x4_splat') : push());
    const counted = (push: () => Code): Code => {
      if (!four) return push();
      return push().op('i32x4_splat').v128(0, 1, 2, 3).op('i32x4_add');
    };
    column(R.LOCAL_ID_XY, () => counted(() => f.get(local[1]).i32(16).op('i32_shl').get(local[0]).op('i32_or')));
    column(R.LOCAL_ID_Z, () => alike(() => f.get(local[2])));
    for (const axis of AXES) {
      const id = (): Code =>
        f
          .get(groups[axis])
          .get(offsetX + axis)
          .op('i32_add');
      const global = (): Code => id().get(size[axis]).op('i32_mul').get(local[axis]).op('i32_add');
      column(R.WORKGROUP_ID + axis, () => alike(id));
      column(R.GLOBAL_ID + axis, () => (axis === 0 ? counted(global) : alike(global)));
    }
    // Further, with a carry from x to y to z to the next workgroup.
    const carried = f.block();
    carry(f, local[0], sizeX, carried, step);
    carry(f, local[1], sizeY, carried);
    carry(f, local[2], sizeZ, carried);
    carry(f, groups[0], countX, carried);
    carry(f, groups[1], countY, carried);
    f.get(groups[2]).i32(1).op('i32_add').set(groups[2]);
    f.end();
    f.get(at)
      .i32(WORD * step)
      .op('i32_add')
      .tee(at)
      .get(end)
      .op('i32_eq')
      .if();
    f.get(at)
      .i32((THREAD_PRELOADS.compute.count - 1) * COLUMN_BYTES)
      .op('i32_add')
      .tee(at)
      .i32(COLUMN_BYTES)
      .op('i32_add')
      .set(end);
    f.end();
    f.get(count).i32(-step).op('i32_add').tee(count).i32(0).op('i32_gt_s').brIf(again);
    f.end();
  }
}

/** The coordinates of a number in rows of `x` and planes of x × `y`. */
function divide(
  f: Code,
  push: () => void,
  x: number,
  y: number,
  rest: number,
  to: readonly [number, number, number],
): void {
  push();
  f.tee(rest).get(x).op('i32_rem_u').set(to[0]);
  f.get(rest).get(x).op('i32_div_u').tee(rest).get(y).op('i32_rem_u').set(to[1]);
  f.get(rest).get(y).op('i32_div_u').set(to[2]);
}

/** Counts up; to `done` if it stays below `end`, else it is zero again. */
function carry(f: Code, counter: number, end: number, done: ReturnType<Code['block']>, step = 1): void {
  f.get(counter).i32(step).op('i32_add').tee(counter).get(end).op('i32_lt_u').brIf(done);
  f.i32(0).set(counter);
}
