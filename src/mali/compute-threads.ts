/**
 * Emitted code for the registers that compute threads start with (abi/isa/preload.ts), a warp at a time: columns of a list
 * (engine/threads.ts), or of a register file, as both hold a register's sixteen lanes behind one another.
 *
 * The place of the warp's first thread is divided out; from there on its numbers are counted up.
 */
import { COMPUTE_PRELOAD as R } from '../abi/isa/preload.ts';
import { COLUMN_BYTES, THREAD_PRELOADS } from './engine/threads.ts';
import { functions } from './fragment/wasm/modules.ts';
import type { Code, ModuleBuilder } from './wasm/builder.ts';

/**
 * Fills the columns at scratch address `at` for `count` threads from number `thread` on, counted from workgroup `group`. Sizes of a
 * workgroup, counts of workgroups along x and y, and what is added to workgroup ids.
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
  const again = f.loop();
  const column = (register: number, push: () => void): void => {
    f.get(at);
    push();
    f.memory('i32_store', (register - THREAD_PRELOADS.compute.first) * COLUMN_BYTES);
  };
  column(R.LOCAL_ID_XY, () => f.get(local[1]).i32(16).op('i32_shl').get(local[0]).op('i32_or'));
  column(R.LOCAL_ID_Z, () => f.get(local[2]));
  for (const axis of AXES) {
    const id = (): Code =>
      f
        .get(groups[axis])
        .get(offsetX + axis)
        .op('i32_add');
    column(R.WORKGROUP_ID + axis, () => id());
    column(R.GLOBAL_ID + axis, () => id().get(size[axis]).op('i32_mul').get(local[axis]).op('i32_add'));
  }
  // One thread further, with a carry from x to y to z to the next workgroup.
  const counted = f.block();
  carry(f, local[0], sizeX, counted);
  carry(f, local[1], sizeY, counted);
  carry(f, local[2], sizeZ, counted);
  carry(f, groups[0], countX, counted);
  carry(f, groups[1], countY, counted);
  f.get(groups[2]).i32(1).op('i32_add').set(groups[2]);
  f.end();
  f.get(at).i32(WORD).op('i32_add').set(at);
  f.get(count).i32(-1).op('i32_add').tee(count).brIf(again);
  f.end();
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
function carry(f: Code, counter: number, end: number, done: ReturnType<Code['block']>): void {
  f.get(counter).i32(1).op('i32_add').tee(counter).get(end).op('i32_lt_u').brIf(done);
  f.i32(0).set(counter);
}
